import type { WifiPosterior } from "./wifi-posterior.ts";
import type { Fingerprint, WifiSurvey } from "./wifi-survey.ts";

/**
 * A random forest over fingerprints (requirement B4), on typed arrays. It grows by place and floor at
 * once: a split is good when it parts the survey's points in x, in y and by floor. A leaf holds the points
 * of the scans that fell into it, so that the forest answers with weighted survey points
 * (Meinshausen 2006, quantile regression forests) and not with a bare mean.
 */
export interface WifiForest {
  locate(scan: Fingerprint): WifiPosterior | null;
  trees: number;
  nodes: number;
}

export interface ForestConfig {
  trees: number;
  /** The same seed and survey grow the same forest. */
  seed: number;
}

export const FOREST_DEFAULTS: ForestConfig = { trees: 60, seed: 1 };

/** Levels in steps of 3 dB from -105 dBm; step 0 is "not heard". */
const BIN_DB = 3;
const QUIETEST_DBM = -105;
const BINS = 28;
/** A node with fewer scans is a leaf. */
const SMALLEST_SPLIT = 4;
const MAX_DEPTH = 30;
/** Per tree: all trees together have seen the rest. */
const MAX_DRAWN_SCANS = 3_000;
/** A tree learns of a phone that hears so much louder or quieter, drawn anew for every scan. */
const OFFSET_SIGMA_DB = 4;
/** And that misses one access point in ten. */
const DROP_SHARE = 0.1;
/** A floor apart counts like so many spreads of the points in the plane. */
const FLOOR_WEIGHT = 2;

/** One tree: children by node, leaves as ranges of `points`. 12 bytes a node, 4 a scan. */
interface Tree {
  /** Access point that decides, or -1 in a leaf. */
  feature: Int32Array;
  /** Below this step: left. */
  threshold: Uint8Array;
  /** Left child (right is the next), or first of the leaf's points. */
  left: Int32Array;
  /** Leaf: one past its last point. */
  end: Int32Array;
  points: Int32Array;
}

export function growWifiForest(survey: WifiSurvey, config: ForestConfig = FOREST_DEFAULTS): WifiForest {
  const targets = targetsOf(survey);
  const trees: Tree[] = [];
  if (survey.scans.length > 0) for (let t = 0; t < config.trees; t++) trees.push(growTree(survey, targets, newDice(config.seed * 7_919 + t)));
  const weights = new Float64Array(survey.points.length);
  return {
    trees: trees.length,
    nodes: trees.reduce((sum, tree) => sum + tree.feature.length, 0),
    locate(scan) {
      if (trees.length === 0 || scan.accessPoint.length === 0) return null;
      const steps = new Map(scan.accessPoint.map((accessPoint, row) => [accessPoint, binOf(scan.rssiDbm[row] as number)]));
      const touched: number[] = [];
      for (const tree of trees) {
        let node = 0;
        while ((tree.feature[node] as number) >= 0) {
          const below = (steps.get(tree.feature[node] as number) ?? 0) < (tree.threshold[node] as number);
          node = (tree.left[node] as number) + (below ? 0 : 1);
        }
        const from = tree.left[node] as number;
        const to = tree.end[node] as number;
        for (let i = from; i < to; i++) {
          const point = tree.points[i] as number;
          if (weights[point] === 0) touched.push(point);
          weights[point] = (weights[point] as number) + 1 / ((to - from) * trees.length);
        }
      }
      const at = touched.map((point) => survey.points[point] as WifiSurvey["points"][number]);
      const posterior: WifiPosterior = {
        xM: at.map((point) => point.xM),
        yM: at.map((point) => point.yM),
        floor: at.map((point) => point.floor),
        weight: touched.map((point) => weights[point] as number),
      };
      for (const point of touched) weights[point] = 0;
      return posterior;
    },
  };
}

/** What splits are to part: x and y in spreads of the survey, and the floor. */
interface Targets {
  x: Float64Array;
  y: Float64Array;
  floor: Uint8Array;
  floors: number;
}

