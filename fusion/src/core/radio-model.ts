import type { VenueMap } from "@konferenco/protocol";
import type { FusionConfig } from "./fusion-config.ts";
import { PER_DB, scatterFrom } from "./level-likelihood.ts";
import type { VenueGrid } from "./venue-grid.ts";
import { placeAt, type VenueIndex } from "./venue-index.ts";

/**
 * What a gateway is expected to hear, in dB:
 * level at 1 m + gateway's offset - n * 10 log10(range) - walls - floors. A tag's own offset comes on top.
 */
export interface RadioModel {
  rssiAt1mDbm: number;
  pathLossExponent: number;
  /** Loss of the first wall between; further ones count less (wallsCounted). */
  wallLossDb: number;
  floorLossDb: number;
  /** Per gateway of the map: how much louder it hears than its kind. */
  gatewayOffsetDb: Float64Array;
}

export function priorModel(gateways: number, config: FusionConfig): RadioModel {
  return {
    rssiAt1mDbm: config.priorRssiAt1mDbm,
    pathLossExponent: config.priorPathLossExponent,
    wallLossDb: config.priorWallLossDb,
    floorLossDb: config.floorLossDb,
    gatewayOffsetDb: new Float64Array(gateways),
  };
}

/** What lies between a gateway and the cells that it can be heard in. Those are contiguous: its own floor and the ones beside it. */
export interface GatewayReach {
  firstCell: number;
  /** 10 log10(range in m) per cell. */
  pathDb: Float32Array;
  /** Equivalent walls times 10, see wallsCounted. */
  walls: Uint8Array;
  floors: Uint8Array;
}

/** The expected level of every gateway in every cell: what the filter reads. */
export interface LevelMap {
  firstCell: Int32Array;
  levelDbm: Float32Array[];
  /** The same in steps of the likelihood tables, a quarter of a dB, less where the table of the cell's scatter begins: look-ups without a conversion. */
  steps: Int32Array[];
}

/** Expected levels are kept within these, whatever the model says. */
const LEAST_LEVEL_DBM = -200;
const MOST_LEVEL_DBM = 20;

/** Nearer than this the law no longer holds: near field, and a tag is never in the gateway. */
const MIN_RANGE_M = 0.7;
/** A storey, when it comes to ranges through a ceiling. */
const FLOOR_HEIGHT_M = 3.5;
/** Farther than this walls are not counted one by one. */
const MAX_TRACED_M = 60;
/** Power comes round many walls by other ways: each further one counts less (COST 231, multi-wall model). */
const WALLS_COUNTED = [0, 1, 1.8, 2.4, 2.8, 3];
/** A gap between zones narrower than this is the wall itself. */
const WALL_THICKNESS_M = 0.6;
/** Gateways hang on walls: what a ray meets this near to them is their own. */
const OWN_WALL_M = 0.35;

export function wallsCounted(walls: number): number {
  return WALLS_COUNTED[Math.min(walls, WALLS_COUNTED.length - 1)] as number;
}

/** Prepared once: ranges and walls do not change while levels are calibrated. */
export function reachOfGateways(index: VenueIndex, grid: VenueGrid, config: FusionConfig): GatewayReach[] {
  return index.gateways.map((gateway) => {
    const near = grid.floors.filter(({ floor }) => Math.abs(floor - gateway.floor) <= 1);
    const firstCell = near[0]?.firstCell ?? 0;
    const count = near.reduce((sum, { cellCount }) => sum + cellCount, 0);
    const reach: GatewayReach = { firstCell, pathDb: new Float32Array(count), walls: new Uint8Array(count), floors: new Uint8Array(count) };
    for (const floor of near) {
      const riseM = riseBetweenM(gateway, floor.floor, config);
      for (let cell = floor.firstCell; cell < floor.firstCell + floor.cellCount; cell++) {
        const at = cell - firstCell;
        const to = { xM: grid.xM[cell] as number, yM: grid.yM[cell] as number, place: grid.place[cell] as number };
        const flatM = Math.hypot(to.xM - gateway.xM, to.yM - gateway.yM);
        reach.pathDb[at] = pathDbOf(Math.hypot(flatM, riseM));
        reach.floors[at] = Math.abs(gateway.floor - floor.floor);
        // Through a ceiling the way is not the one along the floor: its loss stands for all.
        if (gateway.floor === floor.floor) reach.walls[at] = Math.round(10 * wallsBetween(gateway, to, floor.floor, index));
      }
    }
    return reach;
  });
}

/** How much higher a gateway is than a tag on that floor, for the range of its level. On its own floor that counts for more, see overheadShare. */
export function riseBetweenM(gateway: { floor: number; zM: number | null }, floor: number, config: FusionConfig): number {
  const riseM = (gateway.zM ?? config.gatewayHeightM) - config.tagHeightM;
  return gateway.floor === floor ? config.overheadShare * riseM : (gateway.floor - floor) * FLOOR_HEIGHT_M + riseM;
}

