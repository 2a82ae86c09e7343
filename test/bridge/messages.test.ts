import { generateKeyPairSync, sign } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LOG_RETENTION_MS, signedText, type MessageView, type ServerFrame } from "@konferenco/protocol";
import { openTestBridge, type TestBridge, type TestClient } from "./support/harness.ts";

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge();
  for (const personId of ["anna", "ben", "cleo"]) await test.addPerson(personId);
});
afterEach(() => test.close());

const attendee = (personId: string, options: Parameters<TestBridge["client"]>[2] = {}) => test.client("attendee", personId, options);
const said = (client: TestClient, t = "chat/") => client.events.flatMap(({ event }) => (event.t.startsWith(t) && "body" in event.d ? [event.d] : []));
const texts = (client: TestClient, t?: string) => said(client, t).map((d) => d.body["text"]);
const chat = (client: TestClient, text: string, more: object = {}) => client.ask({ op: "pub", t: "chat/channel_message", ch: "app:lobby", d: { text }, ...more });
const direct = (client: TestClient, to: string, text: string, more: object = {}) => client.ask({ op: "pub", t: "chat/direct_message", to, d: { text }, ...more });
const refusal = (frame: ServerFrame) => (frame.op === "err" ? frame.code : "accepted");
const caught = (client: TestClient) => client.until(() => client.frames.some((frame) => frame.op === "caught"));

describe("a channel of an application", () => {
  it("carries what one says to all who are in it, the sender's other tabs included, and to nobody else", async () => {
    const [anna, annasPhone, ben, cleo] = await Promise.all(["anna", "anna", "ben", "cleo"].map((personId) => attendee(personId)));
    for (const client of [anna, annasPhone, ben]) await client!.subscribe("app:lobby");
    await cleo!.subscribe("app:bar");
    const answer = await chat(anna!, "Hello \u202eeveryone\u0007", { key: "k-1" });
    expect(answer).toMatchObject({ op: "ok", mid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/) });
    const heard = await ben!.event((event) => event.t === "chat/channel_message");
    expect(heard.event).toMatchObject({ t: "chat/channel_message", d: { from: { who: "person", personId: "anna", name: "Name of anna" }, ch: "app:lobby", body: { text: "Hello everyone" } } });
    expect(heard.i).toEqual(expect.any(String));
    expect((heard.event.d as MessageView).key).toBeUndefined();
    expect((await annasPhone!.event((event) => event.t === "chat/channel_message")).event).toMatchObject({ d: { from: { who: "me" }, key: "k-1" } });
    await cleo!.settled();
    expect(said(cleo!)).toEqual([]);
  });

  it("shows a newcomer the last messages, and one who comes back exactly what they missed", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    await ben.subscribe("app:lobby");
    await chat(anna, "one");
    await ben.event((event) => event.t === "chat/channel_message");
    await ben.settled();
    ben.socket.terminate();
    await chat(anna, "two");
    await chat(anna, "three");
    const back = await attendee("ben", { resume: ben.cursor as string });
    expect(await back.subscribe("app:lobby")).toMatchObject({ snap: expect.not.arrayContaining([expect.objectContaining({ t: "chat/channel_message" })]) });
    await caught(back);
    expect(texts(back)).toEqual(["two", "three"]);
    const cleo = await attendee("cleo");
    await cleo.subscribe("app:lobby");
    expect(cleo.snapshots.flatMap((event) => ("body" in event.d ? [event.d.body["text"]] : []))).toEqual(["one", "two", "three"]);
  });

  it("opens by the token: staff channels to staff, private ones to whom the token names, screens listen only", async () => {
    const [anna, desk, screen] = [await attendee("anna"), await test.client("staff"), await test.client("display")];
    expect(refusal(await anna.subscribe("app:staff-radio"))).toBe("unknown_channel");
    expect(refusal(await desk.subscribe("app:staff-radio"))).toBe("accepted");
    expect(refusal(await desk.subscribe("app:private-board"))).toBe("unknown_channel");
    expect(refusal(await screen.subscribe("app:lobby"))).toBe("accepted");
    expect(refusal(await chat(screen, "I am a screen"))).toBe("forbidden");
    expect(refusal(await chat(anna, "let me in", { ch: "app:staff-radio" }))).toBe("unknown_channel");
    const token = await test.bridge.issueToken({ role: "attendee", personId: "ben", channels: { sub: ["app:private-*", "app:lobby"], pub: ["app:private-board"] } });
    const ben = await attendee("ben", { token });
    expect(refusal(await ben.subscribe("app:private-board"))).toBe("accepted");
    expect(refusal(await ben.subscribe("app:bar"))).toBe("unknown_channel");
    expect(refusal(await chat(ben, "hi"))).toBe("forbidden");
    expect(refusal(await chat(ben, "hi", { ch: "app:private-board" }))).toBe("accepted");
    const narrower = await test.bridge.issueToken({ role: "attendee", personId: "ben", channels: { sub: ["app:lobby"] } });
    await ben.ask({ op: "auth", tok: narrower });
    expect(ben.frames).toContainEqual({ op: "drop", ch: "app:private-board", why: expect.any(String) });
    expect(refusal(await ben.subscribe("app:not a name"))).toBe("unknown_channel");
  });

  it("takes at most 64 subscriptions of one connection", async () => {
    const anna = await attendee("anna");
    const answers: string[] = [];
    for (let n = 0; n < 66; n++) {
      answers.push(refusal(await anna.subscribe(`app:room-${n}`)));
      test.skewMs(200);
    }
    expect(answers.slice(0, 64)).toEqual(Array.from({ length: 64 }, () => "accepted"));
    expect(answers.slice(64)).toEqual(["limit", "limit"]);
  });

  it("forgets the words of who is erased: on screens, in queues and in replays", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    await ben.subscribe("app:lobby");
    const { cursor } = ben;
    await chat(anna, "my secret");
    await ben.event((event) => event.t === "chat/channel_message");
    await test.api("DELETE", "/api/v1/people/anna", { as: { role: "operator", personId: null } });
    await ben.until(() => ben.frames.some((frame) => frame.op === "forget" && frame.subj === "anna"));
    for (const resume of [cursor as string, undefined]) {
      const again = await attendee("ben", resume === undefined ? {} : { resume });
      await again.subscribe("app:lobby");
      if (resume !== undefined) await caught(again);
      expect(again.everything).not.toContain("my secret");
    }
  });

  it("keeps the words of who only hides where they are", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    await ben.subscribe("app:lobby");
    await chat(anna, "hello");
    await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "anna" }, body: { level: "hidden" } });
    await ben.event((event) => event.t === "chat/channel_message");
    expect(ben.frames.filter((frame) => frame.op === "forget")).toEqual([]);
  });
});

