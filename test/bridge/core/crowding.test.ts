import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planActivities, venueMapSchema } from "@konferenco/protocol";
import { forgetAttendance, isOver, markHotSpots, newHotSpots, noteAttendance, type AttendanceBook } from "../../../bridge/src/core/crowding.ts";
import { zone } from "../../fusion/venues.ts";

const MINUTE = 60_000;
const venue = venueMapSchema.parse({ venueId: "fair", floors: [{ floor: 0, name: "ground" }], zones: [zone("room-1", [20, 0, 30, 10]), zone("hall", [0, 0, 20, 20], { kind: "hall" }), { zoneId: "undrawn", name: "Yard", kind: "outdoor", floor: 0 }], gateways: [] });
const keynote = { sessionId: "keynote", name: "Keynote", zoneId: "room-1", startMs: 0, endMs: 60 * MINUTE, capacity: 20 };
const plan = planActivities(venue, { sessions: [keynote], booths: [] });

describe("a room that fills", () => {
  const look = (spots: ReturnType<typeof newHotSpots>, count: number, nowMs: number) => {
    markHotSpots(spots, (zoneId) => (zoneId === "room-1" ? count : 0), nowMs);
    return spots.get("room-1")?.hot;
  };

  it("is a hot spot once it has been four fifths full for half a minute, and until it is well below", () => {
    const spots = newHotSpots(venue, plan);
    const told = [[16, 0], [15, 10_000], [16, 20_000], [17, 50_000], [14, 60_000], [11, 70_000], [11, 100_000]].map(([count = 0, nowMs = 0]) => look(spots, count, nowMs));
    // At 15 it hesitates; at 14 it is still above three fifths.
    expect(told).toEqual([false, false, false, true, true, true, false]);
  });

  it("holds the seats of its sessions, else what its floor holds, else a guess", () => {
    const spots = newHotSpots(venue, plan);
    expect(["room-1", "hall", "undrawn"].map((zoneId) => spots.get(zoneId)?.capacity)).toEqual([20, 200, 30]);
  });

  it("stays what it is when the schedule changes, and is asked anew of the other seats", () => {
    const spots = newHotSpots(venue, plan);
    expect([look(spots, 16, 0), look(spots, 16, 30_000)]).toEqual([false, true]);
    const larger = newHotSpots(venue, planActivities(venue, { sessions: [{ ...keynote, capacity: 100 }], booths: [] }), spots);
    expect(larger.get("room-1")).toEqual({ capacity: 100, hot: true, crossedAtMs: null });
    expect([look(larger, 16, 40_000), look(larger, 16, 70_000)]).toEqual([true, false]);
  });

  it("never flickers faster than it holds, whatever the counts", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(25), { maxLength: 120 }), (counts) => {
        const spots = newHotSpots(venue, plan);
        let changedAtMs = -Infinity;
        let before: boolean | undefined = false;
        counts.forEach((count, i) => {
          const hot = look(spots, count, i * 5_000);
          if (hot === before) return;
          expect(i * 5_000 - changedAtMs).toBeGreaterThanOrEqual(30_000);
          changedAtMs = i * 5_000;
          before = hot;
        });
      }),
    );
  });
});

describe("attendance", () => {
  /** Without a pause. */
  const noteAll = (...args: Parameters<typeof noteAttendance>) => {
    const look = noteAttendance(...args);
    let step = look.next();
    while (step.done !== true) step = look.next();
    return step.value;
  };
  const people = (n: number) => Array.from({ length: n }, (_, i) => ({ tagId: `tag-${i}`, position: { activity: { kind: "in_session" as const, sessionId: "keynote" } } }));

  it("counts who is there, and as attendees only those who stay five minutes", () => {
    const sessions: AttendanceBook = new Map();
    noteAll(sessions, people(10), plan, 0);
    noteAll(sessions, people(6), plan, 4 * MINUTE);
    expect(noteAll(sessions, people(3), plan, 6 * MINUTE)).toEqual([{ sessionId: "keynote", present: 3, attended: 3, peak: 10 }]);
    forgetAttendance(sessions, "tag-0");
    expect(noteAll(sessions, [], plan, 7 * MINUTE)).toEqual([{ sessionId: "keynote", present: 0, attended: 2, peak: 10 }]);
  });

  it("of a session that is over is a number, and no list of tags", () => {
    const sessions: AttendanceBook = new Map();
    noteAll(sessions, people(4), plan, 0);
    noteAll(sessions, people(4), plan, 6 * MINUTE);
    const over = noteAll(sessions, [], plan, 71 * MINUTE);
    expect(over).toEqual([{ sessionId: "keynote", present: 0, attended: 4, peak: 4 }]);
    expect(sessions.get("keynote")?.attended.size).toBe(0);
    expect(noteAll(sessions, [], plan, 80 * MINUTE)).toEqual(over);
  });

  it("of a session that the schedule does not have is over ten minutes after its last people: fusion may have read the change first", () => {
    const sessions: AttendanceBook = new Map();
    const before = planActivities(venue, { sessions: [], booths: [] });
    for (const minute of [0, 6]) noteAll(sessions, people(4), before, minute * MINUTE);
    noteAll(sessions, [], before, 7 * MINUTE);
    for (const minute of [8, 14]) noteAll(sessions, people(4), plan, minute * MINUTE);
    expect(noteAll(sessions, [], plan, 15 * MINUTE)).toEqual([{ sessionId: "keynote", present: 0, attended: 4, peak: 4 }]);
    expect([23, 24].map((minute) => isOver("keynote", sessions.get("keynote"), before, minute * MINUTE))).toEqual([false, true]); // taken out again
  });

  it("pauses every 250 tags, so that a hall of people holds nobody up, and comes to the same", () => {
    const pausesOf = (book: AttendanceBook, nowMs: number) => [...noteAttendance(book, people(2_000), plan, nowMs)].length;
    const book: AttendanceBook = new Map();
    expect([pausesOf(book, 0), pausesOf(book, 6 * MINUTE)]).toEqual([16, 24]);
    expect(noteAll(book, people(2_000), plan, 7 * MINUTE)).toEqual([{ sessionId: "keynote", present: 2_000, attended: 2_000, peak: 2_000 }]);
  });

  it("of people who do something else, or whose position is not known, is none", () => {
    expect(noteAll(new Map(), [{ tagId: "a", position: null }, { tagId: "b", position: {} }, { tagId: "c", position: { activity: { kind: "networking" } } }], plan, 0)).toEqual([]);
  });
});
