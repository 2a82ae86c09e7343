import type { FixSource, TagId } from "@konferenco/protocol";
import { SIGMAS_OF_95, type Fix, type ZoneEvidence } from "./fix.ts";
import type { FusionConfig } from "./fusion-config.ts";
import type { IndexedGateway } from "./venue-index.ts";
import type { WeighedEvidence } from "./zones.ts";

/**
 * How far each technology is trusted before it has said how sure it is (requirement B3). The fix's own
 * uncertainty does the rest: a weight says which share of the precision that a technology claims is believed.
 */
export const SOURCE_WEIGHTS: Readonly<Record<Fix["source"], number>> = { beacon: 0.5, wifi: 0.3, gps: 0.2, "check-in": 0.5 };
const FULL_WEIGHT = 0.5;

/** Several technologies as one location: the shape of a Fix, with the source and the confidence that people are told. */
export interface FusedFix {
  tagId: TagId;
  atMs: number;
  xM: number;
  yM: number;
  floor: number;
  accuracy95M: number;
  source: FixSource;
  zoneEvidence: ZoneEvidence | null;
  /** The likeliest place and how likely it is; -1 and 0 when nobody said anything of zones. */
  place: number;
  confidence: number;
}

/** A fix loses certainty as its tag may have walked on: metres per second, on each axis. */
const WALK_SIGMA_MPS = 0.7;
/** What a place gets from a technology that does not name it: unlikely, not impossible. */
const UNNAMED = 0.03;
/** Places that are in question beside those that are named: the neighbours of a room. */
const OTHER_PLACES = 4;

/**
 * The measurement update of a Kalman filter with several measurements at once: the mean weighted by
 * precision. Fixes that disagree by more than they claim make the result less sure (the Birge ratio),
 * never surer. A check-in is exact: somebody stood there, and only fixes that agree with it may refine it.
 * Null without fixes. All fixes must be of one tag.
 *
 * Where it goes: the pooled evidence to the zones, once (looksOf); into the track each fix goes by its own precision.
 */
export function fuseFixes(fixes: readonly Fix[], nowMs: number): FusedFix | null {
  const checkIn = latest(fixes.filter((fix) => fix.zoneEvidence?.certain === true));
  const floor = checkIn?.floor ?? likeliestFloor(fixes, nowMs);
  const agreeing = fixes.filter((fix) => fix.floor === floor && (checkIn === null || fix === checkIn || agreesWith(fix, checkIn)));
  const first = agreeing[0];
  if (first === undefined) return null;
  let precision = 0;
  let xM = 0;
  let yM = 0;
  for (const fix of agreeing) {
    const own = precisionOf(fix, nowMs);
    precision += own;
    xM += own * fix.xM;
    yM += own * fix.yM;
  }
  xM /= precision;
  yM /= precision;
  const disagreement = agreeing.reduce((sum, fix) => sum + precisionOf(fix, nowMs) * ((fix.xM - xM) ** 2 + (fix.yM - yM) ** 2), 0);
  // Two axes, and the mean itself took one fix's worth.
  const birge = agreeing.length > 1 ? Math.max(1, disagreement / (2 * (agreeing.length - 1))) : 1;
  const zoneEvidence = checkIn?.zoneEvidence ?? poolEvidence(fixes);
  const best = likeliestPlace(zoneEvidence);
  const sources = new Set(fixes.filter((fix) => agreeing.includes(fix) || supports(fix, best.place)).map((fix) => fix.source));
  return {
    tagId: first.tagId,
    atMs: Math.max(...fixes.map((fix) => fix.atMs)),
    xM,
    yM,
    floor,
    accuracy95M: SIGMAS_OF_95 * Math.sqrt(birge / precision),
    source: sources.size > 1 ? "fusion" : (checkIn ?? first).source,
    zoneEvidence,
    place: best.place,
    confidence: best.probability,
  };
}

/** Technologies that agree count together for a zone (requirement B3): several of them are one look, with their evidence pooled. */
export function looksOf(fixes: readonly Fix[], nowMs: number, config: FusionConfig): WeighedEvidence[] {
  // A filter's evidence is where things stand, not one more look: it is not pooled with looks. Where it speaks GPS, of a fifth of its worth, does not.
  const speaks = fixes.some((fix) => fix.filtered === true && fix.zoneEvidence !== null);
  if (fixes.some((fix) => fix.filtered === true) || new Set(fixes.map((fix) => fix.source)).size < 2) return fixes.flatMap((fix) => (speaks && fix.source === "gps" ? [] : weighed(fix, config)));
  const evidence = fuseFixes(fixes, nowMs)?.zoneEvidence ?? null;
  return evidence === null ? [] : [{ evidence, independent: true, weight: 1 }];
}

/** Phones scan about so often while somebody walks. */
const SCAN_STANDS_FOR_S = 3;

