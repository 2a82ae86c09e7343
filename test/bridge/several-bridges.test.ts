import { randomBytes } from "node:crypto";
import { scheduleSchema, type Position } from "@konferenco/protocol";
import { openRedisPinboard, openRedisRegistry, type Pinboard, type Registry } from "@konferenco/bridge";
import { KeyRing, openRedisStore, type Store } from "@konferenco/fusion";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

// Two bridges of one event on one Redis.

let redis: TestRedis;
let bridges: TestBridge[] = [];
let ports: { close(): Promise<void> }[] = [];
let open: () => Promise<TestBridge>;

const NOW_MS = Date.now();
const schedule = scheduleSchema.parse({ v: 1, sessions: [{ sessionId: "keynote", name: "Keynote", zoneId: "room-a", startMs: NOW_MS - 60_000, endMs: NOW_MS + 3_600_000 }] });

beforeEach(async () => {
  redis = await startRedis({ durable: true });
  const secret = randomBytes(48);
  const keys = KeyRing.inMemory(); // as two processes that share a folder of keys
  open = async () => {
    const store: Store = await openRedisStore({ eventId: "test", url: redis.url, keys, origin: { lat: 0, lon: 0, bearingDeg: 0 } });
    const registry: Registry = await openRedisRegistry({ eventId: "test", url: redis.url, keys });
    const pinboard: Pinboard = await openRedisPinboard({ eventId: "test", url: redis.url });
    ports.push(registry, pinboard);
    return openTestBridge({ secret, store, registry, pinboard, schedule });
  };
  bridges = [await open(), await open()];
});
afterEach(async () => {
  await Promise.all(bridges.map((bridge) => bridge.close()));
  await Promise.all(ports.splice(0).map((port) => port.close()));
  await redis.stop();
});

const pair = (): [TestBridge, TestBridge] => bridges as [TestBridge, TestBridge];
const redeem = (at: TestBridge, ticket: string) => at.api("POST", "/api/v1/tickets/redeem", { body: { ticket } });

describe("tickets", () => {
  it("of one bridge open a session at the other, once", async () => {
    const [here, there] = pair();
    await here.addPerson("anna");
    const ticket = await here.bridge.issueTicket({ role: "attendee", personId: "anna" });
    const answers = await Promise.all([redeem(here, ticket), redeem(there, ticket), redeem(there, ticket)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
    expect(answers.find(({ status }) => status === 201)?.body).toMatchObject({ personId: "anna" });
  });

  it("an EventSource whose bridge was lost takes its stream up again at the other, and only with its cursor", async () => {
    const [here, there] = pair();
    await here.addPerson("anna");
    const ticket = (await here.api("POST", "/api/v1/tickets", { as: { role: "attendee", personId: "anna" } })).body.ticket as string;
    const stream = (at: TestBridge, headers: Record<string, string> = {}) => fetch(`${at.bridge.url}/events?ticket=${ticket}&channels=me`, { headers: { Accept: "text/event-stream", ...headers } });
    const first = await stream(here);
    expect(first.status).toBe(200);
    let text = "";
    const reader = first.body?.getReader();
    while (!/\nid: ([\w.-]+)\n/.test(text)) text += Buffer.from((await reader?.read())?.value ?? []).toString();
    const cursor = /\nid: ([\w.-]+)\n/.exec(text)?.[1] ?? "";
    await reader?.cancel();
    expect((await stream(there)).status).toBe(401);
    const again = await stream(there, { "Last-Event-ID": cursor });
    expect(again.status).toBe(200);
    await again.body?.cancel();
    expect((await redeem(there, ticket)).status).toBe(401);
  });
});

it("guesses of a password are counted over both bridges", async () => {
  const [here, there] = pair();
  const guess = async (at: TestBridge) => (await at.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "guess" } })).status;
  const answers = [];
  for (let n = 0; n < 12; n++) answers.push(await guess(n % 2 === 0 ? here : there));
  expect(answers).toEqual([...Array<number>(10).fill(401), 429, 429]);
});

