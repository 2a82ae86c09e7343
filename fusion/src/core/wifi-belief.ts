import type { WifiPosterior } from "./wifi-posterior.ts";

/**
 * Where a device is by all of its scans so far: weighted points, each with the velocity of whoever came to it. The
 * points of a new scan are as likely as the scan says times how well they can be walked to from the last ones, so
 * that two corners that sound alike are told apart by the way there. A device whose scans do not
 * make a walk (a sample of places, a phone that scans every few minutes) begins anew with each of them. Never changed, only replaced.
 */
export interface WifiBelief {
  readonly atMs: number;
  readonly xM: Float32Array;
  readonly yM: Float32Array;
  readonly floor: Int16Array;
  /** Sums to 1. */
  readonly weight: Float32Array;
  readonly vxMps: Float32Array;
  readonly vyMps: Float32Array;
  /** Scans of late that went on from the one before, and that did not. */
  readonly walked: number;
  readonly jumped: number;
  /** Whether this scan did. */
  readonly isWalk: boolean;
}

export interface BeliefOptions {
  /** 0-1: scans that err alike count less than independent ones would. */
  evidenceShare: number;
  /** Of the surveyed floors together: where a device that jumps may turn up. */
  areaM2: number;
}

/** Spread of velocity on each axis and how long it lasts: people walk 1.2 m/s and turn, or stand. */
const SPEED_SIGMA_MPS = 0.7;
const VELOCITY_MEMORY_S = 6;
/** What one step leaves open of a velocity. */
const STEP_SIGMA_MPS = 0.8;
/** Points stand for the square around them. */
const POINT_SIGMA_M = 1;
/** Share of a walk's seconds that end on another floor. */
const FLOOR_CHANGES_PER_S = 0.005;
/** Scans that are remembered as walked or jumped, and what is thought before the first: one in ten jumps. */
const JUDGED_SCANS = 30;
const FIRST_WALKED = 9;
const FIRST_JUMPED = 1;
/** However long a device only walked, or only jumped: it may do the other. */
const LEAST_SHARE = 0.001;
/** Points kept, 22 bytes each; the lightest go first. */
const MAX_POINTS = 150;
/** Points of one square are one point. */
const MERGED_M = 1.5;

/** Begins with a scan, or goes on with it. */
export function followScan(before: WifiBelief | null, scan: WifiPosterior, atMs: number, options: BeliefOptions): WifiBelief {
  const looks = merged(tempered(scan, options.evidenceShare));
  if (before === null) return { ...looks, atMs, walked: FIRST_WALKED, jumped: FIRST_JUMPED, isWalk: false };
  const { walk, vxMps, vyMps } = walkTo(looks, before, Math.max(0, atMs - before.atMs) / 1_000);
  const likelihoodRatio = options.areaM2 * walk.reduce((sum, density, i) => sum + density * (looks.weight[i] as number), 0);
  const jumpShare = Math.max(LEAST_SHARE, Math.min(1 - LEAST_SHARE, before.jumped / (before.walked + before.jumped)));
  const walked = ((1 - jumpShare) * likelihoodRatio) / ((1 - jumpShare) * likelihoodRatio + jumpShare);
  const forget = Math.min(1, (JUDGED_SCANS - 1) / (before.walked + before.jumped));
  const judged = { atMs, walked: forget * before.walked + walked, jumped: forget * before.jumped + 1 - walked };
  if (walked < 0.5) return { ...looks, ...judged, isWalk: false };
  const weight = looks.weight.map((look, i) => look * ((1 - jumpShare) * options.areaM2 * (walk[i] as number) + jumpShare));
  const total = weight.reduce((sum, one) => sum + one, 0);
  return { ...looks, ...judged, weight: weight.map((one) => one / total), vxMps, vyMps, isWalk: true };
}

export function posteriorOf({ xM, yM, floor, weight }: WifiBelief): WifiPosterior {
  return { xM: [...xM], yM: [...yM], floor: [...floor], weight: [...weight] };
}

/** Mean velocity on a floor. */
export function velocityOf(belief: WifiBelief, floor: number): { vxMps: number; vyMps: number } {
  let [mass, vxMps, vyMps] = [0, 0, 0];
  belief.weight.forEach((weight, i) => {
    if (belief.floor[i] !== floor) return;
    mass += weight;
    vxMps += weight * (belief.vxMps[i] as number);
    vyMps += weight * (belief.vyMps[i] as number);
  });
  return mass > 0 ? { vxMps: vxMps / mass, vyMps: vyMps / mass } : { vxMps: 0, vyMps: 0 };
}

