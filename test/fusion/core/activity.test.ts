import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSchedule, regionSchema, venueMapSchema, ConfigError, type Activity } from "@konferenco/protocol";
import { detectActivity, newActivityState, planActivities } from "../../../fusion/src/core/activity.ts";
import { countCrowd, forgetInCrowd, newCrowding } from "../../../fusion/src/core/crowding.ts";
import { detectRegions, indexRegions, leaveRegions, newRegionState } from "../../../fusion/src/core/regions.ts";
import { zone } from "../venues.ts";

const MINUTE = 60_000;
const venue = venueMapSchema.parse({
  venueId: "fair",
  floors: [{ floor: 0, name: "ground" }],
  zones: [
    zone("hall", [0, 0, 20, 20], { kind: "hall" }),
    zone("room-1", [20, 0, 30, 10]),
    zone("stand-7", [0, 20, 4, 24], { kind: "booth" }),
    zone("lounge", [20, 10, 30, 20], { kind: "lounge" }),
    zone("corridor", [30, 0, 34, 20], { kind: "corridor" }),
  ],
  gateways: [],
});
const schedule = parseSchedule(
  JSON.stringify({
    v: 1,
    sessions: [
      { sessionId: "keynote", name: "Keynote", zoneId: "room-1", startMs: 60 * MINUTE, endMs: 120 * MINUTE, capacity: 20 },
      { sessionId: "panel", name: "Panel", zoneId: "room-1", startMs: 120 * MINUTE, endMs: 150 * MINUTE },
    ],
    booths: [{ exhibitorId: "acme", name: "Acme", zoneId: "stand-7" }],
  }),
  "schedule.json",
);
const plan = planActivities(venue, schedule);

/** Somebody's day as stretches; what the activity was told to be, and when. */
function day(stretches: { zoneId: string | null; fromMs: number; toMs: number; nearOthers?: number }[]): { atMin: number; activity: Activity }[] {
  const state = newActivityState();
  const told: { atMin: number; activity: Activity }[] = [];
  for (const { zoneId, fromMs, toMs, nearOthers = 0 } of stretches) {
    for (let nowMs = fromMs; nowMs < toMs; nowMs += 1_000) {
      const change = detectActivity(state, { tagId: "tag", zoneId, nearOthers }, plan, nowMs);
      if (change !== null) told.push({ atMin: Math.round((change.atMs / MINUTE) * 10) / 10, activity: change.activity });
    }
  }
  return told;
}

describe("somebody's activity", () => {
  it("is the session while it runs in their room, the next one as it follows, and exploring afterwards", () => {
    const told = day([
      { zoneId: "room-1", fromMs: 55 * MINUTE, toMs: 152 * MINUTE },
      { zoneId: "corridor", fromMs: 152 * MINUTE, toMs: 156 * MINUTE },
    ]);
    expect(told.map(({ activity }) => activity)).toEqual([{ kind: "in_session", sessionId: "keynote" }, { kind: "in_session", sessionId: "panel" }, { kind: "exploring" }]);
    expect(told[1]?.atMin).toBeCloseTo(120.5, 1);
  });

  it("stays the session over a minute outside of the door", () => {
    const told = day([
      { zoneId: "room-1", fromMs: 61 * MINUTE, toMs: 80 * MINUTE },
      { zoneId: "corridor", fromMs: 80 * MINUTE, toMs: 81 * MINUTE },
      { zoneId: "room-1", fromMs: 81 * MINUTE, toMs: 90 * MINUTE },
    ]);
    expect(told.map(({ activity }) => activity.kind)).toEqual(["in_session"]);
  });

  it("is not a visit when they only walk past a stand, and one when they stay", () => {
    expect(day([{ zoneId: "hall", fromMs: 0, toMs: MINUTE }, { zoneId: "stand-7", fromMs: MINUTE, toMs: MINUTE + 10_000 }, { zoneId: "hall", fromMs: MINUTE + 10_000, toMs: 3 * MINUTE }]).map(({ activity }) => activity.kind)).toEqual(["exploring"]);
    expect(day([{ zoneId: "hall", fromMs: 0, toMs: MINUTE }, { zoneId: "stand-7", fromMs: MINUTE, toMs: 3 * MINUTE }]).map(({ activity }) => activity)).toEqual([{ kind: "exploring" }, { kind: "at_booth", exhibitorId: "acme" }]);
  });

  it("is networking in the lounge, and in the hall among others", () => {
    expect(day([{ zoneId: "lounge", fromMs: 0, toMs: 2 * MINUTE }])).toMatchObject([{ activity: { kind: "networking" } }]);
    expect(day([{ zoneId: "hall", fromMs: 0, toMs: 2 * MINUTE, nearOthers: 2 }])).toMatchObject([{ activity: { kind: "networking" } }]);
  });

  it("never changes more often than its holds allow, wherever the zones flicker", () => {
    const look = fc.record({ zoneId: fc.constantFrom("hall", "room-1", "stand-7", "lounge", null), nearOthers: fc.nat(1) });
    fc.assert(
      fc.property(fc.array(look, { maxLength: 200 }), (looks) => {
        const state = newActivityState();
        let lastMs = -Infinity;
        looks.forEach((input, i) => {
          const nowMs = 60 * MINUTE + i * 5_000;
          const change = detectActivity(state, { tagId: "tag", ...input }, plan, nowMs);
          if (change === null) return;
          expect(nowMs - lastMs).toBeGreaterThanOrEqual(20_000);
          expect(change.activity).not.toEqual(change.before);
          lastMs = nowMs;
        });
      }),
    );
  });
});

