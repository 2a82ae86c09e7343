import { describe, expect, it } from "vitest";
import { newPipeline } from "@konferenco/fusion";
import { officeRecording, type SimulatedRecording } from "@konferenco/simulators";
import { figuresOf, measure } from "../../cli/src/accuracy/score.ts";
import type { TraceLine } from "../../cli/src/accuracy/trace.ts";

function meanErrorOf(recordings: readonly SimulatedRecording[], withSurvey: boolean): number {
  const measured = recordings.map(({ venue, observations, truth, survey }) => {
    const pipeline = newPipeline(venue, {}, withSurvey ? { survey } : {});
    const trace: TraceLine[] = [];
    let next = 0;
    for (let atMs = 500; atMs <= 120_000; atMs += 500) {
      for (; (observations[next]?.atMs ?? Infinity) < atMs; next++) {
        const observation = observations[next] as SimulatedRecording["observations"][number];
        pipeline.step({ ...observation, heardAtMs: observation.atMs }, atMs);
      }
      trace.push(...pipeline.tick(atMs).positions);
    }
    return measure(trace, truth, venue);
  });
  return figuresOf(measured).meanErrorWithMissingM as number;
}

describe("a survey of an office where half of the gateways do not hear a weak tag", () => {
  it("brings positions nearer than none does", { timeout: 120_000 }, () => {
    const offices = [101, 103, 106].map((seed) => officeRecording(seed, { powerDbm: -6, surveyEveryM: 1.5, forMs: 120_000 }));
    expect(meanErrorOf(offices, true)).toBeLessThan(0.9 * meanErrorOf(offices, false));
  });
});
