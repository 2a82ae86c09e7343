import type { FusionConfig } from "./fusion-config.ts";
import type { Hearing } from "./grid-filter.ts";
import { MAX_OFF_DB, PER_DB, TABLE_LENGTH, UNHEARD_FROM, newLevelLikelihood, type LevelLikelihood } from "./level-likelihood.ts";
import type { LevelMap } from "./radio-model.ts";

/** What all gateways said of one tag at one moment, kept to learn from. */
export interface Snapshot {
  /** About where: what shares a place shares its shadows. */
  xM: number;
  yM: number;
  hearings: readonly Hearing[];
  /** The tag's offset as the filter knew it. */
  offsetDb: number;
}

/** Corrections to the model in force, per gateway. */
export interface TrafficFit {
  offsetDb: Float64Array;
  /** By how much the snapshots that were held back became likelier, in nats each. */
  gainNats: number;
  snapshots: number;
}

export interface TrafficMaterial {
  snapshots: readonly Snapshot[];
  /** Cells that a tag may be in, a sample of all. */
  cells: Int32Array;
  levels: LevelMap;
  sensitivityDbm: Float64Array;
}

const ROUNDS = 4;
/** Places are held back in squares of this size, as on a chessboard: moments near each other prove nothing, they share their shadows. */
const SQUARE_M = 4;
/** Snapshots a few steps apart are nearly independent. */
const SNAPSHOT_WORTH = 0.7;

/**
 * What the traffic itself tells of the radio: offsets of gateways, by expectation and maximisation (where
 * may the tag have been, given the model; which offsets fit best, given that) under priors around the
 * model that it begins with. Not the exponent: a wrong one moves the tags and fits as well (docs/decisions/0140). Two fits, each on the white or the black squares of the
 * floor, are judged on the squares that they have not seen: null when those did not become likelier.
 */
export function learnFromTraffic(material: TrafficMaterial, config: FusionConfig): TrafficFit | null {
  const { snapshots } = material;
  if (snapshots.length < MIN_SNAPSHOTS) return null;
  const likelihood = newLevelLikelihood(config);
  const square = ({ xM, yM }: Snapshot): number => Math.abs(Math.floor(xM / SQUARE_M) + Math.floor(yM / SQUARE_M)) % 2;
  const gateways = material.levels.levelDbm.length;
  const none = new Float64Array(gateways);
  let gain = 0;
  for (const fold of [0, 1]) {
    const learned = snapshots.filter((snapshot) => square(snapshot) === fold);
    const heldBack = snapshots.filter((snapshot) => square(snapshot) !== fold);
    if (learned.length < MIN_SNAPSHOTS / 3 || heldBack.length < MIN_SNAPSHOTS / 3) return null;
    const fit = maximise(learned, material, likelihood, config);
    gain += logLikelihoodOf(heldBack, fit, material, likelihood) - logLikelihoodOf(heldBack, none, material, likelihood);
  }
  const gainNats = gain / snapshots.length;
  if (gainNats < config.trafficGainNats) return null;
  return { offsetDb: maximise(snapshots, material, likelihood, config), gainNats, snapshots: snapshots.length };
}

export const MIN_SNAPSHOTS = 12;

function logLikelihoodOf(snapshots: readonly Snapshot[], correctionDb: Float64Array, material: TrafficMaterial, likelihood: LevelLikelihood): number {
  const log = new Float64Array(material.cells.length);
  let sum = 0;
  for (const snapshot of snapshots) sum += weighCells(log, snapshot, snapshot.offsetDb, correctionDb, material, likelihood);
  return sum;
}

