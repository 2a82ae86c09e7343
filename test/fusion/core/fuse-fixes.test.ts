import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lonLatOfVenuePoint, venueMapSchema } from "@konferenco/protocol";
import { locateByCheckIn } from "../../../fusion/src/core/checkin-fix.ts";
import type { Fix } from "../../../fusion/src/core/fix.ts";
import { fixOfSighting, fuseFixes } from "../../../fusion/src/core/fuse-fixes.ts";
import { locateByGps } from "../../../fusion/src/core/gps-fix.ts";
import { newPipeline } from "../../../fusion/src/core/pipeline.ts";
import { indexVenue, type IndexedGateway } from "../../../fusion/src/core/venue-index.ts";
import { accessPointsOfZones, locateByWifi } from "../../../fusion/src/core/wifi-fix.ts";
import { gateway, zone } from "../venues.ts";

const origin = { lat: 50.85, lon: 4.35, bearingDeg: 30 };
const venue = venueMapSchema.parse({
  venueId: "fair",
  origin,
  floors: [{ floor: 0, name: "ground" }],
  zones: [zone("zone-a", [0, 0, 10, 10]), zone("zone-b", [10, 0, 20, 10]), zone("yard", [0, 10, 40, 40], { kind: "outdoor" })],
  gateways: [gateway("gw-a", 5, 5, "zone-a"), gateway("gw-b", 15, 5, "zone-b")],
});
const index = indexVenue(venue);
const gatewayNamed = (id: string): IndexedGateway => index.gateways[index.gatewayIndex.get(id) as number] as IndexedGateway;
const VENUE_WIFI = "aa:bb:cc:00:00:01";
const points = accessPointsOfZones(venue, new Map([[VENUE_WIFI, "zone-a"]]));
const place = (zoneId: string) => index.zonePlace.get(zoneId) as number;

const fix = (over: Partial<Fix>): Fix => ({ tagId: "tag", atMs: 0, xM: 0, yM: 0, floor: 0, accuracy95M: 3, source: "beacon", zoneEvidence: null, ...over });

describe("a beacon of zone-a at -65 dBm and a Wi-Fi scan at -50 (test B13)", () => {
  const beacon = fixOfSighting("user-123", gatewayNamed("gw-a"), -65, 0);
  const wifi = locateByWifi({ tagId: "user-123", gatewayId: null, heardAtMs: 0, bssid: [VENUE_WIFI], rssiDbm: [-50] }, points, index, 0) as Fix;

  it("put the person in zone-a, by fusion, with more than 0.8 confidence", () => {
    const fused = fuseFixes([beacon, wifi], 0);
    expect(index.places[fused?.place ?? -1]?.zoneId).toBe("zone-a");
    expect(fused?.source).toBe("fusion");
    expect(fused?.confidence).toBeGreaterThan(0.8);
  });

  it("are surer together than either alone", () => {
    expect(fuseFixes([beacon], 0)?.confidence).toBeLessThan(0.8);
    expect(fuseFixes([wifi], 0)?.confidence).toBeLessThan(0.8);
  });

  it("say the same through the pipeline, where one reading and one scan are two fixes of one tick", () => {
    const pipeline = newPipeline(venue);
    const fused = fuseFixes([beacon, wifi], 0) as NonNullable<ReturnType<typeof fuseFixes>>;
    // The seam: what a tick gathered is fused first; each technology's own fix then goes into the track with the pooled evidence of all.
    pipeline.locate({ ...wifi, zoneEvidence: null }, 0);
    pipeline.locate({ ...beacon, zoneEvidence: fused.zoneEvidence }, 0);
    const { positions, zoneTransitions } = pipeline.tick(500);
    expect(zoneTransitions.map(({ transition, zoneId }) => `${transition} ${zoneId}`)).toEqual(["enter zone-a"]);
    expect(positions[0]).toMatchObject({ zoneId: "zone-a", source: "fusion" });
    expect(positions[0]?.confidence).toBeGreaterThan(0.8);
  });
});

describe("sources that each say how sure they are", () => {
  it("count by their own precision first: a sharp Wi-Fi fix moves more than a vague beacon", () => {
    const fused = fuseFixes([fix({ xM: 0, accuracy95M: 12 }), fix({ xM: 10, accuracy95M: 2, source: "wifi" })], 0);
    expect(fused?.xM).toBeGreaterThan(9);
  });

  it("that are equally sure count 0.5 to 0.3 to 0.2", () => {
    const fused = fuseFixes([fix({ xM: 1 }), fix({ xM: 0, yM: 1, source: "wifi" }), fix({ xM: 0, yM: 0, source: "gps" })], 0);
    expect(fused?.xM).toBeCloseTo(0.5, 9);
    expect(fused?.yM).toBeCloseTo(0.3, 9);
  });

  it("that contradict each other make the result less sure, not surer", () => {
    const agreeing = fuseFixes([fix({}), fix({ xM: 1, source: "wifi" })], 0);
    const contradicting = fuseFixes([fix({}), fix({ xM: 30, source: "wifi" })], 0);
    expect(contradicting?.accuracy95M).toBeGreaterThan(3 * (agreeing?.accuracy95M as number));
  });

  it("are believed less as they grow old", () => {
    const fresh = fuseFixes([fix({ xM: 0, atMs: 0 }), fix({ xM: 10, atMs: 20_000, source: "wifi" })], 20_000);
    expect(fresh?.xM).toBeGreaterThan(8);
  });
});

