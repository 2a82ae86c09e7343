import { LIVE_LOCATION_MS, MAX_GATEWAYS_PER_VENUE, MAX_TAGS_PER_EVENT, RECENT_LOCATION_MS, type GatewayHealth, type Position, type TagId, type ZoneId, type ZoneTransition } from "@konferenco/protocol";
import { GeoGrid, type NearbyTag } from "./geo-grid.ts";
import { RecentPositions } from "./recent-positions.ts";

/** Venue maps end at 100 km from their origin; what is further out is kept, but it is near nobody. */
export const GEO_RANGE_M = 100_000;

export function isInGeoRange(position: { xM: number; yM: number }): boolean {
  return Math.abs(position.xM) <= GEO_RANGE_M && Math.abs(position.yM) <= GEO_RANGE_M;
}

/** Where a tag is said to be, and when it last gave a sign (never in the future: clocks of phones may be years off). */
interface Stay {
  zoneId: ZoneId;
  signAtMs: number;
}

/** Positions, geo grids, occupants and gateways as of the last commit. */
export class LiveState {
  #positions = new Map<TagId, Position>();
  #signAtMs = new Map<TagId, number>();
  #grids = new Map<number, GeoGrid>();
  #stays = new Map<TagId, Stay>();
  #occupants = new Map<ZoneId, Set<TagId>>();
  #gateways = new Map<string, GatewayHealth>();
  #recent = new RecentPositions();
  #refusedTags = 0;
  #refusedGateways = 0;
  readonly #maxTags: number;

  constructor(maxTags = MAX_TAGS_PER_EVENT) {
    this.#maxTags = maxTags;
  }

  stats(): { tags: number; refusedTags: number; refusedGateways: number; recentRows: number; refusedRecent: number } {
    return {
      tags: this.#positions.size,
      refusedTags: this.#refusedTags,
      refusedGateways: this.#refusedGateways,
      recentRows: this.#recent.rows,
      refusedRecent: this.#recent.refused,
    };
  }

  /** False: the tag is one too many, and nothing was kept. */
  place(position: Position, nowMs: number): boolean {
    const { tagId } = position;
    const before = this.#positions.get(tagId);
    if (before === undefined && this.#positions.size >= this.#maxTags) {
      this.#refusedTags++;
      return false;
    }
    if (before !== undefined && (before.floor !== position.floor || !isInGeoRange(position))) this.#leaveGrid(before);
    if (isInGeoRange(position)) {
      let grid = this.#grids.get(position.floor);
      if (grid === undefined) this.#grids.set(position.floor, (grid = new GeoGrid()));
      grid.place(tagId, position.xM, position.yM);
    }
    this.#positions.set(tagId, position);
    this.#signAtMs.set(tagId, Math.min(position.atMs, nowMs));
    this.#recent.add(position, nowMs);
    const stay = this.#stays.get(tagId);
    if (stay !== undefined) stay.signAtMs = Math.min(position.atMs, nowMs);
    return true;
  }

  moveToZone(zone: ZoneTransition, nowMs: number): void {
    const stay = this.#stays.get(zone.tagId);
    if (zone.transition === "exit") {
      if (stay?.zoneId === zone.zoneId) this.#leaveZone(zone.tagId, stay);
      return;
    }
    const signAtMs = Math.min(zone.atMs, nowMs);
    if (stay?.zoneId === zone.zoneId) {
      stay.signAtMs = signAtMs;
      return;
    }
    if (stay !== undefined) this.#leaveZone(zone.tagId, stay);
    else if (this.#stays.size >= this.#maxTags) return void this.#refusedTags++;
    this.#stays.set(zone.tagId, { zoneId: zone.zoneId, signAtMs });
    const occupants = this.#occupants.get(zone.zoneId);
    if (occupants === undefined) this.#occupants.set(zone.zoneId, new Set([zone.tagId]));
    else occupants.add(zone.tagId);
  }

  /** False: the gateway is one too many. */
  setGateway(gateway: GatewayHealth): boolean {
    if (!this.#gateways.has(gateway.gatewayId) && this.#gateways.size >= MAX_GATEWAYS_PER_VENUE) {
      this.#refusedGateways++;
      return false;
    }
    this.#gateways.set(gateway.gatewayId, gateway);
    return true;
  }

  drop(tagId: TagId): void {
    this.#forgetPosition(tagId);
    const stay = this.#stays.get(tagId);
    if (stay !== undefined) this.#leaveZone(tagId, stay);
    this.#recent.drop(tagId);
  }

  sweep(nowMs: number): void {
    for (const [tagId, signAtMs] of this.#signAtMs) if (signAtMs < nowMs - RECENT_LOCATION_MS) this.#forgetPosition(tagId);
    for (const [tagId, stay] of this.#stays) if (stay.signAtMs < nowMs - LIVE_LOCATION_MS) this.#leaveZone(tagId, stay);
    this.#recent.sweep(nowMs - RECENT_LOCATION_MS);
  }

  position(tagId: TagId): Position | null {
    return this.#positions.get(tagId) ?? null;
  }

  positions(): Position[] {
    return [...this.#positions.values()];
  }

  nearby(query: { xM: number; yM: number; floor: number; radiusM: number; limit: number }): NearbyTag[] {
    return this.#grids.get(query.floor)?.within(query.xM, query.yM, query.radiusM, query.limit) ?? [];
  }

  occupants(zoneId: ZoneId): TagId[] {
    return [...(this.#occupants.get(zoneId) ?? [])];
  }

  recentPositions(tagId: TagId, sinceMs: number, nowMs: number): Position[] {
    return this.#recent.since(tagId, Math.max(sinceMs, nowMs - RECENT_LOCATION_MS));
  }

  gateways(): GatewayHealth[] {
    return [...this.#gateways.values()];
  }

  /** For the snapshot: zone stays only. Exact positions never reach the disk. */
  stays(): [TagId, ZoneId, number][] {
    return [...this.#stays].map(([tagId, stay]) => [tagId, stay.zoneId, stay.signAtMs]);
  }

  #forgetPosition(tagId: TagId): void {
    const position = this.#positions.get(tagId);
    if (position === undefined) return;
    this.#leaveGrid(position);
    this.#positions.delete(tagId);
    this.#signAtMs.delete(tagId);
  }

  #leaveGrid(position: Position): void {
    const grid = this.#grids.get(position.floor);
    grid?.remove(position.tagId);
    if (grid?.size === 0) this.#grids.delete(position.floor);
  }

  #leaveZone(tagId: TagId, stay: Stay): void {
    this.#stays.delete(tagId);
    const occupants = this.#occupants.get(stay.zoneId);
    occupants?.delete(tagId);
    if (occupants?.size === 0) this.#occupants.delete(stay.zoneId);
  }
}
