import { gatewayOfTag, type GatewayId, type Position, type ProximityTransition, type TagId, type VenueMap, type ZoneTransition } from "@konferenco/protocol";
import type { Observation } from "./accept.ts";
import { locateByBeacons } from "./beacon-fix.ts";
import type { Fix } from "./fix.ts";
import { DEFAULT_FUSION_CONFIG, type FusionConfig } from "./fusion-config.ts";
import { detectProximity, leaveProximity, newProximityState, noteDirectSighting, type DirectSighting, type PairState, type Whereabouts } from "./proximity.ts";
import { levelDbmOf, varianceDb2Of } from "./rssi-filter.ts";
import { advanceTrack, newTrack, positionOf, trackOfPosition, updateTrack, type Track } from "./track.ts";
import { indexVenue, type VenueIndex } from "./venue-index.ts";
import { addToLink, newLink, readWindow, type Link } from "./window.ts";
import { confidenceOf, detectZones, leaveZones, newZoneState, zoneStateAt, type WeighedEvidence, type ZoneState } from "./zones.ts";

/** What one tick made. Transitions in the order in which they happened, positions by tag id. */
export interface FusionOutput {
  positions: Position[];
  zoneTransitions: ZoneTransition[];
  proximityTransitions: ProximityTransition[];
  /** Tags that fell silent: their exits and aparts are among the transitions. */
  droppedTags: TagId[];
}

/** How far things came, as a funnel. Counters only grow; `tags`, `candidates` and `calibrationLinks` are as of now. */
export interface PipelineCounts {
  observations: number;
  unknownGateway: number;
  calibration: number;
  smoothed: number;
  outliers: number;
  tagLimit: number;
  windows: number;
  fixes: number;
  positions: number;
  zoneTransitions: number;
  proximityTransitions: number;
  pairsLooked: number;
  pairsSkipped: number;
  tags: number;
  candidates: number;
  calibrationLinks: number;
}

/** The level at which one gateway hears another's own transmitter: kept aside for calibration, never positioned. */
export interface CalibrationLink {
  fromGatewayId: GatewayId;
  byGatewayId: GatewayId;
  rssiDbm: number;
  varianceDb2: number;
  samples: number;
}

export interface Pipeline {
  /** One observation: smoothed and kept for the window. */
  step(observation: Observation, nowMs: number): void;
  /** A location that another technology measured: GPS, check-in, Wi-Fi. Taken into the track at the next tick. */
  locate(fix: Fix, nowMs: number): void;
  /** One phone heard another's tag itself: evidence that the two are near each other. */
  sight(sighting: DirectSighting): void;
  /** Tells every pair that is looked at, each time it is looked at (proximityEveryMs). For measuring; in a crowd these are 32 a tag and second. */
  watchPairs(listener: (pair: PairState) => void): void;
  /** Time passes: fixes, tracks, zones, proximity, silence. To be called every tickMs with a time that grows. */
  tick(nowMs: number): FusionOutput;
  /** Takes up a tag where an earlier process left it, so that enter and exit alternate across a restart. */
  restore(position: Position): void;
  counts(): PipelineCounts;
  calibrationLinks(): CalibrationLink[];
  /** The prepared map, for fixes made outside. */
  readonly venue: VenueIndex;
  readonly config: FusionConfig;
}

/** All that fusion holds of one tag. */
interface Tag {
  tagId: TagId;
  /** Sorted by gateway, so that sums do not depend on who reported first. */
  links: Link[];
  /** Fixes of other technologies since the last tick; a tag has few, at most MAX_WAITING_FIXES. */
  waiting: Fix[];
  track: Track | null;
  zones: ZoneState;
  lastHeardAtMs: number;
  /** When another technology located it last; -Infinity when none did. */
  lastLocatedAtMs: number;
}

const MAX_WAITING_FIXES = 8;
/** Links of one tag; the one that was silent longest makes room. A person is in earshot of a dozen gateways, not of a hundred. */
const MAX_LINKS_PER_TAG = 24;
/** Directed gateway pairs within earshot: 2,000 gateways with 20 neighbours each, 250 B a link. */
const MAX_CALIBRATION_LINKS = 40_000;

