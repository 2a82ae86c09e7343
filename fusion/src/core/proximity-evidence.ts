import { SIGMAS_OF_95 } from "./fix.ts";
import { UNHEARD_DBM, gatewayOf, heardShareOf, slowLevelDbmOf, type Links } from "./links.ts";
import { overlapPerM2, type Presence } from "./presence.ts";
import { isHeardLately } from "./slow-levels.ts";

/**
 * How likely two people are within 2 m of each other. Three things speak, weighed by logistic regression
 * (docs/decisions/0005-proximity.md):
 *
 * - how far their beliefs lie over each other: two who may each be in one of two rooms are likely together
 *   only if it is the same two, which neither a distance of positions nor its uncertainty tells;
 * - how alike gateways hear them over some seconds: the same walls, furniture and people stand between two badges
 *   in one place and each gateway, whatever that does to a position, also where both positions are wrong together;
 * - whether both are told to be in one zone.
 */

/** One tag's levels and belief, prepared once for all of its pairs. */
export interface HeardBy {
  /** LEVEL_SIZE numbers for each gateway that heard it, in the map's order: its stretch, up to before `to`, of an array that others share. Empty for who is located by other means. */
  levels: Float64Array;
  from: number;
  to: number;
  /** The gateway that hears it loudest, or -1. */
  loudest: number;
  loudestDbm: number;
  /** Null where other than the grid places it. */
  presence: Presence | null;
}

/** Ten times as telling every 30 dB. */
const TELLING_PER_DB = Math.LN10 / 30;

/** Of a level: the gateway, dBm, the share of the time that it was heard, and how much it tells of the place: much near the gateway, where a step changes it by decibels. */
const LEVEL_SIZE = 4;
/** A thousand tags share an array, as they do for presences (presence.ts): ten objects a tag that live until all pairs are looked at cost the collector more than what is in them. */
const NUMBERS_AT_ONCE = 65_536;
/** The array that was begun last, and how far it is full. */
let shared = new Float64Array(0);
let full = 0;

/** To be read as long as it is held: nobody writes there again. */
export function evidenceOf(links: Links, presence: Presence | null): HeardBy {
  if (full + links.count * LEVEL_SIZE > shared.length) {
    shared = new Float64Array(NUMBERS_AT_ONCE);
    full = 0;
  }
  const from = full;
  let loudest = -1;
  let loudestDbm = -Infinity;
  for (let link = 0; link < links.count; link++) {
    if (!isHeardLately(links, link)) continue;
    const gateway = gatewayOf(links, link);
    const levelDbm = slowLevelDbmOf(links, link);
    shared[full] = gateway;
    shared[full + 1] = levelDbm;
    shared[full + 2] = heardShareOf(links, link);
    shared[full + 3] = Math.min(4, Math.max(0.2, Math.exp((levelDbm + 80) * TELLING_PER_DB)));
    full += LEVEL_SIZE;
    if (levelDbm <= loudestDbm) continue;
    loudest = gateway;
    loudestDbm = levelDbm;
  }
  return { levels: shared, from, to: full, loudest, loudestDbm, presence };
}

/** Two tags differ in power by some decibels: their common offset is taken out, a little drawn to 0. */
const OFFSET_PRIOR_WEIGHT = 1;
/** A difference above this is a wall or a fault; more of it says no more. */
const MAX_DIFFERENCE_DB = 18;
/** A gateway counts by how much of the time it heard both, but so much at least. */
const UNHEARD_WEIGHT = 0.5;
/** A pair with nothing in common counts as if one gateway heard it with this difference. */
const PRIOR_MEAN_SQUARE_DB2 = 20;
const LEAST_WEIGHT = 0.5;

/** Scratch for one pair at a time; a tag has at most 24 links. */
const differences = new Float64Array(64);
const weights = new Float64Array(64);

