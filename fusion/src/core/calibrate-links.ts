import type { FusionConfig } from "./fusion-config.ts";

/** How one gateway hears another's own transmitter, or does not. */
export interface LinkMeasurement {
  /** The gateway that sends; -1: a transmitter of the kind's own power, as a surveyor carries. */
  from: number;
  by: number;
  /** NaN: both are alive, and nothing is heard. */
  rssiDbm: number;
  /** 10 log10 of the range in metres. */
  pathDb: number;
  walls: number;
  floors: number;
}

export interface LinkFit {
  rssiAt1mDbm: number;
  pathLossExponent: number;
  wallLossDb: number;
  /** Per gateway of the map: how much louder it hears than its kind. */
  gatewayOffsetDb: Float64Array;
  /** Standard deviation of what is left of the heard links. */
  residualDb: number;
  heardLinks: number;
  unheardLinks: number;
}

const ROUNDS = 25;
/** What no building has. */
const LEAST_EXPONENT = 0.8;
const MOST_EXPONENT = 4;
const MOST_WALL_DB = 15;
/** The prior scatter counts as so many links. */
const SIGMA_PRIOR_LINKS = 8;

/**
 * The radio of a building from how its gateways hear each other: level at 1 m, exponent, loss per wall
 * and an offset per gateway, as the most probable values under their priors. Unheard links are
 * censored, not missing: their level is below what the gateway hears, so in each round they stand
 * with the level expected there (EM for a censored Gaussian). A regression on heard links alone
 * gave exponents of 1.1-1.5 where 2-3 was right. Where most are unheard the few others are those that shadows favour, and
 * hardly any leads through more than one wall: the prior decides, and it is that of a whole wall (`unheardWallDb`).
 */
export function calibrateByLinks(links: readonly LinkMeasurement[], gateways: number, sensitivityDbm: Float64Array, config: FusionConfig): LinkFit {
  // How far links scatter is learned as well: too much of it makes unheard links weaker than they are.
  let sigmaDb = config.linkSigmaDb;
  const transmitDb = new Float64Array(gateways);
  const receiveDb = new Float64Array(gateways);
  const unheardShare = links.filter(({ rssiDbm }) => Number.isNaN(rssiDbm)).length / Math.max(1, links.length);
  const prior = [config.priorRssiAt1mDbm, config.priorPathLossExponent, config.priorWallLossDb + config.unheardWallDb * unheardShare] as const;
  const priorSigma = [config.priorRssiAt1mSigmaDb, config.priorPathLossExponentSigma, config.priorWallLossSigmaDb] as const;
  let [rssiAt1mDbm, exponent, wallLossDb]: readonly [number, number, number] = prior;
  const level = new Float64Array(links.length);
  const expected = (link: LinkMeasurement): number => rssiAt1mDbm - exponent * link.pathDb - wallLossDb * link.walls - config.floorLossDb * link.floors;

  for (let round = 0; round < ROUNDS; round++) {
    links.forEach((link, i) => {
      if (!Number.isNaN(link.rssiDbm)) {
        level[i] = link.rssiDbm;
        return;
      }
      const meanDbm = expected(link) + (transmitDb[link.from] ?? 0) + (receiveDb[link.by] as number);
      level[i] = meanBelow(meanDbm, sigmaDb, sensitivityDbm[link.by] as number);
    });
    // Three parameters of all links: normal equations with the priors as three more measurements.
    const a = [1 / priorSigma[0] ** 2, 0, 0, 0, 1 / priorSigma[1] ** 2, 0, 0, 0, 1 / priorSigma[2] ** 2];
    const b = prior.map((value, k) => value / priorSigma[k as 0 | 1 | 2] ** 2);
    links.forEach((link, i) => {
      const row = [1, -link.pathDb, -link.walls];
      const y = (level[i] as number) + config.floorLossDb * link.floors - (transmitDb[link.from] ?? 0) - (receiveDb[link.by] as number);
      for (let r = 0; r < 3; r++) {
        for (let c = 0; c < 3; c++) a[3 * r + c] = (a[3 * r + c] as number) + ((row[r] as number) * (row[c] as number)) / sigmaDb ** 2;
        b[r] = (b[r] as number) + ((row[r] as number) * y) / sigmaDb ** 2;
      }
    });
    [rssiAt1mDbm, exponent, wallLossDb] = solve3(a, b);
    exponent = Math.max(LEAST_EXPONENT, Math.min(MOST_EXPONENT, exponent));
    wallLossDb = Math.max(0, Math.min(MOST_WALL_DB, wallLossDb));
    let [squares, heard] = [0, 0];
    for (const link of links) {
      if (Number.isNaN(link.rssiDbm)) continue;
      heard++;
      squares += (link.rssiDbm - expected(link) - (transmitDb[link.from] ?? 0) - (receiveDb[link.by] as number)) ** 2;
    }
    sigmaDb = Math.sqrt((config.linkSigmaDb ** 2 * SIGMA_PRIOR_LINKS + squares) / (SIGMA_PRIOR_LINKS + heard));
    shrinkOffsets(receiveDb, (link) => link.by, transmitDb, (link) => link.from);
    shrinkOffsets(transmitDb, (link) => link.from, receiveDb, (link) => link.by);
  }

  function shrinkOffsets(own: Float64Array, ownOf: (link: LinkMeasurement) => number, other: Float64Array, otherOf: (link: LinkMeasurement) => number): void {
    const sum = new Float64Array(gateways);
    const count = new Float64Array(gateways);
    links.forEach((link, i) => {
      const gateway = ownOf(link);
      if (gateway === -1) return;
      sum[gateway] = (sum[gateway] as number) + (level[i] as number) - expected(link) - (other[otherOf(link)] ?? 0);
      count[gateway] = (count[gateway] as number) + 1;
    });
    const shrink = sigmaDb ** 2 / config.gatewayOffsetSigmaDb ** 2;
    let [total, with_] = [0, 0];
    for (let gateway = 0; gateway < gateways; gateway++) {
      own[gateway] = (sum[gateway] as number) / ((count[gateway] as number) + shrink);
      if (count[gateway] === 0) continue;
      total += own[gateway] as number;
      with_++;
    }
    // What they have in common is the level at 1 m; left here, it would creep there over hundreds of rounds.
    for (let gateway = 0; gateway < gateways; gateway++) if (count[gateway] !== 0) own[gateway] = (own[gateway] as number) - total / with_;
    if (with_ > 0) rssiAt1mDbm += total / with_;
  }

  let squares = 0;
  let heard = 0;
  for (const link of links) {
    if (Number.isNaN(link.rssiDbm)) continue;
    heard++;
    squares += (link.rssiDbm - expected(link) - (transmitDb[link.from] ?? 0) - (receiveDb[link.by] as number)) ** 2;
  }
  return {
    rssiAt1mDbm,
    pathLossExponent: exponent,
    wallLossDb,
    gatewayOffsetDb: receiveDb,
    residualDb: heard === 0 ? 0 : Math.sqrt(squares / heard),
    heardLinks: heard,
    unheardLinks: links.length - heard,
  };
}

