import { RECENT_LOCATION_MS, sameActivity, type GatewayHealth, type Position, type TagId, type Update, type ZoneId } from "@konferenco/protocol";
import { Cells, type Placed } from "./cells.ts";
import { LONGEST_DELAY_MS, type Stay, type Trail } from "./coarse-times.ts";
import { snap, type Place, type Standing } from "./privacy.ts";

interface TagState extends Standing, Trail, Placed {
  /** On the bridge's clock, so that a replayed recording with other times is kept as long. */
  heardAtMs: number;
  /** The grid point that others are shown, kept while the tag only trembles about its edge. */
  gridXM: number;
  gridYM: number;
  /** Of the floor on which it was placed; null before its first position. */
  cells: Cells<TagState> | null;
}

/** A tag leaves its grid point when it is this far from it: half a cell would show every tremble, and trembles averaged are a place. */
const LEAVE_GRID_POINT_M = 0.75;

/** Stays that one tag is remembered by; who goes back and forth faster is shown where they were. */
const MAX_STAYS = 32;

/**
 * What is true now, kept from the feed: where each tag stands, how each gateway does. Snapshots and counts
 * come from here, so that they agree with the events around them. About 400 bytes per tag.
 */
export class LivePicture {
  readonly #tags = new Map<TagId, TagState>();
  /** With those who were there lately. */
  readonly #byZone = new Map<ZoneId, Set<TagState>>();
  /** Of those alone who are there now. */
  readonly #countByZone = new Map<ZoneId, number>();
  readonly #byFloor = new Map<number, Cells<TagState>>();
  readonly #entered = new Map<TagId, Standing>();
  readonly #busy = new Set<TagId>();
  readonly #gateways = new Map<string, GatewayHealth>();

  apply({ body }: Update, nowMs: number): void {
    switch (body.kind) {
      case "position":
        return this.setPosition(body.position, nowMs);
      case "gateway":
        this.#gateways.set(body.gateway.gatewayId, body.gateway);
        return;
      case "zone": {
        const { tagId, transition, zoneId, floor, atMs } = body.zone;
        if (transition === "exit") {
          const tag = this.#tags.get(tagId);
          if (tag?.zoneId === zoneId) this.#enter(tag, { zoneId: null, floor: tag.floor, atMs }, nowMs);
          return;
        }
        const tag = this.#tagState(tagId, floor, nowMs);
        if (tag.zoneId !== zoneId || tag.stays.length === 0) this.#enter(tag, { zoneId, floor, atMs }, nowMs);
        return;
      }
    }
  }

  setPosition(position: Position, nowMs: number): void {
    const tag = this.#tagState(position.tagId, position.floor, nowMs);
    if (tag.position !== null && tag.position.atMs > position.atMs) return;
    if (!sameActivity(tag.position?.activity ?? null, position.activity ?? null)) this.#busy.add(position.tagId);
    tag.position = position;
    tag.floor = position.floor;
    if (Math.hypot(position.xM - tag.gridXM, position.yM - tag.gridYM) > LEAVE_GRID_POINT_M || Number.isNaN(tag.gridXM)) {
      tag.gridXM = snap(position.xM);
      tag.gridYM = snap(position.yM);
    }
    if (tag.zoneId !== position.zoneId || tag.stays.length === 0) this.#enter(tag, { zoneId: position.zoneId, floor: position.floor, atMs: position.atMs }, nowMs);
    this.#place(tag);
  }

