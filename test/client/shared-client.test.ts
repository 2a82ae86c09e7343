import { describe, expect, it } from "vitest";
import { FakeBrowser, type FakeTab } from "./support/fake-tabs.ts";
import { alertEvent, FakeClock, newWorld, type FakeWorld } from "./support/fake-world.ts";

const titles = (world: FakeWorld): string[] => world.events.flatMap((event) => (event.t === "alert" ? [event.d.title] : []));
const me = { who: "me" };
const person = (personId: string) => ({ who: "person", personId, name: personId });

interface Tab extends FakeWorld {
  tab: FakeTab;
}

/** Tabs of one browser on one clock. The first one leads, the others are looked at only if the test says so. */
async function openTabs(count: number, options: Parameters<typeof newWorld>[0] = {}): Promise<{ clock: FakeClock; browser: FakeBrowser; tabs: Tab[]; open: () => Promise<Tab> }> {
  const clock = new FakeClock();
  const browser = new FakeBrowser();
  const open = async (): Promise<Tab> => {
    const tab = browser.open();
    const world = newWorld({ ...options, clock, tabs: tab, isWatched: false });
    await clock.advance(0);
    return { ...world, tab };
  };
  const tabs: Tab[] = [];
  for (let index = 0; index < count; index++) tabs.push(await open());
  return { clock, browser, tabs, open };
}

describe("several tabs of one person", () => {
  it("open one connection, and show the same in the same order", async () => {
    const { clock, tabs } = await openTabs(3);
    const [first, second, third] = tabs as [Tab, Tab, Tab];
    first.welcome();
    await clock.advance(0);
    first.socket().say({ op: "ev", s: 1, ...alertEvent("a") });
    first.socket().say({ op: "b", s: 2, ev: [alertEvent("b"), alertEvent("c")] });
    await clock.advance(0);
    expect(tabs.map(titles)).toEqual([["a", "b", "c"], ["a", "b", "c"], ["a", "b", "c"]]);
    expect([second.sockets, third.sockets]).toEqual([[], []]);
    expect(tabs.map((tab) => tab.client.state().kind)).toEqual(["live", "live", "live"]);
  });

  it("a tab that opens later knows at once what the others know, and nothing that they may not know any more", async () => {
    const { clock, tabs, open } = await openTabs(1, { channels: [{ ch: "venue" }, { ch: "alerts" }] });
    const socket = (tabs[0] as Tab).welcome();
    const spot = { level: "precise", xM: 1, yM: 2, floor: 0, zoneId: "hall", accuracy95M: 2, confidence: 1 };
    const said = [
      { t: "zone.enter", at: 1, d: { subj: person("ada"), zoneId: "hall", floor: 0 } },
      { t: "position", at: 2, d: { subj: person("ada"), ...spot } },
      { t: "position", at: 3, d: { subj: person("ada"), ...spot, xM: 9 } },
      { t: "zone.enter", at: 4, d: { subj: person("ben"), zoneId: "hall", floor: 0 } },
      { t: "zone.enter", at: 5, d: { subj: person("cleo"), zoneId: "hall", floor: 0 } },
      { t: "zone.exit", at: 6, d: { subj: person("cleo"), zoneId: "hall", floor: 0 } },
      alertEvent("lunch"),
    ];
    socket.say({ op: "b", s: 1, ev: said });
    socket.say({ op: "forget", subj: "ben" });
    const later = await open();
    await clock.advance(0);
    expect(later.client.state().kind).toBe("live");
    expect(later.events.map(({ t, at, from, s }) => ({ t, at, from, s }))).toEqual([
      { t: "zone.enter", at: 1, from: "snapshot", s: 0 },
      { t: "position", at: 3, from: "snapshot", s: 0 },
      { t: "alert", at: 5, from: "snapshot", s: 0 },
    ]);
    expect(later.sockets).toEqual([]);
  });

  it("who is there is told to a later tab whole, though it came in changes", async () => {
    const { clock, tabs, open } = await openTabs(1, { channels: [{ ch: "app:lobby" }] });
    const there = (at: number, whole: boolean, people: string[], left: string[] = []) => ({
      t: "presence", at, d: { ch: "app:lobby", whole, count: 2, people: people.map((personId) => ({ personId, name: personId, state: "online" })), left, more: 0 },
    });
    const socket = (tabs[0] as Tab).welcome();
    socket.say({ op: "b", s: 1, ev: [there(1, true, ["ada", "ben"]), there(2, false, ["cleo"], ["ada"]), there(3, false, ["dora"])] });
    socket.say({ op: "forget", subj: "dora" });
    const later = await open();
    await clock.advance(0);
    expect(later.events).toMatchObject([{ t: "presence", at: 3, d: { whole: true, people: [{ personId: "ben" }, { personId: "cleo" }] } }]);
  });

  it("a spot that nobody has confirmed for long is not told to a new tab", async () => {
    const { clock, tabs, open } = await openTabs(1);
    (tabs[0] as Tab).welcome().say({ op: "ev", s: 1, t: "position", at: 2, d: { subj: me, level: "precise", xM: 1, yM: 2, floor: 0, zoneId: null, accuracy95M: 2, confidence: 1 } });
    await clock.advance(150_000);
    (tabs[0] as Tab).socket().say({ op: "ping", now: 1 });
    await clock.advance(1);
    expect((await open()).events).toEqual([]);
  });

  it("a change in one tab is made by the one that leads, and its refusal comes back with its code", async () => {
    const { clock, tabs } = await openTabs(2);
    const [first, second] = tabs as [Tab, Tab];
    const socket = first.welcome();
    await clock.advance(0);
    const saved = second.client.setPrivacy({ level: "hidden" });
    await clock.advance(0);
    expect(socket.sentOp("set")).toMatchObject([{ privacy: { level: "hidden" } }]);
    socket.say({ op: "ok", re: socket.sentOp("set")[0]?.["id"] });
    await saved;
    const refused = expect(second.client.setPrivacy({ level: "precise" })).rejects.toMatchObject({ name: "RefusedByServer", code: "forbidden", number: 4030 });
    await clock.advance(0);
    socket.say({ op: "err", re: socket.sentOp("set")[1]?.["id"], code: "forbidden", n: 4030, retry: false });
    await refused;
  });
});

