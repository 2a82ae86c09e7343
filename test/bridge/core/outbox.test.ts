import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_FRAME_BYTES, type ServerFrame } from "@konferenco/protocol";
import { HARD_WINDOW_BYTES, Outbox, WINDOW_BYTES, newOutboxCounts, type OutboxCounts, type TakeOptions } from "../../../bridge/src/core/outbox.ts";
import type { Lane, VisibleUpdate } from "../../../bridge/src/core/privacy.ts";

const SLOW_MS = 10_000;

/** A stand-in with the fields that the outbox reads; only privacy.ts makes real ones, and here nobody is shown anything. */
function event(lane: Lane, { subject = "anna", n = 0, bytes = 60, offset = null }: { subject?: string; n?: number; bytes?: number; offset?: number | null } = {}): VisibleUpdate {
  const head = JSON.stringify({ t: "test", lane, subject, n, pad: "" });
  const json = head.replace('"pad":""', `"pad":"${"x".repeat(Math.max(0, bytes - head.length))}"`);
  const shown = { lane, key: lane >= 2 ? `${lane} ${subject}` : null, subject, offset, storedAtMs: offset, json, bytes: json.length };
  return shown as unknown as Parameters<Outbox["offer"]>[0];
}

interface Got {
  s: number;
  lane: Lane;
  subject: string;
  n: number;
}

function read(text: string): { events: Got[]; cursor: string | undefined } {
  const frame = JSON.parse(text) as ServerFrame & Got & { c?: string; ev?: Got[] };
  if (frame.op === "ev") return { events: [{ s: frame.s, lane: frame.lane, subject: frame.subject, n: frame.n }], cursor: frame.c };
  const batch = frame as unknown as { s: number; c?: string; ev: Got[] };
  return { events: batch.ev.map(({ lane, subject, n }, index) => ({ s: batch.s + index, lane, subject, n })), cursor: batch.c };
}

class Reader {
  readonly counts: OutboxCounts = newOutboxCounts();
  readonly outbox: Outbox;
  readonly got: Got[] = [];
  readonly cursors: string[] = [];
  nowMs = 0;

  constructor(budgetBytes?: number) {
    this.outbox = new Outbox(this.counts, budgetBytes);
  }

  drain(more: Partial<TakeOptions> = {}): Got[] {
    const before = this.got.length;
    for (;;) {
      const frame = this.outbox.take({ positions: true, telemetry: true, offeredOffset: 1_000, seal: (offset) => `at-${offset}`, nowMs: this.nowMs, ...more });
      if (frame === null) return this.got.slice(before);
      const text = frame.head + frame.tail;
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
      const { events, cursor } = read(text);
      this.got.push(...events);
      if (cursor !== undefined) this.cursors.push(cursor);
    }
  }
}

