import { describe, expect, it } from "vitest";
import { RefusedByServer } from "@konferenco/client";
import { alertEvent, FakeClock, newWorld } from "./support/fake-world.ts";

const titles = (events: { t: string; d: unknown }[]): string[] => events.map((event) => (event.d as { title: string }).title);

describe("a connection begins", () => {
  it("the token travels in the first frame, never in the address", () => {
    const world = newWorld();
    world.welcome();
    expect(world.socket().url).toBe("ws://venue.test/events");
    expect(world.socket().protocol).toBe("konferenco-v1");
    expect(world.socket().sent[0]).toMatchObject({ op: "hello", tok: "token-1" });
    expect(world.socket().sent[0]).not.toHaveProperty("resume");
  });

  it("the channels are subscribed after the welcome, with their rates", () => {
    const world = newWorld({ channels: [{ ch: "venue", hz: 5, every: true }, { ch: "alerts" }] });
    world.welcome();
    expect(world.socket().sentOp("sub")).toMatchObject([{ ch: "venue", hz: 5, every: true }, { ch: "alerts" }]);
    expect(world.states).toEqual([{ kind: "live", staleSinceMs: null }]);
  });

  it("a server that never answers is left after 10 s for the next try", async () => {
    const world = newWorld();
    await world.clock.advance(10_000);
    expect(world.states).toEqual([{ kind: "reconnecting", attempt: 1, afterMs: 1_000, staleSinceMs: null }]);
    await world.clock.advance(1_000);
    expect(world.sockets).toHaveLength(2);
    expect(world.sockets[0]?.closedWith).not.toBeNull();
  });

  it("where the server gives no token any more, it is over at once, and says so", async () => {
    const refusal = new RefusedByServer({ code: "unauthorized", n: 4010, retry: false, detail: "the last login is more than 7 days ago: log in again" });
    const world = newWorld({ token: () => Promise.reject(refusal) });
    await world.clock.advance(0);
    expect(world.states.at(-1)).toMatchObject({ kind: "failed", code: "unauthorized", message: refusal.message });
  });

  it("a token that cannot be had is tried again like a network that is not there", async () => {
    let asked = 0;
    const world = newWorld({
      token: () => {
        asked++;
        return asked === 1 ? Promise.reject(new Error("login server down")) : Promise.resolve("token-2");
      },
    });
    await world.clock.advance(0);
    expect(world.states.at(-1)).toMatchObject({ kind: "reconnecting", attempt: 1 });
    await world.clock.advance(1_000);
    world.welcome();
    expect(world.socket().sent[0]).toMatchObject({ tok: "token-2" });
  });
});

