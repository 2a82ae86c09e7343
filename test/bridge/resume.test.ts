import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeyRing, emptyBatch, openEmbeddedStore } from "@konferenco/fusion";
import { openCursor, sealCursor } from "../../bridge/src/cursor.ts";
import { openTestBridge, type TestBridge, type TestClient } from "./support/harness.ts";

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge();
});
afterEach(() => test.close());

const caught = (client: TestClient) => client.until(() => client.frames.some((frame) => frame.op === "caught"));
const gaps = (client: TestClient) => client.frames.flatMap((frame) => (frame.op === "gap" ? [frame.why] : []));
const transitions = (client: TestClient) => client.events.filter(({ event }) => event.t.startsWith("zone."));
const zonesOf = (client: TestClient) => transitions(client).map(({ event }) => (event.t === "zone.enter" ? `+${event.d.zoneId}` : event.t === "zone.exit" ? `-${event.d.zoneId}` : event.t));

async function deskAt(cursor?: string): Promise<TestClient> {
  const desk = await test.client("staff", null, cursor === undefined ? {} : { resume: cursor });
  await desk.subscribe("venue");
  return desk;
}

describe("a client that comes back", () => {
  it("gets what it missed, in order, and is told when it is up to date", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const before = await deskAt();
    await test.enter("t-1", "room-a");
    await before.event((event) => event.t === "zone.enter");
    before.socket.terminate();
    await test.exit("t-1", "room-a");
    await test.enter("t-1", "room-b");
    const after = await deskAt(before.cursor);
    await caught(after);
    expect(after.frames[0]).toMatchObject({ op: "welcome", resumed: true });
    expect(zonesOf(after)).toEqual(["-room-a", "+room-b"]);
    expect(gaps(after)).toEqual([]);
    await test.exit("t-1", "room-b");
    await after.event((event) => event.t === "zone.exit" && event.d.zoneId === "room-b");
    expect(zonesOf(after)).toEqual(["-room-a", "+room-b", "-room-b"]);
    expect(test.bridge.stats().replays).toEqual({ whole: 1, gap: 0 });
  });

  it("misses nothing and keeps nothing twice, however often it is cut off under live traffic", async () => {
    for (let n = 0; n < 5; n++) await test.addPerson(`p-${n}`, { tagId: `t-${n}` });
    const TOTAL = 600;
    let sent = 0;
    let desk = await deskAt();
    const traffic = (async () => {
      while (sent < TOTAL) {
        const n = sent++;
        const round = Math.floor(n / 5);
        await (round % 2 === 0 ? test.enter(`t-${n % 5}`, `z-${round}`) : test.exit(`t-${n % 5}`, `z-${round - 1}`));
        if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 4)); // so that live events and replays mix
      }
    })();
    const seen: string[] = [];
    const ids = new Set<string>();
    let again = 0;
    let nameless = 0;
    let taken = 0;
    const take = () => {
      for (const { i, event } of transitions(desk).slice(taken)) {
        if (i === undefined) nameless++;
        else if (ids.has(i)) again++;
        else {
          ids.add(i);
          seen.push(`${event.t} ${"zoneId" in event.d ? event.d.zoneId : ""} ${"subj" in event.d && event.d.subj.who === "person" ? event.d.subj.personId : ""}`);
        }
      }
      taken = transitions(desk).length;
    };
    for (let cut = 1; cut <= 8; cut++) {
      const upTo = transitions(desk).length + 20;
      await desk.until(() => transitions(desk).length >= upTo || sent >= TOTAL);
      desk.socket.terminate();
      await desk.closed;
      take();
      expect(desk.holes).toBe(0);
      desk = await deskAt(desk.cursor);
      taken = 0;
    }
    await traffic;
    await desk.until(() => {
      take();
      return seen.length >= TOTAL;
    });
    expect(seen).toHaveLength(TOTAL);
    expect(nameless).toBe(0);
    // What came after the last cursor comes again: never more than the events between two cursors.
    expect(again).toBeLessThanOrEqual(8 * 128);
    // In the order of the log: each person's enter and exit alternate with growing zones.
    for (let n = 0; n < 5; n++) {
      const own = seen.filter((line) => line.endsWith(`p-${n}`)).map((line) => line.split(" ").slice(0, 2).join(" "));
      expect(own).toEqual(Array.from({ length: TOTAL / 5 }, (_, round) => (round % 2 === 0 ? `zone.enter z-${round}` : `zone.exit z-${round - 1}`)));
    }
  }, 60_000);

  it("a long absence is read in pages, at the reader's pace", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const before = await deskAt();
    const { cursor } = before;
    before.socket.terminate();
    for (let n = 0; n < 30; n++) {
      const at = { tagId: "t-1", floor: 0, atMs: test.nowMs(), confidence: 1 };
      await test.commit({ zoneTransitions: Array.from({ length: 50 }, (_, k) => [{ ...at, transition: "enter" as const, zoneId: `z-${n}-${k}` }, { ...at, transition: "exit" as const, zoneId: `z-${n}-${k}` }]).flat() });
    }
    const after = await deskAt(cursor);
    await caught(after);
    expect(transitions(after)).toHaveLength(3_000);
    expect(after.holes).toBe(0);
  });

  it("a channel that comes later is replayed by itself: nothing of the others comes again, and nothing of them is lost meanwhile", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const before = await deskAt();
    before.socket.terminate();
    const moves = async (count: number) => {
      const at = { tagId: "t-1", floor: 0, atMs: test.nowMs(), confidence: 1 };
      for (let n = 0; n < count; n++) await test.commit({ zoneTransitions: [{ ...at, transition: n % 2 === 0 ? "enter" : "exit", zoneId: "room-a" }] });
    };
    const say = (text: string) => test.api("POST", "/api/v1/messages", { as: { role: "staff", personId: null }, body: { type: "chat/channel_message", to: { type: "channel", id: "app:lobby" }, payload: { text } } });
    await moves(600);
    await say("missed");
    const after = await deskAt(before.cursor);
    await after.subscribe("app:lobby"); // while the first replay runs
    await moves(40);
    await after.event((event) => event.t === "chat/channel_message");
    await after.until(() => transitions(after).length >= 640);
    await after.until(() => after.frames.some((frame) => frame.op === "caught"));
    const again = after.frames.filter((frame) => frame.op === "caught").length;
    await after.subscribe("app:board"); // when it is through
    await moves(40);
    await after.until(() => after.frames.filter((frame) => frame.op === "caught").length > again && transitions(after).length >= 680);
    await after.settled();
    expect(transitions(after)).toHaveLength(680);
    expect(new Set(transitions(after).map(({ i }) => i)).size).toBe(680);
    expect(after.holes).toBe(0);
  });

  it("an alert during a replay is not delayed and not doubled", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const before = await test.client("staff");
    await before.subscribe("alerts");
    const { cursor } = before;
    before.socket.terminate();
    const alert = (alertId: string) => test.commit({ alerts: [{ alertId, severity: "info", title: alertId, text: "…", zoneIds: [], atMs: test.nowMs() }] });
    await alert("missed");
    const after = await test.client("staff", null, { resume: cursor as string });
    const asked = [after.subscribe("venue"), after.subscribe("alerts")];
    await Promise.all(asked);
    await alert("live");
    await caught(after);
    await after.event((event) => event.t === "alert" && event.d.alertId === "live");
    const alerts = after.events.flatMap(({ event }) => (event.t === "alert" ? [event.d.alertId] : []));
    expect(alerts.sort()).toEqual(["live", "missed"]);
  });

  it("one who never saw an event still gets what came while away: the answer to a subscription carries a cursor", async () => {
    const before = await test.client("display");
    const answer = await before.subscribe("alerts");
    expect(answer).toMatchObject({ op: "ok", c: expect.any(String) });
    before.socket.terminate();
    await test.commit({ alerts: [{ alertId: "a-1", severity: "info", title: "Lunch", text: "is served", zoneIds: [], atMs: test.nowMs() }] });
    const after = await test.client("display", null, { resume: before.cursor as string });
    await after.subscribe("alerts");
    await after.event((event) => event.t === "alert");
  });
});

