import { zoneCentre, type NearbyPerson, type PersonId, type SessionCount, type TagId, type VenueMap, type ZoneCount, type ZoneId } from "@konferenco/protocol";
import type { Store } from "@konferenco/fusion";
import type { Activities } from "./activities.ts";
import type { Connection } from "./connection.ts";
import type { Area } from "./core/area.ts";
import { shownStay, type Trail, type WindowDice } from "./core/coarse-times.ts";
import { COMPATIBLE, type Match } from "./core/compatibility.ts";
import { forgetAttendance, markHotSpots, newHotSpots, noteAttendance, type Attendance, type HotSpots } from "./core/crowding.ts";
import { Encounters, PAIR_QUIET_MS } from "./core/encounters.ts";
import type { LivePicture } from "./core/live-picture.ts";
import { selectNearby, type Candidate, type NearbyQuery } from "./core/nearby.ts";
import { PublicOccupancy } from "./core/occupancy.ts";
import {
  GRID_M,
  atLeast,
  isSeenCoarsely,
  seesThings,
  showNearby,
  showOccupancy,
  showSerendipity,
  showZoneNear,
  whereaboutsOf,
  type Place,
  type Standing,
  type SubjectPolicy,
  type Viewer,
  type VisibleUpdate,
  type Whereabouts,
} from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache } from "./people-cache.ts";

/** Tags asked for around a viewer. In a denser crowd the circle's rim is cut; the list shows 20. */
const MAX_CANDIDATES = 500;
/** Grid points of two positions can be nearer than the positions by so much. */
const SNAP_MARGIN_M = 2 * GRID_M;
/** People of a zone or the venue who are looked at for one answer, 1 µs each: which ones in a larger crowd depends on when they were first heard, not on where they are. */
const MAX_CROWD = 20_000;
/** Zones smaller than this are a place, not an area: strangers are shown the venue instead. */
const SMALL_ZONE_M2 = 50;
const ENCOUNTERS_EVERY_MS = 250;
/** Words of an encounter that wait for a person's page to open. */
const MAX_UNTOLD = 10_000;
/** Zones of one occupancy event: 500 are about 20 KB. */
const ZONES_PER_EVENT = 500;
/** 100,000 tags cost 15 ms. */
const CROWD_EVERY_MS = 5_000;

export interface SurroundingsOptions {
  venue: VenueMap;
  store: Store;
  people: PeopleCache;
  picture: LivePicture;
  hub: Hub;
  nowMs: () => number;
  nearbyEveryMs: number;
  dice: (zoneId: ZoneId, window: number) => [number, number];
  activities: Activities;
  /** At which moment of a window strangers are shown a tag. */
  whenShown: WindowDice;
  log: (event: object) => void;
}

interface Untold {
  to: PersonId;
  other: PersonId;
  kind: "serendipity" | "near";
  match: Match;
  atMs: number;
}

/** Who is near a viewer, who has met whom, and how full zones are. */
export class Surroundings {
  readonly #options: SurroundingsOptions;
  readonly #publicOccupancy: PublicOccupancy;
  readonly #zoneIds: ZoneId[];
  readonly #zoneWidthsM: ReadonlyMap<ZoneId, number>;
  readonly #centres: ReadonlyMap<ZoneId, Place>;
  readonly #smallZones: ReadonlySet<ZoneId>;
  readonly #encounters: Encounters;
  readonly #exactSpots: HotSpots;
  readonly #publicSpots: HotSpots;
  readonly #attendance: Attendance = new Map();
  #sessions: SessionCount[] = [];
  #crowdedAtMs = -Infinity;
  #untold: Untold[] = [];
  #encounteredAtMs = 0;
  #toldExact = "";
  #looking = false;
  #failing = false;

