import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { regionSchema, venueMapSchema } from "@konferenco/protocol";
import { NOWHERE, detectRegions, distanceToRegionM, newRegionState } from "../../../bridge/src/core/regions.ts";
import { zone } from "../../fusion/venues.ts";

const track = regionSchema.parse({ regionId: "track", name: "Track 1", area: { zoneIds: ["room-1", "yard"] }, channelId: "track-1" });
const stage = regionSchema.parse({ regionId: "stage", name: "Stage", area: { xM: 10, yM: 10, floor: 0, radiusM: 5 } });
// Two halves with a gap between them, and a zone that nobody has drawn.
const twoHalves = zone("room-1", [20, 0, 24, 10]);
const venue = venueMapSchema.parse({
  venueId: "fair",
  floors: [{ floor: 0, name: "ground" }],
  zones: [{ ...twoHalves, polygons: [...twoHalves.polygons, [[26, 0], [30, 0], [30, 10], [26, 10]]] }, { zoneId: "yard", name: "Yard", kind: "outdoor", floor: 0 }],
  gateways: [],
});
const zoneOf = (zoneId: string) => venue.zones.find((candidate) => candidate.zoneId === zoneId);

describe("a region of zones", () => {
  it("is entered after three seconds in one of them and left after three outside, drawn or not", () => {
    const state = newRegionState();
    const at = (zoneId: string | null, nowMs: number) => detectRegions(state, { zoneId, point: null }, [track], nowMs);
    expect(at("yard", 0)).toEqual({ entered: [], left: [] });
    expect(at("yard", 3_000)).toEqual({ entered: ["track"], left: [] });
    expect(at("room-1", 4_000)).toEqual({ entered: [], left: [] });
    expect(at(null, 5_000)).toEqual({ entered: [], left: [] });
    expect(at(null, 8_000)).toEqual({ entered: [], left: ["track"] });
  });

  it("is as far away as the nearer of its halves; in the gap between them the zone decides", () => {
    const far = (xM: number, zoneId: string | null) => distanceToRegionM(track, { zoneId, point: { xM, yM: 5, floor: 0 } }, zoneOf);
    expect([far(15, null), far(33, null), far(25, null), far(25, "room-1")]).toEqual([5, 3, 1, 0]);
    expect(distanceToRegionM(track, NOWHERE, zoneOf)).toBeNull();
    expect(distanceToRegionM(track, { zoneId: null, point: { xM: 22, yM: 5, floor: 3 } }, zoneOf)).toBeNull();
  });
});

it("a region that is no more is left, at once, by who is in it, and its door is forgotten", () => {
  const state = newRegionState();
  const at = (nowMs: number, regions: Parameters<typeof detectRegions>[2]) => detectRegions(state, { zoneId: "yard", point: { xM: 10, yM: 10, floor: 0 } }, regions, nowMs);
  at(0, [track]);
  at(3_000, [track, stage]);
  expect(state).toMatchObject({ inside: ["track"], crossed: [{ regionId: "stage" }] });
  expect(at(4_000, [])).toEqual({ entered: [], left: ["track"] });
  expect(state).toEqual({ inside: [], crossed: [] });
  expect(at(9_000, [track])).toEqual({ entered: [], left: [] });
});

describe("a region that is a circle", () => {
  it("is entered half a metre inside and left one and a half outside", () => {
    const state = newRegionState();
    const at = (xM: number, nowMs: number) => detectRegions(state, { zoneId: null, point: { xM, yM: 10, floor: 0 } }, [stage], nowMs);
    expect([at(14.8, 0), at(14.8, 4_000)].flatMap(({ entered }) => entered)).toEqual([]);
    expect([at(14, 5_000), at(14, 8_000)].flatMap(({ entered }) => entered)).toEqual(["stage"]);
    expect([at(16, 9_000), at(16, 13_000)].flatMap(({ left }) => left)).toEqual([]);
    expect([at(17, 14_000), at(17, 17_000)].flatMap(({ left }) => left)).toEqual(["stage"]);
  });

  it("knows nobody who has no position", () => {
    const state = newRegionState();
    expect([0, 5_000].flatMap((nowMs) => detectRegions(state, NOWHERE, [stage], nowMs).entered)).toEqual([]);
  });
});

it("regions are entered and left in turn, however somebody walks", () => {
  const step = fc.record({ xM: fc.double({ min: 0, max: 34, noNaN: true }), yM: fc.double({ min: 0, max: 24, noNaN: true }), floor: fc.nat(1), zoneId: fc.constantFrom("room-1", "yard", "hall", null) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const state = newRegionState();
      const inside = new Set<string>();
      steps.forEach(({ zoneId, ...point }, i) => {
        const { entered, left } = detectRegions(state, { zoneId, point }, [track, stage], i * 2_000);
        for (const regionId of entered) expect(inside.has(regionId)).toBe(false);
        for (const regionId of left) expect(inside.delete(regionId)).toBe(true);
        for (const regionId of entered) inside.add(regionId);
      });
    }),
  );
});
