import { describe, expect, it } from "vitest";
import { venueMapSchema } from "@konferenco/protocol";
import { nelderMead } from "../../cli/src/accuracy/methods/nelder-mead.ts";
import { referenceTrace, type ReferenceMethod } from "../../cli/src/accuracy/references.ts";
import type { SurveyedLevel } from "@konferenco/simulators";
import type { Recording } from "@konferenco/simulators";

const room = (zoneId: string, x0M: number) => ({ zoneId, name: zoneId, kind: "room", floor: 0, polygons: [[[x0M, 0], [x0M + 10, 0], [x0M + 10, 10], [x0M, 10]]] });
const venue = venueMapSchema.parse({
  venueId: "two",
  floors: [{ floor: 0, name: "floor" }],
  zones: [room("left", 0), room("right", 10)],
  gateways: [[2, 2, "left"], [2, 8, "left"], [18, 2, "right"], [18, 8, "right"]].map(([xM, yM, zoneId], i) => ({ gatewayId: `gw-${i}`, xM, yM, floor: 0, zoneId })),
});
/** Levels of a tag that stands there, by the law that a method believes in. */
function recordingAt(place: (atMs: number) => readonly [number, number], refDbm: number, exponent: number): Recording {
  const observations = Array.from({ length: 120 }, (_, i) => (i + 1) * 500).flatMap((atMs) =>
    venue.gateways.map(({ gatewayId, xM, yM }) => ({ atMs, gatewayId, tagId: "t", rssiDbm: refDbm - 10 * exponent * Math.log10(Math.hypot(xM - place(atMs)[0], yM - place(atMs)[1])) })),
  );
  return { name: "made", dir: "", venue, observations, scans: [], truth: [], contacts: [], surveyFile: null };
}
const last = (recording: Recording, method: ReferenceMethod, survey: SurveyedLevel[] | null = null) => referenceTrace(recording, method, survey)?.at(-1);
const standing = (xM: number, yM: number) => () => [xM, yM] as const;

