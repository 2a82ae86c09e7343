import type { VenueMap } from "@konferenco/protocol";
import { calibrateByLinks, type LinkFit, type LinkMeasurement } from "./calibrate-links.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { wallsBetween, pathDbOf, type LevelMap } from "./radio-model.ts";
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

/** What a survey knows that the law of distance does not: corrections per gateway and cell. */
export interface RadioMap {
  fit: LinkFit;
  /** Spots after merging neighbours, and how well the map foretells spots that it has not seen, in dB. */
  spots: number;
  residualDb: number;
  correctionDb: Float32Array[];
  scatterShare: Float32Array[];
}

interface Spot {
  xM: number;
  yM: number;
  floor: number;
  cell: number;
  /** By gateway: sum of levels and number of packets. */
  sum: Float64Array;
  count: Float64Array;
}

/** Fewer spots say less than the law of distance and its priors. */
export const MIN_SURVEY_SPOTS = 5;
/** Merged spots of one floor. The matrix of the interpolation is this squared: 400 take 30 ms a gateway. */
const MAX_SPOTS_PER_FLOOR = 400;
/** What is left of a spot's mean level however many packets it had: another day, another hand. */
const SPOT_SIGMA_DB = 2.5;
/** Scatter of one packet. */
const PACKET_SIGMA_DB = 5;
/** Packets after which a spot's mean gets no better: they share orientation and channel fading. */
const MAX_PACKETS_COUNTED = 8;

/**
 * A survey to a radio map: the law of distance fitted to all spots, and what is left of each gateway
 * interpolated by a Gaussian process (kriging) over the cells. Where nobody surveyed it returns to the law.
 */
