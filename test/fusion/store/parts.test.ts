import { RECENT_LOCATION_MS } from "@konferenco/protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GeoGrid } from "../../../fusion/src/store/geo-grid.ts";
import { beginEra, beginLineage, currentEra, epochOf, MAX_ERAS, resumeAfter } from "../../../fusion/src/store/lineage.ts";
import { LiveState } from "../../../fusion/src/store/live-state.ts";
import { RecentPositions, recentSpacingMs } from "../../../fusion/src/store/recent-positions.ts";
import { positionOf, T0_MS, zoneOf } from "../../contract/store.ts";

describe("the lineage of a log", () => {
  // Numbered to 480 as a, of which 500 had been given out; then 481-490 as b; now at 495 as c.
  const lineage = beginEra(beginEra(beginLineage("a"), "b", 480), "c", 490);
  const log = { lineage, first: 101, end: 495 };

  it("knows under which epoch each offset was given out", () => {
    expect([1, 480, 481, 490, 491, 495].map((offset) => epochOf(lineage, offset))).toEqual(["a", "a", "b", "b", "c", "c"]);
    expect(currentEra(lineage).epoch).toBe("c");
  });

  it("lets go on who stood in what survived, and tells the others", () => {
    expect(resumeAfter({ epoch: "a", offset: 480 }, log)).toEqual({ offset: 480, gap: null });
    expect(resumeAfter({ epoch: "a", offset: 481 }, log)).toEqual({ offset: 480, gap: "epoch" });
    expect(resumeAfter({ epoch: "b", offset: 490 }, log)).toEqual({ offset: 490, gap: null });
    expect(resumeAfter({ epoch: "b", offset: 491 }, log)).toEqual({ offset: 490, gap: "epoch" });
    expect(resumeAfter({ epoch: "c", offset: 495 }, log)).toEqual({ offset: 495, gap: null });
    expect(resumeAfter({ epoch: "c", offset: 496 }, log)).toEqual({ offset: 495, gap: "epoch" });
    expect(resumeAfter({ epoch: "x", offset: 200 }, log)).toEqual({ offset: 100, gap: "epoch" });
    expect(resumeAfter({ epoch: "a", offset: 99 }, log)).toEqual({ offset: 100, gap: "retention" });
    expect(resumeAfter({ epoch: "a", offset: 100 }, log)).toEqual({ offset: 100, gap: null });
    expect(resumeAfter(null, log)).toEqual({ offset: 100, gap: null });
  });

  it("keeps 256 eras; who comes from before them is told", () => {
    let long = beginLineage("e0");
    for (let i = 1; i <= 300; i++) long = beginEra(long, `e${i}`, i * 10);
    expect(long).toHaveLength(MAX_ERAS);
    expect(resumeAfter({ epoch: "e44", offset: 440 }, { lineage: long, first: 1, end: 3_005 }).gap).toBe("epoch");
    expect(resumeAfter({ epoch: "e45", offset: 450 }, { lineage: long, first: 1, end: 3_005 }).gap).toBeNull();
  });
});

