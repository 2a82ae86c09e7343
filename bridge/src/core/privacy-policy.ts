import {
  AUDIENCES,
  LEVELS,
  LOG_RETENTION_MS,
  WHEREABOUTS_REPLAY_MS,
  minLevel,
  type Audience,
  type Level,
  type Person,
  type PersonId,
  type PresenceState,
  type PrivacySettings,
  type Profile,
  type Role,
  type Update,
} from "@konferenco/protocol";

/**
 * Who may see what: one rule a function, no word to a client. The level shown is the smallest of the subject's
 * level for the viewer's audience, the subject's consent, and (for replays) the replay rule. What we do not know is
 * hidden; hidden, absent and unknown are the same to a viewer: nothing. What then leaves is made in `privacy.ts`.
 */

export const VIEWER_ROLES = ["operator", "staff", "display", "attendee"] as const;
export type ViewerRole = (typeof VIEWER_ROLES)[number];

/** Who looks. `self` is the viewer's own policy: their role at the event and their connections. */
export interface Viewer {
  role: ViewerRole;
  personId: PersonId | null;
  self: SubjectPolicy | null;
  /** Channels of applications that the viewer's token opens; absent: none. */
  mayRead?: (channel: string) => boolean;
}

/** What a person allows, resolved once per change of the person and then only looked up. What every viewer and update asks for comes first: one line of the processor's cache. */
export interface SubjectPolicy {
  /** As which audience the person looks at others. */
  looksAs: AudienceCode;
  /** The levels of all audiences, two bits each, by the audience's code; none without consent. */
  ranks: number;
  /** Blocking holds in both directions, everywhere. Null: nobody, which is the rule and costs no look-up. */
  blocked: ReadonlySet<PersonId> | null;
  connections: ReadonlySet<PersonId>;
  /** Connections who see the finest that there is for a while, and until when. */
  shares: ReadonlyMap<PersonId, number> | null;
  /** What a share shows: `precise`, or what the venue knows at all. */
  finest: Level;
  consented: boolean;
  personId: PersonId;
  name: string;
  company: string;
  interests: readonly string[];
  role: Role;
  /** What people nearby are found and ranked by. */
  profile: Profile;
  levels: Readonly<Record<Audience, Level>>;
  proximityAlerts: boolean;
  doNotDisturb: boolean;
  autoDoNotDisturb: boolean;
  /** Whether somebody sits in a session of the timetable now: one function for all policies. */
  isInSession: (personId: PersonId) => boolean;
  doNotDisturbAllow: PrivacySettings["doNotDisturbAllow"];
  discoverability: PrivacySettings["discoverability"];
  presence: PrivacySettings["presence"];
  /** Whereabouts stored before this are not the person's to show: no consent yet, or somebody else carried the tag. */
  sinceMs: number;
  /** Whereabouts stored before this were shown less finely than today, so they are not replayed to others. */
  raisedAtMs: number;
}

/** Who carries a tag: a person, nobody (a thing), or we do not know (yet), which is hidden. */
export type Holder = SubjectPolicy | "nobody" | "unknown";

const NOBODY_SEES: Readonly<Record<Audience, Level>> = { connections: "hidden", attendees: "hidden", exhibitors: "hidden", speakers: "hidden", staff: "hidden" };

/** One for all who have none: a set each would be 230 bytes. */
const NO_CONNECTIONS: ReadonlySet<PersonId> = new Set();

/** An audience's place in `AUDIENCES`, or one of the two below. Numbers, because this is asked for every update and viewer. */
export type AudienceCode = number;
const NO_AUDIENCE: AudienceCode = -1;
export const SELF: AudienceCode = -2;
const CONNECTIONS = AUDIENCES.indexOf("connections");
const STAFF = AUDIENCES.indexOf("staff");
const AUDIENCE_OF_ROLE: Readonly<Record<Role, AudienceCode>> = { attendee: AUDIENCES.indexOf("attendees"), exhibitor: AUDIENCES.indexOf("exhibitors"), speaker: AUDIENCES.indexOf("speakers"), staff: STAFF };

/** A level's place in `LEVELS`. */
export const RANK: Readonly<Record<Level, number>> = { hidden: 0, venue: 1, zone: 2, precise: 3 };

const neverInSession = (): boolean => false;

