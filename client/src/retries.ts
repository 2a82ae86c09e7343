import { backoffMs, MAX_TRIES } from "./backoff.ts";
import type { Clock } from "./options.ts";

/** Up for this long, a connection has succeeded and the count of tries begins anew. */
const SETTLED_MS = 10_000;
/** Longest wait of a timer slice; a clock that jumps further during one shows that the machine slept. */
const WAIT_SLICE_MS = 1_000;
const SLEPT_MS = 5_000;

/** When to try again: tries are counted, waits grow, the server may ask for one of its own, and sleep cuts them short. */
export class Retries {
  readonly #clock: Clock;
  readonly #tryNow: () => void;
  #tries = 0;
  #askedMs: number | null = null;
  #timer: unknown = null;
  #settleTimer: unknown = null;

  constructor(clock: Clock, tryNow: () => void) {
    this.#clock = clock;
    this.#tryNow = tryNow;
  }

  get isWaiting(): boolean {
    return this.#timer !== null;
  }

  /** The server has named the wait before the next connection. */
  get isAsked(): boolean {
    return this.#askedMs !== null;
  }

  ask(waitMs: number | null): void {
    this.#askedMs = waitMs;
  }

  welcomed(): void {
    this.#askedMs = null;
    this.#settleTimer = this.#clock.setTimer(() => this.anew(), SETTLED_MS);
  }

  lost(): void {
    this.#clock.clearTimer(this.#settleTimer);
  }

  /** Earlier tries say nothing about the next one. */
  anew(): void {
    this.#tries = 0;
  }

  /** Null: enough of them were in vain. */
  next({ atOnce }: { atOnce: boolean }): { attempt: number; afterMs: number } | null {
    if (this.#tries >= MAX_TRIES) return null;
    const attempt = ++this.#tries;
    const afterMs = Math.round(this.#askedMs ?? (atOnce && attempt === 1 ? 0 : backoffMs(attempt, this.#clock.random())));
    this.#askedMs = null;
    return { attempt, afterMs };
  }

  /** Waits in slices: a machine that slept goes on at once instead of finishing the wait. */
  wait(leftMs: number): void {
    const sliceMs = Math.min(leftMs, WAIT_SLICE_MS);
    const startedAtMs = this.#clock.nowMs();
    this.#timer = this.#clock.setTimer(() => {
      const slept = this.#clock.nowMs() - startedAtMs > sliceMs + SLEPT_MS;
      if (leftMs <= sliceMs || slept) this.#tryNow();
      else this.wait(leftMs - sliceMs);
    }, sliceMs);
  }

  stop(): void {
    this.#clock.clearTimer(this.#timer);
    this.#timer = null;
  }
}
