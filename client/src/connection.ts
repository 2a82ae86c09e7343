import type { AppChannel, Channel, ClientFrame, PrivacyChange, ServerFrame } from "@konferenco/protocol";
import { Arrivals } from "./arrivals.ts";
import { Calls } from "./calls.ts";
import { verdictOfClose } from "./close-verdict.ts";
import { parseFrame, pubFrame, subFrame } from "./frames.ts";
import { Inbox } from "./inbox.ts";
import { Ladder } from "./ladder.ts";
import { LinkWatch } from "./link-watch.ts";
import {
  ConnectionClosed,
  RefusedByServer,
  type ClientStats,
  type Clock,
  type ConnectionState,
  type ConnectOptions,
  type FailureCode,
  type KonferencoClient,
  type OwnPresence,
  type Publication,
  type SubscribeOptions,
  type Surroundings,
} from "./options.ts";
import { memoryOutbox } from "./outbox-store.ts";
import { Outbox, type OutgoingMessage } from "./outbox.ts";
import { keyOfPublication, queuedOf, Typing } from "./publishing.ts";
import { Retries } from "./retries.ts";
import { defaultSurroundings, systemClock } from "./surroundings.ts";
import { tellApplication } from "./tell-application.ts";
import type { Wire } from "./wire.ts";
import { newWires, type Wires } from "./wires.ts";

/** Token, TCP, TLS, upgrade and welcome together; then the next try. */
const CONNECT_MS = 10_000;
/** A link that is exchanged for another is shown as lost when the new one takes longer than this. */
const EXCHANGE_MS = 2_000;
/** What a connection takes over from an earlier one of another tab. */
export interface Inheritance {
  inbox: Inbox;
  /** When that one last heard the server; null if it never did. */
  heardAtMs: number | null;
}

/** One live connection that keeps itself alive until `close()`. */
export class Connection implements KonferencoClient {
  readonly #options: ConnectOptions;
  readonly #clock: Clock;
  readonly #surroundings: Surroundings;
  readonly #stopListening: () => void;
  readonly #wires: Wires;
  readonly #ladder: Ladder;
  readonly #watch: LinkWatch;
  readonly #inbox: Inbox;
  readonly #arrivals: Arrivals;
  readonly #retries: Retries;
  readonly #calls: Calls;
  readonly #outbox: Outbox;
  readonly #typing: Typing;
  readonly #channels = new Map<Channel, SubscribeOptions>();
  readonly #stats = { frames: 0, bytes: 0, badFrames: 0, connections: 0, losses: 0 };

  #state: ConnectionState = { kind: "connecting", staleSinceMs: null };
  #isClosed = false;
  /** The server has welcomed us on the wire of now. */
  #isUp = false;
  #wire: Wire | null = null;
  /** Callbacks of earlier wires and tokens carry an older number and are ignored. */
  #generation = 0;
  #helloId = 0;
  #helloAtMs = 0;
  #heardAtMs: number | null;
  #presence: OwnPresence = "online";
  #deadline: unknown = null;
  #renewTimer: unknown = null;
  #exchangeTimer: unknown = null;
  #climbTimer: unknown = null;

