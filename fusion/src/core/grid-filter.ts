import { copyOf } from "./copy-of.ts";
import { expOf, logOf } from "./fast-exponentials.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { MAX_OFF_DB, PER_DB, TABLE_LENGTH, UNHEARD_FROM, newLevelLikelihood } from "./level-likelihood.ts";
import type { LevelMap } from "./radio-model.ts";
import { OFFSETS_DB, offsetOf, type TagOffset } from "./tag-offset.ts";
import { NEIGHBOURS, cellNear, watchedCells, type GridFloor, type VenueGrid } from "./venue-grid.ts";
import type { IndexedGateway, VenueIndex } from "./venue-index.ts";

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

/** Without the room that the belief keeps to grow into. */
export function copyBelief(belief: Belief): Belief {
  const { count, cells, standing, walking, offset } = belief;
  return { ...belief, cells: cells.slice(0, count), standing: standing.slice(0, count), walking: walking.slice(0, count), offset: copyOf(offset) };
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
}

export interface GridFilter {
  /** A belief from nothing: everywhere on the floors of those gateways, weighed by what they hear. */
  begin(hearings: readonly Hearing[], offset: TagOffset, nowMs: number): Belief;
  /** How well each offset explains what is heard at one moment, wherever the tag may be: adds to the offset's evidence. */
  weighOffsets(offset: TagOffset, hearings: readonly Hearing[]): void;
  /**
   * Time passes: who stands may set off, who walks moves on; then what is heard decides. Without hearings it only gets vaguer.
   * Where gateways are scarce (calibration.scarcity, 1 unless told) a belief lasts longer, and the wearer's body is reckoned with.
   */
  advance(belief: Belief, hearings: readonly Hearing[], nowMs: number, scarcity?: number): void;
  estimate(belief: Belief): GridEstimate;
}

/** Cells on which offsets are weighed, so far apart and of one floor at most so many: a sample is enough, the offset is one number. */
const OFFSET_CELLS_M = 2.5;
const OFFSET_CELLS = 120;
/** Radii are told in bins of this, in cells. */
const RADIUS_BINS = 400;
const RADIUS_BIN_M = 0.25;

