import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PresenceView } from "@konferenco/protocol";
import { PresenceBoard, PRESENCE_TIMEOUT_MS } from "../../bridge/src/core/presence-board.ts";
import { openTestBridge, type TestBridge, type TestClient } from "./support/harness.ts";

const views = (client: TestClient) => client.events.flatMap(({ event }) => (event.t === "presence" ? [event.d] : []));
const shown = (client: TestClient): PresenceView[] => [...client.snapshots.flatMap((event) => (event.t === "presence" ? [event.d] : [])), ...views(client)];
/** Who is there for this client, after all that it was told. */
function picture(client: TestClient): Record<string, string> {
  const people = new Map<string, string>();
  for (const view of shown(client)) {
    if (view.whole) people.clear();
    for (const { personId, state } of view.people) people.set(personId, state);
    for (const personId of view.left) people.delete(personId);
  }
  return Object.fromEntries([...people].sort());
}
const sees = (client: TestClient, wanted: Record<string, string>) => client.until(() => JSON.stringify(picture(client)) === JSON.stringify(wanted), 8_000);

describe("presence", () => {
  let test: TestBridge;
  beforeEach(async () => {
    test = await openTestBridge();
    for (const personId of ["anna", "ben", "cleo"]) await test.addPerson(personId, { connections: ["anna", "ben", "cleo"].filter((other) => other !== personId) });
  });
  afterEach(() => test.close());
  const attendee = (personId: string) => test.client("attendee", personId);

  it("tells who is in a channel, who joins and who leaves; a page that is loaded anew does not leave", async () => {
    const ben = await attendee("ben");
    await ben.subscribe("app:lobby");
    await sees(ben, { ben: "online" });
    const anna = await attendee("anna");
    await anna.subscribe("app:lobby");
    await sees(ben, { anna: "online", ben: "online" });
    expect(views(ben).at(-1)).toMatchObject({ ch: "app:lobby", count: 2 });
    await sees(anna, { anna: "online", ben: "online" });
    anna.socket.terminate();
    await anna.closed;
    const reloaded = await attendee("anna");
    await reloaded.subscribe("app:lobby");
    test.skewMs(10_000);
    const told = views(ben).length;
    await reloaded.ask({ op: "unsub", ch: "app:lobby" });
    await sees(ben, { ben: "online" });
    expect(views(ben).slice(told)).toEqual([{ ch: "app:lobby", whole: false, count: 1, people: [], left: ["anna"], more: 0 }]);
  });

  it("follows what people say of themselves and what they do: busy, away after half an hour, offline after the last tab", async () => {
    const ben = await attendee("ben");
    await ben.subscribe("presence");
    const [anna, tab] = [await attendee("anna"), await attendee("anna")];
    await sees(ben, { anna: "online" });
    await tab.ask({ op: "set", presence: "busy" });
    await sees(ben, { anna: "busy" });
    await tab.ask({ op: "set", presence: "away" });
    await sees(ben, { anna: "online" });
    await anna.ask({ op: "set", presence: "away" });
    await sees(ben, { anna: "away" });
    await anna.ask({ op: "set", presence: "online" });
    await sees(ben, { anna: "online" });
    anna.socket.terminate();
    tab.socket.terminate();
    test.skewMs(6_000);
    await Promise.all([anna.closed, tab.closed]);
    const waiting = sees(ben, {});
    await ben.settled();
    test.skewMs(6_000);
    await waiting;
  });

  it("shows nothing of who does not show it: neither online nor whether they can be approached", async () => {
    await test.addPerson("dora", { settings: { presence: { online: false } } });
    await test.addPerson("emil", { settings: { presence: { availability: false } } });
    const ben = await attendee("ben");
    await ben.subscribe("app:lobby");
    const [dora, emil] = [await attendee("dora"), await attendee("emil")];
    for (const client of [dora, emil]) await client.subscribe("app:lobby");
    await emil.ask({ op: "set", presence: "busy" });
    await sees(ben, { ben: "online", emil: "online" });
    expect(ben.everything).not.toContain("dora");
    await emil.ask({ op: "set", privacy: { presence: { online: false } } });
    await sees(ben, { ben: "online" });
    await dora.ask({ op: "set", privacy: { presence: { online: true } } });
    await sees(ben, { ben: "online", dora: "online" });
  });

  it("of two of whom one has blocked the other says nothing to either, in channels and among connections: no name, no number, no leaving", async () => {
    await test.registry.changeSettings("anna", { blocked: ["ben"] });
    const [ben, cleo] = [await attendee("ben"), await attendee("cleo")];
    for (const client of [ben, cleo]) for (const channel of ["presence", "app:lobby"]) await client.subscribe(channel);
    await cleo.until(() => views(cleo).some(({ ch, count }) => ch === "app:lobby" && count === 2));
    const anna = await attendee("anna");
    await anna.subscribe("app:lobby");
    await cleo.until(() => views(cleo).some(({ ch, count }) => ch === "app:lobby" && count === 3));
    await anna.until(() => shown(anna).length > 0);
    anna.socket.terminate();
    await anna.closed;
    await cleo.settled();
    test.skewMs(6_000);
    await cleo.until(() => {
      if (views(cleo).some(({ left }) => left.includes("anna"))) return true;
      test.skewMs(500);
      return false;
    }, 20_000);
    await ben.settled();
    expect(ben.everything).not.toContain("anna");
    expect(Math.max(...shown(ben).map(({ count }) => count))).toBe(2);
    expect(shown(anna).flatMap(({ people }) => people.map(({ personId }) => personId))).not.toContain("ben");
  });

  it("one who hides their presence does not come and go for their connections either", async () => {
    await test.registry.changeSettings("anna", { presence: { online: false } });
    const ben = await attendee("ben");
    await ben.subscribe("presence");
    const [anna, cleo] = [await attendee("anna"), await attendee("cleo")];
    await sees(ben, { cleo: "online" });
    anna.socket.terminate();
    cleo.socket.terminate();
    await Promise.all([anna.closed, cleo.closed]);
    await ben.settled();
    test.skewMs(6_000);
    await ben.until(() => {
      test.skewMs(500);
      return views(ben).some(({ left }) => left.includes("cleo"));
    }, 20_000);
    expect(ben.everything).not.toContain("anna");
  });

  it("who is found by connections alone, and hides their presence, leaves their screens at once", async () => {
    await test.registry.changeSettings("anna", { discoverability: "connections" });
    const ben = await attendee("ben");
    await ben.subscribe("presence");
    await attendee("anna");
    await sees(ben, { anna: "online" });
    await test.registry.changeSettings("anna", { presence: { online: false } });
    await sees(ben, {});
  });

  it("is one event a second and channel, however many come; and a number alone where there is a crowd", async () => {
    const ben = await attendee("ben");
    await ben.subscribe("app:lobby");
    for (let n = 0; n < 40; n++) await test.addPerson(`p-${n}`);
    const startedMs = Date.now();
    await Promise.all(Array.from({ length: 40 }, async (_, n) => (await attendee(`p-${n}`)).subscribe("app:lobby")));
    await ben.until(() => views(ben).some((view) => view.count === 41), 10_000);
    expect(views(ben).length).toBeLessThanOrEqual(2 + Math.ceil((Date.now() - startedMs) / 1_000));
    expect(Math.max(...views(ben).map((view) => view.people.length))).toBeLessThanOrEqual(20);
  });

  it("is numbers for operators: nobody is named", async () => {
    const desk = await test.client("operator");
    await desk.subscribe("presence");
    await attendee("anna");
    const ben = await attendee("ben");
    await ben.ask({ op: "set", presence: "busy" });
    await ben.subscribe("presence");
    await desk.until(() => shown(desk).some((view) => view.count === 2 && view.states?.busy === 1), 8_000);
    expect(desk.everything).not.toMatch(/anna|"ben/);
  });
});

describe("presence over several bridges", () => {
  it("of one store is one picture; a bridge that falls silent takes its people along", async () => {
    const one = await openTestBridge();
    await one.addPerson("anna", { connections: ["ben"] });
    await one.addPerson("ben", { connections: ["anna"] });
    const secret = new Uint8Array(Buffer.from("the same secret for both bridges, 48 bytes long."));
    const two = await openTestBridge({ store: one.store, registry: one.registry, secret });
    const anna = await one.client("attendee", "anna");
    await anna.subscribe("app:lobby");
    const ben = await two.client("attendee", "ben");
    await ben.subscribe("app:lobby");
    await sees(anna, { anna: "online", ben: "online" });
    await sees(ben, { anna: "online", ben: "online" });
    await two.bridge.close();
    one.skewMs(PRESENCE_TIMEOUT_MS / 2);
    await anna.settled();
    one.skewMs(PRESENCE_TIMEOUT_MS / 2 + 1_000);
    await anna.settled();
    await sees(anna, { anna: "online" });
    await one.close();
  });

  it("the board merges what bridges say: busy over online over away, and all channels", () => {
    const board = new PresenceBoard();
    board.hear("b-1", [{ who: "anna", state: "away", channels: ["app:a"] }], false, 0);
    expect(board.hear("b-2", [{ who: "anna", state: "busy", channels: ["app:b"] }], false, 0)).toEqual([{ who: "anna", state: "busy", joined: ["app:b"], left: [], stayed: ["app:a"] }]);
    expect([...board.members("app:a")]).toEqual(["anna"]);
    expect(board.hear("b-2", [], true, 60_000)).toEqual([{ who: "anna", state: "away", joined: [], left: ["app:b"], stayed: ["app:a"] }]);
    expect(board.sweep(PRESENCE_TIMEOUT_MS + 1, "b-3")).toEqual([{ who: "anna", state: "offline", joined: [], left: ["app:a"], stayed: [] }]);
    expect(board.everybody().size).toBe(0);
    expect(board.members("app:a").size).toBe(0);
  });
});
