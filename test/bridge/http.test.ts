import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError, sessionSchema } from "@konferenco/protocol";
import { openTestBridge, venue, type ApiOptions, type TestBridge } from "./support/harness.ts";

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge();
});
afterEach(() => test.close());

const operator = { role: "operator", personId: null } as const;
const staff = { role: "staff", personId: null } as const;
const display = { role: "display", personId: null } as const;
const anna = { role: "attendee", personId: "anna" } as const;
const get = (url: string, as?: NonNullable<ApiOptions["as"]>) => test.api("GET", url, as === undefined ? {} : { as });

describe("logging in", () => {
  it("with login and password gives a session that opens the socket", async () => {
    const { status, body } = await test.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "correct horse" } });
    expect(status).toBe(201);
    const session = sessionSchema.parse(body);
    expect(session).toMatchObject({ personId: null, role: "operator", eventId: "test" });
    const client = await test.client("operator", null, { token: session.token });
    expect(client.frames[0]).toMatchObject({ op: "welcome", who: { role: "operator" } });
    const claims = JSON.parse(Buffer.from(session.token.split(".")[1] ?? "", "base64url").toString()) as object;
    expect(claims).toMatchObject({ iss: "konferenco", aud: "test", sub: "login:ops", role: "operator", exp: expect.any(Number), jti: expect.any(String) });
  });

  it("an unknown login is told the same as a wrong password", async () => {
    const wrong = await test.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "wrong" } });
    const unknown = await test.api("POST", "/api/v1/sessions", { body: { login: "constructor", password: "wrong" } });
    expect(wrong.status).toBe(401);
    expect(unknown.body).toEqual(wrong.body);
  });

  it("guessing is slowed down per login and address, with the time to wait", async () => {
    const guess = () => test.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "guess" } });
    const answers = [];
    for (let n = 0; n < 11; n++) answers.push(await guess());
    expect(answers.slice(0, 10).map(({ status }) => status)).toEqual(Array<number>(10).fill(401));
    expect(answers[10]).toMatchObject({ status: 429, body: { error: { code: "rate_limited", retry: true } } });
    expect(Number(answers[10]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await test.api("POST", "/api/v1/sessions", { body: { login: "screen", password: "battery staple" } })).status).toBe(201);
  });

  it("a ticket opens one session, once, for ten minutes", async () => {
    const redeem = (ticket: string) => test.api("POST", "/api/v1/tickets/redeem", { body: { ticket } });
    await test.addPerson("anna");
    const ticket = await test.bridge.issueTicket(anna);
    expect((await redeem(ticket)).body).toMatchObject({ personId: "anna", role: "attendee" });
    expect(await redeem(ticket)).toMatchObject({ status: 401, body: { error: { code: "unauthorized" } } });
    const late = await test.bridge.issueTicket(operator);
    test.skewMs(600_000);
    expect((await redeem(late)).status).toBe(401);
    expect((await redeem("made up")).status).toBe(401);
  });

  it("a session is renewed before it ends, for seven days after the login, and by no detour for longer", async () => {
    const renew = async (token: string) => test.api("POST", "/api/v1/sessions/renew", { headers: { Authorization: `Bearer ${token}` } });
    const viaTicket = async (token: string) => {
      const { body } = await test.api("POST", "/api/v1/tickets", { headers: { Authorization: `Bearer ${token}` } });
      return test.api("POST", "/api/v1/tickets/redeem", { body: { ticket: (body as { ticket: string }).ticket } });
    };
    let { token, expiresAtMs } = sessionSchema.parse((await test.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "correct horse" } })).body);
    for (let hours = 0; hours < 7 * 24 - 11; hours += 11) {
      test.skewMs(11 * 3_600_000);
      const { status, body } = await renew(token);
      expect(status).toBe(201);
      expect(body).toMatchObject({ role: "operator", personId: null, eventId: "test" });
      expect(sessionSchema.parse(body).expiresAtMs).toBeGreaterThan(expiresAtMs);
      ({ token, expiresAtMs } = sessionSchema.parse(body));
    }
    expect((await viaTicket(token)).status).toBe(201);
    test.skewMs(11 * 3_600_000);
    expect(await renew(token)).toMatchObject({ status: 401, body: { error: { code: "unauthorized" } } });
    expect((await viaTicket(token)).status).toBe(401);
    expect((await test.api("POST", "/api/v1/sessions/renew")).status).toBe(401);
  });

  it("a renewed session has the rights of today: who is erased or whose login is gone has none", async () => {
    await test.addPerson("anna");
    const token = await test.bridge.issueToken(anna);
    const renew = (of: string) => test.api("POST", "/api/v1/sessions/renew", { headers: { Authorization: `Bearer ${of}` } });
    expect((await renew(token)).body).toMatchObject({ personId: "anna", role: "attendee" });
    await test.api("DELETE", "/api/v1/people/anna", { as: operator });
    expect((await renew(token)).status).toBe(401);
    expect((await renew(await test.bridge.issueToken({ role: "operator", personId: null, loginName: "dismissed" }))).status).toBe(401);
    // The settings say display now; the token still says operator.
    expect((await renew(await test.bridge.issueToken({ role: "operator", personId: null, loginName: "screen" }))).body).toMatchObject({ role: "display" });
  });

  it("without a token, with a bad one, or with one of the wrong role nothing is told", async () => {
    await test.addPerson("anna");
    expect(await get("/api/v1/people")).toMatchObject({ status: 401, body: { error: { code: "unauthorized" } } });
    expect((await test.api("GET", "/api/v1/people", { headers: { Authorization: "Bearer x.y.z" } })).status).toBe(401);
    expect((await test.api("GET", "/api/v1/people", { headers: { Authorization: `Basic ${"x".repeat(5_000)}` } })).status).toBe(401);
    expect(await get("/api/v1/people", anna)).toMatchObject({ status: 403, body: { error: { code: "forbidden" } } });
    for (const url of ["/api/v1/me", "/api/v1/me/privacy", "/api/v1/nearby"]) expect((await get(url, operator)).status).toBe(403);
    for (const as of [anna, display, staff]) expect((await test.api("POST", "/api/v1/alerts", { as, body: { severity: "info", title: "x", text: "y" } })).status).toBe(403);
    const token = await test.bridge.issueToken(operator);
    test.skewMs(13 * 3_600_000);
    expect(await test.api("GET", "/api/v1/venue", { headers: { Authorization: `Bearer ${token}` } })).toMatchObject({ status: 401, body: { error: { code: "token_expired", retry: true } } });
  });
});

