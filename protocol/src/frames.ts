import { z } from "zod";
import type { Alert } from "./alert.ts";
import type { ClientErrorCode } from "./errors.ts";
import { idSchema } from "./sensors.ts";
import { privacyChangeSchema, type Level, type PrivacySettings } from "./privacy-settings.ts";
import type { GatewayHealth } from "./update.ts";

/**
 * The client protocol `konferenco-v1`: one JSON object per WebSocket frame, `op` names it.
 * `id` present: a reply is owed (`re` in the answer); absent: a push. See docs/wire-protocol.md.
 */
export const SUBPROTOCOL = "konferenco-v1";

/** What can be subscribed. `me`: own position, zone, near and apart, own settings. `alerts`: alerts. `nearby`: people near me.
 *  `venue`: everybody and everything as far as the viewer may see it (staff and displays). `occupancy`: counts per zone. */
export const CHANNELS = ["me", "nearby", "alerts", "venue", "occupancy"] as const;
export type Channel = (typeof CHANNELS)[number];

const requestId = z.number().int().min(0).max(2 ** 31);
const token = z.string().min(1).max(4_096);
const cursor = z.string().min(1).max(512);

export const clientFrameSchema = z.discriminatedUnion("op", [
  z.object({ op: z.literal("hello"), id: requestId, tok: token, cl: z.tuple([z.string().max(40), z.string().max(40)]).optional(), resume: cursor.optional() }),
  z.object({ op: z.literal("auth"), id: requestId, tok: token }),
  z.object({
    op: z.literal("sub"),
    id: requestId,
    ch: z.enum(CHANNELS),
    /** Positions a second at most, 0.1-10; default 2. */
    hz: z.number().min(0.1).max(10).optional(),
    /** Every position in order instead of the latest per subject: for recorders. Staff only; bounded by the outbox. */
    every: z.boolean().optional(),
  }),
  z.object({ op: z.literal("unsub"), id: requestId, ch: z.enum(CHANNELS) }),
  z.object({ op: z.literal("ack"), s: z.number().int().min(0) }),
  z.object({ op: z.literal("pong"), s: z.number().int().min(0).optional() }),
  z.object({ op: z.literal("probe") }),
  z.object({ op: z.literal("set"), id: requestId, privacy: privacyChangeSchema }),
]);
export type ClientFrame = z.infer<typeof clientFrameSchema>;

/** An event as a client sees it. Everything in it has passed the bridge's privacy policy for this viewer. */
export type ClientEvent =
  | { t: "position"; at: number; d: PositionView }
  | { t: "zone.enter" | "zone.dwell" | "zone.exit"; at: number; d: { subj: SubjectView; zoneId: string; floor: number } }
  | { t: "near" | "apart"; at: number; d: { subj: SubjectView } }
  | { t: "alert"; at: number; d: Alert }
  | { t: "occupancy"; at: number; d: { zones: { zoneId: string; count: number | "few" }[] } }
  | { t: "gateway"; at: number; d: GatewayHealth }
  | { t: "nearby"; at: number; d: { people: NearbyPerson[] } }
  | { t: "settings"; at: number; d: PrivacySettings };

/** Who an event is about: `me`, a person, or (for staff) a tag that nobody carries. */
export type SubjectView = { who: "me" } | { who: "person"; personId: string; name: string } | { who: "tag"; tagId: string };

/** A position at level precise (own: exact; others': snapped to a grid before it left the policy). */
export interface PositionView {
  subj: SubjectView;
  level: Extract<Level, "precise">;
  xM: number;
  yM: number;
  floor: number;
  zoneId: string | null;
  accuracy95M: number;
  confidence: number;
}

/** Somebody near the viewer. `within` is the finest band that the person's level allows; never a distance. */
export interface NearbyPerson {
  personId: string;
  name: string;
  company: string;
  sharedInterests: string[];
  within: "10m" | "50m" | "same_zone" | "same_venue";
}

/** Of logged events only: `i` is the id for deduplication, `st` when it was stored (ms), so that a client can tell how long it was on its way. */
export interface EventStamp {
  i?: string;
  st?: number;
}

export type ServerFrame =
  | { op: "welcome"; re: number; sid: string; ttlS: number; pingS: number; now: number; epoch: string; resumed: boolean; why?: string; who: { personId: string | null; role: string } }
  /** `c`, wherever it stands: the newest sealed cursor, to be kept for `hello.resume`. */
  | { op: "ok"; re: number; ch?: Channel; snap?: ClientEvent[]; c?: string }
  /** One event. `s` is dense per connection after filtering; `c` the sealed cursor. */
  | ({ op: "ev"; s: number; c?: string } & ClientEvent & EventStamp)
  /** A batch: `s` belongs to the first event, the others follow it. */
  | { op: "b"; s: number; c?: string; ev: (ClientEvent & EventStamp)[] }
  | { op: "caught"; c?: string }
  | { op: "gap"; why: "retention" | "epoch" | "overflow" }
  | { op: "lag"; level: 0 | 1 }
  | { op: "forget"; subj: string }
  | { op: "ping"; now: number; c?: string }
  | { op: "err"; re?: number; code: ClientErrorCode; n: number; retry: boolean; after?: number; detail?: string }
  | { op: "bye"; n: number; after: [number, number] };

/** The answer of `POST /api/v1/sessions` and `POST /api/v1/tickets/redeem`. */
export const sessionSchema = z.object({ token: z.string(), expiresAtMs: z.number(), personId: idSchema.nullable(), role: z.string(), eventId: idSchema });
export type Session = z.infer<typeof sessionSchema>;
