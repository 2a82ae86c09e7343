import { describe, expect, it } from "vitest";
import { emptyBatch } from "@konferenco/fusion";
import { CommitQueue, MAX_SEPARATE_COMMITS, mergeCommits, type Commit } from "../../fusion/src/commit-queue.ts";
import { positionOf, proximityOf, zoneOf } from "../contract/store.ts";
import { fakeStore } from "./fake-store.ts";

function tick(n: number, parts: Partial<Commit["batch"]> = {}, droppedTags: string[] = []): Commit {
  return { batch: { ...emptyBatch(), positions: [positionOf("ann", { atMs: n, xM: n })], ...parts }, droppedTags, nowMs: n };
}

describe("what waits for the store", () => {
  it("is stored tick by tick, in order, and tags are dropped after their last commit", async () => {
    const store = fakeStore();
    const queue = new CommitQueue({ store, log: () => {} });
    for (let n = 0; n < 10; n++) queue.push(tick(n, {}, n === 9 ? ["ann"] : []));
    await queue.flush();
    expect(store.commits.map(({ nowMs }) => nowMs)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(store.dropped).toEqual(["ann"]);
  });

  it("keeps every transition and the latest positions when the store is slow", async () => {
    const store = fakeStore();
    let open = (): void => {};
    store.gate = new Promise((resolve) => (open = resolve));
    const queue = new CommitQueue({ store, log: () => {} });
    for (let n = 0; n < 200; n++) queue.push(tick(n, { zoneTransitions: [zoneOf(n % 2 === 0 ? "enter" : "exit", "ann", "hall", n)] }));
    expect(queue.stats().waiting).toBeLessThanOrEqual(MAX_SEPARATE_COMMITS);
    open();
    await queue.flush();
    expect(store.zones().map(({ atMs }) => atMs)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(store.positionsOf("ann").length).toBeLessThan(30);
    expect(store.positionsOf("ann").at(-1)).toMatchObject({ xM: 199 });
    expect(queue.stats().mergedPositions + store.positionsOf("ann").length).toBe(200);
  });

  it("goes on where it stopped when the store comes back, and says so once each way", async () => {
    const store = fakeStore();
    const events: object[] = [];
    const queue = new CommitQueue({ store, log: (event) => events.push(event) });
    store.failNext = 3;
    for (let n = 0; n < 3; n++) queue.push(tick(n));
    await queue.flush();
    expect(store.commits.map(({ nowMs }) => nowMs)).toEqual([0, 1, 2]);
    expect(queue.stats()).toMatchObject({ retries: 3, storeAway: false, droppedTransitions: 0 });
    expect(events).toMatchObject([{ event: "store-away" }, { event: "store-back", attempts: 3 }]);
  });

  it("drops the oldest transitions beyond its bound, and counts them", async () => {
    const store = fakeStore();
    let open = (): void => {};
    store.gate = new Promise((resolve) => (open = resolve));
    const queue = new CommitQueue({ store, log: () => {}, maxSeparateCommits: 1 });
    const many = Array.from({ length: 50_000 }, (_, i) => proximityOf("near", "a", `b${i}`));
    for (let n = 0; n < 6; n++) queue.push(tick(n, { proximityTransitions: many }));
    const { droppedTransitions } = queue.stats();
    expect(droppedTransitions).toBeGreaterThan(0);
    open();
    await queue.flush();
    expect(store.pairs().length + droppedTransitions).toBe(300_000);
  });

  it("does not wait at closing for a store that is away, and says what is lost", async () => {
    const store = fakeStore();
    const events: object[] = [];
    store.failNext = Infinity;
    const queue = new CommitQueue({ store, log: (event) => events.push(event) });
    for (let n = 0; n < 3; n++) queue.push(tick(n));
    await queue.close();
    expect(events.at(-1)).toEqual({ event: "store-lost-on-close", commits: 3 });
  });

  it("a fault that is not the store's absence is not retried: it is a bug", async () => {
    const store = fakeStore();
    store.commit = () => Promise.reject(new TypeError("bug"));
    const queue = new CommitQueue({ store, log: () => {} });
    queue.push(tick(0));
    await expect(queue.flush()).rejects.toThrow("bug");
  });
});

describe("two commits as one", () => {
  it("hold all transitions in order and the latest of each position", () => {
    const merged = mergeCommits(tick(1, { zoneTransitions: [zoneOf("enter", "ann", "hall", 1)] }), tick(2, { zoneTransitions: [zoneOf("exit", "ann", "hall", 2)] }));
    expect(merged.batch.zoneTransitions.map(({ atMs }) => atMs)).toEqual([1, 2]);
    expect(merged.batch.positions).toMatchObject([{ atMs: 2 }]);
    expect(merged.nowMs).toBe(2);
  });

  it("a tag that left and came back is there; one that came and left is not", () => {
    expect(mergeCommits(tick(1, { positions: [] }, ["ann"]), tick(2))).toMatchObject({ droppedTags: [], batch: { positions: [{ tagId: "ann" }] } });
    expect(mergeCommits(tick(1), tick(2, { positions: [] }, ["ann"]))).toMatchObject({ droppedTags: ["ann"], batch: { positions: [] } });
  });
});
