import { tagOfGateway, type GatewayId, type VenueMap } from "@konferenco/protocol";
import type { Crowd } from "./crowd.ts";
import type { Radio, RadioPlace, Sighting, Transmitter } from "./radio.ts";

/** Walkers, their tags and the gateways' radios on one clock: everything that is heard, in order of time. */
export interface World {
  readonly crowd: Crowd;
  readonly radio: Radio;
  nowMs(): number;
  /** Goes on to that time; returns what was heard since, ordered by time, then tag, then gateway. However it is cut into steps, the sightings are the same. */
  advance(toMs: number): Sighting[];
}

/** The crowd keeps a minute of the past; the world never asks for more than this of it. */
const SLICE_MS = 1_000;

export interface WorldOptions {
  venue: VenueMap;
  crowd: Crowd;
  radio: Radio;
  /** Only these gateways listen and send; the others of the map are real or switched off. */
  gatewayIds?: readonly GatewayId[] | null;
}

export function newWorld({ venue, crowd, radio, gatewayIds }: WorldOptions): World {
  const listening = new Set(gatewayIds ?? venue.gateways.map((gateway) => gateway.gatewayId));
  const senders: { transmitter: Transmitter; placeAt: (atMs: number) => RadioPlace | null }[] = [];
  for (const tagId of crowd.tagIds) senders.push({ transmitter: radio.newTransmitter(tagId), placeAt: (atMs) => crowd.at(tagId, atMs) });
  for (const gateway of venue.gateways) {
    if (!listening.has(gateway.gatewayId)) continue;
    const zM = gateway.zM ?? radio.config.gatewayHeightM;
    const place: RadioPlace = { xM: gateway.xM, yM: gateway.yM, zM, floor: gateway.floor, facingRad: null };
    senders.push({ transmitter: radio.newTransmitter(tagOfGateway(gateway.gatewayId)), placeAt: () => place });
  }
  let nowMs = 0;

  function slice(toMs: number): Sighting[] {
    crowd.advance(toMs);
    const heard: Sighting[] = [];
    for (const { transmitter, placeAt } of senders) {
      for (let atMs = transmitter.nextAtMs(); atMs <= toMs; atMs = transmitter.nextAtMs()) {
        const place = placeAt(atMs);
        if (place === null) transmitter.skipTo(atMs + 1);
        else for (const sighting of transmitter.send(place)) if (listening.has(sighting.gatewayId)) heard.push(sighting);
      }
    }
    // Stable: senders and gateways keep their order within one millisecond.
    return heard.sort((a, b) => a.atMs - b.atMs);
  }

  return {
    crowd,
    radio,
    nowMs: () => nowMs,
    advance(toMs) {
      const all: Sighting[] = [];
      while (nowMs < toMs) {
        nowMs = Math.min(toMs, nowMs + SLICE_MS);
        for (const sighting of slice(nowMs)) all.push(sighting);
      }
      return all;
    },
  };
}
