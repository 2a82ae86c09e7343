import {
  BRIDGE_KEPT as KEPT_BESIDE_SETTINGS,
  LOG_RETENTION_MS,
  MESSAGE_TYPES,
  WHEREABOUTS_REPLAY_MS,
  replayMsOf,
  windowMsOf,
  type ActivityView,
  type Alert,
  type AppChannel,
  type ClientEvent,
  type GatewayHealth,
  type Level,
  type MessageType,
  type MessageView,
  type NearbyChannel,
  type NearbyPerson,
  type PersonId,
  type Position,
  type PresenceView,
  type PrivacySettings,
  type ProximityTransition,
  type ReceiptCounts,
  type SerendipityView,
  type SessionCount,
  type StoredMessage,
  type SubjectView,
  type TagId,
  type Update,
  type ZoneCount,
  type ZoneId,
  type ZoneTransition,
} from "@konferenco/protocol";
import {
  RANK,
  SELF,
  atLeast,
  audienceCodeOf,
  audienceOf,
  isBlockedBetween,
  isConnection,
  isDiscoverable,
  isReplayed,
  levelFor,
  mayHearOfNear,
  mayMeet,
  rankFor,
  seesThings,
  type Holder,
  type SubjectPolicy,
  type Viewer,
} from "./privacy-policy.ts";

/**
 * What leaves, in one file. Everything that a client is shown is a `VisibleUpdate`, and nothing else makes one: each form
 * below asks `privacy-policy.ts` who may see how much, and says no more than that.
 */

/** 0 alerts, 1 transitions, 2 positions, 3 occupancy and telemetry. */
export type Lane = 0 | 1 | 2 | 3;

declare const visible: unique symbol;

/** An event that has passed the policy for the viewers it is given to; serialised once and shared by all of them. */
export interface VisibleUpdate {
  readonly [visible]: true;
  readonly lane: Lane;
  /** Latest wins among events of one key (lanes 2 and 3); null: every one counts. */
  readonly key: string | null;
  /** Whom it is about, so that a queue can forget them: a personId, a tagId of a thing, or null. */
  readonly subject: string | null;
  /** Where it stands in the log; null for live data and states. */
  readonly offset: number | null;
  readonly storedAtMs: number | null;
  /** The event as a JSON object. */
  readonly json: string;
  /** Of lane 1: how long it may wait for others to go with it (requirement E6). Of lane 3: within which time it is shown. */
  readonly windowMs: number;
  readonly bytes: number;
  /** Where it says that somebody is, no finer than it says so; null: it says of no place. */
  readonly place: ShownPlace | null;
}

export interface ShownPlace {
  floor: number;
  zoneId: ZoneId | null;
  /** Null: the zone is all that is shown. */
  point: { xM: number; yM: number } | null;
}

/** Who is in a circle leaves it at this multiple of its radius (Photon's inner and outer radius). */
export const LEAVE_RATIO = 1.3;

/** Others' positions are moved to this grid before anything is computed from them. */
export const GRID_M = 1;

// --- stored updates -----------------------------------------------------------------------------

/** One update, ready to be shown to any number of viewers. Each form is serialised at most once. */
export interface Projection {
  readonly update: Update;
  /** The people concerned, for routing: their own connections look at `me`. */
  readonly people: readonly PersonId[];
  /** What this viewer may see of it now; the same object for all viewers of one form. */
  forViewer(viewer: Viewer): VisibleUpdate | null;
  /** The same for an update out of the log, under today's policy and the replay rule. */
  forReplay(viewer: Viewer, nowMs: number): VisibleUpdate | null;
}

/** Of a logged update its opaque id for deduplication, never its offset: a hole would tell of hidden ones. A function is asked when somebody is shown the update: a bridge shows most to nobody. */
export type EventRef = string | (() => string) | null;

