import { sameActivity, type Activity, type Schedule, type SessionItem, type TagId, type VenueMap, type ZoneId } from "@konferenco/protocol";

/**
 * What a tag's carrier is doing, from its zone, its company and the schedule (requirements B9, B11). Sessions and
 * booths are the venue's, so this needs no name; meetings are people's and belong to the bridge
 * (bridge/src/core/meetings.ts), which lets them override this.
 */
export interface ActivityState {
  activity: Activity | null;
  sinceMs: number;
  /** What it looks like of late, and since when. */
  candidate: Activity | null;
  candidateSinceMs: number;
}

/** What fusion knows of a tag at one instant. */
export interface ActivityInput {
  tagId: TagId;
  zoneId: ZoneId | null;
  /** How many others are near: pairs of the proximity detection. */
  nearOthers: number;
}

export interface ActivityChange {
  tagId: TagId;
  atMs: number;
  activity: Activity;
  /** What it was before; null at first. */
  before: Activity | null;
}

/** People take their seats before it begins and linger after it ends. */
const EARLY_MS = 10 * 60_000;
const LINGER_MS = 5 * 60_000;

/** A candidate must hold so long: passing a stand is not a visit, two minutes outside do not end a session. */
const HOLD_MS: Readonly<Record<Activity["kind"], number>> = {
  in_session: 30_000,
  at_booth: 20_000,
  networking: 45_000,
  in_meeting: 30_000,
  exploring: 30_000,
};
/** Whoever leaves a session for nothing in particular is waited for. */
const SESSION_PATIENCE_MS = 2 * 60_000;

/** Where people talk to each other. */
const SOCIAL_KINDS: ReadonlySet<string> = new Set(["lounge", "food"]);

/** The schedule by zone, prepared once. */
export interface ActivityPlan {
  sessions: Map<ZoneId, SessionItem[]>;
  booths: Map<ZoneId, string>;
  social: ReadonlySet<ZoneId>;
}

export function planActivities(venue: VenueMap, schedule: Pick<Schedule, "sessions" | "booths">): ActivityPlan {
  const sessions = new Map<ZoneId, SessionItem[]>();
  for (const session of [...schedule.sessions].sort((a, b) => a.startMs - b.startMs)) {
    const inZone = sessions.get(session.zoneId);
    if (inZone === undefined) sessions.set(session.zoneId, [session]);
    else inZone.push(session);
  }
  return {
    sessions,
    booths: new Map(schedule.booths.map(({ zoneId, exhibitorId }) => [zoneId, exhibitorId])),
    social: new Set(venue.zones.filter(({ kind }) => SOCIAL_KINDS.has(kind)).map(({ zoneId }) => zoneId)),
  };
}

export function newActivityState(): ActivityState {
  return { activity: null, sinceMs: 0, candidate: null, candidateSinceMs: 0 };
}

/** To be called at every tick; a change is told once, when it has held. The first activity waits like any other. */
export function detectActivity(state: ActivityState, input: ActivityInput, plan: ActivityPlan, nowMs: number): ActivityChange | null {
  const looksLike = activityOf(input, plan, nowMs);
  if (!sameActivity(looksLike, state.candidate)) {
    state.candidate = looksLike;
    state.candidateSinceMs = nowMs;
  }
  if (sameActivity(looksLike, state.activity)) return null;
  if (nowMs - state.candidateSinceMs < holdMs(state.activity, looksLike, plan, nowMs)) return null;
  const before = state.activity;
  state.activity = looksLike;
  state.sinceMs = state.candidateSinceMs;
  return { tagId: input.tagId, atMs: nowMs, activity: looksLike, before };
}

/** What place, company and schedule say at this instant, without memory. */
export function activityOf({ zoneId, nearOthers }: ActivityInput, plan: ActivityPlan, nowMs: number): Activity {
  if (zoneId !== null) {
    const session = sessionAt(plan.sessions.get(zoneId) ?? [], nowMs);
    if (session !== null) return { kind: "in_session", sessionId: session.sessionId };
    const exhibitorId = plan.booths.get(zoneId);
    if (exhibitorId !== undefined) return { kind: "at_booth", exhibitorId };
    if (plan.social.has(zoneId)) return { kind: "networking" };
  }
  return nearOthers > 0 ? { kind: "networking" } : { kind: "exploring" };
}

/** The one that runs; else the one that people wait for; else the one that they have not yet left. */
function sessionAt(sessions: readonly SessionItem[], nowMs: number): SessionItem | null {
  const running = sessions.find(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs);
  const coming = sessions.find(({ startMs }) => nowMs < startMs && startMs - nowMs <= EARLY_MS);
  const over = sessions.findLast(({ endMs }) => endMs <= nowMs && nowMs - endMs < LINGER_MS);
  return running ?? coming ?? over ?? null;
}

function holdMs(from: Activity | null, to: Activity, plan: ActivityPlan, nowMs: number): number {
  const leavesSession = from?.kind === "in_session" && (to.kind === "exploring" || to.kind === "networking");
  if (!leavesSession || !isRunning(plan, from.sessionId, nowMs)) return HOLD_MS[to.kind];
  return SESSION_PATIENCE_MS;
}

function isRunning(plan: ActivityPlan, sessionId: string, nowMs: number): boolean {
  for (const sessions of plan.sessions.values()) {
    const session = sessions.find((candidate) => candidate.sessionId === sessionId);
    if (session !== undefined) return session.startMs <= nowMs && nowMs < session.endMs;
  }
  return false;
}
