import { pointInZone, polygonCentre, type GatewayId, type VenueMap, type Zone, type ZoneId } from "@konferenco/protocol";

/**
 * A place where a tag can be said to be: a zone, or outside of all zones on one floor. Verdicts are
 * made between places, so that "nowhere in particular" competes like any zone.
 */
export interface Place {
  zoneId: ZoneId | null;
  floor: number;
}

export interface IndexedGateway {
  gatewayId: GatewayId;
  xM: number;
  yM: number;
  /** Height above its floor; null when the map does not say. */
  zM: number | null;
  floor: number;
  /** Index of its zone among the places. */
  place: number;
}

/** The venue map, prepared once for look-ups by the hundred thousand. */
export interface VenueIndex {
  places: Place[];
  /** Whether the place has polygons. One without is where its gateways are, and no fix can fall in it. */
  drawn: boolean[];
  /** Whether it is a room: what lies between a room and anything else attenuates. Corridors and halls are open space. */
  room: boolean[];
  /** Whether it has a gateway of its own that tells better than the place of a fix whether a tag is in it. */
  spokenFor: boolean[];
  /** Whether it is a room beside floor that is none: people come and go by that, not through the wall to the next room. Known with the grid (prepareVenue); without one of none. */
  onHallway: readonly boolean[];
  gateways: IndexedGateway[];
  gatewayIndex: Map<GatewayId, number>;
  zonePlace: Map<ZoneId, number>;
  outsidePlace: Map<number, number>;
  /** The drawn walls of a floor. None where only its outline is drawn: then the kinds of the zones tell what has walls. */
  walls: Map<number, VenueMap["walls"]>;
  rasters: Map<number, FloorRaster>;
  /** See gatewaysNear; made when first asked for. */
  near: (Int32Array | undefined)[];
}

/** Which place every cell of a floor belongs to: a look-up of 5 ns in place of polygons by the dozen. */
interface FloorRaster {
  minXM: number;
  minYM: number;
  cellM: number;
  columns: number;
  rows: number;
  place: Uint16Array;
}

/** A map need not draw its walls, but the kind of a zone tells: a lounge is a part of an open hall, a room is a room. */
const WALLED_KINDS: ReadonlySet<string> = new Set(["room", "corridor"]);
/** A circle of 2.5 m, the error of a fix: in anything smaller, a booth or a desk, its gateway is all over. */
const SMALL_ZONE_M2 = Math.PI * 2.5 ** 2;

/** Walls make a room's own gateway the loudest, and so does being small. In the open, loudness says how near a gateway is, no more. */
function isSpokenFor(zone: Zone | undefined): boolean {
  if (zone === undefined) return false;
  return WALLED_KINDS.has(zone.kind) || areaOf(zone) <= SMALL_ZONE_M2;
}

function areaOf(zone: Zone): number {
  return zone.polygons.reduce((sum, polygon) => sum + polygonCentre(polygon).areaM2, 0);
}

const FINEST_CELL_M = 0.25;
/** Cells of one floor, 2 bytes each: 512 KB. A hall of 250 × 250 m gets cells of half a metre. */
const MAX_CELLS_PER_FLOOR = 262_144;

export function indexVenue(venue: VenueMap): VenueIndex {
  const floors = [...new Set([...venue.floors.map(({ floor }) => floor), ...venue.zones.map(({ floor }) => floor), ...venue.gateways.map(({ floor }) => floor)])];
  const places: Place[] = venue.zones.map(({ zoneId, floor }) => ({ zoneId, floor }));
  const zonePlace = new Map(venue.zones.map(({ zoneId }, index) => [zoneId, index]));
  const outsidePlace = new Map<number, number>();
  for (const floor of floors.sort((a, b) => a - b)) {
    outsidePlace.set(floor, places.length);
    places.push({ zoneId: null, floor });
  }
  const gateways = venue.gateways.map(({ gatewayId, xM, yM, zM, floor, zoneId }) => ({ gatewayId, xM, yM, zM: zM ?? null, floor, place: zonePlace.get(zoneId) as number }));
  const index: VenueIndex = {
    places,
    drawn: places.map((_, place) => (venue.zones[place]?.polygons.length ?? 0) > 0),
    room: places.map((_, place) => venue.zones[place]?.kind === "room"),
    spokenFor: places.map((_, place) => isSpokenFor(venue.zones[place]) && gateways.some((gateway) => gateway.place === place)),
    onHallway: places.map(() => false),
    gateways,
    gatewayIndex: new Map(gateways.map(({ gatewayId }, gateway) => [gatewayId, gateway])),
    zonePlace,
    outsidePlace,
    walls: new Map(),
    rasters: new Map(),
    near: [],
  };
  for (const floor of floors) {
    const raster = rasterOf(venue, floor, index);
    if (raster !== null) index.rasters.set(floor, raster);
    const walls = venue.walls.filter((wall) => wall[4] === undefined || wall[4] === floor);
    index.walls.set(floor, raster === null || walls.some((wall) => isInside(index, venue.zones, wall, floor)) ? walls : []);
  }
  return index;
}

