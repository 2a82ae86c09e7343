import { sized, type Attack } from "./attack.ts";
import { advantageUpperBound, kolmogorovSmirnov } from "./statistics.ts";
import { World } from "./world.ts";

/** Five people whom the asker must not tell apart; the last one does not exist. */
const KINDS = ["hidden", "absent", "blocked", "unconsenting", "unknown"] as const;
const BESIDE = { xM: 10, yM: 10 };

async function open(seed: string): Promise<World> {
  const world = await World.open({ seed });
  await world.addPerson("asker", { interests: ["AI"] });
  const extra = { interests: ["AI"] };
  await world.addPerson("hidden0", { ...extra, settings: { level: "hidden", proximityAlerts: true } });
  await world.addPerson("absent0", extra);
  await world.addPerson("blocked0", { ...extra, settings: { blocked: ["asker"] } });
  await world.addPerson("unconsenting0", { ...extra, consent: false });
  return world;
}

/** Everybody but the absent stands beside the asker. */
async function heard(world: World): Promise<void> {
  await world.place(["asker", "hidden0", "blocked0", "unconsenting0"].map((personId) => ({ personId, at: BESIDE })));
}

/** Every door that takes a person's id, or tells of people, asked in turn about each of the five. */
const DOORS: readonly { name: string; ask: (world: World, personId: string) => Promise<string> }[] = [
  { name: "whereabouts", ask: async (world, personId) => (await world.ask("asker", `/api/v1/people/${personId}/whereabouts`)).seen },
  { name: "person", ask: async (world, personId) => (await world.ask("asker", `/api/v1/people/${personId}`)).seen },
  { name: "nearby", ask: async (world) => (await world.ask("asker", "/api/v1/nearby?within=same_venue&interests=AI")).seen },
  { name: "block", ask: async (world, personId) => (await world.ask("asker", `/api/v1/me/blocks/${personId}`, { method: "PUT" })).seen },
  { name: "unblock", ask: async (world, personId) => (await world.ask("asker", `/api/v1/me/blocks/${personId}`, { method: "DELETE" })).seen },
];

export const absent: Attack = {
  id: "P9",
  title: "hidden, absent, blocked, no consent, unknown",
  async run(context) {
    const { dice, seed } = context;
    const asked = sized(context, 16_000, 800);
    const world = await open(seed);
    try {
      const trials: { answer: string; kind: string }[] = [];
      const plain: { answer: string; kind: string }[] = [];
      const socket = await world.socket("attendee", "asker");
      for (let trial = 0; trial < asked; trial++) {
        if (trial % 60 === 0) await heard(world);
        world.pass(2_000);
        const kind = dice.pick(KINDS);
        const door = dice.pick(DOORS);
        let answer: string;
        if (trial % 40 === 39) {
          // Over the socket: a direct message, and a channel named after the person.
          world.pass(60_000);
          const { re: _re, id: _id, ...frame } = await socket.ask(trial % 80 === 79 ? { op: "sub", ch: `person:${kind}0` } : { op: "pub", t: "chat/message", to: kind === "absent" ? "unknown1" : `${kind}0`, d: { text: "hello" }, key: `k${trial}` });
          answer = `socket ${trial % 80} ${JSON.stringify(frame).replaceAll(`${kind}0`, "whom")}`;
        } else answer = `${door.name} ${(await door.ask(world, `${kind}0`)).replaceAll(`${kind}0`, "whom")}`;
        trials.push({ answer, kind });
        plain.push({ kind, answer: await plainAnswer(world, `${kind}0`) });
      }
      return { metric: "advantage of telling them apart by bytes, all doors", value: advantage(trials), threshold: 0.05, bound: "most", naive: advantage(plain), samples: asked };
    } finally {
      await world.close();
    }
  },
};

export const absentTiming: Attack = {
  id: "P9t",
  title: "the same by the time of the answer",
  async run(context) {
    const { seed } = context;
    const rounds = sized(context, 4_000, 300);
    const world = await open(seed);
    try {
      const times = new Map<string, number[]>(KINDS.map((kind) => [kind, []]));
      const plainTimes = new Map<string, number[]>(KINDS.map((kind) => [kind, []]));
      for (let round = -50; round < rounds; round++) {
        if (round % 30 === 0) await heard(world);
        // The order changes, so that no kind always comes first.
        for (let index = 0; index < KINDS.length; index++) {
          const kind = KINDS[(index + round + 50) % KINDS.length] as string;
          world.pass(1_001);
          const { tookMs } = await world.ask("asker", `/api/v1/people/${kind}0/whereabouts`);
          if (round >= 0) times.get(kind)?.push(tookMs);
        }
      }
      // After the others: what is asked before a question warms the machine for it.
      for (let round = 0; round < rounds; round++) {
        for (const kind of KINDS) {
          const beganMs = performance.now();
          await plainAnswer(world, `${kind}0`);
          plainTimes.get(kind)?.push(performance.now() - beganMs);
        }
      }
      const worst = (of: ReadonlyMap<string, number[]>) => Math.max(...KINDS.filter((kind) => kind !== "unknown").map((kind) => kolmogorovSmirnov(of.get(kind) as number[], of.get("unknown") as number[])));
      const [value, naive] = [worst(times), worst(plainTimes)];
      return { metric: "Kolmogorov-Smirnov distance of answer times", value, threshold: 0.1, bound: "most", naive, samples: rounds * KINDS.length };
    } finally {
      await world.close();
    }
  },
};

/** The plain way: who is not there is not found, who may not be seen is forbidden, and only who is there costs a look at where. */
async function plainAnswer(world: World, personId: string): Promise<string> {
  const person = await world.registry.person(personId);
  if (person === null) return "404";
  if (!person.consent.given || person.settings.level === "hidden" || person.settings.blocked !== undefined) return "403";
  const near = await world.store.nearby({ ...BESIDE, floor: 0, radiusM: 50, limit: 500 });
  return `200 ${JSON.stringify(near.find(({ tagId }) => tagId === person.tagId) ?? null)}`;
}

/** Learned on one half, asked on the other: an answer that came with some kinds and, though seen often, never with another, wins its trial; every other is a coin. */
function advantage(trials: readonly { answer: string; kind: string }[]): number {
  const half = Math.floor(trials.length / 2);
  const learned = new Map<string, Map<string, number>>();
  for (const { answer, kind } of trials.slice(0, half)) {
    const counts = learned.get(answer) ?? new Map<string, number>();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    learned.set(answer, counts);
  }
  const expected = (counts: Map<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0) / KINDS.length;
  const tells = new Set([...learned].filter(([, counts]) => expected(counts) >= 8 && KINDS.some((kind) => !counts.has(kind))).map(([answer]) => answer));
  if (tells.size === 0) return 0;
  const asked = trials.slice(half);
  const right = asked.filter(({ answer }) => tells.has(answer)).length;
  return advantageUpperBound(right + (asked.length - right) / 2, asked.length);
}
