import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { lookAhead, newTrend } from "../../../fusion/src/core/zone-trend.ts";

/** Nats of two places, the second one rising by `perS` from `sinceMs` on; as they are after each half second, ahead. */
function ahead({ perS, sinceMs, untilMs, aheadMs }: { perS: number; sinceMs: number; untilMs: number; aheadMs: number }): number[][] {
  const trend = newTrend();
  const looks: number[][] = [];
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 500) {
    const nats = [0, -3 + (perS * Math.max(0, nowMs - sinceMs)) / 1_000];
    lookAhead(trend, [4, 9], nats, { aheadMs, unheardOf: () => -4 }, nowMs, config);
    looks.push(nats);
  }
  return looks;
}

describe("what is said for places, ahead of the belief", () => {
  it("is what is said, as long as nothing changes", () => {
    expect(ahead({ perS: 0, sinceMs: 0, untilMs: 5_000, aheadMs: 4_000 }).at(-1)).toEqual([0, -3]);
  });

  it("is on a steady rise as far on as it was told to look", () => {
    const nats = ahead({ perS: 0.5, sinceMs: 0, untilMs: 20_000, aheadMs: 4_000 }).at(-1) as number[];
    // Half a nat a second, four seconds ahead; half a tick is lost between looks.
    expect((nats[1] as number) - (-3 + 0.5 * 20)).toBeCloseTo(2, 0);
    expect(nats[0]).toBe(0);
  });

  it("is nothing but what is said without looking ahead", () => {
    expect(ahead({ perS: 1, sinceMs: 1_000, untilMs: 6_000, aheadMs: 0 }).at(-1)).toEqual([0, 2]);
  });

  it("rises for a place that was not known, from what would be said without belief", () => {
    const trend = newTrend();
    lookAhead(trend, [4], [0], { aheadMs: 4_000, unheardOf: () => -4 }, 0, config);
    const nats = [0, -3];
    lookAhead(trend, [4, 9], nats, { aheadMs: 4_000, unheardOf: () => -4 }, 500, config);
    expect(nats).toEqual([0, -3 + 4_000 / config.trendMemoryMs]);
    expect(trend.places).toEqual([4, 9]);
  });

  it("keeps no more than the places believed in now", () => {
    const trend = newTrend();
    for (let k = 0; k < 100; k++) lookAhead(trend, [k, k + 1], [0, -1], { aheadMs: 4_000, unheardOf: () => -4 }, 500 * k, config);
    expect(trend.places).toHaveLength(2);
    expect(trend.slowNats).toHaveLength(2);
  });
});
