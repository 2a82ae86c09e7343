import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { buildPages } from "./support/built-pages.ts";
import { openFaultyLink } from "./support/faulty-link.ts";
import { isDotAt, onPage } from "./support/map-eye.ts";
import { openVenueStand, type VenueStand } from "./support/venue-stand.ts";

// The pages as a person uses them: built as they are shipped, served by a real bridge, in a real Chromium.

const DESK = { width: 1440, height: 900 };
const PHONE = { width: 360, height: 740 };

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
  await stand.gatewayIs("gw-hall", "online");
  await stand.gatewayIs("gw-food", "online");
  complaints = [];
});

afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
  await stand.close();
});

/** A person's own browser window. Whatever the page complains of (errors, policy violations) is kept. */
async function open(link: string, viewport = DESK): Promise<Page> {
  const context = await browser.newContext({ viewport });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(8_000);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(link);
  return page;
}

async function isLive(page: Page): Promise<void> {
  await page.getByTestId("link").filter({ hasText: "Live" }).waitFor();
}

async function sees(look: () => Promise<boolean>, what: string): Promise<void> {
  await expect.poll(look, { timeout: 5_000, interval: 50, message: what }).toBe(true);
}

async function text(page: Page, testId: string): Promise<string> {
  return (await page.getByTestId(testId).innerText()).replaceAll(/\s+/g, " ");
}

describe("what people are doing", () => {
  it("stands on my page with its end, beside the channels of the places around me, which I can join", async () => {
    await stand.addPerson({ personId: "ann", name: "Ann Berg", tagId: "t-ann", level: "precise" });
    await stand.tagIsAt("t-ann", { xM: 12, yM: 6, zoneId: "hall", activity: { kind: "in_session", sessionId: "keynote" } });
    const page = await open(await stand.attendeeLink("ann"), PHONE);
    await isLive(page);
    await expect.poll(() => text(page, "my-activity")).toMatch(/^Now: in session “Robots that ask first”, until \d/);
    expect(await text(page, "channels")).toMatch(/Hall questions here .*Lunch table 8 m away/);
    await page.getByRole("button", { name: "Join Lunch table" }).click();
    await page.getByRole("button", { name: "Leave Lunch table" }).waitFor();
    await expect.poll(() => text(page, "channels"), { timeout: 10_000 }).toContain("8 m away · 1 person there");
    // What a place suggests is joined once I allow it.
    await page.getByRole("switch", { name: /^Join by itself/ }).check();
    await page.getByRole("button", { name: "Leave Hall questions" }).waitFor();
    // Nobody else is told any more.
    await page.getByRole("switch", { name: /^Show what I am doing/ }).uncheck();
    await page.getByText("Saved").waitFor();
    expect((await stand.registry.person("ann"))?.settings.presence).toEqual({ online: true, session: false, availability: true });
    expect(complaints).toEqual([]);
  });

  it("stands on the console by name, with attendance, and a place that fills is marked as a hot spot", { timeout: 90_000 }, async () => {
    await stand.addPerson({ personId: "ann", name: "Ann Berg", tagId: "t-0", level: "precise", staff: "precise" });
    const fill = () => Promise.all(Array.from({ length: 8 }, (_, n) => stand.tagIsAt(`t-${n}`, { xM: 21 + n, yM: 6, zoneId: "food", activity: { kind: "in_session", sessionId: "lunch" } })));
    await fill();
    const page = await open(await stand.consoleLink());
    await isLive(page);
    await expect.poll(() => text(page, "sessions"), { timeout: 15_000 }).toMatch(/Lunch talk Food court .* 8 \/ 8/);
    // Full for half a minute; counted every five seconds.
    await expect.poll(() => text(page, "zone-food"), { timeout: 60_000, interval: 500 }).toMatch(/Food court hot spot/);
    await expect.poll(() => text(page, "feed")).toContain("Food court is a hot spot");
    await page.getByRole("tab", { name: "People" }).click();
    expect(await text(page, "people")).toMatch(/Ann Berg ?in session “Lunch talk”, until/);
    expect(complaints).toEqual([]);
  });
});

