import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { venueMapSchema } from "@konferenco/protocol";
import { locateByBeacons } from "../../../fusion/src/core/beacon-fix.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { indexVenue, type VenueIndex } from "../../../fusion/src/core/venue-index.ts";
import { gateway, heardAt, twoFloors, twoRooms, zone } from "../venues.ts";

const rooms = twoRooms();
const index = indexVenue(rooms);

function fixOf(levels: Record<string, number>, venue: VenueIndex = index) {
  const readings = Object.entries(levels).map(([gatewayId, rssiDbm]) => ({ gateway: venue.gatewayIndex.get(gatewayId) as number, rssiDbm, varianceDb2: 10, samples: 3 }));
  return locateByBeacons({ tagId: "tag", atMs: 0, readings, samples: 3 * readings.length }, venue, config);
}

function evidenceFor(zoneId: string | null, fix: ReturnType<typeof fixOf>, venue: VenueIndex = index): number {
  const place = zoneId === null ? venue.outsidePlace.get(fix.floor) : venue.zonePlace.get(zoneId);
  return fix.zoneEvidence?.probability[fix.zoneEvidence.places.indexOf(place as number)] ?? 0;
}

describe("a fix from beacons", () => {
  it("lies at the gateway that hears the tag by far the best", () => {
    const fix = fixOf({ "left-middle": -40, "left-corner": -90, "right-middle": -90 });
    expect(Math.hypot(fix.xM - 5, fix.yM - 5)).toBeLessThan(0.1);
  });

  it("lies midway between two that hear it alike", () => {
    const fix = fixOf({ "left-middle": -60, "right-middle": -60 });
    expect(fix.xM).toBeCloseTo(10);
    expect(fix.yM).toBeCloseTo(5);
  });

  it("depends on differences of level alone: a weak tag is located like a strong one", () => {
    const strong = fixOf({ "left-middle": -50, "left-corner": -60, "right-middle": -65 });
    const weak = fixOf({ "left-middle": -75, "left-corner": -85, "right-middle": -90 });
    expect(weak.xM).toBeCloseTo(strong.xM);
    expect(weak.accuracy95M).toBeCloseTo(strong.accuracy95M);
  });

  it("of gateways that a map has no places for is a neighbourhood, however many hear the tag", () => {
    const unplaced = venueMapSchema.parse({ venueId: "v", zones: ["a", "b", "c"].map((zoneId) => ({ zoneId, floor: 0 })), gateways: ["a", "b", "c"].map((zoneId) => ({ gatewayId: `gw-${zoneId}`, floor: 0, zoneId })) });
    const venue = indexVenue(unplaced);
    const fix = fixOf({ "gw-a": -50, "gw-b": -70, "gw-c": -75 }, venue);
    expect(fix).toMatchObject({ xM: 0, yM: 0, accuracy95M: 10 });
    expect(evidenceFor("a", fix, venue)).toBeGreaterThan(0.8);
  });

  it("with one or two gateways is a neighbourhood of ten metres, no better", () => {
    expect(fixOf({ "left-middle": -40 }).accuracy95M).toBe(10);
    expect(fixOf({ "left-middle": -40, "left-corner": -42 }).accuracy95M).toBe(10);
    expect(fixOf({ "left-middle": -40, "left-corner": -80, "right-middle": -80 }).accuracy95M).toBeLessThan(5);
  });

  it("never lies outside the gateways that heard the tag, and its evidence is a share of one", () => {
    const level = fc.double({ min: -120, max: -1, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(level, level, level, level), ([a, b, c, d]) => {
        const fix = fixOf({ "left-middle": a, "left-corner": b, "right-middle": c, "right-corner": d });
        expect(fix.xM).toBeGreaterThanOrEqual(-1e-9);
        expect(fix.xM).toBeLessThanOrEqual(20 + 1e-9);
        expect(fix.yM).toBeGreaterThanOrEqual(-1e-9);
        expect(fix.yM).toBeLessThanOrEqual(10 + 1e-9);
        expect(fix.accuracy95M).toBeGreaterThan(0);
        const total = fix.zoneEvidence?.probability.reduce((sum, share) => sum + share, 0);
        expect(total).toBeCloseTo(1);
      }),
    );
  });

  it("where every gateway speaks for its room, nothing else has any mass", () => {
    for (const level of [-57, -63, -64, -67, -71]) {
      const { zoneEvidence } = fixOf({ "left-corner": -50, "right-middle": level });
      expect(zoneEvidence?.places.toSorted()).toEqual([index.zonePlace.get("left"), index.zonePlace.get("right")].toSorted());
    }
  });

  it("a room's own gateway speaks for the room", () => {
    const fix = fixOf({ "left-middle": -50, "left-corner": -60, "right-middle": -70, "right-corner": -80 });
    expect(evidenceFor("left", fix)).toBeGreaterThan(0.9);
  });

  it("in an open hall the place decides, not whose gateway it is", () => {
    const hall = indexVenue(venueMapSchema.parse({
      venueId: "hall",
      floors: [{ floor: 0, name: "ground" }],
      zones: [zone("west", [0, 0, 10, 10], { kind: "hall" }), zone("middle", [10, 0, 20, 10], { kind: "hall" }), zone("east", [20, 0, 30, 10], { kind: "hall" })],
      gateways: [gateway("w", 9, 5, "west"), gateway("w2", 9, 1, "west"), gateway("e", 21, 5, "east")],
    }));
    // Between the two ends, so in the middle, which has no gateway of its own.
    const fix = fixOf({ w: -62, w2: -70, e: -62 }, hall);
    expect(evidenceFor("middle", fix, hall)).toBeGreaterThan(0.8);
  });

  it("a booth that is smaller than a fix is sure is known by its own gateway", () => {
    const fair = indexVenue(venueMapSchema.parse({
      venueId: "fair",
      floors: [{ floor: 0, name: "ground" }],
      zones: [zone("booth", [0, 0, 3, 3], { kind: "booth" }), zone("hall", [0, 0, 20, 20], { kind: "hall" })],
      gateways: [gateway("b", 0, 0, "booth"), gateway("h1", 10, 10, "hall"), gateway("h2", 10, 0, "hall")],
    }));
    // The centroid is drawn out of the booth; its gateway is still the loudest.
    const fix = fixOf({ b: -55, h1: -60, h2: -61 }, fair);
    expect(Math.min(fix.xM, fix.yM)).toBeGreaterThan(1);
    expect(evidenceFor("booth", fix, fair)).toBeGreaterThan(0.7);
  });

  it("a zone that nobody has drawn is where its gateways are", () => {
    const undrawn = indexVenue(venueMapSchema.parse({
      venueId: "undrawn",
      floors: [{ floor: 0, name: "ground" }],
      zones: [{ zoneId: "bar", name: "bar", kind: "food", floor: 0 }, { zoneId: "stage", name: "stage", kind: "hall", floor: 0 }],
      gateways: [gateway("b", 0, 0, "bar"), gateway("s", 30, 0, "stage")],
    }));
    expect(evidenceFor("bar", fixOf({ b: -50, s: -75 }, undrawn), undrawn)).toBeGreaterThan(0.99);
  });

  it("one loud reading through the stairwell does not lift a tag to another floor", () => {
    const floors = indexVenue(twoFloors());
    const below = { "below-a": -60, "below-b": -62, "below-c": -64 };
    expect(fixOf({ ...below, "above-a": -61, "above-b": -85, "above-c": -88 }, floors).floor).toBe(0);
    expect(fixOf({ "below-a": -85, "above-a": -60, "above-b": -62, "above-c": -64 }, floors).floor).toBe(1);
  });

  it("a booth in a hall is the booth: the smaller zone holds the point", () => {
    const fair = venueMapSchema.parse({
      venueId: "fair",
      floors: [{ floor: 0, name: "ground" }],
      zones: [zone("booth", [8, 8, 16, 16], { kind: "booth" }), zone("hall", [0, 0, 40, 40], { kind: "hall" })],
      gateways: [gateway("a", 12, 12, "booth"), gateway("b", 30, 30, "hall"), gateway("c", 0, 40, "hall")],
    });
    const levels = Object.fromEntries(heardAt(fair, { tagId: "tag", xM: 12, yM: 12 }, 0).map(({ gatewayId, rssiDbm }) => [gatewayId, rssiDbm]));
    const venue = indexVenue(fair);
    expect(evidenceFor("booth", fixOf(levels, venue), venue)).toBeGreaterThan(0.7);
  });
});
