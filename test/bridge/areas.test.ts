import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ClientEvent } from "@konferenco/protocol";
import { openTestBridge, venue, type TestBridge, type TestClient } from "./support/harness.ts";

// Room A is 0-20 m, room B 20-40 m, both on the ground; the hall is upstairs.
const WEST_OF_A = { floor: 0, polygon: [[0, 0], [10, 0], [10, 20], [0, 20]] };

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge({ venue: { ...venue, origin: { lat: 52, lon: 21, bearingDeg: 0 } } });
});
afterEach(() => test.close());

async function operator(area?: object): Promise<TestClient> {
  const client = await test.client("operator");
  await client.subscribe("venue", { hz: 10, ...(area === undefined ? {} : { area }) });
  return client;
}

const nameOf = ({ d }: ClientEvent) => ("subj" in d && d.subj.who === "person" ? d.subj.personId : null);
const toldOf = (client: TestClient, personId: string) => client.events.filter(({ event }) => nameOf(event) === personId).map(({ event }) => (event.t === "position" ? `${event.d.xM} ${event.d.yM}` : `${event.t} ${"zoneId" in event.d ? event.d.zoneId : ""}`));
const forgotten = (client: TestClient) => client.frames.flatMap((frame) => (frame.op === "forget" ? [frame.subj] : []));

/** Somebody who shows staff their place, or their zone alone. */
async function person(personId: string, level: "precise" | "zone"): Promise<void> {
  await test.addPerson(personId, { tagId: `t-${personId}`, settings: { level, audiences: { staff: level } } });
}
const stand = (personId: string, xM: number, zoneId = "room-a", floor = 0) => test.move(`t-${personId}`, { xM, yM: 10, zoneId, floor });

describe("an area of the venue", () => {
  it("shows those whose place is inside, in the snapshot and live, and nobody else's", async () => {
    await person("anna", "precise");
    await person("ben", "precise");
    await stand("anna", 5);
    await stand("ben", 15);
    const client = await operator(WEST_OF_A);
    expect(client.snapshots.map(nameOf)).toEqual(["anna"]);
    await stand("ben", 16);
    await stand("anna", 6);
    await client.event((event) => event.t === "position" && event.d.xM === 6);
    expect(toldOf(client, "ben")).toEqual([]);
  });

  it("is left two steps of the grid behind its edge: then the viewer forgets, and is told again of who comes back", async () => {
    await person("anna", "precise");
    const client = await operator(WEST_OF_A);
    for (const xM of [9, 11, 12]) {
      await stand("anna", xM);
      await client.event((event) => event.t === "position" && event.d.xM === xM);
    }
    expect(forgotten(client)).toEqual([]);
    await stand("anna", 13);
    await client.until(() => forgotten(client).length > 0);
    expect(forgotten(client)).toEqual(["anna"]);
    await stand("anna", 12); // beyond the edge, and not in yet
    await stand("anna", 8);
    await client.until(() => toldOf(client, "anna").at(-1) === "8 10");
    expect(toldOf(client, "anna")).toEqual(["9 10", "11 10", "12 10", "8 10"]);
  });

  it("a circle is entered at its radius and left at 1.3 of it; on Earth, by latitude and longitude, it is the same circle", async () => {
    await person("anna", "precise");
    const metres = await operator({ floor: 0, xM: 0, yM: 10, radiusM: 10 });
    const degrees = await operator({ lat: 52 + 10 / 111_195, lon: 21, radiusM: 10 });
    for (const client of [metres, degrees]) {
      for (const xM of [9, 12, 11]) {
        await stand("anna", xM);
        await client.until(() => toldOf(client, "anna").at(-1) === `${xM} 10`);
      }
    }
    for (const client of [metres, degrees]) {
      const seen = toldOf(client, "anna").length;
      await stand("anna", 14);
      await client.until(() => forgotten(client).length > 0);
      expect(toldOf(client, "anna").length).toBeGreaterThanOrEqual(seen);
      await stand("anna", 9);
      await client.until(() => toldOf(client, "anna").at(-1) === "9 10");
    }
  });

  it("somebody on another floor is not in it, nor in zones that it does not name", async () => {
    await person("anna", "precise");
    const zones = await operator({ zoneIds: ["room-b"] });
    const shape = await operator(WEST_OF_A);
    await stand("anna", 5, "hall", 1);
    await test.enter("t-anna", "hall");
    await stand("anna", 25, "room-b");
    await test.enter("t-anna", "room-b");
    await zones.event((event) => event.t === "position");
    await zones.event((event) => event.t === "zone.enter");
    await shape.settled();
    expect(new Set(toldOf(zones, "anna"))).toEqual(new Set(["25 10", "zone.enter room-b"]));
    expect(toldOf(shape, "anna")).toEqual([]);
  });

  it("subscribed again looks elsewhere; the answer is all that is there now", async () => {
    await person("anna", "precise");
    await person("ben", "precise");
    await stand("anna", 5);
    await stand("ben", 30, "room-b");
    const client = await operator(WEST_OF_A);
    const names = (answer: object) => ("snap" in answer ? (answer.snap as ClientEvent[]).map(nameOf) : null);
    expect(names(await client.subscribe("venue", { area: { zoneIds: ["room-b"] } }))).toEqual(["ben"]);
    await stand("anna", 6);
    await stand("ben", 31, "room-b");
    await client.event((event) => event.t === "position" && event.d.xM === 31);
    expect(toldOf(client, "anna")).toEqual([]);
    expect(names(await client.subscribe("venue", { area: null }))).toEqual(expect.arrayContaining(["anna", "ben"]));
    expect(await client.subscribe("venue")).toMatchObject({ code: "already_subscribed" });
  });

  it("is replayed as it was watched: what happened elsewhere is not in it", async () => {
    await person("anna", "precise");
    const before = await operator();
    const { cursor } = before;
    await test.enter("t-anna", "room-a");
    await test.exit("t-anna", "room-a");
    await test.enter("t-anna", "room-b");
    const client = await test.client("operator", null, cursor === undefined ? {} : { resume: cursor });
    await client.subscribe("venue", { area: { zoneIds: ["room-b"] } });
    await client.until(() => client.frames.some(({ op }) => op === "caught"));
    expect(toldOf(client, "anna")).toEqual(["zone.enter room-b"]);
  });

  it("of counts has its own zones alone, for staff and screens", async () => {
    for (const role of ["operator", "display", "attendee"] as const) {
      await test.addPerson("eve");
      const client = await test.client(role, role === "attendee" ? "eve" : null);
      await client.subscribe("occupancy", { area: { zoneIds: ["room-b"] } });
      expect(client.snapshots.flatMap((event) => (event.t === "occupancy" ? event.d.zones.map(({ zoneId }) => zoneId) : []))).toEqual(["room-b"]);
    }
    const screen = await test.client("display");
    await screen.subscribe("venue", { area: WEST_OF_A });
    expect(JSON.stringify(screen.snapshots)).toContain("room-a");
    expect(JSON.stringify(screen.snapshots)).not.toContain("room-b");
  });

  it("that cannot be is refused: zones that are not there, a circle of nothing, of other channels, of those who may not look", async () => {
    const client = await test.client("operator");
    for (const area of [{ zoneIds: ["nowhere"] }, { floor: 0, xM: 0, yM: 0, radiusM: 0 }, { floor: 0, polygon: [[0, 0], [1, 1]] }, { zoneIds: [] }, {}]) {
      expect(await client.subscribe("venue", { area }), JSON.stringify(area)).toMatchObject({ op: "err", code: "bad_request" });
    }
    expect(await client.subscribe("alerts", { area: WEST_OF_A })).toMatchObject({ op: "err", code: "bad_request" });
    await test.addPerson("eve");
    const attendee = await test.client("attendee", "eve");
    expect(await attendee.subscribe("venue", { area: WEST_OF_A })).toMatchObject({ op: "err", code: "forbidden" });
  });
});

