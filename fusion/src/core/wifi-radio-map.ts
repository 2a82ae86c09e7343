import { fitInterpolation, kernel, weigh, type Interpolation, type PlanePoint } from "./wifi-interpolation.ts";
import type { WifiPosterior } from "./wifi-posterior.ts";
import type { Fingerprint, WifiSurvey } from "./wifi-survey.ts";

/**
 * The probabilistic radio map: for every cell of the surveyed floor the level of every access point
 * and the chance to hear it at all. A scan is then as likely as its levels (a heavy-tailed student-t)
 * and its silences together, for every offset that the device's radio may have.
 */
export interface WifiRadioMap {
  /**
   * Where the device may be; null when the scan holds nobody that the survey knows. Errors of access
   * points go together (one body shadows all, one ceiling box has five names): their evidence counts by
   * `evidenceShare`. `device`, when given, is used and taught.
   */
  locate(scan: Fingerprint, evidenceShare: number, device?: DeviceOffset): WifiPosterior | null;
  cells: number;
}

/** What earlier scans of a device told of its radio: log probability of each offset of OFFSETS_DB. 90 bytes. */
export interface DeviceOffset {
  logProbability: Float64Array;
}

/** Phones differ by up to 15 dB in what they report of the same field. */
const OFFSET_STEP_DB = 3;
const OFFSETS_DB = Float64Array.from({ length: 11 }, (_, i) => (i - 5) * OFFSET_STEP_DB);
const OFFSETS = OFFSETS_DB.length;
/** A phone is likelier than not like the surveyor's. */
const OFFSET_SIGMA_DB = 5;
/**
 * Share of what is known of a device that goes stale from scan to scan: hands and pockets change. Where
 * five boxes are heard the memory is worth 0.3 m of 3.3; where twenty-four are, each scan tells its own offset and it costs 0.1 m.
 */
const OFFSET_FORGET = 0.3;

/** Scatter of one scan around the map, beside what interpolation does not know. */
const T_SCALE_DB = 5;
/** Moved and replaced access points: such a share of levels says nothing, over 80 dB. */
const STRAY_SHARE = 0.02;
/** Even a loud access point is missing from one scan in thirty (scans end early, beacons collide)… */
const MISS_SHARE = 0.03;
/** …and one that should be silent is heard now and then. */
const STRAY_HEARD = 0.01;
/** Soft edge of hearing, dB. */
const EDGE_DB = 6;
/** Far from where an access point was heard its level is taken to be this much below the edge. */
const FAR_BELOW_EDGE_DB = 10;

const FINEST_CELL_M = 0.75;
/** Per floor: 4,000 cells with 300 access points are 1.2 MB. */
const MAX_CELLS_PER_FLOOR = 4_000;
/** Points per floor: the weights cost their cube. Closer ones are merged. */
const MAX_POINTS_PER_FLOOR = 700;
/** Weights below this of the best cell are left out of the answer. */
const NEGLIGIBLE = 1e-5;

/** Levels are kept as half decibels above -128 dBm in one byte. */
const QUIET_DBM = -128;
const STEPS_PER_DB = 2;
/** Room for offsets on both sides of a byte's range. */
const PAD = 15 * STEPS_PER_DB;
const TABLE = 256 + 2 * PAD;
/** How unsure the interpolation is of a cell, in classes of its own student-t scale. */
const UNSURE_DB = [0, 3, 6, 9];

interface FloorMap {
  floor: number;
  xM: Float64Array;
  yM: Float64Array;
  /** Index into UNSURE_DB, per cell. */
  unsure: Uint8Array;
  /** By access point: levels per cell; absent where nobody heard it on the floor. */
  level: Map<number, Uint8Array>;
  /** By offset: log probability that nothing at all is heard, per cell. */
  silence: Float64Array[];
}

