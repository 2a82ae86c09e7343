import { polygonCentre, type ActivityPlan, type Position, type SessionCount, type TagId, type VenueMap, type ZoneId } from "@konferenco/protocol";

/**
 * The mark of a hot spot, with hysteresis so that a zone at the brink does not flicker (requirement B12). It is made
 * of counts alone: of exact ones for who keeps people safe, of the released ones for everybody else.
 */
export type HotSpots = Map<ZoneId, ZoneCrowd>;

interface ZoneCrowd {
  capacity: number;
  hot: boolean;
  /** Since when the count asks for the other state; null when it does not. */
  crossedAtMs: number | null;
}

/** Standing in a hall at two square metres each: what is comfortable, half of what a fire code allows. */
const PEOPLE_PER_M2 = 0.5;
const UNDRAWN_CAPACITY = 30;
/** Three people in a phone booth are no hot spot. */
const SMALLEST_HOT = 8;
const HOT_SHARE = 0.8;
const COOL_SHARE = 0.6;
const HOLD_MS = 30_000;

/** `before`: which are hot, under the schedule before this one. */
export function newHotSpots(venue: VenueMap, plan: ActivityPlan, before?: HotSpots): HotSpots {
  return new Map(
    venue.zones.map(({ zoneId, polygons }) => {
      const areaM2 = polygons.reduce((sum, polygon) => sum + polygonCentre(polygon).areaM2, 0);
      const seats = Math.max(0, ...(plan.sessionsIn.get(zoneId) ?? []).map((session) => session.capacity ?? 0));
      const capacity = seats > 0 ? seats : areaM2 > 0 ? Math.ceil(areaM2 * PEOPLE_PER_M2) : UNDRAWN_CAPACITY;
      return [zoneId, { hot: false, crossedAtMs: null, ...before?.get(zoneId), capacity }];
    }),
  );
}

/** Between the two shares nothing changes. */
export function markHotSpots(zones: HotSpots, countOf: (zoneId: ZoneId) => number, nowMs: number): void {
  for (const [zoneId, zone] of zones) {
    const count = countOf(zoneId);
    const hotAt = Math.max(SMALLEST_HOT, HOT_SHARE * zone.capacity);
    const asksForOther = zone.hot ? count < hotAt * (COOL_SHARE / HOT_SHARE) : count >= hotAt;
    if (!asksForOther) {
      zone.crossedAtMs = null;
      continue;
    }
    zone.crossedAtMs ??= nowMs;
    if (nowMs - zone.crossedAtMs < HOLD_MS) continue;
    zone.hot = !zone.hot;
    zone.crossedAtMs = null;
  }
}

/** Attendance by session: who is there, and who stayed. Of a session that is over only the numbers are kept. */
export type AttendanceBook = Map<string, SessionCrowd>;

interface SessionCrowd {
  /** In the session now, and since when. */
  present: Map<TagId, number>;
  /** Tags that stayed for long enough; 40 B each. */
  attended: Set<TagId>;
  attendedBefore: number;
  peak: number;
  /** When somebody was in it last. */
  seenAtMs: number;
}

/** Whoever looked in is no attendee. */
const ATTENDED_MS = 5 * 60_000;
/** Then nobody of its people lingers. */
const OVER_AFTER_MS = 10 * 60_000;

/** Tags between two places where it may be left for a while: 0.1 ms. */
const STEP_TAGS = 250;

/** To be called every few seconds with everybody. 100,000 tags cost 35 ms, so it pauses by the way, for who drives it to do something else. */
export function* noteAttendance(sessions: AttendanceBook, tags: Iterable<{ tagId: TagId; position: Pick<Position, "activity"> | null }>, plan: ActivityPlan, nowMs: number): Generator<void, SessionCount[]> {
  const present = new Map<string, Set<TagId>>();
  let looked = 0;
  for (const { tagId, position } of tags) {
    if (++looked % STEP_TAGS === 0) yield;
    const activity = position?.activity;
    if (activity?.kind !== "in_session") continue;
    const there = present.get(activity.sessionId);
    if (there === undefined) present.set(activity.sessionId, new Set([tagId]));
    else there.add(tagId);
    if (!sessions.has(activity.sessionId)) sessions.set(activity.sessionId, { present: new Map(), attended: new Set(), attendedBefore: 0, peak: 0, seenAtMs: nowMs });
  }
  const counts: SessionCount[] = [];
  for (const [sessionId, session] of sessions) {
    yield* attend(session, present.get(sessionId) ?? NOBODY, nowMs);
    const count = { sessionId, present: session.present.size, attended: session.attendedBefore + session.attended.size, peak: session.peak };
    if (isOver(sessionId, session, plan, nowMs)) {
      session.attendedBefore = count.attended;
      session.attended.clear();
    }
    counts.push(count);
  }
  return counts;
}

/** True once it has ended and the last of its people has gone. One that the schedule does not have, not yet or not any more, ended with them. */
export function isOver(sessionId: string, session: SessionCrowd | undefined, plan: ActivityPlan, nowMs: number): boolean {
  const endMs = plan.sessionOf.get(sessionId)?.endMs ?? session?.seenAtMs ?? -Infinity;
  return (session?.present.size ?? 0) === 0 && nowMs - endMs >= OVER_AFTER_MS;
}

const NOBODY: ReadonlySet<TagId> = new Set();

function* attend(session: SessionCrowd, there: ReadonlySet<TagId>, nowMs: number): Generator<void, void> {
  let looked = 0;
  for (const tagId of session.present.keys()) {
    if (++looked % STEP_TAGS === 0) yield;
    if (!there.has(tagId)) session.present.delete(tagId);
  }
  for (const tagId of there) {
    if (++looked % STEP_TAGS === 0) yield;
    const sinceMs = session.present.get(tagId);
    if (sinceMs === undefined) session.present.set(tagId, nowMs);
    else if (nowMs - sinceMs >= ATTENDED_MS) session.attended.add(tagId);
  }
  session.peak = Math.max(session.peak, session.present.size);
  if (session.present.size > 0) session.seenAtMs = nowMs;
}

/** A tag whose carrier asked to be forgotten leaves no trace in the counts' memory. */
export function forgetAttendance(sessions: AttendanceBook, tagId: TagId): void {
  for (const session of sessions.values()) {
    session.present.delete(tagId);
    session.attended.delete(tagId);
  }
}
