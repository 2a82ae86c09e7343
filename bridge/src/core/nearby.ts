import { MAX_NEARBY_RESULTS, type NearbyPerson, type ZoneId } from "@konferenco/protocol";
import { bandOf, sharesZone, type Band, type Place, type SubjectPolicy, type Viewer } from "./privacy.ts";

/** The fixed choices of requirement C1, finest first. */
export const BANDS = ["10m", "50m", "same_zone", "same_venue"] as const satisfies readonly Band[];

export interface NearbyQuery {
  /** `near`: up to 50 m, or in the same zone. */
  within: Band | "near";
  /** Only people who share one of these; empty: anybody. */
  interests: readonly string[];
}

export interface Candidate {
  subject: SubjectPolicy;
  at: Place;
}

const RADIUS_M = { "10m": 10, "50m": 50 } as const;

/**
 * People near the viewer as far as each allows. Sorted by band, then by shared interests, then by name:
 * never by distance, since an order by hidden distances gives them away (Hornet 2024: 10 m).
 */
export function selectNearby(candidates: Iterable<Candidate>, viewer: Viewer, from: Place, query: NearbyQuery, zoneWidthM: (zoneId: ZoneId) => number): NearbyPerson[] {
  const wanted = query.interests.map(fold);
  const own = new Set(viewer.self?.interests.map(fold));
  const found = new Map<string, NearbyPerson>();
  for (const { subject, at } of candidates) {
    if (subject.personId === viewer.personId || found.has(subject.personId)) continue;
    const within = bandOf(subject, at, viewer, from);
    if (within === null) continue;
    const inZone = sharesZone(subject, at, viewer, from);
    if (!isWithin(within, inZone, query.within, from, zoneWidthM)) continue;
    if (wanted.length > 0 && !subject.interests.some((interest) => wanted.includes(fold(interest)))) continue;
    const sharedInterests = subject.interests.filter((interest) => own.has(fold(interest)));
    found.set(subject.personId, { personId: subject.personId, name: subject.name, company: subject.company, sharedInterests, within });
  }
  const rank = (person: NearbyPerson) => BANDS.indexOf(person.within);
  return [...found.values()]
    .sort((a, b) => rank(a) - rank(b) || b.sharedInterests.length - a.sharedInterests.length || compare(a.name, b.name) || compare(a.personId, b.personId))
    .slice(0, MAX_NEARBY_RESULTS);
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

function fold(interest: string): string {
  return interest.trim().toLowerCase();
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
