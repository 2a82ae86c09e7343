import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, pointInZone, venueFromGeoJson, venueMapSchema, venueToGeoJson, type VenueMap } from "@konferenco/protocol";
import { demoVenue } from "@konferenco/simulators";

const root = path.resolve(import.meta.dirname, "../..");
const metre = fc.integer({ min: -200_000, max: 200_000 }).map((millimetres) => millimetres / 1_000);
const name = fc.string({ minLength: 1, maxLength: 20 });
/** Corners around a point: a polygon that does not cross itself. */
const polygon = fc.tuple(metre, metre, fc.array(fc.integer({ min: 500, max: 20_000 }), { minLength: 3, maxLength: 8 })).map(([xM, yM, radiiMm]) =>
  radiiMm.map((radiusMm, i): [number, number] => {
    const angleRad = (2 * Math.PI * i) / radiiMm.length;
    return [Math.round(xM * 1_000 + radiusMm * Math.cos(angleRad)) / 1_000, Math.round(yM * 1_000 + radiusMm * Math.sin(angleRad)) / 1_000];
  }),
);
const floor = fc.integer({ min: -1, max: 2 });
const anyVenue = fc
  .record({
    zones: fc.array(fc.record({ name, kind: fc.constantFrom("room", "hall", "booth", "aquarium"), floor, polygons: fc.array(polygon, { maxLength: 3 }) }), { minLength: 1, maxLength: 5 }),
    gateways: fc.array(fc.record({ xM: metre, yM: metre, floor }), { maxLength: 4 }),
    walls: fc.array(fc.oneof(fc.tuple(metre, metre, metre, metre), fc.tuple(metre, metre, metre, metre, floor)), { maxLength: 4 }),
    origin: fc.option(fc.record({ lat: fc.double({ min: -70, max: 70, noNaN: true }), lon: fc.double({ min: -170, max: 170, noNaN: true }), bearingDeg: fc.double({ min: -180, max: 180, noNaN: true }) })),
    notes: fc.option(fc.string({ maxLength: 50 })),
  })
  .map(({ zones, gateways, walls, origin, notes }): VenueMap =>
    venueMapSchema.parse({
      venueId: "any",
      direction: "tags-hear-gateways",
      ...(origin === null ? {} : { origin }),
      ...(notes === null ? {} : { notes }),
      floors: [-1, 0, 1, 2].map((number) => ({ floor: number, name: `Floor ${number}` })),
      zones: zones.map((zone, i) => ({ zoneId: `zone-${i}`, ...zone })),
      gateways: gateways.map((gateway, i) => ({ gatewayId: `gw-${i}`, ...gateway, zoneId: `zone-${i % zones.length}`, ...(i % 2 === 0 ? { zM: 2.5 } : {}) })),
      walls,
      tags: [{ tagId: "tag-1", zM: 1.2 }],
    }),
  );

/** The same corners in the same circle, wherever it begins and whichever way it runs. */
function circles(polygons: VenueMap["zones"][number]["polygons"]): string[] {
  return polygons.map((corners) => {
    const turned = corners.flatMap((_, i) => [[...corners.slice(i), ...corners.slice(0, i)], [...corners.slice(i), ...corners.slice(0, i)].reverse()]);
    return turned.map((ring) => JSON.stringify(ring.map(([x, y]) => [Math.round(x * 1_000) + 0, Math.round(y * 1_000) + 0]))).sort()[0] as string;
  });
}
const comparable = (venue: VenueMap) => ({ ...venue, zones: venue.zones.map((zone) => ({ ...zone, polygons: circles(zone.polygons) })) });

describe("a venue map as GeoJSON", () => {
  it("comes back as it went, to the millimetre, through its text", () => {
    fc.assert(
      fc.property(anyVenue, (venue) => {
        const text = JSON.stringify(venueToGeoJson(venue));
        const back = venueFromGeoJson(JSON.parse(text), "venue.geojson");
        // Numbers of corners as integers of millimetres: rounding to a millimetre may fall either way at half of one.
        const near = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, inner: unknown) => (typeof inner === "number" ? Math.round(inner * 1_000) + 0 : inner)));
        expect(near(comparable(back))).toEqual(near(comparable(venue)));
      }),
    );
  });

  it("of the demo venue has every zone, gateway and wall, rings closed and anticlockwise", () => {
    const venue = demoVenue();
    const { features } = venueToGeoJson(venue);
    expect(features).toHaveLength(venue.zones.length + venue.gateways.length + venue.walls.length);
    for (const { geometry } of features) {
      if (geometry?.type !== "Polygon") continue;
      const ring = geometry.coordinates[0] as [number, number][];
      expect(ring.at(-1)).toEqual(ring[0]);
      const [lon0, lat0] = ring[0] as [number, number];
      const doubleArea = ring.reduce((sum, [lon, lat], i) => {
        const [nextLon, nextLat] = ring[(i + 1) % ring.length] as [number, number];
        return sum + (lon - lon0) * (nextLat - lat0) - (nextLon - lon0) * (lat - lat0);
      }, 0);
      expect(doubleArea).toBeGreaterThan(0);
    }
    expect(comparable(venueFromGeoJson(venueToGeoJson(venue), "demo.geojson"))).toEqual(comparable(venue));
  });
});

