import type { TagId, ZoneTransition } from "@konferenco/protocol";
import type { ZoneEvidence } from "./fix.ts";
import { flapNatsOf, newFlaps, noteChange, type Flaps } from "./flap-damping.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { followLeads, leadNats, newGatewayLeads, type GatewayLeads } from "./gateway-leads.ts";
import type { Links } from "./links.ts";
import type { VenueIndex } from "./venue-index.ts";
import { followVotes, steadinessOf, voteNats, type SurveyVotes, type SurveyWitness } from "./survey-votes.ts";
import { lookAhead, newTrend, type Trend } from "./zone-trend.ts";

/** Evidence of one fix and what it counts in the belief. */
export interface WeighedEvidence {
  evidence: ZoneEvidence;
  weight: number;
  /** Not a look at the same readings again: a scan or a check-in, which confirms what others say. */
  independent: boolean;
  /** A belief already (the posterior of a filter): it stands for all that was heard so far and is not added up again. */
  standing?: boolean;
  /** Of one that stands: it speaks for so long before it at most; a filter's speaks for the tick, a scan for the pause since the last. */
  standsForS?: number;
}

/** What fusion holds of one tag's whereabouts by zone. */
export interface ZoneState {
  /** The verdict: a place of the venue index, or -1 while nothing is known. */
  place: number;
  enteredAtMs: number;
  /** When it was certain last; -Infinity when it never was. */
  certainAtMs: number;
  dwellTold: boolean;
  /** Belief over the few places that are not ruled out; sums to 1. */
  believed: number[];
  belief: number[];
  /** Mean evidence for the verdict of late: what is told as confidence. Belief adds up looks that share readings, so it is too sure of itself. */
  support: number;
  /** Who challenges the verdict, and since when. */
  challenger: number;
  challengedAtMs: number;
  /** Since when it is challenged, by whichever place. */
  doubtedAtMs: number;
  updatedAtMs: number;
  /** Of a posterior: who outweighs the verdict, by how much so far, and when that was looked at. */
  outweighs: number;
  excess: number;
  outweighedAtMs: number;
  /** How the verdict has gone to and fro of late. */
  flaps: Flaps;
  /** What the zones' own gateways say, beside the posterior. */
  leads: GatewayLeads;
  /** What spots of a survey say that sound like the tag; null without one, and while nothing is heard. */
  survey: SurveyWitness | null;
  /** How what is said for places rises and falls. */
  trend: Trend;
  speedMps: number;
}

/** Places kept in a tag's belief. More than eight rooms are never in question at once. */
const MAX_BELIEVED = 8;
/** What a place gets that a technology does not name: unlikely, not impossible. 3 % of a zone's share. */
const UNNAMED = 0.03;

/** Evidence is averaged over a window for the confidence. */
const SUPPORT_MEMORY_S = 5;
/** Who checks in stands at the desk for about so long, whatever radio makes of it. */
const CERTAIN_FOR_MS = 10_000;
/** A verdict of an earlier process is as good as a coin until it is confirmed. */
const SUPPORT_RESTORED = 0.5;

export function newZoneState(): ZoneState {
  return { place: -1, enteredAtMs: 0, certainAtMs: -Infinity, dwellTold: false, believed: [], belief: [], support: 0, challenger: -1, challengedAtMs: 0, doubtedAtMs: 0, updatedAtMs: NaN, outweighs: -1, excess: 0, outweighedAtMs: 0, flaps: newFlaps(), leads: newGatewayLeads(), survey: null, trend: newTrend(), speedMps: 0 };
}

/** The state of a tag that an earlier process left in a place. Its stay counts from there. */
export function zoneStateAt(place: number, atMs: number): ZoneState {
  return { ...newZoneState(), place, enteredAtMs: atMs, believed: [place], belief: [1], support: SUPPORT_RESTORED, challenger: place, challengedAtMs: atMs, doubtedAtMs: atMs, updatedAtMs: atMs };
}

/**
 * What bears witness beside the fixes: levels at the zones' own gateways, spots of a survey (null: nothing is heard), and how fast
 * the tag moves. Before detectZones, at every tick. Where a tag sounded from before it fell silent says nothing of where it is now.
 */
