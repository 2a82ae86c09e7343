import type { Random } from "@konferenco/simulators";
import { distanceM, learnPlaces, ratioLowerBound, type Point } from "./statistics.ts";
import { ROOM_M, roomAt, type World } from "./world.ts";

export const WIDTH_M = 5 * ROOM_M;
export const DEPTH_M = 3 * ROOM_M;
/** As many as one answer holds: victims are asked for by an interest of their own, so the list of 20 is never cut. */
export const BATCH = 20;

export interface Victim {
  personId: string;
  at: Point;
}

export function anywhere(dice: Random): Point {
  return { xM: dice.between(0, WIDTH_M - 1e-6), yM: dice.between(0, DEPTH_M - 1e-6) };
}

/** People who show strangers their zone, and each of whom can be asked for by an interest. */
export async function addVictims(world: World, dice: Random, count: number): Promise<Victim[]> {
  const victims = Array.from({ length: count }, (_, index) => ({ personId: `v${index}`, at: anywhere(dice) }));
  for (let from = 0; from < count; from += 500) await Promise.all(victims.slice(from, from + 500).map(({ personId }, i) => world.addPerson(personId, { interests: [`batch${Math.floor((from + i) / BATCH)}`] })));
  await keepHeard(world, victims);
  return victims;
}

/** The venue goes on measuring them where they are. */
export async function keepHeard(world: World, people: readonly Victim[]): Promise<void> {
  for (let from = 0; from < people.length; from += 1_000) await world.place(people.slice(from, from + 1_000));
}

export const BAND_CODE: Readonly<Record<string, number>> = { "10m": 1, "50m": 2, same_zone: 3, same_venue: 4 };

/** What the sybil sees of every victim: the band, and the place in the list. */
export async function survey(world: World, sybil: string, victims: number, within: string): Promise<number[][]> {
  const seen: number[][] = [];
  for (let batch = 0; batch * BATCH < victims; batch++) {
    const list = await world.nearby(sybil, `within=${within}&interests=batch${batch}`);
    for (let index = batch * BATCH; index < Math.min(victims, (batch + 1) * BATCH); index++) {
      const rank = list.findIndex(({ personId }) => personId === `v${index}`);
      seen.push(rank === -1 ? [0, 0] : [BAND_CODE[list[rank]?.within ?? ""] ?? 0, rank + 1]);
    }
    world.pass(1_000 / BATCHES_PER_S);
  }
  return seen;
}

/** A question a second is what one account may ask; more accounts ask more. */
const BATCHES_PER_S = 1;

/** Median error of what was learned from accomplices over that of the zone's label: its 95 % lower bound. */
export function localisingRatio(victims: readonly { at: Point; seen: readonly number[] }[], accomplices: number, dice: Random): number {
  const guess = learnPlaces(victims.slice(0, accomplices));
  const label = learnPlaces(victims.slice(0, accomplices).map(({ at }) => ({ at, seen: [zoneNumber(at)] })));
  const targets = victims.slice(accomplices);
  const attackM = targets.map(({ at, seen }) => distanceM(at, guess(seen)));
  const labelM = targets.map(({ at }) => distanceM(at, label([zoneNumber(at)])));
  return ratioLowerBound(attackM, labelM, dice);
}

/** Far enough apart that no zone counts as like another. */
export function zoneNumber(at: Point): number {
  const [, column, row] = roomAt(at).split("-");
  return 1_000 * (Number(column) + 10 * Number(row));
}