export function projectUpdate(update: Update, ref: EventRef, holderOf: (tagId: TagId) => Holder, personOf: (personId: PersonId) => SubjectPolicy | null = () => null): Projection {
  const { body } = update;
  switch (body.kind) {
    case "zone":
      return projectWhereabouts(update, body.zone.tagId, holderOf, "zone", (subj, subject) => reveal(1, zoneEvent(body.zone, subj), { subject, logged: { update, ref } }));
    case "position":
      return projectWhereabouts(update, body.position.tagId, holderOf, "precise", (subj, subject) => positionUpdate(body.position, subj, subject));
    case "proximity":
      return projectPair(update, ref, body.proximity, holderOf);
    case "alert":
      return projectForAll(update, () => true, () => reveal(0, { t: "alert", at: body.alert.atMs, d: shownAlert(body.alert) }, { logged: { update, ref } }));
    case "message":
      return projectMessage(update, ref, body.message, personOf);
    case "signal":
      // What people say in passing; all else between bridges is for no viewer.
      return body.signal.kind === "said" ? projectMessage(update, null, body.signal.message, personOf) : forNobody(update);
    case "erased":
      return forNobody(update);
    default:
      return projectForAll(update, seesThings, () => gatewayUpdate(body.gateway));
  }
}

function projectWhereabouts(
  update: Update,
  tagId: TagId,
  holderOf: (tagId: TagId) => Holder,
  least: "zone" | "precise",
  form: (subj: SubjectView, subject: string) => VisibleUpdate,
): Projection {
  const holder = holderOf(tagId);
  const leastRank = RANK[least];
  const show = (subj: SubjectView) => form(subj, typeof holder === "object" ? holder.personId : tagId);
  let toSelf: VisibleUpdate | undefined;
  let toOthers: VisibleUpdate | undefined;
  const forViewer = (viewer: Viewer): VisibleUpdate | null => {
    if (holder === "unknown") return null;
    if (holder === "nobody") return seesThings(viewer) ? (toOthers ??= show({ who: "tag", tagId })) : null;
    const audience = audienceCodeOf(holder, viewer);
    if (rankFor(holder, viewer, audience) < leastRank) return null;
    if (audience === SELF) return (toSelf ??= show({ who: "me" }));
    return (toOthers ??= show(byName(holder)));
  };
  return {
    update,
    people: typeof holder === "object" ? [holder.personId] : [],
    forViewer,
    forReplay(viewer, nowMs) {
      // Things are not replayed: the tag may have been a person's then, and we would show more than they allowed.
      if (typeof holder !== "object" || !isReplayed(update, holder, viewer, nowMs)) return null;
      return forViewer(viewer);
    },
  };
}

function projectPair(update: Update, ref: EventRef, proximity: ProximityTransition, holderOf: (tagId: TagId) => Holder): Projection {
  const a = holderOf(proximity.tagA);
  const b = holderOf(proximity.tagB);
  if (typeof a !== "object" || typeof b !== "object") return forNobody(update);
  let toA: VisibleUpdate | undefined;
  let toB: VisibleUpdate | undefined;
  const show = (other: SubjectPolicy) =>
    reveal(1, { t: proximity.transition, at: proximity.atMs, d: { subj: byName(other) } }, { subject: other.personId, logged: { update, ref } });
  const forViewer = (viewer: Viewer): VisibleUpdate | null => {
    // Who looks with an office besides must be allowed to see the other in that office too; a screen sees nobody.
    const sees = (other: SubjectPolicy) => atLeast(levelFor(other, viewer), "precise");
    if (viewer.personId === a.personId) return mayHearOfNear(a, b) && sees(b) ? (toA ??= show(b)) : null;
    if (viewer.personId === b.personId) return mayHearOfNear(b, a) && sees(a) ? (toB ??= show(a)) : null;
    return null;
  };
  return {
    update,
    people: [a.personId, b.personId],
    forViewer,
    forReplay(viewer, nowMs) {
      const tooOld = nowMs - update.storedAtMs > WHEREABOUTS_REPLAY_MS;
      const tooFine = update.storedAtMs < Math.max(a.sinceMs, b.sinceMs, a.raisedAtMs, b.raisedAtMs);
      return tooOld || tooFine ? null : forViewer(viewer);
    },
  };
}

function forNobody(update: Update): Projection {
  return { update, people: [], forViewer: () => null, forReplay: () => null };
}

function projectForAll(update: Update, allowed: (viewer: Viewer) => boolean, show: () => VisibleUpdate): Projection {
  let shown: VisibleUpdate | undefined;
  const forViewer = (viewer: Viewer) => (allowed(viewer) ? (shown ??= show()) : null);
  return {
    update,
    people: [],
    forViewer,
    forReplay: (viewer, nowMs) => (nowMs - update.storedAtMs > LOG_RETENTION_MS ? null : forViewer(viewer)),
  };
}

