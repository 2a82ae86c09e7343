import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { buildPages } from "./support/built-pages.ts";
import { openVenueStand, type VenueStand } from "./support/venue-stand.ts";

// Several tabs of one person in a real browser: one connection, the same picture, one notification.

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
  context = await browser.newContext({ viewport: { width: 360, height: 740 } });
  // Chromium without a screen shows every page; the test says which one somebody looks at.
  await context.addInitScript(() => {
    let isHidden = false;
    Object.defineProperty(document, "visibilityState", { get: () => (isHidden ? "hidden" : "visible") });
    Object.assign(globalThis, {
      lookAway(hidden: boolean) {
        isHidden = hidden;
        document.dispatchEvent(new Event("visibilitychange"));
      },
    });
  });
});

afterEach(async () => {
  await context.close();
  await stand.close();
});

async function openTab(): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(8_000);
  await page.goto(await stand.attendeeLink("ada"));
  await page.getByTestId("link").filter({ hasText: "Live" }).waitFor();
  return page;
}

async function lookAway(page: Page, hidden = true): Promise<void> {
  await page.evaluate((value) => (globalThis as unknown as { lookAway(hidden: boolean): void }).lookAway(value), hidden);
}

async function connections(): Promise<number> {
  return stand.bridge().stats().connections;
}

async function notices(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const worker = await navigator.serviceWorker.ready;
    return (await worker.getNotifications()).map(({ title }) => title);
  });
}

describe("two tabs of one person", () => {
  it("share one connection and show the same; when the first is closed, the other takes over and misses nothing", async () => {
    await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
    const first = await openTab();
    const second = await openTab();
    for (const page of [first, second]) await expect.poll(() => page.getByTestId("my-zone").innerText()).toBe("Main hall");
    expect(await connections()).toBe(1);
    await stand.alert({ severity: "info", title: "Lunch is served", text: "In the food court." });
    for (const page of [first, second]) await page.getByTestId("alerts").getByText("Lunch is served").waitFor();
    await first.close();
    await stand.tagMovesTo("tag-1", "hall", { zoneId: "food", xM: 27, yM: 3 });
    await expect.poll(() => second.getByTestId("my-zone").innerText()).toBe("Food court");
    await expect.poll(connections).toBe(1);
    expect(await second.getByTestId("alerts").locator("li").count()).toBe(1);
  });

  it("a setting changed in the one that holds no connection is stored, and shown in both", async () => {
    const first = await openTab();
    const second = await openTab();
    await second.getByRole("radio", { name: "Hidden" }).check();
    await second.getByTestId("saved").filter({ hasText: "✓ Saved" }).waitFor();
    expect((await stand.registry.person("ada"))?.settings.level).toBe("hidden");
    await expect.poll(() => first.getByRole("radio", { name: "Hidden" }).isChecked()).toBe(true);
  });

  it("a server that goes is shown as lost in both within 3 s, and both are back by themselves", async () => {
    const tabs = [await openTab(), await openTab()];
    await stand.stopBridge();
    await Promise.all(tabs.map((page) => page.getByTestId("banner").waitFor({ timeout: 3_000 })));
    await stand.startBridge();
    await Promise.all(tabs.map((page) => page.getByTestId("banner").waitFor({ state: "detached", timeout: 15_000 })));
    expect(await connections()).toBe(1);
  });

  it("one that hangs gives way to the one that is looked at within 3 s, and follows it when it goes on", async () => {
    const first = await openTab();
    const second = await openTab();
    const hangsAtMs = Date.now();
    const hanging = first.evaluate(() => {
      const endMs = Date.now() + 5_000;
      while (Date.now() < endMs) {
        // as a frozen page: nothing of it runs
      }
    });
    // The hanging one still has its socket.
    await expect.poll(connections, { timeout: 5_000, interval: 50 }).toBe(2);
    expect(Date.now() - hangsAtMs).toBeLessThan(3_000);
    await stand.alert({ severity: "info", title: "Lunch is served", text: "In the food court." });
    await second.getByTestId("alerts").getByText("Lunch is served").waitFor();
    await hanging;
    await first.getByTestId("alerts").getByText("Lunch is served").waitFor();
    await expect.poll(connections).toBe(1);
    expect(await first.getByTestId("alerts").locator("li").count()).toBe(1);
  });

  it("what was read in one is read in the other", async () => {
    const first = await openTab();
    const second = await openTab();
    await stand.alert({ severity: "warning", title: "Room B2 is full", text: "The talk is shown in the hall." });
    for (const page of [first, second]) await page.getByTestId("urgent").getByText("Room B2 is full").waitFor();
    expect(await second.getByTestId("unread").innerText()).toMatch(/^1/);
    await first.getByRole("button", { name: "I have read this" }).click();
    await expect.poll(() => second.getByTestId("urgent").innerText()).toBe("");
    expect(await second.getByTestId("unread").count()).toBe(0);
  });
});

describe("notifications", () => {
  it("nobody is asked before they have turned one on", async () => {
    await context.addInitScript(() => {
      const ask = Notification.requestPermission.bind(Notification);
      Object.assign(globalThis, { asked: 0 });
      Notification.requestPermission = () => {
        (globalThis as unknown as { asked: number }).asked++;
        return ask();
      };
    });
    const page = await openTab();
    const asked = (): Promise<number> => page.evaluate(() => (globalThis as unknown as { asked: number }).asked);
    expect(await asked()).toBe(0);
    await context.grantPermissions(["notifications"], { origin: stand.bridge().url });
    await page.getByTestId("notice-alerts").click();
    await expect.poll(asked).toBe(1);
  });

  it("an alert is one notification over all tabs when nobody looks at any, and none while somebody looks at one", async () => {
    await context.grantPermissions(["notifications"], { origin: stand.bridge().url });
    const first = await openTab();
    const second = await openTab();
    await second.getByTestId("notice-alerts").click();
    await expect.poll(() => second.getByTestId("notice-alerts").isChecked()).toBe(true);
    await expect.poll(() => first.getByTestId("notice-alerts").isChecked()).toBe(true);

    await lookAway(first);
    await stand.alert({ severity: "info", title: "Seen on the page", text: "One tab is looked at." });
    await second.getByTestId("alerts").getByText("Seen on the page").waitFor();
    expect(await notices(first)).toEqual([]);

    await lookAway(second);
    // For a second and a half the other tab still counts as looked at.
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    await stand.alert({ severity: "emergency", title: "Leave by the east exits", text: "Walk, do not run." });
    await expect.poll(() => notices(first)).toEqual(["Emergency: Leave by the east exits"]);
    await second.getByTestId("urgent").getByText("Leave by the east exits").waitFor();
    expect(await notices(second)).toEqual(["Emergency: Leave by the east exits"]);
  });

  it("without HTTPS, or with a browser that was told no, the page says so instead of offering it in vain", async () => {
    await context.addInitScript(() => {
      Object.defineProperty(Notification, "permission", { get: () => "denied" });
    });
    const page = await openTab();
    await page.getByText("Your browser does not let this page notify you").waitFor();
  });
});
