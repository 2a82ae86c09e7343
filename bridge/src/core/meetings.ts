import type { Activity, Meeting, PersonId, ZoneId } from "@konferenco/protocol";

/**
 * Meetings concern people, so the bridge finds them and lets them stand over the activity that fusion
 * found by tag. Somebody is in a meeting when it is on and at least one other of its people is where they are:
 * in its zone or, where none was agreed, near them.
 */
export interface MeetingSight {
  ownZoneId: ZoneId | null;
  /** Where the other is, as far as the person may know it at once. */
  zoneIdOf: (other: PersonId) => ZoneId | null;
  isNear: (other: PersonId) => boolean;
}

/** People come early and finish late. */
const EARLY_MS = 5 * 60_000;
const LINGER_MS = 10 * 60_000;

export function isMeetingTime({ startMs, endMs }: Meeting, nowMs: number): boolean {
  return startMs - EARLY_MS <= nowMs && nowMs < endMs + LINGER_MS;
}

/** The meeting that a person is in at this instant, or null. The one that began last wins: it is where they went. */
export function meetingOf(personId: PersonId, meetings: readonly Meeting[], sight: MeetingSight, nowMs: number): Activity | null {
  const on = meetings.filter((meeting) => meeting.personIds.includes(personId) && isMeetingTime(meeting, nowMs) && hasCompany(personId, meeting, sight));
  const running = on.filter(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs);
  const latest = (running.length > 0 ? running : on).sort((a, b) => b.startMs - a.startMs || (a.meetingId < b.meetingId ? -1 : 1))[0];
  return latest === undefined ? null : { kind: "in_meeting", meetingId: latest.meetingId };
}

function hasCompany(personId: PersonId, meeting: Meeting, sight: MeetingSight): boolean {
  const others = meeting.personIds.filter((other) => other !== personId);
  if (meeting.zoneId === null) return others.some((other) => sight.isNear(other));
  return sight.ownZoneId === meeting.zoneId && others.some((other) => sight.zoneIdOf(other) === meeting.zoneId);
}

export interface MeetingState {
  inMeeting: Activity | null;
  candidate: string | null;
  candidateSinceMs: number;
}

/** A look into the wrong room is no meeting; a minute at the coffee machine does not end one. */
const ENTER_HOLD_MS = 30_000;
const LEAVE_HOLD_MS = 60_000;

export function newMeetingState(): MeetingState {
  return { inMeeting: null, candidate: null, candidateSinceMs: 0 };
}

/** The meeting that has held, given the one that it looks like now; null: none. */
export function followMeeting(state: MeetingState, looksLike: Activity | null, nowMs: number): Activity | null {
  const key = looksLike?.kind === "in_meeting" ? looksLike.meetingId : null;
  if (key !== state.candidate) {
    state.candidate = key;
    state.candidateSinceMs = nowMs;
  }
  if (nowMs - state.candidateSinceMs >= (key === null ? LEAVE_HOLD_MS : ENTER_HOLD_MS)) state.inMeeting = looksLike;
  return state.inMeeting;
}
