/** Times of looking at exact counts that are kept for operators, about 120 bytes each; older ones are in the log alone. */
const MAX_KEPT = 500;
/** Looks that follow each other within this time are one. */
export const ONE_LOOK_MS = 90_000;

/** Somebody of the venue's staff had exact numbers of people before them, from when until when. `live`: on a page that follows them. */
export interface CountReading {
  by: string;
  how: "asked" | "live";
  fromMs: number;
  untilMs: number;
}

/** Who has seen exact counts, over all bridges of the event. */
export class CountReaders {
  readonly #readings: CountReading[] = [];

  /** True if this is a new look, false if it goes on with the last. */
  note(by: string, how: CountReading["how"], atMs: number): boolean {
    const last = this.#readings.findLast((reading) => reading.by === by && reading.how === how);
    if (last !== undefined && atMs - last.untilMs <= ONE_LOOK_MS) {
      last.untilMs = Math.max(last.untilMs, atMs);
      return false;
    }
    this.#readings.push({ by, how, fromMs: atMs, untilMs: atMs });
    if (this.#readings.length > MAX_KEPT) this.#readings.shift();
    return true;
  }

  /** The latest first. */
  list(): CountReading[] {
    return this.#readings.toSorted((a, b) => b.untilMs - a.untilMs);
  }
}
