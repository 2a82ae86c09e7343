/** The last `capacity` numbers, for quantiles of a live run; 8 bytes each. */
export class RecentNumbers {
  readonly #numbers: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#numbers = new Float64Array(capacity);
  }

  add(value: number): void {
    this.#numbers[this.#count % this.#numbers.length] = value;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  /** The smallest number that `share` of the kept ones do not exceed (nearest rank); null when there are none. */
  quantile(share: number): number | null {
    const kept = this.#numbers.slice(0, Math.min(this.#count, this.#numbers.length)).sort();
    return kept[Math.max(0, Math.ceil(share * kept.length) - 1)] ?? null;
  }
}

/** What a run shows every second and writes into its report. */
export interface RunFigures {
  gateways: number;
  tags: number;
  observations: number;
  positions: number;
  zoneTransitions: number;
  proximityTransitions: number;
  alerts: number;
  clients: number;
  /** Logged updates that reached the run's own WebSocket clients. */
  deliveries: number;
  /** From stored to received by those clients. */
  deliveryP50Ms: number | null;
  deliveryP95Ms: number | null;
  /** Against the simulation's truth; null without a simulation. */
  positionErrorMedianM: number | null;
  positionErrorP95M: number | null;
  refused: Record<string, number>;
}

/** One line of live counts; rates are per second since the line before. */
export function figuresLine(now: RunFigures, before: RunFigures, elapsedS: number): string {
  const rate = (pick: (figures: RunFigures) => number) => String(Math.round((pick(now) - pick(before)) / elapsedS));
  const parts = [
    `${now.gateways} gateways`,
    `${now.tags} tags`,
    `${rate((figures) => figures.observations)} observations/s`,
    `${rate((figures) => figures.positions)} positions/s`,
    `${now.zoneTransitions} zone changes`,
    `${now.proximityTransitions} proximity`,
    `${now.clients} clients`,
    `p95 delivery ${now.deliveryP95Ms === null ? "–" : `${now.deliveryP95Ms.toFixed(1)} ms`}`,
  ];
  return parts.join(" · ");
}
