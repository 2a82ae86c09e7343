import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigError, EMPTY_SCHEDULE, venueMapSchema, type Schedule } from "@konferenco/protocol";
import { MAX_SCHEDULE_BYTES, openSchedule } from "../../cli/src/schedule-file.ts";
import { temporaryFolder } from "../support/konferenco.ts";

const venue = venueMapSchema.parse({ venueId: "one-room", floors: [{ floor: 0, name: "ground" }], zones: [{ zoneId: "room", name: "Room", kind: "room", floor: 0 }], gateways: [] });
const WAIT = { timeout: 20_000, interval: 20 };

let file: string;
let taken: Schedule[];
let logged: { event: string; reason?: string }[];
let stop: () => void;

beforeEach(() => {
  file = path.join(temporaryFolder("schedule"), "schedule.json");
  [taken, logged, stop] = [[], [], () => {}];
});
afterEach(() => stop());

const write = (sessions: object[]) => fs.writeFileSync(file, JSON.stringify({ v: 1, sessions }));
const talk = (name: string, zoneId = "room") => ({ sessionId: name, name, zoneId, startMs: 0, endMs: 1 });
const open = () => openSchedule({ schedule: file, venue: "venue.json" }, venue, 0);
function follow(source = open()): void {
  stop = source.follow((schedule) => taken.push(schedule), (event) => logged.push(event as (typeof logged)[number]), 10);
}
const namesTaken = () => taken.map(({ sessions }) => sessions.map(({ name }) => name).join());

describe("the schedule's file", () => {
  it("is taken up anew each time it changes, also when another file is put in its place", async () => {
    write([talk("one")]);
    const source = open();
    expect(source.first.sessions).toMatchObject([{ name: "one" }]);
    // Between the start and the first look.
    write([talk("one"), talk("two")]);
    follow(source);
    await vi.waitFor(() => expect(namesTaken()).toEqual(["one,two"]), WAIT);
    fs.writeFileSync(`${file}.new`, JSON.stringify({ v: 1, sessions: [talk("three")] }));
    fs.renameSync(`${file}.new`, file);
    await vi.waitFor(() => expect(namesTaken()).toEqual(["one,two", "three"]), WAIT);
    expect(logged).toMatchObject([{ event: "schedule taken up", sessions: 2 }, { event: "schedule taken up", sessions: 1 }]);
  });

  it.each([
    ["is no JSON", () => fs.writeFileSync(file, '{"v":1,"sess'), "is not JSON"],
    ["is in a zone that the map does not have", () => write([talk("lost", "attic")]), 'zone "attic"'],
    ["breaks off in a name", () => fs.writeFileSync(file, '{"v":1,"meetings":[{"personIds":[anna'), /is not JSON: [^"]*$/],
    ["has a meeting in a zone that the map does not have", () => fs.writeFileSync(file, JSON.stringify({ v: 1, sessions: [], meetings: [{ meetingId: "m1", name: "Anna and Ben", personIds: ["anna", "ben"], zoneId: "attic", startMs: 0, endMs: 1 }] })), /json: "m1" is in zone "attic"/],
    ["is gone", () => fs.rmSync(file), "cannot be read"],
    ["is too large", () => fs.writeFileSync(file, " ".repeat(MAX_SCHEDULE_BYTES + 1)), `at most ${MAX_SCHEDULE_BYTES}`],
  ])("that %s is refused, once, and the one before goes on until it is mended", async (_, spoil, reason) => {
    write([talk("one")]);
    follow();
    spoil();
    await vi.waitFor(() => expect(logged).toHaveLength(1), WAIT);
    expect(logged[0]).toMatchObject({ event: "schedule refused", file, reason: expect.stringMatching(reason) });
    expect(taken).toEqual([]);
    write([talk("two")]);
    await vi.waitFor(() => expect(namesTaken()).toEqual(["two"]), WAIT);
    expect(logged.map(({ event }) => event)).toEqual(["schedule refused", "schedule taken up"]);
  });

  it("that cannot be used stops the start; without one nothing is on, and nothing is followed", () => {
    expect(open).toThrow(ConfigError);
    const none = openSchedule({ venue: "venue.json" }, venue, 0);
    expect(none.first).toBe(EMPTY_SCHEDULE);
    follow(none);
  });
});
