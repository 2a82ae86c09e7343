import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scheduleSchema, venueMapSchema, type ClientEvent, type Profile } from "@konferenco/protocol";
import { openTestBridge, venue as plainVenue, type TestBridge, type TestClient } from "./support/harness.ts";

const square = (xM: number, yM: number, sideM: number) => [[[xM, yM], [xM + sideM, yM], [xM + sideM, yM + sideM], [xM, yM + sideM]]];
const NOON_MS = Date.now();

/** Two rooms, a lounge, a booth of 9 m2, and a session in room B that lasts all day. */
const venue = venueMapSchema.parse({
  ...plainVenue,
  zones: [
    ...plainVenue.zones,
    { zoneId: "networking-lounge", name: "Networking lounge", kind: "lounge", floor: 0, polygons: square(40, 0, 20) },
    { zoneId: "booth-1", name: "Booth 1", kind: "booth", floor: 0, polygons: square(60, 0, 3) },
  ],
});
const schedule = scheduleSchema.parse({ v: 1, sessions: [{ sessionId: "keynote", name: "Keynote", zoneId: "room-b", startMs: NOON_MS - 3_600_000, endMs: NOON_MS + 3_600_000 }] });

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge({ venue, schedule });
});
afterEach(() => test.close());

const asked = { proximityAlerts: true } as const;
/** Their place is shown to all who come. */
const openly = { level: "precise", audiences: { attendees: "precise" } } as const;

async function attend(personId: string, profile: Partial<Profile> & { settings?: object; connections?: string[] } = {}): Promise<void> {
  const { settings = asked, ...rest } = profile;
  await test.addPerson(personId, { tagId: `t-${personId}`, settings });
  const person = await test.registry.person(personId);
  await test.registry.putPerson({ profile: { ...(person?.profile as Profile), ...rest } });
}

async function page(personId: string): Promise<TestClient> {
  const client = await test.client("attendee", personId);
  await client.subscribe("me");
  return client;
}

const words = (client: TestClient, t = "serendipity") => client.events.flatMap(({ event }) => (event.t === t ? [event as Extract<ClientEvent, { t: "serendipity" }>] : []));
const nearby = async (personId: string, query: string) => {
  const { body } = await test.api("GET", `/api/v1/nearby?${query}`, { as: { role: "attendee", personId } });
  return (body as { people: { personId: string; within: string; relevance: number; reasons: string[] }[] }).people;
};
/** Time passes, and the bridge's timers have noticed. */
async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 150));
  test.skewMs(ms);
  await new Promise((resolve) => setTimeout(resolve, 400));
}

describe("requirement C5, word for word", () => {
  it("[AI, ML] and [AI, NLP] with the same goal, both in the networking lounge by zone alone, are told of each other within 5 s, and AI is named", async () => {
    await attend("user-1", { interests: ["AI", "ML"], lookingFor: "collaborators" });
    await attend("user-2", { interests: ["AI", "NLP"], lookingFor: "collaborators" });
    const [one, two] = [await page("user-1"), await page("user-2")];
    const beganMs = performance.now();
    await test.enter("t-user-1", "networking-lounge");
    await test.enter("t-user-2", "networking-lounge");
    await Promise.all([one, two].map((client) => client.until(() => words(client).length > 0, 5_000)));
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    expect(words(one)[0]?.d).toMatchObject({ subj: { personId: "user-2" }, topic: "AI", text: "You're near Name of user-2, who shares your interest in AI", compatibility: 0.75 });
    expect(words(two)[0]?.d).toMatchObject({ subj: { personId: "user-1" }, topic: "AI", compatibility: 0.75 });
  });
});

