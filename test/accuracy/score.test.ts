import { describe, expect, it } from "vitest";
import type { TruthPoint } from "@konferenco/simulators";
import { scoreContacts } from "../../cli/src/accuracy/contacts.ts";
import { countChanges, score, spread } from "../../cli/src/accuracy/score.ts";
import type { TraceLine } from "../../cli/src/accuracy/trace.ts";
import { proximityOf } from "../contract/store.ts";
import { twoRooms } from "../fusion/venues.ts";

const venue = twoRooms();
const line = (atMs: number, over: Partial<TraceLine> = {}): TraceLine => ({ atMs, tagId: "ann", xM: 5, yM: 5, floor: 0, zoneId: "left", accuracy95M: 2, confidence: 0.9, ...over });
const truly = (atMs: number, over: Partial<TruthPoint> = {}): TruthPoint => ({ atMs, tagId: "ann", xM: 5, yM: 5, floor: 0, zoneId: "left", ...over });
const seconds = <T>(count: number, make: (atMs: number) => T): T[] => Array.from({ length: count }, (_, s) => make(s * 1_000));

describe("the score", () => {
  it("of a perfect trace is perfect", () => {
    const figures = score(seconds(10, (atMs) => line(atMs)), seconds(10, (atMs) => truly(atMs)), venue);
    expect(figures).toMatchObject({ instants: 10, fixShare: 1, zoneAccuracy: 1, zoneAccuracyInRooms: 1, floorAccuracy: 1, insideAccuracy95: 1, zoneChangesReported: 0, errorM: { mean: 0, p95: 0 } });
  });

  it("measures the distance to the last output before the truth, never to one after it", () => {
    const figures = score([line(0, { xM: 8 }), line(1_001, { xM: 5 })], [truly(1_000)], venue);
    expect(figures.errorM?.mean).toBe(3);
    expect(figures.insideAccuracy95).toBe(0);
  });

  it("an instant with no output, or an old one, has no fix and the wrong zone", () => {
    const figures = score([line(2_000), line(3_000)], [truly(1_000), truly(2_500), truly(5_001)], venue);
    expect(figures.fixShare).toBeCloseTo(1 / 3);
    expect(figures.zoneAccuracy).toBeCloseTo(1 / 3);
    expect(figures.instants).toBe(3);
  });

  it("rightly nowhere is right, and does not count as in a room; nor does a corridor", () => {
    const hallway = { ...venue, zones: venue.zones.map((zone) => (zone.zoneId === "right" ? { ...zone, kind: "corridor" } : zone)) };
    const figures = score([line(0, { zoneId: null }), line(1_000, { zoneId: "left" }), line(2_000)], [truly(0, { zoneId: null }), truly(1_000, { zoneId: "right" }), truly(2_000)], hallway);
    expect(figures.zoneAccuracy).toBeCloseTo(2 / 3);
    expect(figures.zoneAccuracyInRooms).toBe(1);
  });

  it("counts zone changes of each tag, without the first zone", () => {
    expect(countChanges([line(0, { zoneId: null }), line(1, {}), line(2, { zoneId: "right" }), line(2, { tagId: "bob", zoneId: "right" }), line(3, { zoneId: null }), line(4, {})])).toBe(3);
  });

  it("tells how late enter and exit come, and what was missed", () => {
    const truth = seconds(60, (atMs) => truly(atMs, { zoneId: atMs < 20_000 ? "left" : atMs < 40_000 ? "right" : "left" }));
    const late = score(seconds(60, (atMs) => line(atMs, { zoneId: atMs < 23_000 ? "left" : atMs < 42_000 ? "right" : "left" })), truth, venue);
    expect(late.enterDelayS).toMatchObject({ noticed: 2, missed: 0, median: 2.5 });
    expect(late.exitDelayS).toMatchObject({ noticed: 2, missed: 0, median: 2.5 });
    const blind = score(seconds(60, (atMs) => line(atMs)), truth, venue);
    // The third stay is in the zone that never stopped being reported: noticed, five seconds before it began.
    expect(blind.enterDelayS).toMatchObject({ noticed: 1, missed: 1, median: -5 });
  });

  it("two tags are scored by their own truths", () => {
    const figures = score([line(0), line(0, { tagId: "bob", xM: 15, zoneId: "right" })], [truly(0), truly(0, { tagId: "bob", xM: 15, zoneId: "right" })], venue);
    expect(figures).toMatchObject({ instants: 2, zoneAccuracy: 1, errorM: { max: 0 } });
  });

  it("reliability compares stated confidence with how often it was right", () => {
    const trace = seconds(10, (atMs) => line(atMs, { confidence: atMs < 5_000 ? 0.9 : 0.3, zoneId: atMs < 5_000 ? "left" : "right" }));
    expect(score(trace, seconds(10, (atMs) => truly(atMs)), venue).reliability).toEqual([
      { fromConfidence: 0.2, toConfidence: 0.4, instants: 5, meanConfidence: expect.closeTo(0.3), zoneAccuracy: 0 },
      { fromConfidence: 0.8, toConfidence: 1, instants: 5, meanConfidence: expect.closeTo(0.9), zoneAccuracy: 1 },
    ]);
  });

  it("quantiles are interpolated as numpy's", () => {
    // numpy.percentile([1, 2, 3, 4, 10], [50, 75, 90, 95])
    expect(spread([10, 1, 4, 3, 2])).toEqual({ mean: 4, median: 3, p75: 4, p90: expect.closeTo(7.6), p95: expect.closeTo(8.8), max: 10 });
    expect(spread([])).toBeNull();
  });
});

describe("the score of contacts", () => {
  it("counts seconds of pairs rightly near, wrongly near and missed", () => {
    const told = [proximityOf("near", "ann", "bob", 5_000), proximityOf("apart", "ann", "bob", 15_000), proximityOf("near", "ann", "eve", 18_000)];
    const contacts = [{ startMs: 0, endMs: 10_000, tagA: "bob", tagB: "ann", distanceM: 1 }];
    expect(scoreContacts(told, contacts, 20_000)).toEqual({ precision: 5 / 12, recall: 0.5, f1: 10 / 22, pairSeconds: { rightly: 5, wrongly: 7, missed: 5 } });
  });
});
