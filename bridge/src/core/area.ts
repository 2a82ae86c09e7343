import { NO_ORIGIN, distanceToEdgeM, pointInPolygon, venuePointOfLonLat, type AreaOfInterest, type Polygon, type VenueMap, type Zone, type ZoneId } from "@konferenco/protocol";
import { GRID_M, LEAVE_RATIO, type ShownPlace, type VisibleUpdate } from "./privacy.ts";

/**
 * Part of a venue that somebody wants to hear of. It is asked about what is shown, never about what is known: a
 * person who shows their zone is in it when their zone touches it, wherever in the zone they stand.
 */
export interface Area {
  /** Zones that touch it. */
  readonly zoneIds: ReadonlySet<ZoneId>;
  /** `was`: it held this one a moment ago, so a step across the edge is not yet a step out. */
  holds(place: ShownPlace, was: boolean): boolean;
}

/** Who is in a polygon leaves it at this distance: two steps of the grid that positions are shown on. */
const LEAVE_EDGE_M = 2 * GRID_M;

/** The area as the venue knows it, or what is wrong with it. */
export function areaOf(wanted: AreaOfInterest, venue: VenueMap): Area | { fault: string } {
  if ("zoneIds" in wanted) {
    const unknown = wanted.zoneIds.find((zoneId) => !venue.zones.some((zone) => zone.zoneId === zoneId));
    if (unknown !== undefined) return { fault: `the venue has no zone "${unknown}"` };
    const zoneIds = new Set(wanted.zoneIds);
    return { zoneIds, holds: ({ zoneId }) => zoneId !== null && zoneIds.has(zoneId) };
  }
  if ("polygon" in wanted) {
    const { polygon } = wanted;
    const distanceM = (xM: number, yM: number) => (pointInPolygon(xM, yM, polygon) ? 0 : distanceToEdgeM(xM, yM, polygon));
    return shape(venue, wanted.floor, (zone) => zone.some((other) => overlap(polygon, other)), (xM, yM, was) => distanceM(xM, yM) <= (was ? LEAVE_EDGE_M : 0));
  }
  if ("lat" in wanted && venue.origin === undefined) return { fault: "the venue map has no origin: say it in metres" };
  const { xM, yM } = "lat" in wanted ? venuePointOfLonLat(wanted, venue.origin ?? NO_ORIGIN) : wanted;
  const { radiusM } = wanted;
  const touches = (zone: readonly Polygon[]) => zone.some((polygon) => pointInPolygon(xM, yM, polygon) || distanceToEdgeM(xM, yM, polygon) <= radiusM);
  return shape(venue, wanted.floor ?? null, touches, (x, y, was) => Math.hypot(x - xM, y - yM) <= radiusM * (was ? LEAVE_RATIO : 1));
}

/** `floor` null: on all. */
function shape(venue: VenueMap, floor: number | null, touches: (polygons: Zone["polygons"]) => boolean, isInside: (xM: number, yM: number, was: boolean) => boolean): Area {
  const zoneIds = new Set(venue.zones.filter((zone) => (floor === null || zone.floor === floor) && touches(zone.polygons)).map((zone) => zone.zoneId));
  return {
    zoneIds,
    holds({ zoneId, point, floor: on }, was) {
      if (point === null) return zoneId !== null && zoneIds.has(zoneId);
      return (floor === null || on === floor) && isInside(point.xM, point.yM, was);
    },
  };
}

/** True if they share more than a corner: one holds a corner of the other, or their edges cross. */
function overlap(a: Polygon, b: Polygon): boolean {
  const holdsCorner = (of: Polygon, other: Polygon) => other.some(([xM, yM]) => pointInPolygon(xM, yM, of));
  return holdsCorner(a, b) || holdsCorner(b, a) || edgesOf(a).some(([p, q]) => edgesOf(b).some(([r, s]) => cross(p, q, r) * cross(p, q, s) < 0 && cross(r, s, p) * cross(r, s, q) < 0));
}

type Point = readonly [number, number];

function edgesOf(polygon: Polygon): [Point, Point][] {
  return polygon.map((point, index) => [point, polygon[(index + 1) % polygon.length] as Point]);
}

/** On which side of the line from a to b the point lies. */
function cross([ax, ay]: Point, [bx, by]: Point, [px, py]: Point): number {
  return (bx - ax) * (py - ay) - (by - ay) * (px - ax);
}

/** One viewer's area, and whose positions they were shown in it. */
export class AreaView {
  readonly area: Area;
  readonly #inside = new Set<string>();

  constructor(area: Area) {
    this.area = area;
  }

  /** `left`: the viewer was shown them in the area, and is to forget them. */
  look({ place, subject }: VisibleUpdate): "in" | "out" | "left" {
    if (place === null || subject === null) return "in";
    const was = this.#inside.has(subject);
    const isIn = this.area.holds(place, was);
    if (place.point === null) return isIn ? "in" : "out";
    if (isIn) this.#inside.add(subject);
    else this.#inside.delete(subject);
    return isIn ? "in" : was ? "left" : "out";
  }

  forget(subject: string): void {
    this.#inside.delete(subject);
  }
}
