import type { TagId } from "@konferenco/protocol";
import { locateByBeacons } from "./beacon-fix.ts";
import type { Calibration } from "./calibration.ts";
import type { Fix } from "./fix.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { newGridFilter, type Belief, type GridEstimate, type Hearing } from "./grid-filter.ts";
import { drawOf, fixOfEstimate, hearingsOf, scarcityOf, type TagBelief } from "./grid-fix.ts";
import { newTagOffset, noteLook, offsetOf, type TagOffset } from "./tag-offset.ts";
import type { Track } from "./track.ts";
import { cellNear, type VenueGrid } from "./venue-grid.ts";
import type { VenueIndex } from "./venue-index.ts";
import type { Link, ReadingWindow } from "./window.ts";

/** What of a tag its radio is told by. The belief and what was learned of it are the locator's to change. */
export interface RadioTag {
  tagId: TagId;
  /** Sorted by gateway, so that sums do not depend on who reported first. */
  links: Link[];
  lastHeardAtMs: number;
  track: Track | null;
  /** Where it may be on the grid; null before its first window, and where there is no plan. */
  belief: TagBelief;
  /** What was known of its level when it was here before. */
  offset: TagOffset | null;
  /** Where the radio model last learned from it. */
  learnedAt: { xM: number; yM: number } | null;
}

export interface RadioLocatorOptions {
  venue: VenueIndex;
  grid: VenueGrid | null;
  calibration: Calibration | null;
  config: FusionConfig;
  /** What tags say to what they share is said already: a tag is run again. */
  isRehearing: () => boolean;
}

export interface RadioLocator {
  /** What the tag's beacons say at a tick. Null when too little was heard. */
  locate(tag: RadioTag, window: ReadingWindow | null, nowMs: number): Fix | null;
  /** Lets the radio model learn from the tag before its tick, if it wants to learn now and the tag has something new to tell. */
  learnFrom(tag: RadioTag, nowMs: number): void;
}

/** A first window is worth a look of this length. */
const FIRST_LOOK_S = 2;
/** And a look at the offset. */
const OFFSET_LOOK_S = 1;
const NOTHING_HEARD: readonly Hearing[] = [];
/** Shadowing forgets within a few metres. */
const LEARN_EVERY_M = 1.5;

/** By the grid, which knows the radio; by the centroid where there is no plan to have one on. */
export function newRadioLocator({ venue, grid, calibration, config, isRehearing }: RadioLocatorOptions): RadioLocator {
  if (grid === null || calibration === null) return { locate: (_tag, window) => (window === null ? null : locateByBeacons(window, venue, config)), learnFrom: () => {} };
  return newGridLocator({ venue, grid, calibration, config, isRehearing });
}