describe("direct messages", () => {
  it("reach all sockets of a person and the sender's own, and nobody else", async () => {
    const clients = await Promise.all(["anna", "ben", "ben", "cleo"].map((personId) => attendee(personId)));
    for (const client of clients) await client.subscribe("direct");
    const [anna, ben, bensPhone, cleo] = clients as [TestClient, TestClient, TestClient, TestClient];
    await direct(anna, "ben", "coffee?");
    for (const client of [ben, bensPhone]) {
      expect((await client.event((event) => event.t === "chat/direct_message")).event).toMatchObject({ d: { from: { personId: "anna" }, to: "me", body: { text: "coffee?" }, request: true } });
    }
    expect((await anna.event((event) => event.t === "chat/direct_message")).event).toMatchObject({ d: { from: { who: "me" }, to: "ben" } });
    await cleo.settled();
    expect(said(cleo)).toEqual([]);
  });

  it("wait on the server and arrive in order on return: three of three, with a cursor and without", async () => {
    const ben = await attendee("ben");
    const answer = await ben.subscribe("direct");
    ben.socket.terminate();
    const anna = await attendee("anna");
    for (const text of ["one", "two", "three"]) await direct(anna, "ben", text);
    const resumed = await attendee("ben", { resume: (answer as { c: string }).c });
    await resumed.subscribe("direct");
    await caught(resumed);
    expect(texts(resumed)).toEqual(["one", "two", "three"]);
    const fresh = await attendee("ben");
    await fresh.subscribe("direct");
    expect(fresh.snapshots.flatMap((event) => ("body" in event.d ? [event.d.body["text"]] : []))).toEqual(["one", "two", "three"]);
  });

  it("go to who takes them: the hidden, the unknown and those without consent look the same", async () => {
    await test.addPerson("dora", { settings: { discoverability: "hidden" } });
    await test.addPerson("emil", { settings: { discoverability: "connections" }, connections: ["anna"] });
    await test.addPerson("fritz", { consent: false });
    await test.addPerson("gina", { connections: ["emil"] });
    const anna = await attendee("anna");
    const answers = await Promise.all(["dora", "emil", "fritz", "nobody"].map((to) => direct(anna, to, "hi")));
    expect(new Set(answers.map((frame) => JSON.stringify({ ...frame, re: 0 }))).size).toBe(1);
    expect(refusal(answers[0] as ServerFrame)).toBe("not_found");
    await test.addPerson("anna", { connections: ["emil"] });
    await anna.settled();
    const emil = await attendee("emil");
    await emil.subscribe("direct");
    expect(refusal(await direct(anna, "emil", "hi"))).toBe("accepted");
    const heard = await emil.event((event) => event.t === "chat/direct_message");
    expect((heard.event.d as MessageView).request).toBeUndefined();
    const fritz = await attendee("fritz");
    expect(refusal(await chat(fritz, "hi"))).toBe("forbidden");
  });
});