// --- messages -------------------------------------------------------------------------------------

/** What a subject is called in queues as one who speaks: their whereabouts may be hidden and their words not. */
export function speakerOf(from: string): string {
  return `said ${from}`;
}

/** True for token subjects that are no person: venue staff and its software. */
export function isVenue(subject: string): boolean {
  return subject.startsWith("login:");
}

/** Of lane 3, where 0 would mean "with the telemetry of the next second": best effort is to be there within 100 ms. */
const NEXT_TICK_MS = 50;

/** Whereabouts that somebody says of themselves obey their levels like those that the venue knows. */
const LEAST_LEVEL: Readonly<Record<string, Level>> = { "location/position_update": "precise", "location/zone_enter": "zone", "location/zone_exit": "zone" };

/** To its sender's own screens, to the recipient, or to those who may read the channel; of nobody who is erased, unknown or without consent. */
function projectMessage(update: Update, ref: EventRef, message: StoredMessage, personOf: (personId: PersonId) => SubjectPolicy | null): Projection {
  const { from, to } = message;
  const type: MessageType = MESSAGE_TYPES[message.type];
  const sender = isVenue(from) ? "venue" : personOf(from);
  let toSelf: VisibleUpdate | undefined;
  let toOthers: VisibleUpdate | undefined;
  let asRequest: VisibleUpdate | undefined;
  const show = (view: Pick<MessageView, "from" | "to" | "key" | "request">): VisibleUpdate => {
    const { id, atMs, payload, ttlS, signature, publicKey, encrypted } = message;
    const d: MessageView = {
      id,
      ...view,
      ...(to.kind === "channel" ? { ch: to.id } : {}),
      body: payload,
      ...(ttlS === undefined ? {} : { ttlS }),
      ...(signature === undefined ? {} : { sig: signature }),
      ...(publicKey === undefined ? {} : { pk: publicKey }),
      ...(encrypted === true ? { enc: true } : {}),
    };
    const logged = update.body.kind === "message" ? { update, ref } : undefined;
    const key = type.delivery === "best_effort" ? `${message.type} ${from} ${to.id}` : null;
    return reveal(type.lane, { t: message.type, at: atMs, d }, { subject: speakerOf(from), logged, key, windowMs: type.lane === 3 ? NEXT_TICK_MS : windowMsOf(type.priority) });
  };
  const forViewer = (viewer: Viewer): VisibleUpdate | null => {
    if (sender === null || (sender !== "venue" && !sender.consented)) return null;
    const own = viewer.personId === from;
    if (to.kind === "channel" ? viewer.mayRead?.(to.id) !== true : !own && viewer.personId !== to.id) return null;
    if (own) return (toSelf ??= show({ from: { who: "me" }, ...(to.kind === "user" ? { to: to.id === from ? "me" : to.id } : {}), ...(message.key === null ? {} : { key: message.key }) }));
    if (sender !== "venue" && viewer.self !== null && isBlockedBetween(viewer.self, sender)) return null;
    if (sender === "venue") return (toOthers ??= show({ from: { who: "venue" }, ...(to.kind === "user" ? { to: "me" } : {}) }));
    const least = LEAST_LEVEL[message.type];
    if (least !== undefined && !atLeast(levelFor(sender, viewer), least)) return null;
    const person = byName(sender);
    if (to.kind === "channel") return (toOthers ??= show({ from: person }));
    const asks = viewer.self === null || !isConnection(viewer.self, sender);
    return asks ? (asRequest ??= show({ from: person, to: "me", request: true })) : (toOthers ??= show({ from: person, to: "me" }));
  };
  return {
    update,
    people: to.kind === "user" ? [...new Set([to.id, ...(sender === "venue" || sender === null ? [] : [from])])] : [],
    forViewer,
    forReplay(viewer, nowMs) {
      const ageMs = nowMs - update.storedAtMs;
      if (ageMs > replayMsOf(type) || (message.ttlS !== undefined && ageMs > message.ttlS * 1_000)) return null;
      return forViewer(viewer);
    },
  };
}

// --- presence, typing, receipts --------------------------------------------------------------------

/** Who is where in a channel, or which of the viewer's connections are here; made of states that `shownState` let through. */
export function showPresence(d: PresenceView, atMs: number): VisibleUpdate {
  // Changes count one by one, so they are no "latest wins"; there is one a second at most.
  return reveal(1, { t: "presence", at: atMs, d }, { windowMs: 100 });
}