describe("events", () => {
  it("arrive once each and in order, from single frames and batches", () => {
    const world = newWorld();
    const socket = world.welcome();
    socket.say({ op: "ev", s: 1, ...alertEvent("a") });
    socket.say({ op: "b", s: 2, ev: [alertEvent("b"), alertEvent("c")] });
    socket.say({ op: "ev", s: 4, ...alertEvent("d") });
    expect(titles(world.events)).toEqual(["a", "b", "c", "d"]);
    expect(world.events.map((event) => event.s)).toEqual([1, 2, 3, 4]);
    expect(world.events.every((event) => event.from === "live")).toBe(true);
  });

  it("a number that comes twice is dropped and counted", () => {
    const world = newWorld();
    const socket = world.welcome();
    socket.say({ op: "ev", s: 1, ...alertEvent("a") });
    socket.say({ op: "ev", s: 1, ...alertEvent("a") });
    expect(titles(world.events)).toEqual(["a"]);
    expect(world.client.stats()).toMatchObject({ duplicates: 1, holes: 0 });
  });

  it("a missing number is a hole: nothing after it is shown, and the client resumes at once from before it", async () => {
    const world = newWorld();
    const first = world.welcome();
    first.say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") });
    first.say({ op: "ev", s: 3, c: "cursor-3", ...alertEvent("c") });
    expect(titles(world.events)).toEqual(["a"]);
    await world.clock.advance(0);
    expect(world.sockets).toHaveLength(2);
    const second = world.welcome();
    expect(second.sent[0]).toMatchObject({ op: "hello", resume: "cursor-1" });
    second.say({ op: "b", s: 1, c: "cursor-3", ev: [alertEvent("b"), alertEvent("c")] });
    expect(titles(world.events)).toEqual(["a", "b", "c"]);
    expect(world.client.stats()).toMatchObject({ holes: 1, losses: 1 });
  });

  it("a first event with a number above 1 is a hole too", async () => {
    const world = newWorld();
    world.welcome().say({ op: "ev", s: 2, ...alertEvent("b") });
    expect(world.events).toEqual([]);
    expect(world.client.stats().holes).toBe(1);
  });

  it("a server that skips numbers again and again is met with growing patience, not with a storm", async () => {
    const world = newWorld();
    for (let round = 0; round < 3; round++) {
      const socket = world.welcome();
      socket.say({ op: "ev", s: 1, ...alertEvent("a") });
      socket.say({ op: "ev", s: 9, ...alertEvent("b") });
      await world.clock.advance(4_000);
    }
    expect(world.states.filter((state) => state.kind === "reconnecting").map((state) => state.afterMs)).toEqual([0, 2_000, 4_000]);
  });

  it("what a replay repeats is shown once, by its id", async () => {
    const world = newWorld();
    const first = world.welcome();
    first.say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a", { i: "e-1" }) });
    first.say({ op: "ev", s: 2, ...alertEvent("b", { i: "e-2" }) });
    first.emit("close");
    await world.clock.advance(1_000);
    const second = world.welcome();
    second.say({ op: "b", s: 1, c: "cursor-3", ev: [alertEvent("b", { i: "e-2" }), alertEvent("c", { i: "e-3" })] });
    second.say({ op: "caught" });
    second.say({ op: "ev", s: 3, ...alertEvent("d", { i: "e-4" }) });
    expect(titles(world.events)).toEqual(["a", "b", "c", "d"]);
    expect(world.events.map((event) => event.from)).toEqual(["live", "live", "replay", "live"]);
  });

  it("a snapshot is handed over whole, so that who is not in it can go", () => {
    const snapshots: [string, number][] = [];
    const world = newWorld({ onSnapshot: (channel, events) => snapshots.push([channel, events.length]) });
    world.socket().emit("open");
    world.socket().say({ op: "welcome", re: 1, ttlS: 60, pingS: 30, resumed: false, who: { personId: null, role: "staff" } });
    world.socket().say({ op: "ok", re: 2, ch: "alerts", snap: [alertEvent("old", { i: "e-1" })] });
    world.socket().say({ op: "ev", s: 1, ...alertEvent("old", { i: "e-1" }) });
    expect(snapshots).toEqual([["alerts", 1]]);
    expect(world.events).toEqual([]);
  });

  it("without a taker for snapshots their events come like others, marked", () => {
    const world = newWorld();
    world.socket().emit("open");
    world.socket().say({ op: "welcome", re: 1, ttlS: 60, pingS: 30, resumed: false, who: { personId: null, role: "staff" } });
    world.socket().say({ op: "ok", re: 2, ch: "alerts", snap: [alertEvent("old")] });
    expect(world.events).toMatchObject([{ from: "snapshot", s: 0 }]);
  });

  it("a subject to forget and a gap are passed on", () => {
    const world = newWorld();
    const socket = world.welcome();
    socket.say({ op: "forget", subj: "p-9" });
    socket.say({ op: "gap", why: "retention" });
    expect(world.forgotten).toEqual(["p-9"]);
    expect(world.gaps).toEqual(["retention"]);
    expect(world.client.stats().gaps).toBe(1);
  });

  it("a fault in the page's own callback does not cost the connection", async () => {
    const faults: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => faults.push(error));
    let shown = 0;
    const world = newWorld({
      onEvent: () => {
        if (++shown === 1) throw new Error("the page's bug");
      },
    });
    const socket = world.welcome();
    socket.say({ op: "ev", s: 1, ...alertEvent("a") });
    socket.say({ op: "ev", s: 2, ...alertEvent("b") });
    await new Promise((resolve) => setImmediate(resolve));
    for (const listener of listeners) process.on("uncaughtException", listener);
    expect(shown).toBe(2);
    expect(faults).toMatchObject([{ message: "the page's bug" }]);
    expect(world.client.state().kind).toBe("live");
  });

  it("frames of a newer server are passed over; what is no frame at all costs the connection", async () => {
    const world = newWorld();
    const socket = world.welcome();
    socket.say({ op: "sparkle", s: 1 });
    expect(world.client.state().kind).toBe("live");
    socket.emit("message", { data: "<html>502 Bad Gateway</html>" });
    expect(world.client.state().kind).toBe("reconnecting");
    expect(world.client.stats().badFrames).toBe(1);
  });

  it("a frame above the limit is not parsed", () => {
    const world = newWorld();
    const socket = world.welcome();
    socket.emit("message", { data: JSON.stringify({ op: "ev", s: 1, ...alertEvent("x".repeat(70_000)) }) });
    expect(world.events).toEqual([]);
    expect(world.client.stats().badFrames).toBe(1);
  });
});

