import { polygonCentre, type Activity, type Schedule, type TagId, type VenueMap, type ZoneId } from "@konferenco/protocol";

/**
 * Counts (requirement B12): tags per zone, attendance per session, and the mark of a hot spot, with hysteresis so
 * that a zone at the brink does not flicker. What the public may see of counts is decided in the bridge.
 */
export interface CrowdingState {
  zones: Map<ZoneId, ZoneCrowd>;
  sessions: Map<string, SessionCrowd>;
}

interface ZoneCrowd {
  capacity: number;
  hot: boolean;
  /** Since when the count asks for the other state; null when it does not. */
  crossedAtMs: number | null;
}

interface SessionCrowd {
  /** In the session now, and since when. */
  present: Map<TagId, number>;
  /** Tags that stayed for long enough; 40 B each. */
  attended: Set<TagId>;
  peak: number;
}

export interface ZoneCount {
  zoneId: ZoneId;
  count: number;
  capacity: number;
  hot: boolean;
}

export interface SessionCount {
  sessionId: string;
  present: number;
  /** Who stayed five minutes or more, ever. */
  attended: number;
  peak: number;
}

/** A zone came to be a hot spot, or ceased to. */
export interface HotSpotChange {
  zoneId: ZoneId;
  hot: boolean;
  count: number;
  capacity: number;
  atMs: number;
}

/** Standing in a hall at two square metres each: what is comfortable, half of what a fire code allows. */
const PEOPLE_PER_M2 = 0.5;
const UNDRAWN_CAPACITY = 30;
/** Three people in a phone booth are no hot spot. */
const SMALLEST_HOT = 8;
const HOT_SHARE = 0.8;
const COOL_SHARE = 0.6;
const HOLD_MS = 30_000;
/** Whoever looked in is no attendee. */
const ATTENDED_MS = 5 * 60_000;

export function newCrowding(venue: VenueMap, schedule: Pick<Schedule, "sessions"> | null = null): CrowdingState {
  const zones = new Map<ZoneId, ZoneCrowd>();
  for (const { zoneId, polygons } of venue.zones) {
    const areaM2 = polygons.reduce((sum, polygon) => sum + polygonCentre(polygon).areaM2, 0);
    const seats = schedule?.sessions.filter((session) => session.zoneId === zoneId && session.capacity !== undefined).map((session) => session.capacity as number) ?? [];
    const capacity = seats.length > 0 ? Math.max(...seats) : areaM2 > 0 ? Math.ceil(areaM2 * PEOPLE_PER_M2) : UNDRAWN_CAPACITY;
    zones.set(zoneId, { capacity, hot: false, crossedAtMs: null });
  }
  return { zones, sessions: new Map() };
}

export interface CrowdedTag {
  tagId: TagId;
  zoneId: ZoneId | null;
  activity: Activity | null;
}

/** Counts everybody anew: 100,000 tags cost about 10 ms, so once in 5 s is plenty. */
export function countCrowd(state: CrowdingState, tags: Iterable<CrowdedTag>, nowMs: number): { zones: ZoneCount[]; sessions: SessionCount[]; hotSpots: HotSpotChange[] } {
  const counts = new Map<ZoneId, number>();
  const present = new Map<string, Set<TagId>>();
  for (const { tagId, zoneId, activity } of tags) {
    if (zoneId !== null) counts.set(zoneId, (counts.get(zoneId) ?? 0) + 1);
    if (activity?.kind !== "in_session") continue;
    const there = present.get(activity.sessionId);
    if (there === undefined) present.set(activity.sessionId, new Set([tagId]));
    else there.add(tagId);
  }
  const hotSpots: HotSpotChange[] = [];
  const zones = [...state.zones].map(([zoneId, zone]): ZoneCount => {
    const count = counts.get(zoneId) ?? 0;
    if (markHot(zone, count, nowMs)) hotSpots.push({ zoneId, hot: zone.hot, count, capacity: zone.capacity, atMs: nowMs });
    return { zoneId, count, capacity: zone.capacity, hot: zone.hot };
  });
  for (const sessionId of present.keys()) {
    if (!state.sessions.has(sessionId)) state.sessions.set(sessionId, { present: new Map(), attended: new Set(), peak: 0 });
  }
  const sessions = [...state.sessions].map(([sessionId, session]): SessionCount => {
    attend(session, present.get(sessionId) ?? new Set(), nowMs);
    return { sessionId, present: session.present.size, attended: session.attended.size, peak: session.peak };
  });
  return { zones, sessions, hotSpots };
}

/** True when the mark changed. Between the two shares nothing does. */
function markHot(zone: ZoneCrowd, count: number, nowMs: number): boolean {
  const hotAt = Math.max(SMALLEST_HOT, HOT_SHARE * zone.capacity);
  const asksForOther = zone.hot ? count < hotAt * (COOL_SHARE / HOT_SHARE) : count >= hotAt;
  if (!asksForOther) {
    zone.crossedAtMs = null;
    return false;
  }
  zone.crossedAtMs ??= nowMs;
  if (nowMs - zone.crossedAtMs < HOLD_MS) return false;
  zone.hot = !zone.hot;
  zone.crossedAtMs = null;
  return true;
}

function attend(session: SessionCrowd, there: ReadonlySet<TagId>, nowMs: number): void {
  for (const tagId of session.present.keys()) if (!there.has(tagId)) session.present.delete(tagId);
  for (const tagId of there) {
    const sinceMs = session.present.get(tagId);
    if (sinceMs === undefined) session.present.set(tagId, nowMs);
    else if (nowMs - sinceMs >= ATTENDED_MS) session.attended.add(tagId);
  }
  session.peak = Math.max(session.peak, session.present.size);
}

/** A tag whose carrier asked to be forgotten leaves no trace in the counts' memory. */
export function forgetInCrowd(state: CrowdingState, tagId: TagId): void {
  for (const session of state.sessions.values()) {
    session.present.delete(tagId);
    session.attended.delete(tagId);
  }
}
