import { performance } from "node:perf_hooks";

/** One figure with the same work done the plain way in the same run: these machines are shared, so ratios count. */
export interface BenchRow {
  bench: string;
  metric: string;
  figure: number;
  unit: string;
  baseline: number;
  /** figure / baseline. */
  ratio: number;
}

/** Rounds of each, in turn, so that a machine that slows down slows both. */
const ROUNDS = 15;
const WARM_UP_ROUNDS = 3;
/** How often `compare` calls each of its two functions. */
export const TIMES = ROUNDS + WARM_UP_ROUNDS;

/** Keeps results alive, so that work whose result nobody reads is not optimised away. */
let sink = 0;

/**
 * Nanoseconds per operation of two ways to do the same, A B A B …, the median round of each. Each function
 * does `operations` operations and returns something that depends on all of them.
 */
export function compare(operations: number, subject: () => number, baseline: () => number): { figureNs: number; baselineNs: number } {
  const times: { figure: number[]; baseline: number[] } = { figure: [], baseline: [] };
  for (let round = 0; round < TIMES; round++) {
    const figure = timed(subject);
    const other = timed(baseline);
    if (round < WARM_UP_ROUNDS) continue;
    times.figure.push(figure);
    times.baseline.push(other);
  }
  return { figureNs: (median(times.figure) * 1e6) / operations, baselineNs: (median(times.baseline) * 1e6) / operations };
}

export function row(bench: string, metric: string, unit: string, figure: number, baseline: number): BenchRow {
  return { bench, metric, figure, unit, baseline, ratio: figure / baseline };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function timed(work: () => number): number {
  const beginMs = performance.now();
  sink += work();
  return performance.now() - beginMs;
}

/** Read once at the end, for the same reason. */
export function sunk(): number {
  return sink;
}
