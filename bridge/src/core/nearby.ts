import { MAX_NEARBY_RESULTS, type NearbyPerson, type PersonId, type Profile, type ZoneId } from "@konferenco/protocol";
import { fold, matchOf, sharedOf } from "./compatibility.ts";
import type { SubjectPolicy, Viewer } from "./privacy-policy.ts";
import { bandOf, sharesZone, type Band, type Place } from "./privacy.ts";

/** The fixed choices of requirement C1, finest first. */
export const BANDS = ["10m", "50m", "same_zone", "same_venue"] as const satisfies readonly Band[];

/** Questions about who is near can be narrowed, never placed: there is no radius, no page and no position to choose. */
export interface NearbyFilters {
  /** Only people who share one of these; empty: anybody. */
  interests: readonly string[];
  company?: string | undefined;
  industry?: string | undefined;
  jobFunction?: string | undefined;
  lookingFor?: string | undefined;
  /** `mine`: of the viewer's company. */
  sameCompany?: boolean | undefined;
  mutualConnections?: boolean | undefined;
  compatibleSchedule?: boolean | undefined;
  openToNetworking?: boolean | undefined;
}

export interface NearbyQuery extends NearbyFilters {
  /** `near`: up to 50 m, or in the same zone. */
  within: Band | "near";
  /** What the viewer was told last, of a list that goes on. */
  held?: ReadonlyMap<PersonId, Band>;
}

export interface Candidate {
  subject: SubjectPolicy;
  /** Where the viewer may know the subject to be, as far as its level allows. */
  at: Place;
}

export const RADIUS_M = { "10m": 10, "50m": 50 } as const;

/** True if somebody may be near and yet not be meant. */
export function isNarrow({ within: _within, held: _held, interests, ...asked }: NearbyQuery): boolean {
  return interests.length > 0 || Object.values(asked).some((wanted) => wanted !== undefined && wanted !== false && wanted !== "");
}

/**
 * People near the viewer as far as each allows. Sorted by band, then by relevance, then by name: never by
 * distance, since an order by hidden distances gives them away (Hornet 2024: 10 m).
 */
export function selectNearby(candidates: Iterable<Candidate>, viewer: Viewer, from: Place, query: NearbyQuery, zoneWidthM: (zoneId: ZoneId) => number): NearbyPerson[] {
  const passes = newFilter(viewer, query);
  const known = new Set<string>();
  const byBand: Record<Band, SubjectPolicy[]> = { "10m": [], "50m": [], same_zone: [], same_venue: [] };
  for (const { subject, at } of candidates) {
    if (subject.personId === viewer.personId || known.has(subject.personId)) continue;
    const within = bandOf(subject, at, viewer, from, query.held?.get(subject.personId));
    if (within === null) continue;
    const inZone = sharesZone(subject, at, viewer, from);
    if (!isWithin(within, inZone, query.within, from, zoneWidthM)) continue;
    if (!passes(subject)) continue;
    known.add(subject.personId);
    byBand[within].push(subject);
  }
  const people: NearbyPerson[] = [];
  // Relevance takes ten times what all before it takes: only of bands that are shown.
  for (const within of BANDS) {
    const left = MAX_NEARBY_RESULTS - people.length;
    if (left > 0) people.push(...byBand[within].map((subject) => ({ within, ...describe(subject, viewer) })).sort(byRelevance).slice(0, left));
  }
  return people;
}

function byRelevance(a: { relevance: number; name: string; personId: string }, b: typeof a): number {
  return b.relevance - a.relevance || compare(a.name, b.name) || compare(a.personId, b.personId);
}

function isWithin(band: Band, inZone: boolean, asked: NearbyQuery["within"], from: Place, zoneWidthM: (zoneId: ZoneId) => number): boolean {
  switch (asked) {
    case "same_venue":
      return true;
    case "same_zone":
      return inZone; // ten metres away may be the next room
    case "near":
      return inZone || band === "10m" || band === "50m";
    default:
      // Somebody known to be in the viewer's zone is within 50 m if the whole zone is: that is on the map for all to see.
      return BANDS.indexOf(band) <= BANDS.indexOf(asked) || (inZone && from.zoneId !== null && zoneWidthM(from.zoneId) <= RADIUS_M[asked]);
  }
}

function newFilter(viewer: Viewer, filters: NearbyFilters): (subject: SubjectPolicy) => boolean {
  const own = viewer.self;
  const checks: ((subject: SubjectPolicy) => boolean)[] = [];
  const same = (wanted: string | undefined, of: (profile: Profile) => string | undefined) => {
    if (wanted !== undefined && wanted !== "") checks.push(({ profile }) => fold(of(profile) ?? "") === fold(wanted));
  };
  if (filters.interests.length > 0) checks.push(({ interests }) => sharedOf(filters.interests, interests).length > 0);
  same(filters.company, ({ company }) => company);
  same(filters.industry, ({ industry }) => industry);
  same(filters.jobFunction, ({ jobFunction }) => jobFunction);
  same(filters.lookingFor, ({ lookingFor }) => lookingFor);
  if (filters.sameCompany === true) checks.push(({ company }) => company !== "" && own !== null && fold(company) === fold(own.company));
  if (filters.mutualConnections === true) checks.push((subject) => mutualOf(subject, own) > 0);
  if (filters.compatibleSchedule === true) checks.push(({ profile }) => sharedOf(own?.profile.schedule ?? [], profile.schedule ?? []).length > 0);
  if (filters.openToNetworking === true) checks.push(({ profile }) => profile.openToNetworking === true);
  return (subject) => checks.every((check) => check(subject));
}

/** People whom both know. Half of what each side says of the other counts, so that nobody is made a friend by one list alone. */
function mutualOf(subject: SubjectPolicy, own: SubjectPolicy | null): number {
  if (own === null) return 0;
  let mutual = 0;
  for (const personId of own.connections) if (subject.connections.has(personId)) mutual++;
  return mutual;
}

/** Half for what the two have in common, the rest for people they know, being open to it, and being likely to answer. */
function describe(subject: SubjectPolicy, viewer: Viewer): Omit<NearbyPerson, "within"> & { relevance: number; reasons: string[] } {
  const { personId, name, company } = subject;
  const own = viewer.self;
  const sharedInterests = sharedOf(subject.interests, own?.interests ?? []);
  const reasons: string[] = [];
  let relevance = 0;
  if (own !== null) {
    const match = matchOf(own.profile, subject.profile);
    relevance += 0.5 * match.score;
    reasons.push(...match.reasons);
    const mutual = mutualOf(subject, own);
    relevance += 0.2 * Math.min(1, mutual / 3);
    if (mutual > 0) reasons.push(mutual === 1 ? "1 connection in common" : `${mutual} connections in common`);
    if (own.connections.has(personId) && subject.connections.has(own.personId)) {
      relevance += 0.1;
      reasons.push("you are connected");
    }
    if (company !== "" && fold(company) === fold(own.company)) {
      relevance += 0.05;
      reasons.push(`both at ${company}`);
    }
  }
  if (subject.profile.openToNetworking === true) {
    relevance += 0.1;
    reasons.push("open to networking");
  }
  // Whoever lets everybody write to them is more likely to answer.
  if (subject.discoverability === "public") relevance += 0.05;
  return { personId, name, company, sharedInterests, relevance: Math.round(relevance * 100) / 100, reasons };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
