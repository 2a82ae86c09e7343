import { MAX_NEARBY_RESULTS, zoneCentre, type NearbyPerson, type PersonId, type TagId, type VenueMap, type ZoneId } from "@konferenco/protocol";
import type { Activities } from "./activities.ts";
import type { Connection } from "./connection.ts";
import { shownStay, type Trail, type WindowDice } from "./core/coarse-times.ts";
import { COMPATIBLE, type Match } from "./core/compatibility.ts";
import { Encounters, PAIR_QUIET_MS } from "./core/encounters.ts";
import type { LivePicture } from "./core/live-picture.ts";
import { RADIUS_M, isNarrow, selectNearby, type Candidate, type NearbyQuery } from "./core/nearby.ts";
import { isSeenCoarsely, type SubjectPolicy, type Viewer } from "./core/privacy-policy.ts";
import {
  LEAVE_RATIO,
  showNearby,
  showSerendipity,
  showZoneNear,
  whereaboutsOf,
  type Place,
  type Standing,
  type VisibleUpdate,
  type Whereabouts,
} from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache } from "./people-cache.ts";

/** How many are looked at for one answer, 1 µs each: around the viewer, where the radius grows no further once it holds so many,
 *  and in all; which ones in a larger crowd depends on when they were first heard, not on where they are. */
interface CrowdLimits {
  around: number;
  all: number;
}
/** 20 are shown: in a crowd the best of the nearest. */
const OF_A_QUESTION: CrowdLimits = { around: 500, all: 5_000 };
/** A question that narrows (by interests, a company …) finds few of many. */
const OF_A_SEARCH: CrowdLimits = { around: 2_500, all: 20_000 };
/** A list of the `nearby` channel is made 5,000 times a second for 10,000 pages, and narrows nothing. */
const OF_A_LIST: CrowdLimits = { around: 100, all: 1_000 };
/** What is due is worked off in slices, between which requests are answered and alerts go out. */
const SLICE_MS = 2;
/** Of each tick of 50 ms: after a start everybody is compared with everybody in their zone. */
const ENCOUNTERS_MS = 8;
/** Zones smaller than this are a place, not an area: strangers are shown the venue instead. */
const SMALL_ZONE_M2 = 50;
const ENCOUNTERS_EVERY_MS = 250;
/** Words of an encounter that wait for a person's page to open. */
const MAX_UNTOLD = 10_000;

export interface SurroundingsOptions {
  venue: VenueMap;
  people: PeopleCache;
  picture: LivePicture;
  hub: Hub;
  nowMs: () => number;
  nearbyEveryMs: number;
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

/** Who is near a viewer, and who has met whom. */
export class Surroundings {
  readonly #options: SurroundingsOptions;
  readonly #zoneWidthsM: ReadonlyMap<ZoneId, number>;
  readonly #centres: ReadonlyMap<ZoneId, Place>;
  readonly #smallZones: ReadonlySet<ZoneId>;
  readonly #encounters: Encounters;
  #untold: Untold[] = [];
  #encounteredAtMs = 0;
  #looking = false;
  #comparing = false;
  #parting = false;

  constructor(options: SurroundingsOptions) {
    const { venue } = options;
    this.#options = options;
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
    this.#centres = new Map(
      venue.zones.flatMap((zone) => {
        const centre = zoneCentre(zone, venue);
        return centre === null ? [] : [[zone.zoneId, { ...centre, zoneId: zone.zoneId }] as const];
      }),
    );
  }

  // --- near me ------------------------------------------------------------------------------------

  /**
   * People near the viewer, from where the venue knows the viewer to be: a place of one's own choosing would be an
   * oracle. Asked of the live picture and not of the store: 10,000 pages that ask every 2 s would be its whole work.
   */
  nearby(viewer: Viewer, query: NearbyQuery, limits = isNarrow(query) ? OF_A_SEARCH : OF_A_QUESTION): NearbyPerson[] {
    const { people, picture } = this.#options;
    const ownTag = viewer.self?.consented === true ? people.tagOf(viewer.self.personId) : null;
    const standing = ownTag === null ? null : picture.trailOf(ownTag);
    const from = standing === null ? null : this.#placeOf(standing);
    if (from === null) return [];
    // Those within 10 m come first: when they fill the list nobody else is looked at, which is what the list says.
    const close = this.#select(this.#options.picture.around(from, RADIUS_M["10m"] * LEAVE_RATIO, limits.around), viewer, from, query);
    if (close.length === MAX_NEARBY_RESULTS && close.at(-1)?.within === "10m") return close;
    if (query.within !== "same_venue") return this.#select(this.#around(from, query.within, limits), viewer, from, query);
    // Nearer ones come first, so the whole venue is looked at only when they do not fill the list.
    const near = this.#select(this.#around(from, "near", limits), viewer, from, { ...query, within: "near" });
    return near.length === MAX_NEARBY_RESULTS ? near : this.#select(first(limits.all, picture.standings()), viewer, from, query);
  }

