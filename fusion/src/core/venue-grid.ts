import type { VenueMap } from "@konferenco/protocol";
import { indexVenue, placeAt, type VenueIndex } from "./venue-index.ts";

/**
 * The floors as cells: where a tag can be, and how people get from one cell to the next. Cells of all
 * floors are numbered through; a floor's cells are contiguous.
 */
export interface VenueGrid {
  cells: number;
  xM: Float32Array;
  yM: Float32Array;
  /** The place of the venue index that a cell belongs to, -1 where the floor has no drawing. */
  place: Int32Array;
  floors: GridFloor[];
  /** Index of a cell's floor among the floors. */
  floorOf: Uint8Array;
  /** Eight neighbours of each cell, -1 where there is none. */
  neighbour: Int32Array;
  /** Share of those who set off from a cell that go to that neighbour; what is missing to 1 stays. */
  passage: Float32Array;
}

export interface GridFloor {
  floor: number;
  firstCell: number;
  cellCount: number;
  cellM: number;
  minXM: number;
  minYM: number;
  columns: number;
  rows: number;
  /** Cell at column and row, or -1. */
  cellAt: Int32Array;
}

/** Half a pace: finer gains nothing at 4-6 dB of noise. */
const FINEST_CELL_M = 0.5;
/** Bounds the cost of a floor: 4,000 cells at 20 gateways are 320 KB of levels. */
const MAX_CELLS_PER_FLOOR = 4_000;
/** Farther than this from all that is within the hull of a floor's gateways they place nobody: a park on the map would only make cells coarse. */
const REACH_M = 25;
/** Where nothing is drawn people are within this of the hull of the gateways. */
const HULL_MARGIN_M = 3;
/** Of those who come to a wall between two rooms, or from a room to the corridor: doors are few, but nobody drew them. */
const THROUGH_ROOM_WALL = 0.08;
const THROUGH_DOOR_WALL = 0.3;
/** Through a wall that is drawn. Not nothing: a map may close a room by mistake. */
const THROUGH_DRAWN_WALL = 0.004;

const STEPS: readonly (readonly [dx: number, dy: number])[] = [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]];
export const NEIGHBOURS = STEPS.length;

/** The map as index and grid, and in the index what the grid tells of it. */
export function prepareVenue(map: VenueMap): { venue: VenueIndex; grid: VenueGrid | null } {
  const venue = indexVenue(map);
  const grid = newVenueGrid(map, venue);
  return grid === null ? { venue, grid } : { venue: { ...venue, onHallway: roomsOnHallways(grid, venue) }, grid };
}

/** Null when no floor has an outline: positions need a plan, or at least gateways that do not all stand in one point. */
export function newVenueGrid(map: VenueMap, index: VenueIndex): VenueGrid | null {
  const outlines = [...index.outsidePlace.keys()].flatMap((floor) => {
    const outline = outlineOf(map, index, floor);
    return outline === null ? [] : [outline];
  });
  const cells = outlines.reduce((sum, { cellCount }) => sum + cellCount, 0);
  if (cells === 0) return null;
  const grid: VenueGrid = {
    cells,
    xM: new Float32Array(cells),
    yM: new Float32Array(cells),
    place: new Int32Array(cells),
    floors: [],
    floorOf: new Uint8Array(cells),
    neighbour: new Int32Array(cells * NEIGHBOURS).fill(-1),
    passage: new Float32Array(cells * NEIGHBOURS),
  };
  let firstCell = 0;
  for (const outline of outlines) {
    const floor: GridFloor = { ...outline, firstCell };
    for (let at = 0; at < floor.cellAt.length; at++) {
      const local = floor.cellAt[at] as number;
      if (local === -1) continue;
      const cell = firstCell + local;
      floor.cellAt[at] = cell;
      grid.xM[cell] = floor.minXM + ((at % floor.columns) + 0.5) * floor.cellM;
      grid.yM[cell] = floor.minYM + (Math.floor(at / floor.columns) + 0.5) * floor.cellM;
      grid.floorOf[cell] = grid.floors.length;
    }
    grid.floors.push(floor);
    firstCell += floor.cellCount;
    assignPlaces(grid, floor, index);
    joinNeighbours(grid, floor, index);
  }
  return grid;
}