/** Whether there are zones on both sides of a wall's middle. A yard is none: what stands between it and the building is the outline. */
function isInside(index: VenueIndex, zones: VenueMap["zones"], [x0M, y0M, x1M, y1M]: VenueMap["walls"][number], floor: number): boolean {
  const lengthM = Math.hypot(x1M - x0M, y1M - y0M);
  if (lengthM === 0) return false;
  // A cell off at least: within the wall's own cell both sides are the same place.
  const asideM = Math.max(BESIDE_A_WALL_M, index.rasters.get(floor)?.cellM ?? 0);
  const [asideXM, asideYM] = [(-(y1M - y0M) / lengthM) * asideM, ((x1M - x0M) / lengthM) * asideM];
  const [xM, yM] = [(x0M + x1M) / 2, (y0M + y1M) / 2];
  return [placeAt(index, xM + asideXM, yM + asideYM, floor), placeAt(index, xM - asideXM, yM - asideYM, floor)].every((place) => (zones[place]?.kind ?? "outdoor") !== "outdoor");
}

/** Beyond the thickness of a wall, within any room. */
const BESIDE_A_WALL_M = 0.5;

/** Whether any zone that is drawn on the floor comes within so far of a point: a look at every cell in reach, or at 32 × 32 points between them. */
export function isZoneWithin(index: VenueIndex, { xM, yM, floor }: { xM: number; yM: number; floor: number }, reachM: number): boolean {
  const raster = index.rasters.get(floor);
  const outside = index.outsidePlace.get(floor);
  if (raster === undefined) return false;
  const { minXM, minYM, cellM, columns, rows, place } = raster;
  const [fromColumn, toColumn] = [Math.max(0, Math.floor((xM - reachM - minXM) / cellM)), Math.min(columns - 1, Math.floor((xM + reachM - minXM) / cellM))];
  const [fromRow, toRow] = [Math.max(0, Math.floor((yM - reachM - minYM) / cellM)), Math.min(rows - 1, Math.floor((yM + reachM - minYM) / cellM))];
  const step = Math.max(1, Math.floor(Math.max(toColumn - fromColumn, toRow - fromRow) / LOOKS_ACROSS));
  for (let row = fromRow; row <= toRow; row += step) {
    for (let column = fromColumn; column <= toColumn; column += step) {
      if (place[row * columns + column] === outside) continue;
      if (Math.hypot(minXM + (column + 0.5) * cellM - xM, minYM + (row + 0.5) * cellM - yM) <= reachM) return true;
    }
  }
  return false;
}

const LOOKS_ACROSS = 32;

/** The place at a point: the smallest zone that holds it (a booth in a hall is the booth), else outside. -1 where the floor has no drawing. */
export function placeAt(index: VenueIndex, xM: number, yM: number, floor: number): number {
  const raster = index.rasters.get(floor);
  if (raster === undefined) return -1;
  const column = Math.floor((xM - raster.minXM) / raster.cellM);
  const row = Math.floor((yM - raster.minYM) / raster.cellM);
  if (column < 0 || row < 0 || column >= raster.columns || row >= raster.rows) return index.outsidePlace.get(floor) as number;
  return raster.place[row * raster.columns + column] as number;
}

/**
 * Gateways whose silence may say something of a tag that this one hears: itself and the nearest ones, at most
 * MAX_NEAR, in the map's order. Without that bound a tag would cost as much as the venue has gateways.
 */
