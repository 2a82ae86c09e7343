import { venueMapSchema, type VenueMap } from "@konferenco/protocol";

/**
 * A small conference centre of 34 x 20 m on two floors, with a zone of every kind of requirement A10.
 *
 *   floor 0                                         floor 1
 *   y                                               y
 *   20 +-[acme]-[borealis]-[cobalt]-+----------+    20 +----------+-----------+------------+
 *      |                            |          |       |  lounge  |  room B2  |  workshop  |
 *      |       exhibitor hall         food     |    12 +---  ---- +-- --------+-- ---------+
 *      |                            | court    |       |             corridor              |
 *    6 +[delta]- -[ember]---  ------+----  ----+     9 +------- -+-------- -+------ -+     |
 *      | registration      foyer    .          |       |   A1        A2     |   B1   |     |
 *      |            |               +----------+     3 |         |          |        +  ---+
 *    0 +------------+---------------+  stairs  |     0 +---------+----------+--------+stairs
 *      0            12              28        34       0        9.5         19      28    34 x
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
      zone("registration", "Registration", "registration", 0, [box(0, 0, 12, 6)]),
      zone("foyer", "Foyer", "corridor", 0, [box(12, 0, 28, 6), box(28, 3, 34, 6)]),
      zone("stairs-0", "Stairs", "stairs", 0, [box(28, 0, 34, 3)]),
      zone("exhibitor-hall", "Exhibitor hall", "hall", 0, [
        box(0, 10, 21, 16),
        box(0, 6, 2, 10), box(6.5, 6, 8.5, 10), box(13, 6, 21, 10),
        box(0, 16, 2, 20), box(6.5, 16, 8.25, 20), box(12.75, 16, 14.5, 20), box(19, 16, 21, 20),
      ]),
      zone("booth-acme", "Acme Robotics", "booth", 0, [box(2, 16, 6.5, 20)]),
      zone("booth-borealis", "Borealis Cloud", "booth", 0, [box(8.25, 16, 12.75, 20)]),
      zone("booth-cobalt", "Cobalt Sensors", "booth", 0, [box(14.5, 16, 19, 20)]),
      zone("booth-delta", "Delta Print", "booth", 0, [box(2, 6, 6.5, 10)]),
      zone("booth-ember", "Ember Energy", "booth", 0, [box(8.5, 6, 13, 10)]),
      zone("food-court", "Food court", "food", 0, [box(21, 6, 34, 20)]),
      zone("track-a", "Track A rooms", "room", 1, [box(0, 0, 9.5, 9), box(9.5, 0, 19, 9)]),
      zone("room-b1", "Room B1", "room", 1, [box(19, 0, 28, 9)]),
      zone("room-b2", "Room B2", "room", 1, [box(12.5, 12, 23.5, 20)]),
      zone("workshop", "Workshop", "room", 1, [box(23.5, 12, 34, 20)]),
      zone("lounge", "Networking lounge", "lounge", 1, [box(0, 12, 12.5, 20)]),
      zone("corridor-1", "Corridor", "corridor", 1, [box(0, 9, 34, 12), box(28, 3, 34, 9)]),
      zone("stairs-1", "Stairs", "stairs", 1, [box(28, 0, 34, 3)]),
    ],
    gateways: [
      // At the edges rather than in the middle: a weighted centroid never leaves the hull of its gateways.
      // Moved 2-3 m inwards, the same gateways cost 0.15 m of median error.
      // Ground floor. Registration: at the entrance and over the desk.
      gateway("gw-reg-1", 1, 1, 0, "registration"),
      gateway("gw-reg-2", 10.5, 1, 0, "registration"),
      gateway("gw-foyer-1", 15.5, 5, 0, "foyer"),
      gateway("gw-foyer-2", 23, 1, 0, "foyer"),
      gateway("gw-stairs-0", 33, 1.5, 0, "stairs-0"),
      // Exhibitors: one over each stand, three in the aisles: together a grid of 7-8 m.
      gateway("gw-acme", 3, 19, 0, "booth-acme"),
      gateway("gw-borealis", 10.5, 19, 0, "booth-borealis"),
      gateway("gw-cobalt", 18, 19, 0, "booth-cobalt"),
      gateway("gw-delta", 2.5, 7, 0, "booth-delta"),
      gateway("gw-ember", 11, 7, 0, "booth-ember"),
      gateway("gw-hall-1", 6.5, 13, 0, "exhibitor-hall"),
      gateway("gw-hall-2", 14.5, 13, 0, "exhibitor-hall"),
      gateway("gw-hall-3", 20, 7.5, 0, "exhibitor-hall"),
      gateway("gw-food-1", 24, 7, 0, "food-court"),
      gateway("gw-food-2", 33, 9, 0, "food-court"),
      gateway("gw-food-3", 22, 19, 0, "food-court"),
      gateway("gw-food-4", 33, 19, 0, "food-court"),
      // First floor. Session rooms: at the entry and in the far corner, as requirement A10 says.
      gateway("gw-a1-entry", 8.5, 8, 1, "track-a"),
      gateway("gw-a1-far", 1, 1, 1, "track-a"),
      gateway("gw-a2-entry", 18, 8, 1, "track-a"),
      gateway("gw-a2-far", 10.5, 1, 1, "track-a"),
      gateway("gw-b1-entry", 27, 8, 1, "room-b1"),
      gateway("gw-b1-far", 20, 1, 1, "room-b1"),
      gateway("gw-b2-entry", 13.5, 13, 1, "room-b2"),
      gateway("gw-b2-far", 22.5, 19, 1, "room-b2"),
      gateway("gw-work-entry", 24.5, 13, 1, "workshop"),
      gateway("gw-work-far", 33, 19, 1, "workshop"),
      gateway("gw-lounge-1", 1, 13, 1, "lounge"),
      gateway("gw-lounge-2", 9.5, 19, 1, "lounge"),
      gateway("gw-corridor-1", 32, 10.5, 1, "corridor-1"),
      gateway("gw-stairs-1", 33, 1.5, 1, "stairs-1"),
    ],
    tags: [],
    walls: [
      // Outside, both floors.
      [0, 0, 34, 0], [34, 0, 34, 20], [34, 20, 0, 20], [0, 20, 0, 0],
      // Ground floor: registration and foyer to the hall and the food court; three doors.
      ...wallAlongX(6, 0, 34, 0, [[6.75, 8.25], [14.5, 17.5], [25, 28]]),
      // Registration to the foyer: open in the middle.
      ...wallAlongY(12, 0, 6, 0, [[1.5, 4.5]]),
      // Hall to the food court: two doors.
      ...wallAlongY(21, 6, 20, 0, [[10, 12.5], [16, 18]]),
      // Stairs: open towards the foyer below, by a door of 2 m to the corridor above.
      ...wallAlongX(3, 28, 34, 0, []),
      ...wallAlongX(3, 28, 34, 1, [[31, 33]]),
      // First floor, south: A1, A2 and B1, one door each to the corridor; a folding door joins A1 and A2.
      ...wallAlongX(9, 0, 28, 1, [[7.5, 9], [17, 18.5], [26, 27.5]]),
      ...wallAlongY(9.5, 0, 9, 1, [[3.5, 5.5]]),
      ...wallAlongY(19, 0, 9, 1, []),
      ...wallAlongY(28, 0, 9, 1, []),
      // First floor, north: lounge (wide opening), B2 and the workshop.
      ...wallAlongX(12, 0, 34, 1, [[3.5, 7], [13, 14.5], [24, 25.5]]),
      ...wallAlongY(12.5, 12, 20, 1, []),
      ...wallAlongY(23.5, 12, 20, 1, []),
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
