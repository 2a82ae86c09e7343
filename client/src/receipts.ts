import type { Clock } from "./options.ts";

/** An acknowledgement leaves after this long or this much, whichever comes first: at most 4 small frames a second upwards. */
const ACK_AFTER_MS = 250;
const ACK_AFTER_BYTES = 32 * 1024;

/** Cumulative acknowledgements: the highest `s` handed over, sent seldom. */
export class Receipts {
  readonly #clock: Clock;
  readonly #send: (s: number) => void;
  #timer: unknown = null;
  #bytes = 0;
  #handedOver = 0;
  #acknowledged = 0;

  constructor(clock: Clock, send: (s: number) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Everything up to `s` is with the application. */
  handedOver(s: number, bytes: number): void {
    this.#handedOver = s;
    this.#bytes += bytes;
    if (this.#bytes >= ACK_AFTER_BYTES) return this.#flush();
    this.#timer ??= this.#clock.setTimer(() => this.#flush(), ACK_AFTER_MS);
  }

  /** What a pong carries: it acknowledges too. */
  take(): number {
    this.reset(this.#handedOver);
    return this.#handedOver;
  }

  /** A new connection counts from its own beginning. */
  reset(s = 0): void {
    this.#clock.clearTimer(this.#timer);
    this.#timer = null;
    this.#bytes = 0;
    this.#handedOver = s;
    this.#acknowledged = s;
  }

  #flush(): void {
    if (this.#handedOver > this.#acknowledged) this.#send(this.#handedOver);
    this.reset(this.#handedOver);
  }
}