/** The cell at a point, or the nearest one of the floor within a few cells; -1 when there is none. */
export function cellNear(grid: VenueGrid, floorIndex: number, xM: number, yM: number): number {
  const floor = grid.floors[floorIndex] as GridFloor;
  const column = Math.floor((xM - floor.minXM) / floor.cellM);
  const row = Math.floor((yM - floor.minYM) / floor.cellM);
  let best = -1;
  let bestM2 = Infinity;
  for (let reach = 0; reach <= NEAR_CELLS; reach++) {
    for (let r = Math.max(0, row - reach); r <= Math.min(floor.rows - 1, row + reach); r++) {
      for (let c = Math.max(0, column - reach); c <= Math.min(floor.columns - 1, column + reach); c++) {
        const cell = floor.cellAt[r * floor.columns + c] as number;
        if (cell === -1) continue;
        const m2 = ((grid.xM[cell] as number) - xM) ** 2 + ((grid.yM[cell] as number) - yM) ** 2;
        if (m2 < bestM2) [best, bestM2] = [cell, m2];
      }
    }
    if (best !== -1) return best;
  }
  return best;
}

const NEAR_CELLS = 6;

/** By place: the rooms with a cell beside one that belongs to no room, be it drawn or a gap that is floor too. */
function roomsOnHallways(grid: VenueGrid, index: VenueIndex): boolean[] {
  const onHallway = index.places.map(() => false);
  grid.neighbour.forEach((next, k) => {
    const place = grid.place[Math.floor(k / NEIGHBOURS)] as number;
    const beside = next === -1 ? -1 : (grid.place[next] as number);
    if (beside !== -1 && index.room[place] === true && index.room[beside] !== true) onHallway[place] = true;
  });
  return onHallway;
}

/** Which cells a floor has. From its zones as far as its gateways reach, with the gaps between them closed; else from the hull of its gateways. All that is drawn where they reach none of it. */
function outlineOf(map: VenueMap, index: VenueIndex, floor: number, reachM = REACH_M): Omit<GridFloor, "firstCell"> | null {
  const corners = map.zones.filter((zone) => zone.floor === floor).flatMap((zone) => zone.polygons.flat());
  const drawn = corners.length > 0;
  const points: (readonly [number, number])[] = drawn ? corners : hullPoints(map.gateways, floor);
  if (points.length < 3) return null;
  const hull = convexHull(hullPoints(map.gateways, floor));
  const isLimited = drawn && hull.length > 0 && reachM < Infinity;
  const all = boxOf(points, drawn ? 0 : HULL_MARGIN_M);
  const box = isLimited ? common(all, boxOf(hull, reachM)) : all;
  const allOrNone = () => (isLimited ? outlineOf(map, index, floor, Infinity) : null);
  if (box === null) return allOrNone();
  const { minXM: boxMinXM, maxXM: boxMaxXM, minYM: boxMinYM, maxYM: boxMaxYM } = box;
  let cellM = FINEST_CELL_M;
  let wasEmpty = false;
  for (;;) {
    const columns = Math.max(1, Math.ceil((boxMaxXM - boxMinXM) / cellM));
    const rows = Math.max(1, Math.ceil((boxMaxYM - boxMinYM) / cellM));
    // In the middle of the box, so that a mirrored building has mirrored cells.
    const minXM = (boxMinXM + boxMaxXM - columns * cellM) / 2;
    const minYM = (boxMinYM + boxMaxYM - rows * cellM) / 2;
    // The box may be far larger than what is drawn in it; beyond this it is coarsened before it is painted.
    if (columns * rows <= 16 * MAX_CELLS_PER_FLOOR) {
      const painted = new Uint8Array(columns * rows);
      const outside = index.outsidePlace.get(floor);
      for (let at = 0; at < painted.length; at++) {
        const xM = minXM + ((at % columns) + 0.5) * cellM;
        const yM = minYM + (Math.floor(at / columns) + 0.5) * cellM;
        painted[at] = drawn ? Number(placeAt(index, xM, yM, floor) !== outside && (!isLimited || distanceToHullM(hull, xM, yM) <= reachM)) : Number(distanceToHullM(hull, xM, yM) <= HULL_MARGIN_M);
      }
      const closed = drawn ? closeGaps(painted, columns, rows, cellM) : painted;
      const cellAt = new Int32Array(columns * rows).fill(-1);
      let cellCount = 0;
      for (let at = 0; at < closed.length; at++) if (closed[at] === 1) cellAt[at] = cellCount++;
      if (cellCount <= MAX_CELLS_PER_FLOOR && cellCount > 0) return { floor, cellCount, cellM, minXM, minYM, columns, rows, cellAt };
      wasEmpty = cellCount === 0;
      if (wasEmpty && cellM <= FINEST_CELL_M / 8) return allOrNone();
      if (wasEmpty) cellM /= 2;
      else cellM *= Math.max(1.05, Math.sqrt(cellCount / MAX_CELLS_PER_FLOOR));
    } else if (wasEmpty) {
      // Coarser cells have missed what is drawn, or there is nothing, and finer ones are too many to paint.
      return allOrNone();
    } else {
      cellM *= Math.max(1.05, Math.sqrt((columns * rows) / (16 * MAX_CELLS_PER_FLOOR)));
    }
  }
}

