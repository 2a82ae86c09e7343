import { randomBytes } from "node:crypto";
import { openRedisPinboard, openRedisRegistry, type Pinboard, type Registry } from "@konferenco/bridge";
import { KeyRing, openRedisStore, type Store } from "@konferenco/fusion";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

// Two bridges of one event on one Redis.

let redis: TestRedis;
let bridges: TestBridge[] = [];
let ports: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  redis = await startRedis({ durable: true });
  const secret = randomBytes(48);
  const keys = KeyRing.inMemory(); // as two processes that share a folder of keys
  const open = async (): Promise<TestBridge> => {
    const store: Store = await openRedisStore({ eventId: "test", url: redis.url, keys, origin: { lat: 0, lon: 0, bearingDeg: 0 } });
    const registry: Registry = await openRedisRegistry({ eventId: "test", url: redis.url, keys });
    const pinboard: Pinboard = await openRedisPinboard({ eventId: "test", url: redis.url });
    ports.push(registry, pinboard);
    return openTestBridge({ secret, store, registry, pinboard });
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
