import type { FusionConfig } from "./fusion-config.ts";
import { gatewayOf, heardAtMsOf, levelDbmOf, type Links } from "./links.ts";

/** Where a survey was taken. */
export interface SurveySpot {
  place: number;
  floorIndex: number;
  xM: number;
  yM: number;
}

/** The spots of a survey as they sound, made once. */
export interface SurveySounds {
  spots: readonly SurveySpot[];
  /** Per gateway and spot: the mean level there, of one that was not heard the weakest that the gateway hears. */
  levelDbm: Float32Array[];
  weakestDbm: Float64Array;
  /** Per spot: how far silence is from it, the sum of squares over all gateways. */
  fromSilenceDb2: Float64Array;
}

/** Which places the spots are in that sound most like what is heard of a tag; shares sum to 1. */
export interface SurveyVotes {
  places: number[];
  shares: number[];
  /** The middle of those of them that are on the floor of the one that sounds most like it. */
  floorIndex: number;
  xM: number;
  yM: number;
}

/** How a survey has voted on a tag so far. */
export interface SurveyWitness {
  votes: SurveyVotes;
  votedAtMs: number;
  /** The share of the votes that goes over to other places in a second, of late. */
  churnPerS: number;
}

/** Spots that vote. Three change their minds with every packet, twelve reach into the next room. */
const VOTERS = 8;
/** Two that differ by this in all are as good as the same. */
const LEAST_OFF_DB2 = 1;
/** Nobody's vote is no proof. */
const LEAST_SHARE = 0.02;
/** Until a tag's votes are known: as in offices where they help little. */
const FIRST_CHURN_PER_S = 0.2;

/** `levelsDbm`: per spot and gateway; NaN where it was not heard. */
export function newSurveySounds(spots: readonly SurveySpot[], levelsDbm: readonly (readonly number[])[], sensitivityDbm: Float64Array): SurveySounds {
  // The survey may know weaker ones than the prior.
  const weakestDbm = sensitivityDbm.map((sensitivity, gateway) => levelsDbm.reduce((least, levels) => ((levels[gateway] as number) < least ? (levels[gateway] as number) : least), sensitivity));
  const levelDbm = Array.from(weakestDbm, (weakest, gateway) => Float32Array.from(levelsDbm, (levels) => (Number.isNaN(levels[gateway]) ? weakest : (levels[gateway] as number))));
  const fromSilenceDb2 = Float64Array.from(spots, (_, spot) => levelDbm.reduce((sum, levels, gateway) => sum + ((levels[spot] as number) - (weakestDbm[gateway] as number)) ** 2, 0));
  return { spots, levelDbm, weakestDbm, fromSilenceDb2 };
}

let offDb2 = new Float64Array(0);
const voters = new Int32Array(VOTERS);

/**
 * The nearest neighbours of a tag among the spots of a survey (RADAR, Bahl and Padmanabhan 2000), which vote for their
 * places and their middle by the inverse square of how far off they sound. They know what the levels at a spot have in common, which the
 * filter's likelihood takes for independent, and they lag by no belief. `offsetDb`: how much louder the tag is than
 * the surveyor's. Null while nothing is heard of it. A multiplication for each link and spot: 3.5 us at 100 spots and twelve links, 13 at 400.
 */
