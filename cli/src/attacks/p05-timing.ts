import { sized, type Attack } from "./attack.ts";
import { median } from "./statistics.ts";
import { World } from "./world.ts";

const BATCH = 20;
const WATCH_S = 330;

/** Two accounts wait in two rooms and ask every second who is there; when did each victim pass the door? */
export const timing: Attack = {
  id: "P5",
  title: "time of an enter",
  async run(context) {
    const { dice, seed } = context;
    const batches = sized(context, 20, 6);
    const world = await World.open({ seed });
    try {
      const left = { xM: 10, yM: 10 };
      const right = { xM: 30, yM: 10 };
      const walkers = Array.from({ length: batches * BATCH }, (_, index) => ({ personId: `v${index}`, batch: Math.floor(index / BATCH), crossesS: dice.between(125, 205) }));
      for (const { personId, batch } of walkers) await world.addPerson(personId, { interests: [`batch${batch}`] });
      for (let batch = 0; batch < batches; batch++) for (const side of ["left", "right"]) await world.addPerson(`${side}${batch}`);
      const appeared = new Map<string, number>();
      const vanished = new Map<string, number>();
      const stands = (second: number) => walkers.map(({ personId, crossesS }) => ({ personId, at: second < crossesS ? left : right }));
      for (let second = 0; second < WATCH_S; second++) {
        world.pass(1_000);
        await world.place([...stands(second), ...Array.from({ length: batches }, (_, batch) => [{ personId: `left${batch}`, at: left }, { personId: `right${batch}`, at: right }]).flat()]);
        if (second < 120) continue;
        const lists = await Promise.all(
          Array.from({ length: batches }, async (_, batch) => [await world.nearby(`left${batch}`, `within=same_zone&interests=batch${batch}`), await world.nearby(`right${batch}`, `within=same_zone&interests=batch${batch}`)] as const),
        );
        for (const { personId, batch } of walkers) {
          const [inLeft, inRight] = lists[batch] as (typeof lists)[number];
          if (!appeared.has(personId) && inRight.some((found) => found.personId === personId)) appeared.set(personId, second);
          if (!vanished.has(personId) && !inLeft.some((found) => found.personId === personId)) vanished.set(personId, second);
        }
      }
      // The attacker knows the usual delay (from accomplices: the first half) and takes whichever sign came first.
      const firstSign = (personId: string) => Math.min(appeared.get(personId) ?? Infinity, vanished.get(personId) ?? Infinity);
      const half = walkers.slice(0, walkers.length / 2).filter(({ personId }) => firstSign(personId) < Infinity);
      const delayS = median(half.map(({ personId, crossesS }) => firstSign(personId) - crossesS));
      const errors = walkers.slice(walkers.length / 2).map(({ personId, crossesS }) => Math.min(WATCH_S, Math.abs(firstSign(personId) - delayS - crossesS)));
      // Naive: told at once, on a clock of seconds.
      const naive = walkers.map(({ crossesS }) => Math.abs(Math.ceil(crossesS) - 0.5 - crossesS));
      return { metric: "median error of the time of crossing a door, seconds", value: median(errors), threshold: 10, bound: "least", naive: median(naive), samples: errors.length };
    } finally {
      await world.close();
    }
  },
};
