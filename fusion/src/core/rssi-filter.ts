import KalmanFilter from "kalmanjs";
import type { Observation } from "./accept.ts";
import type { FusionConfig } from "./fusion-config.ts";

/** The level of one radio link (a tag, a gateway) after one more observation. */
export interface SmoothedRssi {
  rssiDbm: number;
  varianceDb2: number;
  heardAtMs: number;
  /** Held back: so far off that it counts only if the next one agrees. */
  outlier: boolean;
}

/** The state of one link: four numbers (links.ts). */
export interface RssiFilter {
  levelDbm: number;
  varianceDb2: number;
  heardAtMs: number;
  /** The last observation when it was held back, else NaN. */
  heldBackDbm: number;
}

/** Holds one link at a time, for a step: level and variance are put in before and taken out after. Noise is set for each step, so there is nothing else. */
const kalman = new KalmanFilter({ R: 0, Q: 0 });

/** A filter that has heard one reading: it begins at that level, as unsure as a reading is. */
export function newRssiFilter({ rssiDbm, heardAtMs }: Observation, config: FusionConfig): RssiFilter {
  return { levelDbm: rssiDbm, varianceDb2: config.measurementNoiseDb2, heardAtMs, heldBackDbm: NaN };
}

/**
 * One observation into the link's Kalman filter. kalmanjs adds its process noise once per call, so
 * noise is set by the seconds that passed: a 10 dB step then settles in seconds whatever the tag's
 * advertising interval. Its R is the process noise and its Q the measurement noise, the reverse of
 * the textbooks (kalmanjs 1.1.0, lib/kalman.js).
 */
export function smoothRssi(filter: RssiFilter, observation: Observation, config: FusionConfig): SmoothedRssi {
  const elapsedS = (observation.heardAtMs - filter.heardAtMs) / 1_000;
  if (elapsedS * 1_000 > config.linkGapMs) {
    Object.assign(filter, newRssiFilter(observation, config));
    return smoothed(filter, false);
  }
  // One that comes late tells of a level that has wandered on since: its scatter is larger by that.
  const lateS = Math.max(0, -elapsedS);
  const processNoiseDb2 = config.processNoiseDb2PerS * Math.max(0, elapsedS);
  const measurementNoiseDb2 = config.measurementNoiseDb2 + config.processNoiseDb2PerS * lateS;
  const innovationDb = observation.rssiDbm - filter.levelDbm;
  const innovationSigmaDb = Math.sqrt(filter.varianceDb2 + processNoiseDb2 + measurementNoiseDb2);
  if (Math.abs(innovationDb) > config.outlierSigmas * innovationSigmaDb) {
    const agrees = !Number.isNaN(filter.heldBackDbm) && Math.sign(filter.heldBackDbm - filter.levelDbm) === Math.sign(innovationDb);
    if (!agrees) {
      filter.heldBackDbm = observation.rssiDbm;
      return { ...smoothed(filter, true), heardAtMs: observation.heardAtMs };
    }
    // One is a fault, two in a row are news: a door closed, a person turned.
    const rssiDbm = (filter.heldBackDbm + observation.rssiDbm) / 2;
    Object.assign(filter, newRssiFilter({ ...observation, rssiDbm, heardAtMs: Math.max(filter.heardAtMs, observation.heardAtMs) }, config));
    return smoothed(filter, false);
  }
  Object.assign(kalman, { x: filter.levelDbm, cov: filter.varianceDb2 });
  kalman.setProcessNoise(processNoiseDb2);
  kalman.setMeasurementNoise(measurementNoiseDb2);
  filter.levelDbm = kalman.filter(observation.rssiDbm);
  // It tells the variance of the next step, which has no noise yet.
  kalman.setProcessNoise(0);
  filter.varianceDb2 = kalman.uncertainty();
  filter.heldBackDbm = NaN;
  filter.heardAtMs = Math.max(filter.heardAtMs, observation.heardAtMs);
  return smoothed(filter, false);
}

function smoothed({ levelDbm, varianceDb2, heardAtMs }: RssiFilter, outlier: boolean): SmoothedRssi {
  return { rssiDbm: levelDbm, varianceDb2, heardAtMs, outlier };
}