/** `nowMs`: shares that have ended by then are not in the policy any more. `finest`: what the venue knows at all, `zone` where it has no plan. */
export function compilePolicy(person: Person, { nowMs = 0, isInSession = neverInSession, finest = "precise" }: { nowMs?: number; isInSession?: (personId: PersonId) => boolean; finest?: Level } = {}): SubjectPolicy {
  const { profile, consent, settings } = person;
  const levels = { ...NOBODY_SEES };
  if (consent.given) for (const audience of AUDIENCES) levels[audience] = minLevel(finest, minLevel(settings.level, settings.audiences[audience]));
  return {
    looksAs: AUDIENCE_OF_ROLE[profile.role],
    ranks: AUDIENCES.reduce((ranks, audience, code) => ranks | (RANK[levels[audience]] << (2 * code)), 0),
    blocked: settings.blocked === undefined || settings.blocked.length === 0 ? null : new Set(settings.blocked),
    connections: profile.connections.length === 0 ? NO_CONNECTIONS : new Set(profile.connections),
    shares: sharesOf(settings, nowMs),
    finest,
    consented: consent.given,
    personId: profile.personId,
    name: profile.name,
    company: profile.company,
    interests: profile.interests,
    role: profile.role,
    profile,
    levels,
    proximityAlerts: settings.proximityAlerts,
    doNotDisturb: settings.doNotDisturb,
    autoDoNotDisturb: settings.autoDoNotDisturb,
    isInSession,
    doNotDisturbAllow: settings.doNotDisturbAllow,
    discoverability: settings.discoverability,
    presence: settings.presence,
    sinceMs: Math.max(consent.atMs, settings.tagSinceMs ?? 0),
    raisedAtMs: settings.raisedAtMs ?? 0,
  };
}

/** Who is hidden shares nothing with anybody. */
function sharesOf({ level, shares = [] }: PrivacySettings, nowMs: number): ReadonlyMap<PersonId, number> | null {
  const open = level === "hidden" ? [] : shares.filter(({ untilMs }) => untilMs > nowMs);
  return open.length === 0 ? null : new Map(open.map(({ personId, untilMs }) => [personId, untilMs]));
}

/** True if the change shows somebody something that they could not see before: then older whereabouts must not be replayed. */
export function raisesAnything(before: SubjectPolicy, after: SubjectPolicy): boolean {
  const higher = (audience: Audience) => LEVELS.indexOf(after.levels[audience]) > LEVELS.indexOf(before.levels[audience]);
  const newFriend = [...after.connections].some((personId) => !before.connections.has(personId));
  const unblocked = [...(before.blocked ?? [])].some((personId) => after.blocked?.has(personId) !== true);
  const newShare = [...(after.shares?.keys() ?? [])].some((personId) => before.shares?.has(personId) !== true);
  return unblocked || newShare || AUDIENCES.some(higher) || (after.proximityAlerts && !before.proximityAlerts) || newFriend || after.role !== before.role;
}

// --- whereabouts ---------------------------------------------------------------------------------

/** True if one of the two has blocked the other. Neither is told. */
export function isBlockedBetween(a: SubjectPolicy, b: SubjectPolicy): boolean {
  return (a.blocked !== null && a.blocked.has(b.personId)) || (b.blocked !== null && b.blocked.has(a.personId));
}

/**
 * The audience that the viewer belongs to for this subject: connections before roles. None: sees aggregates
 * only. Most people have blocked nobody and know few: an empty set is not asked, which halves the cost.
 */
export function audienceCodeOf(subject: SubjectPolicy, { role, personId, self }: Viewer): AudienceCode {
  if (role === "display") return NO_AUDIENCE;
  if (personId !== null) {
    if (personId === subject.personId) return SELF;
    if (subject.blocked !== null && subject.blocked.has(personId)) return NO_AUDIENCE;
  }
  if (self !== null) {
    if (self.blocked !== null && self.blocked.has(subject.personId)) return NO_AUDIENCE;
    // A connection is mutual: both sides must name the other.
    if (subject.connections.size > 0 && self.connections.size > 0 && subject.connections.has(self.personId) && self.connections.has(subject.personId)) return CONNECTIONS;
  }
  if (role === "operator" || role === "staff") return STAFF;
  return self === null ? NO_AUDIENCE : self.looksAs;
}

export function audienceOf(subject: SubjectPolicy, viewer: Viewer): Audience | "self" | null {
  const code = audienceCodeOf(subject, viewer);
  return code === SELF ? "self" : (AUDIENCES[code] ?? null);
}

/** How much of the subject's whereabouts may be shown to the viewer. Oneself sees everything, with consent. */
export function levelFor(subject: SubjectPolicy, viewer: Viewer): Level {
  return LEVELS[rankFor(subject, viewer, audienceCodeOf(subject, viewer))] as Level;
}

export function rankFor({ consented, shares, finest, ranks }: SubjectPolicy, { personId }: Viewer, audience: AudienceCode): number {
  if (!consented || audience === NO_AUDIENCE) return RANK.hidden;
  if (audience === SELF) return RANK.precise;
  if (audience === CONNECTIONS && shares !== null && personId !== null && shares.has(personId)) return RANK[finest];
  return (ranks >> (2 * audience)) & 3;
}

export function atLeast(level: Level, least: Level): boolean {
  return RANK[level] >= RANK[least];
}

export function seesThings(viewer: Viewer): boolean {
  return viewer.role === "operator" || viewer.role === "staff";
}

/** A person as a viewer with no office: what attendees' pairs are judged by. */
export function viewerOf(policy: SubjectPolicy): Viewer {
  return { role: "attendee", personId: policy.personId, self: policy };
}

