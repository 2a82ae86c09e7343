import fc from "fast-check";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Recording } from "@konferenco/simulators";
import "../support/dice.ts";
import { BEGAN_MS, RECORDINGS, after, disturbedUntilMs, playLive, playReports, undisturbed, withReport, type Delivery, type Told } from "./disturbed.ts";

const RUNS = 6;
/** What is ten seconds late is in by the tick after. */
const SETTLED_AFTER_MS = 10_500;

/** A network for each message: how late it comes and how often. */
type Fate = { lateMs: number; copies: number };

const fates = fc.record({
  /** Of a hundred messages. */
  share: fc.integer({ min: 1, max: 60 }),
  mostLateMs: fc.integer({ min: 1, max: 10_000 }),
  seed: fc.integer(),
});

/** Numbers as from a die, but the same for the same message. */
function chance(seed: number, i: number): number {
  let x = (seed ^ (i * 0x9e3779b9)) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

function disturb(deliveries: readonly Delivery[], untilMs: number, fateOf: (i: number, delivery: Delivery) => Fate): Delivery[] {
  return deliveries.flatMap((delivery, i) => {
    if (delivery.arrivesAtMs > untilMs) return [delivery];
    const { lateMs, copies } = fateOf(i, delivery);
    return Array.from({ length: copies }, (_, copy) => ({ ...delivery, arrivesAtMs: delivery.arrivesAtMs + (copy === 0 ? lateMs : Math.floor(lateMs / (copy + 1)) + 700 * copy) }));
  });
}

function expectSane(told: Told): void {
  const inside = new Map<string, string>();
  for (const { tagId, zoneId, transition } of told.zones) {
    if (transition === "enter") {
      expect(inside.has(tagId), `${tagId} enters ${zoneId} from inside ${inside.get(tagId)}`).toBe(false);
      inside.set(tagId, zoneId);
    } else {
      expect(inside.get(tagId)).toBe(zoneId);
      if (transition === "exit") inside.delete(tagId);
    }
  }
  const near = new Set<string>();
  for (const { tagA, tagB, transition } of told.proximity) {
    expect(near.has(`${tagA} ${tagB}`)).toBe(transition === "apart");
    if (transition === "near") near.add(`${tagA} ${tagB}`);
    else near.delete(`${tagA} ${tagB}`);
  }
  const last = new Map<string, Told["positions"][number]>();
  for (const position of told.positions) {
    const { tagId, xM, yM, accuracy95M, atMs } = position;
    expect([xM, yM, accuracy95M].every(Number.isFinite)).toBe(true);
    const before = last.get(tagId);
    // What comes late may tell that somebody was elsewhere: then by what the position before was unsure of.
    if (before !== undefined && atMs - before.atMs <= 1_500) expect(Math.hypot(xM - before.xM, yM - before.yM)).toBeLessThan(5 + before.accuracy95M + accuracy95M);
    last.set(tagId, position);
  }
}

describe.each(Object.entries(RECORDINGS))("%s, in report time", (_, load) => {
  let recording: Recording;
  let clean: Delivery[];
  let expected: Told;
  beforeAll(async () => {
    recording = load();
    clean = undisturbed(recording);
    expected = await playReports(recording, clean);
  });

  const expectSame = (told: Told, fromMs: number): void => {
    expect(after(expected, fromMs).length).toBeGreaterThan(8);
    expect(after(told, fromMs)).toEqual(after(expected, fromMs));
    expectSane(told);
  };

  it("any reports twice or thrice: the same from the first tick to the last", async () => {
    await fc.assert(
      fc.asyncProperty(fates, async ({ share, seed }) => {
        const told = await playReports(recording, disturb(clean, disturbedUntilMs(recording), (i) => ({ lateMs: 0, copies: chance(seed, i) * 100 < share ? 2 + (i % 2) : 1 })));
        expectSame(told, -Infinity);
        expect(told.stats.refused["REPORT_DUPLICATE"]).toBeGreaterThan(0);
      }),
      { numRuns: RUNS },
    );
  }, 120_000);

  it("any reports up to ten seconds late, in any order: the same once they are in", async () => {
    await fc.assert(
      fc.asyncProperty(fates, async ({ share, mostLateMs, seed }) => {
        const told = await playReports(recording, disturb(clean, disturbedUntilMs(recording), (i) => ({ lateMs: chance(seed, i) * 100 < share ? Math.round(chance(seed + 1, i) * mostLateMs) : 0, copies: chance(seed + 2, i) < 0.1 ? 2 : 1 })));
        expectSame(told, disturbedUntilMs(recording) + SETTLED_AFTER_MS);
        expect(told.stats.timeline.lateUnplaced).toBe(0);
      }),
      { numRuns: RUNS },
    );
  }, 120_000);

  it("a gateway cut off for ten seconds that sends everything at once: the same once it is in", async () => {
    const gatewayIds = recording.venue.gateways.map(({ gatewayId }) => gatewayId);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...gatewayIds), fc.double({ min: 0.2, max: 1, noNaN: true }), async (gatewayId, share) => {
        const cutMs = BEGAN_MS + Math.round(share * (disturbedUntilMs(recording) - BEGAN_MS - 1_000));
        const backMs = cutMs + 9_900;
        const told = await playReports(recording, disturb(clean, backMs, (_i, { message, arrivesAtMs }) => ({ lateMs: message.gatewayId === gatewayId && arrivesAtMs > cutMs && arrivesAtMs < backMs ? backMs - arrivesAtMs : 0, copies: 1 })));
        expectSame(told, backMs + 500);
      }),
      { numRuns: RUNS },
    );
  }, 120_000);

  it("a gateway cut off for ten seconds, and tags run again one by one as in a crowd: nearly the same, for what they share stays as it is", async () => {
    const inCrowd = { maxTagsRunAgain: 0 };
    const expectedInCrowd = await playReports(recording, clean, inCrowd);
    const offM: number[] = [];
    for (const { gatewayId } of recording.venue.gateways) {
      const cutMs = BEGAN_MS + 0.7 * (disturbedUntilMs(recording) - BEGAN_MS);
      const backMs = cutMs + 9_900;
      const told = await playReports(recording, disturb(clean, backMs, (_i, { message, arrivesAtMs }) => ({ lateMs: message.gatewayId === gatewayId && arrivesAtMs > cutMs && arrivesAtMs < backMs ? backMs - arrivesAtMs : 0, copies: 1 })), inCrowd);
      expectSane(told);
      // Only what was late by less than a tick is left where it came.
      const { late, lateUnplaced } = told.stats.timeline;
      expect(lateUnplaced).toBeLessThanOrEqual(Math.max(2, 0.15 * late));
      const expectedAt = new Map(expectedInCrowd.positions.map((position) => [`${position.tagId} ${position.atMs}`, position]));
      for (const { tagId, atMs, xM, yM } of told.positions) {
        const other = expectedAt.get(`${tagId} ${atMs}`);
        if (atMs > backMs + 500 && other !== undefined) offM.push(Math.hypot(xM - other.xM, yM - other.yM));
      }
    }
    offM.sort((a, b) => a - b);
    expect(offM.length).toBeGreaterThan(50);
    expect(offM[Math.floor(offM.length / 2)]).toBeLessThan(0.1);
    expect(offM[Math.floor(offM.length * 0.95)]).toBeLessThan(0.5);
  }, 120_000);

  it("rows that say nothing: not heard, not numbers, tags that are heard twice and no more", async () => {
    const told = await playReports(
      recording,
      clean.map((delivery, i) => ({
        ...delivery,
        message: withReport(delivery.message, (report) => {
          const [known, at] = [report.tagId[0] ?? "tag-1", report.sentAtMs - 10];
          const junk: [unknown, unknown, unknown][] = [[known, 127, at], [known, 0, at], [known, 20, at], [known, 35, at], [known, null, at], [known, "loud", at], [known, -60, null], [7, -60, at], [`stranger-${Math.floor(i / 2)}`, -45, at], [known, -60, report.sentAtMs - 3_600_000]];
          return { ...report, tagId: [...report.tagId, ...junk.map(([tagId]) => tagId as string)], rssiDbm: [...report.rssiDbm, ...junk.map(([, level]) => level as number)], heardAtMs: [...report.heardAtMs, ...junk.map(([, , heard]) => heard as number)] };
        }),
      })),
    );
    expectSame(told, -Infinity);
    expect(told.stats.refused["RSSI_NOT_HEARD"]).toBeGreaterThan(100);
    expect(told.stats.tags).toBe(expected.stats.tags);
  }, 120_000);

  it("a spool of long ago, sent at last, moves nobody and is counted", async () => {
    const old = clean.filter(({ arrivesAtMs }) => arrivesAtMs < BEGAN_MS + 6_000);
    const kept = clean.filter((delivery) => !old.includes(delivery));
    const expectedWithout = await playReports(recording, kept);
    const told = await playReports(recording, [...kept, ...old.map((delivery) => ({ ...delivery, arrivesAtMs: BEGAN_MS + 20_000 }))]);
    expect(after(told, -Infinity)).toEqual(after(expectedWithout, -Infinity));
    expect(told.stats.refused["OBSERVATION_LATE"]).toBeGreaterThan(10);
  }, 120_000);
});