describe("somebody whom one has blocked", () => {
  it("is neither heard nor named in a channel, and hears nothing: in both directions, from that moment on", async () => {
    const [anna, ben, cleo] = [await attendee("anna"), await attendee("ben"), await attendee("cleo")];
    for (const client of [anna, ben, cleo]) await client.subscribe("app:lobby");
    await chat(ben, "before");
    await anna.event((event) => event.t === "chat/channel_message");
    await test.registry.changeSettings("anna", { blocked: ["ben"] });
    await anna.until(() => anna.frames.some((frame) => frame.op === "forget" && frame.subj === "ben"));
    await chat(ben, "after");
    await chat(anna, "mine");
    await ben.ask({ op: "pub", t: "typing/started", ch: "app:lobby", d: {} });
    await cleo.until(() => texts(cleo).length === 3 && cleo.events.some(({ event }) => event.t === "typing" && event.d.people.length === 1));
    // Chat waits up to 100 ms for company, so a probe may overtake it.
    await anna.until(() => texts(anna).includes("mine"));
    await ben.until(() => texts(ben).includes("after"));
    expect(texts(anna)).toEqual(["before", "mine"]);
    expect(texts(ben)).toEqual(["before", "after"]);
    expect(anna.events.some(({ event }) => event.t === "typing" && JSON.stringify(event).includes("ben"))).toBe(false);
    expect(refusal(await direct(ben, "anna", "why?"))).toBe("not_found");
    const again = await attendee("ben");
    await again.subscribe("app:lobby");
    expect(again.everything).not.toContain("anna");
  });
});

