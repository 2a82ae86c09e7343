import { chooseSpread, dot, interpolate, kernel, weigh, type Interpolation, type PlanePoint, type Spread } from "./wifi-interpolation.ts";
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
   * `evidenceShare`. `offset`: what earlier scans told of the device.
   */
  locate(scan: Fingerprint, evidenceShare: number, offset?: DeviceOffset): { posterior: WifiPosterior; offset: DeviceOffset } | null;
  /** The same for several shares at hardly more than the cost of one: what was heard is looked up once. */
  locateByShares(scan: Fingerprint, evidenceShares: readonly number[]): (WifiPosterior | null)[];
  cells: number;
  /** By floor: how levels spread there. */
  spreads: ReadonlyMap<number, Spread>;
}

/** What a map need not find out for itself. */
export interface RadioMapHints {
  /** Spreads of another map of the same floors. */
  spreads?: ReadonlyMap<number, Spread>;
  maxCellsPerFloor?: number;
}

/** What earlier scans of a device told of its radio: log probability of each offset of OFFSETS_DB. 90 bytes, never changed, only replaced. */
export interface DeviceOffset {
  readonly logProbability: Float64Array;
}

/** Phones differ by up to 15 dB in what they report of the same field. */
const OFFSET_STEP_DB = 3;
const OFFSETS_DB = Float64Array.from({ length: 11 }, (_, i) => (i - 5) * OFFSET_STEP_DB);
const OFFSETS = OFFSETS_DB.length;
/** A phone is likelier than not like the surveyor's. */
const OFFSET_SIGMA_DB = 4;
/**
 * Share of what is known of a device that goes stale from scan to scan: hands and pockets change. Where
 * five boxes are heard the memory is worth 0.3 m of 3.3; where twenty-four are, each scan tells its own offset and it costs 0.1 m.
 */
const OFFSET_FORGET = 0.3;

/** Scatter of one scan around the map, beside what interpolation does not know. */
const T_SCALE_DB = 5;
/** Moved and replaced access points: such a share of levels says nothing, over 80 dB. */
const STRAY_SHARE = 0.02;
/**
 * How often an access point is heard where it is loud, in classes: most are missing from one scan in thirty (scans
 * end early, beacons collide), others from half of them, however near (a phone leaves a channel out, names take turns)…
 */
const STEADINESS = [0.97, 0.85, 0.7, 0.5, 0.3];
/** What is thought of one before it was heard, as so many readings. */
const STEADY_PRIOR = 4;
/** …and one that should be silent is heard now and then. */
const STRAY_HEARD = 0.01;
/** Soft edge of hearing, dB. */
const EDGE_DB = 6;
/** Far from where an access point was heard its level is taken to be this much below the edge: a field that falls off slowly foretells better than one that drops. */
const FAR_BELOW_EDGE_DB = 5;
/** No level is taken to be lower than this: below, silence is as sure as it gets. */
const DEEPEST_BELOW_EDGE_DB = 20;

const FINEST_CELL_M = 0.75;
/** Per floor: 4,000 cells with 300 access points are 1.2 MB. */
const MAX_CELLS_PER_FLOOR = 4_000;
const CELLS_AT_A_TIME = 8;
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
  spread: Spread;
  xM: Float64Array;
  yM: Float64Array;
  /** Index into UNSURE_DB, per cell. */
  unsure: Uint8Array;
  /** By access point: levels per cell; absent where nobody heard it on the floor. */
  level: Map<number, Uint8Array>;
  /** By access point: index into STEADINESS. */
  steady: Map<number, number>;
  /** By offset: log probability that nothing at all is heard, per cell. */
  silence: Float64Array[];
}

