import type { AppChannel, Channel, PrivacyChange } from "@konferenco/protocol";
import { Connection } from "./connection.ts";
import { Inbox } from "./inbox.ts";
import {
  ConnectionClosed,
  RefusedByServer,
  type ClientStats,
  type Clock,
  type ConnectionState,
  type ConnectOptions,
  type DeliveredEvent,
  type KonferencoClient,
  type OwnPresence,
  type Publication,
  type Refusal,
  type SubscribeOptions,
  type Surroundings,
} from "./options.ts";
import type { OutgoingMessage } from "./outbox.ts";
import { Picture } from "./picture.ts";
import { defaultSurroundings, systemClock } from "./surroundings.ts";
import type { Candidacy, Tabs } from "./tabs.ts";
import { tellApplication } from "./tell-application.ts";
import { WoundClock } from "./wound-clock.ts";

/** A tab that somebody looks at asks the leading one whether it lives: 2 messages a second within the browser. */
const ASK_EVERY_MS = 500;
/** A leader that is silent for so long is frozen: with the reconnection it stays within 3 s (requirement E9). */
const FROZEN_AFTER_MS = 2_000;
/** A timer this late means that we slept ourselves: what the silence says about the leader is worth nothing. */
const SLEPT_MS = 1_500;
/** After its last question a tab counts as looked at for this long. */
const LOOKED_AT_MS = 1_500;
/** Calls that wait for the leading tab's answer, about 200 bytes each. */
const MAX_WAITING_CALLS = 64;

type Welcome = Parameters<NonNullable<ConnectOptions["onWelcome"]>>[0];

/** What the leading tab hears from the server and tells the others, in order. */
type Told =
  | { kind: "event"; event: DeliveredEvent }
  | { kind: "snapshot"; channel: Channel; events: DeliveredEvent[] }
  | { kind: "forget"; subject: string }
  | { kind: "gap"; why: string }
  | { kind: "state"; state: ConnectionState }
  | { kind: "welcome"; welcome: Welcome }
  | { kind: "refusal"; refusal: Refusal }
  | { kind: "outbox"; messages: OutgoingMessage[] }
  | { kind: "drop"; channel: Channel; why: string };

type Order =
  | { method: "subscribe"; of: SubscribeOptions }
  | { method: "unsubscribe"; of: Channel }
  | { method: "setPrivacy"; of: PrivacyChange }
  | { method: "setPresence"; of: OwnPresence }
  | { method: "publish"; of: Publication & { key: string } }
  | { method: "resend" | "discard"; of: string }
  | { method: "typing"; of: { channel: AppChannel; isTyping: boolean } }
  | { method: "retry"; of: null };

/** Between tabs. `from` and `to` are tabs; `term` is one leadership. */
type TabMessage =
  | { kind: "lead"; term: string }
  | { kind: "join"; from: string }
  | { kind: "picture"; to: string; term: string; told: Told[]; cursor: string | null; heardAtMs: number | null }
  | { kind: "told"; term: string; told: Told[]; cursor: string | null; heardAtMs: number | null }
  | { kind: "ask"; from: string }
  | { kind: "here"; term: string; heardAtMs: number | null }
  | { kind: "away"; from: string }
  | { kind: "order"; from: string; n: number; order: Order }
  | { kind: "answer"; to: string; n: number; refusal: Refusal | null; closed: string | null };

interface WaitingOrder {
  order: Order;
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * One connection for all tabs of a browser: the tab that leads holds it, and tells the others all that it hears.
 * When it closes, another takes over from where it stood; when it is frozen, the one that somebody looks at does.
 */
export class SharedClient implements KonferencoClient {
  readonly #options: ConnectOptions;
  readonly #tabs: Tabs;
  readonly #clock: Clock;
  readonly #leaderClock: WoundClock;
  readonly #surroundings: Surroundings;
  readonly #me: string;
  readonly #stopListening: () => void;
  readonly #picture = new Picture();
  readonly #orders = new Map<number, WaitingOrder>();
  /** When each other tab was last looked at. */
  readonly #lookedAtMs = new Map<string, number>();

