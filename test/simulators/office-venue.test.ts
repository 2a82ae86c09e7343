import { describe, expect, it } from "vitest";
import { pointInZone } from "@konferenco/protocol";
import { buildingOf, officeRecording } from "../../simulators/src/office-venue.ts";
import { newNavigation } from "../../simulators/src/navigation.ts";

describe("offices by dice", () => {
  it("has eight rooms with a gateway each and a corridor without one, and its map draws no walls", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { map, built } = buildingOf("office", seed);
      expect(map.walls).toEqual([]);
      expect(built.walls.length).toBeGreaterThan(20);
      expect(map.zones.filter(({ kind }) => kind === "room").map(({ zoneId }) => map.gateways.filter((gateway) => gateway.zoneId === zoneId).length)).toEqual(Array.from({ length: 8 }, () => 1));
      expect(map.gateways.some(({ zoneId }) => zoneId.startsWith("corridor"))).toBe(false);
    }
  });

  it("hangs gateways where it is told to: in the corner farthest from the door, or beside it", () => {
    for (const seed of [1, 2, 3]) {
      const doorsM = (gatewaysAt: "anywhere" | "far-corner" | "door") => {
        const { map, built } = buildingOf("office", seed, gatewaysAt);
        for (const gateway of map.gateways) expect(map.zones.filter((zone) => pointInZone(gateway, zone)).map(({ zoneId }) => zoneId)).toEqual([gateway.zoneId]);
        // The way from a gateway to the corridor's middle grows with its distance from the door.
        const corridor = built.zones.find(({ kind }) => kind === "corridor")?.polygons[0] ?? [];
        const [xsM, ysM] = [corridor.map(([xM]) => xM), corridor.map(([, yM]) => yM)];
        const lies = Math.max(...xsM) - Math.min(...xsM) > Math.max(...ysM) - Math.min(...ysM);
        const middleM = lies ? (Math.min(...ysM) + Math.max(...ysM)) / 2 : (Math.min(...xsM) + Math.max(...xsM)) / 2;
        return map.gateways.reduce((sum, { xM, yM }) => sum + Math.abs((lies ? yM : xM) - middleM), 0) / map.gateways.length;
      };
      expect(doorsM("door")).toBeLessThan(1.6);
      expect(doorsM("far-corner")).toBeGreaterThan(doorsM("anywhere") + 1);
    }
  });

  it("every room can be walked to through its door, on both floors", () => {
    for (const seed of [1, 2, 3]) {
      const { built } = buildingOf("two-floors", seed);
      const navigation = newNavigation(built);
      expect(navigation.unreachableZoneIds).toEqual([]);
      const [low, high] = ["corridor-0", "corridor-1"].map((zoneId) => navigation.reachableZoneIds.includes(zoneId));
      expect([low, high]).toEqual([true, true]);
    }
  });

  it("the same seed is the same recording, another seed another building", () => {
    const record = (seed: number) => officeRecording(seed, { forMs: 10_000, people: 2 });
    expect(record(7)).toEqual(record(7));
    expect(record(8).venue.gateways).not.toEqual(record(7).venue.gateways);
  });

  it("dice choose between given ranges, the power on top, and nothing else falls otherwise", () => {
    const usual = officeRecording(4, { forMs: 1_000 }).radio;
    const { rssiAt1mDbm, wallLossDb, ...rest } = officeRecording(4, { forMs: 1_000, powerDbm: -18, ranges: { rssiAt1mDbm: [-60, -54], wallLossDb: [8, 11] } }).radio;
    expect(rssiAt1mDbm).toBeGreaterThan(-78);
    expect(rssiAt1mDbm).toBeLessThan(-72);
    expect(wallLossDb).toBeGreaterThan(8);
    expect(wallLossDb).toBeLessThan(11);
    expect(usual).toMatchObject(rest);
  });

  it("people stay as long as is asked", () => {
    const changes = (staysMs: [number, number]) => officeRecording(4, { staysMs }).truth.filter(({ zoneId }, i, truth) => i > 0 && truth[i - 1]?.zoneId !== zoneId).length;
    expect(changes([60_000, 90_000])).toBeLessThan(changes([4_000, 8_000]));
  });

  it("gateways hear each other unless they are told not to", () => {
    const links = (gatewaysAdvertise: boolean) => officeRecording(3, { forMs: 10_000, gatewaysAdvertise }).observations.filter(({ tagId }) => tagId.startsWith("gateway:")).length;
    expect(links(true)).toBeGreaterThan(20);
    expect(links(false)).toBe(0);
  });

  it("a surveyor hears every room from spots as far apart as asked, and is no person of the recording", () => {
    const { survey, venue, truth } = officeRecording(3, { forMs: 2_000, surveyEveryM: 2 });
    const spots = [...new Set(survey.map(({ xM, yM }) => `${xM}/${yM}`))];
    expect(spots.length).toBeGreaterThan(30);
    for (const zone of venue.zones) expect(survey.some((spot) => pointInZone(spot, zone)), zone.zoneId).toBe(true);
    expect(truth.every(({ tagId }) => tagId !== "surveyor")).toBe(true);
    expect(officeRecording(3, { forMs: 2_000 })).toMatchObject({ survey: [], truth });
  });
});