interface Box {
  minXM: number;
  maxXM: number;
  minYM: number;
  maxYM: number;
}

function boxOf(points: readonly (readonly [number, number])[], marginM: number): Box {
  const box: Box = { minXM: Infinity, maxXM: -Infinity, minYM: Infinity, maxYM: -Infinity };
  for (const [xM, yM] of points) {
    [box.minXM, box.maxXM] = [Math.min(box.minXM, xM - marginM), Math.max(box.maxXM, xM + marginM)];
    [box.minYM, box.maxYM] = [Math.min(box.minYM, yM - marginM), Math.max(box.maxYM, yM + marginM)];
  }
  return box;
}

/** What two boxes share; null when it is nothing. */
function common(a: Box, b: Box): Box | null {
  const [minXM, maxXM] = [Math.max(a.minXM, b.minXM), Math.min(a.maxXM, b.maxXM)];
  const [minYM, maxYM] = [Math.max(a.minYM, b.minYM), Math.min(a.maxYM, b.maxYM)];
  return minXM < maxXM && minYM < maxYM ? { minXM, maxXM, minYM, maxYM } : null;
}

/** A floor's cells at column and row, -1 also where nobody watches: a yard beside the building is far from all gateways. All of a floor without gateways. */
export function watchedCells(grid: VenueGrid, { floor, cellAt }: GridFloor, { gateways }: VenueIndex): Int32Array {
  const hull = convexHull(hullPoints(gateways, floor));
  const watched = cellAt.map((cell) => (cell !== -1 && distanceToHullM(hull, grid.xM[cell] as number, grid.yM[cell] as number) <= WATCHED_M ? cell : -1));
  return watched.some((cell) => cell !== -1) ? watched : cellAt;
}

/** As deep as a room behind a gateway that hangs at its door. */
const WATCHED_M = 6;

function hullPoints(gateways: readonly { xM: number; yM: number; floor: number }[], floor: number): (readonly [number, number])[] {
  const seen = new Map(gateways.filter((gateway) => gateway.floor === floor).map(({ xM, yM }) => [`${xM}/${yM}`, [xM, yM] as const]));
  return [...seen.values()];
}

