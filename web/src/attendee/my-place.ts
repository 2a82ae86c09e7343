import type { ClientEvent, NearbyPerson, PrivacySettings } from "@konferenco/client";
import type { ActivityView, Alert, NearbyChannel } from "@konferenco/protocol";

/** Where I am, as the venue knows it. */
export interface Place {
  zoneId: string | null;
  floor: number;
  spot: { xM: number; yM: number; accuracy95M: number } | null;
  /** When I entered the zone, on the server's clock; null if that is not known. */
  sinceMs: number | null;
  /** Last heard, on the page's clock. */
  heardAtMs: number;
}

/** Everything about me that the page shows. */
export interface MyState {
  place: Place | null;
  activity: ActivityView | null;
  settings: PrivacySettings | null;
  nearby: NearbyPerson[];
  channels: NearbyChannel[];
  /** Who came near me by mutual wish, newest first. */
  near: { personId: string; name: string; atMs: number; text?: string }[];
  alerts: Alert[];
}

/** An event is seldom nearer to more people than a screen holds. */
const MAX_NEAR = 20;
/** A day of a busy venue; older ones go. */
const MAX_ALERTS = 100;

export function newMyState(): MyState {
  return { place: null, activity: null, settings: null, nearby: [], channels: [], near: [], alerts: [] };
}

/** The state after one event. States are values: the page draws when there is a new one. */
export function noteMyEvent(state: MyState, event: ClientEvent, nowMs: number): MyState {
  switch (event.t) {
    case "position": {
      if (event.d.subj.who !== "me") return state;
      const { xM, yM, floor, zoneId, accuracy95M } = event.d;
      const sinceMs = state.place?.zoneId === zoneId ? state.place.sinceMs : null;
      return { ...state, place: { zoneId, floor, spot: { xM, yM, accuracy95M }, sinceMs, heardAtMs: nowMs } };
    }
    case "zone.enter":
    case "zone.dwell":
      if (event.d.subj.who !== "me" || isHistory(state, event)) return state;
      return {
        ...state,
        place: { zoneId: event.d.zoneId, floor: event.d.floor, spot: state.place?.spot ?? null, sinceMs: event.t === "zone.enter" ? event.at : (state.place?.sinceMs ?? null), heardAtMs: nowMs },
      };
    case "zone.exit":
      if (event.d.subj.who !== "me" || state.place?.zoneId !== event.d.zoneId || isHistory(state, event)) return state;
      return { ...state, place: { ...state.place, zoneId: null, sinceMs: null } };
    case "near":
      if (event.d.subj.who !== "person") return state;
      return { ...state, near: [{ personId: event.d.subj.personId, name: event.d.subj.name, atMs: event.at }, ...without(state.near, event.d.subj.personId)].slice(0, MAX_NEAR) };
    case "serendipity": {
      const { subj, text } = event.d;
      return { ...state, near: [{ personId: subj.personId, name: subj.name, atMs: event.at, text }, ...without(state.near, subj.personId)].slice(0, MAX_NEAR) };
    }
    case "apart":
      return event.d.subj.who === "person" ? { ...state, near: without(state.near, event.d.subj.personId) } : state;
    case "alert":
      if (state.alerts.some((alert) => alert.alertId === event.d.alertId)) return state;
      return { ...state, alerts: [event.d, ...state.alerts].toSorted((a, b) => b.atMs - a.atMs).slice(0, MAX_ALERTS) };
    case "activity":
      return event.d.subj.who === "me" ? { ...state, activity: event.d.activity } : state;
    case "channels":
      return { ...state, channels: event.d.channels };
    case "nearby":
      return { ...state, nearby: event.d.people };
    case "settings":
      return { ...state, settings: event.d };
    default:
      return state;
  }
}

/** Nothing of this person may be shown any more; of myself: my place, after consent was withdrawn. */
export function forgetPerson(state: MyState, personId: string, ownPersonId: string | null): MyState {
  if (personId === ownPersonId) return { ...state, place: null, activity: null, near: [], nearby: [], channels: [] };
  return { ...state, near: without(state.near, personId), nearby: state.nearby.filter((person) => person.personId !== personId) };
}

/** A replay tells of zones that I have left long since; the snapshot has said where I am. */
function isHistory(state: MyState, event: ClientEvent): boolean {
  return state.place !== null && event.at < (state.place.sinceMs ?? event.at);
}

function without(near: MyState["near"], personId: string): MyState["near"] {
  return near.filter((person) => person.personId !== personId);
}
