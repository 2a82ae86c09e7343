import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { newRssiFilter, smoothRssi, type SmoothedRssi } from "../../../fusion/src/core/rssi-filter.ts";

function heard(rssiDbm: number, heardAtMs: number) {
  return { tagId: "tag", gatewayId: "gw", rssiDbm, heardAtMs };
}

function smoothAll(levels: readonly (readonly [rssiDbm: number, atMs: number])[]): SmoothedRssi[] {
  const [first, ...rest] = levels as [readonly [number, number], ...(readonly [number, number])[]];
  const filter = newRssiFilter(heard(...first), config);
  return rest.map(([rssiDbm, atMs]) => smoothRssi(filter, heard(rssiDbm, atMs), config));
}

const steady = (count: number, rssiDbm = -60) => Array.from({ length: count }, (_, i) => [rssiDbm, i * 500] as const);

describe("smoothing a radio link", () => {
  it("a level that stays is kept, and trusted more with every reading", () => {
    const smoothed = smoothAll(steady(10));
    expect(smoothed.at(-1)?.rssiDbm).toBeCloseTo(-60);
    expect(smoothed.at(-1)?.varianceDb2).toBeLessThan(smoothed[0]?.varianceDb2 as number);
  });

  it("a step of ten decibels is followed in seconds, whatever the advertising interval", () => {
    const settledAfterS = (hz: number) => {
      const stepAtMs = 20_000;
      const levels = Array.from({ length: hz * 40 }, (_, i) => [(i * 1_000) / hz < stepAtMs ? -60 : -70, (i * 1_000) / hz] as const);
      const smoothed = smoothAll(levels);
      const settled = smoothed.find(({ rssiDbm, heardAtMs }) => heardAtMs >= stepAtMs && rssiDbm <= -69);
      return ((settled?.heardAtMs as number) - stepAtMs) / 1_000;
    };
    for (const hz of [1, 2, 10]) expect(settledAfterS(hz)).toBeLessThanOrEqual(4);
    // kalmanjs by itself adds its noise per call: 40 s at 1 Hz, 4 s at 10 Hz.
    expect(settledAfterS(1) / settledAfterS(10)).toBeLessThan(4);
  });

  it("one impossible reading changes nothing", () => {
    const smoothed = smoothAll([...steady(10), [-1, 5_000], [-60, 5_500]]);
    expect(smoothed[9]).toMatchObject({ outlier: true });
    expect(smoothed[9]?.rssiDbm).toBeCloseTo(-60);
    expect(smoothed[10]?.rssiDbm).toBeCloseTo(-60);
  });

  it("two impossible readings on one side are news", () => {
    const smoothed = smoothAll([...steady(10), [-20, 5_000], [-22, 5_500]]);
    expect(smoothed[10]).toMatchObject({ outlier: false });
    expect(smoothed[10]?.rssiDbm).toBeCloseTo(-21);
  });

  it("two impossible readings on opposite sides are two faults", () => {
    const smoothed = smoothAll([...steady(10), [-20, 5_000], [-110, 5_500]]);
    expect(smoothed[10]).toMatchObject({ outlier: true });
    expect(smoothed[10]?.rssiDbm).toBeCloseTo(-60);
  });

  it("after a long silence the old level does not count", () => {
    const smoothed = smoothAll([...steady(10), [-90, 4_500 + config.linkGapMs + 1]]);
    expect(smoothed[9]).toMatchObject({ rssiDbm: -90, outlier: false });
  });

  it("a reading that comes late counts less than it would have in time", () => {
    const inTime = smoothAll([...steady(6), [-66, 2_500]]).at(-1) as SmoothedRssi;
    const late = smoothAll([...steady(6), [-66, 0]]).at(-1) as SmoothedRssi;
    expect(late.rssiDbm).toBeGreaterThan(inTime.rssiDbm);
    expect(late.rssiDbm).toBeLessThan(-60);
    expect(late.heardAtMs).toBe(2_500);
  });

  it("the smoothed level lies within what was heard, and its variance is a number above nothing", () => {
    const reading = fc.tuple(fc.double({ min: -120, max: -1, noNaN: true }), fc.integer({ min: -12_000, max: 30_000 }));
    fc.assert(
      fc.property(fc.array(reading, { minLength: 2, maxLength: 60 }), (steps) => {
        let atMs = 100_000;
        const levels = steps.map(([rssiDbm, stepMs]) => [rssiDbm, (atMs += stepMs)] as const);
        for (const smoothed of smoothAll(levels)) {
          expect(smoothed.rssiDbm).toBeGreaterThanOrEqual(-120.000001);
          expect(smoothed.rssiDbm).toBeLessThanOrEqual(-0.999999);
          expect(smoothed.varianceDb2).toBeGreaterThan(0);
          expect(smoothed.varianceDb2).toBeLessThan(10_000);
        }
      }),
    );
  });
});