export function newGridFilter(grid: VenueGrid, levels: LevelMap, sensitivityDbm: Float64Array, venue: VenueIndex, config: FusionConfig): GridFilter {
  const { table } = newLevelLikelihood(config);
  // Scratch of one tag at a time, as long as the venue has cells.
  const nextStanding = new Float64Array(grid.cells);
  // ABSENT where a cell is not in `list`.
  const nextWalking = new Float64Array(grid.cells).fill(ABSENT);
  const list = new Int32Array(grid.cells);
  // By place in `list`: standing and walking together, and what is heard makes of it.
  const massOf = new Float64Array(grid.cells);
  const logWeight = new Float64Array(grid.cells);
  const shifted = new Int32Array(grid.cells);
  const tenSteps: Int32Array[] = [];
  const tenBases = new Int32Array(TEN);
  const tenWeights = new Float64Array(TEN);
  const bodyLevels: Float32Array[] = [];
  const bodyFirstCell: number[] = [];
  const bodyHeardDbm: number[] = [];
  const bodyWeight: number[] = [];
  const bodyXM: number[] = [];
  const bodyYM: number[] = [];
  const massOfPlace = new Float64Array(venue.places.length + 1);
  const going = new Float64Array(grid.cells);
  const { floorOf, place: placeOf, xM: cellXM, yM: cellYM } = grid;
  const passage = Float64Array.from(grid.passage);
  const neighbour = grid.neighbour.map((next, k) => (next === -1 ? Math.floor(k / NEIGHBOURS) : next));
  const leaving = leavingOf(grid);
  const open = openCells(grid);
  const allCells = grid.floors.map(({ firstCell, cellCount }) => Int32Array.from({ length: cellCount }, (_, i) => firstCell + i));
  const sampledCells = grid.floors.map((floor) => sampleOf(floor, watchedCells(grid, floor, venue)));
  const bins = new Float64Array(RADIUS_BINS);
  const floorMass = new Float64Array(grid.floors.length);
  const floorXM = new Float64Array(grid.floors.length);
  const floorYM = new Float64Array(grid.floors.length);
  const gatewayFloor = levels.levelDbm.map((level, gateway) => {
    // A gateway's own floor is where it is loudest.
    let loudest = -1;
    for (let at = 0; at < level.length; at++) if (loudest === -1 || (level[at] as number) > (level[loudest] as number)) loudest = at;
    return loudest === -1 ? -1 : (grid.floorOf[(levels.firstCell[gateway] as number) + loudest] as number);
  });
  const seedCells = levels.levelDbm.map((_, gateway) => gatherSeeds(gateway));

  /**
   * Sums the hearings' log-likelihood at each of the listed cells. The hot loop, cells × gateways: gateways
   * that reach all of the cells go ten at a time, so that sums and cells are read a tenth as often.
   */
  function addLogLikelihood(cells: Int32Array, count: number, hearings: readonly Hearing[], offsetDb: number): void {
    let [least, most] = [0, grid.cells - 1];
    if (grid.floors.length > 1) {
      [least, most] = [most, least];
      for (let i = 0; i < count; i++) {
        const cell = cells[i] as number;
        if (cell < least) least = cell;
        if (cell > most) most = cell;
      }
    }
    let shiftedBy = NaN;
    let ten = 0;
    for (const hearing of hearings) {
      const firstCell = levels.firstCell[hearing.gateway] as number;
      const steps = levels.steps[hearing.gateway] as Int32Array;
      if (least < firstCell || most >= firstCell + steps.length) {
        addPartly(cells, count, hearing, offsetDb);
        continue;
      }
      if (firstCell !== shiftedBy) {
        if (ten > 0) addTen(count, ten);
        ten = 0;
        for (let i = 0; i < count; i++) shifted[i] = (cells[i] as number) - firstCell;
        shiftedBy = firstCell;
      }
      tenSteps[ten] = steps;
      tenBases[ten] = baseOf(hearing, offsetDb);
      tenWeights[ten] = hearing.weight;
      if (++ten === TEN) {
        addTen(count, ten);
        ten = 0;
      }
    }
    if (ten > 0) addTen(count, ten);
  }

  /** Ten gateways of which `used` count, at the shifted cells. Written out: a loop over them would take its arrays anew for every cell. */
  function addTen(count: number, used: number): void {
    for (let k = used; k < TEN; k++) {
      tenSteps[k] = tenSteps[0] as Int32Array;
      tenBases[k] = tenBases[0] as number;
      tenWeights[k] = 0;
    }
    const [stepsA, stepsB, stepsC, stepsD, stepsE, stepsF, stepsG, stepsH, stepsI, stepsJ] = tenSteps as Ten<Int32Array>;
    const baseA = tenBases[0] as number;
    const baseB = tenBases[1] as number;
    const baseC = tenBases[2] as number;
    const baseD = tenBases[3] as number;
    const baseE = tenBases[4] as number;
    const baseF = tenBases[5] as number;
    const baseG = tenBases[6] as number;
    const baseH = tenBases[7] as number;
    const baseI = tenBases[8] as number;
    const baseJ = tenBases[9] as number;
    const weightA = tenWeights[0] as number;
    const weightB = tenWeights[1] as number;
    const weightC = tenWeights[2] as number;
    const weightD = tenWeights[3] as number;
    const weightE = tenWeights[4] as number;
    const weightF = tenWeights[5] as number;
    const weightG = tenWeights[6] as number;
    const weightH = tenWeights[7] as number;
    const weightI = tenWeights[8] as number;
    const weightJ = tenWeights[9] as number;
    for (let i = 0; i < count; i++) {
      const at = shifted[i] as number;
      logWeight[i] =
        (logWeight[i] as number) +
        weightA * (table[baseA - (stepsA[at] as number)] as number) +
        weightB * (table[baseB - (stepsB[at] as number)] as number) +
        weightC * (table[baseC - (stepsC[at] as number)] as number) +
        weightD * (table[baseD - (stepsD[at] as number)] as number) +
        weightE * (table[baseE - (stepsE[at] as number)] as number) +
        weightF * (table[baseF - (stepsF[at] as number)] as number) +
        weightG * (table[baseG - (stepsG[at] as number)] as number) +
        weightH * (table[baseH - (stepsH[at] as number)] as number) +
        weightI * (table[baseI - (stepsI[at] as number)] as number) +
        weightJ * (table[baseJ - (stepsJ[at] as number)] as number);
    }
  }

  /** A gateway that does not reach all of the cells: beyond, it hears nothing. What is heard there is as unlikely as the table goes, silence says nothing. */
  function addPartly(cells: Int32Array, count: number, hearing: Hearing, offsetDb: number): void {
    const { gateway, rssiDbm, weight } = hearing;
    const steps = levels.steps[gateway] as Int32Array;
    const firstCell = levels.firstCell[gateway] as number;
    const base = baseOf(hearing, offsetDb);
    const beyond = Number.isNaN(rssiDbm) ? 0 : weight * (table[TABLE_LENGTH - 1] as number);
    for (let i = 0; i < count; i++) {
      const at = (cells[i] as number) - firstCell;
      logWeight[i] = (logWeight[i] as number) + (at >= 0 && at < steps.length ? weight * (table[base - (steps[at] as number)] as number) : beyond);
    }
  }

  /** Where in the table an expected level of 0 dBm is; a radio's levels are within MAX_REFERENCE_DB, so no look-up is out of bounds. */
  function baseOf({ gateway, rssiDbm }: Hearing, offsetDb: number): number {
    return Number.isNaN(rssiDbm) ? UNHEARD_FROM + MIDDLE + stepsOf((sensitivityDbm[gateway] as number) - offsetDb) : MIDDLE + stepsOf(rssiDbm - offsetDb);
  }

  /**
   * The wearer's body takes from the gateways behind it and not from those ahead: errors that go together, a vector of dB that
   * nobody knows times the direction to each gateway. Beside independent errors a Gaussian one adds a quadratic form of what is
   * left unexplained. It takes back what those said too surely: that the tag is off towards who hears it well.
   */
  function addBody(cells: Int32Array, count: number, hearings: readonly Hearing[], offsetDb: number, sigmaDb: number): void {
    let heard = 0;
    for (const { gateway, rssiDbm, weight } of hearings) {
      if (Number.isNaN(rssiDbm)) continue;
      const { xM, yM } = venue.gateways[gateway] as IndexedGateway;
      bodyLevels[heard] = levels.levelDbm[gateway] as Float32Array;
      bodyFirstCell[heard] = levels.firstCell[gateway] as number;
      bodyHeardDbm[heard] = rssiDbm - offsetDb;
      bodyWeight[heard] = weight * (config.tailDegrees + 1);
      bodyXM[heard] = xM;
      bodyYM[heard++] = yM;
    }
    const tailDb2 = config.tailDegrees * config.levelSigmaDb ** 2;
    const known = 1 / sigmaDb ** 2;
    for (let i = 0; i < count; i++) {
      const cell = cells[i] as number;
      const fromXM = cellXM[cell] as number;
      const fromYM = cellYM[cell] as number;
      let x = 0;
      let y = 0;
      let xx = known;
      let xy = 0;
      let yy = known;
      for (let k = 0; k < heard; k++) {
        const levelDbm = (bodyLevels[k] as Float32Array)[cell - (bodyFirstCell[k] as number)];
        if (levelDbm === undefined) continue;
        const offDb = (bodyHeardDbm[k] as number) - levelDbm;
        const dxM = (bodyXM[k] as number) - fromXM;
        const dyM = (bodyYM[k] as number) - fromYM;
        const perM = 1 / Math.sqrt(dxM * dxM + dyM * dyM + UNDERFOOT_M2);
        const eastward = dxM * perM;
        const northward = dyM * perM;
        // What is far out weighs less, as in the likelihood itself.
        const trust = (bodyWeight[k] as number) / (tailDb2 + offDb * offDb);
        x += trust * offDb * eastward;
        y += trust * offDb * northward;
        xx += trust * eastward * eastward;
        xy += trust * eastward * northward;
        yy += trust * northward * northward;
      }
      const determinant = xx * yy - xy * xy;
      logWeight[i] = (logWeight[i] as number) + ((yy * x * x - 2 * xy * x * y + xx * y * y) / determinant - logOf(determinant / (known * known))) / 2;
    }
  }

  function greatest(count: number): number {
    let best = -Infinity;
    for (let i = 0; i < count; i++) if ((logWeight[i] as number) > best) best = logWeight[i] as number;
    return best;
  }

  /**
   * Takes the first `count` cells of `list`, with their masses in the scratch and none above `peak`, over into the
   * belief: those that matter, scaled to 1. At most maxActiveCells: the bound rises until they fit. Clears the scratch.
   */
  function settle(belief: Belief, count: number, peak: number): void {
    let bound = peak * config.leastCellShare;
    if (count > config.maxActiveCells) while (countAbove(count, bound) > config.maxActiveCells) bound = Math.max(peak * 1e-6, bound * 1.5);
    let kept = 0;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const cell = list[i] as number;
      const mass = massOf[i] as number;
      if (mass >= bound) {
        list[kept++] = cell;
        total += mass;
      } else {
        nextStanding[cell] = 0;
        nextWalking[cell] = ABSENT;
      }
    }
    if (belief.cells.length < kept || belief.cells.length > 4 * kept + 64) {
      const room = Math.ceil(kept * 1.3) + 16;
      belief.cells = new Int32Array(room);
      belief.standing = new Float32Array(room);
      belief.walking = new Float32Array(room);
    }
    const { cells, standing, walking } = belief;
    const scale = 1 / total;
    for (let i = 0; i < kept; i++) {
      const cell = list[i] as number;
      cells[i] = cell;
      standing[i] = (nextStanding[cell] as number) * scale;
      walking[i] = (nextWalking[cell] as number) * scale;
      nextStanding[cell] = 0;
      nextWalking[cell] = ABSENT;
    }
    belief.count = kept;
  }

  function peakOf(count: number): number {
    let peak = 0;
    for (let i = 0; i < count; i++) if ((massOf[i] as number) > peak) peak = massOf[i] as number;
    return peak;
  }

  function countAbove(count: number, bound: number): number {
    let above = 0;
    for (let i = 0; i < count; i++) if ((massOf[i] as number) >= bound) above++;
    return above;
  }

  /** Spreads the belief over `list` and the by-cell scratch: who stands may set off, who walks moves on. Returns how many cells. */
  function spread(belief: Belief, dtS: number): number {
    const { cells, standing, walking } = belief;
    const setOff = 1 - Math.exp(-config.setOffPerS * dtS);
    const stop = 1 - Math.exp(-config.stopPerS * dtS);
    let count = belief.count;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const cell = cells[i] as number;
      const stands = standing[i] as number;
      const walks = walking[i] as number;
      list[i] = cell;
      nextStanding[cell] = stands * (1 - setOff) + walks * stop;
      const walksOn = walks * (1 - stop) + stands * setOff;
      nextWalking[cell] = walksOn;
      if (walksOn > most) most = walksOn;
    }
    if (count === 0) return 0;
    const cellM = (grid.floors[grid.floorOf[cells[0] as number] as number] as { cellM: number }).cellM;
    // Eight equal steps cover 1.2 cells on average; a walker who goes farther takes several.
    const wayCells = (config.walkMps * dtS) / (1.2 * cellM);
    const rounds = Math.ceil(wayCells - 1e-9);
    // A trickle is not worth eight steps: it stays.
    const trickle = most * TRICKLE_SHARE;
    for (let round = 0; round < rounds; round++) {
      const before = count;
      for (let i = 0; i < before; i++) going[i] = (nextWalking[list[i] as number] as number) * (wayCells / rounds);
      for (let i = 0; i < before; i++) {
        const goes = going[i] as number;
        if (goes < trickle) continue;
        const cell = list[i] as number;
        nextWalking[cell] = (nextWalking[cell] as number) - goes * (leaving[cell] as number);
        // Neighbour by neighbour and not in a loop: half the time of the whole spread.
        const k = cell * NEIGHBOURS;
        let next = 0;
        let there = 0;
        if (open[cell] === 1) {
          const straight = goes * STRAIGHT_SHARE;
          const aslant = goes * ASLANT_SHARE;
          next = neighbour[k] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + straight;
          next = neighbour[k + 1] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + straight;
          next = neighbour[k + 2] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + straight;
          next = neighbour[k + 3] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + straight;
          next = neighbour[k + 4] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + aslant;
          next = neighbour[k + 5] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + aslant;
          next = neighbour[k + 6] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + aslant;
          next = neighbour[k + 7] as number;
          there = nextWalking[next] as number;
          if (there === ABSENT) {
            there = 0;
            list[count++] = next;
          }
          nextWalking[next] = there + aslant;
          continue;
        }
        next = neighbour[k] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k] as number);
        next = neighbour[k + 1] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k + 1] as number);
        next = neighbour[k + 2] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k + 2] as number);
        next = neighbour[k + 3] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k + 3] as number);
        next = neighbour[k + 4] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k + 4] as number);
        next = neighbour[k + 5] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k + 5] as number);
        next = neighbour[k + 6] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k + 6] as number);
        next = neighbour[k + 7] as number;
        there = nextWalking[next] as number;
        if (there === ABSENT) {
          there = 0;
          list[count++] = next;
        }
        nextWalking[next] = there + goes * (passage[k + 7] as number);
      }
    }
    return count;
  }

  /** Drops what is too little to be weighed, and fills `massOf`. Returns how many cells are left in `list`. */
  function prune(count: number): number {
    let peak = 0;
    for (let i = 0; i < count; i++) {
      const cell = list[i] as number;
      const mass = (nextStanding[cell] as number) + (nextWalking[cell] as number);
      massOf[i] = mass;
      if (mass > peak) peak = mass;
    }
    const bound = peak * config.leastCellShare;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const cell = list[i] as number;
      const mass = massOf[i] as number;
      if (mass >= bound) {
        list[kept] = cell;
        massOf[kept++] = mass;
      } else {
        nextStanding[cell] = 0;
        nextWalking[cell] = ABSENT;
      }
    }
    return kept;
  }

  /** Of the floors where gateways hear the tag, all cells or a sample, into `list`. Returns how many. */
  function gatherCells(hearings: readonly Hearing[], cellsOf: (floorIndex: number) => Int32Array): number {
    let count = 0;
    for (let floorIndex = 0; floorIndex < grid.floors.length; floorIndex++) {
      if (!hearings.some(({ gateway, rssiDbm }) => !Number.isNaN(rssiDbm) && gatewayFloor[gateway] === floorIndex)) continue;
      const cells = cellsOf(floorIndex);
      list.set(cells, count);
      count += cells.length;
    }
    return count;
  }

  return {
    begin(hearings, offset, nowMs) {
      const belief: Belief = { count: 0, cells: new Int32Array(0), standing: new Float32Array(0), walking: new Float32Array(0), offsetDb: offsetOf(offset), offset, atMs: nowMs };
      const count = gatherCells(hearings, (floorIndex) => allCells[floorIndex] as Int32Array);
      logWeight.fill(0, 0, count);
      addLogLikelihood(list, count, hearings, belief.offsetDb);
      const best = greatest(count);
      for (let i = 0; i < count; i++) {
        const mass = expOf((logWeight[i] as number) - best) / 2;
        nextStanding[list[i] as number] = mass;
        nextWalking[list[i] as number] = mass;
        massOf[i] = 2 * mass;
      }
      settle(belief, count, 1);
      return belief;
    },

    weighOffsets(offset, hearings) {
      const count = gatherCells(hearings, (floorIndex) => sampledCells[floorIndex] as Int32Array);
      if (count === 0) return;
      OFFSETS_DB.forEach((offsetDb, k) => {
        logWeight.fill(0, 0, count);
        addLogLikelihood(list, count, hearings, offsetDb);
        const best = greatest(count);
        let sum = 0;
        for (let i = 0; i < count; i++) sum += expOf((logWeight[i] as number) - best);
        offset.logEvidence[k] = (offset.logEvidence[k] as number) + best + Math.log(sum / count);
      });
    },

    advance(belief, hearings, nowMs, scarcity = 1) {
      const elapsedS = Math.max(0, Math.min(MAX_PREDICTED_S, (nowMs - belief.atMs) / 1_000));
      belief.atMs = nowMs;
      let count = prune(spread(belief, elapsedS));
      if (hearings.length > 0) {
        count = reseed(hearings, count);
        // What was heard long ago says less of now: the old belief is flattened as time passes.
        const flatten = Math.exp((-elapsedS * 1_000) / (config.beliefMemoryMs * scarcity ** 2)) - 1;
        for (let i = 0; i < count; i++) logWeight[i] = flatten * logOf(massOf[i] as number);
        addLogLikelihood(list, count, hearings, belief.offsetDb);
        const bodyDb = config.bodySigmaDb * Math.max(0, scarcity - 1) ** 2;
        if (bodyDb >= LEAST_BODY_DB) addBody(list, count, hearings, belief.offsetDb, bodyDb);
        const best = greatest(count);
        for (let i = 0; i < count; i++) {
          const cell = list[i] as number;
          const weight = expOf((logWeight[i] as number) - best);
          nextStanding[cell] = (nextStanding[cell] as number) * weight;
          nextWalking[cell] = (nextWalking[cell] as number) * weight;
          massOf[i] = (massOf[i] as number) * weight;
        }
      }
      settle(belief, count, peakOf(count));
    },

    estimate({ count, cells, standing, walking }) {
      floorMass.fill(0);
      floorXM.fill(0);
      floorYM.fill(0);
      const touchedPlaces: number[] = [];
      // Summed up as long as a floor lasts.
      let floor = 0;
      let massSum = 0;
      let xSum = 0;
      let ySum = 0;
      for (let i = 0; i < count; i++) {
        const cell = cells[i] as number;
        const mass = (standing[i] as number) + (walking[i] as number);
        if (floorOf[cell] !== floor) {
          addToFloor(floor, massSum, xSum, ySum);
          floor = floorOf[cell] as number;
          massSum = xSum = ySum = 0;
        }
        massSum += mass;
        xSum += mass * (cellXM[cell] as number);
        ySum += mass * (cellYM[cell] as number);
        const place = placeOf[cell] as number;
        if (place < 0) continue;
        const before = massOfPlace[place] as number;
        if (before === 0) insertSorted(touchedPlaces, place);
        massOfPlace[place] = before + mass;
      }
      addToFloor(floor, massSum, xSum, ySum);
      let floorIndex = 0;
      for (let f = 1; f < floorMass.length; f++) if ((floorMass[f] as number) > (floorMass[floorIndex] as number)) floorIndex = f;
      const onFloor = floorMass[floorIndex] as number;
      const xM = (floorXM[floorIndex] as number) / onFloor;
      const yM = (floorYM[floorIndex] as number) / onFloor;
      let lastBin = 0;
      for (let i = 0; i < count; i++) {
        const cell = cells[i] as number;
        if (floorOf[cell] !== floorIndex) continue;
        const dxM = (cellXM[cell] as number) - xM;
        const dyM = (cellYM[cell] as number) - yM;
        const bin = Math.min(RADIUS_BINS - 1, Math.sqrt(dxM * dxM + dyM * dyM) * (1 / RADIUS_BIN_M)) | 0;
        bins[bin] = (bins[bin] as number) + (standing[i] as number) + (walking[i] as number);
        if (bin > lastBin) lastBin = bin;
      }
      let left = 0.05 * onFloor;
      let bin = lastBin;
      while (bin > 0 && left >= (bins[bin] as number)) left -= bins[bin--] as number;
      // Within the bin in proportion, so that the radius does not jump.
      const overshoot = left / Math.max(1e-12, bins[bin] as number);
      bins.fill(0, 0, lastBin + 1);
      const placeMass: number[] = [];
      for (const place of touchedPlaces) {
        placeMass.push(massOfPlace[place] as number);
        massOfPlace[place] = 0;
      }
      return { xM, yM, floorIndex, radius95M: (bin + 1 - Math.min(1, overshoot)) * RADIUS_BIN_M, places: touchedPlaces, placeMass };
    },
  };

  function addToFloor(floor: number, mass: number, xSum: number, ySum: number): void {
    floorMass[floor] = (floorMass[floor] as number) + mass;
    floorXM[floor] = (floorXM[floor] as number) + xSum;
    floorYM[floor] = (floorYM[floor] as number) + ySum;
  }

  /**
   * A filter that has ruled out the truth never finds it again by itself: a tag carried fast, a door
   * that opened, a lift. A little mass around the loudest gateway is always in play; what is heard
   * decides whether it grows.
   */
  function reseed(hearings: readonly Hearing[], count: number): number {
    let loudest = -1;
    let loudestDbm = -Infinity;
    for (const { gateway, rssiDbm } of hearings) {
      if (rssiDbm <= loudestDbm || Number.isNaN(rssiDbm)) continue;
      loudest = gateway;
      loudestDbm = rssiDbm;
    }
    if (loudest === -1) return count;
    const seeds = seedCells[loudest] as Int32Array;
    for (let i = 0; i < seeds.length; i++) {
      const cell = seeds[i] as number;
      if (nextWalking[cell] !== ABSENT) continue;
      nextWalking[cell] = massOf[count] = config.strayShare / seeds.length;
      list[count++] = cell;
    }
    return count;
  }

  /** A coarse sample of the cells around a gateway. */
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