function maximise(snapshots: readonly Snapshot[], material: TrafficMaterial, likelihood: LevelLikelihood, config: FusionConfig): Float64Array {
  const { cells, levels } = material;
  const gateways = levels.levelDbm.length;
  const correctionDb = new Float64Array(gateways);
  const log = new Float64Array(cells.length);
  const sum = new Float64Array(gateways);
  const weight = new Float64Array(gateways);
  for (let round = 0; round < ROUNDS; round++) {
    sum.fill(0);
    weight.fill(0);
    for (const snapshot of snapshots) {
      weighCells(log, snapshot, snapshot.offsetDb, correctionDb, material, likelihood);
      // The tag's own offset floats: only differences between gateways are learned.
      const residual: { gateway: number; off: number; trust: number }[] = [];
      for (const { gateway, rssiDbm } of snapshot.hearings) {
        if (Number.isNaN(rssiDbm)) continue;
        const level = levels.levelDbm[gateway] as Float32Array;
        const firstCell = levels.firstCell[gateway] as number;
        let [off, mass] = [0, 0];
        for (let i = 0; i < cells.length; i++) {
          const share = log[i] as number;
          if (share < 1e-4) continue;
          const expected = level[(cells[i] as number) - firstCell];
          if (expected === undefined) continue;
          off += share * (rssiDbm - snapshot.offsetDb - expected - (correctionDb[gateway] as number));
          mass += share;
        }
        if (mass < 0.5) continue;
        off /= mass;
        const trust = (SNAPSHOT_WORTH * (config.tailDegrees + 1)) / (config.tailDegrees + (off / config.levelSigmaDb) ** 2) / config.levelSigmaDb ** 2;
        residual.push({ gateway, off, trust });
      }
      if (residual.length < 3) continue;
      const total = residual.reduce((all, { trust }) => all + trust, 0);
      const common = residual.reduce((all, { trust, off }) => all + trust * off, 0) / total;
      for (const { gateway, off, trust } of residual) {
        sum[gateway] = (sum[gateway] as number) + trust * (off - common);
        weight[gateway] = (weight[gateway] as number) + trust;
      }
    }
    let mean = 0;
    for (let gateway = 0; gateway < gateways; gateway++) {
      // A step of the maximisation under the prior that the correction is nothing.
      const precision = (weight[gateway] as number) + 1 / config.gatewayOffsetSigmaDb ** 2;
      const before = correctionDb[gateway] as number;
      correctionDb[gateway] = before + ((sum[gateway] as number) - before / config.gatewayOffsetSigmaDb ** 2) / precision;
      mean += (correctionDb[gateway] as number) / gateways;
    }
    for (let gateway = 0; gateway < gateways; gateway++) correctionDb[gateway] = (correctionDb[gateway] as number) - mean;
  }
  return correctionDb;
}

/** Fills `share` with the mass of each cell given the snapshot, and returns the snapshot's log-likelihood. */
function weighCells(share: Float64Array, snapshot: Snapshot, offsetDb: number, correctionDb: Float64Array, material: TrafficMaterial, { table }: LevelLikelihood): number {
  const { cells, levels, sensitivityDbm } = material;
  share.fill(0);
  for (const { gateway, rssiDbm, weight } of snapshot.hearings) {
    const level = levels.levelDbm[gateway] as Float32Array;
    const firstCell = levels.firstCell[gateway] as number;
    const heard = !Number.isNaN(rssiDbm);
    const from = heard ? 0 : UNHEARD_FROM;
    const shift = offsetDb + (correctionDb[gateway] as number);
    for (let i = 0; i < cells.length; i++) {
      const at = (cells[i] as number) - firstCell;
      let index = TABLE_LENGTH - 1;
      if (at >= 0 && at < level.length) {
        const off = (heard ? rssiDbm : (sensitivityDbm[gateway] as number)) - (level[at] as number) - shift;
        index = Math.max(0, Math.min(TABLE_LENGTH - 1, ((off + MAX_OFF_DB) * PER_DB) | 0));
      }
      share[i] = (share[i] as number) + weight * (table[from + index] as number);
    }
  }
  let best = -Infinity;
  for (let i = 0; i < share.length; i++) best = Math.max(best, share[i] as number);
  let sum = 0;
  for (let i = 0; i < share.length; i++) sum += share[i] = Math.exp((share[i] as number) - best);
  for (let i = 0; i < share.length; i++) share[i] = (share[i] as number) / sum;
  return best + Math.log(sum / share.length);
}