/** A fix's evidence and what it counts. Windows overlap by nine tenths from tick to tick; a scan or a check-in stands alone; GPS errs the same way for minutes. */
function weighed(fix: Fix, config: FusionConfig): WeighedEvidence[] {
  if (fix.zoneEvidence === null) return [];
  if (fix.source === "gps" || (fix.filtered === true && fix.looksAlike !== true)) return [{ evidence: fix.zoneEvidence, independent: false, weight: 1, standing: true, ...(fix.source === "wifi" ? { standsForS: SCAN_STANDS_FOR_S } : {}) }];
  const independent = fix.source !== "beacon";
  return [{ evidence: fix.zoneEvidence, independent, weight: independent ? 1 : (config.evidencePerS * config.tickMs) / 1_000 }];
}

/** Believed precision, 1/m²: the fix's own, grown old by walking, times its technology's weight. */
function precisionOf(fix: Fix, nowMs: number): number {
  const sigmaM = fix.accuracy95M / SIGMAS_OF_95;
  const walkedM = (WALK_SIGMA_MPS * Math.max(0, nowMs - fix.atMs)) / 1_000;
  return SOURCE_WEIGHTS[fix.source] / FULL_WEIGHT / (sigmaM ** 2 + walkedM ** 2);
}

function latest(fixes: readonly Fix[]): Fix | null {
  return fixes.reduce<Fix | null>((best, fix) => (best === null || fix.atMs > best.atMs ? fix : best), null);
}

function agreesWith(fix: Fix, checkIn: Fix): boolean {
  return Math.hypot(fix.xM - checkIn.xM, fix.yM - checkIn.yM) <= checkIn.accuracy95M + fix.accuracy95M / 2;
}

/** Floors by vote: weight times precision, so that a GPS fix of 30 m does not move anybody to the ground floor. */
function likeliestFloor(fixes: readonly Fix[], nowMs: number): number {
  const votes = new Map<number, number>();
  for (const fix of fixes) votes.set(fix.floor, (votes.get(fix.floor) ?? 0) + precisionOf(fix, nowMs));
  return [...votes].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0] ?? 0;
}

/** Independent technologies: their odds multiply, so that agreement makes surer than either was. */
function poolEvidence(fixes: readonly Fix[]): ZoneEvidence | null {
  const voices = fixes.flatMap((fix) => (fix.zoneEvidence === null ? [] : [fix.zoneEvidence]));
  const places = [...new Set(voices.flatMap((voice) => voice.places))].sort((a, b) => a - b);
  if (places.length === 0) return null;
  // "Some other place" competes too, with what each technology has left. That is several places: that two
  // technologies are wrong by chance of the same one is as much rarer.
  const odds = places.map((place) => voices.reduce((product, voice) => product * Math.max(UNNAMED, probabilityOf(voice, place)), 1));
  const elsewhere = voices.reduce((product, voice) => product * Math.max(UNNAMED, 1 - voice.probability.reduce((sum, share) => sum + share, 0)), 1) / OTHER_PLACES ** (voices.length - 1);
  const total = odds.reduce((sum, odd) => sum + odd, 0) + elsewhere;
  return { places, probability: odds.map((odd) => odd / total), certain: false };
}

function probabilityOf(evidence: ZoneEvidence, place: number): number {
  const named = evidence.places.indexOf(place);
  return named === -1 ? 0 : (evidence.probability[named] as number);
}

function supports(fix: Fix, place: number): boolean {
  return fix.zoneEvidence !== null && likeliestPlace(fix.zoneEvidence).place === place;
}

function likeliestPlace(evidence: ZoneEvidence | null): { place: number; probability: number } {
  let best = { place: -1, probability: 0 };
  evidence?.places.forEach((place, i) => {
    const probability = evidence.probability[i] as number;
    if (probability > best.probability) best = { place, probability };
  });
  return best;
}

/** iBeacon's calibrated level at 1 m, and an indoor exponent: the card's threshold of -70 dBm is 2.8 m with them (requirement A6). */
const SIGHTING_AT_1M_DBM = -59;
const SIGHTING_EXPONENT = 2.5;
/** Bodies and fading make a single level good to a factor of two and a half in range: 95 % of the log-normal error of 5 dB. */
const RANGE_FACTOR_95 = 2.5;
const NEAR_DBM = -70;
/** One reading above the threshold speaks for its gateway's zone; below, the next room's gateway may be heard as well. */
const ZONE_SHARE_NEAR = 0.75;
const ZONE_SHARE_FAR = 0.45;

/**
 * One single reading as a fix: the gateway's place, with the range as its uncertainty. Not enough for a
 * position by itself (that takes three readings), but a voice among others (requirement B2).
 */
export function fixOfSighting(tagId: TagId, gateway: IndexedGateway, rssiDbm: number, atMs: number): Fix {
  const rangeM = 10 ** ((SIGHTING_AT_1M_DBM - rssiDbm) / (10 * SIGHTING_EXPONENT));
  return {
    tagId,
    atMs,
    xM: gateway.xM,
    yM: gateway.yM,
    floor: gateway.floor,
    accuracy95M: Math.max(1, RANGE_FACTOR_95 * rangeM),
    source: "beacon",
    zoneEvidence: { places: [gateway.place], probability: [rssiDbm >= NEAR_DBM ? ZONE_SHARE_NEAR : ZONE_SHARE_FAR], certain: false },
  };
}