/** Gateways in one pass over the cells: most offices have no more, and twenty fit in two. Four at a time cost a third more. */
const TEN = 10;
type Ten<T> = [T, T, T, T, T, T, T, T, T, T];

/** Less is lost among shadows, and costs a third of an update. */
const LEAST_BODY_DB = 1.5;
/** Right below a gateway nothing is ahead or behind. */
const UNDERFOOT_M2 = 0.25;

const MIDDLE = MAX_OFF_DB * PER_DB;
const MAX_REFERENCE_DB = 80;

/** What was heard, less the tag's offset, in steps of the tables. */
function stepsOf(levelDbm: number): number {
  return Math.round(Math.max(-127 - MAX_REFERENCE_DB / 2, Math.min(MAX_REFERENCE_DB, levelDbm)) * PER_DB);
}

/** Of the cells that are given by column and row: one of each square, the one nearest to its middle. */
function sampleOf({ cellM, columns }: GridFloor, cellAt: Int32Array): Int32Array {
  const count = cellAt.reduce((sum, cell) => sum + Number(cell !== -1), 0);
  const side = Math.ceil(Math.max(OFFSET_CELLS_M / cellM, Math.sqrt(count / OFFSET_CELLS)));
  const best = new Map<number, { cell: number; off: number }>();
  cellAt.forEach((cell, at) => {
    if (cell === -1) return;
    const [column, row] = [at % columns, Math.floor(at / columns)];
    const square = Math.floor(row / side) * columns + Math.floor(column / side);
    const off = Math.hypot((column % side) - (side - 1) / 2, (row % side) - (side - 1) / 2);
    if (off < (best.get(square)?.off ?? Infinity)) best.set(square, { cell, off });
  });
  return Int32Array.from(best.values(), ({ cell }) => cell);
}

