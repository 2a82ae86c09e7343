import { floorBounds, type Gateway } from "@konferenco/protocol";
import { firstZoneAt, type NewLocator } from "./method.ts";
import { nelderMead } from "./nelder-mead.ts";

/**
 * ESPresense: its firmware's level filter, its companion's Nelder-Mead locator and Kalman filter,
 * re-implemented from their constants (AdaptivePercentileRSSI, NelderMeadMultilateralizer,
 * KalmanLocation). One scenario of the floor with most nodes; the room is the first polygon that holds the point.
 */
const REF_DBM = -65;
const EXPONENT = 2.7;
const WINDOW_MS = 15_000;
const MAX_SAMPLES = 20;
const TUKEY_K = 1.5;
const MAX_DISTANCE_M = 16;
const STALE_NODE_MS = 30_000;
/** The nearest node weighs most: weights fall as a Gaussian over the rank, 0 to 1. */
const RANK_SIGMA = 0.3;
const SCALE_MIN = 0.5;
const SCALE_MAX = 1.5;
const PROCESS_NOISE = 0.01;
const MEASUREMENT_NOISE = 0.1;
const MAX_SPEED_MPS = 0.5;

interface Node {
  gateway: Gateway;
  heard: { atMs: number; rssiDbm: number }[];
}

export const newEspresense: NewLocator = ({ venue, gateways }) => {
  const nodes = new Map<string, Node>();
  const kalman = newConstantVelocity();
  let last: { xM: number; yM: number } | null = null;
  return {
    hear({ gatewayId, rssiDbm, atMs }) {
      const node = nodes.get(gatewayId);
      if (node === undefined) nodes.set(gatewayId, { gateway: gateways.get(gatewayId) as Gateway, heard: [{ atMs, rssiDbm }] });
      else node.heard.push({ atMs, rssiDbm });
    },
    at(nowMs) {
      const ranges = [...nodes.values()]
        .flatMap((node) => {
          const newestMs = node.heard.at(-1)?.atMs ?? -Infinity;
          if (nowMs - newestMs > STALE_NODE_MS) return [];
          // A node that went quiet keeps its last estimate until it is stale.
          node.heard = node.heard.filter(({ atMs }) => atMs > newestMs - WINDOW_MS).slice(-MAX_SAMPLES);
          const distanceM = 10 ** ((REF_DBM - tukeyMean(node.heard.map(({ rssiDbm }) => rssiDbm))) / (10 * EXPONENT));
          return distanceM > MAX_DISTANCE_M ? [] : [{ ...node.gateway, distanceM }];
        })
        .sort((a, b) => a.distanceM - b.distanceM);
      const nearest = ranges[0];
      if (nearest === undefined) return null;
      const { floor } = nearest;
      const found = locate(ranges.filter((range) => range.floor === floor), floorBounds(venue, floor), last);
      last = found;
      const point = { ...kalman.filter(found.xM, found.yM, nowMs), floor };
      return { ...point, zoneId: firstZoneAt(venue, point) };
    },
  };
};

type Range = Gateway & { distanceM: number };

function locate(ranges: readonly Range[], bounds: ReturnType<typeof floorBounds>, last: { xM: number; yM: number } | null): { xM: number; yM: number } {
  const weights = ranges.map((_, rank) => Math.exp(-((rank / ranges.length / RANK_SIGMA) ** 2) / 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const centre = ranges.reduce((sum, { xM, yM }, i) => ({ xM: sum.xM + ((weights[i] as number) * xM) / total, yM: sum.yM + ((weights[i] as number) * yM) / total }), { xM: 0, yM: 0 });
  // Under three nodes their companion takes the middle.
  if (ranges.length < 3) return centre;
  const outsideM = (value: number, min: number, max: number) => Math.max(0, min - value, value - max);
  const cost = ([xM, yM, scale]: readonly number[]): number => {
    let sum = 0;
    ranges.forEach((range, i) => {
      const residualM = Math.hypot((xM as number) - range.xM, (yM as number) - range.yM) - (scale as number) * range.distanceM;
      sum += ((weights[i] as number) / total) * residualM * residualM;
    });
    const offM = outsideM(xM as number, bounds.minXM, bounds.maxXM) + outsideM(yM as number, bounds.minYM, bounds.maxYM);
    const offScale = outsideM(scale as number, SCALE_MIN, SCALE_MAX);
    return sum + (offM > 0 ? 5 ** (1 + Math.min(10, offM)) : 0) + (offScale > 0 ? 5 ** (1 + Math.min(10, 10 * offScale)) : 0);
  };
  const begin = last ?? centre;
  const [xM, yM] = nelderMead(cost, [begin.xM, begin.yM, 1], [1, 1, 0.1]) as [number, number, number];
  return { xM, yM };
}

/** Mean of what lies within the Tukey fence of 1.5 interquartile ranges. */
function tukeyMean(levels: readonly number[]): number {
  const sorted = levels.toSorted((a, b) => a - b);
  const quartile = (share: number) => sorted[Math.round(share * (sorted.length - 1))] as number;
  const fenceDb = TUKEY_K * (quartile(0.75) - quartile(0.25));
  const inside = sorted.filter((level) => level >= quartile(0.25) - fenceDb && level <= quartile(0.75) + fenceDb);
  return inside.reduce((sum, level) => sum + level, 0) / inside.length;
}

/** Their constant-velocity Kalman filter; both axes have the same noise, so they share one covariance. */
function newConstantVelocity(): { filter(xM: number, yM: number, nowMs: number): { xM: number; yM: number } } {
  let state: { xM: number; yM: number; vxMps: number; vyMps: number; atMs: number } | null = null;
  let [place, cross, velocity] = [1, 0, 1];
  return {
    filter(xM, yM, nowMs) {
      if (state === null) {
        state = { xM, yM, vxMps: 0, vyMps: 0, atMs: nowMs };
        return { xM, yM };
      }
      const dtS = (nowMs - state.atMs) / 1_000;
      state.xM += state.vxMps * dtS;
      state.yM += state.vyMps * dtS;
      [place, cross, velocity] = [
        place + 2 * dtS * cross + dtS * dtS * velocity + (PROCESS_NOISE * dtS ** 4) / 4,
        cross + dtS * velocity + (PROCESS_NOISE * dtS ** 3) / 2,
        velocity + PROCESS_NOISE * dtS ** 2,
      ];
      const gainPlace = place / (place + MEASUREMENT_NOISE);
      const gainVelocity = cross / (place + MEASUREMENT_NOISE);
      const [offXM, offYM] = [xM - state.xM, yM - state.yM];
      state = { xM: state.xM + gainPlace * offXM, yM: state.yM + gainPlace * offYM, vxMps: state.vxMps + gainVelocity * offXM, vyMps: state.vyMps + gainVelocity * offYM, atMs: nowMs };
      [place, cross, velocity] = [(1 - gainPlace) * place, (1 - gainPlace) * cross, velocity - gainVelocity * cross];
      const speedMps = Math.hypot(state.vxMps, state.vyMps);
      if (speedMps > MAX_SPEED_MPS) {
        state.vxMps *= MAX_SPEED_MPS / speedMps;
        state.vyMps *= MAX_SPEED_MPS / speedMps;
      }
      return { xM: state.xM, yM: state.yM };
    },
  };
}