describe("the registry of types", () => {
  it("refuses the eleventh chat message within a minute, says when the next may come, and lets others speak", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    for (let n = 0; n < 10; n++) expect(refusal(await chat(anna, `n ${n}`))).toBe("accepted");
    test.skewMs(20_000);
    const eleventh = await chat(anna, "eleven", { t: "chat/reaction" });
    expect(eleventh).toMatchObject({ op: "err", code: "rate_limited", n: 4290, retry: true });
    const afterMs = (eleventh as { after: number }).after;
    expect(afterMs).toBeGreaterThan(30_000);
    expect(afterMs).toBeLessThanOrEqual(40_000);
    expect(refusal(await chat(ben, "mine"))).toBe("accepted");
    const tab = await attendee("anna");
    expect(refusal(await chat(tab, "from another tab"))).toBe("rate_limited");
    test.skewMs(afterMs);
    expect(refusal(await chat(anna, "eleven"))).toBe("accepted");
  });

  it("answers a message that is sent again as what it is, though its sender is at their limit; what is new waits", async () => {
    const anna = await attendee("anna");
    const keyed = (key: string) => anna.ask({ op: "pub", t: "chat/channel_message", ch: "app:lobby", d: { text: key }, key });
    for (let n = 0; n < 10; n++) expect(await keyed(`k-${n}`)).toMatchObject({ op: "ok", mid: expect.any(String) });
    expect(await keyed("k-0")).toMatchObject({ op: "ok", dup: true });
    expect(refusal(await keyed("k-new"))).toBe("rate_limited");
    const post = (key: string) => test.api("POST", "/api/v1/messages", { as: { role: "attendee", personId: "anna" }, body: { type: "chat/channel_message", to: { type: "channel", id: "app:lobby" }, payload: { text: key }, idempotency_key: key } });
    expect(await post("k-9")).toMatchObject({ status: 201, body: { id: null, duplicate: true } });
    expect((await post("k-new")).status).toBe(429);
    test.skewMs(60_000);
    expect(await keyed("k-new")).toMatchObject({ op: "ok", mid: expect.any(String) });
  });

  it("bounds the payload by its type: 4 KB of chat, 256 bytes of location, 8 KB of a listing", async () => {
    const anna = await attendee("anna");
    const sized = (bytes: number) => ({ text: "x".repeat(bytes - 11) });
    expect(refusal(await chat(anna, "", { d: sized(4_096) }))).toBe("accepted");
    expect(refusal(await chat(anna, "", { d: sized(4_097) }))).toBe("too_large");
    expect(refusal(await chat(anna, "", { t: "location/position_update", d: sized(257) }))).toBe("too_large");
    expect(refusal(await chat(anna, "", { t: "marketplace/listing_new", key: "l-1", d: sized(8_192) }))).toBe("accepted");
  });

  it("lets only the venue's software change the schedule, by whatever name; and nobody the venue's own words", async () => {
    const [anna, ops] = [await attendee("anna"), await test.client("operator")];
    const change = (client: TestClient, t: string) => client.ask({ op: "pub", t, ch: "app:schedule", key: "c-1", d: { session: "keynote" } });
    expect(refusal(await change(anna, "schedule/session_change"))).toBe("forbidden");
    expect(refusal(await change(ops, "schedule/session_change"))).toBe("forbidden");
    const software = await test.client("operator", null, { token: await test.bridge.issueToken({ role: "operator", personId: null, loginName: "timetable", system: true }) });
    await anna.subscribe("app:schedule");
    expect(refusal(await change(software, "schedule/session_change"))).toBe("accepted");
    expect((await anna.event((event) => event.t === "schedule/session_change")).event).toMatchObject({ d: { from: { who: "venue" } } });
    for (const t of ["alert/emergency", "location/proximity_alert", "presence/joined", "emergency_alert"]) expect(refusal(await change(software, t))).toBe("forbidden");
    expect(refusal(await change(software, "no/such_type"))).toBe("bad_request");
    expect(refusal(await anna.ask({ op: "pub", t: "NEW_CHAT_MESSAGE", ch: "app:lobby", d: { text: "by its other name" } }))).toBe("accepted");
  });

  it("delivers exactly once what says so: the same key within 24 hours is the same request", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    await ben.subscribe("direct");
    const invite = (key?: string) => anna.ask({ op: "pub", t: "meeting_request", to: "ben", d: { at: "noon" }, ...(key === undefined ? {} : { key }) });
    expect(refusal(await invite())).toBe("bad_request");
    expect(await invite("m-1")).toMatchObject({ op: "ok", mid: expect.any(String) });
    for (let again = 0; again < 30; again++) {
      expect(await invite("m-1")).toMatchObject({ op: "ok", dup: true });
      test.skewMs(200); // within the pace of frames
    }
    test.skewMs(LOG_RETENTION_MS / 2);
    expect(await invite("m-1")).toMatchObject({ op: "ok", dup: true });
    await ben.settled();
    expect(said(ben, "meeting/")).toHaveLength(1);
  });

  it("shows the latest of what is best effort, keeps none of it, and obeys the sender's level for whereabouts", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    await ben.subscribe("app:lobby");
    const offset = test.bridge.stats().feed.offset;
    await anna.ask({ op: "pub", t: "app/state", ch: "app:lobby", d: { n: 1 } });
    await ben.event((event) => event.t === "app/state");
    await anna.ask({ op: "pub", t: "location/position_update", ch: "app:lobby", d: { lat: 46.2, lng: 6.1 } });
    await anna.ask({ op: "pub", t: "app/state", ch: "app:lobby", d: { n: 2 } });
    await ben.event((event) => event.t === "app/state" && event.d.body["n"] === 2);
    expect(ben.everything).not.toContain("46.2");
    expect(test.bridge.stats().feed.offset).toBe(offset);
    await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "anna" }, body: { level: "precise", audiences: { attendees: "precise" } } });
    test.skewMs(1_000);
    await anna.ask({ op: "pub", t: "location/position_update", ch: "app:lobby", d: { lat: 46.3, lng: 6.1 } });
    await ben.event((event) => event.t === "location/position_update");
  });

  it("drops what has outlived its own time from replays", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    const { c } = (await ben.subscribe("app:lobby")) as { c: string };
    ben.socket.terminate();
    await chat(anna, "gone in a minute", { ttlS: 60 });
    await chat(anna, "stays");
    test.skewMs(61_000);
    const back = await attendee("ben", { resume: c });
    await back.subscribe("app:lobby");
    await caught(back);
    expect(texts(back)).toEqual(["stays"]);
  });
});