  #place(tag: TagState): void {
    if (tag.position === null) return;
    let cells = this.#byFloor.get(tag.floor);
    if (cells === undefined) this.#byFloor.set(tag.floor, (cells = new Cells()));
    if (tag.cells !== cells) tag.cells?.remove(tag);
    tag.cells = cells;
    cells.place(tag);
  }

  setGateway(gateway: GatewayHealth): void {
    this.#gateways.set(gateway.gatewayId, gateway);
  }

  #tagState(tagId: TagId, floor: number, nowMs: number): TagState {
    let tag = this.#tags.get(tagId);
    if (tag === undefined) {
      tag = { tagId, position: null, zoneId: null, floor, zoneSinceMs: 0, heardAtMs: nowMs, gridXM: NaN, gridYM: NaN, stays: [], cells: null, cell: null };
      this.#tags.set(tagId, tag);
    }
    tag.heardAtMs = nowMs;
    return tag;
  }

  #enter(tag: TagState, { zoneId, floor, atMs }: { zoneId: ZoneId | null; floor: number; atMs: number }, nowMs: number): void {
    this.#count(tag.zoneId, -1);
    this.#count(zoneId, 1);
    tag.zoneId = zoneId;
    tag.floor = floor;
    tag.zoneSinceMs = atMs;
    // On the bridge's clock: what others are shown late is late after we knew it.
    tag.stays.push({ zoneId, floor, sinceMs: nowMs });
    while (tag.stays.length > 1 && ((tag.stays[1] as Stay).sinceMs < nowMs - LONGEST_DELAY_MS || tag.stays.length > MAX_STAYS)) this.#leave(tag, tag.stays.shift() as Stay);
    this.#place(tag);
    if (zoneId === null) return;
    const inZone = this.#byZone.get(zoneId);
    if (inZone === undefined) this.#byZone.set(zoneId, new Set([tag]));
    else inZone.add(tag);
    this.#entered.set(tag.tagId, tag);
  }

  #leave(tag: TagState, { zoneId }: Stay): void {
    if (zoneId === null || tag.stays.some((stay) => stay.zoneId === zoneId)) return;
    const inZone = this.#byZone.get(zoneId);
    inZone?.delete(tag);
    if (inZone?.size === 0) this.#byZone.delete(zoneId);
  }

  #count(zoneId: ZoneId | null, by: 1 | -1): void {
    if (zoneId !== null) this.#countByZone.set(zoneId, this.countIn(zoneId) + by);
  }

  /** Tags that are in the zone or were lately: some are still shown there. */
  aroundZone(zoneId: ZoneId): Iterable<Standing & Trail> {
    return this.#byZone.get(zoneId) ?? [];
  }

  /** Tags whose grid point is within the radius; in a crowd the nearest rings of cells that hold `enough` of them. */
  around({ xM, yM, floor }: Pick<Place, "xM" | "yM" | "floor">, radiusM: number, enough: number): readonly (Standing & Trail)[] {
    return this.#byFloor.get(floor)?.around(xM, yM, radiusM, enough) ?? [];
  }

  /** The tag, where others are shown it. */
  trailOf(tagId: TagId): (Standing & Trail) | null {
    return this.#tags.get(tagId) ?? null;
  }

  /** Whoever has entered a zone since the last call. */
  takeEntered(): Standing[] {
    const entered = [...this.#entered.values()];
    this.#entered.clear();
    return entered;
  }

  /** Whose activity is another one since the last call. */
  takeBusy(): TagId[] {
    const busy = [...this.#busy];
    this.#busy.clear();
    return busy;
  }

  standing(tagId: TagId): Standing | null {
    return this.#tags.get(tagId) ?? null;
  }

  standings(): IterableIterator<Standing & Trail> {
    return this.#tags.values();
  }

  gateways(): GatewayHealth[] {
    return [...this.#gateways.values()];
  }

  get tagCount(): number {
    return this.#tags.size;
  }

  drop(tagId: TagId): void {
    const tag = this.#tags.get(tagId);
    if (tag === undefined) return;
    this.#tags.delete(tagId);
    this.#count(tag.zoneId, -1);
    this.#entered.delete(tagId);
    tag.cells?.remove(tag);
    this.#busy.delete(tagId);
    for (const stay of tag.stays.splice(0)) this.#leave(tag, stay);
  }

  /** Tags not heard for the time that recent locations may be kept (requirement A4) go; returns them. */
  sweep(nowMs: number): TagId[] {
    const gone: TagId[] = [];
    for (const tag of this.#tags.values()) if (nowMs - tag.heardAtMs > RECENT_LOCATION_MS) gone.push(tag.tagId);
    for (const tagId of gone) this.drop(tagId);
    return gone;
  }

  clear(): void {
    this.#tags.clear();
    this.#byZone.clear();
    this.#countByZone.clear();
    this.#byFloor.clear();
    this.#entered.clear();
    this.#busy.clear();
  }

  /** People and things in the zone. */
  countIn(zoneId: ZoneId): number {
    return this.#countByZone.get(zoneId) ?? 0;
  }

  /** People and things per zone, of those that `counts` says yes to. */
  countByZone(counts: (tagId: TagId) => boolean): Map<ZoneId, number> {
    const byZone = new Map<ZoneId, number>();
    for (const tag of this.#tags.values()) {
      if (tag.zoneId !== null && counts(tag.tagId)) byZone.set(tag.zoneId, (byZone.get(tag.zoneId) ?? 0) + 1);
    }
    return byZone;
  }
}
