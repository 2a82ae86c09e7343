import type { AppChannel, AreaOfInterest, Channel, ClientErrorCode, ClientEvent, EventStamp, MessageTypeName, PresenceState, PrivacyChange, ServerFrame } from "@konferenco/protocol";
import type { MessagePriority, OutboxStore } from "./outbox-store.ts";
import type { OutgoingMessage } from "./outbox.ts";
import type { Tabs } from "./tabs.ts";
import type { WireKind } from "./wire.ts";

/**
 * What to listen to. `hz` bounds positions a second (server's default 2); `every` asks for each position in order
 * (staff only). `area`: of `venue` and `occupancy`, this part alone; subscribe again to look elsewhere, and drop what was shown of the former.
 */
export interface SubscribeOptions {
  ch: Channel;
  hz?: number;
  every?: boolean;
  area?: AreaOfInterest | null;
}

/**
 * An event as it is handed over, once each and in order. `s` is its number on this connection, 0 in a
 * snapshot. `from`: `snapshot` describes how things stand, `replay` was missed while away, `live` is now.
 */
export type DeliveredEvent = ClientEvent & EventStamp & { s: number; from: "live" | "replay" | "snapshot" };

/** Why a client gave up. All but `tries_exhausted` need somebody to act: log in again, reload, ask the venue. */
export type FailureCode =
  | Extract<ClientErrorCode, "unauthorized" | "token_expired" | "forbidden" | "bad_request">
  | "tries_exhausted"
  | "permissions_changed"
  | "protocol_error"
  | "erased"
  | "connection_limit";

/** `staleSinceMs`: when the server was last heard; what is shown is that old. Null: it is current, or nothing was ever shown. */
export type ConnectionState =
  | { kind: "connecting"; staleSinceMs: null }
  | { kind: "live"; staleSinceMs: null }
  | { kind: "reconnecting"; attempt: number; afterMs: number; staleSinceMs: number | null }
  | { kind: "failed"; code: FailureCode; message: string; staleSinceMs: number | null };

/** The part of a WebSocket that is used: browsers', and that of `ws` in Node. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
}
export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** Time and chance, so that a test runs an hour of reconnecting in a millisecond. */
export interface Clock {
  nowMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
  setTimer(run: () => void, afterMs: number): unknown;
  clearTimer(timer: unknown): void;
}

/** What the surroundings tell: whether somebody looks, and moments at which a try at once is worth it. */
export interface Surroundings {
  /** While true, silence of 1.2 s is probed, so that a dead link is noticed within 3 s. Else the server's ping is waited for. */
  isWatched(): boolean;
  /** `online`: a network is there again. `attention`: the page became visible or changed network. Returns how to stop listening. */
  listen(onSignal: (signal: "online" | "offline" | "attention") => void): () => void;
}

/** A message to a channel or to one person; what types there are, and who may send them, is in docs/wire-protocol.md. */
export interface Publication {
  t: MessageTypeName;
  ch?: AppChannel;
  to?: string;
  body: Readonly<Record<string, unknown>>;
  /** Known by it, the server takes the message once, however often it is sent. Made up where it is absent. */
  key?: string;
  /** Who goes first when the link is back. `normal` where it is absent. */
  priority?: MessagePriority;
  /** Of no use later than this. */
  ttlS?: number;
}

export type OwnPresence = Exclude<PresenceState, "offline">;