describe("a schedule", () => {
  it.each([
    ["ends before it begins", { sessions: [{ sessionId: "s", name: "S", zoneId: "hall", startMs: 2, endMs: 1 }] }, /ends before it begins/],
    ["has a session twice", { sessions: [1, 2].map(() => ({ sessionId: "s", name: "S", zoneId: "hall", startMs: 1, endMs: 2 })) }, /"s" is there twice/],
    ["is in a room that the map does not have", { booths: [{ exhibitorId: "e", name: "E", zoneId: "attic" }] }, /zone "attic"/],
  ])("that %s is refused with the place of the fault", (_, given, why) => {
    const read = () => parseSchedule(JSON.stringify({ v: 1, ...given }), "schedule.json", new Set(["hall"]));
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(why);
  });
});

describe("a room that fills", () => {
  const people = (n: number, zoneId = "room-1") => Array.from({ length: n }, (_, i) => ({ tagId: `tag-${i}`, zoneId, activity: { kind: "in_session" as const, sessionId: "keynote" } }));

  it("is a hot spot once it has been four fifths full for half a minute, and until it is well below", () => {
    const crowding = newCrowding(venue, schedule);
    const told: [number, boolean][] = [];
    const look = (n: number, nowMs: number) => countCrowd(crowding, people(n), nowMs).hotSpots.forEach(({ hot }) => told.push([nowMs, hot]));
    look(16, 0);
    look(15, 10_000); // hesitates
    look(16, 20_000);
    look(17, 50_000);
    look(14, 60_000); // still hot: above three fifths
    look(11, 70_000);
    look(11, 100_000);
    expect(told).toEqual([[50_000, true], [100_000, false]]);
  });

  it("never flickers faster than it holds, whatever the counts", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(25), { maxLength: 120 }), (counts) => {
        const crowding = newCrowding(venue, schedule);
        let last: { atMs: number; hot: boolean } | null = null;
        counts.forEach((n, i) => {
          for (const change of countCrowd(crowding, people(n), i * 5_000).hotSpots) {
            if (last !== null) expect(change.hot).toBe(!last.hot);
            if (last !== null) expect(change.atMs - last.atMs).toBeGreaterThanOrEqual(30_000);
            last = change;
          }
        });
      }),
    );
  });

  it("counts heads per zone, and as attendees only those who stay five minutes", () => {
    const crowding = newCrowding(venue, schedule);
    countCrowd(crowding, people(10), 0);
    countCrowd(crowding, people(6), 4 * MINUTE);
    const { zones, sessions } = countCrowd(crowding, people(3), 6 * MINUTE);
    expect(zones.find(({ zoneId }) => zoneId === "room-1")).toEqual({ zoneId: "room-1", count: 3, capacity: 20, hot: false });
    expect(sessions).toEqual([{ sessionId: "keynote", present: 3, attended: 3, peak: 10 }]);
    forgetInCrowd(crowding, "tag-0");
    expect(countCrowd(crowding, [], 7 * MINUTE).sessions).toEqual([{ sessionId: "keynote", present: 0, attended: 2, peak: 10 }]);
  });
});

describe("a region", () => {
  const regions = indexRegions(venue, [
    regionSchema.parse({ regionId: "track", name: "Track 1", area: { zoneIds: ["room-1"] }, channelId: "track-1", autoJoin: true }),
    regionSchema.parse({ regionId: "stage", name: "Stage", area: { xM: 10, yM: 10, floor: 0, radiusM: 5 } }),
  ]);

  it("is entered after three seconds inside and left after three outside", () => {
    const state = newRegionState();
    const at = (xM: number, nowMs: number) => detectRegions(state, "tag", { xM, yM: 5, floor: 0 }, regions, nowMs);
    expect(at(25, 0)).toEqual([]);
    expect(at(25, 3_000)).toEqual([{ transition: "enter", tagId: "tag", regionId: "track", channelId: "track-1", autoJoin: true, atMs: 3_000 }]);
    expect(at(19.5, 4_000)).toEqual([]); // half a metre outside is the edge
    expect(at(15, 8_000)).toEqual([]);
    expect(at(15, 11_000)).toMatchObject([{ transition: "exit", regionId: "track" }]);
  });

  it("is entered and left in turn, however somebody walks", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.double({ min: 0, max: 34, noNaN: true }), fc.double({ min: 0, max: 24, noNaN: true }), fc.nat(1)), { maxLength: 150 }), (steps) => {
        const state = newRegionState();
        const inside = new Set<string>();
        const check = ({ transition, regionId }: { transition: string; regionId: string }) => {
          expect(inside.has(regionId)).toBe(transition === "exit");
          if (transition === "exit") inside.delete(regionId);
          else inside.add(regionId);
        };
        steps.forEach(([xM, yM, floor], i) => detectRegions(state, "tag", { xM, yM, floor }, regions, i * 1_000).forEach(check));
        leaveRegions(state, "tag", regions, steps.length * 1_000).forEach(check);
        expect(inside.size).toBe(0);
      }),
    );
  });
});