export function pathDbOf(rangeM: number): number {
  return 10 * Math.log10(Math.max(MIN_RANGE_M, rangeM));
}

interface Spot {
  xM: number;
  yM: number;
  place: number;
}

/** Equivalent walls between a gateway and a spot on its floor: the drawn ones, or else the borders of rooms. */
export function wallsBetween(gateway: Spot, to: Spot, floor: number, index: VenueIndex): number {
  const walls = index.walls.get(floor) ?? [];
  const rangeM = Math.hypot(to.xM - gateway.xM, to.yM - gateway.yM);
  if (rangeM > MAX_TRACED_M) return wallsCounted(WALLS_COUNTED.length);
  if (walls.length > 0) return wallsCounted(drawnWallsBetween(gateway, to, walls));
  if (gateway.place === to.place) return 0;
  // Along the ray: which room, or the open. What is too thin to be a place is the wall.
  const steps = Math.max(2, Math.ceil(rangeM / 0.2));
  const stepM = rangeM / steps;
  let crossed = 0;
  let current = index.room[gateway.place] === true ? gateway.place : OPEN;
  let candidate = current;
  let candidateM = 0;
  for (let step = Math.ceil(OWN_WALL_M / Math.max(stepM, 1e-9)); step < steps; step++) {
    const along = step / steps;
    const place = placeAt(index, gateway.xM + along * (to.xM - gateway.xM), gateway.yM + along * (to.yM - gateway.yM), floor);
    const region = index.room[place] === true ? place : OPEN;
    if (region === current) {
      candidate = current;
      continue;
    }
    if (region !== candidate) {
      candidate = region;
      candidateM = 0;
    }
    candidateM += stepM;
    // A room is believed at once, the open only when it is wider than a wall.
    if (region === OPEN ? candidateM > WALL_THICKNESS_M : candidateM > 0.2) {
      crossed++;
      current = region;
    }
  }
  const last = index.room[to.place] === true ? to.place : OPEN;
  if (last !== current) crossed++;
  return wallsCounted(crossed);
}

const OPEN = -2;

function drawnWallsBetween(from: Spot, to: Spot, walls: VenueMap["walls"]): number {
  let crossed = 0;
  for (const [cxM, cyM, dxM, dyM] of walls) {
    const abc = (to.xM - from.xM) * (cyM - from.yM) - (to.yM - from.yM) * (cxM - from.xM);
    const abd = (to.xM - from.xM) * (dyM - from.yM) - (to.yM - from.yM) * (dxM - from.xM);
    if (abc * abd > 0) continue;
    const cda = (dxM - cxM) * (from.yM - cyM) - (dyM - cyM) * (from.xM - cxM);
    const cdb = (dxM - cxM) * (to.yM - cyM) - (dyM - cyM) * (to.xM - cxM);
    if (cda * cdb <= 0 && ++crossed >= WALLS_COUNTED.length) break;
  }
  return crossed;
}

export function newLevelMap(reaches: readonly GatewayReach[]): LevelMap {
  return {
    firstCell: Int32Array.from(reaches, ({ firstCell }) => firstCell),
    levelDbm: reaches.map(({ pathDb }) => new Float32Array(pathDb.length)),
    steps: reaches.map(({ pathDb }) => new Int32Array(pathDb.length)),
  };
}

/** What a survey knows better than the law of distance, per gateway and cell of its reach. */
export interface Corrections {
  correctionDb: readonly Float32Array[];
  /** Scatter around the corrected level, as a share of the usual one. */
  scatterShare: readonly Float32Array[];
}

/** Puts the model's levels into the map, in new arrays: who keeps the old ones keeps the old levels. */
export function fillLevels(levels: LevelMap, reaches: readonly GatewayReach[], model: RadioModel, corrections: Corrections | null = null): void {
  reaches.forEach((reach, gateway) => {
    const level = (levels.levelDbm[gateway] = new Float32Array(reach.pathDb.length));
    const steps = (levels.steps[gateway] = new Int32Array(reach.pathDb.length));
    const correction = corrections?.correctionDb[gateway];
    const scatter = corrections?.scatterShare[gateway];
    const atOneMetre = model.rssiAt1mDbm + (model.gatewayOffsetDb[gateway] as number);
    for (let at = 0; at < level.length; at++) {
      const levelDbm =
        atOneMetre -
        model.pathLossExponent * (reach.pathDb[at] as number) -
        (model.wallLossDb / 10) * (reach.walls[at] as number) -
        model.floorLossDb * (reach.floors[at] as number) +
        (correction?.[at] ?? 0);
      level[at] = Math.max(LEAST_LEVEL_DBM, Math.min(MOST_LEVEL_DBM, levelDbm));
      steps[at] = Math.round((level[at] as number) * PER_DB) - scatterFrom(scatter?.[at] ?? 1);
    }
  });
}
