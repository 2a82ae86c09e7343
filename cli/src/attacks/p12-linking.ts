import { newRandom } from "@konferenco/simulators";
import { eventIdentity } from "@konferenco/gateway-agent";
import { sized, type Attack } from "./attack.ts";
import { median } from "./statistics.ts";

const ZONES = 10;

/**
 * A scanner hears every tag before and after the hour and matches the names on the air. A name that stays is a link;
 * names that all change in one epoch leave the zone alone, and whoever else was in it.
 */
export const linking: Attack = {
  id: "P12",
  title: "linking of pseudonyms over epochs",
  run(context) {
    const { dice } = context;
    const people = sized(context, 200, 200);
    const zones = Array.from({ length: people }, () => dice.integer(ZONES));
    const after = zones.map((zone) => (dice.next() < 0.9 ? zone : dice.integer(ZONES)));
    const candidates = median(zones.map((zone) => after.filter((other) => other === zone).length));
    const linked = (nameAt: (person: number, epoch: number) => string) => {
      const later = new Map(zones.map((_, person) => [nameAt(person, 1), person]));
      const guess = newRandom(`${context.seed}/guess`);
      const right = zones.filter((zone, person) => {
        const same = later.get(nameAt(person, 0));
        if (same !== undefined) return same === person;
        const there = after.flatMap((other, index) => (other === zone ? [index] : []));
        return there.length > 0 && guess.pick(there) === person;
      });
      return right.length / people;
    };
    return Promise.resolve({
      metric: "share of tags followed from one epoch to the next",
      value: linked(nameOnAir),
      threshold: Math.round((1 / candidates + 0.05) * 1_000) / 1_000,
      bound: "most",
      naive: linked((person) => `tag-${person}`),
      samples: people,
    });
  },
};

/** What a tag of the event is called on the air in an hour. Today's iBeacon tags keep their name: see docs/privacy.md. */
function nameOnAir(person: number, _epoch: number): string {
  return `${eventIdentity("attacked").ibeaconUuid}:1:${person}`;
}
