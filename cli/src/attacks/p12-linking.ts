import { ephemeralId, parseTagKeys } from "@konferenco/fusion";
import type { Random } from "@konferenco/simulators";
import { sized, type Attack } from "./attack.ts";
import { median } from "./statistics.ts";

const ZONES = 10;
/** Names change every 2^8 s. */
const EXPONENT = 8;
const PERIOD_S = 2 ** EXPONENT;
const EPOCHS = 6;
/** In a second, one in so many walks into another zone. */
const WALKS_ONE_IN = 600;

/**
 * A scanner in every zone hears each tag every second. A name that stays is a link by itself; where names
 * change, whoever vanished is matched with whoever appeared there in the same second. With a timer for each tag there is
 * mostly one of each; in one common epoch everybody of the zone is a candidate.
 */
export const linking: Attack = {
  id: "P12",
  title: "linking of pseudonyms over epochs",
  run(context) {
    const { dice } = context;
    const people = sized(context, 200, 200);
    const keysHex = Array.from({ length: people }, () => Array.from({ length: 32 }, () => dice.integer(16).toString(16)).join(""));
    const tags = keysHex.map((identityKeyHex, person) => ({ tagId: `tag-${person}`, identityKeyHex }));
    // The product's own reader takes the file, so these tags are ones that it would serve.
    const keys = parseTagKeys({ v: 1, exponent: EXPONENT, counterZeroAtMs: 0, tags }, "the attack's keys");
    const bytes = keys.tags.map(({ identityKeyHex }) => Buffer.from(identityKeyHex, "hex"));
    const ownTimersS = keys.tags.map(() => dice.integer(PERIOD_S));
    const nameAfterS = (person: number, seconds: number) => ephemeralId(bytes[person] as Buffer, seconds, EXPONENT);
    const zones = walkAbout(people, dice);

    const common = follow(zones, (person, atS) => nameAfterS(person, atS), dice);
    const ownTimers = follow(zones, (person, atS) => nameAfterS(person, atS + (ownTimersS[person] as number)), dice);
    return Promise.resolve({
      metric: "share of changed names that are followed",
      value: common.linked,
      threshold: Math.round((1 / common.candidates + 0.05) * 1_000) / 1_000,
      bound: "most",
      naive: ownTimers.linked,
      samples: common.changes,
    });
  },
};

/** The zone of each person, second by second. */
function walkAbout(people: number, dice: Random): number[][] {
  let now = Array.from({ length: people }, () => dice.integer(ZONES));
  return Array.from({ length: EPOCHS * PERIOD_S }, () => (now = now.map((zone) => (dice.integer(WALKS_ONE_IN) === 0 ? dice.integer(ZONES) : zone))));
}

/** What the scanners make of it: share of right links over all changes of names, and the median number of candidates for one. */
function follow(zones: readonly (readonly number[])[], nameAt: (person: number, atS: number) => string, dice: Random): { linked: number; candidates: number; changes: number } {
  const candidates: number[] = [];
  let right = 0;
  let changes = 0;
  let before = heard(0);
  for (let atS = 1; atS < zones.length; atS++) {
    const now = heard(atS);
    const appeared = Array.from(now).filter(([name]) => !before.has(name));
    for (const [name, { person, zone }] of before) {
      if (now.has(name)) continue;
      changes++;
      const there = appeared.filter(([, other]) => other.zone === zone);
      candidates.push(there.length);
      if (there.length > 0 && dice.pick(there)[1].person === person) right++;
    }
    before = now;
  }
  return { linked: right / changes, candidates: median(candidates), changes };

  /** Name to zone, as the scanners hear it; the person is only for counting hits. */
  function heard(atS: number): Map<string, { person: number; zone: number }> {
    return new Map((zones[atS] as readonly number[]).map((zone, person) => [nameAt(person, atS), { person, zone }]));
  }
}
