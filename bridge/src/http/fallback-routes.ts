import { z } from "zod";
import { KeyedBuckets } from "../core/token-bucket.ts";
import { POLL_EVERY_MS, type Poller } from "../poll.ts";
import type { SseTransport } from "../sse-transport.ts";
import type { Tickets } from "../tickets.ts";
import { ClientError, EVERYBODY, route, type Route } from "./router.ts";

/** A poller asks once a second; a replay in parts asks at once. */
const POLL_RATE = { perS: 2, burst: 10 };
const CONTROL_RATE = { perS: 20, burst: 60 };
/** A stream takes one; each hangs on the pinboard for 12 h. */
const TICKET_RATE = { perS: 1, burst: 30 };
const MAX_KEYS = 10_000;

export interface FallbackRoutesOptions {
  streams: SseTransport;
  poller: Poller;
  tickets: Tickets;
  nowMs: () => number;
}

/** Where WebSockets are blocked: what a stream has to say, tickets for it, and polling. */
export function fallbackRoutes({ streams, poller, tickets, nowMs }: FallbackRoutesOptions): Route[] {
  const ticketBuckets = new KeyedBuckets(TICKET_RATE, MAX_KEYS);
  const pollBuckets = new KeyedBuckets(POLL_RATE, MAX_KEYS);
  const controlBuckets = new KeyedBuckets(CONTROL_RATE, MAX_KEYS);
  return [
    route({
      method: "POST",
      path: "/api/v1/tickets",
      summary: "A single-use ticket for oneself, for an address where no header can be set: GET /events?ticket= (EventSource)",
      access: EVERYBODY,
      status: 201,
      answers: z.object({ ticket: z.string() }),
      async handle({ claims }) {
        const who = claims ?? nobody();
        const afterMs = ticketBuckets.take(who.subject, nowMs());
        if (afterMs > 0) throw new ClientError("rate_limited", "too many tickets", afterMs);
        return { status: 201, body: { ticket: await tickets.issue(who) } };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/control",
      summary: "What a client of the stream GET /events has to say: frames of the client protocol, answered on the stream",
      access: "public",
      body: z.object({ sid: z.string().min(16).max(64).describe("of the stream's welcome"), frames: z.array(z.looseObject({ op: z.enum(["sub", "unsub", "ack", "pong", "probe", "auth", "set", "pub"]) })).min(1).max(20) }).strict(),
      status: 202,
      answers: z.object({ accepted: z.number() }),
      errors: ["not_found"],
      handle({ body, address }) {
        const afterMs = controlBuckets.take(`${address} ${body.sid}`, nowMs());
        if (afterMs > 0) throw new ClientError("rate_limited", "too many frames", afterMs);
        if (!streams.control(body.sid, body.frames)) throw new ClientError("not_found", "no stream of this id is open here");
        return { status: 202, body: { accepted: body.frames.length } };
      },
    }),
    route({
      method: "GET",
      path: "/api/v1/poll",
      summary: `What has happened since the cursor, and what is so now: the last resort, every ${POLL_EVERY_MS} ms`,
      access: EVERYBODY,
      query: z.object({ channels: z.string().min(1).max(1_000).default("alerts").describe("separated by commas"), cursor: z.string().min(1).max(512).optional().describe("of the last answer") }).strict(),
      answers: z.object({ frames: z.array(z.looseObject({ op: z.string() })).describe("as they would come over a WebSocket"), cursor: z.string().nullable(), more: z.boolean().describe("ask again at once"), everyMs: z.number() }),
      async handle({ query, claims, address }) {
        const who = claims ?? nobody();
        const afterMs = pollBuckets.take(who.subject, nowMs());
        if (afterMs > 0) throw new ClientError("rate_limited", "once a second is enough", afterMs);
        const channels = [...new Set(query.channels.split(",").map((name) => name.trim()))].slice(0, 32);
        const { frames, cursor, more } = await poller.poll(who, channels, query.cursor ?? null, address);
        return { status: 200, text: { type: "application/json; charset=utf-8", text: `{"frames":[${frames.join(",")}],"cursor":${JSON.stringify(cursor)},"more":${more},"everyMs":${POLL_EVERY_MS}}` } };
      },
    }),
  ];
}

function nobody(): never {
  throw new ClientError("unauthorized", "who are you?");
}
