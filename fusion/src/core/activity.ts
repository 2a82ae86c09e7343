import { NETWORKING, activityOfPlace, isOn, sameActivity, type Activity, type ActivityPlan, type ZoneId } from "@konferenco/protocol";

/**
 * What a tag's carrier is doing, from its zone, its company and the schedule (requirements B9, B11). Sessions and
 * booths are the venue's, so this needs no name; meetings are people's and belong to the bridge
 * (bridge/src/core/meetings.ts), which lets them override this.
 */
export interface ActivityState {
  activity: Activity | null;
  /** What it looks like of late, and since when. */
  candidate: Activity | null;
  candidateSinceMs: number;
}

/** A candidate must hold so long: passing a stand is not a visit. */
const HOLD_MS: Readonly<Record<Activity["kind"], number>> = {
  in_session: 30_000,
  at_booth: 20_000,
  networking: 45_000,
  in_meeting: 30_000,
  exploring: 30_000,
};
/** Whoever leaves a session for the corridor is waited for: two minutes outside do not end it. */
const SESSION_PATIENCE_MS = 2 * 60_000;

/** Of a new tag (null), or of one that an earlier process has left in the middle of something. */
export function activityStateOf(activity: Activity | null, nowMs: number): ActivityState {
  return { activity, candidate: activity, candidateSinceMs: nowMs };
}

/** To be called at every tick. Returns what has held for long enough; null while nothing has, yet. */
export function followActivity(state: ActivityState, { zoneId, hasCompany }: { zoneId: ZoneId | null; hasCompany: boolean }, plan: ActivityPlan, nowMs: number): Activity | null {
  const ofPlace = activityOfPlace(zoneId, plan, nowMs);
  const looksLike = ofPlace.kind === "exploring" && hasCompany ? NETWORKING : ofPlace;
  if (!sameActivity(looksLike, state.candidate)) {
    state.candidate = looksLike;
    state.candidateSinceMs = nowMs;
  }
  const isNew = !sameActivity(looksLike, state.activity);
  if (isNew && nowMs - state.candidateSinceMs >= holdMs(state, zoneId, plan, nowMs)) state.activity = looksLike;
  return state.activity;
}

function holdMs({ activity: from, candidate }: ActivityState, zoneId: ZoneId | null, plan: ActivityPlan, nowMs: number): number {
  const isBeforeTheDoor = from?.kind === "in_session" && (zoneId === null || plan.ways.has(zoneId));
  const session = isBeforeTheDoor ? plan.sessionOf.get(from.sessionId) : undefined;
  return session !== undefined && isOn(session, nowMs) ? SESSION_PATIENCE_MS : HOLD_MS[candidate?.kind ?? "exploring"];
}