describe("the operator's console", () => {
  it("a link with a ticket opens the console, and the ticket is gone from the address bar", async () => {
    const link = await stand.consoleLink();
    const page = await open(link);
    await page.getByRole("heading", { name: "Test Hall" }).waitFor();
    await isLive(page);
    expect(page.url()).toBe(`${stand.bridge().url}/console/`);
    await expect.poll(() => text(page, "gateways-online")).toBe("2 / 2");
    // The session is the tab's: it survives a reload, and the used ticket opens nothing for anybody else.
    await page.reload();
    await isLive(page);
    const stranger = await open(link);
    await stranger.getByText("This link was used already").waitFor();
    expect(complaints.filter((line) => !line.includes("401"))).toEqual([]);
  });

  it("the flow tab shows what passes, each second", async () => {
    const page = await open(await stand.consoleLink());
    await isLive(page);
    await page.getByText("Flow", { exact: true }).click();
    await page.getByTestId("flow-deliveries").waitFor();
    const rates = async (name: string) => Number(await text(page, `flow-${name}`));
    await expect
      .poll(
        async () => {
          await stand.gatewayIs("gw-hall", "online");
          return (await rates("updates")) > 0 && (await rates("deliveries")) > 0 && (await rates("3")) > 0;
        },
        { timeout: 20_000, interval: 200 },
      )
      .toBe(true);
    expect(complaints).toEqual([]);
  });

  it("without a ticket it asks for a login, refuses a wrong one in plain words and takes the right one", async () => {
    const page = await open(`${stand.bridge().url}/console/`);
    await page.getByLabel("Login").fill("desk");
    await page.getByLabel("Password").fill("wrong-password");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("The login is not valid.").waitFor();
    await page.getByLabel("Password").fill("desk-password");
    await page.keyboard.press("Enter");
    await isLive(page);
  });

  it("a tag that moves is a dot that moves, and its way stands in the activity", async () => {
    const page = await open(await stand.consoleLink());
    await isLive(page);
    await stand.tagMovesTo("tag-7", null, { zoneId: "hall", xM: 5, yM: 9 });
    await sees(() => isDotAt(page, { xM: 5, yM: 9 }), "the dot in the hall");
    await stand.tagMovesTo("tag-7", "hall", { zoneId: "food", xM: 27, yM: 3 });
    await sees(() => isDotAt(page, { xM: 27, yM: 3 }), "the dot in the food court");
    await sees(async () => !(await isDotAt(page, { xM: 5, yM: 9 })), "no dot where it was");
    await expect.poll(() => page.locator(".feed-item").allInnerTexts()).toEqual(
      [expect.stringMatching(/tag-7 went from Main hall to Food court/), expect.stringMatching(/tag-7 entered Main hall/)],
    );
    expect(complaints).toEqual([]);
  });

  it("pointing at a dot tells whose it is and how sure the place is; a click keeps that in sight", async () => {
    const page = await open(await stand.consoleLink());
    await isLive(page);
    await stand.tagMovesTo("tag-7", null, { zoneId: "hall", xM: 5, yM: 9 });
    await sees(() => isDotAt(page, { xM: 5, yM: 9 }), "the dot");
    const { x, y } = await onPage(page, { xM: 5, yM: 9 });
    await page.mouse.move(x, y);
    await expect.poll(() => page.locator(".map-tip").innerText()).toMatch(/tag-7\s+Main hall\s+Within 2 m/);
    await page.mouse.click(x, y);
    await page.mouse.move(x, y + 200);
    expect(await page.locator(".selected").innerText()).toMatch(/tag-7/);
  });

  it("people who show staff their zone are counted in it by name, and are no dot anywhere", async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
    const page = await open(await stand.consoleLink());
    await isLive(page);
    await stand.tagMovesTo("tag-1", null, { zoneId: "food", xM: 25, yM: 10 });
    await expect.poll(() => text(page, "people-visible")).toBe("1");
    expect(await isDotAt(page, { xM: 25, yM: 10 })).toBe(false);
    const { x, y } = await onPage(page, { xM: 22, yM: 2 });
    await page.mouse.move(x, y);
    await expect.poll(() => page.locator(".map-tip").innerText()).toMatch(/Food court[^]*Ada Lovelace/);
    await page.getByRole("tab", { name: "People" }).click();
    expect(await text(page, "people")).toContain("Ada Lovelace Food court");
  });

  it("a gateway that goes offline is named, with what to look at", async () => {
    const page = await open(await stand.consoleLink());
    await isLive(page);
    await page.getByText("All 2 gateways are reporting").waitFor();
    await stand.gatewayIs("gw-food", "offline");
    await page.getByRole("button", { name: /gw-food.*Food court.*check power and network/s }).waitFor();
    expect(await text(page, "gateways-online")).toBe("1 / 2");
    await expect.poll(() => text(page, "feed")).toContain("gw-food went offline");
  });

  it("a list of people is imported; the line that is wrong is named, the others count", async () => {
    const page = await open(await stand.consoleLink());
    await page.getByRole("tab", { name: "People" }).click();
    const csv = "personId,name,tagId,consent,level\np-1,Ada Lovelace,tag-1,yes,zone\nbad id,Nobody,tag-2,yes,zone\np-3,Grace Hopper,tag-3,perhaps,zone\n";
    await page.getByTestId("import-file").setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
    await expect.poll(() => text(page, "import-result")).toMatch(/people\.csv: 1 person added, 0 updated, 2 lines refused\..*Line 3.*Line 4.*consent/);
    expect(await stand.registry.person("p-1")).toMatchObject({ profile: { name: "Ada Lovelace" } });
  });

  it("works by keyboard: tabs by arrow keys, floors and zones by Tab and Enter, the map by its keys", async () => {
    const page = await open(await stand.consoleLink());
    await isLive(page);
    await page.getByRole("tab", { name: "Overview" }).focus();
    await page.keyboard.press("ArrowRight");
    expect(await page.getByRole("tab", { name: "Send alert" }).getAttribute("aria-selected")).toBe("true");
    await page.keyboard.press("ArrowLeft");
    await page.getByTestId("zone-gallery").focus();
    await page.keyboard.press("Enter");
    expect(await page.getByRole("button", { name: "Gallery" }).first().getAttribute("aria-pressed")).toBe("true");
    const before = await page.locator(".map-layer").first().evaluate((layer: HTMLCanvasElement) => layer.toDataURL());
    await page.getByRole("application").focus();
    await page.keyboard.press("+");
    await expect.poll(() => page.locator(".map-layer").first().evaluate((layer: HTMLCanvasElement) => layer.toDataURL())).not.toBe(before);
  });
});