describe("a cursor that is told before the replay has begun", () => {
  it("does not pass what the replay would have brought: cut off there, the client loses nothing", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const before = await test.client("attendee", "anna");
    await before.subscribe("me");
    before.socket.terminate();
    await test.enter("t-1", "room-a");
    const between = await test.client("attendee", "anna", { resume: before.cursor as string });
    // These two are not replayed, and their answers have cursors all the same.
    await between.subscribe("nearby");
    await between.subscribe("occupancy");
    between.socket.terminate();
    const after = await test.client("attendee", "anna", { resume: between.cursor as string });
    await after.subscribe("me");
    await caught(after);
    expect(zonesOf(after)).toEqual(["+room-a"]);
  });
});

describe("what a replay may not show", () => {
  it("whereabouts of somebody who is hidden now", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    await test.addPerson("ben", { tagId: "t-2" });
    const { cursor } = await deskAt();
    await test.enter("t-1");
    await test.enter("t-2");
    await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "anna" }, body: { level: "hidden" } });
    const after = await deskAt(cursor);
    await caught(after);
    expect(zonesOf(after)).toHaveLength(1);
    expect(after.everything).not.toContain("anna");
  });

  it("whereabouts from when somebody was hidden, though they are not now", async () => {
    await test.addPerson("anna", { tagId: "t-1", settings: { level: "hidden" } });
    const { cursor } = await deskAt();
    await test.enter("t-1", "room-a");
    await test.exit("t-1", "room-a");
    test.skewMs(5);
    expect((await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "anna" }, body: { level: "zone" } })).status).toBe(200);
    test.skewMs(5);
    await test.enter("t-1", "room-b");
    const after = await deskAt(cursor);
    await caught(after);
    expect(zonesOf(after)).toEqual(["+room-b"]);
    const own = await test.client("attendee", "anna", { resume: "x" });
    expect(own.frames[0]).toMatchObject({ op: "welcome", resumed: false, why: "cursor_invalid" });
  });

  it("whereabouts of the one who carried the tag before", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    await test.addPerson("ben");
    const { cursor } = await deskAt();
    const mine = await test.client("attendee", "ben");
    await mine.subscribe("me");
    const before = mine.cursor as string;
    await test.enter("t-1", "room-a");
    test.skewMs(5);
    expect((await test.api("PUT", "/api/v1/tags/t-1", { as: { role: "staff", personId: null }, body: { personId: "ben" } })).status).toBe(200);
    test.skewMs(5);
    await test.exit("t-1", "room-a");
    const after = await deskAt(cursor);
    await caught(after);
    expect(zonesOf(after)).toEqual(["-room-a"]);
    expect(JSON.stringify(transitions(after))).not.toContain("anna");
    const ben = await test.client("attendee", "ben", { resume: before });
    await ben.subscribe("me");
    await caught(ben);
    expect(zonesOf(ben)).toEqual(["-room-a"]);
  });

  it("whereabouts of others older than an hour: said as a gap, while one's own come whole", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const desk = await deskAt();
    const anna = await test.client("attendee", "anna");
    await anna.subscribe("me");
    await test.enter("t-1");
    await desk.settled();
    const cursors = [desk.cursor, anna.cursor] as [string, string];
    test.skewMs(-1); // the cursors were sealed before the event
    await test.exit("t-1");
    test.skewMs(3_600_000 + 60_000);
    const after = await deskAt(cursors[0]);
    await caught(after);
    expect(gaps(after)).toEqual(["retention"]);
    expect(zonesOf(after)).toEqual([]);
    const own = await test.client("attendee", "anna", { resume: cursors[1] });
    await own.subscribe("me");
    await caught(own);
    expect(zonesOf(own)).toContain("-room-a");
  });
});

