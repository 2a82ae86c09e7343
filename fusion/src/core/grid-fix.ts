import type { TagId } from "@konferenco/protocol";
import { plainCentroid } from "./beacon-fix.ts";
import type { Calibration } from "./calibration.ts";
import type { Fix } from "./fix.ts";
import type { FusionConfig } from "./fusion-config.ts";
import type { Belief, GridEstimate, Hearing } from "./grid-filter.ts";
import { gatewayOf, heardAtMsOf, levelDbmOf, paceMsOf, varianceDb2Of, type Links } from "./links.ts";
import type { SurveyVotes } from "./survey-votes.ts";
import type { VenueGrid } from "./venue-grid.ts";
import { gatewaysNear, type VenueIndex } from "./venue-index.ts";
import type { ReadingWindow } from "./window.ts";

/** A tag's belief before anything was heard of it: null. */
export type TagBelief = Belief | null;

/**
 * What each gateway says of the tag at this tick. Levels that were heard count by how long ago, and by how
 * sure the link's filter is; gateways nearby that listen and do not hear the tag count as silent. Overwrites `into`
 * and the objects in it: 48 of them for every tag and tick are half of all that a tick throws away.
 */
export function hearingsOf(links: Links, venue: VenueIndex, calibration: Calibration, dtS: number, nowMs: number, config: FusionConfig, into: Hearing[] = []): Hearing[] {
  let count = 0;
  const heardSinceMs = nowMs - unheardAfterMs(links, nowMs, config);
  const look = 1 - Math.exp((-dtS * 1_000) / (config.lookMemoryMs * lookShare(links, calibration, heardSinceMs, config)));
  const silence = 1 - Math.exp((-dtS * 1_000) / config.silenceMemoryMs);
  const spreadDb2 = config.levelSigmaDb ** 2;
  const near = gatewaysNear(venue, loudestOf(links, heardSinceMs));
  // Both are in the map's order.
  for (let [link, atNear] = [0, 0]; link < links.count || atNear < near.length; ) {
    const linked = link < links.count ? gatewayOf(links, link) : Infinity;
    const gateway = Math.min(linked, near[atNear] ?? Infinity);
    const isNear = near[atNear] === gateway;
    if (isNear) atNear++;
    if (linked === gateway && heardAtMsOf(links, link) > heardSinceMs) {
      const aged = varianceDb2Of(links, link) + (config.processNoiseDb2PerS * Math.max(0, nowMs - heardAtMsOf(links, link))) / 1_000;
      put(into, count++, gateway, levelDbmOf(links, link), (look * spreadDb2) / (spreadDb2 + Math.max(0, aged - config.settledVarianceDb2)));
    } else if (isNear) {
      const listening = calibration.listening(gateway, nowMs);
      if (listening > 0) put(into, count++, gateway, NaN, silence * listening);
    }
    if (linked === gateway) link++;
  }
  while (into.length > count) into.pop();
  return into;
}

function put(into: Hearing[], at: number, gateway: number, rssiDbm: number, weight: number): void {
  const hearing = into[at];
  if (hearing === undefined) {
    into[at] = { gateway, rssiDbm, weight };
    return;
  }
  hearing.gateway = gateway;
  hearing.rssiDbm = rssiDbm;
  hearing.weight = weight;
}

/** After how long a gateway's silence speaks: some packets, as the gateway that hears the tag most often counts them. */
function unheardAfterMs(links: Links, nowMs: number, config: FusionConfig): number {
  let paceMs = Infinity;
  for (let link = 0; link < links.count; link++) paceMs = Math.min(paceMs, paceMsOf(links, link, nowMs, config));
  return Math.max(config.unheardAfterLeastMs, Math.min(config.unheardAfterMostMs, config.unheardAfterPackets * paceMs));
}

