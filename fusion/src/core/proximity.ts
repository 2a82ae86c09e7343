import type { ProximityTransition, TagId, ZoneId } from "@konferenco/protocol";
import { copyOf } from "./copy-of.ts";
import { SIGMAS_OF_95 } from "./fix.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { forEachCandidate, type Placed } from "./proximity-candidates.ts";
import { NEAR_M, chanceWithin, logitNear, type HeardBy } from "./proximity-evidence.ts";

/** Where a tag is and who hears it how loud, as far as proximity needs it. */
export interface Whereabouts {
  tagId: TagId;
  xM: number;
  yM: number;
  floor: number;
  accuracy95M: number;
  /** As told; null outside of all. */
  zoneId: ZoneId | null;
  /** Of before while it is silent. */
  heard: HeardBy;
  /** No gateway hears it now: what is told of it is of before. */
  isSilent: boolean;
}

/** What is known of two tags at one moment. `tagA` sorts before `tagB`. */
export interface PairState {
  atMs: number;
  tagA: TagId;
  tagB: TagId;
  distanceM: number;
  probabilityWithin2M: number;
  probabilityWithin10M: number;
  near: boolean;
}

/** One phone heard another person's tag itself. */
export interface DirectSighting {
  tagA: TagId;
  tagB: TagId;
  rssiDbm: number;
  heardAtMs: number;
}

/** A pair that is near or about to be, about 150 bytes; all others are looked at afresh every time and cost nothing in between. */
interface Pair {
  tagA: TagId;
  tagB: TagId;
  near: boolean;
  /** Since when the probability speaks against what was told, or null while it agrees. */
  turningSinceMs: number | null;
  lookedAtMs: number;
}

/** What phones heard of one another lately: a running mean of the level. About 100 bytes, forgotten after directMemoryMs. */
interface Direct {
  rssiDbm: number;
  samples: number;
  heardAtMs: number;
  lookedAtMs: number;
}

export interface ProximityState {
  /** By tag, then by the other tag: each pair is found from both sides. */
  pairsOf: Map<TagId, Map<TagId, Pair>>;
  /** By the first tag in order, then the second. */
  directOf: Map<TagId, Map<TagId, Direct>>;
  directCount: number;
  /** Couples that were looked at, each time. */
  looked: number;
  /** Couples that were not looked at because the crowd was too dense, or a tag near maxPairsPerTag others. */
  skipped: number;
}

export function newProximityState(): ProximityState {
  return { pairsOf: new Map(), directOf: new Map(), directCount: 0, looked: 0, skipped: 0 };
}

/** A pair is held from both sides, so it is copied once. */
export function copyProximity(state: ProximityState): ProximityState {
  const pairsOf: ProximityState["pairsOf"] = new Map(Array.from(state.pairsOf.keys(), (tagId) => [tagId, new Map()]));
  for (const [tagId, others] of state.pairsOf) {
    for (const [other, pair] of others) {
      const twin = pairsOf.get(other)?.get(tagId);
      pairsOf.get(tagId)?.set(other, twin ?? { ...pair });
    }
  }
  return { ...state, pairsOf, directOf: copyOf(state.directOf) };
}

/** Who is near whom, as `[tagA, tagB]`. */
export function pairsNear(state: ProximityState): [TagId, TagId][] {
  const near: [TagId, TagId][] = [];
  for (const [tagId, others] of state.pairsOf) {
    for (const pair of others.values()) if (pair.near && pair.tagA === tagId) near.push([pair.tagA, pair.tagB]);
  }
  return near;
}

/** Within 2 m people talk (NEAR_M), within 10 m they could. */
const AROUND_M = 10;

/**
 * Near and apart from the probability of being within 2 m: high for nearHoldMs makes near, low for
 * apartHoldMs makes apart, so people who pass each other in a corridor are not told. Who is looked at
 * is bounded (proximity-candidates.ts); how probable it is, is learned (proximity-evidence.ts).
 */
