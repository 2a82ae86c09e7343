import { zoneCentre, type PositionReport, type VenueMap } from "@konferenco/protocol";
import type { Fix } from "./fix.ts";
import { zoneReachM, type VenueIndex } from "./venue-index.ts";

/**
 * A check-in (a badge held to the desk's reader) to a fix: it is certain of the zone and knows
 * nothing finer. Null when the map has no such zone, or nowhere to put it.
 */
export function locateByCheckIn(report: Extract<PositionReport, { source: "check-in" }>, venue: VenueMap, index: VenueIndex, heardAtMs: number): Fix | null {
  const place = index.zonePlace.get(report.zoneId);
  const zone = place === undefined ? undefined : venue.zones[place];
  const centre = zone === undefined ? null : zoneCentre(zone, venue);
  if (place === undefined || centre === null) return null;
  return {
    tagId: report.tagId,
    atMs: heardAtMs,
    ...centre,
    accuracy95M: zoneReachM(venue, report.zoneId, centre),
    source: "check-in",
    zoneEvidence: { places: [place], probability: [1], certain: true },
  };
}
