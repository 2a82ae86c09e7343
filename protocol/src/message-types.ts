import { z } from "zod";
import { LOG_RETENTION_MS } from "./limits.ts";

/**
 * The one registry of event types: every name that the documents use, with what follows from it. A name is
 * `type/subtype` (requirement E3). What the venue itself tells (whereabouts, alerts, counts) has its own short
 * form on the wire (`wire`); everything else travels under its name, by `pub` (docs/wire-protocol.md).
 */

export const PRIORITIES = ["low", "normal", "high", "critical"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** `best_effort`: not stored, the latest wins. `at_least_once`: stored before it is shown, replayed. `exactly_once`: and known by its key for 24 h. */
export const DELIVERY_CLASSES = ["best_effort", "at_least_once", "exactly_once"] as const;
export type DeliveryClass = (typeof DELIVERY_CLASSES)[number];

/** Who may send by `pub`. `person`: people, and logins of venue staff. `operator`: operators. `system`: the venue's own
 *  software, whose token says so. Nobody: the bridge alone makes it. */
export type Sender = "person" | "operator" | "system";

export type Target = "channel" | "user";

export interface MessageType {
  priority: Priority;
  delivery: DeliveryClass;
  /** How long it is worth keeping, as the documents say; null: as long as the event. The log replays at most 24 h of it. */
  retentionMs: number | null;
  /** Of the payload as JSON, in bytes. */
  maxBytes: number;
  /** At most `count` within `withinMs`, of one sender, over all types that share `group`. */
  rate: { group: string; count: number; withinMs: number } | null;
  senders: readonly Sender[];
  targets: readonly Target[];
  /** 0 passes every queue, 1 in order and logged, 2 latest position, 3 latest of its key. */
  lane: 0 | 1 | 2 | 3;
  /** Its name on the wire where the bridge makes it: `t` of an event, `op` of a frame or a route. */
  wire?: string;
}

const S = 1_000;
const MINUTE = 60 * S;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const KB = 1_024;

const BOTH = ["channel", "user"] as const;
const PEOPLE = ["person", "operator", "system"] as const;
const VENUE = ["operator", "system"] as const;
const SYSTEM = ["system"] as const;
const NOBODY = [] as const;

/** Requirement E12: what has no budget of its own shares this one. */
const OTHER = { group: "other", count: 100, withinMs: MINUTE } as const;

type Row = Omit<MessageType, "lane" | "targets"> & Partial<Pick<MessageType, "lane" | "targets">>;

function row(shape: Row): MessageType {
  const lane = shape.lane ?? (shape.delivery === "best_effort" ? 3 : shape.priority === "critical" ? 0 : 1);
  return { targets: BOTH, ...shape, lane };
}

// The families of requirement E5.
const chat = row({ priority: "normal", delivery: "at_least_once", retentionMs: 90 * DAY, maxBytes: 4 * KB, rate: { group: "chat", count: 10, withinMs: MINUTE }, senders: PEOPLE });
const location = row({ priority: "high", delivery: "best_effort", retentionMs: HOUR, maxBytes: 256, rate: { group: "location", count: 1, withinMs: S }, senders: PEOPLE });
const schedule = row({ priority: "critical", delivery: "exactly_once", retentionMs: null, maxBytes: 2 * KB, rate: null, senders: SYSTEM });
const meeting = row({ priority: "high", delivery: "exactly_once", retentionMs: 30 * DAY, maxBytes: 2 * KB, rate: { group: "meeting", count: 20, withinMs: HOUR }, senders: PEOPLE });
const marketplace = row({ priority: "normal", delivery: "exactly_once", retentionMs: 90 * DAY, maxBytes: 8 * KB, rate: { group: "marketplace", count: 5, withinMs: MINUTE }, senders: PEOPLE });
// What the documents name besides.
const typing = row({ priority: "high", delivery: "best_effort", retentionMs: 0, maxBytes: 256, rate: { group: "typing", count: 1, withinMs: 500 }, senders: PEOPLE });
const notification = row({ priority: "normal", delivery: "at_least_once", retentionMs: DAY, maxBytes: 2 * KB, rate: OTHER, senders: VENUE });
const live = row({ priority: "high", delivery: "at_least_once", retentionMs: DAY, maxBytes: 4 * KB, rate: null, senders: VENUE, targets: ["channel"] });
const application = row({ priority: "normal", delivery: "at_least_once", retentionMs: DAY, maxBytes: 4 * KB, rate: OTHER, senders: PEOPLE });
const signal = row({ priority: "high", delivery: "best_effort", retentionMs: 0, maxBytes: 8 * KB, rate: { group: "signal", count: 100, withinMs: MINUTE }, senders: PEOPLE, targets: ["user"] });
/** What the bridge makes from what it knows; the fields say how it is treated. */
const made = (wire: string, shape: Pick<Row, "priority" | "delivery" | "retentionMs"> & { lane: 0 | 1 | 2 | 3 }): MessageType => row({ ...shape, maxBytes: 4 * KB, rate: null, senders: NOBODY, wire });

export const MESSAGE_TYPES = {
  // K 3.1
  "chat/channel_message": { ...chat, targets: ["channel"] },
  "chat/direct_message": { ...chat, targets: ["user"] },
  "chat/thread_reply": chat,
  "chat/reaction": chat,
  "chat/mention": chat,
  "location/position_update": location,
  "location/zone_enter": location,
  "location/zone_exit": location,
  "location/proximity_alert": made("near", { priority: "high", delivery: "at_least_once", retentionMs: HOUR, lane: 1 }),
  "schedule/session_start": schedule,
  "schedule/session_end": schedule,
  "schedule/session_change": schedule,
  "schedule/session_cancelled": schedule,
  "schedule/speaker_update": schedule,
  "meeting/request": meeting,
  "meeting/accept": meeting,
  "meeting/decline": meeting,
  "meeting/propose_time": meeting,
  "meeting/cancel": meeting,
  "meeting/reminder": meeting,
  "marketplace/listing_new": marketplace,
  "marketplace/listing_update": marketplace,
  "marketplace/inquiry": marketplace,
  "marketplace/offer": marketplace,
  "marketplace/offer_response": marketplace,
  "marketplace/transaction": marketplace,
  // K 4, 5, 7: presence, serendipity, synchronisation
  "presence/connectivity": made("presence", { priority: "normal", delivery: "best_effort", retentionMs: 7 * DAY, lane: 3 }),
  "presence/context": made("activity", { priority: "normal", delivery: "best_effort", retentionMs: 7 * DAY, lane: 2 }),
  "presence/joined": made("presence", { priority: "low", delivery: "best_effort", retentionMs: DAY, lane: 3 }),
  "presence/left": made("presence", { priority: "low", delivery: "best_effort", retentionMs: DAY, lane: 3 }),
  "serendipity/match": { ...notification, priority: "high", senders: SYSTEM, targets: ["user"] },
  "typing/started": { ...typing, targets: ["channel"] },
  "typing/stopped": { ...typing, rate: { group: "typing stopped", count: 1, withinMs: 500 }, targets: ["channel"] },
  "sync/operation": { ...application, rate: { group: "sync", count: 500, withinMs: MINUTE } },
  "chat/edited": chat,
  "chat/deleted": chat,
  "channel/membership": { ...application, targets: ["channel"] },
  // R: votes, rankings, posts, places
  "chat/vote": { ...application, priority: "normal", rate: { group: "vote", count: 60, withinMs: MINUTE }, targets: ["channel"] },
  "feed/post": { ...chat, targets: ["channel"] },
  "vote/channel": { ...live, senders: PEOPLE, rate: { group: "vote", count: 60, withinMs: MINUTE } },
  "vote/tokens": { ...notification, senders: SYSTEM, targets: ["user"] },
  "ranking/update": { ...live, priority: "normal" },
  "channel/stabilization": { ...live, priority: "normal" },
  "channel/detected": { ...notification, priority: "high", delivery: "best_effort", retentionMs: 0, lane: 3, senders: SYSTEM, targets: ["user"] },
  "location/channels_update": made("channels", { priority: "low", delivery: "best_effort", retentionMs: 0, lane: 1 }),
  "location/place_nearby": { ...notification, priority: "high", delivery: "best_effort", retentionMs: 0, lane: 3, senders: SYSTEM, targets: ["user"] },
  "verification/result": { ...notification, senders: SYSTEM, targets: ["user"] },
  // S: discussions and notifications
  "analysis/updated": { ...live, priority: "low" },
  "notification/platform": notification,
  "notification/reply": { ...notification, priority: "high", senders: PEOPLE, targets: ["user"] },
  "notification/mention": { ...notification, priority: "high", senders: PEOPLE, targets: ["user"] },
  "notification/activity": { ...notification, senders: PEOPLE },
  "notification/common_ground": notification,
  // P: live polls
  "poll/vote": { ...application, priority: "high", delivery: "exactly_once", rate: { group: "vote", count: 60, withinMs: MINUTE }, targets: ["channel"] },
  "poll/results": live,
  "poll/activated": live,
  "session/state_changed": live,
  // described, not named (event-types.md 7)
  "alert/emergency": made("alert", { priority: "critical", delivery: "exactly_once", retentionMs: DAY, lane: 0 }),
  "alert/mode": { ...live, priority: "critical", lane: 0, senders: VENUE },
  "alert/update": made("alert", { priority: "critical", delivery: "exactly_once", retentionMs: DAY, lane: 0 }),
  "occupancy/hot_spot": made("occupancy", { priority: "normal", delivery: "best_effort", retentionMs: 0, lane: 3 }),
  "occupancy/count": made("occupancy", { priority: "low", delivery: "best_effort", retentionMs: 0, lane: 3 }),
  "contact/request": { ...meeting, rate: { group: "contact", count: 20, withinMs: HOUR }, targets: ["user"] },
  "contact/accept": { ...meeting, rate: { group: "contact", count: 20, withinMs: HOUR }, targets: ["user"] },
  "contact/block": made("PATCH /api/v1/me/privacy", { priority: "high", delivery: "exactly_once", retentionMs: null, lane: 1 }),
  "control/resync": made("resync", { priority: "high", delivery: "best_effort", retentionMs: 0, lane: 1 }),
  "signal/offer": signal,
  "signal/answer": signal,
  "signal/candidate": signal,
  // for applications of the venue's own
  "app/event": application,
  "app/state": { ...application, delivery: "best_effort", retentionMs: 0, lane: 3 },
} as const satisfies Record<string, MessageType>;

export type MessageTypeName = keyof typeof MESSAGE_TYPES;

/** Other names of the same in the documents, and what they are here (event-types.md 8). */
export const MESSAGE_ALIASES: Readonly<Record<string, MessageTypeName>> = {
  NEW_CHAT_MESSAGE: "chat/channel_message",
  response_posted: "chat/channel_message",
  chat_message: "chat/channel_message",
  chat: "chat/channel_message",
  response_edited: "chat/edited",
  message_edit: "chat/edited",
  response_deleted: "chat/deleted",
  CHAT_VOTE_UPDATE: "chat/vote",
  NEW_NEWSFEED_POST: "feed/post",
  CHANNEL_VOTE_UPDATE: "vote/channel",
  TOPIC_ROW_RANKING_UPDATE: "ranking/update",
  CHANNEL_STABILIZATION: "channel/stabilization",
  CHANNEL_MEMBER_UPDATE: "presence/joined",
  user_joined: "presence/joined",
  user_left: "presence/left",
  channel_membership: "channel/membership",
  VOTE_TOKENS_UPDATE: "vote/tokens",
  BIOMETRIC_VERIFICATION_RESULT: "verification/result",
  PROXIMITY_CHANNEL_DETECTED: "channel/detected",
  LOCATION_CHANNELS_UPDATE: "location/channels_update",
  location_update: "location/position_update",
  proximity_alert: "location/proximity_alert",
  meeting_request: "meeting/request",
  marketplace_transaction: "marketplace/transaction",
  serendipity_match: "serendipity/match",
  typing_indicator: "typing/started",
  typing_started: "typing/started",
  typing_stopped: "typing/stopped",
  analysis_updated: "analysis/updated",
  emergency_alert: "alert/emergency",
  deltaSync: "sync/operation",
};

export interface KnownMessageType extends MessageType {
  name: MessageTypeName;
}

/** The type of a name or of one of its other names; null: no document knows it. */
export function messageTypeOf(name: string): KnownMessageType | null {
  const own = Object.hasOwn(MESSAGE_TYPES, name) ? (name as MessageTypeName) : Object.hasOwn(MESSAGE_ALIASES, name) ? (MESSAGE_ALIASES[name] ?? null) : null;
  return own === null ? null : { ...(MESSAGE_TYPES[own] as MessageType), name: own };
}

/** Lane 1 in windows (requirement E6): high at once, normal within 100 ms, low within a second. */
export function windowMsOf(priority: Priority): number {
  return priority === "low" ? 1_000 : priority === "normal" ? 100 : 0;
}

/** How far back a message of this type is replayed: its retention, and never more than the log has. */
export function replayMsOf(type: MessageType): number {
  return Math.min(type.retentionMs ?? LOG_RETENTION_MS, LOG_RETENTION_MS);
}

/** Names on the wire: `app:` and 1-60 of `A-Z a-z 0-9 . _ : -`. */
export const APP_CHANNEL_PATTERN = /^app:[A-Za-z0-9][A-Za-z0-9._:-]{0,59}$/;
export type AppChannel = `app:${string}`;
export const appChannelSchema = z.templateLiteral(["app:", z.string()]).refine((name) => APP_CHANNEL_PATTERN.test(name), { message: "app: and 1-60 of A-Z a-z 0-9 . _ : -" });

export const messageTypeNameSchema = z
  .string()
  .max(64)
  .transform((name, context) => {
    const type = messageTypeOf(name);
    if (type !== null) return type.name;
    context.addIssue({ code: "custom", message: "no such event type" });
    return z.NEVER;
  });
