import type { ProximityTransition, TagId } from "@konferenco/protocol";
import type { FusionConfig } from "./fusion-config.ts";

/** Where a tag is, as far as proximity needs it. `confidence` is the position's own. */
export interface Whereabouts {
  tagId: TagId;
  xM: number;
  yM: number;
  floor: number;
  confidence: number;
}

/** One pair of tags, about 120 bytes. `near` is what was last told. */
interface Pair {
  tagA: TagId;
  tagB: TagId;
  near: boolean;
  /** Since when the distance speaks against what was told, or null while it agrees. */
  turningSinceMs: number | null;
}

export interface ProximityState {
  /** By tag, then by the other tag: each pair is found from both sides. */
  pairsOf: Map<TagId, Map<TagId, Pair>>;
  /** Pairs that were not followed because a tag was in maxPairsPerTag already. */
  skipped: number;
}

export function newProximityState(): ProximityState {
  return { pairsOf: new Map(), skipped: 0 };
}

/**
 * Near and apart with hysteresis (nearM inward, apartM outward) and a hold on both, so that people
 * who pass each other in a corridor are not told. Pairs that are followed are looked at directly; new
 * ones are found with a grid of nearM cells: a tag is compared with those in its own and the eight
 * cells around, not with the whole venue.
 */
export function detectProximity(state: ProximityState, whereabouts: readonly Whereabouts[], nowMs: number, config: FusionConfig): ProximityTransition[] {
  forEachCloseCouple(whereabouts, config.nearM, (a, b) => beginPair(state, a.tagId, b.tagId, config));
  const transitions: ProximityTransition[] = [];
  const places = new Map(whereabouts.map((tag) => [tag.tagId, tag]));
  for (const [tagId, others] of state.pairsOf) {
    for (const pair of others.values()) {
      if (pair.tagA !== tagId) continue;
      const a = places.get(pair.tagA);
      const b = places.get(pair.tagB);
      const distanceM = a === undefined || b === undefined || a.floor !== b.floor ? Infinity : Math.hypot(a.xM - b.xM, a.yM - b.yM);
      if (distanceM >= config.apartM && !pair.near) {
        removePair(state, pair);
        continue;
      }
      const transition = turn(pair, distanceM, Math.min(a?.confidence ?? 0, b?.confidence ?? 0), nowMs, config);
      if (transition === null) continue;
      transitions.push(transition);
      if (!pair.near) removePair(state, pair);
    }
  }
  return transitions.sort(byPair);
}

/** The tag is gone: it is apart from everybody. */
export function leaveProximity(state: ProximityState, tagId: TagId, nowMs: number, config: FusionConfig): ProximityTransition[] {
  const transitions: ProximityTransition[] = [];
  // Deleting what is being walked over is what Map's iterators allow.
  for (const pair of state.pairsOf.get(tagId)?.values() ?? []) {
    if (pair.near) transitions.push({ transition: "apart", tagA: pair.tagA, tagB: pair.tagB, atMs: nowMs, distanceM: config.apartM, confidence: 0 });
    removePair(state, pair);
  }
  return transitions.sort(byPair);
}

/** Follows one pair by its distance; returns what is to be told, if anything. */
function turn(pair: Pair, distanceM: number, confidence: number, nowMs: number, config: FusionConfig): ProximityTransition | null {
  const against = pair.near ? distanceM >= config.apartM : distanceM <= config.nearM;
  if (!against) {
    pair.turningSinceMs = null;
    return null;
  }
  pair.turningSinceMs ??= nowMs;
  if (nowMs - pair.turningSinceMs < (pair.near ? config.apartHoldMs : config.nearHoldMs)) return null;
  pair.near = !pair.near;
  pair.turningSinceMs = null;
  // On another floor there is no distance; apartM is what can be said.
  return { transition: pair.near ? "near" : "apart", tagA: pair.tagA, tagB: pair.tagB, atMs: nowMs, distanceM: Number.isFinite(distanceM) ? distanceM : config.apartM, confidence };
}

