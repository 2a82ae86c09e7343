import { sized, type Attack } from "./attack.ts";
import { World } from "./world.ts";

/** A person goes from precise to zone to hidden; whoever watched comes back with an old cursor and reads the log again. */
export const replay: Attack = {
  id: "P7",
  title: "replay after a change of settings",
  async run(context) {
    const { dice, seed } = context;
    const rounds = sized(context, 60, 8);
    const world = await World.open({ seed });
    let [tooFine, naive, events] = [0, 0, 0];
    try {
      for (let round = 0; round < rounds; round++) {
        const personId = `v${round}`;
        await world.addPerson(personId, { settings: { level: "precise", audiences: { staff: "precise" } } });
        const watcher = await world.socket("operator", null);
        await watcher.ask({ op: "sub", ch: "venue" });
        const resume = watcher.cursor as string;
        const change = (settings: object) => world.ask(personId, "/api/v1/me/privacy", { method: "PATCH", body: settings });
        // The plain way: a log that is read again under today's level alone.
        const log: number[] = [];
        const walk = async () => {
          log.push(world.nowMs, world.nowMs);
          const zoneId = `room-${dice.integer(5)}-${dice.integer(3)}`;
          for (const transition of ["enter", "exit"] as const) await world.commit({ zoneTransitions: [{ transition, tagId: `t-${personId}`, zoneId, floor: 0, atMs: world.nowMs, confidence: 0.9 }] });
          world.pass(1_000 + dice.integer(5_000));
        };
        await walk();
        await change({ level: "zone" });
        await walk();
        // Hidden for a while, or for good; back at zone, the time of hiding must stay hidden.
        await change({ level: "hidden" });
        const hiddenFromMs = world.nowMs;
        await walk();
        await walk();
        const comesBack = dice.next() < 0.5;
        if (comesBack) await change({ level: "zone" });
        const shownFromMs = comesBack ? world.nowMs : Infinity;
        await walk();
        watcher.end();
        const again = await world.socket("operator", null, { resume });
        await again.ask({ op: "sub", ch: "venue" });
        await again.until(({ op }) => op === "caught" || op === "closed");
        await again.settled();
        const seen = again.events().filter(({ d }) => (d["subj"] as { personId?: string } | undefined)?.personId === personId);
        events += 10;
        tooFine += seen.filter(({ t, at }) => t === "position" || !comesBack || (at >= hiddenFromMs && at < shownFromMs)).length;
        const plain = comesBack ? log : [];
        naive += plain.filter((at) => at >= hiddenFromMs && at < shownFromMs).length;
        again.end();
      }
      return { metric: "events finer than the lesser of then and now", value: tooFine, threshold: 0, bound: "most", naive, samples: events };
    } finally {
      await world.close();
    }
  },
};
