import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { UNHEARD_DBM, gatewayOf, heardShareOf, slowLevelDbmOf, type Links } from "../../../fusion/src/core/links.ts";
import { followSlowLevels, isHeardLately } from "../../../fusion/src/core/slow-levels.ts";
import type { Reading } from "../../../fusion/src/core/window.ts";
import { linksOf } from "../links.ts";

const readings = (levels: Record<number, number>): Reading[] => Object.entries(levels).map(([gateway, rssiDbm]) => ({ gateway: Number(gateway), rssiDbm, varianceDb2: 10, samples: 3 }));
/** Seconds of ticks in which the same is heard. */
function follow(links: Links, levels: Record<number, number>, seconds: number): void {
  for (let at = 0; at < seconds * 1_000; at += config.tickMs) followSlowLevels(links, readings(levels), config.tickMs);
}

/** Of the gateways that heard the tag lately. */
function slowLevelsOf(links: Links): { gateway: number; levelDbm: number; heardShare: number }[] {
  return Array.from({ length: links.count }, (_, link) => link)
    .filter((link) => isHeardLately(links, link))
    .map((link) => ({ gateway: gatewayOf(links, link), levelDbm: slowLevelDbmOf(links, link), heardShare: heardShareOf(links, link) }));
}

describe("the slow levels of a tag", () => {
  it("begin with its first window", () => {
    const links = linksOf({ 0: -50, 3: -50 });
    expect(slowLevelsOf(links)).toEqual([]);
    follow(links, { 0: -60, 3: -75 }, 0.5);
    expect(slowLevelsOf(links)).toEqual([
      { gateway: 0, levelDbm: -60, heardShare: 1 },
      { gateway: 3, levelDbm: -75, heardShare: 1 },
    ]);
  });

  it("go two thirds of the way in eight seconds", () => {
    const links = linksOf({ 0: -60 });
    follow(links, { 0: -60 }, 1);
    follow(links, { 0: -80 }, 8);
    expect(slowLevelsOf(links)[0]?.levelDbm).toBeCloseTo(-60 - 20 * (1 - Math.exp(-1)), 6);
  });

  it("a gateway that joins or ceases to hear counts by the time that it did", () => {
    const links = linksOf({ 0: -60, 1: -60 });
    follow(links, { 0: -60 }, 1);
    follow(links, { 1: -60 }, 8);
    const [left, joined] = slowLevelsOf(links);
    expect(left?.heardShare).toBeCloseTo(Math.exp(-1), 6);
    expect(joined?.heardShare).toBeCloseTo(1 - Math.exp(-1), 6);
    expect(left?.levelDbm).toBeCloseTo(UNHEARD_DBM + Math.exp(-1) * (-60 - UNHEARD_DBM), 6);
    follow(links, { 1: -60 }, 40);
    expect(slowLevelsOf(links).map(({ gateway }) => gateway)).toEqual([1]);
  });

  it("stay as they are while nobody hears the tag", () => {
    const links = linksOf({ 0: -60 });
    follow(links, { 0: -60 }, 5);
    const before = slowLevelsOf(links);
    follow(links, {}, 60);
    expect(slowLevelsOf(links)).toEqual(before);
  });
});
