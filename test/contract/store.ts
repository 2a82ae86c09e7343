import { LOG_RETENTION_MS, MAX_GATEWAYS_PER_VENUE, RECENT_LOCATION_MS, RETENTION_MS, StoreUnavailable, type Alert, type GatewayHealth, type Position, type ProximityTransition, type Signal, type StoredMessage, type Update, type VenueOrigin, type ZoneTransition } from "@konferenco/protocol";
import { emptyBatch, type CommitBatch, type FollowEvent, type Store } from "@konferenco/fusion";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";

/** How the suite gets a new, empty store of the adapter under test. */
export interface StoreHarness {
  open(options?: { origin?: VenueOrigin }): Promise<Store>;
}

/** When the venue opens. */
export const T0_MS = 1_760_000_000_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export const GENEVA: VenueOrigin = { lat: 46.2, lon: 6.14, bearingDeg: 30 };

export function batchOf(parts: Partial<CommitBatch>): CommitBatch {
  return { ...emptyBatch(), ...parts };
}

export function positionOf(tagId: string, place: Partial<Position> = {}): Position {
  return { tagId, atMs: T0_MS, xM: 0, yM: 0, floor: 0, vxMps: 0.25, vyMps: -0.5, accuracy95M: 2.5, confidence: 0.75, source: "beacon", zoneId: null, ...place };
}

export function zoneOf(transition: ZoneTransition["transition"], tagId: string, zoneId: string, atMs = T0_MS): ZoneTransition {
  return { transition, tagId, zoneId, floor: 0, atMs, confidence: 0.9 };
}

export function proximityOf(transition: ProximityTransition["transition"], tagA: string, tagB: string, atMs = T0_MS): ProximityTransition {
  return { transition, tagA, tagB, atMs, distanceM: 1.5, confidence: 0.8 };
}

export function alertOf(alertId: string, atMs = T0_MS): Alert {
  return { alertId, severity: "warning", title: "Door", text: `Use the other door (${alertId})`, zoneIds: ["hall"], atMs };
}

export function gatewayOf(gatewayId: string, state: GatewayHealth["state"] = "online"): GatewayHealth {
  return { gatewayId, state, atMs: T0_MS, lastReportAtMs: T0_MS, observationsPerS: 12.5, clockOffsetMs: -3 };
}

export function messageOf(text: string, more: Partial<StoredMessage> = {}): StoredMessage {
  return { id: `id of ${text}`, type: "chat/channel_message", from: "anna", to: { kind: "channel", id: "app:lobby" }, payload: { text }, atMs: T0_MS, key: null, ...more };
}

/** Follows a store and lets a test wait for what must come. */
export async function followed(store: Store) {
  const events: FollowEvent[] = [];
  let wake = () => {};
  const follower = await store.follow((event) => {
    events.push(event);
    wake();
  });
  return {
    events,
    updates: () => events.flatMap((event) => (event.kind === "updates" ? event.updates : [])),
    gaps: () => events.filter((event) => event.kind === "gap"),
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
    },
    close: () => follower.close(),
  };
}

/** One line per update, to compare orders at a glance. */
export function tell(update: Update): string {
  const { body } = update;
  if (body.kind === "alert") return `alert ${body.alert.alertId}`;
  if (body.kind === "zone") return `${body.zone.transition} ${body.zone.tagId} ${body.zone.zoneId}`;
  if (body.kind === "proximity") return `${body.proximity.transition} ${body.proximity.tagA} ${body.proximity.tagB}`;
  if (body.kind === "message") return `message ${String(body.message.payload["text"])}`;
  if (body.kind === "signal") return `signal ${body.signal.kind}`;
  if (body.kind === "position") return `position ${body.position.tagId} ${body.position.xM}`;
  if (body.kind === "erased") return "erased";
  return `gateway ${body.gateway.gatewayId} ${body.gateway.state}`;
}