export function newWifiRadioMap(survey: WifiSurvey): WifiRadioMap {
  const edgeDbm = hearingEdgeDbm(survey);
  const heardChances = Float64Array.from({ length: TABLE }, (_, step) => heardChance(levelOf(step - PAD), edgeDbm));
  const logMiss = heardChances.map((chance) => Math.log(1 - chance));
  // By heard level in half decibels: at most 256, 10 KB each, made when they are first needed.
  const cache: Float64Array[] = [];
  const tablesAt = (step: number): Float64Array => (cache[step] ??= tablesOf(levelOf(step), heardChances, logMiss));
  const floors = [...new Set(survey.scans.map(({ point }) => (survey.points[point] as { floor: number }).floor))].sort((a, b) => a - b);
  const maps = floors.map((floor) => mapOfFloor(survey, floor, edgeDbm, logMiss));

  return {
    cells: maps.reduce((sum, map) => sum + map.xM.length, 0),

    locate(scan, evidenceShare, device) {
      if (scan.accessPoint.length === 0) return null;
      const prior = device?.logProbability ?? UNKNOWN_DEVICE;
      const tables = scan.rssiDbm.map((rssiDbm) => tablesAt(stepOf(rssiDbm)));
      const scored = maps.map((map) => scoreFloor(map, scan, { tables, share: evidenceShare, prior }));
      const best = Math.max(...scored.map((floor) => floor.best));
      const offsetMass = new Float64Array(OFFSETS);
      const posterior: WifiPosterior = { xM: [], yM: [], floor: [], weight: [] };
      let total = 0;
      maps.forEach((map, m) => {
        const { cells, scores } = scored[m] as FloorScores;
        for (let i = 0; i < cells.length; i++) {
          const cell = cells[i] as number;
          let weight = 0;
          for (let o = 0; o < OFFSETS; o++) {
            const mass = Math.exp((scores[i * OFFSETS + o] as number) - best);
            offsetMass[o] = (offsetMass[o] as number) + mass;
            weight += mass;
          }
          if (weight < NEGLIGIBLE) continue;
          total += weight;
          posterior.xM.push(map.xM[cell] as number);
          posterior.yM.push(map.yM[cell] as number);
          posterior.floor.push(map.floor);
          posterior.weight.push(weight);
        }
      });
      posterior.weight = posterior.weight.map((weight) => weight / total);
      if (device !== undefined) learn(device, offsetMass);
      return posterior;
    },
  };
}

export function newDeviceOffset(): DeviceOffset {
  return { logProbability: UNKNOWN_DEVICE.slice() };
}

const UNKNOWN_DEVICE = logShares(OFFSETS_DB.map((offsetDb) => Math.exp(-0.5 * (offsetDb / OFFSET_SIGMA_DB) ** 2)));

function logShares(masses: Float64Array): Float64Array {
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  return masses.map((mass) => Math.log(mass / total));
}

/** The offset that a device most likely has, dB: positive hears louder than the surveyor. */
export function offsetDbOf(device: DeviceOffset): number {
  return device.logProbability.reduce((sum, log, o) => sum + Math.exp(log) * (OFFSETS_DB[o] as number), 0);
}

function learn(device: DeviceOffset, offsetMass: Float64Array): void {
  const heard = logShares(offsetMass);
  for (let o = 0; o < OFFSETS; o++) {
    device.logProbability[o] = Math.log((1 - OFFSET_FORGET) * Math.exp(heard[o] as number) + OFFSET_FORGET * Math.exp(UNKNOWN_DEVICE[o] as number));
  }
}

// ---- the map

/** Below this a radio of the survey hears little: the level that all but one in thirty of the readings exceed. */
function hearingEdgeDbm(survey: WifiSurvey): number {
  const levels = survey.scans.flatMap((scan) => scan.rssiDbm).sort((a, b) => a - b);
  return levels[Math.floor(levels.length / 30)] ?? -95;
}

function heardChance(levelDbm: number, edgeDbm: number): number {
  return STRAY_HEARD + (1 - MISS_SHARE - STRAY_HEARD) * normalBelow((levelDbm - edgeDbm) / EDGE_DB);
}

function mapOfFloor(survey: WifiSurvey, floor: number, edgeDbm: number, logMiss: Float64Array): FloorMap {
  const { points, heard } = pointsOfFloor(survey, floor);
  const farDbm = edgeDbm - FAR_BELOW_EDGE_DB;
  const accessPoints = [...heard.keys()].sort((a, b) => a - b);
  const fields = accessPoints.map((accessPoint) => firstField(heard.get(accessPoint) as Heard, edgeDbm, farDbm));
  // What few points heard tells nothing of how levels spread.
  const telling = fields.filter((_, i) => (heard.get(accessPoints[i] as number) as Heard).share.reduce((sum, share) => sum + share, 0) >= 3);
  const interpolation = fitInterpolation(points, telling.length > 0 ? telling : fields);
  const { cells, kernels, unsure } = cellsOf(points, interpolation);
  const level = new Map<number, Uint8Array>();
  const silence = [...OFFSETS_DB].map(() => new Float64Array(cells.length));
  accessPoints.forEach((accessPoint, i) => {
    const weights = weigh(interpolation, imputed(fields[i] as Float64Array, heard.get(accessPoint) as Heard, interpolation, edgeDbm, farDbm));
    const steps = new Uint8Array(cells.length);
    for (let cell = 0; cell < cells.length; cell++) {
      let above = 0;
      const from = cell * points.length;
      for (let p = 0; p < points.length; p++) above += (kernels[from + p] as number) * (weights[p] as number);
      const step = stepOf(farDbm + above);
      steps[cell] = step;
      for (let o = 0; o < silence.length; o++) {
        const quiet = silence[o] as Float64Array;
        quiet[cell] = (quiet[cell] as number) + (logMiss[step + PAD + (OFFSETS_DB[o] as number) * STEPS_PER_DB] as number);
      }
    }
    level.set(accessPoint, steps);
  });
  return { floor, xM: Float64Array.from(cells, (cell) => cell.xM), yM: Float64Array.from(cells, (cell) => cell.yM), unsure, level, silence };
}

