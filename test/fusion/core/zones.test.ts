import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ZoneTransition } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { newLinks } from "../../../fusion/src/core/links.ts";
import { prepareVenue } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { confidenceOf, detectZones, leaveZones, newZoneState, noteWitnesses, zoneStateAt, type WeighedEvidence, type ZoneState } from "../../../fusion/src/core/zones.ts";
import { followVotes, type SurveyWitness } from "../../../fusion/src/core/survey-votes.ts";
import { linksOf } from "../links.ts";
import { office, twoFloors, twoRooms } from "../venues.ts";

const venue = indexVenue(twoRooms());
const [LEFT, RIGHT] = [venue.zonePlace.get("left") as number, venue.zonePlace.get("right") as number];
const OUTSIDE = venue.outsidePlace.get(0) as number;

/** A look that gives these shares to places; a window's weight at 500 ms. */
function look(shares: Record<number, number>, over: Partial<WeighedEvidence> = {}): WeighedEvidence {
  const places = Object.keys(shares).map(Number);
  return { evidence: { places, probability: places.map((place) => shares[place] as number), certain: false }, weight: config.evidencePerS / 2, independent: false, ...over };
}

const inLeft = look({ [LEFT]: 0.8, [RIGHT]: 0.2 });
const inRight = look({ [LEFT]: 0.2, [RIGHT]: 0.8 });
const outside = look({ [OUTSIDE]: 0.9, [LEFT]: 0.1 });

/** One look every 500 ms; what was told, in order. */
function watch(looks: readonly WeighedEvidence[], state: ZoneState = newZoneState(), fromMs = 0, index = venue): ZoneTransition[] {
  return looks.flatMap((one, i) => detectZones(state, "tag", [one], fromMs + (i + 1) * 500, index, config));
}

const times = (count: number, one: WeighedEvidence) => Array.from({ length: count }, () => one);
const told = (transitions: readonly ZoneTransition[]) => transitions.map(({ transition, zoneId }) => `${transition} ${zoneId}`);