describe("cursors", () => {
  it("of somebody else, of another bridge or made up are told to be invalid, and the client begins anew", async () => {
    await test.addPerson("anna");
    const desk = await deskAt();
    for (const resume of [desk.cursor as string, "x", `${(desk.cursor as string).slice(0, -4)}AAAA`]) {
      const anna = await test.client("attendee", "anna", { resume });
      expect(anna.frames[0]).toMatchObject({ op: "welcome", resumed: false, why: "cursor_invalid" });
    }
  });

  it("of one place share nothing, so that nobody can count hidden events between them", () => {
    const key = new Uint8Array(32).fill(7);
    const place = { epoch: "e", offset: 5, atMs: 9 };
    const [a, b] = [sealCursor(key, "anna", place), sealCursor(key, "anna", place)];
    expect(a).not.toBe(b);
    expect(a.length).toBe(sealCursor(key, "anna", { ...place, offset: 2 ** 40 }).length);
    expect(openCursor(key, "anna", a)).toEqual(place);
    expect(openCursor(key, "ben", a)).toBeNull();
    expect(openCursor(new Uint8Array(32), "anna", a)).toBeNull();
    expect(openCursor(key, "anna", "")).toBeNull();
  });
});

describe("a store that lost its log", () => {
  it("is told as a gap, never skipped over", async () => {
    await test.addPerson("anna", { tagId: "t-1" });
    const before = await deskAt();
    await test.enter("t-1");
    await before.event((event) => event.t === "zone.enter");
    const emptied = await openEmbeddedStore({ eventId: "test", dataDir: null, keys: KeyRing.inMemory(), origin: { lat: 0, lon: 0, bearingDeg: 0 }, nowMs: Date.now });
    const secret = new Uint8Array(Buffer.from("the same secret for both bridges, 48 bytes long."));
    const first = await openTestBridge({ secret, registry: test.registry });
    const second = await openTestBridge({ secret, registry: test.registry, store: emptied });
    const one = await first.client("staff");
    await one.subscribe("venue");
    await first.enter("t-1");
    await one.event((event) => event.t === "zone.enter");
    const other = await second.client("staff", null, { resume: one.cursor as string });
    expect(other.frames[0]).toMatchObject({ op: "welcome", resumed: false, why: "epoch" });
    await other.subscribe("venue");
    await caught(other);
    expect(gaps(other)).toEqual(["epoch"]);
    expect(second.bridge.stats().replays).toEqual({ whole: 0, gap: 1 });
    await emptied.commit({ ...emptyBatch(), zoneTransitions: [{ transition: "enter", tagId: "t-1", zoneId: "room-b", floor: 0, atMs: Date.now(), confidence: 1 }] }, Date.now());
    await other.event((event) => event.t === "zone.enter" && event.d.zoneId === "room-b");
    await first.close();
    await second.close();
  });
});
