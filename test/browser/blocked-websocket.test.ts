import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { buildPages } from "./support/built-pages.ts";
import { openVenueStand, type VenueStand } from "./support/venue-stand.ts";

// Where a proxy lets no WebSocket through, the page works all the same: by an event stream, and by polling where that is blocked too.

let pages: Awaited<ReturnType<typeof buildPages>>;
let browser: Browser;
let stand: VenueStand;
let context: BrowserContext;

beforeAll(async () => {
  [pages, browser] = await Promise.all([buildPages(), openChromium()]);
});

afterAll(async () => {
  await browser.close();
  pages.remove();
});

beforeEach(async () => {
  stand = await openVenueStand({ webRoot: pages.webRoot });
  await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
  await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
  context = await browser.newContext({ viewport: { width: 360, height: 740 } });
  await context.routeWebSocket(/./, (socket) => void socket.close({ code: 1006 }));
});

afterEach(async () => {
  await context.close();
  await stand.close();
});

async function open(): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(8_000);
  await page.goto(await stand.attendeeLink("ada"));
  await page.getByTestId("link").filter({ hasText: "Live" }).waitFor();
  return page;
}

async function followsAndSaves(page: Page): Promise<void> {
  await expect.poll(() => page.getByTestId("my-zone").innerText()).toBe("Main hall");
  await stand.tagMovesTo("tag-1", "hall", { zoneId: "food", xM: 27, yM: 3 });
  await expect.poll(() => page.getByTestId("my-zone").innerText(), { timeout: 4_000 }).toBe("Food court");
  await stand.alert({ severity: "warning", title: "Room B2 is full", text: "The talk is shown in the hall." });
  await page.getByTestId("urgent").getByText("Room B2 is full").waitFor();
  await page.getByRole("radio", { name: "Hidden" }).check();
  await page.getByTestId("saved").filter({ hasText: "✓ Saved" }).waitFor();
  expect((await stand.registry.person("ada"))?.settings.level).toBe("hidden");
}

it("by an event stream the page follows, shows alerts and saves settings", async () => {
  const asked: string[] = [];
  context.on("request", (request) => asked.push(`${request.headers()["accept"] ?? ""} ${request.url()}`));
  const page = await open();
  expect(asked.filter((line) => line.startsWith("text/event-stream"))).toHaveLength(1);
  await followsAndSaves(page);
  expect(asked.join(" ")).not.toMatch(/eyJ/);
});

it("a server that goes is shown as lost, and the stream is taken up again when it is back", async () => {
  const page = await open();
  await stand.stopBridge();
  await page.getByTestId("banner").waitFor({ timeout: 3_000 });
  await stand.alert({ severity: "info", title: "Lunch is served", text: "In the food court." });
  await stand.startBridge();
  await page.getByTestId("banner").waitFor({ state: "detached", timeout: 15_000 });
  await page.getByTestId("alerts").getByText("Lunch is served").waitFor();
});

it("by polling, where streams are blocked too, it does the same a second later", async () => {
  await context.route(/\/events/, (route) => route.fulfill({ status: 403, contentType: "text/html", body: "<h1>blocked</h1>" }));
  await followsAndSaves(await open());
});
