import { sized, type Attack } from "./attack.ts";
import { World } from "./world.ts";

const PEOPLE = 20;

/** Consent is withdrawn while the person's events are under way. What reaches a watcher after the withdrawal was acknowledged? */
export const consent: Attack = {
  id: "P21",
  title: "consent race",
  async run(context) {
    const { dice, seed } = context;
    const interleavings = sized(context, 10_000, 200);
    const world = await World.open({ seed });
    try {
      const people = Array.from({ length: PEOPLE }, (_, index) => `v${index}`);
      for (const personId of people) await world.addPerson(personId, { settings: { level: "precise", audiences: { staff: "precise" } } });
      const watcher = await world.socket("operator", null);
      await watcher.ask({ op: "sub", ch: "venue", every: true });
      // The naive system looks once, when somebody subscribes, whom they may see.
      const allowed = new Set<string>();
      for (const personId of people) if ((await world.registry.person(personId))?.consent.given === true) allowed.add(personId);
      const naively: { personId: string; at: number }[] = [];
      const follower = await world.store.follow((event) => {
        for (const { body } of event.kind === "updates" ? event.updates : []) if (body.kind === "zone" && allowed.has(body.zone.tagId.slice(2))) naively.push({ personId: body.zone.tagId.slice(2), at: body.zone.atMs });
      });
      let [after, naive, shown] = [0, 0, 0];
      for (let done = 0; done < interleavings; done += PEOPLE) {
        world.pass(1_000);
        // Events before, during and after, in an order that the dice choose, all at once.
        const acked = new Map<string, number>();
        const began = watcher.frames.length;
        await Promise.all(
          people.map(async (personId) => {
            const events = 1 + dice.integer(4);
            const withdrawAfter = dice.integer(events + 1);
            for (let event = 0; event <= events; event++) {
              if (event === withdrawAfter) {
                void world
                  .ask(personId, "/api/v1/me/consent", { method: "PUT", body: { given: false, version: "1" } })
                  .then(() => acked.set(personId, world.nowMs));
              }
              for (let pause = dice.integer(3); pause > 0; pause--) await new Promise((resolve) => setImmediate(resolve));
              world.pass(1);
              await world.commit({ zoneTransitions: [{ transition: event % 2 === 0 ? "enter" : "exit", tagId: `t-${personId}`, zoneId: "room-0-0", floor: 0, atMs: world.nowMs, confidence: 0.9 }] });
            }
            while (!acked.has(personId)) await new Promise((resolve) => setImmediate(resolve));
            // Whatever is stored from here on is after the acknowledgement, beyond doubt.
            world.pass(1);
            await world.commit({ zoneTransitions: [{ transition: "enter", tagId: `t-${personId}`, zoneId: "room-1-0", floor: 0, atMs: world.nowMs, confidence: 0.9 }] });
          }),
        );
        await watcher.settled();
        const atAck = watcher.frames.length;
        for (const { personId, at } of naively.splice(0)) if (at > (acked.get(personId) ?? Infinity)) naive++;
        for (const { d, at } of watcher.events(began)) {
          const personId = (d["subj"] as { personId?: string } | undefined)?.personId ?? "";
          const ackedAtMs = acked.get(personId);
          if (ackedAtMs === undefined) continue;
          shown++;
          if (at > ackedAtMs) after++;
        }
        // And nothing trickles out of a queue later.
        await world.turn(1);
        await watcher.settled();
        after += watcher.events(atAck).length;
        for (const personId of people) await world.ask(personId, "/api/v1/me/consent", { method: "PUT", body: { given: true, version: "1" } });
        await watcher.settled();
        watcher.frames.length = 0;
      }
      await follower.close();
      if (shown === 0) throw new Error("nothing was shown before the withdrawals: the attack looked at nothing");
      return { metric: "events shown that were created after the acknowledged withdrawal, or left a queue after it", value: after, threshold: 0, bound: "most", naive, samples: interleavings };
    } finally {
      await world.close();
    }
  },
};
