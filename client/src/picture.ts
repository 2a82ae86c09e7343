import type { Channel, ClientEvent, SubjectView } from "@konferenco/protocol";
import type { DeliveredEvent } from "./options.ts";

/** A spot that nothing has confirmed for so long is not told on: standing tags are reported once a minute. */
const GONE_AFTER_MS = 150_000;
/** Left for this long without a new spot, somebody is not at the old one either. */
const SILENT_AFTER_MS = 15_000;
/** Alerts and application messages told on, the newest: what a page opens with. About 500 bytes each. */
const MAX_LISTED = 200;

interface Kept {
  channel: Channel;
  subject: string | null;
  event: DeliveredEvent;
  heardAtMs: number;
}

/**
 * How things stand, as the events have told it: what a tab that opens now has to know to show the same as the others.
 * Bounded by what the server shows: an entry or two per subject, 200 per list.
 */
export class Picture {
  readonly #kept = new Map<string, Kept>();
  readonly #channels = new Set<Channel>();

  note(event: DeliveredEvent, nowMs: number): void {
    const { channel, key, subject } = placeOf(event);
    this.#channels.add(channel);
    switch (event.t) {
      case "zone.exit":
        this.#kept.delete(key);
        return this.#forgetIf(`position ${subject}`, (spot) => nowMs - spot.heardAtMs > SILENT_AFTER_MS);
      case "apart":
        this.#kept.delete(key);
        return;
      case "presence":
        return this.#put(key, { channel, subject, event: withPeople(this.#kept.get(key)?.event, event), heardAtMs: nowMs });
      case "occupancy":
        return this.#put(key, { channel, subject, event: withZones(this.#kept.get(key)?.event, event), heardAtMs: nowMs });
      default:
        return this.#put(key, { channel, subject, event, heardAtMs: nowMs });
    }
  }

  /** Who is not in the snapshot is gone. */
  snapshot(channel: Channel, events: readonly DeliveredEvent[], nowMs: number): void {
    this.#channels.add(channel);
    for (const [key, kept] of this.#kept) if (kept.channel === channel && !isListed(kept.event)) this.#kept.delete(key);
    for (const event of events) this.note(event, nowMs);
  }

  /** Of oneself (consent was withdrawn): all that is about me, and whom I was shown with. */
  forget(subject: string, ownPersonId: string | null): void {
    for (const [key, kept] of this.#kept) {
      const isMine = kept.channel === "me" || kept.channel === "nearby";
      if (subject === ownPersonId && isMine && kept.event.t !== "settings") this.#kept.delete(key);
      else if (kept.subject === subject) this.#kept.delete(key);
      else if ("people" in kept.event.d) {
        const { d } = kept.event;
        const people = d.people.filter((person) => person.personId !== subject);
        this.#kept.set(key, { ...kept, event: { ...kept.event, d: { ...d, people } } as DeliveredEvent });
      }
    }
  }

  /** As snapshots, one per channel that has said anything, in the order in which things happened. */
  snapshots(nowMs: number): [Channel, DeliveredEvent[]][] {
    return [...this.#channels].map((channel) => [
      channel,
      [...this.#kept.values()]
        .filter((kept) => kept.channel === channel && !(kept.event.t === "position" && nowMs - kept.heardAtMs > GONE_AFTER_MS))
        .map(({ event }) => ({ ...event, s: 0, from: "snapshot" })),
    ]);
  }

  #put(key: string, kept: Kept): void {
    this.#kept.delete(key); // to the end: the order is that of the news
    this.#kept.set(key, kept);
    if (!isListed(kept.event)) return;
    const list = [...this.#kept].filter(([, other]) => other.channel === kept.channel && isListed(other.event));
    if (list.length > MAX_LISTED) this.#kept.delete((list[0] as [string, Kept])[0]);
  }

  #forgetIf(key: string, isOver: (kept: Kept) => boolean): void {
    const kept = this.#kept.get(key);
    if (kept !== undefined && isOver(kept)) this.#kept.delete(key);
  }
}

/** Alerts and messages (`type/subtype`) are lists of what was said; a snapshot adds to them and takes nothing away. */
function isListed(event: { t: string }): boolean {
  return event.t === "alert" || event.t.includes("/");
}

function placeOf(event: ClientEvent): { channel: Channel; key: string; subject: string | null } {
  switch (event.t) {
    case "position":
      return about("position", event.d.subj, "venue");
    case "zone.enter":
    case "zone.dwell":
    case "zone.exit":
      return about("zone", event.d.subj, "venue");
    case "near":
    case "apart":
      return about("near", event.d.subj, "me");
    case "serendipity":
      return about("serendipity", event.d.subj, "me");
    case "alert":
      return { channel: "alerts", key: `alert ${event.d.alertId}`, subject: null };
    case "occupancy":
      return { channel: "occupancy", key: "occupancy", subject: null };
    case "activity":
      return about("activity", event.d.subj, "venue");
    case "channels":
      return { channel: "nearby", key: "channels", subject: null };
    case "gateway":
      return { channel: "venue", key: `gateway ${event.d.gatewayId}`, subject: null };
    case "nearby":
      return { channel: "nearby", key: "nearby", subject: null };
    case "settings":
      return { channel: "me", key: "settings", subject: null };
    default:
      return ofApplication(event);
  }
}

const CHANNEL_OF: Record<string, string> = { receipts: "venue", presence: "presence" };

/** What applications say, and what is told of their channels: a message by its id, all else the latest of its kind. */
function ofApplication(event: { t: string; d: unknown }): { channel: Channel; key: string; subject: string | null } {
  const { ch, id, alertId, from } = event.d as { ch?: Channel; id?: string; alertId?: string; from?: { personId?: string } };
  const channel = ch ?? ((CHANNEL_OF[event.t] ?? "direct") as Channel);
  return { channel, key: `${event.t} ${id ?? alertId ?? channel}`, subject: from?.personId ?? null };
}

function about(kind: string, subj: SubjectView, channel: Channel): { channel: Channel; key: string; subject: string } {
  const subject = subj.who === "me" ? "me" : subj.who === "person" ? subj.personId : subj.tagId;
  return { channel: subj.who === "me" ? "me" : channel, key: `${kind} ${subject}`, subject };
}

/** Changes since the last list make a list again. */
function withPeople(before: DeliveredEvent | undefined, event: DeliveredEvent & { t: "presence" }): DeliveredEvent {
  if (event.d.whole || before?.t !== "presence") return event;
  const gone = new Set([...event.d.left, ...event.d.people.map(({ personId }) => personId)]);
  const people = [...before.d.people.filter(({ personId }) => !gone.has(personId)), ...event.d.people];
  return { ...event, d: { ...event.d, whole: before.d.whole, people, left: [] } };
}

/** Occupancy comes in parts; together they are the whole. */
function withZones(before: DeliveredEvent | undefined, event: DeliveredEvent & { t: "occupancy" }): DeliveredEvent {
  if (before?.t !== "occupancy") return event;
  const zones = new Map([...before.d.zones, ...event.d.zones].map((zone) => [zone.zoneId, zone]));
  return { ...event, d: { ...before.d, ...event.d, zones: [...zones.values()] } };
}