/** Follows a pair from now on, unless it is followed or one of the two is in as many pairs as it may. */
function beginPair(state: ProximityState, a: TagId, b: TagId, config: FusionConfig): void {
  const pairsOfA = pairsOf(state, a);
  if (pairsOfA.has(b)) return;
  const pairsOfB = pairsOf(state, b);
  if (pairsOfA.size >= config.maxPairsPerTag || pairsOfB.size >= config.maxPairsPerTag) {
    state.skipped++;
    return;
  }
  const [tagA, tagB] = a < b ? [a, b] : [b, a];
  const pair: Pair = { tagA, tagB, near: false, turningSinceMs: null };
  pairsOfA.set(b, pair);
  pairsOfB.set(a, pair);
  state.pairsOf.set(a, pairsOfA);
  state.pairsOf.set(b, pairsOfB);
}

function pairsOf(state: ProximityState, tagId: TagId): Map<TagId, Pair> {
  return state.pairsOf.get(tagId) ?? new Map<TagId, Pair>();
}

function removePair(state: ProximityState, pair: Pair): void {
  for (const [tagId, other] of [[pair.tagA, pair.tagB], [pair.tagB, pair.tagA]] as const) {
    const pairs = state.pairsOf.get(tagId);
    pairs?.delete(other);
    if (pairs?.size === 0) state.pairsOf.delete(tagId);
  }
}

function byPair(a: ProximityTransition, b: ProximityTransition): number {
  if (a.tagA !== b.tagA) return a.tagA < b.tagA ? -1 : 1;
  return a.tagB < b.tagB ? -1 : a.tagB > b.tagB ? 1 : 0;
}

/** Half of the nine cells: each couple of cells is visited once. */
const FORWARD_CELLS: readonly (readonly [number, number])[] = [[1, -1], [1, 0], [1, 1], [0, 1]];

/** Cells of one axis before numbers wrap around: 5,000 km of 5 m cells. Cells that then share a number cost a comparison, no more. */
const CELLS_PER_AXIS = 2 ** 20;

/** A floor and a cell as one number below 2^53. */
function cellKey(floor: number, column: number, row: number): number {
  const wrap = (cell: number) => ((cell % CELLS_PER_AXIS) + CELLS_PER_AXIS) % CELLS_PER_AXIS;
  return ((floor + 64) * CELLS_PER_AXIS + wrap(column)) * CELLS_PER_AXIS + wrap(row);
}

/** Calls back for every couple of tags on one floor that is at most reachM apart, each once. */
function forEachCloseCouple(tags: readonly Whereabouts[], reachM: number, visit: (a: Whereabouts, b: Whereabouts) => void): void {
  const cells = new Map<number, Whereabouts[]>();
  for (const tag of tags) {
    const key = cellKey(tag.floor, Math.floor(tag.xM / reachM), Math.floor(tag.yM / reachM));
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [tag]);
    else cell.push(tag);
  }
  const visitIfClose = (a: Whereabouts, b: Whereabouts) => {
    const dxM = a.xM - b.xM;
    const dyM = a.yM - b.yM;
    if (dxM * dxM + dyM * dyM <= reachM * reachM) visit(a, b);
  };
  for (const cell of cells.values()) {
    const first = cell[0] as Whereabouts;
    const column = Math.floor(first.xM / reachM);
    const row = Math.floor(first.yM / reachM);
    cell.forEach((a, i) => {
      for (let j = i + 1; j < cell.length; j++) visitIfClose(a, cell[j] as Whereabouts);
    });
    for (const [columns, rows] of FORWARD_CELLS) {
      const neighbours = cells.get(cellKey(first.floor, column + columns, row + rows));
      if (neighbours === undefined) continue;
      for (const a of cell) for (const b of neighbours) visitIfClose(a, b);
    }
  }
}
