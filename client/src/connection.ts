import type { Channel, ClientEvent, ClientFrame, PrivacyChange, ServerFrame } from "@konferenco/protocol";
import { backoffMs, MAX_TRIES } from "./backoff.ts";
import { verdictOfClose } from "./close-verdict.ts";
import { LinkWatch } from "./link-watch.ts";
import {
  ConnectionClosed,
  RefusedByServer,
  type ClientStats,
  type Clock,
  type ConnectionState,
  type ConnectOptions,
  type DeliveredEvent,
  type FailureCode,
  type KonferencoClient,
  type SubscribeOptions,
  type Surroundings,
  type WebSocketLike,
} from "./options.ts";
import { Receipts } from "./receipts.ts";
import { RecentIds } from "./recent-ids.ts";
import { defaultSurroundings, defaultWebSocket, systemClock } from "./surroundings.ts";

// Values of the protocol are repeated here, for importing them would bring its schema library along;
// test/client/constants.test.ts holds the two together.
export const SUBPROTOCOL = "konferenco-v1";
export const MAX_FRAME_BYTES = 64 * 1024;

/** Token, TCP, TLS, upgrade and welcome together; then the next try. */
const CONNECT_MS = 10_000;
/** An answer that does not come means a sick link: reconnect, and ask again there. */
const ANSWER_MS = 10_000;
/** Up for this long, a connection has succeeded and the count of tries begins anew. */
const SETTLED_MS = 10_000;
/** Calls that wait for an answer or for the link, about 200 bytes each; the next is rejected. */
const MAX_WAITING_CALLS = 64;
/** Ids kept to drop what a replay repeats: 2,000 of about 30 bytes; the server replays at most 256 a page. */
const REMEMBERED_IDS = 2_000;
/** Longest wait of a timer slice while disconnected; a clock that jumps further during one shows that the machine slept. */
const WAIT_SLICE_MS = 1_000;
const SLEPT_MS = 5_000;

/** Opens a connection that keeps itself alive until `close()`. Returns at once; `onState` tells how it goes. */
export function connect(options: ConnectOptions): KonferencoClient {
  return new Connection(options);
}

/** A request that is repeated on the next connection until it is answered. */
interface Call {
  frame: ClientFrame & { id: number };
  sent: boolean;
  resolve(): void;
  reject(error: Error): void;
}

class Connection implements KonferencoClient {
  readonly #options: ConnectOptions;
  readonly #clock: Clock;
  readonly #surroundings: Surroundings;
  readonly #stopListening: () => void;
  readonly #watch: LinkWatch;
  readonly #receipts: Receipts;
  readonly #recentIds = new RecentIds(REMEMBERED_IDS);
  readonly #channels = new Map<Channel, SubscribeOptions>();
  readonly #calls = new Map<number, Call>();
  readonly #stats = { frames: 0, bytes: 0, events: 0, duplicates: 0, holes: 0, gaps: 0, badFrames: 0, connections: 0, losses: 0 };

