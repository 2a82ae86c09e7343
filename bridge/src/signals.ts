import type { Signal } from "@konferenco/protocol";
import { emptyBatch, type Store } from "@konferenco/fusion";

/** Signals that wait while the store takes the last ones, about 200 bytes each; beyond, the oldest go: they are best effort. */
const MAX_WAITING = 2_000;

export interface SignalsOptions {
  store: Store;
  nowMs: () => number;
  log: (event: object) => void;
}

/** What passes to all bridges and is not kept. What comes while the store is busy goes in one commit after it. */
export class Signals {
  readonly #options: SignalsOptions;
  #waiting: Signal[] = [];
  #sending: Promise<void> | null = null;
  #failing = false;
  dropped = 0;

  constructor(options: SignalsOptions) {
    this.#options = options;
  }

  push(signal: Signal): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting.shift();
      this.dropped++;
    }
    this.#waiting.push(signal);
    this.#sending ??= this.#send();
  }

  async close(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    const { store, nowMs, log } = this.#options;
    // What else is said in this turn goes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const signals = this.#waiting;
      this.#waiting = [];
      try {
        await store.commit({ ...emptyBatch(), signals }, nowMs());
        if (this.#failing) log({ event: "signals pass again" });
        this.#failing = false;
      } catch (error) {
        this.dropped += signals.length;
        if (!this.#failing) log({ event: "signals do not pass", remedy: "presence and typing stand still until the store answers", error: String(error) });
        this.#failing = true;
      }
    }
    this.#sending = null;
  }
}
