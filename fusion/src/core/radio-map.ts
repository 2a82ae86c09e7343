import { calibrateByLinks, levelOfAllPackets, type LinkFit, type LinkMeasurement } from "./calibrate-links.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { pathDbOf, riseBetweenM, wallsBetween, type Corrections, type LevelMap } from "./radio-model.ts";
import { newSurveySounds, type SurveySounds } from "./survey-votes.ts";
import type { VenueGrid } from "./venue-grid.ts";
import type { VenueIndex } from "./venue-index.ts";

/** One row of a survey: at that spot, the gateway (or the tag, in the reverse direction) heard this level so many times. */
export interface SurveyPoint {
  xM: number;
  yM: number;
  floor: number;
  gatewayId: string;
  rssiDbm: number;
  count: number;
}

/** What a survey knows that the law of distance does not. */
export interface RadioMap extends Corrections {
  fit: LinkFit;
  /** Spots after merging neighbours, and how well the map foretells spots that it has not seen, in dB. */
  spots: number;
  residualDb: number;
  /** The spots as they sound. */
  sounds: SurveySounds;
}

interface Spot {
  xM: number;
  yM: number;
  floor: number;
  cell: number;
  /** By gateway: sum of levels and of their squares, and number of packets. */
  sum: Float64Array;
  squares: Float64Array;
  count: Float64Array;
}

/** Fewer spots say less than the law of distance and its priors. */
export const MIN_SURVEY_SPOTS = 5;
/** Merged spots of one floor. The matrix of the interpolation is this squared: 400 take 30 ms a gateway. */
const MAX_SPOTS_PER_FLOOR = 400;
/** What is left of a spot's mean level however many packets it had: another day, another hand. */
const SPOT_SIGMA_DB = 3;
/** Scatter of one packet. */
const PACKET_SIGMA_DB = 5;
/** Packets after which a spot's mean gets no better: they share orientation and channel fading. */
const MAX_PACKETS_COUNTED = 8;

/**
 * A survey to a radio map: the law of distance fitted to all spots, and what is left of each gateway
 * interpolated by a Gaussian process (kriging) over the cells. Where nobody surveyed it returns to the law.
 */
