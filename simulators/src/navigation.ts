import { pointInZone, type FloorPoint, type VenueMap, type Zone, type ZoneId } from "@konferenco/protocol";
import { boxAround, newBuckets, type Box } from "./buckets.ts";
import type { Random } from "./random.ts";
import { wallsOfFloor, type Walls } from "./walls.ts";

/**
 * Ways through a venue that cross no wall: a grid over every floor, joined by stairs, searched by A* and
 * pulled straight afterwards. Floors are joined where zones of kind `stairs` lie over each other.
 */
export interface Navigation {
  /** Points from one place to another; between two neighbours on one floor the way is straight. Null: no way. */
  path(from: FloorPoint, to: FloorPoint): FloorPoint[] | null;
  /** A place to stand in the zone that can be walked to; near `near` where given. */
  spot(zoneId: ZoneId, dice: Random, near?: FloorPoint): FloorPoint | null;
  /** Zones with a place to stand. */
  readonly reachableZoneIds: readonly ZoneId[];
  /** Zones with polygons where nobody can get: closed rooms. */
  readonly unreachableZoneIds: readonly ZoneId[];
  zoneAt(point: FloorPoint): ZoneId | null;
  walls(floor: number): Walls;
}

/** Finer than the narrowest door; larger venues get larger cells so that the grid stays below MAX_CELLS. */
const CELL_M = 0.5;

/** 400,000 cells cost 16 MB and 0.2 s for the longest way: a hall of 300 x 300 m. */
const MAX_CELLS = 400_000;

/** People do not brush along walls; where a door leaves less, they pass all the same. */
const CLEARANCE_M = 0.3;

/** A step along a wall and a step outside of all zones cost this much more than one in the open. */
const NEAR_WALL_COST = 2.5;
const OUTSIDE_COST = 4;

/** Stairs cost as much as this way: nobody changes floors without need. */
const STAIRS_COST_M = 15;

/** How near a companion stands. */
const COMPANY_M = 1.2;

const STEPS: readonly (readonly [dx: number, dy: number])[] = [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]];

interface StairsLink {
  /** Node index on the lower and on the upper floor. */
  low: number;
  high: number;
}