export function noteWitnesses(state: ZoneState, { links, votes, speedMps }: { links: Links; votes: SurveyVotes | null; speedMps: number }, nowMs: number, venue: VenueIndex, config: FusionConfig): void {
  followLeads(state.leads, links, nowMs, venue, config);
  if (votes !== null) state.survey = followVotes(state.survey, votes, nowMs, config);
  else if (state.survey !== null) [state.survey, state.trend] = [null, newTrend()];
  state.speedMps = speedMps;
}

/**
 * Evidence to a verdict and its transitions. Belief adds evidence up over time (a hidden Markov
 * filter whose places change rarely), so that a single odd window does not count; then hysteresis: a
 * challenger must hold most of the belief for a while before the tag leaves one place for another.
 * Enter and exit of a tag strictly alternate: every enter is preceded by the exit of the zone before.
 */
export function detectZones(state: ZoneState, tagId: TagId, looks: readonly WeighedEvidence[], nowMs: number, venue: VenueIndex, config: FusionConfig): ZoneTransition[] {
  const certain = looks.findLast((look) => look.evidence.certain);
  // What is certain has the last word: a belief of the same tick would replace it.
  for (const look of certain === undefined ? looks : [...looks.filter((one) => one !== certain), certain]) {
    supportVerdict(state, look, nowMs);
    weighEvidence(state, look, nowMs, config);
  }
  if (certain !== undefined) state.certainAtMs = nowMs;
  const standing = looks.findLast((look) => look.standing === true);
  const nats = standing !== undefined ? natsOfBelieved(state, nowMs, venue, config) : [];
  const challenger = standing !== undefined ? weightiest(state, nats) : likeliest(state);
  if (challenger === -1) return [];
  if (challenger !== state.challenger) {
    if (state.challenger === state.place) state.doubtedAtMs = nowMs;
    state.challenger = challenger;
    state.challengedAtMs = nowMs;
  }
  if (challenger === state.place) state.excess = 0;
  if (challenger === state.place) return detectDwell(state, tagId, nowMs, venue, config);
  if (certain === undefined && state.place !== -1 && nowMs - state.certainAtMs < CERTAIN_FOR_MS) return detectDwell(state, tagId, nowMs, venue, config);
  const heldMs = nowMs - state.challengedAtMs;
  const enough = standing !== undefined
    ? outweighs(state, challenger, nats, { standsForS: standing.standsForS ?? 1, nowMs }, venue, config)
    : beliefIn(state, challenger) >= config.enterBelief && heldMs >= holdMs(state, challenger, venue, config);
  if (!enough && certain === undefined) return detectDwell(state, tagId, nowMs, venue, config);
  const left = transitionOf("exit", state, tagId, nowMs, venue, config);
  noteChange(state.flaps, { from: state.place, to: challenger, stayedMs: nowMs - state.enteredAtMs }, nowMs, config);
  state.place = challenger;
  state.excess = 0;
  state.support = Math.max(...looks.map(({ evidence }) => probabilityOf(evidence, challenger)), beliefIn(state, challenger) / 2);
  state.enteredAtMs = nowMs;
  state.dwellTold = false;
  return [...left, ...transitionOf("enter", state, tagId, nowMs, venue, config)];
}

/** Where a tag stands: the zone that it is in, told as an enter of now, and whether it has dwelt there. */
export interface ZoneStay {
  enter: ZoneTransition;
  dwelt: boolean;
}

/** The stay as a list of one, or of none outside of all zones. */
export function stayOf(state: ZoneState, tagId: TagId, nowMs: number, venue: VenueIndex, config: FusionConfig): ZoneStay[] {
  return transitionOf("enter", state, tagId, nowMs, venue, config).map((enter) => ({ enter, dwelt: state.dwellTold }));
}

/** The tag is gone: it leaves the zone that it was in. */
export function leaveZones(state: ZoneState, tagId: TagId, nowMs: number, venue: VenueIndex, config: FusionConfig): ZoneTransition[] {
  const left = transitionOf("exit", state, tagId, nowMs, venue, config);
  state.place = -1;
  return left;
}

/** How likely the verdict is right, 0-1; less the longer nothing was heard. */
export function confidenceOf(state: ZoneState, nowMs: number, config: FusionConfig): number {
  if (state.place === -1) return 0;
  const silentMs = Math.max(0, nowMs - state.updatedAtMs);
  // Shares that sum to one may sum to a hair more.
  return Math.min(1, state.support) * Math.max(0, 1 - silentMs / config.forgetAfterMs);
}

