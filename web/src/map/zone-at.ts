import type { VenueMap } from "@konferenco/protocol";

type Polygon = VenueMap["zones"][number]["polygons"][number];

/** Which zone of a floor holds a point in metres; where zones overlap the smallest, as on the server: a stand in a hall. */
export function newZoneAt(venue: VenueMap): (floor: number, xM: number, yM: number) => string | null {
  const bySize = venue.zones.toSorted((a, b) => areaM2(a.polygons) - areaM2(b.polygons));
  return (floor, xM, yM) => bySize.find((zone) => zone.floor === floor && zone.polygons.some((polygon) => isInside(xM, yM, polygon)))?.zoneId ?? null;
}

function areaM2(polygons: readonly Polygon[]): number {
  return polygons.reduce((sum, polygon) => sum + Math.abs(polygon.reduce((doubled, [xM, yM], i) => doubled + crossM2([xM, yM], polygon[(i + 1) % polygon.length] as [number, number]), 0)) / 2, 0);
}

function crossM2([axM, ayM]: readonly [number, number], [bxM, byM]: readonly [number, number]): number {
  return axM * byM - bxM * ayM;
}

/** Even-odd rule, as the protocol's geometry has it; repeated, for importing that would bring its schema library to the page. */
function isInside(xM: number, yM: number, polygon: Polygon): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xiM, yiM] = polygon[i] as readonly [number, number];
    const [xjM, yjM] = polygon[j] as readonly [number, number];
    if (yiM > yM !== yjM > yM && xM < ((xjM - xiM) * (yM - yiM)) / (yjM - yiM) + xiM) inside = !inside;
  }
  return inside;
}