export function newNavigation(venue: VenueMap): Navigation {
  const floors = venue.floors.map(({ floor }) => floor).sort((a, b) => a - b);
  const walls = new Map(floors.map((floor) => [floor, wallsOfFloor(venue, floor)]));
  const bounds = boundsOf(venue);
  const areaM2 = (bounds.maxXM - bounds.minXM) * (bounds.maxYM - bounds.minYM) * floors.length;
  const cellM = Math.max(CELL_M, Math.sqrt(areaM2 / MAX_CELLS));
  const columns = Math.max(1, Math.ceil((bounds.maxXM - bounds.minXM) / cellM));
  const rows = Math.max(1, Math.ceil((bounds.maxYM - bounds.minYM) / cellM));
  const perFloor = columns * rows;
  const count = perFloor * floors.length;
  const zones = smallestFirst(venue.zones);

  /** Bit `step` set: the way to that neighbour is open. */
  const open = new Uint8Array(count);
  const cost = new Float32Array(count);
  const zoneOf: (ZoneId | null)[] = Array.from({ length: count }, () => null);
  const stairs = new Map<number, number>();

  const pointOf = (node: number): FloorPoint => {
    const cell = node % perFloor;
    return {
      xM: bounds.minXM + ((cell % columns) + 0.5) * cellM,
      yM: bounds.minYM + (Math.floor(cell / columns) + 0.5) * cellM,
      floor: floors[Math.floor(node / perFloor)] as number,
    };
  };
  const nodeAt = (point: FloorPoint): number => {
    const level = floors.indexOf(point.floor);
    if (level < 0) return -1;
    const column = Math.max(0, Math.min(columns - 1, Math.floor((point.xM - bounds.minXM) / cellM)));
    const row = Math.max(0, Math.min(rows - 1, Math.floor((point.yM - bounds.minYM) / cellM)));
    return level * perFloor + row * columns + column;
  };
  const wallsOf = (floor: number): Walls => walls.get(floor) ?? wallsOfFloor(venue, floor);
  const zoneBuckets = newBuckets(zones.map(boxOf));
  const zoneAt = (point: FloorPoint): ZoneId | null => {
    // Zones stand in order of size: the first one that holds the point.
    let first = zones.length;
    zoneBuckets.along(point.xM, point.yM, point.xM, point.yM, 0, (i) => {
      if (i < first && pointInZone(point, zones[i] as Zone)) first = i;
      return false;
    });
    return zones[first]?.zoneId ?? null;
  };

  for (let node = 0; node < count; node++) {
    const here = pointOf(node);
    const near = wallsOf(here.floor);
    zoneOf[node] = zoneAt(here);
    cost[node] = (zoneOf[node] === null ? OUTSIDE_COST : 1) * (near.distanceM(here.xM, here.yM, CLEARANCE_M + cellM / 2) < CLEARANCE_M + 0.01 ? NEAR_WALL_COST : 1);
    const column = node % columns;
    const row = Math.floor((node % perFloor) / columns);
    for (let step = 0; step < STEPS.length; step++) {
      const [dx, dy] = STEPS[step] as readonly [number, number];
      if (column + dx < 0 || column + dx >= columns || row + dy < 0 || row + dy >= rows) continue;
      if (near.crossings(here.xM, here.yM, here.xM + dx * cellM, here.yM + dy * cellM, 1) === 0) open[node] = (open[node] as number) | (1 << step);
    }
  }
  for (const link of stairsOf(venue, floors, (point) => nodeAt(point), wallsOf)) {
    stairs.set(link.low, link.high);
    stairs.set(link.high, link.low);
  }

  const neighbours = (node: number, visit: (next: number, stepM: number) => void): void => {
    const bits = open[node] as number;
    for (let step = 0; step < STEPS.length; step++) {
      if ((bits & (1 << step)) === 0) continue;
      const [dx, dy] = STEPS[step] as readonly [number, number];
      visit(node + dy * columns + dx, cellM * (step < 4 ? 1 : Math.SQRT2));
    }
    const other = stairs.get(node);
    if (other !== undefined) visit(other, STAIRS_COST_M);
  };

  const main = largestComponent(count, neighbours, zoneOf);
  const cellsOfZone = new Map<ZoneId, number[]>();
  for (let node = 0; node < count; node++) {
    const zoneId = zoneOf[node] ?? null;
    if (zoneId === null || main[node] === 0 || (cost[node] as number) > 1) continue;
    const cells = cellsOfZone.get(zoneId);
    if (cells === undefined) cellsOfZone.set(zoneId, [node]);
    else cells.push(node);
  }

  // A* of one search: stamped, so that nothing is cleared between searches.
  const gM = new Float32Array(count);
  const cameFrom = new Int32Array(count);
  const stamp = new Uint32Array(count);
  const closed = new Uint32Array(count);
  let search = 0;

  /** The shortest that a way over the grid can be, floors aside. */
  function apartM(a: number, b: number): number {
    const across = Math.abs((a % columns) - (b % columns));
    const along = Math.abs(Math.floor((a % perFloor) / columns) - Math.floor((b % perFloor) / columns));
    return cellM * (Math.max(across, along) + (Math.SQRT2 - 1) * Math.min(across, along));
  }

  function nodesBetween(start: number, goal: number): number[] | null {
    search++;
    const goalLevel = Math.floor(goal / perFloor);
    // To the next floor one must pass some stairs; over several floors the plain distance is guess enough.
    const passages = [...stairs].filter(([, far]) => Math.floor(far / perFloor) === goalLevel).map(([near, far]) => ({ near, level: Math.floor(near / perFloor), beyondM: STAIRS_COST_M + apartM(far, goal) }));
    const guessM = (node: number): number => {
      const level = Math.floor(node / perFloor);
      if (Math.abs(level - goalLevel) !== 1) return apartM(node, goal);
      let bestM = Infinity;
      for (const passage of passages) if (passage.level === level) bestM = Math.min(bestM, apartM(node, passage.near) + passage.beyondM);
      return bestM;
    };
    const queue = newQueue();
    gM[start] = 0;
    stamp[start] = search;
    cameFrom[start] = -1;
    queue.push(start, guessM(start));
    for (let node = queue.pop(); node >= 0; node = queue.pop()) {
      if (node === goal) {
        const nodes: number[] = [];
        for (let at = goal; at >= 0; at = cameFrom[at] as number) nodes.push(at);
        return nodes.reverse();
      }
      if (closed[node] === search) continue;
      closed[node] = search;
      neighbours(node, (next, stepM) => {
        const throughM = (gM[node] as number) + stepM * (cost[next] as number);
        if (stamp[next] === search && (gM[next] as number) <= throughM) return;
        stamp[next] = search;
        gM[next] = throughM;
        cameFrom[next] = node;
        queue.push(next, throughM + guessM(next));
      });
    }
    return null;
  }

  return {
    reachableZoneIds: [...cellsOfZone.keys()].sort(),
    unreachableZoneIds: venue.zones.filter((zone) => zone.polygons.length > 0 && !cellsOfZone.has(zone.zoneId)).map((zone) => zone.zoneId),
    zoneAt,
    walls: wallsOf,
    path(from, to) {
      const start = nodeAt(from);
      const goal = nodeAt(to);
      if (start < 0 || goal < 0) return null;
      const nodes = nodesBetween(start, goal);
      if (nodes === null) return null;
      return pulledStraight([from, ...nodes.map(pointOf), to], wallsOf);
    },
    spot(zoneId, dice, near) {
      const cells = cellsOfZone.get(zoneId);
      if (cells === undefined) return null;
      const choices = near === undefined ? cells : companyCells(cells, near);
      const centre = pointOf(dice.pick(choices.length > 0 ? choices : cells));
      // A little off the grid, where nothing stands between: cells kept here are CLEARANCE_M from any wall.
      const offM = Math.min(CLEARANCE_M, cellM / 2) * 0.6;
      return { xM: centre.xM + dice.between(-offM, offM), yM: centre.yM + dice.between(-offM, offM), floor: centre.floor };
    },
  };

  function companyCells(cells: readonly number[], near: FloorPoint): number[] {
    return cells.filter((node) => {
      const point = pointOf(node);
      const apartM = Math.hypot(point.xM - near.xM, point.yM - near.yM);
      return point.floor === near.floor && apartM <= COMPANY_M && apartM > 0.4 && wallsOf(near.floor).crossings(near.xM, near.yM, point.xM, point.yM, 1) === 0;
    });
  }
}

