import { performance } from "node:perf_hooks";
import { CLOSE_CODES, isLogged, type AppChannel, type Channel, type PersonId, type StoredMessage, type VenueChannel, type TagId, type ZoneId } from "@konferenco/protocol";
import type { BridgeLimits } from "./config.ts";
import type { Connection } from "./connection.ts";
import { ConnectionsBySubject } from "./connections-by-subject.ts";
import { AreaView } from "./core/area.ts";
import type { LivePicture } from "./core/live-picture.ts";
import { HARD_WINDOW_BYTES, Outbox, newOutboxCounts, type TakeOptions } from "./core/outbox.ts";
import { atLeast, levelFor, mayMeet, seesThings, type Viewer } from "./core/privacy-policy.ts";
import { showGateway, showOwnSettings, showStanding, speakerOf, type Projection, type Standing, type VisibleUpdate } from "./core/privacy.ts";
import type { Timings } from "./timings.ts";
import { RecentDelays } from "./recent-delays.ts";
import type { PeopleCache, PolicyChange } from "./people-cache.ts";
import type { Subscription } from "./subscriptions.ts";

/** How often positions and replays are looked at; the finest rate of positions is two of these. */
export const TICK_MS = 50;
const TELEMETRY_EVERY_MS = 1_000;
/** Writing 10,000 sockets in one go blocks the loop for 64-78 ms; so it is done in slices. */
const SLICE_MS = 8;
/** Unacknowledged bytes after which the other end's protocol stack is asked how far it has read. */
const PROBE_BYTES = 64 * 1024;
/** A snapshot's first part, in the reply itself; the rest follows as the reader makes room. */
export const SNAPSHOT_BYTES = 32 * 1024;

export interface HubOptions {
  people: PeopleCache;
  picture: LivePicture;
  limits: BridgeLimits;
  timings: Timings;
  nowMs: () => number;
  /** The sealed cursor of a connection at a log offset. */
  seal: (connection: Connection, offset: number) => string;
  /** How far the feed has dispatched. */
  feedOffset: () => number;
  /** What the tag's carrier is doing, as this viewer may see it; null: nothing is known. */
  activityOf: (tagId: TagId, viewer: Viewer) => VisibleUpdate | null;
}

/** All connections that have said hello: who is interested in what, and what is written when. */
export class Hub {
  readonly counts = newOutboxCounts();
  readonly delays = new RecentDelays();
  /** Answers of the policy for viewers who are interested. */
  readonly filtered = { shown: 0, hidden: 0 };
  readonly connections = new Set<Connection>();
  readonly bySubject = new ConnectionsBySubject();
  readonly byPerson = new ConnectionsBySubject();
  readonly byChannel: Record<VenueChannel, Set<Connection>> = { me: new Set(), nearby: new Set(), alerts: new Set(), venue: new Set(), occupancy: new Set(), direct: new Set(), presence: new Set() };
  readonly byApp = new Map<AppChannel, Set<Connection>>();
  readonly closedByCode = new Map<number, number>();
  readonly #options: HubOptions;
  #alerted: Connection[] = [];
  #urgent: Connection[] = [];
  readonly #withPositions = new Set<Connection>();
  readonly #withTelemetry = new Set<Connection>();
  /** What may wait for others to go with it, and until when. */
  readonly #soon = new Map<Connection, number>();
  #flushing = false;
  #greeted = 0;
  /** Whose frame is being made. One object for all, since there are 100,000 flushes a second. */
  #taking: Connection | null = null;
  readonly #take: TakeOptions = {
    positions: false,
    telemetry: false,
    nowMs: 0,
    offeredOffset: 0,
    seal: (offset) => (this.#taking === null ? "" : this.#options.seal(this.#taking, offset)),
  };

  constructor(options: HubOptions) {
    this.#options = options;
  }

  add(connection: Connection): void {
    this.connections.add(connection);
    connection.number = ++this.#greeted;
    this.bySubject.add(connection.subject, connection);
    if (connection.viewer.personId !== null) this.byPerson.add(connection.viewer.personId, connection);
  }

  /** Ends a connection from our side, once; `remove` follows when the transport says that it is gone. */
  close(connection: Connection, code: number, reason: string): void {
    if (connection.state === "closed") return;
    connection.wire.close(code, reason);
    this.remove(connection, code);
  }

