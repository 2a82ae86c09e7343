import type { Attack } from "./attack.ts";
import { sized } from "./attack.ts";
import { BATCH, addVictims, anywhere, keepHeard, localisingRatio, survey, zoneNumber } from "./localise.ts";
import { distanceM } from "./statistics.ts";
import { World } from "./world.ts";

/** 1, 3, 10 and 50 accounts at places of their own choosing ask who is near; places are learned from accomplices. */
export const sybils: Attack = {
  id: "P1",
  title: "trilateration by sybils",
  async run(context) {
    const { dice, seed } = context;
    const accomplices = sized(context, 1_000, 300);
    const count = accomplices + sized(context, 2_000, 400);
    const accounts = sized(context, 50, 6);
    const world = await World.open({ seed });
    try {
      const victims = await addVictims(world, dice, count - (count % BATCH));
      const places = Array.from({ length: accounts }, () => anywhere(dice));
      const seen: number[][] = victims.map(() => []);
      const naive: number[][] = victims.map(() => []);
      const ratios: number[] = [];
      const naiveRatios: number[] = [];
      for (const [index, place] of places.entries()) {
        const sybil = `sybil${index}`;
        await world.addPerson(sybil);
        await world.place([{ personId: sybil, at: place }]);
        // The attacker knows the map and where each account stands: the label is always part of what is known.
        for (const within of index === 0 ? ["same_zone", "10m", "50m"] : ["50m"]) {
          (await survey(world, sybil, victims.length, within)).forEach((observed, victim) => seen[victim]?.push(...observed));
          await keepHeard(world, [...victims, { personId: sybil, at: place }]);
        }
        victims.forEach(({ at }, victim) => naive[victim]?.push(Math.round(distanceM(at, place) / 10) * 10));
        if (![1, 3, 10, accounts].includes(index + 1)) continue;
        const known = (observations: number[][]) => victims.map(({ at }, victim) => ({ at, seen: [zoneNumber(at), ...(observations[victim] as number[])] }));
        ratios.push(localisingRatio(known(seen), accomplices, dice));
        naiveRatios.push(localisingRatio(known(naive), accomplices, dice));
      }
      return { metric: "error over that of the zone's label, 95 % lower bound, worst of 1, 3, 10, 50 accounts", value: Math.min(...ratios), threshold: 0.95, bound: "least", naive: Math.min(...naiveRatios), samples: victims.length - accomplices };
    } finally {
      await world.close();
    }
  },
};
