/** The last delays, for quantiles that follow the present: 32 KB. */
export class RecentDelays {
  readonly #delaysMs = new Float64Array(4_096);
  #count = 0;

  add(delayMs: number): void {
    this.#delaysMs[this.#count++ % this.#delaysMs.length] = delayMs;
  }

  /** Null before the first. */
  quantileMs(share: number): number | null {
    const kept = this.#delaysMs.slice(0, Math.min(this.#count, this.#delaysMs.length)).sort();
    return kept[Math.min(kept.length - 1, Math.floor(share * kept.length))] ?? null;
  }
}
