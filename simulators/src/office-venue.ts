import { pointInZone, venueMapSchema, type FloorPoint, type TagId, type VenueMap } from "@konferenco/protocol";
import type { Crowd, WalkerState } from "./crowd.ts";
import { newNavigation, type Navigation } from "./navigation.ts";
import { newRadio, type Radio, type RadioConfig } from "./radio.ts";
import { newRandom, type Random } from "./random.ts";
import type { RecordedObservation, SurveyedLevel, TruthPoint } from "./recording.ts";
import { newWorld } from "./world.ts";

/**
 * Buildings by dice, to choose fusion's constants on many and to check them on others: offices of
 * eight rooms along a corridor that has no gateway, open rooms with four gateways, offices of two
 * floors. `map` is what an operator draws (zones, no walls); `built` has the walls and doors that
 * radio and walkers meet.
 */
export interface Building {
  map: VenueMap;
  built: VenueMap;
}

export type BuildingKind = "office" | "open-room" | "two-floors";

type Rectangle = readonly [x0M: number, y0M: number, x1M: number, y1M: number];

interface Room {
  zoneId: string;
  floor: number;
  at: Rectangle;
  door: readonly [xM: number, yM: number] | null;
}

const DOOR_M = 0.9;
const ROOMS = 8;

/** Where a room's gateway hangs: at any wall or table, in the corner farthest from the door, or beside the door. */
export type GatewaySpot = "anywhere" | "far-corner" | "door";

/** `gatewaysAt` is for offices; an open room has one gateway in each corner. */
export function buildingOf(kind: BuildingKind, seed: string | number, gatewaysAt: GatewaySpot = "anywhere"): Building {
  const dice = newRandom(`building/${kind}/${seed}`);
  if (kind === "open-room") return openRoom(dice);
  return office(dice, kind === "two-floors" ? [0, 1] : [0], gatewaysAt);
}

/** Rooms to both sides of a corridor; lengths, widths and doors by dice; lying or standing. */
function office(dice: Random, floors: readonly number[], gatewaysAt: GatewaySpot): Building {
  const lengthM = dice.between(14, 18);
  const depthM = dice.between(12, 15);
  const corridorM = dice.between(1.6, 2.6);
  const corridorAtM = (depthM - corridorM) * dice.between(0.42, 0.58);
  const standing = dice.next() < 0.5;
  const turned = ([x0M, y0M, x1M, y1M]: Rectangle): Rectangle => (standing ? [y0M, x0M, y1M, x1M] : [x0M, y0M, x1M, y1M]);
  const rooms: Room[] = [];
  const corridors: Room[] = [];
  const stairs: Room[] = [];
  for (const floor of floors) {
    const below = 3 + dice.integer(3);
    const sides = [
      { count: below, y0M: 0, y1M: corridorAtM, doorM: corridorAtM },
      { count: ROOMS - below, y0M: corridorAtM + corridorM, y1M: depthM, doorM: corridorAtM + corridorM },
    ];
    for (const { count, y0M, y1M, doorM } of sides) {
      const cuts = cutsOf(dice, lengthM, count);
      for (let i = 0; i < count; i++) {
        const [x0M, x1M] = [cuts[i] as number, cuts[i + 1] as number];
        const door = [dice.between(x0M + 0.7, x1M - 0.7), doorM] as const;
        rooms.push({ zoneId: `room-${floor}${rooms.length + 1}`, floor, at: turned([x0M, y0M, x1M, y1M]), door: standing ? [door[1], door[0]] : door });
      }
    }
    const stairsM = floors.length > 1 ? 3 : 0;
    corridors.push({ zoneId: `corridor-${floor}`, floor, at: turned([stairsM, corridorAtM, lengthM, corridorAtM + corridorM]), door: null });
    if (stairsM > 0) stairs.push({ zoneId: `stairs-${floor}`, floor, at: turned([0, corridorAtM, stairsM, corridorAtM + corridorM]), door: null });
  }
  const gateways = rooms.map((room, i) => {
    const [x0M, y0M, x1M, y1M] = room.at;
    const spot = gatewaysAt === "anywhere" ? anywhereIn(room.at, dice) : atTheDoor(room, gatewaysAt);
    return { gatewayId: `gw-${i + 1}`, xM: clamp(spot[0], x0M + 0.1, x1M - 0.1), yM: clamp(spot[1], y0M + 0.1, y1M - 0.1), zM: dice.between(1, 2.6), floor: room.floor, zoneId: room.zoneId };
  });
  const zone = (kind: string) => (room: Room) => ({ zoneId: room.zoneId, name: room.zoneId, kind, floor: room.floor, polygons: [cornersOf(room.at)] });
  const map = venueMapSchema.parse({
    venueId: "office",
    floors: floors.map((floor) => ({ floor, name: `floor ${floor}` })),
    zones: [...rooms.map(zone("room")), ...corridors.map(zone("corridor")), ...stairs.map(zone("stairs"))],
    gateways,
  });
  return { map, built: { ...map, walls: rooms.flatMap(wallsOfRoom) } };
}

