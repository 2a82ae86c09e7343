import { scheduleSchema, venueMapSchema, type Schedule, type VenueMap } from "@konferenco/protocol";

/** A venue of two floors, small enough to reckon with: one metre of it is one metre of the map. */
export const venue: VenueMap = venueMapSchema.parse({
  venueId: "test-hall",
  name: "Test Hall",
  floors: [
    { floor: 0, name: "Ground floor" },
    { floor: 1, name: "Gallery" },
  ],
  zones: [
    { zoneId: "hall", name: "Main hall", kind: "hall", floor: 0, polygons: [[[0, 0], [20, 0], [20, 12], [0, 12]]] },
    { zoneId: "food", name: "Food court", kind: "food", floor: 0, polygons: [[[20, 0], [30, 0], [30, 12], [20, 12]]] },
    { zoneId: "gallery", name: "Gallery walk", kind: "corridor", floor: 1, polygons: [[[0, 0], [30, 0], [30, 6], [0, 6]]] },
  ],
  gateways: [
    { gatewayId: "gw-hall", xM: 10, yM: 6, floor: 0, zoneId: "hall" },
    { gatewayId: "gw-food", xM: 25, yM: 6, floor: 0, zoneId: "food" },
  ],
  walls: [[20, 0, 20, 4, 0], [20, 8, 20, 12, 0]],
});

/** A talk in the hall for an hour from now, eight seats at the food court, and a channel for each. */
export function programme(nowMs: number): Schedule {
  const times = { startMs: nowMs, endMs: nowMs + 3_600_000 };
  return scheduleSchema.parse({
    v: 1,
    sessions: [
      { sessionId: "keynote", name: "Robots that ask first", zoneId: "hall", ...times },
      { sessionId: "lunch", name: "Lunch talk", zoneId: "food", ...times, capacity: 8 },
    ],
    regions: [
      { regionId: "hall", name: "Hall questions", area: { zoneIds: ["hall"] }, channelId: "hall-questions", autoJoin: true },
      { regionId: "food", name: "Lunch table", area: { zoneIds: ["food"] }, channelId: "lunch-table" },
    ],
  });
}