/** Names of one list of who is writing; more are counted. */
const MAX_TYPING_NAMES = 5;

/** The names of who is writing, of those who may be named and whom the viewer has not blocked. */
export function showTyping(channel: AppChannel, named: readonly SubjectPolicy[], atMs: number): VisibleUpdate {
  const people = named.slice(0, MAX_TYPING_NAMES).map(({ personId, name }) => ({ personId, name }));
  return reveal(3, { t: "typing", at: atMs, d: { ch: channel, people, more: Math.max(0, named.length - MAX_TYPING_NAMES) } }, { key: `typing ${channel}`, windowMs: 100 });
}

/** How many devices have an alert: for operators and staff. */
export function showReceipts(alertId: string, counts: ReceiptCounts, atMs: number): VisibleUpdate {
  return reveal(3, { t: "receipts", at: atMs, d: { alertId, ...counts } }, { key: `receipts ${alertId}` });
}

// --- states: what a new subscriber sees, and what changes when a policy does -----------------------

/** What is known of a tag now. */
export interface Standing {
  tagId: TagId;
  position: Position | null;
  zoneId: ZoneId | null;
  floor: number;
  /** Since when it is in its zone. */
  zoneSinceMs: number;
}

/** The subject's present state as this viewer may see it: a position, or the zone it is in, or nothing. */
export function showStanding(standing: Standing, holder: Holder, viewer: Viewer): VisibleUpdate | null {
  if (holder === "unknown") return null;
  const thing = holder === "nobody";
  if (thing && !seesThings(viewer)) return null;
  const level: Level = thing ? "precise" : levelFor(holder, viewer);
  if (!atLeast(level, "zone")) return null;
  const self = !thing && audienceOf(holder, viewer) === "self";
  const subj: SubjectView = thing ? { who: "tag", tagId: standing.tagId } : self ? { who: "me" } : byName(holder);
  const subject = thing ? standing.tagId : holder.personId;
  if (level === "precise" && standing.position !== null) return positionUpdate(standing.position, subj, subject);
  if (standing.zoneId === null) return null;
  return reveal(1, { t: "zone.enter", at: standing.zoneSinceMs, d: { subj, zoneId: standing.zoneId, floor: standing.floor } }, { subject });
}

export function showGateway(gateway: GatewayHealth, viewer: Viewer): VisibleUpdate | null {
  return seesThings(viewer) ? gatewayUpdate(gateway) : null;
}

/** `again`: the same alert to a device that has not acknowledged it; its id tells the client that it is the same. */
export function showAlert(alert: Alert, again?: { update: Update; ref: string }): VisibleUpdate {
  return reveal(0, { t: "alert", at: alert.atMs, d: shownAlert(alert) }, { logged: again });
}

const BRIDGE_KEPT: ReadonlySet<string> = new Set(KEPT_BESIDE_SETTINGS);

export function showOwnSettings(settings: PrivacySettings, atMs: number): VisibleUpdate {
  const chosen = Object.fromEntries(Object.entries(settings).filter(([name]) => !BRIDGE_KEPT.has(name))) as PrivacySettings;
  return reveal(1, { t: "settings", at: atMs, d: chosen });
}

/** What somebody is doing: as it is, and as the zone that is shown and the programme say it of everybody there. */
export interface Doing {
  exact: ActivityView | null;
  ofZone: ActivityView | null;
}

/** An activity is never finer than the place: at level zone it is what the zone alone tells, below it nothing. Who shows no session shows none. */
export function activityFor(subject: SubjectPolicy, viewer: Viewer, doing: Doing): ActivityView | null {
  const level = levelFor(subject, viewer);
  if (!atLeast(level, "zone")) return null;
  if (audienceOf(subject, viewer) === "self") return doing.exact;
  if (!subject.presence.session) return null;
  if (level !== "precise") return doing.ofZone;
  // Which meeting is its people's to know.
  return doing.exact?.kind === "in_meeting" ? { kind: "in_meeting" } : doing.exact;
}