export function newPipeline(venueMap: VenueMap, overrides: Partial<FusionConfig> = {}): Pipeline {
  const config: FusionConfig = { ...DEFAULT_FUSION_CONFIG, ...overrides };
  const venue = indexVenue(venueMap);
  const tags = new Map<TagId, Tag>();
  const candidates = new Map<TagId, Observation[]>();
  const calibration = new Map<TagId, Map<GatewayId, Link>>();
  const proximity = newProximityState();
  const counts = newCounts();
  let calibrationLinkCount = 0;
  let tagsInOrder: Tag[] | null = null;
  let proximityAtMs = -Infinity;
  let pairListener: ((pair: PairState) => void) | undefined;

  /** A tag is taken on at its third observation; strangers who pass once cost a list of two. */
  function admit(observation: Observation): Tag | null {
    const heard = candidates.get(observation.tagId) ?? [];
    heard.push(observation);
    if (heard.length < config.minReadings) {
      if (heard.length === 1 && candidates.size >= config.maxCandidates) dropOldestCandidate();
      candidates.set(observation.tagId, heard);
      return null;
    }
    candidates.delete(observation.tagId);
    const tag = addTag(observation.tagId, observation.heardAtMs);
    if (tag === null) return null;
    for (const earlier of heard.slice(0, -1)) listen(tag, earlier);
    return tag;
  }

  function addTag(tagId: TagId, nowMs: number): Tag | null {
    if (tags.size >= config.maxTags) {
      counts.tagLimit++;
      return null;
    }
    const tag: Tag = { tagId, links: [], waiting: [], track: null, zones: newZoneState(), lastHeardAtMs: nowMs, lastLocatedAtMs: -Infinity };
    tags.set(tagId, tag);
    tagsInOrder = null;
    return tag;
  }

  function dropOldestCandidate(): void {
    for (const tagId of candidates.keys()) {
      candidates.delete(tagId);
      return;
    }
  }

  /** Smooths one observation of a known tag. */
  function listen(tag: Tag, observation: Observation): void {
    const gateway = venue.gatewayIndex.get(observation.gatewayId) as number;
    tag.lastHeardAtMs = Math.max(tag.lastHeardAtMs, observation.heardAtMs);
    counts.smoothed++;
    if (hear(tag.links, gateway, observation, config)) counts.outliers++;
  }

  function keepForCalibration(observation: Observation, fromGatewayId: GatewayId): void {
    counts.calibration++;
    const gateway = venue.gatewayIndex.get(observation.gatewayId) as number;
    if (!venue.gatewayIndex.has(fromGatewayId)) return;
    let links = calibration.get(fromGatewayId);
    if (links === undefined) calibration.set(fromGatewayId, (links = new Map<GatewayId, Link>()));
    const link = links.get(observation.gatewayId);
    if (link !== undefined) {
      addToLink(link, observation, config);
    } else if (calibrationLinkCount < MAX_CALIBRATION_LINKS) {
      links.set(observation.gatewayId, newLink(gateway, observation, config));
      calibrationLinkCount++;
    }
  }

  /** One tag through one tick: window, fix, track, zones. */
  function tickTag(tag: Tag, nowMs: number, output: FusionOutput): Whereabouts | null {
    const window = readWindow(tag.tagId, tag.links, nowMs, config);
    if (window !== null) counts.windows++;
    const beaconFix = window === null ? null : locateByBeacons(window, venue, config);
    const fixes = beaconFix === null ? tag.waiting : [...tag.waiting, beaconFix];
    tag.waiting = [];
    counts.fixes += fixes.length;

    if (tag.track !== null) advanceTrack(tag.track, nowMs, config);
    for (const fix of fixes) {
      if (tag.track === null) tag.track = newTrack(fix, nowMs, config);
      else updateTrack(tag.track, fix, nowMs, config);
    }
    if (tag.track === null) return null;

    const looks = fixes.flatMap((fix) => weighed(fix, config));
    output.zoneTransitions.push(...detectZones(tag.zones, tag.tagId, looks, nowMs, venue, config));

    const place = venue.places[tag.zones.place];
    const verdict = {
      zoneId: place?.zoneId ?? null,
      floor: place?.floor ?? fixes.at(-1)?.floor ?? 0,
      confidence: confidenceOf(tag.zones, nowMs, config),
    };
    const position = positionOf(tag.track, tag.tagId, verdict, config);
    output.positions.push(position);
    return { ...position, heard: window?.readings ?? [] };
  }

  function forget(tag: Tag, nowMs: number, output: FusionOutput): void {
    output.zoneTransitions.push(...leaveZones(tag.zones, tag.tagId, nowMs, venue, config));
    output.proximityTransitions.push(...leaveProximity(proximity, tag.tagId, nowMs));
    output.droppedTags.push(tag.tagId);
    tags.delete(tag.tagId);
    tagsInOrder = null;
  }

  return {
    venue,
    config,

    step(observation) {
      counts.observations++;
      if (!venue.gatewayIndex.has(observation.gatewayId)) {
        counts.unknownGateway++;
        return;
      }
      const fromGatewayId = gatewayOfTag(observation.tagId);
      if (fromGatewayId !== null) return keepForCalibration(observation, fromGatewayId);
      const tag = tags.get(observation.tagId) ?? admit(observation);
      if (tag !== null) listen(tag, observation);
    },

    locate(fix, nowMs) {
      const tag = tags.get(fix.tagId) ?? addTag(fix.tagId, nowMs);
      if (tag === null) return;
      candidates.delete(fix.tagId);
      tag.lastLocatedAtMs = Math.max(tag.lastLocatedAtMs, fix.atMs);
      if (tag.waiting.length >= MAX_WAITING_FIXES) tag.waiting.shift();
      tag.waiting.push(fix);
    },

    sight(sighting) {
      noteDirectSighting(proximity, sighting, config);
    },

    watchPairs(listener) {
      pairListener = listener;
    },

    restore(position) {
      const known = tags.get(position.tagId);
      if (known !== undefined && known.zones.place !== -1) return;
      const tag = known ?? addTag(position.tagId, position.atMs);
      if (tag === null) return;
      tag.track ??= trackOfPosition(position, config);
      const place = position.zoneId === null ? venue.outsidePlace.get(position.floor) : venue.zonePlace.get(position.zoneId);
      if (place !== undefined) tag.zones = zoneStateAt(place, position.atMs);
    },

    tick(nowMs) {
      const output: FusionOutput = { positions: [], zoneTransitions: [], proximityTransitions: [], droppedTags: [] };
      tagsInOrder ??= [...tags.values()].sort((a, b) => (a.tagId < b.tagId ? -1 : 1));
      const whereabouts: Whereabouts[] = [];
      for (const tag of tagsInOrder) {
        if (isSilent(tag, nowMs, config)) {
          forget(tag, nowMs, output);
          continue;
        }
        const where = tickTag(tag, nowMs, output);
        if (where !== null) whereabouts.push(where);
      }
      // Not push(...): a hall that fills makes more transitions at once than a call takes arguments.
      if (Math.floor(nowMs / config.proximityEveryMs) > Math.floor(proximityAtMs / config.proximityEveryMs)) {
        proximityAtMs = nowMs;
        output.proximityTransitions = output.proximityTransitions.concat(detectProximity(proximity, whereabouts, nowMs, config, pairListener));
      }
      forgetCandidates(candidates, nowMs, config);
      counts.positions += output.positions.length;
      counts.zoneTransitions += output.zoneTransitions.length;
      counts.proximityTransitions += output.proximityTransitions.length;
      return output;
    },

    counts: () => ({ ...counts, pairsLooked: proximity.looked, pairsSkipped: proximity.skipped, tags: tags.size, candidates: candidates.size, calibrationLinks: calibrationLinkCount }),

    calibrationLinks: () =>
      [...calibration].flatMap(([fromGatewayId, links]) =>
        [...links].map(([byGatewayId, { filter, heardCount }]) => ({
          fromGatewayId,
          byGatewayId,
          rssiDbm: levelDbmOf(filter),
          varianceDb2: varianceDb2Of(filter),
          samples: heardCount,
        })),
      ),
  };
}

