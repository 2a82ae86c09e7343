import { describe, expect, test } from "vitest";
import { demoVenue, newFaults, parseFaultPlan } from "@konferenco/simulators";

const venue = demoVenue();

describe("a fault plan", () => {
  test("takes a gateway away and brings it back", () => {
    const faults = newFaults([{ fault: "gateway-down", gatewayId: "gw-acme", fromS: 10, untilS: 20 }], venue, 1);
    expect([9_999, 10_000, 19_999, 20_000].map((atMs) => faults.isDown("gw-acme", atMs))).toEqual([false, true, true, false]);
    expect(faults.isDown("gw-delta", 15_000)).toBe(false);
  });

  test("makes a clock wrong and drift", () => {
    const faults = newFaults([{ fault: "clock", gatewayId: "gw-acme", offsetMs: 500, driftPpm: 100 }, { fault: "clock", offsetMs: -1, driftPpm: 0 }], venue, 1);
    expect(faults.clockErrorMs("gw-acme", 0)).toBe(499);
    expect(faults.clockErrorMs("gw-acme", 3_600_000)).toBeCloseTo(859, 6);
    expect(faults.clockErrorMs("gw-delta", 3_600_000)).toBe(-1);
  });

  test("duplicates and delays the share that it names, the same ones for the same seed", () => {
    const plan = [{ fault: "duplicate", share: 0.2 }, { fault: "late", share: 0.1, byMs: 3_000 }] as const;
    const copies = (seed: number): number[][] => Array.from({ length: 2_000 }, (_, number) => newFaults(plan, venue, seed).copies("gw-acme", number));
    const first = copies(1);
    expect(first).toEqual(copies(1));
    expect(first).not.toEqual(copies(2));
    expect(Math.abs(first.filter((delays) => delays.length === 2).length / 2_000 - 0.2)).toBeLessThan(0.04);
    expect(Math.abs(first.filter(([delayMs]) => delayMs === 3_000).length / 2_000 - 0.1)).toBeLessThan(0.03);
  });

  test("that names a gateway that is not there, or makes no sense, is refused with the reason", () => {
    expect(() => newFaults([{ fault: "gateway-down", gatewayId: "gw-nowhere", fromS: 0 }], venue, 1)).toThrow(/"gw-nowhere", which the venue does not have/);
    expect(() => parseFaultPlan("[{", "plan.json")).toThrow(/plan.json is not JSON/);
    expect(() => parseFaultPlan('[{"fault":"flood"}]', "plan.json")).toThrow(/plan.json is not a fault plan.*docs\/run-a-simulation.md/);
    expect(() => parseFaultPlan('[{"fault":"late","share":2,"byMs":1}]', "plan.json")).toThrow(/0.share/);
  });
});
