import { venueMapSchema, type VenueMap } from "@konferenco/protocol";

/**
 * A small conference centre of 40 x 24 m on two floors, with a zone of every kind of requirement A10.
 *
 *   floor 1   y                                     floor 0   y
 *   24 +--------+-------------+----------+          24 +--[acme]--[borealis]-[cobalt]-+-----------+
 *      | lounge |   room B2   | workshop |             |                              |           |
 *   14 +-- --+--+-- ---+---+--+-- ---+---+             |        exhibitor hall         food court |
 *      |            corridor             |             |                              |           |
 * 10.5 +---- --+---- ---+---- -----+     |           7 +--[delta]--[ember]-+---- -----+---- ------+
 *      | A1    |  A2    |   B1     |     |             | registration          foyer   +----------+
 *    0 +-------+--------+----------+stairs             +-------+-----------------------+  stairs   |
 *      0       11       22         33   40           0 0       14                      33         40
 *
 * "Track A rooms" is one zone of two rooms. Walls have gaps where the doors are; the hall is its floor without the stands.
 */
export function demoVenue(): VenueMap {
  return venueMapSchema.parse({
    venueId: "demo-centre",
    name: "Harbour Conference Centre",
    direction: "gateways-hear-tags",
    origin: { lat: 53.5413, lon: 9.9841, bearingDeg: 12 },
    floors: [
      { floor: 0, name: "Ground floor" },
      { floor: 1, name: "First floor" },
    ],
    zones: [
      zone("registration", "Registration", "registration", 0, [box(0, 0, 14, 7)]),
      zone("foyer", "Foyer", "corridor", 0, [box(14, 0, 33, 7), box(33, 3.5, 40, 7)]),
      zone("stairs-0", "Stairs", "stairs", 0, [box(33, 0, 40, 3.5)]),
      zone("exhibitor-hall", "Exhibitor hall", "hall", 0, [
        box(0, 12, 25, 19),
        box(0, 7, 2, 12), box(7, 7, 10, 12), box(15, 7, 25, 12),
        box(0, 19, 2, 24), box(7, 19, 9.5, 24), box(14.5, 19, 17, 24), box(22, 19, 25, 24),
      ]),
      zone("booth-acme", "Acme Robotics", "booth", 0, [box(2, 19, 7, 24)]),
      zone("booth-borealis", "Borealis Cloud", "booth", 0, [box(9.5, 19, 14.5, 24)]),
      zone("booth-cobalt", "Cobalt Sensors", "booth", 0, [box(17, 19, 22, 24)]),
      zone("booth-delta", "Delta Print", "booth", 0, [box(2, 7, 7, 12)]),
      zone("booth-ember", "Ember Energy", "booth", 0, [box(10, 7, 15, 12)]),
      zone("food-court", "Food court", "food", 0, [box(25, 7, 40, 24)]),
      zone("track-a", "Track A rooms", "room", 1, [box(0, 0, 11, 10.5), box(11, 0, 22, 10.5)]),
      zone("room-b1", "Room B1", "room", 1, [box(22, 0, 33, 10.5)]),
      zone("room-b2", "Room B2", "room", 1, [box(15, 14, 28, 24)]),
      zone("workshop", "Workshop", "room", 1, [box(28, 14, 40, 24)]),
      zone("lounge", "Networking lounge", "lounge", 1, [box(0, 14, 15, 24)]),
      zone("corridor-1", "Corridor", "corridor", 1, [box(0, 10.5, 40, 14), box(33, 3.5, 40, 10.5)]),
      zone("stairs-1", "Stairs", "stairs", 1, [box(33, 0, 40, 3.5)]),
    ],
    gateways: [
      // Ground floor. Registration: over the desk and at the entrance to the foyer.
      gateway("gw-reg-1", 3.5, 3.5, 0, "registration"),
      gateway("gw-reg-2", 11, 3.5, 0, "registration"),
      gateway("gw-foyer-1", 19, 3.5, 0, "foyer"),
      gateway("gw-foyer-2", 28, 3.5, 0, "foyer"),
      gateway("gw-foyer-3", 36.5, 5.5, 0, "foyer"),
      // Exhibitors: one over each stand, two in the middle of the hall: together a grid of 8-9 m.
      gateway("gw-acme", 4.5, 21.5, 0, "booth-acme"),
      gateway("gw-borealis", 12, 21.5, 0, "booth-borealis"),
      gateway("gw-cobalt", 19.5, 21.5, 0, "booth-cobalt"),
      gateway("gw-delta", 4.5, 9.5, 0, "booth-delta"),
      gateway("gw-ember", 12.5, 9.5, 0, "booth-ember"),
      gateway("gw-hall-1", 8.5, 15.5, 0, "exhibitor-hall"),
      gateway("gw-hall-2", 20, 13.5, 0, "exhibitor-hall"),
      gateway("gw-food-1", 29, 11, 0, "food-court"),
      gateway("gw-food-2", 36.5, 14, 0, "food-court"),
      gateway("gw-food-3", 30.5, 20.5, 0, "food-court"),
      // First floor. Session rooms: at the entry and at the far end, as requirement A10 says.
      gateway("gw-a1-entry", 8, 8.5, 1, "track-a"),
      gateway("gw-a1-far", 3, 2.5, 1, "track-a"),
      gateway("gw-a2-entry", 19, 8.5, 1, "track-a"),
      gateway("gw-a2-far", 14, 2.5, 1, "track-a"),
      gateway("gw-b1-entry", 30, 8.5, 1, "room-b1"),
      gateway("gw-b1-far", 25, 2.5, 1, "room-b1"),
      gateway("gw-b2-entry", 18.5, 16, 1, "room-b2"),
      gateway("gw-b2-far", 24.5, 21.5, 1, "room-b2"),
      gateway("gw-work-entry", 31, 16, 1, "workshop"),
      gateway("gw-work-far", 37, 21.5, 1, "workshop"),
      gateway("gw-lounge-1", 4, 17, 1, "lounge"),
      gateway("gw-lounge-2", 11, 21, 1, "lounge"),
      gateway("gw-corridor-1", 13, 12.25, 1, "corridor-1"),
      gateway("gw-corridor-2", 36.5, 8.5, 1, "corridor-1"),
    ],
    tags: [],
    walls: [
      // Outside, both floors.
      [0, 0, 40, 0], [40, 0, 40, 24], [40, 24, 0, 24], [0, 24, 0, 0],
      // Ground floor: registration and foyer to the hall and the food court, doors at x 8-9.5, 17-20 and 29-32.
      ...wallAlongX(7, 0, 40, 0, [[8, 9.5], [17, 20], [29, 32]]),
      // Registration to the foyer: open in the middle.
      ...wallAlongY(14, 0, 7, 0, [[2, 5.5]]),
      // Hall to the food court: doors at y 12-14.5 and 19-21.
      ...wallAlongY(25, 7, 24, 0, [[12, 14.5], [19, 21]]),
      // Stairs, open towards x = 33, on both floors.
      ...wallAlongX(3.5, 33, 40, 0, [[33, 34]]),
      ...wallAlongX(3.5, 33, 40, 1, [[33, 35]]),
      // First floor, south: A1, A2 and B1, one door each to the corridor; a folding door joins A1 and A2.
      ...wallAlongX(10.5, 0, 33, 1, [[8.5, 10], [19.5, 21], [30.5, 32]]),
      ...wallAlongY(11, 0, 10.5, 1, [[4, 6]]),
      ...wallAlongY(22, 0, 10.5, 1, []),
      ...wallAlongY(33, 0, 10.5, 1, []),
      // First floor, north: lounge (wide opening), B2 and the workshop.
      ...wallAlongX(14, 0, 40, 1, [[4, 8], [16, 17.5], [28.5, 30]]),
      ...wallAlongY(15, 14, 24, 1, []),
      ...wallAlongY(28, 14, 24, 1, []),
    ],
    notes: "Invented. Lengths in metres; (0, 0) is the south-west corner; gateways hang at 2.5 m.",
  });
}

