import type { FusionConfig } from "./fusion-config.ts";

/** What was said for places a moment ago, in nats, smoothed. */
export interface Trend {
  places: number[];
  slowNats: number[];
  atMs: number;
}

export function newTrend(): Trend {
  return { places: [], slowNats: [], atMs: NaN };
}

/**
 * Adds to each place's nats what they will have gained `aheadMs` later if they go on as of late, and follows them.
 * `unheardOf`: the nats of a place that nothing was known of until now.
 */
export function lookAhead(trend: Trend, places: readonly number[], nats: number[], { aheadMs, unheardOf }: { aheadMs: number; unheardOf: (place: number) => number }, nowMs: number, { trendMemoryMs }: FusionConfig): void {
  const isFirst = Number.isNaN(trend.atMs);
  const share = 1 - Math.exp(-Math.max(0, nowMs - trend.atMs) / trendMemoryMs);
  const slowNats: number[] = [];
  for (let i = 0; i < places.length; i++) {
    const now = nats[i] as number;
    const place = places[i] as number;
    const slow = isFirst ? now : (trend.slowNats[trend.places.indexOf(place)] ?? unheardOf(place));
    nats[i] = now + ((now - slow) * aheadMs) / trendMemoryMs;
    slowNats.push(isFirst ? now : slow + share * (now - slow));
  }
  trend.places = [...places];
  trend.slowNats = slowNats;
  trend.atMs = nowMs;
}
