import type { Reading } from "./window.ts";

/**
 * How likely two people are within 2 m of each other, from what gateways hear of both.
 *
 * Two badges in one place are heard alike: the same walls, furniture and people stand between them
 * and each gateway, whatever that does to a position. So the likeness of their levels says something
 * that the distance of their positions does not, also where both positions are wrong together.
 * The weights were learned by logistic regression on simulated pairs of 60 buildings whose radio was
 * drawn by dice, positions of two methods pooled (docs/decisions/0005-proximity.md).
 */

/** One tag's levels, prepared once for all of its pairs. */
export interface HeardBy {
  gateways: readonly number[];
  rssiDbm: readonly number[];
  varianceDb2: readonly number[];
  /** How much a level tells of the place: much near its gateway, where a step changes it by decibels. */
  telling: readonly number[];
  /** The gateway that hears it loudest, or -1. */
  loudest: number;
  loudestDbm: number;
}

/** Ten times as telling every 30 dB. */
const TELLING_PER_DB = Math.LN10 / 30;

export function evidenceOf(readings: readonly Reading[]): HeardBy {
  let loudest = -1;
  let loudestDbm = -Infinity;
  for (const { gateway, rssiDbm } of readings) {
    if (rssiDbm <= loudestDbm) continue;
    loudest = gateway;
    loudestDbm = rssiDbm;
  }
  return {
    gateways: readings.map(({ gateway }) => gateway),
    rssiDbm: readings.map(({ rssiDbm }) => rssiDbm),
    varianceDb2: readings.map(({ varianceDb2 }) => varianceDb2),
    telling: readings.map(({ rssiDbm }) => Math.min(4, Math.max(0.2, Math.exp((rssiDbm + 80) * TELLING_PER_DB)))),
    loudest,
    loudestDbm,
  };
}

/** False for who is located by other means, or silent. */
export function isHeard(tag: HeardBy): boolean {
  return tag.loudest !== -1;
}

/** The likeness of two level vectors: mean square of their differences, and how much it rests on. */
export interface Likeness {
  meanSquareDb2: number;
  /** Sum of weights; about the number of gateways that hear both well. */
  weight: number;
}

/** Levels of one place scatter by this much more than their filters say: bodies and fading; 45 dB2 of both tags together is the usual case. */
const SCATTER_DB2 = 20;
const USUAL_VARIANCE_DB2 = 45;
/** Two tags differ in power by some decibels: their common offset is taken out, a little drawn to 0. */
const OFFSET_PRIOR_WEIGHT = 1;
/** A difference above this is a wall or a fault; more of it says no more. */
const MAX_DIFFERENCE_DB = 18;
/** A gateway that does not hear a tag would have heard it above this. */
const UNHEARD_DBM = -90;
const MAX_UNHEARD_DB = 20;
const UNHEARD_WEIGHT = 0.5;
/** A pair with nothing in common counts as if one gateway heard it with this difference. */
const PRIOR_MEAN_SQUARE_DB2 = 20;

/** Scratch for one pair at a time; a tag has at most 24 links. */
const differences = new Float64Array(64);
const weights = new Float64Array(64);

/** Merges the two lists, which are in order of gateway. */
export function likenessOf(a: HeardBy, b: HeardBy): Likeness {
  let heardByBoth = 0;
  let last = differences.length - 1;
  let offsetSum = 0;
  let offsetWeight = OFFSET_PRIOR_WEIGHT;
  let i = 0;
  let j = 0;
  // Common gateways fill the scratch from its front, gateways of one tag alone from its back.
  while (i < a.gateways.length || j < b.gateways.length) {
    const ofA = i < a.gateways.length ? (a.gateways[i] as number) : Infinity;
    const ofB = j < b.gateways.length ? (b.gateways[j] as number) : Infinity;
    if (heardByBoth > last) break;
    if (ofA === ofB) {
      const weight = (Math.max(a.telling[i] as number, b.telling[j] as number) * USUAL_VARIANCE_DB2) / ((a.varianceDb2[i] as number) + (b.varianceDb2[j] as number) + SCATTER_DB2);
      const differenceDb = (a.rssiDbm[i] as number) - (b.rssiDbm[j] as number);
      differences[heardByBoth] = differenceDb;
      weights[heardByBoth] = weight;
      heardByBoth++;
      offsetSum += weight * differenceDb;
      offsetWeight += weight;
      i++;
      j++;
      continue;
    }
    const alone = ofA < ofB ? a : b;
    const at = ofA < ofB ? i++ : j++;
    const aboveDb = (alone.rssiDbm[at] as number) - UNHEARD_DBM;
    if (aboveDb <= 0) continue;
    differences[last] = Math.min(aboveDb, MAX_UNHEARD_DB) * (alone === a ? 1 : -1);
    weights[last] = (alone.telling[at] as number) * UNHEARD_WEIGHT;
    last--;
  }
  const offsetDb = offsetSum / offsetWeight;
  let sum = PRIOR_MEAN_SQUARE_DB2;
  let weight = 0;
  for (let at = 0; at < differences.length; at++) {
    if (at === heardByBoth) at = last + 1;
    if (at >= differences.length) break;
    const differenceDb = Math.min(MAX_DIFFERENCE_DB, Math.abs((differences[at] as number) - offsetDb));
    sum += (weights[at] as number) * differenceDb * differenceDb;
    weight += weights[at] as number;
  }
  return { meanSquareDb2: sum / (1 + Math.max(weight, 0.5)), weight };
}