describe("the venue", () => {
  it("is shown whole to staff, and without tags and notes to everybody else", async () => {
    await test.addPerson("anna");
    expect((await get("/api/v1/venue", staff)).body).toEqual(venue);
    for (const as of [anna, display]) {
      const { body } = await get("/api/v1/venue", as);
      expect(body.zones).toHaveLength(3);
      expect(JSON.stringify(body)).not.toMatch(/t-secret|keys are/);
    }
  });

  it("gateways are staff's business", async () => {
    const gateway = { gatewayId: "gw-1", state: "online" as const, atMs: 1, lastReportAtMs: 2, observationsPerS: 3, clockOffsetMs: 4 };
    await test.commit({ gateways: [gateway] });
    expect((await get("/api/v1/gateways", staff)).body).toEqual({ gateways: [gateway] });
    expect((await get("/api/v1/gateways", display)).status).toBe(403);
  });

  it("an alert is published once checked: cleaned text, known zones, an id of its own or the sender's", async () => {
    const send = (body: object) => test.api("POST", "/api/v1/alerts", { as: operator, body });
    expect((await send({ severity: "warning", title: " Doors\u202e ", text: "close", zoneIds: ["room-a"], alertId: "mine" })).body).toEqual({ alertId: "mine" });
    expect(test.alerts).toMatchObject([{ alertId: "mine", severity: "warning", title: "Doors", text: "close", zoneIds: ["room-a"] }]);
    expect(await send({ severity: "warning", title: "x", text: "y", zoneIds: ["nowhere"] })).toMatchObject({ status: 400, body: { error: { detail: 'body.zoneIds: the venue has no zone "nowhere"' } } });
    for (const body of [{ severity: "loud", title: "x", text: "y" }, { severity: "info", title: "", text: "y" }, { severity: "info", title: "\u0000", text: "y" }, { severity: "info", title: "x", text: "y", more: 1 }]) expect((await send(body)).status).toBe(400);
    expect(test.alerts).toHaveLength(1);
  });
});