describe("acknowledgements", () => {
  it("are cumulative, one per 250 ms however many events came", async () => {
    const world = newWorld();
    const socket = world.welcome();
    for (let s = 1; s <= 100; s++) socket.say({ op: "ev", s, ...alertEvent(`a${s}`) });
    expect(socket.sentOp("ack")).toEqual([]);
    await world.clock.advance(250);
    expect(socket.sentOp("ack")).toEqual([{ op: "ack", s: 100 }]);
    await world.clock.advance(1_000);
    expect(socket.sentOp("ack")).toHaveLength(1);
  });

  it("leave at once when 32 KB have come", () => {
    const world = newWorld();
    const socket = world.welcome();
    for (let s = 1; s <= 4; s++) socket.say({ op: "ev", s, ...alertEvent("x", { padding: "x".repeat(20_000) }) });
    expect(socket.sentOp("ack")).toEqual([{ op: "ack", s: 2 }, { op: "ack", s: 4 }]);
  });

  it("a pong carries one, so that none is sent beside it", async () => {
    const world = newWorld();
    const socket = world.welcome();
    socket.say({ op: "ev", s: 1, ...alertEvent("a") });
    socket.say({ op: "ping", now: 1 });
    await world.clock.advance(300);
    expect(socket.sentOp("pong")).toEqual([{ op: "pong", s: 1 }]);
    expect(socket.sentOp("ack")).toEqual([]);
  });
});

