import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyOf } from "../../../fusion/src/core/copy-of.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { gatewayOf, heardAtMsOf, heardShareOf, levelDbmOf, newLinks, paceMsOf, samplesSince, setSlowLevel, slowLevelDbmOf, varianceDb2Of, type Links } from "../../../fusion/src/core/links.ts";
import { newRssiFilter, smoothRssi, type RssiFilter } from "../../../fusion/src/core/rssi-filter.ts";
import { hear, linksOf } from "../links.ts";

const linkNumbers = ({ count }: Links): number[] => Array.from({ length: count }, (_, link) => link);
const gatewaysOf = (links: Links): number[] => linkNumbers(links).map((link) => gatewayOf(links, link));

describe("the links of a tag", () => {
  it("are in the map's order, whoever reported first", () => {
    const links = newLinks();
    for (const gateway of [7, 2, 9, 0, 3, 8]) hear(links, gateway, -60 - gateway, 0);
    expect(gatewaysOf(links)).toEqual([0, 2, 3, 7, 8, 9]);
    expect(linkNumbers(links).map((link) => levelDbmOf(links, link))).toEqual([-60, -62, -63, -67, -68, -69]);
  });

  it("are each a filter of its own, whatever the others hear in between", () => {
    const heard = fc.record({ gateway: fc.integer({ min: 0, max: 5 }), rssiDbm: fc.integer({ min: -95, max: -40 }), pauseMs: fc.integer({ min: -500, max: 4_000 }) });
    fc.assert(
      fc.property(fc.array(heard, { maxLength: 60 }), (rows) => {
        const links = newLinks();
        const apart = new Map<number, RssiFilter>();
        let atMs = 10_000;
        for (const { gateway, rssiDbm, pauseMs } of rows) {
          const observation = { tagId: "tag", gatewayId: `gw-${gateway}`, rssiDbm, heardAtMs: (atMs += pauseMs) };
          const filter = apart.get(gateway);
          const outlier = filter !== undefined && smoothRssi(filter, observation, config).outlier;
          if (filter === undefined) apart.set(gateway, newRssiFilter(observation, config));
          expect(hear(links, gateway, rssiDbm, atMs)).toBe(outlier);
        }
        const told = linkNumbers(links).map((link) => [gatewayOf(links, link), { levelDbm: levelDbmOf(links, link), varianceDb2: varianceDb2Of(links, link), heardAtMs: heardAtMsOf(links, link) }] as const);
        expect(told).toEqual([...apart].sort(([a], [b]) => a - b).map(([gateway, { levelDbm, varianceDb2, heardAtMs }]) => [gateway, { levelDbm, varianceDb2, heardAtMs }]));
      }),
    );
  });

  it("are 24 at most: the one that was silent longest makes room", () => {
    const links = newLinks();
    for (let gateway = 0; gateway < 24; gateway++) hear(links, gateway, -60, gateway === 5 ? 100 : 1_000);
    hear(links, 30, -60, 2_000);
    expect(gatewaysOf(links)).toEqual([...Array(24).keys(), 30].filter((gateway) => gateway !== 5));
    // One that comes so late that it is itself the oldest is not taken.
    hear(links, 31, -60, 500);
    expect(gatewaysOf(links)).not.toContain(31);
    expect(links.count).toBe(24);
  });

  it("remember when each was heard, eight times back", () => {
    const links = linksOf({ 0: -60 }, 1_000);
    for (let atMs = 1_100; atMs <= 2_900; atMs += 100) hear(links, 0, -60, atMs);
    expect(samplesSince(links, 0, 2_500)).toBe(4);
    expect(samplesSince(links, 0, 0)).toBe(8);
    expect(paceMsOf(links, 0, 3_000, config)).toBe(100);
    expect(paceMsOf(links, 0, 3_000 + config.windowMs, config)).toBe(Infinity);
  });

  it("copied stay as they were while the tag is heard on", () => {
    const links = linksOf({ 0: -60, 3: -70 }, 1_000);
    setSlowLevel(links, 1, -72, 0.5);
    const kept = copyOf(links);
    for (const gateway of [0, 1, 2, 3, 4, 5]) hear(links, gateway, -90, 3_000);
    expect(gatewaysOf(kept)).toEqual([0, 3]);
    expect(levelDbmOf(kept, 0)).toBe(-60);
    expect([slowLevelDbmOf(kept, 1), heardShareOf(kept, 1)]).toEqual([-72, 0.5]);
    hear(kept, 9, -80, 3_000);
    expect(gatewaysOf(kept)).toEqual([0, 3, 9]);
  });
});
