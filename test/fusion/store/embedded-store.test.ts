import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, mkdir, readdir, readFile, rm, stat, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { KeyRing, openEmbeddedStore, tagSubject, type EmbeddedStore } from "@konferenco/fusion";
import { ConfigError, NO_ORIGIN, StoreUnavailable } from "@konferenco/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SegmentLog } from "../../../fusion/src/store/segment-log.ts";
import { alertOf, batchOf, followed, positionOf, T0_MS, tell, zoneOf } from "../../contract/store.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** They outlive the data folders, and are the same for every copy of one. */
const keys = KeyRing.inMemory();

let folder: string;
const stores: EmbeddedStore[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "konferenco-embedded-"));
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await rm(folder, { recursive: true, force: true });
});

async function open(dataDir = folder, nowMs = T0_MS): Promise<EmbeddedStore> {
  const store = await openEmbeddedStore({ eventId: "expo", dataDir, keys, origin: NO_ORIGIN, nowMs: () => nowMs });
  stores.push(store);
  return store;
}

/** The folder as a killed process leaves it: everything written, nothing closed. */
async function asAfterKill(from = folder): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "konferenco-killed-"));
  await cp(from, copy, { recursive: true });
  await rm(join(copy, "store.lock"), { force: true });
  return copy;
}

async function segmentsIn(path = folder): Promise<string[]> {
  return (await readdir(path)).filter((name) => name.startsWith("log-")).sort();
}

async function enter(store: EmbeddedStore, tagId: string, nowMs = T0_MS) {
  return store.commit(batchOf({ zoneTransitions: [zoneOf("enter", tagId, "hall", nowMs)] }), nowMs);
}

/** The log as another process would find it in the folder. */
async function asOpened(copy: string) {
  const log = await SegmentLog.open({ folder: copy, keys, knownEnd: 0, onRoll: async () => {} });
  const entries = await log.read(0, 100);
  await log.close();
  await rm(copy, { recursive: true });
  return { end: { offset: log.end }, updates: entries.map((entry) => ({ updateId: { epoch: "", offset: entry.offset }, storedAtMs: entry.storedAtMs, body: entry.body })) };
}

describe("after an orderly end", () => {
  it("the store goes on under the same epoch and knows who is where; exact positions are gone", async () => {
    const store = await open();
    const { end } = await store.commit(batchOf({ alerts: [alertOf("fire")], zoneTransitions: [zoneOf("enter", "anna", "hall"), zoneOf("enter", "ben", "bar")], positions: [positionOf("anna")] }), T0_MS);
    await store.close();
    const again = await open();
    expect(await again.end()).toEqual(end);
    expect(await again.occupants("hall")).toEqual(["anna"]);
    expect(await again.positions()).toEqual([]);
    expect(await again.readLog({ ...end, offset: 1 }, 10)).toMatchObject({ gap: null, updates: [{ updateId: { offset: 2 } }, { updateId: { offset: 3 } }] });
    expect((await again.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS + HOUR_MS)).duplicateAlerts).toBe(1);
    expect((await enter(again, "carl", T0_MS + HOUR_MS)).end).toEqual({ ...end, offset: 4 });
  });

  it("no byte of an exact position stands in the folder", async () => {
    const store = await open();
    await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna", { xM: 12.3456789, yM: 98.7654321 })] }), T0_MS);
    await store.close();
    for (const name of await readdir(folder)) expect(await readFile(join(folder, name), "utf8")).not.toMatch(/12\.345|98\.765/);
  });

  it("an alert is still known a day later, and not longer", async () => {
    const store = await open();
    await store.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS);
    await store.close();
    const nextDay = await open(folder, T0_MS + 24 * HOUR_MS);
    expect((await nextDay.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS + 24 * HOUR_MS)).duplicateAlerts).toBe(1);
    await nextDay.close();
    const later = await open(folder, T0_MS + 24 * HOUR_MS + 1);
    expect((await later.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS + 24 * HOUR_MS + 1)).duplicateAlerts).toBe(0);
  });
});

