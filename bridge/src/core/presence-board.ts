import type { PresenceEntry, PresenceState } from "@konferenco/protocol";

/** A bridge that has not said who is there for so long is gone, and its people with it (requirement E14). */
export const PRESENCE_TIMEOUT_MS = 90_000;

interface Known {
  state: PresenceState;
  channels: readonly string[];
}

interface OneBridge {
  heardAtMs: number;
  people: Map<string, Known>;
}

export interface PresenceChange {
  who: string;
  state: PresenceState;
  /** Channels in which the person is now, or was before. */
  joined: string[];
  left: string[];
  stayed: string[];
}

const ORDER: readonly PresenceState[] = ["offline", "away", "online", "busy"];
/** Most are in none: one object for all of them. */
const IN_NO_CHANNEL = Object.fromEntries(ORDER.map((state) => [state, { state, channels: [] }])) as unknown as Readonly<Record<PresenceState, Known>>;
const NOWHERE = IN_NO_CHANNEL.offline;

/**
 * Who is here, of all bridges of the event: each tells of its own people. About 80 bytes per person, and 150
 * per channel that a person is in. What a person says wins over what is guessed: busy over online over away.
 */
export class PresenceBoard {
  readonly #bridges = new Map<string, OneBridge>();
  readonly #members = new Map<string, Set<string>>();

  /** What a bridge says. Returns whose presence is another one now. */
  hear(bridge: string, entries: readonly PresenceEntry[], whole: boolean, nowMs: number): PresenceChange[] {
    const known = this.#bridges.get(bridge) ?? { heardAtMs: nowMs, people: new Map<string, Known>() };
    this.#bridges.set(bridge, known);
    known.heardAtMs = nowMs;
    const touched = new Map<string, Known>();
    const touch = (who: string) => {
      if (!touched.has(who)) touched.set(who, this.of(who));
    };
    if (whole) {
      for (const who of known.people.keys()) touch(who);
      for (const { who } of entries) touch(who);
      known.people.clear();
    }
    for (const { who, state, channels } of entries) {
      touch(who);
      if (state === "offline") known.people.delete(who);
      else known.people.set(who, channels.length === 0 ? IN_NO_CHANNEL[state] : { state, channels });
    }
    return this.#changes(touched);
  }

  /** Bridges that fell silent take their people along; our own does not, whatever our clock does. */
  sweep(nowMs: number, own: string): PresenceChange[] {
    const touched = new Map<string, Known>();
    for (const [bridge, { heardAtMs, people }] of this.#bridges) {
      if (bridge === own || nowMs - heardAtMs <= PRESENCE_TIMEOUT_MS) continue;
      for (const who of people.keys()) touched.set(who, this.of(who));
      this.#bridges.delete(bridge);
    }
    return this.#changes(touched);
  }

  #changes(before: ReadonlyMap<string, Known>): PresenceChange[] {
    const changes: PresenceChange[] = [];
    for (const [who, was] of before) {
      const is = this.of(who);
      const joined = is.channels.filter((channel) => !was.channels.includes(channel));
      const left = was.channels.filter((channel) => !is.channels.includes(channel));
      for (const channel of joined) this.#join(channel, who);
      for (const channel of left) this.#leave(channel, who);
      if (is.state === was.state && joined.length + left.length === 0) continue;
      changes.push({ who, state: is.state, joined, left, stayed: is.channels.filter((channel) => was.channels.includes(channel)) });
    }
    return changes;
  }

  #join(channel: string, who: string): void {
    const members = this.#members.get(channel);
    if (members === undefined) this.#members.set(channel, new Set([who]));
    else members.add(who);
  }

  #leave(channel: string, who: string): void {
    const members = this.#members.get(channel);
    members?.delete(who);
    if (members?.size === 0) this.#members.delete(channel);
  }

  of(who: string): { state: PresenceState; channels: readonly string[] } {
    let found: Known | null = null;
    for (const { people } of this.#bridges.values()) {
      const here = people.get(who);
      if (here === undefined) continue;
      if (found === null) found = here;
      else found = { state: ORDER.indexOf(here.state) > ORDER.indexOf(found.state) ? here.state : found.state, channels: [...new Set([...found.channels, ...here.channels])] };
    }
    return found ?? NOWHERE;
  }

  members(channel: string): ReadonlySet<string> {
    return this.#members.get(channel) ?? NOBODY;
  }

  /** Everybody who is here, once. */
  everybody(): Set<string> {
    const all = new Set<string>();
    for (const { people } of this.#bridges.values()) for (const who of people.keys()) all.add(who);
    return all;
  }
}

const NOBODY: ReadonlySet<string> = new Set();
