import { floorBounds, gatewayOfTag, pointInZone, type Gateway, type VenueMap, type ZoneId } from "@konferenco/protocol";
import type { RecordedObservation } from "@konferenco/simulators";
import { newMeanWindow, type NewLocator } from "./method.ts";

/**
 * The plain grid filter that ours began from, on its own two feet: cells of half a metre, a walk by
 * blurring, Student's t on mean levels, a loss between a room and a gateway in another zone, level and
 * exponent by least squares over what gateways hear of each other, silence as weak evidence, and the zone with most mass.
 */
const CELL_M = 0.5;
const MARGIN_M = 0.5;
/** It weighs every cell at every step, with every gateway: beyond 3,000 m² (50 × 60 m) minutes a recording, so it is left out there. */
const MAX_CELLS = 12_500;
const NOISE_DB = 5;
const TAIL_DEGREES = 4;
const ROOM_LOSS_DB = 5;
/** A tag on a person against a gateway's own transmitter. */
const WEARER_LOSS_DB = 4;
const FLOOR_LOSS_DB = 15;
/** Until gateways hear each other; a free regression on heard links alone comes out too flat, so the exponent is kept within the last two. */
const REF_DBM = -60;
const EXPONENT = 2.5;
const EXPONENT_RANGE = [2.5, 3] as const;
const MIN_LINKS = 3;
const STEP_S = 0.5;
/** A mean over 2 s is asked four times. */
const LOOK_SHARE = STEP_S / 2;
/** Below this a packet is not heard, and silence counts as so much of a look. */
const SENSITIVITY_DBM = -92;
const SILENCE_SHARE = 0.3;
const WINDOW_MS = 2_000;

interface Lattice {
  floor: number;
  columns: number;
  rows: number;
  minXM: number;
  minYM: number;
}

interface Cells extends Lattice {
  zone: (ZoneId | null)[];
  mass: Float64Array;
}

export const newPlainGrid: NewLocator = ({ venue, gateways }) => {
  const rooms = new Set(venue.zones.filter(({ kind }) => kind === "room").map(({ zoneId }) => zoneId));
  const drawn = venue.floors.flatMap(({ floor }) => (venue.zones.some((zone) => zone.floor === floor && zone.polygons.length > 0) ? [latticeOf(venue, floor)] : []));
  const cellCount = drawn.reduce((sum, { columns, rows }) => sum + columns * rows, 0);
  if (cellCount === 0 || cellCount > MAX_CELLS) return null;
  const floors = drawn.map((lattice) => cellsOf(venue, lattice));
  const receivers = [...gateways.values()];
  const window = newMeanWindow(gateways, WINDOW_MS, 1);
  const links = newLinks(gateways);
  let [refDbm, exponent] = [REF_DBM, EXPONENT];
  const isApart = (a: ZoneId | null, b: ZoneId | null): boolean => a !== b && (rooms.has(a ?? "") || rooms.has(b ?? ""));
  // What never changes between a cell and a receiver, cell by cell: what walls and floors take, and the logarithm of the range.
  const paths = floors.map((cells) => {
    const pairs = cells.zone.flatMap((zoneId, i) => receivers.map((from) => ({ from, zoneId, i })));
    return {
      barrierDb: Float64Array.from(pairs, ({ from, zoneId }) => (from.floor === cells.floor && isApart(from.zoneId, zoneId) ? ROOM_LOSS_DB : 0) + FLOOR_LOSS_DB * Math.abs(from.floor - cells.floor)),
      logRange: Float64Array.from(pairs, ({ from, i }) => {
        const [xM, yM] = centreOf(cells, i);
        return Math.log10(Math.max(1, Math.hypot(from.xM - xM, from.yM - yM)));
      }),
    };
  });

  return {
    hear: (observation) => window.hear(observation),
    hearLink(observation) {
      if (!links.hear(observation)) return;
      const fit = links.fit((a, b) => (isApart(a.zoneId, b.zoneId) ? ROOM_LOSS_DB : 0));
      if (fit !== null) [refDbm, exponent] = fit;
    },
    at(nowMs) {
      const heard = window.levels(nowMs);
      if (heard === null) return null;
      const levelOf = new Map(heard.map(({ gatewayId, rssiDbm }) => [gatewayId, rssiDbm]));
      const levels = receivers.map(({ gatewayId }) => levelOf.get(gatewayId));
      const massOf = new Map<ZoneId | null, number>();
      let [total, xM, yM, bestFloor, bestFloorMass] = [0, 0, 0, 0, -1];
      for (const [k, cells] of floors.entries()) {
        const { barrierDb, logRange } = paths[k] as (typeof paths)[number];
        blur(cells);
        let floorMass = 0;
        cells.mass.forEach((mass, i) => {
          let log = 0;
          for (let receiver = 0; receiver < levels.length; receiver++) {
            const at = i * levels.length + receiver;
            const expected = refDbm - WEARER_LOSS_DB - ((barrierDb[at] as number) + 10 * exponent * (logRange[at] as number));
            const rssiDbm = levels[receiver];
            if (rssiDbm === undefined) log -= LOOK_SHARE * SILENCE_SHARE * Math.log(1 + Math.exp((expected - SENSITIVITY_DBM) / 3));
            else log -= LOOK_SHARE * ((TAIL_DEGREES + 1) / 2) * Math.log(1 + ((rssiDbm - expected) / NOISE_DB) ** 2 / TAIL_DEGREES);
          }
          floorMass += cells.mass[i] = mass * Math.exp(log);
        });
        total += floorMass;
        if (floorMass > bestFloorMass) [bestFloor, bestFloorMass] = [cells.floor, floorMass];
      }
      for (const cells of floors) {
        cells.mass.forEach((mass, i) => {
          const share = (cells.mass[i] = mass / total);
          massOf.set(cells.zone[i] as ZoneId | null, (massOf.get(cells.zone[i] as ZoneId | null) ?? 0) + share);
          if (cells.floor !== bestFloor) return;
          const [cxM, cyM] = centreOf(cells, i);
          xM += (share * cxM * total) / bestFloorMass;
          yM += (share * cyM * total) / bestFloorMass;
        });
      }
      const [zoneId] = [...massOf].reduce((best, one) => (one[1] > best[1] ? one : best));
      return { xM, yM, floor: bestFloor, zoneId };
    },
  };
};