describe("after a kill", () => {
  it("everything that was committed is there, a reader from before goes on without a gap, under a new epoch", async () => {
    const store = await open();
    await store.commit(batchOf({ alerts: [alertOf("fire")], zoneTransitions: [zoneOf("enter", "anna", "hall")] }), T0_MS);
    const { end } = await enter(store, "ben");
    const copy = await asAfterKill();
    const again = await open(copy);
    const page = await again.readLog(null, 10);
    expect(page.updates.map(tell)).toEqual(["alert fire", "enter anna hall", "enter ben hall"]);
    expect(page.end.offset).toBe(3);
    expect(page.end.epoch).not.toBe(end.epoch);
    expect(await again.readLog(end, 10)).toMatchObject({ gap: null, updates: [] });
    expect(await again.readLog({ ...end, offset: 1 }, 10)).toMatchObject({ gap: null, updates: [{ updateId: { offset: 2, epoch: end.epoch } }, {}] });
    expect((await again.occupants("hall")).sort()).toEqual(["anna", "ben"]);
    expect((await again.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS)).duplicateAlerts).toBe(1);
    const next = await enter(again, "carl");
    expect(next.end).toEqual({ epoch: page.end.epoch, offset: 4 });
    expect((await again.readLog(end, 10)).updates.map((update) => update.updateId)).toEqual([next.end]);
  });

  it("at any byte of the last commit, the commit is there whole or not at all", async () => {
    const store = await open();
    await enter(store, "first");
    const [segment] = await segmentsIn();
    const before = (await stat(join(folder, segment!))).size;
    await store.commit(batchOf({ alerts: [alertOf("fire")], zoneTransitions: [zoneOf("enter", "anna", "hall"), zoneOf("enter", "ben", "hall")] }), T0_MS);
    const after = (await stat(join(folder, segment!))).size;
    for (let bytes = before; bytes <= after; bytes += 7) {
      const copy = await asAfterKill();
      await truncate(join(copy, segment!), bytes);
      const again = await open(copy);
      expect((await again.end()).offset).toBe(bytes === after ? 4 : 1);
      expect(again.stats().cutBytes).toBe(bytes === after ? 0 : bytes - before);
      expect((await again.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS)).duplicateAlerts).toBe(bytes === after ? 1 : 0);
      expect((await again.readLog(null, 10)).updates.map((update) => update.updateId.offset)).toEqual(bytes === after ? [1, 2, 3, 4] : [1, 2]);
      await again.close();
      await rm(copy, { recursive: true });
    }
  });

  it("a reader who saw what the power cut took is told, though the numbers are given again", async () => {
    const store = await open();
    await enter(store, "kept");
    const [segment] = await segmentsIn();
    const size = (await stat(join(folder, segment!))).size;
    const { end: seen } = await enter(store, "lost");
    const copy = await asAfterKill();
    await truncate(join(copy, segment!), size);
    const again = await open(copy);
    await enter(again, "other");
    await enter(again, "another");
    const page = await again.readLog(seen, 10);
    expect(page.gap).toBe("epoch");
    expect(page.updates.map(tell)).toEqual(["enter other hall", "enter another hall"]);
    expect((await again.readLog({ ...seen, offset: 1 }, 10)).gap).toBeNull();
  });

  it("rubbish at the end is cut off; rubbish in the middle is a gap, and counted", async () => {
    const store = await open();
    for (let i = 0; i < 5; i++) await enter(store, `t${i}`);
    const { end } = await store.commit(batchOf({}), T0_MS);
    await store.close();
    const [segment] = await segmentsIn();
    const path = join(folder, segment!);
    const lines = (await readFile(path, "utf8")).split("\n");
    lines[2] = lines[2]!.replace('"o":3', '"o":~');
    await writeFile(path, `${lines.join("\n")}\u0000\u0000{"o":6,"t"`);
    const again = await open();
    const first = await again.readLog(null, 10);
    expect(first.updates.map((update) => update.updateId.offset)).toEqual([1, 2]);
    const second = await again.readLog(first.updates.at(-1)!.updateId, 10);
    expect(second.gap).toBe("retention");
    expect(second.updates.map((update) => update.updateId.offset)).toEqual([4, 5]);
    expect(again.stats()).toMatchObject({ cutBytes: 12 });
    expect(again.stats().brokenLines).toBeGreaterThan(0);
    expect((await enter(again, "next")).end).toEqual({ ...end, offset: 6 });
  });

  it("without its snapshot the store is rebuilt from the log, under a new epoch", async () => {
    const store = await open();
    await store.commit(batchOf({ alerts: [alertOf("fire")], zoneTransitions: [zoneOf("enter", "anna", "hall")] }), T0_MS);
    const { end } = await enter(store, "ben");
    await store.close();
    await writeFile(join(folder, "store.json"), "{ half a snaps");
    const again = await open();
    expect((await again.end()).offset).toBe(3);
    expect((await again.readLog(end, 10)).gap).toBe("epoch");
    expect((await again.occupants("hall")).sort()).toEqual(["anna", "ben"]);
    expect((await again.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS)).duplicateAlerts).toBe(1);
  });

  it("without its log the store keeps counting, and readers are told", async () => {
    const store = await open();
    await enter(store, "anna");
    const { end } = await enter(store, "ben");
    await store.close();
    for (const name of await segmentsIn()) await unlink(join(folder, name));
    const again = await open();
    expect(await again.readLog({ ...end, offset: 1 }, 10)).toEqual({ updates: [], end, gap: "retention" });
    expect((await enter(again, "carl")).end).toEqual({ ...end, offset: 3 });
  });
});

