import { reconcile, synchronise, type SyncOperation } from "@konferenco/client";
import { emptyBatch } from "@konferenco/fusion";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openVenueStand, type VenueStand } from "../browser/support/venue-stand.ts";

// A view of alerts that was kept, compared with the server's and mended.

let stand: VenueStand;
let token: string;
let known: Map<string, SyncOperation>;
let version: string;
let asked: string[];

const where = () => ({
  url: `${stand.bridge().url.replace("http", "ws")}/events`,
  token,
  channels: ["alerts"],
  fetch: ((address: string, request: RequestInit) => {
    asked.push(new URL(address).pathname.replace("/api/v1/", "") + (address.includes("since=") ? "?since" : ""));
    return fetch(address, request);
  }) as typeof fetch,
});

async function announce(count: number, word: string, atMs = Date.now()): Promise<void> {
  for (let n = 0; n < count; n++) {
    await stand.store.commit({ ...emptyBatch(), alerts: [{ alertId: `${word}-${n}`, severity: "info", title: `${word} ${n}`, text: "t", zoneIds: [], atMs }] }, Date.now());
  }
}

const titles = (operations: Iterable<SyncOperation>): string[] => [...operations].map((operation) => ("title" in operation ? operation.title : ""));

beforeEach(async () => {
  stand = await openVenueStand({ webRoot: null });
  token = await stand.bridge().issueToken({ role: "operator", personId: null });
  await announce(120, "old");
  known = new Map();
  asked = [];
  for await (const page of synchronise(where())) {
    for (const operation of page.operations) known.set(operation.id, operation);
    ({ version } = page);
  }
  asked = [];
});
afterEach(() => stand.close());

it("a view that is right costs one digest, and gets what is new", async () => {
  expect(await reconcile({ ...where(), known, version })).toMatchObject({ same: true, operations: [], gone: [] });
  await announce(2, "new");
  const { same, operations, gone, version: later } = await reconcile({ ...where(), known, version });
  expect([same, titles(operations), gone]).toEqual([true, ["new 0", "new 1"], []]);
  for (const operation of operations) known.set(operation.id, operation);
  // What comes after the view's own place does not disturb the comparison.
  await announce(1, "newer");
  expect(titles((await reconcile({ ...where(), known, version: later })).operations)).toEqual(["newer 0"]);
  expect(asked).toEqual(["sync?since", "sync/digest", "sync?since", "sync/digest", "sync?since", "sync/digest"]);
});

it("a view that lost something, and shows something that is not there, is mended", async () => {
  const [lost, kept] = [...known.values()] as [SyncOperation, SyncOperation];
  known.delete(lost.id);
  const made = { ...kept, id: "never-was", title: "made up" } as SyncOperation;
  const old = { ...kept, id: "from-yesterday", title: "of the day before", atMs: Date.now() - 30 * 3_600_000 } as SyncOperation;
  for (const operation of [made, old]) known.set(operation.id, operation);
  const { same, operations, gone, version: later } = await reconcile({ ...where(), known, version });
  expect([same, titles(operations), gone]).toEqual([false, titles([lost]), ["never-was"]]);
  known.delete("never-was");
  known.set(lost.id, lost);
  expect(await reconcile({ ...where(), known, version: later })).toMatchObject({ same: true, operations: [], gone: [] });
});

it("a version that the server does not know means the whole again", async () => {
  const { same, operations, gone } = await reconcile({ ...where(), known: new Map([...known].slice(3)), version: "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo" });
  // In full it is up to date, so the digests are the same.
  expect([same, operations.length, gone]).toEqual([true, 120, []]);
});