  constructor(options: SurroundingsOptions) {
    const { venue } = options;
    this.#options = options;
    this.#publicOccupancy = new PublicOccupancy(options.dice);
    this.#zoneIds = venue.zones.map((zone) => zone.zoneId);
    this.#zoneWidthsM = new Map(venue.zones.map((zone) => [zone.zoneId, widthM(zone.polygons)]));
    this.#smallZones = new Set(venue.zones.filter((zone) => zone.polygons.length > 0 && areaM2(zone.polygons) < SMALL_ZONE_M2).map((zone) => zone.zoneId));
    const { picture, people } = options;
    this.#encounters = new Encounters({
      trailOf: (tagId) => picture.trailOf(tagId),
      aroundZone: (zoneId) => picture.aroundZone(zoneId),
      holderOf: people.holderOf,
      zoneWidthM: (zoneId) => this.#zoneWidthsM.get(zoneId) ?? Infinity,
      isSmall: (zoneId) => this.#smallZones.has(zoneId),
    });
    this.#exactSpots = newHotSpots(venue, options.activities.plan);
    this.#publicSpots = newHotSpots(venue, options.activities.plan);
    this.#centres = new Map(
      venue.zones.flatMap((zone) => {
        const centre = zoneCentre(zone, venue);
        return centre === null ? [] : [[zone.zoneId, { ...centre, zoneId: zone.zoneId }] as const];
      }),
    );
  }

  // --- near me ------------------------------------------------------------------------------------

  /** People near the viewer, from where the venue knows the viewer to be: a place of one's own choosing would be an oracle. */
  async nearby(viewer: Viewer, query: NearbyQuery): Promise<NearbyPerson[]> {
    const { people, picture, store } = this.#options;
    const ownTag = viewer.self?.consented === true ? people.tagOf(viewer.self.personId) : null;
    const standing = ownTag === null ? null : picture.trailOf(ownTag);
    const from = standing === null ? null : this.#placeOf(standing);
    if (from === null) return [];
    if (query.within === "same_venue") return this.#select(picture.standings(), viewer, from, query);
    const { zoneId } = from;
    const radiusM = query.within === "10m" ? 10 : query.within === "same_zone" ? 0 : 50;
    const around = radiusM === 0 ? [] : await store.nearby({ xM: from.xM, yM: from.yM, floor: from.floor, radiusM: radiusM + SNAP_MARGIN_M, limit: MAX_CANDIDATES });
    const standings = new Map<TagId, Standing & Trail>();
    for (const { tagId } of around) {
      const found = picture.trailOf(tagId);
      if (found !== null) standings.set(tagId, found);
    }
    // A radius that does not hold the whole zone says nothing about who is known by the zone alone.
    const byZone = zoneId !== null && (query.within === "same_zone" || query.within === "near" || (this.#zoneWidthsM.get(zoneId) ?? Infinity) <= radiusM);
    if (byZone) for (const found of picture.aroundZone(zoneId)) standings.set(found.tagId, found);
    return this.#select(standings.values(), viewer, from, query);
  }

  #select(standings: Iterable<Standing & Trail>, viewer: Viewer, from: Place, query: NearbyQuery): NearbyPerson[] {
    const candidates: Candidate[] = [];
    let looked = 0;
    for (const standing of standings) {
      if (++looked > MAX_CROWD) break;
      const subject = this.#options.people.holderOf(standing.tagId);
      if (typeof subject !== "object") continue;
      const at = this.#placeSeenBy(standing, subject, viewer);
      if (at !== null) candidates.push({ subject, at });
    }
    const found = selectNearby(candidates, viewer, from, query, (zoneId) => this.#zoneWidthsM.get(zoneId) ?? Infinity);
    const seen = new Map(candidates.map((candidate) => [candidate.subject.personId, candidate]));
    return found.map((person) => this.#withActivity(person, seen.get(person.personId), viewer));
  }

  #withActivity(person: NearbyPerson, candidate: Candidate | undefined, viewer: Viewer): NearbyPerson {
    const tagId = this.#options.people.tagOf(person.personId);
    if (candidate === undefined || tagId === null) return person;
    const activity = this.#options.activities.seenIn(candidate.at.zoneId, tagId, candidate.subject, viewer);
    return activity === null ? person : { ...person, activity };
  }

  #placeOf({ position, zoneId, floor, gridXM, gridYM }: Standing & Trail): Place | null {
    if (position !== null) return { xM: gridXM, yM: gridYM, floor, zoneId };
    return zoneId === null ? null : (this.#centres.get(zoneId) ?? { xM: 0, yM: 0, floor, zoneId });
  }

  /** Where this viewer may take the subject to be: strangers are shown zones alone, late, and small ones not at all. */
  #placeSeenBy(standing: Standing & Trail, subject: SubjectPolicy, viewer: Viewer): Place | null {
    if (!isSeenCoarsely(subject, viewer)) return this.#placeOf(standing);
    const stay = shownStay(standing, this.#options.nowMs(), this.#options.whenShown, Math.max(subject.sinceMs, subject.raisedAtMs));
    if (stay === null) return null;
    const { zoneId, floor } = stay;
    return { xM: 0, yM: 0, floor, zoneId: zoneId === null || this.#smallZones.has(zoneId) ? null : zoneId };
  }

  /** Where one person is, as far as this viewer may see. Nothing is looked up anew: an answer that takes longer for a known name tells that it is one. */
  whereabouts(personId: PersonId, viewer: Viewer): Whereabouts | null {
    const { people, picture } = this.#options;
    const subject = people.policyOf(personId);
    const tagId = people.tagOf(personId);
    const standing = tagId === null ? null : picture.trailOf(tagId);
    if (subject === null || standing === null) return null;
    const at = this.#placeSeenBy(standing, subject, viewer);
    return at === null ? null : whereaboutsOf(subject, at, viewer);
  }

  /** The person in charge reads in the log who looks people up; the person reads it in their own audit. */
  noteLookup(by: string): void {
    this.#options.log({ event: "a person was looked up", by });
  }

  // --- encounters -----------------------------------------------------------------------------------

  /** A few times a second: who has come together since, and words that waited for a page to open. */
  tickEncounters(): void {
    const { picture, people, nowMs } = this.#options;
    if (Math.abs(nowMs() - this.#encounteredAtMs) < ENCOUNTERS_EVERY_MS) return;
    this.#encounteredAtMs = nowMs();
    for (const { tagId } of picture.takeEntered()) this.#encounters.look(tagId);
    for (const tagId of people.takeChanged()) this.#encounters.look(tagId);
    const atMs = nowMs();
    const waiting = this.#untold.filter((word) => atMs - word.atMs < PAIR_QUIET_MS);
    this.#untold = [];
    for (const word of waiting) this.#tell(word);
    for (const { kind, a, b, matches } of this.#encounters.tick(atMs)) {
      this.#tell({ to: a.personId, other: b.personId, kind, match: matches[0], atMs });
      this.#tell({ to: b.personId, other: a.personId, kind, match: matches[1], atMs });
    }
  }

  /** Nothing of the person is kept. */
  forget(personId: PersonId, tagId: TagId | null): void {
    if (tagId !== null) forgetAttendance(this.#attendance, tagId);
    this.#encounters.forget(personId);
    this.#untold = this.#untold.filter(({ to, other }) => to !== personId && other !== personId);
  }

  /** One has gone: told as late as strangers are shown it. */
  tickParted(): void {
    const { picture, people, nowMs, whenShown } = this.#options;
    const isShownIn = (tagId: TagId, zoneId: ZoneId) => {
      const trail = picture.trailOf(tagId);
      return trail !== null && (trail.zoneId === zoneId || shownStay(trail, nowMs(), whenShown)?.zoneId === zoneId);
    };
    for (const { a, b } of this.#encounters.takeParted(isShownIn)) {
      for (const [to, other] of [[a, b], [b, a]] as const) {
        const [receiver, subject] = [people.policyOf(to), people.policyOf(other)];
        if (receiver !== null && subject !== null) this.#offer(to, other, showZoneNear(receiver, subject, "apart", nowMs()));
      }
    }
  }

  #tell(word: Untold): void {
    const { people } = this.#options;
    const { to, other, kind, match, atMs } = word;
    const [receiver, subject] = [people.policyOf(to), people.policyOf(other)];
    if (receiver === null || subject === null) return;
    const shown = kind === "near" ? showZoneNear(receiver, subject, "near", atMs) : showSerendipity(receiver, subject, wordsOf(subject, match), atMs);
    if (!this.#offer(to, other, shown) && shown !== null && kind === "serendipity" && this.#untold.length < MAX_UNTOLD) this.#untold.push(word);
  }

  /** False: none of the person's pages is open. */
  #offer(to: PersonId, other: PersonId, shown: VisibleUpdate | null): boolean {
    const { hub } = this.#options;
    const open = hub.byPerson.get(to).filter((connection) => connection.state === "open" && connection.has("me") && connection.viewer.role !== "display");
    for (const connection of open) {
      if (shown !== null) connection.remember(other);
      hub.offer(connection, shown);
    }
    if (open.length > 0) hub.flushUrgent();
    return open.length > 0;
  }

  /** Lists for the `nearby` channel, one after another; a list that has not changed is not sent again. */
  async tickNearby(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { hub, nowMs, nearbyEveryMs, log } = this.#options;
    try {
      for (const connection of hub.byChannel.nearby) {
        if (connection.state !== "open" || nowMs() < connection.nearbyDueAtMs) continue;
        connection.nearbyDueAtMs = nowMs() + nearbyEveryMs;
        await this.#tellNearby(connection);
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log({ event: "lists of people nearby wait for the store", error: String(error) });
      this.#failing = true;
    } finally {
      this.#looking = false;
    }
  }

  async #tellNearby(connection: Connection): Promise<void> {
    const { hub, nowMs } = this.#options;
    const seenBy = connection.viewer;
    const people = await this.nearby(seenBy, { within: "near", interests: [] });
    // A policy that changed while the store answered: look again next time rather than show what was allowed before.
    if (connection.viewer !== seenBy || people.some((person) => this.#options.people.policyOf(person.personId) === null)) return;
    const list = JSON.stringify(people);
    if (list === connection.lastNearby) return;
    connection.lastNearby = list;
    for (const person of people) connection.remember(person.personId);
    hub.offer(connection, showNearby(people, nowMs()));
  }

  // --- how full ------------------------------------------------------------------------------------

  /** The counts that this viewer may see now. */
  occupancy(viewer: Viewer, area: Area | null = null): VisibleUpdate[] {
    const nowMs = this.#options.nowMs();
    if (seesThings(viewer)) return inParts(this.#exactZones(), area, nowMs, this.#sessions);
    this.#release(nowMs);
    return inParts(this.#publicZones(), area, nowMs);
  }

  /** Once a second: exact counts when they changed, public ones when their window ends. */
  tickOccupancy(): void {
    const { hub, nowMs } = this.#options;
    this.#lookAtCrowd(nowMs());
    const watching = [...hub.byChannel.occupancy];
    if (watching.length === 0) return;
    const zones = this.#exactZones();
    const exact = JSON.stringify([zones, this.#sessions]);
    const atMs = nowMs();
    const exactParts = exact === this.#toldExact ? null : partsByArea(zones, atMs, this.#sessions);
    this.#toldExact = exact;
    const publicParts = this.#release(atMs) ? partsByArea(this.#publicZones(), atMs) : null;
    for (const connection of watching) {
      const parts = seesThings(connection.viewer) ? exactParts : publicParts;
      for (const part of parts?.(connection.areaOf("occupancy")) ?? []) hub.offer(connection, part);
    }
  }

  /** Whether anybody watches or not: how long a room has been full, and who has stayed, cannot be told afterwards. */
  #lookAtCrowd(atMs: number): void {
    if (Math.abs(atMs - this.#crowdedAtMs) < CROWD_EVERY_MS) return;
    this.#crowdedAtMs = atMs;
    const { picture, activities } = this.#options;
    const counts = picture.countByZone(() => true);
    markHotSpots(this.#exactSpots, (zoneId) => counts.get(zoneId) ?? 0, atMs);
    this.#sessions = noteAttendance(this.#attendance, picture.standings(), activities.plan, atMs);
  }

  #exactZones(): ZoneCount[] {
    const counts = this.#options.picture.countByZone(() => true);
    return this.#zoneIds.map((zoneId) => withMark({ zoneId, count: counts.get(zoneId) ?? 0 }, this.#exactSpots));
  }

  #publicZones(): ZoneCount[] {
    return this.#publicOccupancy.zones.map((zone) => withMark(zone, this.#publicSpots));
  }

  /** Of people who show their zone to attendees; true when a new window began. */
  #release(nowMs: number): boolean {
    if (!this.#publicOccupancy.needsCounts(nowMs)) return false;
    const { picture, people } = this.#options;
    const counts = picture.countByZone((tagId) => {
      const holder = people.holderOf(tagId);
      return typeof holder === "object" && atLeast(holder.levels.attendees, "zone");
    });
    this.#publicOccupancy.release(this.#zoneIds, counts, nowMs);
    // Of what was released, so the mark says nothing more.
    const released = new Map(this.#publicOccupancy.zones.map(({ zoneId, count }) => [zoneId, count === "few" ? 0 : count]));
    markHotSpots(this.#publicSpots, (zoneId) => released.get(zoneId) ?? 0, nowMs);
    return true;
  }
}

function withMark(zone: ZoneCount, spots: HotSpots): ZoneCount {
  const spot = spots.get(zone.zoneId);
  return spot?.hot === true ? { ...zone, hot: true, capacity: spot.capacity } : zone;
}

/** Those of each area are made once, for all who look at it. */
function partsByArea(zones: ZoneCount[], atMs: number, sessions: SessionCount[] = []): (area: Area | null) => VisibleUpdate[] {
  const made = new Map<Area | null, VisibleUpdate[]>();
  return (area) => {
    const parts = made.get(area) ?? inParts(zones, area, atMs, sessions);
    made.set(area, parts);
    return parts;
  };
}

/** Sessions go with the first part; they are of the whole venue. */
function inParts(all: ZoneCount[], area: Area | null, atMs: number, sessions: SessionCount[] = []): VisibleUpdate[] {
  const zones = area === null ? all : all.filter(({ zoneId }) => area.zoneIds.has(zoneId));
  const parts: VisibleUpdate[] = [];
  for (let from = 0; from < zones.length; from += ZONES_PER_EVENT) {
    parts.push(showOccupancy({ zones: zones.slice(from, from + ZONES_PER_EVENT), ...(from > 0 || sessions.length === 0 ? {} : { sessions }) }, atMs, parts.length));
  }
  return parts;
}

/** The diagonal of the box around a zone: nobody in it is farther from anybody else in it. */
function widthM(polygons: readonly (readonly (readonly [number, number])[])[]): number {
  const points = polygons.flat();
  if (points.length === 0) return Infinity;
  const xs = points.map(([xM]) => xM);
  const ys = points.map(([, yM]) => yM);
  const span = (values: number[]) => values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
  return Math.hypot(span(xs), span(ys));
}

/** The sum of the polygons' areas (shoelace formula); overlaps count twice, which errs to showing a zone of two halves. */
function areaM2(polygons: readonly (readonly (readonly [number, number])[])[]): number {
  return polygons.reduce((sum, points) => sum + Math.abs(points.reduce((twice, [xM, yM], index) => twice + xM * (points[(index + 1) % points.length]?.[1] ?? 0) - (points[(index + 1) % points.length]?.[0] ?? 0) * yM, 0)) / 2, 0);
}

function wordsOf({ name }: SubjectPolicy, { topic, score, reasons }: Match): { topic: string | null; text: string; compatibility: number; reasons: string[] } {
  const text = topic === null ? `You're near ${name}: ${reasons[0] ?? "you have much in common"}` : `You're near ${name}, who shares your interest in ${topic}`;
  return { topic, text, compatibility: Math.max(COMPATIBLE, score), reasons };
}