/** What the points of a floor heard of one access point: mean level, and the share of readings that heard it. */
interface Heard {
  meanDbm: Float64Array;
  share: Float64Array;
}

function pointsOfFloor(survey: WifiSurvey, floor: number): { points: PlanePoint[]; heard: Map<number, Heard> } {
  const used = [...new Set(survey.scans.map((scan) => scan.point))].filter((point) => (survey.points[point] as { floor: number }).floor === floor);
  const { merged, indexOf } = mergePoints(used.map((point) => ({ point, ...(survey.points[point] as PlanePoint) })));
  const readings = new Float64Array(merged.length);
  const sums = new Map<number, { levels: Float64Array; counts: Float64Array }>();
  for (const scan of survey.scans) {
    const at = indexOf.get(scan.point);
    if (at === undefined) continue;
    readings[at] = (readings[at] as number) + Math.max(...scan.count);
    scan.accessPoint.forEach((accessPoint, i) => {
      let sum = sums.get(accessPoint);
      if (sum === undefined) sums.set(accessPoint, (sum = { levels: new Float64Array(merged.length), counts: new Float64Array(merged.length) }));
      const count = scan.count[i] as number;
      sum.levels[at] = (sum.levels[at] as number) + count * (scan.rssiDbm[i] as number);
      sum.counts[at] = (sum.counts[at] as number) + count;
    });
  }
  const heard = new Map<number, Heard>();
  for (const [accessPoint, { levels, counts }] of sums) {
    heard.set(accessPoint, { meanDbm: levels.map((level, p) => level / Math.max(1, counts[p] as number)), share: counts.map((count, p) => Math.min(1, count / (readings[p] as number))) });
  }
  return { points: merged, heard };
}

/** Points as they are, or, where there are too many, the means of ever larger squares. */
function mergePoints(points: readonly (PlanePoint & { point: number })[]): { merged: PlanePoint[]; indexOf: Map<number, number> } {
  for (let sideM = 0.2; ; sideM *= 1.3) {
    const squares = new Map<string, number>();
    const sums: { xM: number; yM: number; n: number }[] = [];
    const indexOf = new Map<number, number>();
    for (const { point, xM, yM } of points) {
      const key = `${Math.floor(xM / sideM)}/${Math.floor(yM / sideM)}`;
      let at = squares.get(key);
      if (at === undefined) {
        squares.set(key, (at = sums.length));
        sums.push({ xM: 0, yM: 0, n: 0 });
      }
      const sum = sums[at] as { xM: number; yM: number; n: number };
      sum.xM += xM;
      sum.yM += yM;
      sum.n++;
      indexOf.set(point, at);
    }
    if (sums.length <= MAX_POINTS_PER_FLOOR) return { merged: sums.map(({ xM, yM, n }) => ({ xM: xM / n, yM: yM / n })), indexOf };
  }
}

/** Levels above "far away" per point, with the edge of hearing standing in where the access point was not heard. */
function firstField(heard: Heard, edgeDbm: number, farDbm: number): Float64Array {
  return heard.meanDbm.map((meanDbm, p) => (heard.share[p] as number) * meanDbm + (1 - (heard.share[p] as number)) * (edgeDbm - EDGE_DB) - farDbm);
}

/**
 * Not heard is not a level: it says that the level was below the edge, by how much the neighbours
 * tell. Three rounds of putting in the mean of a normal distribution cut off at the edge (the
 * expectation step of a Tobit model); more change less than half a decibel.
 */
