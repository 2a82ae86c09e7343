import { venueMapSchema, type VenueMap } from "@konferenco/protocol";
import type { Observation } from "../../fusion/src/core/accept.ts";

type Rectangle = [x0M: number, y0M: number, x1M: number, y1M: number];

function rectangle([x0M, y0M, x1M, y1M]: Rectangle): [number, number][] {
  return [[x0M, y0M], [x1M, y0M], [x1M, y1M], [x0M, y1M]];
}

export function zone(zoneId: string, at: Rectangle, { kind = "room", floor = 0 }: { kind?: string; floor?: number } = {}) {
  return { zoneId, name: zoneId, kind, floor, polygons: [rectangle(at)] };
}

export function gateway(gatewayId: string, xM: number, yM: number, zoneId: string, floor = 0) {
  return { gatewayId, xM, yM, floor, zoneId };
}

/** Two rooms of 10 × 10 m side by side, a gateway in the middle of each and one in each outer corner. */
export function twoRooms(): VenueMap {
  return venueMapSchema.parse({
    venueId: "two-rooms",
    floors: [{ floor: 0, name: "ground" }],
    zones: [zone("left", [0, 0, 10, 10]), zone("right", [10, 0, 20, 10])],
    gateways: [
      gateway("left-middle", 5, 5, "left"),
      gateway("left-corner", 0, 0, "left"),
      gateway("right-middle", 15, 5, "right"),
      gateway("right-corner", 20, 10, "right"),
    ],
  });
}

/** Three rooms of 4 × 5 m along a corridor that has no gateway; room a has two. */
export function office(): VenueMap {
  return venueMapSchema.parse({
    venueId: "office",
    floors: [{ floor: 0, name: "ground" }],
    zones: [zone("a", [0, 0, 4, 5]), zone("b", [4, 0, 8, 5]), zone("c", [8, 0, 12, 5]), zone("corridor", [0, 5, 12, 7], { kind: "corridor" })],
    gateways: [gateway("gw-a", 0.2, 3, "a"), gateway("gw-a2", 2, 0.2, "a"), gateway("gw-b", 6, 0.2, "b"), gateway("gw-c", 11.8, 3, "c")],
  });
}

/** One hall of 16 × 12 m and nothing in it, this many gateways along its walls. */
export function openHall(gateways: number): VenueMap {
  const round = Array.from({ length: gateways }, (_, i) => (2 * Math.PI * (i + 0.5)) / gateways);
  return venueMapSchema.parse({
    venueId: "open-hall",
    floors: [{ floor: 0, name: "ground" }],
    zones: [zone("hall", [0, 0, 16, 12], { kind: "hall" })],
    gateways: round.map((angle, i) => gateway(`gw-${i + 1}`, 8 + 7.8 * Math.cos(angle), 6 + 5.8 * Math.sin(angle), "hall")),
  });
}

/** A room above a room, three gateways each. */
export function twoFloors(): VenueMap {
  const corners = (name: string, floor: number) => [
    gateway(`${name}-a`, 1, 1, name, floor),
    gateway(`${name}-b`, 9, 1, name, floor),
    gateway(`${name}-c`, 5, 9, name, floor),
  ];
  return venueMapSchema.parse({
    venueId: "two-floors",
    floors: [{ floor: 0, name: "ground" }, { floor: 1, name: "first" }],
    zones: [zone("below", [0, 0, 10, 10]), zone("above", [0, 0, 10, 10], { floor: 1 })],
    gateways: [...corners("below", 0), ...corners("above", 1)],
  });
}

/** Level at a distance: -55 dBm at 1 m, path loss exponent 2.5. */
export function levelDbm(distanceM: number): number {
  return -55 - 25 * Math.log10(Math.max(0.5, distanceM));
}

/** What every gateway of the floor would hear of a tag there, without noise. */
export function heardAt(venue: VenueMap, tag: { tagId: string; xM: number; yM: number; floor?: number }, heardAtMs: number): Observation[] {
  return venue.gateways.map(({ gatewayId, xM, yM, floor }) => ({
    tagId: tag.tagId,
    gatewayId,
    heardAtMs,
    rssiDbm: levelDbm(Math.hypot(xM - tag.xM, yM - tag.yM)) - 20 * Math.abs(floor - (tag.floor ?? 0)),
  }));
}
