import type { ClientEvent, SubjectView } from "@konferenco/client";
import type { VenueMap } from "@konferenco/protocol";
import { newZoneAt } from "../map/zone-at.ts";

/** Somebody (or a tag that nobody carries) as far as the viewer may see: at a spot, or only in a zone. */
export interface Presence {
  key: string;
  kind: "person" | "thing";
  label: string;
  zoneId: string | null;
  floor: number;
  /** Null: shows the zone and not the spot. */
  spot: { xM: number; yM: number; accuracy95M: number; confidence: number } | null;
  /** On the page's clock. */
  heardAtMs: number;
  /** When it was so, on the server's clock. */
  atMs: number;
}

/** A spot that was not confirmed for so long is taken off the map: a standing person is reported once a minute. */
const GONE_AFTER_MS = 150_000;
/** A tag that fell silent leaves its zone after 30 s; a spot older than this is then no longer true either. */
const SILENT_AFTER_MS = 15_000;

/** Everybody whom this viewer may see. Bounded by what the server shows: at most one entry per tag of the event. */
export type Presences = Map<string, Presence>;

export function keyOf(subject: SubjectView): string {
  if (subject.who === "me") return "me";
  return subject.who === "person" ? subject.personId : subject.tagId;
}

export function labelOf(subject: SubjectView): string {
  if (subject.who === "me") return "You";
  return subject.who === "person" ? subject.name : subject.tagId;
}

/**
 * Takes in one event; true if it changed who is shown where. What a replay tells of a time before the snapshot is
 * history, not presence. `hasSpots`: false where nothing is drawn, and all positions are one point.
 */
export function notePresence(presences: Presences, event: ClientEvent, nowMs: number, hasSpots = true): boolean {
  if (isHistory(presences, event)) return false;
  switch (event.t) {
    case "position": {
      const { subj, xM, yM, floor, zoneId, accuracy95M, confidence } = event.d;
      presences.set(keyOf(subj), { ...identity(subj), zoneId, floor, spot: hasSpots ? { xM, yM, accuracy95M, confidence } : null, heardAtMs: nowMs, atMs: event.at });
      return true;
    }
    case "zone.enter":
    case "zone.dwell": {
      const { subj, zoneId, floor } = event.d;
      const known = presences.get(keyOf(subj));
      presences.set(keyOf(subj), { ...identity(subj), zoneId, floor, spot: known?.spot ?? null, heardAtMs: known?.heardAtMs ?? nowMs, atMs: event.at });
      return true;
    }
    case "zone.exit": {
      const known = presences.get(keyOf(event.d.subj));
      // An exit may come after the enter of the next zone: only the zone that was left is taken away.
      if (known === undefined || known.zoneId !== event.d.zoneId) return false;
      const isAtSpot = known.spot !== null && nowMs - known.heardAtMs < SILENT_AFTER_MS;
      if (isAtSpot) presences.set(known.key, { ...known, zoneId: null });
      else presences.delete(known.key);
      return true;
    }
    default:
      return false;
  }
}

function isHistory(presences: Presences, event: ClientEvent): boolean {
  if (event.t !== "zone.enter" && event.t !== "zone.dwell" && event.t !== "zone.exit") return false;
  const known = presences.get(keyOf(event.d.subj));
  return known !== undefined && event.at < known.atMs;
}

/** Takes spots off that nobody has confirmed for long; true if there were any. */
export function sweepPresences(presences: Presences, nowMs: number): boolean {
  let swept = false;
  for (const presence of presences.values()) {
    if (presence.spot === null || nowMs - presence.heardAtMs <= GONE_AFTER_MS) continue;
    presences.delete(presence.key);
    swept = true;
  }
  return swept;
}

/** Names of those who are seen in a zone but at no spot, by zone. */
export function namesByZone(presences: Presences): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const presence of presences.values()) {
    if (presence.spot !== null || presence.zoneId === null) continue;
    const list = names.get(presence.zoneId);
    if (list === undefined) names.set(presence.zoneId, [presence.label]);
    else list.push(presence.label);
  }
  return names;
}

/** Whether somebody is counted in another zone than the one their spot lies in: zones are decided more calmly than spots. */
export function newCountedElsewhere(venue: VenueMap): (presence: Presence) => boolean {
  const zoneAt = newZoneAt(venue);
  const drawnZoneIds = new Set(venue.zones.flatMap(({ zoneId, polygons }) => (polygons.length > 0 ? [zoneId] : [])));
  // Asked with every frame, found once for each spot.
  const zoneOfSpot = new WeakMap<NonNullable<Presence["spot"]>, string | null>();
  return ({ spot, floor, zoneId }) => {
    if (spot === null || (zoneId !== null && !drawnZoneIds.has(zoneId))) return false;
    if (!zoneOfSpot.has(spot)) zoneOfSpot.set(spot, zoneAt(floor, spot.xM, spot.yM));
    return zoneOfSpot.get(spot) !== zoneId;
  };
}

function identity(subject: SubjectView): Pick<Presence, "key" | "kind" | "label"> {
  return { key: keyOf(subject), kind: subject.who === "tag" ? "thing" : "person", label: labelOf(subject) };
}