describe("a dead link", () => {
  it("is noticed within 3 s while somebody looks, whenever in the rhythm it died", async () => {
    for (let quietMs = 0; quietMs < 3_000; quietMs += 100) {
      const world = newWorld();
      const socket = world.welcome();
      for (let atMs = 0; atMs < quietMs; atMs += 100) {
        await world.clock.advance(100);
        socket.say({ op: "ping", now: 0 });
      }
      await world.clock.advance(2_500);
      expect(world.states.at(-1), `quiet after ${quietMs} ms`).toMatchObject({ kind: "reconnecting", attempt: 1 });
      world.client.close();
    }
  });

  it("what is shown is as old as the last frame", async () => {
    const world = newWorld();
    const socket = world.welcome();
    await world.clock.advance(700);
    socket.say({ op: "ping", now: 0 });
    const lastHeardMs = world.clock.nowMs();
    await world.clock.advance(3_000);
    expect(world.states.at(-1)).toMatchObject({ staleSinceMs: lastHeardMs });
    await world.clock.advance(60_000);
    expect(world.states.at(-1)).toMatchObject({ kind: "reconnecting", staleSinceMs: lastHeardMs });
  });

  it("a link that answers its probes lives on, and one with traffic is not probed at all", async () => {
    const world = newWorld();
    const socket = world.welcome();
    for (let second = 1; second <= 20; second++) {
      socket.say({ op: "ev", s: second, ...alertEvent("a") });
      await world.clock.advance(1_000);
    }
    expect(socket.sentOp("probe")).toEqual([]);
    let answered = 0;
    for (let step = 0; step < 300; step++) {
      await world.clock.advance(100);
      if (socket.sentOp("probe").length === answered) continue;
      socket.answerProbe();
      answered++;
    }
    // 30 s of quiet cost 25 probes of 8 bytes there and back: the price of noticing within 3 s.
    expect(answered).toBeGreaterThanOrEqual(23);
    expect(answered).toBeLessThanOrEqual(25);
    expect(world.client.state().kind).toBe("live");
  });

  it("a page that nobody looks at sends no probe until the server's ping is overdue", async () => {
    const world = newWorld();
    world.setWatched(false);
    const socket = world.welcome({ pingS: 30 });
    await world.clock.advance(34_900);
    expect(socket.sentOp("probe")).toEqual([]);
    await world.clock.advance(100);
    expect(socket.sentOp("probe")).toHaveLength(1);
    await world.clock.advance(1_300);
    expect(world.client.state().kind).toBe("reconnecting");
  });

  it("a slow network gets two and a half of its own round trips before it is given up", async () => {
    const world = newWorld();
    world.socket().emit("open");
    await world.clock.advance(900);
    const socket = world.welcome();
    await world.clock.advance(1_200 + 2_200);
    expect(world.client.state().kind).toBe("live");
    socket.say({ op: "ping", now: 0 });
    expect(world.client.stats().rttMs).toBe(2_200);
  });

  it("after a sleep the link is asked before it is judged", async () => {
    const world = newWorld();
    const socket = world.welcome();
    await world.clock.advance(1_600);
    expect(socket.sentOp("probe")).toHaveLength(1);
    await world.clock.sleep(3_600_000);
    expect(world.client.state().kind).toBe("live");
    expect(socket.sentOp("probe")).toHaveLength(2);
    socket.say({ op: "ping", now: 0 });
    await world.clock.advance(1_300);
    expect(world.client.state().kind).toBe("live");
  });

  it("a change of network is a reason to ask at once", async () => {
    const world = newWorld();
    world.setWatched(false);
    const socket = world.welcome();
    world.signal("attention");
    expect(socket.sentOp("probe")).toHaveLength(1);
    await world.clock.advance(1_300);
    expect(world.client.state().kind).toBe("reconnecting");
  });
});