function anywhereIn([x0M, y0M, x1M, y1M]: Rectangle, dice: Random): readonly [xM: number, yM: number] {
  // On a wall, as people hang them: where the socket is.
  const onWall = dice.next() < 0.7;
  const along = dice.next();
  return onWall
    ? dice.pick([[x0M + 0.2, y0M + along * (y1M - y0M)], [x1M - 0.2, y0M + along * (y1M - y0M)], [x0M + along * (x1M - x0M), y0M + 0.2], [x0M + along * (x1M - x0M), y1M - 0.2]] as const)
    : ([dice.between(x0M + 0.5, x1M - 0.5), dice.between(y0M + 0.5, y1M - 0.5)] as const);
}

/** Beside the door, or as far from it as the room goes; 20 cm from the walls. */
function atTheDoor({ at: [x0M, y0M, x1M, y1M], door }: Room, gatewaysAt: "far-corner" | "door"): readonly [xM: number, yM: number] {
  const [leastXM, mostXM, leastYM, mostYM] = [x0M + 0.2, x1M - 0.2, y0M + 0.2, y1M - 0.2];
  const [doorXM, doorYM] = door ?? [leastXM, leastYM];
  if (gatewaysAt === "door") return [clamp(doorXM, leastXM, mostXM), clamp(doorYM, leastYM, mostYM)];
  return [doorXM - x0M > x1M - doorXM ? leastXM : mostXM, doorYM - y0M > y1M - doorYM ? leastYM : mostYM];
}

function openRoom(dice: Random): Building {
  const widthM = dice.between(7, 13);
  const depthM = dice.between(6, 11);
  const corners = [[0.2, 0.2], [widthM - 0.2, 0.2], [widthM - 0.2, depthM - 0.2], [0.2, depthM - 0.2]] as const;
  const map = venueMapSchema.parse({
    venueId: "open-room",
    floors: [{ floor: 0, name: "ground" }],
    zones: [{ zoneId: "room", name: "room", kind: "room", floor: 0, polygons: [cornersOf([0, 0, widthM, depthM])] }],
    gateways: corners.map(([xM, yM], i) => ({ gatewayId: `gw-${i + 1}`, xM, yM, zM: dice.between(1, 2.6), floor: 0, zoneId: "room" })),
  });
  return { map, built: map };
}

/** Random cuts with at least 2.6 m between them. */
function cutsOf(dice: Random, lengthM: number, count: number): number[] {
  const shares = Array.from({ length: count }, () => dice.between(0.6, 1.4));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const spareM = lengthM - count * 2.6;
  const cuts = [0];
  for (const share of shares) cuts.push((cuts.at(-1) as number) + 2.6 + (spareM * share) / total);
  return cuts;
}

function cornersOf([x0M, y0M, x1M, y1M]: Rectangle): [number, number][] {
  return [[x0M, y0M], [x1M, y0M], [x1M, y1M], [x0M, y1M]];
}

