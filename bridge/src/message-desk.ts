import { createPublicKey, randomBytes, verify } from "node:crypto";
import { MESSAGE_TYPES, cleanPayload, signedText, type AppChannel, type ClientErrorCode, type MessageType, type MessageTypeName, type StoredMessage } from "@konferenco/protocol";
import { emptyBatch, type Store } from "@konferenco/fusion";
import type { ChannelRights } from "./core/channel-rights.ts";
import { mayWriteTo, type Viewer } from "./core/privacy-policy.ts";
import { isVenue } from "./core/privacy.ts";
import { SendRates } from "./core/send-rates.ts";
import type { PeopleCache } from "./people-cache.ts";
import type { Signals } from "./signals.ts";

/** Senders and groups whose times are remembered, up to 900 bytes each. */
const MAX_BUDGETS = 50_000;

export interface MessageDeskOptions {
  store: Store;
  people: PeopleCache;
  signals: Signals;
  nowMs: () => number;
}

/** Who sends: what the token says. */
export interface MessageSender {
  subject: string;
  viewer: Viewer;
  rights: ChannelRights;
  isSystem: boolean;
}

/** A message as the frame `pub` has it; the REST API makes the same of an envelope. */
export interface MessageDraft {
  t: MessageTypeName;
  ch?: AppChannel | undefined;
  to?: string | undefined;
  d: Record<string, unknown>;
  key?: string | undefined;
  ttlS?: number | undefined;
  sig?: string | undefined;
  pk?: string | undefined;
  enc?: boolean | undefined;
}

/** `id` null: it has been said already under this key. */
export type Published = { ok: true; id: string | null } | Refusal;

interface Refusal {
  ok: false;
  code: ClientErrorCode;
  detail: string;
  afterMs?: number;
}

const utf8 = new TextEncoder();

/** Takes what applications say: checks it by the registry of types, stores it as its class asks, and only then says so. */
export class MessageDesk {
  readonly #options: MessageDeskOptions;
  readonly #rates = new SendRates(MAX_BUDGETS);
  /** Accepted, and refused by code. */
  readonly counts = { stored: 0, passed: 0, duplicates: 0 };

  constructor(options: MessageDeskOptions) {
    this.#options = options;
  }

  async publish(sender: MessageSender, draft: MessageDraft): Promise<Published> {
    const { people, store, signals, nowMs } = this.#options;
    const type: MessageType = MESSAGE_TYPES[draft.t];
    const refused = this.#refusalOf(sender, draft, type) ?? (await this.#targetRefusal(sender, draft));
    if (refused !== null) return refused;
    const cleaned = draft.enc === true ? draft.d : (cleanPayload(draft.d) as Record<string, unknown>);
    const signed = signatureRefusal(draft, cleaned);
    if (signed !== null) return signed;
    // The last check, for it counts: what was refused before costs nothing of the budget.
    const afterMs = type.rate === null ? 0 : this.#rates.take(sender.subject, type.rate, nowMs());
    // Somebody who sends again after a break of the line is told so, at the limit too: what they said stands.
    if (afterMs > 0 && (await this.#isSaid(sender, draft))) return this.#duplicate();
    if (afterMs > 0) return { ok: false, code: "rate_limited", detail: `at most ${type.rate?.count ?? 0} of this kind in ${(type.rate?.withinMs ?? 0) / 1_000} s`, afterMs };
    const message = messageOf(sender, draft, cleaned, nowMs());
    if (type.delivery === "best_effort") {
      signals.push({ kind: "said", message });
      this.counts.passed++;
      return { ok: true, id: message.id };
    }
    if (!isVenue(sender.subject)) await people.loadPerson(sender.subject);
    const { duplicateMessages } = await store.commit({ ...emptyBatch(), messages: [message] }, nowMs());
    if (duplicateMessages === 1) {
      if (type.rate !== null) this.#rates.giveBack(sender.subject, type.rate);
      return this.#duplicate();
    }
    this.counts.stored++;
    return { ok: true, id: message.id };
  }

  async #isSaid({ subject }: MessageSender, { key }: MessageDraft): Promise<boolean> {
    return key !== undefined && (await this.#options.store.hasMessage(subject, key, this.#options.nowMs()));
  }

  #duplicate(): Published {
    this.counts.duplicates++;
    return { ok: true, id: null };
  }

  #refusalOf(sender: MessageSender, draft: MessageDraft, type: MessageType): Refusal | null {
    const { viewer, rights, isSystem } = sender;
    const may =
      (type.senders.includes("person") && (viewer.personId !== null || viewer.role === "operator" || viewer.role === "staff")) ||
      (type.senders.includes("operator") && viewer.role === "operator") ||
      (type.senders.includes("system") && isSystem);
    if (type.senders.length === 0) return refuse("forbidden", `the venue itself tells "${draft.t}"${type.wire === undefined ? "" : ` (as "${type.wire}")`}`);
    if (!may) return refuse("forbidden", `"${draft.t}" is for: ${type.senders.join(", ")}`);
    if (viewer.personId !== null && viewer.self?.consented !== true) return refuse("forbidden", "without your consent nothing of you is stored or shown: give it first");
    if ((draft.ch === undefined) === (draft.to === undefined)) return refuse("bad_request", "say either ch or to");
    if (!type.targets.includes(draft.ch === undefined ? "user" : "channel")) return refuse("bad_request", `"${draft.t}" goes to a ${type.targets.join(" or ")}`);
    if (draft.ch !== undefined && !rights.mayPublish(draft.ch)) {
      return rights.mayRead(draft.ch) ? refuse("forbidden", `this token may not publish on "${draft.ch}"`) : refuse("unknown_channel", `no channel "${draft.ch}" for this token`);
    }
    if (type.delivery === "exactly_once" && draft.key === undefined) return refuse("bad_request", `"${draft.t}" is sent exactly once: give it a key of your own, and the same one when you send it again`);
    const bytes = utf8.encode(JSON.stringify(draft.d)).length;
    return bytes > type.maxBytes ? refuse("too_large", `${bytes} bytes; "${draft.t}" has at most ${type.maxBytes}`) : null;
  }

