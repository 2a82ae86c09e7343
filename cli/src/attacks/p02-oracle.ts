import { sized, type Attack } from "./attack.ts";
import { BATCH, addVictims, keepHeard, localisingRatio, survey, zoneNumber, DEPTH_M, WIDTH_M } from "./localise.ts";
import { distanceM, type Point } from "./statistics.ts";
import { World } from "./world.ts";

/** Questions that a careless API would answer: a radius, a place, a page, an order of one's own choosing. */
const PROBES = ["within=7m", "within=50m&radius=3", "within=50m&radiusM=3", "within=50m&limit=1", "within=50m&offset=1", "within=50m&page=2", "within=50m&sort=distance", "within=50m&order=asc", "within=50m&xM=3&yM=4", "within=50m&lat=1&lng=1", "within=50m&from=room-0-0", "within=50m&zoneId=room-0-0"];

/** One account walks along both walls and asks at every step: every edge of every circle and cell is crossed. */
export const oracle: Attack = {
  id: "P2",
  title: "rounding and yes/no oracle",
  async run(context) {
    const { dice, seed } = context;
    const accomplices = sized(context, 1_000, 300);
    const count = accomplices + sized(context, 2_000, 400);
    const stepM = context.scale >= 1 ? 2.5 : 10;
    const world = await World.open({ seed });
    try {
      const victims = await addVictims(world, dice, count - (count % BATCH));
      await world.addPerson("walker");
      const path: Point[] = [];
      for (let xM = stepM / 2; xM < WIDTH_M; xM += stepM) path.push({ xM, yM: DEPTH_M / 2 });
      for (let yM = stepM / 2; yM < DEPTH_M; yM += stepM) path.push({ xM: WIDTH_M / 2, yM });
      const seen: number[][] = victims.map(({ at }) => [zoneNumber(at)]);
      const naive: number[][] = victims.map(({ at }) => [zoneNumber(at)]);
      for (const place of path) {
        await keepHeard(world, [...victims, { personId: "walker", at: place }]);
        (await survey(world, "walker", victims.length, "10m")).forEach((observed, victim) => seen[victim]?.push(...observed));
        victims.forEach(({ at }, victim) => naive[victim]?.push(distanceM(at, place) <= 20 ? 10 : 0));
      }
      const answered: number[] = [];
      for (const probe of PROBES) {
        world.pass(2_000);
        answered.push((await world.ask("walker", `/api/v1/nearby?${probe}`)).status === 400 ? 0 : 1);
      }
      const ratio = (observations: number[][]) => localisingRatio(victims.map(({ at }, victim) => ({ at, seen: observations[victim] as number[] })), accomplices, dice);
      // A question that is answered at all where the asker chose more than one of the four bands is a break.
      const value = answered.some((one) => one === 1) ? 0 : ratio(seen);
      return { metric: "error over that of the zone's label, 95 % lower bound; 0 if a radius, place, page or order can be chosen", value, threshold: 0.95, bound: "least", naive: ratio(naive), samples: victims.length - accomplices };
    } finally {
      await world.close();
    }
  },
};
