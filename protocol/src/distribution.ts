/** How values are spread: a count per bucket, as Prometheus has it. `bounds` grow; the last bucket is what is beyond. */
export class Distribution {
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.sum += value;
    this.count++;
  }

  /** How many are at most each bound. */
  cumulative(): number[] {
    let sum = 0;
    return this.bounds.map((_, bucket) => (sum += this.#counts[bucket] as number));
  }
}

/** Seconds from a millisecond to a minute. */
export const SECONDS_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
export const EVENTS_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