describe("the segments", () => {
  it("roll by age and by size, and are read across their borders", async () => {
    const store = await open();
    for (let minute = 0; minute < 60; minute++) await enter(store, `t${minute}`, T0_MS + minute * MINUTE_MS);
    expect(await segmentsIn()).toHaveLength(4);
    await store.close();
    const again = await open();
    const page = await again.readLog(null, 100);
    expect(page.updates.map((update) => update.updateId.offset)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect((await again.readLog({ ...page.end, offset: 37 }, 5)).updates.map((update) => update.updateId.offset)).toEqual([38, 39, 40, 41, 42]);
    expect(again.stats().segments).toBe(4);
  });

  it("leave the disk as whole files once all in them is 24 hours old; readers stop seeing it on time", async () => {
    const store = await open();
    for (let minute = 0; minute < 60; minute += 5) await enter(store, `t${minute}`, T0_MS + minute * MINUTE_MS);
    expect(await segmentsIn()).toHaveLength(4);
    expect(await store.sweep(T0_MS + 24 * HOUR_MS + 22 * MINUTE_MS)).toBe(5); // 0, 5, 10, 15, 20
    expect(await segmentsIn()).toHaveLength(3); // 15-25 still holds what is younger
    expect((await store.readLog(null, 100)).updates).toHaveLength(7);
    await store.close();
    const again = await open(folder, T0_MS + 24 * HOUR_MS + 32 * MINUTE_MS);
    expect((await again.readLog(null, 100)).updates).toHaveLength(5);
    expect(await segmentsIn()).toHaveLength(2);
    await again.sweep(T0_MS + 48 * HOUR_MS);
    expect(await segmentsIn()).toHaveLength(0);
    expect((await enter(again, "next", T0_MS + 48 * HOUR_MS)).end.offset).toBe(13);
  });

  it("are found by their index also when the page lies deep in the past", async () => {
    const log = await SegmentLog.open({ folder, keys, knownEnd: 0, maxBytes: 64 * 1024, onRoll: async () => {} });
    for (let i = 0; i < 200; i++) {
      const entries = Array.from({ length: 100 }, (_, k) => ({ offset: i * 100 + k + 1, storedAtMs: T0_MS, body: { kind: "zone" as const, zone: zoneOf("enter", `t${k}`, "hall") }, keyedTo: [keys.keyFor(tagSubject(`t${k}`))!.handle] }));
      await log.append([entries], { durable: false });
    }
    expect(log.stats().segments).toBeGreaterThan(20);
    for (const after of [0, 1, 255, 256, 257, 4_999, 11_111, 19_990, 19_999, 20_000]) {
      expect((await log.read(after, 20)).map((entry) => entry.offset)).toEqual(Array.from({ length: Math.min(20, 20_000 - after) }, (_, i) => after + 1 + i));
    }
    await log.close();
  });
});

describe("the folder", () => {
  it("cannot be opened twice; the error names the process and the remedy", async () => {
    await open();
    const second = openEmbeddedStore({ eventId: "expo", dataDir: folder, keys, origin: NO_ORIGIN, nowMs: () => T0_MS });
    await expect(second).rejects.toBeInstanceOf(ConfigError);
    await expect(second).rejects.toThrow(new RegExp(`in use by process ${process.pid}: stop that process, or choose another data folder`));
  });

  it("is free again after close, after a kill, and when a process with the same pid came after", async () => {
    const first = await open();
    await first.close();
    const sleeper = spawn("sleep", ["60"]);
    await once(sleeper, "spawn");
    const lock = { pid: sleeper.pid, host: hostname(), startedAt: "", token: "x" };
    lock.startedAt = (await readFile(`/proc/${sleeper.pid}/stat`, "latin1")).split(") ").pop()!.split(" ")[19]!;
    await writeFile(join(folder, "store.lock"), JSON.stringify(lock));
    await expect(open()).rejects.toThrow(`in use by process ${sleeper.pid}`);
    await writeFile(join(folder, "store.lock"), JSON.stringify({ ...lock, startedAt: "1" }));
    await (await open()).close();
    await writeFile(join(folder, "store.lock"), JSON.stringify(lock));
    sleeper.kill("SIGKILL");
    await once(sleeper, "exit");
    await (await open()).close();
    expect((await readdir(folder)).filter((name) => name.startsWith("store.lock"))).toEqual([]);
  });

  it("locked from another machine is respected while that machine touches the lock", async () => {
    await writeFile(join(folder, "store.lock"), JSON.stringify({ pid: 1, host: "another-host", startedAt: "1", token: "x" }));
    await expect(open()).rejects.toThrow("in use by process 1 on another-host");
  });

  it("of two who open it at the same moment lets in one", async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => open()));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  });

  it("of another event is refused in words", async () => {
    await (await open()).close();
    await expect(openEmbeddedStore({ eventId: "other", dataDir: folder, keys, origin: NO_ORIGIN, nowMs: () => T0_MS })).rejects.toThrow(/belongs to event "expo", not to "other"/);
    await (await open()).close(); // and the lock was given back
  });

  it("that is a file is refused in words", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(open(join(folder, "file"))).rejects.toThrow(/is not a folder: choose another data folder/);
  });
});

