import type { Channel, ClientEvent, DeliveredEvent } from "@konferenco/client";
import type { ActivityView, Alert, GatewayHealth, ReceiptCounts, Session, SessionCount, VenueMap } from "@konferenco/protocol";
import { batch, signal, type Signal } from "@preact/signals";
import { openLiveLink, type LiveLink } from "../common/live-link.ts";
import type { FloorMap } from "../map/floor-map.ts";
import type { Dot, Scene } from "../map/scene.ts";
import { isUndrawn } from "../map/schematic.ts";
import { keyOf, labelOf, namesByZone, newCountedElsewhere, notePresence, sweepPresences, type Presence, type Presences } from "./presence.ts";

/** A line of the activity list. `subject`: whom it is about, so that it can be forgotten. */
export type FeedItem = { id: number; atMs: number; subject: string | null } & (
  | { kind: "moved"; name: string; from: string | null; to: string | null }
  | { kind: "alert"; alert: Alert }
  | { kind: "gateway"; gatewayId: string; state: GatewayHealth["state"] }
  | { kind: "crowd"; zoneId: string; isHot: boolean }
  | { kind: "note"; text: string }
);

/** Lists are renewed this often at most; the map follows every frame (requirement E23). */
const REFRESH_MS = 500;
const SWEEP_EVERY_MS = 5_000;
/** Leaving one zone and entering the next within this time is one walk, and one line. */
const ONE_WALK_MS = 3_000;
/** Older lines go: a list that nobody can read to its end is only memory. */
const MAX_FEED_ITEMS = 200;
/** Alerts of which it is still shown how far they came. */
const MAX_RECEIPTS = 50;

export interface LiveVenue {
  link: LiveLink;
  presences: Signal<readonly Presence[]>;
  counts: Signal<ReadonlyMap<string, number | "few">>;
  /** Hot spots, and how many each holds. */
  hotZones: Signal<ReadonlyMap<string, number>>;
  /** Attendance of sessions, for staff. */
  sessions: Signal<readonly SessionCount[]>;
  /** What people are doing, by the key of their presence. */
  activities: Signal<ReadonlyMap<string, ActivityView>>;
  gateways: Signal<ReadonlyMap<string, GatewayHealth>>;
  feed: Signal<readonly FeedItem[]>;
  /** How far each alert has come, by its id. */
  receipts: Signal<ReadonlyMap<string, ReceiptCounts>>;
  markedZoneId: Signal<string | null>;
  /** What the map draws now. */
  scene: () => Scene;
  /** The map to tell when there is something new to draw. */
  useMap: (map: FloorMap | null) => void;
  close: () => void;
}

