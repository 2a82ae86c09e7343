import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ZoneTransition } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG } from "../../../fusion/src/core/fusion-config.ts";
import type { LateRow, Pipeline } from "../../../fusion/src/core/pipeline.ts";
import { newTimeline, type Timeline } from "../../../fusion/src/core/timeline.ts";
import { copyOf } from "../../../fusion/src/core/copy-of.ts";

/** A pipeline that writes down what it took at which tick: the plainest state that depends on order. One tag is where the last input of a tick says. */
function scribe(tags: number): { pipeline: Pipeline; timeline: Timeline; taken: () => string[]; say: (dueMs: number, word: string, from?: string, seq?: number) => void } {
  let state = { taken: [] as string[], zone: null as string | null };
  const stay = (atMs: number, transition: "enter" | "exit"): ZoneTransition => ({ transition, tagId: "ann", zoneId: state.zone as string, floor: 0, atMs, confidence: 1 });
  const pipeline = {
    config: DEFAULT_FUSION_CONFIG,
    tagCount: () => tags,
    remember: () => {},
    rehear: (late: readonly LateRow[]) => {
      for (const { observation } of late) state.taken.push(observation.tagId);
      return { tagIds: new Set(), ticks: 0, unplaced: late };
    },
    tick(nowMs: number) {
      const zoneTransitions: ZoneTransition[] = [];
      const last = state.taken.at(-1);
      if (last !== undefined && last !== state.zone && !last.startsWith("tick")) {
        if (state.zone !== null) zoneTransitions.push(stay(nowMs, "exit"));
        state.zone = last;
        zoneTransitions.push(stay(nowMs, "enter"));
      }
      state.taken.push(`tick ${nowMs}`);
      return { positions: [], zoneTransitions, proximityTransitions: [], droppedTags: [] };
    },
    standing: (nowMs: number) => ({ stays: state.zone === null ? [] : [{ enter: stay(nowMs, "enter"), dwelt: false }], near: [] }),
    save() {
      const kept = copyOf(state);
      return () => {
        state = copyOf(kept);
      };
    },
  } as unknown as Pipeline;
  const timeline = newTimeline(pipeline);
  return { pipeline, timeline, taken: () => state.taken, say: (dueMs, word, from = "gw", seq = dueMs) => timeline.take({ dueMs, from, seq, apply: () => state.taken.push(word) }) };
}

const run = (timeline: Timeline, fromMs: number, toMs: number): ZoneTransition[] => {
  const told: ZoneTransition[] = [];
  for (let atMs = fromMs; atMs <= toMs; atMs += 500) told.push(...timeline.tick(atMs).zoneTransitions);
  return told;
};