export function newRadioMap(survey: readonly SurveyPoint[], index: VenueIndex, grid: VenueGrid, levels: LevelMap, sensitivityDbm: Float64Array, config: FusionConfig): RadioMap | null {
  const spots = mergeSpots(survey, index, grid);
  if (spots.length < MIN_SURVEY_SPOTS) return null;
  const gateways = index.gateways.length;
  const measurements: (LinkMeasurement & { spot: number })[] = [];
  spots.forEach((spot, i) => {
    const packets = spot.count.reduce((most, count) => Math.max(most, count), 0);
    for (let by = 0; by < gateways; by++) {
      // Of a spot that was passed in a second nobody knows who would have heard it.
      if (spot.count[by] === 0 && packets < PACKETS_FOR_SILENCE) continue;
      const gateway = index.gateways[by] as VenueIndex["gateways"][number];
      const floors = Math.abs(gateway.floor - spot.floor);
      if (floors > 1) continue;
      const isHeard = (spot.count[by] as number) > 0;
      const place = grid.place[spot.cell] as number;
      measurements.push({
        spot: i,
        from: -1,
        by,
        rssiDbm: isHeard ? levelOfAllPackets((spot.sum[by] as number) / (spot.count[by] as number), (spot.count[by] as number) / packets, sensitivityDbm[by] as number) : NaN,
        pathDb: pathDbOf(Math.hypot(spot.xM - gateway.xM, spot.yM - gateway.yM, riseBetweenM(gateway, spot.floor, config))),
        walls: floors > 0 ? 0 : wallsBetween(gateway, { xM: spot.xM, yM: spot.yM, place }, spot.floor, index),
        floors,
      });
    }
  });
  const fit = calibrateByLinks(measurements, gateways, sensitivityDbm, { ...config, gatewayOffsetSigmaDb: 4, priorPathLossExponentSigma: 1, priorRssiAt1mSigmaDb: 20 });
  const law = (m: LinkMeasurement): number => fit.rssiAt1mDbm + (fit.gatewayOffsetDb[m.by] as number) - fit.pathLossExponent * m.pathDb - fit.wallLossDb * m.walls - config.floorLossDb * m.floors;

  const correctionDb = levels.levelDbm.map((level) => new Float32Array(level.length));
  const scatterShare = levels.levelDbm.map((level) => new Float32Array(level.length).fill(1));
  let [squares, compared] = [0, 0];
  for (let by = 0; by < gateways; by++) {
    for (const { floor, firstCell, cellCount } of grid.floors) {
      const own = measurements.filter((m) => m.by === by && (spots[m.spot] as Spot).floor === floor);
      if (own.length === 0) continue;
      const residual = own.map((m) => {
        if (!Number.isNaN(m.rssiDbm)) return m.rssiDbm - law(m);
        // Unheard: below what the gateway hears. Nothing to correct where the law says so too.
        return Math.min(0, (sensitivityDbm[by] as number) - UNHEARD_BELOW_DB - law(m));
      });
      const noiseDb2 = own.map((m) => SPOT_SIGMA_DB ** 2 + (Number.isNaN(m.rssiDbm) ? 4 : 1) * (PACKET_SIGMA_DB ** 2 / Math.min(MAX_PACKETS_COUNTED, Math.max(1, (spots[m.spot] as Spot).count[by] as number))));
      const at = own.map((m) => spots[m.spot] as Spot);
      const kriged = krige(at, residual, noiseDb2, config);
      for (const off of kriged.leftOut) {
        squares += off * off;
        compared++;
      }
      const correction = correctionDb[by] as Float32Array;
      const scatter = scatterShare[by] as Float32Array;
      const base = levels.firstCell[by] as number;
      if (firstCell < base || firstCell >= base + correction.length) continue;
      const scattered = at.map((spot, i) => scatterAround(spot, by, (noiseDb2[i] as number) * (kriged.weights[i] as number)));
      const packets = scattered.reduce((sum, { count }) => sum + count, 0);
      const meanDb2 = scattered.reduce((sum, { count, squareDb2 }) => sum + count * squareDb2, 0) / Math.max(1, packets);
      for (let cell = firstCell; cell < firstCell + cellCount; cell++) {
        const distanceM = at.map((spot) => Math.hypot(spot.xM - (grid.xM[cell] as number), spot.yM - (grid.yM[cell] as number)));
        const { levelDb, varianceDb2 } = krigedAt(distanceM, kriged, config);
        correction[cell - base] = levelDb;
        if (meanDb2 === 0) continue;
        let [sumDb2, weight] = [config.surveyScatterPackets * meanDb2, config.surveyScatterPackets];
        scattered.forEach(({ count, squareDb2 }, i) => {
          const share = count * Math.exp(-((distanceM[i] as number) ** 2) / (2 * config.surveyScatterM ** 2));
          sumDb2 += share * squareDb2;
          weight += share;
        });
        scatter[cell - base] = Math.sqrt((sumDb2 / weight + varianceDb2) / meanDb2);
      }
    }
  }
  return { fit, spots: spots.length, residualDb: compared === 0 ? 0 : Math.sqrt(squares / compared), correctionDb, scatterShare, sounds: soundsOf(spots, grid, sensitivityDbm) };
}

function soundsOf(spots: readonly Spot[], grid: VenueGrid, sensitivityDbm: Float64Array): SurveySounds {
  const levelsDbm = spots.map(({ sum, count }) => Array.from(count, (packets, gateway) => (packets === 0 ? NaN : (sum[gateway] as number) / packets)));
  const surveyed = spots.map(({ cell }) => ({ place: grid.place[cell] as number, floorIndex: grid.floorOf[cell] as number, xM: grid.xM[cell] as number, yM: grid.yM[cell] as number }));
  return newSurveySounds(surveyed, levelsDbm, sensitivityDbm);
}

/** How a spot's packets scatter around the map, which passes its mean by `offDb`. */
function scatterAround({ count, sum, squares }: Spot, by: number, offDb: number): { count: number; squareDb2: number } {
  const packets = count[by] as number;
  if (packets === 0) return { count: 0, squareDb2: 0 };
  const meanDbm = (sum[by] as number) / packets;
  return { count: packets, squareDb2: Math.max(0, (squares[by] as number) / packets - meanDbm ** 2) + offDb ** 2 };
}

const UNHEARD_BELOW_DB = 2;
/** Packets that another gateway heard from a spot before silence there is a finding. One in five is lost well within reach. */
const PACKETS_FOR_SILENCE = 4;

/** Shadowing forgets exponentially with distance (Gudmundson 1991). */
function covarianceDb2(distanceM: number, config: FusionConfig): number {
  return config.surveySigmaDb ** 2 * Math.exp(-distanceM / config.surveyCorrelationM);
}