  /** Null: this tab's login is of no use, so another leads or none. */
  #candidacy: Candidacy | null = null;
  #inbox = new Inbox();
  #connection: Connection | null = null;
  /** Whom we hear; null until one has spoken. */
  #term: string | null = null;
  #isSynced = false;
  #state: ConnectionState = { kind: "connecting", staleSinceMs: null };
  #welcome: Welcome | null = null;
  #outbox: OutgoingMessage[] = [];
  #heardAtMs: number | null = null;
  #isClosed = false;
  #lastOrder = 0;
  #toTell: Told[] = [];
  #askTimer: unknown = null;
  /** Tells our connection what another tab has noticed. */
  #signal: (signal: "attention") => void = () => {};
  #leaderHeardAtMs = 0;

  constructor(options: ConnectOptions, tabs: Tabs) {
    this.#options = options;
    this.#tabs = tabs;
    this.#clock = options.clock ?? systemClock;
    this.#leaderClock = new WoundClock(this.#clock);
    this.#surroundings = options.surroundings ?? defaultSurroundings();
    this.#me = tabs.newName();
    this.#leaderHeardAtMs = this.#clock.nowMs();
    tabs.listen((message) => this.#onMessage(message as TabMessage));
    this.#stopListening = this.#surroundings.listen((signal) => signal === "attention" && this.#ask());
    this.#stand();
  }

  state(): ConnectionState {
    return this.#state;
  }

  stats(): ClientStats {
    return this.#connection?.stats() ?? { frames: 0, bytes: 0, events: 0, duplicates: 0, holes: 0, gaps: 0, badFrames: 0, connections: 0, losses: 0, rttMs: null, wire: null };
  }

  speaks(): boolean {
    return this.#connection !== null && !this.#isLookedAt();
  }

  subscribe(of: SubscribeOptions): Promise<void> {
    return this.#order({ method: "subscribe", of });
  }

  unsubscribe(of: Channel): Promise<void> {
    return this.#order({ method: "unsubscribe", of });
  }

  setPrivacy(of: PrivacyChange): Promise<void> {
    return this.#order({ method: "setPrivacy", of });
  }

  publish(publication: Publication): Promise<void> {
    // The key is made here: asked again by the next leading tab, it is still the same message.
    return this.#order({ method: "publish", of: { ...publication, key: publication.key ?? this.#tabs.newName() } });
  }

  outbox(): OutgoingMessage[] {
    return this.#outbox;
  }

  resend(of: string): void {
    this.#order({ method: "resend", of }).catch(() => {});
  }

  discard(of: string): void {
    this.#order({ method: "discard", of }).catch(() => {});
  }

  typing(channel: AppChannel, isTyping = true): void {
    this.#order({ method: "typing", of: { channel, isTyping } }).catch(() => {});
  }

  setPresence(of: OwnPresence): Promise<void> {
    return this.#order({ method: "setPresence", of });
  }

  retry(): void {
    if (this.#isClosed) return;
    if (this.#candidacy === null) this.#stand();
    else if (this.#connection !== null) this.#connection.retry();
    else this.#order({ method: "retry", of: null }).catch(() => {});
  }

  close(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    this.#stopListening();
    this.#clock.clearTimer(this.#askTimer);
    this.#connection?.close();
    this.#connection = null;
    this.#post({ kind: "away", from: this.#me });
    this.#candidacy?.withdraw();
    this.#tabs.close();
    for (const waiting of this.#orders.values()) waiting.reject(new ConnectionClosed("the connection was closed"));
    this.#orders.clear();
  }

  #stand(): void {
    this.#candidacy = this.#tabs.stand({ won: () => this.#lead(), lost: () => this.#follow() });
    // Standing may have won at once.
    if (this.#connection === null) this.#follow();
  }

  // --- leading -----------------------------------------------------------------------------------

  #lead(): void {
    if (this.#isClosed) return;
    this.#term = this.#tabs.newName();
    this.#isSynced = true;
    this.#post({ kind: "lead", term: this.#term });
    const tell = (told: Told): void => this.#tellAll(told);
    this.#connection = new Connection(
      {
        ...this.#options,
        clock: this.#leaderClock,
        surroundings: {
          isWatched: () => this.#isLookedAt(),
          listen: (onSignal) => {
            this.#signal = onSignal;
            return this.#surroundings.listen(onSignal);
          },
        },
        onEvent: (event) => tell({ kind: "event", event }),
        onSnapshot: (channel, events) => tell({ kind: "snapshot", channel, events }),
        onForget: (subject) => tell({ kind: "forget", subject }),
        onGap: (why) => tell({ kind: "gap", why }),
        onState: (state) => tell({ kind: "state", state }),
        onWelcome: (welcome) => tell({ kind: "welcome", welcome }),
        onRefusal: ({ refusal }) => tell({ kind: "refusal", refusal }),
        onOutbox: (messages) => tell({ kind: "outbox", messages }),
        onDrop: (channel, why) => tell({ kind: "drop", channel, why }),
      },
      { inbox: this.#inbox, heardAtMs: this.#heardAtMs },
    );
    for (const [n, { order }] of this.#orders) void this.#obey(order).then(...this.#settlers(n));
  }

  /** Another tab leads, perhaps since this one was frozen: what it knows is the truth. */
  #follow(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#toTell = [];
    this.#term = null;
    this.#isSynced = false;
    this.#inbox = new Inbox();
    this.#leaderHeardAtMs = this.#clock.nowMs();
    this.#post({ kind: "join", from: this.#me });
    this.#ask();
  }

  /** A login that the server does not take is this tab's own matter: the next tab tries its own. */
  #resign(told: Told & { kind: "state" }): void {
    this.#flush();
    this.#connection?.close();
    this.#connection = null;
    this.#clock.clearTimer(this.#askTimer);
    this.#candidacy?.withdraw();
    this.#candidacy = null;
    this.#take(told);
  }

  #tellAll(told: Told): void {
    if (told.kind === "state" && told.state.kind === "failed" && told.state.code !== "tries_exhausted") return this.#resign(told);
    if (this.#toTell.length === 0) queueMicrotask(() => this.#flush());
    this.#toTell.push(told);
    this.#take(told);
  }

  /** All that one frame brought is one message between the tabs. */
  #flush(): void {
    if (this.#toTell.length === 0 || this.#term === null || this.#connection === null) return;
    const told = this.#toTell;
    this.#toTell = [];
    this.#heardAtMs = this.#connection.heardAtMs();
    this.#post({ kind: "told", term: this.#term, told, cursor: this.#inbox.cursor, heardAtMs: this.#heardAtMs });
  }

  #isLookedAt(): boolean {
    const nowMs = this.#clock.nowMs();
    return this.#surroundings.isWatched() || [...this.#lookedAtMs.values()].some((atMs) => nowMs - atMs < LOOKED_AT_MS);
  }

  #obey(order: Order): Promise<void> {
    const connection = this.#connection as Connection;
    switch (order.method) {
      case "subscribe":
        // Another tab has it already; what it says is known by the picture.
        return connection.subscribe(order.of).catch((error: unknown) => {
          if (!(error instanceof RefusedByServer && error.code === "already_subscribed")) throw error;
        });
      case "unsubscribe":
        return connection.unsubscribe(order.of);
      case "setPrivacy":
        return connection.setPrivacy(order.of);
      case "setPresence":
        // Somebody who has left one tab for another is not away.
        return order.of === "away" && this.#isLookedAt() ? Promise.resolve() : connection.setPresence(order.of);
      case "publish":
        return connection.publish(order.of);
      case "typing":
        return Promise.resolve(connection.typing(order.of.channel, order.of.isTyping));
      case "resend":
      case "discard":
        return Promise.resolve(connection[order.method](order.of));
      case "retry":
        return Promise.resolve(connection.retry());
    }
  }

  // --- following ---------------------------------------------------------------------------------

  #onMessage(message: TabMessage): void {
    if (this.#isClosed || this.#candidacy === null) return;
    switch (message.kind) {
      case "lead":
        if (this.#connection !== null) return; // ours was taken: the lock says so in a moment
        this.#hear(message.term);
        // What waits is asked again: the one that was asked may not have lived to do it.
        if (!this.#isSynced) this.#post({ kind: "join", from: this.#me });
        for (const [n, { order }] of this.#orders) this.#post({ kind: "order", from: this.#me, n, order });
        return;
      case "picture":
        if (message.to !== this.#me || this.#connection !== null || this.#isSynced) return;
        this.#hear(message.term);
        this.#isSynced = true;
        return this.#takeAll(message);
      case "told":
        if (this.#connection !== null || message.term !== this.#term) return;
        this.#leaderHeardAtMs = this.#clock.nowMs();
        return this.#isSynced ? this.#takeAll(message) : undefined;
      case "here":
        if (message.term === this.#term) this.#leaderHeardAtMs = this.#clock.nowMs();
        this.#heardAtMs = message.heardAtMs;
        return;
      case "answer":
        if (message.to === this.#me) this.#onAnswer(message);
        return;
      default:
        if (this.#connection !== null) this.#onFollower(message);
    }
  }

  #onFollower(message: Extract<TabMessage, { kind: "join" | "ask" | "away" | "order" }>): void {
    const connection = this.#connection as Connection;
    const term = this.#term as string;
    switch (message.kind) {
      case "ask":
        if (!this.#isLookedAt()) queueMicrotask(() => this.#signal("attention"));
        this.#lookedAtMs.set(message.from, this.#clock.nowMs());
        this.#leaderClock.wind();
        return this.#post({ kind: "here", term, heardAtMs: connection.heardAtMs() });
      case "away":
        this.#lookedAtMs.delete(message.from);
        return;
      case "join":
        this.#flush();
        return this.#post({ kind: "picture", to: message.from, term, told: this.#everything(), cursor: this.#inbox.cursor, heardAtMs: connection.heardAtMs() });
      case "order": {
        const { from, n } = message;
        const answer = (refusal: Refusal | null, closed: string | null): void => {
          // That we go is no answer: the next leading tab is asked again.
          if (this.#connection === connection) this.#post({ kind: "answer", to: from, n, refusal, closed });
        };
        this.#obey(message.order).then(
          () => answer(null, null),
          (error: unknown) => (error instanceof RefusedByServer ? answer(error.refusal, null) : answer(null, (error as Error).message)),
        );
      }
    }
  }

  #everything(): Told[] {
    const snapshots = this.#picture.snapshots(this.#clock.nowMs());
    return [
      { kind: "state", state: this.#state },
      ...(this.#welcome === null ? [] : [{ kind: "welcome" as const, welcome: this.#welcome }]),
      { kind: "outbox", messages: this.#outbox },
      ...snapshots.map(([channel, events]) => ({ kind: "snapshot" as const, channel, events })),
    ];
  }

  #hear(term: string): void {
    this.#term = term;
    this.#leaderHeardAtMs = this.#clock.nowMs();
  }

  #takeAll({ told, cursor, heardAtMs }: { told: Told[]; cursor: string | null; heardAtMs: number | null }): void {
    for (const one of told) {
      // A leader that was frozen may repeat what its successor has told.
      if (one.kind === "event" && !this.#inbox.isNew(one.event)) continue;
      if (one.kind === "snapshot") for (const event of one.events) this.#inbox.isNew(event); // remembered
      this.#take(one);
    }
    this.#inbox.handedOver(cursor ?? undefined);
    this.#heardAtMs = heardAtMs;
  }

  /** While somebody looks at this tab, the leading one is asked whether it lives, and learns that it is needed. */
  #ask(): void {
    this.#clock.clearTimer(this.#askTimer);
    if (this.#isClosed) return;
    const nowMs = this.#clock.nowMs();
    const isWatched = this.#surroundings.isWatched();
    if (this.#connection === null && isWatched) {
      if (nowMs - this.#leaderHeardAtMs > FROZEN_AFTER_MS) this.#candidacy?.seize();
      this.#post({ kind: "ask", from: this.#me });
    }
    this.#askTimer = this.#clock.setTimer(() => {
      const isLate = this.#clock.nowMs() - nowMs > ASK_EVERY_MS + SLEPT_MS;
      // A page that was hidden has not asked: it begins to count now.
      if (isLate || !isWatched) this.#leaderHeardAtMs = this.#clock.nowMs();
      this.#ask();
    }, ASK_EVERY_MS);
  }

  // --- what both do ------------------------------------------------------------------------------

  /** Takes in what the server has said, by whichever tab. */
  #take(told: Told): void {
    const options = this.#options;
    const nowMs = this.#clock.nowMs();
    switch (told.kind) {
      case "event":
        this.#picture.note(told.event, nowMs);
        return this.#tell(() => options.onEvent(told.event));
      case "snapshot":
        this.#picture.snapshot(told.channel, told.events, nowMs);
        if (options.onSnapshot !== undefined) return this.#tell(() => options.onSnapshot?.(told.channel, told.events));
        for (const event of told.events) this.#tell(() => options.onEvent(event));
        return;
      case "forget":
        this.#picture.forget(told.subject, this.#welcome?.personId ?? null);
        return this.#tell(() => options.onForget?.(told.subject));
      case "gap":
        return this.#tell(() => options.onGap?.(told.why));
      case "state":
        if (told.state.kind === "connecting") return; // so it is from the start
        this.#state = told.state;
        return this.#tell(() => options.onState(told.state));
      case "welcome":
        this.#welcome = told.welcome;
        return this.#tell(() => options.onWelcome?.(told.welcome));
      case "outbox":
        this.#outbox = told.messages;
        return this.#tell(() => options.onOutbox?.(told.messages));
      case "drop":
        return this.#tell(() => options.onDrop?.(told.channel, told.why));
      case "refusal":
        return this.#tell(() => options.onRefusal?.(new RefusedByServer(told.refusal)));
    }
  }

  #order(order: Order): Promise<void> {
    if (this.#isClosed || this.#candidacy === null) return Promise.reject(new ConnectionClosed("the connection was closed"));
    if (this.#connection !== null) return this.#obey(order);
    // Messages have a bound of their own.
    if (order.method !== "publish" && this.#orders.size >= MAX_WAITING_CALLS) return Promise.reject(new ConnectionClosed(`more than ${MAX_WAITING_CALLS} calls wait`));
    return new Promise((resolve, reject) => {
      const n = ++this.#lastOrder;
      this.#orders.set(n, { order, resolve, reject });
      this.#post({ kind: "order", from: this.#me, n, order });
    });
  }

  #onAnswer({ n, refusal, closed }: Extract<TabMessage, { kind: "answer" }>): void {
    const [done, failed] = this.#settlers(n);
    if (refusal !== null) failed(new RefusedByServer(refusal));
    else if (closed !== null) failed(new ConnectionClosed(closed));
    else done();
  }

  #settlers(n: number): [() => void, (error: Error) => void] {
    const waiting = this.#orders.get(n);
    const settle = (run: (waiting: WaitingOrder) => void): void => {
      if (waiting === undefined || !this.#orders.delete(n)) return;
      run(waiting);
    };
    return [() => settle(({ resolve }) => resolve()), (error) => settle(({ reject }) => reject(error))];
  }

  #post(message: TabMessage): void {
    this.#tabs.post(message);
  }

  #tell(callback: () => void): void {
    if (!this.#isClosed) tellApplication(callback);
  }
}
