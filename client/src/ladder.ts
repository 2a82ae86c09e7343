import type { WireKind } from "./wire.ts";

/** A WebSocket that has worked gets this many tries before HTTP: a server that restarts is not asked three ways at once by everybody. */
const TRIES_OF_THE_PROVEN = 3;
/** Down below, the way up is tried after 1, 2, 4 … 10 min: a blocked WebSocket costs one refused request each. */
const FIRST_CLIMB_MS = 60_000;
const LONGEST_CLIMB_MS = 600_000;

/** Which wire the next connection takes: the best that works here, from WebSocket down to polling and round again. */
export class Ladder {
  readonly #kinds: readonly WireKind[];
  #step = 0;
  #failures = 0;
  #climbs = 0;
  #isProven = false;

  constructor(kinds: readonly WireKind[]) {
    this.#kinds = kinds;
  }

  get kind(): WireKind {
    return this.#kinds[this.#step] ?? "websocket";
  }

  welcomed(): void {
    this.#failures = 0;
    if (this.#step > 0) return;
    this.#isProven = true;
    this.#climbs = 0;
  }

  /** The wire ended before a welcome. */
  failed(): void {
    if (++this.#failures < (this.#step === 0 && this.#isProven ? TRIES_OF_THE_PROVEN : 1)) return;
    this.#failures = 0;
    this.#step = (this.#step + 1) % this.#kinds.length;
  }

  /** When to look whether the top is free again; null at the top. */
  climbAfterMs(): number | null {
    return this.#step === 0 ? null : Math.min(LONGEST_CLIMB_MS, FIRST_CLIMB_MS * 2 ** this.#climbs);
  }

  /** A try from the top: one failure leads down again. */
  climb(): void {
    this.#step = 0;
    this.#failures = 0;
    this.#isProven = false;
    this.#climbs++;
  }

  /** The top is still blocked. */
  stayed(): void {
    this.#climbs++;
  }

  /** Another network may block nothing. */
  networkChanged(): void {
    if (this.#step > 0) this.climb();
    this.#climbs = 0;
  }
}