/** What is weighed of one pair. */
export interface PairEvidence {
  a: HeardBy;
  b: HeardBy;
  distanceM: number;
  /** Of the difference of the two positions, on each axis. */
  varianceM2: number;
  /** What a phone heard of the other directly, averaged; null when none did. */
  directDbm: number | null;
}

/** The distance that `near` is about; the weights below were learned for it. */
export const NEAR_M = 2;

/** Learned: log-odds of being within 2 m. */
const NEAR = {
  bias: 4.896,
  /** Exponent of (1 + distance2 / width2): a bivariate t-law, because positions err with heavy tails. */
  distance: -1.252,
  width: -0.587,
  /** Per natural logarithm of the mean square difference: half the weight of its root. */
  meanSquare: -1.2985,
  weight: 0.102,
  sameLoudest: 0.352,
} as const;

/** Within this two people are near whatever the positions say; the rest of the width is their uncertainty. */
const WIDTH_FLOOR_M2 = 2;
const WIDTH_PER_VARIANCE = 0.25;
const MAX_WEIGHT = 10;

/**
 * Log-odds of being within 2 m. Where no gateway hears one of them (GPS, check-in, Wi-Fi), the
 * positions' uncertainty alone decides.
 */
export function logitNear({ a, b, distanceM, varianceM2, directDbm }: PairEvidence): number {
  const direct = directDbm === null ? 0 : DIRECT_PER_DB * (Math.max(DIRECT_MIN_DBM, directDbm) - DIRECT_EVEN_DBM);
  if (!isHeard(a) || !isHeard(b)) {
    const chance = Math.min(0.999, Math.max(1e-6, chanceWithin(NEAR_M, distanceM, varianceM2)));
    return Math.log(chance / (1 - chance)) + direct;
  }
  const { meanSquareDb2, weight } = likenessOf(a, b);
  const width2M2 = WIDTH_FLOOR_M2 + WIDTH_PER_VARIANCE * varianceM2;
  return (
    NEAR.bias +
    NEAR.distance * Math.log1p((distanceM * distanceM) / width2M2) +
    NEAR.width * Math.log(width2M2) +
    NEAR.meanSquare * Math.log(meanSquareDb2) +
    NEAR.weight * Math.min(MAX_WEIGHT, Math.max(weight, 0.5)) +
    (a.loudest === b.loudest ? NEAR.sameLoudest : 0) +
    direct
  );
}

/**
 * What one phone hears of another, from 123,718 levels of people at 0.2-5 m (Ng, Spachos, Plataniotis
 * 2020, arXiv 2005.13754), means of ten, near and far balanced within each way of carrying: weak,
 * because a backpack costs 20 dB, as much as from 0.5 m to 5 m.
 */
const DIRECT_PER_DB = 0.052;
const DIRECT_EVEN_DBM = -85;
/** Weaker than this says no more: the far half of the data ends here. */
const DIRECT_MIN_DBM = -100;

/**
 * Chance that two people whose estimates are `distanceM` apart are truly within `radiusM`, when the
 * estimates' difference errs by a circular Gaussian: the non-central chi-square law of two degrees of
 * freedom as a Poisson mixture (Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 29.4).
 */
export function chanceWithin(radiusM: number, distanceM: number, varianceM2: number): number {
  const rate = distanceM ** 2 / (2 * varianceM2);
  const reach = radiusM ** 2 / (2 * varianceM2);
  // Beyond this both tails are lost in rounding: seven sigmas either way.
  if (Math.sqrt(2 * rate) - Math.sqrt(2 * reach) > 7) return 0;
  if (Math.sqrt(2 * reach) - Math.sqrt(2 * rate) > 7) return 1;
  // Terms within eight sigmas of the Poisson law's middle carry all of the sum; far ones are summed as a normal law.
  if (rate > 200) return normalBelow((radiusM - distanceM) / Math.sqrt(varianceM2));
  let weight = Math.exp(-rate);
  let term = Math.exp(-reach);
  let tail = term;
  let sum = weight * (1 - tail);
  for (let k = 1; k < 400; k++) {
    weight *= rate / k;
    term *= reach / k;
    tail += term;
    sum += weight * Math.max(0, 1 - tail);
    if (k > rate && weight < 1e-9) break;
  }
  return Math.min(1, Math.max(0, sum));
}

/** Bowling et al. 2009, Journal of Industrial Engineering and Management 2(1): within 0.00014 of the normal law. */
function normalBelow(sigmas: number): number {
  return 1 / (1 + Math.exp(-0.07056 * sigmas ** 3 - 1.5976 * sigmas));
}

