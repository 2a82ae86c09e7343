import type { Alert, Schedule, VenueMap } from "@konferenco/protocol";
import type { Store } from "@konferenco/fusion";
import type { Registry } from "./registry/registry.ts";
import type { Pinboard } from "./pinboard/pinboard.ts";
import type { ChannelClaim } from "./core/channel-rights.ts";
import type { Exposition } from "./metrics.ts";
import type { ViewerRole } from "./core/privacy-policy.ts";

/** A login of the settings file: venue staff, screens, and people without a ticket. */
export interface Login {
  login: string;
  password: string;
  role: ViewerRole;
  /** The person who logs in; null for a desk or a screen. */
  personId: string | null;
  /** Application channels, instead of what the role has: patterns such as `app:session-*`. */
  channels?: ChannelClaim;
  /** The venue's own software: it may send events that are "system only", such as changes of the schedule. */
  system?: boolean;
}

/** Whom a token speaks for. */
export interface Bearer {
  role: ViewerRole;
  personId: string | null;
  /** Of a login that is no person. */
  loginName?: string;
  channels?: ChannelClaim;
  system?: boolean;
  /** With a password or a link; renewals keep it. Now, where it is absent. */
  loggedInAtMs?: number;
}

export interface BridgeConfig {
  eventId: string;
  host: string;
  /** 0 picks a free port. */
  port: number;
  venue: VenueMap;
  /** What is on where, who meets, and which places have a channel, until `setSchedule`; absent: nothing. */
  schedule?: Schedule;
  store: Store;
  registry: Registry;
  /** Shared by all bridges of the event; absent: this is the only one. */
  pinboard?: Pinboard;
  /** At least 32 random bytes. The keys of tokens, cursors, event ids and public counts are derived from it (HKDF), each its own. */
  secret: Uint8Array;
  logins: Login[];
  /** Folder of the built pages; null serves none. */
  webRoot: string | null;
  publishAlert: (alert: Alert) => Promise<void>;
  nowMs: () => number;
  /** One call per state change, never per update. */
  log: (event: object) => void;
  /** Origins of pages on other hosts, e.g. `https://app.example.org`; the bridge's own pages need none. */
  allowedOrigins?: string[];
  /** Addresses and ranges of the reverse proxies, whose `X-Forwarded-For` is believed; absent: nobody's is. */
  trustedProxies?: string[];
  limits?: Partial<BridgeLimits>;
  /** Adds to `/metrics` what else runs in this process. */
  expose?: (exposition: Exposition) => void;
}

/** Limits that only the bridge knows; each with its cost or what happens at it. */
export interface BridgeLimits {
  /** Connections of the process, about 6 KB each when idle; further upgrades get 503. */
  maxConnections: number;
  /** Of these so many are compressed where the client offers it, about 100 KB each; further ones are not. 0: none is. */
  maxCompressed: number;
  /** Connections of one person or login (tabs and devices); further ones close with 4504. */
  maxConnectionsPerViewer: number;
  /** Connections of one address that have not said hello; further upgrades get 429. A venue's NAT is one address. */
  maxGreetingPerAddress: number;
  /** Upgrades per second of the process, with a burst of as many; further ones get 503 with Retry-After. */
  maxUpgradesPerS: number;
  /** A connection without hello closes with 4502. */
  helloTimeoutMs: number;
  /** Between two pings (requirement E1). */
  pingEveryMs: number;
  /** A connection that has not been heard for so long closes with 4002 (requirement E14). */
  idleAfterMs: number;
  /** A connection that leaves its window full for so long closes with 4003. */
  slowAfterMs: number;
  /** Between two lists of people near a viewer. */
  nearbyEveryMs: number;
  /** Clients are told to come back after a random time up to this when the bridge closes (requirement F7). */
  drainSpreadMs: number;
}

export const DEFAULT_LIMITS: BridgeLimits = {
  maxConnections: 12_000,
  maxCompressed: 0,
  maxConnectionsPerViewer: 16,
  maxGreetingPerAddress: 500,
  maxUpgradesPerS: 4_000,
  helloTimeoutMs: 5_000,
  pingEveryMs: 30_000,
  idleAfterMs: 90_000,
  slowAfterMs: 10_000,
  nearbyEveryMs: 2_000,
  drainSpreadMs: 4_000,
};

/** Lanes of delivery: alerts, transitions, positions, occupancy and telemetry. */
export type LaneName = "alerts" | "transitions" | "positions" | "telemetry";

export interface BridgeStats {
  connections: number;
  connectionsByRole: Record<ViewerRole, number>;
  subscriptions: number;
  /** Events written to clients since the start, by lane. */
  deliveries: Record<LaneName, number>;
  /** Events that were not written, by lane and reason; `conflated` is a newer position in the place of an older one. */
  drops: Record<LaneName, Record<string, number>>;
  updatesIn: number;
  /** A stored transition or alert until it is handed to the socket, over the last 4,096 deliveries; null before the first. */
  deliveryP50Ms: number | null;
  deliveryP95Ms: number | null;
  replays: { whole: number; gap: number };
  closedByCode: Record<string, number>;
  feed: { epoch: string; offset: number; gaps: number };
}

export interface Bridge {
  port: number;
  /** `http://host:port`. */
  url: string;
  /** A single-use ticket, good for 10 minutes: for links, where a token must not stand. */
  issueTicket(who: Bearer): Promise<string>;
  issueToken(who: Bearer): Promise<string>;
  setSchedule(schedule: Schedule): void;
  stats(): BridgeStats;
  close(): Promise<void>;
}
