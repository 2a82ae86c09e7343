import fs from "node:fs";
import type { ProximityTransition, TagId } from "@konferenco/protocol";
import type { TruthPoint } from "@konferenco/simulators";
import type { TraceLine } from "./trace.ts";

/** One look at one pair of tags, as an independent scorer reads it. */
export interface PairLine {
  atMs: number;
  tagA: TagId;
  tagB: TagId;
  probabilityWithin2M: number;
  near: boolean;
}

export function writePairs(file: string, lines: readonly PairLine[]): void {
  fs.writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

/** How well nearness is known, over the seconds of all pairs whose truth is known. */
export interface PairFigures {
  pairSeconds: number;
  nearShare: number;
  /** Chance that a pair within 2 m is given a higher probability than one that is not. Null when all or none were. */
  auc: number | null;
  /** The same over seconds that were within 2 m, or not, for 5 s on end: meetings, not passings by. */
  aucSteady: number | null;
  /** The same two of the distance between the documents' 5 s centroids, on the same seconds. */
  centroidAuc: number | null;
  centroidAucSteady: number | null;
  /** Of `near` as told. */
  precision: number | null;
  recall: number | null;
  f1: number | null;
  /** Of centroids within 2 m for 3 s until they are beyond 4 m for 5 s: the plain way to do it. */
  centroidF1: number | null;
  /** `near` that was told although nobody was within 3 m in the 5 s before, and all that was told. */
  falseAlerts: number;
  alerts: number;
  /** The same of the plain way. */
  centroidFalseAlerts: number;
  centroidAlerts: number;
  /** Stated against true, in tenths. */
  reliability: { fromProbability: number; pairSeconds: number; meanProbability: number; nearShare: number }[];
}

const NEAR_M = 2;
const ALERT_M = 3;
const STEADY_S = 5;

/** One second of one pair. */
interface PairSecond {
  second: number;
  distanceM: number;
  probability: number;
  near: boolean;
  /** Infinity when one of the two has no centroid. */
  centroidM: number;
}

/** Scored second by second; pairs that were not looked at count as probability 0. */
export function scorePairs(pairs: readonly PairLine[], truth: readonly TruthPoint[], centroid: readonly TraceLine[], transitions: readonly ProximityTransition[]): PairFigures | null {
  const seconds = secondsOf(pairs, truth, centroid);
  const all = [...seconds.values()].flat();
  if (all.length === 0) return null;
  const isNear = ({ distanceM }: PairSecond) => distanceM <= NEAR_M;
  const steady = [...seconds.values()].flatMap((series) => series.filter((one, i) => i >= STEADY_S - 1 && series.slice(i - STEADY_S + 1, i).every((before) => isNear(before) === isNear(one))));
  const told = all.filter(({ near }) => near).length;
  const rightly = all.filter((one) => one.near && isNear(one)).length;
  const truly = all.filter(isNear).length;
  const alerts = transitions.filter(({ transition }) => transition === "near").map(({ tagA, tagB, atMs }) => ({ pair: pairKey(tagA, tagB), second: Math.round(atMs / 1_000) }));
  const plain = [...seconds].map(([pair, series]) => ({ pair, series, ...nearByCentroids(series) }));
  const plainAlerts = plain.flatMap(({ pair, alerts: at }) => at.map((second) => ({ pair, second })));
  const plainTold = plain.flatMap(({ near }) => near).filter(Boolean).length;
  const plainRightly = plain.flatMap(({ near, series }) => series.filter((one, i) => near[i] === true && isNear(one))).length;
  const falseOf = (list: typeof alerts) =>
    list.filter(({ pair, second }) => !(seconds.get(pair) ?? []).some((one) => one.second > second - STEADY_S - 1 && one.second <= second && one.distanceM <= ALERT_M)).length;
  return {
    pairSeconds: all.length,
    nearShare: truly / all.length,
    auc: aucOf(all.map((one) => ({ score: one.probability, positive: isNear(one) }))),
    aucSteady: aucOf(steady.map((one) => ({ score: one.probability, positive: isNear(one) }))),
    centroidAuc: aucOf(all.map((one) => ({ score: -one.centroidM, positive: isNear(one) }))),
    centroidAucSteady: aucOf(steady.map((one) => ({ score: -one.centroidM, positive: isNear(one) }))),
    precision: told === 0 ? null : rightly / told,
    recall: truly === 0 ? null : rightly / truly,
    f1: told + truly === 0 ? null : (2 * rightly) / (told + truly),
    centroidF1: plainTold + truly === 0 ? null : (2 * plainRightly) / (plainTold + truly),
    falseAlerts: falseOf(alerts),
    alerts: alerts.length,
    centroidFalseAlerts: falseOf(plainAlerts),
    centroidAlerts: plainAlerts.length,
    reliability: Array.from({ length: 10 }, (_, tenth) => tenth / 10).flatMap((fromProbability) => {
      const bin = all.filter(({ probability }) => Math.min(9, Math.floor(probability * 10)) === Math.round(fromProbability * 10));
      if (bin.length === 0) return [];
      const meanOf = (pick: (one: PairSecond) => number) => bin.reduce((sum, one) => sum + pick(one), 0) / bin.length;
      return [{ fromProbability, pairSeconds: bin.length, meanProbability: meanOf(({ probability }) => probability), nearShare: meanOf((one) => Number(isNear(one))) }];
    }),
  };
}

/** By pair, in order of time: every whole second at which both truths are known, from the first on at which anything was located. */
function secondsOf(pairs: readonly PairLine[], truth: readonly TruthPoint[], centroid: readonly TraceLine[]): Map<string, PairSecond[]> {
  const places = new Map<number, Map<TagId, TruthPoint>>();
  for (const point of truth) {
    const second = Math.round(point.atMs / 1_000);
    // One truth point a second and tag: the one on the second, or the last before it.
    if (point.atMs > second * 1_000) continue;
    const there = places.get(second);
    if (there === undefined) places.set(second, new Map([[point.tagId, point]]));
    else there.set(point.tagId, point);
  }
  const said = new Map(pairs.map((pair) => [`${pairKey(pair.tagA, pair.tagB)} ${Math.round(pair.atMs / 1_000)}`, pair]));
  const centroids = new Map(centroid.filter(({ atMs }) => atMs % 1_000 === 0).map((line) => [`${line.tagId} ${line.atMs / 1_000}`, line]));
  const seconds = new Map<string, PairSecond[]>();
  for (const [second, there] of [...places].sort(([a], [b]) => a - b)) {
    const points = [...there.values()].sort((a, b) => (a.tagId < b.tagId ? -1 : 1));
    points.forEach((a, i) => {
      for (const b of points.slice(i + 1)) {
        const key = pairKey(a.tagId, b.tagId);
        const line = said.get(`${key} ${second}`);
        const [centroidA, centroidB] = [centroids.get(`${a.tagId} ${second}`), centroids.get(`${b.tagId} ${second}`)];
        const one: PairSecond = {
          second,
          distanceM: a.floor === b.floor ? Math.hypot(a.xM - b.xM, a.yM - b.yM) : Infinity,
          probability: line?.probabilityWithin2M ?? 0,
          near: line?.near ?? false,
          centroidM: centroidA === undefined || centroidB === undefined || centroidA.floor !== centroidB.floor ? FAR_M : Math.hypot(centroidA.xM - centroidB.xM, centroidA.yM - centroidB.yM),
        };
        const series = seconds.get(key);
        if (series === undefined) seconds.set(key, [one]);
        else series.push(one);
      }
    });
  }
  return seconds;
}

const FAR_M = 1_000;

/** Hysteresis on the centroids' distance alone: when it told `near`, and second by second what it held. */
function nearByCentroids(series: readonly PairSecond[]): { alerts: number[]; near: boolean[] } {
  const alerts: number[] = [];
  let isNear = false;
  let turning = 0;
  const near = series.map(({ second, centroidM }) => {
    turning = (isNear ? centroidM > 4 : centroidM <= 2) ? turning + 1 : 0;
    if (turning >= (isNear ? 6 : 4)) {
      isNear = !isNear;
      turning = 0;
      if (isNear) alerts.push(second);
    }
    return isNear;
  });
  return { alerts, near };
}

interface Scored {
  score: number;
  positive: boolean;
}

/** Area under the ROC curve as Mann and Whitney's U: the mean rank of the positives, ties shared. */
function aucOf(scored: readonly Scored[]): number | null {
  const sorted = scored.toSorted((a, b) => a.score - b.score);
  let positives = 0;
  let rankSum = 0;
  for (let from = 0; from < sorted.length; ) {
    let to = from;
    while (to < sorted.length && (sorted[to] as Scored).score === (sorted[from] as Scored).score) to++;
    for (let i = from; i < to; i++) {
      if (!(sorted[i] as Scored).positive) continue;
      positives++;
      rankSum += (from + to + 1) / 2;
    }
    from = to;
  }
  const negatives = sorted.length - positives;
  return positives === 0 || negatives === 0 ? null : (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

export function pairKey(a: TagId, b: TagId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
