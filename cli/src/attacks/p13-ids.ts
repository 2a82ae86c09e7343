import { sized, type Attack } from "./attack.ts";
import { chiSquareP } from "./statistics.ts";
import { World } from "./world.ts";

/** Ids of events, cursors and sessions: does any bit hang on whose event it is, or where? */
export const ids: Attack = {
  id: "P13",
  title: "structure of ids",
  async run(context) {
    const { dice, seed } = context;
    const count = sized(context, 4_000, 600);
    const world = await World.open({ seed });
    try {
      for (const personId of ["v0", "v1"]) await world.addPerson(personId, { settings: { level: "precise", audiences: { staff: "precise" } } });
      const desk = await world.socket("operator", null);
      await desk.ask({ op: "sub", ch: "venue" });
      const samples: { id: string; group: number }[] = [];
      const naive: { id: string; group: number }[] = [];
      for (let event = 0; event < count; event++) {
        const subject = dice.integer(2);
        const room = dice.integer(2);
        await world.commit({ zoneTransitions: [{ transition: "enter", tagId: `t-v${subject}`, zoneId: `room-${room}-0`, floor: 0, atMs: world.nowMs, confidence: 0.9 }] });
        naive.push({ id: Buffer.from(`v${subject}-${event}-room-${room}`.padEnd(24)).toString("base64url"), group: subject + 2 * room });
        if (event % 200 === 199) await desk.settled();
      }
      await desk.settled();
      for (const { i, d } of desk.events()) {
        const { subj, zoneId } = d as { subj: { personId: string }; zoneId: string };
        if (i !== undefined) samples.push({ id: i, group: Number(subj.personId.slice(1)) + 2 * Number(zoneId[5]) });
      }
      const cursors = desk.frames.flatMap((frame) => (typeof frame["c"] === "string" && frame["op"] === "ev" ? [{ id: frame["c"], group: Number(((frame["d"] as { subj: { personId: string } }).subj.personId ?? "v0").slice(1)) }] : []));
      if (samples.length < count * 0.9) throw new Error(`${samples.length} of ${count} events seen: the attack looked at too little`);
      return { metric: "smallest p of chi-square over all bits against subject and place, Bonferroni-corrected", value: Math.min(smallestP(samples), cursors.length > 100 ? smallestP(cursors) : 1), threshold: 0.001, bound: "least", naive: smallestP(naive), samples: samples.length };
    } finally {
      await world.close();
    }
  },
};

function smallestP(samples: readonly { id: string; group: number }[]): number {
  const bits = Math.min(...samples.map(({ id }) => Buffer.from(id, "base64url").length)) * 8;
  const groups = [...new Set(samples.map(({ group }) => group))];
  const sizes = groups.map((group) => samples.filter((sample) => sample.group === group).length);
  const bytes = samples.map(({ id }) => Buffer.from(id, "base64url"));
  let smallest = 1;
  for (let bit = 0; bit < bits; bit++) {
    const ones = groups.map((group) => bytes.filter((id, index) => samples[index]?.group === group && (((id[bit >> 3] as number) >> (bit & 7)) & 1) === 1).length);
    const share = ones.reduce((sum, count) => sum + count, 0) / samples.length;
    if (share === 0 || share === 1) continue;
    const statistic = groups.reduce((sum, _, index) => sum + ((ones[index] as number) - (sizes[index] as number) * share) ** 2 / ((sizes[index] as number) * share * (1 - share)), 0);
    smallest = Math.min(smallest, chiSquareP(statistic, groups.length - 1));
  }
  return Math.min(1, smallest * bits);
}