describe("what a connection is sent", () => {
  it("alerts go before everything that waits, transitions before positions, positions before counts", () => {
    const reader = new Reader();
    for (const lane of [3, 2, 1, 0] as const) reader.outbox.offer(event(lane));
    expect(reader.drain().map(({ lane }) => lane)).toEqual([0, 1, 2, 3]);
  });

  it("positions and counts wait for their time, alerts and transitions do not", () => {
    const reader = new Reader();
    for (const lane of [3, 2, 1, 0] as const) reader.outbox.offer(event(lane));
    expect(reader.drain({ positions: false, telemetry: false }).map(({ lane }) => lane)).toEqual([0, 1]);
    expect([reader.outbox.hasUrgent, reader.outbox.hasPositions, reader.outbox.hasTelemetry]).toEqual([false, true, true]);
    expect(reader.drain({ telemetry: false }).map(({ lane }) => lane)).toEqual([2]);
    expect(reader.drain().map(({ lane }) => lane)).toEqual([3]);
  });

  it("one event is an ev, several are a b, and numbers go on across frames", () => {
    const reader = new Reader();
    reader.outbox.offer(event(1, { n: 1 }));
    reader.drain();
    for (const n of [2, 3, 4]) reader.outbox.offer(event(1, { n }));
    reader.drain();
    expect(reader.got.map(({ s, n }) => [s, n])).toEqual([[1, 1], [2, 2], [3, 3], [4, 4]]);
  });

  it("only the latest position of a subject is sent, the replaced ones are counted", () => {
    const reader = new Reader();
    for (const [subject, n] of [["anna", 1], ["ben", 1], ["anna", 2], ["anna", 3]] as const) reader.outbox.offer(event(2, { subject, n }));
    expect(reader.drain().map(({ subject, n }) => [subject, n])).toEqual([["anna", 3], ["ben", 1]]);
    expect(reader.counts.dropped.conflated).toEqual([0, 0, 2, 0]);
  });

  it("a recorder is sent every position in order", () => {
    const reader = new Reader();
    reader.outbox.every = true;
    for (const n of [1, 2, 3]) reader.outbox.offer(event(2, { n }));
    expect(reader.drain().map(({ n }) => n)).toEqual([1, 2, 3]);
  });

  it("a cursor comes with logged events and says up to where the client is complete", () => {
    const reader = new Reader();
    reader.outbox.offer(event(2));
    reader.drain();
    expect(reader.cursors).toEqual([]);
    reader.outbox.offer(event(1, { offset: 7 }));
    reader.drain({ offeredOffset: 9 });
    expect(reader.cursors).toEqual(["at-9"]);
  });

  it("an alert that overtakes waiting transitions does not carry the cursor past them", () => {
    const reader = new Reader();
    fillWindow(reader, HARD_WINDOW_BYTES);
    reader.outbox.offer(event(1, { offset: 40 }));
    reader.outbox.offer(event(0, { offset: 50 }));
    expect(reader.drain({ offeredOffset: 50 }).map(({ lane }) => lane)).toEqual([0]);
    expect(reader.cursors).toEqual(["at-39"]);
  });

  it("nor past alerts that did not fit into the frame: whoever is cut off between the two gets them by the replay", () => {
    const reader = new Reader();
    for (let n = 0; n < 20; n++) reader.outbox.offer(event(0, { n, offset: 31 + n, bytes: 4_000 }));
    const frame = reader.outbox.take({ positions: true, telemetry: true, offeredOffset: 50, seal: (offset) => `${offset}`, nowMs: 0 });
    const { events, cursor } = read(frame === null ? "" : frame.head + frame.tail);
    expect(events.length).toBeLessThan(20);
    expect(Number(cursor)).toBe(30 + events.length);
    expect(reader.outbox.writtenOffset(50)).toBe(30 + events.length);
  });

  it("frames stay within the limit, however much waits", () => {
    const reader = new Reader();
    for (let n = 0; n < 300; n++) reader.outbox.offer(event(1, { n, bytes: 700 }));
    reader.outbox.ack(0, 0);
    expect(reader.drain().length).toBeGreaterThan(100);
    expect(reader.counts.frames).toBeGreaterThan(2);
  });
});

/** Sends transitions, unacknowledged, until so many bytes are on their way. */
function fillWindow(reader: Reader, bytes: number): void {
  while (reader.outbox.unackedBytes < bytes) {
    reader.outbox.offer(event(1, { bytes: 4_000 }));
    reader.drain({ positions: false, telemetry: false });
  }
}

