import { memoryOutbox, type OutgoingMessage, type Publication } from "@konferenco/client";
import { describe, expect, it } from "vitest";
import { FakeBrowser } from "./support/fake-tabs.ts";
import { FakeClock, newWorld, type FakeSocket, type FakeWorld } from "./support/fake-world.ts";

const DAY_MS = 86_400_000;
const chat = (text: string, more: Partial<Publication> = {}): Publication => ({ t: "chat/channel_message", ch: "app:lobby", body: { text }, key: text, ...more });
const sentTexts = (socket: FakeSocket): unknown[] => socket.sentOp("pub").map((frame) => (frame["d"] as { text: string }).text);
const answer = (socket: FakeSocket, text: string): void => socket.say({ op: "ok", re: socket.sentOp("pub").findLast((frame) => frame["key"] === text)?.["id"], mid: "m" });
const refuse = (socket: FakeSocket, text: string, more: object): void => socket.say({ op: "err", re: socket.sentOp("pub").findLast((frame) => frame["key"] === text)?.["id"], n: 1, ...more });
const standing = (world: FakeWorld): string[] => world.client.outbox().map(({ key, status }) => `${key} ${status}`);

describe("a message", () => {
  it("is the server's when it says so, and carries its key", async () => {
    const world = newWorld();
    const socket = world.welcome();
    let isDone = false;
    const done = world.client.publish(chat("hello")).then(() => (isDone = true));
    expect(socket.sentOp("pub")).toMatchObject([{ t: "chat/channel_message", ch: "app:lobby", d: { text: "hello" }, key: "hello" }]);
    expect(standing(world)).toEqual(["hello sending"]);
    await world.clock.advance(0);
    expect(isDone).toBe(false);
    answer(socket, "hello");
    await done;
    expect(standing(world)).toEqual([]);
  });

  it("has a key of its own where the page gives none", () => {
    const world = newWorld();
    const socket = world.welcome();
    void world.client.publish({ t: "chat/direct_message", to: "ben", body: {} });
    expect(socket.sentOp("pub")[0]).toMatchObject({ to: "ben", key: expect.stringMatching(/^[\w.:-]{1,64}$/) as string });
    expect(socket.sentOp("pub")[0]).not.toHaveProperty("ch");
  });

  it("written without a link goes out when there is one: the urgent first, then as they were written", async () => {
    const world = newWorld();
    for (const text of ["a", "b", "c"]) void world.client.publish(chat(text));
    void world.client.publish(chat("help", { priority: "high" }));
    void world.client.publish(chat("later", { priority: "low" }));
    expect(standing(world)).toEqual(["help waiting", "a waiting", "b waiting", "c waiting", "later waiting"]);
    await world.clock.advance(0);
    expect(sentTexts(world.welcome())).toEqual(["help", "a", "b", "c", "later"]);
  });

  it("whose answer was lost with the link is sent again under the same key", async () => {
    const world = newWorld();
    world.welcome();
    const done = world.client.publish(chat("hello"));
    await world.lose();
    const socket = world.welcome();
    expect(socket.sentOp("pub")).toMatchObject([{ key: "hello" }]);
    answer(socket, "hello");
    await done;
    expect(socket.sentOp("pub")).toHaveLength(1);
  });

  it("is shown as failed after 30 s, and still goes out when the link is back", async () => {
    const world = newWorld();
    const shown: OutgoingMessage["status"][] = [];
    const before = world.client.publish(chat("hello"));
    await world.clock.advance(29_000);
    shown.push(...world.client.outbox().map(({ status }) => status));
    await world.clock.advance(6_000);
    shown.push(...world.client.outbox().map(({ status }) => status));
    expect(shown).toEqual(["waiting", "failed"]);
    world.signal("online");
    const socket = world.welcome();
    answer(socket, "hello");
    await before;
  });

  it("refused for good stays, with the reason, until it is sent again or discarded", async () => {
    const world = newWorld();
    const socket = world.welcome();
    const refused = expect(world.client.publish(chat("rude"))).rejects.toMatchObject({ code: "forbidden" });
    refuse(socket, "rude", { code: "forbidden", retry: false, detail: "not your channel" });
    await refused;
    expect(world.client.outbox()).toMatchObject([{ key: "rude", status: "failed", refusal: { detail: "not your channel" } }]);
    await world.lose();
    const next = world.welcome();
    expect(sentTexts(next)).toEqual([]);
    world.client.resend("rude");
    expect(sentTexts(next)).toEqual(["rude"]);
    refuse(next, "rude", { code: "forbidden", retry: false });
    await world.clock.advance(0);
    world.client.discard("rude");
    expect(standing(world)).toEqual([]);
  });

  it("that comes too fast for the server waits as long as the server says", async () => {
    const world = newWorld();
    world.setWatched(false);
    const socket = world.welcome();
    void world.client.publish(chat("eleventh"));
    refuse(socket, "eleventh", { code: "rate_limited", retry: true, after: 6_000 });
    await world.clock.advance(5_900);
    expect(sentTexts(socket)).toEqual(["eleventh"]);
    await world.clock.advance(200);
    expect(sentTexts(socket)).toEqual(["eleventh", "eleventh"]);
  });

  it("asked for twice under one key is one message", async () => {
    const world = newWorld();
    const socket = world.welcome();
    const both = Promise.all([world.client.publish(chat("vote")), world.client.publish(chat("vote"))]);
    expect(sentTexts(socket)).toEqual(["vote"]);
    answer(socket, "vote");
    await both;
  });
});