describe("people and tags", () => {
  const put = (body: object) => test.api("POST", "/api/v1/people", { as: operator, body });

  it("are added, found, listed in pages, given tags, and erased", async () => {
    for (const personId of ["cleo", "anna", "ben"]) expect((await put({ profile: { personId, name: personId }, consent: { given: true, version: "1" } })).status).toBe(201);
    const page = await get("/api/v1/people?limit=2", staff);
    expect(page.body).toMatchObject({ total: 3, next: "ben" });
    expect(page.body.people.map((person: { profile: { personId: string } }) => person.profile.personId)).toEqual(["anna", "ben"]);
    expect((await get("/api/v1/people?limit=2&after=ben", staff)).body).toMatchObject({ next: null, people: [{ profile: { personId: "cleo" } }] });
    expect((await test.api("PUT", "/api/v1/tags/t-1", { as: staff, body: { personId: "anna" } })).status).toBe(200);
    expect((await test.api("PUT", "/api/v1/tags/t-1", { as: staff, body: { personId: "ben" } })).status).toBe(200);
    expect((await get("/api/v1/people/anna", staff)).body.tagId).toBeNull();
    expect((await get("/api/v1/people/ben", staff)).body).toMatchObject({ tagId: "t-1", settings: expect.not.objectContaining({ tagSinceMs: expect.anything() }) });
    expect((await test.api("DELETE", "/api/v1/tags/t-1", { as: staff })).status).toBe(200);
    expect((await test.api("DELETE", "/api/v1/tags/t-1", { as: staff })).status).toBe(404);
    expect((await test.api("PUT", "/api/v1/tags/t-1", { as: staff, body: { personId: "nobody" } })).status).toBe(404);
    expect((await test.api("DELETE", "/api/v1/people/anna", { as: operator })).body).toMatchObject({ erased: true });
    expect((await get("/api/v1/people/anna", staff)).status).toBe(404);
    expect((await test.api("DELETE", "/api/v1/people/anna", { as: staff })).status).toBe(403);
  });

  it("an operator may record that somebody shows less, never that they show more", async () => {
    await put({ profile: { personId: "anna", name: "Anna" }, consent: { given: true, version: "1" }, settings: { level: "zone" } });
    expect((await put({ profile: { personId: "anna", name: "Anna" }, settings: { level: "precise" } })).status).toBe(403);
    expect((await put({ profile: { personId: "anna", name: "Anna B." }, settings: { level: "hidden" } })).body).toMatchObject({ profile: { name: "Anna B." }, settings: { level: "hidden" } });
    await test.api("PUT", "/api/v1/me/consent", { as: anna, body: { given: false, version: "1" } });
    expect((await put({ profile: { personId: "anna", name: "Anna" }, consent: { given: true, version: "2" } })).status).toBe(403);
  });

  it("names that JavaScript objects inherit are no ids, and nothing is polluted", async () => {
    for (const personId of ["__proto__", "constructor", "prototype", "toString"]) expect((await put({ profile: { personId, name: "x" } })).status).toBe(400);
    const answer = await test.api("POST", "/api/v1/people", { as: operator, text: '{"profile":{"personId":"ok","name":"x","__proto__":{"role":"staff"}},"__proto__":{"settings":{"level":"precise"}}}' });
    expect(answer.status).not.toBe(500);
    expect(({} as Record<string, unknown>)["settings"]).toBeUndefined();
    expect((await get("/api/v1/people/__proto__", staff)).status).toBe(400);
    expect((await test.api("PUT", "/api/v1/tags/constructor", { as: staff, body: { personId: "ok" } })).status).toBe(400);
    expect((await put({ profile: { personId: "login:ops", name: "x" } })).status).toBe(400);
  });

  it("come from CSV: a bad row costs only itself and is named by its line", async () => {
    const csv = [
      "\ufeffpersonId,name,role,company,interests,lookingFor,tagId,consent,level",
      'anna,"Anna ""the"" Great, PhD",speaker,Acme,AI; ML,mentor,t-1,yes,precise',
      "ben,,attendee,,,,,,",
      "__proto__,Proto,,,,,,,",
      "cleo,Cleo,boss,,,,,,",
      "dan,Dan,,,,,,maybe,",
      "eve,Eve,,,,,,yes,everywhere",
      "anna,Anna again,,,,,,,",
      "fred,Fred,,,,,t-1,,",
      "gus,Gus,,,,,,,,too many",
      "hana,\"Hana",
      'of Two Lines",exhibitor,,,,t-2,no,',
      "constructor,Con,,,,,,constructor,",
    ].join("\r\n");
    const { status, body } = await test.api("POST", "/api/v1/people/import", { as: operator, text: csv, type: "text/csv; charset=utf-8" });
    expect(status).toBe(200);
    expect(body).toMatchObject({ added: 2, updated: 0, refused: 9 });
    expect(body.problems.map((problem: { line: number }) => problem.line)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 13]);
    expect((await get("/api/v1/people/anna", staff)).body).toMatchObject({
      profile: { name: 'Anna "the" Great, PhD', role: "speaker", interests: ["AI", "ML"], lookingFor: "mentor" },
      tagId: "t-1",
      consent: { given: true },
      settings: { level: "precise" },
    });
    expect((await get("/api/v1/people/hana", staff)).body).toMatchObject({ profile: { name: "Hana\nof Two Lines" }, tagId: "t-2", consent: { given: false } });
  });

  it("an import again updates profiles and keeps what people have chosen", async () => {
    const csv = (level: string) => `personId,name,consent,level\nanna,Anna,yes,${level}`;
    const load = (text: string) => test.api("POST", "/api/v1/people/import", { as: operator, text, type: "text/csv" });
    await load(csv("zone"));
    await test.api("PATCH", "/api/v1/me/privacy", { as: anna, body: { level: "hidden", proximityAlerts: true } });
    await test.api("PUT", "/api/v1/me/consent", { as: anna, body: { given: false, version: "1" } });
    expect((await load(csv("precise"))).body).toMatchObject({ added: 0, updated: 1 });
    expect((await get("/api/v1/people/anna", staff)).body).toMatchObject({ settings: { level: "hidden", proximityAlerts: true }, consent: { given: false } });
  });

  it("a file with no header or an unknown column is refused whole, saying what the columns are", async () => {
    for (const text of ["", "anna,Anna", "personId,name,shoeSize\na,b,c", "personId,personId,name"]) {
      const { status, body } = await test.api("POST", "/api/v1/people/import", { as: operator, text, type: "text/csv" });
      expect([status, body.error.detail.startsWith("line 1:")]).toEqual([400, true]);
    }
    expect((await test.api("POST", "/api/v1/people/import", { as: operator, text: "personId,name", type: "application/json" })).status).toBe(400);
  });
});

