import { describe, expect, test } from "vitest";
import { assert, integer, property } from "fast-check";
import { venueMapSchema } from "@konferenco/protocol";
import { demoVenue, newCrowd, newNavigation, newRandom, walkerRole, walkerTagIds, type WalkerState } from "@konferenco/simulators";

const venue = demoVenue();
const kindOf = new Map(venue.zones.map((zone) => [zone.zoneId, zone.kind]));

function walk(seed: number, forMs: number, everyMs: number, see: (walkers: WalkerState[], atMs: number) => void): void {
  const crowd = newCrowd(venue, seed);
  for (let atMs = 0; atMs <= forMs; atMs += everyMs) {
    crowd.advance(atMs);
    see(crowd.positions(), atMs);
  }
}

describe("walkers", () => {
  test("never walk through a wall, whatever the seed", () => {
    const navigation = newNavigation(venue);
    assert(
      property(integer({ min: 0, max: 1e6 }), (seed) => {
        const before = new Map<string, WalkerState>();
        walk(seed, 180_000, 200, (walkers) => {
          for (const now of walkers) {
            const was = before.get(now.tagId);
            before.set(now.tagId, now);
            if (was === undefined || was.floor !== now.floor) continue;
            if (navigation.walls(now.floor).crossings(was.xM, was.yM, now.xM, now.yM) > 0) {
              throw new Error(`${now.tagId} went through a wall from (${was.xM}, ${was.yM}) to (${now.xM}, ${now.yM}) on floor ${now.floor}`);
            }
          }
        });
      }),
      { numRuns: 4 },
    );
  });

  test("change floors on the stairs only", () => {
    const before = new Map<string, WalkerState>();
    let changes = 0;
    walk(2, 300_000, 200, (walkers) => {
      for (const now of walkers) {
        const was = before.get(now.tagId);
        before.set(now.tagId, now);
        if (was === undefined || was.floor === now.floor) continue;
        changes++;
        expect(kindOf.get(was.zoneId ?? "")).toBe("stairs");
        expect(kindOf.get(now.zoneId ?? "")).toBe("stairs");
      }
    });
    expect(changes).toBeGreaterThan(20);
  });

  test("walk at 0.8-1.5 m/s and jump nowhere", () => {
    const before = new Map<string, WalkerState>();
    walk(3, 120_000, 500, (walkers) => {
      for (const now of walkers) {
        const was = before.get(now.tagId);
        before.set(now.tagId, now);
        // Stairs are climbed slower.
        if (now.speedMps > 0 && kindOf.get(now.zoneId ?? "") !== "stairs") {
          expect(now.speedMps).toBeGreaterThan(0.8);
          expect(now.speedMps).toBeLessThan(1.5);
        }
        if (was !== undefined) expect(Math.hypot(now.xM - was.xM, now.yM - was.yM)).toBeLessThan(0.75);
      }
    });
  });

  test("are in a zone practically always, and visit every kind of zone", () => {
    let inZone = 0;
    let all = 0;
    const kinds = new Set<string | undefined>();
    walk(4, 600_000, 1_000, (walkers) => {
      for (const { zoneId } of walkers) {
        all++;
        if (zoneId !== null) inZone++;
        kinds.add(kindOf.get(zoneId ?? ""));
      }
    });
    expect(inZone / all).toBeGreaterThan(0.99);
    for (const kind of ["room", "hall", "corridor", "lounge", "booth", "food", "registration", "stairs"]) expect(kinds).toContain(kind);
  });

  test("are spread over the venue and on the move when the clock starts", () => {
    const crowd = newCrowd(venue, 5);
    const walkers = crowd.positions();
    expect(walkers.length).toBeGreaterThan(40);
    expect(new Set(walkers.map(({ zoneId }) => zoneId)).size).toBeGreaterThan(6);
    expect(walkers.filter(({ speedMps }) => speedMps > 0).length).toBeGreaterThan(5);
  });

  test("change zones and meet within the first 20 seconds, in each of ten seeds", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const before = new Map<string, string | null>();
      let changes = 0;
      const metFor = new Map<string, number>();
      walk(seed, 20_000, 500, (walkers) => {
        for (const { tagId, zoneId } of walkers) {
          if (before.has(tagId) && before.get(tagId) !== zoneId) changes++;
          before.set(tagId, zoneId);
        }
        for (const a of walkers) {
          for (const b of walkers) {
            if (a.tagId < b.tagId && a.floor === b.floor && Math.hypot(a.xM - b.xM, a.yM - b.yM) < 2) {
              metFor.set(a.tagId + b.tagId, (metFor.get(a.tagId + b.tagId) ?? 0) + 500);
            }
          }
        }
      });
      expect(changes, `seed ${seed}`).toBeGreaterThan(10);
      expect([...metFor.values()].filter((ms) => ms >= 10_000).length, `seed ${seed}`).toBeGreaterThan(3);
    }
  });

  test("who walk together stay together", () => {
    const crowd = newCrowd(venue, 6);
    expect(crowd.companionsOf("tag-001")).toEqual(["tag-002"]);
    let near = 0;
    let all = 0;
    for (let atMs = 0; atMs <= 300_000; atMs += 1_000) {
      crowd.advance(atMs);
      const you = crowd.at("tag-001", atMs) as WalkerState;
      const friend = crowd.at("tag-002", atMs) as WalkerState;
      all++;
      if (you.floor === friend.floor && Math.hypot(you.xM - friend.xM, you.yM - friend.yM) < 3) near++;
    }
    expect(near / all).toBeGreaterThan(0.9);
  });

  test("are where the seed says, however often one looks", () => {
    const often = newCrowd(venue, 7);
    const seldom = newCrowd(venue, 7);
    for (let atMs = 0; atMs <= 120_000; atMs += 100) often.advance(atMs);
    seldom.advance(120_000);
    expect(often.positions()).toEqual(seldom.positions());
    expect(newCrowd(venue, 8).positions()).not.toEqual(newCrowd(venue, 7).positions());
  });

  test("can be asked for where they were up to a minute ago", () => {
    const crowd = newCrowd(venue, 9);
    crowd.advance(30_000);
    const then = crowd.at("tag-001", 30_000);
    crowd.advance(85_000);
    expect(crowd.at("tag-001", 30_000)).toEqual(then);
    expect(crowd.at("tag-001", 85_001)).toBeNull();
    expect(crowd.at("nobody", 1_000)).toBeNull();
    expect(() => crowd.advance(1_000)).toThrow(/does not walk back/);
  });

  test("some come in through registration, and are nowhere before", () => {
    const crowd = newCrowd(venue, 10, { tags: 60, arrivingShare: 1 });
    expect(crowd.positions().length).toBeLessThan(15);
    const firstZones = new Map<string, string | null>();
    for (let atMs = 0; atMs <= 130_000; atMs += 250) {
      crowd.advance(atMs);
      for (const { tagId, zoneId } of crowd.positions()) if (!firstZones.has(tagId) && atMs > 0) firstZones.set(tagId, zoneId);
    }
    expect(crowd.positions()).toHaveLength(60);
    const late = [...firstZones].filter(([tagId]) => !["tag-001", "tag-002"].includes(tagId)).map(([, zoneId]) => zoneId);
    expect(late.every((zoneId) => zoneId === "registration")).toBe(true);
  });

  test("have tag ids and roles by number", () => {
    expect(walkerTagIds(2)).toEqual(["tag-001", "tag-002"]);
    const roles = Array.from({ length: 48 }, (_, index) => walkerRole(index));
    for (const role of ["attendee", "exhibitor", "speaker", "staff"]) expect(roles).toContain(role);
    expect(roles.slice(0, 2)).toEqual(["attendee", "attendee"]);
    expect(newCrowd(venue, 1, { tags: ["badge-a", "badge-b"] }).tagIds).toEqual(["badge-a", "badge-b"]);
  });
});

