import { venueMapSchema } from "@konferenco/protocol";
import { describe, expect, it } from "vitest";
import { newCalibration } from "../../../fusion/src/core/calibration.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { drawOf, fixOfEstimate, hearingsOf, type Beside } from "../../../fusion/src/core/grid-fix.ts";
import type { Links } from "../../../fusion/src/core/links.ts";
import { newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { hear, linksOf } from "../links.ts";

/** What gateways in a row, four metres apart, say of a tag's links. */
function sayingsOfRow(count: number) {
  const map = venueMapSchema.parse({
    venueId: "row",
    floors: [{ floor: 0, name: "ground" }],
    zones: [{ zoneId: "hall", name: "hall", kind: "hall", floor: 0, polygons: [[[0, 0], [4 * count, 0], [4 * count, 8], [0, 8]]] }],
    gateways: Array.from({ length: count }, (_, i) => ({ gatewayId: `gw-${i}`, xM: 2 + 4 * i, yM: 4, floor: 0, zoneId: "hall" })),
  });
  const venue = indexVenue(map);
  const calibration = newCalibration(map, venue, newVenueGrid(map, venue) as VenueGrid, [], config);
  return (links: Links, nowMs = 500) => hearingsOf(links, venue, calibration, 0.5, nowMs, config);
}

describe("what the gateways say of a tag", () => {
  it("in a small venue everybody has a say, in the map's order", () => {
    const said = sayingsOfRow(12)(linksOf({ 3: -60, 4: -70 }));
    expect(said.map(({ gateway }) => gateway)).toEqual(Array.from({ length: 12 }, (_, gateway) => gateway));
    expect(said.filter(({ rssiDbm }) => !Number.isNaN(rssiDbm)).map(({ gateway }) => gateway)).toEqual([3, 4]);
  });

  it("in a large one the silence of the 48 nearest counts, and whoever hears it", () => {
    const said = sayingsOfRow(200)(linksOf({ 2: -90, 100: -60, 199: -91 }));
    expect(said).toHaveLength(50);
    expect(said.map(({ gateway }) => gateway)).toEqual([2, ...Array.from({ length: 48 }, (_, i) => 76 + i), 199]);
  });

  it("once nobody hears it any more, around who heard it last", () => {
    const links = linksOf({ 20: -60 });
    hear(links, 150, -80, 1_000);
    const said = sayingsOfRow(200)(links, 1_000 + config.unheardAfterMostMs);
    expect(said.every(({ rssiDbm }) => Number.isNaN(rssiDbm))).toBe(true);
    expect(said.map(({ gateway }) => gateway)).toContain(150);
    expect(said).toHaveLength(48);
  });

  it("silence speaks after four packets of the gateway that hears the tag best, 2.5 to 6 s", () => {
    const silentAfterMs = (everyMs: number) => {
      const sayings = sayingsOfRow(2);
      const links = linksOf({ 0: -60 });
      for (let atMs = everyMs; atMs <= 20_000; atMs += everyMs) hear(links, 0, -60, atMs);
      hear(links, 1, -80, 20_000);
      for (let nowMs = 20_000; ; nowMs += 100) {
        const said = sayings(links, nowMs).find(({ gateway }) => gateway === 1);
        if (Number.isNaN(said?.rssiDbm)) return nowMs - 20_000;
        if (nowMs % everyMs === 0) hear(links, 0, -60, nowMs);
      }
    };
    expect(silentAfterMs(100)).toBe(2_500);
    expect(silentAfterMs(1_000)).toBeGreaterThan(3_000);
    expect(silentAfterMs(1_000)).toBeLessThan(5_000);
    expect(silentAfterMs(2_000)).toBe(6_000);
  });
});

describe("what a position is drawn to", () => {
  const map = venueMapSchema.parse({
    venueId: "hall",
    floors: [{ floor: 0, name: "ground" }],
    zones: [{ zoneId: "hall", name: "hall", kind: "hall", floor: 0, polygons: [[[0, 0], [10, 0], [10, 8], [0, 8]]] }],
    gateways: [[0, 0], [10, 0], [10, 8], [0, 8]].map(([xM, yM], i) => ({ gatewayId: `gw-${i}`, xM, yM, floor: 0, zoneId: "hall" })),
  });
  const venue = indexVenue(map);
  const grid = newVenueGrid(map, venue) as VenueGrid;
  /** Heard alike by the two gateways on the left, by nobody else. */
  const left = { tagId: "tag", atMs: 500, readings: [0, 3].map((gateway) => ({ gateway, rssiDbm: -60, varianceDb2: 10, samples: 3 })), samples: 6 };
  const votes = { places: [0], shares: [1], floorIndex: 0, xM: 2, yM: 3 };

  it("is the centroid where four gateways watch an open floor, less where six do, nothing where there are plenty", () => {
    expect(drawOf(null, left, 0, 2, grid, venue, config)).toEqual({ xM: 0, yM: expect.closeTo(4, 9), share: config.scarceDrawShare });
    expect(drawOf(null, left, 0, 4 / 3, grid, venue, config)?.share).toBeCloseTo(config.scarceDrawShare / 3, 9);
    expect(drawOf(null, left, 0, 1, grid, venue, config)).toBeNull();
    expect(drawOf(null, left, 0, 2 / 3, grid, venue, config)).toBeNull();
    expect(drawOf(null, null, 0, 2, grid, venue, config)).toBeNull();
  });

  it("is the survey's spots where there is one, on the same floor", () => {
    expect(drawOf(votes, left, 0, 2, grid, venue, config)).toEqual({ xM: 2, yM: 3, share: config.surveyDrawShare });
    expect(drawOf(votes, left, 1, 2, grid, venue, config)).toBeNull();
  });

  const estimate = { xM: 6, yM: 5, floorIndex: 0, radius95M: 3, places: [0], placeMass: [1] };
  const fixBeside = (beside: Partial<Beside>) => fixOfEstimate({ tagId: "tag", lastHeardAtMs: 400 }, estimate, { votes: null, draw: null, scarcity: 1, doubt: 1, ...beside }, grid, 500, config);

  it("moves the position by its share of the way, and nothing else", () => {
    expect(fixBeside({})).toMatchObject({ xM: 6, yM: 5 });
    expect(fixBeside({ draw: { xM: 2, yM: 3, share: 0.25 } })).toEqual({ ...fixBeside({}), xM: 5, yM: 4.5 });
  });

  it("is told as much less accurate as the calibration doubts it", () => {
    expect(fixBeside({ doubt: 1.5 }).accuracy95M).toBeCloseTo(1.5 * fixBeside({}).accuracy95M, 9);
  });
});