/** The activity of a tag's carrier as this viewer may see it: null in it is "nothing is known", which is also what who hides it looks like. */
export function showActivity(tagId: TagId, holder: Holder, viewer: Viewer, doing: Doing, atMs: number): VisibleUpdate | null {
  if (holder === "unknown") return null;
  const show = (subj: SubjectView, subject: string, activity: ActivityView | null) => reveal(2, { t: "activity", at: atMs, d: { subj, activity } }, { subject, key: `activity ${subj.who === "me" ? "me" : subject}` });
  if (holder === "nobody") return seesThings(viewer) ? show({ who: "tag", tagId }, tagId, doing.exact) : null;
  if (!atLeast(levelFor(holder, viewer), "zone")) return null;
  const subj: SubjectView = audienceOf(holder, viewer) === "self" ? { who: "me" } : byName(holder);
  return show(subj, holder.personId, activityFor(holder, viewer, doing));
}

/** Channels near the viewer, and the regions that they themselves have entered and left since: theirs alone. */
export function showChannels(d: { channels: NearbyChannel[]; entered: string[]; left: string[] }, atMs: number): VisibleUpdate {
  // What was entered counts one by one, so it is no "latest wins".
  return reveal(1, { t: "channels", at: atMs, d }, { windowMs: windowMsOf("low") });
}

/** Counts that anybody may see: the public release, or the exact ones for those who keep people safe. */
export function showOccupancy(d: { zones: ZoneCount[]; sessions?: SessionCount[] }, atMs: number, part = 0): VisibleUpdate {
  return reveal(3, { t: "occupancy", at: atMs, d }, { key: `occupancy ${part}` });
}

export function showNearby(people: NearbyPerson[], atMs: number): VisibleUpdate {
  return reveal(3, { t: "nearby", at: atMs, d: { people } }, { key: "nearby" });
}

/** Word to one of two people that the other, who suits them, is near; null when the policy does not allow it. */
export function showSerendipity(receiver: SubjectPolicy, other: SubjectPolicy, match: Omit<SerendipityView, "subj">, atMs: number): VisibleUpdate | null {
  if (!mayMeet(receiver, other)) return null;
  return reveal(1, { t: "serendipity", at: atMs, d: { subj: byName(other), ...match } }, { subject: other.personId });
}

/** Two who show each other the zone have come into one, or one of them has left it. */
export function showZoneNear(receiver: SubjectPolicy, other: SubjectPolicy, transition: "near" | "apart", atMs: number): VisibleUpdate | null {
  if (!mayMeet(receiver, other)) return null;
  return reveal(1, { t: transition, at: atMs, d: { subj: byName(other) } }, { subject: other.personId });
}

/** Where one person is, for one who asks by name; null for hidden, absent, blocked and unknown alike. */
export type Whereabouts = { level: "precise"; xM: number; yM: number; floor: number; zoneId: ZoneId | null } | { level: "zone"; floor: number; zoneId: ZoneId } | { level: "venue" };

export function whereaboutsOf(subject: SubjectPolicy, at: Place, viewer: Viewer): Whereabouts | null {
  const level = levelFor(subject, viewer);
  if (level === "hidden") return null;
  const { floor, zoneId } = at;
  if (level === "precise") return { level, xM: snap(at.xM), yM: snap(at.yM), floor, zoneId };
  return level === "zone" && zoneId !== null ? { level, floor, zoneId } : { level: "venue" };
}

// --- near me --------------------------------------------------------------------------------------

export type Band = NearbyPerson["within"];

/** Where somebody is, as the server knows it. */
export interface Place {
  xM: number;
  yM: number;
  floor: number;
  zoneId: ZoneId | null;
}

/**
 * The finest band that the subject's level allows, or null for nothing. Distances are taken between grid
 * points: rounding a true distance instead gave the place away to 0.01 m in 40 questions, a grid point
 * never gives more than its cell. `held`: the band that the viewer was told last, which is left at 1.3 of its
 * radius, so that a list does not come and go with every step across an edge.
 */
export function bandOf(subject: SubjectPolicy, at: Place, viewer: Viewer, from: Place, held?: Band): Band | null {
  const level = levelFor(subject, viewer);
  if (!isDiscoverable(subject, viewer) || !atLeast(level, "venue")) return null;
  if (level === "precise" && at.floor === from.floor) {
    const metres = Math.hypot(snap(at.xM) - snap(from.xM), snap(at.yM) - snap(from.yM));
    if (metres <= (held === "10m" ? 10 * LEAVE_RATIO : 10)) return "10m";
    if (metres <= (held === "10m" || held === "50m" ? 50 * LEAVE_RATIO : 50)) return "50m";
  }
  return sharesZone(subject, at, viewer, from) ? "same_zone" : "same_venue";
}

