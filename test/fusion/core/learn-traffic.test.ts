import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { learnFromTraffic, type Snapshot } from "../../../fusion/src/core/learn-traffic.ts";
import { fillLevels, newLevelMap, priorModel, reachOfGateways } from "../../../fusion/src/core/radio-model.ts";
import { newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { newRandom } from "../../../simulators/src/random.ts";
import { venueMapSchema } from "@konferenco/protocol";
import { gateway, zone } from "../venues.ts";

/** A hall with nine gateways; a tag that is heard at many places, or at one and the same. */
function material(offsetsDb: readonly number[], { places, seed }: { places: number; seed: number }) {
  const map = venueMapSchema.parse({
    venueId: "hall",
    floors: [{ floor: 0, name: "0" }],
    zones: [zone("hall", [0, 0, 18, 18], { kind: "hall" })],
    gateways: Array.from({ length: 9 }, (_, i) => gateway(`g${i}`, 3 + (i % 3) * 6, 3 + Math.floor(i / 3) * 6, "hall")),
  });
  const index = indexVenue(map);
  const grid = newVenueGrid(map, index) as VenueGrid;
  const reaches = reachOfGateways(index, grid, config);
  const levels = newLevelMap(reaches);
  fillLevels(levels, reaches, priorModel(9, config));
  const dice = newRandom(`traffic/${seed}`);
  const spots = Array.from({ length: places }, () => dice.integer(grid.cells));
  const shadows = spots.map(() => index.gateways.map(() => 3 * dice.gaussian()));
  const snapshots: Snapshot[] = Array.from({ length: 100 }, (_, i) => {
    const spot = i % places;
    const cell = spots[spot] as number;
    return {
      xM: grid.xM[cell] as number,
      yM: grid.yM[cell] as number,
      offsetDb: 0,
      hearings: index.gateways.map((_, g) => ({
        gateway: g,
        rssiDbm: ((levels.levelDbm[g] as Float32Array)[cell] as number) + (offsetsDb[g] ?? 0) + ((shadows[spot] as number[])[g] as number) + 2 * dice.gaussian(),
        weight: 0.7,
      })),
    };
  });
  const cells = Int32Array.from({ length: Math.floor(grid.cells / 6) }, (_, i) => i * 6);
  return { snapshots, cells, levels, sensitivityDbm: new Float64Array(9).fill(-95) };
}

describe("learning from traffic", () => {
  it("gateways that hear louder or weaker than their kind are found out by tags that walk about", () => {
    const fit = learnFromTraffic(material([6, 0, 0, 0, -6], { places: 100, seed: 1 }), config);
    expect(fit?.gainNats).toBeGreaterThan(0.05);
    expect(fit?.offsetDb[0]).toBeGreaterThan(2.5);
    expect(fit?.offsetDb[4]).toBeLessThan(-2.5);
    expect(Math.abs(fit?.offsetDb[7] as number)).toBeLessThan(2);
  });

  it("where nothing is to be learned little is: the model stays", () => {
    const corrections = [1, 2].map((seed) => learnFromTraffic(material([], { places: 100, seed }), config));
    for (const fit of corrections) if (fit !== null) expect(Math.max(...fit.offsetDb.map(Math.abs))).toBeLessThan(2);
  });

  it("a tag that lies on one table teaches nothing, however long", () => {
    expect(learnFromTraffic(material([6, 0, 0, 0, -6], { places: 1, seed: 2 }), config)).toBeNull();
  });
});
