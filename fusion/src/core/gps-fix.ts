import { venuePointOfLonLat, type PositionReport, type VenueMap } from "@konferenco/protocol";
import type { Fix } from "./fix.ts";

/** A GPS report to a fix in the venue frame, or null when the map has no origin to place it by. */
export function locateByGps(report: Extract<PositionReport, { source: "gps" }>, venue: VenueMap, heardAtMs: number): Fix | null {
  if (venue.origin === undefined) return null;
  const { xM, yM } = venuePointOfLonLat(report, venue.origin);
  return {
    tagId: report.tagId,
    atMs: heardAtMs,
    xM,
    yM,
    floor: report.floor,
    accuracy95M: report.accuracy95M,
    source: "gps",
    zoneEvidence: null,
  };
}
