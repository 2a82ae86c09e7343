import { firstZoneAt, loudest, newMeanWindow, type NewLocator } from "./method.ts";

/** Weight of the documents' centroid: 10^(RSSI / 20), which is 1 / distance at a path loss exponent of 2. */
const CENTROID_DB_PER_DECADE = 20;

/** The documents' own method: 5 s, at least 3 readings, gateways weighed by their level, the zone that holds the point. */
export const newPlainCentroid: NewLocator = ({ venue, gateways }) => {
  const window = newMeanWindow(gateways);
  return {
    hear: (observation) => window.hear(observation),
    at(nowMs) {
      const levels = window.levels(nowMs);
      if (levels === null) return null;
      let total = 0;
      let xM = 0;
      let yM = 0;
      for (const level of levels) {
        const weight = 10 ** (level.rssiDbm / CENTROID_DB_PER_DECADE);
        total += weight;
        xM += weight * level.xM;
        yM += weight * level.yM;
      }
      const point = { xM: xM / total, yM: yM / total, floor: loudest(levels).floor };
      return { ...point, zoneId: firstZoneAt(venue, point) };
    },
  };
};