describe("oneself", () => {
  it("sees what is kept, changes settings, withdraws consent, and is erased", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const me = await get("/api/v1/me", anna);
    expect(me.body).toMatchObject({ profile: { personId: "anna" }, hasTag: true, consent: { given: true } });
    expect(JSON.stringify(me.body)).not.toContain(`"t-1"`);
    expect((await test.api("PATCH", "/api/v1/me/privacy", { as: anna, body: { audiences: { staff: "hidden" } } })).body).toMatchObject({ level: "zone", audiences: { staff: "hidden", attendees: "zone" } });
    expect((await get("/api/v1/me/privacy", anna)).body).toMatchObject({ audiences: { staff: "hidden" } });
    for (const body of [{ level: "everywhere" }, { audiences: { aliens: "zone" } }, { raisedAtMs: 0 }, [], null, "x"]) expect((await test.api("PATCH", "/api/v1/me/privacy", { as: anna, body })).status).toBe(400);
    expect((await test.api("PUT", "/api/v1/me/consent", { as: anna, body: { given: false, version: "2" } })).body).toMatchObject({ given: false, version: "2" });
    expect((await test.api("DELETE", "/api/v1/me", { as: anna })).body).toMatchObject({ erased: true });
    expect((await get("/api/v1/me", anna)).status).toBe(401);
  });

  it("finds who is nearby by fixed choices, as far as each allows, and not too often", async () => {
    const precise = { level: "precise", audiences: { attendees: "precise" } } as const;
    await test.addPerson("anna", { tagId: "t-1", interests: ["AI"] });
    await test.addPerson("ben", { tagId: "t-2", interests: ["AI"], settings: precise });
    await test.addPerson("cleo", { tagId: "t-3", interests: ["Chess"] });
    await test.addPerson("dan", { tagId: "t-4", settings: { level: "hidden" } });
    await test.addPerson("eve", { tagId: "t-5" });
    expect((await get("/api/v1/nearby", anna)).body).toEqual({ people: [] });
    for (const tagId of ["t-1", "t-2", "t-3", "t-4"]) await test.move(tagId);
    await test.move("t-5", { zoneId: "room-b", xM: 21 });
    const found = async (query: string) => (await get(`/api/v1/nearby${query}`, anna)).body.people.map((person: { personId: string; within: string }) => `${person.personId} ${person.within}`);
    expect(await found("?within=10m")).toEqual(["ben 10m"]);
    expect(await found("?within=50m")).toEqual(["ben 10m", "cleo same_zone"]);
    expect(await found("?within=50m&interests=AI")).toEqual(["ben 10m"]);
    expect(await found("?within=same_zone")).toEqual(["ben 10m", "cleo same_zone"]);
    expect(await found("?within=same_venue")).toEqual(["ben 10m", "cleo same_zone", "eve same_venue"]);
    for (const query of ["?within=7m", "?radius=3", "?within=10m&xM=5", "?__proto__=1"]) expect((await get(`/api/v1/nearby${query}`, anna)).status).toBe(400);
    const answers = [];
    for (let n = 0; n < 12; n++) answers.push((await get("/api/v1/nearby", anna)).status);
    expect(answers).toContain(429);
  });
});