/** Its four walls; the one with the door in two pieces. Shared walls are made by the room to the left or below alone. */
function wallsOfRoom({ at, door, floor }: Room): [number, number, number, number, number][] {
  const [x0M, y0M, x1M, y1M] = at;
  const half = DOOR_M / 2;
  const sides: Rectangle[] = [];
  for (const side of [[x0M, y0M, x1M, y0M], [x0M, y1M, x1M, y1M], [x0M, y0M, x0M, y1M], [x1M, y0M, x1M, y1M]] as Rectangle[]) {
    if (door !== null && side[1] === side[3] && Math.abs(door[1] - side[1]) < 0.01) {
      sides.push([side[0], side[1], door[0] - half, side[1]], [door[0] + half, side[1], side[2], side[1]]);
    } else if (door !== null && side[0] === side[2] && Math.abs(door[0] - side[0]) < 0.01) {
      sides.push([side[0], side[1], side[0], door[1] - half], [side[0], door[1] + half, side[0], side[3]]);
    } else if (side[0] === side[2] ? side[0] === x1M && x1M !== x0M && isInner(side[0]) : side[1] === y1M && isInner(side[1])) {
      sides.push(side);
    } else if (side[0] === x0M && side[2] === x0M && !isInner(x0M)) sides.push(side);
    else if (side[1] === y0M && side[3] === y0M && !isInner(y0M)) sides.push(side);
  }
  return sides.map((side) => [...side, floor]);
}

/** Not the outer wall at 0, which nothing but its own room has. */
function isInner(atM: number): boolean {
  return atM > 0.01;
}

export type RadioRanges = Partial<Record<keyof RadioConfig, readonly [least: number, most: number]>>;

export interface OfficeRecordingOptions {
  kind?: BuildingKind;
  people?: number;
  forMs?: number;
  radio?: Partial<RadioConfig>;
  /** What dice choose between instead of the usual; `rssiAt1mDbm` as at 0 dBm, the power is added. */
  ranges?: RadioRanges;
  /** Power of tags and gateways, which are one product in most recordings. -59 dBm at 1 m is 0 dBm. */
  powerDbm?: number;
  gatewaysAdvertise?: boolean;
  /** Of an office. */
  gatewaysAt?: GatewaySpot;
  /** How long a visit to a room lasts: anything between. */
  staysMs?: readonly [leastMs: number, mostMs: number];
  /** So often, instead of to a room, people go to stand in the corridor: 0.15 makes it a quarter of the time, 0.4 nearly half. */
  corridorShare?: number;
  /** Somebody walks the building before: spots about this far apart, four times turned round at each. */
  surveyEveryM?: number;
}

/** What a folder of a recording would hold, in memory. */
export interface SimulatedRecording {
  name: string;
  venue: VenueMap;
  observations: RecordedObservation[];
  truth: TruthPoint[];
  /** What a surveyor heard there on another day; empty unless asked for. */
  survey: SurveyedLevel[];
  radio: RadioConfig;
}

