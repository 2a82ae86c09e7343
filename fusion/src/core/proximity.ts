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
  seenAtMs: number;
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
 * who pass each other in a corridor are not told. A grid of apartM cells finds the candidates: a
 * tag is compared with its own and the eight cells around, not with the whole venue.
 */
export function detectProximity(state: ProximityState, whereabouts: readonly Whereabouts[], nowMs: number, config: FusionConfig): ProximityTransition[] {
  const transitions: ProximityTransition[] = [];
  forEachCloseCouple(whereabouts, config.apartM, (a, b, distanceM) => {
    const [first, second] = a.tagId < b.tagId ? [a, b] : [b, a];
    const pair = pairOf(state, first.tagId, second.tagId, distanceM, config);
    if (pair === null) return;
    pair.seenAtMs = nowMs;
    const confidence = Math.min(first.confidence, second.confidence);
    const transition = turn(pair, distanceM, confidence, nowMs, config);
    if (transition !== null) transitions.push(transition);
  });
  // Pairs that no cell brought together are beyond apartM, or one of them is on another floor.
  const places = new Map(whereabouts.map((tag) => [tag.tagId, tag]));
  for (const [tagId, others] of state.pairsOf) {
    for (const pair of others.values()) {
      if (pair.tagA !== tagId || pair.seenAtMs === nowMs) continue;
      const a = places.get(pair.tagA);
      const b = places.get(pair.tagB);
      if (!pair.near) {
        removePair(state, pair);
        continue;
      }
      const distanceM = a === undefined || b === undefined ? config.apartM : Math.max(config.apartM, Math.hypot(a.xM - b.xM, a.yM - b.yM));
      const confidence = Math.min(a?.confidence ?? 0, b?.confidence ?? 0);
      const transition = turn(pair, distanceM, confidence, nowMs, config);
      if (transition === null) continue;
      transitions.push(transition);
      removePair(state, pair);
    }
  }
  return transitions.sort(byPair);
}

/** The tag is gone: it is apart from everybody. */
export function leaveProximity(state: ProximityState, tagId: TagId, nowMs: number, config: FusionConfig): ProximityTransition[] {
  const transitions: ProximityTransition[] = [];
  for (const pair of [...(state.pairsOf.get(tagId)?.values() ?? [])]) {
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
  return { transition: pair.near ? "near" : "apart", tagA: pair.tagA, tagB: pair.tagB, atMs: nowMs, distanceM, confidence };
}

/** The pair's state, begun when they come within nearM; null where there is nothing to follow. */
function pairOf(state: ProximityState, tagA: TagId, tagB: TagId, distanceM: number, config: FusionConfig): Pair | null {
  const known = state.pairsOf.get(tagA)?.get(tagB);
  if (known !== undefined) return known;
  if (distanceM > config.nearM) return null;
  const pairsOfA = pairsOf(state, tagA);
  const pairsOfB = pairsOf(state, tagB);
  if (pairsOfA.size >= config.maxPairsPerTag || pairsOfB.size >= config.maxPairsPerTag) {
    state.skipped++;
    return null;
  }
  const pair: Pair = { tagA, tagB, near: false, turningSinceMs: null, seenAtMs: NaN };
  pairsOfA.set(tagB, pair);
  pairsOfB.set(tagA, pair);
  state.pairsOf.set(tagA, pairsOfA);
  state.pairsOf.set(tagB, pairsOfB);
  return pair;
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
function forEachCloseCouple(tags: readonly Whereabouts[], reachM: number, visit: (a: Whereabouts, b: Whereabouts, distanceM: number) => void): void {
  const cells = new Map<number, Whereabouts[]>();
  for (const tag of tags) {
    const key = cellKey(tag.floor, Math.floor(tag.xM / reachM), Math.floor(tag.yM / reachM));
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [tag]);
    else cell.push(tag);
  }
  const visitIfClose = (a: Whereabouts, b: Whereabouts) => {
    const distanceM = Math.hypot(a.xM - b.xM, a.yM - b.yM);
    if (distanceM <= reachM) visit(a, b, distanceM);
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
