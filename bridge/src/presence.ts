import { randomBytes } from "node:crypto";
import type { AppChannel, Channel, PersonId, PresenceEntry, PresenceState, PresenceView, Signal } from "@konferenco/protocol";
import type { Connection } from "./connection.ts";
import { isList } from "./connections-by-subject.ts";
import { PresenceBoard, type PresenceChange } from "./core/presence-board.ts";
import { isNamedIn, seesThings, shownState, withoutBlocked, type SubjectPolicy, type Viewer } from "./core/privacy-policy.ts";
import { showPresence, type VisibleUpdate } from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache, PolicyChange } from "./people-cache.ts";
import type { Signals } from "./signals.ts";

/** Nobody has done anything there for so long: away. The connection stays, read-only screens are none of this (requirement E14). */
export const AWAY_AFTER_MS = 30 * 60_000;
/** Whose last connection ended may be between two: a page that is loaded anew does not leave. */
const LEAVES_AFTER_MS = 5_000;
/** Somebody who polls is there for so long after the last question. */
const POLLED_MS = 90_000;
/** A bridge says that it lives, and at times whom it has, should a signal have been lost. */
const ALIVE_EVERY_MS = 30_000;
const WHOLE_EVERY_MS = 5 * 60_000;
/** People of one signal: 25 KB. */
const PEOPLE_PER_SIGNAL = 500;
/** Between two events of one channel. */
const TELL_EVERY_MS = 1_000;
/** Names in one event; beyond, numbers (a stadium is no list). */
const MAX_NAMES = 20;
const MAX_SNAPSHOT_NAMES = 100;
/** With more people than this in a channel, comings and goings are told as a number alone. */
const MAX_NAMED_CHANNEL = 200;

export interface PresenceOptions {
  hub: Hub;
  people: PeopleCache;
  signals: Signals;
  nowMs: () => number;
  log: (event: object) => void;
}

interface Named {
  policy: SubjectPolicy;
  state: PresenceState;
}

interface Pending {
  came: Set<PersonId>;
  left: Set<PersonId>;
}

