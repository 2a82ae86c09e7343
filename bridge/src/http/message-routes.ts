import { z } from "zod";
import {
  APP_CHANNEL_PATTERN,
  MESSAGE_TYPES,
  MAX_ID_LENGTH,
  digestOfIds,
  envelopeInSchema,
  envelopeSchema,
  messageTypeOf,
  replayMsOf,
  type AppChannel,
  type EnvelopeIn,
  type MessageEnvelope,
  type MessageType,
  type StoredMessage,
} from "@konferenco/protocol";
import type { Claims } from "../auth.ts";
import { rightsOf } from "../core/channel-rights.ts";
import type { Viewer } from "../core/privacy-policy.ts";
import { isVenue } from "../core/privacy.ts";
import { KeyedBuckets } from "../core/token-bucket.ts";
import type { MessageDesk, MessageDraft } from "../message-desk.ts";
import type { PeopleCache } from "../people-cache.ts";
import type { Sync, SyncPage, SyncQuery } from "../sync.ts";
import { ClientError, EVERYBODY, route, type Route } from "./router.ts";

/** Pages of a full synchronisation come one after the other; deltas every 30 s. */
const SYNC_RATE = { perS: 10, burst: 60 };
/** An hour less than the log keeps: what is just leaving it makes no difference. */
const DIGESTED_MS = 23 * 60 * 60_000;
/** Ids of one part. */
const MAX_DIGESTED = 5_000;
const MAX_KEYS = 10_000;

export interface MessageRoutesOptions {
  eventId: string;
  messages: MessageDesk;
  people: PeopleCache;
  sync: Sync;
  nowMs: () => number;
}

/** Messages in the documents' own envelope (requirement E3), and synchronisation (E25). */
export function messageRoutes({ eventId, messages, people, sync, nowMs }: MessageRoutesOptions): Route[] {
  const syncBuckets = new KeyedBuckets(SYNC_RATE, MAX_KEYS);
  const viewer = async (claims: Claims | null): Promise<{ claims: Claims; viewer: Viewer }> => {
    if (claims === null) throw new ClientError("unauthorized", "who are you?");
    if (claims.personId !== null) await people.loadPerson(claims.personId);
    const { mayRead } = rightsOf(claims.role, claims.channels);
    return { claims, viewer: { role: claims.role, personId: claims.personId, self: claims.personId === null ? null : people.policyOf(claims.personId), mayRead } };
  };
  const pageFor = async (claims: Claims | null, channels: string, range: Pick<SyncQuery, "from" | "until" | "limit">): Promise<SyncPage> => {
    const who = await viewer(claims);
    const { subject } = who.claims;
    const afterMs = syncBuckets.take(subject, nowMs());
    if (afterMs > 0) throw new ClientError("rate_limited", "too many pages", afterMs);
    const page = await sync.page({ subject, viewer: who.viewer, channels: new Set(channels.split(",").map((name) => name.trim())), ...range });
    if (page === null) throw new ClientError("cursor_invalid", "this place in the log is not yours, or not of this event: synchronise in full");
    return page;
  };
  return [
    route({
      method: "POST",
      path: "/api/v1/messages",
      summary: "Send a message; the same as the frame pub",
      access: EVERYBODY,
      body: envelopeInSchema,
      status: 201,
      answers: z.object({ id: z.string().nullable(), duplicate: z.boolean().describe("the key was there before; nothing was sent again") }),
      errors: ["not_found", "unknown_channel", "too_large"],
      async handle({ body, claims }) {
        const who = await viewer(claims);
        const rights = rightsOf(who.claims.role, who.claims.channels);
        const outcome = await messages.publish({ subject: who.claims.subject, viewer: who.viewer, rights, isSystem: who.claims.system === true }, draftOf(body));
        if (!outcome.ok) throw new ClientError(outcome.code, outcome.detail, outcome.afterMs ?? null);
        return { status: 201, body: { id: outcome.id, duplicate: outcome.id === null } };
      },
    }),
    route({
      method: "GET",
      path: "/api/v1/sync",
      summary: "Messages and alerts that I may see: all that is kept, in pages of 100; or, with since, what is new (at most 500)",
      access: EVERYBODY,
      query: z
        .object({
          channels: z.string().max(1_000).default("direct,alerts").describe("separated by commas: direct, alerts, app:…"),
          cursor: z.string().min(1).max(512).optional().describe("of the page before"),
          since: z.string().min(1).max(512).optional().describe("a new_version of before; any cursor of the live protocol will do"),
          max_operations: z.coerce.number().int().min(1).max(500).optional(),
        })
        .strict(),
      answers: z.object({
        mode: z.enum(["full", "delta"]),
        operations: z.array(z.union([envelopeSchema, z.looseObject({ type: z.literal("alert") })])),
        new_version: z.string(),
        cursor: z.string().nullable().describe("of the next page; null on the last"),
        has_more: z.boolean(),
        gap: z.enum(["retention", "epoch"]).nullable().describe("what came after since is not all there any more: synchronise in full"),
      }),
      errors: ["cursor_invalid"],
      async handle({ query, claims }) {
        const page = await pageFor(claims, query.channels, { from: query.since ?? query.cursor ?? null, limit: query.since === undefined ? 100 : (query.max_operations ?? 500) });
        const operations = page.found.map(({ update, alert, message }) => (message === null ? { ...alert, type: "alert", id: update } : envelopeOf(message, eventId)));
        return { status: 200, body: { mode: query.since === undefined ? "full" : "delta", operations, new_version: page.cursor, cursor: page.hasMore ? page.cursor : null, has_more: page.hasMore, gap: page.gap } };
      },
    }),
    route({
      method: "GET",
      path: "/api/v1/sync/digest",
      summary: "A digest of the ids that a full synchronisation gives, to compare a view with: of the last 23 hours, up to a new_version of before",
      access: EVERYBODY,
      query: z
        .object({
          channels: z.string().max(1_000).default("direct,alerts").describe("separated by commas: direct, alerts, app:…"),
          until: z.string().min(1).max(512).describe("a new_version of before"),
          cursor: z.string().min(1).max(512).optional().describe("of the part before"),
          from_ms: z.coerce.number().int().min(0).optional().describe("of the part before"),
        })
        .strict(),
      answers: z.object({
        count: z.number(),
        digest: z.string().describe("two sums of FNV-1a hashes (from 811c9dc5 and 9747b28c) of the ids' UTF-16 units, modulo 2^32, in hexadecimal; parts add up"),
        from_ms: z.number().describe("what is older is in neither"),
        cursor: z.string().nullable().describe("of the next part; null on the last"),
        has_more: z.boolean(),
      }),
      errors: ["cursor_invalid"],
      async handle({ query, claims }) {
        const page = await pageFor(claims, query.channels, { from: query.cursor ?? null, until: query.until, limit: MAX_DIGESTED });
        const fromMs = query.from_ms ?? nowMs() - DIGESTED_MS;
        const ids = page.found.flatMap(({ update, alert, message }) => ((message?.atMs ?? alert?.atMs ?? 0) < fromMs ? [] : [message?.id ?? update]));
        return { status: 200, body: { count: ids.length, digest: digestOfIds(ids), from_ms: fromMs, cursor: page.hasMore ? page.cursor : null, has_more: page.hasMore } };
      },
    }),
  ];
}