function isSilent(tag: Tag, nowMs: number, config: FusionConfig): boolean {
  return nowMs - tag.lastHeardAtMs >= config.forgetAfterMs && nowMs - tag.lastLocatedAtMs >= config.forgetLocatedAfterMs;
}

/** Puts the observation into its link among the sorted ones. True when it was held back as an outlier. */
function hear(links: Link[], gateway: number, observation: Observation, config: FusionConfig): boolean {
  let at = 0;
  while (at < links.length && (links[at] as Link).gateway < gateway) at++;
  const link = links[at];
  if (link !== undefined && link.gateway === gateway) return addToLink(link, observation, config).outlier;
  links.splice(at, 0, newLink(gateway, observation, config));
  if (links.length > MAX_LINKS_PER_TAG) {
    const stalest = links.reduce((oldest, candidate) => (candidate.filter.heardAtMs < oldest.filter.heardAtMs ? candidate : oldest));
    links.splice(links.indexOf(stalest), 1);
  }
  return false;
}

/** A fix's evidence and what it counts. Windows overlap by nine tenths from tick to tick; a scan or a check-in stands alone. */
function weighed(fix: Fix, config: FusionConfig): WeighedEvidence[] {
  if (fix.zoneEvidence === null) return [];
  const independent = fix.source !== "beacon";
  return [{ evidence: fix.zoneEvidence, independent, weight: independent ? 1 : (config.evidencePerS * config.tickMs) / 1_000 }];
}

/** Strangers who were not heard a third time within a window. In order of arrival, so the sweep ends at the first fresh one. */
function forgetCandidates(candidates: Map<TagId, Observation[]>, nowMs: number, config: FusionConfig): void {
  for (const [tagId, heard] of candidates) {
    if (nowMs - (heard[0] as Observation).heardAtMs <= config.forgetAfterMs) return;
    candidates.delete(tagId);
  }
}

function newCounts(): Omit<PipelineCounts, "pairsLooked" | "pairsSkipped" | "tags" | "candidates" | "calibrationLinks"> {
  return {
    observations: 0,
    unknownGateway: 0,
    calibration: 0,
    smoothed: 0,
    outliers: 0,
    tagLimit: 0,
    windows: 0,
    fixes: 0,
    positions: 0,
    zoneTransitions: 0,
    proximityTransitions: 0,
  };
}
