import { describe, expect, it } from "vitest";
import { NO_ORIGIN, lonLatOfVenuePoint, sensorTopic } from "@konferenco/protocol";
import { recordMeetings } from "@konferenco/simulators";
import { BEGAN_MS, playReports, undisturbed, type Delivery } from "./disturbed.ts";

describe("a badge whose owner's phone speaks too", () => {
  it("is told in and out of rooms no later for a GPS that knows nothing indoors", async () => {
    const meetings = recordMeetings(11, { people: 3, forMs: 120_000 });
    const recording = { ...meetings, venue: { ...meetings.venue, origin: NO_ORIGIN } };
    const badges = undisturbed(recording);
    const phones = recording.truth.flatMap(({ atMs, tagId, xM, yM, floor }, i): Delivery[] => {
      if (i % 6 !== 0) return [];
      const sentAtMs = BEGAN_MS + atMs;
      const payload = JSON.stringify({ v: 1, source: "gps", tagId, atMs: sentAtMs, ...lonLatOfVenuePoint({ xM: xM + 20, yM }, NO_ORIGIN), floor, accuracy95M: 60 });
      return [{ arrivesAtMs: sentAtMs, message: { topic: sensorTopic("recording", "position"), payload, gatewayId: null, observations: 0, isScan: false, sentAtMs } }];
    });
    const byBadges = await playReports(recording, badges);
    const byBoth = await playReports(recording, [...badges, ...phones]);
    expect(byBoth.stats.fixes).toBeGreaterThan(byBadges.stats.fixes + 50);
    const told = ({ zones }: typeof byBoth) => zones.filter(({ transition }) => transition !== "dwell").map(({ tagId, transition, zoneId, atMs }) => ({ tagId, transition, zoneId, atMs }));
    expect(told(byBadges).length).toBeGreaterThan(10);
    expect(told(byBoth)).toEqual(told(byBadges));
  }, 60_000);
});
