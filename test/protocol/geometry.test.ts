import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import {
  depthInZoneM, distanceToEdgeM, floorBounds, lonLatOfVenuePoint, NO_ORIGIN, pointInPolygon, pointInZone, polygonCentre, venueMapSchema, venuePointOfLonLat, zoneCentre,
  type Polygon, type Zone,
} from "@konferenco/protocol";

const square: Polygon = [[0, 0], [10, 0], [10, 10], [0, 10]];
// A "U": the courtyard between its arms is outside.
const u: Polygon = [[0, 0], [30, 0], [30, 30], [20, 30], [20, 10], [10, 10], [10, 30], [0, 30]];
const zone = (polygons: Polygon[], floor = 0): Zone => ({ zoneId: "z", name: "z", kind: "room", floor, polygons: polygons.map((polygon) => polygon.map(([x, y]) => [x, y] as [number, number])) });

/** Brute force, by another principle than the even-odd rule: the angles under which the edges are seen add up to a full turn. */
function windingInside(xM: number, yM: number, polygon: Polygon): boolean {
  let angle = 0;
  polygon.forEach(([bx, by], i) => {
    const [ax, ay] = polygon[(i + polygon.length - 1) % polygon.length]!;
    angle += Math.atan2((ax - xM) * (by - yM) - (ay - yM) * (bx - xM), (ax - xM) * (bx - xM) + (ay - yM) * (by - yM));
  });
  return Math.abs(angle) > Math.PI;
}

/** Brute force: the nearest of many points along the edges. */
function sampledDistanceM(xM: number, yM: number, polygon: Polygon, samples = 2_000): number {
  let best = Infinity;
  polygon.forEach(([bx, by], i) => {
    const [ax, ay] = polygon[(i + polygon.length - 1) % polygon.length]!;
    for (let k = 0; k <= samples; k++) best = Math.min(best, Math.hypot(xM - (ax + ((bx - ax) * k) / samples), yM - (ay + ((by - ay) * k) / samples)));
  });
  return best;
}

const coordinate = fc.double({ min: -40, max: 40, noNaN: true });
/** Any simple polygon around the origin: corners by growing angle, at any distance. */
const star = fc.array(fc.double({ min: 1, max: 35, noNaN: true }), { minLength: 3, maxLength: 12 }).map((radii): Polygon => radii.map((r, i) => [r * Math.cos((2 * Math.PI * i) / radii.length), r * Math.sin((2 * Math.PI * i) / radii.length)]));

describe("a polygon", () => {
  it("has the points inside that a brute-force winding count has inside", () => {
    fc.assert(fc.property(fc.oneof(star, fc.constant(u), fc.constant(square)), coordinate, coordinate, (polygon, x, y) => {
      fc.pre(distanceToEdgeM(x, y, polygon) > 1e-6);
      expect(pointInPolygon(x, y, polygon)).toBe(windingInside(x, y, polygon));
    }), { numRuns: 2_000 });
  });

  it("is as far from a point as the nearest of 2,000 samples on each edge", () => {
    fc.assert(fc.property(fc.oneof(star, fc.constant(u)), coordinate, coordinate, (polygon, x, y) => {
      const exactM = distanceToEdgeM(x, y, polygon);
      const sampledM = sampledDistanceM(x, y, polygon);
      expect(exactM).toBeLessThanOrEqual(sampledM + 1e-9);
      expect(sampledM - exactM).toBeLessThan(0.05);
    }), { numRuns: 100 });
  });

  it("shares no point with the neighbour that it touches", () => {
    const right: Polygon = [[10, 0], [20, 0], [20, 10], [10, 10]];
    const above: Polygon = [[0, 10], [10, 10], [10, 20], [0, 20]];
    for (let at = 0; at <= 10; at += 0.25) {
      expect([square, right].filter((polygon) => pointInPolygon(10, at, polygon)).length).toBeLessThanOrEqual(1);
      expect([square, above].filter((polygon) => pointInPolygon(at, 10, polygon)).length).toBeLessThanOrEqual(1);
    }
    expect(pointInPolygon(0, 0, square)).toBe(true);
    expect(pointInPolygon(10, 10, square)).toBe(false);
  });

  it("has its centre and area, whichever way round it is drawn and wherever it lies", () => {
    expect(polygonCentre(square)).toEqual({ xM: 5, yM: 5, areaM2: 100 });
    expect(polygonCentre([...square].reverse())).toEqual({ xM: 5, yM: 5, areaM2: 100 });
    expect(polygonCentre([[3, 4], [3, 4], [3, 4]])).toEqual({ xM: 3, yM: 4, areaM2: 0 });
    fc.assert(fc.property(star, coordinate, coordinate, (polygon, dx, dy) => {
      const here = polygonCentre(polygon);
      const there = polygonCentre(polygon.map(([x, y]) => [x + dx, y + dy] as const));
      expect(there.xM).toBeCloseTo(here.xM + dx, 5);
      expect(there.yM).toBeCloseTo(here.yM + dy, 5);
      expect(there.areaM2).toBeCloseTo(here.areaM2, 5);
    }));
  });
});