it("a screen for everybody shows counts and alerts, and neither people nor controls", async () => {
  await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1", level: "precise", staff: "precise" });
  await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
  const screen = await open(`${stand.bridge().url}/console/`);
  await screen.getByLabel("Login").fill("screen");
  await screen.getByLabel("Password").fill("screen-password");
  await screen.keyboard.press("Enter");
  await isLive(screen);
  await stand.alert({ severity: "info", title: "Lunch is served", text: "In the food court." });
  await expect.poll(() => text(screen, "feed")).toContain("Lunch is served");
  await expect.poll(() => text(screen, "zone-hall")).toMatch(/Main hall (few|\d+)/);
  expect(await isDotAt(screen, { xM: 5, yM: 9 })).toBe(false);
  expect(await screen.getByRole("tab").count()).toBe(0);
  expect(await screen.locator("body").innerText()).not.toMatch(/Ada|gw-hall/);
  expect(complaints).toEqual([]);
});

describe("an attendee's page", () => {
  beforeEach(async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1", level: "precise", staff: "precise" });
  });

  it("tells where I am and follows me into the next zone", async () => {
    await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await expect.poll(() => text(page, "my-zone")).toBe("Main hall");
    await sees(() => isDotAt(page, { xM: 5, yM: 9 }), "me on the map");
    await stand.tagMovesTo("tag-1", "hall", { zoneId: "food", xM: 27, yM: 3 });
    await expect.poll(() => text(page, "my-zone")).toBe("Food court");
    await sees(() => isDotAt(page, { xM: 27, yM: 3 }), "me at the new place");
    expect(complaints).toEqual([]);
  });

  it("hiding takes my dot off the operator's map, and is shown as saved only when the server has said so", async () => {
    await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
    const desk = await open(await stand.consoleLink());
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await stand.tagIsAt("tag-1", { zoneId: "hall", xM: 5, yM: 9 });
    await sees(() => isDotAt(desk, { xM: 5, yM: 9 }), "Ada's dot at the desk");
    await page.getByRole("radio", { name: "Hidden" }).check();
    await page.getByTestId("saved").filter({ hasText: "✓ Saved" }).waitFor();
    expect((await stand.registry.person("ada"))?.settings.level).toBe("hidden");
    await sees(async () => !(await isDotAt(desk, { xM: 5, yM: 9 })), "no dot any more");
    await expect.poll(() => text(desk, "people-visible")).toBe("0");
    await expect.poll(() => text(desk, "feed")).not.toContain("Ada");
    // What happens from now on stays hidden too, and I still see myself.
    await stand.tagMovesTo("tag-1", "hall", { zoneId: "food", xM: 27, yM: 3 });
    await expect.poll(() => text(page, "my-zone")).toBe("Food court");
    expect(await isDotAt(desk, { xM: 27, yM: 3 })).toBe(false);
    expect(await text(desk, "feed")).not.toContain("Ada");
  });

  it("a choice per audience is kept, and a coarser choice above is said to limit it", async () => {
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await page.getByLabel("Exhibitors").selectOption("My spot");
    await page.getByTestId("saved").filter({ hasText: "✓ Saved" }).waitFor();
    await page.getByRole("radio", { name: "At the venue" }).check();
    await expect.poll(() => text(page, "who-sees-me")).toContain("see only that I am here: limited by your choice above");
    await expect.poll(async () => (await stand.registry.person("ada"))?.settings).toMatchObject({ level: "venue", audiences: { exhibitors: "precise" } });
  });

  it("a change made without a network says that it is not saved yet, and is saved when the server is back", async () => {
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await isLive(page);
    await page.getByRole("switch", { name: "Do not disturb" }).waitFor();
    await stand.stopBridge();
    await page.getByTestId("banner").waitFor();
    await page.getByRole("switch", { name: "Do not disturb" }).check();
    expect(await text(page, "saved")).toBe("Not saved yet: waiting for the connection");
    await stand.startBridge();
    await page.getByTestId("saved").filter({ hasText: "✓ Saved" }).waitFor({ timeout: 15_000 });
    expect((await stand.registry.person("ada"))?.settings.doNotDisturb).toBe(true);
  });

  it("withdrawn consent takes me off every map, also my own", async () => {
    await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
    const desk = await open(await stand.consoleLink());
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await expect.poll(() => text(page, "my-zone")).toBe("Main hall");
    await page.getByTestId("consent").uncheck();
    await expect.poll(() => text(page, "my-zone")).toBe("–");
    expect((await stand.registry.person("ada"))?.consent.given).toBe(false);
    await sees(async () => !(await isDotAt(desk, { xM: 5, yM: 9 })), "no dot at the desk");
  });
});

