import { describe, expect, test } from "vitest";
import { parseVenueMap, pointInZone, venueMapSchema } from "@konferenco/protocol";
import { demoVenue, newNavigation } from "@konferenco/simulators";

const venue = demoVenue();

describe("the demo venue", () => {
  test("is a valid venue map, and the same after a way through a file", () => {
    expect(venueMapSchema.safeParse(venue).success).toBe(true);
    expect(parseVenueMap(JSON.stringify(venue), "venue.json")).toEqual(venue);
  });

  test("has two floors and a zone of every kind of requirement A10", () => {
    expect(venue.floors).toHaveLength(2);
    const kinds = new Set(venue.zones.map((zone) => zone.kind));
    for (const kind of ["room", "hall", "corridor", "lounge", "booth", "food", "registration"]) expect(kinds).toContain(kind);
    const area = venue.zones.find((zone) => zone.zoneId === "track-a");
    expect(area?.name).toBe("Track A rooms");
    expect(area?.polygons.length).toBeGreaterThan(1);
  });

  test("hangs every gateway inside of its own zone", () => {
    expect(venue.gateways.length).toBeGreaterThanOrEqual(20);
    for (const gateway of venue.gateways) {
      const zone = venue.zones.find(({ zoneId }) => zoneId === gateway.zoneId);
      expect(zone !== undefined && pointInZone(gateway, zone), gateway.gatewayId).toBe(true);
    }
  });

  test("has two gateways in every session room, one at its entry, and one over every stand", () => {
    for (const room of venue.zones.filter((zone) => zone.kind === "room")) {
      for (const polygon of room.polygons) {
        const inside = venue.gateways.filter((gateway) => pointInZone(gateway, { ...room, polygons: [polygon] }));
        expect(inside.length, room.name).toBeGreaterThanOrEqual(2);
        expect(inside.some((gateway) => gateway.gatewayId.endsWith("entry"))).toBe(true);
      }
    }
    for (const booth of venue.zones.filter((zone) => zone.kind === "booth")) expect(venue.gateways.some((gateway) => gateway.zoneId === booth.zoneId)).toBe(true);
  });

  test("has no zone that nobody can walk to, and no two zones on one spot", () => {
    const navigation = newNavigation(venue);
    expect(navigation.unreachableZoneIds).toEqual([]);
    expect(navigation.reachableZoneIds).toHaveLength(venue.zones.length);
    for (let xM = 0.25; xM < 34; xM += 0.5) {
      for (let yM = 0.25; yM < 20; yM += 0.5) {
        for (const { floor } of venue.floors) {
          const here = venue.zones.filter((zone) => pointInZone({ xM, yM, floor }, zone));
          expect(here.length, `(${xM}, ${yM}) on floor ${floor}`).toBe(1);
        }
      }
    }
  });
});