describe("the reference methods", () => {
  it("find a tag that stands still in levels of their own law, each in its way", () => {
    expect(last(recordingAt(standing(3, 3), -55, 3), "strongestGateway")).toMatchObject({ xM: 2, yM: 2, zoneId: "left" });
    expect(last(recordingAt(standing(3, 3), -55, 3), "bermuda")).toMatchObject({ xM: 2, yM: 2, zoneId: "left" });
    const found = last(recordingAt(standing(6, 4), -65, 2.7), "espresense");
    expect(Math.hypot((found?.xM as number) - 6, (found?.yM as number) - 4)).toBeLessThan(0.3);
    const centroid = last(recordingAt(standing(6, 4), -55, 2), "plainCentroid");
    expect(centroid?.xM).toBeGreaterThan(4);
    expect(centroid?.xM).toBeLessThan(10);
  });

  it("begin with the first packet, wherever the recording's times count from", () => {
    const recording = recordingAt(standing(3, 3), -55, 3);
    const later = { ...recording, observations: recording.observations.map((row) => ({ ...row, atMs: row.atMs + 1_763_700_000_000 })) };
    expect(referenceTrace(later, "strongestGateway")?.map(({ atMs }) => atMs - 1_763_700_000_000)).toEqual(referenceTrace(recording, "strongestGateway")?.map(({ atMs }) => atMs));
  });

  it("ask about nobody whose truth is not known: strangers cost them nothing", () => {
    const recording = recordingAt(standing(3, 3), -55, 3);
    const strangers = recording.observations.map((row, i) => ({ ...row, tagId: `stranger-${i}` }));
    const truth = [{ atMs: 1_000, tagId: "t", xM: 3, yM: 3, floor: 0, zoneId: "left" }];
    expect(referenceTrace({ ...recording, observations: [...recording.observations, ...strangers], truth }, "strongestGateway")).toEqual(referenceTrace(recording, "strongestGateway"));
  });

  it("leave the plain grid filter out where weighing every cell at every step would take minutes", () => {
    const wide = { ...recordingAt(standing(3, 3), -55, 3), venue: { ...venue, zones: [...venue.zones, { ...room("far", 900) }] as typeof venue.zones } };
    expect(referenceTrace(wide, "plainGrid")).toBeNull();
    // Nor are they counted one by one: a map may span 200 km.
    const country = { ...wide, venue: { ...venue, zones: [...venue.zones, { ...room("far", 90_000) }] as typeof venue.zones } };
    country.venue.zones = [...country.venue.zones, { ...(country.venue.zones[0] as (typeof venue.zones)[number]), zoneId: "north", polygons: [[[0, 90_000], [1, 90_000], [1, 90_001]]] }];
    expect(referenceTrace(country, "plainGrid")).toBeNull();
  });

  it("Bermuda stays with the incumbent while the challenger leads by little, and leaves when it leads clearly", () => {
    const step = (toXM: number) => recordingAt((atMs) => (atMs < 30_000 ? [9, 2] : [toXM, 2]), -55, 3);
    expect(last(step(10.3), "bermuda")?.zoneId).toBe("left");
    expect(last(step(13), "bermuda")?.zoneId).toBe("right");
  });

  it("kNN needs a survey, and finds the spot that sounds the same", () => {
    const recording = recordingAt(standing(6, 4), -60, 2.5);
    expect(referenceTrace(recording, "knnSurvey", null)).toBeNull();
    const survey = [1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((xM) => [2, 4, 6].flatMap((yM) => venue.gateways.map((gateway) => ({ xM, yM, floor: 0, gatewayId: gateway.gatewayId, count: 5, rssiDbm: -60 - 25 * Math.log10(Math.max(0.1, Math.hypot(gateway.xM - xM, gateway.yM - yM))) }))));
    const found = last(recording, "knnSurvey", survey);
    expect(Math.hypot((found?.xM as number) - 6, (found?.yM as number) - 4)).toBeLessThan(0.1);
  });

  it("the plain grid filter finds a tag by its own law, and by that of the gateways' links once it hears them", () => {
    const off = (recording: Recording) => {
      const found = last(recording, "plainGrid");
      return Math.hypot((found?.xM as number) - 6, (found?.yM as number) - 4);
    };
    expect(off(recordingAt(standing(6, 4), -64, 2.5))).toBeLessThan(2);
    const quiet = recordingAt(standing(6, 4), -82, 3);
    const links = venue.gateways.flatMap((from) =>
      venue.gateways.flatMap((by) => (from === by ? [] : [500, 600, 700].map((atMs) => ({ atMs, gatewayId: by.gatewayId, tagId: `gateway:${from.gatewayId}`, rssiDbm: -78 - 30 * Math.log10(Math.hypot(from.xM - by.xM, from.yM - by.yM)) - (from.zoneId === by.zoneId ? 0 : 5) })))),
    );
    expect(off({ ...quiet, observations: [...links, ...quiet.observations].sort((a, b) => a.atMs - b.atMs) })).toBeLessThan(off(quiet));
  });

  it("look at nothing later than the moment asked for", () => {
    const recording = recordingAt((atMs) => [2 + atMs / 5_000, 5], -60, 2.7);
    const half = { ...recording, observations: recording.observations.slice(0, 240) };
    for (const method of ["strongestGateway", "plainCentroid", "bermuda", "plainGrid", "espresense"] as const) {
      const cut = referenceTrace(half, method) ?? [];
      expect((referenceTrace(recording, method) ?? []).slice(0, cut.length)).toEqual(cut);
    }
  });

  it("Nelder and Mead's simplex finds the bottom of Rosenbrock's valley", () => {
    const [x, y] = nelderMead(([a, b]) => (1 - (a as number)) ** 2 + 100 * ((b as number) - (a as number) ** 2) ** 2, [-1.2, 1], [0.5, 0.5], 500) as [number, number];
    expect(x).toBeCloseTo(1, 2);
    expect(y).toBeCloseTo(1, 2);
  });
});
