import { EMPTY_SCHEDULE, planActivities, type GatewayId, type Position, type ProximityTransition, type Schedule, type TagId, type VenueMap, type ZoneTransition } from "@konferenco/protocol";
import type { Observation } from "./accept.ts";
import { activityStateOf, followActivity, type ActivityState } from "./activity.ts";
import { newCalibration, senderOf, type CalibrationState } from "./calibration.ts";
import { copyOf } from "./copy-of.ts";
import type { Fix } from "./fix.ts";
import { looksOf } from "./fuse-fixes.ts";
import { DEFAULT_FUSION_CONFIG, type FusionConfig } from "./fusion-config.ts";
import { copyBelief } from "./grid-filter.ts";
import { addToLinks, newLinks } from "./links.ts";
import { newPresenceLattice, presenceOf } from "./presence.ts";
import { evidenceOf } from "./proximity-evidence.ts";
import { copyProximity, detectProximity, dropDirectSightings, isNearSomebody, leaveProximity, newProximityState, noteDirectSighting, pairsNear, type DirectSighting, type PairState, type Whereabouts } from "./proximity.ts";
import { newRadioLocator, type RadioTag } from "./radio-fix.ts";
import type { SurveyPoint } from "./radio-map.ts";
import { followSlowLevels } from "./slow-levels.ts";
import type { TagOffset } from "./tag-offset.ts";
import { firstRowSince, keepMoment, newTagPast, noteRow, rowAt, type TagPast } from "./tag-past.ts";
import { advanceTrack, followFix, isLocatedOnlyBy, newTrack, positionOf, trackOfPosition, updateTrack, type Track } from "./track.ts";
import { prepareVenue } from "./venue-grid.ts";
import type { VenueIndex } from "./venue-index.ts";
import { readWindow, type Reading } from "./window.ts";
import { confidenceOf, detectZones, leaveZones, newZoneState, noteWitnesses, stayOf, zoneStateAt, type ZoneState, type ZoneStay } from "./zones.ts";

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

/** What stands at one moment: who is in which zone, and who is near whom. */
export interface Standing {
  stays: ZoneStay[];
  near: ProximityTransition[];
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
  /** Lets the tag go as if it had long been silent: the next tick tells its exit and aparts, and holds nothing of it any more. */
  drop(tagId: TagId): void;
  /** What is on where from now on, instead of what was. */
  setSchedule(schedule: Pick<Schedule, "sessions" | "booths">): void;
  counts(): PipelineCounts;
  tagIds(): TagId[];
  tagCount(): number;
  /** Of all tags, or of these. */
  standing(nowMs: number, of?: ReadonlySet<TagId>): Standing;
  /** Whether each tag shall keep what `rehear` needs: its last 10 to 15 s, 30 KB a tag that nine gateways hear. Nothing is kept until it is asked for. */
  remember(isWanted: boolean): void;
  /**
   * Puts rows that were due before the last tick, `tickedMs`, where they belong: takes the tags that they are about back, each
   * alone, and runs it again up to that tick, at most `mostTicks` of them together. What tags share (calibration, pairs) stays as
   * it is now. Rows of tags that do not go back so far are taken as they come.
   */
  rehear(late: readonly LateRow[], tickedMs: number, mostTicks: number): Reheard;
  /** Keeps the state as it is now; returns how to go back to it, as often as is wanted. Counters that were told do not go back. */
  save(): () => void;
  calibrationLinks(): CalibrationLink[];
  /** What the radio model knows, from what, and how good; null where there is no plan to place anybody on. */
  calibration(nowMs: number): CalibrationState | null;
  /** The prepared map, for fixes made outside. */
  readonly venue: VenueIndex;
  readonly config: FusionConfig;
}

/** An observation that was due before the last tick. */
export interface LateRow {
  observation: Observation;
  dueMs: number;
}

export interface Reheard {
  tagIds: Set<TagId>;
  ticks: number;
  /** Taken as they came. */
  unplaced: LateRow[];
}

