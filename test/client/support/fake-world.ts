import type { ServerFrame } from "@konferenco/protocol";
import type { Clock, ConnectionState, ConnectOptions, DeliveredEvent, KonferencoClient, Surroundings, WebSocketLike } from "@konferenco/client";
import { connect } from "@konferenco/client";

/** Time that stands until it is moved; timers fire in order, each at its own instant. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  #lastTimer = 0;
  readonly #timers = new Map<number, { dueMs: number; run: () => void }>();
  /** 0: backoff in full length. */
  chance = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  random(): number {
    return this.chance;
  }

  setTimer(run: () => void, afterMs: number): unknown {
    this.#timers.set(++this.#lastTimer, { dueMs: this.#nowMs + afterMs, run });
    return this.#lastTimer;
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as number);
  }

  get waiting(): number {
    return this.#timers.size;
  }

  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      await settle();
      const next = [...this.#timers].filter(([, timer]) => timer.dueMs <= endMs).toSorted(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b)[0];
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#nowMs = Math.max(this.#nowMs, next[1].dueMs);
      next[1].run();
    }
    this.#nowMs = endMs;
    await settle();
  }

  /** The lid is closed for that long: time passes, and no timer fires until it is over. */
  async sleep(forMs: number): Promise<void> {
    this.#nowMs += forMs;
    await this.advance(0);
  }
}

/** Lets promises that are due run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}

type Listener = (event: { data: unknown; code: number; reason: string }) => void;

/** A socket whose other end is the test. */
export class FakeSocket implements WebSocketLike {
  readonly url: string;
  readonly protocol: string;
  readonly sent: Record<string, unknown>[] = [];
  closedWith: number | undefined | null = null;
  readonly #listeners = new Map<string, Listener[]>();

  constructor(url: string, protocol: string) {
    this.url = url;
    this.protocol = protocol;
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener as Listener]);
  }

  send(text: string): void {
    this.sent.push(text === "" ? { op: "probe" } : (JSON.parse(text) as Record<string, unknown>));
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  emit(type: "open" | "message" | "close" | "error", event: { data?: unknown; code?: number } = {}): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data: event.data, code: event.code ?? 1006, reason: "" });
  }

  answerProbe(): void {
    this.emit("message", { data: "" });
  }

  say(frame: ServerFrame | Record<string, unknown>): void {
    this.emit("message", { data: JSON.stringify(frame) });
  }

  sentOp(op: string): Record<string, unknown>[] {
    return this.sent.filter((frame) => frame["op"] === op);
  }
}

export interface FakeWorld {
  clock: FakeClock;
  client: KonferencoClient;
  sockets: FakeSocket[];
  /** The newest socket. */
  socket: () => FakeSocket;
  /** Opens the newest socket, takes its hello and welcomes it. */
  welcome: (more?: Partial<Extract<ServerFrame, { op: "welcome" }>>) => FakeSocket;
  /** Breaks the newest socket and lets time pass until there is another one, or none comes any more. */
  lose: (code?: number) => Promise<void>;
  events: DeliveredEvent[];
  states: ConnectionState[];
  forgotten: string[];
  gaps: string[];
  setWatched: (isWatched: boolean) => void;
  signal: (signal: "online" | "offline" | "attention") => void;
  listeners: () => number;
}

/** A client in a world of the test's making: no network, no waiting. */
export function newWorld(options: Partial<ConnectOptions> & { clock?: FakeClock; isWatched?: boolean } = {}): FakeWorld {
  const clock = options.clock ?? new FakeClock();
  const sockets: FakeSocket[] = [];
  const events: DeliveredEvent[] = [];
  const states: ConnectionState[] = [];
  const forgotten: string[] = [];
  const gaps: string[] = [];
  const listeners = new Set<(signal: "online" | "offline" | "attention") => void>();
  let isWatched = options.isWatched ?? true;
  const surroundings: Surroundings = {
    isWatched: () => isWatched,
    listen(onSignal) {
      listeners.add(onSignal);
      return () => listeners.delete(onSignal);
    },
  };
  const client = connect({
    url: "ws://venue.test/events",
    token: "token-1",
    channels: [{ ch: "alerts" }],
    onEvent: (event) => events.push(event),
    onState: (state) => states.push(state),
    onForget: (subject) => forgotten.push(subject),
    onGap: (why) => gaps.push(why),
    surroundings,
    fetch: null,
    WebSocket: class extends FakeSocket {
      constructor(url: string, protocol?: string | string[]) {
        super(url, String(protocol));
        sockets.push(this);
      }
    },
    ...options,
    clock,
  });
  const socket = (): FakeSocket => {
    const newest = sockets.at(-1);
    if (newest === undefined) throw new Error("no socket was opened yet");
    return newest;
  };
  return {
    clock,
    client,
    sockets,
    socket,
    async lose(code = 1006) {
      const before = sockets.length;
      socket().emit("close", { code });
      while (sockets.length === before && client.state().kind === "reconnecting") await clock.advance(100);
    },
    events,
    states,
    forgotten,
    gaps,
    setWatched: (watched) => (isWatched = watched),
    signal: (signal) => listeners.forEach((listener) => listener(signal)),
    listeners: () => listeners.size,
    welcome(more = {}) {
      const newest = socket();
      if (newest.sentOp("hello").length === 0) newest.emit("open");
      const hello = newest.sentOp("hello").at(-1);
      newest.say({ op: "welcome", re: hello?.["id"], sid: "c1", ttlS: 3600, pingS: 30, now: 0, epoch: "e1", resumed: "resume" in (hello ?? {}), who: { personId: "p1", role: "attendee" }, ...more });
      for (const sub of newest.sentOp("sub")) newest.say({ op: "ok", re: sub["id"], ch: sub["ch"] });
      return newest;
    },
  };
}

export function alertEvent(title: string, more: object = {}): Record<string, unknown> {
  return { t: "alert", at: 5, d: { alertId: title, severity: "info", title, text: "", zoneIds: [], atMs: 5 }, ...more };
}
