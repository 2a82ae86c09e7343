import { describe, expect, it } from "vitest";
import { NO_ORIGIN, lonLatOfVenuePoint, sensorTopic } from "@konferenco/protocol";
import { recordMeetings, type Recording } from "@konferenco/simulators";
import { BEGAN_MS, playReports, undisturbed, type Delivery } from "./disturbed.ts";

/** Each person's phone, all at once, by a receiver that is off. */
function gpsOf({ truth }: Recording, { everyMs, offM, accuracy95M }: { everyMs: number; offM: number; accuracy95M: number }): Delivery[] {
  return truth.flatMap(({ atMs, tagId, xM, yM, floor }): Delivery[] => {
    if (atMs % everyMs !== everyMs / 4) return [];
    const sentAtMs = BEGAN_MS + atMs;
    const payload = JSON.stringify({ v: 1, source: "gps", tagId, atMs: sentAtMs, ...lonLatOfVenuePoint({ xM: xM + offM, yM }, NO_ORIGIN), floor, accuracy95M });
    return [{ arrivesAtMs: sentAtMs, message: { topic: sensorTopic("recording", "position"), payload, gatewayId: null, observations: 0, isScan: false, sentAtMs } }];
  });
}

describe("a badge whose owner's phone speaks too", () => {
  it("is told in and out of rooms no later for a GPS that knows nothing indoors", async () => {
    const meetings = recordMeetings(11, { people: 3, forMs: 120_000 });
    const recording = { ...meetings, venue: { ...meetings.venue, origin: NO_ORIGIN } };
    const badges = undisturbed(recording);
    const phones = gpsOf(recording, { everyMs: 2_000, offM: 20, accuracy95M: 60 });
    const byBadges = await playReports(recording, badges);
    const byBoth = await playReports(recording, [...badges, ...phones]);
    expect(byBoth.stats.fixes).toBeGreaterThan(byBadges.stats.fixes + 50);
    const told = ({ zones }: typeof byBoth) => zones.filter(({ transition }) => transition !== "dwell").map(({ tagId, transition, zoneId, atMs }) => ({ tagId, transition, zoneId, atMs }));
    expect(told(byBadges).length).toBeGreaterThan(10);
    expect(told(byBoth)).toEqual(told(byBadges));
  }, 60_000);

  it("is not taken for one who runs after a GPS fix now and then that is far off", async () => {
    const meetings = recordMeetings(13, { people: 3, forMs: 240_000 });
    const recording = { ...meetings, venue: { ...meetings.venue, origin: NO_ORIGIN } };
    const changes = async (deliveries: Delivery[]) => (await playReports(recording, deliveries)).zones.filter(({ transition }) => transition !== "dwell").length;
    const badges = undisturbed(recording);
    const phones = gpsOf(recording, { everyMs: 40_000, offM: 30, accuracy95M: 8 });
    expect(await changes([...badges, ...phones])).toBe(await changes(badges));
  }, 60_000);
});
