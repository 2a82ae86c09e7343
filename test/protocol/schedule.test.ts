import { describe, expect, it } from "vitest";
import { ConfigError, activityOfPlace, isInRunningSession, parseSchedule, planActivities, venueMapSchema } from "@konferenco/protocol";
import { zone } from "../fusion/venues.ts";

describe("a schedule", () => {
  it.each([
    ["ends before it begins", { sessions: [{ sessionId: "s", name: "S", zoneId: "hall", startMs: 2, endMs: 1 }] }, /ends before it begins/],
    ["has a session twice", { sessions: [1, 2].map(() => ({ sessionId: "s", name: "S", zoneId: "hall", startMs: 1, endMs: 2 })) }, /"s" is there twice/],
    ["has a region of a zone that the map does not have", { regions: [{ regionId: "r", name: "R", area: { zoneIds: ["hall", "attic"] } }] }, /zone "attic"/],
    ["has a channel that no client could subscribe to", { regions: [{ regionId: "r", name: "R", area: { zoneIds: ["hall"] }, channelId: ".hidden" }] }, /channelId/],
    ["is in a room that the map does not have", { booths: [{ exhibitorId: "e", name: "E", zoneId: "attic" }] }, /zone "attic"/],
  ])("that %s is refused with the place of the fault", (_, given, why) => {
    const read = () => parseSchedule(JSON.stringify({ v: 1, ...given }), "schedule.json", new Set(["hall"]));
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(why);
  });
});

describe("what a place says of whoever is there", () => {
  const venue = venueMapSchema.parse({
    venueId: "fair",
    floors: [{ floor: 0, name: "ground" }],
    zones: [zone("room", [0, 0, 8, 8]), zone("stand", [8, 0, 12, 4], { kind: "booth" }), zone("bar", [8, 4, 12, 8], { kind: "food" }), zone("hall", [0, 8, 12, 20], { kind: "hall" })],
    gateways: [],
  });
  const session = (sessionId: string, startMin: number, endMin: number) => ({ sessionId, name: sessionId, zoneId: "room", startMs: startMin * 60_000, endMs: endMin * 60_000 });
  const plan = planActivities(venue, { sessions: [session("second", 90, 120), session("first", 30, 60)], booths: [{ exhibitorId: "acme", name: "Acme", zoneId: "stand" }] });
  const atMin = (zoneId: string | null, minute: number) => activityOfPlace(zoneId, plan, minute * 60_000);

  it.each([
    ["room", 19, { kind: "exploring" }],
    ["room", 20, { kind: "in_session", sessionId: "first" }],
    ["room", 64, { kind: "in_session", sessionId: "first" }],
    ["room", 66, { kind: "exploring" }],
    ["room", 85, { kind: "in_session", sessionId: "second" }],
    ["stand", 40, { kind: "at_booth", exhibitorId: "acme" }],
    ["bar", 40, { kind: "networking" }],
    ["hall", 40, { kind: "exploring" }],
    [null, 40, { kind: "exploring" }],
  ])("in %s at minute %i: %o", (zoneId, minute, activity) => {
    expect(atMin(zoneId, minute)).toEqual(activity);
  });

  it("a session runs between its times, not while people come and go", () => {
    expect([29, 30, 59, 60].map((minute) => isInRunningSession("room", plan, minute * 60_000))).toEqual([false, true, true, false]);
  });
});
