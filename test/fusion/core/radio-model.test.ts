import { describe, expect, it } from "vitest";
import { venueMapSchema, type VenueMap } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { fillLevels, newLevelMap, pathDbOf, priorModel, reachOfGateways, wallsBetween } from "../../../fusion/src/core/radio-model.ts";
import { cellNear, newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue, type VenueIndex } from "../../../fusion/src/core/venue-index.ts";
import { gateway, twoFloors, zone } from "../venues.ts";

/** A room, a corridor of 2 m, a room. */
function acrossTheCorridor(): VenueMap {
  return venueMapSchema.parse({
    venueId: "v",
    floors: [{ floor: 0, name: "0" }],
    zones: [zone("west", [0, 0, 5, 10]), zone("corridor", [5, 0, 7, 10], { kind: "corridor" }), zone("east", [7, 0, 12, 5]), zone("far", [7, 5, 12, 10])],
    gateways: [gateway("w", 2.5, 2.5, "west"), gateway("e", 9.5, 2.5, "east")],
  });
}

describe("expected levels", () => {
  it("walls are where rooms end: none within, one to the corridor, two across it, one to the room beside", () => {
    const map = acrossTheCorridor();
    const index = indexVenue(map);
    const walls = (from: number, xM: number, yM: number, place: number) => wallsBetween(index.gateways[from] as never, { xM, yM, place }, 0, index);
    expect(walls(0, 4.5, 9, 0)).toBe(0);
    expect(walls(0, 6, 2.5, 1)).toBe(1);
    expect(walls(0, 9.5, 2.5, 2)).toBe(1.8);
    expect(walls(1, 9.5, 7, 3)).toBe(1);
  });

  it("walls that are drawn count instead", () => {
    const index = indexVenue({ ...acrossTheCorridor(), walls: [[5, 0, 5, 10]] });
    expect(wallsBetween(index.gateways[0] as never, { xM: 9.5, yM: 2.5, place: 2 }, 0, index)).toBe(1);
    expect(wallsBetween(index.gateways[1] as never, { xM: 9.5, yM: 7, place: 3 }, 0, index)).toBe(0);
  });

  it("an outline is no word about what is inside, and walls of another floor are none of this one", () => {
    const outline: VenueMap["walls"] = [[0, 0, 12, 0], [12, 0, 12, 10], [12, 10, 0, 10], [0, 10, 0, 0]];
    for (const walls of [outline, [...outline, [5, 0, 5, 10, 1] as [number, number, number, number, number]]]) {
      const index = indexVenue({ ...acrossTheCorridor(), walls });
      expect(wallsBetween(index.gateways[0] as never, { xM: 9.5, yM: 2.5, place: 2 }, 0, index)).toBe(1.8);
    }
  });

  it("nor is the outline of a building beside a yard, or of one so large that its map is drawn in cells wider than a wall", () => {
    const outline: VenueMap["walls"] = [[0, 0, 12, 0], [12, 0, 12, 10], [12, 10, 0, 10], [0, 10, 0, 0]];
    const indexOf = (more: VenueMap["zones"], walls = outline) => indexVenue({ ...acrossTheCorridor(), zones: [...acrossTheCorridor().zones, ...more], walls });
    const wallsAcross = (index: VenueIndex) => wallsBetween(index.gateways[0] as never, { xM: 9.5, yM: 2.5, place: 2 }, 0, index);
    expect(wallsAcross(indexOf([zone("yard", [12, 0, 40, 10], { kind: "outdoor" })]))).toBe(1.8);
    const far = zone("far-hall", [1_490, 0, 1_500, 1_000], { kind: "hall" });
    expect(wallsAcross(indexOf([far]))).toBe(1.8);
    expect(wallsAcross(indexOf([far], [...outline, [5, 0, 5, 10]]))).toBe(1);
  });

  it("a level falls with distance, walls and ceilings as the model says", () => {
    const map = twoFloors();
    const index = indexVenue(map);
    const grid = newVenueGrid(map, index) as VenueGrid;
    const reaches = reachOfGateways(index, grid, config);
    const levels = newLevelMap(reaches);
    const model = { ...priorModel(index.gateways.length, config), rssiAt1mDbm: -60, pathLossExponent: 2, floorLossDb: 15 };
    fillLevels(levels, reaches, model);
    const level = (floorIndex: number, xM: number) => (levels.levelDbm[0] as Float32Array)[cellNear(grid, floorIndex, xM, 1.25) - (levels.firstCell[0] as number)] as number;
    expect(level(0, 5.25)).toBeCloseTo(-60 - 2 * pathDbOf(Math.hypot(4.25, 0.25, config.overheadShare * (config.gatewayHeightM - config.tagHeightM))), 1);
    expect(level(1, 5.25)).toBeLessThan(level(0, 5.25) - 15);
  });

  it("below a gateway that hangs high a tag is hardly louder than beside it", () => {
    const under = (overheadShare: number) => {
      const map = { ...acrossTheCorridor(), gateways: acrossTheCorridor().gateways.map((gateway) => ({ ...gateway, zM: 2.6 })) };
      const index = indexVenue(map);
      const grid = newVenueGrid(map, index) as VenueGrid;
      const reaches = reachOfGateways(index, grid, { ...config, overheadShare });
      const levels = newLevelMap(reaches);
      fillLevels(levels, reaches, priorModel(index.gateways.length, config));
      const { xM, yM } = index.gateways[0] as { xM: number; yM: number };
      const at = (toXM: number) => (levels.levelDbm[0] as Float32Array)[cellNear(grid, 0, toXM, yM) - (levels.firstCell[0] as number)] as number;
      return at(xM) - at(xM + 2);
    };
    expect(under(1)).toBeGreaterThan(4.5);
    expect(under(config.overheadShare)).toBeLessThan(3.5);
  });
});