describe("a zone", () => {
  it("is on its floor only, and the union of its polygons", () => {
    const two = zone([square, [[20, 0], [30, 0], [30, 10], [20, 10]]], 1);
    expect(pointInZone({ xM: 5, yM: 5, floor: 1 }, two)).toBe(true);
    expect(pointInZone({ xM: 25, yM: 5, floor: 1 }, two)).toBe(true);
    expect(pointInZone({ xM: 15, yM: 5, floor: 1 }, two)).toBe(false);
    expect(pointInZone({ xM: 5, yM: 5, floor: 0 }, two)).toBe(false);
  });

  it("has depth: metres in, metres out, and none on another floor or without polygons", () => {
    expect(depthInZoneM({ xM: 5, yM: 5, floor: 0 }, zone([square]))).toBe(5);
    expect(depthInZoneM({ xM: 13, yM: 14, floor: 0 }, zone([square]))).toBe(-5);
    expect(depthInZoneM({ xM: 15, yM: 20, floor: 0 }, zone([u]))).toBe(-5);
    expect(depthInZoneM({ xM: 5, yM: 5, floor: 1 }, zone([square]))).toBe(-Infinity);
    expect(depthInZoneM({ xM: 5, yM: 5, floor: 0 }, zone([]))).toBe(-Infinity);
    fc.assert(fc.property(star, coordinate, coordinate, (polygon, xM, yM) => {
      const depthM = depthInZoneM({ xM, yM, floor: 0 }, zone([polygon]));
      if (Math.abs(depthM) > 1e-6) expect(depthM > 0).toBe(pointInZone({ xM, yM, floor: 0 }, zone([polygon])));
    }));
  });

  it("is stood for by the centre of its largest polygon, else by its gateways, else by nothing", () => {
    const venue = venueMapSchema.parse({
      venueId: "v", floors: [{ floor: 0, name: "0" }], zones: [{ zoneId: "z", name: "z", kind: "room", floor: 0 }, { zoneId: "empty", name: "e", kind: "room", floor: 0 }],
      gateways: [{ gatewayId: "a", xM: 0, yM: 2, floor: 0, zoneId: "z" }, { gatewayId: "b", xM: 4, yM: 4, floor: 0, zoneId: "z" }],
    });
    expect(zoneCentre(zone([[[0, 0], [1, 0], [1, 1]], square]), venue)).toEqual({ xM: 5, yM: 5, floor: 0 });
    expect(zoneCentre(venue.zones[0]!, venue)).toEqual({ xM: 2, yM: 3, floor: 0 });
    expect(zoneCentre(venue.zones[1]!, venue)).toBeNull();
    expect(floorBounds(venue, 0)).toEqual({ minXM: 0, minYM: 2, maxXM: 4, maxYM: 4 });
    expect(floorBounds(venue, 9)).toEqual({ minXM: 0, minYM: 0, maxXM: 1, maxYM: 1 });
  });
});

describe("longitude and latitude", () => {
  const origin = fc.record({ lat: fc.double({ min: -80, max: 80, noNaN: true }), lon: fc.double({ min: -179, max: 179, noNaN: true }), bearingDeg: fc.double({ min: -360, max: 360, noNaN: true }) });
  const metres = fc.double({ min: -2_000, max: 2_000, noNaN: true });

  it("lead back to the same millimetre of the venue", () => {
    fc.assert(fc.property(fc.oneof(origin, fc.constant(NO_ORIGIN)), metres, metres, (where, xM, yM) => {
      const back = venuePointOfLonLat(lonLatOfVenuePoint({ xM, yM }, where), where);
      expect(Math.hypot(back.xM - xM, back.yM - yM)).toBeLessThan(0.001);
    }));
  });

  it("agree with the sphere to 0.75 %, within a kilometre", () => {
    fc.assert(fc.property(origin, fc.double({ min: -500, max: 500, noNaN: true }), fc.double({ min: -500, max: 500, noNaN: true }), (where, xM, yM) => {
      fc.pre(Math.hypot(xM, yM) > 50);
      const { lon, lat } = lonLatOfVenuePoint({ xM, yM }, where);
      const radians = Math.PI / 180;
      const h = Math.sin(((lat - where.lat) * radians) / 2) ** 2 + Math.cos(lat * radians) * Math.cos(where.lat * radians) * Math.sin(((lon - where.lon) * radians) / 2) ** 2;
      const haversineM = 2 * 6_371_008.8 * Math.asin(Math.sqrt(h));
      // The sphere itself is up to 0.56 % off the ellipsoid (6,335-6,400 km radius of curvature).
      expect(Math.abs(haversineM / Math.hypot(xM, yM) - 1)).toBeLessThan(0.0075);
    }));
  });

  it("at bearing 0 grow to the north with y and to the east with x; a venue turned by 90 degrees has y in the east", () => {
    const north = lonLatOfVenuePoint({ xM: 0, yM: 100 }, { lat: 52, lon: 21, bearingDeg: 0 });
    expect(north.lon).toBeCloseTo(21, 9);
    expect((north.lat - 52) * 111_262).toBeCloseTo(100, 0);
    const east = lonLatOfVenuePoint({ xM: 0, yM: 100 }, { lat: 52, lon: 21, bearingDeg: 90 });
    expect(east.lat).toBeCloseTo(52, 9);
    expect(east.lon).toBeGreaterThan(21.001);
  });
});
