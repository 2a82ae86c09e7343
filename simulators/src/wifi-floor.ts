import { newRandom, type Random } from "./random.ts";
import { wallsOfFloor, type Walls } from "./walls.ts";
import { venueMapSchema, type VenueMap } from "@konferenco/protocol";

/**
 * A made-up office floor with Wi-Fi: rooms on both sides of a corridor, access points with several
 * names each, a survey by one phone and walks by another. For buildings that nobody has measured yet;
 * what a method is worth is said by real ones.
 */
export interface WifiFloorOptions {
  seed: string | number;
  /** Ceiling boxes on this floor. Each has one to four names (BSSIDs), and half as many again hang one floor up or down. */
  boxes?: number;
  roomsPerSide?: number;
  /** Between survey points. */
  spacingM?: number;
  /** Scans at a survey point, each facing another way. */
  orientations?: number;
  floor?: number;
  /** Names differ by floor, so that floors can be stacked. */
  boxPrefix?: number;
}

export interface WifiRow {
  bssid: string;
  rssiDbm: number;
}

/** What makes phones differ. */
export interface WifiPhone {
  offsetDb: number;
  /** 1 reports what it hears; some chips stretch or squeeze. */
  slope: number;
}

export interface WifiFloor {
  venue: VenueMap;
  bssids: number;
  survey: { xM: number; yM: number; floor: number; bssid: string; rssiDbm: number; count: number; scan: string }[];
  /** One scan at a place. */
  scanAt(xM: number, yM: number, facingRad: number, phone: WifiPhone, luck: Random, floor?: number): WifiRow[];
  /** A walk through rooms and corridor with a scan every `everyMs`. */
  walk(options: { seed: string | number; phone: WifiPhone; scans: number; everyMs?: number }): { atMs: number; xM: number; yM: number; floor: number; scan: WifiRow[] }[];
}

interface Box {
  xM: number;
  yM: number;
  /** Floors up or down from this one. */
  storeys: number;
  names: { bssid: string; rssiAt1mDbm: number }[];
  /** Slow waves that stand for furniture: a sum of cosines has a known spread and needs no table. */
  waves: { kx: number; ky: number; phase: number }[];
}

const ROOM_WIDTH_M = 5;
const ROOM_DEPTH_M = 6;
const CORRIDOR_M = 2.5;
/** Drywall and glass at 2.4 and 5 GHz; COST 231 gives 3.4 dB light, 6.9 dB heavy. */
const WALL_DB = 4.5;
const MAX_WALLS = 5;
const CEILING_DB = 17;
const EXPONENT = 2.2;
/** Furniture, doors, pipes: repeatable, forgotten over about 3 m. */
const SHADOWING_DB = 4;
const SHADOWING_LENGTH_M = 3;
/** What changes from scan to scan. */
const FADING_DB = 3.5;
const BODY_DB = 6;
const EDGE_DBM = -93;
const MISSED_SHARE = 0.08;

