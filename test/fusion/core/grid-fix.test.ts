import { venueMapSchema } from "@konferenco/protocol";
import { describe, expect, it } from "vitest";
import { newCalibration } from "../../../fusion/src/core/calibration.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { drawOf, fixOfEstimate, hearingsOf } from "../../../fusion/src/core/grid-fix.ts";
import { newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { addToLink, newLink } from "../../../fusion/src/core/window.ts";

/** A row of gateways, four metres apart. */
function row(count: number) {
  const map = venueMapSchema.parse({
    venueId: "row",
    floors: [{ floor: 0, name: "ground" }],
    zones: [{ zoneId: "hall", name: "hall", kind: "hall", floor: 0, polygons: [[[0, 0], [4 * count, 0], [4 * count, 8], [0, 8]]] }],
    gateways: Array.from({ length: count }, (_, i) => ({ gatewayId: `gw-${i}`, xM: 2 + 4 * i, yM: 4, floor: 0, zoneId: "hall" })),
  });
  const venue = indexVenue(map);
  const calibration = newCalibration(map, venue, newVenueGrid(map, venue) as VenueGrid, [], config);
  const hear = (gateway: number, rssiDbm: number, heardAtMs = 0) => newLink(gateway, { tagId: "tag", gatewayId: `gw-${gateway}`, rssiDbm, heardAtMs }, config);
  return { venue, hearings: (links: ReturnType<typeof hear>[], nowMs = 500) => hearingsOf(links, venue, calibration, 0.5, nowMs, config), hear };
}

describe("what the gateways say of a tag", () => {
  it("in a small venue everybody has a say, in the map's order", () => {
    const { hearings, hear } = row(12);
    const said = hearings([hear(3, -60), hear(4, -70)]);
    expect(said.map(({ gateway }) => gateway)).toEqual(Array.from({ length: 12 }, (_, gateway) => gateway));
    expect(said.filter(({ rssiDbm }) => !Number.isNaN(rssiDbm)).map(({ gateway }) => gateway)).toEqual([3, 4]);
  });

  it("in a large one the silence of the 48 nearest counts, and whoever hears it", () => {
    const { hearings, hear } = row(200);
    const said = hearings([hear(2, -90), hear(100, -60), hear(199, -91)]);
    expect(said).toHaveLength(50);
    expect(said.map(({ gateway }) => gateway)).toEqual([2, ...Array.from({ length: 48 }, (_, i) => 76 + i), 199]);
  });

  it("once nobody hears it any more, around who heard it last", () => {
    const { hearings, hear } = row(200);
    const said = hearings([hear(20, -60, 0), hear(150, -80, 1_000)], 1_000 + config.unheardAfterMostMs);
    expect(said.every(({ rssiDbm }) => Number.isNaN(rssiDbm))).toBe(true);
    expect(said.map(({ gateway }) => gateway)).toContain(150);
    expect(said).toHaveLength(48);
  });

  it("silence speaks after four packets of the gateway that hears the tag best, 2.5 to 6 s", () => {
    const silentAfterMs = (everyMs: number) => {
      const { hearings, hear } = row(2);
      const best = hear(0, -60);
      for (let atMs = everyMs; atMs <= 20_000; atMs += everyMs) addToLink(best, { tagId: "tag", gatewayId: "gw-0", rssiDbm: -60, heardAtMs: atMs }, config);
      for (let nowMs = 20_000; ; nowMs += 100) {
        const other = hear(1, -80, 20_000);
        const said = hearings([best, other], nowMs).find(({ gateway }) => gateway === 1);
        if (Number.isNaN(said?.rssiDbm)) return nowMs - 20_000;
        if (nowMs % everyMs === 0) addToLink(best, { tagId: "tag", gatewayId: "gw-0", rssiDbm: -60, heardAtMs: nowMs }, config);
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

  it("moves the position by its share of the way, and nothing else", () => {
    const estimate = { xM: 6, yM: 5, floorIndex: 0, radius95M: 3, places: [0], placeMass: [1], walkingShare: 0 };
    const fix = (draw: Parameters<typeof fixOfEstimate>[2]) => fixOfEstimate({ tagId: "tag", lastHeardAtMs: 400 }, estimate, draw, 1, 1, grid, 500, config);
    expect(fix(null)).toMatchObject({ xM: 6, yM: 5 });
    expect(fix({ xM: 2, yM: 3, share: 0.25 })).toEqual({ ...fix(null), xM: 5, yM: 4.5 });
  });

  it("is told as much less accurate as the calibration doubts it", () => {
    const estimate = { xM: 6, yM: 5, floorIndex: 0, radius95M: 3, places: [0], placeMass: [1], walkingShare: 0 };
    const accuracy95M = (doubt: number) => fixOfEstimate({ tagId: "tag", lastHeardAtMs: 400 }, estimate, null, 1, doubt, grid, 500, config).accuracy95M;
    expect(accuracy95M(1.5)).toBeCloseTo(1.5 * accuracy95M(1), 9);
  });
});