describe("requirement C6, word for word", () => {
  it("radius 50 m and interests [AI] return only the one of three", async () => {
    await attend("asker", { interests: ["AI"] });
    await attend("match", { interests: ["AI", "IoT"] });
    await attend("other", { interests: ["design"] });
    await attend("far", { interests: ["AI"] });
    for (const personId of ["asker", "match", "other"]) await test.move(`t-${personId}`);
    await test.move("t-far", { xM: 90, yM: 50, floor: 1, zoneId: "hall" });
    expect((await nearby("asker", "within=50m&interests=AI")).map(({ personId }) => personId)).toEqual(["match"]);
  });

  it("in a crowd those within 10 m fill the list, whatever was asked for; who asks for a company finds its people further off", async () => {
    await attend("asker");
    await test.move("t-asker", { xM: 10, yM: 10 });
    const crowd = Array.from({ length: 40 }, (_, index) => `near-${index}`);
    for (const [index, personId] of crowd.entries()) {
      await attend(personId, { settings: openly });
      await test.move(`t-${personId}`, { xM: 6 + (index % 8), yM: 8 + Math.floor(index / 8) });
    }
    for (const [personId, xM] of [["colleague", 38], ["other-room", 39]] as const) {
      await attend(personId, { company: "Acme", interests: ["AI"], settings: openly });
      await test.move(`t-${personId}`, { xM, yM: 10, zoneId: "room-b" });
    }
    for (const within of ["10m", "50m", "same_zone", "same_venue"]) {
      const list = await nearby("asker", `within=${within}`);
      expect(list.map((person) => person.within), within).toEqual(Array.from({ length: 20 }, () => "10m"));
      expect(list.every(({ personId }) => crowd.includes(personId)), within).toBe(true);
    }
    expect((await nearby("asker", "within=50m&company=acme")).map(({ personId, within }) => `${personId} ${within}`)).toEqual(["colleague 50m", "other-room 50m"]);
  });

  it("same_zone: two in room A find each other and not the one in room B", async () => {
    for (const personId of ["user-1", "user-2", "user-3"]) await attend(personId);
    await test.enter("t-user-1", "room-a");
    await test.enter("t-user-2", "room-a");
    await test.enter("t-user-3", "room-b");
    expect((await nearby("user-1", "within=same_zone")).map(({ personId }) => personId)).toEqual(["user-2"]);
  });

  it("a hidden person is null to any viewer", async () => {
    await attend("viewer");
    await attend("hidden", { settings: { level: "hidden" } });
    await test.move("t-hidden");
    const ask = (role: "attendee" | "operator", personId: string | null) => test.api("GET", "/api/v1/people/hidden/whereabouts?reason=a%20test%20of%20it", { as: { role, personId } });
    expect((await ask("attendee", "viewer")).body).toEqual({ place: null });
    expect((await ask("operator", null)).body).toEqual({ place: null });
  });
});