type Point = [number, number];
type Wall = [number, number, number, number, number];

function zone(zoneId: string, name: string, kind: string, floor: number, polygons: Point[][]) {
  return { zoneId, name, kind, floor, polygons };
}

function gateway(gatewayId: string, xM: number, yM: number, floor: number, zoneId: string) {
  return { gatewayId, xM, yM, zM: 2.5, floor, zoneId };
}

function box(minXM: number, minYM: number, maxXM: number, maxYM: number): Point[] {
  return [[minXM, minYM], [maxXM, minYM], [maxXM, maxYM], [minXM, maxYM]];
}

/** A wall along x with gaps for doors. */
function wallAlongX(yM: number, fromXM: number, toXM: number, floor: number, doors: readonly (readonly [number, number])[]): Wall[] {
  return betweenDoors(fromXM, toXM, doors).map(([aM, bM]) => [aM, yM, bM, yM, floor]);
}

function wallAlongY(xM: number, fromYM: number, toYM: number, floor: number, doors: readonly (readonly [number, number])[]): Wall[] {
  return betweenDoors(fromYM, toYM, doors).map(([aM, bM]) => [xM, aM, xM, bM, floor]);
}

function betweenDoors(fromM: number, toM: number, doors: readonly (readonly [number, number])[]): [number, number][] {
  const pieces: [number, number][] = [];
  let startM = fromM;
  for (const [openM, closeM] of doors) {
    if (openM > startM) pieces.push([startM, openM]);
    startM = closeM;
  }
  if (startM < toM) pieces.push([startM, toM]);
  return pieces;
}