function latticeOf(venue: VenueMap, floor: number): Lattice {
  const bounds = floorBounds(venue, floor);
  const [minXM, minYM] = [bounds.minXM - MARGIN_M, bounds.minYM - MARGIN_M];
  return { floor, columns: Math.ceil((bounds.maxXM + MARGIN_M - minXM) / CELL_M), rows: Math.ceil((bounds.maxYM + MARGIN_M - minYM) / CELL_M), minXM, minYM };
}

function cellsOf(venue: VenueMap, lattice: Lattice): Cells {
  const { floor, columns, rows } = lattice;
  const cells: Cells = { ...lattice, zone: [], mass: new Float64Array(columns * rows).fill(1) };
  for (let i = 0; i < columns * rows; i++) {
    const [xM, yM] = centreOf(cells, i);
    cells.zone.push(venue.zones.find((zone) => pointInZone({ xM, yM, floor }, zone))?.zoneId ?? null);
  }
  return cells;
}

function centreOf({ minXM, minYM, columns }: Cells, i: number): [number, number] {
  return [minXM + ((i % columns) + 0.5) * CELL_M, minYM + (Math.floor(i / columns) + 0.5) * CELL_M];
}

/** A step of half a second: 0.5 m of scatter on each axis, by a quarter to both sides, twice. */
function blur({ mass, columns, rows }: Cells): void {
  for (const [stride, length] of [[1, columns], [columns, rows], [1, columns], [columns, rows]] as const) {
    const before = mass.slice();
    for (let i = 0; i < mass.length; i++) {
      const along = stride === 1 ? i % columns : Math.floor(i / columns);
      const here = before[i] as number;
      mass[i] = here / 2 + ((along > 0 ? (before[i - stride] as number) : here) + (along < length - 1 ? (before[i + stride] as number) : here)) / 4;
    }
  }
}

/** Mean levels of the gateways' own transmitters at other gateways, and the line through them over the logarithm of the range. */
function newLinks(gateways: ReadonlyMap<string, Gateway>): {
  hear(observation: RecordedObservation): boolean;
  fit(lossDb: (a: Gateway, b: Gateway) => number): [refDbm: number, exponent: number] | null;
} {
  const links = new Map<string, { from: Gateway; by: Gateway; sum: number; count: number }>();
  return {
    hear({ tagId, gatewayId, rssiDbm }) {
      const from = gateways.get(gatewayOfTag(tagId) ?? "");
      const by = gateways.get(gatewayId);
      if (from === undefined || by === undefined || from.floor !== by.floor) return false;
      const key = `${tagId} ${gatewayId}`;
      const link = links.get(key) ?? { from, by, sum: 0, count: 0 };
      links.set(key, link);
      link.sum += rssiDbm;
      link.count++;
      return link.count === 3 || link.count % 30 === 0;
    },
    fit(lossDb) {
      const points = [...links.values()].map(({ from, by, sum, count }) => ({ x: 10 * Math.log10(Math.max(1, Math.hypot(from.xM - by.xM, from.yM - by.yM))), y: sum / count + lossDb(from, by) }));
      if (points.length < MIN_LINKS) return null;
      const [meanX, meanY] = [points.reduce((all, { x }) => all + x, 0) / points.length, points.reduce((all, { y }) => all + y, 0) / points.length];
      const spread = points.reduce((all, { x }) => all + (x - meanX) ** 2, 0);
      const slope = spread === 0 ? EXPONENT : -points.reduce((all, { x, y }) => all + (x - meanX) * (y - meanY), 0) / spread;
      const exponent = Math.max(EXPONENT_RANGE[0], Math.min(EXPONENT_RANGE[1], slope));
      return [meanY + exponent * meanX, exponent];
    },
  };
}