function detectDwell(state: ZoneState, tagId: TagId, nowMs: number, venue: VenueIndex, config: FusionConfig): ZoneTransition[] {
  if (state.dwellTold || state.place === -1 || nowMs - state.enteredAtMs < config.dwellMs) return [];
  state.dwellTold = true;
  return transitionOf("dwell", state, tagId, nowMs, venue, config);
}

/** The first verdict waits for no one; a change of floor must hold longest. */
function holdMs(state: ZoneState, challenger: number, venue: VenueIndex, config: FusionConfig): number {
  if (state.place === -1) return 0;
  return floorOf(venue, state.place) === floorOf(venue, challenger) ? config.enterHoldMs : config.floorHoldMs;
}

/**
 * Of a posterior and the gateways' leads: by how much the challenger outweighs the verdict, summed up over time (a
 * cumulative sum test, Page 1954). A clear case is told at the next tick, a close one only when it stays so.
 */
function outweighs(state: ZoneState, challenger: number, nats: readonly number[], { standsForS, nowMs }: { standsForS: number; nowMs: number }, venue: VenueIndex, config: FusionConfig): boolean {
  if (state.place === -1) return true;
  const elapsedS = Math.min(standsForS, Math.max(0, nowMs - state.outweighedAtMs) / 1_000);
  state.outweighedAtMs = nowMs;
  const forVerdict = nats[state.believed.indexOf(state.place)] ?? natsFor(state, state.place, 0, venue, config);
  const ahead = (nats[state.believed.indexOf(challenger)] as number) - forVerdict;
  if (state.outweighs !== challenger) {
    state.outweighs = challenger;
    state.excess = 0;
  }
  state.excess += elapsedS * (ahead - callNats(state, challenger, nowMs, venue, config) - flapNatsOf(state.flaps, nowMs, config));
  if (state.excess < 0) state.excess = 0;
  return state.excess >= config.enterNatS * (floorOf(venue, state.place) === floorOf(venue, challenger) ? 1 : config.floorNatShare);
}

/**
 * How clear a case must be, by what lies between. Nobody goes through walls: who stands has gone neither into a room nor
 * out of it, and who is in the next room has passed the corridor. What is said for long enough is believed even so.
 */
function callNats(state: ZoneState, challenger: number, nowMs: number, venue: VenueIndex, config: FusionConfig): number {
  const { closeCallNats, wallCallNats } = config;
  const stillness = Math.max(0, 1 - state.speedMps / config.strideMps);
  const doubtedMs = nowMs - state.doubtedAtMs;
  const [leavesRoom, entersRoom] = [venue.room[state.place] === true, venue.room[challenger] === true];
  if (!leavesRoom && !entersRoom) return closeCallNats;
  if (!leavesRoom) return closeCallNats + (doubtedMs < config.doorHoldMs ? wallCallNats * stillness : 0);
  const isBehindWall = !entersRoom || (venue.onHallway[state.place] === true && venue.onHallway[challenger] === true);
  if (!isBehindWall || doubtedMs >= config.wallHoldMs) return closeCallNats;
  return entersRoom ? wallCallNats : wallCallNats * stillness;
}

/**
 * What is said for each believed place. A survey whose spots agree from look to look may be taken at its word before the
 * belief has come after: what is on the rise counts as if it had risen further.
 */
function natsOfBelieved(state: ZoneState, nowMs: number, venue: VenueIndex, config: FusionConfig): number[] {
  const { believed, belief, survey, trend } = state;
  const nats = believed.map((place, i) => natsFor(state, place, belief[i] as number, venue, config));
  if (survey !== null) lookAhead(trend, believed, nats, { aheadMs: config.surveyAheadMs * steadinessOf(survey, config), unheardOf: (place) => natsFor(state, place, 0, venue, config) }, nowMs, config);
  return nats;
}

/** All witnesses: the posterior's mass, how loud the place's own gateways are, and where a survey sounds the same. */
function natsFor(state: ZoneState, place: number, believed: number, venue: VenueIndex, config: FusionConfig): number {
  return Math.log(believed + LEAST_MASS) + leadNats(state.leads, place, venue, config) + voteNats(state.survey, place, config);
}

/** The place for which most is said; -1 while nothing is known. */
function weightiest({ believed }: ZoneState, nats: readonly number[]): number {
  let best = -1;
  for (let i = 0; i < believed.length; i++) if (best === -1 || (nats[i] as number) > (nats[best] as number)) best = i;
  return believed[best] ?? -1;
}

