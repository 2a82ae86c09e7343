import { z } from "zod";
import type { Activity } from "./activity.ts";
import type { Alert } from "./alert.ts";
import type { ClientErrorCode } from "./errors.ts";
import { PRESENCE_STATES, pubFrameSchema, type PresenceState, type ReceiptCounts } from "./message.ts";
import { appChannelSchema, type AppChannel, type MessageTypeName } from "./message-types.ts";
import { idSchema } from "./sensors.ts";
import { privacyChangeSchema, type Level, type PrivacySettings } from "./privacy-settings.ts";
import type { FixSource, GatewayHealth } from "./update.ts";

/**
 * The client protocol `konferenco-v1`: one JSON object per WebSocket frame, `op` names it.
 * `id` present: a reply is owed (`re` in the answer); absent: a push. See docs/wire-protocol.md.
 */
export const SUBPROTOCOL = "konferenco-v1";

/** What the venue tells. `me`: own position, zone, activity, near and apart, own settings. `alerts`: alerts. `nearby`: people and channels near me.
 *  `venue`: everybody and everything as far as the viewer may see it (staff and displays). `occupancy`: counts per zone.
 *  `direct`: messages to me. `presence`: which of my connections are here. */
export const CHANNELS = ["me", "nearby", "alerts", "venue", "occupancy", "direct", "presence"] as const;
export type VenueChannel = (typeof CHANNELS)[number];
/** And the channels of applications, `app:<name>`. */
export type Channel = VenueChannel | AppChannel;
export const channelSchema = z.union([z.enum(CHANNELS), appChannelSchema]);

const metres = z.number().min(-100_000).max(100_000);
const radiusM = z.number().min(1).max(1_000);

/** A part of the venue: zones, a circle, or a polygon as a dashboard's viewport is one; a circle on Earth is on all floors unless it names one. */
export const areaSchema = z.union([
  z.object({ zoneIds: z.array(idSchema).min(1).max(64) }).strict(),
  z.object({ floor: z.number().int(), xM: metres, yM: metres, radiusM }).strict(),
  z.object({ floor: z.number().int(), polygon: z.array(z.tuple([metres, metres])).min(3).max(64) }).strict(),
  z.object({ lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180), radiusM, floor: z.number().int().optional() }).strict(),
]);
export type AreaOfInterest = z.infer<typeof areaSchema>;

const requestId = z.number().int().min(0).max(2 ** 31);
const token = z.string().min(1).max(4_096);
const cursor = z.string().min(1).max(512);

export const clientFrameSchema = z.discriminatedUnion("op", [
  z.object({ op: z.literal("hello"), id: requestId, tok: token, cl: z.tuple([z.string().max(40), z.string().max(40)]).optional(), resume: cursor.optional() }),
  z.object({ op: z.literal("auth"), id: requestId, tok: token }),
  z.object({
    op: z.literal("sub"),
    id: requestId,
    ch: channelSchema,
    /** Positions a second at most, 0.1-10; default 2. */
    hz: z.number().min(0.1).max(10).optional(),
    /** Every position in order instead of the latest per subject: for recorders. Staff only; bounded by the outbox. */
    every: z.boolean().optional(),
    /** Of `venue` and `occupancy`: this part alone. Said again it takes the place of the former; null: everything again. */
    area: areaSchema.nullable().optional(),
  }),
  z.object({ op: z.literal("unsub"), id: requestId, ch: channelSchema }),
  z.object({ op: z.literal("ack"), s: z.number().int().min(0) }),
  z.object({ op: z.literal("pong"), s: z.number().int().min(0).optional() }),
  z.object({ op: z.literal("probe") }),
  z.object({
    op: z.literal("set"),
    id: requestId,
    privacy: privacyChangeSchema.optional(),
    /** What the person says of themselves, on this connection: `away` while the page is hidden, `busy` until said otherwise. */
    presence: z.enum(PRESENCE_STATES).exclude(["offline"]).optional(),
  }),
  pubFrameSchema,
]);
export type ClientFrame = z.infer<typeof clientFrameSchema>;

/** An event as a client sees it. Everything in it has passed the bridge's privacy policy for this viewer. */
export type ClientEvent =
  | { t: "position"; at: number; d: PositionView }
  | { t: "zone.enter" | "zone.dwell" | "zone.exit"; at: number; d: { subj: SubjectView; zoneId: string; floor: number } }
  | { t: "near" | "apart"; at: number; d: { subj: SubjectView } }
  | { t: "serendipity"; at: number; d: SerendipityView }
  | { t: "alert"; at: number; d: Alert }
  | { t: "occupancy"; at: number; d: { zones: ZoneCount[]; sessions?: SessionCount[] } }
  | { t: "activity"; at: number; d: { subj: SubjectView; activity: ActivityView | null } }
  | { t: "channels"; at: number; d: { channels: NearbyChannel[]; entered: string[]; left: string[] } }
  | { t: "gateway"; at: number; d: GatewayHealth }
  | { t: "nearby"; at: number; d: { people: NearbyPerson[] } }
  | { t: "settings"; at: number; d: PrivacySettings }
  | { t: MessageTypeName; at: number; d: MessageView }
  | { t: "typing"; at: number; d: { ch: AppChannel; people: PersonView[]; more: number } }
  | { t: "presence"; at: number; d: PresenceView }
  | { t: "receipts"; at: number; d: { alertId: string } & ReceiptCounts };

