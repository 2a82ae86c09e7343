import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planActivities, scheduleSchema, venueMapSchema, type Activity } from "@konferenco/protocol";
import { activityStateOf, followActivity } from "../../../fusion/src/core/activity.ts";
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
const schedule = scheduleSchema.parse({
  v: 1,
  sessions: [
    { sessionId: "keynote", name: "Keynote", zoneId: "room-1", startMs: 60 * MINUTE, endMs: 120 * MINUTE, capacity: 20 },
    { sessionId: "panel", name: "Panel", zoneId: "room-1", startMs: 120 * MINUTE, endMs: 150 * MINUTE },
  ],
  booths: [{ exhibitorId: "acme", name: "Acme", zoneId: "stand-7" }],
});
const plan = planActivities(venue, schedule);

/** Somebody's day as stretches; what the activity was told to be, and when. */
function day(stretches: { zoneId: string | null; fromMs: number; toMs: number; hasCompany?: boolean }[]): { atMin: number; activity: Activity }[] {
  const state = activityStateOf(null, stretches[0]?.fromMs ?? 0);
  const told: { atMin: number; activity: Activity }[] = [];
  for (const { zoneId, fromMs, toMs, hasCompany = false } of stretches) {
    for (let nowMs = fromMs; nowMs < toMs; nowMs += 1_000) {
      const before = state.activity;
      const activity = followActivity(state, { zoneId, hasCompany }, plan, nowMs);
      if (activity !== null && activity !== before) told.push({ atMin: Math.round((nowMs / MINUTE) * 10) / 10, activity });
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

  it("is over half a minute after they have gone somewhere else", () => {
    const told = day([
      { zoneId: "room-1", fromMs: 61 * MINUTE, toMs: 80 * MINUTE },
      { zoneId: "hall", fromMs: 80 * MINUTE, toMs: 82 * MINUTE },
    ]);
    expect(told.map(({ atMin, activity }) => [atMin, activity.kind])).toEqual([[61.5, "in_session"], [80.5, "exploring"]]);
  });

  it("is not a visit when they only walk past a stand, and one when they stay", () => {
    expect(day([{ zoneId: "hall", fromMs: 0, toMs: MINUTE }, { zoneId: "stand-7", fromMs: MINUTE, toMs: MINUTE + 10_000 }, { zoneId: "hall", fromMs: MINUTE + 10_000, toMs: 3 * MINUTE }]).map(({ activity }) => activity.kind)).toEqual(["exploring"]);
    expect(day([{ zoneId: "hall", fromMs: 0, toMs: MINUTE }, { zoneId: "stand-7", fromMs: MINUTE, toMs: 3 * MINUTE }]).map(({ activity }) => activity)).toEqual([{ kind: "exploring" }, { kind: "at_booth", exhibitorId: "acme" }]);
  });

  it("is networking in the lounge, and in the hall among others", () => {
    expect(day([{ zoneId: "lounge", fromMs: 0, toMs: 2 * MINUTE }])).toMatchObject([{ activity: { kind: "networking" } }]);
    expect(day([{ zoneId: "hall", fromMs: 0, toMs: 2 * MINUTE, hasCompany: true }])).toMatchObject([{ activity: { kind: "networking" } }]);
  });

  it("never changes more often than its holds allow, wherever the zones flicker", () => {
    const look = fc.record({ zoneId: fc.constantFrom("hall", "room-1", "stand-7", "lounge", null), hasCompany: fc.boolean() });
    fc.assert(
      fc.property(fc.array(look, { maxLength: 200 }), (looks) => {
        const state = activityStateOf(null, 60 * MINUTE);
        let lastMs = -Infinity;
        looks.forEach((input, i) => {
          const nowMs = 60 * MINUTE + i * 5_000;
          const before = state.activity;
          if (followActivity(state, input, plan, nowMs) === before) return;
          expect(nowMs - lastMs).toBeGreaterThanOrEqual(20_000);
          expect(state.activity).not.toEqual(before);
          lastMs = nowMs;
        });
      }),
    );
  });

  it("goes on across a restart of fusion, without 30 s of nothing", () => {
    const state = activityStateOf({ kind: "in_session", sessionId: "keynote" }, 70 * MINUTE);
    expect(followActivity(state, { zoneId: "room-1", hasCompany: false }, plan, 70 * MINUTE + 500)).toEqual({ kind: "in_session", sessionId: "keynote" });
  });
});
