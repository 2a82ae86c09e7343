import type { FusionConfig } from "./fusion-config.ts";

/**
 * Log-likelihood of a heard level by how far it is from the expected one, and of silence by the
 * expected one, as tables: a logarithm costs ten look-ups, and the filter asks for a thousand per tag and tick.
 */
export interface LevelLikelihood {
  /** By (heard - expected + MAX_OFF_DB) * PER_DB. */
  heard: Float32Array;
  /** By (expected - sensitivity + MAX_OFF_DB) * PER_DB. */
  unheard: Float32Array;
}

export const MAX_OFF_DB = 48;
export const PER_DB = 4;
export const TABLE_LENGTH = 2 * MAX_OFF_DB * PER_DB;

export function newLevelLikelihood(config: FusionConfig): LevelLikelihood {
  const heard = new Float32Array(TABLE_LENGTH);
  const unheard = new Float32Array(TABLE_LENGTH);
  for (let i = 0; i < TABLE_LENGTH; i++) {
    const offDb = i / PER_DB - MAX_OFF_DB;
    heard[i] = heardLogLikelihood(offDb, config);
    const heardShare = config.hearingShare / (1 + Math.exp(-offDb / config.hearingWidthDb));
    unheard[i] = Math.log(1 - heardShare);
  }
  return { heard, unheard };
}

/**
 * Student's t, wider to the weak side: a body, a rack, a closed door only take away (up to 10-20 dB),
 * nothing but a reflection adds. Heavy tails: one blocked gateway must not outvote the others.
 */
function heardLogLikelihood(offDb: number, config: FusionConfig): number {
  const sigmaDb = offDb < 0 ? config.weakSigmaDb : config.strongSigmaDb;
  return -((config.tailDegrees + 1) / 2) * Math.log(1 + (offDb / sigmaDb) ** 2 / config.tailDegrees);
}