/** A message as one of those sees it whom it is for. Its type is the event's `t`. */
export interface MessageView {
  /** UUIDv7, the same for everybody and in the REST API. */
  id: string;
  from: SenderView;
  ch?: AppChannel;
  /** Of a direct message: `me`, or (in the sender's own tabs) whom it went to. */
  to?: string;
  body: Readonly<Record<string, unknown>>;
  /** For the sender alone: the key under which it was sent. */
  key?: string;
  ttlS?: number;
  /** From somebody whom the recipient has not connected with, and who asks to be heard. */
  request?: true;
  sig?: string;
  pk?: string;
  enc?: true;
}

/** `venue`: its staff or its software. */
export type SenderView = { who: "me" } | { who: "person"; personId: string; name: string } | { who: "venue" };

export interface PersonView {
  personId: string;
  name: string;
}

/** Who is there. `whole`: the list is everybody who lets themselves be named; else only what has changed since the last. */
export interface PresenceView {
  /** Absent: the viewer's own connections, or (for staff) everybody, in numbers. */
  ch?: AppChannel;
  whole: boolean;
  /** Of all who let their presence be seen. */
  count: number;
  states?: Record<"online" | "away" | "busy", number>;
  people: (PersonView & { state: PresenceState })[];
  left: string[];
  /** More people than are named here. */
  more: number;
}

/** Somebody compatible has come near; both sides have asked for such alerts. Once per pair in 30 minutes. */
export interface SerendipityView {
  subj: Extract<SubjectView, { who: "person" }>;
  /** What both are interested in; null when something else makes the match. */
  topic: string | null;
  /** "You're near Ben, who shares your interest in AI". */
  text: string;
  /** 0.7 to 1. */
  compatibility: number;
  reasons: string[];
}

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
  /** What found it; absent of other people, of whose phones it would tell. */
  source?: FixSource;
}

/** Somebody near the viewer. `within` is the finest band that the person's level allows; never a distance. */
export interface NearbyPerson {
  personId: string;
  name: string;
  company: string;
  sharedInterests: string[];
  within: "10m" | "50m" | "same_zone" | "same_venue";
  /** How much speaks for meeting them, 0 to 1, and what; nothing in it is finer than `within`. */
  relevance?: number;
  reasons?: string[];
  /** As far as they show it. */
  activity?: ActivityView;
}

/** What somebody is doing. Ids only as far as the viewer may know them: of a meeting, its own people alone. */
export interface ActivityView {
  kind: Activity["kind"];
  sessionId?: string;
  exhibitorId?: string;
  meetingId?: string;
  /** Of the session, stand or meeting. */
  name?: string;
  /** When the session or meeting ends. */
  untilMs?: number;
}

/** How full a zone is. `hot` (a hot spot) and how many it holds stand there only while it is one. */
export interface ZoneCount {
  zoneId: string;
  count: number | "few";
  hot?: true;
  capacity?: number;
}

/** How many are in a session now, how many stayed for five minutes or more, and the most there were: for staff. */
export interface SessionCount {
  sessionId: string;
  present: number;
  attended: number;
  peak: number;
}

/** A channel that the viewer could join from where they are: `app:<channelId>`. */
export interface NearbyChannel {
  channelId: string;
  name: string;
  /** To the edge of its region, 0 inside; where only its signal was heard, by that. Whole metres. */
  distanceM: number;
  /** 0-1: being there, being near, and sharing interests. */
  relevance: number;
  /** How well its transmitter is heard, when the phone said so. */
  signalPct: number | null;
  /** Its organiser suggests that whoever enters joins. */
  autoJoin: boolean;
}

/** Of logged events only: `i` is the id for deduplication, `st` when it was stored (ms), so that a client can tell how long it was on its way. */
export interface EventStamp {
  i?: string;
  st?: number;
}

export type ServerFrame =
  | { op: "welcome"; re: number; sid: string; ttlS: number; pingS: number; now: number; epoch: string; resumed: boolean; why?: string; who: { personId: string | null; role: string } }
  /** `c`, wherever it stands: the newest sealed cursor, to be kept for `hello.resume`. Of `pub`: `mid` is the message's id; `dup` instead of it: the key was there before, and nothing was sent again. */
  | { op: "ok"; re: number; ch?: Channel; snap?: (ClientEvent & EventStamp)[]; c?: string; mid?: string; dup?: true }
  /** One event. `s` is dense per connection after filtering; `c` the sealed cursor. */
  | ({ op: "ev"; s: number; c?: string } & ClientEvent & EventStamp)
  /** A batch: `s` belongs to the first event, the others follow it. */
  | { op: "b"; s: number; c?: string; ev: (ClientEvent & EventStamp)[] }
  | { op: "caught"; c?: string }
  | { op: "gap"; why: "retention" | "epoch" | "overflow" }
  | { op: "lag"; level: 0 | 1 }
  /** What is kept may be wrong: drop it and load anew (`GET /api/v1/sync`, or subscribe again). */
  | { op: "resync" }
  | { op: "forget"; subj: string }
  /** The right to a channel has ended with a new token. */
  | { op: "drop"; ch: Channel; why: string }
  | { op: "ping"; now: number; c?: string }
  | { op: "err"; re?: number; code: ClientErrorCode; n: number; retry: boolean; after?: number; detail?: string }
  | { op: "bye"; n: number; after: [number, number] };

/** The answer of `POST /api/v1/sessions` and `POST /api/v1/tickets/redeem`. */
export const sessionSchema = z.object({ token: z.string(), expiresAtMs: z.number(), personId: idSchema.nullable(), role: z.string(), eventId: idSchema });
export type Session = z.infer<typeof sessionSchema>;