describe("a reader that does not keep up", () => {
  it("gets no positions while its window is full, is told of the lag, and gets the latest when there is room", () => {
    const reader = new Reader();
    fillWindow(reader, WINDOW_BYTES);
    for (const n of [1, 2, 3]) reader.outbox.offer(event(2, { n }));
    expect(reader.drain()).toEqual([]);
    expect(reader.outbox.lagToTell()).toBe(1);
    expect(reader.outbox.lagToTell()).toBeNull();
    reader.outbox.ack(reader.outbox.lastS, 5);
    expect(reader.drain().map(({ n }) => n)).toEqual([3]);
    expect(reader.outbox.lagToTell()).toBe(0);
  });

  it("still gets transitions, up to the hard window, and alerts beyond", () => {
    const reader = new Reader();
    fillWindow(reader, WINDOW_BYTES);
    reader.outbox.offer(event(1));
    expect(reader.drain()).toHaveLength(1);
    fillWindow(reader, HARD_WINDOW_BYTES);
    reader.outbox.offer(event(1));
    reader.outbox.offer(event(0));
    expect(reader.drain().map(({ lane }) => lane)).toEqual([0]);
    expect(reader.outbox.hasUrgent).toBe(true);
  });

  it("is slow when its window stays full for ten seconds, and not when it reads on", () => {
    const reader = new Reader();
    fillWindow(reader, WINDOW_BYTES);
    expect(reader.outbox.isSlow(SLOW_MS, SLOW_MS)).toBe(false);
    expect(reader.outbox.isSlow(SLOW_MS + 1, SLOW_MS)).toBe(true);
    reader.nowMs = SLOW_MS;
    reader.outbox.ack(1, SLOW_MS);
    fillWindow(reader, WINDOW_BYTES);
    expect(reader.outbox.isSlow(SLOW_MS + 1, SLOW_MS)).toBe(false);
  });

  it("a window that is not full is never slow, however old", () => {
    const reader = new Reader();
    reader.outbox.offer(event(1));
    reader.drain();
    expect(reader.outbox.isSlow(1e9, SLOW_MS)).toBe(false);
  });

  it("a recorder falls back to latest positions, which is counted, and records on when it has caught up", () => {
    const reader = new Reader();
    reader.outbox.every = true;
    fillWindow(reader, WINDOW_BYTES);
    for (const n of [1, 2, 3]) reader.outbox.offer(event(2, { n }));
    expect(reader.drain()).toEqual([]);
    expect(reader.counts.dropped.conflated[2]).toBe(2);
    expect(reader.outbox.lagToTell()).toBe(1);
    reader.outbox.ack(reader.outbox.lastS, 1);
    for (const n of [4, 5]) reader.outbox.offer(event(2, { n }));
    expect(reader.drain().map(({ n }) => n)).toEqual([3, 4, 5]);
  });

  it("over its budget telemetry goes first, then the oldest positions; transitions stay", () => {
    const reader = new Reader(1_000);
    reader.outbox.offer(event(3, { bytes: 300 }));
    for (const subject of ["anna", "ben"]) reader.outbox.offer(event(2, { subject, bytes: 300 }));
    reader.outbox.offer(event(1, { bytes: 300 }));
    expect(reader.counts.dropped.budget).toEqual([0, 0, 0, 1]);
    reader.outbox.offer(event(1, { bytes: 300 }));
    expect(reader.counts.dropped.budget).toEqual([0, 0, 1, 1]);
    expect(reader.drain().map(({ lane, subject }) => [lane, subject])).toEqual([[1, "anna"], [1, "anna"], [2, "ben"]]);
  });

  it("with more transitions than the budget it is slow at once, and keeps nothing", () => {
    const reader = new Reader(1_000);
    for (let n = 0; n < 5; n++) reader.outbox.offer(event(1, { n, bytes: 300 }));
    expect(reader.outbox.isSlow(0, SLOW_MS)).toBe(true);
    expect(reader.outbox.queuedBytes).toBe(0);
    expect(reader.counts.dropped.closed).toEqual([0, 5, 0, 0]);
    expect(reader.drain()).toEqual([]);
  });
});

describe("a subject who may no longer be seen", () => {
  it("is taken out of all queues, and nobody else is", () => {
    const reader = new Reader();
    for (const subject of ["anna", "ben"]) for (const lane of [1, 2] as const) reader.outbox.offer(event(lane, { subject }));
    reader.outbox.forgetSubject("anna");
    expect(reader.drain().map(({ lane, subject }) => [lane, subject])).toEqual([[1, "ben"], [2, "ben"]]);
    expect(reader.counts.dropped.policy).toEqual([0, 1, 1, 0]);
    expect(reader.outbox.queuedBytes).toBe(0);
  });

  it("is taken out of a recorder's queue too", () => {
    const reader = new Reader();
    reader.outbox.every = true;
    for (const n of [1, 2]) reader.outbox.offer(event(2, { n }));
    reader.outbox.forgetSubject("anna");
    expect(reader.drain()).toEqual([]);
  });
});

