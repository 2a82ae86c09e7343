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

/** The state of one link, about 200 bytes. */
export interface RssiFilter {
  kalman: KalmanFilter;
  rssiDbm: number;
  varianceDb2: number;
  heardAtMs: number;
  /** The last observation when it was held back, else NaN. */
  heldBackDbm: number;
}

export function newRssiFilter(observation: Observation, config: FusionConfig): RssiFilter {
  const filter: RssiFilter = { kalman: newKalman(config), rssiDbm: 0, varianceDb2: 0, heardAtMs: observation.heardAtMs, heldBackDbm: NaN };
  begin(filter, observation.rssiDbm, observation.heardAtMs, config);
  return filter;
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
    filter.kalman = newKalman(config);
    begin(filter, observation.rssiDbm, observation.heardAtMs, config);
    return smoothed(filter, false);
  }
  // One that comes late tells of a level that has wandered on since: its scatter is larger by that.
  const lateS = Math.max(0, -elapsedS);
  const processNoiseDb2 = config.processNoiseDb2PerS * Math.max(0, elapsedS);
  const measurementNoiseDb2 = config.measurementNoiseDb2 + config.processNoiseDb2PerS * lateS;
  const innovationDb = observation.rssiDbm - filter.rssiDbm;
  const innovationSigmaDb = Math.sqrt(filter.varianceDb2 + processNoiseDb2 + measurementNoiseDb2);
  if (Math.abs(innovationDb) > config.outlierSigmas * innovationSigmaDb) {
    const agrees = !Number.isNaN(filter.heldBackDbm) && Math.sign(filter.heldBackDbm - filter.rssiDbm) === Math.sign(innovationDb);
    if (!agrees) {
      filter.heldBackDbm = observation.rssiDbm;
      return { ...smoothed(filter, true), heardAtMs: observation.heardAtMs };
    }
    // One is a fault, two in a row are news: a door closed, a person turned.
    const levelDbm = (filter.heldBackDbm + observation.rssiDbm) / 2;
    filter.kalman = newKalman(config);
    begin(filter, levelDbm, Math.max(filter.heardAtMs, observation.heardAtMs), config);
    return smoothed(filter, false);
  }
  filter.heldBackDbm = NaN;
  filter.kalman.setProcessNoise(processNoiseDb2);
  filter.kalman.setMeasurementNoise(measurementNoiseDb2);
  filter.rssiDbm = filter.kalman.filter(observation.rssiDbm);
  // uncertainty() is the covariance plus the process noise of the next step.
  filter.kalman.setProcessNoise(0);
  filter.varianceDb2 = filter.kalman.uncertainty();
  filter.heardAtMs = Math.max(filter.heardAtMs, observation.heardAtMs);
  return smoothed(filter, false);
}

function newKalman(config: FusionConfig): KalmanFilter {
  return new KalmanFilter({ R: 0, Q: config.measurementNoiseDb2 });
}

function begin(filter: RssiFilter, rssiDbm: number, heardAtMs: number, config: FusionConfig): void {
  filter.rssiDbm = filter.kalman.filter(rssiDbm);
  filter.varianceDb2 = config.measurementNoiseDb2;
  filter.heardAtMs = heardAtMs;
  filter.heldBackDbm = NaN;
}

function smoothed(filter: RssiFilter, outlier: boolean): SmoothedRssi {
  return { rssiDbm: filter.rssiDbm, varianceDb2: filter.varianceDb2, heardAtMs: filter.heardAtMs, outlier };
}
