import type { Schedule, SessionItem } from "./schedule.ts";
import type { ZoneId } from "./ids.ts";
import type { VenueMap } from "./venue.ts";

/** What somebody is doing, as far as place and schedule tell (requirement B9). */
export type Activity =
  | { kind: "in_session"; sessionId: string }
  | { kind: "networking" }
  | { kind: "at_booth"; exhibitorId: string }
  | { kind: "in_meeting"; meetingId: string }
  | { kind: "exploring" };

export const ACTIVITY_KINDS = ["in_session", "networking", "at_booth", "in_meeting", "exploring"] as const satisfies readonly Activity["kind"][];

export function sameActivity(a: Activity | null, b: Activity | null): boolean {
  if (a === b) return true;
  return a !== null && b !== null && a.kind === b.kind && idOf(a) === idOf(b);
}

function idOf(activity: Activity): string {
  switch (activity.kind) {
    case "in_session":
      return activity.sessionId;
    case "at_booth":
      return activity.exhibitorId;
    case "in_meeting":
      return activity.meetingId;
    default:
      return "";
  }
}

/** People take their seats before it begins and linger after it ends. */
const EARLY_MS = 10 * 60_000;
const LINGER_MS = 5 * 60_000;
/** Where people talk to each other. */
const SOCIAL_KINDS: ReadonlySet<string> = new Set(["lounge", "food"]);
/** Where people are on their way. */
const WAY_KINDS: ReadonlySet<string> = new Set(["corridor", "stairs"]);

export const NETWORKING: Activity = { kind: "networking" };
export const EXPLORING: Activity = { kind: "exploring" };

interface PlannedSession extends SessionItem {
  activity: Activity;
}

/** The schedule by zone, prepared once: it is asked twice a second for every tag. */
export interface ActivityPlan {
  sessionsIn: ReadonlyMap<ZoneId, readonly PlannedSession[]>;
  sessionOf: ReadonlyMap<string, SessionItem>;
  boothIn: ReadonlyMap<ZoneId, Activity>;
  socialZones: ReadonlySet<ZoneId>;
  /** Corridors and stairs: before the door of a session, and nowhere else yet. */
  ways: ReadonlySet<ZoneId>;
}

export function planActivities(venue: VenueMap, { sessions, booths }: Pick<Schedule, "sessions" | "booths">): ActivityPlan {
  const sessionsIn = new Map<ZoneId, PlannedSession[]>();
  for (const session of [...sessions].sort((a, b) => a.startMs - b.startMs)) {
    const planned: PlannedSession = { ...session, activity: { kind: "in_session", sessionId: session.sessionId } };
    const inZone = sessionsIn.get(session.zoneId);
    if (inZone === undefined) sessionsIn.set(session.zoneId, [planned]);
    else inZone.push(planned);
  }
  return {
    sessionsIn,
    sessionOf: new Map(sessions.map((session) => [session.sessionId, session])),
    boothIn: new Map(booths.map(({ zoneId, exhibitorId }) => [zoneId, { kind: "at_booth", exhibitorId }])),
    socialZones: zonesOf(venue, SOCIAL_KINDS),
    ways: zonesOf(venue, WAY_KINDS),
  };
}

function zonesOf({ zones }: VenueMap, kinds: ReadonlySet<string>): ReadonlySet<ZoneId> {
  return new Set(zones.filter(({ kind }) => kinds.has(kind)).map(({ zoneId }) => zoneId));
}

/** What a zone and the schedule say of whoever is there, without memory: no more than anybody reads off the programme. */
export function activityOfPlace(zoneId: ZoneId | null, plan: ActivityPlan, nowMs: number): Activity {
  if (zoneId === null) return EXPLORING;
  return sessionAt(plan.sessionsIn.get(zoneId) ?? [], nowMs)?.activity ?? plan.boothIn.get(zoneId) ?? (plan.socialZones.has(zoneId) ? NETWORKING : EXPLORING);
}

/** The one that runs; else the one that people wait for; else the one that they have not yet left. */
function sessionAt(sessions: readonly PlannedSession[], nowMs: number): PlannedSession | undefined {
  return (
    sessions.find((session) => isOn(session, nowMs)) ??
    sessions.find(({ startMs }) => nowMs < startMs && startMs - nowMs <= EARLY_MS) ??
    sessions.findLast(({ endMs }) => endMs <= nowMs && nowMs - endMs < LINGER_MS)
  );
}

export function isOn({ startMs, endMs }: Pick<SessionItem, "startMs" | "endMs">, nowMs: number): boolean {
  return startMs <= nowMs && nowMs < endMs;
}

/** Whether a session of the timetable runs in the zone now. */
export function isInRunningSession(zoneId: ZoneId | null, plan: ActivityPlan, nowMs: number): boolean {
  return zoneId !== null && (plan.sessionsIn.get(zoneId)?.some((session) => isOn(session, nowMs)) ?? false);
}
