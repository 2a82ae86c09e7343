import { MAX_RSSI_DBM, MIN_RSSI_DBM, pointInZone, type TagId, type VenueMap } from "@konferenco/protocol";
import type { Recording, RecordedObservation } from "@konferenco/simulators";
import { traceLine, type TraceLine } from "./trace.ts";

/**
 * The methods that ours is measured against, on the same observations: raw, without smoothing, track
 * or hysteresis, as their users run them. Every 500 ms over the last 5 s, from 3 readings on.
 */
export const REFERENCE_METHODS = { strongestGateway: byStrongestGateway, plainCentroid: byPlainCentroid } as const;
export type ReferenceMethod = keyof typeof REFERENCE_METHODS;

const STEP_MS = 500;
const WINDOW_MS = 5_000;
const MIN_READINGS = 3;
/** Weight of the documents' centroid: 10^(RSSI / 20), which is 1 / distance at a path loss exponent of 2. */
const CENTROID_DB_PER_DECADE = 20;

interface Level {
  xM: number;
  yM: number;
  floor: number;
  zoneId: string;
  rssiDbm: number;
}

/** The trace that a reference method would have written. */
export function referenceTrace(recording: Recording, method: ReferenceMethod): TraceLine[] {
  const gateways = new Map(recording.venue.gateways.map((gateway) => [gateway.gatewayId, gateway]));
  const byTag = new Map<TagId, RecordedObservation[]>();
  for (const observation of recording.observations) {
    if (!gateways.has(observation.gatewayId) || observation.rssiDbm > MAX_RSSI_DBM || observation.rssiDbm < MIN_RSSI_DBM) continue;
    if (observation.tagId.startsWith("gateway:")) continue;
    const observations = byTag.get(observation.tagId);
    if (observations === undefined) byTag.set(observation.tagId, [observation]);
    else observations.push(observation);
  }
  const lines: TraceLine[] = [];
  for (const [tagId, observations] of byTag) {
    const lastMs = (observations.at(-1) as RecordedObservation).atMs;
    let from = 0;
    let to = 0;
    for (let nowMs = STEP_MS; nowMs <= lastMs; nowMs += STEP_MS) {
      while (to < observations.length && (observations[to] as RecordedObservation).atMs <= nowMs) to++;
      while (from < to && (observations[from] as RecordedObservation).atMs <= nowMs - WINDOW_MS) from++;
      if (to - from < MIN_READINGS) continue;
      const at = REFERENCE_METHODS[method](meanLevels(observations.slice(from, to), gateways), recording.venue);
      lines.push(traceLine({ tagId, ...at, accuracy95M: 0, confidence: 0 }, nowMs));
    }
  }
  return lines.sort((a, b) => a.atMs - b.atMs);
}

function meanLevels(observations: readonly RecordedObservation[], gateways: ReadonlyMap<string, VenueMap["gateways"][number]>): Level[] {
  const heard = new Map<string, number[]>();
  for (const { gatewayId, rssiDbm } of observations) {
    const levels = heard.get(gatewayId);
    if (levels === undefined) heard.set(gatewayId, [rssiDbm]);
    else levels.push(rssiDbm);
  }
  return [...heard].map(([gatewayId, levels]) => {
    const { xM, yM, floor, zoneId } = gateways.get(gatewayId) as VenueMap["gateways"][number];
    return { xM, yM, floor, zoneId, rssiDbm: levels.reduce((sum, level) => sum + level, 0) / levels.length };
  });
}

type Place = Pick<TraceLine, "xM" | "yM" | "floor" | "zoneId">;

function loudest(levels: readonly Level[]): Level {
  return levels.reduce((best, level) => (level.rssiDbm > best.rssiDbm ? level : best));
}

function byStrongestGateway(levels: readonly Level[]): Place {
  const { xM, yM, floor, zoneId } = loudest(levels);
  return { xM, yM, floor, zoneId };
}

function byPlainCentroid(levels: readonly Level[], venue: VenueMap): Place {
  const { floor } = loudest(levels);
  let total = 0;
  let xM = 0;
  let yM = 0;
  for (const level of levels) {
    const weight = 10 ** (level.rssiDbm / CENTROID_DB_PER_DECADE);
    total += weight;
    xM += weight * level.xM;
    yM += weight * level.yM;
  }
  const point = { xM: xM / total, yM: yM / total, floor };
  return { ...point, zoneId: venue.zones.find((zone) => pointInZone(point, zone))?.zoneId ?? null };
}