/** Fading of a fixed link from packet to packet: Rician, 3 dB in sight to 5 dB behind walls. */
const FADING_SIGMA_DB = 3;
/** A level so far above the weakest that the gateway hears loses no packets for being weak. */
const NEVER_CUT_DB = 10;
/** By how many sigmas the mean of what is above a bound exceeds the mean of all (the inverse Mills ratio), when 0, 10, … 100 % are above. */
const CUT_SIGMAS = [2.4, 1.755, 1.4, 1.159, 0.966, 0.798, 0.644, 0.497, 0.35, 0.195, 0];

/**
 * The mean level of a link from the mean of what was heard. The packets that a weak link loses are its
 * weak ones, so what is left sounds too loud, and the more is lost the more so: exponents of eight simulated
 * offices came out 0.4 too small. `heardShare`: of as many packets as whoever hears that sender best.
 */
export function levelOfAllPackets(heardDbm: number, heardShare: number, sensitivityDbm: number): number {
  const at = Math.min(9, Math.floor(10 * heardShare));
  const along = 10 * heardShare - at;
  const sigmas = (1 - along) * (CUT_SIGMAS[at] as number) + along * (CUT_SIGMAS[at + 1] as number);
  return heardDbm - Math.min(FADING_SIGMA_DB * sigmas, Math.max(0, NEVER_CUT_DB - (heardDbm - sensitivityDbm)));
}

/** Mean of a Gaussian given that it lies below a bound. */
function meanBelow(mean: number, sigma: number, bound: number): number {
  const z = (bound - mean) / sigma;
  if (z > 6) return mean;
  // Mills ratio; far below its own mean the share is tiny, and the value is close under the bound.
  const density = Math.exp(-(z * z) / 2) / Math.sqrt(2 * Math.PI);
  const share = z < -5 ? density / -z : normalShare(z);
  return Math.min(bound, mean - (sigma * density) / share);
}

/** Standard normal distribution function (Abramowitz and Stegun 26.2.17, error below 7.5e-8). */
function normalShare(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail = (Math.exp(-(z * z) / 2) / Math.sqrt(2 * Math.PI)) * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z > 0 ? 1 - tail : tail;
}

/** Cramer's rule; the priors keep the determinant away from 0. */
function solve3(a: readonly number[], b: readonly number[]): [number, number, number] {
  const [a0, a1, a2, a3, a4, a5, a6, a7, a8] = a as [number, number, number, number, number, number, number, number, number];
  const [b0, b1, b2] = b as [number, number, number];
  const determinant = a0 * (a4 * a8 - a5 * a7) - a1 * (a3 * a8 - a5 * a6) + a2 * (a3 * a7 - a4 * a6);
  return [
    (b0 * (a4 * a8 - a5 * a7) - a1 * (b1 * a8 - a5 * b2) + a2 * (b1 * a7 - a4 * b2)) / determinant,
    (a0 * (b1 * a8 - a5 * b2) - b0 * (a3 * a8 - a5 * a6) + a2 * (a3 * b2 - b1 * a6)) / determinant,
    (a0 * (a4 * b2 - b1 * a7) - a1 * (a3 * b2 - b1 * a6) + b0 * (a3 * a7 - a4 * a6)) / determinant,
  ];
}
