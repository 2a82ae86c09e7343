import type { Clock } from "./options.ts";

/** Silence that is probed while somebody looks. 1.2 s + 1.3 s leave half a second of "noticed within 3 s" (requirement E9)
 *  to a busy machine. At most 50 probes a minute; a busy link is never probed. */
const WATCHED_QUIET_MS = 1_200;
/** Wait for the answer to a probe. Links slower than 0.5 s get 2.5 of their own round trips, so that a bad mobile network
 *  is not cut off for ever. */
const ANSWER_MS = 1_300;
const ANSWER_ROUND_TRIPS = 2.5;
const LONGEST_ANSWER_MS = 6_000;
/** Unwatched, the server's ping is waited for and this much more. */
const PING_GRACE_MS = 5_000;
/** A timer this late means that the machine slept: what the silence says about the link is worth nothing. */
const SLEPT_MS = 2_000;

/** Finds out that a link is dead: TCP itself may stay silent for minutes. Any frame counts as life. */
export class LinkWatch {
  readonly #clock: Clock;
  readonly #isWatched: () => boolean;
  readonly #probe: () => void;
  readonly #dead: () => void;
  #timer: unknown = null;
  #pingMs = 30_000;
  #heardAtMs = 0;
  #probedAtMs: number | null = null;
  #rttMs: number | null = null;

  constructor(options: { clock: Clock; isWatched: () => boolean; probe: () => void; dead: () => void }) {
    this.#clock = options.clock;
    this.#isWatched = options.isWatched;
    this.#probe = options.probe;
    this.#dead = options.dead;
  }

  get rttMs(): number | null {
    return this.#rttMs;
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** The link is up; `rttMs` is what its greeting took. */
  start(pingMs: number, rttMs: number): void {
    this.stop();
    this.#pingMs = pingMs;
    this.#rttMs = rttMs;
    this.#heardAtMs = this.#clock.nowMs();
    this.#wait(this.#quietMs());
  }

  stop(): void {
    this.#clock.clearTimer(this.#timer);
    this.#timer = null;
    this.#probedAtMs = null;
  }

  heard(): void {
    this.#heardAtMs = this.#clock.nowMs();
    if (this.#probedAtMs === null) return;
    this.#rttMs = this.#heardAtMs - this.#probedAtMs;
    this.#probedAtMs = null;
  }

  /** Something happened that may have cost the link (woken, network changed): ask now. */
  probeNow(): void {
    if (this.#timer === null || this.#probedAtMs !== null) return;
    this.#ask();
  }

  #ask(): void {
    this.#probedAtMs = this.#clock.nowMs();
    this.#probe();
    this.#wait(Math.min(LONGEST_ANSWER_MS, Math.max(ANSWER_MS, ANSWER_ROUND_TRIPS * (this.#rttMs ?? 0))));
  }

  #quietMs(): number {
    return this.#isWatched() ? WATCHED_QUIET_MS : this.#pingMs + PING_GRACE_MS;
  }

  #wait(afterMs: number): void {
    this.#clock.clearTimer(this.#timer);
    const dueMs = this.#clock.nowMs() + afterMs;
    this.#timer = this.#clock.setTimer(() => this.#look(dueMs), afterMs);
  }

  #look(dueMs: number): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - dueMs > SLEPT_MS) return this.#ask();
    if (this.#probedAtMs !== null) return this.#dead();
    const leftMs = this.#heardAtMs + this.#quietMs() - nowMs;
    // Without the upper bound a clock that was set back would switch the watch off for as long.
    if (leftMs > 0) this.#wait(Math.min(leftMs, this.#quietMs()));
    else this.#ask();
  }
}
