import { RECENT_LOCATION_MS, type GatewayHealth, type Position, type TagId, type Update, type ZoneId } from "@konferenco/protocol";
import type { Standing } from "./privacy.ts";

interface TagState extends Standing {
  /** On the bridge's clock, so that a replayed recording with other times is kept as long. */
  heardAtMs: number;
}

/**
 * What is true now, kept from the feed: where each tag stands, how each gateway does. Snapshots and counts
 * come from here, so that they agree with the events around them. About 400 bytes per tag.
 */
export class LivePicture {
  readonly #tags = new Map<TagId, TagState>();
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
          if (tag?.zoneId === zoneId) this.#enter(tag, null, tag.floor, atMs);
          return;
        }
        const tag = this.#tagState(tagId, floor, nowMs);
        if (tag.zoneId !== zoneId) this.#enter(tag, zoneId, floor, atMs);
        return;
      }
    }
  }

  setPosition(position: Position, nowMs: number): void {
    const tag = this.#tagState(position.tagId, position.floor, nowMs);
    if (tag.position !== null && tag.position.atMs > position.atMs) return;
    tag.position = position;
    tag.floor = position.floor;
    if (tag.zoneId !== position.zoneId) this.#enter(tag, position.zoneId, position.floor, position.atMs);
  }

  setGateway(gateway: GatewayHealth): void {
    this.#gateways.set(gateway.gatewayId, gateway);
  }

  #tagState(tagId: TagId, floor: number, nowMs: number): TagState {
    let tag = this.#tags.get(tagId);
    if (tag === undefined) {
      tag = { tagId, position: null, zoneId: null, floor, zoneSinceMs: 0, heardAtMs: nowMs };
      this.#tags.set(tagId, tag);
    }
    tag.heardAtMs = nowMs;
    return tag;
  }

  #enter(tag: TagState, zoneId: ZoneId | null, floor: number, atMs: number): void {
    tag.zoneId = zoneId;
    tag.floor = floor;
    tag.zoneSinceMs = atMs;
  }

  standing(tagId: TagId): Standing | null {
    return this.#tags.get(tagId) ?? null;
  }

  standings(): IterableIterator<Standing> {
    return this.#tags.values();
  }

  gateways(): GatewayHealth[] {
    return [...this.#gateways.values()];
  }

  get tagCount(): number {
    return this.#tags.size;
  }

  drop(tagId: TagId): void {
    this.#tags.delete(tagId);
  }

  /** Tags not heard for the time that recent locations may be kept (requirement A4) go; returns them. */
  sweep(nowMs: number): TagId[] {
    const gone: TagId[] = [];
    for (const tag of this.#tags.values()) if (nowMs - tag.heardAtMs > RECENT_LOCATION_MS) gone.push(tag.tagId);
    for (const tagId of gone) this.#tags.delete(tagId);
    return gone;
  }

  clear(): void {
    this.#tags.clear();
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
