import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { build } from "vite";
import { openChromium } from "../support/chromium.ts";
import { openFaultyLink, type FaultyLink } from "./support/faulty-link.ts";
import { openVenueStand, type VenueStand } from "./support/venue-stand.ts";

// The browser's own EventSource, which can set no header: the library makes its address, with a ticket in it.

let browser: Browser;
let library: string;
let stand: VenueStand;
let link: FaultyLink;

beforeAll(async () => {
  browser = await openChromium();
  // As a page without a build step of its own would load it: one file with a global.
  const built = await build({
    logLevel: "error",
    configFile: false,
    resolve: { conditions: ["@konferenco/source"] },
    build: { write: false, lib: { entry: fileURLToPath(new URL("../../client/src/index.ts", import.meta.url)), name: "konferenco", formats: ["iife"] } },
  });
  const [bundle] = built as unknown as { output: { code: string }[] }[];
  library = bundle?.output[0]?.code ?? "";
});
afterAll(() => browser.close());
beforeEach(async () => {
  stand = await openVenueStand({ webRoot: null });
  link = await openFaultyLink(stand.bridge().port);
});
afterEach(async () => {
  await link.close();
  await stand.close();
});

interface Seen {
  seen: string[];
}

it("opens with a ticket, hears alerts, comes back by itself where it left off; and its address opens nothing for who copies it", async () => {
  const page = await browser.newPage();
  const url = `http://127.0.0.1:${link.port}`;
  await page.route(`${url}/blank`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>a page of the venue's own</title>" }));
  await page.goto(`${url}/blank`);
  await page.addScriptTag({ content: library });
  const token = await stand.bridge().issueToken({ role: "display", personId: null });
  const address = await page.evaluate(
    async ([server, bearer]) => {
      const { konferenco } = globalThis as unknown as { konferenco: { streamAddress: (options: object) => Promise<string> } };
      const streamAddress = await konferenco.streamAddress({ url: `${server}/events`, token: bearer, channels: ["alerts"] });
      const self = globalThis as unknown as Seen;
      self.seen = [];
      new EventSource(streamAddress).addEventListener("message", ({ data }) => {
        const frame = JSON.parse(data as string) as { op: string; d?: { title: string } };
        self.seen.push(frame.d?.title ?? frame.op);
      });
      return streamAddress;
    },
    [url, token] as const,
  );
  const seen = () => page.evaluate(() => (globalThis as unknown as Seen).seen);
  expect(address).not.toContain(token);
  await expect.poll(seen, { timeout: 20_000 }).toContain("ok");
  await stand.alert({ severity: "info", title: "First", text: "…" });
  await expect.poll(seen, { timeout: 20_000 }).toContain("First");
  expect((await fetch(address, { headers: { Accept: "text/event-stream" } })).status).toBe(401);

  link.cut();
  await stand.alert({ severity: "info", title: "Second", text: "…" });
  await expect.poll(seen, { timeout: 20_000 }).toContain("Second");
  expect((await seen()).filter((title) => title === "First")).toHaveLength(1);
  await page.close();
});