/** Keeps only the corners: a straight way that stays clear of walls replaces what lies between. */
function pulledStraight(points: readonly FloorPoint[], wallsOf: (floor: number) => Walls): FloorPoint[] {
  const first = points[0];
  if (first === undefined) return [];
  const kept: FloorPoint[] = [first];
  let anchor = 0;
  while (anchor < points.length - 1) {
    const from = points[anchor] as FloorPoint;
    let next = anchor + 1;
    for (let candidate = anchor + 2; candidate < points.length; candidate++) {
      const to = points[candidate] as FloorPoint;
      if (to.floor !== from.floor || (points[candidate - 1] as FloorPoint).floor !== from.floor) break;
      if (!wallsOf(from.floor).clear(from.xM, from.yM, to.xM, to.yM, CLEARANCE_M)) break;
      next = candidate;
    }
    kept.push(points[next] as FloorPoint);
    anchor = next;
  }
  return kept;
}

/** Stairs: zones of kind `stairs` over each other on neighbouring floors. One goes up along the longer side of where they overlap. */
function stairsOf(venue: VenueMap, floors: readonly number[], nodeAt: (point: FloorPoint) => number, wallsOf: (floor: number) => Walls): StairsLink[] {
  const links: StairsLink[] = [];
  for (let level = 0; level + 1 < floors.length; level++) {
    const lowFloor = floors[level] as number;
    const highFloor = floors[level + 1] as number;
    for (const lower of venue.zones.filter((zone) => zone.kind === "stairs" && zone.floor === lowFloor)) {
      for (const upper of venue.zones.filter((zone) => zone.kind === "stairs" && zone.floor === highFloor)) {
        const a = boxOf(lower);
        const b = boxOf(upper);
        const shared = { minXM: Math.max(a.minXM, b.minXM), minYM: Math.max(a.minYM, b.minYM), maxXM: Math.min(a.maxXM, b.maxXM), maxYM: Math.min(a.maxYM, b.maxYM) };
        const widthM = shared.maxXM - shared.minXM;
        const depthM = shared.maxYM - shared.minYM;
        if (!(widthM > 0 && depthM > 0)) continue;
        const xM = (shared.minXM + shared.maxXM) / 2;
        const yM = (shared.minYM + shared.maxYM) / 2;
        // From a quarter to three quarters of the longer side; straight up in the middle where a wall stands between.
        const along = widthM >= depthM ? { dxM: widthM / 4, dyM: 0 } : { dxM: 0, dyM: depthM / 4 };
        const bottom = { xM: xM - along.dxM, yM: yM - along.dyM };
        const top = { xM: xM + along.dxM, yM: yM + along.dyM };
        const blocked = [lowFloor, highFloor].some((floor) => wallsOf(floor).crossings(bottom.xM, bottom.yM, top.xM, top.yM, 1) > 0);
        const middle = { xM, yM };
        const low = nodeAt({ ...(blocked ? middle : bottom), floor: lowFloor });
        const high = nodeAt({ ...(blocked ? middle : top), floor: highFloor });
        links.push({ low, high });
      }
    }
  }
  return links;
}