  remove(connection: Connection, code: number): void {
    if (connection.state === "closed") return;
    connection.state = "closed";
    this.closedByCode.set(code, (this.closedByCode.get(code) ?? 0) + 1);
    connection.outbox?.clear("closed");
    connection.replay = connection.pump = null;
    this.connections.delete(connection);
    this.bySubject.delete(connection.subject, connection);
    if (connection.viewer.personId !== null) this.byPerson.delete(connection.viewer.personId, connection);
    for (const channel of connection.channels.keys()) this.#leave(connection, channel);
    this.#soon.delete(connection);
    this.#withPositions.delete(connection);
    this.#withTelemetry.delete(connection);
  }

  subscribe(connection: Connection, subscription: Subscription): void {
    const { channel } = subscription;
    connection.channels = connection.channels.with(subscription);
    if (isApp(channel)) addTo(this.byApp, channel, connection);
    else this.byChannel[channel].add(connection);
    if (channel === "venue") {
      connection.view = subscription.area === null ? null : new AreaView(subscription.area);
      connection.pump = null;
      // What waits is of the area before.
      connection.outbox?.dropPositions("area");
    }
    if (connection.outbox !== null) connection.outbox.every = wantsEvery(connection);
  }

  unsubscribe(connection: Connection, channel: Channel): void {
    connection.channels = connection.channels.without(channel);
    connection.replay?.channels.delete(channel);
    this.#leave(connection, channel);
    if (channel === "venue") connection.pump = connection.view = null;
    if (connection.outbox !== null) connection.outbox.every = wantsEvery(connection);
  }