/** No mass is nothing: a verdict on the ratio of two nothings would be noise. */
const LEAST_MASS = 0.02;

function floorOf(venue: VenueIndex, place: number): number | undefined {
  return venue.places[place]?.floor;
}

/** A transition of the verdict's zone; outside of all zones nobody enters or leaves anything. */
function transitionOf(transition: ZoneTransition["transition"], state: ZoneState, tagId: TagId, atMs: number, venue: VenueIndex, config: FusionConfig): ZoneTransition[] {
  const place = venue.places[state.place];
  if (place === undefined || place.zoneId === null) return [];
  return [{ transition, tagId, zoneId: place.zoneId, floor: place.floor, atMs, confidence: confidenceOf(state, atMs, config) }];
}

/** The confidence follows what the looks say of the verdict. Technologies that agree confirm each other. */
function supportVerdict(state: ZoneState, { evidence, independent }: WeighedEvidence, nowMs: number): void {
  if (state.place === -1) return;
  const speaksFor = probabilityOf(evidence, state.place);
  if (independent) {
    state.support = 1 - (1 - state.support) * (1 - speaksFor);
    return;
  }
  const elapsedS = Math.max(0, nowMs - state.updatedAtMs) / 1_000;
  state.support += (1 - Math.exp(-elapsedS / SUPPORT_MEMORY_S)) * (speaksFor - state.support);
}

function probabilityOf(evidence: ZoneEvidence, place: number): number {
  const named = evidence.places.indexOf(place);
  return named === -1 ? 0 : (evidence.probability[named] as number);
}

function weighEvidence(state: ZoneState, { evidence, weight, standing }: WeighedEvidence, nowMs: number, config: FusionConfig): void {
  if (evidence.certain || standing === true || state.believed.length === 0) {
    overwrite(state.believed, evidence.places);
    overwrite(state.belief, evidence.probability);
    normalise(state);
    state.updatedAtMs = nowMs;
    return;
  }
  // Between looks the tag may have gone anywhere: a little of the belief is dealt out anew.
  const elapsedS = Math.max(0, nowMs - state.updatedAtMs) / 1_000;
  state.updatedAtMs = nowMs;
  const moved = 1 - Math.exp(-config.placeChangePerS * elapsedS);
  const { believed, belief } = state;
  for (const place of evidence.places) {
    if (believed.includes(place)) continue;
    believed.push(place);
    belief.push(0);
  }
  for (let i = 0; i < believed.length; i++) {
    const predicted = (1 - moved) * (belief[i] as number) + moved / believed.length;
    belief[i] = predicted * Math.max(UNNAMED, probabilityOf(evidence, believed[i] as number)) ** weight;
  }
  normalise(state);
}

/** In place: a new array for each tag and tick would be copied twice by the collector and thrown away when it is old, which costs most. */
function overwrite(into: number[], from: readonly number[]): void {
  for (let i = 0; i < from.length; i++) into[i] = from[i] as number;
  while (into.length > from.length) into.pop();
}

/** Sorts by belief, scales it to 1 and forgets all but the likeliest places. By insertion: there are a handful, nearly sorted. */
function normalise(state: ZoneState): void {
  const { believed, belief } = state;
  for (let i = 1; i < believed.length; i++) {
    const place = believed[i] as number;
    const held = belief[i] as number;
    let at = i;
    // Ties by place, so that the order of arrival does not count.
    while (at > 0 && ((belief[at - 1] as number) < held || ((belief[at - 1] as number) === held && (believed[at - 1] as number) > place))) {
      believed[at] = believed[at - 1] as number;
      belief[at] = belief[at - 1] as number;
      at--;
    }
    believed[at] = place;
    belief[at] = held;
  }
  if (believed.length > MAX_BELIEVED) {
    believed.length = MAX_BELIEVED;
    belief.length = MAX_BELIEVED;
  }
  let total = 0;
  for (const held of belief) total += held;
  for (let i = 0; i < belief.length; i++) belief[i] = total > 0 ? (belief[i] as number) / total : 1 / belief.length;
}

function likeliest(state: ZoneState): number {
  return state.believed[0] ?? -1;
}

function beliefIn(state: ZoneState, place: number): number {
  const i = state.believed.indexOf(place);
  return i === -1 ? 0 : (state.belief[i] as number);
}
