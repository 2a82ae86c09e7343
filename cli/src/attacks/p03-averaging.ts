import { sized, type Attack } from "./attack.ts";
import { BAND_CODE, anywhere } from "./localise.ts";
import { distanceM, median, slope, type Point } from "./statistics.ts";
import { ROOM_M, World } from "./world.ts";

/** What a band is taken for, metres; somebody in the same zone is about a third of a room away. */
const ASSUMED_M: Readonly<Record<number, number>> = { 0: 60, 1: 5, 2: 25, 3: 8, 4: 60 };

/** The same question again and again, while the victims stand still and their measured places tremble: does the error shrink? */
export const averaging: Attack = {
  id: "P3",
  title: "averaging many answers",
  async run(context) {
    const { dice, seed } = context;
    const rounds = sized(context, 2_000, 120);
    const world = await World.open({ seed });
    try {
      const victims = Array.from({ length: 20 }, (_, index) => ({ personId: `v${index}`, at: anywhere(dice) }));
      for (const { personId } of victims) await world.addPerson(personId, { interests: ["prey"] });
      const corners = [{ xM: 10, yM: 10 }, { xM: 90, yM: 10 }, { xM: 10, yM: 50 }, { xM: 90, yM: 50 }, { xM: 50, yM: 30 }].map((at, index) => ({ personId: `sybil${index}`, at }));
      for (const { personId } of corners) await world.addPerson(personId);
      const sums = victims.map(() => corners.map(() => 0));
      const naiveSums = victims.map(() => corners.map(() => 0));
      const at: number[] = [];
      const errors: number[] = [];
      const naiveErrors: number[] = [];
      for (let round = 1; round <= rounds; round++) {
        world.pass(1_000);
        const trembling = victims.map(({ personId, at: { xM, yM } }) => {
          const room = { xM: ROOM_M * Math.floor(xM / ROOM_M), yM: ROOM_M * Math.floor(yM / ROOM_M) };
          const within = (value: number, from: number) => Math.min(from + ROOM_M - 0.01, Math.max(from + 0.01, value));
          return { personId, at: { xM: within(xM + dice.gaussian(), room.xM), yM: within(yM + dice.gaussian(), room.yM) } };
        });
        await world.place([...trembling, ...corners]);
        for (const [index, corner] of corners.entries()) {
          const list = await world.nearby(corner.personId, "within=50m&interests=prey");
          for (const [victim, { personId, at: there }] of victims.entries()) {
            const band = BAND_CODE[list.find((found) => found.personId === personId)?.within ?? ""] ?? 0;
            (sums[victim] as number[])[index] = (sums[victim]?.[index] ?? 0) + (ASSUMED_M[band] ?? 60);
            (naiveSums[victim] as number[])[index] = (naiveSums[victim]?.[index] ?? 0) + distanceM(there, corner.at) + 10 * dice.gaussian();
          }
        }
        if (![10, 30, 100, 300, 1_000, rounds].includes(round)) continue;
        at.push(Math.log(round));
        const errorOf = (all: number[][]) => median(victims.map((victim, index) => distanceM(victim.at, fit(corners.map((corner) => corner.at), (all[index] as number[]).map((sum) => sum / round), victim.at))));
        errors.push(Math.log(errorOf(sums)));
        naiveErrors.push(Math.log(errorOf(naiveSums)));
      }
      return { metric: "slope of log error over log questions; 0: asking again tells nothing", value: slope(at, errors), threshold: -0.05, bound: "least", naive: slope(at, naiveErrors), samples: rounds * corners.length };
    } finally {
      await world.close();
    }
  },
};

/** The place within the victim's room (known by the label) that fits the distances best, on a grid of 1 m. */
function fit(from: readonly Point[], metres: readonly number[], label: Point): Point {
  const room = { xM: ROOM_M * Math.floor(label.xM / ROOM_M), yM: ROOM_M * Math.floor(label.yM / ROOM_M) };
  let best = { place: room, misfit: Infinity };
  for (let xM = room.xM; xM < room.xM + ROOM_M; xM += 0.5) {
    for (let yM = room.yM; yM < room.yM + ROOM_M; yM += 0.5) {
      const misfit = from.reduce((sum, corner, index) => sum + (distanceM(corner, { xM, yM }) - (metres[index] as number)) ** 2, 0);
      if (misfit < best.misfit) best = { place: { xM, yM }, misfit };
    }
  }
  return best.place;
}