describe("coming back", () => {
  it("waits 1, 2, 4 … 30 s, ten times, and then says clearly that it gave up", async () => {
    const world = newWorld();
    world.welcome();
    for (let round = 0; round < 11; round++) await world.lose();
    const waits = world.states.filter((state) => state.kind === "reconnecting").map((state) => state.afterMs);
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000]);
    expect(world.states.at(-1)).toMatchObject({ kind: "failed", code: "tries_exhausted" });
    expect(world.sockets).toHaveLength(11);
    await world.clock.advance(3_600_000);
    expect(world.sockets).toHaveLength(11);
  });

  it("jitter takes up to half of each wait, so that a venue's phones do not come back all at once", async () => {
    const clock = new FakeClock();
    clock.chance = 1;
    const world = newWorld({ clock });
    world.socket().emit("close");
    expect(world.states.at(-1)).toMatchObject({ afterMs: 500 });
  });

  it("a settled connection begins its count anew; one that breaks at once does not", async () => {
    const world = newWorld();
    world.welcome();
    world.socket().emit("close");
    await world.clock.advance(1_000);
    world.welcome();
    world.socket().emit("close");
    expect(world.states.at(-1)).toMatchObject({ attempt: 2 });
    await world.clock.advance(2_000);
    world.setWatched(false);
    world.welcome();
    await world.clock.advance(10_000);
    world.socket().emit("close");
    expect(world.states.at(-1)).toMatchObject({ attempt: 1 });
  });

  it.each(["online", "attention"] as const)("tries at once on %s instead of waiting out the pause", async (signal) => {
    const world = newWorld();
    for (let round = 0; round < 4; round++) await world.lose();
    world.socket().emit("close");
    expect(world.sockets).toHaveLength(5);
    world.signal(signal);
    expect(world.sockets).toHaveLength(6);
  });

  it("a machine that wakes does not wait out a pause from before its sleep", async () => {
    const world = newWorld();
    for (let round = 0; round < 5; round++) await world.lose();
    world.socket().emit("close");
    const before = world.sockets.length;
    await world.clock.advance(2_000);
    expect(world.sockets).toHaveLength(before);
    await world.clock.sleep(60_000);
    expect(world.sockets).toHaveLength(before + 1);
  });

  it("after giving up, a network that comes back or a click on retry begins again", async () => {
    const world = newWorld();
    const giveUp = async (): Promise<void> => {
      while (world.client.state().kind !== "failed") await world.lose();
    };
    await giveUp();
    world.signal("online");
    world.welcome();
    expect(world.client.state().kind).toBe("live");
    await giveUp();
    world.client.retry();
    world.welcome();
    expect(world.client.state().kind).toBe("live");
  });

  it("a client to whom nothing has happened yet still knows from where to resume", async () => {
    const world = newWorld();
    world.welcome().say({ op: "ping", now: 1, c: "cursor-0" });
    await world.lose();
    world.welcome();
    expect(world.socket().sent[0]).toMatchObject({ resume: "cursor-0" });
  });

  it("while a replay owes events, no cursor beyond them is kept", async () => {
    const world = newWorld();
    world.welcome().say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") });
    await world.lose();
    world.welcome().say({ op: "ping", now: 1, c: "cursor-9" });
    await world.lose();
    expect(world.welcome().sent[0]).toMatchObject({ resume: "cursor-1" });
    world.socket().say({ op: "caught", c: "cursor-9" });
    await world.lose();
    world.welcome();
    expect(world.socket().sent[0]).toMatchObject({ resume: "cursor-9" });
  });

  it("a refused cursor is dropped, said as a gap, and the client begins afresh", async () => {
    const world = newWorld();
    world.welcome().say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") });
    world.socket().emit("close");
    await world.clock.advance(1_000);
    world.socket().emit("open");
    const hello = world.socket().sentOp("hello")[0];
    expect(hello).toMatchObject({ resume: "cursor-1" });
    world.socket().say({ op: "err", re: hello?.["id"], code: "cursor_expired", n: 4101, retry: false });
    await world.clock.advance(2_000);
    world.welcome();
    expect(world.socket().sent[0]).not.toHaveProperty("resume");
    expect(world.gaps).toEqual(["cursor_expired"]);
  });

  it("a resume that the server did not grant is a gap, never silent", async () => {
    const world = newWorld();
    world.welcome().say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") });
    world.socket().emit("close");
    await world.clock.advance(1_000);
    world.welcome({ resumed: false, why: "epoch" }).say({ op: "gap", why: "epoch" });
    expect(world.gaps).toEqual(["epoch"]);
    world.socket().say({ op: "gap", why: "overflow" });
    expect(world.gaps).toEqual(["epoch", "overflow"]);
  });

  it("a draining server names the wait", async () => {
    const clock = new FakeClock();
    clock.chance = 0.5;
    const world = newWorld({ clock });
    const socket = world.welcome();
    socket.say({ op: "bye", n: 4001, after: [500, 4_500] });
    socket.emit("close", { code: 4001 });
    expect(world.states.at(-1)).toMatchObject({ kind: "reconnecting", afterMs: 2_500 });
  });

  it("a rate-limited client stays away as long as it was told to", () => {
    const world = newWorld();
    const socket = world.welcome();
    socket.say({ op: "err", code: "rate_limited", n: 4290, retry: true, after: 7_000 });
    socket.emit("close", { code: 4290 });
    expect(world.states.at(-1)).toMatchObject({ kind: "reconnecting", afterMs: 7_000 });
  });
});