export function detectProximity(
  state: ProximityState,
  whereabouts: readonly Whereabouts[],
  nowMs: number,
  config: FusionConfig,
  onPair?: (pair: PairState) => void,
): ProximityTransition[] {
  const transitions: ProximityTransition[] = [];
  const people = whereabouts.map((where) => newPerson(where, state));
  const byTag = new Map(people.map((person) => [person.tagId, person]));
  forgetDirect(state, nowMs, config);

  const look = (a: Person, b: Person): void => {
    const first = a.tagId < b.tagId ? a : b;
    const second = first === a ? b : a;
    const direct = state.directCount === 0 ? null : (state.directOf.get(first.tagId)?.get(second.tagId) ?? null);
    if (direct !== null) direct.lookedAtMs = nowMs;
    state.looked++;
    const distanceM = Math.hypot(a.xM - b.xM, a.yM - b.yM);
    // The same either way; as they come one is the same many times on end.
    const within2M = chanceNear(a, b, distanceM, direct?.rssiDbm ?? null);
    const pair = followed(state, first, second, within2M, config);
    if (pair !== null) {
      pair.lookedAtMs = nowMs;
      // Who is not heard for a while is less and less certain to be near; that alone parts nobody.
      const apartBelow = config.apartProbability * (!a.isSilent && !b.isSilent ? 1 : chanceWithin(NEAR_M, 0, varianceOf(a, b)));
      const transition = turn(pair, { within2M, distanceM, apartBelow }, nowMs, config);
      if (transition !== null) transitions.push(transition);
      if (!pair.near && pair.turningSinceMs === null) removePair(state, pair);
    }
    if (onPair === undefined) return;
    const within10M = a.floor === b.floor ? chanceWithin(AROUND_M, distanceM, varianceOf(a, b)) : 0;
    onPair({ atMs: nowMs, tagA: first.tagId, tagB: second.tagId, distanceM, probabilityWithin2M: within2M, probabilityWithin10M: Math.max(within2M, within10M), near: pair?.near ?? false });
  };
  const perTag = Math.max(MIN_OTHERS, Math.min(config.maxPairsPerTag, Math.floor((2 * config.maxCouplesPerLook) / people.length)));
  state.skipped += forEachCandidate(people, perTag, look);
  // Who was near and is no candidate any more walked away, or through a ceiling.
  for (const [tagId, others] of state.pairsOf) {
    for (const pair of others.values()) {
      if (pair.tagA !== tagId || pair.lookedAtMs === nowMs) continue;
      const [a, b] = [byTag.get(pair.tagA), byTag.get(pair.tagB)];
      if (a !== undefined && b !== undefined) look(a, b);
    }
  }
  for (const [tagA, others] of state.directOf) {
    for (const [tagB, { lookedAtMs }] of others) {
      const [a, b] = [byTag.get(tagA), byTag.get(tagB)];
      if (a !== undefined && b !== undefined && lookedAtMs !== nowMs) look(a, b);
    }
  }
  return transitions.sort(byPair);
}

export function isNearSomebody(state: ProximityState, tagId: TagId): boolean {
  for (const pair of state.pairsOf.get(tagId)?.values() ?? []) if (pair.near) return true;
  return false;
}

/** The tag is gone: it is apart from everybody. */
export function leaveProximity(state: ProximityState, tagId: TagId, nowMs: number): ProximityTransition[] {
  const transitions: ProximityTransition[] = [];
  // Deleting what is being walked over is what Map's iterators allow.
  for (const pair of state.pairsOf.get(tagId)?.values() ?? []) {
    if (pair.near) transitions.push({ transition: "apart", tagA: pair.tagA, tagB: pair.tagB, atMs: nowMs, distanceM: AROUND_M, confidence: 0 });
    removePair(state, pair);
  }
  return transitions.sort(byPair);
}

/** Nothing is known any more of what phones heard of the tag, nor its own of others. */
export function dropDirectSightings(state: ProximityState, tagId: TagId): void {
  state.directCount -= state.directOf.get(tagId)?.size ?? 0;
  state.directOf.delete(tagId);
  for (const [tagA, others] of state.directOf) {
    if (!others.delete(tagId)) continue;
    state.directCount--;
    if (others.size === 0) state.directOf.delete(tagA);
  }
}

/** A phone heard another's tag. Kept as a mean of some seconds, because single levels scatter by 6 dB. */
export function noteDirectSighting(state: ProximityState, sighting: DirectSighting, config: FusionConfig): void {
  if (sighting.tagA === sighting.tagB) return;
  const [tagA, tagB] = sighting.tagA < sighting.tagB ? [sighting.tagA, sighting.tagB] : [sighting.tagB, sighting.tagA];
  const others = state.directOf.get(tagA) ?? new Map<TagId, Direct>();
  const direct = others.get(tagB);
  if (direct === undefined) {
    if (state.directCount >= config.maxDirectPairs) {
      state.skipped++;
      return;
    }
    others.set(tagB, { rssiDbm: sighting.rssiDbm, samples: 1, heardAtMs: sighting.heardAtMs, lookedAtMs: -Infinity });
    state.directOf.set(tagA, others);
    state.directCount++;
    return;
  }
  direct.samples = Math.min(direct.samples + 1, DIRECT_SAMPLES);
  direct.rssiDbm += (sighting.rssiDbm - direct.rssiDbm) / direct.samples;
  direct.heardAtMs = Math.max(direct.heardAtMs, sighting.heardAtMs);
}