/** True if the viewer may know that the subject is in the viewer's zone, and it is. */
export function sharesZone(subject: SubjectPolicy, at: Place, viewer: Viewer, from: Place): boolean {
  return at.zoneId !== null && at.zoneId === from.zoneId && atLeast(levelFor(subject, viewer), "zone");
}

// --- the forms ------------------------------------------------------------------------------------

function byName({ personId, name }: SubjectPolicy): Extract<SubjectView, { who: "person" }> {
  return { who: "person", personId, name };
}

export function snap(metres: number): number {
  return Math.round(metres / GRID_M) * GRID_M + 0; // + 0: no minus zero
}

function zoneEvent(zone: ZoneTransition, subj: SubjectView): ClientEvent {
  return { t: `zone.${zone.transition}`, at: zone.atMs, d: { subj, zoneId: zone.zoneId, floor: zone.floor } };
}

function positionUpdate(position: Position, subj: SubjectView, subject: string): VisibleUpdate {
  const { xM, yM, floor, zoneId, accuracy95M, confidence, source } = position;
  // Exact for oneself and for things; for others' eyes a person stands on a grid point, and no figure beside it is finer.
  const place =
    subj.who === "person"
      ? { xM: snap(xM), yM: snap(yM), accuracy95M: Math.max(GRID_M, Math.ceil(accuracy95M)), confidence: Math.round(confidence * 10) / 10 }
      : { xM, yM, accuracy95M, confidence, source };
  const event: ClientEvent = {
    t: "position",
    at: position.atMs,
    d: { subj, level: "precise", floor, zoneId, ...place },
  };
  return reveal(2, event, { subject, key: `position ${subj.who === "me" ? "me" : subject}` });
}

function gatewayUpdate(gateway: GatewayHealth): VisibleUpdate {
  const { gatewayId, state, atMs, lastReportAtMs, observationsPerS, clockOffsetMs, calibration } = gateway;
  const d: GatewayHealth = { gatewayId, state, atMs, lastReportAtMs, observationsPerS, clockOffsetMs, ...(calibration === undefined ? {} : { calibration }) };
  const event: ClientEvent = { t: "gateway", at: atMs, d };
  return reveal(3, event, { key: `gateway ${gatewayId}` });
}

function shownAlert(alert: Alert): Alert {
  const { alertId, severity, title, text, zoneIds, atMs } = alert;
  return { alertId, severity, title, text, zoneIds, atMs };
}

const BEYOND_ASCII = /[\u0080-\uffff]/g;

/** JSON in ASCII alone: its length is its bytes, and a frame of such parts goes to the socket as it is. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(BEYOND_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Out of the event itself: who filters by it learns nothing that is not in it. */
function placeOf(event: ClientEvent): ShownPlace | null {
  switch (event.t) {
    case "position":
      return { floor: event.d.floor, zoneId: event.d.zoneId, point: { xM: event.d.xM, yM: event.d.yM } };
    case "zone.enter":
    case "zone.dwell":
    case "zone.exit":
      return { floor: event.d.floor, zoneId: event.d.zoneId, point: null };
    default:
      return null;
  }
}

/** What an event does not say itself; see `VisibleUpdate`. `logged`: it stands in the log, and under which id clients know it. */
interface Travel {
  subject?: string;
  logged?: { update: Update; ref: EventRef } | undefined;
  key?: string | null;
  windowMs?: number;
}

/** The only place where a `VisibleUpdate` comes from. */
function reveal(lane: Lane, event: ClientEvent, { subject, logged, key = null, windowMs = 0 }: Travel = {}): VisibleUpdate {
  const ref = logged?.ref ?? null;
  const i = typeof ref === "function" ? ref() : ref;
  const json = asciiJson(logged === undefined || i === null ? event : { i, st: logged.update.storedAtMs, ...event });
  const shown: Omit<VisibleUpdate, typeof visible> = {
    lane,
    key,
    subject: subject ?? null,
    offset: logged?.update.updateId.offset ?? null,
    storedAtMs: logged?.update.storedAtMs ?? null,
    json,
    bytes: json.length,
    windowMs,
    place: placeOf(event),
  };
  return shown as VisibleUpdate;
}
