import { sized, type Attack } from "./attack.ts";
import { World, hall } from "./world.ts";

const BOOTHS = 12;
const STAY_S = 20;
const BOOTH_Y_M = 61.5;

/** An account stands at every booth of 9 m2 and asks every second who is there: which booths did each victim visit, and when? */
export const paths: Attack = {
  id: "P6",
  title: "path over small zones",
  async run(context) {
    const { dice, seed } = context;
    const walkers = Array.from({ length: sized(context, 60, 15) }, (_, index) => ({ personId: `v${index}`, begins: dice.integer(BOOTHS) }));
    const world = await World.open({ seed, venue: hall({ booths: BOOTHS }) });
    try {
      for (const { personId } of walkers) await world.addPerson(personId, { interests: ["prey"] });
      const watchers = Array.from({ length: BOOTHS }, (_, booth) => ({ personId: `watch${booth}`, at: { xM: booth * 3 + 1.5, yM: BOOTH_Y_M }, zoneId: `booth-${booth}` }));
      for (const { personId } of watchers) await world.addPerson(personId);
      const boothAt = (begins: number, second: number) => (begins + Math.floor(second / STAY_S)) % BOOTHS;
      let [visits, known, naiveKnown] = [0, 0, 0];
      for (let second = 0; second < 200; second++) {
        world.pass(1_000);
        await world.place([...watchers, ...walkers.map(({ personId, begins }) => ({ personId, at: { xM: boothAt(begins, second) * 3 + 1.5, yM: BOOTH_Y_M }, zoneId: `booth-${boothAt(begins, second)}` }))]);
        if (second % 5 !== 4) continue;
        const seenAt = new Map<string, number[]>();
        for (const [booth, { personId }] of watchers.entries()) {
          for (const found of await world.nearby(personId, `within=same_zone&interests=prey`)) seenAt.set(found.personId, [...(seenAt.get(found.personId) ?? []), booth]);
        }
        const standing = new Map(walkers.map(({ personId, begins }) => [personId, boothAt(begins, second)]));
        // The plain way: each watcher is told who is in their zone now.
        const toldPlainly = watchers.map((_, booth) => new Set([...standing].filter(([, at]) => at === booth).map(([personId]) => personId)));
        for (const [personId, booth] of standing) {
          visits++;
          if (seenAt.get(personId)?.includes(booth) === true) known++;
          if (toldPlainly[booth]?.has(personId) === true) naiveKnown++;
        }
      }
      return { metric: "share of moments at which a booth of 9 m2 was known", value: known / visits, threshold: 0.05, bound: "most", naive: naiveKnown / visits, samples: visits };
    } finally {
      await world.close();
    }
  },
};