function targetsOf(survey: WifiSurvey): Targets {
  const floors = [...new Set(survey.points.map((point) => point.floor))].sort((a, b) => a - b);
  const xM = Float64Array.from(survey.scans, (scan) => (survey.points[scan.point] as { xM: number }).xM);
  const yM = Float64Array.from(survey.scans, (scan) => (survey.points[scan.point] as { yM: number }).yM);
  const spreadM = Math.max(1, Math.sqrt(variance(xM) + variance(yM)));
  const centre = (values: Float64Array): Float64Array => {
    const meanM = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    return values.map((value) => (value - meanM) / spreadM);
  };
  const floor = Uint8Array.from(survey.scans, (scan) => floors.indexOf((survey.points[scan.point] as { floor: number }).floor));
  return { x: centre(xM), y: centre(yM), floor, floors: floors.length };
}

function variance(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length);
}

function binOf(rssiDbm: number): number {
  return Math.max(1, Math.min(BINS - 1, 1 + Math.floor((rssiDbm - QUIETEST_DBM) / BIN_DB)));
}

interface Dice {
  next(): number;
  integer(below: number): number;
  gaussian(): number;
}

/** Seeded dice (mulberry32, public domain, by Tommy Ettinger): the core rolls none of its own. */
export function newDice(seed: number): Dice {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    integer: (below) => Math.floor(next() * below),
    gaussian: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}

function growTree(survey: WifiSurvey, targets: Targets, dice: Dice): Tree {
  const n = Math.min(survey.scans.length, MAX_DRAWN_SCANS);
  const features = survey.bssids.length;
  // The scans that this tree sees, as it hears them: drawn with replacement, each with a phone of its own.
  const drawn = Int32Array.from({ length: n }, () => dice.integer(survey.scans.length));
  const steps = new Uint8Array(n * features);
  drawn.forEach((scan, row) => {
    const { accessPoint, rssiDbm } = survey.scans[scan] as WifiSurvey["scans"][number];
    const offsetDb = OFFSET_SIGMA_DB * dice.gaussian();
    accessPoint.forEach((heard, i) => {
      if (dice.next() >= DROP_SHARE) steps[row * features + heard] = binOf((rssiDbm[i] as number) + offsetDb);
    });
  });

  const feature: number[] = [];
  const threshold: number[] = [];
  const left: number[] = [];
  const end: number[] = [];
  const rows = Int32Array.from({ length: n }, (_, row) => row);
  const tried = Math.max(8, Math.round(1.5 * Math.sqrt(features)));
  const histogram = newHistogram(targets.floors);
  const addNode = (): number => {
    feature.push(-1);
    threshold.push(0);
    left.push(0);
    end.push(0);
    return feature.length - 1;
  };
  const waiting = [{ node: addNode(), from: 0, to: n, depth: 0 }];
  while (waiting.length > 0) {
    const { node, from, to, depth } = waiting.pop() as (typeof waiting)[number];
    const split = to - from < SMALLEST_SPLIT || depth >= MAX_DEPTH ? null : bestSplit({ rows, from, to, drawn, steps, features, tried, targets, histogram, dice });
    if (split === null) {
      left[node] = from;
      end[node] = to;
      continue;
    }
    const middle = partition(rows, from, to, (row) => (steps[row * features + split.feature] as number) < split.threshold);
    feature[node] = split.feature;
    threshold[node] = split.threshold;
    const below = addNode();
    left[node] = below;
    const above = addNode();
    waiting.push({ node: below, from, to: middle, depth: depth + 1 }, { node: above, from: middle, to, depth: depth + 1 });
  }
  return {
    feature: Int32Array.from(feature),
    threshold: Uint8Array.from(threshold),
    left: Int32Array.from(left),
    end: Int32Array.from(end),
    points: Int32Array.from(rows, (row) => (survey.scans[drawn[row] as number] as { point: number }).point),
  };
}

/** Per step: how many scans, the sums of their targets, and how many of each floor. */
interface Histogram {
  count: Float64Array;
  x: Float64Array;
  y: Float64Array;
  floor: Float64Array;
}

function newHistogram(floors: number): Histogram {
  return { count: new Float64Array(BINS), x: new Float64Array(BINS), y: new Float64Array(BINS), floor: new Float64Array(BINS * floors) };
}

