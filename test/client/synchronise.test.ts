import { synchronise, type SyncPage } from "@konferenco/client";
import { emptyBatch } from "@konferenco/fusion";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openVenueStand, type VenueStand } from "../browser/support/venue-stand.ts";

// Against a real bridge: what a view of alerts and messages asks for when it opens, and when it comes back.

let stand: VenueStand;
let token: string;

beforeEach(async () => {
  stand = await openVenueStand({ webRoot: null });
  token = await stand.bridge().issueToken({ role: "operator", personId: null });
});

afterEach(() => stand.close());

const url = (): string => `${stand.bridge().url.replace("http", "ws")}/events`;

async function pagesOf(since: string | null = null): Promise<SyncPage[]> {
  const pages: SyncPage[] = [];
  for await (const page of synchronise({ url: url(), token, channels: ["alerts"], since })) pages.push(page);
  return pages;
}

async function announce(count: number, word: string): Promise<void> {
  for (let n = 0; n < count; n++) {
    await stand.store.commit({ ...emptyBatch(), alerts: [{ alertId: `${word}-${n}`, severity: "info", title: `${word} ${n}`, text: "t", zoneIds: [], atMs: Date.now() }] }, Date.now());
  }
}

const titles = (pages: SyncPage[]): string[] => pages.flatMap(({ operations }) => operations.map((operation) => ("title" in operation ? operation.title : "")));

it("the first time it is all, in pages of 100; afterwards what is new", async () => {
  await announce(250, "old");
  const first = await pagesOf();
  expect(first.map(({ mode, operations }) => [mode, operations.length])).toEqual([["full", 100], ["full", 100], ["full", 50]]);
  expect(new Set(titles(first)).size).toBe(250);
  await announce(3, "new");
  const second = await pagesOf(first.at(-1)?.version);
  expect(second.map(({ mode }) => mode)).toEqual(["delta"]);
  expect(titles(second)).toEqual(["new 0", "new 1", "new 2"]);
});

it("a place that the server does not know any more means all of it again", async () => {
  await announce(2, "old");
  const pages = await pagesOf("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo");
  expect(pages.map(({ mode }) => mode)).toEqual(["full"]);
  expect(titles(pages)).toEqual(["old 0", "old 1"]);
});

it("a login that has ended is refused with its code", async () => {
  token = "not-a-token";
  await expect(pagesOf()).rejects.toMatchObject({ name: "RefusedByServer", code: "unauthorized" });
});