/** The running mean remembers about this many sightings: ten seconds of a phone that scans once a second. */
const DIRECT_SAMPLES = 10;

interface Person extends Placed {
  tagId: TagId;
  zoneId: ZoneId | null;
  heard: HeardBy;
  isSilent: boolean;
  /** On each axis. */
  varianceM2: number;
  /** Its pairs that are followed, looked up once a tick; undefined while there are none. */
  pairs: Map<TagId, Pair> | undefined;
}

function newPerson({ tagId, xM, yM, floor, accuracy95M, zoneId, heard, isSilent }: Whereabouts, state: ProximityState): Person {
  const { loudest, loudestDbm } = heard;
  return { tagId, xM, yM, floor, zoneId, heard, isSilent, loudest, loudestDbm, varianceM2: (accuracy95M / SIGMAS_OF_95) ** 2, pairs: state.pairsOf.get(tagId) };
}

function chanceNear(a: Person, b: Person, distanceM: number, directDbm: number | null): number {
  // Through a ceiling nobody talks; a phone that hears the other says that a floor is wrong.
  if (a.floor !== b.floor && directDbm === null) return 0;
  return 1 / (1 + Math.exp(-logitNear({ a: a.heard, b: b.heard, distanceM, varianceM2: varianceOf(a, b), isSameZone: a.zoneId === b.zoneId, directDbm })));
}

function varianceOf(a: Person, b: Person): number {
  return Math.max(MIN_VARIANCE_M2, a.varianceM2 + b.varianceM2);
}

/** However many people there are, each is compared with some. */
const MIN_OTHERS = 4;

/** Two positions never agree better than half a metre: badge and body. */
const MIN_VARIANCE_M2 = 0.25;

/** Follows one pair by its probability; returns what is to be told, if anything. */
function turn(pair: Pair, { within2M, distanceM, apartBelow }: { within2M: number; distanceM: number; apartBelow: number }, nowMs: number, config: FusionConfig): ProximityTransition | null {
  const against = pair.near ? within2M <= apartBelow : within2M >= config.nearProbability;
  if (!against) {
    pair.turningSinceMs = null;
    return null;
  }
  pair.turningSinceMs ??= nowMs;
  if (nowMs - pair.turningSinceMs < (pair.near ? config.apartHoldMs : config.nearHoldMs)) return null;
  pair.near = !pair.near;
  pair.turningSinceMs = null;
  const confidence = pair.near ? within2M : 1 - within2M;
  return { transition: pair.near ? "near" : "apart", tagA: pair.tagA, tagB: pair.tagB, atMs: nowMs, distanceM, confidence };
}

/** The pair as it is followed; a new one when it may become near and neither of the two is in as many pairs as it may. */
function followed(state: ProximityState, a: Person, b: Person, within2M: number, config: FusionConfig): Pair | null {
  const known = a.pairs?.get(b.tagId);
  if (known !== undefined) return known;
  if (within2M < config.nearProbability) return null;
  if ((a.pairs?.size ?? 0) >= config.maxPairsPerTag || (b.pairs?.size ?? 0) >= config.maxPairsPerTag) {
    state.skipped++;
    return null;
  }
  const pair: Pair = { tagA: a.tagId, tagB: b.tagId, near: false, turningSinceMs: null, lookedAtMs: -Infinity };
  pairsOf(state, a).set(b.tagId, pair);
  pairsOf(state, b).set(a.tagId, pair);
  return pair;
}

/** A person's map of pairs, in the state as long as it holds any. */
function pairsOf(state: ProximityState, person: Person): Map<TagId, Pair> {
  if (person.pairs === undefined || person.pairs.size === 0) state.pairsOf.set(person.tagId, (person.pairs ??= new Map()));
  return person.pairs;
}

function removePair(state: ProximityState, pair: Pair): void {
  for (const [tagId, other] of [[pair.tagA, pair.tagB], [pair.tagB, pair.tagA]] as const) {
    const pairs = state.pairsOf.get(tagId);
    pairs?.delete(other);
    if (pairs?.size === 0) state.pairsOf.delete(tagId);
  }
}

function forgetDirect(state: ProximityState, nowMs: number, config: FusionConfig): void {
  for (const [tagA, others] of state.directOf) {
    for (const [tagB, { heardAtMs }] of others) {
      if (nowMs - heardAtMs <= config.directMemoryMs) continue;
      others.delete(tagB);
      state.directCount--;
    }
    if (others.size === 0) state.directOf.delete(tagA);
  }
}

function byPair(a: ProximityTransition, b: ProximityTransition): number {
  if (a.tagA !== b.tagA) return a.tagA < b.tagA ? -1 : 1;
  return a.tagB < b.tagB ? -1 : a.tagB > b.tagB ? 1 : 0;
}
