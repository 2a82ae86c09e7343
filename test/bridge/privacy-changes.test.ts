import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLOSE_CODES } from "@konferenco/protocol";
import { openTestBridge, type TestBridge, type TestClient } from "./support/harness.ts";

let test: TestBridge;
let desk: TestClient;
beforeEach(async () => {
  test = await openTestBridge();
  await test.addPerson("anna", { tagId: "t-1", settings: { level: "precise", audiences: { staff: "precise" } } });
  desk = await test.client("staff");
  await desk.subscribe("venue", { hz: 0.1 });
});
afterEach(() => test.close());

const forgotten = (client: TestClient) => client.frames.flatMap((frame) => (frame.op === "forget" ? [frame.subj] : []));
const asAnna = { role: "attendee", personId: "anna" } as const;
const patch = (change: object) => test.api("PATCH", "/api/v1/me/privacy", { as: asAnna, body: change });

describe("when somebody hides", () => {
  it("viewers are told to forget, and nothing that comes later is shown", async () => {
    await test.enter("t-1");
    await desk.event((event) => event.t === "zone.enter");
    expect((await patch({ level: "hidden" })).body).toMatchObject({ level: "hidden" });
    await test.exit("t-1");
    await test.enter("t-1", "room-b");
    await test.move("t-1", { zoneId: "room-b" });
    await desk.settled();
    expect(forgotten(desk)).toEqual(["anna"]);
    expect(desk.events).toHaveLength(1);
  });

  it("a position that waits in a queue is taken out of it: what is acknowledged holds for what is on its way", async () => {
    await test.move("t-1", { xM: 1 });
    await desk.event((event) => event.t === "position");
    await test.move("t-1", { xM: 2 }); // waits for the next 10 s
    await patch({ level: "hidden" });
    expect(test.bridge.stats().drops.positions["policy"]).toBe(1);
    await desk.settled();
    expect(desk.events).toHaveLength(1);
  });

  it("through the socket as through REST, and the person's own pages follow", async () => {
    const [phone, laptop] = await Promise.all([test.client("attendee", "anna"), test.client("attendee", "anna")]);
    await phone.subscribe("me");
    await laptop.subscribe("me");
    await test.enter("t-1");
    await desk.event((event) => event.t === "zone.enter");
    expect(await phone.ask({ op: "set", privacy: { level: "hidden", raisedAtMs: 1, tagSinceMs: 1 } })).toMatchObject({ op: "ok" });
    expect((await laptop.event((event) => event.t === "settings" && event.d.level === "hidden")).event.d).not.toHaveProperty("raisedAtMs");
    await desk.settled();
    expect(forgotten(desk)).toEqual(["anna"]);
    expect((await test.registry.person("anna"))?.settings).toMatchObject({ level: "hidden" });
    expect((await test.registry.person("anna"))?.settings.tagSinceMs).toBeUndefined();
  });

  it("one who was never seen by a viewer is not named to them either", async () => {
    await test.addPerson("ben");
    const ben = await test.client("attendee", "ben");
    await ben.subscribe("me");
    await ben.subscribe("nearby");
    await patch({ level: "hidden" });
    await ben.settled();
    expect(ben.everything).not.toContain("anna");
  });

  it("those to whom they were shown nearby are told to forget, and the next list is without them", async () => {
    await test.addPerson("ben", { tagId: "t-2" });
    for (const tagId of ["t-1", "t-2"]) {
      await test.enter(tagId);
      await test.move(tagId);
    }
    const ben = await test.client("attendee", "ben");
    await ben.subscribe("nearby");
    await ben.event((event) => event.t === "nearby" && event.d.people.length === 1);
    await patch({ level: "hidden" });
    await ben.settled();
    expect(forgotten(ben)).toEqual(["anna"]);
    await ben.event((event) => event.t === "nearby" && event.d.people.length === 0);
  });

  it("those who heard of them nearby are told to forget when they no longer want to be heard of", async () => {
    await test.addPerson("ben", { tagId: "t-2", settings: { proximityAlerts: true, level: "precise", audiences: { attendees: "precise" } } });
    await patch({ proximityAlerts: true, level: "precise", audiences: { attendees: "precise" } });
    const ben = await test.client("attendee", "ben");
    await ben.subscribe("me");
    await test.pair("t-1", "t-2");
    await ben.event((event) => event.t === "near");
    await patch({ proximityAlerts: false });
    await test.pair("t-1", "t-2", "apart");
    await ben.settled();
    expect(forgotten(ben)).toEqual(["anna"]);
    expect(ben.events.map(({ event }) => event.t)).toEqual(["near"]);
  });
});

