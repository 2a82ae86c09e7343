import type { NearbyChannel, PersonId, Region, Schedule, VenueMap, Zone } from "@konferenco/protocol";
import type { Connection } from "./connection.ts";
import { findChannelsNearby } from "./core/channels-nearby.ts";
import type { LivePicture } from "./core/live-picture.ts";
import type { Viewer } from "./core/privacy-policy.ts";
import { showChannels, type VisibleUpdate } from "./core/privacy.ts";
import { NOWHERE, detectRegions, newRegionState, type RegionPlace, type RegionState } from "./core/regions.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache } from "./people-cache.ts";

const LOOK_EVERY_MS = 2_000;
const NO_SIGNALS: ReadonlyMap<string, number> = new Map();

export interface ChannelsOptions {
  venue: VenueMap;
  schedule: Schedule;
  people: PeopleCache;
  picture: LivePicture;
  hub: Hub;
  nowMs: () => number;
}

export interface RegionWatch {
  regions: RegionState;
  told: string;
  dueAtMs: number;
}

/** Regions entered and left, and the channels near a viewer. Found for who looks, told to them alone and kept nowhere. */
export class Channels {
  readonly #options: ChannelsOptions;
  #regions: readonly Region[];
  readonly #zones: ReadonlyMap<string, Zone>;

  constructor(options: ChannelsOptions) {
    this.#options = options;
    this.#regions = options.schedule.regions;
    this.#zones = new Map(options.venue.zones.map((zone) => [zone.zoneId, zone]));
  }

  /** A subscription to `nearby` begins: the channels of now; who is in a region is told so within seconds. */
  begin(connection: Connection): VisibleUpdate[] {
    connection.regions = null;
    return this.#regions.length === 0 ? [] : this.#look(connection);
  }

  /** Who is in a region that is no more is told at their next look that they have left it. */
  setRegions(regions: readonly Region[]): void {
    this.#regions = regions;
  }

  /** Twice a second. */
  tick(): void {
    const isNone = this.#regions.length === 0;
    for (const connection of this.#options.hub.byChannel.nearby) {
      if (isNone && connection.regions === null) continue;
      if (connection.state !== "open" || this.#options.nowMs() < (connection.regions?.dueAtMs ?? 0)) continue;
      for (const shown of this.#look(connection)) this.#options.hub.offer(connection, shown);
      if (isNone) connection.regions = null;
    }
  }

  /** With what the viewer's phone hears, which may find a channel where the venue does not know the phone. */
  near({ self }: Viewer, signalsDbm: ReadonlyMap<string, number> = NO_SIGNALS): NearbyChannel[] {
    const interests = self?.interests ?? [];
    return findChannelsNearby({ at: self?.consented === true ? this.#placeOf(self.personId) : NOWHERE, interests, signalsDbm }, this.#regions, (zoneId) => this.#zones.get(zoneId));
  }

  #look(connection: Connection): VisibleUpdate[] {
    const { nowMs } = this.#options;
    const { self } = connection.viewer;
    const watch = (connection.regions ??= { regions: newRegionState(), told: "[]", dueAtMs: 0 });
    watch.dueAtMs = nowMs() + LOOK_EVERY_MS;
    const { entered, left } = detectRegions(watch.regions, self?.consented === true ? this.#placeOf(self.personId) : NOWHERE, this.#regions, nowMs());
    const channels = this.near(connection.viewer);
    const list = JSON.stringify(channels);
    if (list === watch.told && entered.length + left.length === 0) return [];
    watch.told = list;
    return [showChannels({ channels, entered, left }, nowMs())];
  }

  #placeOf(personId: PersonId): RegionPlace {
    const tagId = this.#options.people.tagOf(personId);
    const standing = tagId === null ? null : this.#options.picture.standing(tagId);
    return standing === null ? NOWHERE : { zoneId: standing.zoneId, point: standing.position };
  }
}