interface SplitInput {
  rows: Int32Array;
  from: number;
  to: number;
  drawn: Int32Array;
  steps: Uint8Array;
  features: number;
  tried: number;
  targets: Targets;
  histogram: Histogram;
  dice: Dice;
}

function bestSplit(input: SplitInput): { feature: number; threshold: number } | null {
  const { rows, from, to, steps, features, tried, dice } = input;
  let best: { feature: number; threshold: number; gain: number } | null = null;
  const seen = new Set<number>();
  for (let attempt = 0; attempt < tried; attempt++) {
    // An access point that some scan of this node heard: most of a venue's are silent in any one corner.
    const feature = heardFeature(steps, (rows[from + dice.integer(to - from)] as number) * features, features, dice);
    if (feature === -1 || seen.has(feature)) continue;
    seen.add(feature);
    const split = splitBy(input, feature);
    if (split !== null && (best === null || split.gain > best.gain)) best = { feature, ...split };
  }
  return best;
}

function heardFeature(steps: Uint8Array, at: number, features: number, dice: Dice): number {
  const start = dice.integer(features);
  for (let i = 0; i < features; i++) {
    const feature = start + i < features ? start + i : start + i - features;
    if ((steps[at + feature] as number) > 0) return feature;
  }
  return -1;
}

/** The threshold that parts the targets best: the most squared sums over counts (the least variance left). */
function splitBy({ rows, from, to, drawn, steps, features, targets, histogram }: SplitInput, feature: number): { threshold: number; gain: number } | null {
  const { count, x, y, floor } = histogram;
  const { floors } = targets;
  count.fill(0);
  x.fill(0);
  y.fill(0);
  floor.fill(0);
  for (let i = from; i < to; i++) {
    const row = rows[i] as number;
    const scan = drawn[row] as number;
    const step = steps[row * features + feature] as number;
    count[step] = (count[step] as number) + 1;
    x[step] = (x[step] as number) + (targets.x[scan] as number);
    y[step] = (y[step] as number) + (targets.y[scan] as number);
    const at = step * floors + (targets.floor[scan] as number);
    floor[at] = (floor[at] as number) + 1;
  }
  const total = { count: to - from, x: sumOf(x), y: sumOf(y), floor: Array.from({ length: floors }, (_, f) => sumEvery(floor, f, floors)) };
  const below = { count: 0, x: 0, y: 0, floor: new Float64Array(floors) };
  const uncut = (total.x ** 2 + total.y ** 2 + FLOOR_WEIGHT * total.floor.reduce((sum, c) => sum + c * c, 0)) / total.count;
  let best: { threshold: number; gain: number } | null = null;
  for (let step = 0; step < BINS - 1; step++) {
    if (count[step] === 0) continue;
    below.count += count[step] as number;
    below.x += x[step] as number;
    below.y += y[step] as number;
    for (let f = 0; f < floors; f++) below.floor[f] = (below.floor[f] as number) + (floor[step * floors + f] as number);
    const above = total.count - below.count;
    if (above === 0) break;
    let floorBelow = 0;
    let floorAbove = 0;
    for (let f = 0; f < floors; f++) {
      floorBelow += (below.floor[f] as number) ** 2;
      floorAbove += ((total.floor[f] as number) - (below.floor[f] as number)) ** 2;
    }
    const gain =
      (below.x ** 2 + below.y ** 2 + FLOOR_WEIGHT * floorBelow) / below.count +
      ((total.x - below.x) ** 2 + (total.y - below.y) ** 2 + FLOOR_WEIGHT * floorAbove) / above -
      uncut;
    if (gain > 1e-9 && (best === null || gain > best.gain)) best = { threshold: step + 1, gain };
  }
  return best;
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

function sumEvery(values: Float64Array, from: number, by: number): number {
  let sum = 0;
  for (let i = from; i < values.length; i += by) sum += values[i] as number;
  return sum;
}

/** Brings rows that fit before those that do not; returns where the latter begin. */
function partition(rows: Int32Array, from: number, to: number, fits: (row: number) => boolean): number {
  let middle = from;
  for (let i = from; i < to; i++) {
    const row = rows[i] as number;
    if (!fits(row)) continue;
    rows[i] = rows[middle] as number;
    rows[middle] = row;
    middle++;
  }
  return middle;
}