export function voteOf({ spots: surveyed, levelDbm, weakestDbm, fromSilenceDb2 }: SurveySounds, links: Links, offsetDb: number, nowMs: number, config: FusionConfig): SurveyVotes | null {
  const spots = surveyed.length;
  if (offDb2.length < spots) offDb2 = new Float64Array(spots);
  offDb2.set(fromSilenceDb2);
  let heard = 0;
  for (let link = 0; link < links.count; link++) {
    if (nowMs - heardAtMsOf(links, link) >= config.windowMs) continue;
    const gateway = gatewayOf(links, link);
    heard++;
    const levels = levelDbm[gateway] as Float32Array;
    const [tagDbm, weakest] = [levelDbmOf(links, link) - offsetDb, weakestDbm[gateway] as number];
    // (tag - spot)² in place of (weakest - spot)².
    const [constantDb2, slopeDb] = [tagDbm * tagDbm - weakest * weakest, 2 * (weakest - tagDbm)];
    for (let spot = 0; spot < spots; spot++) offDb2[spot] = (offDb2[spot] as number) + constantDb2 + slopeDb * (levels[spot] as number);
  }
  if (heard === 0) return null;
  let found = 0;
  for (let spot = 0; spot < spots; spot++) {
    const off = offDb2[spot] as number;
    if (found === VOTERS && off >= (offDb2[voters[VOTERS - 1] as number] as number)) continue;
    let at = found < VOTERS ? found++ : VOTERS - 1;
    for (; at > 0 && (offDb2[voters[at - 1] as number] as number) > off; at--) voters[at] = voters[at - 1] as number;
    voters[at] = spot;
  }
  const { floorIndex } = surveyed[voters[0] as number] as SurveySpot;
  const votes: SurveyVotes = { places: [], shares: [], floorIndex, xM: 0, yM: 0 };
  let total = 0;
  let onFloor = 0;
  for (let i = 0; i < found; i++) {
    const spot = voters[i] as number;
    const weight = 1 / (LEAST_OFF_DB2 + Math.max(0, offDb2[spot] as number));
    const { place, xM, yM, floorIndex: floorOfSpot } = surveyed[spot] as SurveySpot;
    let at = votes.places.indexOf(place);
    if (at === -1) at = votes.places.push(place) - 1;
    votes.shares[at] = (votes.shares[at] ?? 0) + weight;
    total += weight;
    if (floorOfSpot !== floorIndex) continue;
    onFloor += weight;
    votes.xM += (weight / onFloor) * (xM - votes.xM);
    votes.yM += (weight / onFloor) * (yM - votes.yM);
  }
  for (let i = 0; i < votes.shares.length; i++) votes.shares[i] = (votes.shares[i] as number) / total;
  return votes;
}

/** New votes. How much they differ from the last ones tells how far to trust them. */
export function followVotes(before: SurveyWitness | null, votes: SurveyVotes, nowMs: number, config: FusionConfig): SurveyWitness {
  if (before === null) return { votes, votedAtMs: nowMs, churnPerS: FIRST_CHURN_PER_S };
  const elapsedS = (nowMs - before.votedAtMs) / 1_000;
  if (elapsedS <= 0) return { ...before, votes };
  const share = 1 - Math.exp((-elapsedS * 1_000) / config.surveyChurnMemoryMs);
  return { votes, votedAtMs: nowMs, churnPerS: before.churnPerS + share * (goneOver(before.votes, votes) / elapsedS - before.churnPerS) };
}

/** The share of votes that other places have now. */
function goneOver(before: SurveyVotes, votes: SurveyVotes): number {
  let stayed = 0;
  for (let i = 0; i < votes.places.length; i++) stayed += Math.min(votes.shares[i] as number, before.shares[before.places.indexOf(votes.places[i] as number)] ?? 0);
  return Math.max(0, 1 - stayed);
}

/** From 0, votes that change with every packet, to 1, votes that change when the tag does. */
export function steadinessOf({ churnPerS }: SurveyWitness, { surveyChurnPerS }: FusionConfig): number {
  return 1 / (1 + (churnPerS / surveyChurnPerS) ** 2);
}

/** What the votes say for a place, in nats; nothing without a survey. */
export function voteNats(survey: SurveyWitness | null, place: number, config: FusionConfig): number {
  if (survey === null) return 0;
  const { votes } = survey;
  const i = votes.places.indexOf(place);
  const share = config.surveyVoteShare + (config.surveySteadyVoteShare - config.surveyVoteShare) * steadinessOf(survey, config);
  return share * Math.log((i === -1 ? 0 : (votes.shares[i] as number)) + LEAST_SHARE);
}