/** How unlike gateways hear two tags: the mean square of the differences of their levels, dB2. */
export function unlikenessOf(a: HeardBy, b: HeardBy): number {
  let count = 0;
  let offsetSum = 0;
  let offsetWeight = OFFSET_PRIOR_WEIGHT;
  // Both are in order of gateway.
  for (let i = a.from, j = b.from; i < a.to || j < b.to; ) {
    const gatewayA = i < a.to ? (a.levels[i] as number) : Infinity;
    const gatewayB = j < b.to ? (b.levels[j] as number) : Infinity;
    let weight = 0;
    let differenceDb = 0;
    if (gatewayA === gatewayB) {
      const heardShare = Math.min(a.levels[i + 2] as number, b.levels[j + 2] as number);
      weight = Math.max(a.levels[i + 3] as number, b.levels[j + 3] as number) * (UNHEARD_WEIGHT + (1 - UNHEARD_WEIGHT) * heardShare);
      differenceDb = (a.levels[i + 1] as number) - (b.levels[j + 1] as number);
    } else if (gatewayA < gatewayB) {
      weight = UNHEARD_WEIGHT * (a.levels[i + 3] as number);
      differenceDb = (a.levels[i + 1] as number) - UNHEARD_DBM;
    } else {
      weight = UNHEARD_WEIGHT * (b.levels[j + 3] as number);
      differenceDb = UNHEARD_DBM - (b.levels[j + 1] as number);
    }
    if (gatewayA <= gatewayB) i += LEVEL_SIZE;
    if (gatewayB <= gatewayA) j += LEVEL_SIZE;
    differences[count] = differenceDb;
    weights[count++] = weight;
    offsetSum += weight * differenceDb;
    offsetWeight += weight;
  }
  const offsetDb = offsetSum / offsetWeight;
  let sum = PRIOR_MEAN_SQUARE_DB2;
  let weightSum = 0;
  for (let i = 0; i < count; i++) {
    const differenceDb = Math.min(MAX_DIFFERENCE_DB, Math.abs((differences[i] as number) - offsetDb));
    const weight = weights[i] as number;
    sum += weight * differenceDb * differenceDb;
    weightSum += weight;
  }
  return sum / (1 + Math.max(weightSum, LEAST_WEIGHT));
}

/** What is weighed of one pair. */
export interface PairEvidence {
  a: HeardBy;
  b: HeardBy;
  distanceM: number;
  /** Of the difference of the two positions, on each axis. */
  varianceM2: number;
  /** As told. */
  isSameZone: boolean;
  /** What a phone heard of the other directly, averaged; null when none did. */
  directDbm: number | null;
}

/** The distance that `near` is about; the weights below were learned for it. */
export const NEAR_M = 2;

/** Learned: log-odds of being within 2 m. */
const NEAR = {
  bias: 3.566,
  /** Per natural logarithm of the chance that the beliefs, each by itself, put both within 2 m. */
  overlap: 1.168,
  /** Per natural logarithm of the mean square difference: half the weight of its root. */
  unlikeness: -0.765,
  sameZone: 0.775,
} as const;
/** On a map that has no places for its gateways all are in one point, each known to 10 m. Where GPS or Wi-Fi knows no better, their distance still tells. */
const ONE_POINT_M = 0.01;
const NO_PLACE_M2 = 2 * (10 / SIGMAS_OF_95) ** 2;
/** Then the zone says more: two in a room of 40 m2 are within 2 m so often. */
const WITHIN_A_ROOM = (Math.PI * NEAR_M ** 2) / 40;
/** Less overlap says no more: a belief may have ruled out the truth. */
const LEAST_OVERLAP = 0.003;

/** Log-odds of being within 2 m. Where no gateway hears one of them (GPS, check-in, Wi-Fi), the positions' uncertainty alone decides. */
export function logitNear({ a, b, distanceM, varianceM2, isSameZone, directDbm }: PairEvidence): number {
  const direct = directDbm === null ? 0 : DIRECT_PER_DB * (Math.max(DIRECT_MIN_DBM, directDbm) - DIRECT_EVEN_DBM);
  if (a.from === a.to || b.from === b.to) {
    const chance = Math.min(0.999, Math.max(1e-6, chanceWithin(NEAR_M, distanceM, varianceM2)));
    return Math.log(chance / (1 - chance)) + direct;
  }
  const overlap = a.presence === null || b.presence === null ? chanceByPlaces(distanceM, varianceM2, isSameZone) : Math.PI * NEAR_M ** 2 * overlapPerM2(a.presence, b.presence);
  return NEAR.bias + NEAR.overlap * Math.log(overlap + LEAST_OVERLAP) + NEAR.unlikeness * Math.log(unlikenessOf(a, b)) + (isSameZone ? NEAR.sameZone : 0) + direct;
}

function chanceByPlaces(distanceM: number, varianceM2: number, isSameZone: boolean): number {
  return isSameZone && distanceM < ONE_POINT_M && varianceM2 >= NO_PLACE_M2 ? WITHIN_A_ROOM : chanceWithin(NEAR_M, distanceM, varianceM2);
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

