import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProximityTransition } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { detectProximity, leaveProximity, newProximityState, type ProximityState, type Whereabouts } from "../../../fusion/src/core/proximity.ts";

const at = (tagId: string, xM: number, yM = 0, floor = 0): Whereabouts => ({ tagId, xM, yM, floor, confidence: 0.8 });

/** The same whereabouts for some seconds. */
function stay(state: ProximityState, whereabouts: readonly Whereabouts[], seconds: number, fromS = 0): ProximityTransition[] {
  return Array.from({ length: seconds }, (_, s) => detectProximity(state, whereabouts, (fromS + s + 1) * 1_000, config)).flat();
}

describe("proximity", () => {
  it("two people who stand together are near, once, after three seconds", () => {
    const transitions = stay(newProximityState(), [at("b", 1), at("a", 0)], 20);
    expect(transitions).toEqual([{ transition: "near", tagA: "a", tagB: "b", atMs: 4_000, distanceM: 1, confidence: 0.8 }]);
  });

  it("two who pass each other are not told", () => {
    const state = newProximityState();
    expect([...stay(state, [at("a", 0), at("b", 2)], 3), ...stay(state, [at("a", 0), at("b", 4)], 10, 3)]).toEqual([]);
  });

  it("between near and apart nothing changes, either way", () => {
    const state = newProximityState();
    stay(state, [at("a", 0), at("b", 1)], 10);
    expect(stay(state, [at("a", 0), at("b", 4)], 60, 10)).toEqual([]);
    const strangers = newProximityState();
    expect(stay(strangers, [at("a", 0), at("b", 4)], 60)).toEqual([]);
  });

  it("two who part are apart after five seconds, once", () => {
    const state = newProximityState();
    stay(state, [at("a", 0), at("b", 1)], 10);
    const transitions = stay(state, [at("a", 0), at("b", 30)], 20, 10);
    expect(transitions).toMatchObject([{ transition: "apart", tagA: "a", tagB: "b", atMs: 16_000, distanceM: 30 }]);
    expect(state.pairsOf.size).toBe(0);
  });

  it("people above one another on two floors are not near, and who takes the stairs is apart", () => {
    const state = newProximityState();
    expect(stay(state, [at("a", 0), at("b", 0, 0, 1)], 10)).toEqual([]);
    stay(state, [at("a", 0), at("b", 0)], 10, 10);
    expect(stay(state, [at("a", 0), at("b", 0, 0, 1)], 10, 20)).toMatchObject([{ transition: "apart", distanceM: config.apartM }]);
  });

  it("who falls silent is apart from everybody", () => {
    const state = newProximityState();
    stay(state, [at("a", 0), at("b", 1), at("c", 2)], 10);
    expect(leaveProximity(state, "b", 11_000, config)).toMatchObject([
      { transition: "apart", tagA: "a", tagB: "b" },
      { transition: "apart", tagA: "b", tagB: "c" },
    ]);
    expect(leaveProximity(state, "b", 12_000, config)).toEqual([]);
    expect(stay(state, [at("a", 0), at("c", 2)], 10, 12)).toEqual([]);
  });

  it("near and apart of a pair alternate, wherever people walk", () => {
    const place = fc.tuple(fc.double({ min: -12, max: 12, noNaN: true }), fc.double({ min: -12, max: 12, noNaN: true }), fc.integer({ min: 0, max: 1 }));
    fc.assert(
      fc.property(fc.array(fc.array(place, { minLength: 4, maxLength: 4 }), { maxLength: 40 }), (seconds) => {
        const state = newProximityState();
        const near = new Set<string>();
        let s = 0;
        for (const places of seconds) {
          for (let i = 0; i < 4; i++) {
            for (const { transition, tagA, tagB } of detectProximity(state, places.map(([xM, yM, floor], tag) => at(`t${tag}`, xM, yM, floor)), ++s * 1_000, config)) {
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

  it("the grid finds exactly the couples that comparing everybody finds, below zero and above", () => {
    const place = fc.tuple(fc.double({ min: -9, max: 9, noNaN: true }), fc.double({ min: -9, max: 9, noNaN: true }), fc.integer({ min: -1, max: 1 }));
    fc.assert(
      fc.property(fc.array(place, { maxLength: 40 }), (places) => {
        const people = places.map(([xM, yM, floor], i) => at(`t${String(i).padStart(2, "0")}`, xM, yM, floor));
        const expected = people.flatMap((a, i) => people.slice(i + 1).filter((b) => a.floor === b.floor && (a.xM - b.xM) ** 2 + (a.yM - b.yM) ** 2 <= config.nearM ** 2).map((b) => a.tagId + b.tagId));
        const found = stay(newProximityState(), people, 6).map(({ tagA, tagB }) => tagA + tagB);
        expect(found).toEqual(expected.sort());
      }),
    );
  });

  it("a crowd costs no more than its neighbours: 3,000 people, far fewer comparisons than couples", () => {
    let looks = 0;
    const people = Array.from({ length: 3_000 }, (_, i) => {
      const [xM, yM] = [(i % 60) * 2.9, Math.floor(i / 60) * 2.9];
      return {
        tagId: `t${i}`,
        get xM() {
          looks++;
          return xM;
        },
        yM,
        floor: 0,
        confidence: 1,
      };
    });
    const state = newProximityState();
    detectProximity(state, people, 1_000, config);
    expect(state.pairsOf.size).toBe(3_000);
    expect(looks).toBeLessThan(3_000 * 60);
  });

  it("in a crush a person is followed with 64 others, and the rest are counted", () => {
    const state = newProximityState();
    const crush = Array.from({ length: 200 }, (_, i) => at(`t${i}`, (i % 20) / 20, Math.floor(i / 20) / 20));
    stay(state, crush, 1);
    expect(Math.max(...[...state.pairsOf.values()].map((pairs) => pairs.size))).toBeLessThanOrEqual(config.maxPairsPerTag);
    expect(state.skipped).toBeGreaterThan(0);
  });
});