/** Monotone chain (Andrew 1979). */
function convexHull(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  if (points.length < 2) return [...points];
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const chain = (ordered: readonly (readonly [number, number])[]): (readonly [number, number])[] => {
    const hull: (readonly [number, number])[] = [];
    for (const point of ordered) {
      while (hull.length >= 2 && cross(hull[hull.length - 2] as readonly [number, number], hull[hull.length - 1] as readonly [number, number], point) <= 0) hull.pop();
      hull.push(point);
    }
    return hull.slice(0, -1);
  };
  return [...chain(sorted), ...chain(sorted.reverse())];
}

function cross(o: readonly [number, number], a: readonly [number, number], b: readonly [number, number]): number {
  return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
}

function distanceToHullM(hull: readonly (readonly [number, number])[], xM: number, yM: number): number {
  let inside = hull.length >= 3;
  let nearestM = Infinity;
  for (let i = 0; i < hull.length; i++) {
    const a = hull[i] as readonly [number, number];
    const b = hull[(i + 1) % hull.length] as readonly [number, number];
    if (cross(a, b, [xM, yM]) < 0) inside = false;
    const lengthM2 = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2;
    const along = lengthM2 === 0 ? 0 : Math.max(0, Math.min(1, ((xM - a[0]) * (b[0] - a[0]) + (yM - a[1]) * (b[1] - a[1])) / lengthM2));
    nearestM = Math.min(nearestM, Math.hypot(xM - a[0] - along * (b[0] - a[0]), yM - a[1] - along * (b[1] - a[1])));
  }
  return inside ? 0 : nearestM;
}

/**
 * Walls have thickness and halls have aisles that nobody drew: gaps between zones are floor too. Closed
 * by dilation and erosion, wider and wider until one can get from every zone to every other.
 */
function closeGaps(painted: Uint8Array, columns: number, rows: number, cellM: number): Uint8Array {
  for (let reachM = 0.75; ; reachM *= 2) {
    const reach = Math.max(1, Math.round(reachM / cellM));
    // A margin of the reach, so that what touches the edge is eroded like the rest.
    const wide = columns + 2 * reach;
    const high = rows + 2 * reach;
    const padded = new Uint8Array(wide * high);
    for (let row = 0; row < rows; row++) padded.set(painted.subarray(row * columns, (row + 1) * columns), (row + reach) * wide + reach);
    const closed = spread(spread(padded, wide, high, reach, 1), wide, high, reach, 0);
    const result = new Uint8Array(columns * rows);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = row * columns + column;
        result[at] = painted[at] === 1 ? 1 : (closed[(row + reach) * wide + column + reach] as number);
      }
    }
    if (reachM > MAX_GAP_REACH_M || isConnected(result, columns, rows)) return result;
  }
}

const MAX_GAP_REACH_M = 20;

/** Grows cells of this value by `reach` in a square, first along rows, then along columns. */
function spread(cells: Uint8Array, columns: number, rows: number, reach: number, value: 0 | 1): Uint8Array {
  const pass = (from: Uint8Array, count: number, length: number, stride: number, step: number): Uint8Array => {
    const to = new Uint8Array(from.length).fill(1 - value);
    for (let line = 0; line < count; line++) {
      let since = Infinity;
      for (let i = 0; i < length; i++) {
        since = from[line * stride + i * step] === value ? 0 : since + 1;
        if (since <= reach) to[line * stride + i * step] = value;
      }
      since = Infinity;
      for (let i = length - 1; i >= 0; i--) {
        since = from[line * stride + i * step] === value ? 0 : since + 1;
        if (since <= reach) to[line * stride + i * step] = value;
      }
    }
    return to;
  };
  return pass(pass(cells, rows, columns, columns, 1), columns, rows, 1, columns);
}