describe("what comes from outside", () => {
  it("a body that is too large, not JSON, not UTF-8 or of the wrong type is refused, and the next request is served", async () => {
    const post = (more: ApiOptions) => test.api("POST", "/api/v1/sessions", more);
    expect(await post({ text: `{"login":"${"x".repeat(300_000)}"}` })).toMatchObject({ status: 413, body: { error: { code: "too_large" } } });
    expect((await post({ text: "{" })).body.error.detail).toMatch(/not JSON/);
    expect((await post({ text: "login=ops", type: "application/x-www-form-urlencoded" })).body.error.detail).toMatch(/application\/json/);
    const raw = await fetch(`${test.bridge.url}/api/v1/sessions`, { method: "POST", headers: { "Content-Type": "application/json" }, body: new Uint8Array([0xff, 0xfe]) });
    expect(raw.status).toBe(400);
    expect((await get("/health/live")).body).toEqual({ status: "ok" });
  });

  it("a body that grows without saying how long it will be is cut off", async () => {
    const socket = net.connect(test.bridge.port, "127.0.0.1");
    socket.on("error", () => {});
    const answered = new Promise<string>((resolve) => {
      let text = "";
      socket.on("data", (data) => (text += data.toString())).on("close", () => resolve(text));
    });
    socket.write("POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let n = 0; n < 40 && socket.writable; n++) socket.write(`4000\r\n${"x".repeat(0x4000)}\r\n`);
    expect(await answered).toMatch(/^HTTP\/1.1 413/);
  });

  it("an unknown place is 404, an unknown way to use it 405 with the known ones, an odd path 404", async () => {
    expect(await get("/api/v1/nothing")).toMatchObject({ status: 404, body: { error: { code: "not_found" } } });
    const wrong = await test.api("PUT", "/api/v1/people", { as: operator, body: {} });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, POST"]);
    expect((await get("/api/v1/people/%E0%A4%A", staff)).status).toBe(404);
  });

  it("a page of another origin may neither change anything nor connect; one that the settings name may", async () => {
    const from = (origin: string) => test.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "correct horse" }, headers: { Origin: origin } });
    expect((await from("https://evil.example")).status).toBe(403);
    expect((await from("null")).status).toBe(403);
    expect((await from(test.bridge.url)).status).toBe(201);
    await expect(test.client("operator", null, { origin: "https://evil.example" })).rejects.toThrow(/403/);
    await expect(test.client("operator", null, { origin: `http://127.0.0.1:${test.bridge.port}.evil.example` })).rejects.toThrow(/403/);
    await test.client("operator", null, { origin: `http://127.0.0.1:${test.bridge.port}` });
    const friendly = await openTestBridge({ allowedOrigins: ["https://app.example"] });
    await friendly.client("operator", null, { origin: "https://app.example" });
    const answer = await friendly.api("GET", "/api/v1/venue", { as: operator, headers: { Origin: "https://app.example" } });
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect((await friendly.api("OPTIONS", "/api/v1/venue", { headers: { Origin: "https://app.example" } })).status).toBe(204);
    expect((await friendly.api("GET", "/api/v1/venue", { as: operator, headers: { Origin: "https://evil.example" } })).headers.get("access-control-allow-origin")).toBeNull();
    await friendly.close();
  });
});

