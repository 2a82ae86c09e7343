import type { Clock } from "./options.ts";

/**
 * Browsers slow the timers of hidden pages down to one a second, later to one a minute. This clock can be
 * wound from outside: the page that somebody looks at asks the one that holds the connection twice a second,
 * and each question runs what is due, so that a lost link is noticed as fast as by a page of one's own.
 */
export class WoundClock implements Clock {
  readonly #clock: Clock;
  readonly #waiting = new Set<{ dueMs: number; run: () => void; timer: unknown }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  random(): number {
    return this.#clock.random();
  }

  setTimer(run: () => void, afterMs: number): unknown {
    const entry = { dueMs: this.nowMs() + afterMs, run, timer: null as unknown };
    entry.timer = this.#clock.setTimer(() => {
      this.#waiting.delete(entry);
      run();
    }, afterMs);
    this.#waiting.add(entry);
    return entry;
  }

  clearTimer(timer: unknown): void {
    const entry = timer as { timer: unknown } | null;
    if (entry === null || !this.#waiting.delete(entry as never)) return;
    this.#clock.clearTimer(entry.timer);
  }

  wind(): void {
    const nowMs = this.nowMs();
    const due = [...this.#waiting].filter((entry) => entry.dueMs <= nowMs).toSorted((a, b) => a.dueMs - b.dueMs);
    for (const entry of due) {
      if (!this.#waiting.has(entry)) continue; // an earlier one has cleared it
      this.clearTimer(entry);
      entry.run();
    }
  }
}