describe("the queue", () => {
  it("keeps at most eight on their way, so that other calls pass", () => {
    const world = newWorld();
    const socket = world.welcome();
    for (let n = 0; n < 50; n++) void world.client.publish(chat(`m${n}`));
    expect(sentTexts(socket)).toHaveLength(8);
    void world.client.setPrivacy({ level: "hidden" });
    expect(socket.sentOp("set")).toHaveLength(1);
  });

  it("holds 1000; a more urgent one then takes the place of the least urgent and oldest, any other is refused", async () => {
    const world = newWorld();
    const outcomes: string[] = [];
    for (let n = 0; n < 1_000; n++) world.client.publish(chat(`m${n}`, { priority: n < 2 ? "low" : "normal" })).catch((error: Error) => outcomes.push(`m${n}: ${error.message}`));
    await expect(world.client.publish(chat("one too many", { priority: "low" }))).rejects.toThrow("1000 messages wait");
    void world.client.publish(chat("urgent", { priority: "critical" }));
    await world.clock.advance(0);
    expect(outcomes).toEqual(["m0: pushed out by a more urgent message"]);
    expect(world.client.outbox()).toHaveLength(1_000);
  });

  it("forgets after 7 days, and earlier what was written for less", async () => {
    const world = newWorld();
    const ends: string[] = [];
    world.client.publish(chat("a week")).catch((error: Error) => ends.push(error.message));
    world.client.publish(chat("an hour", { ttlS: 3_600 })).catch((error: Error) => ends.push(error.message));
    await world.clock.sleep(3_700_000);
    expect(standing(world)).toEqual(["a week failed"]);
    await world.clock.sleep(7 * DAY_MS);
    expect(standing(world)).toEqual([]);
    expect(ends).toEqual(["too old to be sent", "too old to be sent"]);
  });

  it("survives the page: the next one sends what the last one could not", async () => {
    const store = memoryOutbox();
    const clock = new FakeClock();
    const last = newWorld({ outbox: store, clock });
    await clock.advance(0);
    last.client.publish(chat("hello")).catch(() => {});
    last.client.close();
    await clock.advance(0);
    const next = newWorld({ outbox: store, clock });
    await clock.advance(0);
    const socket = next.welcome();
    expect(sentTexts(socket)).toEqual(["hello"]);
    answer(socket, "hello");
    await clock.advance(0);
    expect(await store.load()).toEqual([]);
  });

  it("what left a day ago without an answer is not said twice: only a person sends it again", async () => {
    const store = memoryOutbox();
    const clock = new FakeClock();
    await store.put({ key: "old", t: "chat/channel_message", ch: "app:lobby", body: { text: "old" }, priority: "normal", writtenAtMs: clock.nowMs() - DAY_MS, sentAtMs: clock.nowMs() - DAY_MS });
    await store.put({ key: "new", t: "chat/channel_message", ch: "app:lobby", body: { text: "new" }, priority: "normal", writtenAtMs: clock.nowMs() - DAY_MS, sentAtMs: null });
    const world = newWorld({ outbox: store, clock });
    await clock.advance(0);
    const socket = world.welcome();
    expect(sentTexts(socket)).toEqual(["new"]);
    world.client.resend("old");
    expect(sentTexts(socket)).toEqual(["new", "old"]);
  });

  it("a store that fails costs nothing but the survival", async () => {
    const broken = () => Promise.reject(new Error("the disk is full"));
    const world = newWorld({ outbox: { load: broken, put: broken, remove: broken } });
    const socket = world.welcome();
    const done = world.client.publish(chat("hello"));
    answer(socket, "hello");
    await done;
  });
});