  /** Who is hidden, not there, or does not want it: all the same answer. */
  async #targetRefusal({ viewer }: MessageSender, { to }: MessageDraft): Promise<Refusal | null> {
    if (to === undefined) return null;
    const { people } = this.#options;
    await people.loadPerson(to);
    const recipient = people.policyOf(to);
    const from = viewer.self ?? (viewer.personId === null ? "venue" : null);
    return recipient !== null && from !== null && mayWriteTo(recipient, from) ? null : refuse("not_found", "nobody of that id takes messages from you");
  }
}

function refuse(code: ClientErrorCode, detail: string): Refusal {
  return { ok: false, code, detail };
}

function messageOf({ subject }: MessageSender, { t, ch, to, key, ttlS, sig, pk, enc }: MessageDraft, payload: Record<string, unknown>, nowMs: number): StoredMessage {
  return {
    id: newMessageId(nowMs),
    type: t,
    from: subject,
    to: ch === undefined ? { kind: "user", id: to ?? "" } : { kind: "channel", id: ch },
    payload,
    atMs: nowMs,
    key: key ?? null,
    ...(ttlS === undefined ? {} : { ttlS }),
    ...(sig === undefined ? {} : { signature: sig }),
    ...(sig === undefined || pk === undefined ? {} : { publicKey: pk }),
    ...(enc === true ? { encrypted: true } : {}),
  };
}

/** Requirement E19: verified where present. What is signed is passed on as it came, or not at all. */
function signatureRefusal({ t, ch, to, key, d, sig, pk }: MessageDraft, cleaned: Record<string, unknown>): Refusal | null {
  if (sig === undefined) return null;
  if (pk === undefined) return refuse("bad_request", "a signature (sig) needs its public key (pk)");
  const text = signedText(t, ch ?? to ?? "", key ?? null, d);
  if (signedText(t, ch ?? to ?? "", key ?? null, cleaned) !== text) return refuse("bad_request", "the signed text holds control characters, which would be removed");
  try {
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: pk }, format: "jwk" });
    if (verify(null, Buffer.from(text), publicKey, Buffer.from(sig, "base64url"))) return null;
  } catch {
    // not a key
  }
  return refuse("bad_request", "the signature does not fit the message and the key");
}

/** UUIDv7 (RFC 9562): the time first, so that ids sort as they were made. */
function newMessageId(nowMs: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Math.max(0, Math.floor(nowMs)), 0, 6);
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