describe("outdoors", () => {
  it("GPS alone places a visitor of the yard", () => {
    const { lat, lon } = lonLatOfVenuePoint({ xM: 30, yM: 30 }, origin);
    const gps = locateByGps({ v: 1, source: "gps", tagId: "tag", atMs: 0, lat, lon, accuracy95M: 8, floor: 0 }, venue, index, 0) as Fix;
    const fused = fuseFixes([gps], 0);
    expect(fused?.source).toBe("gps");
    expect(fused?.xM).toBeCloseTo(30, 3);
    expect(fused?.accuracy95M).toBeGreaterThanOrEqual(8);
  });

  it("a beacon of the door outweighs a GPS that is lost between walls", () => {
    const fused = fuseFixes([fixOfSighting("tag", gatewayNamed("gw-a"), -60, 0), fix({ xM: 60, yM: 60, accuracy95M: 80, source: "gps" })], 0);
    expect(Math.hypot((fused?.xM ?? 0) - 5, (fused?.yM ?? 0) - 5)).toBeLessThan(2);
  });
});

describe("a check-in", () => {
  const checkIn = locateByCheckIn({ v: 1, source: "check-in", tagId: "tag", atMs: 0, zoneId: "zone-b" }, venue, index, 0) as Fix;

  it("is exact, whatever the radios say", () => {
    const fused = fuseFixes([fixOfSighting("tag", gatewayNamed("gw-a"), -50, 0), fix({ xM: 0, yM: 0, source: "wifi", accuracy95M: 2, zoneEvidence: { places: [place("zone-a")], probability: [0.99], certain: false } }), checkIn], 0);
    expect(fused).toMatchObject({ place: place("zone-b"), confidence: 1, source: "check-in" });
    expect(fused?.xM).toBe(15);
  });

  it("is refined by a radio that agrees with it", () => {
    const fused = fuseFixes([checkIn, fix({ xM: 17, yM: 5, accuracy95M: 1.5 })], 0);
    expect(fused).toMatchObject({ place: place("zone-b"), confidence: 1, source: "fusion" });
    expect(fused?.xM).toBeGreaterThan(16);
  });
});

describe("any fixes", () => {
  const anyFix = fc.record({
    xM: fc.double({ min: -100, max: 100, noNaN: true }),
    yM: fc.double({ min: -100, max: 100, noNaN: true }),
    floor: fc.constant(0),
    accuracy95M: fc.double({ min: 0.5, max: 100, noNaN: true }),
    atMs: fc.integer({ min: 0, max: 10_000 }),
    source: fc.constantFrom("beacon" as const, "wifi" as const, "gps" as const),
    place: fc.integer({ min: 0, max: 3 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const made = (given: { place: number; share: number } & Partial<Fix>): Fix => fix({ ...given, zoneEvidence: { places: [given.place], probability: [given.share], certain: false } });

  it("fuse to a point among them, the same in any order", () => {
    fc.assert(
      fc.property(fc.array(anyFix, { minLength: 1, maxLength: 6 }), (given) => {
        const fixes = given.map(made);
        const fused = fuseFixes(fixes, 10_000) as NonNullable<ReturnType<typeof fuseFixes>>;
        const again = fuseFixes([...fixes].reverse(), 10_000) as NonNullable<ReturnType<typeof fuseFixes>>;
        expect(fused.xM).toBeGreaterThanOrEqual(Math.min(...fixes.map(({ xM }) => xM)) - 1e-9);
        expect(fused.xM).toBeLessThanOrEqual(Math.max(...fixes.map(({ xM }) => xM)) + 1e-9);
        expect(fused.accuracy95M).toBeGreaterThan(0);
        expect(fused.confidence).toBeGreaterThanOrEqual(0);
        expect(fused.confidence).toBeLessThanOrEqual(1);
        expect(again.xM).toBeCloseTo(fused.xM, 6);
        expect(again.accuracy95M).toBeCloseTo(fused.accuracy95M, 6);
        expect(again.place).toBe(fused.place);
      }),
    );
  });

  it("of nobody are none", () => {
    expect(fuseFixes([], 0)).toBeNull();
  });
});
