import { sized, type Attack } from "./attack.ts";
import { World, roomAt } from "./world.ts";
import { anywhere } from "./localise.ts";

const QUESTIONS = ["/api/v1/people/victim/whereabouts", "/api/v1/nearby?within=same_zone", "/api/v1/nearby?within=50m", "/api/v1/nearby?within=same_venue&interests=AI"];

/**
 * Somebody whom the victim has blocked asks with their own account, and with a second one. Does the blocked account learn
 * anything, and the second one anything that a stranger of the same kind is not told?
 */
export const evasion: Attack = {
  id: "P18",
  title: "blocked, with a second account",
  async run(context) {
    const { dice, seed } = context;
    const rounds = sized(context, 120, 20);
    const world = await World.open({ seed });
    try {
      await world.addPerson("victim", { interests: ["AI"], connections: ["blocked"] });
      await world.addPerson("blocked", { interests: ["AI"], connections: ["victim"] });
      for (const personId of ["second", "stranger"]) await world.addPerson(personId, { interests: ["AI"] });
      await world.ask("victim", "/api/v1/me/blocks/blocked", { method: "PUT" });
      const [blocked, victim] = [await world.socket("attendee", "blocked"), await world.socket("attendee", "victim")];
      for (const ch of ["nearby", "presence", "direct", "app:lobby"]) await blocked.ask({ op: "sub", ch });
      for (const ch of ["nearby", "presence", "app:lobby"]) await victim.ask({ op: "sub", ch });
      const begun = blocked.frames.length;
      let [learned, more, naive] = [0, 0, 0];
      for (let round = 0; round < rounds; round++) {
        world.pass(60_000);
        const at = anywhere(dice);
        await world.place(["victim", "blocked", "second", "stranger"].map((personId) => ({ personId, at })));
        await victim.ask({ op: "pub", t: "typing/started", ch: "app:lobby", d: {} });
        await victim.ask({ op: "pub", t: "chat/channel_message", ch: "app:lobby", d: { text: `round ${round}` } });
        await world.turn();
        for (const question of QUESTIONS) {
          world.pass(2_000);
          const ask = async (personId: string) => (await world.ask(personId, question)).body;
          const [own, second, stranger] = [await ask("blocked"), await ask("second"), await ask("stranger")];
          if (own.includes("victim") || /"level"/.test(own)) learned++;
          if (ofVictim(second) !== ofVictim(stranger)) more++;
        }
        // Naive: blocking keeps messages away, and lists of people as they are.
        naive += plainNeighbours(at, [{ personId: "victim", at }]).filter(({ personId }) => personId === "victim").length;
      }
      await blocked.settled();
      learned += blocked.frames.slice(begun).filter((frame) => JSON.stringify(frame).includes("victim")).length;
      return { metric: "answers and events in which the blocked account meets the victim, and answers in which the second account gets another than a stranger", value: learned + more, threshold: 0, bound: "most", naive, samples: rounds * QUESTIONS.length };
    } finally {
      await world.close();
    }
  },
};

function plainNeighbours<Somebody extends { at: { xM: number; yM: number } }>(from: { xM: number; yM: number }, people: readonly Somebody[]): Somebody[] {
  return people.filter(({ at }) => roomAt(at) === roomAt(from));
}

/** What an answer says of the victim: their line in a list, or the place that was asked for. */
function ofVictim(body: string): string {
  const { people, place } = JSON.parse(body) as { people?: { personId: string }[]; place?: unknown };
  return JSON.stringify(people?.find(({ personId }) => personId === "victim") ?? place ?? null);
}