describe("zones", () => {
  it("somebody who comes in enters the zone once", () => {
    expect(told(watch(times(40, inLeft)))).toEqual(["enter left"]);
  });

  it("somebody who goes next door exits one room and enters the other in the same moment", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    const transitions = watch(times(20, inRight), state, 10_000);
    expect(told(transitions)).toEqual(["exit left", "enter right"]);
    expect(transitions[0]?.atMs).toBe(transitions[1]?.atMs);
  });

  it("a change of room is told within five seconds", () => {
    const state = newZoneState();
    watch(times(60, inLeft), state);
    expect(watch(times(10, inRight), state, 30_000)).toHaveLength(2);
  });

  it("one odd window tells nothing, nor does every third", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    expect(watch([inRight, ...times(10, inLeft)], state, 10_000)).toEqual([]);
    expect(watch(Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? inRight : inLeft)), state, 20_000)).toEqual([]);
  });

  it("somebody in the doorway stays where they were", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    expect(watch(times(100, look({ [LEFT]: 0.5, [RIGHT]: 0.5 })), state, 10_000)).toEqual([]);
  });

  it("a first look that is in doubt tells nothing; more of the same do", () => {
    const state = newZoneState();
    const doubtful = look({ [LEFT]: 0.6, [RIGHT]: 0.4 });
    expect(watch(times(3, doubtful), state)).toEqual([]);
    expect(told(watch(times(20, doubtful), state, 1_500))).toEqual(["enter left"]);
  });

  it("a room that one window does not name is not ruled out by it", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    watch([look({ [RIGHT]: 1 })], state, 10_000);
    expect(state.belief[state.believed.indexOf(LEFT)]).toBeGreaterThan(0.01);
  });

  it("a challenger must hold for a second although it is believed at once", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    const sure = look({ [RIGHT]: 1 }, { weight: 10 });
    expect(watch([sure], state, 10_000)).toEqual([]);
    expect(watch([sure], state, 10_500)).toEqual([]);
    expect(told(watch([sure], state, 11_000))).toEqual(["exit left", "enter right"]);
  });

  it("who leaves the hall for nowhere exits and enters nothing", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    expect(told(watch(times(20, outside), state, 10_000))).toEqual(["exit left"]);
    expect(told(watch(times(20, inLeft), state, 20_000))).toEqual(["enter left"]);
  });

  it("a stay of a minute is told as dwell, once, and again at the next stay", () => {
    const state = newZoneState();
    const transitions = watch(times(400, inLeft), state);
    expect(told(transitions)).toEqual(["enter left", "dwell left"]);
    expect((transitions[1] as ZoneTransition).atMs - (transitions[0] as ZoneTransition).atMs).toBe(config.dwellMs);
    expect(told(watch(times(400, inRight), state, 200_000))).toEqual(["exit left", "enter right", "dwell right"]);
  });

  it("dwell is told to nobody who is nowhere", () => {
    expect(watch(times(400, outside))).toEqual([]);
  });

  it("a check-in is believed at once, against any other evidence", () => {
    const state = newZoneState();
    watch(times(60, inLeft), state);
    const desk = look({ [RIGHT]: 1 }, { evidence: { places: [RIGHT], probability: [1], certain: true }, independent: true, weight: 1 });
    expect(told(watch([desk], state, 30_000))).toEqual(["exit left", "enter right"]);
    expect(confidenceOf(state, 30_500, config)).toBe(1);
  });

  it("a change of floor must hold for two seconds", () => {
    const floors = indexVenue(twoFloors());
    const [below, above] = [floors.zonePlace.get("below") as number, floors.zonePlace.get("above") as number];
    const state = zoneStateAt(below, 0);
    const upstairs = look({ [above]: 1 }, { weight: 10 });
    expect(watch(times(4, upstairs), state, 0, floors)).toEqual([]);
    expect(told(watch([upstairs], state, 2_000, floors))).toEqual(["exit below", "enter above"]);
  });

  it("who falls silent leaves the zone, once", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    expect(told(leaveZones(state, "tag", 40_000, venue, config))).toEqual(["exit left"]);
    expect(leaveZones(state, "tag", 40_500, venue, config)).toEqual([]);
  });

  it("confidence is what the windows say of the zone, and fades with silence", () => {
    const state = newZoneState();
    watch(times(100, inLeft), state);
    expect(confidenceOf(state, 50_000, config)).toBeCloseTo(0.8, 1);
    expect(confidenceOf(state, 65_000, config)).toBeCloseTo(0.4, 1);
    expect(confidenceOf(state, 50_000 + config.forgetAfterMs, config)).toBe(0);
  });

  it("confidence follows the windows within ten seconds, up and down", () => {
    const state = newZoneState();
    watch(times(20, inLeft), state);
    watch(times(20, look({ [LEFT]: 0.6, [RIGHT]: 0.4 })), state, 10_000);
    expect(confidenceOf(state, 20_000, config)).toBeCloseTo(0.63, 1);
    watch(times(20, look({ [LEFT]: 1 })), state, 20_000);
    expect(confidenceOf(state, 30_000, config)).toBeGreaterThan(0.9);
  });

  it("technologies that agree confirm each other", () => {
    const state = newZoneState();
    watch(times(100, inLeft), state);
    const before = confidenceOf(state, 50_000, config);
    watch([look({ [LEFT]: 0.5 }, { independent: true, weight: 1 })], state, 50_000);
    expect(confidenceOf(state, 50_500, config)).toBeGreaterThan(before + 0.05);
  });

  it("enter and exit of a tag alternate and name the same zone, whatever the evidence", () => {
    const shares = fc.record({ left: fc.double({ min: 0, max: 1, noNaN: true }), right: fc.double({ min: 0, max: 1, noNaN: true }), out: fc.double({ min: 0, max: 1, noNaN: true }) });
    const anyLook = fc.tuple(shares, fc.boolean(), fc.integer({ min: 1, max: 20 }));
    fc.assert(
      fc.property(fc.array(anyLook, { maxLength: 60 }), fc.integer({ min: 500, max: 9_000 }), (looks, stepMs) => {
        const state = newZoneState();
        let inside: string | null = null;
        let nowMs = 0;
        const check = (transitions: readonly ZoneTransition[]) => {
          for (const { transition, zoneId, confidence } of transitions) {
            expect(confidence).toBeGreaterThanOrEqual(0);
            expect(confidence).toBeLessThanOrEqual(1);
            if (transition === "enter") {
              expect(inside).toBeNull();
              inside = zoneId;
            } else {
              expect(inside).toBe(zoneId);
              if (transition === "exit") inside = null;
            }
          }
        };
        for (const [{ left, right, out }, certain, repeats] of looks) {
          const total = left + right + out || 1;
          const evidence = certain ? { places: [LEFT], probability: [1], certain } : { places: [LEFT, RIGHT, OUTSIDE], probability: [left / total, right / total, out / total], certain };
          for (let i = 0; i < repeats; i++) check(detectZones(state, "tag", [{ evidence, weight: 1, independent: certain }], (nowMs += stepMs), venue, config));
        }
        check(leaveZones(state, "tag", nowMs + 1, venue, config));
        expect(inside).toBeNull();
      }),
    );
  });

  it("a tag's belief holds eight places, however many are named", () => {
    const state = newZoneState();
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, place) => [place, 1 / 30]));
    watch(times(10, look(many)), state);
    expect(state.believed.length).toBeLessThanOrEqual(8);
    expect(state.belief.reduce((sum, belief) => sum + belief, 0)).toBeCloseTo(1);
  });
});