describe("signatures", () => {
  it("are verified where present, passed on with their key, and refused when they do not fit", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const pk = publicKey.export({ format: "jwk" }).x as string;
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    await ben.subscribe("app:lobby");
    const d = { text: "signed" };
    const sig = sign(null, Buffer.from(signedText("chat/channel_message", "app:lobby", "s-1", d)), privateKey).toString("base64url");
    expect(refusal(await chat(anna, "", { d, key: "s-1", sig, pk }))).toBe("accepted");
    expect((await ben.event((event) => event.t === "chat/channel_message")).event).toMatchObject({ d: { sig, pk, body: d } });
    expect(refusal(await chat(anna, "", { d: { text: "forged" }, key: "s-2", sig, pk }))).toBe("bad_request");
    expect(refusal(await chat(anna, "", { d, key: "s-1", sig }))).toBe("bad_request");
    expect(refusal(await chat(anna, "", { d, ch: "app:bar", key: "s-1", sig, pk }))).toBe("bad_request");
  });

  it("what is encrypted passes unread", async () => {
    const [anna, ben] = [await attendee("anna"), await attendee("ben")];
    await ben.subscribe("direct");
    const d = { ciphertext: "\u202e\u0007 not ours" };
    await anna.ask({ op: "pub", t: "chat/direct_message", to: "ben", d, enc: true });
    expect((await ben.event((event) => event.t === "chat/direct_message")).event).toMatchObject({ d: { body: d, enc: true } });
  });
});

describe("who is writing", () => {
  const lists = (client: TestClient) => client.events.flatMap(({ event }) => (event.t === "typing" ? [event.d] : []));
  const types = (client: TestClient, t = "typing/started") => client.ask({ op: "pub", t, ch: "app:lobby", d: {} });

  it("is shown once per person over tabs, and cleared when the text is there or after five seconds", async () => {
    const [anna, tab, ben] = [await attendee("anna"), await attendee("anna"), await attendee("ben")];
    await ben.subscribe("app:lobby");
    await types(anna);
    await ben.until(() => lists(ben).length === 1);
    expect(lists(ben)[0]).toEqual({ ch: "app:lobby", people: [{ personId: "anna", name: "Name of anna" }], more: 0 });
    expect(refusal(await types(tab))).toBe("rate_limited");
    test.skewMs(500);
    expect(refusal(await types(tab))).toBe("accepted");
    await chat(anna, "done");
    await ben.until(() => lists(ben).length === 2);
    expect(lists(ben)[1]).toMatchObject({ people: [] });
    test.skewMs(500);
    await types(anna);
    await ben.until(() => lists(ben).length === 3);
    test.skewMs(5_000);
    await ben.until(() => lists(ben).length === 4);
    expect(lists(ben)[3]).toMatchObject({ people: [] });
  });

  it("is one list however many write, and names nobody who hides their presence", async () => {
    const [ben, cleo] = [await attendee("ben"), await attendee("cleo")];
    await test.addPerson("dora", { settings: { presence: { online: false } } });
    const dora = await attendee("dora");
    await ben.subscribe("app:lobby");
    await Promise.all([types(cleo), types(dora)]);
    for (let n = 0; n < 6; n++) {
      await test.addPerson(`p-${n}`);
      await types(await attendee(`p-${n}`));
    }
    test.skewMs(500);
    await ben.until(() => lists(ben).some((list) => list.more > 0));
    expect(lists(ben).at(-1)?.people.length).toBeLessThanOrEqual(5);
    expect(ben.everything).not.toContain("dora");
  });

  it("somebody blocked who writes makes no event, in either direction; for others nothing changes", async () => {
    await test.registry.changeSettings("anna", { blocked: ["ben"] });
    const [anna, ben, cleo] = [await attendee("anna"), await attendee("ben"), await attendee("cleo")];
    for (const client of [anna, ben, cleo]) await client.subscribe("app:lobby");
    await types(ben);
    await cleo.until(() => lists(cleo).length === 1);
    test.skewMs(500);
    await types(anna);
    await cleo.until(() => lists(cleo).length === 2);
    await Promise.all([anna.settled(), ben.settled()]);
    expect(lists(cleo).at(-1)?.people.map(({ personId }) => personId)).toEqual(["anna", "ben"]);
    expect(lists(anna).map(({ people, more }) => [people.map(({ personId }) => personId), more])).toEqual([[["anna"], 0]]);
    expect(lists(ben).map(({ people, more }) => [people.map(({ personId }) => personId), more])).toEqual([[["ben"], 0]]);
  });
});