export interface ConnectOptions {
  /** `ws://host:port/events` or `wss://…`. The token never goes into it. */
  url: string;
  /** A token, or where to get a fresh one: called for each connection, and before a long connection's token expires. */
  token: string | (() => Promise<string>);
  channels: SubscribeOptions[];
  onEvent(event: DeliveredEvent): void;
  onState(state: ConnectionState): void;
  /** A snapshot replaces all that its channel has said before: who is not in it is gone. Absent: its events go to `onEvent`. */
  onSnapshot?(channel: Channel, events: DeliveredEvent[]): void;
  /** This subject must not be shown any more: remove all that is kept of it. */
  onForget?(subject: string): void;
  /** Something was lost that no replay brings back, and why. */
  onGap?(why: string): void;
  /** Who the server says we are, at each (re)connection. */
  onWelcome?(welcome: { personId: string | null; role: string; resumed: boolean }): void;
  /** A refusal that is not the answer to a call, e.g. of a channel in `channels`. */
  onRefusal?(error: RefusedByServer): void;
  /** Messages on their way to the server, each time that one of them has changed. */
  onOutbox?(messages: OutgoingMessage[]): void;
  /** The right to this channel has ended with the token of now. */
  onDrop?(channel: Channel, why: string): void;
  /** Where messages wait that could not be sent yet: `browserOutbox(key)`. Absent: in memory. */
  outbox?: OutboxStore;
  /** Needed in Node before 22; browsers have their own. */
  WebSocket?: WebSocketConstructor;
  /** For the fallbacks where WebSocket is blocked; null: none. The runtime's own where it is absent. */
  fetch?: typeof fetch | null;
  /** Shares the connection with other tabs: `browserTabs(key)`. Absent or null: a connection of its own. */
  tabs?: Tabs | null;
  clock?: Clock;
  surroundings?: Surroundings;
  /** Name and version that the server logs. */
  name?: [string, string];
}

/** Counters since `connect`. `holes` should stay 0: each is a missing number in the server's dense sequence. */
export interface ClientStats {
  frames: number;
  bytes: number;
  events: number;
  duplicates: number;
  holes: number;
  gaps: number;
  badFrames: number;
  connections: number;
  losses: number;
  /** Round trip of the last probe or hello. */
  rttMs: number | null;
  /** How frames travel now; null: not at all. */
  wire: WireKind | null;
}

export interface KonferencoClient {
  state(): ConnectionState;
  stats(): ClientStats;
  subscribe(options: SubscribeOptions): Promise<void>;
  unsubscribe(channel: Channel): Promise<void>;
  /** Resolves when the server has stored the change. While the link is down the change waits and is sent first thing after. */
  setPrivacy(change: PrivacyChange): Promise<void>;
  /**
   * Sends a message. Resolves when the server has it, on this connection or a later one; rejects with the reason
   * when it never will. Without a link it waits, up to 7 days (`onOutbox`).
   */
  publish(publication: Publication): Promise<void>;
  /** Messages that the server does not have yet. */
  outbox(): OutgoingMessage[];
  /** Sends it once more: what was refused, or left so long ago that it may have arrived. */
  resend(key: string): void;
  discard(key: string): void;
  /** Call it at every keystroke: it is told seldom, and over when the text is posted, on `false`, or after 5 s. */
  typing(channel: AppChannel, isTyping?: boolean): void;
  /** How the person is here; said again on every connection. Until then they are `online` while connected. */
  setPresence(presence: OwnPresence): Promise<void>;
  /** True where a person should be told of something by a notification: nobody looks at this page, and with several tabs it is this one's turn. */
  speaks(): boolean;
  /** Tries now, also after `failed` by exhausted tries. */
  retry(): void;
  /** Ends it for good: no callback after this. Calls that wait are rejected. */
  close(): void;
}

/** What the server says with a refusal. */
export type Refusal = Pick<Extract<ServerFrame, { op: "err" }>, "code" | "n" | "retry" | "after" | "detail">;

/** The server's `err` answer. */
export class RefusedByServer extends Error {
  readonly refusal: Refusal;
  readonly code: ClientErrorCode;
  readonly number: number;
  readonly retryable: boolean;
  readonly afterMs: number | null;
  constructor(refusal: Refusal) {
    super(refusal.detail ?? refusal.code);
    this.name = "RefusedByServer";
    this.refusal = refusal;
    this.code = refusal.code;
    this.number = refusal.n;
    this.retryable = refusal.retry;
    this.afterMs = refusal.after ?? null;
  }
}

/** A call that ended with the connection: closed by us, failed for good, or too many waiting. */
export class ConnectionClosed extends Error {
  readonly code = "CONNECTION_CLOSED";
  readonly retryable = false;
  constructor(message: string) {
    super(message);
    this.name = "ConnectionClosed";
  }
}
