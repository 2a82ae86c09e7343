import type { FusionConfig } from "./fusion-config.ts";

/**
 * Log-likelihood of a heard level by how far it is from the expected one, and of silence by the
 * expected one, as tables: a logarithm costs ten look-ups, and the filter asks for a thousand per tag and tick.
 */
export interface LevelLikelihood {
  /**
   * By (heard - expected + MAX_OFF_DB) * PER_DB; from UNHEARD_FROM on silence, by (sensitivity - expected + MAX_OFF_DB) * PER_DB.
   * The same again for every scatter (scatterFrom). One table, so that a look-up is the same for all.
   */
  table: Float64Array;
}

/** No difference of what radios hear and what is expected lies beyond, so look-ups need no bounds: 37 KB for one scatter, of which a look-up meets a few hundred bytes. */
export const MAX_OFF_DB = 288;
export const PER_DB = 4;
export const TABLE_LENGTH = 2 * MAX_OFF_DB * PER_DB;
export const UNHEARD_FROM = TABLE_LENGTH;
/** Scatters from half of the usual one to twice, a seventh apart. */
const SCATTERS_PER_OCTAVE = 5;
const SCATTERS = 2 * SCATTERS_PER_OCTAVE + 1;

/** Where in the table levels begin that scatter by this share of the usual: 0 for 1. */
export function scatterFrom(share: number): number {
  const k = Math.max(-SCATTERS_PER_OCTAVE, Math.min(SCATTERS_PER_OCTAVE, Math.round(SCATTERS_PER_OCTAVE * Math.log2(share))));
  return ((k + SCATTERS) % SCATTERS) * 2 * TABLE_LENGTH;
}

export function newLevelLikelihood(config: FusionConfig): LevelLikelihood {
  const table = new Float64Array(SCATTERS * 2 * TABLE_LENGTH);
  for (let k = -SCATTERS_PER_OCTAVE; k <= SCATTERS_PER_OCTAVE; k++) {
    const share = 2 ** (k / SCATTERS_PER_OCTAVE);
    const from = scatterFrom(share);
    for (let i = 0; i < TABLE_LENGTH; i++) {
      const offDb = i / PER_DB - MAX_OFF_DB;
      table[from + i] = heardLogLikelihood(offDb / share, config) - Math.log(share);
      table[from + UNHEARD_FROM + i] = unheardLogLikelihood(-offDb, config);
    }
  }
  return { table };
}

/** Student's t. Heavy tails: one blocked gateway must not outvote the others. */
function heardLogLikelihood(offDb: number, config: FusionConfig): number {
  return -((config.tailDegrees + 1) / 2) * Math.log(1 + (offDb / config.levelSigmaDb) ** 2 / config.tailDegrees);
}

/** Silence of a gateway that expects this much above its sensitivity. */
function unheardLogLikelihood(aboveDb: number, config: FusionConfig): number {
  const heardShare = config.hearingShare / (1 + Math.exp(-aboveDb / config.hearingWidthDb));
  return Math.log(1 - heardShare);
}