/** People who visit rooms and meet in a building by dice, whose radio is by dice too: exponent, walls, shadowing, losses. Same seed: same bytes. */
export function officeRecording(seed: string | number, options: OfficeRecordingOptions = {}): SimulatedRecording {
  const { kind = "office", people = 1, forMs = 280_000, powerDbm = 3, gatewaysAdvertise = true, gatewaysAt = "anywhere", staysMs = [4_000, 30_000], corridorShare = 0 } = options;
  const { map, built } = buildingOf(kind, seed, gatewaysAt);
  const dice = newRandom(`office-recording/${kind}/${seed}`);
  const radio = newRadio(built, seed, {
    rssiAt1mDbm: -62 + powerDbm + 3 * dice.gaussian(),
    pathLossExponent: dice.between(2, 3),
    wallLossDb: dice.between(3, 8),
    shadowingDb: dice.between(3, 5),
    shadowingCorrelationM: dice.between(1.5, 3.5),
    bodyLossDb: dice.between(4, 12),
    gatewayGainSigmaDb: dice.between(1, 3),
    sensitivityDbm: dice.between(-97, -93),
    clearShare: dice.between(0.4, 0.9),
    advertisingIntervalMs: dice.pick([150, 300, 500]),
    gatewayIntervalMs: gatewaysAdvertise ? dice.pick([300, 1_000, 2_000]) : 1e12,
    ...rangesOf(options.ranges ?? {}, powerDbm, dice.fork("ranges")),
    ...options.radio,
  });
  const crowd = visitors(built, { people, forMs, staysMs, corridorShare }, dice.fork("visitors"));
  const world = newWorld({ venue: built, crowd, radio });
  const truth: TruthPoint[] = [];
  const observations: RecordedObservation[] = [];
  for (let atMs = 500; atMs <= forMs; atMs += 500) {
    for (const { gatewayId, tagId, rssiDbm, atMs: heardAtMs } of world.advance(atMs)) observations.push({ atMs: heardAtMs, gatewayId, tagId, rssiDbm });
    for (const { tagId, xM, yM, floor, zoneId } of crowd.positions()) truth.push({ atMs, tagId, xM, yM, floor, zoneId });
  }
  const survey = options.surveyEveryM === undefined ? [] : surveyOf(built, radio, options.surveyEveryM, dice.fork("surveyor"));
  return { name: `${kind}/${seed}/${powerDbm}dBm/${people}p`, venue: map, observations, truth, survey, radio: radio.config };
}

function rangesOf(ranges: RadioRanges, powerDbm: number, dice: Random): Partial<RadioConfig> {
  const drawn = Object.fromEntries(Object.entries(ranges).map(([key, range]) => [key, dice.between(...range)])) as Partial<RadioConfig>;
  return drawn.rssiAt1mDbm === undefined ? drawn : { ...drawn, rssiAt1mDbm: drawn.rssiAt1mDbm + powerDbm };
}

/** Packets that a surveyor waits for, facing each way. */
const SURVEY_PACKETS = 8;

/** Every zone at spots on a lattice that stands askew by dice, with the surveyor's own tag, on the body as everybody's. */
function surveyOf(venue: VenueMap, radio: Radio, everyM: number, dice: Random): SurveyedLevel[] {
  const transmitter = radio.newTransmitter("surveyor");
  const levels = new Map<string, SurveyedLevel>();
  for (const zone of venue.zones) {
    const corners = zone.polygons.flat();
    const [xsM, ysM] = [corners.map(([xM]) => xM), corners.map(([, yM]) => yM)];
    for (let yM = Math.min(...ysM) + everyM * dice.between(0.2, 0.5); yM < Math.max(...ysM); yM += everyM) {
      for (let xM = Math.min(...xsM) + everyM * dice.between(0.2, 0.5); xM < Math.max(...xsM); xM += everyM) {
        const spot = { xM: Math.round(xM * 100) / 100, yM: Math.round(yM * 100) / 100, floor: zone.floor };
        if (!pointInZone(spot, zone)) continue;
        for (let i = 0; i < 4 * SURVEY_PACKETS; i++) {
          for (const { gatewayId, rssiDbm } of transmitter.send({ ...spot, facingRad: ((i % 4) * Math.PI) / 2 })) {
            const key = `${spot.xM}/${spot.yM}/${spot.floor}/${gatewayId}/${rssiDbm}`;
            const level = levels.get(key);
            if (level === undefined) levels.set(key, { ...spot, gatewayId, rssiDbm, count: 1 });
            else level.count++;
          }
        }
      }
    }
  }
  return [...levels.values()];
}

interface Knot extends FloorPoint {
  atMs: number;
  facingRad: number;
}

const STAIRS_MS = 12_000;