function boxOf(zone: Zone): Box {
  return boxAround(zone.polygons.flat());
}

/** The box around zones and gateways of all floors: they share one frame and one grid. */
function boundsOf(venue: VenueMap): Box {
  const points = [...venue.zones.flatMap((zone) => zone.polygons.flat()), ...venue.gateways.map((gateway) => [gateway.xM, gateway.yM] as const)];
  const box = boxAround(points.length > 0 ? points : [[0, 0]]);
  return { ...box, maxXM: Math.max(box.maxXM, box.minXM + CELL_M), maxYM: Math.max(box.maxYM, box.minYM + CELL_M) };
}

/** Where zones overlap, a point belongs to the smallest: the stand, not the hall around it. */
function smallestFirst(zones: readonly Zone[]): Zone[] {
  const areaM2 = (zone: Zone): number =>
    zone.polygons.reduce((sum, polygon) => {
      let double = 0;
      for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
        const [x0M, y0M] = polygon[j] as readonly [number, number];
        const [x1M, y1M] = polygon[i] as readonly [number, number];
        double += x0M * y1M - x1M * y0M;
      }
      return sum + Math.abs(double) / 2;
    }, 0);
  return zones.filter((zone) => zone.polygons.length > 0).sort((a, b) => areaM2(a) - areaM2(b));
}

/** 1 for every node of the part with most cells inside of zones: whatever else there is cannot be walked to. */
function largestComponent(count: number, neighbours: (node: number, visit: (next: number, stepM: number) => void) => void, zoneOf: readonly (ZoneId | null)[]): Uint8Array {
  const component = new Int32Array(count).fill(-1);
  let best = { id: -1, size: -1 };
  for (let root = 0, id = 0; root < count; root++) {
    if (component[root] !== -1) continue;
    let size = 0;
    const todo = [root];
    component[root] = id;
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      if (zoneOf[node] !== null) size++;
      neighbours(node, (next) => {
        if (component[next] !== -1) return;
        component[next] = id;
        todo.push(next);
      });
    }
    if (size > best.size) best = { id, size };
    id++;
  }
  return Uint8Array.from(component, (id) => (id === best.id ? 1 : 0));
}

/** A binary heap of nodes by cost. */
function newQueue() {
  const nodes: number[] = [];
  const keys: number[] = [];
  return {
    push(node: number, key: number): void {
      let child = nodes.length;
      nodes.push(node);
      keys.push(key);
      while (child > 0) {
        const parent = (child - 1) >> 1;
        if ((keys[parent] as number) <= key) break;
        nodes[child] = nodes[parent] as number;
        keys[child] = keys[parent] as number;
        child = parent;
      }
      nodes[child] = node;
      keys[child] = key;
    },
    /** The cheapest node, or -1. */
    pop(): number {
      const top = nodes[0];
      const lastNode = nodes.pop();
      const lastKey = keys.pop();
      if (top === undefined || lastNode === undefined || lastKey === undefined) return -1;
      if (nodes.length === 0) return top;
      let parent = 0;
      for (;;) {
        let child = 2 * parent + 1;
        if (child >= nodes.length) break;
        if (child + 1 < nodes.length && (keys[child + 1] as number) < (keys[child] as number)) child++;
        if ((keys[child] as number) >= lastKey) break;
        nodes[parent] = nodes[child] as number;
        keys[parent] = keys[child] as number;
        parent = child;
      }
      nodes[parent] = lastNode;
      keys[parent] = lastKey;
      return top;
    },
  };
}