/** How few gateways watch the place where the tag is heard best (calibration.scarcity). */
export function scarcityOf(links: Links, calibration: Calibration, nowMs: number, config: FusionConfig): number {
  return links.count === 0 ? 1 : calibration.scarcity(loudestOf(links, nowMs - unheardAfterMs(links, nowMs, config)));
}

/** Another estimate of the same moment, and how far a position is drawn to it. */
export interface Draw {
  xM: number;
  yM: number;
  share: number;
}

/**
 * What errs apart from the posterior: the spots of a survey that sound like the tag; without one, where few gateways watch an open
 * floor, the documents' centroid, which knows no model and so none of the model's mistakes.
 */
export function drawOf(votes: SurveyVotes | null, window: ReadingWindow | null, floorIndex: number, scarcity: number, grid: VenueGrid, venue: VenueIndex, config: FusionConfig): Draw | null {
  if (votes !== null) return votes.floorIndex === floorIndex ? { xM: votes.xM, yM: votes.yM, share: config.surveyDrawShare } : null;
  const share = config.scarceDrawShare * (scarcity - 1);
  if (window === null || share < LEAST_DRAW) return null;
  return { ...plainCentroid(window.readings, (grid.floors[floorIndex] as { floor: number }).floor, venue, config), share };
}

/** Less moves nobody by more than a decimetre. */
const LEAST_DRAW = 0.05;

/** What a model that nothing has calibrated gets wrong lasts, and all gateways share it. */
function lookShare(links: Links, calibration: Calibration, heardSinceMs: number, config: FusionConfig): number {
  if (calibration.basis === "links" || calibration.basis === "survey") return 1;
  let heard = 0;
  for (let link = 0; link < links.count; link++) if (heardAtMsOf(links, link) > heardSinceMs) heard++;
  return config.priorLookShare * Math.max(1, heard / config.priorLookGateways);
}

/** The gateway that hears the tag loudest now, or heard it last. */
function loudestOf(links: Links, heardSinceMs: number): number {
  let loudest = 0;
  let loudestDbm = -Infinity;
  let lastMs = -Infinity;
  for (let link = 0; link < links.count; link++) {
    const heardAtMs = heardAtMsOf(links, link);
    const levelDbm = heardAtMs > heardSinceMs ? levelDbmOf(links, link) : -Infinity;
    if (levelDbm < loudestDbm || (levelDbm === loudestDbm && heardAtMs <= lastMs)) continue;
    loudest = gatewayOf(links, link);
    loudestDbm = levelDbm;
    lastMs = heardAtMs;
  }
  return loudest;
}

/** What a fix takes from elsewhere than the posterior. */
export interface Beside {
  votes: SurveyVotes | null;
  draw: Draw | null;
  scarcity: number;
  /** See calibration.doubt. */
  doubt: number;
}

/** The posterior as a fix. */
export function fixOfEstimate(tag: { tagId: TagId; lastHeardAtMs: number }, estimate: GridEstimate, { votes, draw, scarcity, doubt }: Beside, grid: VenueGrid, nowMs: number, config: FusionConfig): Fix {
  // The grid ends at the doors, people do not: who is silent may have gone on.
  const silentS = Math.max(0, nowMs - tag.lastHeardAtMs - config.windowMs) / 1_000;
  const floor = (grid.floors[estimate.floorIndex] as { floor: number }).floor;
  return {
    tagId: tag.tagId,
    atMs: nowMs,
    xM: draw === null ? estimate.xM : estimate.xM + draw.share * (draw.xM - estimate.xM),
    yM: draw === null ? estimate.yM : estimate.yM + draw.share * (draw.yM - estimate.yM),
    floor,
    accuracy95M: Math.hypot(doubt * config.gridRadiusScale * scarcity ** 0.25 * estimate.radius95M, doubt * config.gridRadiusFloorM, config.speedSigmaMps * silentS),
    source: "beacon",
    zoneEvidence: estimate.places.length === 0 || silentS > 0 ? null : { places: estimate.places, probability: estimate.placeMass, certain: false },
    filtered: true,
    votes,
  };
}
