import { describe, expect, it } from "vitest";
import { newRandom } from "@konferenco/simulators";
import type { Position, ZoneTransition } from "@konferenco/protocol";
import type { Observation } from "../../../fusion/src/core/accept.ts";
import type { FusionConfig } from "../../../fusion/src/core/fusion-config.ts";
import { newPipeline } from "../../../fusion/src/core/pipeline.ts";
import { firstRowSince, keepMoment, newTagPast, noteRow, rowAt } from "../../../fusion/src/core/tag-past.ts";
import { newTimeline } from "../../../fusion/src/core/timeline.ts";
import { heardAt, twoRooms } from "../venues.ts";

describe("the past of a tag", () => {
  it("has its rows in the order in which they were due, those of one moment as they came", () => {
    const past = newTagPast<string>();
    for (const [dueMs, gateway] of [[100, 1], [300, 2], [100, 3], [200, 4]] as const) noteRow(past, { dueMs, gateway, rssiDbm: -50, heardAtMs: dueMs - 10 });
    expect([0, 1, 2, 3].map((at) => rowAt(past, at).gateway)).toEqual([1, 3, 4, 2]);
    expect(firstRowSince(past, 200)).toBe(2);
  });

  it("lets go what is before the youngest moment that all that may come is after", () => {
    const past = newTagPast<string>();
    for (let atMs = 0; atMs <= 60_000; atMs += 500) {
      noteRow(past, { dueMs: atMs, gateway: 0, rssiDbm: -50, heardAtMs: atMs });
      if (atMs % 5_000 === 0) keepMoment(past, atMs, `at ${atMs}`, atMs - 10_000);
    }
    expect(past.kept.map(({ tag }) => tag)).toEqual(["at 50000", "at 55000", "at 60000"]);
    expect(rowAt(past, 0).dueMs).toBe(50_000);
    expect(past.rows.gateway).toHaveLength(21);
  });
});

interface Report {
  dueMs: number;
  gatewayId: string;
  seq: number;
  heard: Observation[];
}

const LENGTH_MS = 7_500;

/** So many people walking through two rooms, each heard by all gateways once a second. */
function reportsOf(tags: number): Report[] {
  const { gateways } = twoRooms();
  const dice = newRandom("a crowd");
  const people = Array.from({ length: tags }, (_, i) => ({ tagId: `tag-${i}`, xM: dice.between(1, 19), yM: dice.between(1, 9), vxMps: dice.between(-0.6, 0.6) }));
  const reports: Report[] = [];
  for (let secondMs = 1_000, seq = 0; secondMs < LENGTH_MS; secondMs += 1_000, seq++) {
    for (const person of people) person.xM = Math.max(0.5, Math.min(19.5, person.xM + person.vxMps));
    gateways.forEach(({ gatewayId, xM, yM }, gateway) => {
      const dueMs = secondMs + 37 * gateway;
      const heard = people.map((person) => ({ tagId: person.tagId, gatewayId, rssiDbm: Math.round(-50 - 22 * Math.log10(Math.max(1, Math.hypot(xM - person.xM, yM - person.yM))) + 3 * dice.gaussian()), heardAtMs: dueMs - 20 }));
      reports.push({ dueMs, gatewayId, seq, heard });
    });
  }
  return reports;
}

function play(reports: readonly Report[], arrivesMs: (report: Report) => number, config: Partial<FusionConfig> = {}) {
  const pipeline = newPipeline(twoRooms(), config);
  const timeline = newTimeline(pipeline);
  const zones: ZoneTransition[] = [];
  let last: Position[] = [];
  for (let nowMs = 500; nowMs <= LENGTH_MS; nowMs += 500) {
    for (const report of reports) {
      const { dueMs, gatewayId, seq, heard } = report;
      if (arrivesMs(report) < nowMs - 500 || arrivesMs(report) >= nowMs) continue;
      timeline.take({ dueMs, from: gatewayId, seq, apply: () => heard.forEach((observation) => pipeline.step(observation, dueMs)), observations: () => heard });
    }
    const output = timeline.tick(nowMs);
    zones.push(...output.zoneTransitions);
    last = output.positions;
  }
  return { last, zones, counts: timeline.counts() };
}

