import type { Attack } from "./attack.ts";
import { World } from "./world.ts";

const LOOKS = 20;

/** A member of staff looks up one person twenty times. */
export const snooping: Attack = {
  id: "P23",
  title: "staff look-ups of one person",
  async run({ seed }) {
    const world = await World.open({ seed });
    try {
      await world.addPerson("victim", { settings: { level: "precise", audiences: { staff: "precise" } } });
      await world.place([{ personId: "victim", at: { xM: 3, yM: 3 } }]);
      const look = (reason: string) => world.ask("", `/api/v1/people/victim/whereabouts${reason}`, { role: "staff" });
      const withoutReason = (await look("")).status === 200 ? 1 : 0;
      let answered = 0;
      for (let index = 0; index < LOOKS; index++) {
        world.pass(1_000);
        if ((await look("?reason=lost%20child%20at%20desk")).status === 200) answered++;
      }
      // The plain way: whoever has the role is answered.
      const plainDesk = (role: string) => (role === "staff" ? { xM: 3, yM: 3 } : null);
      const naive = Array.from({ length: LOOKS }, () => plainDesk("staff")).filter((place) => place !== null).length;
      const { lookups } = JSON.parse((await world.ask("victim", "/api/v1/me/audit")).body) as { lookups: { what: string; reason: string }[] };
      const unseen = answered - lookups.filter(({ what, reason }) => what === "whereabouts" && reason !== "").length;
      return { metric: "answers without a reason, beyond 3 in a row, or not written down for the person", value: withoutReason + Math.max(0, answered - 3) + unseen, threshold: 0, bound: "most", naive, samples: LOOKS };
    } finally {
      await world.close();
    }
  },
};