/** What a network takes, always the same; and the instant of a gateway's first report, which tells its clock. */
const NETWORK_MS = 20;

describe.each(["kolakowski-flat/robot", "a simulated office with three people"])("%s, on the wall's clock", (name) => {
  let recording: Recording;
  let clean: Delivery[];
  let expected: Told;
  beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
  afterEach(() => vi.useRealTimers());
  beforeAll(async () => {
    recording = (RECORDINGS[name] as () => Recording)();
    clean = undisturbed(recording).map((delivery) => ({ ...delivery, arrivesAtMs: delivery.arrivesAtMs + NETWORK_MS }));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    expected = await playLive(recording, clean);
    vi.useRealTimers();
  });

  /** Every message of a gateway with its clock as it is at that instant. */
  const onClocks = (clockOf: (gatewayId: string, atMs: number) => number): Delivery[] =>
    clean.map(({ message, arrivesAtMs }) => ({
      arrivesAtMs,
      message: withReport(message, (report) => ({ ...report, sentAtMs: clockOf(report.gatewayId, report.sentAtMs), heardAtMs: report.heardAtMs.map((atMs) => clockOf(report.gatewayId, atMs)) })),
    }));
  const hourMs = 3_600_000;
  const indexOf = (gatewayId: string): number => recording.venue.gateways.findIndex((gateway) => gateway.gatewayId === gatewayId);

  it("an even network brings nothing late", () => {
    expect(after(expected, -Infinity).length).toBeGreaterThan(50);
    expect(expected.stats.timeline).toEqual({ late: 0, lateUnplaced: 0, duplicates: 0, replayedTicks: 0, replayedTagTicks: 0 });
  });

  it("clocks an hour and more off, each its own way: the same to the last bit", async () => {
    const told = await playLive(recording, onClocks((gatewayId, atMs) => atMs + (indexOf(gatewayId) % 3 === 0 ? hourMs : indexOf(gatewayId) % 3 === 1 ? -hourMs : -BEGAN_MS)));
    expect(after(told, -Infinity)).toEqual(after(expected, -Infinity));
  }, 120_000);

  it("clocks that are set midway, ahead or back, in the midst of a report: the same to the last bit", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(hourMs, -hourMs, 60_000, -60_000, 3_000, -3_000), fc.integer({ min: 5_000, max: 60_000 }), async (stepMs, atMs) => {
        // A step ahead of less than 10 s may fall between hearing and sending: those rows look that much older.
        const across = Math.abs(stepMs) >= 60_000 || stepMs < 0;
        const setAtMs = (gatewayId: string): number => (across ? BEGAN_MS + atMs + 137 * indexOf(gatewayId) : BEGAN_MS + Math.ceil(atMs / 500) * 500 - 1);
        const told = await playLive(recording, onClocks((gatewayId, nowMs) => nowMs + (nowMs > setAtMs(gatewayId) ? stepMs : 0)));
        expect(after(told, -Infinity)).toEqual(after(expected, -Infinity));
      }),
      { numRuns: RUNS },
    );
  }, 240_000);

  it("any reports up to ten seconds late, on clocks an hour off: the same once they are in", async () => {
    const first = new Map<string | null, Delivery>();
    for (const delivery of clean) if (!first.has(delivery.message.gatewayId)) first.set(delivery.message.gatewayId, delivery);
    const skewed = onClocks((gatewayId, atMs) => atMs + (indexOf(gatewayId) % 2 === 0 ? hourMs : -hourMs));
    await fc.assert(
      fc.asyncProperty(fates, async ({ share, mostLateMs, seed }) => {
        const isFirst = new Set([...first.values()].map((delivery) => clean.indexOf(delivery)));
        const told = await playLive(recording, disturb(skewed, disturbedUntilMs(recording), (i) => ({ lateMs: !isFirst.has(i) && chance(seed, i) * 100 < share ? Math.round(chance(seed + 1, i) * mostLateMs) : 0, copies: chance(seed + 2, i) < 0.1 ? 2 : 1 })));
        expect(after(told, disturbedUntilMs(recording) + SETTLED_AFTER_MS)).toEqual(after(expected, disturbedUntilMs(recording) + SETTLED_AFTER_MS));
        expectSane(told);
      }),
      { numRuns: RUNS },
    );
  }, 240_000);

  it("clocks that drift by 100 ppm: the same people in the same rooms, within what a drift of a minute is worth", async () => {
    // A clock that runs slow is known by its quickest report of the last two minutes: 12 ms by then. So much earlier
    // is what was heard since, and a report may fall into the tick before: half a second of one gateway's readings.
    const told = await playLive(recording, onClocks((gatewayId, atMs) => Math.round(atMs + (atMs - BEGAN_MS) * 1e-4 * (indexOf(gatewayId) % 2 === 0 ? 1 : -1))));
    const rooms = (of: Told) => of.zones.map(({ tagId, transition, zoneId }) => `${tagId} ${transition} ${zoneId}`).sort();
    expect(rooms(told)).toEqual(rooms(expected));
    const offM = expected.positions.flatMap((one) => {
      const other = told.positions.find(({ tagId, atMs }) => tagId === one.tagId && atMs === one.atMs);
      return other === undefined ? [] : [Math.hypot(one.xM - other.xM, one.yM - other.yM)];
    });
    expect(offM.length).toBeGreaterThan(0.9 * expected.positions.length);
    offM.sort((a, b) => a - b);
    expect(offM[Math.floor(offM.length * 0.95)]).toBeLessThan(0.2);
  }, 120_000);
});