describe("a full disk", () => {
  // A write to /dev/full fails with ENOSPC (full(4)).
  it("makes a commit unavailable as a whole; when there is space again, the same commit goes through", async () => {
    await mkdir(folder, { recursive: true });
    const store = await open();
    const path = join(folder, "log-0000000000000001.ndjson");
    await symlink("/dev/full", path);
    const seen = await followed(store);
    const batch = batchOf({ alerts: [alertOf("fire")], zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna")] });
    const failing = store.commit(batch, T0_MS);
    await expect(failing).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(failing).rejects.toThrow(/ENOSPC.*the disk is full: free some space/);
    await expect(store.commit(batch, T0_MS)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await store.end()).toMatchObject({ offset: 0 });
    expect(await store.position("anna")).toBeNull();
    expect(await store.occupants("hall")).toEqual([]);
    // What needs no disk goes on.
    await store.commit(batchOf({ positions: [positionOf("ben")] }), T0_MS);
    await unlink(path);
    expect(await store.commit(batch, T0_MS)).toMatchObject({ end: { offset: 2 }, duplicateAlerts: 0 });
    expect(seen.updates().map(tell)).toEqual(["position ben 0", "alert fire", "enter anna hall", "position anna 0"]);
    expect(store.stats().failedCommits).toBe(2);
    await store.close();
    expect((await (await open()).readLog(null, 10)).updates).toHaveLength(2);
  });

  it("in the middle of a commit leaves no half commit behind", async () => {
    const store = await open();
    await enter(store, "first");
    const path = join(folder, (await segmentsIn())[0]!);
    const before = (await stat(path)).size;
    const batch = batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall"), zoneOf("enter", "ben", "hall")] });
    // The kernel lets this process write 40 bytes more into a file, then says EFBIG.
    const limitFileSize = (limit: string) => expect(spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${limit}:`]).status).toBe(0);
    const ignore = () => {};
    process.on("SIGXFSZ", ignore);
    limitFileSize(String(before + 40));
    try {
      await expect(store.commit(batch, T0_MS)).rejects.toThrow(/the log cannot be written \(EFBIG\)/);
      expect((await stat(path)).size).toBe(before + 40);
      await expect(store.commit(batch, T0_MS)).rejects.toBeInstanceOf(StoreUnavailable);
      expect((await asOpened(await asAfterKill())).end.offset).toBe(1);
    } finally {
      limitFileSize("unlimited");
      process.removeListener("SIGXFSZ", ignore);
    }
    expect(await store.commit(batch, T0_MS)).toMatchObject({ end: { offset: 3 } });
    expect((await asOpened(await asAfterKill())).updates.map(tell)).toEqual(["enter first hall", "enter anna hall", "enter ben hall"]);
  });
});

describe("followers and bounds", () => {
  it("a follower that throws ends the process, not the commit and not the other followers", async () => {
    const store = await open();
    const thrown: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => thrown.push(error));
    try {
      await store.follow(() => {
        throw new Error("a bug");
      });
      const seen = await followed(store);
      await enter(store, "anna");
      await seen.until(() => seen.updates().length === 1);
      await new Promise((resolve) => setImmediate(resolve));
      expect(thrown).toMatchObject([{ message: "a bug" }]);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) process.on("uncaughtException", listener);
    }
  });

  it("more commits than may wait for the disk are refused, the others are stored in order", async () => {
    const store = await open();
    const results = await Promise.allSettled(Array.from({ length: 1_300 }, (_, i) => enter(store, `t${i}`)));
    const stored = results.filter((result) => result.status === "fulfilled").length;
    expect(stored).toBeGreaterThanOrEqual(1_024);
    expect(stored).toBeLessThan(1_300);
    expect((await store.end()).offset).toBe(stored);
    expect(store.stats()).toMatchObject({ waitingCommits: 0, failedCommits: 1_300 - stored });
    const refused = results.find((result) => result.status === "rejected");
    expect(refused?.reason).toBeInstanceOf(StoreUnavailable);
  });

  it("followers are bounded", async () => {
    const store = await open();
    for (let i = 0; i < 256; i++) await store.follow(() => {});
    await expect(store.follow(() => {})).rejects.toThrow(/256 followers are there already/);
  });

  it("in memory, the oldest of more than 100,000 updates go, and readers are told", async () => {
    const store = await openEmbeddedStore({ eventId: "expo", dataDir: null, keys, origin: NO_ORIGIN, nowMs: () => T0_MS });
    stores.push(store);
    for (let i = 0; i < 11; i++) await store.commit(batchOf({ zoneTransitions: Array.from({ length: 10_000 }, (_, k) => zoneOf("enter", `t${k}`, "hall")) }), T0_MS);
    const page = await store.readLog({ ...(await store.end()), offset: 5 }, 1);
    expect(page.gap).toBe("retention");
    expect(page.updates[0]?.updateId.offset).toBe(10_001);
    expect(store.stats().loggedUpdates).toBe(100_000);
  });
});
