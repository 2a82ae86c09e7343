import { venuePointOfLonLat, type PositionReport, type VenueMap } from "@konferenco/protocol";
import { SIGMAS_OF_95, type Fix, type ZoneEvidence } from "./fix.ts";
import { addGaussian } from "./place-mass.ts";
import { isZoneWithin, type VenueIndex } from "./venue-index.ts";

/** A GPS report to a fix in the venue frame, or null when the map has no origin to place it by. */
export function locateByGps(report: Extract<PositionReport, { source: "gps" }>, venue: VenueMap, index: VenueIndex, heardAtMs: number): Fix | null {
  if (venue.origin === undefined) return null;
  const { floor, accuracy95M } = report;
  const { xM, yM } = venuePointOfLonLat(report, venue.origin);
  return { tagId: report.tagId, atMs: heardAtMs, xM, yM, floor, accuracy95M, source: "gps", zoneEvidence: zonesUnder({ xM, yM, floor, sigmaM: accuracy95M / SIGMAS_OF_95 }, index) };
}

/** GPS says nothing of zones where it does not know better than not: indoors its errors are as large as rooms, and they last. */
const LEAST_SHARE = 0.5;

/**
 * The mass of the fix over the zones, when one place has at least half of it. The open beside all zones is one too, but of a
 * building that a wide fix covers most of the mass lies outside, wherever in it somebody is: outside is who has no zone within reach.
 */
function zonesUnder(at: { xM: number; yM: number; floor: number; sigmaM: number }, index: VenueIndex): ZoneEvidence | null {
  const outside = index.outsidePlace.get(at.floor);
  if (outside === undefined || !index.rasters.has(at.floor)) return null;
  const evidence: ZoneEvidence = { places: [], probability: [], certain: false };
  addGaussian(evidence, at, 1, index);
  const likeliest = evidence.places[evidence.probability.findIndex((share) => share >= LEAST_SHARE)];
  if (likeliest === undefined) return null;
  return likeliest === outside && isZoneWithin(index, at, SIGMAS_OF_95 * at.sigmaM) ? null : evidence;
}