describe("who shows their zone alone", () => {
  it("is in every area that the zone touches, wherever they stand, and walking about in it tells nothing", async () => {
    await person("anna", "zone");
    await test.enter("t-anna", "room-a");
    const elsewhere = await operator({ zoneIds: ["room-b"] });
    const clients = await Promise.all([operator(WEST_OF_A), operator({ floor: 0, polygon: [[12, 0], [20, 0], [20, 20], [12, 20]] }), operator({ floor: 0, xM: 1, yM: 1, radiusM: 1 })]);
    const everybody = [...clients, elsewhere];
    const framesOf = () => everybody.map(({ frames }) => frames.length);
    const before = framesOf();
    for (const xM of [1, 5, 9.5, 10.5, 13, 19, 1]) await stand("anna", xM);
    await Promise.all(everybody.map((client) => client.settled()));
    expect(everybody.map(({ snapshots }) => snapshots.map((event) => event.t))).toEqual([["zone.enter"], ["zone.enter"], ["zone.enter"], []]);
    expect(framesOf()).toEqual(before.map((count) => count + 1)); // the answer to the probe
    await test.exit("t-anna", "room-a");
    await Promise.all(clients.map((client) => client.event((event) => event.t === "zone.exit")));
    await elsewhere.settled();
    expect(toldOf(elsewhere, "anna")).toEqual([]);
  });

  it("after showing more is forgotten where they stood, and seen by the zone again", async () => {
    await person("anna", "precise");
    await test.enter("t-anna", "room-a");
    await stand("anna", 5);
    const [near, far] = [await operator(WEST_OF_A), await operator({ floor: 0, polygon: [[14, 0], [20, 0], [20, 20], [14, 20]] })];
    expect([near.snapshots.length, far.snapshots.length]).toEqual([1, 0]);
    await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "anna" }, body: { audiences: { staff: "zone" } } });
    // Both see the same now: that the zone touches their area.
    for (const client of [near, far]) await client.event((event) => event.t === "zone.enter");
    expect(forgotten(near)).toContain("anna");
    const before = [near.frames.length, far.frames.length];
    await stand("anna", 15);
    await stand("anna", 5);
    await Promise.all([near.settled(), far.settled()]);
    expect([near.frames.length, far.frames.length]).toEqual(before.map((count) => count + 1));
  });
});
