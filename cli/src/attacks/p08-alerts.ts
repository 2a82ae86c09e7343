import { sized, type Attack } from "./attack.ts";
import { anywhere, localisingRatio, zoneNumber } from "./localise.ts";
import { distanceM, type Point } from "./statistics.ts";
import { ROOM_M, World } from "./world.ts";

const PER_ROUND = 10;
const SYBILS = 5;
const NEAR_M = 3;

/** Badges at known places with alerts on and every victim's interests: who is alerted of whom, in which order, and what of metres? */
export const alerts: Attack = {
  id: "P8",
  title: "alerts by sybil badges",
  async run(context) {
    const { dice, seed } = context;
    const rounds = sized(context, 240, 40);
    const world = await World.open({ seed });
    const open = { proximityAlerts: true } as const;
    try {
      const observed: { at: Point; seen: number[] }[] = [];
      const naive: { at: Point; seen: number[] }[] = [];
      let [forbidden, told] = [0, 0];
      for (let round = 0; round < rounds; round++) {
        // All in one room, so that the label alone does not tell them apart.
        const room = anywhere(dice);
        const inRoom = (): Point => ({ xM: ROOM_M * Math.floor(room.xM / ROOM_M) + dice.between(0, ROOM_M - 0.01), yM: ROOM_M * Math.floor(room.yM / ROOM_M) + dice.between(0, ROOM_M - 0.01) });
        const victims = Array.from({ length: PER_ROUND }, (_, index) => ({ personId: `v${round}-${index}`, at: inRoom() }));
        const sybils = Array.from({ length: SYBILS }, (_, index) => ({ personId: `s${round}-${index}`, at: inRoom() }));
        const silent = [
          { personId: `hidden${round}`, settings: { ...open, level: "hidden" } as const },
          { personId: `quiet${round}`, settings: { ...open, doNotDisturb: true } as const },
          { personId: `blocker${round}`, settings: { ...open, blocked: sybils.map(({ personId }) => personId) } },
        ];
        for (const { personId } of [...victims, ...sybils]) await world.addPerson(personId, { interests: ["AI"], settings: open });
        for (const { personId, settings } of silent) await world.addPerson(personId, { interests: ["AI"], settings });
        const sockets = await Promise.all(sybils.map(({ personId }) => world.socket("attendee", personId)));
        for (const socket of sockets) await socket.ask({ op: "sub", ch: "me" });
        const silentOnes = silent.map(({ personId }) => ({ personId, at: (sybils[0] as (typeof sybils)[number]).at }));
        await world.place([...victims, ...sybils, ...silentOnes]);
        // What fusion tells of metres goes the same way as ever.
        const pairs = sybils.flatMap((sybil) => [...victims, ...silentOnes].filter((victim) => distanceM(victim.at, sybil.at) <= NEAR_M).map((victim) => [`t-${victim.personId}`, `t-${sybil.personId}`].sort() as [string, string]));
        await world.commit({ proximityTransitions: pairs.map(([tagA, tagB]) => ({ transition: "near" as const, tagA, tagB, atMs: world.nowMs, distanceM: 2, confidence: 0.9 })) });
        await world.turn(60);
        world.pass(5_500);
        await world.turn(110);
        await Promise.all(sockets.map((socket) => socket.settled()));
        const lists = sockets.map((socket) => socket.events().flatMap(({ t, d }) => (t === "near" || t === "serendipity" ? [(d["subj"] as { personId: string }).personId] : [])));
        told += lists.flat().filter((personId) => personId.startsWith("v")).length;
        forbidden += lists.flat().filter((personId) => /^(hidden|quiet|blocker)/.test(personId)).length;
        for (const { personId, at } of victims) {
          // Relative to the room, so that one round teaches the next; the sybils stand elsewhere each time, and what they see is taken as where they stand.
          const heard = sybils.filter((_, index) => lists[index]?.includes(personId) === true);
          const nearest = (some: typeof sybils) => (some.length === 0 || some.length === SYBILS ? [zoneNumber(at), -1, -1] : [zoneNumber(at), ...middle(some.map((sybil) => sybil.at))]);
          observed.push({ at, seen: nearest(heard) });
          naive.push({ at, seen: nearest(sybils.filter((sybil) => distanceM(sybil.at, at) <= NEAR_M)) });
        }
        for (const socket of sockets) socket.end();
        for (const { personId } of [...victims, ...sybils, ...silent]) await world.registry.erase(personId);
      }
      if (told === 0) throw new Error("nobody was alerted of anybody: the attack looked at nothing");
      const accomplices = Math.floor(observed.length / 6);
      const ratio = localisingRatio(observed, accomplices, dice);
      return { metric: "error over that of the zone's label, 95 % lower bound; 0 if a hidden, undisturbed or blocking person was told of", value: forbidden > 0 ? 0 : ratio, threshold: 0.95, bound: "least", naive: nearOnly(naive, accomplices, dice), samples: observed.length - accomplices };
    } finally {
      await world.close();
    }
  },
};

/** Of a naive system only those count who were told of: three metres are three metres. */
function nearOnly(all: { at: Point; seen: number[] }[], accomplices: number, dice: Parameters<typeof localisingRatio>[2]): number {
  const told = all.slice(accomplices).filter(({ seen }) => seen[1] !== -1);
  return localisingRatio([...all.slice(0, accomplices), ...told], accomplices, dice);
}

function middle(places: readonly Point[]): [number, number] {
  return [places.reduce((sum, { xM }) => sum + xM, 0) / places.length, places.reduce((sum, { yM }) => sum + yM, 0) / places.length];
}