/** Spots in one cell are one; when there are too many, neighbours are merged on a coarser raster. In order of place, whatever the order of rows. */
function mergeSpots(survey: readonly SurveyPoint[], index: VenueIndex, grid: VenueGrid): Spot[] {
  const all: Spot[] = [];
  grid.floors.forEach(({ floor, cellM, cellAt, columns, rows, minXM, minYM }) => {
    const rows0 = survey.filter((point) => point.floor === floor && index.gatewayIndex.has(point.gatewayId) && point.rssiDbm < 20 && point.rssiDbm > -127);
    for (let rasterM = cellM; ; rasterM *= 1.3) {
      const merged = new Map<string, Spot & { points: number }>();
      for (const { xM, yM, gatewayId, rssiDbm, count } of rows0) {
        const key = `${Math.floor(yM / rasterM)}/${Math.floor(xM / rasterM)}`;
        let spot = merged.get(key);
        if (spot === undefined) {
          const gateways = index.gateways.length;
          merged.set(key, (spot = { xM: 0, yM: 0, floor, cell: -1, sum: new Float64Array(gateways), squares: new Float64Array(gateways), count: new Float64Array(gateways), points: 0 }));
        }
        const by = index.gatewayIndex.get(gatewayId) as number;
        spot.xM += xM;
        spot.yM += yM;
        spot.points++;
        spot.sum[by] = (spot.sum[by] as number) + rssiDbm * count;
        spot.squares[by] = (spot.squares[by] as number) + rssiDbm * rssiDbm * count;
        spot.count[by] = (spot.count[by] as number) + count;
      }
      if (merged.size > MAX_SPOTS_PER_FLOOR) continue;
      for (const spot of merged.values()) {
        const [xM, yM] = [spot.xM / spot.points, spot.yM / spot.points];
        const column = Math.max(0, Math.min(columns - 1, Math.floor((xM - minXM) / cellM)));
        const row = Math.max(0, Math.min(rows - 1, Math.floor((yM - minYM) / cellM)));
        const cell = cellAt[row * columns + column] as number;
        if (cell !== -1) all.push({ ...spot, xM, yM, cell });
      }
      return;
    }
  });
  return all.sort((a, b) => a.floor - b.floor || a.yM - b.yM || a.xM - b.xM);
}

interface Kriged {
  /** By spot: what its covariance with a place counts in the level there. Times its noise: by how much the level passes the spot's own. */
  weights: Float64Array;
  /** Inverse of the Cholesky triangle, row by row. */
  inverse: Float64Array;
  leftOut: number[];
}

/** The level at a place, and how far off it may be: as much as the law itself where no spot is near. */
function krigedAt(distanceM: readonly number[], { weights, inverse }: Kriged, config: FusionConfig): { levelDb: number; varianceDb2: number } {
  const n = distanceM.length;
  const covariance = distanceM.map((spotM) => covarianceDb2(spotM, config));
  let [levelDb, varianceDb2] = [0, config.surveySigmaDb ** 2];
  for (let i = 0; i < n; i++) {
    levelDb += (weights[i] as number) * (covariance[i] as number);
    let explained = 0;
    for (let j = 0; j <= i; j++) explained += (inverse[i * n + j] as number) * (covariance[j] as number);
    varianceDb2 -= explained * explained;
  }
  return { levelDb, varianceDb2: Math.max(0, varianceDb2) };
}

/** Simple kriging with known mean 0, and its leave-one-out errors (Dubrule 1983): e_i = w_i / inverse_ii. */
function krige(at: readonly Spot[], residual: readonly number[], noiseDb2: readonly number[], config: FusionConfig): Kriged {
  const n = at.length;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const [a, b] = [at[i] as Spot, at[j] as Spot];
      matrix[i * n + j] = covarianceDb2(Math.hypot(a.xM - b.xM, a.yM - b.yM), config) + (i === j ? (noiseDb2[i] as number) : 0);
    }
  }
  // Cholesky, in place in the lower triangle.
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = matrix[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (matrix[i * n + k] as number) * (matrix[j * n + k] as number);
      matrix[i * n + j] = i === j ? Math.sqrt(Math.max(1e-9, sum)) : sum / (matrix[j * n + j] as number);
    }
  }
  const weights = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = residual[i] as number;
    for (let k = 0; k < i; k++) sum -= (matrix[i * n + k] as number) * (weights[k] as number);
    weights[i] = sum / (matrix[i * n + i] as number);
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = weights[i] as number;
    for (let k = i + 1; k < n; k++) sum -= (matrix[k * n + i] as number) * (weights[k] as number);
    weights[i] = sum / (matrix[i * n + i] as number);
  }
  // Diagonal of the inverse from the inverse of the triangle.
  const inverse = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    inverse[j * n + j] = 1 / (matrix[j * n + j] as number);
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum -= (matrix[i * n + k] as number) * (inverse[k * n + j] as number);
      inverse[i * n + j] = sum / (matrix[i * n + i] as number);
    }
  }
  const leftOut = Array.from({ length: n }, (_, i) => {
    let diagonal = 0;
    for (let k = i; k < n; k++) diagonal += (inverse[k * n + i] as number) ** 2;
    return (weights[i] as number) / diagonal;
  });
  return { weights, inverse, leftOut };
}