/** All that fusion holds of one tag. */
interface Tag extends RadioTag {
  /** Fixes of other technologies since the last tick; a tag has few, at most MAX_WAITING_FIXES. */
  waiting: Fix[];
  /** Its motion by gateways alone, while other technologies speak too; else null, and the track is it. */
  gait: Track | null;
  zones: ZoneState;
  activity: ActivityState;
  /** The longest pause between two packets of late: long for a tag that is weak or sends rarely. */
  pauseMs: number;
  /** When another technology located it last; -Infinity when none did. */
  lastLocatedAtMs: number;
  /** The tick after which the last such fix came, however late: the next one took it. */
  locatedAfterTickMs: number;
  /** Which of KEPT_EVERY_TICKS ticks is its turn to be kept, so that they are spread. */
  turn: number;
  /** See `remember`. */
  past: TagPast<Tag> | null;
}

/** What is kept of a tag that fell silent, 250 B: a weak one is out of earshot for a while and back. */
interface Parted {
  offset: TagOffset | null;
  atMs: number;
}

/** A tag as it is now, to go back to, without its past: 5 KB. */
function copyOfTag({ belief, waiting, ...rest }: Tag): Tag {
  return { ...copyOf({ ...rest, past: null }), waiting: [...waiting], belief: belief === null ? null : copyBelief(belief) };
}

/** A tag keeps how it was at every tenth tick: three times for the 10 s within which something may be late. */
const KEPT_EVERY_TICKS = 10;

const MAX_WAITING_FIXES = 8;
const NO_LINKS = newLinks();

/** What is known of a venue besides its map. */
export interface PipelineOptions {
  /** A survey walked by hand: levels at known spots. */
  survey?: readonly SurveyPoint[] | null;
  /** What is on where. Fusion reads no meetings: they are people's. */
  schedule?: Pick<Schedule, "sessions" | "booths">;
}

