import type { Alert, GatewayHealth, Position, ProximityTransition, Signal, StoredMessage, TagId, Update, UpdateId, ZoneId, ZoneTransition } from "@konferenco/protocol";

/** Everything that one step of fusion produced. Stored in one atomic step, then shown to followers in this order. */
export interface CommitBatch {
  alerts: Alert[];
  zoneTransitions: ZoneTransition[];
  proximityTransitions: ProximityTransition[];
  positions: Position[];
  gateways: GatewayHealth[];
  /** Of applications; fusion makes none. Logged, in their order, after the alerts. */
  messages?: StoredMessage[];
  /** Passed on to followers and not kept. */
  signals?: Signal[];
}

export interface CommitResult {
  /** Where the log ends after the batch. */
  end: UpdateId;
  /** Alerts that were there already (same `alertId` within 24 h) and were not stored again. */
  duplicateAlerts: number;
  /** Messages whose sender used their key already within 24 h, and that were not stored again; absent: none. */
  duplicateMessages?: number;
}

/** A page of the log. `gap`: updates between `after` and the first one here are gone, and why. */
export interface LogPage {
  updates: Update[];
  end: UpdateId;
  gap: "retention" | "epoch" | null;
}

/** What a follower gets: updates in order, or word that some were lost and from where it goes on. */
export type FollowEvent = { kind: "updates"; updates: Update[] } | { kind: "gap"; why: "retention" | "epoch" | "overflow"; end: UpdateId };

/**
 * The port to live state, geo sets and log of one event. Two adapters: embedded and Redis; one
 * contract suite (test/contract/store.ts). Every method may reject with `StoreUnavailable`.
 */
export interface Store {
  /** Atomic: afterwards all of the batch is visible and logged, or nothing is. Durable as far as the adapter's setting says. */
  commit(batch: CommitBatch, nowMs: number): Promise<CommitResult>;

  /** Whether this sender has used the key within 24 h: a message under it would be a duplicate. */
  hasMessage(from: string, key: string, nowMs: number): Promise<boolean>;

  /** Logged updates after `after`, oldest first, at most `limit`. `after: null` reads from the oldest kept. */
  readLog(after: UpdateId | null, limit: number): Promise<LogPage>;
  /** Where the log ends now. */
  end(): Promise<UpdateId>;
  /** Logged and live updates from now on, in commit order. The listener must not throw and must bound what it keeps. */
  follow(listener: (event: FollowEvent) => void): Promise<{ close(): Promise<void> }>;

  position(tagId: TagId): Promise<Position | null>;
  /** Latest position of every tag that has one; at most MAX_TAGS_PER_EVENT. */
  positions(): Promise<Position[]>;
  /** Tags on the floor within the radius, nearest first, as of their latest positions. `distanceM` is off by at most 0.5 m. */
  nearby(query: { xM: number; yM: number; floor: number; radiusM: number; limit: number }): Promise<{ tagId: TagId; distanceM: number }[]>;
  occupants(zoneId: ZoneId): Promise<TagId[]>;
  /** The tag's positions since then, oldest first, at most 5 minutes back (requirement A4) and at most one a second. */
  recentPositions(tagId: TagId, sinceMs: number): Promise<Position[]>;
  gateways(): Promise<GatewayHealth[]>;

  /** The tag fell silent or left: out of live state and geo sets. The log keeps its transitions for their retention. */
  dropTag(tagId: TagId): Promise<void>;
  /** Forgets what is past its retention: recent locations, log, alert ids. Returns how many log entries went. */
  sweep(nowMs: number): Promise<number>;
  /** Resolves when the store answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export function emptyBatch(): CommitBatch {
  return { alerts: [], zoneTransitions: [], proximityTransitions: [], positions: [], gateways: [] };
}