  *#around(from: Place, within: Exclude<NearbyQuery["within"], "same_venue">, limits: CrowdLimits): Iterable<Standing & Trail> {
    const { picture } = this.#options;
    const radiusM = RADIUS_M[within === "10m" ? "10m" : "50m"];
    if (within !== "same_zone") yield* picture.around(from, radiusM * LEAVE_RATIO, limits.around);
    // A radius that does not hold the whole zone says nothing about who is known by the zone alone.
    const byZone = within === "same_zone" || within === "near" || (from.zoneId !== null && (this.#zoneWidthsM.get(from.zoneId) ?? Infinity) <= radiusM);
    if (from.zoneId !== null && byZone) yield* first(limits.all, picture.aroundZone(from.zoneId));
  }

  #select(standings: Iterable<Standing & Trail>, viewer: Viewer, from: Place, query: NearbyQuery): NearbyPerson[] {
    const widthOf = (zoneId: ZoneId) => this.#zoneWidthsM.get(zoneId) ?? Infinity;
    return selectNearby(this.#candidates(standings, viewer), viewer, from, query, widthOf).map((person) => this.#withActivity(person, viewer));
  }

  *#candidates(standings: Iterable<Standing & Trail>, viewer: Viewer): Iterable<Candidate> {
    for (const standing of standings) {
      const subject = this.#options.people.holderOf(standing.tagId);
      if (typeof subject !== "object") continue;
      const at = this.#placeSeenBy(standing, subject, viewer);
      if (at !== null) yield { subject, at };
    }
  }

