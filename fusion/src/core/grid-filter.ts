import type { FusionConfig } from "./fusion-config.ts";
import { MAX_OFF_DB, PER_DB, TABLE_LENGTH, newLevelLikelihood } from "./level-likelihood.ts";
import type { LevelMap } from "./radio-model.ts";
import { OFFSETS_DB, offsetOf, type TagOffset } from "./tag-offset.ts";
import { NEIGHBOURS, cellNear, type VenueGrid } from "./venue-grid.ts";

/**
 * Where a tag may be: mass on the cells that are not ruled out, apart for standing and walking. The
 * cells of a tag that is well heard are a few dozen: 12 bytes each.
 */
export interface Belief {
  count: number;
  cells: Int32Array;
  standing: Float32Array;
  walking: Float32Array;
  /** How much louder the tag sends than the model's, and the log-evidence for every offset tried (tag-offset.ts). */
  offsetDb: number;
  offset: TagOffset;
  atMs: number;
}

/** What one gateway has to say at one tick. */
export interface Hearing {
  gateway: number;
  /** NaN: it listens, and does not hear the tag. */
  rssiDbm: number;
  /** Of one independent look: readings share shadowing, so a tick's worth is a share. */
  weight: number;
}

/** The posterior in numbers. */
export interface GridEstimate {
  xM: number;
  yM: number;
  floorIndex: number;
  /** Radius around the mean that holds 95 % of the mass. */
  radius95M: number;
  places: number[];
  placeMass: number[];
  walkingShare: number;
}

export interface GridFilter {
  /** A belief from nothing: everywhere on the floors of those gateways, weighed by what they hear. */
  begin(hearings: readonly Hearing[], offset: TagOffset, nowMs: number): Belief;
  /** How well each offset explains what is heard at one moment, wherever the tag may be: adds to the offset's evidence. */
  weighOffsets(offset: TagOffset, hearings: readonly Hearing[]): void;
  /** Time passes: who stands may set off, who walks moves on. */
  predict(belief: Belief, nowMs: number): void;
  weigh(belief: Belief, hearings: readonly Hearing[], elapsedS: number): void;
  estimate(belief: Belief): GridEstimate;
}

/** Cells of a floor on which offsets are weighed: a sample is enough, the offset is one number. */
const OFFSET_CELLS = 250;
/** Radii are told in bins of this, in cells. */
const RADIUS_BINS = 400;
const RADIUS_BIN_M = 0.25;

