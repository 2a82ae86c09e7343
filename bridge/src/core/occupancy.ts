import type { ZoneId } from "@konferenco/protocol";

/** Counts that come out below this are told to the public as "few", like none. */
export const FEW = 10;
/** So many people are "few" whatever the dice: noise adds up over a day of windows, so that a nearly empty zone must not have any. */
const SURELY_FEW = 3;
/** Others are rounded to this. */
const STEP = 5;
/** One release per zone and window: asking again gives the same answer, so averaging gives nothing. */
export const RELEASE_WINDOW_MS = 60_000;
/** Scale of the two-sided geometric noise, in people: epsilon 0.5 per window (a person changes a count by at most 1). */
const NOISE_SCALE = 2;

export type PublicCount = number | "few";

/**
 * What the public is told of how full zones are. `dice(zoneId, window)` gives two numbers in [0, 1) that
 * depend on nothing but a key, the zone and the window: every process tells the same, for the whole window.
 */
export class PublicOccupancy {
  #window = -1;
  readonly #released = new Map<ZoneId, PublicCount>();
  readonly #dice: (zoneId: ZoneId, window: number) => [number, number];

  constructor(dice: (zoneId: ZoneId, window: number) => [number, number]) {
    this.#dice = dice;
  }

  /** The window that `nowMs` lies in; a new one asks for new counts. */
  needsCounts(nowMs: number): boolean {
    return Math.floor(nowMs / RELEASE_WINDOW_MS) !== this.#window;
  }

  /** Counts of those who show their zone to attendees, once per window; all zones are released together. */
  release(zoneIds: readonly ZoneId[], counts: ReadonlyMap<ZoneId, number>, nowMs: number): void {
    this.#window = Math.floor(nowMs / RELEASE_WINDOW_MS);
    this.#released.clear();
    for (const zoneId of zoneIds) this.#released.set(zoneId, publicCount(counts.get(zoneId) ?? 0, this.#dice(zoneId, this.#window)));
  }

  get zones(): { zoneId: ZoneId; count: PublicCount }[] {
    return [...this.#released].map(([zoneId, count]) => ({ zoneId, count }));
  }
}

/** Two-sided geometric noise (the difference of two geometric draws), then rounding, then the floor. */
export function publicCount(count: number, [a, b]: [number, number]): PublicCount {
  const noisy = count + geometric(a) - geometric(b);
  return count <= SURELY_FEW || noisy < FEW ? "few" : Math.round(noisy / STEP) * STEP;
}

function geometric(uniform: number): number {
  return Math.floor(Math.log(1 - uniform) / -(1 / NOISE_SCALE));
}
