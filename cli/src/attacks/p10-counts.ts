import { sized, type Attack } from "./attack.ts";
import { World, hall } from "./world.ts";

const COLUMNS = 10;
const ROWS = 8;
const EPSILON = 0.5;
/** Sybils of each room: at the edge of what is few whatever the dice, below "few", and at the edges of rounding. */
const SYBILS = [0, 3, 8, 9, 12];

/** In every room stand accounts of the attacker's; is the victim there too? One release per room and minute. */
export const counts: Attack = {
  id: "P10",
  title: "counts with k-1 sybils",
  async run(context) {
    const { dice, seed } = context;
    const windows = sized(context, 480, 160);
    const world = await World.open({ seed, venue: hall({ columns: COLUMNS, rows: ROWS }) });
    try {
      const rooms = Array.from({ length: COLUMNS * ROWS }, (_, index) => ({ zoneId: `room-${index % COLUMNS}-${Math.floor(index / COLUMNS)}`, sybils: SYBILS[index % SYBILS.length] as number, index }));
      const at = { xM: 0, yM: 0 };
      const standing: { personId: string; zoneId: string }[] = [];
      for (const { zoneId, sybils, index } of rooms) {
        for (let sybil = 0; sybil < sybils; sybil++) standing.push({ personId: `s${index}-${sybil}`, zoneId });
        await world.addPerson(`v${index}`);
      }
      for (const { personId } of standing) await world.addPerson(personId);
      await world.addPerson("asker");
      const trials: { sybils: number; told: string; there: boolean; true: number }[] = [];
      let changed = 0;
      for (let window = 0; window < windows; window++) {
        world.pass(60_000 - (world.nowMs % 60_000) + 1_000);
        const there = rooms.map(() => dice.next() < 0.5);
        await world.place([...standing.map((person) => ({ ...person, at })), ...rooms.map(({ index, zoneId }) => ({ personId: `v${index}`, at, zoneId: there[index] === true ? zoneId : null }))]);
        await world.turn(5);
        const read = async () => JSON.parse((await world.ask("asker", "/api/v1/occupancy")).body) as { zones: { zoneId: string; count: number | "few" }[] };
        const { zones } = await read();
        world.pass(20_000);
        // Asked again within the window, by another login: the same.
        if (JSON.stringify((JSON.parse((await world.ask("", "/api/v1/occupancy", { role: "display" })).body) as { zones: object }).zones) !== JSON.stringify(zones)) changed++;
        for (const { zoneId, sybils, index } of rooms) trials.push({ sybils, told: String(zones.find((zone) => zone.zoneId === zoneId)?.count), there: there[index] === true, true: sybils + Number(there[index]) });
      }
      const advantage = (key: (trial: (typeof trials)[number]) => string) => Math.max(...SYBILS.map((sybils) => advantageOf(trials.filter((trial) => trial.sybils === sybils), key)));
      const bound = (Math.exp(EPSILON) - 1) / (Math.exp(EPSILON) + 1) + 0.05;
      return {
        metric: "advantage of knowing whether one person is in a room, best number of sybils; 1 if a release changes when asked again",
        value: changed > 0 ? 1 : advantage(({ told }) => told),
        threshold: Math.round(bound * 1_000) / 1_000,
        bound: "most",
        naive: advantage((trial) => (trial.true < 5 ? "few" : String(5 * Math.round(trial.true / 5)))),
        samples: trials.length,
      };
    } finally {
      await world.close();
    }
  },
};

/** Learned on one half, asked on the other. */
function advantageOf<Trial extends { there: boolean }>(trials: readonly Trial[], key: (trial: Trial) => string): number {
  const half = Math.floor(trials.length / 2);
  const seen = new Map<string, number>();
  for (const trial of trials.slice(0, half)) seen.set(key(trial), (seen.get(key(trial)) ?? 0) + (trial.there ? 1 : -1));
  const asked = trials.slice(half);
  const right = asked.filter((trial) => (seen.get(key(trial)) ?? 0) > 0 === trial.there).length;
  return (2 * right) / asked.length - 1;
}