/** Who is online and who is in which channel, over all bridges; told in one event a second and channel at most. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #bridge = randomBytes(6).toString("base64url");
  readonly #board = new PresenceBoard();
  /** State and channels of everybody here, as one text: most are in no channel, and share theirs. */
  readonly #told = new Map<PersonId, string>();
  /** Who was here a moment ago, and since when not. */
  readonly #goneAtMs = new Map<PersonId, number>();
  readonly #polledUntilMs = new Map<PersonId, number>();
  readonly #pending = new Map<AppChannel, Pending>();
  readonly #moved = new Set<PersonId>();
  #knownBridges = new Set<string>();
  #aliveAtMs = -Infinity;
  #wholeAtMs = -Infinity;
  readonly #toldAtMs = new Map<AppChannel, number>();
  #telling = false;
  #staffTold = "";
  #staffDueAtMs = 0;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Somebody without a connection who asks again and again is there too. */
  polled(personId: PersonId): void {
    this.#polledUntilMs.set(personId, this.#options.nowMs() + POLLED_MS);
  }

  // --- what is so here ------------------------------------------------------------------------------

  /** Twice a second: what has changed here goes to all bridges, ourselves included. A look at 10,000 people takes 2 ms. */
  tickHere(): void {
    const { hub, nowMs } = this.#options;
    const atMs = nowMs();
    const changed: PresenceEntry[] = [];
    for (const [personId, connections] of hub.byPerson.entries()) this.#note(personId, presenceOf(connections, atMs), changed);
    for (const [personId, untilMs] of this.#polledUntilMs) {
      if (hub.byPerson.has(personId)) continue;
      if (untilMs > atMs) this.#note(personId, "online", changed);
      else this.#polledUntilMs.delete(personId);
    }
    for (const personId of this.#told.keys()) {
      if (hub.byPerson.has(personId) || (this.#polledUntilMs.get(personId) ?? 0) > atMs) continue;
      const goneAtMs = this.#goneAtMs.get(personId) ?? atMs;
      this.#goneAtMs.set(personId, goneAtMs);
      if (atMs - goneAtMs < LEAVES_AFTER_MS) continue;
      this.#goneAtMs.delete(personId);
      this.#told.delete(personId);
      changed.push({ who: personId, state: "offline", channels: [] });
    }
    if (atMs - this.#wholeAtMs >= WHOLE_EVERY_MS) this.#sayAll(atMs);
    else if (changed.length > 0 || atMs - this.#aliveAtMs >= ALIVE_EVERY_MS) this.#say(changed, false, atMs);
    this.#take(this.#board.sweep(atMs, this.#bridge));
  }

  #note(personId: PersonId, presence: string, changed: PresenceEntry[]): void {
    if (this.#goneAtMs.size > 0) this.#goneAtMs.delete(personId);
    if (this.#told.get(personId) === presence) return;
    this.#told.set(personId, presence);
    changed.push(entryOf(personId, presence));
  }

  #sayAll(atMs: number): void {
    this.#wholeAtMs = atMs;
    this.#say([...this.#told].map(([personId, presence]) => entryOf(personId, presence)), true, atMs);
  }

  #say(entries: PresenceEntry[], whole: boolean, atMs: number): void {
    this.#aliveAtMs = atMs;
    for (let from = 0; from === 0 || from < entries.length; from += PEOPLE_PER_SIGNAL) {
      this.#options.signals.push({ kind: "presence", bridge: this.#bridge, whole: whole && from === 0, people: entries.slice(from, from + PEOPLE_PER_SIGNAL) });
    }
  }

  // --- what is so everywhere ------------------------------------------------------------------------

  heard(signal: Extract<Signal, { kind: "presence" }>): void {
    const { bridge, people, whole } = signal;
    if (bridge !== this.#bridge && !this.#knownBridges.has(bridge)) {
      this.#knownBridges = new Set([...this.#knownBridges, bridge].slice(-64));
      // A bridge that has just begun knows nobody of ours.
      this.#wholeAtMs = -Infinity;
    }
    this.#take(this.#board.hear(bridge, people, whole, this.#options.nowMs()));
  }

  #take(changes: readonly PresenceChange[]): void {
    for (const { who, joined, left, stayed } of changes) {
      this.#moved.add(who);
      for (const channel of [...joined, ...stayed]) this.#pendingOf(channel).came.add(who);
      const policy = this.#options.people.policyOf(who);
      // Who was never named is not said to have left.
      if (policy !== null && isNamedIn(policy)) for (const channel of left) this.#pendingOf(channel).left.add(who);
    }
  }

  #pendingOf(channel: string): Pending {
    const name = channel as AppChannel;
    let pending = this.#pending.get(name);
    if (pending === undefined) this.#pending.set(name, (pending = { came: new Set(), left: new Set() }));
    return pending;
  }

  /** Somebody shows their presence from now on, or hides it: which looks like coming and going. */
  policyChanged({ personId, before, after }: PolicyChange): void {
    const { channels, state } = this.#board.of(personId);
    if (state === "offline") return;
    this.#moved.add(personId);
    const named = after !== null && isNamedIn(after);
    const wasNamed = before !== null && isNamedIn(before);
    if (!named && !wasNamed) return;
    for (const channel of channels) {
      const pending = this.#pendingOf(channel);
      if (named) pending.came.add(personId);
      else pending.left.add(personId);
    }
  }

  // --- what is told ---------------------------------------------------------------------------------

  /** Every tick: what has come from all bridges, at most once a second for each channel. */
  tick(): void {
    if (!this.#telling && this.#pending.size + this.#moved.size > 0) void this.#tell();
  }

  async #tell(): Promise<void> {
    const { hub, people, nowMs, log } = this.#options;
    const atMs = nowMs();
    for (const [channel, toldAtMs] of this.#toldAtMs) if (atMs - toldAtMs >= TELL_EVERY_MS || atMs < toldAtMs) this.#toldAtMs.delete(channel);
    const pending: [AppChannel, Pending][] = [];
    for (const [channel, each] of this.#pending) {
      if (this.#toldAtMs.has(channel)) continue;
      this.#pending.delete(channel);
      if (!hub.byApp.has(channel)) continue;
      this.#toldAtMs.set(channel, atMs);
      pending.push([channel, each]);
    }
    const moved = [...this.#moved].filter((who) => who !== SOMEBODY);
    this.#moved.clear();
    if (pending.length === 0 && hub.byChannel.presence.size === 0) return;
    this.#telling = true;
    try {
      const asked = new Set([...pending.flatMap(([channel]) => [...this.#board.members(channel)]), ...(hub.byChannel.presence.size === 0 ? [] : moved)]);
      await people.loadPeople([...asked].filter((personId) => people.policyOf(personId) === null));
      for (const [channel, each] of pending) this.#tellChannel(channel, each);
      this.#tellConnections(moved);
      this.#tellStaff();
    } catch (error) {
      log({ event: "presence waits for the registry", error: String(error) });
    } finally {
      this.#telling = false;
    }
  }

  #tellChannel(channel: AppChannel, { came, left }: Pending): void {
    const { hub, people, nowMs } = this.#options;
    const members = this.#board.members(channel);
    const named: readonly Named[] = this.#namedOf(members);
    const isLarge = named.length > MAX_NAMED_CHANNEL;
    const here: readonly Named[] = isLarge ? [] : named.filter(({ policy }) => came.has(policy.personId));
    const isHere = new Set<PersonId>(named.map(({ policy }) => policy.personId));
    const gone: readonly string[] = [...left].filter((personId) => !isHere.has(personId));
    if (here.length === 0 && gone.length === 0 && !isLarge) return;
    const viewFor = (all: readonly Named[], came: readonly Named[], left: readonly string[]): PresenceView => ({
      ch: channel,
      whole: false,
      count: all.length,
      people: came.slice(0, MAX_NAMES).map(viewOf),
      left: isLarge ? [] : left.slice(0, MAX_NAMES),
      more: Math.max(0, came.length - MAX_NAMES) + Math.max(0, left.length - MAX_NAMES),
    });
    const view = viewFor(named, here, gone);
    const shown = showPresence(view, nowMs());
    for (const connection of hub.byApp.get(channel) ?? []) {
      const { viewer } = connection;
      // In a crowd nobody is named, and looking at everybody for everybody would take seconds.
      const all = isLarge ? named : withoutBlocked(named, ({ policy }) => policy, viewer);
      const left = isLarge ? gone : withoutBlocked(gone, (personId) => people.policyOf(personId), viewer);
      if (all === named && left === gone) {
        this.#offer(connection, view, shown);
        continue;
      }
      const own = viewFor(all, withoutBlocked(here, ({ policy }) => policy, viewer), left);
      if (own.people.length + own.left.length > 0 || isLarge) this.#offer(connection, own, showPresence(own, nowMs()));
    }
  }

  #namedOf(members: Iterable<PersonId>): Named[] {
    const named: Named[] = [];
    for (const personId of members) {
      const policy = this.#options.people.policyOf(personId);
      const state = policy === null ? null : shownState(policy, this.#board.of(personId).state, "channel");
      if (policy !== null && state !== null) named.push({ policy, state });
    }
    return named;
  }

  /** People's own connections: mutual, and each side shows it. */
  #tellConnections(moved: readonly PersonId[]): void {
    const { hub, people, nowMs } = this.#options;
    const byConnection = new Map<Connection, { people: PresenceView["people"]; left: string[] }>();
    for (const personId of moved) {
      const policy = people.policyOf(personId);
      if (policy === null) continue;
      for (const friendId of policy.connections) {
        for (const connection of hub.byPerson.get(friendId)) {
          const { self } = connection.viewer;
          if (!connection.has("presence") || self === null) continue;
          const state = shownState(policy, this.#board.of(personId).state, self);
          const isHere = state !== null && state !== "offline";
          // Who was not seen here does not leave: coming and going of somebody hidden, or who has blocked the viewer, is no event.
          if (!isHere && connection.seenHere?.has(personId) !== true) continue;
          const list = byConnection.get(connection) ?? { people: [], left: [] };
          if (isHere) list.people.push(viewOf({ policy, state }));
          else list.left.push(personId);
          byConnection.set(connection, list);
        }
      }
    }
    for (const [connection, list] of byConnection) {
      const { self } = connection.viewer;
      if (self === null) continue;
      for (const { personId } of list.people) (connection.seenHere ??= new Set()).add(personId);
      for (const personId of list.left) connection.seenHere?.delete(personId);
      const view: PresenceView = { whole: false, count: this.#friendsOf(self).length, people: list.people.slice(0, MAX_NAMES), left: list.left.slice(0, MAX_NAMES), more: Math.max(0, list.people.length + list.left.length - 2 * MAX_NAMES) };
      this.#offer(connection, view, showPresence(view, nowMs()));
    }
  }

  #friendsOf(self: SubjectPolicy): Named[] {
    return [...self.connections].flatMap((personId) => {
      const policy = this.#options.people.policyOf(personId);
      const state = policy === null ? null : shownState(policy, this.#board.of(personId).state, self);
      return policy === null || state === null || state === "offline" ? [] : [{ policy, state }];
    });
  }

  /** Operators and staff see numbers (requirement D12). */
  #tellStaff(): void {
    const { hub, nowMs } = this.#options;
    const watching = [...hub.byChannel.presence].filter(({ viewer }) => viewer.personId === null);
    if (watching.length === 0) return;
    if (nowMs() < this.#staffDueAtMs) return void this.#moved.add(SOMEBODY); // look again when it is due
    this.#staffDueAtMs = nowMs() + TELL_EVERY_MS;
    const view = this.#numbers();
    const text = JSON.stringify(view);
    if (text === this.#staffTold) return;
    this.#staffTold = text;
    const shown = showPresence(view, nowMs());
    for (const connection of watching) this.#options.hub.offer(connection, shown);
  }

  #numbers(): PresenceView {
    const named = this.#namedOf(this.#board.everybody());
    const states = { online: 0, away: 0, busy: 0 };
    for (const { state } of named) if (state !== "offline") states[state]++;
    return { whole: true, count: named.length, states, people: [], left: [], more: named.length };
  }

  #offer(connection: Connection, view: PresenceView, shown: VisibleUpdate): void {
    for (const { personId } of view.people) if (personId !== connection.viewer.personId) connection.rememberWords(personId);
    this.#options.hub.offer(connection, shown);
  }

  // --- snapshots ------------------------------------------------------------------------------------

  /** Reads those whom a snapshot may name. */
  async lookUp(channel: Channel, viewer: Viewer): Promise<void> {
    const { people } = this.#options;
    const asked = channel === "presence" ? (viewer.self?.connections ?? []) : [...this.#board.members(channel)].slice(0, 10 * MAX_SNAPSHOT_NAMES);
    await people.loadPeople([...asked].filter((personId) => people.policyOf(personId) === null));
  }

  snapshot(connection: Connection, channel: Channel): VisibleUpdate[] {
    const { viewer } = connection;
    const atMs = this.#options.nowMs();
    if (channel === "presence" && viewer.self === null) return [showPresence(seesThings(viewer) ? this.#numbers() : EMPTY, atMs)];
    const named = channel === "presence" && viewer.self !== null ? this.#friendsOf(viewer.self) : withoutBlocked(this.#namedOf(this.#board.members(channel)), ({ policy }) => policy, viewer);
    if (channel === "presence") connection.seenHere = new Set(named.map(({ policy }) => policy.personId));
    const view: PresenceView = {
      ...(channel === "presence" ? {} : { ch: channel as AppChannel }),
      whole: true,
      count: named.length,
      people: named.slice(0, MAX_SNAPSHOT_NAMES).map(viewOf),
      left: [],
      more: Math.max(0, named.length - MAX_SNAPSHOT_NAMES),
    };
    for (const { personId } of view.people) if (personId !== viewer.personId) connection.rememberWords(personId);
    return [showPresence(view, atMs)];
  }
}

/** No person: keeps the numbers in view until they are told. */
const SOMEBODY = "";
const EMPTY: PresenceView = { whole: true, count: 0, people: [], left: [], more: 0 };

function viewOf({ policy, state }: Named): PresenceView["people"][number] {
  return { personId: policy.personId, name: policy.name, state };
}

/** Over all tabs and devices: busy if one says so, online if somebody is at one, else away; and the channels, in their order. */
function presenceOf(connections: Connection | readonly Connection[], nowMs: number): string {
  if (!isList(connections)) return presenceAt(connections, nowMs);
  const all = connections.map((connection) => presenceAt(connection, nowMs).split(" "));
  const state = ["busy", "online"].find((each) => all.some(([said]) => said === each)) ?? "away";
  return [state, ...[...new Set(all.flatMap(([, ...channels]) => channels))].sort()].join(" ");
}

/** Where there is one connection, which is nearly everywhere, nothing is made: it is asked twice a second. */
function presenceAt({ presence, activeAtMs, channels }: Connection, nowMs: number): string {
  const state = presence === "online" && nowMs - activeAtMs >= AWAY_AFTER_MS ? "away" : presence;
  return channels.apps.length === 0 ? state : [state, ...channels.apps].join(" ");
}

function entryOf(who: PersonId, presence: string): PresenceEntry {
  const [state, ...channels] = presence.split(" ");
  return { who, state: state as PresenceState, channels };
}
