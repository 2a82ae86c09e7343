import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { regionSchema, type Meeting } from "@konferenco/protocol";
import { findChannelsNearby, signalPctOf } from "../../../bridge/src/core/channels-nearby.ts";
import { followMeeting, meetingOf, newMeetingState } from "../../../bridge/src/core/meetings.ts";

const circle = (channelId: string, xM: number, more: object = {}) => regionSchema.parse({ regionId: `at-${channelId}`, name: channelId, area: { xM, yM: 0, floor: 0, radiusM: 5 }, channelId, ...more });
const NOWHERE = { zoneId: null, point: null };
const noZones = () => undefined;
const silent = new Map<string, number>();

describe("channels nearby", () => {
  const here = { zoneId: null, point: { xM: 0, yM: 0, floor: 0 } };

  it("come nearest first, with the distance to their region", () => {
    const found = findChannelsNearby({ at: here, interests: [], signalsDbm: silent }, [circle("far", 30), circle("here", 2), circle("near", 12)], noZones);
    expect(found.map(({ channelId, distanceM }) => [channelId, distanceM])).toEqual([["here", 0], ["near", 7], ["far", 25]]);
  });

  it("that share an interest come before others equally near", () => {
    const found = findChannelsNearby({ at: here, interests: ["ai"], signalsDbm: silent }, [circle("golf", 12), circle("robots", 12, { topics: ["AI"] })], noZones);
    expect(found.map(({ channelId }) => channelId)).toEqual(["robots", "golf"]);
  });

  it("are found by their signal alone, in percent, where nobody knows the phone's place", () => {
    const found = findChannelsNearby({ at: NOWHERE, interests: [], signalsDbm: new Map([["aa:bb:cc:00:00:01", -70]]) }, [circle("room", 12, { signals: ["aa:bb:cc:00:00:01"], autoJoin: true }), circle("other", 12)], noZones);
    expect(found).toMatchObject([{ channelId: "room", distanceM: 3, signalPct: 50, autoJoin: true }]);
    expect([signalPctOf(-30), signalPctOf(-100), signalPctOf(-120)]).toEqual([100, 0, 0]);
  });

  it("on another floor or beyond 60 m are none", () => {
    expect(findChannelsNearby({ at: { zoneId: null, point: { xM: 0, yM: 0, floor: 1 } }, interests: [], signalsDbm: silent }, [circle("below", 0)], noZones)).toEqual([]);
    expect(findChannelsNearby({ at: here, interests: [], signalsDbm: silent }, [circle("away", 70)], noZones)).toEqual([]);
  });

  it("are at most twenty, each once, never less relevant for being nearer", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -80, max: 80, noNaN: true }), { maxLength: 60 }), (xs) => {
        const found = findChannelsNearby({ at: here, interests: [], signalsDbm: silent }, xs.map((xM, i) => circle(`c${i % 30}`, xM)), noZones);
        expect(found.length).toBeLessThanOrEqual(20);
        expect(new Set(found.map(({ channelId }) => channelId)).size).toBe(found.length);
        found.slice(1).forEach((channel, i) => expect(channel.distanceM).toBeGreaterThanOrEqual(found[i]?.distanceM ?? 0));
      }),
    );
  });
});

describe("a meeting", () => {
  const MINUTE = 60_000;
  const meeting = (over: Partial<Meeting> = {}): Meeting => ({ meetingId: "m1", name: "Talk", zoneId: "booth", startMs: 60 * MINUTE, endMs: 90 * MINUTE, personIds: ["ann", "bob"], ...over });
  /** As Ann sees it. */
  const zones = (of: Record<string, string>, self = "ann") => ({ ownZoneId: of[self] ?? null, zoneIdOf: (personId: string) => of[personId] ?? null, isNear: () => false });

  it("is on for those who are in its room with another of its people", () => {
    const now = 65 * MINUTE;
    expect(meetingOf("ann", [meeting()], zones({ ann: "booth", bob: "booth" }), now)).toEqual({ kind: "in_meeting", meetingId: "m1" });
    expect(meetingOf("ann", [meeting()], zones({ ann: "booth", bob: "hall" }), now)).toBeNull();
    expect(meetingOf("eve", [meeting()], zones({ eve: "booth", ann: "booth", bob: "booth" }, "eve"), now)).toBeNull();
    expect(meetingOf("ann", [meeting()], zones({ ann: "booth", bob: "booth" }), 10 * MINUTE)).toBeNull();
  });

  it("with no room is wherever its people are near each other", () => {
    const near = { ownZoneId: null, zoneIdOf: () => null, isNear: (other: string) => other === "bob" };
    expect(meetingOf("ann", [meeting({ zoneId: null })], near, 65 * MINUTE)).toEqual({ kind: "in_meeting", meetingId: "m1" });
  });

  it("that runs goes before one that is over", () => {
    const both = [meeting(), meeting({ meetingId: "m2", startMs: 90 * MINUTE, endMs: 120 * MINUTE })];
    expect(meetingOf("ann", both, zones({ ann: "booth", bob: "booth" }), 95 * MINUTE)).toEqual({ kind: "in_meeting", meetingId: "m2" });
  });

  it("begins when it has held half a minute and ends when it has been over for one", () => {
    const state = newMeetingState();
    const inMeeting = { kind: "in_meeting", meetingId: "m1" } as const;
    const shown = (nowMs: number, on: boolean) => followMeeting(state, on ? inMeeting : null, nowMs) !== null;
    expect([shown(0, true), shown(29_000, true), shown(30_000, true), shown(40_000, false), shown(99_000, false), shown(100_000, false)]).toEqual([false, false, true, true, true, false]);
  });
});