export function describeStore(name: string, harness: StoreHarness): void {
  describe(`the store port: ${name}`, () => {
    const opened: Store[] = [];
    const open = async (options?: { origin?: VenueOrigin }) => {
      const store = await harness.open(options);
      opened.push(store);
      return store;
    };
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((store) => store.close()));
    });

    describe("a commit", () => {
      it("shows followers its parts in the order alerts, zones, proximity, positions, gateways", async () => {
        const store = await open();
        const seen = await followed(store);
        const result = await store.commit(
          batchOf({
            gateways: [gatewayOf("gw-1")],
            positions: [positionOf("anna"), positionOf("ben", { xM: 3 })],
            proximityTransitions: [proximityOf("near", "anna", "ben")],
            zoneTransitions: [zoneOf("enter", "anna", "hall"), zoneOf("enter", "ben", "hall")],
            alerts: [alertOf("a-1")],
          }),
          T0_MS + 5,
        );
        await seen.until(() => seen.updates().length === 7);
        expect(seen.updates().map(tell)).toEqual(["alert a-1", "enter anna hall", "enter ben hall", "near anna ben", "position anna 0", "position ben 3", "gateway gw-1 online"]);
        expect(seen.updates().map((update) => update.updateId.offset)).toEqual([1, 2, 3, 4, 4, 4, 4]);
        expect(new Set(seen.updates().map((update) => update.updateId.epoch))).toEqual(new Set([result.end.epoch]));
        expect(seen.updates().every((update) => update.storedAtMs === T0_MS + 5)).toBe(true);
        expect(result).toEqual({ end: { epoch: result.end.epoch, offset: 4 }, duplicateAlerts: 0 });
      });

      it("keeps every field of every body, in the log and for followers", async () => {
        const store = await open();
        const seen = await followed(store);
        const batch = batchOf({
          alerts: [{ ...alertOf("a-1"), text: 'Quote " newline \n umlaut ü emoji 🚪', zoneIds: [] }],
          zoneTransitions: [zoneOf("dwell", "anna", "hall", T0_MS + 0.5)],
          proximityTransitions: [proximityOf("apart", "anna", "ben")],
          positions: [positionOf("anna", { xM: -12.345678901, yM: 1e-7, floor: -2, zoneId: "hall", source: "fusion", confidence: 1, activity: { kind: "in_session", sessionId: "keynote" } })],
          gateways: [{ ...gatewayOf("gw-1", "silent"), lastReportAtMs: null, clockOffsetMs: null }],
        });
        await store.commit(batch, T0_MS);
        await seen.until(() => seen.updates().length === 5);
        expect(seen.updates().map((update) => update.body)).toEqual([
          { kind: "alert", alert: batch.alerts[0] },
          { kind: "zone", zone: batch.zoneTransitions[0] },
          { kind: "proximity", proximity: batch.proximityTransitions[0] },
          { kind: "position", position: batch.positions[0] },
          { kind: "gateway", gateway: batch.gateways[0] },
        ]);
        expect((await store.readLog(null, 10)).updates).toEqual(seen.updates().slice(0, 3));
        expect(await store.position("anna")).toEqual(batch.positions[0]);
        expect(await store.gateways()).toEqual(batch.gateways);
      });

      it("of positions alone leaves the log where it is", async () => {
        const store = await open();
        const before = await store.end();
        expect(before.offset).toBe(0);
        const { end } = await store.commit(batchOf({ positions: [positionOf("anna")] }), T0_MS);
        expect(end).toEqual(before);
        expect((await store.commit(emptyBatch(), T0_MS)).end).toEqual(before);
        expect(await store.readLog(null, 10)).toEqual({ updates: [], end: before, gap: null });
      });

      it("gives dense offsets in the order of the calls, also when twenty do not wait for each other", async () => {
        const store = await open();
        const seen = await followed(store);
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) => store.commit(batchOf({ zoneTransitions: [zoneOf("enter", `t${i}`, "hall"), zoneOf("exit", `t${i}`, "hall")], positions: [positionOf(`t${i}`, { xM: i })] }), T0_MS + i)),
        );
        expect(results.map((result) => result.end.offset)).toEqual(Array.from({ length: 20 }, (_, i) => 2 * i + 2));
        const expected = Array.from({ length: 20 }, (_, i) => [`enter t${i} hall`, `exit t${i} hall`, `position t${i} ${i}`]).flat();
        await seen.until(() => seen.updates().length === expected.length);
        expect(seen.updates().map(tell)).toEqual(expected);
        const page = await store.readLog(null, 100);
        expect(page.updates.map((update) => update.updateId.offset)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
      });

      it("with a number that is not finite is refused whole: nothing of it is stored or shown", async () => {
        const store = await open();
        const seen = await followed(store);
        const batch = batchOf({ alerts: [alertOf("a-1")], zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna"), positionOf("ben", { xM: Number.NaN })] });
        await expect(store.commit(batch, T0_MS)).rejects.toThrow(/"ben".*not finite/);
        expect((await store.end()).offset).toBe(0);
        expect(await store.position("anna")).toBeNull();
        expect(await store.occupants("hall")).toEqual([]);
        const { duplicateAlerts } = await store.commit(batchOf({ alerts: [alertOf("a-1")] }), T0_MS);
        expect(duplicateAlerts).toBe(0);
        await seen.until(() => seen.updates().length === 1);
      });

      it("holds thousands of tags at once", async () => {
        const store = await open();
        const seen = await followed(store);
        const positions = Array.from({ length: 6_000 }, (_, i) => positionOf(`t${i}`, { xM: i % 100, yM: Math.floor(i / 100), floor: i % 3 }));
        const zoneTransitions = Array.from({ length: 6_000 }, (_, i) => zoneOf("enter", `t${i}`, `z${i % 7}`));
        const { end } = await store.commit(batchOf({ positions, zoneTransitions }), T0_MS);
        expect(end.offset).toBe(6_000);
        await seen.until(() => seen.updates().length === 12_000);
        expect(await store.positions()).toHaveLength(6_000);
        expect(await store.occupants("z3")).toHaveLength(857);
        expect(await store.nearby({ xM: 50, yM: 30, floor: 1, radiusM: 1_000, limit: 5_000 })).toHaveLength(2_000);
      });
    });

    describe("the log", () => {
      it("is read page by page without holes or repetitions", async () => {
        const store = await open();
        for (let i = 0; i < 7; i++) await store.commit(batchOf({ zoneTransitions: Array.from({ length: 5 }, (_, k) => zoneOf("enter", `t${i}-${k}`, "hall")) }), T0_MS + i);
        const offsets: number[] = [];
        let after = null;
        for (;;) {
          const page = await store.readLog(after, 4);
          expect(page.gap).toBeNull();
          expect(page.end.offset).toBe(35);
          if (page.updates.length === 0) break;
          expect(page.updates.length).toBeLessThanOrEqual(4);
          offsets.push(...page.updates.map((update) => update.updateId.offset));
          after = page.updates.at(-1)!.updateId;
        }
        expect(offsets).toEqual(Array.from({ length: 35 }, (_, i) => i + 1));
      });

      it("read from its end gives nothing, and no gap", async () => {
        const store = await open();
        const { end } = await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall")] }), T0_MS);
        expect(await store.readLog(end, 10)).toEqual({ updates: [], end, gap: null });
        expect(await store.end()).toEqual(end);
      });

      it("tells a reader from another epoch, or from beyond its end, that there is a gap, and gives what there is", async () => {
        const store = await open();
        const { end } = await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall"), zoneOf("exit", "anna", "hall")] }), T0_MS);
        const foreign = await store.readLog({ epoch: "0123456789ab", offset: 1 }, 10);
        expect(foreign.gap).toBe("epoch");
        expect(foreign.updates.map((update) => update.updateId.offset)).toEqual([1, 2]);
        const beyond = await store.readLog({ epoch: end.epoch, offset: 3 }, 10);
        expect(beyond).toEqual({ updates: [], end, gap: "epoch" });
      });

      it("forgets after 24 hours, tells readers from before of it, and keeps counting", async () => {
        const store = await open();
        for (let hour = 0; hour < 30; hour += 3) await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", `t${hour}`, "hall")] }), T0_MS + hour * HOUR_MS);
        const first = (await store.readLog(null, 1)).updates[0]!.updateId;
        // 03:30 of the second day: what was stored at 0 and 3 o'clock of the first is past its time.
        expect(await store.sweep(T0_MS + 27.5 * HOUR_MS)).toBe(2);
        const all = await store.readLog(null, 100);
        expect(all.gap).toBeNull();
        expect(all.updates.map((update) => update.updateId.offset)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
        expect((await store.readLog(first, 100)).gap).toBe("retention");
        expect((await store.readLog({ ...first, offset: 2 }, 100)).gap).toBeNull();
        expect(await store.sweep(T0_MS + 27.5 * HOUR_MS)).toBe(0);
        expect(await store.sweep(T0_MS + 100 * HOUR_MS)).toBe(8);
        const empty = await store.readLog(first, 100);
        expect(empty).toEqual({ updates: [], end: { ...first, offset: 10 }, gap: "retention" });
        const { end } = await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "late", "hall")] }), T0_MS + 101 * HOUR_MS);
        expect(end).toEqual({ ...first, offset: 11 });
        expect((await store.readLog({ ...first, offset: 10 }, 100)).updates).toHaveLength(1);
      });

      it("as the clock goes on, nothing is kept longer than its purpose", async () => {
        const store = await open();
        await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna")], messages: [messageOf("hello")] }), T0_MS);
        const kept = async (afterMs: number) => {
          await store.sweep(T0_MS + afterMs);
          const near = await store.nearby({ xM: 0, yM: 0, floor: 0, radiusM: 50, limit: 5 });
          return [near.length, (await store.positions()).length, (await store.recentPositions("anna", 0)).length, (await store.occupants("hall")).length, (await store.readLog(null, 10)).updates.length];
        };
        expect(await kept(RETENTION_MS["recent positions"] - 1)).toEqual([1, 1, 1, 1, 2]);
        expect(await kept(RETENTION_MS["recent positions"] + 1)).toEqual([0, 0, 0, 1, 2]);
        expect(await kept(RETENTION_MS["live location"] + 1)).toEqual([0, 0, 0, 0, 2]);
        expect(await kept(RETENTION_MS.history + 1)).toEqual([0, 0, 0, 0, 0]);
      });

      it("keeps what is exactly 24 hours old", async () => {
        const store = await open();
        await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall")] }), T0_MS);
        expect(await store.sweep(T0_MS + LOG_RETENTION_MS)).toBe(0);
        expect(await store.sweep(T0_MS + LOG_RETENTION_MS + 1)).toBe(1);
      });
    });

    describe("followers", () => {
      it("that come late see only what is committed from then on", async () => {
        const store = await open();
        await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "early", "hall")], positions: [positionOf("early")] }), T0_MS);
        const seen = await followed(store);
        await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "late", "hall")], positions: [positionOf("late")] }), T0_MS + 1);
        await seen.until(() => seen.updates().length === 2);
        expect(seen.updates().map(tell)).toEqual(["enter late hall", "position late 0"]);
      });

      it("join one after another and each sees everything from its own beginning, in the same order", async () => {
        const store = await open();
        const first = await followed(store);
        const expected: string[] = [];
        const commit = async (i: number) => {
          await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", `t${i}`, "hall")], positions: [positionOf(`t${i}`, { xM: i })], gateways: [gatewayOf(`gw-${i}`)] }), T0_MS + i);
          expected.push(`enter t${i} hall`, `position t${i} ${i}`, `gateway gw-${i} online`);
        };
        for (let i = 0; i < 10; i++) await commit(i);
        const second = await followed(store);
        for (let i = 10; i < 20; i++) await commit(i);
        await first.until(() => first.updates().length === 60);
        await second.until(() => second.updates().length === 30);
        expect(first.updates().map(tell)).toEqual(expected);
        expect(second.updates().map(tell)).toEqual(expected.slice(30));
        expect(first.gaps()).toEqual([]);
      });

      it("that closed hear nothing more; the others do", async () => {
        const store = await open();
        const leaving = await followed(store);
        const staying = await followed(store);
        await store.commit(batchOf({ positions: [positionOf("anna")] }), T0_MS);
        await leaving.until(() => leaving.updates().length === 1);
        await leaving.close();
        await leaving.close(); // twice is harmless
        await store.commit(batchOf({ positions: [positionOf("ben")] }), T0_MS + 1);
        await staying.until(() => staying.updates().length === 2);
        expect(leaving.updates()).toHaveLength(1);
      });

      it("see live updates after the logged ones of their commit and before those of the next", async () => {
        const store = await open();
        const seen = await followed(store);
        const commits = Array.from({ length: 50 }, (_, i) => {
          const logs = i % 3 !== 0;
          const lives = i % 4 !== 0 || !logs;
          return batchOf({ zoneTransitions: logs ? [zoneOf("enter", `t${i}`, "hall")] : [], positions: lives ? [positionOf(`t${i}`, { xM: i })] : [] });
        });
        await Promise.all(commits.map((batch, i) => store.commit(batch, T0_MS + i)));
        const expected = commits.flatMap((batch) => [...batch.zoneTransitions.map((zone) => `enter ${zone.tagId} hall`), ...batch.positions.map((position) => `position ${position.tagId} ${position.xM}`)]);
        await seen.until(() => seen.updates().length === expected.length);
        expect(seen.updates().map(tell)).toEqual(expected);
        let offset = 0;
        for (const update of seen.updates()) {
          if (update.body.kind === "zone") expect(update.updateId.offset).toBe(++offset);
          else expect(update.updateId.offset).toBe(offset);
        }
      });
    });

    describe("positions", () => {
      it("are the latest of each tag", async () => {
        const store = await open();
        await store.commit(batchOf({ positions: [positionOf("anna", { xM: 1 }), positionOf("ben", { xM: 2 })] }), T0_MS);
        await store.commit(batchOf({ positions: [positionOf("anna", { xM: 5, atMs: T0_MS + 500 })] }), T0_MS + 500);
        expect((await store.position("anna"))?.xM).toBe(5);
        expect((await store.positions()).map((position) => `${position.tagId} ${position.xM}`).sort()).toEqual(["anna 5", "ben 2"]);
        expect(await store.position("nobody")).toBeNull();
      });

      it("go with a dropped tag, as do its place in zones and its recent positions; the log stays", async () => {
        const store = await open();
        await store.commit(batchOf({ positions: [positionOf("anna"), positionOf("ben")], zoneTransitions: [zoneOf("enter", "anna", "hall"), zoneOf("enter", "ben", "hall")] }), T0_MS);
        await store.dropTag("anna");
        await store.dropTag("nobody");
        expect(await store.position("anna")).toBeNull();
        expect(await store.occupants("hall")).toEqual(["ben"]);
        expect(await store.nearby({ xM: 0, yM: 0, floor: 0, radiusM: 10, limit: 10 })).toEqual([{ tagId: "ben", distanceM: 0 }]);
        expect(await store.recentPositions("anna", 0)).toEqual([]);
        expect((await store.readLog(null, 10)).updates).toHaveLength(2);
        await store.commit(batchOf({ positions: [positionOf("anna", { xM: 4, atMs: T0_MS + 2_000 })] }), T0_MS + 2_000);
        expect((await store.nearby({ xM: 4, yM: 0, floor: 0, radiusM: 1, limit: 10 })).map((found) => found.tagId)).toEqual(["anna"]);
      });

      it("are forgotten 5 minutes after their time, though fusion said nothing; those who gave a sign stay", async () => {
        const store = await open();
        await store.commit(batchOf({ positions: [positionOf("anna"), positionOf("ben"), positionOf("future", { atMs: T0_MS + 365 * 24 * HOUR_MS })], zoneTransitions: [zoneOf("enter", "anna", "hall")] }), T0_MS);
        await store.commit(batchOf({ positions: [positionOf("ben", { atMs: T0_MS + 4 * MINUTE_MS })] }), T0_MS + 4 * MINUTE_MS);
        await store.sweep(T0_MS + RECENT_LOCATION_MS);
        expect(await store.positions()).toHaveLength(3);
        await store.sweep(T0_MS + RECENT_LOCATION_MS + 1);
        expect((await store.positions()).map((position) => position.tagId)).toEqual(["ben"]);
        expect((await store.nearby({ xM: 0, yM: 0, floor: 0, radiusM: 10, limit: 10 })).map((found) => found.tagId)).toEqual(["ben"]);
        expect(await store.recentPositions("anna", 0)).toEqual([]);
        expect(await store.occupants("hall")).toEqual(["anna"]);
        await store.sweep(T0_MS + HOUR_MS + 1);
        expect(await store.occupants("hall")).toEqual([]);
      });
    });

    describe("nearby", () => {
      const ask = (store: Store, query: Partial<Parameters<Store["nearby"]>[0]>) => store.nearby({ xM: 0, yM: 0, floor: 0, radiusM: 10, limit: 100, ...query });

      it("answers in metres, nearest first, and not more than asked for", async () => {
        const store = await open();
        await store.commit(batchOf({ positions: [positionOf("far", { xM: 30, yM: 40 }), positionOf("mid", { xM: -6, yM: 8 }), positionOf("near", { yM: -1 }), positionOf("here")] }), T0_MS);
        const found = await ask(store, { radiusM: 60 });
        expect(found.map((one) => one.tagId)).toEqual(["here", "near", "mid", "far"]);
        [0, 1, 10, 50].forEach((distanceM, i) => expect(found[i]!.distanceM).toBeCloseTo(distanceM, 0));
        expect((await ask(store, { radiusM: 60, limit: 2 })).map((one) => one.tagId)).toEqual(["here", "near"]);
        expect(await ask(store, { radiusM: 60, limit: 0 })).toEqual([]);
        expect((await ask(store, { radiusM: 49 })).map((one) => one.tagId)).toEqual(["here", "near", "mid"]);
        expect((await ask(store, { radiusM: 0 })).map((one) => one.tagId)).toEqual(["here"]);
      });

      it("sees only its own floor, and a tag that took the stairs only on the new one", async () => {
        const store = await open();
        await store.commit(batchOf({ positions: [positionOf("anna", { floor: -1 }), positionOf("ben", { floor: 0 }), positionOf("carl", { floor: 12 })] }), T0_MS);
        expect((await ask(store, { floor: -1 })).map((one) => one.tagId)).toEqual(["anna"]);
        expect((await ask(store, { floor: 12 })).map((one) => one.tagId)).toEqual(["carl"]);
        expect(await ask(store, { floor: 3 })).toEqual([]);
        await store.commit(batchOf({ positions: [positionOf("anna", { floor: 0, xM: 1 })] }), T0_MS + 1_000);
        expect(await ask(store, { floor: -1 })).toEqual([]);
        expect((await ask(store, { floor: 0 })).map((one) => one.tagId)).toEqual(["ben", "anna"]);
      });

      it("follows a tag that walks, over the edges of cells and through zero", async () => {
        const store = await open();
        for (let xM = -21; xM <= 21; xM += 3.5) {
          await store.commit(batchOf({ positions: [positionOf("walker", { xM, yM: -xM })] }), T0_MS);
          expect(await ask(store, { xM, yM: -xM, radiusM: 0.5 })).toHaveLength(1);
          expect(await ask(store, { xM: xM - 3.5, yM: 3.5 - xM, radiusM: 4 })).toHaveLength(0);
        }
      });

      it("finds tags on the edges of its own box: exactly at the radius to each side", async () => {
        const store = await open();
        const sides = [[10, 0], [-10, 0], [0, 10], [0, -10], [6, 8], [-6, -8]] as const;
        await store.commit(batchOf({ positions: sides.map(([xM, yM], i) => positionOf(`side${i}`, { xM, yM })) }), T0_MS);
        expect(await ask(store, { radiusM: 10.5 })).toHaveLength(6);
        expect(await ask(store, { radiusM: 9.5 })).toHaveLength(0);
      });

      it("keeps what lies beyond 100 km, but near nobody", async () => {
        const store = await open();
        await store.commit(batchOf({ positions: [positionOf("home", { xM: 400_000 }), positionOf("moon", { yM: -3.8e8 })] }), T0_MS);
        expect(await store.positions()).toHaveLength(2);
        expect(await ask(store, { xM: 400_000, radiusM: 100 })).toEqual([]);
        await store.commit(batchOf({ positions: [positionOf("home", { xM: 1 })] }), T0_MS + 1_000);
        expect(await ask(store, {})).toHaveLength(1);
        await store.commit(batchOf({ positions: [positionOf("home", { xM: 400_000 })] }), T0_MS + 2_000);
        expect(await ask(store, { radiusM: 100_000 })).toEqual([]);
      });

      const origins: [string, VenueOrigin][] = [
        ["at no known place", { lat: 0, lon: 0, bearingDeg: 0 }],
        ["in Geneva, turned by 30°", GENEVA],
        ["in the far north", { lat: 78.2, lon: 15.6, bearingDeg: 271 }],
        ["on Cape Horn", { lat: -55.98, lon: -67.27, bearingDeg: 0 }],
        ["on the antimeridian", { lat: -16.9, lon: 179.9999, bearingDeg: 45 }],
        ["at the edge of the map", { lat: 85, lon: -180, bearingDeg: 0 }],
      ];
      it.each(origins)("is right within 0.5 m against looking at everybody, for a venue %s", async (_, origin) => {
        const store = await open({ origin });
        const metre = (maxM: number) => fc.double({ min: -maxM, max: maxM, noNaN: true });
        const corner = fc.constantFrom(-99_000, -40_000, 0, 40_000, 99_000);
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.record({ xM: metre(120), yM: metre(120), floor: fc.integer({ min: 0, max: 1 }) }), { minLength: 1, maxLength: 40 }),
            fc.record({ xM: metre(150), yM: metre(150), radiusM: fc.double({ min: 0, max: 200, noNaN: true }), limit: fc.integer({ min: 1, max: 40 }) }),
            fc.record({ xM: corner, yM: corner }),
            async (places, question, shift) => {
              const positions = places.map((place, i) => positionOf(`t${i}`, { xM: place.xM + shift.xM, yM: place.yM + shift.yM, floor: place.floor }));
              await store.commit(batchOf({ positions }), T0_MS);
              const query = { ...question, xM: question.xM + shift.xM, yM: question.yM + shift.yM, floor: 0 };
              const found = await store.nearby(query);
              const truth = positions
                .filter((position) => position.floor === 0)
                .map((position) => ({ tagId: position.tagId, distanceM: Math.hypot(position.xM - query.xM, position.yM - query.yM) }))
                .sort((a, b) => a.distanceM - b.distanceM);
              const surely = truth.filter((one) => one.distanceM <= query.radiusM - 0.5).length;
              const perhaps = truth.filter((one) => one.distanceM <= query.radiusM + 0.5).length;
              expect(found.length).toBeGreaterThanOrEqual(Math.min(surely, query.limit));
              expect(found.length).toBeLessThanOrEqual(Math.min(perhaps, query.limit));
              found.forEach((one, rank) => {
                const distanceM = truth.find((other) => other.tagId === one.tagId)?.distanceM ?? Infinity;
                expect(Math.abs(one.distanceM - distanceM)).toBeLessThanOrEqual(0.5);
                expect(Math.abs(distanceM - truth[rank]!.distanceM)).toBeLessThanOrEqual(1); // the right one of this rank, give or take the tolerance of two
              });
              await Promise.all(positions.map((position) => store.dropTag(position.tagId)));
            },
          ),
          { numRuns: 60, seed: 1_024 },
        );
      });
    });

    describe("occupants", () => {
      it("are those who entered and did not leave; a tag is in one zone at a time", async () => {
        const store = await open();
        const commit = (...zoneTransitions: ZoneTransition[]) => store.commit(batchOf({ zoneTransitions }), T0_MS);
        await commit(zoneOf("enter", "anna", "hall"), zoneOf("enter", "ben", "hall"), zoneOf("dwell", "anna", "hall"));
        expect((await store.occupants("hall")).sort()).toEqual(["anna", "ben"]);
        await commit(zoneOf("exit", "anna", "hall"), zoneOf("enter", "anna", "bar"));
        expect(await store.occupants("hall")).toEqual(["ben"]);
        expect(await store.occupants("bar")).toEqual(["anna"]);
        await commit(zoneOf("enter", "ben", "bar"), zoneOf("exit", "ben", "hall")); // the exit came late
        expect((await store.occupants("bar")).sort()).toEqual(["anna", "ben"]);
        expect(await store.occupants("hall")).toEqual([]);
        expect(await store.occupants("nowhere")).toEqual([]);
      });
    });

    describe("alerts", () => {
      it("with the same id are stored once, in one batch and in many; the rest of the batch is stored", async () => {
        const store = await open();
        expect((await store.commit(batchOf({ alerts: [alertOf("fire"), alertOf("fire"), alertOf("lift")] }), T0_MS)).duplicateAlerts).toBe(1);
        const again = await store.commit(batchOf({ alerts: [alertOf("lift"), alertOf("door")], zoneTransitions: [zoneOf("enter", "anna", "hall")] }), T0_MS + 1_000);
        expect(again).toEqual({ end: { ...again.end, offset: 4 }, duplicateAlerts: 1 });
        expect((await store.readLog(null, 10)).updates.map(tell)).toEqual(["alert fire", "alert lift", "alert door", "enter anna hall"]);
      });

      it("sent ten times at the same moment are stored once", async () => {
        const store = await open();
        const results = await Promise.all(Array.from({ length: 10 }, () => store.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS)));
        expect(results.reduce((sum, result) => sum + result.duplicateAlerts, 0)).toBe(9);
        expect((await store.end()).offset).toBe(1);
      });

      it("may be told again when their id is older than 24 hours, swept or not", async () => {
        const store = await open();
        await store.commit(batchOf({ alerts: [alertOf("a"), alertOf("b")] }), T0_MS);
        expect((await store.commit(batchOf({ alerts: [alertOf("a")] }), T0_MS + LOG_RETENTION_MS)).duplicateAlerts).toBe(1);
        expect((await store.commit(batchOf({ alerts: [alertOf("a")] }), T0_MS + LOG_RETENTION_MS + 1)).duplicateAlerts).toBe(0);
        await store.sweep(T0_MS + LOG_RETENTION_MS + 2);
        expect((await store.commit(batchOf({ alerts: [alertOf("a"), alertOf("b")] }), T0_MS + LOG_RETENTION_MS + 3)).duplicateAlerts).toBe(1);
      });
    });

    describe("messages", () => {
      it("are logged in their order between the alerts and the transitions of their commit, with every field", async () => {
        const store = await open();
        const seen = await followed(store);
        const direct = messageOf('Grüße "an" \n Ben', { to: { kind: "user", id: "ben" }, type: "chat/direct_message", key: "k-1", ttlS: 60, signature: "s", publicKey: "p", encrypted: true });
        await store.commit(batchOf({ alerts: [alertOf("a-1")], zoneTransitions: [zoneOf("enter", "anna", "hall")], messages: [messageOf("one"), direct] }), T0_MS);
        await seen.until(() => seen.updates().length === 4);
        expect(seen.updates().map(tell)).toEqual(["alert a-1", "message one", `message ${String(direct.payload["text"])}`, "enter anna hall"]);
        const page = await store.readLog(null, 10);
        expect(page.updates).toEqual(seen.updates());
        expect(page.updates[2]?.body).toEqual({ kind: "message", message: direct });
      });

      it("with the same key of the same sender are stored once within 24 hours; without a key, and of others, each time", async () => {
        const store = await open();
        const send = async (nowMs: number, ...messages: StoredMessage[]) => (await store.commit(batchOf({ messages }), nowMs)).duplicateMessages ?? 0;
        expect(await send(T0_MS, messageOf("one", { key: "k" }), messageOf("one again", { key: "k" }), messageOf("bens", { from: "ben", key: "k" }))).toBe(1);
        expect(await Promise.all(Array.from({ length: 5 }, () => send(T0_MS + LOG_RETENTION_MS, messageOf("one", { key: "k" }))))).toEqual([1, 1, 1, 1, 1]);
        const has = (from: string, key: string, nowMs = T0_MS + LOG_RETENTION_MS) => store.hasMessage(from, key, nowMs);
        expect(await Promise.all([has("anna", "k"), has("ben", "k"), has("anna", "other"), has("cleo", "k")])).toEqual([true, true, false, false]);
        expect(await has("anna", "k", T0_MS + LOG_RETENTION_MS + 1)).toBe(false);
        expect(await send(T0_MS, messageOf("free"), messageOf("free"))).toBe(0);
        expect((await store.readLog(null, 10)).updates.map(tell)).toEqual(["message one", "message bens", "message free", "message free"]);
        await store.sweep(T0_MS + LOG_RETENTION_MS + 1);
        expect(await send(T0_MS + LOG_RETENTION_MS + 1, messageOf("next day", { key: "k" }))).toBe(0);
      });

      it("do not move the venue's time: what is recent to fusion stays", async () => {
        const store = await open();
        await store.commit(batchOf({ positions: [positionOf("anna")] }), T0_MS);
        await store.commit(batchOf({ messages: [messageOf("years later")], signals: [{ kind: "resync", who: null }] }), T0_MS + 365 * 24 * HOUR_MS);
        expect(await store.recentPositions("anna", 0)).toHaveLength(1);
      });
    });

    describe("signals", () => {
      it("reach followers after what is stored, whole and in order, and are not kept", async () => {
        const store = await open();
        const seen = await followed(store);
        const signals: Signal[] = [
          { kind: "said", message: messageOf("is typing", { type: "typing/started" }) },
          { kind: "presence", bridge: "b-1", whole: true, people: [{ who: "anna", state: "online", channels: ["app:lobby"] }] },
          { kind: "receipts", bridge: "b-1", alertId: "a-1", counts: { delivered: 1, pending: 2, failed: 3 } },
          { kind: "resync", who: "anna" },
        ];
        await store.commit(batchOf({ signals, positions: [positionOf("anna")], gateways: [gatewayOf("gw-1")] }), T0_MS);
        await store.commit(batchOf({ signals: [{ kind: "resync", who: null }] }), T0_MS + 1);
        await seen.until(() => seen.updates().length === 7);
        expect(seen.updates().map(tell)).toEqual(["position anna 0", "gateway gw-1 online", "signal said", "signal presence", "signal receipts", "signal resync", "signal resync"]);
        expect(seen.updates().flatMap(({ body }) => (body.kind === "signal" ? [body.signal] : []))).toEqual([...signals, { kind: "resync", who: null }]);
        expect((await store.readLog(null, 10)).updates).toEqual([]);
      });
    });

    describe("recent positions", () => {
      it("are at most one a second and five minutes, oldest first, from the time asked for", async () => {
        const store = await open();
        for (let tick = 0; tick <= 800; tick++) {
          const nowMs = T0_MS + tick * 500;
          await store.commit(batchOf({ positions: [positionOf("anna", { xM: tick, atMs: nowMs })] }), nowMs);
        }
        const endMs = T0_MS + 400_000;
        const all = await store.recentPositions("anna", 0);
        expect(all).toHaveLength(301);
        expect(all[0]).toEqual(positionOf("anna", { xM: 200, atMs: endMs - RECENT_LOCATION_MS }));
        expect(all.at(-1)).toEqual(positionOf("anna", { xM: 800, atMs: endMs }));
        all.slice(1).forEach((position, i) => expect(position.atMs - all[i]!.atMs).toBe(1_000));
        expect(await store.recentPositions("anna", endMs - 10_000)).toHaveLength(11);
        expect(await store.recentPositions("anna", endMs + 1)).toEqual([]);
        expect(await store.recentPositions("nobody", 0)).toEqual([]);
        await store.sweep(endMs + 200_000);
        expect(await store.recentPositions("anna", 0)).toHaveLength(101);
      });

      it("leave out what came late, and what claims another day", async () => {
        const store = await open();
        const at = async (atMs: number) => store.commit(batchOf({ positions: [positionOf("anna", { atMs })] }), T0_MS);
        await at(T0_MS - 2_000);
        await at(T0_MS);
        await at(T0_MS - 1_000);
        await at(T0_MS + 24 * HOUR_MS);
        await at(T0_MS - 24 * HOUR_MS);
        expect((await store.recentPositions("anna", 0)).map((position) => position.atMs - T0_MS)).toEqual([-2_000, 0]);
      });
    });

    describe("gateways", () => {
      it("are kept with their latest state, and not without bound", async () => {
        const store = await open();
        await store.commit(batchOf({ gateways: [gatewayOf("gw-1"), gatewayOf("gw-2")] }), T0_MS);
        await store.commit(batchOf({ gateways: [gatewayOf("gw-1", "offline")] }), T0_MS);
        expect((await store.gateways()).map((gateway) => `${gateway.gatewayId} ${gateway.state}`).sort()).toEqual(["gw-1 offline", "gw-2 online"]);
        await store.commit(batchOf({ gateways: Array.from({ length: MAX_GATEWAYS_PER_VENUE + 5 }, (_, i) => gatewayOf(`more-${i}`)) }), T0_MS);
        expect(await store.gateways()).toHaveLength(MAX_GATEWAYS_PER_VENUE);
      });
    });

    it("does, step by step, what a simple model does", async () => {
      const tag = fc.constantFrom("t1", "t2", "t3", "t4");
      const zone = fc.constantFrom("hall", "bar");
      const step = fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({
            op: fc.constant("commit" as const),
            afterMs: fc.integer({ min: 0, max: 120_000 }),
            alerts: fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 2 }),
            zones: fc.array(fc.tuple(fc.constantFrom("enter" as const, "dwell" as const, "exit" as const), tag, zone), { maxLength: 3 }),
            pairs: fc.array(fc.constantFrom("near" as const, "apart" as const), { maxLength: 1 }),
            positions: fc.array(fc.record({ tagId: tag, xM: fc.integer({ min: -20, max: 20 }), yM: fc.integer({ min: -20, max: 20 }), floor: fc.integer({ min: 0, max: 1 }) }), { maxLength: 3 }),
          }),
        },
        { weight: 1, arbitrary: fc.record({ op: fc.constant("drop" as const), tagId: tag }) },
        { weight: 1, arbitrary: fc.record({ op: fc.constant("sweep" as const), afterMs: fc.constantFrom(0, 10 * MINUTE_MS, 2 * HOUR_MS, 25 * HOUR_MS) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
          const store = await harness.open();
          try {
            const seen = await followed(store);
            const model = newModel();
            let nowMs = T0_MS;
            for (const next of steps) {
              if (next.op === "drop") {
                await store.dropTag(next.tagId);
                model.drop(next.tagId);
              } else if (next.op === "sweep") {
                nowMs += next.afterMs;
                // What retention takes before a follower has read it is a gap for that follower; that is another test.
                await seen.until(() => seen.updates().length === model.told().length);
                expect(await store.sweep(nowMs)).toBe(model.sweep(nowMs));
              } else {
                nowMs += next.afterMs;
                const batch = batchOf({
                  alerts: next.alerts.map((alertId) => alertOf(alertId, nowMs)),
                  zoneTransitions: next.zones.map(([transition, tagId, zoneId]) => zoneOf(transition, tagId, zoneId, nowMs)),
                  proximityTransitions: next.pairs.map((transition) => proximityOf(transition, "t1", "t2", nowMs)),
                  positions: next.positions.map((place) => positionOf(place.tagId, { ...place, atMs: nowMs })),
                });
                const result = await store.commit(batch, nowMs);
                expect({ offset: result.end.offset, duplicateAlerts: result.duplicateAlerts }).toEqual(model.commit(batch, nowMs));
              }
            }
            const page = await store.readLog(null, 1_000);
            expect(page.updates.map((update) => [update.updateId.offset, tell(update)])).toEqual(model.log());
            expect((await store.positions()).map((position) => `${position.tagId} ${position.xM} ${position.yM} ${position.floor}`).sort()).toEqual(model.positions());
            for (const zoneId of ["hall", "bar"]) expect((await store.occupants(zoneId)).sort()).toEqual(model.occupants(zoneId));
            for (const floor of [0, 1]) expect((await store.nearby({ xM: 1, yM: 1, floor, radiusM: 100, limit: 10 })).map((one) => one.tagId).sort()).toEqual(model.tagsOnFloor(floor));
            await seen.until(() => seen.updates().length === model.told().length);
            expect(seen.updates().map(tell)).toEqual(model.told());
          } finally {
            await store.close();
          }
        }),
        { numRuns: 40, seed: 7 },
      );
    });

    it("says that it is closed, in words of the store, whatever is asked", async () => {
      const store = await harness.open();
      await store.ping();
      const { end } = await store.commit(batchOf({ positions: [positionOf("anna")] }), T0_MS);
      await store.close();
      await store.close();
      const asked: (() => Promise<unknown>)[] = [
        () => store.ping(),
        () => store.commit(emptyBatch(), T0_MS),
        () => store.readLog(end, 1),
        () => store.end(),
        () => store.follow(() => {}),
        () => store.position("anna"),
        () => store.positions(),
        () => store.nearby({ xM: 0, yM: 0, floor: 0, radiusM: 1, limit: 1 }),
        () => store.occupants("hall"),
        () => store.recentPositions("anna", 0),
        () => store.gateways(),
        () => store.dropTag("anna"),
        () => store.sweep(T0_MS),
      ];
      for (const ask of asked) await expect(ask()).rejects.toBeInstanceOf(StoreUnavailable);
    });
  });
}

