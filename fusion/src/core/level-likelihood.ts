import type { FusionConfig } from "./fusion-config.ts";

/**
 * Log-likelihood of a heard level by how far it is from the expected one, and of silence by the
 * expected one, as tables: a logarithm costs ten look-ups, and the filter asks for a thousand per tag and tick.
 */
export interface LevelLikelihood {
  /** By (heard - expected + MAX_OFF_DB) * PER_DB; from UNHEARD_FROM on silence, by (sensitivity - expected + MAX_OFF_DB) * PER_DB. One table, so that a look-up is the same for both. */
  table: Float64Array;
}

/** No difference of what radios hear and what is expected lies beyond, so look-ups need no bounds: 9 KB a table. */
export const MAX_OFF_DB = 288;
export const PER_DB = 4;
export const TABLE_LENGTH = 2 * MAX_OFF_DB * PER_DB;
export const UNHEARD_FROM = TABLE_LENGTH;
/** Scatter of levels in a place, as shares of the usual one; the first is what is taken where nothing is known of it. */
const SCATTERS = [1, 0.5, 0.57, 0.65, 0.75, 0.87, 1.15, 1.32, 1.52, 1.75, 2];
/** Heard and unheard of one scatter. */
export const SCATTER_LENGTH = 2 * TABLE_LENGTH;

/** Where in the table the scatter nearest to this share begins. */
export function scatterFrom(share: number): number {
  let best = 0;
  for (let k = 1; k < SCATTERS.length; k++) if (Math.abs(Math.log(share / (SCATTERS[k] as number))) < Math.abs(Math.log(share / (SCATTERS[best] as number)))) best = k;
  return best * SCATTER_LENGTH;
}

export function newLevelLikelihood(config: FusionConfig): LevelLikelihood {
  const table = new Float64Array(SCATTERS.length * SCATTER_LENGTH);
  SCATTERS.forEach((scatter, k) => {
    for (let i = 0; i < TABLE_LENGTH; i++) {
      const offDb = i / PER_DB - MAX_OFF_DB;
      table[k * SCATTER_LENGTH + i] = heardLogLikelihood(offDb / scatter, config) - Math.log(scatter);
      table[k * SCATTER_LENGTH + UNHEARD_FROM + i] = unheardLogLikelihood(-offDb, config);
    }
  });
  return { table };
}

/**
 * Student's t, wider to the weak side: a body, a rack, a closed door only take away (up to 10-20 dB),
 * nothing but a reflection adds. Heavy tails: one blocked gateway must not outvote the others.
 */
function heardLogLikelihood(offDb: number, config: FusionConfig): number {
  const sigmaDb = offDb < 0 ? config.weakSigmaDb : config.strongSigmaDb;
  return -((config.tailDegrees + 1) / 2) * Math.log(1 + (offDb / sigmaDb) ** 2 / config.tailDegrees);
}

/** Silence of a gateway that expects this much above its sensitivity. */
function unheardLogLikelihood(aboveDb: number, config: FusionConfig): number {
  const heardShare = config.hearingShare / (1 + Math.exp(-aboveDb / config.hearingWidthDb));
  return Math.log(1 - heardShare);
}