const MAX_PREDICTED_S = 5;
/** Of what walks in the cell with the most of it: less than this does not spread. */
const TRICKLE_SHARE = 0.02;
const SEED_REACH_M = 3;

const STRAIGHT_SHARE = Math.fround(0.15);
const ASLANT_SHARE = Math.fround(0.1);

/** 1 where nothing stands in the way to any of the eight neighbours: most cells. */
function openCells({ cells, neighbour, passage }: VenueGrid): Uint8Array {
  return Uint8Array.from({ length: cells }, (_, cell) => {
    for (let step = 0; step < NEIGHBOURS; step++) {
      const k = cell * NEIGHBOURS + step;
      if (neighbour[k] === -1 || passage[k] !== (step < 4 ? STRAIGHT_SHARE : ASLANT_SHARE)) return 0;
    }
    return 1;
  });
}

/** Share of those who set off from a cell that get away from it. */
function leavingOf({ cells, passage }: VenueGrid): Float64Array {
  const leaving = new Float64Array(cells);
  for (let k = 0; k < passage.length; k++) {
    const cell = Math.floor(k / NEIGHBOURS);
    leaving[cell] = (leaving[cell] as number) + (passage[k] as number);
  }
  return leaving;
}

/** Of the mass of who walks. */
const ABSENT = -1;

/** A few dozen numbers at most: cheaper than a sort with a comparison. */
function insertSorted(sorted: number[], value: number): void {
  let at = sorted.length;
  sorted.push(value);
  for (; at > 0 && (sorted[at - 1] as number) > value; at--) sorted[at] = sorted[at - 1] as number;
  sorted[at] = value;
}
