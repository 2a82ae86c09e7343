import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { baselineOf, compareWithBaseline, formatMoved, isWorse, type Baseline } from "../../cli/src/accuracy/baseline.ts";
import { allRecordings, baselineRecordings, findRecordings, SIMULATED } from "../../cli/src/accuracy/find-recordings.ts";
import { formatAll, pool, runAll } from "../../cli/src/accuracy/run-all.ts";
import type { AccuracyResult } from "../../cli/src/accuracy/run-accuracy.ts";
import { changedRecording, FLAT, HALL, temporaryFolder } from "./recordings.ts";

const file = path.join(import.meta.dirname, "baseline.json");
const stored = JSON.parse(fs.readFileSync(file, "utf8")) as Baseline;
let results: AccuracyResult[] | null = null;
const all = async () => (results ??= (await runAll(baselineRecordings(), {}, () => {})).results);

describe("the baseline", () => {
  it("holds: no figure of the project's recordings is worse than it was by more than 5 %", async () => {
    const moved = compareWithBaseline(stored, await all());
    expect(isWorse(moved), `${formatMoved(moved)}\nIf this is meant: npm run accuracy -- --write-baseline test/accuracy/baseline.json`).toBe(false);
  });

  it("is of two real recordings and three simulated ones, which come out the same every time", async () => {
    expect(Object.keys(stored.recordings).sort()).toEqual(["danis-hall/straight_04", "kolakowski-flat/robot", "simulated/hall-3", "simulated/office-1", "simulated/office-2"]);
    const make = SIMULATED["simulated/hall-3"] as () => { observations: unknown; truth: unknown };
    expect(make()).toEqual(make());
  });

  const result = (mean: number, zoneAccuracy: number) => ({ recording: "r", figures: { errorM: { mean, p95: 4 }, fixShare: 1, zoneAccuracy, zoneAccuracyInRooms: null, zoneChangesReported: 4, zoneChangesTrue: 4, enterDelayS: { median: null }, insideAccuracy95: 0.95 }, proximity: null }) as unknown as AccuracyResult;

  it("fails on what is worse, names it, and does not mind noise", () => {
    const baseline = baselineOf([result(2, 0.8)]);
    expect(compareWithBaseline(baseline, [result(2.05, 0.79)])).toEqual([]);
    const worse = compareWithBaseline(baseline, [result(2.2, 0.8)]);
    expect(isWorse(worse)).toBe(true);
    expect(formatMoved(worse)).toMatch(/r +meanErrorM +2\.000 +2\.200 +worse/);
    expect(isWorse(compareWithBaseline(baseline, [result(2, 0.7)]))).toBe(true);
  });

  it("passes on what is better, and asks to be updated", () => {
    const better = compareWithBaseline(baselineOf([result(2, 0.8)]), [result(1.5, 0.9)]);
    expect(isWorse(better)).toBe(false);
    expect(formatMoved(better)).toMatch(/--write-baseline/);
  });

  it("fails when a recording or a figure is missing", () => {
    expect(isWorse(compareWithBaseline(baselineOf([result(2, 0.8)]), []))).toBe(true);
  });
});

describe("proximity on simulated meetings", () => {
  it("knows better than the distance of centroids who is within 2 m", async () => {
    for (const { proximity } of (await all()).filter((one) => one.proximity !== null)) {
      expect(proximity?.auc as number).toBeGreaterThan((proximity?.centroidAuc as number) + 0.02);
      expect(proximity?.f1 as number).toBeGreaterThan(proximity?.centroidF1 as number);
    }
  });
});

describe("a run over all recordings", () => {
  it("finds them at any depth, and says when those beside the project are absent", () => {
    const folder = temporaryFolder();
    fs.cpSync(HALL, path.join(folder, "a/b/hall"), { recursive: true });
    fs.cpSync(FLAT, path.join(folder, "c/flat"), { recursive: true });
    expect(findRecordings(folder)).toHaveLength(2);
    expect(allRecordings(folder).found.map(({ name }) => name)).toEqual(["b/hall", "c/flat"]);
    const { found, note } = allRecordings(undefined);
    expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(["kolakowski-flat/robot", "simulated/office-1"]));
    expect(note === null || /\.\.\/shared\/recordings/.test(note)).toBe(true);
  });

  it("pools by instant: the mean over all is the mean of all instants", async () => {
    const measured = await all();
    const real = pool(measured).find(({ name }) => name === "all real recordings");
    const two = measured.filter(({ recording }) => !recording.startsWith("simulated"));
    const instants = two.reduce((sum, { figures }) => sum + (figures?.instants as number), 0);
    expect(real?.figures.instants).toBe(instants);
    const fixes = two.map(({ figures }) => ({ n: (figures?.instants as number) * (figures?.fixShare as number), mean: figures?.errorM?.mean as number }));
    expect(real?.figures.errorM?.mean).toBeCloseTo(fixes.reduce((sum, { n, mean }) => sum + n * mean, 0) / fixes.reduce((sum, { n }) => sum + n, 0), 9);
    expect(formatAll(measured, pool(measured), [])).toMatch(/all real recordings +konferenco/);
  });

  it("shows a recording without a truth as such", async () => {
    const { results: blind } = await runAll([{ name: "blind", load: changedRecording(HALL, { "truth.csv": null }) }], {}, () => {});
    expect(formatAll(blind, pool(blind), [])).toMatch(/blind +no truth/);
  });
});