describe("the leading tab is closed", () => {
  it("another goes on from its cursor: what came meanwhile is shown in all that are left, once", async () => {
    const { clock, tabs } = await openTabs(3);
    const [first, second, third] = tabs as [Tab, Tab, Tab];
    first.welcome().say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a", { i: "e-1" }) });
    await clock.advance(0);
    first.client.close();
    await clock.advance(0);
    expect(second.sockets).toHaveLength(1);
    const socket = second.welcome();
    expect(socket.sent[0]).toMatchObject({ op: "hello", resume: "cursor-1" });
    socket.say({ op: "b", s: 1, ev: [alertEvent("a", { i: "e-1" }), alertEvent("b", { i: "e-2" })] });
    await clock.advance(0);
    expect([second, third].map(titles)).toEqual([["a", "b"], ["a", "b"]]);
    expect(third.sockets).toEqual([]);
    // Nobody saw a loss: the picture was never older than a moment.
    expect(third.states.map((state) => state.kind)).toEqual(["live", "live"]);
  });

  it("a crash is like a close, and a change that it did not live to answer is made by the next", async () => {
    const { clock, tabs } = await openTabs(2);
    const [first, second] = tabs as [Tab, Tab];
    first.welcome();
    await clock.advance(0);
    const saved = second.client.setPrivacy({ level: "hidden" });
    first.tab.crash();
    await clock.advance(0);
    const socket = second.welcome();
    expect(socket.sent.map((frame) => frame["op"])).toEqual(["hello", "set", "sub"]);
    socket.say({ op: "ok", re: socket.sentOp("set")[0]?.["id"] });
    await saved;
  });

  it("if the next one cannot connect either, the tabs say so within 2 s and not before", async () => {
    const { clock, tabs } = await openTabs(2);
    const [first, second] = tabs as [Tab, Tab];
    first.welcome();
    await clock.advance(0);
    first.client.close();
    await clock.advance(1_900);
    expect(second.client.state().kind).toBe("live");
    await clock.advance(200);
    expect(second.client.state()).toMatchObject({ kind: "reconnecting" });
    expect(second.client.state().staleSinceMs).not.toBeNull();
  });
});

