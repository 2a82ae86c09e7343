import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProximityTransition } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { newLinks, type Links } from "../../../fusion/src/core/links.ts";
import type { Presence } from "../../../fusion/src/core/presence.ts";
import { forEachCandidate, type Placed } from "../../../fusion/src/core/proximity-candidates.ts";
import { chanceWithin, evidenceOf, unlikenessOf } from "../../../fusion/src/core/proximity-evidence.ts";
import { detectProximity, leaveProximity, newProximityState, noteDirectSighting, type PairState, type ProximityState, type Whereabouts } from "../../../fusion/src/core/proximity.ts";
import { slowLinksOf } from "../links.ts";

/** Gateways at the corners and the middle of a hall of 20 x 20 m, the law of distance without noise. */
const GATEWAYS = [[0, 0], [20, 0], [20, 20], [0, 20], [10, 10]] as const;
function heardAt(xM: number, yM: number, offsetDb = 0, gateways = GATEWAYS.map((_, gateway) => gateway)): Links {
  const levelDbm = ([gx, gy]: readonly [number, number]): number => -55 + offsetDb - 25 * Math.log10(Math.max(0.5, Math.hypot(gx - xM, gy - yM)));
  return slowLinksOf(Object.fromEntries(gateways.map((gateway) => [gateway, levelDbm(GATEWAYS[gateway] as readonly [number, number])])));
}
const at = (tagId: string, xM: number, yM = 8, floor = 0, links = heardAt(xM, yM), presence: Presence | null = null): Whereabouts => ({ tagId, xM, yM, floor, accuracy95M: 3, zoneId: null, heard: evidenceOf(links, presence), isSilent: false });

/** The same whereabouts for some seconds. */
function stay(state: ProximityState, whereabouts: readonly Whereabouts[], seconds: number, fromS = 0): ProximityTransition[] {
  return Array.from({ length: seconds }, (_, s) => detectProximity(state, whereabouts, (fromS + s + 1) * 1_000, config)).flat();
}

function look(a: Whereabouts, b: Whereabouts): PairState {
  const seen: PairState[] = [];
  detectProximity(newProximityState(), [a, b], 1_000, config, (pair) => seen.push(pair));
  expect(seen).toHaveLength(1);
  return seen[0] as PairState;
}