/** `type` alone may hold both parts ("chat/reaction"), or one of the names that the documents use besides. */
function draftOf({ type, subtype, to, payload, idempotency_key, ttl, signature, public_key, encrypted }: EnvelopeIn): MessageDraft {
  const known = messageTypeOf(subtype === undefined ? type : `${type}/${subtype}`);
  if (known === null) throw new ClientError("bad_request", `body.type: no such event type "${type.slice(0, 40)}"`);
  if (to.type === "broadcast") throw new ClientError("bad_request", "body.to: to everybody are alerts (POST /api/v1/alerts); messages go to a channel or a person");
  const id = to.id ?? "";
  if (to.type === "channel" && !APP_CHANNEL_PATTERN.test(id)) throw new ClientError("bad_request", "body.to.id: app: and 1-60 of A-Z a-z 0-9 . _ : -");
  if (to.type === "user" && (id === "" || id.length > MAX_ID_LENGTH)) throw new ClientError("bad_request", "body.to.id: whom?");
  return {
    t: known.name,
    ...(to.type === "channel" ? { ch: id as AppChannel } : { to: id }),
    d: payload,
    key: idempotency_key,
    ttlS: ttl,
    sig: signature,
    pk: public_key,
    enc: encrypted,
  };
}

/** A stored message in the words of requirement E3. */
function envelopeOf(message: StoredMessage, eventId: string): MessageEnvelope {
  const type: MessageType = MESSAGE_TYPES[message.type];
  const [name = "", subtype = ""] = message.type.split("/");
  const acked = type.delivery !== "best_effort";
  return {
    id: message.id,
    type: name,
    subtype,
    from: { user_id: isVenue(message.from) ? "venue" : message.from },
    to: { type: message.to.kind, id: message.to.id, event_id: eventId },
    payload: message.payload,
    timestamp: message.atMs,
    ttl: message.ttlS ?? Math.floor((type.retentionMs ?? replayMsOf(type)) / 1_000),
    priority: type.priority,
    delivery: { required_ack: acked, retry_policy: acked ? "exponential" : "none", max_retries: acked ? 5 : 0, dedup_window: type.delivery === "exactly_once" ? 86_400 : 0 },
    ...(message.signature === undefined ? {} : { signature: message.signature }),
    ...(message.encrypted === true ? { encrypted: true } : {}),
  };
}