export function newGridFilter(grid: VenueGrid, levels: LevelMap, sensitivityDbm: Float64Array, places: number, config: FusionConfig): GridFilter {
  const likelihood = newLevelLikelihood(config);
  // Scratch of one tag at a time, as long as the venue has cells.
  const nextStanding = new Float32Array(grid.cells);
  const nextWalking = new Float32Array(grid.cells);
  const touched = new Uint8Array(grid.cells);
  const list = new Int32Array(grid.cells);
  const logWeight = new Float64Array(grid.cells);
  const massOfPlace = new Float64Array(places + 1);
  const bins = new Float64Array(RADIUS_BINS);
  const floorMass = new Float64Array(grid.floors.length);
  const gatewayFloor = levels.levelDbm.map((level, gateway) => {
    // A gateway's own floor is where it is loudest.
    let loudest = -1;
    for (let at = 0; at < level.length; at++) if (loudest === -1 || (level[at] as number) > (level[loudest] as number)) loudest = at;
    return loudest === -1 ? -1 : (grid.floorOf[(levels.firstCell[gateway] as number) + loudest] as number);
  });
  const seedCells: (Int32Array | undefined)[] = [];

  /** Adds the hearings' log-likelihood at each of the listed cells. The hot loop: cells × gateways. */
  function addLogLikelihood(cells: Int32Array, count: number, hearings: readonly Hearing[], offsetDb: number): void {
    logWeight.fill(0, 0, count);
    for (const { gateway, rssiDbm, weight } of hearings) {
      const level = levels.levelDbm[gateway] as Float32Array;
      const firstCell = levels.firstCell[gateway] as number;
      const heard = !Number.isNaN(rssiDbm);
      const table = heard ? likelihood.heard : likelihood.unheard;
      // index = ± (level - reference) * PER_DB, with the middle of the table at 0 dB.
      const sign = heard ? -PER_DB : PER_DB;
      const reference = heard ? rssiDbm - offsetDb : (sensitivityDbm[gateway] as number) - offsetDb;
      const base = MAX_OFF_DB * PER_DB - sign * reference;
      const reach = level.length;
      for (let i = 0; i < count; i++) {
        const at = (cells[i] as number) - firstCell;
        // Beyond its reach a gateway hears nothing: as quiet as the table goes.
        let index = at >= 0 && at < reach ? (base + sign * (level[at] as number)) | 0 : heard ? TABLE_LENGTH - 1 : 0;
        if (index < 0) index = 0;
        else if (index >= TABLE_LENGTH) index = TABLE_LENGTH - 1;
        logWeight[i] = (logWeight[i] as number) + weight * (table[index] as number);
      }
    }
  }

  function greatest(count: number): number {
    let best = -Infinity;
    for (let i = 0; i < count; i++) if ((logWeight[i] as number) > best) best = logWeight[i] as number;
    return best;
  }

  /** Keeps the cells that matter and scales them to 1. At most maxActiveCells: the bound rises until they fit. */
  function keep(belief: Belief, cells: Int32Array, count: number, standing: Float32Array, walking: Float32Array, isByCell: boolean): void {
    let total = 0;
    let peak = 0;
    for (let i = 0; i < count; i++) {
      const at = isByCell ? (cells[i] as number) : i;
      const mass = (standing[at] as number) + (walking[at] as number);
      total += mass;
      if (mass > peak) peak = mass;
    }
    let bound = peak * config.leastCellShare;
    let kept = 0;
    for (;;) {
      kept = 0;
      for (let i = 0; i < count; i++) {
        const at = isByCell ? (cells[i] as number) : i;
        if ((standing[at] as number) + (walking[at] as number) >= bound) kept++;
      }
      if (kept <= config.maxActiveCells) break;
      bound *= 2;
    }
    if (belief.cells.length < kept || belief.cells.length > 4 * kept + 64) {
      const room = Math.min(config.maxActiveCells, Math.ceil(kept * 1.5) + 16);
      // The old arrays may be the source: they are read before they are dropped.
      const [newCells, newStanding, newWalking] = [new Int32Array(room), new Float32Array(room), new Float32Array(room)];
      copyKept(newCells, newStanding, newWalking);
      belief.cells = newCells;
      belief.standing = newStanding;
      belief.walking = newWalking;
    } else {
      copyKept(belief.cells, belief.standing, belief.walking);
    }
    belief.count = kept;

    function copyKept(toCells: Int32Array, toStanding: Float32Array, toWalking: Float32Array): void {
      let keptMass = 0;
      let to = 0;
      for (let i = 0; i < count; i++) {
        const at = isByCell ? (cells[i] as number) : i;
        const mass = (standing[at] as number) + (walking[at] as number);
        if (mass < bound) continue;
        const [s, w] = [standing[at] as number, walking[at] as number];
        toCells[to] = cells[i] as number;
        toStanding[to] = s;
        toWalking[to] = w;
        keptMass += s + w;
        to++;
      }
      for (let i = 0; i < to; i++) {
        toStanding[i] = (toStanding[i] as number) / keptMass;
        toWalking[i] = (toWalking[i] as number) / keptMass;
      }
    }
  }

  /** The cells of the floors where these gateways are, at most `atMost` a floor, into `list`. Returns how many. */
  function gatherCells(hearings: readonly Hearing[], atMost: number): number {
    let count = 0;
    grid.floors.forEach((floor, floorIndex) => {
      if (!hearings.some(({ gateway, rssiDbm }) => !Number.isNaN(rssiDbm) && gatewayFloor[gateway] === floorIndex)) return;
      // A stride that shares no factor with the columns, so that the sample is not a stripe.
      const stride = Math.max(1, Math.ceil(floor.cellCount / atMost));
      for (let cell = floor.firstCell; cell < floor.firstCell + floor.cellCount; cell += stride) list[count++] = cell;
    });
    return count;
  }

  return {
    begin(hearings, offset, nowMs) {
      const belief: Belief = { count: 0, cells: new Int32Array(0), standing: new Float32Array(0), walking: new Float32Array(0), offsetDb: offsetOf(offset), offset, atMs: nowMs };
      const count = gatherCells(hearings, Infinity);
      addLogLikelihood(list, count, hearings, belief.offsetDb);
      const best = greatest(count);
      for (let i = 0; i < count; i++) {
        const mass = Math.exp((logWeight[i] as number) - best) / 2;
        nextStanding[i] = mass;
        nextWalking[i] = mass;
      }
      keep(belief, list, count, nextStanding, nextWalking, false);
      nextStanding.fill(0, 0, count);
      nextWalking.fill(0, 0, count);
      return belief;
    },

    weighOffsets(offset, hearings) {
      const count = gatherCells(hearings, OFFSET_CELLS);
      if (count === 0) return;
      OFFSETS_DB.forEach((offsetDb, k) => {
        addLogLikelihood(list, count, hearings, offsetDb);
        const best = greatest(count);
        let sum = 0;
        for (let i = 0; i < count; i++) sum += Math.exp((logWeight[i] as number) - best);
        offset.logEvidence[k] = (offset.logEvidence[k] as number) + best + Math.log(sum / count);
      });
    },

    predict(belief, nowMs) {
      const dtS = Math.min(MAX_PREDICTED_S, (nowMs - belief.atMs) / 1_000);
      belief.atMs = nowMs;
      if (dtS <= 0) return;
      const floor = grid.floors[grid.floorOf[belief.cells[0] as number] as number] as { cellM: number };
      // Eight equal steps cover 1.2 cells on average; a walker who goes farther takes several.
      const wayCells = (config.walkMps * dtS) / (1.2 * floor.cellM);
      const rounds = Math.max(1, Math.ceil(wayCells - 1e-9));
      const hop = wayCells / rounds;
      const setOff = 1 - Math.exp((-config.setOffPerS * dtS) / rounds);
      const stop = 1 - Math.exp((-config.stopPerS * dtS) / rounds);
      for (let round = 0; round < rounds; round++) {
        let count = 0;
        for (let i = 0; i < belief.count; i++) {
          const cell = belief.cells[i] as number;
          const standing = belief.standing[i] as number;
          const walking = belief.walking[i] as number;
          const walks = walking * (1 - stop) + standing * setOff;
          if (touched[cell] === 0) {
            touched[cell] = 1;
            list[count++] = cell;
          }
          nextStanding[cell] = (nextStanding[cell] as number) + standing * (1 - setOff) + walking * stop;
          let stays = walks;
          if (walks > 0) {
            for (let k = cell * NEIGHBOURS; k < cell * NEIGHBOURS + NEIGHBOURS; k++) {
              const next = grid.neighbour[k] as number;
              if (next < 0) continue;
              const goes = walks * hop * (grid.passage[k] as number);
              stays -= goes;
              if (touched[next] === 0) {
                touched[next] = 1;
                list[count++] = next;
              }
              nextWalking[next] = (nextWalking[next] as number) + goes;
            }
          }
          nextWalking[cell] = (nextWalking[cell] as number) + stays;
        }
        keep(belief, list, count, nextStanding, nextWalking, true);
        for (let i = 0; i < count; i++) {
          const cell = list[i] as number;
          touched[cell] = 0;
          nextStanding[cell] = 0;
          nextWalking[cell] = 0;
        }
      }
    },

    weigh(belief, hearings, elapsedS) {
      if (hearings.length === 0) return;
      reseed(belief, hearings);
      addLogLikelihood(belief.cells, belief.count, hearings, belief.offsetDb);
      // What was heard long ago says less of now: the old belief is flattened as time passes.
      const flatten = Math.exp((-elapsedS * 1_000) / config.beliefMemoryMs) - 1;
      for (let i = 0; i < belief.count; i++) logWeight[i] = (logWeight[i] as number) + flatten * Math.log(massAt(belief, i));
      const best = greatest(belief.count);
      for (let i = 0; i < belief.count; i++) {
        const weight = Math.exp((logWeight[i] as number) - best);
        belief.standing[i] = (belief.standing[i] as number) * weight;
        belief.walking[i] = (belief.walking[i] as number) * weight;
      }
      keep(belief, belief.cells, belief.count, belief.standing, belief.walking, false);
    },

    estimate(belief) {
      floorMass.fill(0);
      let walkingMass = 0;
      for (let i = 0; i < belief.count; i++) {
        const f = grid.floorOf[belief.cells[i] as number] as number;
        floorMass[f] = (floorMass[f] as number) + massAt(belief, i);
        walkingMass += belief.walking[i] as number;
      }
      let floorIndex = 0;
      for (let f = 1; f < floorMass.length; f++) if ((floorMass[f] as number) > (floorMass[floorIndex] as number)) floorIndex = f;
      let [xM, yM] = [0, 0];
      const touchedPlaces: number[] = [];
      for (let i = 0; i < belief.count; i++) {
        const cell = belief.cells[i] as number;
        const mass = massAt(belief, i);
        const place = grid.place[cell] as number;
        if (place >= 0) {
          if (massOfPlace[place] === 0) touchedPlaces.push(place);
          massOfPlace[place] = (massOfPlace[place] as number) + mass;
        }
        if (grid.floorOf[cell] !== floorIndex) continue;
        xM += mass * (grid.xM[cell] as number);
        yM += mass * (grid.yM[cell] as number);
      }
      const onFloor = floorMass[floorIndex] as number;
      xM /= onFloor;
      yM /= onFloor;
      bins.fill(0);
      for (let i = 0; i < belief.count; i++) {
        const cell = belief.cells[i] as number;
        if (grid.floorOf[cell] !== floorIndex) continue;
        const bin = Math.min(RADIUS_BINS - 1, (Math.hypot((grid.xM[cell] as number) - xM, (grid.yM[cell] as number) - yM) / RADIUS_BIN_M) | 0);
        bins[bin] = (bins[bin] as number) + massAt(belief, i);
      }
      let left = 0.05 * onFloor;
      let bin = RADIUS_BINS - 1;
      while (bin > 0 && left >= (bins[bin] as number)) left -= bins[bin--] as number;
      touchedPlaces.sort((a, b) => a - b);
      const placeMass = touchedPlaces.map((place) => massOfPlace[place] as number);
      for (const place of touchedPlaces) massOfPlace[place] = 0;
      return { xM, yM, floorIndex, radius95M: (bin + 1) * RADIUS_BIN_M, places: touchedPlaces, placeMass, walkingShare: walkingMass };
    },
  };

  /**
   * A filter that has ruled out the truth never finds it again by itself: a tag carried fast, a door
   * that opened, a lift. A little mass around the loudest gateway is always in play; what is heard
   * decides whether it grows.
   */
  function reseed(belief: Belief, hearings: readonly Hearing[]): void {
    let loudest: Hearing | null = null;
    for (const hearing of hearings) if (!Number.isNaN(hearing.rssiDbm) && (loudest === null || hearing.rssiDbm > loudest.rssiDbm)) loudest = hearing;
    if (loudest === null) return;
    const seeds = seedsOf(loudest.gateway);
    if (seeds.length === 0) return;
    for (let i = 0; i < belief.count; i++) touched[belief.cells[i] as number] = 1;
    const missing = seeds.filter((cell) => touched[cell] === 0);
    for (let i = 0; i < belief.count; i++) touched[belief.cells[i] as number] = 0;
    if (missing.length === 0 || belief.count + missing.length > config.maxActiveCells) return;
    const count = belief.count + missing.length;
    if (belief.cells.length < count) {
      const room = Math.min(config.maxActiveCells, Math.ceil(count * 1.5));
      const grown = { cells: new Int32Array(room), standing: new Float32Array(room), walking: new Float32Array(room) };
      grown.cells.set(belief.cells.subarray(0, belief.count));
      grown.standing.set(belief.standing.subarray(0, belief.count));
      grown.walking.set(belief.walking.subarray(0, belief.count));
      Object.assign(belief, grown);
    }
    missing.forEach((cell, i) => {
      belief.cells[belief.count + i] = cell;
      belief.standing[belief.count + i] = 0;
      belief.walking[belief.count + i] = config.strayShare / seeds.length;
    });
    belief.count = count;
  }

  /** A coarse sample of the cells around a gateway, made when first asked for. */
  function seedsOf(gateway: number): Int32Array {
    return (seedCells[gateway] ??= gatherSeeds(gateway));
  }

  function gatherSeeds(gateway: number): Int32Array {
    const level = levels.levelDbm[gateway] as Float32Array;
    const firstCell = levels.firstCell[gateway] as number;
    let at = 0;
    for (let i = 1; i < level.length; i++) if ((level[i] as number) > (level[at] as number)) at = i;
    if (level.length === 0) return new Int32Array(0);
    const centre = firstCell + at;
    const cells = new Set([centre]);
    const reachM = SEED_REACH_M;
    for (const [dx, dy] of [[1, 0], [0, 1], [-1, 0], [0, -1], [0.7, 0.7], [-0.7, 0.7], [-0.7, -0.7], [0.7, -0.7]] as const) {
      for (const share of [0.5, 1]) {
        const cell = cellNear(grid, grid.floorOf[centre] as number, (grid.xM[centre] as number) + dx * reachM * share, (grid.yM[centre] as number) + dy * reachM * share);
        if (cell !== -1) cells.add(cell);
      }
    }
    return Int32Array.from(cells);
  }
}

const MAX_PREDICTED_S = 5;
const SEED_REACH_M = 3;

function massAt(belief: Belief, i: number): number {
  return (belief.standing[i] as number) + (belief.walking[i] as number);
}