describe("acknowledgements", () => {
  it("more than was sent is not believed", () => {
    const reader = new Reader();
    reader.outbox.offer(event(1));
    reader.drain();
    expect(reader.outbox.ack(2, 0)).toBe(false);
    expect(reader.outbox.unackedBytes).toBeGreaterThan(0);
    expect(reader.outbox.ack(1, 0)).toBe(true);
    expect(reader.outbox.unackedBytes).toBe(0);
    expect(reader.outbox.ack(0, 0)).toBe(true);
    expect(reader.outbox.ackedS).toBe(1);
  });

  it("of thousands of frames the credit is right at the end, with few marks kept", () => {
    const reader = new Reader();
    for (let n = 0; n < 1_000; n++) {
      reader.outbox.offer(event(1, { n }));
      reader.drain();
    }
    reader.outbox.ack(500, 0);
    expect(reader.outbox.unackedBytes).toBeGreaterThan(0.4 * reader.outbox.sentBytes);
    reader.outbox.ack(1_000, 0);
    expect(reader.outbox.unackedBytes).toBe(0);
  });
});

// --- properties ------------------------------------------------------------------------------------

const BUDGET = 4_000;
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("offer" as const), lane: fc.constantFrom<Lane>(0, 1, 2, 3), subject: fc.constantFrom("anna", "ben", "cleo"), bytes: fc.integer({ min: 60, max: 900 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("drain" as const), positions: fc.boolean(), telemetry: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("ack" as const), share: fc.double({ min: 0, max: 1.2, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const), subject: fc.constantFrom("anna", "ben") }) },
);

it("whatever comes: numbers are dense, lanes 0 and 1 in order and whole, positions never go back, the budget holds, everything is accounted for", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.boolean(), (steps, every) => {
      const reader = new Reader(BUDGET);
      reader.outbox.every = every;
      const offered: [number, number, number, number] = [0, 0, 0, 0];
      const forgotten = new Set<number>();
      let n = 0;
      const inQueue: { n: number; lane: Lane; subject: string }[] = [];
      for (const each of steps) {
        if (each.kind === "offer") {
          n++;
          offered[each.lane]++;
          reader.outbox.offer(event(each.lane, { ...each, n }));
          inQueue.push({ n, lane: each.lane, subject: each.subject });
        } else if (each.kind === "drain") {
          reader.drain(each);
          inQueue.splice(0);
        } else if (each.kind === "ack") {
          reader.outbox.ack(Math.floor(each.share * reader.outbox.lastS), 0);
        } else {
          for (const waiting of inQueue) if (waiting.subject === each.subject && waiting.lane === 1) forgotten.add(waiting.n);
          reader.outbox.forgetSubject(each.subject);
        }
        expect(reader.outbox.queuedBytes).toBeLessThanOrEqual(BUDGET);
        expect(reader.outbox.queuedBytes).toBeGreaterThanOrEqual(0);
      }
      reader.drain();
      reader.outbox.ack(reader.outbox.lastS, 0);
      reader.drain();
      expect(reader.got.map(({ s }) => s)).toEqual(reader.got.map((_, index) => index + 1));
      const alive = !reader.outbox.isSlow(0, SLOW_MS);
      for (const lane of [0, 1] as const) {
        const ns = reader.got.filter((got) => got.lane === lane).map((got) => got.n);
        expect(ns).toEqual([...ns].sort((a, b) => a - b));
        if (alive) expect(ns.length).toBe(offered[lane] - reader.counts.dropped.policy[lane]);
      }
      for (const subject of ["anna", "ben", "cleo"]) {
        const ns = reader.got.filter((got) => got.lane === 2 && got.subject === subject).map((got) => got.n);
        expect(ns).toEqual([...ns].sort((a, b) => a - b));
      }
      expect(reader.got.some((got) => forgotten.has(got.n))).toBe(false);
      for (const lane of [0, 1, 2, 3] as const) {
        const dropped = Object.values(reader.counts.dropped).reduce((sum, counts) => sum + counts[lane], 0);
        expect(reader.counts.delivered[lane] + dropped).toBe(offered[lane]);
      }
      expect(reader.outbox.queuedBytes).toBe(0);
    }),
    { numRuns: 300 },
  );
});