/** The operator's picture of the venue: fed by events, read by the map at once and by the lists every half second. */
export function openLiveVenue(session: Session, venue: VenueMap, onEnded: (message: string) => void): LiveVenue {
  const isDisplay = session.role === "display";
  const presences: Presences = new Map();
  const counts = new Map<string, number | "few">();
  const hotZones = new Map<string, number>();
  let sessions: readonly SessionCount[] = [];
  const activities = new Map<string, ActivityView>();
  const gateways = new Map<string, GatewayHealth>();
  const feed: FeedItem[] = [];
  const receipts = new Map<string, ReceiptCounts>();
  let lastItem = 0;
  let names = new Map<string, string[]>();
  let map: FloorMap | null = null;
  let refreshTimer: ReturnType<typeof setTimeout> | null = null;

  const shown = {
    presences: signal<readonly Presence[]>([]),
    counts: signal<ReadonlyMap<string, number | "few">>(new Map()),
    hotZones: signal<ReadonlyMap<string, number>>(new Map()),
    sessions: signal<readonly SessionCount[]>([]),
    activities: signal<ReadonlyMap<string, ActivityView>>(new Map()),
    gateways: signal<ReadonlyMap<string, GatewayHealth>>(new Map()),
    feed: signal<readonly FeedItem[]>([]),
    receipts: signal<ReadonlyMap<string, ReceiptCounts>>(new Map()),
    markedZoneId: signal<string | null>(null),
  };

  const isCountedElsewhere = newCountedElsewhere(venue);
  const hasSpots = !isUndrawn(venue);

  const refresh = (): void => {
    refreshTimer = null;
    names = namesByZone(presences);
    batch(() => {
      shown.presences.value = [...presences.values()];
      shown.counts.value = new Map(counts);
      shown.hotZones.value = new Map(hotZones);
      shown.sessions.value = sessions;
      shown.activities.value = new Map(activities);
      shown.gateways.value = new Map(gateways);
      shown.feed.value = [...feed];
      shown.receipts.value = new Map(receipts);
    });
    map?.changed({ still: true });
  };
  const refreshSoon = (): void => {
    refreshTimer ??= setTimeout(refresh, REFRESH_MS);
  };

  type NewItem = FeedItem extends infer Item ? (Item extends FeedItem ? Omit<Item, "id"> : never) : never;
  const addToFeed = (item: NewItem): void => {
    feed.unshift({ ...item, id: ++lastItem });
    feed.length = Math.min(feed.length, MAX_FEED_ITEMS);
  };

  const addMove = ({ t, at, d }: Extract<ClientEvent, { t: `zone.${string}` }>): void => {
    const subject = keyOf(d.subj);
    const isEnter = t === "zone.enter";
    // The other half of the walk is the subject's newest line, if it lacks this half.
    const index = feed.findIndex((item) => item.subject === subject);
    const other = feed[index];
    const isSameWalk =
      other?.kind === "moved" &&
      (isEnter ? other.to : other.from) === null &&
      (isEnter ? other.from : other.to) !== d.zoneId &&
      Math.abs(at - other.atMs) < ONE_WALK_MS;
    if (isSameWalk) feed.splice(index, 1);
    addToFeed({
      kind: "moved",
      atMs: at,
      subject,
      name: labelOf(d.subj),
      from: isEnter ? (isSameWalk ? other.from : null) : d.zoneId,
      to: isEnter ? d.zoneId : isSameWalk ? other.to : null,
    });
  };

  const take = (event: DeliveredEvent, isNews: boolean): void => {
    if (notePresence(presences, event, Date.now(), hasSpots)) map?.changed();
    switch (event.t) {
      case "zone.enter":
      case "zone.exit":
        if (isNews) addMove(event);
        break;
      case "alert":
        if (!feed.some((item) => item.kind === "alert" && item.alert.alertId === event.d.alertId)) addToFeed({ kind: "alert", atMs: event.at, subject: null, alert: event.d });
        break;
      case "receipts":
        receipts.delete(event.d.alertId);
        receipts.set(event.d.alertId, event.d);
        if (receipts.size > MAX_RECEIPTS) receipts.delete(receipts.keys().next().value as string);
        break;
      case "occupancy":
        for (const { zoneId, count, hot, capacity } of event.d.zones) {
          counts.set(zoneId, count);
          const isHot = hot === true;
          if (isNews && isHot !== hotZones.has(zoneId)) addToFeed({ kind: "crowd", atMs: event.at, subject: null, zoneId, isHot });
          if (isHot) hotZones.set(zoneId, capacity ?? 0);
          else hotZones.delete(zoneId);
        }
        if (event.d.sessions !== undefined) sessions = event.d.sessions;
        break;
      case "activity":
        if (event.d.activity === null) activities.delete(keyOf(event.d.subj));
        else activities.set(keyOf(event.d.subj), event.d.activity);
        break;
      case "gateway": {
        const before = gateways.get(event.d.gatewayId);
        gateways.set(event.d.gatewayId, event.d);
        if (isNews && before !== undefined && before.state !== event.d.state) addToFeed({ kind: "gateway", atMs: event.at, subject: null, gatewayId: event.d.gatewayId, state: event.d.state });
        break;
      }
      default:
        break;
    }
    refreshSoon();
  };

  const takeSnapshot = (channel: Channel, events: DeliveredEvent[]): void => {
    // Who is not in it is gone, or is not ours to see any more: while the link was down nobody could tell us to forget.
    if (channel === "venue") {
      presences.clear();
      activities.clear();
      gateways.clear();
    }
    if (channel === "occupancy") {
      counts.clear();
      hotZones.clear();
    }
    for (const event of events) take(event, false);
    refresh();
  };

  const forget = (subject: string): void => {
    presences.delete(subject);
    activities.delete(subject);
    for (let index = feed.length - 1; index >= 0; index--) if (feed[index]?.subject === subject) feed.splice(index, 1);
    map?.changed();
    refresh();
  };

  const channels: Channel[] = isDisplay ? ["occupancy", "alerts"] : ["venue", "occupancy", "alerts"];
  const link = openLiveLink(
    session,
    channels.map((ch) => ({ ch })),
    {
      onEvent: (event) => take(event, true),
      onSnapshot: takeSnapshot,
      onForget: forget,
      onGap: () => {
        addToFeed({ kind: "note", atMs: Date.now(), subject: null, text: "Some activity while the connection was lost is not shown." });
        refreshSoon();
      },
    },
    onEnded,
  );
  const sweep = setInterval(() => {
    if (link.state.value.kind === "live" && sweepPresences(presences, Date.now())) refresh();
  }, SWEEP_EVERY_MS);

  return {
    ...shown,
    link,
    scene: () => ({
      dots: dotsOf(presences, isCountedElsewhere),
      counts,
      hotZones,
      namesByZone: names,
      gateways: new Map([...gateways].map(([gatewayId, health]) => [gatewayId, health.state])),
      markedZoneId: shown.markedZoneId.value,
    }),
    useMap: (next) => (map = next),
    close() {
      clearInterval(sweep);
      if (refreshTimer !== null) clearTimeout(refreshTimer);
      link.close();
    },
  };
}

function* dotsOf(presences: Presences, isCountedElsewhere: (presence: Presence) => boolean): Iterable<Dot> {
  for (const presence of presences.values()) {
    const { key, kind, label, spot, floor, heardAtMs } = presence;
    if (spot === null) continue;
    yield { key, look: kind, label, xM: spot.xM, yM: spot.yM, floor, accuracy95M: spot.accuracy95M, isCountedElsewhere: isCountedElsewhere(presence), heardAtMs };
  }
}