  #leave(connection: Connection, channel: Channel): void {
    if (isApp(channel)) removeFrom(this.byApp, channel, connection);
    else this.byChannel[channel].delete(connection);
  }

  // --- events in ----------------------------------------------------------------------------------

  /** One update to everybody whom it concerns and who may see it. Nothing is written before `flushUrgent`. */
  dispatch(projection: Projection): void {
    const { body } = projection.update;
    switch (body.kind) {
      case "alert":
        // The affected area first (requirement E7).
        for (const near of [true, false]) {
          for (const connection of this.byChannel.alerts) {
            if (this.#isInZones(connection, body.alert.zoneIds) === near) this.#offerLogged(connection, projection);
          }
        }
        return;
      case "gateway":
        for (const connection of this.byChannel.venue) this.offer(connection, projection.forViewer(connection.viewer));
        return;
      case "message":
        return this.#dispatchMessage(projection, body.message);
      case "signal":
        // Who is writing is told in lists (core/typing-board.ts).
        if (body.signal.kind === "said" && !body.signal.message.type.startsWith("typing/")) this.#dispatchMessage(projection, body.signal.message);
        return;
      default:
        for (const personId of projection.people) {
          for (const connection of this.byPerson.get(personId)) if (connection.has("me")) this.#offerLogged(connection, projection);
        }
        if (body.kind === "proximity") return;
        for (const connection of this.byChannel.venue) {
          const own = connection.viewer.personId !== null && projection.people.includes(connection.viewer.personId);
          if (!own || !connection.has("me")) this.#offerLogged(connection, projection, connection.view);
        }
    }
  }

  #dispatchMessage(projection: Projection, { to, from }: StoredMessage): void {
    if (to.kind === "channel") for (const connection of this.byApp.get(to.id) ?? []) this.#offerWords(connection, projection, from);
    else for (const personId of projection.people) for (const connection of this.byPerson.get(personId)) if (connection.has("direct")) this.#offerWords(connection, projection, from);
  }

  #offerWords(connection: Connection, projection: Projection, from: string): void {
    if (connection.viewer.personId !== from) connection.rememberWords(from);
    this.#offerLogged(connection, projection);
  }

  #offerLogged(connection: Connection, projection: Projection, view: AreaView | null = null): void {
    const { update } = projection;
    if (isLogged(update.body) && update.body.kind !== "alert") {
      // A replaying connection reads it from the log in its turn; one that has replayed it already has it.
      if (connection.replay !== null || update.updateId.offset <= connection.liveAfterOffset) return;
    }
    const shown = projection.forViewer(connection.viewer);
    if (shown === null) this.filtered.hidden++;
    else this.filtered.shown++;
    if (shown === null || !this.#isInView(connection, shown, view)) return;
    if (update.body.kind === "proximity" && shown.subject !== null) connection.remember(shown.subject);
    this.offer(connection, shown);
  }

  /** What the viewer may see, and where they look. Who walks out of an area is forgotten as they are when hidden: not kept as they stood last. */
  #isInView(connection: Connection, shown: VisibleUpdate, view: AreaView | null): boolean {
    const look = view === null ? "in" : view.look(shown);
    if (look === "left" && shown.subject !== null) {
      connection.outbox?.dropPositions("area", shown.key ?? "");
      if (connection.outbox?.hasUrgent === true) this.flush(connection, false, false); // what came before comes before
      connection.sendFrame({ op: "forget", subj: shown.subject });
    }
    return look === "in";
  }

  offer(connection: Connection, shown: VisibleUpdate | null): void {
    if (shown === null || connection.state !== "open") return;
    this.outboxOf(connection).offer(shown);
    if (shown.lane === 2) this.#withPositions.add(connection);
    else if (shown.windowMs > 0) this.#sendSoon(connection, shown.windowMs);
    else if (shown.lane === 0) this.#alerted.push(connection);
    else if (shown.lane === 1) this.#isUrgent(connection);
    else this.#withTelemetry.add(connection);
  }

  #isUrgent(connection: Connection): void {
    if (connection.isUrgent) return;
    connection.isUrgent = true;
    this.#urgent.push(connection);
  }

  outboxOf(connection: Connection): Outbox {
    if (connection.outbox !== null) return connection.outbox;
    connection.outbox = new Outbox(this.counts);
    connection.outbox.every = wantsEvery(connection);
    return connection.outbox;
  }

  /** Normal priority within 100 ms, low within a second (requirement E6); what is urgent meanwhile takes it along. */
  #sendSoon(connection: Connection, windowMs: number): void {
    const dueMs = this.#options.nowMs() + windowMs - TICK_MS;
    const earlier = this.#soon.get(connection);
    if (earlier === undefined || dueMs < earlier) this.#soon.set(connection, dueMs);
  }

  #isInZones(connection: Connection, zoneIds: readonly ZoneId[]): boolean {
    if (zoneIds.length === 0) return true;
    const { personId } = connection.viewer;
    const tagId = personId === null ? null : this.#options.people.tagOf(personId);
    const zoneId = tagId === null ? null : (this.#options.picture.standing(tagId)?.zoneId ?? null);
    return zoneId !== null && zoneIds.includes(zoneId);
  }

  // --- snapshots ----------------------------------------------------------------------------------

  /** Everybody and everything that the connection may see: as much as fits a reply at once, the rest through the pump. */
  venueSnapshot(connection: Connection): VisibleUpdate[] {
    const { picture, people } = this.#options;
    const shown = picture.gateways().flatMap((gateway) => showGateway(gateway, connection.viewer) ?? []);
    let bytes = shown.reduce((sum, update) => sum + update.bytes, 0);
    const standings = picture.standings();
    for (let next = standings.next(); next.done !== true; next = standings.next()) {
      const standing = showStanding(next.value, people.holderOf(next.value.tagId), connection.viewer);
      if (standing === null || !this.#isInView(connection, standing, connection.view)) continue;
      const activity = this.#options.activityOf(next.value.tagId, connection.viewer);
      shown.push(standing, ...(activity === null ? [] : [activity]));
      bytes += standing.bytes + (activity?.bytes ?? 0);
      if (bytes < SNAPSHOT_BYTES) continue;
      connection.pump = standings;
      this.#withPositions.add(connection);
      break;
    }
    return shown;
  }

  ownSnapshot(connection: Connection, nowMs: number): VisibleUpdate[] {
    const { people, picture } = this.#options;
    const person = connection.viewer.personId === null ? null : people.personOf(connection.viewer.personId);
    if (person === null) return [];
    const standing = person.tagId === null ? null : picture.standing(person.tagId);
    const shown = standing === null ? null : showStanding(standing, people.holderOf(standing.tagId), connection.viewer);
    const activity = shown === null || standing === null ? null : this.#options.activityOf(standing.tagId, connection.viewer);
    return [showOwnSettings(person.settings, nowMs), ...(shown === null ? [] : [shown]), ...(activity === null ? [] : [activity])];
  }

  /** After a hole that the log cannot fill: everybody is told, and what is true now is sent again. */
  tellGap(why: "retention" | "epoch" | "overflow"): void {
    for (const connection of this.connections) {
      connection.liveAfterOffset = 0;
      connection.sendFrame({ op: "gap", why });
      if (!connection.has("venue") || connection.viewer.role === "display") continue;
      connection.pump = this.#options.picture.standings();
      this.#withPositions.add(connection);
    }
  }

  /** What they keep may be wrong: one person's clients, or everybody's, are told to load anew. */
  tellResync(who: PersonId | null): void {
    for (const connection of who === null ? this.connections : this.byPerson.get(who)) connection.sendFrame({ op: "resync" });
  }

  // --- policies that change -----------------------------------------------------------------------

  /** Queues forget at once what may no longer be shown, viewers are told to forget, and what may be shown now is. */
  applyPolicyChange(change: PolicyChange): void {
    const { personId, before, after, tagBefore, tagAfter } = change;
    const tagChanged = tagBefore !== tagAfter;
    const stood = tagBefore !== null && this.#options.picture.standing(tagBefore) !== null;
    // What we know of a tag was its holder's; the next position is the next holder's, or the thing's.
    if (tagBefore !== null && (tagChanged || change.erased)) this.#options.picture.drop(tagBefore);
    for (const connection of this.byPerson.get(personId)) this.#applyOwnChange(connection, change);
    // Who is erased, or takes their consent back, has said nothing either.
    if (change.erased || (before?.consented === true && after?.consented !== true)) this.#forgetWords(personId, this.connections);
    // Blocking holds in both directions, for words and presence too.
    for (const blocked of after?.blocked ?? []) {
      if (before?.blocked?.has(blocked) === true) continue;
      this.#forgetWords(blocked, this.byPerson.get(personId));
      this.#forgetWords(personId, this.byPerson.get(blocked));
    }
    for (const connection of this.byChannel.venue) this.#applyVenueChange(connection, change, { tagChanged, stood });
    for (const connection of this.connections) {
      if (connection.shown?.has(personId) !== true) continue;
      const { viewer } = connection;
      const was = before === null ? "hidden" : levelFor(before, viewer);
      const is = after === null ? "hidden" : levelFor(after, viewer);
      const heardOfNear = viewer.self !== null && before !== null && mayMeet(viewer.self, before);
      const hearsOfNear = viewer.self !== null && after !== null && mayMeet(viewer.self, after);
      if (atLeast(is, was) && (hearsOfNear || !heardOfNear)) continue;
      connection.shown.delete(personId);
      connection.outbox?.forgetSubject(personId);
      connection.sendFrame({ op: "forget", subj: personId });
    }
    this.flushUrgent();
  }

  #forgetWords(personId: PersonId, connections: Iterable<Connection>): void {
    for (const connection of connections) {
      if (connection.heardOf?.delete(personId) !== true) continue;
      connection.outbox?.forgetSubject(speakerOf(personId));
      connection.sendFrame({ op: "forget", subj: personId });
    }
  }

  #applyOwnChange(connection: Connection, { personId, before, after, erased }: PolicyChange): void {
    if (erased) return this.close(connection, CLOSE_CODES.erased, "erased");
    const { viewer } = connection;
    connection.viewer = { ...viewer, self: after };
    const person = this.#options.people.personOf(personId);
    if (person !== null && connection.has("me")) this.offer(connection, showOwnSettings(person.settings, this.#options.nowMs()));
    if (before?.consented === true && after?.consented === false) {
      connection.outbox?.forgetSubject(personId);
      connection.sendFrame({ op: "forget", subj: personId });
    }
    // Blocking holds in both directions: whom they have blocked goes from their own screens too.
    for (const blocked of after?.blocked ?? []) {
      if (before?.blocked?.has(blocked) === true || connection.shown?.delete(blocked) !== true) continue;
      connection.outbox?.forgetSubject(blocked);
      connection.sendFrame({ op: "forget", subj: blocked });
    }
    // What a member of staff sees of others hangs on these two; a fresh start is simpler than to undo.
    const rightsChanged = before !== null && after !== null && (before.role !== after.role || !sameSet(before.connections, after.connections) || !sameSet(before.blocked ?? NOBODY, after.blocked ?? NOBODY));
    if (rightsChanged && connection.has("venue")) this.close(connection, CLOSE_CODES.permissionsChanged, "permissions changed");
  }

  #applyVenueChange(connection: Connection, { personId, before, after, tagAfter }: PolicyChange, { tagChanged, stood }: { tagChanged: boolean; stood: boolean }): void {
    const { viewer } = connection;
    const was = before === null ? "hidden" : levelFor(before, viewer);
    const is = after === null ? "hidden" : levelFor(after, viewer);
    if (tagChanged && tagAfter !== null && seesThings(viewer)) {
      // Until now the tag was a thing.
      connection.outbox?.forgetSubject(tagAfter);
      connection.sendFrame({ op: "forget", subj: tagAfter });
    }
    if (was === is && !tagChanged && before?.name === after?.name) return;
    connection.outbox?.forgetSubject(personId);
    connection.view?.forget(personId);
    // One who has not been anywhere was not shown, and is not named now.
    if (stood && atLeast(was, "zone") && (tagChanged || !atLeast(is, was))) connection.sendFrame({ op: "forget", subj: personId });
    const standing = tagAfter === null ? null : this.#options.picture.standing(tagAfter);
    if (standing !== null) this.#offerStanding(connection, standing);
  }

  /** On `venue`, as far as the viewer may see and where they look. */
  #offerStanding(connection: Connection, standing: Standing): void {
    const shown = showStanding(standing, this.#options.people.holderOf(standing.tagId), connection.viewer);
    if (shown === null || !this.#isInView(connection, shown, connection.view)) return;
    this.offer(connection, shown);
    this.offer(connection, this.#options.activityOf(standing.tagId, connection.viewer));
  }

  /** Whether what is shown of this one lies where the viewer looks. */
  looksAt(connection: Connection, standing: Standing): boolean {
    if (connection.view === null) return true;
    const shown = showStanding(standing, this.#options.people.holderOf(standing.tagId), connection.viewer);
    return shown !== null && this.#isInView(connection, shown, connection.view);
  }

  /** A tag has not been heard for five minutes: recent locations are not kept longer, by clients neither. */
  forgetSilentTag(tagId: TagId): void {
    const holder = this.#options.people.holderOf(tagId);
    for (const connection of this.byChannel.venue) {
      const sees = holder === "nobody" ? seesThings(connection.viewer) : typeof holder === "object" && atLeast(levelFor(holder, connection.viewer), "zone");
      if (sees) connection.sendFrame({ op: "forget", subj: typeof holder === "object" ? holder.personId : tagId });
    }
  }

  // --- writing ------------------------------------------------------------------------------------

  /** Alerts and transitions leave in the turn in which they came; when they are many, in slices. */
  flushUrgent(): void {
    const alerted = this.#alerted;
    const urgent = this.#urgent;
    if (alerted.length > 0) this.#alerted = [];
    // An alert passes every queue (requirement E7).
    for (const connection of alerted) this.flush(connection, false, false);
    if (urgent.length === 0) return;
    this.#urgent = [];
    this.#flushSlice(urgent, 0, this.#flushUrgent);
  }

  readonly #flushUrgent = (connection: Connection): void => {
    connection.isUrgent = false;
    this.flush(connection, false, false);
  };

  /** Every `TICK_MS`: positions and telemetry that are due. */
  tick(): void {
    if (this.#flushing) return;
    const nowMs = this.#options.nowMs();
    const soon: Connection[] = [];
    for (const [connection, dueMs] of this.#soon) if (nowMs >= dueMs) soon.push(connection);
    for (const connection of soon) this.#soon.delete(connection);
    if (soon.length > 0) this.#flushSlice(soon, 0, (connection) => this.flush(connection, false, true));
    const due: Connection[] = [];
    for (const connection of this.#withPositions) if (nowMs >= connection.positionsDueAtMs) due.push(connection);
    for (const connection of this.#withTelemetry) if (nowMs >= connection.telemetryDueAtMs && !(this.#withPositions.has(connection) && nowMs >= connection.positionsDueAtMs)) due.push(connection);
    if (due.length === 0) return;
    this.#flushing = true;
    this.#flushSlice(due, 0, (connection) => this.#flushDue(connection, nowMs), () => (this.#flushing = false));
  }

  #flushDue(connection: Connection, nowMs: number): void {
    const positions = nowMs >= connection.positionsDueAtMs;
    const telemetry = nowMs >= connection.telemetryDueAtMs;
    this.#pump(connection);
    this.flush(connection, positions, telemetry);
    if (positions) connection.positionsDueAtMs = nowMs + positionIntervalMs(connection);
    if (telemetry) connection.telemetryDueAtMs = nowMs + TELEMETRY_EVERY_MS;
    if (connection.outbox?.hasPositions !== true && connection.pump === null) this.#withPositions.delete(connection);
    if (connection.outbox?.hasTelemetry !== true) this.#withTelemetry.delete(connection);
  }

  #flushSlice(connections: Connection[], from: number, flush: (connection: Connection) => void, done?: () => void): void {
    const untilMs = performance.now() + SLICE_MS;
    for (let index = from; index < connections.length; index++) {
      if ((index & 15) === 15 && performance.now() > untilMs) {
        setImmediate(() => this.#flushSlice(connections, index, flush, done));
        return;
      }
      const connection = connections[index] as Connection;
      if (connection.state === "open") flush(connection);
    }
    done?.();
  }

  /** States of a large snapshot, as long as the reader has room: evaluated now, under today's policy. */
  #pump(connection: Connection): void {
    const { pump } = connection;
    if (pump === null) return;
    const outbox = this.outboxOf(connection);
    while (outbox.hasRoom) {
      const next = pump.next();
      if (next.done === true) {
        connection.pump = null;
        return;
      }
      this.#offerStanding(connection, next.value);
    }
  }

  flush(connection: Connection, positions: boolean, telemetry: boolean): void {
    const { outbox, wire } = connection;
    if (outbox === null || connection.state !== "open") return;
    const nowMs = this.#options.nowMs();
    // A client may acknowledge what it never read; what waits in this process it cannot deny.
    while (wire.bufferedBytes() < HARD_WINDOW_BYTES) {
      const take = this.#take;
      take.positions = positions;
      take.telemetry = telemetry;
      take.nowMs = nowMs;
      take.offeredOffset = connection.replay?.after.offset ?? this.#options.feedOffset();
      this.#taking = connection;
      const frame = outbox.take(take);
      if (frame === null) break;
      wire.sendEvents(frame.head, frame.tail);
      if (frame.oldestStoredAtMs === null || connection.replay !== null) continue;
      this.delays.add(nowMs - frame.oldestStoredAtMs);
      this.#options.timings.bridge.add(Math.max(0, nowMs - frame.oldestStoredAtMs) / 1_000);
    }
    tellLag(connection, outbox);
    if (outbox.isSlow(nowMs, this.#options.limits.slowAfterMs)) return this.close(connection, CLOSE_CODES.slow, "slow");
    if (outbox.unackedBytes >= PROBE_BYTES && outbox.sentBytes - connection.probedBytes >= PROBE_BYTES) {
      connection.probedBytes = outbox.sentBytes;
      wire.probe(outbox.lastS);
    }
  }

  /** The client has acknowledged: there may be room for what waits. */
  acknowledged(connection: Connection, s: number): boolean {
    const { outbox } = connection;
    if (outbox === null) return s === 0;
    const known = outbox.ack(s, this.#options.nowMs());
    tellLag(connection, outbox);
    if (outbox.hasPositions || connection.pump !== null) this.#withPositions.add(connection);
    if (outbox.hasTelemetry) this.#withTelemetry.add(connection);
    if (outbox.hasUrgent) this.flush(connection, false, false);
    return known;
  }
}

function tellLag(connection: Connection, outbox: Outbox): void {
  const lag = outbox.lagToTell();
  if (lag !== null) connection.sendFrame({ op: "lag", level: lag });
}

function positionIntervalMs(connection: Connection): number {
  let hz = 0.1;
  for (const subscription of connection.channels.values()) {
    const { channel } = subscription;
    if (channel === "me" || channel === "venue") hz = Math.max(hz, subscription.every ? 10 : subscription.hz);
  }
  return Math.max(2 * TICK_MS, 1_000 / hz) - TICK_MS / 2; // half a tick early, else every interval would last a tick more
}

function wantsEvery(connection: Connection): boolean {
  return connection.channels.values().some((subscription) => subscription.every);
}

function addTo<K>(map: Map<K, Set<Connection>>, key: K, connection: Connection): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([connection]));
  else set.add(connection);
}

function removeFrom<K>(map: Map<K, Set<Connection>>, key: K, connection: Connection): void {
  const set = map.get(key);
  set?.delete(connection);
  if (set?.size === 0) map.delete(key);
}

function isApp(channel: Channel): channel is AppChannel {
  return channel.startsWith("app:");
}

function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}

const NOBODY: ReadonlySet<string> = new Set();