function newGridLocator({ venue, grid, calibration, config, isRehearing }: RadioLocatorOptions & { grid: VenueGrid; calibration: Calibration }): RadioLocator {
  const filter = newGridFilter(grid, calibration.levels, calibration.sensitivityDbm, venue, config);
  /** Scratch: what is heard of one tag, until it is heard of again or of the next. */
  const scratch: Hearing[] = [];

  // Where nothing can be said by centroid, one reading still moves a belief; without any it only gets vaguer.
  const isHeardNow = (tag: RadioTag, nowMs: number): boolean => tag.links.length > 0 && nowMs - tag.lastHeardAtMs < config.windowMs;

  function learnFrom(tag: RadioTag, nowMs: number): void {
    if (!calibration.wantsSnapshot(nowMs) || tag.belief === null || !isHeardNow(tag, nowMs) || !hasMoved(tag)) return;
    calibration.learn({ xM: tag.track?.xM ?? 0, yM: tag.track?.yM ?? 0, hearings: hearingsOf(tag.links, venue, calibration, OFFSET_LOOK_S, nowMs, config), offsetDb: tag.belief.offsetDb }, nowMs);
  }

  function locate(tag: RadioTag, window: ReadingWindow | null, nowMs: number): Fix | null {
    let hearings: readonly Hearing[] = NOTHING_HEARD;
    const isHeard = isHeardNow(tag, nowMs);
    const scarcity = scarcityOf(tag.links, calibration, nowMs, config);
    if (tag.belief === null) {
      if (!isHeard) return null;
      const offset = tag.offset ?? (calibration.basis === "survey" ? newTagOffset(0, config.surveyOffsetSigmaDb, nowMs) : newTagOffset(config.tagOffsetPriorDb, config.tagOffsetSigmaDb, nowMs));
      lookForOffset(offset, tag, nowMs);
      tag.belief = filter.begin(hearingsOf(tag.links, venue, calibration, FIRST_LOOK_S, nowMs, config, scratch), offset, nowMs);
    } else {
      const dtS = Math.min(config.windowMs, nowMs - tag.belief.atMs) / 1_000;
      if (isHeard) {
        if (nowMs >= tag.belief.offset.nextLookAtMs) tag.belief.offsetDb = lookForOffset(tag.belief.offset, tag, nowMs);
        hearings = hearingsOf(tag.links, venue, calibration, dtS / scarcity, nowMs, config, scratch);
      }
      filter.advance(tag.belief, hearings, nowMs, scarcity);
    }
    const estimate = filter.estimate(tag.belief);
    if (isHeard && !isRehearing()) noteMissed(tag.belief, estimate, hearings);
    const votes = calibration.surveyVotes(tag.links, tag.belief.offsetDb, nowMs);
    const draw = drawOf(votes, window, estimate.floorIndex, scarcity, grid, venue, config);
    const fix: Fix = { ...fixOfEstimate(tag, estimate, draw, scarcity, calibration.doubt(), grid, nowMs, config), votes };
    if (window === null) return fix;
    return fix.zoneEvidence === null || hearsUndrawn(window) ? { ...fix, zoneEvidence: locateByBeacons(window, venue, config).zoneEvidence, looksAlike: true } : fix;
  }

  /** A zone that nobody drew is where its gateways are loudest: the grid cannot tell. */
  function hearsUndrawn({ readings }: ReadingWindow): boolean {
    let loudest = readings[0] as ReadingWindow["readings"][number];
    for (const reading of readings) if (reading.rssiDbm > loudest.rssiDbm) loudest = reading;
    return venue.drawn[(venue.gateways[loudest.gateway] as { place: number }).place] !== true;
  }

  /** Gateways that should hear the tag where it is believed to be, and do not: one that misses everybody is dead. */
  function noteMissed(belief: Belief, estimate: GridEstimate, hearings: readonly Hearing[]): void {
    const cell = cellNear(grid, estimate.floorIndex, estimate.xM, estimate.yM);
    for (const { gateway, rssiDbm } of hearings) {
      if (!Number.isNaN(rssiDbm) || cell === -1) continue;
      const level = (calibration.levels.levelDbm[gateway] as Float32Array)[cell - (calibration.levels.firstCell[gateway] as number)];
      if (level === undefined || level + belief.offsetDb < (calibration.sensitivityDbm[gateway] as number) + config.wellHeardDb) continue;
      calibration.missed(gateway, config.tickMs / 1_000);
    }
  }

  /** Since it was last learned from. A tag that lies on a table teaches its table. */
  function hasMoved(tag: RadioTag): boolean {
    if (tag.track === null) return false;
    const { xM, yM } = tag.track;
    if (tag.learnedAt !== null && Math.hypot(xM - tag.learnedAt.xM, yM - tag.learnedAt.yM) < LEARN_EVERY_M) return false;
    tag.learnedAt = { xM, yM };
    return true;
  }

  function lookForOffset(offset: TagOffset, tag: RadioTag, nowMs: number): number {
    noteLook(offset, nowMs, config);
    filter.weighOffsets(offset, hearingsOf(tag.links, venue, calibration, OFFSET_LOOK_S, nowMs, config, scratch));
    return offsetOf(offset);
  }

  return { locate, learnFrom };
}
