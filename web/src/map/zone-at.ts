// Only these reach the page: the protocol says that it has no side effects, so its schema library stays behind.
import { pointInZone, polygonCentre, type VenueMap } from "@konferenco/protocol";

type Zone = VenueMap["zones"][number];

/** Which zone of a floor holds a point in metres; where zones overlap the smallest, as on the server: a stand in a hall. */
export function newZoneAt(venue: VenueMap): (floor: number, xM: number, yM: number) => string | null {
  const bySize = venue.zones.toSorted((a, b) => areaM2(a) - areaM2(b));
  return (floor, xM, yM) => bySize.find((zone) => pointInZone({ xM, yM, floor }, zone))?.zoneId ?? null;
}

function areaM2({ polygons }: Zone): number {
  return polygons.reduce((sum, polygon) => sum + polygonCentre(polygon).areaM2, 0);
}