describe("who attended a session", () => {
  const WAIT = { timeout: 20_000, interval: 300 };
  const counts = async (at: TestBridge) => (await at.api("GET", "/api/v1/occupancy", { as: { role: "staff", personId: null } })).body.sessions as { sessionId: string; present: number; attended: number; peak: number }[] | undefined;
  const sit = async (at: TestBridge, tagIds: string[], activity: NonNullable<Position["activity"]> = { kind: "in_session", sessionId: "keynote" }) => {
    const positions = tagIds.map((tagId): Position => ({ tagId, atMs: at.nowMs(), xM: 5, yM: 5, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 0.9, source: "beacon", zoneId: "room-a", activity }));
    await at.commit({ positions });
  };
  /** Six minutes pass at these bridges, in which they see these people sit there. */
  const stay = async (at: TestBridge[], tagIds: string[]) => {
    const [writer] = at as [TestBridge];
    await sit(writer, tagIds);
    for (const bridge of at) await expect.poll(async () => (await counts(bridge))?.[0]?.present, WAIT).toBe(tagIds.length);
    for (const bridge of at) bridge.skewMs(6 * 60_000);
    await sit(writer, tagIds);
  };

  it("is the same at every bridge, also at one that came later, and survives the one that saw it", { timeout: 60_000 }, async () => {
    const [here, there] = pair();
    await stay([here], ["t-1", "t-2", "t-3"]);
    // The clock of the other bridge has not moved: it has seen nobody stay.
    const told = [{ sessionId: "keynote", present: 3, attended: 3, peak: 3 }];
    await expect.poll(() => counts(here), WAIT).toEqual(told);
    await expect.poll(() => { there.skewMs(5_000); return counts(there); }, WAIT).toEqual(told);
    await sit(here, ["t-1", "t-2", "t-3"], { kind: "exploring" });
    await here.close();
    const late = await open();
    bridges = [there, late];
    await expect.poll(() => { late.skewMs(5_000); return counts(late); }, WAIT).toEqual([{ sessionId: "keynote", present: 0, attended: 3, peak: 3 }]);
    // Past the clock of the one that is gone. One has been counted before, one has not.
    for (const bridge of bridges) bridge.skewMs(10 * 60_000);
    await stay([late], ["t-3", "t-4"]);
    await expect.poll(() => { late.skewMs(5_000); return counts(late); }, WAIT).toEqual([{ sessionId: "keynote", present: 2, attended: 4, peak: 3 }]);
    await expect.poll(() => { there.skewMs(5_000); return counts(there); }, WAIT).toEqual([{ sessionId: "keynote", present: 2, attended: 4, peak: 3 }]);
  });

  it("forgets who is erased, and hangs in Redis under names that say nothing", { timeout: 60_000 }, async () => {
    const [here] = pair();
    await here.addPerson("anna", { tagId: "t-anna" });
    await stay([here], ["t-anna", "t-2"]);
    await expect.poll(() => { here.skewMs(5_000); return counts(here); }, WAIT).toMatchObject([{ attended: 2 }]);
    const client = new Redis(redis.url);
    try {
      const [key = ""] = await client.keys("*:tally keynote");
      expect((await client.smembers(key)).join()).not.toMatch(/anna|t-2/);
      expect((await here.api("DELETE", "/api/v1/people/anna", { as: { role: "operator", personId: null } })).status).toBe(200);
      await expect.poll(() => client.scard(key), WAIT).toBe(1);
    } finally {
      client.disconnect();
    }
  });

  it("goes on with what each bridge sees itself while Redis has lost it, and is told again", { timeout: 60_000 }, async () => {
    const [here, there] = pair();
    await stay([here], ["t-1", "t-2"]);
    await expect.poll(() => { there.skewMs(5_000); return counts(there); }, WAIT).toMatchObject([{ attended: 2 }]);
    const client = new Redis(redis.url);
    await client.del(await client.keys("*:pinned:*"));
    client.disconnect();
    expect(await counts(here)).toMatchObject([{ attended: 2 }]);
    const late = await open();
    bridges.push(late);
    await expect.poll(() => { here.skewMs(5_000); late.skewMs(5_000); return counts(late); }, WAIT).toMatchObject([{ attended: 2, peak: 2 }]);
  });
});

it("what is measured says that Redis is away while readiness does, and that it is back", async () => {
  const [here] = pair();
  const failing = async () => /^bridge_feed_failing (\d)$/m.exec(String((await here.api("GET", "/metrics")).body))?.[1];
  const ready = async () => (await here.api("GET", "/health/ready")).status;
  expect([await failing(), await ready()]).toEqual(["0", 200]);
  await redis.kill();
  await expect.poll(failing, { timeout: 20_000 }).toBe("1");
  expect(await ready()).toBe(503);
  await redis.restart();
  await expect.poll(failing, { timeout: 20_000 }).toBe("0");
  await expect.poll(ready, { timeout: 20_000 }).toBe(200);
  expect(here.logged.filter((line) => /^store (silent|answers)$/.test((line as { event: string }).event))).toMatchObject([{ event: "store silent" }, { event: "store answers" }]);
});

it("without Redis nobody logs in, and is told to try again", async () => {
  const [here] = pair();
  redis.freeze();
  try {
    expect(await here.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "correct horse" } })).toMatchObject({ status: 503, body: { error: { code: "not_available", retry: true } } });
  } finally {
    redis.thaw();
  }
});
