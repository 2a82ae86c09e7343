import { describe, expect, it } from "vitest";
import { newCalibration } from "../../../fusion/src/core/calibration.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { TABLE_LENGTH, newLevelLikelihood, scatterFrom } from "../../../fusion/src/core/level-likelihood.ts";
import { newRadioMap, type RadioMap, type SurveyPoint } from "../../../fusion/src/core/radio-map.ts";
import { newLevelMap, reachOfGateways } from "../../../fusion/src/core/radio-model.ts";
import { cellNear, newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { levelDbm, twoRooms } from "../venues.ts";

/** Every 2 m, ten packets of each gateway; `scatterDb` up and down in turn. */
function surveyed(scatterDb: (xM: number) => number, isSurveyed: (xM: number) => boolean = () => true): { map: RadioMap; scatterAt: (xM: number, yM: number) => number } {
  const venue = twoRooms();
  const survey: SurveyPoint[] = [];
  for (let xM = 1; xM < 20; xM += 2) {
    for (let yM = 1; yM < 10; yM += 2) {
      if (!isSurveyed(xM)) continue;
      for (const gateway of venue.gateways) {
        const meanDbm = levelDbm(Math.hypot(gateway.xM - xM, gateway.yM - yM));
        for (const sign of [-1, 1]) survey.push({ xM, yM, floor: 0, gatewayId: gateway.gatewayId, rssiDbm: meanDbm + sign * scatterDb(xM), count: 5 });
      }
    }
  }
  const index = indexVenue(venue);
  const grid = newVenueGrid(venue, index) as VenueGrid;
  const levels = newLevelMap(reachOfGateways(index, grid, config));
  const map = newRadioMap(survey, index, grid, levels, new Float64Array(index.gateways.length).fill(-91), config) as RadioMap;
  return { map, scatterAt: (xM, yM) => (map.scatterShare[0] as Float32Array)[cellNear(grid, 0, xM, yM) - (levels.firstCell[0] as number)] as number };
}

describe("how sure a radio map is", () => {
  it("levels that jump at one end of the building are believed less there", () => {
    const { scatterAt } = surveyed((xM) => (xM < 10 ? 3 : 8));
    expect(scatterAt(17, 5)).toBeGreaterThan(1.5 * scatterAt(3, 5));
  });

  it("far from all spots it is as unsure as the law of distance", () => {
    const { scatterAt } = surveyed(() => 4, (xM) => xM < 10);
    expect(scatterAt(19, 5)).toBeGreaterThan(1.2 * scatterAt(5, 5));
    expect(scatterAt(5, 5)).toBeLessThan(1.3);
  });

  it("a survey without any scatter says nothing of it", () => {
    expect(Math.min(...(surveyed(() => 0).map.scatterShare[0] as Float32Array))).toBeGreaterThan(0.4);
  });
});

describe("the table of likelihoods", () => {
  const { table } = newLevelLikelihood(config);
  const at = (share: number, offDb: number) => table[scatterFrom(share) + TABLE_LENGTH / 2 + 4 * offDb] as number;

  it("of a larger scatter contradicts less and confirms less", () => {
    expect(at(1.5, 15)).toBeGreaterThan(at(1, 15));
    expect(at(1.5, 0)).toBeLessThan(at(1, 0));
    expect(at(0.6, 0)).toBeGreaterThan(at(1, 0));
  });

  it("goes from half to twice the usual scatter and no farther; what is usual comes first", () => {
    expect(scatterFrom(1)).toBe(0);
    expect(scatterFrom(0.01)).toBe(scatterFrom(0.5));
    expect(scatterFrom(100)).toBe(scatterFrom(2));
    expect(scatterFrom(0.5)).toBeLessThan(table.length);
  });
});

describe("the height at which tags are carried", () => {
  it("is the map's where it tells", () => {
    const level = (zM?: number) => {
      const venue = { ...twoRooms(), tags: zM === undefined ? [] : [{ tagId: "badge", zM }] };
      const index = indexVenue(venue);
      const grid = newVenueGrid(venue, index) as VenueGrid;
      const { levels } = newCalibration(venue, index, grid, [], config);
      const { xM, yM } = venue.gateways[0] as { xM: number; yM: number };
      return (levels.levelDbm[0] as Float32Array)[cellNear(grid, 0, xM + 0.3, yM + 0.3) - (levels.firstCell[0] as number)] as number;
    };
    expect(level(config.tagHeightM)).toBe(level());
    expect(level(0)).toBeLessThan(level() - 2);
  });
});