export function newWifiFloor(options: WifiFloorOptions): WifiFloor {
  const { seed, boxes: boxCount = 24, roomsPerSide = 8, spacingM = 2.2, orientations = 4, floor = 0, boxPrefix = 0 } = options;
  const dice = newRandom(`${seed}/wifi-floor`);
  const venue = officeVenue(roomsPerSide, floor);
  const walls = wallsOfFloor(venue, floor);
  const widthM = roomsPerSide * ROOM_WIDTH_M;
  const depthM = 2 * ROOM_DEPTH_M + CORRIDOR_M;
  const boxes = Array.from({ length: Math.round(boxCount * 1.5) }, (_, i) => newBox(dice.fork(`box/${i}`), { i, widthM, depthM, storeys: i < boxCount ? 0 : i % 2 === 0 ? 1 : -1, boxPrefix }));

  const scanAt: WifiFloor["scanAt"] = (xM, yM, facingRad, phone, luck, onFloor = floor) => {
    const rows: WifiRow[] = [];
    for (const box of boxes) {
      const meanDb = pathDb(box, walls, xM, yM, Math.abs(box.storeys - (onFloor - floor)));
      const towardsRad = Math.atan2(box.yM - yM, box.xM - xM);
      // The body stands behind the phone: full loss when the box is at the back.
      const bodyDb = BODY_DB * (1 - Math.cos(towardsRad - facingRad)) / 2;
      for (const { bssid, rssiAt1mDbm } of box.names) {
        const heardDbm = rssiAt1mDbm + meanDb - bodyDb + FADING_DB * luck.gaussian();
        if (heardDbm + phone.offsetDb < EDGE_DBM + 1.5 * luck.gaussian() || luck.next() < MISSED_SHARE) continue;
        rows.push({ bssid, rssiDbm: Math.round(Math.min(-20, -60 + phone.slope * (heardDbm + phone.offsetDb + 60))) });
      }
    }
    return rows;
  };

  const survey: WifiFloor["survey"] = [];
  const surveyor: WifiPhone = { offsetDb: 0, slope: 1 };
  const luck = dice.fork("surveyor");
  for (const [xM, yM] of surveyPoints(venue, walls, spacingM, luck)) {
    for (let o = 0; o < orientations; o++) {
      const scan = scanAt(xM, yM, (2 * Math.PI * o) / orientations, surveyor, luck);
      for (const row of scan) survey.push({ xM, yM, floor, ...row, count: 1, scan: String(o) });
    }
  }

  return {
    venue,
    bssids: boxes.reduce((sum, box) => sum + box.names.length, 0),
    survey,
    scanAt,
    walk({ seed: walkSeed, phone, scans, everyMs = 10_000 }) {
      const steps = newRandom(`${seed}/walk/${walkSeed}`);
      const speedMps = 0.8;
      let [xM, yM] = [steps.between(1, widthM - 1), ROOM_DEPTH_M + CORRIDOR_M / 2];
      let way: [number, number][] = [];
      return Array.from({ length: scans }, (_, i) => {
        let leftM = i === 0 ? 0 : (speedMps * everyMs) / 1_000;
        let facingRad = 0;
        while (leftM > 0) {
          if (way.length === 0) way = wayToRoom(xM, yM, roomsPerSide, steps);
          const [toXM, toYM] = way[0] as [number, number];
          const farM = Math.hypot(toXM - xM, toYM - yM);
          if (farM > 0) facingRad = Math.atan2(toYM - yM, toXM - xM);
          const goneM = Math.min(leftM, farM);
          if (farM > 0) [xM, yM] = [xM + ((toXM - xM) * goneM) / farM, yM + ((toYM - yM) * goneM) / farM];
          leftM -= goneM;
          if (goneM === farM) {
            way.shift();
            // A while at the desk.
            if (way.length === 0) leftM = 0;
          }
        }
        return { atMs: (i + 1) * everyMs, xM, yM, floor, scan: scanAt(xM, yM, facingRad, phone, steps) };
      });
    },
  };
}

function newBox(dice: Random, { i, widthM, depthM, storeys, boxPrefix }: { i: number; widthM: number; depthM: number; storeys: number; boxPrefix: number }): Box {
  const names = 1 + dice.integer(4);
  const powerDbm = -34 + 3 * dice.gaussian();
  return {
    xM: dice.between(0, widthM),
    yM: dice.between(0, depthM),
    storeys,
    names: Array.from({ length: names }, (_, n) => ({
      bssid: [2, boxPrefix, Math.floor(i / 256), i % 256, 0, n].map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
      // The second half of the names is on 5 GHz: 6 dB less arrives.
      rssiAt1mDbm: powerDbm - (n >= 2 ? 6 : 0),
    })),
    waves: Array.from({ length: 24 }, () => {
      // Spatial frequencies of a squared-exponential field of that length.
      return { kx: dice.gaussian() / SHADOWING_LENGTH_M, ky: dice.gaussian() / SHADOWING_LENGTH_M, phase: dice.between(0, 2 * Math.PI) };
    }),
  };
}

function pathDb(box: Box, walls: Walls, xM: number, yM: number, storeys: number): number {
  const rangeM = Math.max(1, Math.hypot(box.xM - xM, box.yM - yM, 1.5 + 3.5 * storeys));
  const crossed = walls.crossings(xM, yM, box.xM, box.yM, MAX_WALLS);
  const shadow = box.waves.reduce((sum, { kx, ky, phase }) => sum + Math.cos(kx * xM + ky * yM + phase), 0) * SHADOWING_DB * Math.sqrt(2 / box.waves.length);
  return -10 * EXPONENT * Math.log10(rangeM) - WALL_DB * crossed - CEILING_DB * storeys + shadow;
}