export function newPipeline(venueMap: VenueMap, overrides: Partial<FusionConfig> = {}, options: PipelineOptions = {}): Pipeline {
  const config = configOf(overrides, options);
  const { venue, grid } = prepareVenue(venueMap);
  let tags = new Map<TagId, Tag>();
  let candidates = new Map<TagId, Observation[]>();
  let parted = new Map<TagId, Parted>();
  const lattice = grid === null ? null : newPresenceLattice(grid);
  const calibration = grid === null ? null : newCalibration(venueMap, venue, grid, options.survey ?? [], config);
  let proximity = newProximityState();
  let activities = planActivities(venueMap, options.schedule ?? EMPTY_SCHEDULE);
  const counts = newCounts();
  const toldCounts: Partial<PipelineCounts> = {};
  let tagsInOrder: Tag[] | null = null;
  let proximityAtMs = -Infinity;
  let pairListener: ((pair: PairState) => void) | undefined;
  let tagsAdded = 0;
  let tickedMs = -Infinity;
  let isRemembering = false;
  /** A tag is run again alone: what it said to what tags share it has said before. */
  let isRehearing = false;
  /** Scratch: the window of one tag, until the next. */
  const readings: Reading[] = [];
  const radio = newRadioLocator({ venue, grid, calibration, config, isRehearing: () => isRehearing });

  /** A tag is taken on at its third observation, one that was here lately at its first; strangers who pass once cost a list of two. */
  function admit(observation: Observation): Tag | null {
    if (parted.has(observation.tagId)) return addTag(observation.tagId, observation.heardAtMs);
    const heard = [...(candidates.get(observation.tagId) ?? []), observation];
    if (heard.length < config.minReadings) {
      if (heard.length === 1 && candidates.size >= config.maxCandidates) dropOldestCandidate();
      candidates.set(observation.tagId, heard);
      return null;
    }
    candidates.delete(observation.tagId);
    const tag = addTag(observation.tagId, observation.heardAtMs);
    if (tag === null) return null;
    for (const earlier of heard.slice(0, -1)) listen(tag, earlier, earlier.heardAtMs);
    return tag;
  }

  function addTag(tagId: TagId, nowMs: number): Tag | null {
    if (tags.size >= config.maxTags) {
      counts.tagLimit++;
      return null;
    }
    const before = parted.get(tagId);
    const tag: Tag = { tagId, links: newLinks(), waiting: [], track: null, gait: null, belief: null, offset: copyOf(before?.offset ?? null), learnedAt: null, zones: newZoneState(), activity: activityStateOf(null, nowMs), lastHeardAtMs: nowMs, pauseMs: before === undefined ? 0 : config.forgetAfterMs, lastLocatedAtMs: -Infinity, locatedAfterTickMs: -Infinity, turn: tagsAdded++ % KEPT_EVERY_TICKS, past: null };
    tags.set(tagId, tag);
    parted.delete(tagId);
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
  function listen(tag: Tag, observation: Observation, dueMs: number): void {
    const gateway = venue.gatewayIndex.get(observation.gatewayId) as number;
    const { rssiDbm, heardAtMs } = observation;
    noteSign(tag, heardAtMs);
    counts.smoothed++;
    calibration?.noteHeard(gateway, rssiDbm, heardAtMs);
    // What comes late and is taken as it comes belongs to the tick that takes it.
    if (isRemembering) noteRow((tag.past ??= newTagPast()), { dueMs: Math.max(dueMs, tickedMs), gateway, rssiDbm, heardAtMs });
    if (addToLinks(tag.links, gateway, observation, config)) counts.outliers++;
  }

  /** One tag through one tick: window, fix, track, zones. */
  function tickTag(tag: Tag, nowMs: number, output: FusionOutput): Position | null {
    const window = readWindow(tag.tagId, tag.links, nowMs, config, readings);
    if (window !== null) {
      counts.windows++;
      followSlowLevels(tag.links, window.readings, config.tickMs);
    }
    const beaconFix = radio.locate(tag, window, nowMs);
    const fixes = beaconFix === null ? tag.waiting : [...tag.waiting, beaconFix];
    if (tag.waiting.length > 0) tag.waiting = [];
    counts.fixes += fixes.length;

    const elapsedMs = tag.track === null ? 0 : nowMs - tag.track.atMs;
    const alone = beaconFix?.filtered === true && nowMs - tag.lastLocatedAtMs > config.forgetAfterMs;
    const byScans = beaconFix === null && tag.track !== null && fixes.length > 0 && fixes.every(isFollowedScan) && isLocatedOnlyBy(tag.track, "wifi", config.forgetAfterMs, nowMs);
    if (tag.track !== null && !alone && !byScans) advanceTrack(tag.track, nowMs, config);
    for (const fix of fixes) {
      if (tag.track === null) tag.track = newTrack(fix, beaconFix === null && isFollowedScan(fix) ? fix.atMs : nowMs, config);
      else if (alone) followFix(tag.track, fix, elapsedMs, nowMs);
      // As of the scan, which is when the device was there.
      else if (byScans) followFix(tag.track, fix, 0, Math.max(fix.atMs, tag.track.atMs));
      else updateTrack(tag.track, fix, nowMs, config);
    }
    if (tag.track === null) return null;
    followGait(tag, alone ? null : beaconFix, nowMs);

    const looks = looksOf(fixes, nowMs, config);
    noteWitnesses(tag.zones, { links: tag.links, votes: beaconFix?.votes ?? null, speedMps: speedOf(tag.gait ?? tag.track) }, nowMs, venue, config);
    output.zoneTransitions.push(...detectZones(tag.zones, tag.tagId, looks, nowMs, venue, config));

    const place = venue.places[tag.zones.place];
    const verdict = {
      zoneId: place?.zoneId ?? null,
      floor: place?.floor ?? fixes.at(-1)?.floor ?? 0,
      confidence: confidenceOf(tag.zones, nowMs, config),
    };
    const activity = followActivity(tag.activity, { zoneId: verdict.zoneId, hasCompany: isNearSomebody(proximity, tag.tagId) }, activities, nowMs);
    return positionOf(tag.track, tag.tagId, { ...verdict, activity }, config);
  }

  /** What proximity needs of a tag that has just been ticked. */
  function whereaboutsOf({ links, belief, lastHeardAtMs }: Tag, position: Position, nowMs: number): Whereabouts {
    const isSilent = nowMs - lastHeardAtMs >= config.windowMs;
    const { tagId, xM, yM, floor, accuracy95M, zoneId } = position;
    const byRadioAlone = position.source === "beacon";
    const presence = byRadioAlone && lattice !== null && belief !== null ? presenceOf(belief, lattice) : null;
    // Who was last heard here and is located by other means now may be anywhere.
    return { tagId, xM, yM, floor, accuracy95M, zoneId, heard: evidenceOf(isSilent && !byRadioAlone ? NO_LINKS : links, presence), isSilent };
  }

  /** Keeps how the tag is, when it is its turn, and at its first tick. */
  function keepPast(tag: Tag, nowMs: number): void {
    const past = (tag.past ??= newTagPast());
    const isTurn = Math.round(nowMs / config.tickMs) % KEPT_EVERY_TICKS === tag.turn;
    if (isTurn || past.kept.length === 0) keepMoment(past, nowMs, copyOfTag(tag), nowMs - config.maxLateMs);
  }

  function forget(tag: Tag, nowMs: number, output: FusionOutput): void {
    output.zoneTransitions.push(...leaveZones(tag.zones, tag.tagId, nowMs, venue, config));
    output.proximityTransitions.push(...leaveProximity(proximity, tag.tagId, nowMs));
    output.droppedTags.push(tag.tagId);
    // An erased one is as if it had never been.
    if (tag.lastHeardAtMs !== -Infinity) part(tag, nowMs);
    tags.delete(tag.tagId);
    tagsInOrder = null;
  }

  /** Who parted first makes room. */
  function part(tag: Tag, nowMs: number): void {
    if (parted.size >= config.maxCandidates) parted.delete(parted.keys().next().value as TagId);
    parted.set(tag.tagId, { offset: tag.belief?.offset ?? tag.offset, atMs: nowMs });
  }

  function step(observation: Observation, dueMs: number): void {
    counts.observations++;
    if (!venue.gatewayIndex.has(observation.gatewayId)) {
      counts.unknownGateway++;
      return;
    }
    const gateway = venue.gatewayIndex.get(observation.gatewayId) as number;
    const sender = senderOf(observation.tagId, venue);
    if (sender !== null) {
      counts.calibration++;
      // What a gateway hears of itself tells nothing.
      if (sender === gateway) return;
      calibration?.noteHeard(gateway, observation.rssiDbm, observation.heardAtMs);
      if (sender !== -1) calibration?.noteLink(sender, gateway, observation);
      return;
    }
    const tag = tags.get(observation.tagId) ?? admit(observation);
    if (tag !== null) listen(tag, observation, dueMs);
  }

  /** Runs one tag again from a moment that it keeps, with the rows of its past. Nothing is told. */
  function runAgain(tag: Tag, past: TagPast<Tag>, fromMs: number, toMs: number): void {
    const at = past.kept.findIndex(({ atMs }) => atMs === fromMs);
    const later = new Set(past.kept.splice(at + 1).map(({ atMs }) => atMs));
    const { learnedAt } = tag;
    const untold: FusionOutput = { positions: [], zoneTransitions: [], proximityTransitions: [], droppedTags: [] };
    const before = { ...counts };
    Object.assign(tag, copyOfTag((past.kept[at] as TagPast<Tag>["kept"][number]).tag), { past, learnedAt });
    isRehearing = true;
    let next = firstRowSince(past, fromMs);
    for (let nowMs = fromMs + config.tickMs; nowMs <= toMs; nowMs += config.tickMs) {
      for (; next < past.rows.dueMs.length && (past.rows.dueMs[next] as number) < nowMs; next++) {
        const { gateway, rssiDbm, heardAtMs } = rowAt(past, next);
        noteSign(tag, heardAtMs);
        addToLinks(tag.links, gateway, { tagId: tag.tagId, gatewayId: (venue.gateways[gateway] as { gatewayId: GatewayId }).gatewayId, rssiDbm, heardAtMs }, config);
      }
      tickTag(tag, nowMs, untold);
      if (later.has(nowMs)) past.kept.push({ atMs: nowMs, tag: copyOfTag(tag) });
    }
    isRehearing = false;
    Object.assign(counts, before);
  }

  return {
    venue,
    config,
    step,

    remember(isWanted) {
      if (isRemembering && !isWanted) for (const tag of tags.values()) tag.past = null;
      isRemembering = isWanted;
    },

    rehear(late, upToMs, mostTicks) {
      const reheard: Reheard = { tagIds: new Set(), ticks: 0, unplaced: [] };
      const rowsOf = new Map<TagId, LateRow[]>();
      for (const row of late) {
        // What gateways hear of one another is shared: it is in its place.
        if (senderOf(row.observation.tagId, venue) !== null) {
          step(row.observation, upToMs);
          continue;
        }
        const rows = rowsOf.get(row.observation.tagId);
        if (rows === undefined) rowsOf.set(row.observation.tagId, [row]);
        else rows.push(row);
      }
      for (const [tagId, rows] of rowsOf) {
        const tag = tags.get(tagId);
        const past = tag?.past ?? null;
        const sinceMs = rows.reduce((least, { dueMs }) => Math.min(least, dueMs), Infinity);
        const from = past?.kept.findLast(({ atMs }) => atMs <= sinceMs);
        const ticks = from === undefined ? Infinity : Math.round((upToMs - from.atMs) / config.tickMs);
        // Fixes of other technologies are not kept: a tag that had some since cannot be run again without them.
        if (tag === undefined || past === null || from === undefined || tag.locatedAfterTickMs >= from.atMs || reheard.ticks + ticks > mostTicks) {
          for (const { observation } of rows) step(observation, upToMs);
          reheard.unplaced.push(...rows);
          continue;
        }
        for (const { observation, dueMs } of rows) {
          const { rssiDbm, heardAtMs } = observation;
          const gateway = venue.gatewayIndex.get(observation.gatewayId) as number;
          counts.observations++;
          counts.smoothed++;
          calibration?.noteHeard(gateway, rssiDbm, heardAtMs);
          noteRow(past, { dueMs, gateway, rssiDbm, heardAtMs });
        }
        runAgain(tag, past, from.atMs, upToMs);
        reheard.ticks += ticks;
        reheard.tagIds.add(tagId);
      }
      return reheard;
    },

    locate(fix, nowMs) {
      const tag = tags.get(fix.tagId) ?? addTag(fix.tagId, nowMs);
      if (tag === null) return;
      candidates.delete(fix.tagId);
      tag.lastLocatedAtMs = Math.max(tag.lastLocatedAtMs, fix.atMs);
      tag.locatedAfterTickMs = tickedMs;
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
      tag.activity = activityStateOf(position.activity ?? null, position.atMs);
    },

    tick(nowMs) {
      calibration?.refresh(nowMs);
      const output: FusionOutput = { positions: [], zoneTransitions: [], proximityTransitions: [], droppedTags: [] };
      tagsInOrder ??= [...tags.values()].sort((a, b) => (a.tagId < b.tagId ? -1 : 1));
      const present: Tag[] = [];
      for (const tag of tagsInOrder) {
        if (isSilent(tag, nowMs, config)) {
          forget(tag, nowMs, output);
          continue;
        }
        // By id and not by place: else the same corner would teach every time.
        radio.learnFrom(tag, nowMs);
        present.push(tag);
      }
      const positions = Array<Position | null>(present.length).fill(null);
      const whereabouts: Whereabouts[] = [];
      const looksAtPairs = Math.floor(nowMs / config.proximityEveryMs) > Math.floor(proximityAtMs / config.proximityEveryMs);
      for (const rank of ranksByPlace(present)) {
        const tag = present[rank] as Tag;
        const position = tickTag(tag, nowMs, output);
        positions[rank] = position;
        if (position !== null && looksAtPairs) whereabouts.push(whereaboutsOf(tag, position, nowMs));
        if (isRemembering) keepPast(tag, nowMs);
      }
      output.positions = positions.filter((position) => position !== null);
      output.zoneTransitions.sort(byTag);
      tickedMs = nowMs;
      // Not push(...): a hall that fills makes more transitions at once than a call takes arguments.
      if (looksAtPairs) {
        proximityAtMs = nowMs;
        output.proximityTransitions = output.proximityTransitions.concat(detectProximity(proximity, whereabouts, nowMs, config, pairListener));
      }
      forgetCandidates(candidates, nowMs, config);
      forgetParted(parted, nowMs);
      counts.positions += output.positions.length;
      counts.zoneTransitions += output.zoneTransitions.length;
      counts.proximityTransitions += output.proximityTransitions.length;
      return output;
    },

    drop(tagId) {
      candidates.delete(tagId);
      parted.delete(tagId);
      dropDirectSightings(proximity, tagId);
      const tag = tags.get(tagId);
      if (tag === undefined) return;
      tag.lastHeardAtMs = tag.lastLocatedAtMs = -Infinity;
      tag.past = null;
    },

    setSchedule(schedule) {
      activities = planActivities(venueMap, schedule);
    },

    tagIds: () => [...tags.keys(), ...candidates.keys(), ...parted.keys()],
    tagCount: () => tags.size,

    standing: (nowMs, of) => ({
      stays: (of === undefined ? [...tags.values()] : [...of].flatMap((tagId) => tags.get(tagId) ?? [])).flatMap((tag) => stayOf(tag.zones, tag.tagId, nowMs, venue, config)),
      near: pairsNear(proximity).map(([tagA, tagB]) => {
        const [a, b] = [tags.get(tagA)?.track, tags.get(tagB)?.track];
        const distanceM = a && b ? Math.hypot(a.xM - b.xM, a.yM - b.yM) : 0;
        return { transition: "near", tagA, tagB, atMs: nowMs, distanceM, confidence: config.nearProbability };
      }),
    }),

    save() {
      // Lists of candidates are made anew, not changed.
      const kept = { tags: Array.from(tags.values(), copyOfTag), candidates: new Map(candidates), parted: new Map(parted), proximity: copyProximity(proximity), proximityAtMs, activities, counts: { ...counts } };
      const restoreCalibration = calibration?.save();
      return () => {
        tags = new Map(kept.tags.map((tag) => [tag.tagId, copyOfTag(tag)]));
        tagsInOrder = null;
        candidates = new Map(kept.candidates);
        parted = new Map(kept.parted);
        proximity = copyProximity(kept.proximity);
        Object.assign(counts, kept.counts);
        proximityAtMs = kept.proximityAtMs;
        activities = kept.activities;
        restoreCalibration?.();
      };
    },

    counts() {
      const grown = { ...counts, pairsLooked: proximity.looked, pairsSkipped: proximity.skipped };
      for (const key of Object.keys(grown) as (keyof typeof grown)[]) toldCounts[key] = Math.max(toldCounts[key] ?? 0, grown[key]);
      return { ...grown, ...toldCounts, tags: tags.size, candidates: candidates.size, calibrationLinks: calibration?.links().length ?? 0 };
    },

    calibrationLinks: () =>
      (calibration?.links() ?? []).map(({ from, by, meanDbm, varianceDb2, samples }) => ({
        fromGatewayId: (venue.gateways[from] as { gatewayId: GatewayId }).gatewayId,
        byGatewayId: (venue.gateways[by] as { gatewayId: GatewayId }).gatewayId,
        rssiDbm: meanDbm,
        varianceDb2,
        samples,
      })),

    calibration: (nowMs) => calibration?.state(nowMs) ?? null,
  };
}

/** Around a radio map levels scatter less than around a law of distance. */
function configOf(overrides: Partial<FusionConfig>, { survey }: PipelineOptions): FusionConfig {
  const config: FusionConfig = { ...DEFAULT_FUSION_CONFIG, ...overrides };
  if (survey === undefined || survey === null || survey.length === 0) return config;
  return {
    ...config,
    levelSigmaDb: config.levelSigmaDb * config.surveySigmaShare,
    beliefMemoryMs: config.beliefMemoryMs * config.surveyMemoryShare,
    bodySigmaDb: config.bodySigmaDb * config.surveyBodyShare,
    silenceMemoryMs: config.silenceMemoryMs * config.surveyMemoryShare,
    closeCallNats: config.closeCallNats * config.surveyCallShare,
    wallCallNats: config.wallCallNats * config.surveyCallShare,
    enterNatS: config.enterNatS * config.surveyCallShare,
  };
}

/** A scan that was taken up into what the device's earlier ones told. */
function isFollowedScan({ source, filtered }: Fix): boolean {
  return source === "wifi" && filtered === true;
}

/**
 * What is averaged from several technologies learns late that somebody walks, and zones wait for that: whoever leaves a room
 * is told 0.5 s later where a phone scans beside the badge. So speed is told by the gateways' own filter wherever it speaks.
 */
function followGait(tag: Tag, fix: Fix | null, nowMs: number): void {
  if (fix?.filtered !== true || tag.track === null) tag.gait = null;
  else {
    // From where the gateways have it: from where others have drawn the track it would run back.
    tag.gait ??= copyOf(tag.track);
    followFix(tag.gait, fix, nowMs - tag.gait.atMs, nowMs);
  }
}

function speedOf({ vxMps, vyMps }: Track): number {
  return Math.hypot(vxMps, vyMps);
}

/** A long pause is remembered for about so long. */
const PAUSE_MEMORY_MS = 600_000;
/** A tag is waited for so many times its longest pause. */
const PAUSES_WAITED = 3;

/** Notes a packet, and how long the pause before it was. */
function noteSign(tag: Tag, heardAtMs: number): void {
  const pauseMs = heardAtMs - tag.lastHeardAtMs;
  if (pauseMs <= 0) return;
  tag.pauseMs = Math.max(pauseMs, tag.pauseMs * Math.exp(-pauseMs / PAUSE_MEMORY_MS));
  tag.lastHeardAtMs = heardAtMs;
}

/**
 * Tags in order of where they may be: those who stand together are located by the same rows of the radio map, which
 * the processor's cache then holds. It is 1 MB a storey: on 20 storeys a tag in order of its id costs a third more
 * (docs/decisions/0156).
 */
function ranksByPlace(tags: readonly Tag[]): Float64Array {
  const keys = new Float64Array(tags.length);
  for (let rank = 0; rank < keys.length; rank++) keys[rank] = ((tags[rank] as Tag).belief?.cells[0] ?? 0) * keys.length + rank;
  return keys.sort().map((key) => key % keys.length);
}

/** A tag's own stay in the order in which they happened. */
function byTag(a: ZoneTransition, b: ZoneTransition): number {
  return a.tagId < b.tagId ? -1 : Number(a.tagId > b.tagId);
}

function isSilent(tag: Tag, nowMs: number, config: FusionConfig): boolean {
  const waitedMs = Math.max(config.forgetAfterMs, Math.min(config.forgetWeakAfterMs, PAUSES_WAITED * tag.pauseMs));
  return nowMs - tag.lastHeardAtMs >= waitedMs && nowMs - tag.lastLocatedAtMs >= config.forgetLocatedAfterMs;
}

/** Strangers who were not heard a third time within a window. In order of arrival, so the sweep ends at the first fresh one. */
function forgetCandidates(candidates: Map<TagId, Observation[]>, nowMs: number, config: FusionConfig): void {
  for (const [tagId, heard] of candidates) {
    if (nowMs - (heard[0] as Observation).heardAtMs <= config.forgetAfterMs) return;
    candidates.delete(tagId);
  }
}

/** Who has been away for so long is a stranger again. */
const PARTED_MS = 600_000;

/** In order of parting, so the sweep ends at the first of late. */
function forgetParted(parted: Map<TagId, Parted>, nowMs: number): void {
  for (const [tagId, { atMs }] of parted) {
    if (nowMs - atMs <= PARTED_MS) return;
    parted.delete(tagId);
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
