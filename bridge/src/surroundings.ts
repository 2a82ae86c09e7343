import { zoneCentre, type NearbyPerson, type VenueMap, type ZoneId } from "@konferenco/protocol";
import type { Store } from "@konferenco/fusion";
import type { Connection } from "./connection.ts";
import type { LivePicture } from "./core/live-picture.ts";
import { selectNearby, type Candidate, type NearbyQuery } from "./core/nearby.ts";
import { PublicOccupancy } from "./core/occupancy.ts";
import { GRID_M, atLeast, seesThings, showNearby, showOccupancy, type Place, type Standing, type Viewer, type VisibleUpdate } from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache } from "./people-cache.ts";

/** Tags asked for around a viewer. In a denser crowd the circle's rim is cut; the list shows 20. */
const MAX_CANDIDATES = 500;
/** Grid points of two positions can be nearer than the positions by so much. */
const SNAP_MARGIN_M = 2 * GRID_M;
/** Zones of one occupancy event: 500 are about 20 KB. */
const ZONES_PER_EVENT = 500;

export interface SurroundingsOptions {
  venue: VenueMap;
  store: Store;
  people: PeopleCache;
  picture: LivePicture;
  hub: Hub;
  nowMs: () => number;
  nearbyEveryMs: number;
  dice: (zoneId: ZoneId, window: number) => [number, number];
  log: (event: object) => void;
}

/** Who is near a viewer, and how full zones are. */
export class Surroundings {
  readonly #options: SurroundingsOptions;
  readonly #publicOccupancy: PublicOccupancy;
  readonly #zoneIds: ZoneId[];
  readonly #zoneWidthsM: ReadonlyMap<ZoneId, number>;
  readonly #centres: ReadonlyMap<ZoneId, Place>;
  #toldExact = "";
  #looking = false;
  #failing = false;