describe("tokens", () => {
  it("an expired one is replaced at once where there is a source", async () => {
    let issued = 0;
    const world = newWorld({ token: () => Promise.resolve(`token-${++issued}`) });
    await world.clock.advance(0);
    world.welcome().emit("close", { code: 4401 });
    await world.clock.advance(0);
    world.welcome();
    expect(world.socket().sent[0]).toMatchObject({ tok: "token-2" });
  });

  it("without a source the state says that somebody must log in again", () => {
    const world = newWorld();
    world.welcome().emit("close", { code: 4401 });
    expect(world.states.at(-1)).toMatchObject({ kind: "failed", code: "token_expired" });
  });

  it("a long connection renews its token before it ends, without reconnecting", async () => {
    let issued = 0;
    const world = newWorld({ token: () => Promise.resolve(`token-${++issued}`) });
    await world.clock.advance(0);
    world.setWatched(false);
    const socket = world.welcome({ ttlS: 100, pingS: 300 });
    await world.clock.advance(80_000);
    expect(socket.sentOp("auth")).toMatchObject([{ tok: "token-2" }]);
    expect(world.sockets).toHaveLength(1);
  });

  it.each([
    [4500, "unauthorized"],
    [4501, "protocol_error"],
    [4503, "erased"],
    [4504, "connection_limit"],
  ])("close code %i stops the client: %s", async (code, failure) => {
    const world = newWorld();
    world.welcome().emit("close", { code });
    expect(world.states.at(-1)).toMatchObject({ kind: "failed", code: failure });
    world.signal("online");
    await world.clock.advance(60_000);
    expect(world.sockets).toHaveLength(1);
    // Only a person leads back.
    world.client.retry();
    expect(world.sockets).toHaveLength(2);
  });

  it("one page too many is told so, and does not knock again and again", async () => {
    const world = newWorld();
    world.socket().emit("open");
    world.socket().say({ op: "err", re: 1, code: "limit", n: 4220, retry: false, detail: "at most 16 connections at once" });
    expect(world.states.at(-1)).toMatchObject({ kind: "failed", code: "connection_limit", message: "at most 16 connections at once" });
    await world.clock.advance(60_000);
    expect(world.sockets).toHaveLength(1);
  });

  it("a refused hello stops the client with the server's own words", () => {
    const world = newWorld();
    world.socket().emit("open");
    world.socket().say({ op: "err", re: 1, code: "unauthorized", n: 4010, retry: false, detail: "this token is for another event" });
    expect(world.states.at(-1)).toMatchObject({ kind: "failed", code: "unauthorized", message: "this token is for another event" });
  });
});