  constructor(options: ConnectOptions, inherited: Inheritance = { inbox: new Inbox(), heardAtMs: null }) {
    this.#options = options;
    this.#inbox = inherited.inbox;
    this.#heardAtMs = inherited.heardAtMs;
    this.#clock = options.clock ?? systemClock;
    this.#surroundings = options.surroundings ?? defaultSurroundings();
    this.#wires = newWires(options, this.#clock);
    this.#ladder = new Ladder(this.#wires.kinds);
    this.#watch = new LinkWatch({
      clock: this.#clock,
      isWatched: () => this.#surroundings.isWatched(),
      probe: () => this.#send({ op: "probe" }),
      dead: () => this.#lose(),
    });
    this.#arrivals = new Arrivals({ inbox: this.#inbox, clock: this.#clock, application: options, acknowledge: (s) => this.#send({ op: "ack", s }), tell: (callback) => this.#tell(callback) });
    this.#retries = new Retries(this.#clock, () => this.#open());
    this.#calls = new Calls(this.#clock, (frame) => this.#send(frame), () => this.#lose());
    this.#outbox = new Outbox({
      clock: this.#clock,
      store: options.outbox ?? memoryOutbox(),
      send: (message) => this.#call((id) => pubFrame(message, id)),
      onChange: (messages) => this.#tell(() => this.#options.onOutbox?.(messages)),
    });
    this.#typing = new Typing(this.#clock, (ch, t) => this.#isUp && void this.#call((id) => ({ op: "pub", id, t, ch, d: {} })).catch(() => {}));
    for (const channel of options.channels) this.#channels.set(channel.ch, channel);
    this.#stopListening = this.#surroundings.listen((signal) => this.#onSignal(signal));
    this.#open();
    if (inherited.heardAtMs !== null) this.#expectExchange();
  }

  state(): ConnectionState {
    return this.#state;
  }

  stats(): ClientStats {
    return { ...this.#stats, ...this.#arrivals.counts, rttMs: this.#watch.rttMs, wire: this.#isUp ? this.#ladder.kind : null };
  }

  heardAtMs(): number | null {
    return this.#isUp ? this.#watch.heardAtMs : this.#heardAtMs;
  }

  speaks(): boolean {
    return !this.#surroundings.isWatched();
  }

  subscribe(options: SubscribeOptions): Promise<void> {
    this.#channels.set(options.ch, options);
    // When the link is down the next connection subscribes anyway; the call then rides on that.
    return this.#call((id) => subFrame(options, id));
  }

  unsubscribe(channel: Channel): Promise<void> {
    this.#channels.delete(channel);
    const asked = this.#calls.channels().get(channel);
    if (asked !== undefined && !this.#calls.isSent(asked)) this.#calls.settle(asked);
    if (!this.#isUp) return Promise.resolve();
    return this.#call((id) => ({ op: "unsub", id, ch: channel }));
  }

  setPrivacy(change: PrivacyChange): Promise<void> {
    return this.#call((id) => ({ op: "set", id, privacy: change }));
  }

  publish(publication: Publication): Promise<void> {
    const message = queuedOf(publication, publication.key ?? keyOfPublication(this.#clock), this.#clock.nowMs());
    if (publication.ch !== undefined) this.#typing.posted(publication.ch);
    return this.#outbox.add(message);
  }

  outbox(): OutgoingMessage[] {
    return this.#outbox.messages();
  }

  resend(key: string): void {
    this.#outbox.resend(key);
  }

  discard(key: string): void {
    this.#outbox.discard(key);
  }

  typing(channel: AppChannel, isTyping = true): void {
    this.#typing.note(channel, isTyping);
  }

  setPresence(presence: OwnPresence): Promise<void> {
    this.#presence = presence;
    if (!this.#isUp) return Promise.resolve(); // said on the next connection
    return this.#call((id) => ({ op: "set", id, presence }));
  }

  retry(): void {
    if (this.#isClosed || this.#isUp || this.#wire !== null) return;
    if (this.#state.kind === "failed") this.#retries.anew();
    this.#open();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    this.#drop(1000);
    this.#retries.stop();
    this.#calls.rejectAll("the connection was closed");
    this.#outbox.close();
  }

  // --- opening -----------------------------------------------------------------------------------

  #open(): void {
    this.#retries.stop();
    this.#drop();
    const generation = this.#generation;
    this.#deadline = this.#clock.setTimer(() => this.#lose(), this.#wires.patienceMs(this.#ladder.kind) ?? CONNECT_MS);
    const { token } = this.#options;
    if (typeof token === "string") return this.#openWith(token);
    token().then(
      (fresh) => generation === this.#generation && this.#openWith(fresh),
      (error: unknown) => {
        if (generation !== this.#generation) return;
        // A server that gives no token any more is not asked again; else no token is like no network, and tried with the same patience.
        if (error instanceof RefusedByServer && (error.code === "unauthorized" || error.code === "token_expired")) return this.#fail(error.code, error.message);
        this.#lose({ blameWire: false });
      },
    );
  }

  #openWith(token: string): void {
    const generation = this.#generation;
    const isCurrent = (): boolean => generation === this.#generation;
    this.#wire = this.#wires.open(this.#ladder.kind, {
      open: () => isCurrent() && this.#sayHello(token),
      frame: (data) => isCurrent() && this.#onFrame(data),
      alive: () => isCurrent() && this.#watch.heard(),
      close: (code) => isCurrent() && this.#onClose(code),
    });
  }

  #sayHello(token: string): void {
    this.#helloId = this.#calls.newId();
    this.#helloAtMs = this.#clock.nowMs();
    this.#send({
      op: "hello",
      id: this.#helloId,
      tok: token,
      cl: this.#options.name ?? ["konferenco-client", "0.1.0"],
      ...(this.#inbox.cursor === null ? {} : { resume: this.#inbox.cursor }),
    });
  }

  #onWelcome(frame: Extract<ServerFrame, { op: "welcome" }>): void {
    for (const timer of [this.#deadline, this.#exchangeTimer]) this.#clock.clearTimer(timer);
    this.#retries.welcomed();
    this.#stats.connections++;
    const resumeWasAsked = this.#inbox.cursor !== null;
    if (frame.resumed) this.#inbox.replayBegins();
    this.#isUp = true;
    this.#ladder.welcomed();
    this.#watch.start(frame.pingS * 1_000, this.#clock.nowMs() - this.#helloAtMs);
    this.#planRenewal(frame.ttlS);
    this.#planClimb();
    this.#setState({ kind: "live", staleSinceMs: null });
    this.#tell(() => this.#options.onWelcome?.({ ...frame.who, resumed: frame.resumed }));
    if (resumeWasAsked && !frame.resumed) this.#arrivals.notResumed(frame);
    if (!this.#isUp) return; // closed from within a callback
    // Changes that waited go first: somebody who chose to be hidden is hidden before anything else happens.
    const riding = this.#calls.channels();
    this.#calls.up();
    // The server takes whoever connects for present.
    if (this.#presence !== "online") this.setPresence(this.#presence).catch(() => {});
    this.#subscribeAll(riding);
    this.#outbox.up();
  }

  #subscribeAll(riding: Map<string, number>): void {
    for (const options of this.#channels.values()) {
      if (riding.has(options.ch)) continue;
      this.#call((id) => subFrame(options, id)).catch((error: unknown) => {
        if (error instanceof RefusedByServer) this.#tell(() => this.#options.onRefusal?.(error));
      });
    }
  }

  /** What is kept may be wrong, the server says: each channel begins again with a snapshot. */
  #resync(): void {
    const riding = this.#calls.channels();
    for (const { ch } of this.#channels.values()) if (!riding.has(ch)) this.#call((id) => ({ op: "unsub", id, ch })).catch(() => {});
    this.#subscribeAll(riding);
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

  /** On a fallback: looks from time to time whether a WebSocket opens by now, and then changes over to it. */
  #planClimb(): void {
    const afterMs = this.#ladder.climbAfterMs();
    if (afterMs === null) return;
    const generation = this.#generation;
    const isCurrent = (): boolean => generation === this.#generation;
    this.#climbTimer = this.#clock.setTimer(() => {
      this.#wires.tryTop().then(
        (isFree) => {
          if (!isCurrent()) return;
          if (isFree) return this.#exchange();
          this.#ladder.stayed();
          this.#planClimb();
        },
        () => {},
      );
    }, afterMs);
  }

  #exchange(): void {
    this.#ladder.climb();
    this.#open();
    this.#expectExchange();
  }

  /** What is shown is current a moment ago, so it stays "live" for as long as a change of links may take. */
  #expectExchange(): void {
    this.#exchangeTimer = this.#clock.setTimer(() => {
      if (!this.#isUp) this.#setState({ kind: "reconnecting", attempt: 1, afterMs: 0, staleSinceMs: this.#heardAtMs });
    }, EXCHANGE_MS);
  }

  // --- receiving ---------------------------------------------------------------------------------

  #onFrame(data: unknown): void {
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
        return this.#isWhole(this.#arrivals.take([event], frame.s, bytes, c));
      }
      case "b":
        return this.#isWhole(this.#arrivals.take(frame.ev, frame.s, bytes, frame.c));
      case "caught":
        this.#inbox.replayEnds();
        return this.#inbox.keepCursor(frame.c);
      case "gap":
        return this.#arrivals.takeGap(frame.why);
      case "forget":
        return this.#tell(() => this.#options.onForget?.(frame.subj));
      case "ping":
        this.#inbox.keepCursor(frame.c);
        return this.#send({ op: "pong", s: this.#arrivals.takeReceipt() });
      case "err":
        return this.#onError(frame);
      case "bye":
        return this.#retries.ask(frame.after[0] + this.#clock.random() * (frame.after[1] - frame.after[0]));
      case "resync":
        return this.#resync();
      case "drop":
        this.#channels.delete(frame.ch);
        return this.#tell(() => this.#options.onDrop?.(frame.ch, frame.why));
      case "lag":
        return;
      default:
        // A newer server may say more than we know; what we know still holds.
        return;
    }
  }

  /** With frames lost the link is no good: the next one resumes before the hole. */
  #isWhole(isWhole: boolean): void {
    if (!isWhole) this.#lose({ atOnce: true });
  }

  #onOk(frame: Extract<ServerFrame, { op: "ok" }>): void {
    this.#inbox.keepCursor(frame.c);
    if (frame.ch !== undefined && frame.snap !== undefined) this.#arrivals.takeSnapshot(frame.ch, frame.snap);
    this.#calls.settle(frame.re);
  }

  #onError(frame: Extract<ServerFrame, { op: "err" }>): void {
    const error = new RefusedByServer(frame);
    // With no call to answer it is about the connection, and says how long to stay away once it is closed.
    if (frame.re === undefined || frame.re === this.#helloId) this.#retries.ask(error.afterMs);
    if (frame.re === this.#helloId) return this.#onHelloRefused(error);
    const call = this.#calls.answered(frame.re);
    if (call === null) return this.#tell(() => this.#options.onRefusal?.(error));
    // A refused channel is not asked for again on the next connection.
    if (call.frame.op === "sub" && !error.retryable && error.code !== "already_subscribed") this.#channels.delete(call.frame.ch);
    call.reject(error);
  }

  #onHelloRefused(error: RefusedByServer): void {
    switch (error.code) {
      case "cursor_invalid":
      case "cursor_expired":
        this.#inbox.dropCursor();
        this.#arrivals.tellGap(error.code);
        return this.#lose({ atOnce: true, blameWire: false });
      case "token_expired":
        return this.#renew("token_expired", error.message);
      case "limit":
        return this.#fail("connection_limit", error.message);
      case "unauthorized":
      case "forbidden":
      case "bad_request":
        return this.#fail(error.code, error.message);
      default:
        return this.#lose({ blameWire: false });
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
    this.#lose({ atOnce: true, blameWire: false });
  }

  /** `blameWire` false: the server spoke, or nothing was sent yet; the kind of wire is as good as any. */
  #lose({ atOnce = false, blameWire = true }: { atOnce?: boolean; blameWire?: boolean } = {}): void {
    const staleSinceMs = this.heardAtMs();
    if (this.#isUp) this.#stats.losses++;
    else if (blameWire && !this.#retries.isAsked) this.#ladder.failed();
    this.#drop();
    const next = this.#retries.next({ atOnce });
    if (next === null) return this.#fail("tries_exhausted", "The server could not be reached. Check the network, then try again.");
    const generation = this.#generation;
    this.#setState({ kind: "reconnecting", ...next, staleSinceMs });
    // Told, the application may have called retry() or close() already.
    if (generation === this.#generation && !this.#isClosed) this.#retries.wait(next.afterMs);
  }

  #fail(code: FailureCode, message: string): void {
    const staleSinceMs = this.heardAtMs();
    this.#drop();
    this.#setState({ kind: "failed", code, message, staleSinceMs });
    // With tries exhausted a change may still reach the server after retry(); all other failures are final.
    if (code !== "tries_exhausted") this.#calls.rejectAll(message);
  }

  #onSignal(signal: "online" | "offline" | "attention"): void {
    if (signal !== "offline") this.#ladder.networkChanged();
    if (this.#isUp) return this.#watch.probeNow();
    const gaveUp = this.#state.kind === "failed" && this.#state.code === "tries_exhausted";
    if (signal === "offline" || !(this.#retries.isWaiting || gaveUp)) return;
    // The network is there again, or somebody looks again: earlier tries say nothing about this one.
    if (signal === "online" || gaveUp) this.#retries.anew();
    this.#open();
  }

  /** Leaves the wire behind without waiting for its close handshake, which a dead link never finishes. */
  #drop(closeCode?: number): void {
    this.#generation++;
    const wire = this.#wire;
    this.#heardAtMs = this.heardAtMs();
    this.#wire = null;
    this.#isUp = false;
    this.#arrivals.begin();
    this.#retries.lost();
    this.#watch.stop();
    for (const timer of [this.#deadline, this.#renewTimer, this.#exchangeTimer, this.#climbTimer]) this.#clock.clearTimer(timer);
    this.#calls.down();
    this.#outbox.down();
    wire?.close(closeCode);
  }

  #call(makeFrame: Parameters<Calls["ask"]>[0]): Promise<void> {
    if (this.#isClosed) return Promise.reject(new ConnectionClosed("the connection was closed"));
    if (this.#state.kind === "failed" && this.#state.code !== "tries_exhausted") {
      return Promise.reject(new ConnectionClosed(this.#state.message));
    }
    return this.#calls.ask(makeFrame);
  }

  // --- small things ------------------------------------------------------------------------------

  #send(frame: ClientFrame): void {
    this.#wire?.send(frame);
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#tell(() => this.#options.onState(state));
  }

  #tell(callback: () => void): void {
    if (!this.#isClosed) tellApplication(callback);
  }
}