describe("the WebSocket's door", () => {
  it("is at /events and /ws, and says so to whoever comes without an upgrade", async () => {
    await test.client("operator", null, { path: "/ws" });
    await test.client("operator", null, { subprotocol: null });
    expect(await get("/events")).toMatchObject({ status: 426, body: { error: { code: "bad_request", detail: expect.stringContaining("konferenco-v1") } } });
    await expect(test.client("operator", null, { path: "/other" })).rejects.toThrow(/404/);
    await expect(test.client("operator", null, { subprotocol: "mqtt" })).rejects.toThrow(/400/);
  });

  it("has a bound on connections, on those that have not said hello, and on those of one person", async () => {
    const small = await openTestBridge({ limits: { maxConnections: 3, maxConnectionsPerViewer: 2 } });
    await small.client("operator");
    await small.client("operator");
    const third = await small.client("operator", null, { hello: false });
    expect(await third.hello(await small.bridge.issueToken(operator))).toMatchObject({ op: "err", code: "limit" });
    expect((await third.closed).code).toBe(4504);
    await small.client("staff");
    await expect(small.client("display")).rejects.toThrow(/503/);
    await small.close();
    const shy = await openTestBridge({ limits: { maxGreetingPerAddress: 1, helloTimeoutMs: 300 } });
    const silent = await shy.client("operator", null, { hello: false });
    await expect(shy.client("operator", null, { hello: false })).rejects.toThrow(/429/);
    expect((await silent.closed).code).toBe(4502);
    for (let n = 0; n < 5; n++) await shy.client("operator");
    await shy.close();
  });

  it("pings, and closes with 4002 when nothing is heard any more", async () => {
    const quick = await openTestBridge({ limits: { pingEveryMs: 300, idleAfterMs: 1_500 } });
    const alive = await quick.client("operator");
    const dead = await quick.client("staff");
    dead.socket.pause();
    await alive.until(() => alive.frames.filter((frame) => frame.op === "ping").length >= 3, 10_000);
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (quick.bridge.stats().closedByCode["4002"] !== 1) return;
        clearInterval(look);
        resolve();
      }, 50);
    });
    expect(quick.bridge.stats().connectionsByRole).toMatchObject({ operator: 1, staff: 0 });
    await quick.close();
  });

  it("says goodbye before it closes, and when to come back", async () => {
    const leaving = await openTestBridge();
    const client = await leaving.client("operator");
    const closing = leaving.bridge.close();
    expect((await client.closed).code).toBe(4001);
    expect(client.frames.at(-1)).toEqual({ op: "bye", n: 4001, after: [0, 4_000] });
    await closing;
    await expect(fetch(`${leaving.bridge.url}/health/live`)).rejects.toThrow();
    await leaving.store.close();
  });
});