type Points = Omit<WifiBelief, "atMs" | "walked" | "jumped" | "isWalk">;

function tempered(scan: WifiPosterior, share: number): WifiPosterior {
  const weight = scan.weight.map((one) => one ** share);
  const total = weight.reduce((sum, one) => sum + one, 0);
  return { ...scan, weight: weight.map((one) => one / total) };
}

function merged({ xM, yM, floor, weight }: WifiPosterior): Points {
  const squares = new Map<string, { xM: number; yM: number; floor: number; weight: number }>();
  weight.forEach((one, i) => {
    const key = `${floor[i]}/${Math.floor((xM[i] as number) / MERGED_M)}/${Math.floor((yM[i] as number) / MERGED_M)}`;
    let square = squares.get(key);
    if (square === undefined) squares.set(key, (square = { xM: 0, yM: 0, floor: floor[i] as number, weight: 0 }));
    square.xM += one * (xM[i] as number);
    square.yM += one * (yM[i] as number);
    square.weight += one;
  });
  const kept = [...squares.values()].sort((a, b) => b.weight - a.weight).slice(0, MAX_POINTS);
  const total = kept.reduce((sum, square) => sum + square.weight, 0);
  return {
    xM: Float32Array.from(kept, (square) => square.xM / square.weight),
    yM: Float32Array.from(kept, (square) => square.yM / square.weight),
    floor: Int16Array.from(kept, (square) => square.floor),
    weight: Float32Array.from(kept, (square) => square.weight / total),
    vxMps: new Float32Array(kept.length),
    vyMps: new Float32Array(kept.length),
  };
}

/**
 * How densely (per m²) the walks of the last belief end at each of the points, and how fast those go that do: an
 * Ornstein-Uhlenbeck velocity, discretised exactly, for every pair of points.
 */
function walkTo(to: Points, from: WifiBelief, dtS: number): { walk: Float64Array; vxMps: Float32Array; vyMps: Float32Array } {
  const keep = Math.exp(-dtS / VELOCITY_MEMORY_S);
  const reachS = VELOCITY_MEMORY_S * (1 - keep);
  const speed2 = SPEED_SIGMA_MPS ** 2;
  const noiseM2 = speed2 * VELOCITY_MEMORY_S * (2 * dtS - VELOCITY_MEMORY_S * (3 - 4 * keep + keep * keep));
  const varianceM2 = POINT_SIGMA_M ** 2 + (reachS * STEP_SIGMA_MPS) ** 2 + Math.max(0, noiseM2);
  // Of what a step was longer than foreseen, this much per metre was speed.
  const gainPerS = (keep * reachS * STEP_SIGMA_MPS ** 2 + speed2 * VELOCITY_MEMORY_S * (1 - keep) ** 2) / varianceM2;
  const changes = 1 - Math.exp(-FLOOR_CHANGES_PER_S * dtS);
  const walk = new Float64Array(to.weight.length);
  const vxMps = new Float32Array(to.weight.length);
  const vyMps = new Float32Array(to.weight.length);
  for (let p = 0; p < walk.length; p++) {
    let [density, sumVx, sumVy] = [0, 0, 0];
    for (let q = 0; q < from.weight.length; q++) {
      const [vx, vy] = [from.vxMps[q] as number, from.vyMps[q] as number];
      const dxM = (to.xM[p] as number) - (from.xM[q] as number) - vx * reachS;
      const dyM = (to.yM[p] as number) - (from.yM[q] as number) - vy * reachS;
      const off = (dxM * dxM + dyM * dyM) / (2 * varianceM2);
      if (off > FAR_NATS) continue;
      const one = (from.weight[q] as number) * Math.exp(-off) * (to.floor[p] === from.floor[q] ? 1 - changes : changes);
      density += one;
      sumVx += one * (keep * vx + gainPerS * dxM);
      sumVy += one * (keep * vy + gainPerS * dyM);
    }
    if (density === 0) continue;
    walk[p] = density / (2 * Math.PI * varianceM2);
    vxMps[p] = sumVx / density;
    vyMps[p] = sumVy / density;
  }
  return { walk, vxMps, vyMps };
}

/** Nobody walks five sigmas. */
const FAR_NATS = 12;
