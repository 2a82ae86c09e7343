import { describe, expect, it } from "vitest";
import { calibrateByLinks, levelOfAllPackets, type LinkMeasurement } from "../../../fusion/src/core/calibrate-links.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { newRandom } from "../../../simulators/src/random.ts";

/** Ten gateways in an office of 20 x 15 m: level -62 dBm at 1 m, n = 2.4, 4 dB a wall, deaf below -92 dBm. */
function building(seed: number, offsetsDb: readonly number[] = []): LinkMeasurement[] {
  const dice = newRandom(`links/${seed}`);
  const at = Array.from({ length: 10 }, () => [dice.between(0, 20), dice.between(0, 15)] as const);
  return at.flatMap(([x0M, y0M], from) =>
    at.flatMap(([x1M, y1M], by) => {
      if (from === by) return [];
      const rangeM = Math.max(1, Math.hypot(x0M - x1M, y0M - y1M));
      const walls = Math.min(3, Math.round(rangeM / 5));
      const pathDb = 10 * Math.log10(rangeM);
      const rssiDbm = -62 - 2.4 * pathDb - 4 * walls + (offsetsDb[by] ?? 0) + 4 * dice.gaussian();
      return [{ from, by, rssiDbm: rssiDbm < -92 ? NaN : rssiDbm, pathDb, walls, floors: 0 }];
    }),
  );
}
const deafBelow = new Float64Array(10).fill(-92);
const seeds = Array.from({ length: 20 }, (_, seed) => seed);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("calibration by links between gateways", () => {
  it("levels between gateways come out right over many buildings", () => {
    const fits = seeds.map((seed) => calibrateByLinks(building(seed), 10, deafBelow, config));
    const at10M = fits.map((fit) => fit.rssiAt1mDbm - 10 * fit.pathLossExponent - 2 * fit.wallLossDb);
    expect(mean(at10M)).toBeGreaterThan(-62 - 24 - 8 - 2);
    expect(mean(at10M)).toBeLessThan(-62 - 24 - 8 + 2);
  });

  it("leaving unheard links out makes far places too loud; as censored they do not", () => {
    const far = (links: readonly LinkMeasurement[]) => {
      const fit = calibrateByLinks(links, 10, deafBelow, config);
      return fit.rssiAt1mDbm - 13 * fit.pathLossExponent - 3 * fit.wallLossDb;
    };
    const truth = -62 - 13 * 2.4 - 12;
    const censored = mean(seeds.map((seed) => far(building(seed)))) - truth;
    const heardOnly = mean(seeds.map((seed) => far(building(seed).filter(({ rssiDbm }) => !Number.isNaN(rssiDbm))))) - truth;
    expect(heardOnly).toBeGreaterThan(2);
    expect(Math.abs(censored)).toBeLessThan(heardOnly / 2);
  });

  it("a gateway that hears 6 dB louder than its kind is found out", () => {
    const offsets = seeds.map((seed) => calibrateByLinks(building(seed, [6]), 10, deafBelow, config).gatewayOffsetDb);
    expect(mean(offsets.map((offset) => offset[0] as number))).toBeGreaterThan(2.5);
    expect(Math.abs(mean(offsets.map((offset) => offset[5] as number)))).toBeLessThan(1);
  });

  it("a link that loses its weak packets is as weak as all of them, and a loud one is as heard", () => {
    const dice = newRandom("packets");
    for (const meanDbm of [-96, -94, -92, -90, -86]) {
      const packets = Array.from({ length: 20_000 }, () => meanDbm + 3 * dice.gaussian());
      const heard = packets.filter((rssiDbm) => rssiDbm > -94);
      expect(Math.abs(levelOfAllPackets(mean(heard), heard.length / packets.length, -94) - meanDbm)).toBeLessThan(0.5);
    }
    expect(levelOfAllPackets(-70, 0.2, -94)).toBe(-70);
  });

  it("where most links are unheard a wall is a whole one, and where all are heard nothing is assumed", () => {
    const wallDb = (powerDb: number, unheardWallDb: number) => {
      const links = building(1).map((link) => ({ ...link, rssiDbm: link.rssiDbm + powerDb < -92 ? NaN : link.rssiDbm + powerDb }));
      return calibrateByLinks(powerDb > 0 ? links.filter(({ rssiDbm }) => !Number.isNaN(rssiDbm)) : links, 10, deafBelow, { ...config, unheardWallDb }).wallLossDb;
    };
    expect(wallDb(-18, 4)).toBeGreaterThan(wallDb(-18, 0) + 1);
    expect(wallDb(3, 4)).toBe(wallDb(3, 0));
  });

  it("without a single link the priors stand", () => {
    const fit = calibrateByLinks([], 10, deafBelow, config);
    expect(fit).toMatchObject({ rssiAt1mDbm: config.priorRssiAt1mDbm, pathLossExponent: expect.closeTo(config.priorPathLossExponent), heardLinks: 0, unheardLinks: 0, residualDb: 0 });
  });
});