describe("a timeline", () => {
  it("takes what waits for a tick in the order of sending, whichever came first", () => {
    const { timeline, say, taken } = scribe(1);
    say(400, "c");
    say(100, "a", "gw-2");
    say(100, "b", "gw-1");
    say(100, "first", "gw-1", 5);
    say(500, "next tick");
    run(timeline, 500, 500);
    expect(taken()).toEqual(["first", "b", "a", "c", "tick 500"]);
  });

  it("puts what is late where it belongs, and tells a verdict that changed as a change of now", () => {
    const { timeline, say, taken } = scribe(1);
    say(1_000, "left");
    const before = run(timeline, 500, 6_000);
    say(3_200, "right");
    const after = run(timeline, 6_500, 7_000);
    expect(taken()).toEqual(["tick 500", "tick 1000", "left", "tick 1500", "tick 2000", "tick 2500", "tick 3000", "right", ...[3_500, 4_000, 4_500, 5_000, 5_500, 6_000, 6_500, 7_000].map((atMs) => `tick ${atMs}`)]);
    expect([...before, ...after].map(({ transition, zoneId, atMs }) => `${transition} ${zoneId} ${atMs}`)).toEqual(["enter left 1500", "exit left 6500", "enter right 6500"]);
  });

  it("whatever comes in whatever order within ten seconds ends in the same state", () => {
    const words = fc.array(fc.record({ dueMs: fc.integer({ min: 0, max: 20_000 }), lateMs: fc.integer({ min: 0, max: 10_000 }), zone: fc.constantFrom("a", "b", "c") }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(words, (sent) => {
        const play = (delayed: boolean) => {
          const { timeline, say, taken } = scribe(1);
          const arrivals = sent.map(({ dueMs, lateMs, zone }, seq) => ({ arrivesMs: dueMs + (delayed ? lateMs : 0), dueMs, zone, seq })).sort((a, b) => a.arrivesMs - b.arrivesMs);
          const told: string[] = [];
          say(0, "a", "first");
          for (let atMs = 500; atMs <= 33_000; atMs += 500) {
            for (const { dueMs, zone, seq } of arrivals.filter(({ arrivesMs }) => arrivesMs >= atMs - 500 && arrivesMs < atMs)) say(dueMs, zone, "gw", seq);
            told.push(...timeline.tick(atMs).zoneTransitions.map(({ transition }) => transition));
          }
          return { taken: taken(), told };
        };
        const late = play(true);
        expect(late.taken).toEqual(play(false).taken);
        late.told.forEach((transition, i) => expect(transition).toBe(i % 2 === 0 ? "enter" : "exit"));
      }),
    );
  });

  it("a device's message that comes twice counts once, at the same tick or later", () => {
    const { timeline, say, taken } = scribe(1);
    for (const _ of [1, 2]) say(100, "scan", "phone", 0);
    run(timeline, 500, 2_000);
    say(100, "scan", "phone", 0);
    run(timeline, 2_500, 2_500);
    expect(taken().filter((word) => word === "scan")).toHaveLength(1);
    expect(timeline.counts()).toEqual({ late: 0, lateUnplaced: 0, duplicates: 2, replayedTicks: 0, replayedTagTicks: 0 });
  });

  it("runs again no more than it has earned; the rest is taken as it comes, and counted", () => {
    const { timeline, say, taken } = scribe(1_000);
    for (let atMs = 500; atMs <= 60_000; atMs += 500) {
      if (atMs > 10_000) say(atMs - 5_250, `late ${atMs}`);
      timeline.tick(atMs);
    }
    const { late, lateUnplaced, replayedTicks } = timeline.counts();
    expect(late).toBe(100);
    expect(lateUnplaced).toBeGreaterThan(50);
    expect(lateUnplaced).toBeLessThan(100);
    expect(replayedTicks * 1_000).toBeLessThanOrEqual(16_000 + 120 * 2_000);
    expect(new Set(taken().filter((word) => word.startsWith("late"))).size).toBe(100);
  });

  it("keeps nothing to go back to in a crowd of more than four thousand", () => {
    const { timeline, say, taken } = scribe(4_001);
    run(timeline, 500, 5_000);
    say(4_100, "late");
    run(timeline, 5_500, 5_500);
    expect(taken().slice(-2)).toEqual(["late", "tick 5500"]);
    expect(timeline.counts()).toMatchObject({ late: 1, lateUnplaced: 1, replayedTicks: 0 });
  });

  it("keeps five checkpoints or so, and with fifty thousand inputs fewer", () => {
    let kept = 0;
    const registry = new Set<object>();
    const { pipeline } = scribe(1);
    const timeline = newTimeline({
      ...pipeline,
      save() {
        kept++;
        return () => registry.add({});
      },
    });
    for (let atMs = 500; atMs <= 120_000; atMs += 500) {
      for (let i = 0; i < 3_000; i++) timeline.take({ dueMs: atMs - 1, from: "gw", seq: i, apply: () => {} });
      timeline.tick(atMs);
    }
    // One before the first tick, then one at every fourth.
    expect(kept).toBe(61);
    // Sixteen ticks' inputs are kept: what was due before is taken as it comes.
    timeline.take({ dueMs: 110_400, from: "gw", seq: 0, apply: () => {} });
    timeline.tick(120_500);
    expect(timeline.counts()).toMatchObject({ late: 1, lateUnplaced: 1 });
  });
});

describe("a copy of state", () => {
  it("shares nothing that can change, and is of the same kinds", () => {
    class Filter {
      level = 1;
    }
    const state = { a: [1, 2], b: [{ c: new Float32Array([1, 2]) }], m: new Map([["x", { filter: new Filter(), none: null, no: undefined }]]) };
    const copy = copyOf(state);
    expect(copy).toEqual(state);
    expect(copy.m.get("x")?.filter).toBeInstanceOf(Filter);
    (state.m.get("x") as { filter: Filter }).filter.level = 2;
    ((state.b[0] as { c: Float32Array }).c)[0] = 9;
    state.a.push(3);
    expect(copy).toEqual({ a: [1, 2], b: [{ c: new Float32Array([1, 2]) }], m: new Map([["x", { filter: Object.assign(new Filter(), { level: 1 }), none: null, no: undefined }]]) });
  });
});
