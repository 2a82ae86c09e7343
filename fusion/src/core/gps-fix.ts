import { venuePointOfLonLat, type PositionReport, type VenueMap } from "@konferenco/protocol";
import { SIGMAS_OF_95, type Fix, type ZoneEvidence } from "./fix.ts";
import { addGaussian } from "./place-mass.ts";
import type { VenueIndex } from "./venue-index.ts";

/** A GPS report to a fix in the venue frame, or null when the map has no origin to place it by. */
export function locateByGps(report: Extract<PositionReport, { source: "gps" }>, venue: VenueMap, index: VenueIndex, heardAtMs: number): Fix | null {
  if (venue.origin === undefined) return null;
  const { floor, accuracy95M } = report;
  const { xM, yM } = venuePointOfLonLat(report, venue.origin);
  return { tagId: report.tagId, atMs: heardAtMs, xM, yM, floor, accuracy95M, source: "gps", zoneEvidence: zonesUnder({ xM, yM, floor, sigmaM: accuracy95M / SIGMAS_OF_95 }, index) };
}

/** GPS says nothing of zones where it does not know better than not: indoors its errors are as large as rooms, and they last. */
const LEAST_SHARE = 0.5;

/** The mass of the fix over the zones, when one place (the open beside them is one too) has at least half of it. */
function zonesUnder(at: { xM: number; yM: number; floor: number; sigmaM: number }, index: VenueIndex): ZoneEvidence | null {
  if (!index.rasters.has(at.floor)) return null;
  const evidence: ZoneEvidence = { places: [], probability: [], certain: false };
  addGaussian(evidence, at, 1, index);
  return evidence.probability.some((share) => share >= LEAST_SHARE) ? evidence : null;
}