  #state: ConnectionState = { kind: "connecting", staleSinceMs: null };
  #closed = false;
  #socket: WebSocketLike | null = null;
  /** Callbacks of earlier sockets and tokens carry an older number and are ignored. */
  #generation = 0;
  #lastId = 0;
  #helloId = 0;
  #helloAtMs = 0;
  #cursor: string | null = null;
  #lastS = 0;
  #replaying = false;
  #gapTold: string | null = null;
  #everLive = false;
  #tries = 0;
  /** What the server asked to wait before the next connection. */
  #askedWaitMs: number | null = null;
  #deadline: unknown = null;
  #retryTimer: unknown = null;
  #settleTimer: unknown = null;
  #renewTimer: unknown = null;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#surroundings = options.surroundings ?? defaultSurroundings();
    this.#watch = new LinkWatch({
      clock: this.#clock,
      isWatched: () => this.#surroundings.isWatched(),
      probe: () => this.#send({ op: "probe" }),
      dead: () => this.#lose(),
    });
    this.#receipts = new Receipts(this.#clock, (s) => this.#send({ op: "ack", s }));
    for (const channel of options.channels) this.#channels.set(channel.ch, channel);
    this.#stopListening = this.#surroundings.listen((signal) => this.#onSignal(signal));
    this.#open();
  }

  state(): ConnectionState {
    return this.#state;
  }

  stats(): ClientStats {
    return { ...this.#stats, rttMs: this.#watch.rttMs };
  }

  subscribe(options: SubscribeOptions): Promise<void> {
    this.#channels.set(options.ch, options);
    // When the link is down the next connection subscribes anyway; the call then rides on that.
    return this.#call((id) => subFrame(options, id));
  }

  unsubscribe(channel: Channel): Promise<void> {
    this.#channels.delete(channel);
    for (const call of this.#calls.values()) {
      if (call.frame.op === "sub" && call.frame.ch === channel && !call.sent) this.#settle(call);
    }
    if (this.#state.kind !== "live") return Promise.resolve();
    return this.#call((id) => ({ op: "unsub", id, ch: channel }));
  }

  setPrivacy(change: PrivacyChange): Promise<void> {
    return this.#call((id) => ({ op: "set", id, privacy: change }));
  }

  retry(): void {
    if (this.#closed || this.#state.kind === "live" || this.#socket !== null) return;
    if (this.#state.kind === "failed") this.#tries = 0;
    this.#open();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopListening();
    this.#drop(1000);
    this.#clock.clearTimer(this.#retryTimer);
    this.#rejectCalls("the connection was closed");
  }

  // --- opening -----------------------------------------------------------------------------------

  #open(): void {
    this.#clock.clearTimer(this.#retryTimer);
    this.#retryTimer = null;
    this.#drop();
    const generation = this.#generation;
    this.#deadline = this.#clock.setTimer(() => this.#lose(), CONNECT_MS);
    const { token } = this.#options;
    if (typeof token === "string") return this.#openWith(token);
    token().then(
      (fresh) => generation === this.#generation && this.#openWith(fresh),
      // No token is like no network: tried again with the same patience.
      () => generation === this.#generation && this.#lose(),
    );
  }

  #openWith(token: string): void {
    const generation = this.#generation;
    const isCurrent = (): boolean => generation === this.#generation;
    const Socket = this.#options.WebSocket ?? defaultWebSocket();
    const socket = new Socket(this.#options.url, SUBPROTOCOL);
    this.#socket = socket;
    socket.addEventListener("open", () => isCurrent() && this.#sayHello(token));
    socket.addEventListener("message", (event) => isCurrent() && this.#onMessage(event.data));
    socket.addEventListener("close", (event) => isCurrent() && this.#onClose(event.code));
    // A close follows every error and says more; `ws` needs a listener all the same.
    socket.addEventListener("error", () => {});
  }

  #sayHello(token: string): void {
    this.#helloId = ++this.#lastId;
    this.#helloAtMs = this.#clock.nowMs();
    this.#send({
      op: "hello",
      id: this.#helloId,
      tok: token,
      cl: this.#options.name ?? ["konferenco-client", "0.1.0"],
      ...(this.#cursor === null ? {} : { resume: this.#cursor }),
    });
  }

  #onWelcome(frame: Extract<ServerFrame, { op: "welcome" }>): void {
    this.#clock.clearTimer(this.#deadline);
    this.#askedWaitMs = null;
    this.#stats.connections++;
    const resumeWasAsked = this.#cursor !== null;
    this.#replaying = frame.resumed;
    this.#watch.start(frame.pingS * 1_000, this.#clock.nowMs() - this.#helloAtMs);
    this.#settleTimer = this.#clock.setTimer(() => (this.#tries = 0), SETTLED_MS);
    this.#planRenewal(frame.ttlS);
    this.#everLive = true;
    this.#setState({ kind: "live", staleSinceMs: null });
    this.#tell(() => this.#options.onWelcome?.({ ...frame.who, resumed: frame.resumed }));
    if (resumeWasAsked && !frame.resumed) {
      this.#gapTold = frame.why ?? "resume refused";
      this.#onGap(this.#gapTold);
    }
    // Changes that waited go first: somebody who chose to be hidden is hidden before anything else happens.
    for (const call of this.#calls.values()) this.#sendCall(call);
    this.#subscribeAll();
  }

  #subscribeAll(): void {
    const riding = new Set([...this.#calls.values()].map(({ frame }) => (frame.op === "sub" ? frame.ch : null)));
    for (const options of this.#channels.values()) {
      if (riding.has(options.ch)) continue;
      this.#call((id) => subFrame(options, id)).catch((error: unknown) => {
        if (error instanceof RefusedByServer) this.#tell(() => this.#options.onRefusal?.(error));
      });
    }
  }

  /** A fresh token before the old one ends, on the connection as it is; without one the server closes with 4401. */
  #planRenewal(ttlS: number): void {
    const { token } = this.#options;
    // 2^31 - 1 ms is the longest that timers take; a longer one would fire at once.
    const afterMs = Math.min(2 ** 31 - 1, ttlS * 800);
    if (typeof token === "string" || !(afterMs > 0)) return;
    const generation = this.#generation;
    this.#renewTimer = this.#clock.setTimer(() => {
      token().then(
        (fresh) => {
          if (generation !== this.#generation) return;
          this.#call((id) => ({ op: "auth", id, tok: fresh })).catch(() => {});
          this.#planRenewal(ttlS);
        },
        () => {},
      );
    }, afterMs);
  }

  // --- receiving ---------------------------------------------------------------------------------

  #onMessage(data: unknown): void {
    this.#watch.heard();
    this.#stats.frames++;
    const frame = parseFrame(data);
    if (frame === null) {
      this.#stats.badFrames++;
      return this.#lose();
    }
    const bytes = (data as string).length;
    this.#stats.bytes += bytes;
    switch (frame.op) {
      case "welcome":
        return this.#onWelcome(frame);
      case "ok":
        return this.#onOk(frame);
      case "ev": {
        const { op: _op, c, ...event } = frame;
        if (this.#isNext(frame.s, 1)) this.#handOver([event], frame.s, bytes, c);
        return;
      }
      case "b":
        if (this.#isNext(frame.s, frame.ev.length)) this.#handOver(frame.ev, frame.s, bytes, frame.c);
        return;
      case "caught":
        this.#replaying = false;
        return this.#keepCursor(frame.c);
      case "gap":
        // The welcome has said it already when the log did not reach back to our cursor.
        if (frame.why === this.#gapTold) this.#gapTold = null;
        else this.#onGap(frame.why);
        return;
      case "forget":
        return this.#tell(() => this.#options.onForget?.(frame.subj));
      case "ping":
        this.#keepCursor(frame.c);
        return this.#send({ op: "pong", s: this.#receipts.take() });
      case "err":
        return this.#onError(frame);
      case "bye":
        this.#askedWaitMs = frame.after[0] + this.#clock.random() * (frame.after[1] - frame.after[0]);
        return;
      case "lag":
        return;
      default:
        // A newer server may say more than we know; what we know still holds.
        return;
    }
  }

  /** Numbers are dense on one connection and begin with 1: a repeated one is dropped, a missing one means that frames were lost. */
  #isNext(s: number, count: number): boolean {
    const expected = this.#lastS + 1;
    if (s === expected && count > 0) {
      this.#lastS = s + count - 1;
      return true;
    }
    if (s < expected) {
      this.#stats.duplicates += count;
    } else if (s > expected) {
      this.#stats.holes++;
      this.#lose({ atOnce: true });
    }
    return false;
  }

  #handOver(events: (ClientEvent & { i?: string })[], firstS: number, bytes: number, cursor: string | undefined): void {
    const generation = this.#generation;
    const from = this.#replaying ? "replay" : "live";
    for (const [index, event] of events.entries()) {
      if (event.i !== undefined && !this.#recentIds.add(event.i)) {
        this.#stats.duplicates++;
        continue;
      }
      this.#stats.events++;
      this.#tell(() => this.#options.onEvent({ ...event, s: firstS + index, from }));
      if (generation !== this.#generation) return; // closed from within onEvent
    }
    // The cursor moves after the hand-over: what was not handed over is asked for again.
    this.#cursor = cursor ?? this.#cursor;
    this.#receipts.handedOver(firstS + events.length - 1, bytes);
  }

  /** A cursor beside events: not while a replay still owes some that lie before it. */
  #keepCursor(cursor: string | undefined): void {
    if (!this.#replaying) this.#cursor = cursor ?? this.#cursor;
  }

  #onOk(frame: Extract<ServerFrame, { op: "ok" }>): void {
    this.#keepCursor(frame.c);
    if (frame.ch !== undefined && frame.snap !== undefined) this.#onSnapshot(frame.ch, frame.snap);
    const call = this.#calls.get(frame.re);
    this.#calls.delete(frame.re);
    this.#restartAnswerTimer();
    call?.resolve();
  }

  #onSnapshot(channel: Channel, snapshot: (ClientEvent & { i?: string })[]): void {
    const events: DeliveredEvent[] = snapshot.map((event) => ({ ...event, s: 0, from: "snapshot" }));
    for (const event of events) if (event.i !== undefined) this.#recentIds.add(event.i);
    this.#stats.events += events.length;
    if (this.#options.onSnapshot !== undefined) return this.#tell(() => this.#options.onSnapshot?.(channel, events));
    for (const event of events) this.#tell(() => this.#options.onEvent(event));
  }

  #onGap(why: string): void {
    this.#stats.gaps++;
    this.#tell(() => this.#options.onGap?.(why));
  }

  #onError(frame: Extract<ServerFrame, { op: "err" }>): void {
    const error = new RefusedByServer(frame);
    // With no call to answer it is about the connection, and says how long to stay away once it is closed.
    if (frame.re === undefined || frame.re === this.#helloId) this.#askedWaitMs = error.afterMs;
    if (frame.re === this.#helloId) return this.#onHelloRefused(error);
    const call = frame.re === undefined ? undefined : this.#calls.get(frame.re);
    if (call === undefined) return this.#tell(() => this.#options.onRefusal?.(error));
    this.#calls.delete(call.frame.id);
    this.#restartAnswerTimer();
    // A refused channel is not asked for again on the next connection.
    if (call.frame.op === "sub" && !error.retryable && error.code !== "already_subscribed") this.#channels.delete(call.frame.ch);
    call.reject(error);
  }

  #onHelloRefused(error: RefusedByServer): void {
    switch (error.code) {
      case "cursor_invalid":
      case "cursor_expired":
        this.#cursor = null;
        this.#onGap(error.code);
        return this.#lose({ atOnce: true });
      case "token_expired":
        return this.#renew("token_expired", error.message);
      case "limit":
        return this.#fail("connection_limit", error.message);
      case "unauthorized":
      case "forbidden":
      case "bad_request":
        return this.#fail(error.code, error.message);
      default:
        return this.#lose();
    }
  }

  // --- losing ------------------------------------------------------------------------------------

  #onClose(closeCode: number): void {
    const verdict = verdictOfClose(closeCode);
    if (verdict.kind === "stop") return this.#fail(verdict.code, verdict.message);
    if (verdict.kind === "renew") return this.#renew(verdict.code, verdict.message);
    this.#lose();
  }

  /** A new token where one can be had; a second refusal in a row waits like any other failure. */
  #renew(code: FailureCode, message: string): void {
    if (typeof this.#options.token === "string") return this.#fail(code, message);
    this.#lose({ atOnce: true });
  }

  #lose(options: { atOnce?: boolean } = {}): void {
    const staleSinceMs = this.#staleSinceMs();
    if (this.#state.kind === "live") this.#stats.losses++;
    this.#drop();
    if (this.#tries >= MAX_TRIES) {
      return this.#fail("tries_exhausted", "The server could not be reached. Check the network, then try again.");
    }
    const attempt = ++this.#tries;
    const afterMs = Math.round(this.#askedWaitMs ?? (options.atOnce === true && attempt === 1 ? 0 : backoffMs(attempt, this.#clock.random())));
    this.#askedWaitMs = null;
    const generation = this.#generation;
    this.#setState({ kind: "reconnecting", attempt, afterMs, staleSinceMs });
    // Told, the application may have called retry() or close() already.
    if (generation === this.#generation && !this.#closed) this.#waitSlice(afterMs);
  }

  /** Waits in slices: a machine that slept goes on at once instead of finishing the wait. */
  #waitSlice(leftMs: number): void {
    const sliceMs = Math.min(leftMs, WAIT_SLICE_MS);
    const startedAtMs = this.#clock.nowMs();
    this.#retryTimer = this.#clock.setTimer(() => {
      const slept = this.#clock.nowMs() - startedAtMs > sliceMs + SLEPT_MS;
      if (leftMs <= sliceMs || slept) this.#open();
      else this.#waitSlice(leftMs - sliceMs);
    }, sliceMs);
  }

  #fail(code: FailureCode, message: string): void {
    const staleSinceMs = this.#staleSinceMs();
    this.#drop();
    this.#setState({ kind: "failed", code, message, staleSinceMs });
    // With tries exhausted a change may still reach the server after retry(); all other failures are final.
    if (code !== "tries_exhausted") this.#rejectCalls(message);
  }

  #onSignal(signal: "online" | "offline" | "attention"): void {
    if (this.#state.kind === "live") return this.#watch.probeNow();
    const isWaiting = this.#retryTimer !== null;
    const gaveUp = this.#state.kind === "failed" && this.#state.code === "tries_exhausted";
    if (signal === "offline" || !(isWaiting || gaveUp)) return;
    // The network is there again, or somebody looks again: earlier tries say nothing about this one.
    if (signal === "online" || gaveUp) this.#tries = 0;
    this.#open();
  }

  /** Leaves the socket behind without waiting for its close handshake, which a dead link never finishes. */
  #drop(closeCode?: number): void {
    this.#generation++;
    const socket = this.#socket;
    this.#socket = null;
    this.#lastS = 0;
    this.#replaying = false;
    this.#gapTold = null;
    this.#watch.stop();
    this.#receipts.reset();
    for (const timer of [this.#deadline, this.#settleTimer, this.#renewTimer]) this.#clock.clearTimer(timer);
    for (const call of this.#calls.values()) {
      call.sent = false;
      // A new connection makes its own subscriptions and has its own token.
      if (call.frame.op === "auth" || call.frame.op === "unsub") this.#settle(call);
    }
    socket?.close(closeCode);
  }

  #staleSinceMs(): number | null {
    if (this.#state.kind === "live") return this.#watch.heardAtMs;
    return this.#everLive ? this.#state.staleSinceMs : null;
  }

  // --- calls -------------------------------------------------------------------------------------

  #call(makeFrame: (id: number) => Call["frame"]): Promise<void> {
    if (this.#closed) return Promise.reject(new ConnectionClosed("the connection was closed"));
    if (this.#state.kind === "failed" && this.#state.code !== "tries_exhausted") {
      return Promise.reject(new ConnectionClosed(this.#state.message));
    }
    if (this.#calls.size >= MAX_WAITING_CALLS) return Promise.reject(new ConnectionClosed(`more than ${MAX_WAITING_CALLS} calls wait`));
    return new Promise((resolve, reject) => {
      const call: Call = { frame: makeFrame(++this.#lastId), sent: false, resolve, reject };
      this.#calls.set(call.frame.id, call);
      if (this.#state.kind === "live") this.#sendCall(call);
    });
  }

  #sendCall(call: Call): void {
    if (call.sent) return;
    call.sent = true;
    this.#send(call.frame);
    this.#restartAnswerTimer();
  }

  /** One timer for all answers owed: any progress restarts it. */
  #restartAnswerTimer(): void {
    this.#clock.clearTimer(this.#deadline);
    const isOwed = [...this.#calls.values()].some((call) => call.sent);
    if (isOwed) this.#deadline = this.#clock.setTimer(() => this.#lose(), ANSWER_MS);
  }

  #settle(call: Call): void {
    this.#calls.delete(call.frame.id);
    call.resolve();
  }

  #rejectCalls(message: string): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.reject(new ConnectionClosed(message));
  }

  // --- small things ------------------------------------------------------------------------------

  #send(frame: ClientFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#tell(() => this.#options.onState(state));
  }

  /** A fault in the application's callback is the application's: it is reported as uncaught and the connection goes on. */
  #tell(callback: () => void): void {
    if (this.#closed) return;
    try {
      callback();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function subFrame({ ch, hz, every }: SubscribeOptions, id: number): Call["frame"] {
  return { op: "sub", id, ch, ...(hz === undefined ? {} : { hz }), ...(every === undefined ? {} : { every }) };
}

/** The server is trusted to keep the protocol; this catches what is not a frame at all, e.g. a proxy's error page. */
function parseFrame(data: unknown): ServerFrame | null {
  if (typeof data !== "string" || data.length > MAX_FRAME_BYTES) return null;
  try {
    const frame: unknown = JSON.parse(data);
    return typeof frame === "object" && frame !== null && "op" in frame ? (frame as ServerFrame) : null;
  } catch {
    return null;
  }
}