function officeVenue(roomsPerSide: number, floor: number): VenueMap {
  const widthM = roomsPerSide * ROOM_WIDTH_M;
  const northM = ROOM_DEPTH_M + CORRIDOR_M;
  const depthM = northM + ROOM_DEPTH_M;
  const box = (x0M: number, y0M: number, x1M: number, y1M: number): [number, number][] => [[x0M, y0M], [x1M, y0M], [x1M, y1M], [x0M, y1M]];
  const room = (name: string, i: number, y0M: number) => ({
    zoneId: `${name}${i}`,
    name: `Room ${name.toUpperCase()}${i}`,
    kind: "room",
    floor,
    polygons: [box(i * ROOM_WIDTH_M, y0M, (i + 1) * ROOM_WIDTH_M, y0M + ROOM_DEPTH_M)],
  });
  const rooms = Array.from({ length: roomsPerSide }, (_, i) => i);
  const wall = (x0M: number, y0M: number, x1M: number, y1M: number): [number, number, number, number, number] => [x0M, y0M, x1M, y1M, floor];
  // A door of one metre in the middle of each room's corridor wall.
  const doorWalls = (i: number, yM: number) => [
    wall(i * ROOM_WIDTH_M, yM, i * ROOM_WIDTH_M + 2, yM),
    wall(i * ROOM_WIDTH_M + 3, yM, (i + 1) * ROOM_WIDTH_M, yM),
  ];
  return venueMapSchema.parse({
    venueId: "wifi-office",
    floors: [{ floor, name: `Floor ${floor}` }],
    zones: [
      ...rooms.map((i) => room("s", i, 0)),
      ...rooms.map((i) => room("n", i, northM)),
      { zoneId: "corridor", name: "Corridor", kind: "corridor", floor, polygons: [box(0, ROOM_DEPTH_M, widthM, northM)] },
    ],
    gateways: [],
    walls: [
      wall(0, 0, widthM, 0),
      wall(widthM, 0, widthM, depthM),
      wall(widthM, depthM, 0, depthM),
      wall(0, depthM, 0, 0),
      ...rooms.slice(1).flatMap((i) => [wall(i * ROOM_WIDTH_M, 0, i * ROOM_WIDTH_M, ROOM_DEPTH_M), wall(i * ROOM_WIDTH_M, northM, i * ROOM_WIDTH_M, depthM)]),
      ...rooms.flatMap((i) => [...doorWalls(i, ROOM_DEPTH_M), ...doorWalls(i, northM)]),
    ],
  });
}

/** A surveyor's points: about so far apart, never in a wall, a hand's breadth off the lattice. */
function surveyPoints(venue: VenueMap, walls: Walls, spacingM: number, luck: Random): [number, number][] {
  const corners = venue.zones.flatMap((zone) => zone.polygons.flat());
  const widthM = Math.max(...corners.map(([xM]) => xM));
  const depthM = Math.max(...corners.map(([, yM]) => yM));
  const points: [number, number][] = [];
  for (let yM = 0.8; yM < depthM - 0.5; yM += spacingM) {
    for (let xM = 0.8; xM < widthM - 0.5; xM += spacingM) {
      const point: [number, number] = [round(xM + luck.between(-0.3, 0.3)), round(yM + luck.between(-0.3, 0.3))];
      if (walls.distanceM(point[0], point[1], 1) > 0.3) points.push(point);
    }
  }
  return points;
}

function round(metres: number): number {
  return Math.round(metres * 100) / 100;
}

/** Out by the door, along the corridor, into another room and to a desk there. */
function wayToRoom(xM: number, yM: number, roomsPerSide: number, dice: Random): [number, number][] {
  const middleM = ROOM_DEPTH_M + CORRIDOR_M / 2;
  const doorXM = (Math.min(roomsPerSide - 1, Math.floor(xM / ROOM_WIDTH_M)) + 0.5) * ROOM_WIDTH_M;
  const toRoom = dice.integer(roomsPerSide);
  const toDoorXM = (toRoom + 0.5) * ROOM_WIDTH_M;
  const north = dice.next() < 0.5;
  const inCorridor = yM > ROOM_DEPTH_M && yM < ROOM_DEPTH_M + CORRIDOR_M;
  const deskYM = north ? ROOM_DEPTH_M + CORRIDOR_M + dice.between(0.8, ROOM_DEPTH_M - 0.8) : dice.between(0.8, ROOM_DEPTH_M - 0.8);
  return [
    ...(inCorridor ? [] : ([[doorXM, yM < middleM ? ROOM_DEPTH_M - 0.5 : ROOM_DEPTH_M + CORRIDOR_M + 0.5], [doorXM, middleM]] as [number, number][])),
    [toDoorXM, middleM],
    [toDoorXM, north ? ROOM_DEPTH_M + CORRIDOR_M + 0.5 : ROOM_DEPTH_M - 0.5],
    [toRoom * ROOM_WIDTH_M + dice.between(0.8, ROOM_WIDTH_M - 0.8), deskYM],
  ];
}