export function newRadioMap(survey: readonly SurveyPoint[], map: VenueMap, index: VenueIndex, grid: VenueGrid, levels: LevelMap, sensitivityDbm: Float64Array, config: FusionConfig): RadioMap | null {
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
      const riseM = floors * 3.5 + (gateway.zM ?? config.gatewayHeightM) - config.tagHeightM;
      const isHeard = (spot.count[by] as number) > 0;
      const place = grid.place[spot.cell] as number;
      measurements.push({
        spot: i,
        from: -1,
        by,
        rssiDbm: isHeard ? (spot.sum[by] as number) / (spot.count[by] as number) : NaN,
        pathDb: pathDbOf(Math.hypot(spot.xM - gateway.xM, spot.yM - gateway.yM, riseM)),
        walls: floors > 0 ? 0 : wallsBetween(gateway, { xM: spot.xM, yM: spot.yM, place }, spot.floor, index, map.walls),
        floors,
      });
    }
  });
  const fit = calibrateByLinks(measurements, gateways, sensitivityDbm, { ...config, gatewayOffsetSigmaDb: 4, priorPathLossExponentSigma: 1, leastPathLossExponent: 0.8, priorRssiAt1mSigmaDb: 20 });
  const law = (m: LinkMeasurement): number => fit.rssiAt1mDbm + (fit.gatewayOffsetDb[m.by] as number) - fit.pathLossExponent * m.pathDb - fit.wallLossDb * m.walls - config.floorLossDb * m.floors;

  const scatterShare = levels.levelDbm.map((level) => new Float32Array(level.length).fill(1));
  const correctionDb = levels.levelDbm.map((level) => new Float32Array(level.length));
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
      const { weights, leftOut, inverse } = krige(at, residual, noiseDb2, config);
      for (const off of leftOut) {
        squares += off * off;
        compared++;
      }
      const correction = correctionDb[by] as Float32Array;
      const base = levels.firstCell[by] as number;
      if (firstCell < base || firstCell >= base + correction.length) continue;
      for (let cell = firstCell; cell < firstCell + cellCount; cell++) {
        let sum = 0;
        for (let i = 0; i < at.length; i++) {
          const spot = at[i] as Spot;
          sum += (weights[i] as number) * covarianceDb2(Math.hypot(spot.xM - (grid.xM[cell] as number), spot.yM - (grid.yM[cell] as number)), config);
        }
        correction[cell - base] = sum;
        const share = scatterShare[by] as Float32Array;
        if (config.mapScatter > 0) {
          const k = at.map((spot) => covarianceDb2(Math.hypot(spot.xM - (grid.xM[cell] as number), spot.yM - (grid.yM[cell] as number)), config));
          let explained = 0;
          for (let i = 0; i < k.length; i++) {
            let sum2 = 0;
            for (let j = 0; j <= i; j++) sum2 += (inverse[i * k.length + j] as number) * (k[j] as number);
            explained += sum2 * sum2;
          }
          share[cell - base] = config.surveySigmaDb ** 2 - explained;
        }
      }
      if (config.mapScatter > 0) {
        const square = new Float64Array(cellCount);
        const packets = new Float64Array(cellCount);
        const { columns, rows, cellM, cellAt, minXM, minYM } = grid.floors.find((f) => f.floor === floor) as (typeof grid.floors)[number];
        let [total, all] = [0, 0];
        for (const point of survey) {
          if (index.gatewayIndex.get(point.gatewayId) !== by || point.floor !== floor || point.rssiDbm >= 20 || point.rssiDbm <= -127) continue;
          const column = Math.max(0, Math.min(columns - 1, Math.floor((point.xM - minXM) / cellM)));
          const row = Math.max(0, Math.min(rows - 1, Math.floor((point.yM - minYM) / cellM)));
          const cell = cellAt[row * columns + column] as number;
          if (cell === -1) continue;
          const gateway = index.gateways[by] as VenueIndex["gateways"][number];
          const riseM = (gateway.zM ?? config.gatewayHeightM) - config.tagHeightM;
          const expected = law({ spot: 0, from: -1, by, rssiDbm: 0, pathDb: pathDbOf(Math.hypot((grid.xM[cell] as number) - gateway.xM, (grid.yM[cell] as number) - gateway.yM, riseM)), walls: wallsBetween(gateway, { xM: grid.xM[cell] as number, yM: grid.yM[cell] as number, place: grid.place[cell] as number }, floor, index, map.walls), floors: 0 }) + (correction[cell - base] as number);
          const off2 = Math.min(225, (point.rssiDbm - expected) ** 2);
          square[cell - firstCell] = (square[cell - firstCell] as number) + off2 * point.count;
          packets[cell - firstCell] = (packets[cell - firstCell] as number) + point.count;
          total += off2 * point.count;
          all += point.count;
        }
        const mean = total / Math.max(1, all);
        const share = scatterShare[by] as Float32Array;
        for (let i = 0; i < cellCount; i++) {
          let [sum, weight] = [config.mapScatterPackets * mean, config.mapScatterPackets];
          for (let j = 0; j < cellCount; j++) {
            if (packets[j] === 0) continue;
            const d2 = ((grid.xM[firstCell + i] as number) - (grid.xM[firstCell + j] as number)) ** 2 + ((grid.yM[firstCell + i] as number) - (grid.yM[firstCell + j] as number)) ** 2;
            const w = Math.exp(-d2 / (2 * config.mapScatterM ** 2));
            sum += w * (square[j] as number);
            weight += w * (packets[j] as number);
          }
          share[firstCell + i - base] = Math.sqrt((sum / weight + config.mapScatter * (share[firstCell + i - base] as number)) / mean);
        }
        if (process.env.DBG) console.log(by, "mean", Math.sqrt(mean).toFixed(2), "share", [...share].sort((a, b) => a - b).filter((_, i) => i % Math.floor(share.length / 8) === 0).map((x) => x.toFixed(2)).join(" "));
      }
    }
  }
  return { fit, spots: spots.length, residualDb: compared === 0 ? 0 : Math.sqrt(squares / compared), correctionDb, scatterShare };
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
          merged.set(key, (spot = { xM: 0, yM: 0, floor, cell: -1, sum: new Float64Array(gateways), count: new Float64Array(gateways), points: 0 }));
        }
        const by = index.gatewayIndex.get(gatewayId) as number;
        spot.xM += xM;
        spot.yM += yM;
        spot.points++;
        spot.sum[by] = (spot.sum[by] as number) + rssiDbm * count;
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

/** Weights of a simple kriging with known mean 0, and its leave-one-out errors (Dubrule 1983): e_i = w_i / inverse_ii. */
function krige(at: readonly Spot[], residual: readonly number[], noiseDb2: readonly number[], config: FusionConfig): { weights: Float64Array; leftOut: number[]; inverse: Float64Array } {
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
  return { weights, leftOut, inverse };
}
