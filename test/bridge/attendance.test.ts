import { planActivities, scheduleSchema, venueMapSchema } from "@konferenco/protocol";
import { newInProcessPinboard } from "@konferenco/bridge";
import { expect, it } from "vitest";
import { Attendance } from "../../bridge/src/attendance.ts";
import { LivePicture } from "../../bridge/src/core/live-picture.ts";

const MINUTE_MS = 60_000;
const venue = venueMapSchema.parse({ venueId: "one-room", floors: [{ floor: 0, name: "ground" }], zones: [{ zoneId: "room", name: "Room", kind: "room", floor: 0 }], gateways: [] });
const planOf = (endMs: number) => planActivities(venue, scheduleSchema.parse({ v: 1, sessions: [{ sessionId: "talk", name: "Talk", zoneId: "room", startMs: 0, endMs }] }));

it("of a session that is on again after it was over stays what it was: nobody counts twice", async () => {
  const picture = new LivePicture();
  const attendance = new Attendance({ picture, pinboard: newInProcessPinboard(() => 0), key: new Uint8Array(32) });
  const sit = (atMs: number, isOn: boolean) => {
    for (const tagId of ["anna", "ben"]) picture.setPosition({ tagId, atMs, xM: 0, yM: 0, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 1, source: "beacon", zoneId: "room", activity: isOn ? { kind: "in_session", sessionId: "talk" } : { kind: "exploring" } }, atMs);
  };
  const look = async (atMinute: number, isOn: boolean, endsAtMinute: number) => {
    const atMs = atMinute * MINUTE_MS;
    sit(atMs, isOn);
    attendance.look(planOf(endsAtMinute * MINUTE_MS), atMs);
    await attendance.close();
  };
  for (const minute of [0, 6]) await look(minute, true, 20);
  await look(31, false, 20);
  expect(attendance.counts()).toEqual([{ sessionId: "talk", present: 0, attended: 2, peak: 2 }]);
  for (const minute of [32, 38, 39]) await look(minute, true, 60);
  expect(attendance.counts()).toEqual([{ sessionId: "talk", present: 2, attended: 2, peak: 2 }]);
});