describe("encounters", () => {
  const pair = async (settings: object = asked) => {
    await attend("anna", { interests: ["AI"] });
    await attend("ben", { interests: ["AI"], settings });
    return [await page("anna"), await page("ben")] as const;
  };
  const meet = async (zoneId = "networking-lounge") => {
    await test.enter("t-anna", zoneId);
    await test.enter("t-ben", zoneId);
    await pass(5_500);
  };
  const told = ([anna, ben]: readonly [TestClient, TestClient]) => [words(anna).length, words(ben).length];

  it("one word per pair and side, and none again for half an hour", async () => {
    const pages = await pair();
    await meet();
    expect(told(pages)).toEqual([1, 1]);
    await test.exit("t-ben", "networking-lounge");
    await meet();
    expect(told(pages)).toEqual([1, 1]);
    for (let minute = 0; minute < 31; minute += 4) {
      test.skewMs(4 * 60_000);
      for (const tagId of ["t-anna", "t-ben"]) await test.exit(tagId, "networking-lounge");
    }
    await meet();
    expect(told(pages)).toEqual([2, 2]);
  });

  it.each([
    ["has not asked for it", { proximityAlerts: false }],
    ["is hidden", { ...asked, level: "hidden" }],
    ["does not want to be disturbed", { ...asked, doNotDisturb: true }],
    ["has blocked the other", { ...asked, blocked: ["anna"] }],
  ])("neither is told when one %s", async (_, settings) => {
    const pages = await pair(settings);
    await meet();
    expect(told(pages)).toEqual([0, 0]);
  });

  it("in a session nobody is disturbed", async () => {
    const pages = await pair();
    await meet("room-b");
    expect(told(pages)).toEqual([0, 0]);
  });

  it("a booth is too small a place to be told by", async () => {
    const pages = await pair();
    await meet("booth-1");
    expect(told(pages)).toEqual([0, 0]);
  });

  it("who has just passed through is told nothing", async () => {
    const pages = await pair();
    await test.enter("t-anna", "networking-lounge");
    await test.enter("t-ben", "networking-lounge");
    await test.exit("t-ben", "networking-lounge");
    await pass(6_000);
    expect(told(pages)).toEqual([0, 0]);
  });

  it("a word waits for a page that opens later", async () => {
    await attend("anna", { interests: ["AI"] });
    await attend("ben", { interests: ["AI"] });
    await meet();
    const anna = await page("anna");
    await anna.until(() => words(anna).length === 1);
  });

  it("two who have little in common and share a room no wider than 50 m are near, without a topic", async () => {
    await attend("anna", { interests: ["AI"] });
    await attend("ben", { interests: ["design"] });
    const anna = await page("anna");
    await meet();
    expect(words(anna, "near")).toHaveLength(1);
    expect(words(anna)).toHaveLength(0);
  });
});

describe("nearby", () => {
  it("says why somebody is worth meeting, and ranks by it", async () => {
    await attend("anna", { interests: ["AI", "ML"], lookingFor: "mentor", connections: ["dora"], company: "Acme" });
    await attend("ben", { interests: ["design"] });
    await attend("cleo", { interests: ["AI"], lookingFor: "mentor", connections: ["dora"], company: "acme", openToNetworking: true });
    for (const personId of ["anna", "ben", "cleo"]) await test.move(`t-${personId}`);
    const people = await nearby("anna", "within=same_zone");
    expect(people.map(({ personId }) => personId)).toEqual(["cleo", "ben"]);
    expect(people[0]?.reasons).toEqual(["you share AI", "both look for: mentor", "1 connection in common", "both at acme", "open to networking"]);
    expect(people[0]?.relevance).toBeGreaterThan(people[1]?.relevance ?? 1);
  });

  it.each([
    ["company=acme", ["ben"]],
    ["industry=health", ["cleo"]],
    ["jobFunction=engineer", ["ben"]],
    ["lookingFor=mentor", ["cleo"]],
    ["sameCompany=true", ["ben"]],
    ["mutualConnections=true", ["ben"]],
    ["compatibleSchedule=true", ["cleo"]],
    ["openToNetworking=true", ["cleo"]],
  ])("can be narrowed by %s", async (filter, expected) => {
    await attend("anna", { company: "Acme", connections: ["dora"], schedule: ["keynote"] });
    await attend("ben", { company: "ACME", jobFunction: "engineer", connections: ["dora"] });
    await attend("cleo", { industry: "Health", lookingFor: "mentor", openToNetworking: true, schedule: ["keynote"] });
    for (const personId of ["anna", "ben", "cleo"]) await test.move(`t-${personId}`);
    expect((await nearby("anna", `within=same_zone&${filter}`)).map(({ personId }) => personId)).toEqual(expected);
  });

  it("strangers' moves are told late, connections' at once", async () => {
    await attend("anna", { connections: ["ben"] });
    await attend("ben", { connections: ["anna"] });
    await attend("cleo");
    for (const personId of ["anna", "ben", "cleo"]) await test.move(`t-${personId}`);
    const inZone = async () => (await nearby("anna", "within=same_zone")).map(({ personId }) => personId).sort();
    expect(await inZone()).toEqual(["ben", "cleo"]);
    test.skewMs(121_000);
    for (const tagId of ["t-ben", "t-cleo"]) await test.move(tagId, { zoneId: "room-b", xM: 25 });
    expect(await inZone()).toEqual(["cleo"]);
    test.skewMs(121_000);
    expect(await inZone()).toEqual([]);
  });

  it("where somebody was while hidden is not told late either", async () => {
    await attend("anna");
    await attend("ben", { settings: { level: "hidden" } });
    await test.move("t-anna", { zoneId: "room-b", xM: 25 });
    await test.move("t-ben", { zoneId: "room-b", xM: 25 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await test.move("t-ben");
    await new Promise((resolve) => setTimeout(resolve, 5));
    await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "ben" }, body: { level: "zone" } });
    expect(await nearby("anna", "within=same_zone")).toEqual([]);
  });
});

