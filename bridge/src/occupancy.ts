import type { ActivityPlan, SessionCount, VenueMap, ZoneCount, ZoneId } from "@konferenco/protocol";
import type { Activities } from "./activities.ts";
import type { Attendance } from "./attendance.ts";
import type { Area } from "./core/area.ts";
import { markHotSpots, newHotSpots, type HotSpots } from "./core/crowding.ts";
import type { LivePicture } from "./core/live-picture.ts";
import { PublicOccupancy } from "./core/occupancy.ts";
import { atLeast, seesThings, type Viewer } from "./core/privacy-policy.ts";
import { showOccupancy, type VisibleUpdate } from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache } from "./people-cache.ts";

/** Zones of one occupancy event: 500 are about 20 KB. */
const ZONES_PER_EVENT = 500;
const CROWD_EVERY_MS = 5_000;

export interface OccupancyOptions {
  venue: VenueMap;
  people: PeopleCache;
  picture: LivePicture;
  hub: Hub;
  activities: Activities;
  attendance: Attendance;
  dice: (zoneId: ZoneId, window: number) => [number, number];
  nowMs: () => number;
}

/** How full zones are: exactly for who keeps people safe, as released for everybody else. */
export class Occupancy {
  readonly #options: OccupancyOptions;
  readonly #public: PublicOccupancy;
  readonly #zoneIds: ZoneId[];
  #exactSpots: HotSpots;
  #publicSpots: HotSpots;
  #crowdedAtMs = -Infinity;
  #toldExact = "";

  constructor(options: OccupancyOptions) {
    const { venue, activities } = options;
    this.#options = options;
    this.#public = new PublicOccupancy(options.dice);
    this.#zoneIds = venue.zones.map((zone) => zone.zoneId);
    this.#exactSpots = newHotSpots(venue, activities.plan);
    this.#publicSpots = newHotSpots(venue, activities.plan);
  }

  /** Other seats in a room, or none: what is hot now is asked anew of it. */
  setPlan(plan: ActivityPlan): void {
    const { venue } = this.#options;
    this.#exactSpots = newHotSpots(venue, plan, this.#exactSpots);
    this.#publicSpots = newHotSpots(venue, plan, this.#publicSpots);
  }

  /** The counts that this viewer may see now. */
  shownTo(viewer: Viewer, area: Area | null = null): VisibleUpdate[] {
    const nowMs = this.#options.nowMs();
    if (seesThings(viewer)) return inParts(this.#exactZones(), area, nowMs, this.#options.attendance.counts());
    this.#release(nowMs);
    return inParts(this.#publicZones(), area, nowMs);
  }

  /** Once a second: exact counts when they changed, public ones when their window ends. */
  tickSecond(): void {
    const { hub, nowMs } = this.#options;
    this.#lookAtCrowd(nowMs());
    const watching = [...hub.byChannel.occupancy];
    if (watching.length === 0) return;
    const zones = this.#exactZones();
    const sessions = this.#options.attendance.counts();
    const exact = JSON.stringify([zones, sessions]);
    const atMs = nowMs();
    const exactParts = exact === this.#toldExact ? null : partsByArea(zones, atMs, sessions);
    this.#toldExact = exact;
    const publicParts = this.#release(atMs) ? partsByArea(this.#publicZones(), atMs) : null;
    for (const connection of watching) {
      const parts = seesThings(connection.viewer) ? exactParts : publicParts;
      for (const part of parts?.(connection.areaOf("occupancy")) ?? []) hub.offer(connection, part);
    }
  }

  /** Whether anybody watches or not: how long a room has been full, and who has stayed, cannot be told afterwards. */
  #lookAtCrowd(atMs: number): void {
    if (Math.abs(atMs - this.#crowdedAtMs) < CROWD_EVERY_MS) return;
    this.#crowdedAtMs = atMs;
    const { picture, activities, attendance } = this.#options;
    markHotSpots(this.#exactSpots, (zoneId) => picture.countIn(zoneId), atMs);
    attendance.look(activities.plan, atMs);
  }

  #exactZones(): ZoneCount[] {
    return this.#zoneIds.map((zoneId) => withMark({ zoneId, count: this.#options.picture.countIn(zoneId) }, this.#exactSpots));
  }

  #publicZones(): ZoneCount[] {
    return this.#public.zones.map((zone) => withMark(zone, this.#publicSpots));
  }

  /** Of people who show their zone to attendees; true when a new window began. */
  #release(nowMs: number): boolean {
    if (!this.#public.needsCounts(nowMs)) return false;
    const { picture, people } = this.#options;
    const counts = picture.countByZone((tagId) => {
      const holder = people.holderOf(tagId);
      return typeof holder === "object" && atLeast(holder.levels.attendees, "zone");
    });
    this.#public.release(this.#zoneIds, counts, nowMs);
    // Of what was released, so the mark says nothing more.
    const released = new Map(this.#public.zones.map(({ zoneId, count }) => [zoneId, count === "few" ? 0 : count]));
    markHotSpots(this.#publicSpots, (zoneId) => released.get(zoneId) ?? 0, nowMs);
    return true;
  }
}

function withMark(zone: ZoneCount, spots: HotSpots): ZoneCount {
  const spot = spots.get(zone.zoneId);
  return spot?.hot === true ? { ...zone, hot: true, capacity: spot.capacity } : zone;
}

/** Those of each area are made once, for all who look at it. */
function partsByArea(zones: ZoneCount[], atMs: number, sessions: SessionCount[] = []): (area: Area | null) => VisibleUpdate[] {
  const made = new Map<Area | null, VisibleUpdate[]>();
  return (area) => {
    const parts = made.get(area) ?? inParts(zones, area, atMs, sessions);
    made.set(area, parts);
    return parts;
  };
}

/** Sessions go with the first part; they are of the whole venue. */
function inParts(all: ZoneCount[], area: Area | null, atMs: number, sessions: SessionCount[] = []): VisibleUpdate[] {
  const zones = area === null ? all : all.filter(({ zoneId }) => area.zoneIds.has(zoneId));
  const parts: VisibleUpdate[] = [];
  for (let from = 0; from < zones.length; from += ZONES_PER_EVENT) {
    parts.push(showOccupancy({ zones: zones.slice(from, from + ZONES_PER_EVENT), ...(from > 0 || sessions.length === 0 ? {} : { sessions }) }, atMs, parts.length));
  }
  return parts;
}