export function newWifiRadioMap(survey: WifiSurvey, hints: RadioMapHints = {}): WifiRadioMap {
  const edgeDbm = hearingEdgeDbm(survey);
  const heardChances = STEADINESS.map((steadiness) => Float64Array.from({ length: TABLE }, (_, step) => heardChance(levelOf(step - PAD), steadiness, edgeDbm)));
  const logMiss = heardChances.map((chances) => chances.map((chance) => Math.log(1 - chance)));
  // By class and heard level in half decibels: at most 5 × 256, 10 KB each, made when they are first needed.
  const cache: Float64Array[] = [];
  const tablesAt = (steady: number, step: number): Float64Array => (cache[steady * 256 + step] ??= tablesOf(levelOf(step), heardChances[steady] as Float64Array, logMiss[steady] as Float64Array));
  const floors = [...new Set(survey.scans.map(({ point }) => (survey.points[point] as { floor: number }).floor))].sort((a, b) => a - b);
  const maps = floors.map((floor) => mapOfFloor(survey, floor, { edgeDbm, logMiss, ...hints }));

  function hear(scan: Fingerprint, share: number, prior: Float64Array): HeardOnFloor[] {
    return maps.map((map) => hearOnFloor(map, scan, { tablesAt, share, prior }));
  }

  function posteriorOf(heard: readonly HeardOnFloor[], share: number, prior: Float64Array): { posterior: WifiPosterior; offsetMass: Float64Array } {
    let best = -Infinity;
    for (const { sums } of heard) for (let i = 0; i < sums.length; i++) best = Math.max(best, share * (sums[i] as number) + (prior[i % OFFSETS] as number));
    const offsetMass = new Float64Array(OFFSETS);
    const posterior: WifiPosterior = { xM: [], yM: [], floor: [], weight: [] };
    let total = 0;
    heard.forEach(({ cells, sums }, m) => {
      const map = maps[m] as FloorMap;
      for (let i = 0; i < cells.length; i++) {
        const cell = cells[i] as number;
        let weight = 0;
        for (let o = 0; o < OFFSETS; o++) {
          const mass = Math.exp(share * (sums[i * OFFSETS + o] as number) + (prior[o] as number) - best);
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
    return { posterior, offsetMass };
  }

  return {
    cells: maps.reduce((sum, map) => sum + map.xM.length, 0),
    spreads: new Map(maps.map(({ floor, spread }) => [floor, spread])),

    locate(scan, evidenceShare, offset) {
      if (scan.accessPoint.length === 0) return null;
      const prior = offset?.logProbability ?? UNKNOWN_DEVICE;
      const { posterior, offsetMass } = posteriorOf(hear(scan, evidenceShare, prior), evidenceShare, prior);
      return { posterior, offset: learned(offsetMass) };
    },

    locateByShares(scan, evidenceShares) {
      if (scan.accessPoint.length === 0) return evidenceShares.map(() => null);
      // The least share rules out the fewest cells.
      const heard = hear(scan, Math.min(...evidenceShares), UNKNOWN_DEVICE);
      return evidenceShares.map((share) => posteriorOf(heard, share, UNKNOWN_DEVICE).posterior);
    },
  };
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

function learned(offsetMass: Float64Array): DeviceOffset {
  const heard = logShares(offsetMass);
  return { logProbability: heard.map((log, o) => Math.log((1 - OFFSET_FORGET) * Math.exp(log) + OFFSET_FORGET * Math.exp(UNKNOWN_DEVICE[o] as number))) };
}

// ---- the map

/** Below this a radio of the survey hears little: the level that all but one in thirty of the readings exceed. */
function hearingEdgeDbm(survey: WifiSurvey): number {
  const levels = survey.scans.flatMap((scan) => scan.rssiDbm).sort((a, b) => a - b);
  return levels[Math.floor(levels.length / 30)] ?? -95;
}

function heardChance(levelDbm: number, steadiness: number, edgeDbm: number): number {
  return STRAY_HEARD + (steadiness - STRAY_HEARD) * normalBelow((levelDbm - edgeDbm) / EDGE_DB);
}

interface MapOptions extends RadioMapHints {
  edgeDbm: number;
  /** By class of steadiness and step: log chance that a level is not heard. */
  logMiss: readonly Float64Array[];
}

function mapOfFloor(survey: WifiSurvey, floor: number, { edgeDbm, logMiss, spreads, maxCellsPerFloor = MAX_CELLS_PER_FLOOR }: MapOptions): FloorMap {
  const { points, heard } = pointsOfFloor(survey, floor);
  const farDbm = edgeDbm - FAR_BELOW_EDGE_DB;
  const accessPoints = [...heard.keys()].sort((a, b) => a - b);
  const fields = accessPoints.map((accessPoint) => firstField(heard.get(accessPoint) as Heard, edgeDbm, farDbm));
  const spread = spreads?.get(floor) ?? chooseSpread(points, tellingFields(fields, accessPoints.map((accessPoint) => heard.get(accessPoint) as Heard)));
  const interpolation = interpolate(points, spread);
  const { cells, kernels, unsure } = cellsOf(points, interpolation, maxCellsPerFloor);
  const filled = accessPoints.map((accessPoint, i) => imputed(fields[i] as Float64Array, heard.get(accessPoint) as Heard, interpolation, edgeDbm, farDbm));
  const weights = filled.map(({ field }) => weigh(interpolation, field));
  const steady = new Map(accessPoints.map((accessPoint, i) => [accessPoint, (filled[i] as Imputed).steady]));
  const level = new Map(accessPoints.map((accessPoint) => [accessPoint, new Uint8Array(cells.length)]));
  const silence = [...OFFSETS_DB].map(() => new Float64Array(cells.length));
  // A few cells at a time for all access points: their kernels stay in the processor's cache.
  for (let from = 0; from < cells.length; from += CELLS_AT_A_TIME) {
    const to = Math.min(cells.length, from + CELLS_AT_A_TIME);
    accessPoints.forEach((accessPoint, i) => {
      const steps = level.get(accessPoint) as Uint8Array;
      const own = weights[i] as Float64Array;
      const ownLogMiss = logMiss[(filled[i] as Imputed).steady] as Float64Array;
      for (let cell = from; cell < to; cell++) {
        const step = stepOf(farDbm + dot(kernels, cell * points.length, own));
        steps[cell] = step;
        for (let o = 0; o < OFFSETS; o++) {
          const quiet = silence[o] as Float64Array;
          quiet[cell] = (quiet[cell] as number) + (ownLogMiss[step + PAD + (OFFSETS_DB[o] as number) * STEPS_PER_DB] as number);
        }
      }
    });
  }
  return { floor, spread, xM: Float64Array.from(cells, (cell) => cell.xM), yM: Float64Array.from(cells, (cell) => cell.yM), unsure, level, steady, silence };
}

/** Those of access points that most points heard first; what few heard tells nothing of how levels spread. */
function tellingFields(fields: readonly Float64Array[], heard: readonly Heard[]): Float64Array[] {
  const hearers = heard.map(({ share }) => share.reduce((sum, of) => sum + of, 0));
  const inOrder = fields.map((_, i) => i).sort((a, b) => (hearers[b] as number) - (hearers[a] as number) || a - b);
  const telling = inOrder.filter((i) => (hearers[i] as number) >= 3);
  return (telling.length > 0 ? telling : inOrder).map((i) => fields[i] as Float64Array);
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

/** Levels above "far away" per point, with the edge of hearing standing in where the access point was not heard at all. */
function firstField({ share, meanDbm }: Heard, edgeDbm: number, farDbm: number): Float64Array {
  return share.map((of, p) => (of > 0 ? (meanDbm[p] as number) : edgeDbm - EDGE_DB) - farDbm);
}

interface Imputed {
  field: Float64Array;
  /** Index into STEADINESS. */
  steady: number;
}

/**
 * Not heard is not a level. Of a steady access point it says that the level was below the edge, by how much the
 * neighbours tell: the mean of a normal distribution cut off at the edge (the expectation step of a Tobit model). Of
 * one that is often missing it may say nothing: then the level is the neighbours'. How steady it is shows where it is loud.
 * Three rounds; more change less than half a decibel.
 */
function imputed(first: Float64Array, heard: Heard, interpolation: Interpolation, edgeDbm: number, farDbm: number): Imputed {
  if (heard.share.every((share) => share === 1)) return { field: first, steady: 0 };
  let field = first;
  let steadiness = STEADINESS[0] as number;
  for (let round = 0; round < 3; round++) {
    const weights = weigh(interpolation, field);
    // Kernel + nugget times the weights is the field itself, so this is what the neighbours and it say together.
    const smoothDbm = field.map((level, p) => farDbm + level - interpolation.nuggetShare * (weights[p] as number));
    steadiness = steadinessOf(smoothDbm, heard, edgeDbm);
    field = first.map((_, p) => {
      const share = heard.share[p] as number;
      if (share === 1) return first[p] as number;
      const levelDbm = smoothDbm[p] as number;
      const at = (edgeDbm - levelDbm) / EDGE_DB;
      const below = normalBelow(at);
      const belowDbm = levelDbm - EDGE_DB * (normalDensity(at) / Math.max(1e-6, below));
      const isBelow = below / (1 - steadiness * (1 - below));
      return share * (heard.meanDbm[p] as number) + (1 - share) * Math.max(edgeDbm - DEEPEST_BELOW_EDGE_DB, isBelow * belowDbm + (1 - isBelow) * levelDbm) - farDbm;
    });
  }
  return { field, steady: nearestOf(STEADINESS, steadiness) };
}

/** The share of readings that heard it, weighed by how surely they could. */
function steadinessOf(smoothDbm: Float64Array, { share, meanDbm }: Heard, edgeDbm: number): number {
  let [heardIn, ofAll] = [STEADY_PRIOR * (STEADINESS[0] as number), STEADY_PRIOR];
  smoothDbm.forEach((levelDbm, p) => {
    const own = share[p] as number;
    // Where it was heard its level is known better than from the neighbours.
    const surely = normalBelow(((own > 0 ? Math.max(levelDbm, meanDbm[p] as number) : levelDbm) - edgeDbm) / EDGE_DB) ** 2;
    heardIn += surely * own;
    ofAll += surely * normalBelow((levelDbm - edgeDbm) / EDGE_DB);
  });
  return Math.max(STEADINESS.at(-1) as number, Math.min(STEADINESS[0] as number, heardIn / ofAll));
}

function nearestOf(classes: readonly number[], value: number): number {
  return classes.reduce((best, one, i) => (Math.abs(one - value) < Math.abs((classes[best] as number) - value) ? i : best), 0);
}

/** Cells where somebody can be: within reach of a survey point. With the kernels to all points, and how unsure each is. */
function cellsOf(points: readonly PlanePoint[], interpolation: Interpolation, maxCells: number): { cells: PlanePoint[]; kernels: Float64Array; unsure: Uint8Array } {
  const spacingM = medianSpacingM(points);
  let cellM = FINEST_CELL_M;
  let cells = cellsWithin(points, cellM, reachOf(spacingM, cellM));
  while (cells.length > maxCells) {
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
    unsure[c] = nearestOf(UNSURE_DB, Math.sqrt(varianceDb2));
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

/** The cells of a floor that the scan does not rule out, and its log likelihood in each with every offset. */
interface HeardOnFloor {
  cells: number[];
  sums: Float64Array;
}

interface Scoring {
  /** By class of steadiness and heard level; see tablesOf. */
  tablesAt: (steady: number, step: number) => Float64Array;
  share: number;
  prior: Float64Array;
}

/** Every second offset at first: none is then more than 3 dB from one that was tried. */
const COARSE = [1, 3, 5, 7, 9];
/** A cell this far below the best by the coarse look cannot come back: 3 dB move 20 access points by less. */
const RULED_OUT = 14;

function hearOnFloor(map: FloorMap, scan: Fingerprint, { tablesAt, share, prior }: Scoring): HeardOnFloor {
  const cellCount = map.xM.length;
  const known = scan.accessPoint.map((accessPoint, row) => ({ steps: map.level.get(accessPoint), tables: tablesAt(map.steady.get(accessPoint) ?? 0, stepOf(scan.rssiDbm[row] as number)) }));
  // Heard, though nobody on this floor ever did.
  const strange = known.filter(({ steps }) => steps === undefined).length * Math.log(STRAY_HEARD / 80);
  const heard = known.flatMap(({ steps, tables: own }) => (steps === undefined ? [] : [{ steps, tables: own }]));

  const coarse = new Float64Array(cellCount).fill(-Infinity);
  const look = new Float64Array(cellCount);
  let best = -Infinity;
  for (const o of COARSE) {
    look.set(map.silence[o] as Float64Array);
    const shift = PAD + (OFFSETS_DB[o] as number) * STEPS_PER_DB;
    for (const { steps, tables: own } of heard) {
      for (let cell = 0; cell < cellCount; cell++) {
        look[cell] = (look[cell] as number) + (own[(map.unsure[cell] as number) * TABLE + (steps[cell] as number) + shift] as number);
      }
    }
    for (let cell = 0; cell < cellCount; cell++) {
      const score = share * ((look[cell] as number) + strange) + (prior[o] as number);
      if (score > (coarse[cell] as number)) coarse[cell] = score;
      if (score > best) best = score;
    }
  }

  const cells: number[] = [];
  for (let cell = 0; cell < cellCount; cell++) if ((coarse[cell] as number) > best - RULED_OUT) cells.push(cell);
  const sums = new Float64Array(cells.length * OFFSETS);
  cells.forEach((cell, i) => {
    const class0 = (map.unsure[cell] as number) * TABLE + PAD;
    for (let o = 0; o < OFFSETS; o++) {
      const at = class0 + (OFFSETS_DB[o] as number) * STEPS_PER_DB;
      let sum = ((map.silence[o] as Float64Array)[cell] as number) + strange;
      for (const { steps, tables: own } of heard) sum += own[at + (steps[cell] as number)] as number;
      sums[i * OFFSETS + o] = sum;
    }
  });
  return { cells, sums };
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