  #withActivity(person: NearbyPerson, viewer: Viewer): NearbyPerson {
    const { people, picture, activities } = this.#options;
    const [subject, tagId] = [people.policyOf(person.personId), people.tagOf(person.personId)];
    const standing = tagId === null ? null : picture.trailOf(tagId);
    if (subject === null || tagId === null || standing === null) return person;
    const activity = activities.seenIn(this.#placeSeenBy(standing, subject, viewer)?.zoneId ?? null, tagId, subject, viewer);
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

  /** Every tick: who has come together, as far as the time goes; a few times a second, who has moved since, and words that waited for a page to open. */
  tickEncounters(): void {
    if (this.#comparing) return;
    const atMs = this.#options.nowMs();
    if (Math.abs(atMs - this.#encounteredAtMs) >= ENCOUNTERS_EVERY_MS) this.#lookAnew(atMs);
    this.#comparing = true;
    this.#compareSlice(atMs, ENCOUNTERS_MS);
  }

  #compareSlice(atMs: number, leftMs: number): void {
    const beganMs = performance.now();
    let isThrough = true;
    const hasTime = () => (isThrough = performance.now() - beganMs < SLICE_MS);
    for (const { kind, a, b, matches } of this.#encounters.tick(atMs, hasTime)) {
      this.#tell({ to: a.personId, other: b.personId, kind, match: matches[0], atMs });
      this.#tell({ to: b.personId, other: a.personId, kind, match: matches[1], atMs });
    }
    const restMs = leftMs - (performance.now() - beganMs);
    if (isThrough || restMs <= 0) this.#comparing = false;
    else setImmediate(() => this.#compareSlice(atMs, restMs));
  }

  #lookAnew(atMs: number): void {
    const { picture, people } = this.#options;
    this.#encounteredAtMs = atMs;
    for (const { tagId } of picture.takeEntered()) this.#encounters.look(tagId);
    for (const tagId of people.takeChanged()) this.#encounters.look(tagId);
    const waiting = this.#untold.filter((word) => atMs - word.atMs < PAIR_QUIET_MS);
    this.#untold = [];
    for (const word of waiting) this.#tell(word);
  }

  /** Nothing of the person is kept. */
  forget(personId: PersonId): void {
    this.#encounters.forget(personId);
    this.#untold = this.#untold.filter(({ to, other }) => to !== personId && other !== personId);
  }

  /** Once a second: one has gone, told as late as strangers are shown it. Half a microsecond a pair, so in slices: 200,000 take 0.1 s. */
  tickParted(): void {
    if (this.#parting) return;
    this.#parting = true;
    this.#partSlice();
  }

  #partSlice(): void {
    const { picture, people, nowMs, whenShown } = this.#options;
    const untilMs = performance.now() + SLICE_MS;
    let isThrough = true;
    const hasTime = () => (isThrough = performance.now() < untilMs);
    const isShownIn = (tagId: TagId, zoneId: ZoneId) => {
      const trail = picture.trailOf(tagId);
      return trail !== null && (trail.zoneId === zoneId || shownStay(trail, nowMs(), whenShown)?.zoneId === zoneId);
    };
    for (const { a, b } of this.#encounters.takeParted(isShownIn, hasTime)) {
      for (const [to, other] of [[a, b], [b, a]] as const) {
        const [receiver, subject] = [people.policyOf(to), people.policyOf(other)];
        if (receiver !== null && subject !== null) this.#offer(to, other, showZoneNear(receiver, subject, "apart", nowMs()));
      }
    }
    if (isThrough) this.#parting = false;
    else setImmediate(() => this.#partSlice());
  }

  #tell(word: Untold): void {
    const { people } = this.#options;
    const { to, other, kind, match, atMs } = word;
    if (this.#pagesOf(to).length === 0) {
      if (kind === "serendipity" && this.#untold.length < MAX_UNTOLD) this.#untold.push(word);
      return;
    }
    const [receiver, subject] = [people.policyOf(to), people.policyOf(other)];
    if (receiver === null || subject === null) return;
    this.#offer(to, other, kind === "near" ? showZoneNear(receiver, subject, "near", atMs) : showSerendipity(receiver, subject, wordsOf(subject, match), atMs));
  }

  #pagesOf(personId: PersonId): Connection[] {
    return this.#options.hub.byPerson.get(personId).filter((connection) => connection.state === "open" && connection.has("me") && connection.viewer.role !== "display");
  }

  #offer(to: PersonId, other: PersonId, shown: VisibleUpdate | null): void {
    const { hub } = this.#options;
    if (shown === null) return;
    for (const connection of this.#pagesOf(to)) {
      connection.remember(other);
      hub.offer(connection, shown);
    }
    hub.flushUrgent();
  }

  /** Lists for the `nearby` channel, in slices, so that nobody's alert waits for them; a list that has not changed is not sent again. */
  tickNearby(): void {
    if (this.#looking) return;
    const atMs = this.#options.nowMs();
    const due = [...this.#options.hub.byChannel.nearby].filter((connection) => atMs >= connection.nearbyDueAtMs);
    if (due.length === 0) return;
    this.#looking = true;
    this.#tellSlice(due, 0);
  }

  #tellSlice(due: readonly Connection[], from: number): void {
    const untilMs = performance.now() + SLICE_MS;
    for (let index = from; index < due.length; index++) {
      if (performance.now() > untilMs) return void setImmediate(() => this.#tellSlice(due, index));
      const connection = due[index] as Connection;
      if (connection.state === "open" && connection.has("nearby")) this.#tellNearby(connection);
    }
    this.#looking = false;
  }

  #tellNearby(connection: Connection): void {
    const { hub, nowMs, nearbyEveryMs } = this.#options;
    connection.nearbyDueAtMs = nowMs() + nearbyEveryMs;
    const people = this.nearby(connection.viewer, { within: "near", interests: [], ...(connection.heldNearby === null ? {} : { held: connection.heldNearby }) }, OF_A_LIST);
    const list = people.length === 0 ? "[]" : JSON.stringify(people);
    if (list === connection.lastNearby) return;
    connection.lastNearby = list;
    connection.heldNearby = people.length === 0 ? null : new Map(people.map(({ personId, within }) => [personId, within]));
    for (const person of people) connection.remember(person.personId);
    hub.offer(connection, showNearby(people, nowMs()));
  }
}

function* first<T>(limit: number, all: Iterable<T>): Iterable<T> {
  let left = limit;
  for (const one of all) {
    if (left-- === 0) return;
    yield one;
  }
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