export function gatewaysNear(index: VenueIndex, gateway: number): Int32Array {
  return (index.near[gateway] ??= nearest(index.gateways, index.gateways[gateway] as IndexedGateway));
}

function nearest(gateways: readonly IndexedGateway[], to: IndexedGateway): Int32Array {
  const byDistance = gateways
    .map(({ xM, yM, floor }, gateway) => ({ gateway, farM: Math.hypot(xM - to.xM, yM - to.yM) + STOREY_IS_M * Math.abs(floor - to.floor) }))
    .sort((a, b) => a.farM - b.farM || a.gateway - b.gateway);
  return Int32Array.from(byDistance.slice(0, MAX_NEAR), ({ gateway }) => gateway).sort();
}

/** More than anybody hears: MAX_LINKS_PER_TAG and as many around. */
const MAX_NEAR = 48;
/** A ceiling takes 15 dB, as much as going from 10 m away to 40 m. */
const STOREY_IS_M = 30;

function rasterOf(venue: VenueMap, floor: number, index: VenueIndex): FloorRaster | null {
  const zones = venue.zones
    .map((zone, place) => ({ zone, place, areaM2: areaOf(zone), ...boxOf(zone.polygons) }))
    .filter(({ zone }) => zone.floor === floor && zone.polygons.length > 0)
    // Large first, so that the small ones are painted over them.
    .sort((a, b) => b.areaM2 - a.areaM2 || a.place - b.place);
  if (zones.length === 0) return null;
  const minXM = Math.min(...zones.map((zone) => zone.minXM));
  const minYM = Math.min(...zones.map((zone) => zone.minYM));
  const widthM = Math.max(...zones.map((zone) => zone.maxXM)) - minXM;
  const heightM = Math.max(...zones.map((zone) => zone.maxYM)) - minYM;
  let cellM = FINEST_CELL_M;
  while (Math.ceil(widthM / cellM) * Math.ceil(heightM / cellM) > MAX_CELLS_PER_FLOOR) cellM *= 2;
  const columns = Math.max(1, Math.ceil(widthM / cellM));
  const rows = Math.max(1, Math.ceil(heightM / cellM));
  const place = new Uint16Array(columns * rows).fill(index.outsidePlace.get(floor) as number);
  for (const { zone, place: painted, ...box } of zones) {
    const lastColumn = Math.min(columns - 1, Math.floor((box.maxXM - minXM) / cellM));
    const lastRow = Math.min(rows - 1, Math.floor((box.maxYM - minYM) / cellM));
    for (let row = Math.floor((box.minYM - minYM) / cellM); row <= lastRow; row++) {
      for (let column = Math.floor((box.minXM - minXM) / cellM); column <= lastColumn; column++) {
        const centre = { xM: minXM + (column + 0.5) * cellM, yM: minYM + (row + 0.5) * cellM, floor };
        if (pointInZone(centre, zone)) place[row * columns + column] = painted;
      }
    }
  }
  return { minXM, minYM, cellM, columns, rows, place };
}

function boxOf(polygons: readonly (readonly (readonly [number, number])[])[]): { minXM: number; minYM: number; maxXM: number; maxYM: number } {
  const box = { minXM: Infinity, minYM: Infinity, maxXM: -Infinity, maxYM: -Infinity };
  for (const polygon of polygons) {
    for (const [xM, yM] of polygon) {
      box.minXM = Math.min(box.minXM, xM);
      box.minYM = Math.min(box.minYM, yM);
      box.maxXM = Math.max(box.maxXM, xM);
      box.maxYM = Math.max(box.maxYM, yM);
    }
  }
  return box;
}

/** How far a zone reaches from its centre, metres: the 95 % radius of "somewhere in there". */
export function zoneReachM(venue: VenueMap, zoneId: ZoneId, centre: { xM: number; yM: number }): number {
  const zone = venue.zones.find((candidate) => candidate.zoneId === zoneId);
  const corners = zone?.polygons.flat() ?? [];
  if (zone === undefined || corners.length === 0) return UNDRAWN_REACH_M;
  const reachM = Math.max(...corners.map(([xM, yM]) => Math.hypot(xM - centre.xM, yM - centre.yM)));
  return Math.max(1, reachM);
}

/** A zone with no drawing is where its gateway hears well: 10 m, a large room. */
const UNDRAWN_REACH_M = 10;
