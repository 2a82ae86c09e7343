import { describe, expect, it } from "vitest";
import { errorCdf } from "../../cli/src/accuracy/plots/curves.ts";
import { REFERENCE_METHODS } from "../../cli/src/accuracy/references.ts";
import type { MeasuredMethods } from "../../cli/src/accuracy/run-accuracy.ts";
import { spread, type Measured } from "../../cli/src/accuracy/score.ts";

const errorsM = [0.5, 1, 2, 4, 7];
const measured: Measured = {
  instants: errorsM.map((errorM, i) => ({ tagId: "t", atMs: i * 500, trueZoneId: null, inRoom: false, said: { zoneId: null, rightFloor: true, errorM, accuracy95M: 3, confidence: 0.9 } })),
  changesReported: 0,
  changesTrue: 0,
  enterDelaysMs: [],
  exitDelaysMs: [],
};
const titles = ["konferenco", ...Object.values(REFERENCE_METHODS).map(({ title }) => title)];
const everyMethod = Object.fromEntries(["ours", ...Object.keys(REFERENCE_METHODS)].map((method) => [method, measured])) as MeasuredMethods;

describe("the plot of the errors", () => {
  const svg = errorCdf("all methods", [everyMethod]);
  const curves = [...svg.matchAll(/<path [^>]*stroke="(#\w+)" stroke-width="[\d.]+"/g)].map(([, colour]) => colour);

  it("draws a line of its own for every method, the last one too", () => {
    expect(new Set(curves).size).toBe(titles.length);
  });

  it("names the same figures as the table", () => {
    const p95 = spread(errorsM)?.p95.toFixed(2);
    for (const title of titles) expect(svg).toContain(`${title}: mean 2.90 m, p95 ${p95} m`);
  });
});
