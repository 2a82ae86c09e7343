import {
  activityOfPlace,
  isInRunningSession,
  planActivities,
  sameActivity,
  type Activity,
  type ActivityPlan,
  type ActivityView,
  type Meeting,
  type PersonId,
  type Schedule,
  type TagId,
  type VenueMap,
  type ZoneId,
} from "@konferenco/protocol";
import type { LivePicture } from "./core/live-picture.ts";
import { followMeeting, isMeetingTime, meetingOf, newMeetingState, type MeetingSight, type MeetingState } from "./core/meetings.ts";
import { atLeast, isSeenCoarsely, levelFor, viewerOf, type SubjectPolicy, type Viewer } from "./core/privacy-policy.ts";
import { activityFor, showActivity, type Doing, type VisibleUpdate } from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache, PolicyChange } from "./people-cache.ts";

const MEETINGS_EVERY_MS = 1_000;
/** Without an agreed room, people who stand this near to each other meet. */
const MEETING_RANGE_M = 5;

export interface ActivitiesOptions {
  venue: VenueMap;
  schedule: Schedule;
  people: PeopleCache;
  picture: LivePicture;
  hub: () => Hub;
  nowMs: () => number;
}

/** What people are doing: found by fusion by the tag, completed by meetings, which are people's, and told as far as each allows. */
export class Activities {
  readonly #options: ActivitiesOptions;
  #plan: ActivityPlan;
  #names: ReadonlyMap<string, string>;
  #meetingOf: ReadonlyMap<string, Meeting>;
  /** Of people whose meeting is on, or was just now. */
  readonly #meetings = new Map<PersonId, MeetingState>();
  #metAtMs = -Infinity;

