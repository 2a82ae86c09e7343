import { describe, expect, it } from "vitest";
import { lonLatOfVenuePoint, venueMapSchema } from "@konferenco/protocol";
import { locateByCheckIn } from "../../../fusion/src/core/checkin-fix.ts";
import { locateByGps } from "../../../fusion/src/core/gps-fix.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { accessPointsOfZones, locateByWifi } from "../../../fusion/src/core/wifi-fix.ts";
import { twoRooms } from "../venues.ts";

const origin = { lat: 50.85, lon: 4.35, bearingDeg: 30 };
const venue = venueMapSchema.parse({ ...twoRooms(), origin });
const index = indexVenue(venue);

describe("a fix by GPS", () => {
  it("lands where the venue's own point is on the globe", () => {
    const place = lonLatOfVenuePoint({ xM: 12, yM: 7 }, origin);
    const fix = locateByGps({ v: 1, source: "gps", tagId: "tag", atMs: 0, ...place, accuracy95M: 8, floor: 0 }, venue, index, 5);
    expect(fix).toMatchObject({ source: "gps", accuracy95M: 8, atMs: 5 });
    expect(fix?.xM).toBeCloseTo(12, 3);
    expect(fix?.yM).toBeCloseTo(7, 3);
  });

  it("says in which zone it lies where it knows, and nothing where it does not", () => {
    const at = (xM: number, accuracy95M: number) => locateByGps({ v: 1, source: "gps", tagId: "tag", atMs: 0, ...lonLatOfVenuePoint({ xM, yM: 5 }, origin), accuracy95M, floor: 0 }, venue, index, 0)?.zoneEvidence;
    const right = index.zonePlace.get("right") as number;
    expect(at(15, 6)?.probability[at(15, 6)?.places.indexOf(right) as number]).toBeGreaterThan(0.8);
    expect(at(60, 6)).toMatchObject({ places: [index.outsidePlace.get(0)], probability: [expect.closeTo(1)] });
    expect(at(10, 12)).toBeNull();
  });

  it("is outside of all zones only where none is within its reach: a wide one in a building lies mostly beside it", () => {
    const at = (xM: number, accuracy95M: number) => locateByGps({ v: 1, source: "gps", tagId: "tag", atMs: 0, ...lonLatOfVenuePoint({ xM, yM: 5 }, origin), accuracy95M, floor: 0 }, venue, index, 0)?.zoneEvidence;
    for (const accuracy95M of [40, 400, 40_000]) expect(at(10, accuracy95M), `${accuracy95M} m`).toBeNull();
    expect(at(60, 45)).toBeNull();
    expect(at(60, 35)).toMatchObject({ places: [index.outsidePlace.get(0)] });
    expect(at(-3_000, 400)).toMatchObject({ places: [index.outsidePlace.get(0)] });
  });

  it("is none where nobody has said where on the globe the venue lies", () => {
    expect(locateByGps({ v: 1, source: "gps", tagId: "tag", atMs: 0, lat: 1, lon: 1, accuracy95M: 8, floor: 0 }, twoRooms(), index, 0)).toBeNull();
  });
});

describe("a fix by check-in", () => {
  it("is certain of the zone and knows nothing finer", () => {
    const fix = locateByCheckIn({ v: 1, source: "check-in", tagId: "tag", atMs: 0, zoneId: "right" }, venue, index, 0);
    expect(fix).toMatchObject({ xM: 15, yM: 5, zoneEvidence: { places: [index.zonePlace.get("right")], probability: [1], certain: true } });
    expect(fix?.accuracy95M).toBeCloseTo(Math.hypot(5, 5));
  });

  it("at a desk that the map does not have is none", () => {
    expect(locateByCheckIn({ v: 1, source: "check-in", tagId: "tag", atMs: 0, zoneId: "nowhere" }, venue, index, 0)).toBeNull();
  });
});

describe("a fix by Wi-Fi", () => {
  const points = accessPointsOfZones(venue, new Map([["AA:BB:CC:00:00:01", "left"], ["AA:BB:CC:00:00:02", "right"]]));
  const scan = (bssid: string[], rssiDbm: number[], tagId: string | null = "tag") => locateByWifi({ tagId, gatewayId: null, heardAtMs: 0, bssid, rssiDbm }, points, index, 0);

  it("lies near the access point that is heard best", () => {
    const fix = scan(["aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"], [-50, -80]);
    expect(fix?.xM).toBeLessThan(6);
    expect(fix?.zoneEvidence?.places).toEqual([index.zonePlace.get("left")]);
  });

  it("is none from access points that nobody knows, and none for a gateway's own scan", () => {
    expect(scan(["ff:ff:ff:00:00:01"], [-40])).toBeNull();
    expect(scan(["aa:bb:cc:00:00:01"], [-40], null)).toBeNull();
  });
});
