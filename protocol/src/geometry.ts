import type { Zone, VenueMap } from "./venue.ts";

/** A point of the venue frame on one floor, in metres. */
export interface FloorPoint {
  xM: number;
  yM: number;
  floor: number;
}

export type Polygon = readonly (readonly [number, number])[];

/** Even-odd rule; a point on the lower or left edge counts as inside, so that touching zones do not share a point. */
export function pointInPolygon(xM: number, yM: number, polygon: Polygon): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xiM, yiM] = polygon[i] as readonly [number, number];
    const [xjM, yjM] = polygon[j] as readonly [number, number];
    if (yiM > yM !== yjM > yM && xM < ((xjM - xiM) * (yM - yiM)) / (yjM - yiM) + xiM) inside = !inside;
  }
  return inside;
}

export function pointInZone(point: FloorPoint, zone: Zone): boolean {
  return zone.floor === point.floor && zone.polygons.some((polygon) => pointInPolygon(point.xM, point.yM, polygon));
}

/** Distance in metres from a point to the nearest edge of the polygon. */
export function distanceToEdgeM(xM: number, yM: number, polygon: Polygon): number {
  let bestM = Infinity;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [axM, ayM] = polygon[j] as readonly [number, number];
    const [bxM, byM] = polygon[i] as readonly [number, number];
    const lengthM2 = (bxM - axM) ** 2 + (byM - ayM) ** 2;
    const along = lengthM2 === 0 ? 0 : Math.max(0, Math.min(1, ((xM - axM) * (bxM - axM) + (yM - ayM) * (byM - ayM)) / lengthM2));
    bestM = Math.min(bestM, Math.hypot(xM - (axM + along * (bxM - axM)), yM - (ayM + along * (byM - ayM))));
  }
  return bestM;
}

/** Metres into the zone (positive) or outside of it (negative); -Infinity on another floor or without polygons. */
export function depthInZoneM(point: FloorPoint, zone: Zone): number {
  if (zone.floor !== point.floor) return -Infinity;
  let bestM = -Infinity;
  for (const polygon of zone.polygons) {
    const edgeM = distanceToEdgeM(point.xM, point.yM, polygon);
    bestM = Math.max(bestM, pointInPolygon(point.xM, point.yM, polygon) ? edgeM : -edgeM);
  }
  return bestM;
}

/** Area-weighted centre of a polygon, in metres (shoelace formula). */
export function polygonCentre(polygon: Polygon): { xM: number; yM: number; areaM2: number } {
  let doubleArea = 0;
  let x = 0;
  let y = 0;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [x0, y0] = polygon[j] as readonly [number, number];
    const [x1, y1] = polygon[i] as readonly [number, number];
    const cross = x0 * y1 - x1 * y0;
    doubleArea += cross;
    x += (x0 + x1) * cross;
    y += (y0 + y1) * cross;
  }
  if (doubleArea === 0) {
    const [x0, y0] = polygon[0] as readonly [number, number];
    return { xM: x0, yM: y0, areaM2: 0 };
  }
  return { xM: x / (3 * doubleArea), yM: y / (3 * doubleArea), areaM2: Math.abs(doubleArea) / 2 };
}

/** A point to stand for a zone: the centre of its largest polygon, or of its gateways, or null when it has neither. */
export function zoneCentre(zone: Zone, venue: VenueMap): FloorPoint | null {
  const centres = zone.polygons.map(polygonCentre).sort((a, b) => b.areaM2 - a.areaM2);
  const largest = centres[0];
  if (largest !== undefined) return { xM: largest.xM, yM: largest.yM, floor: zone.floor };
  const gateways = venue.gateways.filter((gateway) => gateway.zoneId === zone.zoneId);
  if (gateways.length === 0) return null;
  const mean = (pick: (gateway: (typeof gateways)[number]) => number) => gateways.reduce((sum, gateway) => sum + pick(gateway), 0) / gateways.length;
  return { xM: mean((gateway) => gateway.xM), yM: mean((gateway) => gateway.yM), floor: zone.floor };
}

/** Whether spots mean anything: something is drawn, or gateways stand in more than one point. */
export function hasPlaces({ zones, gateways }: VenueMap): boolean {
  return zones.some(({ polygons }) => polygons.length > 0) || gateways.some(({ xM, yM }) => xM !== gateways[0]?.xM || yM !== gateways[0].yM);
}

/** The box around everything on a floor, in metres: what a page draws. */
export function floorBounds(venue: VenueMap, floor: number): { minXM: number; minYM: number; maxXM: number; maxYM: number } {
  const bounds = { minXM: Infinity, minYM: Infinity, maxXM: -Infinity, maxYM: -Infinity };
  const cover = (xM: number, yM: number) => {
    bounds.minXM = Math.min(bounds.minXM, xM);
    bounds.maxXM = Math.max(bounds.maxXM, xM);
    bounds.minYM = Math.min(bounds.minYM, yM);
    bounds.maxYM = Math.max(bounds.maxYM, yM);
  };
  for (const zone of venue.zones) {
    if (zone.floor === floor) for (const polygon of zone.polygons) for (const [xM, yM] of polygon) cover(xM, yM);
  }
  for (const gateway of venue.gateways) if (gateway.floor === floor) cover(gateway.xM, gateway.yM);
  if (bounds.minXM === Infinity) return { minXM: 0, minYM: 0, maxXM: 1, maxYM: 1 };
  return bounds;
}
