import { sized, type Attack } from "./attack.ts";
import { kolmogorovSmirnov, mean } from "./statistics.ts";
import { World, hall } from "./world.ts";

const COLUMNS = 10;
const ROWS = 8;
const EPSILON = 0.5;
/** Others in the room, all day. */
const MAX_OTHERS = 2;

/** One person is in a nearly empty room all day, or never; somebody keeps every release of twelve hours. */
export const countsOverTime: Attack = {
  id: "P11",
  title: "counts of a nearly empty room, 12 h",
  async run(context) {
    const { dice, seed } = context;
    const windows = sized(context, 720, 60);
    const world = await World.open({ seed, venue: hall({ columns: COLUMNS, rows: ROWS }) });
    try {
      const rooms = Array.from({ length: COLUMNS * ROWS }, (_, index) => ({ zoneId: `room-${index % COLUMNS}-${Math.floor(index / COLUMNS)}`, people: (index % (MAX_OTHERS + 1)) + (index % 2), there: index % 2 === 1, told: [] as number[], naive: [] as number[] }));
      const at = { xM: 0, yM: 0 };
      const standing = rooms.flatMap(({ zoneId, people }) => Array.from({ length: people }, (_, person) => ({ personId: `p-${zoneId}-${person}`, zoneId, at })));
      for (const { personId } of standing) await world.addPerson(personId);
      await world.addPerson("asker");
      for (let window = 0; window < windows; window++) {
        world.pass(60_000 - (world.nowMs % 60_000) + 1_000);
        await world.place(standing);
        await world.turn(5);
        const { zones } = JSON.parse((await world.ask("asker", "/api/v1/occupancy")).body) as { zones: { zoneId: string; count: number | "few" }[] };
        const told = new Map(zones.map(({ zoneId, count }) => [zoneId, count === "few" ? 0 : count]));
        for (const room of rooms) {
          room.told.push(told.get(room.zoneId) ?? 0);
          // Naive: noise of the same size for every window, and the sum told as it is.
          room.naive.push(room.people + 2 * dice.gaussian());
        }
      }
      // Rooms with as many others are compared: of twelve hours the mean.
      const apart = (of: (room: (typeof rooms)[number]) => readonly number[]) =>
        Math.max(
          ...Array.from({ length: MAX_OTHERS + 1 }, (_, others) => {
            const alike = rooms.filter(({ people, there }) => people - Number(there) === others);
            const means = (there: boolean) => alike.filter((room) => room.there === there).map((room) => mean(of(room)));
            return kolmogorovSmirnov(means(true), means(false));
          }),
        );
      return {
        metric: "advantage of knowing whether one person is in a room of at most two others, by the mean of all releases",
        value: apart(({ told }) => told),
        threshold: Math.round(((Math.exp(EPSILON) - 1) / (Math.exp(EPSILON) + 1) + 0.05) * 1_000) / 1_000,
        bound: "most",
        naive: apart(({ naive }) => naive),
        samples: windows * rooms.length,
      };
    } finally {
      await world.close();
    }
  },
};
