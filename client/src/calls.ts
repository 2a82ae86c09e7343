import type { ClientFrame } from "@konferenco/protocol";
import { ConnectionClosed, type Clock } from "./options.ts";

/** An answer that does not come means a sick link: reconnect, and ask again there. */
const ANSWER_MS = 10_000;
/** Calls that wait for an answer or for the link, about 200 bytes each; the next is rejected. */
const MAX_WAITING_CALLS = 64;

type CallFrame = ClientFrame & { id: number };

/** A request that is repeated on the next connection until it is answered. */
interface Call {
  frame: CallFrame;
  sent: boolean;
  resolve(): void;
  reject(error: Error): void;
}

/** Requests on their way. Each is owed one answer, on this connection or on a later one. */
export class Calls {
  readonly #clock: Clock;
  readonly #send: (frame: ClientFrame) => void;
  readonly #overdue: () => void;
  readonly #calls = new Map<number, Call>();
  #lastId = 0;
  #isUp = false;
  #timer: unknown = null;

  constructor(clock: Clock, send: (frame: ClientFrame) => void, overdue: () => void) {
    this.#clock = clock;
    this.#send = send;
    this.#overdue = overdue;
  }

  newId(): number {
    return ++this.#lastId;
  }

  ask(makeFrame: (id: number) => CallFrame): Promise<void> {
    if (this.#calls.size >= MAX_WAITING_CALLS) return Promise.reject(new ConnectionClosed(`more than ${MAX_WAITING_CALLS} calls wait`));
    return new Promise((resolve, reject) => {
      const call: Call = { frame: makeFrame(this.newId()), sent: false, resolve, reject };
      this.#calls.set(call.frame.id, call);
      if (this.#isUp) this.#sendCall(call);
    });
  }

  /** The link is up: what waits leaves now, in the order in which it was asked. */
  up(): void {
    this.#isUp = true;
    for (const call of this.#calls.values()) this.#sendCall(call);
  }

  /** The link is gone. A new connection has its own subscriptions, token and presence; all else is asked again. */
  down(): void {
    this.#isUp = false;
    this.#clock.clearTimer(this.#timer);
    for (const call of this.#calls.values()) {
      call.sent = false;
      const { frame } = call;
      if (frame.op === "auth" || frame.op === "unsub" || (frame.op === "set" && frame.presence !== undefined)) this.settle(frame.id);
    }
  }

  /** The call that this answers; null: it was none of ours. */
  answered(id: number | undefined): Call | null {
    const call = id === undefined ? undefined : this.#calls.get(id);
    if (call === undefined) return null;
    this.#calls.delete(call.frame.id);
    this.#restartTimer();
    return call;
  }

  settle(id: number): void {
    this.answered(id)?.resolve();
  }

  /** Subscriptions that are asked for already. */
  channels(): Map<string, number> {
    const asked = new Map<string, number>();
    for (const { frame } of this.#calls.values()) if (frame.op === "sub") asked.set(frame.ch, frame.id);
    return asked;
  }

  isSent(id: number): boolean {
    return this.#calls.get(id)?.sent ?? false;
  }

  rejectAll(message: string): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#clock.clearTimer(this.#timer);
    for (const call of calls) call.reject(new ConnectionClosed(message));
  }

  #sendCall(call: Call): void {
    if (call.sent) return;
    call.sent = true;
    this.#send(call.frame);
    this.#restartTimer();
  }

  /** One timer for all answers owed: any progress restarts it. */
  #restartTimer(): void {
    this.#clock.clearTimer(this.#timer);
    const isOwed = [...this.#calls.values()].some((call) => call.sent);
    if (isOwed) this.#timer = this.#clock.setTimer(this.#overdue, ANSWER_MS);
  }
}
