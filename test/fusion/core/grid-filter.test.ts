import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newCalibration } from "../../../fusion/src/core/calibration.ts";
import { DEFAULT_FUSION_CONFIG } from "../../../fusion/src/core/fusion-config.ts";
import { newGridFilter, type Belief, type Hearing } from "../../../fusion/src/core/grid-filter.ts";
import { newTagOffset, noteLook, offsetOf } from "../../../fusion/src/core/tag-offset.ts";
import { newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { openHall, twoFloors, twoRooms } from "../venues.ts";

function prepared(map = twoRooms(), overrides = {}) {
  const config = { ...DEFAULT_FUSION_CONFIG, ...overrides };
  const index = indexVenue(map);
  const grid = newVenueGrid(map, index) as VenueGrid;
  const calibration = newCalibration(map, index, grid, [], config);
  const filter = newGridFilter(grid, calibration.levels, calibration.sensitivityDbm, index, config);
  /** What the model itself expects to be heard there, louder by the tag's offset. */
  const heardAt = (cell: number, weight = 0.34, offsetDb = 0): Hearing[] =>
    index.gateways.map((_, gateway) => {
      const level = (calibration.levels.levelDbm[gateway] as Float32Array)[cell - (calibration.levels.firstCell[gateway] as number)] as number;
      return { gateway, rssiDbm: level + offsetDb < -91 ? NaN : level + offsetDb, weight };
    });
  const nearest = (xM: number, yM: number, floorIndex = 0) => {
    let best = -1;
    for (let cell = 0; cell < grid.cells; cell++) {
      if (grid.floorOf[cell] !== floorIndex) continue;
      if (best === -1 || Math.hypot((grid.xM[cell] as number) - xM, (grid.yM[cell] as number) - yM) < Math.hypot((grid.xM[best] as number) - xM, (grid.yM[best] as number) - yM)) best = cell;
    }
    return best;
  };
  return { index, grid, filter, heardAt, nearest, calibration };
}

const massOf = (belief: Belief) => belief.standing.subarray(0, belief.count).reduce((sum, mass) => sum + mass, 0) + belief.walking.subarray(0, belief.count).reduce((sum, mass) => sum + mass, 0);

describe("the grid filter", () => {
  it("finds somebody who stands, and keeps to the place", () => {
    const { filter, heardAt, nearest } = prepared();
    const belief = filter.begin(heardAt(nearest(6, 4)), newTagOffset(0, 3, 0), 0);
    for (let nowMs = 500; nowMs <= 10_000; nowMs += 500) filter.advance(belief, heardAt(nearest(6, 4)), nowMs);
    const estimate = filter.estimate(belief);
    expect(Math.hypot(estimate.xM - 6, estimate.yM - 4)).toBeLessThan(1.8);
    expect(estimate.radius95M).toBeLessThan(5.5);
    expect(estimate.placeMass[estimate.places.indexOf(0)]).toBeGreaterThan(0.7);
  });

  it("follows somebody who crosses into the other room, and is there within seconds", () => {
    const { filter, heardAt, nearest } = prepared();
    const belief = filter.begin(heardAt(nearest(5, 5)), newTagOffset(0, 3, 0), 0);
    let nowMs = 0;
    for (let xM = 5; xM <= 16; xM += 0.5) filter.advance(belief, heardAt(nearest(xM, 5)), (nowMs += 500));
    for (let i = 0; i < 6; i++) filter.advance(belief, heardAt(nearest(16, 5)), (nowMs += 500));
    expect(Math.abs(filter.estimate(belief).xM - 16)).toBeLessThan(1.5);
  });

  it("a filter that was wrong finds back: a tag that was carried to another floor is found there", () => {
    const { filter, heardAt, nearest } = prepared(twoFloors());
    const belief = filter.begin(heardAt(nearest(5, 5, 0)), newTagOffset(0, 3, 0), 0);
    let nowMs = 0;
    for (let i = 0; i < 20; i++) filter.advance(belief, heardAt(nearest(5, 5, 0)), (nowMs += 500));
    expect(filter.estimate(belief).floorIndex).toBe(0);
    for (let i = 0; i < 20; i++) filter.advance(belief, heardAt(nearest(5, 5, 1)), (nowMs += 500));
    expect(filter.estimate(belief).floorIndex).toBe(1);
  });

  it("silence makes the belief wider and never lets it leave the building", () => {
    const { filter, heardAt, nearest, grid } = prepared();
    const belief = filter.begin(heardAt(nearest(5, 5), 2), newTagOffset(0, 3, 0), 0);
    const before = filter.estimate(belief).radius95M;
    for (let nowMs = 500; nowMs <= 20_000; nowMs += 500) filter.advance(belief, [], nowMs);
    expect(filter.estimate(belief).radius95M).toBeGreaterThan(before);
    for (let i = 0; i < belief.count; i++) expect(belief.cells[i]).toBeLessThan(grid.cells);
  });

  it("mass is 1, and cells are within bounds, whatever is heard", () => {
    const { filter, grid } = prepared(twoRooms(), { maxActiveCells: 60 });
    const level = fc.oneof(fc.constant(NaN), fc.double({ min: -120, max: 10, noNaN: true }));
    fc.assert(
      fc.property(fc.array(fc.array(level, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 12 }), (ticks) => {
        const hearings = (levels: readonly number[]) => levels.map((rssiDbm, gateway) => ({ gateway, rssiDbm, weight: 1 }));
        const belief = filter.begin([{ gateway: 0, rssiDbm: -60, weight: 1 }], newTagOffset(0, 3, 0), 0);
        ticks.forEach((levels, i) => filter.advance(belief, hearings(levels), 500 * (i + 1)));
        expect(belief.count).toBeGreaterThan(0);
        expect(belief.count).toBeLessThanOrEqual(60);
        expect(massOf(belief)).toBeCloseTo(1, 4);
        const { xM, yM, radius95M } = filter.estimate(belief);
        expect([xM, yM, radius95M].every(Number.isFinite)).toBe(true);
        expect(new Set(belief.cells.subarray(0, belief.count)).size).toBe(belief.count);
        for (let i = 0; i < belief.count; i++) expect(belief.cells[i]).toBeLessThan(grid.cells);
      }),
    );
  });

  it("two tags do not disturb each other", () => {
    const [alone, together] = [prepared(), prepared()];
    const run = ({ filter, heardAt, nearest }: ReturnType<typeof prepared>, other: boolean) => {
      const belief = filter.begin(heardAt(nearest(3, 3)), newTagOffset(0, 3, 0), 0);
      const second = filter.begin(heardAt(nearest(17, 8)), newTagOffset(0, 3, 0), 0);
      for (let nowMs = 500; nowMs <= 5_000; nowMs += 500) {
        if (other) filter.advance(second, heardAt(nearest(17, 8)), nowMs);
        filter.advance(belief, heardAt(nearest(3, 3)), nowMs);
      }
      return filter.estimate(belief);
    };
    expect(run(together, true)).toEqual(run(alone, false));
  });
});

describe("where four gateways watch an open floor", () => {
  /** Somebody stands in the middle, and the body takes 8 dB from who is behind and nothing from who is ahead. */
  function turned(facingRad: number, bodySigmaDb: number) {
    const { index, grid, filter, heardAt, nearest } = prepared(openHall(4), { bodySigmaDb });
    const cell = nearest(8, 6);
    const hearings = heardAt(cell, 0.5).map((hearing) => {
      const { xM, yM } = index.gateways[hearing.gateway] as { xM: number; yM: number };
      const towardsRad = Math.atan2(yM - (grid.yM[cell] as number), xM - (grid.xM[cell] as number));
      return { ...hearing, rssiDbm: hearing.rssiDbm + 4 * Math.cos(towardsRad - facingRad) };
    });
    const belief = filter.begin(hearings, newTagOffset(0, 1, 0), 0);
    for (let nowMs = 500; nowMs <= 5_000; nowMs += 500) filter.advance(belief, hearings, nowMs, 2);
    const { xM, yM, radius95M } = filter.estimate(belief);
    return { errorM: Math.hypot(xM - 8, yM - 6), radius95M };
  }

  it.each([0, 1, 2.5, -2])("who looks to %d rad is less taken for one who stands there, and known less surely", (facingRad) => {
    const [worn, bare] = [turned(facingRad, DEFAULT_FUSION_CONFIG.bodySigmaDb), turned(facingRad, 0)];
    expect(bare.errorM).toBeGreaterThan(1);
    expect(worn.errorM).toBeLessThan(0.85 * bare.errorM);
    expect(worn.radius95M).toBeGreaterThan(bare.radius95M);
    expect(worn.radius95M).toBeGreaterThan(worn.errorM);
  });

  it("somebody who walks is followed, if not to the wall", () => {
    const { filter, heardAt, nearest } = prepared(openHall(4));
    const belief = filter.begin(heardAt(nearest(3, 6)), newTagOffset(0, 1, 0), 0);
    let nowMs = 0;
    for (let xM = 3; xM <= 13; xM += 0.5) filter.advance(belief, heardAt(nearest(xM, 6)), (nowMs += 500), 2);
    for (let i = 0; i < 12; i++) filter.advance(belief, heardAt(nearest(13, 6)), (nowMs += 500), 2);
    expect(Math.abs(filter.estimate(belief).xM - 13)).toBeLessThan(3);
  });
});

describe("the offset of a tag", () => {
  it("a tag that sends 9 dB weaker than the model is found out from a few places", () => {
    const { filter, heardAt, nearest } = prepared();
    const offset = newTagOffset(0, 6, 0);
    for (const [xM, yM] of [[3, 3], [8, 6], [14, 2], [17, 8], [5, 9]] as const) {
      noteLook(offset, 0, DEFAULT_FUSION_CONFIG);
      filter.weighOffsets(offset, heardAt(nearest(xM, yM), 1, -9));
    }
    expect(offsetOf(offset)).toBeGreaterThan(-13);
    expect(offsetOf(offset)).toBeLessThan(-4);
  });

  it("before anything is heard it is the prior, and looks come ever rarer", () => {
    const offset = newTagOffset(-3, 2, 0);
    expect(offsetOf(offset)).toBeCloseTo(-3, 0);
    const pauses = [0, 1, 2, 3].map(() => {
      const nowMs = offset.nextLookAtMs;
      noteLook(offset, nowMs, DEFAULT_FUSION_CONFIG);
      return offset.nextLookAtMs - nowMs;
    });
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
  });
});