describe("ways", () => {
  const room = (zoneId: string, minXM: number, maxXM: number, floor = 0, kind = "room") => ({
    zoneId, name: zoneId, kind, floor, polygons: [[[minXM, 0], [maxXM, 0], [maxXM, 6], [minXM, 6]]],
  });

  test("lead through the door, not through the wall", () => {
    const two = venueMapSchema.parse({ venueId: "two", floors: [{ floor: 0, name: "g" }], zones: [room("left", 0, 6), room("right", 6, 12)], gateways: [], walls: [[6, 0, 6, 5]] });
    const path = newNavigation(two).path({ xM: 3, yM: 1, floor: 0 }, { xM: 9, yM: 1, floor: 0 });
    expect(path?.some(({ yM }) => yM > 5)).toBe(true);
    const lengthM = (path ?? []).slice(1).reduce((sum, point, i) => sum + Math.hypot(point.xM - (path?.[i]?.xM ?? 0), point.yM - (path?.[i]?.yM ?? 0)), 0);
    // The taut string round the wall's end is 10.4 m.
    expect(lengthM).toBeLessThan(12);
  });

  test("do not exist to a closed room: it is named, and nobody is sent there", () => {
    const closed = venueMapSchema.parse({ venueId: "c", floors: [{ floor: 0, name: "g" }], zones: [room("open", 0, 8), room("closed", 8, 12)], gateways: [], walls: [[8, 0, 8, 6]] });
    const crowd = newCrowd(closed, 1, { tags: 5 });
    expect(crowd.navigation.unreachableZoneIds).toEqual(["closed"]);
    expect(crowd.navigation.path({ xM: 1, yM: 1, floor: 0 }, { xM: 10, yM: 1, floor: 0 })).toBeNull();
    for (let atMs = 0; atMs < 200_000; atMs += 5_000) {
      crowd.advance(atMs);
      for (const { zoneId } of crowd.positions()) expect(zoneId).toBe("open");
    }
  });

  test("do not lead to another floor where the map has no stairs", () => {
    const flats = venueMapSchema.parse({ venueId: "f", floors: [{ floor: 0, name: "g" }, { floor: 1, name: "u" }], zones: [room("down", 0, 8), room("up", 0, 6, 1)], gateways: [] });
    expect(newNavigation(flats).unreachableZoneIds).toEqual(["up"]);
    const joined = venueMapSchema.parse({ ...flats, zones: [...flats.zones, room("s0", 8, 12, 0, "stairs"), room("s1", 6, 12, 1, "stairs")] });
    const path = newNavigation(joined).path({ xM: 1, yM: 3, floor: 0 }, { xM: 1, yM: 3, floor: 1 });
    expect(path?.at(-1)?.floor).toBe(1);
    expect(newNavigation(joined).unreachableZoneIds).toEqual([]);
  });

  test("a venue without a place to stand says so", () => {
    const empty = venueMapSchema.parse({ venueId: "e", floors: [{ floor: 0, name: "g" }], zones: [], gateways: [] });
    expect(() => newCrowd(empty, 1)).toThrow(/no zone with a polygon/);
  });

  test("a spot near a companion is within arm's reach and on the same side of the wall", () => {
    const navigation = newNavigation(venue);
    const dice = newRandom("spots");
    for (let i = 0; i < 200; i++) {
      const zoneId = dice.pick(navigation.reachableZoneIds);
      const first = navigation.spot(zoneId, dice);
      expect(first).not.toBeNull();
      if (first === null) continue;
      expect(navigation.zoneAt(first)).toBe(zoneId);
      const second = navigation.spot(zoneId, dice, first);
      expect(second).not.toBeNull();
      if (second === null) continue;
      expect(Math.hypot(first.xM - second.xM, first.yM - second.yM)).toBeLessThan(2);
      expect(navigation.walls(first.floor).crossings(first.xM, first.yM, second.xM, second.yM)).toBe(0);
    }
  });
});
