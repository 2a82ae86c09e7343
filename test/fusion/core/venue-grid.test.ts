import { describe, expect, it } from "vitest";
import { venueMapSchema } from "@konferenco/protocol";
import { NEIGHBOURS, cellNear, newVenueGrid, prepareVenue, watchedCells, type GridFloor, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { gateway, office, twoFloors, twoRooms, zone } from "../venues.ts";

const gridOf = (map: Parameters<typeof newVenueGrid>[0]): VenueGrid => newVenueGrid(map, indexVenue(map)) as VenueGrid;

describe("the grid of a venue", () => {
  it("a small venue has cells of half a metre, each in its zone", () => {
    const venue = twoRooms();
    const grid = gridOf(venue);
    expect(grid.cells).toBe(40 * 20);
    expect(grid.place[cellNear(grid, 0, 2, 2)]).toBe(0);
    expect(grid.place[cellNear(grid, 0, 18, 2)]).toBe(1);
  });

  it("a hall of 250 m has no more cells than a floor may have", () => {
    const grid = gridOf(venueMapSchema.parse({ venueId: "hall", floors: [{ floor: 0, name: "0" }], zones: [zone("hall", [0, 0, 250, 250], { kind: "hall" })], gateways: [gateway("a", 1, 1, "hall"), gateway("b", 249, 1, "hall"), gateway("c", 125, 249, "hall")] }));
    expect(grid.cells).toBeLessThanOrEqual(4_000);
    expect(grid.cells).toBeGreaterThan(3_000);
  });

  it("a park beside the rooms makes their cells no coarser: who is 25 m beyond all gateways is placed by none of them", () => {
    const withPark = (...park: [number, number, number, number][]) =>
      gridOf(venueMapSchema.parse({ venueId: "campus", zones: [zone("left", [0, 0, 10, 10]), zone("right", [10, 0, 20, 10]), ...park.map((corners) => zone("park", corners, { kind: "outdoor" }))], gateways: [gateway("a", 1, 1, "left"), gateway("b", 19, 1, "right"), gateway("c", 10, 9, "right")] }));
    const [park, far] = [withPark([-10, 12, 390, 412]), withPark([100, 0, 300, 200])];
    expect(park.floors[0]?.cellM).toBeLessThan(0.6);
    expect(Math.max(...park.yM)).toBeCloseTo(34, 0);
    expect(far.cells).toBe(withPark().cells);
  });

  it("of a floor whose gateways hang far from all that is drawn nothing is left out", () => {
    const away = (xM: number, yM: number) => gridOf(venueMapSchema.parse({ venueId: "v", zones: [zone("room", [0, 0, 10, 10])], gateways: [gateway("a", xM, yM, "room")] })).cells;
    expect([away(100, 100), away(34, 34)]).toEqual([400, 400]); // beyond the box around what they reach, and in its corner
  });

  it("a floor of which the gateways' surroundings hold nothing that is drawn, or whose zones are thinner than cells may be, is done with all the same", () => {
    const cells = (zones: ReturnType<typeof zone>[], ...gateways: ReturnType<typeof gateway>[]) => prepareVenue(venueMapSchema.parse({ venueId: "v", zones, gateways })).grid?.cells ?? null;
    const ends = [zone("left", [0, 0, 10, 10]), zone("right", [190, 0, 200, 10])];
    expect(cells(ends, gateway("a", 90, -20, "left"), gateway("b", 110, 30, "right"))).toBe(800);
    const thin = [zone("left", [0, 0, 0.01, 0.01]), zone("right", [900, 900, 900.01, 900.01])];
    expect(cells(thin, gateway("a", 0, 0, "left"), gateway("b", 900, 900, "right"))).toBeNull();
  });

  it("what gateways watch is within 6 m of them, be they three or one; of a floor without any, all of it", () => {
    const watchedOf = (...gateways: ReturnType<typeof gateway>[]): number[] => {
      const map = venueMapSchema.parse({ venueId: "yard", floors: [{ floor: 0, name: "0" }, { floor: 1, name: "1" }], zones: [zone("room", [0, 0, 10, 10]), zone("yard", [10, 0, 60, 10], { kind: "outdoor" }), zone("attic", [0, 0, 10, 10], { floor: 1 })], gateways });
      const { venue, grid } = prepareVenue(map);
      const cells = watchedCells(grid as VenueGrid, (grid as VenueGrid).floors[0] as GridFloor, venue).filter((cell) => cell !== -1);
      return [...cells].map((cell) => (grid as VenueGrid).xM[cell] as number);
    };
    for (const gateways of [[gateway("a", 5, 5, "room")], [gateway("a", 5, 5, "room"), gateway("b", 5, 1, "room")], [gateway("a", 5, 5, "room"), gateway("b", 5, 1, "room"), gateway("c", 1, 1, "room")]]) {
      expect(Math.max(...watchedOf(...gateways)), `${gateways.length} gateways`).toBeCloseTo(11, 0);
    }
    expect(Math.max(...watchedOf(gateway("up", 5, 5, "attic", 1)))).toBeGreaterThan(59);
  });

  it("who walks within a room is not held up; through a wall between rooms few get; nobody leaves the building", () => {
    const grid = gridOf(twoRooms());
    const passage = (xM: number, yM: number) => {
      const cell = cellNear(grid, 0, xM, yM);
      return Array.from({ length: NEIGHBOURS }, (_, k) => (grid.neighbour[cell * NEIGHBOURS + k] === -1 ? 0 : (grid.passage[cell * NEIGHBOURS + k] as number))).reduce((sum, share) => sum + share, 0);
    };
    expect(passage(5, 5)).toBeCloseTo(1);
    expect(passage(9.75, 5)).toBeLessThan(0.8);
    expect(passage(0.25, 0.25)).toBeLessThan(0.5);
    for (let cell = 0; cell < grid.cells; cell++) expect(grid.xM[cell]).toBeLessThan(20);
  });

  it("rooms along a corridor are known, be it drawn or not; rooms that lead into each other are not among them", () => {
    const onHallways = (map: Parameters<typeof newVenueGrid>[0]) => {
      const known = prepareVenue(map).venue.onHallway;
      return map.zones.filter((_, place) => known[place]).map(({ zoneId }) => zoneId);
    };
    expect(onHallways(office())).toEqual(["a", "b", "c"]);
    expect(onHallways(twoRooms())).toEqual([]);
    const undrawn = { ...office(), zones: [...office().zones.slice(0, 3), zone("d", [0, 7, 12, 12])] };
    expect(onHallways(venueMapSchema.parse(undrawn))).toEqual(["a", "b", "c", "d"]);
  });

  it("a drawn wall stops walkers, its door does not", () => {
    const map = { ...twoRooms(), walls: [[10, 0, 10, 4], [10, 6, 10, 10]] as [number, number, number, number][] };
    const grid = gridOf(map);
    const across = (yM: number) => {
      const cell = cellNear(grid, 0, 9.75, yM);
      return grid.passage[cell * NEIGHBOURS] as number;
    };
    expect(across(5.25)).toBeGreaterThan(20 * across(2.25));
  });

  it("a gap between zones is floor when people must cross it to get from one to the other", () => {
    const map = venueMapSchema.parse({
      venueId: "islands",
      floors: [{ floor: 0, name: "0" }],
      zones: [zone("west", [0, 0, 5, 5]), zone("east", [9, 0, 14, 5])],
      gateways: [gateway("a", 1, 1, "west")],
    });
    const grid = gridOf(map);
    const between = cellNear(grid, 0, 7, 2.5);
    expect(Math.abs((grid.xM[between] as number) - 7)).toBeLessThan(0.5);
    expect(grid.place[between]).toBe(2);
  });

  it("where no zone is drawn the hull of the gateways is the floor, and with all gateways in one point there is none", () => {
    const undrawn = (...at: [number, number][]) => venueMapSchema.parse({ venueId: "v", floors: [{ floor: 0, name: "0" }], zones: [{ zoneId: "z", name: "z", kind: "room", floor: 0, polygons: [] }], gateways: at.map(([xM, yM], i) => gateway(`g${i}`, xM, yM, "z")) });
    const map = undrawn([0, 0], [10, 0], [5, 8]);
    const grid = gridOf(map);
    expect(grid.place[0]).toBe(-1);
    expect(grid.cells).toBeGreaterThan(200);
    const lonely = undrawn([0, 0], [0, 0], [0, 0]);
    expect(newVenueGrid(lonely, indexVenue(lonely))).toBeNull();
  });

  it("floors follow each other and keep apart", () => {
    const grid = gridOf(twoFloors());
    expect(grid.floors.map(({ floor, firstCell, cellCount }) => [floor, firstCell, cellCount])).toEqual([[0, 0, 400], [1, 400, 400]]);
    for (let cell = 0; cell < 400; cell++) for (let k = 0; k < NEIGHBOURS; k++) expect(grid.neighbour[cell * NEIGHBOURS + k]).toBeLessThan(400);
  });
});
