import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parseVenueMap } from "@konferenco/protocol";
import { RADIO_DEFAULTS, demoVenue, newCrowd, newFaults, parseFaultPlan } from "@konferenco/simulators";

function codeOf(file: string): string {
  const text = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs", file), "utf8");
  const match = /```json\n([\s\S]*?)```/.exec(text);
  if (match?.[1] === undefined) throw new Error(`docs/${file} has no json example`);
  return match[1];
}

describe("what the docs show works", () => {
  test("the example of docs/venue-map.md is a venue that people can walk in, up the stairs too", () => {
    const venue = parseVenueMap(codeOf("venue-map.md"), "docs/venue-map.md");
    const crowd = newCrowd(venue, 1, { tags: 12 });
    expect(crowd.navigation.unreachableZoneIds).toEqual([]);
    const floors = new Set<number>();
    for (let atMs = 0; atMs <= 300_000; atMs += 1_000) {
      crowd.advance(atMs);
      for (const { floor } of crowd.positions()) floors.add(floor);
    }
    expect([...floors].sort()).toEqual([0, 1]);
  });

  test("the fault plan of docs/run-a-simulation.md is one for the demo venue", () => {
    expect(() => newFaults(parseFaultPlan(codeOf("run-a-simulation.md"), "docs"), demoVenue(), 1)).not.toThrow();
  });

  test("the radio table of docs/run-a-simulation.md says the defaults", () => {
    const text = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/run-a-simulation.md"), "utf8");
    const c = RADIO_DEFAULTS;
    for (const row of [
      `| power at 1 m | −${-c.rssiAt1mDbm} dBm |`,
      `| path loss exponent | ${c.pathLossExponent} |`,
      `| walls | ${c.wallLossDb} dB each, three at most |`,
      `| a ceiling | ${c.floorLossDb} dB, ${c.floorHeightM} m |`,
      `| shadowing | ${c.shadowingDb} dB, forgotten within ${c.shadowingCorrelationM} m`,
      `Rice, K = ${c.ricianKInSightDb} dB in sight`,
      `| the wearer's body | 0–${c.bodyLossDb} dB`,
      `| gateways differ | ${c.gatewayGainSigmaDb} dB |`,
      `| tags differ | ${c.tagPowerSigmaDb} dB |`,
      `| lost packets | ${Math.round((1 - c.clearShare) * 100)} % at any distance, half of the rest at −${-c.sensitivityDbm} dBm`,
      `| advertising | every ${c.advertisingIntervalMs} ms`,
    ]) {
      expect(text).toContain(row);
    }
    expect(text).toContain(`${demoVenue().gateways.length} gateways: registration`);
  });
});
