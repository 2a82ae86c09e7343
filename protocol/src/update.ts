import type { Activity } from "./activity.ts";
import type { Alert } from "./alert.ts";
import type { Signal, StoredMessage } from "./message.ts";
import type { GatewayId, TagId, ZoneId } from "./ids.ts";

/** Which technologies a position came from; `fusion` = more than one. */
export const FIX_SOURCES = ["beacon", "wifi", "gps", "check-in", "fusion"] as const;
export type FixSource = (typeof FIX_SOURCES)[number];

/** The fused, filtered state of a tag at `atMs`, in metres of the venue frame. Made by fusion/src/core/track.ts. */
export interface Position {
  tagId: TagId;
  atMs: number;
  xM: number;
  yM: number;
  floor: number;
  vxMps: number;
  vyMps: number;
  /** The truth lies within this radius in 95 of 100 cases. */
  accuracy95M: number;
  /** 0-1. */
  confidence: number;
  source: FixSource;
  /** The zone that the tag was last reported to have entered, null outside of all. */
  zoneId: ZoneId | null;
  /** What its carrier is doing by place, company and schedule; absent until that has held for a while. */
  activity?: Activity;
}

/** A tag entered, stayed in or left a zone. Enter and exit of one tag alternate. */
export interface ZoneTransition {
  transition: "enter" | "dwell" | "exit";
  tagId: TagId;
  zoneId: ZoneId;
  floor: number;
  atMs: number;
  confidence: number;
}

/** Two tags came near each other or went apart. `tagA` sorts before `tagB`; one state per pair. */
export interface ProximityTransition {
  transition: "near" | "apart";
  tagA: TagId;
  tagB: TagId;
  atMs: number;
  /** Estimated distance, metres; only for the policy's use, never shown as such. */
  distanceM: number;
  confidence: number;
}

/** What staff see of a gateway. Made by fusion from reports and status messages. */
export interface GatewayHealth {
  gatewayId: GatewayId;
  /** `online`: heard from lately; `silent`: connected but reporting nothing; `offline`: last will or time-out. */
  state: "online" | "silent" | "offline";
  atMs: number;
  lastReportAtMs: number | null;
  observationsPerS: number;
  clockOffsetMs: number | null;
  /** What its levels are compared with; absent while nothing can be located, as without a drawn venue. */
  calibration?: GatewayCalibration;
}

/** What expected levels rest on: typical values, gateways that hear each other, what tags sent, or a walked survey. */
export const CALIBRATION_BASES = ["prior", "links", "traffic", "survey"] as const;

export interface GatewayCalibration {
  basis: (typeof CALIBRATION_BASES)[number];
  /** How much stronger this gateway hears than the others. */
  offsetDb: number;
  /** Standard deviation of what the model leaves unexplained; null before there is anything to compare. */
  residualDb: number | null;
  /** Of traffic: how much likelier a look at a tag that was held back became, in nats. */
  gainNats?: number;
}

/** Where an update stands in the log. A new epoch means that the log was lost and began again. */
export interface UpdateId {
  epoch: string;
  offset: number;
}

/** What clients replay from: kept in the log for its retention. */
export type LoggedBody =
  | { kind: "zone"; zone: ZoneTransition }
  | { kind: "proximity"; proximity: ProximityTransition }
  | { kind: "alert"; alert: Alert }
  | { kind: "message"; message: StoredMessage }
  /** Whom it was about is erased: its place in the log is all that is left. */
  | { kind: "erased" };

/** Latest wins: never replayed, shown from a snapshot. */
export type LiveBody = { kind: "position"; position: Position } | { kind: "gateway"; gateway: GatewayHealth } | { kind: "signal"; signal: Signal };

/** A stored fact. Live updates carry the offset of the last logged one, so that a reader can order them. */
export interface Update {
  updateId: UpdateId;
  storedAtMs: number;
  body: LoggedBody | LiveBody;
}

export function isLogged(body: Update["body"]): body is LoggedBody {
  return body.kind === "zone" || body.kind === "proximity" || body.kind === "alert" || body.kind === "message" || body.kind === "erased";
}
