import { scheduleSchema, type Schedule } from "@konferenco/protocol";
import { DEMO_PERSON_ID } from "./demo-people.ts";

const HALF_HOUR_MS = 30 * 60_000;
const SESSION_MS = 25 * 60_000;
const DAY_MS = 24 * 3_600_000;

const ROOMS = [
  { zoneId: "track-a", capacity: 24 },
  { zoneId: "room-b1", capacity: 10 },
  { zoneId: "room-b2", capacity: 10 },
  { zoneId: "workshop", capacity: 10 },
];
const TALKS = [
  "Robots that ask first", "Privacy as a type", "One radio, many rooms", "Batteries for ten years", "Maps without surveys", "The quiet protocol", "Accessible venues", "Open source hardware",
  "Edge models on a Pi", "Counting without naming", "Sensors in the cold", "Databases at the door", "Designing for queues", "Climate of a hall", "Security for organisers", "Start-ups that stayed small",
];

/**
 * The programme of the demo venue: a talk in each room every half hour, today and tomorrow (UTC), so that there is
 * always something on, and the same for every process of a day.
 */
export function demoSchedule(nowMs: number): Schedule {
  const dayMs = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const slots = Array.from({ length: (2 * DAY_MS) / HALF_HOUR_MS }, (_, slot) => ({ slot, startMs: dayMs + slot * HALF_HOUR_MS }));
  return scheduleSchema.parse({
    v: 1,
    sessions: slots.flatMap(({ slot, startMs }) =>
      ROOMS.map(({ zoneId, capacity }, room) => ({
        sessionId: `${zoneId}-${slot}`,
        name: TALKS[(slot * ROOMS.length + room) % TALKS.length],
        zoneId,
        startMs,
        endMs: startMs + SESSION_MS,
        capacity,
      })),
    ),
    booths: [
      { exhibitorId: "acme", name: "Acme Robotics", zoneId: "booth-acme" },
      { exhibitorId: "borealis", name: "Borealis Cloud", zoneId: "booth-borealis" },
      { exhibitorId: "cobalt", name: "Cobalt Sensors", zoneId: "booth-cobalt" },
      { exhibitorId: "delta", name: "Delta Print", zoneId: "booth-delta" },
      { exhibitorId: "ember", name: "Ember Energy", zoneId: "booth-ember" },
    ],
    // Whoever opens the demo's page, and the one who walks with them.
    meetings: slots.map(({ slot, startMs }) => ({ meetingId: `catch-up-${slot}`, name: "Catch-up", zoneId: "lounge", startMs, endMs: startMs + SESSION_MS, personIds: [DEMO_PERSON_ID, "person-002"] })),
    regions: [
      { regionId: "expo", name: "Expo floor", area: { zoneIds: ["exhibitor-hall", "booth-acme", "booth-borealis", "booth-cobalt", "booth-delta", "booth-ember"] }, channelId: "expo", topics: ["robotics", "IoT", "startups"] },
      { regionId: "lounge", name: "Lounge talk", area: { zoneIds: ["lounge"] }, channelId: "lounge-talk", autoJoin: true, topics: ["startups", "design"] },
      { regionId: "lunch", name: "Lunch table", area: { zoneIds: ["food-court"] }, channelId: "lunch-table", topics: ["sustainability"] },
      { regionId: "track-a", name: "Track A questions", area: { zoneIds: ["track-a"] }, channelId: "track-a-questions", topics: ["AI", "privacy"] },
      { regionId: "ai-corner", name: "AI corner", area: { xM: 10.5, yM: 13, floor: 0, radiusM: 4 }, channelId: "ai-corner", topics: ["AI", "edge computing"], signals: ["02:00:5e:10:00:01"] },
    ],
  });
}
