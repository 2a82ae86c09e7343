import { describe, expect, it } from "vitest";
import { hasPlaces, pointInZone, venueMapSchema } from "@konferenco/protocol";
import { asDrawn, isUndrawn } from "../../web/src/map/schematic.ts";

const undrawn = venueMapSchema.parse({
  venueId: "fair",
  zones: ["a", "b", "c", "d", "e"].map((zoneId, i) => ({ zoneId, floor: i < 4 ? 0 : 1 })),
  gateways: ["a", "a", "b", "c", "d", "e"].map((zoneId, i) => ({ gatewayId: `gw-${i}`, floor: zoneId === "e" ? 1 : 0, zoneId })),
});

describe("a venue that nobody has drawn", () => {
  it("is shown as boxes that do not overlap, each with its own gateways", () => {
    const shown = asDrawn(undrawn);
    for (const gateway of shown.gateways) expect(shown.zones.filter((zone) => pointInZone(gateway, zone)).map(({ zoneId }) => zoneId)).toEqual([gateway.zoneId]);
    expect(new Set(shown.gateways.map(({ xM, yM, floor }) => `${xM} ${yM} ${floor}`)).size).toBe(6);
    const corners = shown.zones.map(({ floor, polygons }) => `${floor} ${JSON.stringify(polygons[0]?.[0])}`);
    expect(new Set(corners).size).toBe(5);
  });

  it("is one without polygons and with all gateways in one point, here as on the server", () => {
    const drawn = venueMapSchema.parse({ ...undrawn, zones: undrawn.zones.map((zone) => ({ ...zone, polygons: [[[0, 0], [1, 0], [1, 1]]] })) });
    const placed = venueMapSchema.parse({ ...undrawn, gateways: undrawn.gateways.map((gateway, i) => ({ ...gateway, xM: i })) });
    for (const venue of [undrawn, drawn, placed]) expect(isUndrawn(venue)).toBe(!hasPlaces(venue));
    expect([isUndrawn(undrawn), isUndrawn(drawn), isUndrawn(placed)]).toEqual([true, false, false]);
    expect(asDrawn(drawn)).toBe(drawn);
  });
});
