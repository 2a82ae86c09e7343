import { loudest, newMeanWindow, type NewLocator } from "./method.ts";

/** The gateway with the largest 5 s mean, its place and its zone: what room-assistant, Theengs and barnacles come to. */
export const newStrongestGateway: NewLocator = ({ gateways }) => {
  const window = newMeanWindow(gateways);
  return {
    hear: (observation) => window.hear(observation),
    at(nowMs) {
      const levels = window.levels(nowMs);
      if (levels === null) return null;
      const { xM, yM, floor, zoneId } = loudest(levels);
      return { xM, yM, floor, zoneId };
    },
  };
};