describe("GeoJSON of another program", () => {
  const metreDeg = 1 / 111_000;
  const ring = (x0: number, y0: number, x1: number, y1: number) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]].map(([x, y]) => [10 + (x as number) * metreDeg, (y as number) * metreDeg]);

  it("makes zones of its polygons, gateways of its points and walls of its lines", () => {
    const venue = venueFromGeoJson(
      {
        type: "FeatureCollection",
        features: [
          { type: "Feature", properties: { name: "Große Halle", level: 1 }, geometry: { type: "Polygon", coordinates: [ring(0, 0, 20, 10)] } },
          { type: "Feature", properties: { name: "Große Halle", level: 1, kind: "booth" }, geometry: { type: "Polygon", coordinates: [ring(20, 0, 30, 10)] } },
          { type: "Feature", properties: { gatewayId: "gw-1", level: 1 }, geometry: { type: "Point", coordinates: [10 + 25 * metreDeg, 5 * metreDeg] } },
          { type: "Feature", properties: null, geometry: { type: "LineString", coordinates: [[10, 0], [10 + metreDeg, 0], [10 + metreDeg, metreDeg]] } },
        ],
      },
      "plans/city hall.geojson",
    );
    expect(venue.venueId).toBe("city-hall");
    expect(venue.zones.map(({ zoneId, kind, floor: level }) => [zoneId, kind, level])).toEqual([["gro-e-halle", "room", 1], ["gro-e-halle-2", "booth", 1]]);
    expect(venue.gateways).toMatchObject([{ gatewayId: "gw-1", zoneId: "gro-e-halle-2", floor: 1 }]);
    expect(venue.walls).toHaveLength(2);
    expect(venue.origin).toMatchObject({ lat: 0, lon: 10 });
    expect(Math.abs((venue.gateways[0]?.xM as number) - 25)).toBeLessThan(0.2);
  });

  it("leaves a hole in a zone out of it", () => {
    const venue = venueFromGeoJson({ type: "FeatureCollection", features: [{ type: "Feature", properties: { zoneId: "ring" }, geometry: { type: "Polygon", coordinates: [ring(0, 0, 30, 30), ring(10, 10, 20, 20)] } }] }, "ring.json");
    const inZone = (xM: number, yM: number) => pointInZone({ xM, yM, floor: 0 }, venue.zones[0] as VenueMap["zones"][number]);
    expect([inZone(5, 15), inZone(15, 15), inZone(25, 15), inZone(15, 5), inZone(15, 25)]).toEqual([true, false, true, true, true]);
  });

  it("where nothing has a place spans nothing", () => {
    const undrawn = venueMapSchema.parse({ venueId: "fair", zones: [{ zoneId: "hall", floor: 0 }], gateways: [] });
    expect(venueFromGeoJson(venueToGeoJson(undrawn), "fair.geojson")).toEqual(undrawn);
  });

  it("hangs a gateway in the smallest zone around it, as a venue map does: a stand, not its hall", () => {
    const area = (zoneId: string, x1: number) => ({ type: "Feature", properties: { zoneId }, geometry: { type: "Polygon", coordinates: [ring(0, 0, x1, 10)] } });
    const venue = venueFromGeoJson({ type: "FeatureCollection", features: [area("hall", 40), area("stand", 4), gatewayAt(2, 5)] }, "fair.geojson");
    expect(venue.gateways).toMatchObject([{ gatewayId: "gw", zoneId: "stand" }]);
  });

  const gatewayAt = (xM: number, yM: number) => ({ type: "Feature", properties: { gatewayId: "gw" }, geometry: { type: "Point", coordinates: [10 + xM * metreDeg, yM * metreDeg] } });
  const zoneOf = (coordinates: number[][]) => ({ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [coordinates] } });
  const collection = (...features: object[]) => ({ type: "FeatureCollection", features });
  it.each([
    ["is none", { type: "Topology" }, /not GeoJSON/],
    ["holds nothing", collection(), /no polygon: draw one for each zone/],
    ["has shapes that a map has no use for", collection(zoneOf(ring(0, 0, 9, 9)), { type: "Feature", properties: {}, geometry: { type: "GeometryCollection", geometries: [] } }), /features\.1\.geometry is no Point.*leave it out/],
    ["is in metres of a projection", collection(zoneOf([[1_111_424, 7_086_000], [1_111_440, 7_086_000], [1_111_440, 7_086_020]])), /1111424 is neither: export it as EPSG:4326/],
    ["is in metres of its own", collection(zoneOf([[0, 0], [30, 0], [30, 20]])), /spans \d+ km.*degrees/],
    ["has a gateway far from every zone", collection(zoneOf(ring(0, 0, 9, 9)), gatewayAt(300, 5)), /gateway "gw" hangs in no zone of floor 0: name its zoneId/],
    ["has a gateway but no zone for it", { type: "FeatureCollection", features: [{ type: "Feature", properties: { gatewayId: "gw" }, geometry: { type: "Point", coordinates: [1, 2] } }] }, /does not make a venue map/],
  ])("that %s is refused with the place of the fault", (_, json, why) => {
    expect(() => venueFromGeoJson(json, "map.json")).toThrow(ConfigError);
    expect(() => venueFromGeoJson(json, "map.json")).toThrow(why);
  });

  it("is explained in docs/venue-map.md", () => {
    expect(fs.readFileSync(path.join(root, "docs/venue-map.md"), "utf8")).toMatch(/--to-geojson/);
  });
});