describe("the grid", () => {
  it("finds what looking at everybody finds, while tags come, move and go", () => {
    const coordinate = fc.oneof(fc.double({ min: -60, max: 60, noNaN: true }), fc.integer({ min: -12, max: 12 }).map((n) => n * 5), fc.constantFrom(-1e7, 1e7, -0, 99_999.999));
    fc.assert(
      fc.property(fc.array(fc.record({ tag: fc.integer({ min: 0, max: 90 }), xM: coordinate, yM: coordinate, gone: fc.boolean() }), { maxLength: 300 }), fc.record({ xM: coordinate, yM: coordinate, radiusM: fc.double({ min: 0, max: 80, noNaN: true }) }), (moves, ask) => {
        const grid = new GeoGrid();
        const truth = new Map<string, { xM: number; yM: number }>();
        for (const { tag, xM, yM, gone } of moves) {
          if (gone) {
            grid.remove(`t${tag}`);
            truth.delete(`t${tag}`);
          } else {
            grid.place(`t${tag}`, xM, yM);
            truth.set(`t${tag}`, { xM, yM });
          }
        }
        const expected = [...truth]
          .map(([tagId, place]) => ({ tagId, distanceM: Math.hypot(place.xM - ask.xM, place.yM - ask.yM) }))
          .filter((one) => one.distanceM <= ask.radiusM)
          .toSorted((a, b) => a.distanceM - b.distanceM || (a.tagId < b.tagId ? -1 : 1));
        expect(grid.within(ask.xM, ask.yM, ask.radiusM, 1_000)).toEqual(expected);
        expect(grid.within(ask.xM, ask.yM, ask.radiusM, 3)).toEqual(expected.slice(0, 3));
        expect(grid.size).toBe(truth.size);
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});

describe("recent positions", () => {
  it("stand further apart the more tags there are, so that all fit into a million rows", () => {
    expect(recentSpacingMs(1)).toBe(1_000);
    expect(recentSpacingMs(3_333)).toBe(1_000);
    expect(recentSpacingMs(10_000)).toBe(3_000);
    expect(recentSpacingMs(100_000)).toBe(30_000);
  });

  it("beyond all rows are refused and counted; what ages makes room", () => {
    const recent = new RecentPositions(50);
    for (let s = 0; s < 40; s++) for (const tagId of ["a", "b"]) recent.add(positionOf(tagId, { atMs: T0_MS + s * 1_000 }), T0_MS + s * 1_000);
    expect(recent.rows).toBe(50);
    expect(recent.refused).toBe(30);
    recent.sweep(T0_MS + 20_000);
    expect(recent.rows).toBe(10);
    expect(recent.since("a", 0).map((position) => (position.atMs - T0_MS) / 1_000)).toEqual([20, 21, 22, 23, 24]);
    recent.add(positionOf("c", { atMs: T0_MS + 41_000 }), T0_MS + 41_000);
    expect(recent.rows).toBe(11);
    recent.drop("c");
    recent.drop("c");
    expect(recent.rows).toBe(10);
  });

  it("hold an hour of one tag in five minutes of rows", () => {
    const recent = new RecentPositions();
    for (let s = 0; s <= 3_600; s++) recent.add(positionOf("a", { atMs: T0_MS + s * 1_000, xM: s }), T0_MS + s * 1_000);
    const kept = recent.since("a", 0);
    expect(kept).toHaveLength(301);
    expect(kept.map((position) => position.xM)).toEqual(Array.from({ length: 301 }, (_, i) => 3_300 + i));
    expect(recent.rows).toBe(301);
  });

  it("begin anew when the clock goes back, as when a recording is played again", () => {
    const recent = new RecentPositions();
    recent.add(positionOf("a", { atMs: T0_MS + 10 * RECENT_LOCATION_MS }), T0_MS + 10 * RECENT_LOCATION_MS);
    recent.add(positionOf("a", { atMs: T0_MS }), T0_MS);
    expect(recent.since("a", 0).map((position) => position.atMs)).toEqual([T0_MS]);
  });
});

describe("live state", () => {
  it("takes as many tags as it may, refuses and counts the others, and takes them when there is room", () => {
    const state = new LiveState(3);
    const placed = ["a", "b", "c", "d"].map((tagId) => state.place(positionOf(tagId), T0_MS));
    expect(placed).toEqual([true, true, true, false]);
    for (const tagId of ["a", "b", "c", "d"]) state.moveToZone(zoneOf("enter", tagId, "hall"), T0_MS);
    expect(state.occupants("hall")).toEqual(["a", "b", "c"]);
    expect(state.stats()).toMatchObject({ tags: 3, refusedTags: 2 });
    state.drop("b");
    expect(state.place(positionOf("d"), T0_MS)).toBe(true);
    expect(state.place(positionOf("a", { xM: 4 }), T0_MS)).toBe(true);
  });
});
