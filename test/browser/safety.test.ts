import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { buildPages } from "./support/built-pages.ts";
import { openVenueStand, type VenueStand } from "./support/venue-stand.ts";

// What a person does for their own safety, and staff for others', on the pages as they are shipped.

const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const PATIENCE = { timeout: 15_000, interval: 50 };

let pages: Awaited<ReturnType<typeof buildPages>>;
let browser: Browser;
let stand: VenueStand;
let contexts: BrowserContext[] = [];
let complaints: string[] = [];

beforeAll(async () => {
  [pages, browser] = await Promise.all([buildPages(), openChromium()]);
});

afterAll(async () => {
  await browser.close();
  pages.remove();
});

beforeEach(async () => {
  stand = await openVenueStand({ webRoot: pages.webRoot });
  await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1", level: "zone", connections: ["ben"] });
  await stand.addPerson({ personId: "ben", name: "Ben Nevis", tagId: "tag-2", connections: ["ada"] });
  await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
  await stand.tagMovesTo("tag-2", null, { zoneId: "hall", xM: 7, yM: 9 });
  complaints = [];
});

afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
  await stand.close();
});

async function open(link: string, viewport = PHONE): Promise<Page> {
  const context = await browser.newContext({ viewport });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(link);
  await page.getByTestId("link").filter({ hasText: "Live" }).waitFor();
  return page;
}

const text = async (page: Page, testId: string): Promise<string> => (await page.getByTestId(testId).innerText()).replaceAll(/\s+/g, " ");
const settingsOf = async (personId: string) => (await stand.registry.person(personId))?.settings;

describe("an attendee who does not feel safe", () => {
  it("hides everywhere in one press, reads that it is so, also after a reload, and comes back as they were", async () => {
    const page = await open(await stand.attendeeLink("ada"));
    await expect.poll(() => text(page, "viewers"), PATIENCE).toMatch(/Ben Nevis which area I am in.*Venue staff which area I am in/);
    await page.getByTestId("panic").click();
    await page.getByTestId("hidden-now").filter({ hasText: "You are hidden everywhere" }).waitFor();
    expect(await text(page, "hidden-bar")).toBe("You are hidden everywhere Change");
    expect(await settingsOf("ada")).toMatchObject({ level: "hidden", audiences: { staff: "hidden" }, discoverability: "hidden", presence: { online: false } });
    await expect.poll(() => text(page, "viewers"), PATIENCE).toBe("Nobody.");
    await page.reload();
    await page.getByRole("button", { name: "Show me again as before" }).click();
    await page.getByTestId("panic").waitFor();
    expect(await settingsOf("ada")).toMatchObject({ level: "zone", audiences: { staff: "zone", exhibitors: "hidden" }, discoverability: "requests", presence: { online: true } });
    expect(complaints).toEqual([]);
  });

  it("shows one connection the exact spot for a while, sees that over everything, and ends it", async () => {
    const page = await open(await stand.attendeeLink("ada"));
    await page.getByLabel("To whom").selectOption("Ben Nevis");
    await page.getByLabel("For how long").selectOption("2 h");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect.poll(() => text(page, "share-bar"), PATIENCE).toMatch(/Ben Nevis sees your exact spot until .* End now/);
    const untilMs = (await settingsOf("ada"))?.shares?.[0]?.untilMs ?? 0;
    expect(untilMs - Date.now()).toBeLessThanOrEqual(2 * 3_600_000);
    // It stays in sight at the foot of the page.
    await page.getByTestId("forget").scrollIntoViewIfNeeded();
    expect(await page.getByTestId("share-bar").evaluate((bar) => bar.getBoundingClientRect().top)).toBe(0);
    await page.getByRole("button", { name: "End now" }).click();
    await page.getByTestId("share-bar").waitFor({ state: "detached" });
    expect((await settingsOf("ada"))?.shares).toEqual([]);
  });

  it("blocks somebody from the list of people near, finds them among the blocked, and lets them in again", async () => {
    const page = await open(await stand.attendeeLink("ada"));
    await page.getByLabel("More about Ben Nevis").click();
    await page.getByRole("button", { name: "Block Ben Nevis" }).click();
    await expect.poll(() => text(page, "blocked"), PATIENCE).toBe("Ben Nevis Unblock");
    await page.getByLabel("More about Ben Nevis").waitFor({ state: "detached" });
    expect((await settingsOf("ada"))?.blocked).toEqual(["ben"]);
    await page.getByRole("button", { name: "Unblock" }).click();
    await expect.poll(async () => (await settingsOf("ada"))?.blocked, PATIENCE).toEqual([]);
  });

  it("reads who of the staff looked them up, and why; the desk asks with a reason and is told the limits", async () => {
    const desk = await open(await stand.consoleLink(), DESK);
    await desk.getByRole("tab", { name: "People" }).click();
    await desk.getByLabel("Name as in the list above, or id").fill("Ada Lovelace");
    await desk.getByLabel("Why").fill("medical emergency");
    for (let look = 0; look < 3; look++) {
      await desk.getByTestId("look-up").click();
      await desk.getByTestId("look-up-answer").filter({ hasText: "Main hall, Ground floor" }).waitFor();
    }
    await desk.getByTestId("look-up").click();
    await desk.getByTestId("look-up-answer").filter({ hasText: "too often" }).waitFor();
    const page = await open(await stand.attendeeLink("ada"));
    await expect.poll(() => text(page, "lookups"), PATIENCE).toMatch(/^operator looked up where you are “medical emergency”/);
    expect(await page.getByTestId("lookups").locator("li").count()).toBe(3);
  });

  it("sets everything by a preset, and who may disturb them", async () => {
    const page = await open(await stand.attendeeLink("ada"));
    await page.getByRole("button", { name: /^Open/ }).click();
    await expect.poll(() => settingsOf("ada"), PATIENCE).toMatchObject({ level: "precise", discoverability: "public" });
    expect(await page.getByRole("radio", { name: "My spot" }).isChecked()).toBe(true);
    await page.getByLabel("Speakers", { exact: true }).last().uncheck();
    await expect.poll(async () => (await settingsOf("ada"))?.doNotDisturbAllow, PATIENCE).toEqual(["connections"]);
    await page.getByRole("switch", { name: "Quiet while I sit in a session" }).uncheck();
    await expect.poll(async () => (await settingsOf("ada"))?.autoDoNotDisturb, PATIENCE).toBe(false);
    expect(await text(page, "consent-fact")).toMatch(/^Given on .*wording “test”\.$/);
  });

  it("is forgotten after being asked twice, and is left with the receipt", async () => {
    const page = await open(await stand.attendeeLink("ada"));
    await page.getByTestId("forget").click();
    // The focus is on the harmless choice.
    await page.keyboard.press("Enter");
    expect(await stand.registry.person("ada")).not.toBeNull();
    await page.getByTestId("forget").click();
    await page.getByTestId("confirm-forget").click();
    await page.getByTestId("receipt").filter({ hasText: "You are forgotten" }).waitFor();
    expect(await text(page, "receipt")).toMatch(/profile, consent, settings.*1 of theirs closed.*Save the receipt/);
    expect(await stand.registry.person("ada")).toBeNull();
  });
});

it("an operator reads who has had exact counts before them", async () => {
  const desk = await open(await stand.consoleLink(), DESK);
  await desk.getByText("Who has read the exact counts").click();
  await expect.poll(() => text(desk, "count-readers"), PATIENCE).toMatch(/operator on a live page/);
});