  constructor(options: SurroundingsOptions) {
    const { venue } = options;
    this.#options = options;
    this.#publicOccupancy = new PublicOccupancy(options.dice);
    this.#zoneIds = venue.zones.map((zone) => zone.zoneId);
    this.#zoneWidthsM = new Map(venue.zones.map((zone) => [zone.zoneId, widthM(zone.polygons)]));
    this.#centres = new Map(
      venue.zones.flatMap((zone) => {
        const centre = zoneCentre(zone, venue);
        return centre === null ? [] : [[zone.zoneId, { ...centre, zoneId: zone.zoneId }] as const];
      }),
    );
  }

  // --- near me ------------------------------------------------------------------------------------

  /** People near the viewer, from where the venue knows the viewer to be: a place of one's own choosing would be an oracle. */
  async nearby(viewer: Viewer, query: NearbyQuery): Promise<NearbyPerson[]> {
    const { people, picture, store } = this.#options;
    const ownTag = viewer.self?.consented === true ? people.tagOf(viewer.self.personId) : null;
    const standing = ownTag === null ? null : picture.standing(ownTag);
    const from = standing === null ? null : this.#placeOf(standing);
    if (from === null) return [];
    if (query.within === "same_venue") return this.#select(picture.standings(), viewer, from, query);
    const asked = query.within === "10m" ? 10 : 50;
    const [around, inZone] = await Promise.all([
      store.nearby({ xM: from.xM, yM: from.yM, floor: from.floor, radiusM: asked + SNAP_MARGIN_M, limit: MAX_CANDIDATES }),
      from.zoneId === null ? [] : store.occupants(from.zoneId),
    ]);
    const tagIds = new Set([...around.map((found) => found.tagId), ...inZone]);
    return this.#select([...tagIds].flatMap((tagId) => picture.standing(tagId) ?? []), viewer, from, query);
  }

  #select(standings: Iterable<Standing>, viewer: Viewer, from: Place, query: NearbyQuery): NearbyPerson[] {
    const candidates: Candidate[] = [];
    for (const standing of standings) {
      const subject = this.#options.people.holderOf(standing.tagId);
      const at = this.#placeOf(standing);
      if (typeof subject === "object" && at !== null) candidates.push({ subject, at });
    }
    return selectNearby(candidates, viewer, from, query, (zoneId) => this.#zoneWidthsM.get(zoneId) ?? Infinity);
  }

  #placeOf({ position, zoneId }: Standing): Place | null {
    if (position !== null) return { xM: position.xM, yM: position.yM, floor: position.floor, zoneId };
    return zoneId === null ? null : (this.#centres.get(zoneId) ?? null);
  }

  /** Lists for the `nearby` channel, one after another; a list that has not changed is not sent again. */
  async tickNearby(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { hub, nowMs, nearbyEveryMs, log } = this.#options;
    try {
      for (const connection of hub.byChannel.nearby) {
        if (connection.state !== "open" || nowMs() < connection.nearbyDueAtMs) continue;
        connection.nearbyDueAtMs = nowMs() + nearbyEveryMs;
        await this.#tellNearby(connection);
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log({ event: "lists of people nearby wait for the store", error: String(error) });
      this.#failing = true;
    } finally {
      this.#looking = false;
    }
  }

  async #tellNearby(connection: Connection): Promise<void> {
    const { hub, nowMs } = this.#options;
    const seenBy = connection.viewer;
    const people = await this.nearby(seenBy, { within: "near", interests: [] });
    // A policy that changed while the store answered: look again next time rather than show what was allowed before.
    if (connection.viewer !== seenBy || people.some((person) => this.#options.people.policyOf(person.personId) === null)) return;
    const list = JSON.stringify(people);
    if (list === connection.lastNearby) return;
    connection.lastNearby = list;
    for (const person of people) connection.remember(person.personId);
    hub.offer(connection, showNearby(people, nowMs()));
  }

  // --- how full ------------------------------------------------------------------------------------

  /** The counts that this viewer may see now. */
  occupancy(viewer: Viewer): VisibleUpdate[] {
    const nowMs = this.#options.nowMs();
    if (seesThings(viewer)) return inParts(this.#exactZones(), nowMs);
    this.#release(nowMs);
    return inParts(this.#publicOccupancy.zones, nowMs);
  }

  /** Once a second: exact counts when they changed, public ones when their window ends. */
  tickOccupancy(): void {
    const { hub, nowMs } = this.#options;
    const watching = [...hub.byChannel.occupancy];
    if (watching.length === 0) return;
    const zones = this.#exactZones();
    const exact = JSON.stringify(zones);
    const exactParts = exact === this.#toldExact ? [] : inParts(zones, nowMs());
    this.#toldExact = exact;
    const publicParts = this.#release(nowMs()) ? inParts(this.#publicOccupancy.zones, nowMs()) : [];
    for (const connection of watching) {
      for (const part of seesThings(connection.viewer) ? exactParts : publicParts) hub.offer(connection, part);
    }
  }

  #exactZones(): { zoneId: ZoneId; count: number }[] {
    const counts = this.#options.picture.countByZone(() => true);
    return this.#zoneIds.map((zoneId) => ({ zoneId, count: counts.get(zoneId) ?? 0 }));
  }

  /** Of people who show their zone to attendees; true when a new window began. */
  #release(nowMs: number): boolean {
    if (!this.#publicOccupancy.needsCounts(nowMs)) return false;
    const { picture, people } = this.#options;
    const counts = picture.countByZone((tagId) => {
      const holder = people.holderOf(tagId);
      return typeof holder === "object" && atLeast(holder.levels.attendees, "zone");
    });
    this.#publicOccupancy.release(this.#zoneIds, counts, nowMs);
    return true;
  }
}

function inParts(zones: { zoneId: ZoneId; count: number | "few" }[], atMs: number): VisibleUpdate[] {
  const parts: VisibleUpdate[] = [];
  for (let from = 0; from < zones.length; from += ZONES_PER_EVENT) parts.push(showOccupancy(zones.slice(from, from + ZONES_PER_EVENT), atMs, parts.length));
  return parts;
}

/** The diagonal of the box around a zone: nobody in it is farther from anybody else in it. */
function widthM(polygons: readonly (readonly (readonly [number, number])[])[]): number {
  const points = polygons.flat();
  if (points.length === 0) return Infinity;
  const xs = points.map(([xM]) => xM);
  const ys = points.map(([, yM]) => yM);
  const span = (values: number[]) => values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
  return Math.hypot(span(xs), span(ys));
}
