import { describe, expect, it } from "vitest";
import { ConfigError } from "@konferenco/protocol";
import { simulatedBuildings } from "../../cli/src/accuracy/simulated-buildings.ts";
import { pool, runAll } from "../../cli/src/accuracy/run-all.ts";

describe("simulated buildings", () => {
  it("every case in the building of every seed, the same each time", () => {
    const found = simulatedBuildings("51-53");
    expect(found.length % 3).toBe(0);
    expect(new Set(found.map(({ name }) => name)).size).toBe(found.length);
    expect(found.slice(0, 3).map(({ name }) => name)).toEqual([51, 52, 53].map((seed) => `simulated office +3 dBm/${seed}`));
    expect(simulatedBuildings("7").every(({ name }) => name.endsWith("/7"))).toBe(true);
  });

  it("seeds that are none are refused with the remedy", () => {
    for (const seeds of ["", "x", "9-3", "1-5000", "-1", "1,2"]) expect(() => simulatedBuildings(seeds)).toThrow(ConfigError);
  });

  it("is played like a recording and pooled by its case, never with real ones", async () => {
    const [first] = simulatedBuildings("51");
    const { results } = await runAll(first === undefined ? [] : [first], {}, () => {});
    const pools = pool(results);
    expect(pools.map(({ name }) => name)).toEqual(["all of simulated office +3 dBm"]);
    expect(pools[0]?.figures.instants).toBe(560);
    expect(pools[0]?.references.plainGrid?.errorM?.mean).toBeLessThan(6);
  });
});