/** True if the viewer learns of the subject late and by coarse places alone: a stranger who is shown the zone at most. */
export function isSeenCoarsely(subject: SubjectPolicy, viewer: Viewer): boolean {
  const audience = audienceOf(subject, viewer);
  if (audience === null || audience === "connections" || audience === "staff") return false;
  return !atLeast(levelFor(subject, viewer), "precise");
}

/** The replay rule: never more than today, never more than then (docs/decisions/0020). */
export function isReplayed(update: Update, subject: SubjectPolicy, viewer: Viewer, nowMs: number): boolean {
  const { storedAtMs } = update;
  if (storedAtMs < subject.sinceMs) return false;
  if (audienceOf(subject, viewer) === "self") return nowMs - storedAtMs <= LOG_RETENTION_MS;
  return storedAtMs >= subject.raisedAtMs && nowMs - storedAtMs <= WHEREABOUTS_REPLAY_MS;
}

// --- two people ----------------------------------------------------------------------------------

export function isConnection(a: SubjectPolicy, b: SubjectPolicy): boolean {
  return a.connections.has(b.personId) && b.connections.has(a.personId) && !isBlockedBetween(a, b);
}

export function isDiscoverable(subject: SubjectPolicy, viewer: Viewer): boolean {
  if (subject.discoverability === "hidden") return false;
  return subject.discoverability !== "connections" || audienceOf(subject, viewer) === "connections";
}

/** True if `person` does not want to hear of `other` now: they said so, or they sit in a session, and `other` is none of those who may come through. */
function isDisturbedBy(person: SubjectPolicy, other: SubjectPolicy): boolean {
  if (!person.doNotDisturb && !(person.autoDoNotDisturb && person.isInSession(person.personId))) return false;
  const { doNotDisturbAllow: allowed } = person;
  if (allowed.includes("connections") && person.connections.has(other.personId) && other.connections.has(person.personId)) return false;
  return !(allowed.includes("speakers") && other.role === "speaker");
}

/**
 * True if the two may be told of each other's nearness, both or neither: both opted in, neither is disturbed,
 * each shows the other at least the zone. What is not told to one is not told to the other: else who wants to be
 * left alone would be found by it.
 */
export function mayMeet(a: SubjectPolicy, b: SubjectPolicy, least: "zone" | "precise" = "zone"): boolean {
  if (!a.proximityAlerts || !b.proximityAlerts || isDisturbedBy(a, b) || isDisturbedBy(b, a)) return false;
  const shows = (subject: SubjectPolicy, to: SubjectPolicy) => atLeast(levelFor(subject, viewerOf(to)), least);
  return shows(b, a) && shows(a, b);
}

/**
 * True if a nearness of metres may be told to `receiver`. It says more than a zone: three badges at known places
 * would find a person by it. So both must show each other their precise place; people who show the zone alone are told
 * of each other when they share one (encounters.ts).
 */
export function mayHearOfNear(receiver: SubjectPolicy, other: SubjectPolicy): boolean {
  return mayMeet(receiver, other, "precise");
}

/** True if `to` lets `from` write to them: everybody but those who are found by connections alone, or by nobody (requirement D3). */
export function mayWriteTo(to: SubjectPolicy, from: SubjectPolicy | "venue"): boolean {
  if (!to.consented || (from !== "venue" && isBlockedBetween(to, from))) return false;
  if (from === "venue" || from.personId === to.personId || isConnection(to, from)) return true;
  return to.discoverability === "public" || to.discoverability === "requests";
}

/** Those of a list whom the viewer may be told of: nobody hears of whom they have blocked, or who has blocked them. The list itself where that changes nothing. */
export function withoutBlocked<T>(list: readonly T[], policyOf: (item: T) => SubjectPolicy | null, { self }: Viewer): readonly T[] {
  const isHidden = (item: T): boolean => {
    const policy = policyOf(item);
    return self !== null && policy !== null && isBlockedBetween(self, policy);
  };
  return list.some(isHidden) ? list.filter((item) => !isHidden(item)) : list;
}

// --- presence ------------------------------------------------------------------------------------

/** True if the person may be named where everybody in a channel sees it: they show their presence and let themselves be found. */
export function isNamedIn(policy: SubjectPolicy): boolean {
  return policy.consented && policy.presence.online && (policy.discoverability === "public" || policy.discoverability === "requests");
}

/** The state as others see it: whether one can be approached is shown only by who shows it. Null: nothing is. */
export function shownState(policy: SubjectPolicy, state: PresenceState, to: "channel" | SubjectPolicy): PresenceState | null {
  const visible = to === "channel" ? isNamedIn(policy) : policy.consented && policy.presence.online && isConnection(policy, to);
  if (!visible) return null;
  if (state === "offline") return state;
  if (!policy.presence.availability) return "online";
  return state === "online" && policy.doNotDisturb ? "busy" : state;
}