describe("the safety of a person", () => {
  const as = (personId: string) => ({ role: "attendee" as const, personId });
  const placeOf = async (personId: string, viewer: string) => ((await test.api("GET", `/api/v1/people/${personId}/whereabouts`, { as: as(viewer) })).body as { place: { level: string } | null }).place;

  beforeEach(async () => {
    await attend("anna", { connections: ["ben"] });
    await attend("ben", { connections: ["anna"] });
    for (const personId of ["anna", "ben"]) await test.move(`t-${personId}`);
  });

  it("panic hides everywhere in one call, from staff too", async () => {
    const desk = await test.client("operator");
    await desk.subscribe("venue");
    expect(await placeOf("anna", "ben")).toMatchObject({ level: "zone" });
    expect((await test.api("POST", "/api/v1/me/panic", { as: as("anna") })).body).toMatchObject({ level: "hidden", discoverability: "hidden", proximityAlerts: false, presence: { online: false } });
    expect(await placeOf("anna", "ben")).toBeNull();
    await desk.settled();
    expect(desk.frames.some((frame) => frame.op === "forget" && frame.subj === "anna")).toBe(true);
  });

  it("a connection sees the precise place for a while, and then no more", async () => {
    await test.api("PUT", "/api/v1/me/shares/ben", { as: as("anna"), body: { minutes: 60 } });
    expect(await placeOf("anna", "ben")).toMatchObject({ level: "precise" });
    expect((await test.api("GET", "/api/v1/me/viewers", { as: as("anna") })).body).toMatchObject({ people: [{ personId: "ben", level: "precise", untilMs: expect.any(Number) }] });
    test.skewMs(3_601_000);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await test.move("t-anna");
    expect(await placeOf("anna", "ben")).toMatchObject({ level: "zone" });
    expect((await test.api("PUT", "/api/v1/me/shares/ben", { as: as("anna"), body: { minutes: 121 } })).status).toBe(400);
  });

  it("who sets a level anew has ended what they share", async () => {
    await test.api("PUT", "/api/v1/me/shares/ben", { as: as("anna"), body: {} });
    await test.api("PATCH", "/api/v1/me/privacy", { as: as("anna"), body: { level: "venue" } });
    expect(await placeOf("anna", "ben")).toEqual({ level: "venue" });
  });

  it("blocking holds in both directions, and its answer is the same for nobody", async () => {
    const block = (personId: string) => test.api("PUT", `/api/v1/me/blocks/${personId}`, { as: as("anna") });
    expect((await block("ben")).body).toEqual((await block("nobody")).body);
    expect([await placeOf("anna", "ben"), await placeOf("ben", "anna")]).toEqual([null, null]);
    expect(await nearby("ben", "within=same_venue")).toEqual([]);
    expect(await nearby("anna", "within=same_venue")).toEqual([]);
    await test.api("DELETE", "/api/v1/me/blocks/ben", { as: as("anna") });
    expect(await placeOf("ben", "anna")).not.toBeNull();
  });

  it("whom one has blocked is no viewer; of who has blocked them a person learns nothing from the list of their viewers", async () => {
    const viewers = async (personId: string) => (await test.api("GET", "/api/v1/me/viewers", { as: as(personId) })).body;
    const before = await viewers("anna");
    expect(before).toMatchObject({ connections: [{ personId: "ben" }], people: [{ personId: "ben" }] });
    await test.api("PUT", "/api/v1/me/blocks/anna", { as: as("ben") });
    expect(await viewers("anna")).toEqual(before);
    expect(await viewers("ben")).toMatchObject({ connections: [], people: [], blocked: ["anna"] });
  });

  it("staff give a reason, and the person reads who asked and why", async () => {
    const look = (reason: string) => test.api("GET", `/api/v1/people/anna/whereabouts${reason}`, { as: { role: "staff", personId: null } });
    expect((await look("")).status).toBe(400);
    expect((await look("?reason=medical%20emergency")).body).toMatchObject({ place: { level: "zone" } });
    for (let again = 0; again < 2; again++) await look("?reason=medical%20emergency");
    expect((await look("?reason=medical%20emergency")).status).toBe(429);
    expect((await test.api("GET", "/api/v1/me/audit", { as: as("anna") })).body.lookups).toHaveLength(3);
    expect((await test.api("GET", "/api/v1/me/audit", { as: as("anna") })).body.lookups[0]).toMatchObject({ what: "whereabouts", reason: "medical emergency" });
  });

  it("what the bridge keeps beside the settings is never a client's to write or read", async () => {
    expect((await test.api("PATCH", "/api/v1/me/privacy", { as: as("anna"), body: { blocked: [] } })).status).toBe(400);
    await test.api("PUT", "/api/v1/me/blocks/ben", { as: as("anna") });
    const socket = await page("anna");
    await socket.ask({ op: "set", privacy: { blocked: [], shares: [{ personId: "ben", untilMs: 9e15 }] } });
    expect((await test.registry.person("anna"))?.settings).toMatchObject({ blocked: ["ben"] });
    expect((await test.api("GET", "/api/v1/me/privacy", { as: as("anna") })).body).not.toHaveProperty("blocked");
    expect(JSON.stringify(socket.snapshots)).not.toContain("blocked");
  });

  it("a preset sets all of it, what is named beside it has the last word", async () => {
    const change = (body: object) => test.api("PATCH", "/api/v1/me/privacy", { as: as("anna"), body });
    expect((await change({ preset: "high" })).body).toMatchObject({ level: "hidden", audiences: { staff: "hidden" } });
    expect((await change({ preset: "optimized", level: "venue" })).body).toMatchObject({ level: "venue", proximityAlerts: true, discoverability: "public" });
  });
});

