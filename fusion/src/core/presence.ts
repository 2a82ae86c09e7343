import type { Belief } from "./grid-filter.ts";
import type { VenueGrid } from "./venue-grid.ts";

/**
 * A belief on a coarse lattice, so that two can be laid over each other: a few dozen nodes. Nodes are numbered
 * through all floors and ascend; a node's weight is its mass over the lattice's spacing in m.
 */
export interface Presence {
  nodes: Int32Array;
  weight: Float64Array;
  /** Its stretch of both arrays, up to before `to`: others share them. */
  from: number;
  to: number;
}

const NOWHERE: Presence = { nodes: new Int32Array(0), weight: new Float64Array(0), from: 0, to: 0 };

/** Presences are made for everybody at once and let go at once, so a thousand share two arrays of 0.8 MB: two small ones each cost more than what is in them. */
const NODES_AT_ONCE = 65_536;

/**
 * Cells share their mass among the four nodes around them. So the lattice blurs by 0.6 m on each axis, and two who
 * are 2 m apart still overlap. Mass on the nearest node alone costs up to 0.004 of AUC.
 */
const SPACING_M = 1.5;

/** Where each cell lies on its floor's lattice: the node to its south-west, and how far it is on from there, 0 to 1. */
export interface PresenceLattice {
  node: Int32Array;
  east: Float64Array;
  north: Float64Array;
  spacingM: number;
  /** By floor: how many nodes on the node to the north is. */
  columns: Int32Array;
  floorOf: Uint8Array;
  /** Scratch, one number a node, zero between calls. */
  mass: Float64Array;
  /** The presence that was made last: behind it is room. */
  last: Presence;
}

export function newPresenceLattice(grid: VenueGrid): PresenceLattice {
  const spacingM = Math.max(SPACING_M, ...grid.floors.map(({ cellM }) => cellM));
  const node = new Int32Array(grid.cells);
  const east = new Float64Array(grid.cells);
  const north = new Float64Array(grid.cells);
  const columns = Int32Array.from(grid.floors, (floor) => Math.ceil((floor.columns * floor.cellM) / spacingM) + 2);
  let nodes = 0;
  grid.floors.forEach(({ firstCell, cellCount, minXM, minYM, rows, cellM }, floorIndex) => {
    for (let cell = firstCell; cell < firstCell + cellCount; cell++) {
      const x = ((grid.xM[cell] as number) - minXM) / spacingM;
      const y = ((grid.yM[cell] as number) - minYM) / spacingM;
      node[cell] = nodes + Math.floor(y) * (columns[floorIndex] as number) + Math.floor(x);
      east[cell] = x - Math.floor(x);
      north[cell] = y - Math.floor(y);
    }
    nodes += (columns[floorIndex] as number) * (Math.ceil((rows * cellM) / spacingM) + 2);
  });
  return { node, east, north, spacingM, columns, floorOf: grid.floorOf, mass: new Float64Array(nodes), last: NOWHERE };
}

/** Of a belief that is wider than this in cells a sample is looked at. */
const MOST_CELLS = 300;
/** Nodes with less than this share of the heaviest do not count: in a wide belief that is most of them. */
const LEAST_NODE_SHARE = 0.05;

export function presenceOf({ count, cells, standing, walking }: Belief, lattice: PresenceLattice): Presence {
  const { node, east, north, columns, spacingM, floorOf, mass } = lattice;
  const step = Math.ceil(count / MOST_CELLS);
  let first = mass.length;
  let last = -1;
  for (let i = 0; i < count; i += step) {
    const cell = cells[i] as number;
    const southWest = node[cell] as number;
    const northWest = southWest + (columns[floorOf[cell] as number] as number);
    if (southWest < first) first = southWest;
    if (northWest > last) last = northWest;
    const here = (standing[i] as number) + (walking[i] as number);
    const toNorth = (north[cell] as number) * here;
    const toSouth = here - toNorth;
    const toEast = east[cell] as number;
    mass[southWest] = (mass[southWest] as number) + toSouth * (1 - toEast);
    mass[southWest + 1] = (mass[southWest + 1] as number) + toSouth * toEast;
    mass[northWest] = (mass[northWest] as number) + toNorth * (1 - toEast);
    mass[northWest + 1] = (mass[northWest + 1] as number) + toNorth * toEast;
  }
  let peak = 0;
  for (let at = first; at <= last + 1; at++) if ((mass[at] as number) > peak) peak = mass[at] as number;
  const least = LEAST_NODE_SHARE * peak;
  let nodes = 0;
  let sum = 0;
  for (let at = first; at <= last + 1; at++) {
    const here = mass[at] as number;
    if (here < least) continue;
    nodes++;
    sum += here;
  }
  const presence = roomFor(nodes, lattice.last);
  for (let at = first, i = presence.from; at <= last + 1; at++) {
    const here = mass[at] as number;
    mass[at] = 0;
    if (here < least) continue;
    presence.nodes[i] = at;
    presence.weight[i++] = here / (sum * spacingM);
  }
  lattice.last = presence;
  return presence;
}

function roomFor(count: number, { nodes, weight, to }: Presence): Presence {
  if (to + count <= nodes.length) return { nodes, weight, from: to, to: to + count };
  const room = Math.max(count, NODES_AT_ONCE);
  return { nodes: new Int32Array(room), weight: new Float64Array(room), from: 0, to: count };
}

/** Scratch: the weights of the presence that was laid out last, by node. In a crowd that is one person beside thirty others. */
let laidOut = NOWHERE;
let laidWeight = new Float64Array(0);

/** How likely two are at one point, per m2, if their beliefs had nothing to do with each other. The same from either side, to the last bit. */
export function overlapPerM2(a: Presence, b: Presence): number {
  if (laidOut !== a && laidOut !== b) layOut(a);
  const { nodes, weight, from, to } = laidOut === a ? b : a;
  let sum = 0;
  for (let i = from; i < to; i++) {
    const at = nodes[i] as number;
    if (at < laidWeight.length) sum += (weight[i] as number) * (laidWeight[at] as number);
  }
  return sum;
}

function layOut(presence: Presence): void {
  for (let i = laidOut.from; i < laidOut.to; i++) laidWeight[laidOut.nodes[i] as number] = 0;
  const { nodes, weight, from, to } = presence;
  const length = 1 + (to === from ? 0 : (nodes[to - 1] as number));
  if (laidWeight.length < length) laidWeight = new Float64Array(2 * length);
  for (let i = from; i < to; i++) laidWeight[nodes[i] as number] = weight[i] as number;
  laidOut = presence;
}