/** The port in forty lines, with no regard for speed, disk or processes. */
function newModel() {
  let offset = 0;
  let log: { offset: number; atMs: number; text: string }[] = [];
  const told: string[] = [];
  const alertIds = new Map<string, number>();
  const positions = new Map<string, Position>();
  const stays = new Map<string, { zoneId: string; atMs: number }>();
  return {
    commit(batch: CommitBatch, nowMs: number) {
      const append = (text: string) => {
        log.push({ offset: ++offset, atMs: nowMs, text });
        told.push(text);
      };
      let duplicateAlerts = 0;
      for (const { alertId } of batch.alerts) {
        if (nowMs - (alertIds.get(alertId) ?? -Infinity) <= LOG_RETENTION_MS) duplicateAlerts++;
        else {
          alertIds.set(alertId, nowMs);
          append(`alert ${alertId}`);
        }
      }
      for (const { transition, tagId, zoneId } of batch.zoneTransitions) {
        append(`${transition} ${tagId} ${zoneId}`);
        if (transition !== "exit") stays.set(tagId, { zoneId, atMs: nowMs });
        else if (stays.get(tagId)?.zoneId === zoneId) stays.delete(tagId);
      }
      for (const { transition, tagA, tagB } of batch.proximityTransitions) append(`${transition} ${tagA} ${tagB}`);
      for (const position of batch.positions) {
        positions.set(position.tagId, position);
        const stay = stays.get(position.tagId);
        if (stay !== undefined) stay.atMs = nowMs;
        told.push(`position ${position.tagId} ${position.xM}`);
      }
      return { offset, duplicateAlerts };
    },
    drop(tagId: string) {
      positions.delete(tagId);
      stays.delete(tagId);
    },
    sweep(nowMs: number): number {
      for (const [tagId, position] of positions) if (position.atMs < nowMs - RECENT_LOCATION_MS) positions.delete(tagId);
      for (const [tagId, stay] of stays) if (stay.atMs < nowMs - HOUR_MS) stays.delete(tagId);
      const before = log.length;
      log = log.filter((entry) => entry.atMs >= nowMs - LOG_RETENTION_MS);
      return before - log.length;
    },
    log: () => log.map((entry) => [entry.offset, entry.text]),
    told: () => told,
    positions: () => [...positions.values()].map((position) => `${position.tagId} ${position.xM} ${position.yM} ${position.floor}`).sort(),
    occupants: (zoneId: string) => [...stays].filter(([, stay]) => stay.zoneId === zoneId).map(([tagId]) => tagId).sort(),
    tagsOnFloor: (floor: number) => [...positions.values()].filter((position) => position.floor === floor).map((position) => position.tagId).sort(),
  };
}