describe("the leading tab is frozen by the browser", () => {
  it("the tab that somebody looks at takes over within 3 s, and the frozen one follows when it thaws", async () => {
    const { clock, tabs } = await openTabs(2);
    const [first, second] = tabs as [Tab, Tab];
    first.welcome().say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a", { i: "e-1" }) });
    await clock.advance(0);
    first.tab.freeze();
    second.setWatched(true);
    second.signal("attention");
    await clock.advance(2_900);
    expect(second.sockets).toHaveLength(1);
    const socket = second.welcome();
    expect(socket.sent[0]).toMatchObject({ resume: "cursor-1" });
    socket.say({ op: "ev", s: 1, c: "cursor-2", ...alertEvent("b", { i: "e-2" }) });
    await clock.advance(0);
    // What its socket still had in its buffer is for nobody but itself.
    first.socket().say({ op: "ev", s: 2, ...alertEvent("b", { i: "e-2" }) });
    first.tab.thaw();
    await clock.advance(0);
    expect(first.socket().closedWith).not.toBeNull();
    socket.say({ op: "ev", s: 2, ...alertEvent("c", { i: "e-3" }) });
    await clock.advance(0);
    expect(titles(second)).toEqual(["a", "b", "c"]);
    expect(titles(first).filter((title) => title === "c")).toEqual(["c"]);
  });

  it("a follower that slept itself does not take over from a leader that lives", async () => {
    const { clock, tabs } = await openTabs(2);
    const [first, second] = tabs as [Tab, Tab];
    first.welcome();
    second.setWatched(true);
    await clock.advance(1_000);
    await clock.sleep(60_000);
    await clock.advance(400);
    expect(second.sockets).toEqual([]);
  });
});

describe("who is looked at", () => {
  it("a hidden leader notices a dead link within 3 s when another tab is looked at, though its own timers are slowed", async () => {
    const { clock, tabs } = await openTabs(2);
    const [first, second] = tabs as [Tab, Tab];
    first.welcome();
    second.setWatched(true);
    second.signal("attention");
    await clock.advance(3_000);
    expect(second.client.state()).toMatchObject({ kind: "reconnecting" });
  });

  it("one tab speaks, and only when nobody looks at any of them", async () => {
    const { clock, tabs } = await openTabs(3);
    (tabs[0] as Tab).welcome();
    await clock.advance(0);
    expect(tabs.map((tab) => tab.client.speaks())).toEqual([true, false, false]);
    tabs[2]?.setWatched(true);
    await clock.advance(600);
    expect(tabs.map((tab) => tab.client.speaks())).toEqual([false, false, false]);
    tabs[2]?.setWatched(false);
    await clock.advance(2_000);
    expect(tabs.map((tab) => tab.client.speaks())).toEqual([true, false, false]);
  });
});

describe("a login that has ended", () => {
  it("is its own tab's matter: the next one goes on with its own", async () => {
    const { clock, tabs } = await openTabs(2);
    const [first, second] = tabs as [Tab, Tab];
    first.welcome();
    await clock.advance(0);
    first.socket().emit("close", { code: 4401 });
    await clock.advance(0);
    expect(first.client.state()).toMatchObject({ kind: "failed", code: "token_expired" });
    expect(second.client.state().kind).toBe("live");
    second.welcome();
    await clock.advance(0);
    expect(second.client.state().kind).toBe("live");
    await expect(first.client.setPrivacy({ level: "zone" })).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
  });

  it("close() leaves no timer and no listener behind, whichever tab", async () => {
    const { clock, tabs } = await openTabs(2);
    (tabs[0] as Tab).welcome();
    await clock.advance(0);
    for (const tab of tabs.toReversed()) tab.client.close();
    await clock.advance(0);
    expect(clock.waiting).toBe(0);
    expect(tabs.map((tab) => tab.listeners())).toEqual([0, 0]);
  });
});