describe("operations", () => {
  it("health says how store, registry and feed do", async () => {
    expect((await get("/health")).body).toMatchObject({ status: "ok", store: { ok: true }, registry: { ok: true }, feed: { ok: true, offset: 0, gaps: 0 }, connections: 0 });
    expect((await get("/health/ready")).body).toEqual({ status: "ok" });
  });

  it("metrics count deliveries by lane and name no person", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const desk = await test.client("staff");
    await desk.subscribe("venue");
    await test.enter("t-1");
    await desk.event((event) => event.t === "zone.enter");
    const { body, headers } = await get("/metrics");
    expect(headers.get("content-type")).toMatch(/^text\/plain/);
    expect(body).toMatch(/^bridge_deliveries_total\{lane="transitions"\} 1$/m);
    expect(body).toMatch(/^bridge_connections\{transport="ws",role="staff"\} 1$/m);
    expect(body).toMatch(/^# TYPE bridge_deliveries_total counter$/m);
    for (const line of ['bridge_events_in_total{lane="transitions"} 1', 'bridge_accepted_total{transport="ws"} 1', 'bridge_filter_total{result="shown"} 1', 'bridge_stage_seconds_count{stage="bridge"} 1', "bridge_privacy_change_seconds_count 2", 'bridge_staleness_seconds_bucket{le="+Inf"} 1', 'bridge_clients{client="unknown",version=""} 1']) expect(body.split("\n")).toContain(line);
    expect(body).not.toMatch(/anna|t-1/);
    expect(test.bridge.stats()).toMatchObject({ connections: 1, subscriptions: 1, deliveries: { transitions: 1 }, updatesIn: 1 });
    expect(test.bridge.stats().deliveryP95Ms).toBeLessThan(100);
  });

  it("metrics tell streams and pollers from WebSockets, and hold everything that delivery.md lists", async () => {
    const screen = { role: "display", personId: null } as const;
    const client = await test.client("display");
    client.send({ op: "sub", id: 99, ch: "venue", area: { zoneIds: ["nowhere"] } });
    await client.answer(99);
    const token = await test.bridge.issueToken(screen);
    const stream = await fetch(`${test.bridge.url}/events?channels=alerts`, { headers: { Accept: "text/event-stream", Authorization: `Bearer ${token}` } });
    const reader = stream.body?.getReader();
    await reader?.read();
    expect((await get("/api/v1/poll?channels=alerts", screen)).status).toBe(200);
    const lines = async () => ((await get("/metrics")).body as string).split("\n");
    await expect.poll(lines, { timeout: 20_000 }).toEqual(expect.arrayContaining(["ws", "sse", "poll"].map((transport) => `bridge_connections{transport="${transport}",role="display"} 1`)));
    expect(await lines()).toEqual(expect.arrayContaining(['bridge_sub_errors_total{slug="bad_request"} 1', 'bridge_accepted_total{transport="poll"} 1']));
    const text = (await lines()).join("\n");
    const NAMES = "connections accepted_total refused_total closed_total hello_seconds subscriptions sub_errors_total events_in_total deliveries_total bytes_total writes_total batch_events tick_seconds loop_lag_seconds stage_seconds unacked_bytes staleness_seconds lagging conflated_total dropped_total replay_events_total replay_seconds replay_total filter_total privacy_change_seconds ping_rtt_seconds rss_per_connection_bytes";
    expect(NAMES.split(" ").filter((name) => !new RegExp(`^# TYPE bridge_${name} `, "m").test(text))).toEqual([]);
    // Each line of ours is Prometheus' text format.
    expect(text.split("\n").filter((line) => line.includes("bridge_") && !/^(# (HELP|TYPE) [a-z_]+ .+|[a-zA-Z_:]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+0-9.eEInfa]+)$/.test(line))).toEqual([]);
    await reader?.cancel();
    test.skewMs(10_000);
    expect((await lines()).filter((line) => line.startsWith('bridge_connections{transport="poll"'))).toEqual([]);
  });

  it("the description of the API is OpenAPI 3.1 and holds every route", async () => {
    const { body } = await get("/openapi.json");
    expect(body.openapi).toBe("3.1.0");
    const operations = Object.entries(body.paths as Record<string, object>).flatMap(([route, methods]) => Object.keys(methods).map((method) => `${method} ${route}`));
    expect(operations).toEqual(expect.arrayContaining(["post /api/v1/sessions", "post /api/v1/tickets/redeem", "get /api/v1/people/{personId}", "patch /api/v1/me/privacy", "get /api/v1/nearby", "get /health"]));
    expect(body.paths["/api/v1/nearby"].get.parameters[0]).toMatchObject({ name: "within", in: "query", schema: { enum: ["10m", "50m", "same_zone", "same_venue"] } });
    expect(JSON.stringify(body)).not.toContain("raisedAtMs");
    const page = fs.readFileSync(path.join(import.meta.dirname, "../../docs/rest-api.md"), "utf8");
    expect(operations.map((operation) => operation.replace(/^[a-z]+/, (method) => method.toUpperCase())).filter((operation) => !page.includes(`\`${operation}`))).toEqual([]);
  });
});

describe("pages", () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-pages-"));
    fs.mkdirSync(path.join(folder, "console/assets"), { recursive: true });
    fs.writeFileSync(path.join(folder, "console/index.html"), "<!doctype html><title>console</title>");
    fs.writeFileSync(path.join(folder, "console/assets/main-AbCd1234.js"), "export {};");
    fs.writeFileSync(path.join(path.dirname(folder), `${path.basename(folder)}-secret.txt`), "secret");
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true });
    fs.rmSync(`${folder}-secret.txt`);
  });

  it("are served with a strict policy; html is never kept, files named by their hash are", async () => {
    const served = await openTestBridge({ webRoot: folder });
    const page = await served.api("GET", "/console/");
    expect([page.status, page.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(page.headers.get("content-security-policy")).toMatch(/default-src 'none'; script-src 'self'; style-src 'self'/);
    expect(page.headers.get("content-security-policy")).not.toContain("unsafe");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect((await served.api("GET", "/console/assets/main-AbCd1234.js")).headers.get("cache-control")).toContain("immutable");
    expect((await served.api("GET", "/console")).headers.get("location")).toBe("/console/");
    expect((await served.api("GET", "/")).headers.get("location")).toBe("/attendee/");
    for (const url of [`/../${path.basename(folder)}-secret.txt`, `/%2e%2e/${path.basename(folder)}-secret.txt`, `/console/..%2f..%2f${path.basename(folder)}-secret.txt`, "/console/none.js"]) expect((await served.api("GET", url)).status).toBe(404);
    await served.close();
  });

  it("that were not built are told in one line, with the command", async () => {
    await expect(openTestBridge({ webRoot: "/nowhere" })).rejects.toThrow(/npm run build -w web/);
  });
});

describe("settings that cannot work", () => {
  it("a port in use is told in one line that names it", async () => {
    const failing = openTestBridge({ port: test.bridge.port });
    await expect(failing).rejects.toThrow(ConfigError);
    await expect(failing).rejects.toThrow(new RegExp(`port ${test.bridge.port} on 127\\.0\\.0\\.1 is in use`));
  });

  it("a short secret, one that is not random, a short password or a login given twice", async () => {
    await expect(openTestBridge({ secret: new Uint8Array(16) })).rejects.toThrow(/at least 32/);
    await expect(openTestBridge({ secret: new Uint8Array(64) })).rejects.toThrow(/not random/);
    const login = { login: "a", password: "12345678", role: "staff", personId: null } as const;
    await expect(openTestBridge({ logins: [{ ...login, password: "short" }] })).rejects.toThrow(/at least 8/);
    await expect(openTestBridge({ logins: [login, login] })).rejects.toThrow(/twice/);
  });
});