describe("tags run again one by one", () => {
  it("in a crowd of 4,100, what a gateway heard of 400 comes seconds late: the same to the last bit, as long as what tags share is the same", () => {
    const GATEWAY = "right-middle";
    // Of these tags its rows travel in reports of their own.
    const apart = (report: Report): Report => ({ ...report, seq: report.seq + 1_000, heard: report.heard.slice(0, 400) });
    const reports = reportsOf(4_100).flatMap((report) => (report.gatewayId === GATEWAY ? [{ ...report, heard: report.heard.slice(400) }, apart(report)] : [report]));
    const expected = play(reports, ({ dueMs }) => dueMs);
    const told = play(reports, ({ dueMs, seq }) => (seq >= 1_000 && dueMs > 2_500 && dueMs < 5_500 ? 6_200 : dueMs));
    expect(expected.counts).toEqual({ late: 0, lateUnplaced: 0, duplicates: 0, replayedTicks: 0, replayedTagTicks: 0 });
    expect(told.counts).toMatchObject({ late: 3, lateUnplaced: 0, replayedTicks: 0 });
    expect(told.counts.replayedTagTicks).toBeGreaterThan(400 * 7);
    expect(expected.last).toHaveLength(4_100);
    expect(told.last).toEqual(expected.last);
    // What was told meanwhile stays told, and is put right as a change of now.
    const inside = new Map<string, string>();
    for (const { tagId, zoneId, transition } of told.zones) {
      if (transition === "enter") expect(inside.has(tagId)).toBe(false);
      else expect(inside.get(tagId)).toBe(zoneId);
      if (transition === "enter") inside.set(tagId, zoneId);
      if (transition === "exit") inside.delete(tagId);
    }
    expect([...inside].sort()).toEqual(expected.last.flatMap(({ tagId, zoneId }) => (zoneId === null ? [] : [[tagId, zoneId]])).sort());
  }, 240_000);

  it("a tag that was located meanwhile is not run again without that, however late the fix itself was", () => {
    for (const ticksBetween of [0, 1, 4]) {
      const venue = twoRooms();
      const pipeline = newPipeline(venue);
      pipeline.remember(true);
      let nowMs = 0;
      const tick = () => {
        nowMs += 500;
        for (const observation of heardAt(venue, { tagId: "ann", xM: 5, yM: 5 }, nowMs - 400)) pipeline.step(observation, nowMs - 400);
        return pipeline.tick(nowMs);
      };
      for (let k = 0; k < 40; k++) tick();
      // Of six seconds ago, when the tag is kept as it was five seconds ago.
      pipeline.locate({ tagId: "ann", atMs: 14_000, xM: 15, yM: 5, floor: 0, accuracy95M: 3, source: "check-in", zoneEvidence: { places: [1], probability: [1], certain: true } }, 14_000);
      for (let k = 0; k < ticksBetween; k++) tick();
      const observation = heardAt(venue, { tagId: "ann", xM: 5, yM: 5 }, 19_000)[0] as Observation;
      const { tagIds, unplaced } = pipeline.rehear([{ observation, dueMs: 19_000 }], nowMs, 1_000);
      expect({ tagIds: tagIds.size, unplaced: unplaced.length }, `${ticksBetween} ticks`).toEqual({ tagIds: 0, unplaced: 1 });
      expect(tick().positions).toMatchObject([{ source: "fusion" }]);
    }
  });

  it("runs again no more than was earned: the rest is taken as it comes, and counted", () => {
    const reports = reportsOf(1_000);
    const told = play(reports, ({ dueMs, gatewayId }) => (gatewayId === "left-middle" && dueMs > 1_500 && dueMs < 5_500 ? 6_700 : dueMs), { maxTagsRunAgain: 500 });
    expect(told.counts.late).toBe(4);
    expect(told.counts.replayedTagTicks).toBeLessThanOrEqual(16_000);
    const little = play(reportsOf(30), ({ dueMs, gatewayId }) => (gatewayId === "left-middle" && dueMs > 1_500 && dueMs < 5_500 ? 6_700 : dueMs), { maxTagsRunAgain: 20 });
    expect(little.counts).toMatchObject({ late: 4, lateUnplaced: 0 });
    expect(little.counts.replayedTagTicks).toBeLessThan(30 * 14);
  }, 120_000);
});
