import type { Channel, NearbyPerson, PersonId, ServerFrame } from "@konferenco/protocol";
import type { RegionWatch } from "./channels.ts";
import { NO_RIGHTS, type ChannelRights } from "./core/channel-rights.ts";
import type { Area, AreaView } from "./core/area.ts";
import type { Outbox } from "./core/outbox.ts";
import type { Viewer } from "./core/privacy-policy.ts";
import type { Standing } from "./core/privacy.ts";
import type { Rate, TokenBucket } from "./core/token-bucket.ts";
import type { Place } from "./cursor.ts";
import { Subscriptions } from "./subscriptions.ts";

const TRANSPORTS = ["ws", "sse", "poll"] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** What a transport gives: frames out and an end. WebSocket has one (ws-transport.ts); SSE needs no more. */
export interface Wire {
  readonly kind: TransportName;
  send(frame: string): void;
  /** A frame of events, in two parts since the second is the same for many. Nothing but ASCII. */
  sendEvents(head: string, tail: string): void;
  close(code: number, reason: string): void;
}

/** What some transports can do besides. */
export interface WireExtras {
  /** Bytes that wait in this process for the network. */
  bufferedBytes(): number;
  /** Asks the other end's protocol stack to say that everything up to `s` has arrived. */
  probe(s: number): void;
}

/** Control frames of a client: 10 a second, 40 at once. Acknowledgements and pongs are free. */
export const FRAME_RATE: Rate = { perS: 10, burst: 40 };

/** People whom a connection was shown by name outside the venue channel: whom a `forget` concerns. About 100 bytes each. */
const MAX_SHOWN = 256;

/** Frames that wait while an earlier one is being answered. */
export const MAX_WAITING_FRAMES = 128;

/** Where a connection stands in its replay of the log. */
export interface ReplayState {
  /** Each with the place after which it is owed events: a channel that comes later is owed more than those that have been replayed. */
  channels: Map<Channel, number>;
  after: Place;
  /** Alerts above this were sent as they happened. */
  liveAlertsAfter: number;
  busy: boolean;
  gapTold: boolean;
  beganAtMs: number;
  /** Grows when a channel is added, which begins the replay again. */
  restarts: number;
}

/** A cursor of `hello` serves the subscriptions that follow it within this time. */
export const RESUME_WITHIN_MS = 15_000;

/** One client. All fields are there from the start (one hidden class); nothing big is allocated before it is used. */
export class Connection {
  readonly wire: Wire & WireExtras;
  readonly address: string;
  readonly openedAtMs: number;
  /** Counts up in this process from the first hello: tells connections apart for operators, and says nothing about whose they are. */
  number = 0;
  state: "greeting" | "open" | "closed" = "greeting";
  viewer: Viewer = NOBODY;
  /** The token's subject: what cursors are bound to. */
  subject = "";
  tokenExpiresAtMs = Infinity;
  rights: ChannelRights = NO_RIGHTS;
  /** The venue's own software, by its token. */
  isSystem = false;
  /** What the client says of the person in front of it. */
  presence: "online" | "away" | "busy" = "online";
  /** When somebody last did something there, a visible page's probes included. */
  activeAtMs: number;
  /** What the client itself has acknowledged, by `ack` or `pong`; its protocol stack may be further. */
  clientAckedS = 0;
  /** Null until there is something to send: most connections are idle. */
  outbox: Outbox | null = null;
  /** Something of lanes 0 or 1 waits, and the hub knows. */
  isUrgent = false;
  channels = Subscriptions.NONE;
  /** Null while it is full. */
  bucket: TokenBucket | null = null;
  heardAtMs: number;
  pingDueAtMs = Infinity;
  positionsDueAtMs = 0;
  telemetryDueAtMs = 0;
  nearbyDueAtMs = 0;
  /** The list as it was told last, and who was in it how near. */
  lastNearby: string | null = null;
  heldNearby: ReadonlyMap<PersonId, NearbyPerson["within"]> | null = null;
  probedBytes = 0;
  /** When the last ping went; 0 once it was answered. */
  pingedAtMs = 0;
  /** Of the last ping; -1 before its answer. */
  roundTripMs = -1;
  /** What software the client says it is. */
  software: readonly [name: string, version: string] | null = null;
  /** The rest of a snapshot too large for the reply: walked as the reader makes room. */
  pump: Iterator<Standing> | null = null;
  /** The part of the venue that `venue` is about; null: all of it. */
  view: AreaView | null = null;
  resumeFrom: Place | null = null;
  resumeUntilMs = 0;
  replay: ReplayState | null = null;
  /** Logged updates up to here were replayed and are not sent again live. */
  liveAfterOffset = 0;
  shown: Set<PersonId> | null = null;
  /** People whose words or presence were shown: whom a `forget` concerns when they are erased. */
  heardOf: Set<PersonId> | null = null;
  /** On `presence`: the viewer's connections that it was told are here. Nobody else is told of as having left. */
  seenHere: Set<PersonId> | null = null;
  /** On `nearby`: the regions of the venue that the viewer is in. */
  regions: RegionWatch | null = null;
  /** Who it was last told is writing, by channel: the same list twice would tell that somebody writes who may not be named. */
  typingTold: Map<Channel, string> | null = null;
  waiting: string[] | null = null;
  busy = false;

  constructor(wire: Wire & WireExtras, address: string, nowMs: number) {
    this.wire = wire;
    this.address = address;
    this.openedAtMs = nowMs;
    this.heardAtMs = nowMs;
    this.activeAtMs = nowMs;
  }

  has(channel: Channel): boolean {
    return this.channels.has(channel);
  }

  areaOf(channel: Channel): Area | null {
    return this.channels.get(channel)?.area ?? null;
  }

  /** Where a cursor may say that the client stands, beside what waits for it. One it came with holds until a channel has been replayed from it. */
  standsAt(feedOffset: number, nowMs: number): number {
    if (this.replay !== null) return this.replay.after.offset;
    return this.resumeFrom !== null && this.liveAfterOffset === 0 && nowMs <= this.resumeUntilMs ? this.resumeFrom.offset : feedOffset;
  }

  sendFrame(frame: ServerFrame): void {
    this.wire.send(JSON.stringify(frame));
  }

  remember(personId: PersonId): void {
    keepLatest((this.shown ??= new Set()), personId);
  }

  rememberWords(personId: PersonId): void {
    keepLatest((this.heardOf ??= new Set()), personId);
  }
}

function keepLatest(people: Set<PersonId>, personId: PersonId): void {
  people.delete(personId);
  people.add(personId);
  if (people.size <= MAX_SHOWN) return;
  const [oldest] = people;
  if (oldest !== undefined) people.delete(oldest);
}

const NOBODY: Viewer = { role: "display", personId: null, self: null };
