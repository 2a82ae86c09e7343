import { sized, type Attack } from "./attack.ts";
import { BATCH, addVictims, keepHeard, localisingRatio, survey, zoneNumber } from "./localise.ts";
import type { Point } from "./statistics.ts";
import { ROOM_M, World } from "./world.ts";

/** What an exhibitor is shown by default: nothing. */
const EXHIBITOR = "exhibitor";
const ATTENDEE = "attendee";
const MAX_TURNS = 100;

interface ZoneEvent {
  d: { zoneId?: string; subj?: { personId?: string } };
}

/** An attendee, an exhibitor and a member of staff put together what each is shown: more than staff alone, who are shown the most? */
export const joining: Attack = {
  id: "P14",
  title: "feeds of three audiences joined",
  async run(context) {
    const { dice, seed } = context;
    const accomplices = sized(context, 1_000, 300);
    const count = accomplices + sized(context, 2_000, 400);
    const world = await World.open({ seed });
    try {
      const victims = await addVictims(world, dice, count - (count % BATCH));
      const inside = { xM: 50, yM: 30 };
      await world.addPerson(ATTENDEE);
      await world.addPerson(EXHIBITOR, { role: "exhibitor" });
      await world.place([ATTENDEE, EXHIBITOR].map((personId) => ({ personId, at: inside })));
      const staff = await world.socket("staff", null);
      const shown = new Map<string, number>();
      const { snap } = (await staff.ask({ op: "sub", ch: "venue" })) as { snap?: ZoneEvent[] };
      // A large snapshot comes in parts, so that live events are not held up.
      for (let turn = 0; turn < MAX_TURNS && shown.size < victims.length; turn++) {
        world.pass(100);
        await world.turn();
        for (const { d } of [...(snap ?? []), ...(staff.events() as readonly ZoneEvent[])]) {
          const [, column, row] = (d.zoneId ?? "").split("-");
          if (d.subj?.personId !== undefined && row !== undefined) shown.set(d.subj.personId, 1_000 * (Number(column) + 10 * Number(row)));
        }
      }
      const joined: { at: Point; seen: number[] }[] = victims.map(({ personId, at }) => ({ at, seen: [shown.get(personId) ?? -1] }));
      let toExhibitor = 0;
      for (const asker of [ATTENDEE, EXHIBITOR]) {
        for (const within of ["same_zone", "10m", "50m"]) {
          const seen = await survey(world, asker, victims.length, within);
          seen.forEach((observed, victim) => joined[victim]?.seen.push(...observed));
          if (asker === EXHIBITOR) toExhibitor += seen.filter(([band]) => band !== 0).length;
          await keepHeard(world, [...victims, { personId: asker, at: inside }]);
        }
      }
      // Naive: each audience gets places that are rounded in its own way; where the cells of all three meet is one of 27.
      const cell = ({ xM, yM }: Point, offsetM: number) => 1_000 * (Math.floor((xM + offsetM) / ROOM_M) + 10 * Math.floor((yM + offsetM) / ROOM_M));
      const naive = victims.map(({ at }) => ({ at, seen: [zoneNumber(at), cell(at, ROOM_M / 3), cell(at, (2 * ROOM_M) / 3)] }));
      const hasAll = shown.size >= victims.length;
      const ratio = localisingRatio(joined, accomplices, dice);
      return {
        metric: "error of all three over that of the zone's label, 95 % lower bound; 0 if an exhibitor is shown anybody, or staff not everybody's zone",
        value: toExhibitor > 0 || !hasAll ? 0 : ratio,
        threshold: 0.95,
        bound: "least",
        naive: localisingRatio(naive, accomplices, dice),
        samples: victims.length - accomplices,
      };
    } finally {
      await world.close();
    }
  },
};