describe("where nobody has drawn a plan, and all positions are one point", () => {
  it("nobody is ten metres away for it: who shows their spot is shown in their zone, and in another zone at the venue", async () => {
    await test.close();
    test = await openTestBridge({ venue: venueMapSchema.parse({ venueId: "fair", zones: [{ zoneId: "stand-1", floor: 0 }, { zoneId: "stand-2", floor: 0 }], gateways: [{ gatewayId: "gw-1", floor: 0, zoneId: "stand-1" }, { gatewayId: "gw-2", floor: 0, zoneId: "stand-2" }] }) });
    for (const [personId, zoneId] of [["asker", "stand-1"], ["here", "stand-1"], ["there", "stand-2"]] as const) {
      await attend(personId, { settings: openly, connections: ["asker", "here", "there"].filter((other) => other !== personId) });
      await test.move(`t-${personId}`, { xM: 0, yM: 0, zoneId, accuracy95M: 11 });
    }
    await expect.poll(() => nearby("asker", "within=same_venue"), { timeout: 20_000, interval: 1_100 }).toMatchObject([{ personId: "here", within: "same_zone" }, { personId: "there", within: "same_venue" }]);
    expect((await test.api("GET", "/api/v1/me/viewers", { as: { role: "attendee", personId: "here" } })).body).toMatchObject({ audiences: expect.arrayContaining([{ audience: "attendees", level: "zone" }]), people: [{ personId: "asker", level: "zone" }, { personId: "there", level: "zone" }] });
  });
});
