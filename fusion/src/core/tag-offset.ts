import type { FusionConfig } from "./fusion-config.ts";

/**
 * How much louder or weaker a tag is than the radio model's level at 1 m: its power, its case, where
 * it hangs on its wearer. Learned as evidence over fixed offsets: at moments far enough apart to be
 * independent, how well each explains what is heard, wherever the tag may be. So it does not lean on
 * the filter's own idea of the place, which would confirm itself. 30 floats a tag.
 */
export interface TagOffset {
  logEvidence: Float64Array;
  priorDb: number;
  sigmaDb: number;
  looks: number;
  nextLookAtMs: number;
}

export const OFFSETS_DB: readonly number[] = Array.from({ length: 15 }, (_, k) => 3 * (k - 7));
/** The first looks come fast, then rarer: a person walks on between them. */
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 30_000;
const PAUSE_GROWTH = 1.3;

export function newTagOffset(priorDb: number, sigmaDb: number, nowMs: number): TagOffset {
  return { logEvidence: new Float64Array(OFFSETS_DB.length), priorDb, sigmaDb, looks: 0, nextLookAtMs: nowMs };
}

/** Notes that a look was taken, and when the next is due. What was seen long ago fades. */
export function noteLook(offset: TagOffset, nowMs: number, config: FusionConfig): void {
  const pauseMs = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * PAUSE_GROWTH ** offset.looks);
  offset.looks++;
  offset.nextLookAtMs = nowMs + pauseMs;
  for (let k = 0; k < offset.logEvidence.length; k++) offset.logEvidence[k] = (offset.logEvidence[k] as number) * config.offsetLookKept;
}

/** Most tags are as expected, some are another product: a narrow Gaussian, and a tenth of a wide one. */
function logPrior(offDb: number, sigmaDb: number): number {
  const wideDb = Math.max(OTHER_PRODUCT_DB, sigmaDb);
  return Math.log((0.9 * Math.exp(-(offDb ** 2) / (2 * sigmaDb ** 2))) / sigmaDb + (0.1 * Math.exp(-(offDb ** 2) / (2 * wideDb ** 2))) / wideDb);
}

const OTHER_PRODUCT_DB = 8;

/** The mean of the offsets by their evidence and the prior. */
export function offsetOf(offset: TagOffset): number {
  const weights = OFFSETS_DB.map((offsetDb, k) => (offset.logEvidence[k] as number) + logPrior(offsetDb - offset.priorDb, offset.sigmaDb));
  const best = Math.max(...weights);
  let [total, sum] = [0, 0];
  weights.forEach((weight, k) => {
    const mass = Math.exp(weight - best);
    total += mass;
    sum += mass * (OFFSETS_DB[k] as number);
  });
  return sum / total;
}
