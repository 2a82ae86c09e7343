import { sized, type Attack } from "./attack.ts";
import { World } from "./world.ts";

/** Somebody says that they are elsewhere: does it change whom they see? */
export const claims: Attack = {
  id: "P4",
  title: "self-asserted position",
  async run(context) {
    const { dice, seed } = context;
    const tries = sized(context, 60, 10);
    const world = await World.open({ seed });
    try {
      await world.addPerson("victim");
      await world.addPerson("liar");
      await world.place([{ personId: "victim", at: { xM: 30, yM: 10 } }, { personId: "liar", at: { xM: 10, yM: 10 } }]);
      const socket = await world.socket("attendee", "liar");
      let [fooled, naive] = [0, 0];
      for (let attempt = 0; attempt < tries; attempt++) {
        world.pass(2_000);
        const place = { xM: 30 + dice.next(), yM: 10, floor: 0, zoneId: "room-1-0" };
        await socket.ask({ op: "pub", t: "location/position_update", ch: "app:all", d: place });
        await socket.ask({ op: "pub", t: "location/zone_enter", ch: "app:all", d: { zoneId: "room-1-0" } });
        if ((await world.ask("liar", `/api/v1/nearby?within=same_zone&xM=${place.xM}&yM=10`)).status === 200) fooled++;
        if ((await world.nearby("liar", "within=same_zone")).length > 0) fooled++;
        if (nearClaimed(place, [{ zoneId: "room-1-0" }]).length > 0) naive++;
      }
      return { metric: "answers that a claim has changed", value: fooled, threshold: 0, bound: "most", naive, samples: tries };
    } finally {
      await world.close();
    }
  },
};

/** The plain way: who is near is answered for where the asker says to be. */
function nearClaimed<Somebody extends { zoneId: string }>(claimed: { zoneId: string }, people: readonly Somebody[]): Somebody[] {
  return people.filter(({ zoneId }) => zoneId === claimed.zoneId);
}