describe("alerts from the desk to the phones", () => {
  it("a warning is sent by the form and stands on top of an attendee's page, whatever signs are in it", async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
    const desk = await open(await stand.consoleLink());
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await isLive(page);
    await desk.getByRole("tab", { name: "Send alert" }).click();
    await desk.getByRole("radio", { name: "Warning" }).check();
    await desk.getByLabel("Title").fill("Room <b>B2</b> is full");
    await desk.getByLabel("What people should know or do").fill("The talk is shown in the hall.");
    await desk.getByText("Choose zones").click();
    await desk.getByLabel("Main hall").check();
    await desk.getByTestId("send-alert").click();
    await desk.getByText("was sent to Main hall").waitFor();
    const urgent = page.getByTestId("urgent");
    await urgent.getByRole("heading", { name: "Room <b>B2</b> is full" }).waitFor();
    expect(await urgent.innerText()).toContain("For: Main hall");
    await urgent.getByRole("button", { name: "I have read this" }).click();
    expect(await urgent.innerText()).toBe("");
    expect(await text(page, "alerts")).toContain("Room <b>B2</b> is full");
    await expect.poll(() => text(desk, "feed")).toContain("Warning: Room <b>B2</b> is full");
    expect(complaints).toEqual([]);
  });

  it("the desk sees how many devices have it", async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
    const desk = await open(await stand.consoleLink());
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await Promise.all([isLive(desk), isLive(page)]);
    await stand.alert({ severity: "info", title: "Lunch is served", text: "In the food court." });
    await desk.getByRole("tab", { name: "Send alert" }).click();
    await expect.poll(() => text(desk, "receipts"), { timeout: 5_000 }).toMatch(/^Delivered to all \d devices?$/);
  });

  it("an emergency is sent only after it was confirmed", async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
    const desk = await open(await stand.consoleLink());
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await isLive(page);
    await desk.getByRole("tab", { name: "Send alert" }).click();
    await desk.getByRole("radio", { name: "Emergency" }).check();
    await desk.getByLabel("Title").fill("Leave by the east exits");
    await desk.getByLabel("What people should know or do").fill("Walk, do not run.");
    await desk.getByTestId("send-alert").click();
    const dialog = desk.getByRole("dialog");
    await dialog.getByText("Send an emergency alert to the whole venue?").waitFor();
    // The focus is on the harmless choice.
    await desk.keyboard.press("Enter");
    await dialog.waitFor({ state: "hidden" });
    expect(await text(page, "alerts")).toBe("No alerts.");
    await desk.getByTestId("send-alert").click();
    await desk.getByTestId("confirm-alert").click();
    await page.getByTestId("urgent").getByRole("heading", { name: "Leave by the east exits" }).waitFor();
  });
});