describe("over several tabs", () => {
  it("a message of any tab goes out once, also when the leading tab is closed over it", async () => {
    const clock = new FakeClock();
    const browser = new FakeBrowser();
    const store = memoryOutbox();
    const tab = () => newWorld({ clock, tabs: browser.open(), outbox: store, isWatched: false });
    const first = tab();
    await clock.advance(0);
    const second = tab();
    await clock.advance(0);
    first.welcome();
    await clock.advance(0);
    const done = second.client.publish(chat("hello"));
    await clock.advance(0);
    expect(sentTexts(first.socket())).toEqual(["hello"]);
    expect([first, second].map(standing)).toEqual([["hello sending"], ["hello sending"]]);
    first.client.close();
    await clock.advance(0);
    const socket = second.welcome();
    expect(sentTexts(socket)).toEqual(["hello"]);
    answer(socket, "hello");
    await done;
    expect(standing(second)).toEqual([]);
  });
});

describe("typing and presence", () => {
  it("a keystroke a tenth of a second is told every 2.5 s, and no more once the text is posted", async () => {
    const world = newWorld();
    world.setWatched(false);
    const socket = world.welcome();
    for (let stroke = 0; stroke < 60; stroke++) {
      world.client.typing("app:lobby");
      await world.clock.advance(100);
    }
    const types = (): unknown[] => socket.sentOp("pub").map((frame) => frame["t"]);
    expect(types()).toEqual(["typing/started", "typing/started", "typing/started"]);
    void world.client.publish(chat("done"));
    world.client.typing("app:lobby", false);
    expect(types().slice(3)).toEqual(["chat/channel_message"]);
    world.client.typing("app:lobby");
    world.client.typing("app:lobby", false);
    expect(types().slice(4)).toEqual(["typing/started", "typing/stopped"]);
  });

  it("what nobody could see is not sent later", async () => {
    const world = newWorld();
    world.client.typing("app:lobby");
    expect(world.welcome().sentOp("pub")).toEqual([]);
  });

  it("who is busy is busy on the next connection too", async () => {
    const world = newWorld();
    void world.client.setPresence("busy");
    expect(world.welcome().sentOp("set")).toMatchObject([{ presence: "busy" }]);
    await world.lose();
    expect(world.welcome().sentOp("set")).toMatchObject([{ presence: "busy" }]);
  });
});

it("a server that orders it is asked for every channel anew", () => {
  const world = newWorld({ channels: [{ ch: "alerts" }, { ch: "me" }] });
  const socket = world.welcome();
  socket.say({ op: "resync" });
  expect(socket.sent.slice(3).map(({ op, ch }) => [op, ch])).toEqual([["unsub", "alerts"], ["unsub", "me"], ["sub", "alerts"], ["sub", "me"]]);
});

it("a channel whose right has ended is not asked for again", async () => {
  const dropped: string[] = [];
  const world = newWorld({ channels: [{ ch: "alerts" }, { ch: "app:board" }], onDrop: (channel) => dropped.push(channel) });
  world.welcome().say({ op: "drop", ch: "app:board", why: "permissions" });
  await world.lose();
  expect(world.welcome().sentOp("sub")).toMatchObject([{ ch: "alerts" }]);
  expect(dropped).toEqual(["app:board"]);
});