describe("near and apart", () => {
  it("two people who stand together are near, once, after two seconds", () => {
    const transitions = stay(newProximityState(), [at("b", 6), at("a", 5)], 20);
    expect(transitions).toHaveLength(1);
    expect(transitions[0]).toMatchObject({ transition: "near", tagA: "a", tagB: "b", atMs: 1_000 + config.nearHoldMs, distanceM: 1 });
    expect(transitions[0]?.confidence).toBeGreaterThan(config.nearProbability);
  });

  it("where no gateway has a place, two are near in one zone if gateways hear them alike, and not because both are in the same point of a map", () => {
    const somewhere = (tagId: string, zoneId: string, xM: number): Whereabouts => ({ ...at(tagId, 0, 0, 0, heardAt(xM, 8)), accuracy95M: 10, zoneId });
    expect(look(somewhere("a", "left", 4), somewhere("b", "left", 5)).probabilityWithin2M).toBeGreaterThan(config.nearProbability);
    expect(look(somewhere("a", "left", 4), somewhere("b", "left", 18)).probabilityWithin2M).toBeLessThan(config.nearProbability);
    expect(look(somewhere("a", "left", 4), somewhere("b", "right", 18)).probabilityWithin2M).toBeLessThan(config.apartProbability);
  });

  it("two whom others than gateways locate badly, far apart in one large zone, are not near for the zone", () => {
    const inYard = (tagId: string, xM: number): Whereabouts => ({ ...at(tagId, xM, 8, 0, heardAt(4, 8)), accuracy95M: 12, zoneId: "yard" });
    expect(look(inYard("a", 0), inYard("b", 60)).probabilityWithin2M).toBeLessThan(config.apartProbability);
    expect(look(inYard("a", 0), inYard("b", 20)).probabilityWithin2M).toBeLessThan(config.apartProbability);
  });

  it("two who pass each other are not told", () => {
    const state = newProximityState();
    expect([...stay(state, [at("a", 4), at("b", 5)], 2), ...stay(state, [at("a", 4), at("b", 12)], 10, 2)]).toEqual([]);
  });

  it("who is neither likely near nor likely apart stays what it was, either way", () => {
    const unsure = [at("a", 4), at("b", 7.5)];
    const probability = look(...(unsure as [Whereabouts, Whereabouts])).probabilityWithin2M;
    expect(probability).toBeLessThan(config.nearProbability);
    expect(probability).toBeGreaterThan(config.apartProbability);
    const state = newProximityState();
    stay(state, [at("a", 4), at("b", 4.5)], 10);
    expect(stay(state, unsure, 60, 10)).toEqual([]);
    expect(stay(newProximityState(), unsure, 60)).toEqual([]);
  });

  it("two who part are apart after two seconds, once, and nothing is kept of them", () => {
    const state = newProximityState();
    stay(state, [at("a", 4), at("b", 5)], 10);
    const transitions = stay(state, [at("a", 4), at("b", 19)], 20, 10);
    expect(transitions).toMatchObject([{ transition: "apart", tagA: "a", tagB: "b", atMs: 11_000 + config.apartHoldMs, distanceM: 15 }]);
    expect(state.pairsOf.size).toBe(0);
  });

  it("people above one another on two floors are not near, and who takes the stairs is apart", () => {
    const state = newProximityState();
    expect(stay(state, [at("a", 5), at("b", 5, 8, 1)], 10)).toEqual([]);
    stay(state, [at("a", 5), at("b", 5)], 10, 10);
    expect(stay(state, [at("a", 5), at("b", 5, 8, 1)], 10, 20)).toMatchObject([{ transition: "apart" }]);
  });

  it("who falls silent is apart from everybody", () => {
    const state = newProximityState();
    stay(state, [at("a", 5), at("b", 5.5), at("c", 6)], 10);
    expect(leaveProximity(state, "b", 11_000)).toMatchObject([
      { transition: "apart", tagA: "a", tagB: "b" },
      { transition: "apart", tagA: "b", tagB: "c" },
    ]);
    expect(leaveProximity(state, "b", 12_000)).toEqual([]);
    expect(stay(state, [at("a", 5), at("c", 6)], 10, 12)).toEqual([]);
  });

  it("near and apart of a pair alternate, wherever people walk, and it does not matter who is named first", () => {
    const place = fc.tuple(fc.double({ min: 0, max: 20, noNaN: true }), fc.double({ min: 0, max: 20, noNaN: true }), fc.integer({ min: 0, max: 1 }));
    fc.assert(
      fc.property(fc.array(fc.array(place, { minLength: 4, maxLength: 4 }), { maxLength: 40 }), (seconds) => {
        const [state, mirrored] = [newProximityState(), newProximityState()];
        const near = new Set<string>();
        let s = 0;
        for (const places of seconds) {
          for (let i = 0; i < 4; i++) {
            const people = places.map(([xM, yM, floor], tag) => at(`t${tag}`, xM, yM, floor));
            const transitions = detectProximity(state, people, ++s * 1_000, config);
            expect(detectProximity(mirrored, people.toReversed(), s * 1_000, config)).toEqual(transitions);
            for (const { transition, tagA, tagB } of transitions) {
              expect(tagA < tagB).toBe(true);
              expect(near.has(tagA + tagB)).toBe(transition === "apart");
              if (transition === "near") near.add(tagA + tagB);
              else near.delete(tagA + tagB);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("how likely two people are within 2 m", () => {
  it("falls with the distance of their positions", () => {
    const probabilities = [0, 1, 2, 4, 8, 12].map((apartM) => look(at("a", 4), at("b", 4 + apartM)).probabilityWithin2M);
    expect(probabilities).toEqual(probabilities.toSorted((a, b) => b - a));
    expect(probabilities[0]).toBeGreaterThan(0.8);
    expect(probabilities.at(-1)).toBeLessThan(0.02);
  });

  it("is higher when gateways hear the two alike than when they do not, at the same positions", () => {
    const alike = look(at("a", 5), at("b", 6, 8, 0, heardAt(5.2, 8))).probabilityWithin2M;
    const unlike = look(at("a", 5), at("b", 6, 8, 0, heardAt(14, 3))).probabilityWithin2M;
    expect(alike).toBeGreaterThan(unlike + 0.25);
  });

  it("is higher when both are told to be in one room, at the same positions and levels", () => {
    const inRoom = (tagId: string, xM: number, zoneId: string): Whereabouts => ({ ...at(tagId, xM), zoneId });
    const together = look(inRoom("a", 5, "red"), inRoom("b", 7, "red")).probabilityWithin2M;
    expect(together).toBeGreaterThan(look(inRoom("a", 5, "red"), inRoom("b", 7, "blue")).probabilityWithin2M + 0.1);
  });

  it("asks where the grid may have them, not only for the distance of the means", () => {
    // Two who may each be in one of two places, a metre of 1.5 wide: the same two, or two others in between.
    const places = (...nodes: number[]): Presence => ({ nodes: Int32Array.from(nodes), weight: Float64Array.from(nodes, () => 1 / 1.5 / nodes.length), from: 0, to: nodes.length });
    const torn = (tagId: string, ...nodes: number[]): Whereabouts => at(tagId, 5, 8, 0, heardAt(5, 8), places(...nodes));
    const alike = look(torn("a", 10, 30), torn("b", 10, 30)).probabilityWithin2M;
    expect(alike).toBeGreaterThan(0.8);
    expect(look(torn("a", 10, 30), torn("b", 18, 22)).probabilityWithin2M).toBeLessThan(0.2);
    expect(look(torn("a", 10, 30), torn("b", 10, 22)).probabilityWithin2M).toBeLessThan(alike);
  });

  it("hardly minds a badge that sends 10 dB weaker: what is common to all gateways is the badge", () => {
    const unlikeness = (a: Links, b: Links) => unlikenessOf(evidenceOf(a, null), evidenceOf(b, null));
    const weaker = unlikeness(heardAt(5, 8), heardAt(5, 8, -10));
    expect(weaker - unlikeness(heardAt(5, 8), heardAt(5, 8))).toBeLessThan(10);
    expect(unlikeness(heardAt(5, 8), heardAt(14, 3))).toBeGreaterThan(2 * weaker);
  });

  it("counts a gateway that hears one loud and the other not at all", () => {
    const both = evidenceOf(heardAt(5, 8), null);
    expect(unlikenessOf(both, evidenceOf(heardAt(5, 8, 0, [1, 2, 3, 4]), null))).toBeGreaterThan(unlikenessOf(both, both) + 3);
  });

  it("is the same seen from either side", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -95, max: -40, noNaN: true }), { minLength: 5, maxLength: 5 }), fc.subarray([0, 1, 2, 3, 4]), fc.subarray([0, 1, 2, 3, 4]), (levels, ofA, ofB) => {
        const heard = (gateways: number[], shift: number) => evidenceOf(slowLinksOf(Object.fromEntries(gateways.map((gateway) => [gateway, (levels[gateway] as number) + shift * gateway])), (gateway) => 1 / (1 + gateway)), null);
        const [a, b] = [heard(ofA, 0), heard(ofB, 1)];
        expect(unlikenessOf(a, b)).toBe(unlikenessOf(b, a));
      }),
    );
  });

  it("of two whom no gateway hears is what their positions' uncertainty says", () => {
    const gps = (tagId: string, xM: number): Whereabouts => ({ ...at(tagId, xM, 0, 0, newLinks()), accuracy95M: 12 });
    const { probabilityWithin2M, probabilityWithin10M } = look(gps("a", 0), gps("b", 0));
    const varianceM2 = 2 * (12 / 2.4477) ** 2;
    expect(probabilityWithin2M).toBeCloseTo(1 - Math.exp(-4 / (2 * varianceM2)), 6);
    expect(probabilityWithin10M).toBeCloseTo(1 - Math.exp(-100 / (2 * varianceM2)), 6);
  });

  it("within a radius agrees with throwing dice", () => {
    let state = 1;
    const uniform = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (const [radiusM, distanceM, varianceM2] of [[2, 0, 1], [2, 3, 4], [10, 8, 9], [2, 1, 0.25], [10, 30, 25]] as const) {
      let inside = 0;
      for (let i = 0; i < 20_000; i++) {
        const radius = Math.sqrt(-2 * varianceM2 * Math.log(uniform()));
        const angle = 2 * Math.PI * uniform();
        if (Math.hypot(distanceM + radius * Math.cos(angle), radius * Math.sin(angle)) <= radiusM) inside++;
      }
      expect(Math.abs(chanceWithin(radiusM, distanceM, varianceM2) - inside / 20_000)).toBeLessThan(0.012);
    }
  });

  it("is a probability for any distance and uncertainty", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1_000, noNaN: true }), fc.double({ min: 0.25, max: 10_000, noNaN: true }), fc.constantFrom(2, 10), (distanceM, varianceM2, radiusM) => {
        const chance = chanceWithin(radiusM, distanceM, varianceM2);
        expect(chance).toBeGreaterThanOrEqual(0);
        expect(chance).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("what one phone hears of another", () => {
  it("moves the probability, and is forgotten after ten seconds", () => {
    const state = newProximityState();
    const people = [at("a", 5), at("b", 7.5)];
    const probability = (nowMs: number) => {
      const seen: PairState[] = [];
      detectProximity(state, people, nowMs, config, (pair) => seen.push(pair));
      return seen[0]?.probabilityWithin2M as number;
    };
    const without = probability(1_000);
    noteDirectSighting(state, { tagA: "b", tagB: "a", rssiDbm: -55, heardAtMs: 1_500 }, config);
    expect(probability(2_000)).toBeGreaterThan(without + 0.1);
    expect(probability(12_000)).toBeCloseTo(without, 9);
    expect(state.directCount).toBe(0);
  });

  it("is bounded: further pairs are counted, not kept", () => {
    const state = newProximityState();
    for (let i = 0; i < 5; i++) noteDirectSighting(state, { tagA: "a", tagB: `b${i}`, rssiDbm: -60, heardAtMs: 0 }, { ...config, maxDirectPairs: 3 });
    expect(state).toMatchObject({ directCount: 3, skipped: 2 });
  });
});

describe("who is silent for a while", () => {
  it("stays near whom it was near, although its position grows uncertain, until it is elsewhere or forgotten", () => {
    const state = newProximityState();
    stay(state, [at("a", 5), at("b", 6)], 10);
    const silent = (xM: number, accuracy95M: number): Whereabouts => ({ ...at("b", xM), isSilent: true, accuracy95M });
    expect(stay(state, [at("a", 5), silent(6, 12)], 20, 10)).toEqual([]);
    expect(stay(state, [at("a", 5), silent(19, 6)], 20, 30)).toMatchObject([{ transition: "apart" }]);
  });
});

describe("a crowd", () => {
  const person = (i: number, xM: number, yM: number, floor = 0): Placed & { id: number } => ({ id: i, xM, yM, floor, loudest: i % 7, loudestDbm: -60 - (i % 11) });
  function couplesOf(people: readonly (Placed & { id: number })[], maxPerTag: number): { couples: Set<string>; visits: number; skipped: number } {
    const couples = new Set<string>();
    let visits = 0;
    const skipped = forEachCandidate(people, maxPerTag, (a, b) => {
      visits++;
      couples.add([a.id, b.id].sort((x, y) => x - y).join());
    });
    return { couples, visits, skipped };
  }

  it("of up to 65 is compared with everybody", () => {
    const people = Array.from({ length: 65 }, (_, i) => person(i, i * 50, 0, i % 3));
    expect(couplesOf(people, 32).couples.size).toBe((65 * 64) / 2);
  });

  it("that is spread out misses nobody within the finest cell, and visits no couple twice", () => {
    const people = Array.from({ length: 400 }, (_, i) => person(i, -40 + (i % 20) * 4, -40 + Math.floor(i / 20) * 4));
    const { couples, visits, skipped } = couplesOf(people, 32);
    expect(visits).toBe(couples.size);
    expect(skipped).toBe(0);
    for (const a of people) for (const b of people) if (a.id < b.id && Math.hypot(a.xM - b.xM, a.yM - b.yM) <= 4.1) expect(couples.has([a.id, b.id].join())).toBe(true);
  });

  it("of 3,000 in one place makes at most 16 couples a person, those that are heard alike", () => {
    const people = Array.from({ length: 3_000 }, (_, i) => person(i, 5, 5));
    const { couples, visits, skipped } = couplesOf(people, 32);
    expect(visits).toBe(couples.size);
    expect(couples.size).toBeLessThanOrEqual(3_000 * 16);
    expect(couples.size + skipped).toBe((3_000 * 2_999) / 2);
    const alike = [...couples].filter((key) => {
      const [a, b] = key.split(",").map(Number) as [number, number];
      return a % 7 === b % 7;
    });
    expect(alike.length / couples.size).toBeGreaterThan(0.9);
  });

  it("in a crush has nobody near more than 32 others, and the rest are counted", () => {
    const state = newProximityState();
    const crush = Array.from({ length: 200 }, (_, i) => at(`t${i}`, 5 + (i % 20) / 20, 8 + Math.floor(i / 20) / 20));
    stay(state, crush, 2);
    expect(state.pairsOf.size).toBeGreaterThan(100);
    expect(Math.max(...[...state.pairsOf.values()].map((pairs) => pairs.size))).toBeLessThanOrEqual(config.maxPairsPerTag);
    expect(state.skipped).toBeGreaterThan(0);
  });
});
