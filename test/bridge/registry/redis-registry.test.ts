import { openRedisRegistry, type RedisRegistry } from "@konferenco/bridge";
import { StoreUnavailable } from "@konferenco/protocol";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { followedRegistry, profileOf } from "../../contract/registry.ts";
import { personSubject } from "@konferenco/fusion";
import { keysOf } from "../../support/keys.ts";
import { startRedis, type TestRedis } from "../../support/redis.ts";

let redis: TestRedis;
let events = 0;
const closing: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  redis = await startRedis({ durable: true });
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await redis.stop();
});

async function open(eventId = `expo-${++events}`, url = redis.url): Promise<RedisRegistry> {
  const registry = await openRedisRegistry({ eventId, url, keys: keysOf(eventId) });
  closing.push(registry);
  return registry;
}

function rawClient(url = redis.url): Redis {
  const client = new Redis(url);
  client.on("error", () => undefined);
  closing.push({ close: async () => client.disconnect() });
  return client;
}

async function inTheEnd<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe("two bridges", () => {
  it("follow each other's changes within 250 ms, in the same order", async () => {
    const [first, second] = [await open("two"), await open("two")];
    const seen = [await followedRegistry(first), await followedRegistry(second)];
    await first.putPerson({ profile: profileOf("anna") });
    await second.assignTag("tag-1", "anna");
    await first.changeSettings("anna", { level: "hidden" });
    const startMs = performance.now();
    await second.erase("anna");
    for (const follower of seen) await follower.until(() => follower.changes.length === 4);
    expect(performance.now() - startMs).toBeLessThan(1_500);
    for (const follower of seen) expect(follower.told()).toEqual(["anna", "anna", "anna", "erased anna tag-1"]);
  });

  it("a later follower hears only what comes later", async () => {
    const [first, second] = [await open("later"), await open("later")];
    const early = await followedRegistry(first);
    for (let i = 0; i < 20; i++) await first.putPerson({ profile: profileOf(`p${i}`) });
    const late = await followedRegistry(second);
    const late2 = await followedRegistry(first);
    await first.putPerson({ profile: profileOf("last") });
    for (const follower of [late, late2]) await follower.until(() => follower.changes.length > 0);
    await early.until(() => early.changes.length === 21);
    expect(late.told()).toEqual(["last"]);
    expect(late2.told()).toEqual(["last"]);
  });
});

describe("while Redis restarts", () => {
  it("with its data: no change is missed; since that cannot be known, everybody's is told once more", async () => {
    const [reader, writer] = [await open("restart"), await open("restart")];
    const seen = await followedRegistry(reader);
    await writer.putPerson({ profile: profileOf("anna") });
    await seen.until(() => seen.changes.length === 1);
    await redis.kill();
    await redis.restart();
    await inTheEnd(() => writer.changeSettings("anna", { level: "hidden" }));
    const levels = async () => (await inTheEnd(() => reader.person("anna")))?.settings.level;
    await seen.until(() => seen.changes.length > 1);
    expect(await levels()).toBe("hidden");
    await inTheEnd(() => writer.putPerson({ profile: profileOf("ben") }));
    await seen.until(() => seen.told().includes("ben"));
    expect(reader.stats().lostChanges).toBe(1);
  });

  it("without its data: whoever was read before is told of, so that no cache goes on showing them", async () => {
    const lossy = await startRedis();
    closing.push({ close: () => lossy.stop() });
    const registry = await open("lossy", lossy.url);
    for (const personId of ["anna", "ben"]) await registry.putPerson({ profile: profileOf(personId) });
    const seen = await followedRegistry(registry);
    await lossy.restart();
    await seen.until(() => seen.changes.length === 2);
    expect(seen.told().toSorted()).toEqual(["anna", "ben"]);
    expect(await inTheEnd(() => registry.person("anna"))).toBeNull();
    await inTheEnd(() => registry.putPerson({ profile: profileOf("carl") }));
    await seen.until(() => seen.told().includes("carl"));
  });

  it("flushed by hand: told within two seconds", async () => {
    const lossy = await startRedis();
    closing.push({ close: () => lossy.stop() });
    const registry = await open("flushed", lossy.url);
    await registry.putPerson({ profile: profileOf("anna") });
    const seen = await followedRegistry(registry);
    const startMs = performance.now();
    await rawClient(lossy.url).flushall();
    await seen.until(() => seen.changes.length === 1);
    expect(performance.now() - startMs).toBeLessThan(2_500);
    expect(await registry.person("anna")).toBeNull();
  });

  it("away: a registry fails in words, and works again by itself", async () => {
    const own = await startRedis({ durable: true });
    closing.push({ close: () => own.stop() });
    const registry = await open("away", own.url);
    await registry.putPerson({ profile: profileOf("anna") });
    await own.kill();
    await expect(registry.person("anna")).rejects.toThrow(/does not answer.*start it or check the address/);
    await own.restart();
    expect(await inTheEnd(() => registry.person("anna"))).toMatchObject({ profile: { personId: "anna" } });
  });
});

describe("what stands in Redis", () => {
  it("about an erased person: nothing but the word that they are erased", async () => {
    const registry = await open("gone");
    await registry.putPerson({ profile: profileOf("victim", { name: "Victoria" }), consent: { given: true, atMs: 1, version: "1" } });
    await registry.assignTag("tag-v", "victim");
    await registry.erase("victim");
    const client = rawClient();
    const keys = await client.keys("konferenco:{gone}:people:*");
    expect(keys.map((key) => key.split(":").at(-1)).toSorted()).toEqual(["changes", "meta"]);
    const changes = await client.xrange("konferenco:{gone}:people:changes", "-", "+");
    expect(JSON.stringify(changes)).not.toMatch(/Victoria/);
    expect(await client.pttl("konferenco:{gone}:people:changes")).toBeLessThanOrEqual(600_000);
  });

  it("is never trusted: a broken record is an unknown person, counted, and leaves no hole in a page", async () => {
    const registry = await open("broken");
    for (const personId of ["a", "b", "c", "d"]) await registry.putPerson({ profile: profileOf(personId), settings: { ...(await registry.putPerson({ profile: profileOf("x") })).settings, level: "precise" } });
    await registry.erase("x");
    const client = rawClient();
    const keyOf = (personId: string) => keysOf("broken").held(personSubject(personId))!;
    const [a, b, c] = [keyOf("a"), keyOf("b"), keyOf("c")];
    await client.hset("konferenco:{broken}:people:settings", { [a.handle]: keysOf("broken").seal([a], '{"number":9,"value":{"level":"everything"}}'), [b.handle]: "{half" });
    await client.hset("konferenco:{broken}:people:profiles", { [c.handle]: (await client.hget("konferenco:{broken}:people:profiles", keyOf("d").handle))! }); // claims to be somebody else
    expect(await registry.person("a")).toBeNull();
    expect(await registry.person("c")).toBeNull();
    expect((await registry.people({ after: null, limit: 1 })).map((person) => person.profile.personId)).toEqual(["d"]);
    expect(await registry.changeSettings("b", { level: "precise" })).toBeNull();
    expect(registry.stats().brokenRecords).toBeGreaterThanOrEqual(5);
    // Put again, the person begins with the defaults, not with what could be made of the rest.
    expect(await registry.putPerson({ profile: profileOf("a") })).toMatchObject({ settings: { level: "zone" } });
    expect(await registry.person("a")).toMatchObject({ settings: { level: "zone" }, consent: { given: false } });
  });
});
