import type { AccuracyResult } from "./run-accuracy.ts";

/** Figures of some recordings as they stood, for CI to compare with. */
export interface Baseline {
  version: 1;
  recordings: Record<string, BaselineFigures>;
}
export type BaselineFigures = Record<string, number>;

/**
 * What is compared, and which way is better. `slack` is forgiven on top of the tolerance, because
 * figures that are small counts move in steps.
 */
const COMPARED: Record<string, { better: "lower" | "higher"; slack: number; pick: (result: AccuracyResult) => number | null | undefined }> = {
  meanErrorM: { better: "lower", slack: 0.02, pick: ({ figures }) => figures?.errorM?.mean },
  p95ErrorM: { better: "lower", slack: 0.05, pick: ({ figures }) => figures?.errorM?.p95 },
  fixShare: { better: "higher", slack: 0.002, pick: ({ figures }) => figures?.fixShare },
  zoneAccuracy: { better: "higher", slack: 0.005, pick: ({ figures }) => figures?.zoneAccuracy },
  zoneAccuracyInRooms: { better: "higher", slack: 0.005, pick: ({ figures }) => figures?.zoneAccuracyInRooms },
  /** Changes reported too many or too few, per true change. */
  zoneChangesOff: { better: "lower", slack: 0.1, pick: ({ figures }) => (figures === null || figures.zoneChangesTrue === 0 ? null : Math.abs(figures.zoneChangesReported / figures.zoneChangesTrue - 1)) },
  enterDelayMedianS: { better: "lower", slack: 0.5, pick: ({ figures }) => figures?.enterDelayS.median },
  /** How far the share of truth inside accuracy95M is from 95 %. */
  insideAccuracy95Off: { better: "lower", slack: 0.02, pick: ({ figures }) => (typeof figures?.insideAccuracy95 === "number" ? Math.abs(figures.insideAccuracy95 - 0.95) : null) },
  proximityAuc: { better: "higher", slack: 0.005, pick: ({ proximity }) => proximity?.auc },
  proximityF1: { better: "higher", slack: 0.02, pick: ({ proximity }) => proximity?.f1 },
};

const TOLERANCE = 0.05;

export function baselineOf(results: readonly AccuracyResult[]): Baseline {
  return { version: 1, recordings: Object.fromEntries(results.map((result) => [result.recording, baselineFigures(result)])) };
}

function baselineFigures(result: AccuracyResult): BaselineFigures {
  return Object.fromEntries(
    Object.entries(COMPARED).flatMap(([name, { pick }]) => {
      const value = pick(result);
      return typeof value === "number" && Number.isFinite(value) ? [[name, Math.round(value * 10_000) / 10_000]] : [];
    }),
  );
}

export interface Moved {
  recording: string;
  figure: string;
  was: number;
  is: number | null;
  verdict: "worse" | "better" | "missing" | "new";
}

/** What moved by more than the tolerance. A figure or recording that the baseline has and the run has not counts as worse. */
export function compareWithBaseline(baseline: Baseline, results: readonly AccuracyResult[]): Moved[] {
  const now = baselineOf(results).recordings;
  const moved: Moved[] = [];
  for (const [recording, figures] of Object.entries(baseline.recordings)) {
    for (const [figure, was] of Object.entries(figures)) {
      const rule = COMPARED[figure];
      if (rule === undefined) continue;
      const is = now[recording]?.[figure] ?? null;
      if (is === null) {
        moved.push({ recording, figure, was, is, verdict: "missing" });
        continue;
      }
      const by = rule.better === "lower" ? is - was : was - is;
      const limit = TOLERANCE * Math.abs(was) + rule.slack;
      if (by > limit) moved.push({ recording, figure, was, is, verdict: "worse" });
      else if (by < -limit) moved.push({ recording, figure, was, is, verdict: "better" });
    }
  }
  for (const recording of Object.keys(now)) {
    if (baseline.recordings[recording] === undefined) moved.push({ recording, figure: "all", was: NaN, is: null, verdict: "new" });
  }
  return moved;
}

export function isWorse(moved: readonly Moved[]): boolean {
  return moved.some(({ verdict }) => verdict === "worse" || verdict === "missing");
}

export function formatMoved(moved: readonly Moved[]): string {
  if (moved.length === 0) return `baseline: all figures within ${100 * TOLERANCE} %`;
  const cell = (value: number | null) => (value === null || Number.isNaN(value) ? "-" : value.toFixed(3));
  const rows = [["", "figure", "was", "is", "verdict"], ...moved.map(({ recording, figure, was, is, verdict }) => [recording, figure, cell(was), cell(is), verdict])];
  const widths = (rows[0] as string[]).map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  const table = rows.map((row) => row.map((text, column) => (column < 2 ? text.padEnd(widths[column] as number) : text.padStart(widths[column] as number))).join("  ").trimEnd());
  const close = isWorse(moved) ? "baseline: WORSE than it was" : "baseline: better than it was; update the baseline with --write-baseline";
  return [...table, "", close].join("\n");
}