describe("when the connection is lost", () => {
  it("both pages say so at once when the server goes, and are live again by themselves when it is back", async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
    await stand.addPerson({ personId: "grace", name: "Grace Hopper", tagId: "tag-2", level: "precise", staff: "precise" });
    const desk = await open(await stand.consoleLink());
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await Promise.all([isLive(desk), isLive(page)]);
    await stand.tagMovesTo("tag-2", null, { zoneId: "hall", xM: 5, yM: 9 });
    await sees(() => isDotAt(desk, { xM: 5, yM: 9 }), "the dot");
    await stand.stopBridge();
    for (const lost of [desk, page]) {
      await lost.getByTestId("banner").filter({ hasText: /Connection lost, reconnecting….*You see how things stood at/ }).waitFor({ timeout: 3_000 });
    }
    // What happens meanwhile is there after the return: the move, and an alert.
    await stand.tagMovesTo("tag-2", "hall", { zoneId: "food", xM: 27, yM: 3 });
    await stand.alert({ severity: "info", title: "Lunch is served", text: "In the food court." });
    await stand.startBridge();
    await Promise.all([desk, page].map((back) => back.getByTestId("banner").waitFor({ state: "detached", timeout: 15_000 })));
    await expect.poll(() => text(desk, "feed")).toContain("Grace Hopper went from Main hall to Food court");
    await expect.poll(() => text(page, "alerts")).toContain("Lunch is served");
    await sees(() => isDotAt(desk, { xM: 27, yM: 3 }), "the dot where it is now");
    await sees(async () => !(await isDotAt(desk, { xM: 5, yM: 9 })), "no dot where it was before");
  });

  it("a network that falls silent without a word is noticed within 3 s", async () => {
    const link = await openFaultyLink(stand.bridge().port);
    try {
      const desk = await open((await stand.consoleLink()).replace(`:${stand.bridge().port}`, `:${link.port}`));
      await isLive(desk);
      const silentAtMs = Date.now();
      link.fallSilent();
      await desk.getByTestId("banner").filter({ hasText: "Connection lost, reconnecting…" }).waitFor({ timeout: 6_000 });
      // 100 ms for the browser to draw and the test to look.
      expect(Date.now() - silentAtMs).toBeLessThan(3_100);
    } finally {
      await link.close();
    }
  });
});

describe("on a phone 360 pixels wide", () => {
  it("neither page scrolls sideways, in no part of it", async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace with a name that is rather long for a badge", tagId: "tag-1" });
    await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
    const sideways = (page: Page): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    const desk = await open(await stand.consoleLink(), PHONE);
    await isLive(desk);
    for (const tab of ["Overview", "Send alert", "People"]) {
      await desk.getByRole("tab", { name: tab }).click();
      expect(await sideways(desk), tab).toBe(0);
    }
    await desk.getByRole("button", { name: "Legend" }).click();
    expect(await sideways(desk), "with the legend").toBe(0);
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await isLive(page);
    await page.getByRole("radio", { name: "Hidden" }).waitFor();
    expect(await sideways(page)).toBe(0);
  });

  it("every control has a name that a screen reader can speak, and is large enough for a finger", async () => {
    await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
    const page = await open(await stand.attendeeLink("ada"), PHONE);
    await isLive(page);
    await page.getByRole("radio", { name: "Hidden" }).waitFor();
    const faults = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>("button, input, select, textarea, a[href]")].flatMap((control) => {
        const labels = "labels" in control ? [...((control as HTMLInputElement).labels ?? [])] : [];
        const name = control.getAttribute("aria-label") ?? [control, ...labels].map((node) => node.textContent).join("");
        // What counts for a finger is the label around a control.
        const { width, height } = (labels.find((label) => label.contains(control)) ?? control).getBoundingClientRect();
        return name.trim() === "" || width < 24 || height < 24 ? [`${control.outerHTML.slice(0, 80)} ${Math.round(width)} x ${Math.round(height)}`] : [];
      }),
    );
    expect(faults).toEqual([]);
  });
});

it("the pages ask nobody but their own server for anything", async () => {
  await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
  const context = await browser.newContext();
  contexts.push(context);
  const asked = new Set<string>();
  context.on("request", (request) => asked.add(new URL(request.url()).origin));
  for (const link of [await stand.consoleLink(), await stand.attendeeLink("ada"), `${stand.bridge().url}/`]) {
    const page = await context.newPage();
    await page.goto(link, { waitUntil: "networkidle" });
  }
  expect([...asked]).toEqual([stand.bridge().url]);
});
