import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { followScan, posteriorOf, velocityOf, type WifiBelief } from "../../../fusion/src/core/wifi-belief.ts";
import { summarise, type WifiPosterior } from "../../../fusion/src/core/wifi-posterior.ts";

/** A hall of 100 × 10 m, as wide as it is unknown. */
const HALL = { evidenceShare: 1, areaM2: 1_000 };

/** A scan that sounds like each of these places, as likely as said. */
function scanOf(places: readonly { xM: number; floor?: number; weight?: number }[], sigmaM = 3): WifiPosterior {
  const posterior: WifiPosterior = { xM: [], yM: [], floor: [], weight: [] };
  for (let xM = 0.75; xM < 100; xM += 1.5) {
    for (let yM = 0.75; yM < 10; yM += 1.5) {
      for (const place of places) {
        const weight = (place.weight ?? 1) * Math.exp(-((xM - place.xM) ** 2 + (yM - 5) ** 2) / (2 * sigmaM ** 2));
        if (weight < 1e-5) continue;
        posterior.xM.push(xM);
        posterior.yM.push(yM);
        posterior.floor.push(place.floor ?? 0);
        posterior.weight.push(weight);
      }
    }
  }
  const total = posterior.weight.reduce((sum, weight) => sum + weight, 0);
  return { ...posterior, weight: posterior.weight.map((weight) => weight / total) };
}

function walkOf(scans: readonly WifiPosterior[], everyMs = 2_500): WifiBelief {
  let belief: WifiBelief | null = null;
  scans.forEach((scan, i) => (belief = followScan(belief, scan, i * everyMs, HALL)));
  return belief as unknown as WifiBelief;
}

describe("a device that scans as it walks", () => {
  it("is in the one of two corners that sound alike to which it can have walked", () => {
    const belief = walkOf([scanOf([{ xM: 20 }]), scanOf([{ xM: 22 }]), scanOf([{ xM: 24 }, { xM: 80, weight: 2 }])]);
    expect(belief.isWalk).toBe(true);
    expect(summarise(posteriorOf(belief))?.xM).toBeGreaterThan(20);
    expect(summarise(posteriorOf(belief))?.xM).toBeLessThan(27);
  });

  it("shows how fast it goes", () => {
    const belief = walkOf(Array.from({ length: 12 }, (_, i) => scanOf([{ xM: 20 + 3 * i }])));
    expect(velocityOf(belief, 0).vxMps).toBeGreaterThan(0.5);
    expect(velocityOf(belief, 0).vxMps).toBeLessThan(1.6);
    expect(Math.abs(velocityOf(belief, 0).vyMps)).toBeLessThan(0.2);
  });

  it("stays on its floor though one scan sounds more like the one above, and changes it when they go on so", () => {
    const down = scanOf([{ xM: 20 }, { xM: 20, floor: 1, weight: 0.2 }]);
    const up = scanOf([{ xM: 20, weight: 0.3 }, { xM: 20, floor: 1 }]);
    const floorOf = (scans: readonly WifiPosterior[]) => summarise(posteriorOf(walkOf(scans)))?.floor;
    expect(floorOf([down, down, up])).toBe(0);
    expect(floorOf([down, down, ...Array.from({ length: 10 }, () => up)])).toBe(1);
  });
});

describe("a device whose scans make no walk", () => {
  it("begins anew with each: nothing of the last place is left in the next", () => {
    const [here, there] = [scanOf([{ xM: 10 }]), scanOf([{ xM: 90 }])];
    const belief = walkOf([here, there]);
    expect(belief.isWalk).toBe(false);
    expect(summarise(posteriorOf(belief))?.xM).toBeCloseTo(summarise(there)?.xM as number, 1);
  });

  it("is believed to jump the sooner the more it did", () => {
    const places = [10, 90, 30, 70, 15, 85, 40, 95];
    const belief = walkOf(places.map((xM) => scanOf([{ xM }])));
    expect(belief.jumped).toBeGreaterThan(belief.walked / 2);
  });

  it("is believed to, however long it only walked, and to walk, however long it only jumped", () => {
    const [here, there] = [scanOf([{ xM: 10 }]), scanOf([{ xM: 90 }, { xM: 10, weight: 1e-4 }])];
    expect(walkOf([...Array.from({ length: 1_000 }, () => here), there]).isWalk).toBe(false);
    const jumping = Array.from({ length: 1_200 }, (_, i) => scanOf([{ xM: 10 + 80 * (i % 2) }]));
    expect(walkOf([...jumping, ...Array.from({ length: 60 }, () => here)]).isWalk).toBe(true);
  });

  it("may have walked anywhere when it was silent for minutes", () => {
    const belief = walkOf([scanOf([{ xM: 10 }]), scanOf([{ xM: 60 }])], 180_000);
    expect(summarise(posteriorOf(belief))?.xM).toBeGreaterThan(50);
  });
});

it("what is believed sums to one, is bounded, and leaves the belief before as it was", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ xM: fc.double({ min: 0, max: 100, noNaN: true }), floor: fc.integer({ min: -1, max: 2 }), sigmaM: fc.double({ min: 1, max: 60, noNaN: true }), pauseMs: fc.integer({ min: 0, max: 600_000 }) }), { minLength: 1, maxLength: 8 }), (walk) => {
      let belief: WifiBelief | null = null;
      let atMs = 0;
      for (const { xM, floor, sigmaM, pauseMs } of walk) {
        const before: string = JSON.stringify(belief);
        const next: WifiBelief = followScan(belief, scanOf([{ xM, floor }], sigmaM), (atMs += pauseMs), { evidenceShare: 0.3, areaM2: 1_000 });
        expect(JSON.stringify(belief)).toBe(before);
        expect(next.weight.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 4);
        expect(next.weight.length).toBeLessThanOrEqual(150);
        expect(next.walked + next.jumped).toBeLessThanOrEqual(31);
        belief = next;
      }
    }),
    { numRuns: 40 },
  );
});