describe("zones of a posterior", () => {
  const map = office();
  const { venue: index } = prepareVenue(map);
  const [A, B, CORRIDOR] = ["a", "b", "corridor"].map((zoneId) => index.zonePlace.get(zoneId) as number) as [number, number, number];
  const posterior = (shares: Record<number, number>) => look(shares, { standing: true });

  /** Ticks until the verdict, `from` for half a minute, is another one; or Infinity. */
  function ticksToLeave(one: WeighedEvidence, { from = A, gateways = {}, speedMps = 0 }: { from?: number; gateways?: Record<string, number>; speedMps?: number } = {}): number {
    const state = newZoneState();
    watch(times(60, posterior({ [from]: 1 })), state, 0, index);
    for (let tick = 1; tick <= 60; tick++) {
      const nowMs = 500 * (60 + tick);
      const links = linksOf(Object.fromEntries(Object.entries(gateways).map(([gatewayId, rssiDbm]) => [index.gatewayIndex.get(gatewayId), rssiDbm])), nowMs - 100);
      noteWitnesses(state, { links, votes: null, speedMps }, nowMs, index, config);
      if (detectZones(state, "tag", [one], nowMs, index, config).length > 0) return tick;
    }
    return Infinity;
  }

  it("a clear case is told at the next tick, an even one never", () => {
    expect(ticksToLeave(posterior({ [CORRIDOR]: 0.02, [A]: 0.98 }), { from: CORRIDOR, speedMps: 1 })).toBe(1);
    expect(ticksToLeave(posterior({ [CORRIDOR]: 0.45, [A]: 0.55 }), { from: CORRIDOR, speedMps: 1 })).toBe(Infinity);
  });

  it("who walks leaves a room sooner than who stands in it", () => {
    const out = posterior({ [A]: 0.2, [CORRIDOR]: 0.8 });
    expect(ticksToLeave(out, { speedMps: 1 })).toBe(1);
    expect(ticksToLeave(out, { speedMps: 0.6 })).toBeLessThan(4);
    expect(ticksToLeave(posterior({ [A]: 0.02, [CORRIDOR]: 0.98 }))).toBeLessThan(4);
    // But not never: after a while of the same they have gone, however it was.
    expect(ticksToLeave(out) * 500).toBeGreaterThan(config.wallHoldMs);
    expect(ticksToLeave(out) * 500).toBeLessThan(config.wallHoldMs + 3_000);
  });

  it("who walks is told in a room sooner than who stands before it, and who is challenged by it for long is in it after all", () => {
    const inside = posterior({ [CORRIDOR]: 0.2, [A]: 0.8 });
    expect(ticksToLeave(inside, { from: CORRIDOR, speedMps: 1 })).toBeLessThan(4);
    expect(ticksToLeave(inside, { from: CORRIDOR }) * 500).toBeGreaterThan(config.doorHoldMs);
    expect(ticksToLeave(inside, { from: CORRIDOR }) * 500).toBeLessThan(config.doorHoldMs + 3_000);
    expect(ticksToLeave(posterior({ [A]: 1 }), { from: CORRIDOR })).toBeLessThanOrEqual(2);
  });

  it("who stands where two rooms have more for them in turn is told in one of them, not left in the corridor", () => {
    const state = newZoneState();
    watch(times(20, posterior({ [CORRIDOR]: 1 })), state, 0, index);
    const rooms = Array.from({ length: 40 }, (_, i) => posterior({ [A]: i % 4 < 2 ? 0.55 : 0.43, [B]: i % 4 < 2 ? 0.43 : 0.55, [CORRIDOR]: 0.02 }));
    expect(watch(rooms, state, 10_000, index).find(({ transition }) => transition === "enter")?.atMs).toBeLessThan(10_000 + config.doorHoldMs + 2_000);
  });

  it("who goes to and fro stays where they are on evidence that would otherwise do, and is forgiven after a while", () => {
    const state = newZoneState();
    const [inA, inCorridor, doubtful] = [posterior({ [A]: 0.99, [CORRIDOR]: 0.01 }), posterior({ [A]: 0.01, [CORRIDOR]: 0.99 }), posterior({ [A]: 0.85, [CORRIDOR]: 0.15 })];
    let nowMs = 0;
    /** Ticks until told; the state stays as it is then. */
    function ticksToTell(one: WeighedEvidence, speedMps = 1): number {
      for (let tick = 1; tick <= 20; tick++) {
        noteWitnesses(state, { links: newLinks(), votes: null, speedMps }, (nowMs += 500), index, config);
        if (detectZones(state, "tag", [one], nowMs, index, config).length > 0) return tick;
      }
      return Infinity;
    }
    const rest = (one: WeighedEvidence, ms: number) => Array.from({ length: ms / 500 }, () => detectZones(state, "tag", [one], (nowMs += 500), index, config));
    ticksToTell(inCorridor);
    rest(inCorridor, 60_000);
    const calm = ticksToTell(doubtful);
    expect(calm).toBeLessThan(5);
    for (const next of [inCorridor, inA, inCorridor, inA, inCorridor]) ticksToTell(next);
    expect(ticksToTell(doubtful)).toBe(Infinity);
    rest(inCorridor, 120_000);
    expect(ticksToTell(doubtful)).toBeLessThanOrEqual(calm + 1);
  });

  it("however often it flapped, a clear case is told to who walks", () => {
    const state = newZoneState();
    let nowMs = 0;
    for (let i = 0; i < 200; i++) {
      const clear = posterior({ [i % 2 === 0 ? A : CORRIDOR]: 1 });
      let ticks = 0;
      do {
        noteWitnesses(state, { links: newLinks(), votes: null, speedMps: 1 }, (nowMs += 500), index, config);
        expect(++ticks).toBeLessThan(10);
      } while (detectZones(state, "tag", [clear], nowMs, index, config).length === 0);
    }
  });

  it("from room to room more must speak for it than for the corridor between", () => {
    const next = posterior({ [A]: 0.15, [B]: 0.85 });
    expect(ticksToLeave(next) * 500).toBeGreaterThan(config.wallHoldMs);
    expect(ticksToLeave(posterior({ [A]: 0.02, [B]: 0.98 }))).toBeLessThan(4);
  });

  it("the gateway of a room brings a tag there that the posterior has in the corridor, and not when it is weak", () => {
    const doubtful = posterior({ [A]: 0.5, [CORRIDOR]: 0.5 });
    expect(ticksToLeave(doubtful, { from: CORRIDOR, speedMps: 1, gateways: { "gw-a": -60, "gw-b": -75 } })).toBeLessThan(10);
    expect(ticksToLeave(doubtful, { from: CORRIDOR, speedMps: 1, gateways: { "gw-a": -75, "gw-b": -74 } })).toBe(Infinity);
  });

  it("a scan beside it does not make one tick of the gateways' belief count for three seconds", () => {
    const ticksUntilTold = (looks: readonly WeighedEvidence[]) => {
      const state = newZoneState();
      watch(times(60, posterior({ [CORRIDOR]: 1 })), state, 0, index);
      for (let tick = 1; tick <= 60; tick++) {
        const nowMs = 500 * (60 + tick);
        if (detectZones(state, "tag", looks, nowMs, index, config).length > 0) return tick;
      }
      return Infinity;
    };
    const [scan, close] = [look({ [CORRIDOR]: 1 }, { standing: true, standsForS: 3 }), posterior({ [A]: 0.75, [CORRIDOR]: 0.25 })];
    const alone = ticksUntilTold([close]);
    expect(alone).toBeGreaterThan(1);
    expect(alone).toBeLessThan(20);
    expect(ticksUntilTold([scan, close])).toBe(alone);
  });

  it("spots of a survey that sounded like a tag say nothing any more once it fell silent, and how it rose before says nothing of what comes", () => {
    const state = newZoneState();
    const tick = (atTick: number, one: WeighedEvidence, place: number | null) => {
      noteWitnesses(state, { links: newLinks(), votes: place === null ? null : { places: [place], shares: [1], floorIndex: 0, xM: 0, yM: 0 }, speedMps: 0 }, 500 * atTick, index, config);
      return detectZones(state, "tag", [one], 500 * atTick, index, config);
    };
    for (let k = 0; k < 240; k++) tick(k, posterior({ [A]: 1 }), A);
    // Other technologies go on, and have it in the next room.
    const after = Array.from({ length: 240 }, (_, k) => tick(240 + k, posterior(k % 20 < 10 ? { [B]: 0.9, [A]: 0.1 } : { [B]: 1 }), null));
    expect(told(after.flat())).toEqual(["exit a", "enter b", "dwell b"]);
    // Heard again after two minutes, its first votes have changed nothing yet.
    tick(480, posterior({ [B]: 1 }), B);
    expect(state.survey?.churnPerS).toBe(followVotes(null, (state.survey as SurveyWitness).votes, 0, config).churnPerS);
  });
});