  constructor(options: ActivitiesOptions) {
    const { venue, schedule, people, picture, nowMs } = options;
    this.#options = options;
    this.#plan = planActivities(venue, schedule);
    this.#names = namesOf(schedule);
    this.#meetingOf = meetingsOf(schedule);
    people.isInSession = (tagId) => isInRunningSession(picture.standing(tagId)?.zoneId ?? null, this.#plan, nowMs());
  }

  get plan(): ActivityPlan {
    return this.#plan;
  }

  /** Whose activity turns out otherwise is told so when fusion, which reads the same schedule, says it; meetings at the next look. */
  setSchedule(schedule: Schedule): void {
    this.#plan = planActivities(this.#options.venue, schedule);
    this.#names = namesOf(schedule);
    this.#meetingOf = meetingsOf(schedule);
  }

  /** What the tag's carrier is doing; null: not known yet. */
  of(tagId: TagId): Activity | null {
    const { people, picture } = this.#options;
    const holder = people.holderOf(tagId);
    const inMeeting = typeof holder === "object" ? (this.#meetings.get(holder.personId)?.inMeeting ?? null) : null;
    return inMeeting ?? picture.standing(tagId)?.position?.activity ?? null;
  }

  ofPerson(personId: PersonId): ActivityView | null {
    const { people } = this.#options;
    const tagId = people.tagOf(personId);
    const policy = people.policyOf(personId);
    return tagId === null || policy === null ? null : activityFor(policy, viewerOf(policy), this.#doing(tagId));
  }

  /** Of somebody whom the viewer is shown in this zone. */
  seenIn(zoneId: ZoneId | null, tagId: TagId, subject: SubjectPolicy, viewer: Viewer): ActivityView | null {
    return activityFor(subject, viewer, { exact: this.#view(this.of(tagId)), ofZone: this.#viewOfZone(zoneId) });
  }

  /** For snapshots; null: nothing to say. */
  shownTo(tagId: TagId, viewer: Viewer): VisibleUpdate | null {
    const { people, nowMs } = this.#options;
    return this.of(tagId) === null ? null : showActivity(tagId, people.holderOf(tagId), viewer, this.#doing(tagId), nowMs());
  }

  /** A few times a second. */
  tick(): void {
    const { picture, nowMs } = this.#options;
    const atMs = nowMs();
    for (const tagId of picture.takeBusy()) this.#tell(tagId);
    if (Math.abs(atMs - this.#metAtMs) < MEETINGS_EVERY_MS) return;
    this.#metAtMs = atMs;
    this.#followMeetings(atMs);
  }

  /** Somebody shows what they do from now on, or no longer. */
  policyChanged({ before, after, tagAfter }: PolicyChange): void {
    if (before !== null && after !== null && tagAfter !== null && before.presence.session !== after.presence.session) this.#tell(tagAfter);
  }

  forget(personId: PersonId): void {
    this.#meetings.delete(personId);
  }

  #tell(tagId: TagId): void {
    const { people, picture, nowMs } = this.#options;
    const hub = this.#options.hub();
    const holder = people.holderOf(tagId);
    const doing = this.#doing(tagId);
    const offer = (connection: Parameters<Hub["offer"]>[0]) => hub.offer(connection, showActivity(tagId, holder, connection.viewer, doing, nowMs()));
    if (typeof holder === "object") for (const connection of hub.byPerson.get(holder.personId)) if (connection.has("me")) offer(connection);
    const standing = picture.standing(tagId);
    if (standing === null) return;
    for (const connection of hub.byChannel.venue) {
      const isOwn = typeof holder === "object" && connection.viewer.personId === holder.personId;
      if ((!isOwn || !connection.has("me")) && hub.looksAt(connection, standing)) offer(connection);
    }
  }

  // --- meetings -----------------------------------------------------------------------------------

  #followMeetings(atMs: number): void {
    const { people } = this.#options;
    const on = [...this.#meetingOf.values()].filter((meeting) => isMeetingTime(meeting, atMs));
    const concerned = new Map<PersonId, Meeting[]>([...this.#meetings.keys()].map((personId) => [personId, []]));
    for (const meeting of on) {
      for (const personId of meeting.personIds) {
        const own = concerned.get(personId);
        if (own === undefined) concerned.set(personId, [meeting]);
        else own.push(meeting);
      }
    }
    for (const [personId, meetings] of concerned) {
      const self = people.policyOf(personId);
      const looksLike = self === null || meetings.length === 0 ? null : meetingOf(personId, meetings, this.#sightOf(self), atMs);
      const state = this.#meetings.get(personId) ?? newMeetingState();
      const before = state.inMeeting;
      const after = followMeeting(state, looksLike, atMs);
      if (looksLike === null && after === null) this.#meetings.delete(personId);
      else this.#meetings.set(personId, state);
      const tagId = people.tagOf(personId);
      if (tagId !== null && !sameActivity(before, after)) this.#tell(tagId);
    }
  }

  /** A meeting tells its people of each other, so it counts only whom the person may see at once and so finely. */
  #sightOf(self: SubjectPolicy): MeetingSight {
    const { people, picture } = this.#options;
    const viewer = viewerOf(self);
    const standingOf = (personId: PersonId, least: "zone" | "precise") => {
      const subject = people.policyOf(personId);
      const tagId = people.tagOf(personId);
      if (subject === null || tagId === null || !atLeast(levelFor(subject, viewer), least)) return null;
      return isSeenCoarsely(subject, viewer) ? null : picture.standing(tagId);
    };
    const own = standingOf(self.personId, "zone");
    return {
      ownZoneId: own?.zoneId ?? null,
      zoneIdOf: (other) => standingOf(other, "zone")?.zoneId ?? null,
      isNear(other) {
        const [a, b] = [own?.position ?? null, standingOf(other, "precise")?.position ?? null];
        return a !== null && b !== null && a.floor === b.floor && Math.hypot(a.xM - b.xM, a.yM - b.yM) <= MEETING_RANGE_M;
      },
    };
  }

  // --- in words -----------------------------------------------------------------------------------

  #doing(tagId: TagId): Doing {
    return { exact: this.#view(this.of(tagId)), ofZone: this.#viewOfZone(this.#options.picture.standing(tagId)?.zoneId ?? null) };
  }

  /** Outside of all zones there is nothing that a zone could tell. */
  #viewOfZone(zoneId: ZoneId | null): ActivityView | null {
    return zoneId === null ? null : this.#view(activityOfPlace(zoneId, this.#plan, this.#options.nowMs()));
  }

  #view(activity: Activity | null): ActivityView | null {
    switch (activity?.kind) {
      case "in_session": {
        const session = this.#plan.sessionOf.get(activity.sessionId);
        return { ...activity, ...(session === undefined ? {} : { name: session.name, untilMs: session.endMs }) };
      }
      case "at_booth": {
        const name = this.#names.get(activity.exhibitorId);
        return { ...activity, ...(name === undefined ? {} : { name }) };
      }
      case "in_meeting": {
        const meeting = this.#meetingOf.get(activity.meetingId);
        return { ...activity, ...(meeting === undefined ? {} : { name: meeting.name, untilMs: meeting.endMs }) };
      }
      default:
        return activity ?? null;
    }
  }
}

function namesOf({ booths }: Schedule): ReadonlyMap<string, string> {
  return new Map(booths.map(({ exhibitorId, name }) => [exhibitorId, name]));
}

function meetingsOf({ meetings }: Schedule): ReadonlyMap<string, Meeting> {
  return new Map(meetings.map((meeting) => [meeting.meetingId, meeting]));
}