function isConnected(cells: Uint8Array, columns: number, rows: number): boolean {
  const first = cells.indexOf(1);
  if (first === -1) return true;
  const seen = new Uint8Array(cells.length);
  const stack = [first];
  seen[first] = 1;
  let reached = 0;
  while (stack.length > 0) {
    const at = stack.pop() as number;
    reached++;
    const column = at % columns;
    const row = (at - column) / columns;
    for (const [dx, dy] of STEPS) {
      const [c, r] = [column + dx, row + dy];
      if (c < 0 || r < 0 || c >= columns || r >= rows) continue;
      const next = r * columns + c;
      if (cells[next] !== 1 || seen[next] === 1) continue;
      seen[next] = 1;
      stack.push(next);
    }
  }
  return reached === cells.reduce((sum, cell) => sum + cell, 0);
}

/** A cell in a narrow gap counts to the zone beside it; farther off it is outside. */
function assignPlaces(grid: VenueGrid, floor: GridFloor, index: VenueIndex): void {
  const outside = index.outsidePlace.get(floor.floor) as number;
  for (let cell = floor.firstCell; cell < floor.firstCell + floor.cellCount; cell++) {
    const [xM, yM] = [grid.xM[cell] as number, grid.yM[cell] as number];
    let place = placeAt(index, xM, yM, floor.floor);
    for (const [dx, dy] of STEPS) {
      if (place !== outside) break;
      place = placeAt(index, xM + dx * GAP_BESIDE_M, yM + dy * GAP_BESIDE_M, floor.floor);
    }
    grid.place[cell] = place;
  }
}

const GAP_BESIDE_M = 0.4;

function joinNeighbours(grid: VenueGrid, floor: GridFloor, index: VenueIndex): void {
  const walls = index.walls.get(floor.floor) ?? [];
  for (let at = 0; at < floor.cellAt.length; at++) {
    const cell = floor.cellAt[at] as number;
    if (cell === -1) continue;
    const column = at % floor.columns;
    const row = Math.floor(at / floor.columns);
    STEPS.forEach(([dx, dy], step) => {
      const [c, r] = [column + dx, row + dy];
      if (c < 0 || r < 0 || c >= floor.columns || r >= floor.rows) return;
      const next = floor.cellAt[r * floor.columns + c] as number;
      if (next === -1) return;
      const at8 = cell * NEIGHBOURS + step;
      grid.neighbour[at8] = next;
      // All eight together are 1; diagonal steps are longer, so fewer.
      grid.passage[at8] = (step < 4 ? 0.15 : 0.1) * passageOf(grid, cell, next, walls, index);
    });
  }
}

/** How many of those who want to get through. Walls as drawn, or else as the kinds of the zones tell. */
function passageOf(grid: VenueGrid, from: number, to: number, walls: VenueMap["walls"], index: VenueIndex): number {
  const [x0M, y0M, x1M, y1M] = [grid.xM[from] as number, grid.yM[from] as number, grid.xM[to] as number, grid.yM[to] as number];
  if (walls.length > 0) return walls.some((wall) => crosses(x0M, y0M, x1M, y1M, wall)) ? THROUGH_DRAWN_WALL : 1;
  const [a, b] = [grid.place[from] as number, grid.place[to] as number];
  if (a === b || a === -1 || b === -1) return 1;
  const rooms = Number(index.room[a]) + Number(index.room[b]);
  return rooms === 2 ? THROUGH_ROOM_WALL : rooms === 1 ? THROUGH_DOOR_WALL : 1;
}

function crosses(axM: number, ayM: number, bxM: number, byM: number, wall: VenueMap["walls"][number]): boolean {
  const [cxM, cyM, dxM, dyM] = wall;
  const abc = (bxM - axM) * (cyM - ayM) - (byM - ayM) * (cxM - axM);
  const abd = (bxM - axM) * (dyM - ayM) - (byM - ayM) * (dxM - axM);
  const cda = (dxM - cxM) * (ayM - cyM) - (dyM - cyM) * (axM - cxM);
  const cdb = (dxM - cxM) * (byM - cyM) - (dyM - cyM) * (bxM - cxM);
  return abc * abd <= 0 && cda * cdb <= 0 && !(abc === 0 && abd === 0);
}
