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

/** The state of one link, about 250 bytes. Level and variance are the Kalman filter's own. */
export interface RssiFilter {
  kalman: KalmanFilter;
  heardAtMs: number;
  /** The last observation when it was held back, else NaN. */
  heldBackDbm: number;
}

export function newRssiFilter(observation: Observation, config: FusionConfig): RssiFilter {
  return { kalman: newKalman(observation.rssiDbm, config), heardAtMs: observation.heardAtMs, heldBackDbm: NaN };
}

/** A filter that goes on as one with these numbers would. Noise is set before each step, so level and variance are all that it holds between two. */
export function rssiFilterOf({ levelDbm, varianceDb2, heardAtMs, heldBackDbm }: { levelDbm: number; varianceDb2: number; heardAtMs: number; heldBackDbm: number }): RssiFilter {
  return { kalman: Object.assign(new KalmanFilter({ R: 0, Q: 0 }), { x: levelDbm, cov: varianceDb2 }), heardAtMs, heldBackDbm };
}

export function levelDbmOf(filter: RssiFilter): number {
  return filter.kalman.lastMeasurement();
}

/** `uncertainty()` is the covariance plus the process noise of the next step, which is 0 between steps. */
export function varianceDb2Of(filter: RssiFilter): number {
  return filter.kalman.uncertainty();
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
    begin(filter, observation.rssiDbm, observation.heardAtMs, config);
    return smoothed(filter, false);
  }
  // One that comes late tells of a level that has wandered on since: its scatter is larger by that.
  const lateS = Math.max(0, -elapsedS);
  const processNoiseDb2 = config.processNoiseDb2PerS * Math.max(0, elapsedS);
  const measurementNoiseDb2 = config.measurementNoiseDb2 + config.processNoiseDb2PerS * lateS;
  const innovationDb = observation.rssiDbm - levelDbmOf(filter);
  const innovationSigmaDb = Math.sqrt(varianceDb2Of(filter) + processNoiseDb2 + measurementNoiseDb2);
  if (Math.abs(innovationDb) > config.outlierSigmas * innovationSigmaDb) {
    const agrees = !Number.isNaN(filter.heldBackDbm) && Math.sign(filter.heldBackDbm - levelDbmOf(filter)) === Math.sign(innovationDb);
    if (!agrees) {
      filter.heldBackDbm = observation.rssiDbm;
      return { ...smoothed(filter, true), heardAtMs: observation.heardAtMs };
    }
    // One is a fault, two in a row are news: a door closed, a person turned.
    begin(filter, (filter.heldBackDbm + observation.rssiDbm) / 2, Math.max(filter.heardAtMs, observation.heardAtMs), config);
    return smoothed(filter, false);
  }
  const { kalman } = filter;
  kalman.setProcessNoise(processNoiseDb2);
  kalman.setMeasurementNoise(measurementNoiseDb2);
  kalman.filter(observation.rssiDbm);
  kalman.setProcessNoise(0);
  filter.heldBackDbm = NaN;
  filter.heardAtMs = Math.max(filter.heardAtMs, observation.heardAtMs);
  return smoothed(filter, false);
}

/** A filter that has heard one reading: it begins at that level, as unsure as a reading is. */
function newKalman(rssiDbm: number, config: FusionConfig): KalmanFilter {
  const kalman = new KalmanFilter({ R: 0, Q: config.measurementNoiseDb2 });
  kalman.filter(rssiDbm);
  return kalman;
}

function begin(filter: RssiFilter, rssiDbm: number, heardAtMs: number, config: FusionConfig): void {
  filter.kalman = newKalman(rssiDbm, config);
  filter.heardAtMs = heardAtMs;
  filter.heldBackDbm = NaN;
}

function smoothed(filter: RssiFilter, outlier: boolean): SmoothedRssi {
  return { rssiDbm: levelDbmOf(filter), varianceDb2: varianceDb2Of(filter), heardAtMs: filter.heardAtMs, outlier };
}
