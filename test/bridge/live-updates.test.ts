import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE_CODES, SUBPROTOCOL } from "@konferenco/protocol";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge();
});
afterEach(() => test.close());

describe("a client's first words", () => {
  it("hello is answered with a welcome that says who one is", async () => {
    await test.addPerson("anna");
    const anna = await test.client("attendee", "anna");
    expect(anna.frames[0]).toMatchObject({ op: "welcome", resumed: false, pingS: 30, who: { personId: "anna", role: "attendee" } });
    expect(anna.socket.protocol).toBe(SUBPROTOCOL);
    expect(test.bridge.stats().connectionsByRole.attendee).toBe(1);
  });

  it("frames that follow hello at once are answered in order", async () => {
    await test.addPerson("anna");
    const anna = await test.client("attendee", "anna", { hello: false });
    anna.send({ op: "hello", id: 1, tok: await test.bridge.issueToken({ role: "attendee", personId: "anna" }) });
    anna.send({ op: "sub", id: 2, ch: "me" });
    anna.send({ op: "sub", id: 3, ch: "alerts" });
    await anna.answer(3);
    expect(anna.frames.map((frame) => ("re" in frame ? frame.re : null))).toEqual([1, 2, 3]);
  });

  it("a token of another event, of another secret, or no token at all closes with 4500", async () => {
    const other = await openTestBridge({ eventId: "other" });
    const foreign = await other.bridge.issueToken({ role: "operator", personId: null });
    await other.close();
    const unsigned = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${foreign.split(".")[1] ?? ""}.`;
    for (const token of [foreign, unsigned, "x", "a.b.c"]) {
      const client = await test.client("operator", null, { hello: false });
      expect(await client.hello(token)).toMatchObject({ op: "err", code: "unauthorized", retry: false });
      expect((await client.closed).code).toBe(CLOSE_CODES.invalidToken);
    }
  });

  it("an expired token closes with 4401, so that the client gets a new one", async () => {
    const token = await test.bridge.issueToken({ role: "operator", personId: null });
    test.skewMs(13 * 3_600_000);
    const client = await test.client("operator", null, { hello: false });
    expect(await client.hello(token)).toMatchObject({ op: "err", code: "token_expired", retry: true });
    expect((await client.closed).code).toBe(CLOSE_CODES.tokenExpired);
  });

  it("a connection whose token ends while it is open closes with 4401, unless it brings a new one", async () => {
    const renewing = await test.client("operator");
    const silent = await test.client("staff");
    test.skewMs(11 * 3_600_000);
    for (const client of [renewing, silent]) client.send({ op: "pong" });
    expect(await renewing.ask({ op: "auth", tok: await test.bridge.issueToken({ role: "operator", personId: null }) })).toMatchObject({ op: "ok" });
    await silent.settled();
    test.skewMs(2 * 3_600_000 - 80_000);
    for (const client of [renewing, silent]) client.send({ op: "pong" });
    await Promise.all([renewing.settled(), silent.settled()]);
    test.skewMs(80_000 + 30_000);
    // Both must still count as heard when the second is looked at.
    for (const client of [renewing, silent]) client.send({ op: "pong" });
    expect((await silent.closed).code).toBe(CLOSE_CODES.tokenExpired);
    await renewing.settled();
  });

  it("a token of somebody else does not take over a connection", async () => {
    const client = await test.client("staff");
    expect(await client.ask({ op: "auth", tok: await test.bridge.issueToken({ role: "operator", personId: null }) })).toMatchObject({ op: "err", code: "forbidden" });
    await client.settled();
  });

  it("the token of a person who is not registered closes with 4503", async () => {
    const client = await test.client("attendee", "nobody", { hello: false });
    expect(await client.hello(await test.bridge.issueToken({ role: "attendee", personId: "nobody" }))).toMatchObject({ op: "err", code: "unauthorized" });
    expect((await client.closed).code).toBe(CLOSE_CODES.erased);
  });

  it("what is not JSON, not text or not hello first closes with 4501", async () => {
    for (const say of [(socket: WebSocket) => socket.send("{"), (socket: WebSocket) => socket.send(Buffer.from("{}")), (socket: WebSocket) => socket.send('{"op":"sub","id":1,"ch":"venue"}')]) {
      const client = await test.client("operator", null, { hello: false });
      say(client.socket);
      expect((await client.closed).code).toBe(CLOSE_CODES.protocolError);
    }
  });

  it("a frame beyond 16 KB closes with 1009", async () => {
    const client = await test.client("operator");
    client.send({ op: "hello", id: 9, tok: "x".repeat(20_000) });
    expect((await client.closed).code).toBe(1009);
  });

  it("prototype names in a frame are words like any other", async () => {
    const client = await test.client("operator");
    client.socket.send('{"op":"__proto__","id":1}');
    client.socket.send('{"op":"sub","id":70,"ch":"constructor","__proto__":{"ch":"venue"}}');
    expect(await client.answer(70)).toMatchObject({ op: "err", code: "unknown_channel" });
    expect(({} as Record<string, unknown>)["ch"]).toBeUndefined();
    await client.settled();
  });

  it("an unknown word is told to be unknown and everything goes on", async () => {
    const client = await test.client("operator");
    expect(await client.ask({ op: "sing" })).toMatchObject({ op: "err", code: "bad_request", detail: "unknown op" });
    expect(await client.ask({ op: "sub", ch: "weather" })).toMatchObject({ op: "err", code: "unknown_channel" });
    expect(await client.subscribe("venue")).toMatchObject({ op: "ok", ch: "venue" });
    expect(await client.subscribe("venue")).toMatchObject({ op: "err", code: "already_subscribed" });
    expect(await client.ask({ op: "unsub", ch: "venue" })).toMatchObject({ op: "ok" });
    expect(await client.subscribe("venue")).toMatchObject({ op: "ok", ch: "venue" });
  });

  it("who talks too much is told how long to wait, and is cut off when they go on", async () => {
    const client = await test.client("operator");
    for (let n = 0; n < 120; n++) client.send({ op: "probe" });
    await client.until(() => client.frames.some((frame) => frame.op === "err"));
    expect(client.frames.find((frame) => frame.op === "err")).toMatchObject({ code: "rate_limited", retry: true });
    for (let n = 0; n < 200; n++) client.send({ op: "probe" });
    expect((await client.closed).code).toBe(CLOSE_CODES.rateLimited);
  });
});

describe("who may subscribe to what", () => {
  it.each([
    ["attendee", "anna", "venue", "forbidden"],
    ["operator", null, "me", "forbidden"],
    ["display", null, "nearby", "forbidden"],
  ] as const)("%s %s may not subscribe to %s", async (role, personId, channel, code) => {
    if (personId !== null) await test.addPerson(personId);
    const client = await test.client(role, personId);
    expect(await client.subscribe(channel)).toMatchObject({ op: "err", code });
  });

  it("only operators and staff may ask for every position", async () => {
    await test.addPerson("anna");
    const anna = await test.client("attendee", "anna");
    expect(await anna.subscribe("me", { every: true })).toMatchObject({ op: "err", code: "forbidden" });
  });
});

describe("what is seen as it happens", () => {
  it("staff see a person enter a room, with a dense number, an opaque id and a cursor", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const desk = await test.client("staff");
    await desk.subscribe("venue");
    await test.enter("t-1");
    const seen = await desk.event((event) => event.t === "zone.enter");
    expect(seen).toMatchObject({ s: 1, event: { t: "zone.enter", d: { subj: { who: "person", personId: "anna", name: "Name of anna" }, zoneId: "room-a", floor: 0 } } });
    expect(seen.i).toMatch(/^[\w-]{16}$/);
    expect(desk.cursor).toBeDefined();
    expect(desk.everything).not.toContain(`"t-1"`);
  });

  it("a person sees themselves exactly, others see them as they allow: a screen and another attendee nothing", async () => {
    await test.addPerson("anna", { tagId: "t-1", settings: { level: "precise", audiences: { staff: "precise" } } });
    await test.addPerson("ben", { tagId: "t-2" });
    const [anna, ben, desk, screen] = await Promise.all([test.client("attendee", "anna"), test.client("attendee", "ben"), test.client("staff"), test.client("display")]);
    for (const [client, channel] of [[anna, "me"], [ben, "me"], [desk, "venue"], [screen, "venue"]] as const) await client.subscribe(channel, { hz: 10 });
    await test.enter("t-1");
    await test.move("t-1");
    const own = await anna.event((event) => event.t === "position");
    expect(own.event).toMatchObject({ d: { subj: { who: "me" }, xM: 3.3, yM: 4.4, accuracy95M: 0.4, zoneId: "room-a" } });
    const shown = await desk.event((event) => event.t === "position");
    expect(shown.event).toMatchObject({ d: { subj: { who: "person", personId: "anna" }, xM: 3, yM: 4, accuracy95M: 1 } });
    await Promise.all([ben.settled(), screen.settled()]);
    expect(ben.events).toEqual([]);
    expect(screen.everything).not.toContain("anna");
    for (const client of [anna, ben, screen, desk]) expect(client.everything).not.toContain(`"t-1"`);
  });

  it("positions come at the rate that was asked for, latest first and last", async () => {
    await test.addPerson("anna", { tagId: "t-1", settings: { level: "precise", audiences: { staff: "precise" } } });
    const [slow, quick] = await Promise.all([test.client("staff"), test.client("staff")]);
    await slow.subscribe("venue", { hz: 0.1 });
    await quick.subscribe("venue", { hz: 10 });
    await test.move("t-1", { xM: 1 });
    await slow.event((event) => event.t === "position");
    await quick.event((event) => event.t === "position");
    for (const xM of [2, 3, 4, 5]) await test.move("t-1", { xM });
    await quick.event((event) => event.t === "position" && event.d.xM === 5);
    expect(slow.events).toHaveLength(1);
    expect(quick.events.length).toBeLessThanOrEqual(3);
  });

  it("a recorder gets every position in order", async () => {
    const recorder = await test.client("operator");
    await recorder.subscribe("venue", { every: true });
    for (let xM = 1; xM <= 50; xM++) await test.move("thing-1", { xM });
    await recorder.until(() => recorder.events.length === 50);
    expect(recorder.events.map(({ event }) => (event.t === "position" ? event.d.xM : null))).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    expect(recorder.events[0]?.event).toMatchObject({ d: { subj: { who: "tag", tagId: "thing-1" } } });
  });

  it("two who both want it hear of each other when they are near, and staff do not", async () => {
    for (const [personId, tagId] of [["anna", "t-1"], ["ben", "t-2"]] as const) await test.addPerson(personId, { tagId, settings: { proximityAlerts: true, level: "precise", audiences: { attendees: "precise" } } });
    const [anna, ben, desk] = await Promise.all([test.client("attendee", "anna"), test.client("attendee", "ben"), test.client("operator")]);
    await anna.subscribe("me");
    await ben.subscribe("me");
    await desk.subscribe("venue");
    await test.pair("t-1", "t-2");
    expect((await anna.event((event) => event.t === "near")).event).toMatchObject({ d: { subj: { who: "person", personId: "ben", name: "Name of ben" } } });
    expect((await ben.event((event) => event.t === "near")).event).toMatchObject({ d: { subj: { who: "person", personId: "anna" } } });
    await desk.settled();
    expect(desk.events).toEqual([]);
    for (const client of [anna, ben]) expect(client.everything).not.toMatch(/1\.7|distance|"t-[12]"/);
  });

  it("an alert reaches everybody who listens, those in its zones first", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    await test.addPerson("ben", { tagId: "t-2" });
    const [ben, anna, screen] = [await test.client("attendee", "ben"), await test.client("attendee", "anna"), await test.client("display")];
    for (const client of [ben, anna, screen]) await client.subscribe("alerts");
    await test.enter("t-1", "room-b");
    const order: string[] = [];
    const arrived = [ben, anna, screen].map((client, index) => client.event((event) => event.t === "alert").then(() => order.push(["ben", "anna", "screen"][index] as string)));
    const sent = await test.api("POST", "/api/v1/alerts", { as: { role: "operator", personId: null }, body: { severity: "emergency", title: "Fire in Room B", text: "Leave by the stairs", zoneIds: ["room-b"] } });
    expect(sent.status).toBe(201);
    await Promise.all(arrived);
    expect(order[0]).toBe("anna");
    const late = await test.client("display");
    await late.subscribe("alerts");
    expect(late.snapshots).toMatchObject([{ t: "alert", d: { title: "Fire in Room B", zoneIds: ["room-b"] } }]);
  });

  it("gateways are staff's business", async () => {
    const [desk, screen] = await Promise.all([test.client("staff"), test.client("display")]);
    await desk.subscribe("venue");
    await screen.subscribe("venue");
    await test.commit({ gateways: [{ gatewayId: "gw-1", state: "silent", atMs: 1, lastReportAtMs: null, observationsPerS: 0, clockOffsetMs: null }] });
    expect((await desk.event((event) => event.t === "gateway")).event).toMatchObject({ d: { gatewayId: "gw-1", state: "silent" } });
    expect(screen.events.some(({ event }) => event.t === "gateway")).toBe(false);
  });
});

describe("what a new subscriber is shown", () => {
  it("the present state of everybody, as far as they allow", async () => {
    await test.addPerson("anna", { tagId: "t-1", settings: { level: "precise", audiences: { staff: "precise" } } });
    await test.addPerson("ben", { tagId: "t-2" });
    await test.addPerson("cleo", { tagId: "t-3", settings: { level: "hidden" } });
    for (const tagId of ["t-1", "t-2", "t-3", "thing"]) {
      await test.enter(tagId);
      await test.move(tagId);
    }
    const desk = await test.client("staff");
    await desk.subscribe("venue");
    const shown = desk.snapshots.map((event) => `${event.t} ${"subj" in event.d ? JSON.stringify(event.d.subj) : ""}`).sort();
    expect(shown).toEqual(['position {"who":"person","personId":"anna","name":"Name of anna"}', 'position {"who":"tag","tagId":"thing"}', 'zone.enter {"who":"person","personId":"ben","name":"Name of ben"}']);
    const ben = await test.client("attendee", "ben");
    await ben.subscribe("me");
    expect(ben.snapshots.map((event) => event.t).sort()).toEqual(["position", "settings"]);
  });

  it("a picture larger than a frame comes in parts, and none is missing", async () => {
    const positions = Array.from({ length: 1_500 }, (_, n) => ({ tagId: `thing-${n}`, atMs: test.nowMs(), xM: n, yM: 0, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 1, source: "beacon" as const, zoneId: "room-a" }));
    await test.commit({ positions });
    const desk = await test.client("staff");
    await desk.subscribe("venue");
    const tags = () => new Set([...desk.snapshots, ...desk.events.map(({ event }) => event)].flatMap((event) => (event.t === "position" && event.d.subj.who === "tag" ? [event.d.subj.tagId] : [])));
    await desk.until(() => tags().size === 1_500);
    expect(desk.holes).toBe(0);
  });

  it("how full zones are: exact for staff, few or rounded for others", async () => {
    for (let n = 0; n < 40; n++) {
      await test.addPerson(`p-${n}`, { tagId: `t-${n}` });
      await test.enter(`t-${n}`, n < 38 ? "room-a" : "room-b");
    }
    const desk = await test.client("staff");
    await desk.subscribe("occupancy");
    const counts = (client: typeof desk) => Object.fromEntries(client.snapshots.flatMap((event) => (event.t === "occupancy" ? event.d.zones.map(({ zoneId, count }) => [zoneId, count]) : [])));
    expect(counts(desk)).toEqual({ "room-a": 38, "room-b": 2, hall: 0 });
    const screen = await test.client("display");
    await screen.subscribe("occupancy");
    expect(Number(counts(screen)["room-a"]) % 5).toBe(0);
    const again = await test.client("display");
    await again.subscribe("venue");
    expect(counts(again)).toEqual(counts(screen));
    const shown = await test.api("GET", "/api/v1/occupancy", { as: { role: "display", personId: null } });
    expect(Object.fromEntries(shown.body.zones.map((zone: { zoneId: string; count: unknown }) => [zone.zoneId, zone.count]))).toEqual(counts(screen));
    await test.enter("t-39", "hall");
    expect((await desk.event((event) => event.t === "occupancy")).event).toMatchObject({ d: { zones: expect.arrayContaining([{ zoneId: "hall", count: 1 }]) } });
  });
});

describe("the people near me", () => {
  it("are listed by the server from where it knows me to be, and the list follows", async () => {
    await test.addPerson("anna", { tagId: "t-1", interests: ["AI"] });
    await test.addPerson("ben", { tagId: "t-2", interests: ["ai", "Go"] });
    await test.addPerson("cleo", { tagId: "t-3", settings: { level: "hidden" } });
    const anna = await test.client("attendee", "anna");
    await anna.subscribe("nearby");
    for (const tagId of ["t-1", "t-2", "t-3"]) {
      await test.enter(tagId);
      await test.move(tagId);
    }
    const list = (event: { t: string; d: unknown }, names: string[]) => event.t === "nearby" && JSON.stringify((event.d as { people: { personId: string }[] }).people.map((person) => person.personId)) === JSON.stringify(names);
    const seen = await anna.event((event) => list(event, ["ben"]));
    expect(seen.event).toMatchObject({ d: { people: [{ personId: "ben", name: "Name of ben", sharedInterests: ["ai"], within: "same_zone" }] } });
    expect(anna.everything).not.toMatch(/cleo|"t-[123]"|"xM"/);
    await test.move("t-2", { zoneId: "room-b", xM: 25 });
    // Of strangers one learns late, and never the second in which they came or went.
    test.skewMs(121_000);
    await anna.event((event) => list(event, []) && anna.events.length > 1);
  });
});
