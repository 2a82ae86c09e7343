import { describe, expect, it } from "vitest";
import type { VenueMap } from "@konferenco/protocol";
import type { Belief } from "../../../fusion/src/core/grid-filter.ts";
import { newPresenceLattice, overlapPerM2, presenceOf, type Presence } from "../../../fusion/src/core/presence.ts";
import { newTagOffset } from "../../../fusion/src/core/tag-offset.ts";
import { cellNear, newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { openHall, twoFloors } from "../venues.ts";

function prepared(map: VenueMap = openHall(4)) {
  const grid = newVenueGrid(map, indexVenue(map)) as VenueGrid;
  const lattice = newPresenceLattice(grid);
  /** All of the mass spread evenly over the cells at these points. */
  const at = (...points: (readonly [xM: number, yM: number, floorIndex?: number])[]) => {
    const cells = Int32Array.from(points, ([xM, yM, floorIndex = 0]) => cellNear(grid, floorIndex, xM, yM));
    const half = Float32Array.from(cells, () => 0.5 / cells.length);
    const belief: Belief = { count: cells.length, cells, standing: half, walking: half, offsetDb: 0, offset: newTagOffset(0, 3, 0), atMs: 0 };
    return presenceOf(belief, lattice);
  };
  return { at };
}

function written({ nodes, weight, from, to }: Presence): { nodes: number[]; weight: number[] } {
  return { nodes: [...nodes.subarray(from, to)], weight: [...weight.subarray(from, to)] };
}

describe("where two may be, laid over each other", () => {
  it("holds all of the mass, on nodes that ascend, each time anew", () => {
    const { at } = prepared();
    const presence = at([3.3, 4.1], [9.2, 6.7], [9.7, 6.7]);
    const { nodes, weight } = written(presence);
    expect(weight.reduce((sum, each) => sum + each, 0) * 1.5).toBeCloseTo(1, 9);
    expect(nodes).toEqual([...new Set(nodes)].sort((a, b) => a - b));
    at([1, 1]);
    expect(written(at([3.3, 4.1], [9.2, 6.7], [9.7, 6.7]))).toEqual({ nodes, weight });
  });

  it("stays as it is while a hundred thousand nodes of others are made: they share arrays of bounded length", () => {
    const { at } = prepared();
    const first = at([3.3, 4.1], [9.2, 6.7]);
    const asMade = written(first);
    const others = Array.from({ length: 15_000 }, (_, i) => at([3 + (i % 10) / 10, 4], [9, 6.7]));
    expect(written(first)).toEqual(asMade);
    expect(new Set([first, ...others].map(({ nodes }) => nodes)).size).toBe(2);
    for (const { nodes, from, to } of others) expect(to - from).toBeLessThanOrEqual(nodes.length);
  });

  it("falls as people are farther apart, and is nothing beyond two nodes", () => {
    const { at } = prepared();
    const overlaps = [0, 1, 2, 4].map((apartM) => overlapPerM2(at([4.25, 4.25]), at([4.25 + apartM, 4.25])));
    expect(overlaps).toEqual(overlaps.toSorted((a, b) => b - a));
    expect(overlaps.at(-1)).toBe(0);
  });

  it("says nothing of those who were laid over each other before", () => {
    const { at } = prepared();
    const [here, there] = [at([4.25, 4.25]), at([9.25, 6.25])];
    expect(overlapPerM2(here, here)).toBeGreaterThan(0);
    expect(overlapPerM2(there, at([4.25, 4.25]))).toBe(0);
  });

  it("is half of it for two who are each in the same one of two places or the other", () => {
    const { at } = prepared();
    const surely = overlapPerM2(at([3.25, 3.25]), at([3.25, 3.25]));
    const [a, b] = [at([3.25, 3.25], [9.25, 6.25]), at([9.25, 6.25], [3.25, 3.25])];
    expect(overlapPerM2(a, b)).toBeGreaterThan(0.3 * surely);
    expect(overlapPerM2(a, at([6.25, 4.75]))).toBe(0);
    expect(overlapPerM2(a, b)).toBe(overlapPerM2(b, a));
  });

  it("does not reach through a ceiling", () => {
    const { at } = prepared(twoFloors());
    expect(overlapPerM2(at([3, 3, 0]), at([3, 3, 0]))).toBeGreaterThan(0);
    expect(overlapPerM2(at([3, 3, 0]), at([3, 3, 1]))).toBe(0);
  });
});