function imputed(first: Float64Array, heard: Heard, interpolation: Interpolation, edgeDbm: number, farDbm: number): Float64Array {
  if (heard.share.every((share) => share === 1)) return first;
  let field = first;
  for (let round = 0; round < 3; round++) {
    const weights = weigh(interpolation, field);
    field = first.map((_, p) => {
      const share = heard.share[p] as number;
      if (share === 1) return first[p] as number;
      // Kernel + nugget times the weights is the field itself, so this is what the neighbours and it say together.
      const smoothDbm = farDbm + (field[p] as number) - interpolation.nuggetShare * (weights[p] as number);
      const at = (edgeDbm - smoothDbm) / EDGE_DB;
      const belowDbm = smoothDbm - EDGE_DB * (normalDensity(at) / Math.max(1e-6, normalBelow(at)));
      return share * (heard.meanDbm[p] as number) + (1 - share) * Math.max(farDbm - FAR_BELOW_EDGE_DB, belowDbm) - farDbm;
    });
  }
  return field;
}

/** Cells where somebody can be: within reach of a survey point. With the kernels to all points, and how unsure each is. */
function cellsOf(points: readonly PlanePoint[], interpolation: Interpolation): { cells: PlanePoint[]; kernels: Float64Array; unsure: Uint8Array } {
  const spacingM = medianSpacingM(points);
  let cellM = FINEST_CELL_M;
  let cells = cellsWithin(points, cellM, reachOf(spacingM, cellM));
  while (cells.length > MAX_CELLS_PER_FLOOR) {
    cellM *= 1.25;
    cells = cellsWithin(points, cellM, reachOf(spacingM, cellM));
  }
  const n = points.length;
  const kernels = new Float64Array(cells.length * n);
  const unsure = new Uint8Array(cells.length);
  cells.forEach((cell, c) => {
    for (let p = 0; p < n; p++) kernels[c * n + p] = kernel(cell, points[p] as PlanePoint, interpolation.lengthM);
    const own = kernels.subarray(c * n, (c + 1) * n);
    const weights = weighNear(interpolation, own);
    const varianceDb2 = interpolation.fieldDb2 * Math.max(0, 1 - weights);
    unsure[c] = nearestClass(Math.sqrt(varianceDb2));
  });
  return { cells, kernels, unsure };
}

function reachOf(spacingM: number, cellM: number): number {
  return Math.max(1.2 * spacingM, 1.5 * cellM);
}

/** kernels · inverse · kernels over the points that count: far ones have kernels near 0. */
function weighNear({ inverse }: Interpolation, kernels: Float64Array): number {
  const n = kernels.length;
  const near: number[] = [];
  for (let p = 0; p < n; p++) if ((kernels[p] as number) > 0.02) near.push(p);
  let sum = 0;
  for (const i of near) for (const j of near) sum += (kernels[i] as number) * (inverse[i * n + j] as number) * (kernels[j] as number);
  return Math.min(1, sum);
}

function nearestClass(sigmaDb: number): number {
  let best = 0;
  UNSURE_DB.forEach((unsureDb, i) => {
    if (Math.abs(unsureDb - sigmaDb) < Math.abs((UNSURE_DB[best] as number) - sigmaDb)) best = i;
  });
  return best;
}

function cellsWithin(points: readonly PlanePoint[], cellM: number, reachM: number): PlanePoint[] {
  const kept = new Map<string, PlanePoint>();
  const steps = Math.ceil(reachM / cellM);
  for (const { xM, yM } of points) {
    const column = Math.floor(xM / cellM);
    const row = Math.floor(yM / cellM);
    for (let i = column - steps; i <= column + steps; i++) {
      for (let j = row - steps; j <= row + steps; j++) {
        const cell = { xM: (i + 0.5) * cellM, yM: (j + 0.5) * cellM };
        if (Math.hypot(cell.xM - xM, cell.yM - yM) <= reachM) kept.set(`${i}/${j}`, cell);
      }
    }
  }
  return [...kept.values()].sort((a, b) => a.yM - b.yM || a.xM - b.xM);
}

/** How far apart neighbouring points usually are. */
export function medianSpacingM(points: readonly PlanePoint[]): number {
  const nearest = points
    .map((point, i) => points.reduce((bestM, other, j) => (i === j ? bestM : Math.min(bestM, Math.hypot(point.xM - other.xM, point.yM - other.yM))), Infinity))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  return nearest[Math.floor(nearest.length / 2)] ?? 3;
}

// ---- the scan

/** The cells of a floor that the scan does not rule out, and the log posterior of each with every offset. */
interface FloorScores {
  best: number;
  cells: number[];
  scores: Float64Array;
}