describe("when somebody changes what they show", () => {
  it("from precise to zone: viewers forget the position and are shown the zone", async () => {
    await test.enter("t-1");
    await test.move("t-1");
    await desk.event((event) => event.t === "position");
    await patch({ level: "zone" });
    await desk.until(() => forgotten(desk).length === 1);
    await desk.until(() => desk.events.filter(({ event }) => event.t === "zone.enter").length === 2);
    expect(desk.events.at(-1)?.event).toMatchObject({ t: "zone.enter", d: { subj: { personId: "anna" }, zoneId: "room-a" } });
    expect(desk.events.at(-1)).not.toHaveProperty("i");
  });

  it("from hidden to zone: viewers are shown where they are now", async () => {
    await patch({ level: "hidden" });
    await test.enter("t-1");
    await patch({ level: "zone" });
    await desk.event((event) => event.t === "zone.enter");
    // Never shown before, so never named before: neither the person nor their tag.
    expect(forgotten(desk)).toEqual([]);
  });

  it("consent withdrawn hides from all, oneself included, until it is given again", async () => {
    const anna = await test.client("attendee", "anna");
    await anna.subscribe("me");
    await test.enter("t-1");
    await anna.event((event) => event.t === "zone.enter");
    expect((await test.api("PUT", "/api/v1/me/consent", { as: asAnna, body: { given: false, version: "1" } })).body).toMatchObject({ given: false });
    await test.exit("t-1");
    await Promise.all([anna.settled(), desk.settled()]);
    for (const client of [anna, desk]) {
      expect(forgotten(client)).toEqual(["anna"]);
      expect(client.events.filter(({ event }) => event.t === "zone.exit")).toEqual([]);
    }
    await test.api("PUT", "/api/v1/me/consent", { as: asAnna, body: { given: true, version: "1" } });
    await test.enter("t-1");
    await anna.until(() => anna.events.filter(({ event }) => event.t === "zone.enter").length === 2);
  });
});

describe("when a tag changes hands", () => {
  it("a thing becomes a person: staff forget the thing and no tag id is named again", async () => {
    await test.move("t-9", { xM: 7 });
    await desk.event((event) => event.t === "position");
    await test.addPerson("ben");
    expect((await test.api("PUT", "/api/v1/tags/t-9", { as: { role: "staff", personId: null }, body: { personId: "ben" } })).status).toBe(200);
    await desk.settled();
    expect(forgotten(desk)).toContain("t-9");
    await test.enter("t-9");
    await desk.event((event) => event.t === "zone.enter" && event.d.subj.who === "person" && event.d.subj.personId === "ben");
  });

  it("a tag handed in is a thing from its next position on; where its holder stood is not shown", async () => {
    await patch({ level: "hidden" });
    await test.move("t-1");
    await test.api("DELETE", "/api/v1/tags/t-1", { as: { role: "staff", personId: null } });
    const late = await test.client("staff");
    await late.subscribe("venue");
    expect(late.snapshots).toEqual([]);
    await test.move("t-1");
    await late.event((event) => event.t === "position" && event.d.subj.who === "tag");
  });
});

describe("when somebody is erased", () => {
  it("their pages close, viewers forget, their token ends, and the tag they still carry is shown to nobody", async () => {
    const anna = await test.client("attendee", "anna");
    const token = await test.bridge.issueToken(asAnna);
    await test.enter("t-1");
    await test.move("t-1");
    await desk.event((event) => event.t === "zone.enter");
    expect((await test.api("DELETE", "/api/v1/people/anna", { as: { role: "operator", personId: null } })).body).toMatchObject({ erased: true, places: expect.arrayContaining([expect.objectContaining({ where: "live state and geo sets", how: "removed" }), expect.objectContaining({ where: "log and replay", how: "unreadable" })]) });
    expect((await anna.closed).code).toBe(CLOSE_CODES.erased);
    const before = desk.events.length;
    await test.move("t-1");
    await test.exit("t-1");
    await desk.settled();
    expect(forgotten(desk)).toEqual(["anna"]);
    expect(desk.events).toHaveLength(before);
    expect((await test.api("GET", "/api/v1/me", { headers: { Authorization: `Bearer ${token}` } })).status).toBe(401);
    const late = await test.client("operator");
    await late.subscribe("venue");
    expect(late.everything).not.toMatch(/anna|t-1/);
  });
});

describe("when the registry does not answer", () => {
  it("people who cannot be read are hidden; alerts go on; all is shown again when it answers", async () => {
    const alerts = await test.client("display");
    await alerts.subscribe("alerts");
    await test.addPerson("ben", { tagId: "t-2" });
    test.registry.broken = true;
    await test.move("t-2");
    await test.commit({ alerts: [{ alertId: "a", severity: "info", title: "Still here", text: "…", zoneIds: [], atMs: test.nowMs() }] });
    await alerts.event((event) => event.t === "alert");
    expect((await test.api("GET", "/health")).status).toBe(503);
    test.registry.broken = false;
    await test.enter("t-2");
    await desk.event((event) => event.t === "zone.enter");
    expect((await test.api("GET", "/health")).body).toMatchObject({ status: "ok" });
  });

  it("a transition waits for the answer, so that none is lost", async () => {
    await test.addPerson("ben", { tagId: "t-2" });
    test.registry.broken = true;
    await test.enter("t-2");
    setTimeout(() => (test.registry.broken = false), 300);
    await desk.event((event) => event.t === "zone.enter");
  });
});
