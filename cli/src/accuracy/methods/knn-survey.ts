import { firstZoneAt, newMeanWindow, type NewLocator } from "./method.ts";

/** Neighbours, each weighed by 1 / distance2: OpenHPS's weighted kNN. */
const K = 4;
/** A gateway that a spot or the tag does not hear counts as heard at this level. */
const UNHEARD_DBM = -100;

/** k nearest spots of the survey by Euclidean distance of levels, on the 5 s mean. Null without a survey of gateways. */
export const newKnnSurvey: NewLocator = ({ venue, gateways, survey }) => {
  // A survey of access points is for Wi-Fi, not for gateways.
  if (survey === null || !survey.some(({ gatewayId }) => gateways.has(gatewayId))) return null;
  const order = [...gateways.keys()];
  const spots = new Map<string, { xM: number; yM: number; floor: number; sum: number[]; count: number[] }>();
  for (const { xM, yM, floor, gatewayId, rssiDbm, count } of survey) {
    const key = `${floor} ${xM} ${yM}`;
    let spot = spots.get(key);
    if (spot === undefined) spots.set(key, (spot = { xM, yM, floor, sum: order.map(() => 0), count: order.map(() => 0) }));
    const i = order.indexOf(gatewayId);
    if (i === -1) continue;
    spot.sum[i] = (spot.sum[i] as number) + rssiDbm * count;
    spot.count[i] = (spot.count[i] as number) + count;
  }
  const prints = [...spots.values()].map(({ xM, yM, floor, sum, count }) => ({ xM, yM, floor, levels: sum.map((total, i) => (count[i] === 0 ? UNHEARD_DBM : total / (count[i] as number))) }));
  const window = newMeanWindow(gateways);
  return {
    hear: (observation) => window.hear(observation),
    at(nowMs) {
      const heard = window.levels(nowMs);
      if (heard === null) return null;
      const levels = order.map((gatewayId) => heard.find((level) => level.gatewayId === gatewayId)?.rssiDbm ?? UNHEARD_DBM);
      const nearest = prints
        .map((print) => ({ print, squareDb2: print.levels.reduce((sum, level, i) => sum + (level - (levels[i] as number)) ** 2, 0) }))
        .sort((a, b) => a.squareDb2 - b.squareDb2)
        .slice(0, K);
      let total = 0;
      let xM = 0;
      let yM = 0;
      for (const { print, squareDb2 } of nearest) {
        const weight = 1 / (squareDb2 + 1e-6);
        total += weight;
        xM += weight * print.xM;
        yM += weight * print.yM;
      }
      const point = { xM: xM / total, yM: yM / total, floor: (nearest[0] as (typeof nearest)[number]).print.floor };
      return { ...point, zoneId: firstZoneAt(venue, point) };
    },
  };
};