interface Scoring {
  /** By row of the scan; see tablesOf. */
  tables: Float64Array[];
  share: number;
  prior: Float64Array;
}

/** Every second offset at first: none is then more than 3 dB from one that was tried. */
const COARSE = [1, 3, 5, 7, 9];
/** A cell this far below the best by the coarse look cannot come back: 3 dB move 20 access points by less. */
const RULED_OUT = 14;

function scoreFloor(map: FloorMap, scan: Fingerprint, scoring: Scoring): FloorScores {
  const { share, prior } = scoring;
  const cellCount = map.xM.length;
  const known = scan.accessPoint.map((accessPoint, row) => ({ steps: map.level.get(accessPoint), tables: scoring.tables[row] as Float64Array }));
  // Heard, though nobody on this floor ever did.
  const strange = known.filter(({ steps }) => steps === undefined).length * Math.log(STRAY_HEARD / 80);
  const heard = known.flatMap(({ steps, tables }) => (steps === undefined ? [] : [{ steps, tables }]));

  const coarse = new Float64Array(cellCount).fill(-Infinity);
  const sums = new Float64Array(cellCount);
  let best = -Infinity;
  for (const o of COARSE) {
    sums.set(map.silence[o] as Float64Array);
    const shift = PAD + (OFFSETS_DB[o] as number) * STEPS_PER_DB;
    for (const { steps, tables } of heard) {
      for (let cell = 0; cell < cellCount; cell++) {
        sums[cell] = (sums[cell] as number) + (tables[(map.unsure[cell] as number) * TABLE + (steps[cell] as number) + shift] as number);
      }
    }
    for (let cell = 0; cell < cellCount; cell++) {
      const score = share * ((sums[cell] as number) + strange) + (prior[o] as number);
      if (score > (coarse[cell] as number)) coarse[cell] = score;
      if (score > best) best = score;
    }
  }

  const cells: number[] = [];
  for (let cell = 0; cell < cellCount; cell++) if ((coarse[cell] as number) > best - RULED_OUT) cells.push(cell);
  const scores = new Float64Array(cells.length * OFFSETS);
  cells.forEach((cell, i) => {
    const class0 = (map.unsure[cell] as number) * TABLE + PAD;
    for (let o = 0; o < OFFSETS; o++) {
      const at = class0 + (OFFSETS_DB[o] as number) * STEPS_PER_DB;
      let sum = ((map.silence[o] as Float64Array)[cell] as number) + strange;
      for (const { steps, tables } of heard) sum += tables[at + (steps[cell] as number)] as number;
      const score = share * sum + (prior[o] as number);
      scores[i * OFFSETS + o] = score;
      if (score > best) best = score;
    }
  });
  return { best, cells, scores };
}

/** All that a heard level says of a cell depends on the cell's own level: one table per class of sureness, then look-ups. */
function tablesOf(rssiDbm: number, heardChances: Float64Array, logMiss: Float64Array): Float64Array {
  const tables = new Float64Array(UNSURE_DB.length * TABLE);
  UNSURE_DB.forEach((unsureDb, i) => {
    const scaleDb = Math.hypot(T_SCALE_DB, unsureDb);
    for (let step = 0; step < TABLE; step++) {
      const density = ((1 - STRAY_SHARE) * studentDensity((rssiDbm - levelOf(step - PAD)) / scaleDb)) / scaleDb + STRAY_SHARE / 80;
      tables[i * TABLE + step] = Math.log((heardChances[step] as number) * density) - (logMiss[step] as number);
    }
  });
  return tables;
}

function stepOf(levelDbm: number): number {
  return Math.max(0, Math.min(255, Math.round((levelDbm - QUIET_DBM) * STEPS_PER_DB)));
}

function levelOf(step: number): number {
  return QUIET_DBM + step / STEPS_PER_DB;
}

/** Student's t with four degrees of freedom: 3/8 (1 + x²/4)^-5/2. */
function studentDensity(scaled: number): number {
  const spread = 1 + (scaled * scaled) / 4;
  return 0.375 / (spread * spread * Math.sqrt(spread));
}

function normalDensity(scaled: number): number {
  return Math.exp(-0.5 * scaled ** 2) / Math.sqrt(2 * Math.PI);
}

/** Normal distribution function; Abramowitz and Stegun 26.2.17, error below 1e-7. */
function normalBelow(scaled: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(scaled));
  const tail = normalDensity(scaled) * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return scaled > 0 ? 1 - tail : tail;
}