describe("calls", () => {
  it("a privacy change counts as saved only when the server says so", async () => {
    const world = newWorld();
    const socket = world.welcome();
    let isSaved = false;
    const saved = world.client.setPrivacy({ level: "hidden" }).then(() => (isSaved = true));
    await world.clock.advance(100);
    expect(isSaved).toBe(false);
    const set = socket.sentOp("set")[0];
    expect(set).toMatchObject({ privacy: { level: "hidden" } });
    socket.say({ op: "ok", re: set?.["id"] });
    await saved;
    expect(isSaved).toBe(true);
  });

  it("a privacy change made without a network is the first thing after the welcome", async () => {
    const world = newWorld();
    world.welcome().emit("close");
    const saved = world.client.setPrivacy({ level: "hidden" });
    await world.clock.advance(1_000);
    const socket = world.welcome();
    expect(socket.sent.map((frame) => frame["op"]).slice(0, 3)).toEqual(["hello", "set", "sub"]);
    socket.say({ op: "ok", re: socket.sentOp("set")[0]?.["id"] });
    await saved;
  });

  it("a privacy change whose answer was lost with the link is asked again", async () => {
    const world = newWorld();
    world.welcome();
    const saved = world.client.setPrivacy({ doNotDisturb: true });
    expect(world.socket().sentOp("set")).toHaveLength(1);
    world.socket().emit("close");
    await world.clock.advance(1_000);
    const socket = world.welcome();
    socket.say({ op: "ok", re: socket.sentOp("set")[0]?.["id"] });
    await saved;
  });

  it("a refusal rejects the call with its code", async () => {
    const world = newWorld();
    const socket = world.welcome();
    const saved = world.client.setPrivacy({ level: "precise" });
    socket.say({ op: "err", re: socket.sentOp("set")[0]?.["id"], code: "forbidden", n: 4030, retry: false, detail: "no person is tied to this login" });
    await expect(saved).rejects.toMatchObject({ code: "forbidden", number: 4030, message: "no person is tied to this login" });
  });

  it("an answer that never comes costs the link, not the call", async () => {
    const world = newWorld();
    world.setWatched(false);
    world.welcome();
    const saved = world.client.setPrivacy({ level: "zone" });
    await world.clock.advance(10_000);
    expect(world.client.state().kind).toBe("reconnecting");
    await world.clock.advance(1_000);
    const socket = world.welcome();
    socket.say({ op: "ok", re: socket.sentOp("set")[0]?.["id"] });
    await saved;
  });

  it("at most 64 calls wait; the next is told so", async () => {
    const world = newWorld();
    const waiting = Array.from({ length: 64 }, () => world.client.setPrivacy({ level: "zone" }).catch((error: unknown) => error));
    await expect(world.client.setPrivacy({ level: "zone" })).rejects.toThrow("more than 64 calls wait");
    world.client.close();
    expect(await Promise.all(waiting)).toHaveLength(64);
  });

  it("a channel subscribed later is subscribed again on every later connection, an unsubscribed one is not", async () => {
    const world = newWorld();
    world.welcome();
    const subscribed = world.client.subscribe({ ch: "nearby" });
    world.socket().say({ op: "ok", re: world.socket().sentOp("sub").at(-1)?.["id"], ch: "nearby" });
    await subscribed;
    void world.client.unsubscribe("alerts");
    world.socket().emit("close");
    await world.clock.advance(1_000);
    expect(world.welcome().sentOp("sub")).toMatchObject([{ ch: "nearby" }]);
  });

  it("a channel that is refused for good is not asked for again", async () => {
    const refusals: string[] = [];
    const world = newWorld({ channels: [{ ch: "venue" }], onRefusal: (error) => refusals.push(error.code) });
    world.socket().emit("open");
    world.socket().say({ op: "welcome", re: 1, ttlS: 60, pingS: 30, resumed: false, who: { personId: "p1", role: "attendee" } });
    world.socket().say({ op: "err", re: 2, code: "forbidden", n: 4030, retry: false });
    await world.clock.advance(0);
    world.socket().emit("close");
    await world.clock.advance(1_000);
    expect(world.welcome().sentOp("sub")).toEqual([]);
    expect(refusals).toEqual(["forbidden"]);
  });
});

describe("callbacks that act", () => {
  it("a page that calls retry() as soon as it is told of the loss gets one new connection, not two", async () => {
    const world = newWorld({
      onState: (state) => {
        if (state.kind === "reconnecting" && state.attempt === 1) world.client.retry();
      },
    });
    world.welcome().emit("close");
    expect(world.sockets).toHaveLength(2);
    world.welcome();
    await world.clock.advance(1_100);
    expect(world.sockets).toHaveLength(2);
    expect(world.client.state().kind).toBe("live");
  });

  it("what an earlier connection still says, or that it closes at last, means nothing to the next one", async () => {
    const world = newWorld();
    const first = world.welcome();
    await world.lose();
    world.welcome();
    first.say({ op: "ev", s: 1, ...alertEvent("late") });
    first.emit("close", { code: 4500 });
    expect(world.events).toEqual([]);
    expect(world.client.state().kind).toBe("live");
  });

  it("a page that closes on the welcome hears nothing more of it", async () => {
    const world = newWorld({
      onWelcome: () => {
        if (world.sockets.length === 2) world.client.close();
      },
    });
    world.welcome().say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") });
    await world.lose();
    world.welcome({ resumed: false, why: "epoch" });
    expect(world.gaps).toEqual([]);
    expect(world.clock.waiting).toBe(0);
  });
});

describe("the end", () => {
  it("close() leaves no timer, no listener and no callback behind", async () => {
    const world = newWorld();
    const socket = world.welcome();
    const waiting = expect(world.client.setPrivacy({ level: "zone" })).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    const statesBefore = world.states.length;
    world.client.close();
    await waiting;
    socket.say({ op: "ev", s: 1, ...alertEvent("late") });
    socket.emit("close");
    expect(socket.closedWith).toBe(1000);
    expect(world.clock.waiting).toBe(0);
    expect(world.listeners()).toBe(0);
    expect(world.states).toHaveLength(statesBefore);
    expect(world.events).toEqual([]);
  });
});