/** Everybody visits one room after the other, half of the time one where somebody else is going. */
function visitors(venue: VenueMap, { people, forMs, staysMs, corridorShare }: Required<Pick<OfficeRecordingOptions, "people" | "forMs" | "staysMs" | "corridorShare">>, dice: Random): Crowd {
  const navigation: Navigation = newNavigation(venue);
  const rooms = navigation.reachableZoneIds.filter((zoneId) => venue.zones.some((zone) => zone.zoneId === zoneId && zone.kind !== "stairs"));
  const corridors = rooms.filter((zoneId) => venue.zones.some((zone) => zone.zoneId === zoneId && zone.kind === "corridor"));
  const tagIds = Array.from({ length: people }, (_, i) => `person-${i + 1}`);
  const plans = new Map<TagId, Knot[]>();
  const meetings: { zoneId: string; atMs: number; spot: FloorPoint }[] = [];
  for (const tagId of tagIds) {
    const own = dice.fork(tagId);
    const knots: Knot[] = [{ ...(navigation.spot(own.pick(rooms), own) as FloorPoint), atMs: -1_000, facingRad: 0 }];
    while ((knots.at(-1) as Knot).atMs < forMs) {
      const last = knots.at(-1) as Knot;
      const meeting = meetings.find(({ atMs }) => Math.abs(atMs - last.atMs) < 10_000 && own.next() < 0.5);
      const zoneId = meeting?.zoneId ?? own.pick(corridors.length > 0 && corridorShare > 0 && own.next() < corridorShare ? corridors : rooms);
      const spot = navigation.spot(zoneId, own, meeting?.spot) as FloorPoint;
      const speedMps = own.between(0.6, 1.3);
      let atMs = last.atMs + own.between(...staysMs);
      for (let turnAtMs = last.atMs + own.between(3_000, 15_000); turnAtMs < atMs; turnAtMs += own.between(3_000, 15_000)) {
        knots.push({ ...last, atMs: turnAtMs, facingRad: own.between(-Math.PI, Math.PI) });
      }
      knots.push({ ...last, facingRad: (knots.at(-1) as Knot).facingRad, atMs });
      const way = navigation.path(last, spot) ?? [];
      for (let i = 1; i < way.length; i++) {
        const [from, to] = [way[i - 1] as FloorPoint, way[i] as FloorPoint];
        atMs += from.floor === to.floor ? (Math.hypot(to.xM - from.xM, to.yM - from.yM) / speedMps) * 1_000 : STAIRS_MS;
        knots.push({ xM: to.xM, yM: to.yM, floor: to.floor, atMs, facingRad: own.between(-Math.PI, Math.PI) });
      }
      meetings.push({ zoneId, atMs, spot });
    }
    plans.set(tagId, knots);
  }
  let nowMs = 0;
  const at = (tagId: TagId, atMs: number): WalkerState | null => {
    const knots = plans.get(tagId);
    if (knots === undefined) return null;
    let i = knots.length - 1;
    while (i > 0 && (knots[i] as Knot).atMs > atMs) i--;
    const from = knots[i] as Knot;
    const to = knots[i + 1] ?? from;
    const moving = to.atMs > from.atMs && (to.xM !== from.xM || to.yM !== from.yM);
    const along = moving ? (atMs - from.atMs) / (to.atMs - from.atMs) : 0;
    const point = { xM: from.xM + along * (to.xM - from.xM), yM: from.yM + along * (to.yM - from.yM), floor: along < 0.5 ? from.floor : to.floor };
    return {
      tagId,
      ...point,
      zoneId: venue.zones.find((zone) => pointInZone(point, zone))?.zoneId ?? null,
      facingRad: moving ? Math.atan2(to.yM - from.yM, to.xM - from.xM) : from.facingRad,
      speedMps: 0,
    };
  };
  return {
    tagIds,
    navigation,
    advance: (toMs) => void (nowMs = toMs),
    positions: () => tagIds.map((tagId) => at(tagId, nowMs)).filter((state) => state !== null),
    at,
    roleOf: () => "attendee",
    companionsOf: () => [],
  };
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, value));
}
