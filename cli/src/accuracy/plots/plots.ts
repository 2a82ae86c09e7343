import fs from "node:fs";
import path from "node:path";
import type { Recording } from "@konferenco/simulators";
import type { AccuracyResult } from "../run-accuracy.ts";
import type { Measured } from "../score.ts";
import { zoneConfusion } from "./confusion.ts";
import { errorCdf, reliability } from "./curves.ts";
import { walkMap } from "./map.ts";

/** Maps of this many tags: of a crowd nobody looks at all. */
const MAX_MAPS = 4;

/** Plots of one recording; without a truth the map of the estimates alone. */
export function plotRecording(dir: string, result: AccuracyResult, recording: Recording): void {
  fs.mkdirSync(dir, { recursive: true });
  const write = (name: string, content: string) => fs.writeFileSync(path.join(dir, name), content);
  const { measured, trace } = result;
  if (measured !== null) {
    const ours = measured.ours as Measured;
    write("error-cdf.svg", errorCdf(result.recording, [measured]));
    write("zones.svg", zoneConfusion(result.recording, ours, recording.venue));
    write("reliability.svg", reliability(result.recording, [ours]));
  }
  const tagIds = [...new Set((recording.truth.length > 0 ? recording.truth : trace).map(({ tagId }) => tagId))].slice(0, MAX_MAPS);
  for (const { floor } of recording.venue.floors) {
    for (const tagId of tagIds) {
      if (![...recording.truth, ...trace].some((one) => one.tagId === tagId && one.floor === floor)) continue;
      write(`map-${floor}-${tagId.replace(/[^\w.-]/g, "_")}.svg`, walkMap({ title: result.recording, venue: recording.venue, floor, tagId, truth: recording.truth, trace }));
    }
  }
}

/** Plots over all real recordings taken together; of simulated ones when there are no others. */
export function plotAll(dir: string, results: readonly AccuracyResult[]): void {
  const scored = results.flatMap(({ recording, measured }) => (measured === null ? [] : [{ recording, measured }]));
  const real = scored.filter(({ recording }) => !recording.startsWith("simulated"));
  const taken = (real.length > 0 ? real : scored).map(({ measured }) => measured);
  if (taken.length === 0) return;
  fs.mkdirSync(dir, { recursive: true });
  const title = `${taken.length} recordings together`;
  fs.writeFileSync(path.join(dir, "error-cdf.svg"), errorCdf(title, taken));
  fs.writeFileSync(path.join(dir, "reliability.svg"), reliability(title, taken.map(({ ours }) => ours as Measured)));
}
