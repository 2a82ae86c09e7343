import type { FloorPoint, Gateway, VenueMap, ZoneId } from "@konferenco/protocol";
import { pointInZone } from "@konferenco/protocol";
import type { RecordedObservation, SurveyedLevel } from "@konferenco/simulators";

/** Where a reference method says that a tag is. */
export interface Place extends FloorPoint {
  zoneId: ZoneId | null;
}

/** One tag followed by one method, as its users run it: fed with raw observations in order, asked every half second. */
export interface Locator {
  hear(observation: RecordedObservation): void;
  /** What one gateway heard of another; absent: the method asks nothing of that. */
  hearLink?(observation: RecordedObservation): void;
  at(nowMs: number): Place | null;
}

export interface MethodContext {
  venue: VenueMap;
  gateways: ReadonlyMap<string, Gateway>;
  /** Null where there is none, or it is to be ignored. */
  survey: readonly SurveyedLevel[] | null;
}

/** Null when the method cannot work on this recording: kNN without a survey. */
export type NewLocator = (context: MethodContext) => Locator | null;

/** The first zone whose polygons hold the point: how methods without a zone layer decide. */
export function firstZoneAt(venue: VenueMap, point: FloorPoint): ZoneId | null {
  return venue.zones.find((zone) => pointInZone(point, zone))?.zoneId ?? null;
}

/** One gateway's mean level in the window. */
export interface Level extends Gateway {
  rssiDbm: number;
}

const WINDOW_MS = 5_000;
const MIN_READINGS = 3;

/** The documents' window: all that was heard in the last 5 s, from 3 readings on, as one mean a gateway. */
export function newMeanWindow(gateways: MethodContext["gateways"], windowMs = WINDOW_MS, minReadings = MIN_READINGS): { hear(observation: RecordedObservation): void; levels(nowMs: number): Level[] | null } {
  let heard: RecordedObservation[] = [];
  return {
    hear: (observation) => void heard.push(observation),
    levels(nowMs) {
      heard = heard.filter(({ atMs }) => atMs > nowMs - windowMs);
      if (heard.length < minReadings) return null;
      const sums = new Map<string, { sum: number; count: number }>();
      for (const { gatewayId, rssiDbm } of heard) {
        const sum = sums.get(gatewayId) ?? { sum: 0, count: 0 };
        sum.sum += rssiDbm;
        sum.count++;
        sums.set(gatewayId, sum);
      }
      return [...sums].map(([gatewayId, { sum, count }]) => ({ ...(gateways.get(gatewayId) as Gateway), rssiDbm: sum / count }));
    },
  };
}

export function loudest(levels: readonly Level[]): Level {
  return levels.reduce((best, level) => (level.rssiDbm > best.rssiDbm ? level : best));
}
