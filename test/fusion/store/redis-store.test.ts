import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyRing, ON_THE_WAY, openRedisStore, tagSubject, type RedisStore } from "@konferenco/fusion";
import { ConfigError, NO_ORIGIN, StoreUnavailable } from "@konferenco/protocol";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { keysOf } from "../../support/keys.ts";
import { startRedis, type TestRedis } from "../../support/redis.ts";
import { alertOf, batchOf, followed, gatewayOf, positionOf, proximityOf, T0_MS, tell, zoneOf } from "../../contract/store.ts";

let redis: TestRedis;
const closing: { close(): Promise<void> }[] = [];
let events = 0;

beforeAll(async () => {
  redis = await startRedis({ durable: true });
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await redis.stop();
});

async function open(options: { eventId?: string; url?: string } = {}): Promise<RedisStore> {
  const store = await openRedisStore({ eventId: options.eventId ?? `expo-${++events}`, url: options.url ?? redis.url, keys: keysOf("redis"), origin: NO_ORIGIN });
  closing.push(store);
  return store;
}

/** A client of one's own, to look at keys and to spoil them. */
function rawClient(url = redis.url): Redis {
  const client = new Redis(url);
  client.on("error", () => undefined);
  closing.push({ close: async () => client.disconnect() });
  return client;
}

async function enter(store: RedisStore, ...tagIds: string[]) {
  return store.commit(batchOf({ zoneTransitions: tagIds.map((tagId) => zoneOf("enter", tagId, "hall")) }), T0_MS);
}

/** Tries until the store answers again, as fusion does. */
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

async function enterInTheEnd(store: RedisStore, tagId: string) {
  const batch = batchOf({ zoneTransitions: [zoneOf("enter", tagId, "hall")], positions: [positionOf(tagId)] });
  return inTheEnd(() => store.commit(batch, T0_MS));
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const startMs = performance.now();
  const result = await work;
  expect(performance.now() - startMs).toBeLessThan(ms);
  return result;
}

/** A wire between store and Redis that can be cut, or made to swallow answers. */
async function openWire(port: number) {
  const sockets = new Set<Socket>();
  let swallowing = false;
  const server: Server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    sockets.add(near).add(far);
    near.on("error", () => far.destroy()).on("close", () => far.destroy());
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.on("data", (data) => far.write(data));
    far.on("data", (data) => {
      if (!swallowing) near.write(data);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const wire = {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    swallow: (on: boolean) => void (swallowing = on),
    close: async () => {
      wire.cut();
      server.close();
    },
  };
  closing.push(wire);
  return wire;
}

describe("while Redis restarts", () => {
  it("with its data: followers get everything in order, nothing twice, no gap", async () => {
    const store = await open();
    const other = await open({ eventId: `expo-${events}` });
    const seen = await followed(other);
    const { end: before } = await enter(store, "t0");
    await seen.until(() => seen.updates().length === 1);
    for (let round = 0; round < 3; round++) {
      await redis.kill();
      const restarted = redis.restart();
      await enterInTheEnd(store, `r${round}`);
      await restarted;
      await enterInTheEnd(store, `s${round}`);
    }
    await seen.until(() => seen.updates().length === 13);
    expect(seen.updates().filter((update) => update.body.kind === "zone").map(tell)).toEqual(["t0", "r0", "s0", "r1", "s1", "r2", "s2"].map((tagId) => `enter ${tagId} hall`));
    expect(seen.gaps()).toEqual([]);
    const page = await store.readLog(before, 100);
    expect(page.gap).toBeNull();
    expect(page.updates.map((update) => update.updateId.offset)).toEqual([2, 3, 4, 5, 6, 7]);
    expect(page.end.epoch).not.toBe(before.epoch); // each server process has its era; old cursors hold
  });

  it("without its data: a new epoch, followers are told of the gap and go on", async () => {
    const lossy = await startRedis();
    closing.push({ close: () => lossy.stop() });
    const store = await open({ url: lossy.url });
    const seen = await followed(store);
    const { end: before } = await enter(store, "t0", "t1", "t2");
    await seen.until(() => seen.updates().length === 3);
    await lossy.restart();
    const { end } = await enterInTheEnd(store, "new");
    expect(end.offset).toBe(1);
    expect(end.epoch).not.toBe(before.epoch);
    await seen.until(() => seen.updates().length === 5);
    expect(seen.gaps()).toEqual([{ kind: "gap", why: "epoch", end: { epoch: end.epoch, offset: 0 } }]);
    expect(seen.updates().slice(3).map(tell)).toEqual(["enter new hall", "position new 0"]);
    expect(await store.readLog(before, 10)).toMatchObject({ gap: "epoch", updates: [{ updateId: end }] });
    expect(await store.occupants("hall")).toEqual(["new"]);
  });

  it("with the end of its file torn off: who saw what was lost is told, though the numbers are given again", async () => {
    const store = await open();
    const seen = await followed(store);
    await enter(store, "kept");
    const { end: lost } = await enter(store, "lost");
    await seen.until(() => seen.updates().length === 2);
    await redis.kill();
    await tearOffLastCommit(redis.folder(), "lost");
    await redis.restart();
    await enterInTheEnd(store, "other");
    await enterInTheEnd(store, "another");
    await seen.until(() => seen.updates().some((update) => tell(update) === "enter another hall"));
    expect(seen.gaps()).toMatchObject([{ why: "epoch", end: { offset: 1 } }]);
    expect(seen.updates().filter((update) => update.body.kind === "zone").map(tell)).toEqual(["enter kept hall", "enter lost hall", "enter other hall", "enter another hall"]);
    expect((await store.readLog(lost, 10)).gap).toBe("epoch");
    expect(await store.readLog({ ...lost, offset: 1 }, 10)).toMatchObject({ gap: null, updates: [{ updateId: { offset: 2 } }, { updateId: { offset: 3 } }] });
  });

  it("flushed by hand: a quiet event's followers are told within two seconds", async () => {
    const lossy = await startRedis();
    closing.push({ close: () => lossy.stop() });
    const store = await open({ url: lossy.url });
    const seen = await followed(store);
    const { end } = await enter(store, "t0");
    await seen.until(() => seen.updates().length === 1);
    await rawClient(lossy.url).flushall();
    await within(2_500, seen.until(() => seen.gaps().length === 1));
    expect(seen.gaps()[0]).toMatchObject({ why: "epoch", end: { offset: 0 } });
    expect((await store.end()).epoch).not.toBe(end.epoch);
    await enter(store, "t1");
    await seen.until(() => seen.updates().length === 2);
    expect(seen.updates()[1]!.updateId).toEqual(await store.end());
  });
});

describe("while Redis is away", () => {
  it("a store fails in words and at once, and works again by itself", async () => {
    const own = await startRedis({ durable: true });
    closing.push({ close: () => own.stop() });
    const store = await open({ url: own.url });
    await enter(store, "t0");
    await own.kill();
    await within(1_500, expect(store.ping()).rejects.toThrow(/does not answer.*ECONNREFUSED.*start it or check the address/));
    for (let i = 0; i < 5; i++) await within(1_500, expect(store.positions()).rejects.toBeInstanceOf(StoreUnavailable));
    await within(1_500, expect(store.follow(() => {})).rejects.toBeInstanceOf(StoreUnavailable));
    await own.restart();
    expect((await within(4_000, enterInTheEnd(store, "t1"))).end.offset).toBe(2);
    const seen = await followed(store);
    await enter(store, "t2");
    await seen.until(() => seen.updates().length === 1);
  });

  it("a server that hangs is given up after 2 s; a commit whose answer was lost is stored once", async () => {
    const own = await startRedis({ durable: true });
    closing.push({ close: () => own.stop() });
    const store = await open({ url: own.url });
    const seen = await followed(store);
    await enter(store, "t0");
    own.freeze();
    const batch = batchOf({ alerts: [alertOf("fire")], zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna")] });
    await within(3_000, expect(store.commit(batch, T0_MS)).rejects.toThrow(/no answer within 2 s/));
    own.thaw();
    expect(await inTheEnd(() => store.commit(batch, T0_MS))).toMatchObject({ end: { offset: 3 }, duplicateAlerts: 0 });
    await seen.until(() => seen.updates().length === 4);
    expect(seen.updates().map(tell)).toEqual(["enter t0 hall", "alert fire", "enter anna hall", "position anna 0"]);
    expect(seen.gaps()).toEqual([]);
    // The same batch sent again after it was acknowledged is a new commit.
    expect(await store.commit(batch, T0_MS)).toMatchObject({ end: { offset: 4 }, duplicateAlerts: 1 });
  });

  it("answers lost on the wire, or a cut wire: retried commits are stored once each, in order", async () => {
    const wire = await openWire(redis.port);
    const store = await open({ url: wire.url });
    const direct = await open({ eventId: `expo-${events}` });
    const seen = await followed(store);
    for (let round = 0; round < 6; round++) {
      if (round % 2 === 0) {
        wire.swallow(true);
        setTimeout(() => {
          wire.swallow(false);
          wire.cut();
        }, 50);
      } else setTimeout(() => wire.cut(), 1);
      await enterInTheEnd(store, `t${round}`);
    }
    const { updates } = await direct.readLog(null, 100);
    expect(updates.map(tell)).toEqual(Array.from({ length: 6 }, (_, i) => `enter t${i} hall`));
    await seen.until(() => seen.updates().length === 12);
    expect(seen.gaps()).toEqual([]);
  });

  it("more than 1,024 commands do not queue up: the rest fail at once", async () => {
    const own = await startRedis();
    closing.push({ close: () => own.stop() });
    const store = await open({ url: own.url });
    own.freeze();
    const results = Promise.allSettled(Array.from({ length: 1_100 }, () => store.ping()));
    await within(1_500, expect(store.ping()).rejects.toThrow(/1024 commands wait for Redis/));
    own.thaw();
    const refused = (await results).filter((result) => result.status === "rejected");
    expect(refused.length).toBeGreaterThanOrEqual(76);
  });
});

describe("opening", () => {
  it("where nobody listens fails in words, without the password", async () => {
    const failing = open({ url: "redis://:topsecret@127.0.0.1:1" });
    await expect(failing).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(failing).rejects.toThrow(/Redis at redis:\/\/127\.0\.0\.1:1 does not answer \(.*ECONNREFUSED/);
    await expect(failing).rejects.not.toThrow(/topsecret/);
  });

  it("with a missing or wrong password says so", async () => {
    const locked = await startRedis({ password: "s3cret" });
    closing.push({ close: () => locked.stop() });
    const store = await open({ url: locked.url });
    await store.ping();
    for (const login of ["", ":wrong@"]) {
      const failing = open({ url: `redis://${login}127.0.0.1:${locked.port}` });
      await expect(failing).rejects.toBeInstanceOf(ConfigError);
      await expect(failing).rejects.toThrow(/refuses the login .*put user and password into the address/);
    }
  });

  it("with an address that is none says what one looks like", async () => {
    for (const url of ["", "localhost:6379", "http://x", "redis//:pass@x"]) await expect(open({ url })).rejects.toThrow(/is not the address of a Redis: redis:\/\/\[user:password@\]host/);
  });
});

const handleOf = (tagId: string) => keysOf("redis").held(tagSubject(tagId))!.handle;

describe("the keys", () => {
  it("of an event lie in one slot, and end by themselves when fusion is dead: whereabouts after 5 minutes", async () => {
    const store = await open({ eventId: "slots" });
    await store.commit(batchOf({ alerts: [alertOf("fire")], zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna", { floor: 3 })], gateways: [gatewayOf("gw-1")] }), T0_MS);
    const client = rawClient();
    const keys = await client.keys("konferenco:{slots}:*");
    expect(keys.map((key) => key.slice("konferenco:{slots}:".length).replace(/^commits:.*/, "commits").replace(/^recent:.*/, "recent:handle")).sort()).toEqual(
      ["alerts", "commits", "floors", "gateways", "geo:3", "live", "log", "meta", "occupants", "positions", "recent:handle", "recentAt", "seen", "stays", "staysAt"],
    );
    // A cluster hashes only what stands in the braces.
    expect(keys.every((key) => /^[^{]*\{slots\}/.test(key))).toBe(true);
    for (const name of ["positions", "geo:3", "live", `recent:${handleOf("anna")}`, "seen", "floors"]) {
      const ttlMs = await client.pttl(`konferenco:{slots}:${name}`);
      expect(ttlMs, name).toBeGreaterThan(290_000);
      expect(ttlMs, name).toBeLessThanOrEqual(300_000);
    }
    for (const name of ["occupants", "stays"]) expect(await client.pttl(`konferenco:{slots}:${name}`), name).toBeLessThanOrEqual(3_600_000);
  });

  it("hold positions in real geo sets, where another program finds them", async () => {
    const store = await openRedisStore({ eventId: "geo", url: redis.url, keys: keysOf("redis"), origin: { lat: 46.2, lon: 6.14, bearingDeg: 0 } });
    closing.push(store);
    await store.commit(batchOf({ positions: [positionOf("anna", { xM: 0, yM: 0 }), positionOf("ben", { xM: 0, yM: 100 })] }), T0_MS);
    const [anna] = await rawClient().geopos("konferenco:{geo}:geo:0", handleOf("anna"));
    expect(Number(anna![0])).toBeCloseTo(6.14, 4);
    expect(Number(anna![1])).toBeCloseTo(46.2, 4);
    expect(Math.abs(Number(await rawClient().geodist("konferenco:{geo}:geo:0", handleOf("anna"), handleOf("ben"))) - 100)).toBeLessThan(1);
  });

  it("spoiled by another program cost themselves only, and are counted", async () => {
    const store = await open({ eventId: "spoiled" });
    const seen = await followed(store);
    await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna"), positionOf("ben")], gateways: [gatewayOf("gw-1")] }), T0_MS);
    await seen.until(() => seen.updates().length === 4);
    const client = rawClient();
    await client.hset("konferenco:{spoiled}:positions", { [handleOf("anna")]: "{broken", mallory: '{"tagId":7}' });
    await client.hset("konferenco:{spoiled}:gateways", { "gw-2": "null" });
    expect(await store.position("anna")).toBeNull();
    expect((await store.positions()).map((position) => position.tagId)).toEqual(["ben"]);
    expect((await store.nearby({ xM: 0, yM: 0, floor: 0, radiusM: 5, limit: 5 })).map((one) => one.tagId)).toEqual(["ben"]);
    expect(await store.gateways()).toHaveLength(1);
    expect(store.stats().brokenRecords).toBe(5);
  });

  it("and everything else in Redis, its files too, hold no name of anybody's", async () => {
    const durable = await startRedis({ durable: true });
    try {
      const store = await open({ eventId: "names", url: durable.url });
      const message = { id: "m", type: "chat/direct_message" as const, from: "canary-anna", to: { kind: "user" as const, id: "canary-ben" }, payload: { text: "canary" }, atMs: T0_MS, key: "canary-key" };
      const signals = [{ kind: "said" as const, message }, { kind: "presence" as const, bridge: "b", whole: true, people: [{ who: "canary-anna", state: "online" as const, channels: [] }] }, { kind: "resync" as const, who: "canary-anna" }];
      const seen = await followed(store);
      await store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "canary-1", "hall")], proximityTransitions: [proximityOf("near", "canary-1", "canary-2")], positions: [positionOf("canary-1")], messages: [message], signals }), T0_MS);
      await seen.until(() => seen.updates().length === 7);
      expect(JSON.stringify(seen.updates())).toContain("canary-key");
      const client = rawClient(durable.url);
      await client.save();
      const files = await readdir(durable.folder(), { recursive: true, withFileTypes: true });
      const bytes = await Promise.all(files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), "latin1")));
      expect(bytes.length).toBeGreaterThan(2);
      expect(bytes.join("")).toContain("hall");
      expect(bytes.join("")).not.toContain("canary");
    } finally {
      await durable.stop();
    }
  });

  it("with entries deleted from the log: readers and followers are told, and go on behind the hole", async () => {
    const store = await open({ eventId: "hole" });
    const seen = await followed(store);
    for (let i = 1; i <= 6; i++) await enter(store, `t${i}`);
    await seen.until(() => seen.updates().length === 6);
    const client = rawClient();
    const [third] = (await client.xrange("konferenco:{hole}:log", "3-0", "+", "COUNT", 1)) as [string, string[]][];
    await client.xdel("konferenco:{hole}:log", third![0]);
    const { epoch } = await store.end();
    const first = await store.readLog({ epoch, offset: 0 }, 10);
    expect([first.gap, first.updates.map((update) => update.updateId.offset)]).toEqual([null, [1, 2]]);
    const second = await store.readLog({ epoch, offset: 2 }, 10);
    expect([second.gap, second.updates.map((update) => update.updateId.offset)]).toEqual(["retention", [4, 5, 6]]);
  });
});

describe("what is told", () => {
  const told = (eventId: string) => `konferenco:{${eventId}}:told`;

  /** What somebody hears who knows Redis' password. */
  async function recorded(eventId: string): Promise<string[]> {
    const texts: string[] = [];
    const client = rawClient();
    client.on("message", (_channel, text) => texts.push(text));
    await client.subscribe(told(eventId));
    return texts;
  }

  it("is all that a follower needs, and stands in no file", async () => {
    const durable = await startRedis({ durable: true });
    closing.push({ close: () => durable.stop() });
    const store = await open({ eventId: "fast", url: durable.url });
    const seen = await followed(store);
    for (let i = 0; i < 5; i++) await store.commit(batchOf({ alerts: [alertOf(`fire-${i}`)], zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna", { xM: i })], gateways: [gatewayOf("gw-1")] }), T0_MS);
    await seen.until(() => seen.updates().length === 20);
    expect(store.stats().catchUps).toBe(0);
    expect(seen.updates().slice(16).map(tell)).toEqual(["alert fire-4", "enter anna hall", "position anna 4", "gateway gw-1 online"]);
    expect((await store.readLog(null, 100)).updates).toEqual(seen.updates().filter(({ body }) => body.kind === "alert" || body.kind === "zone"));
    await rawClient(durable.url).save();
    const files = await readdir(durable.folder(), { recursive: true, withFileTypes: true });
    const bytes = (await Promise.all(files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), "latin1")))).join("");
    expect(bytes).toContain(handleOf("anna"));
    expect(bytes).not.toContain(":told");
    expect(bytes).not.toContain(keysOf("redis").held(ON_THE_WAY)!.handle);
  });

  it("and recorded by somebody opens no more once anybody is erased; followers go on by what is kept, without the erased", async () => {
    const writer = await open({ eventId: "recorded" });
    const seen = await followed(await open({ eventId: "recorded" }));
    const texts = await recorded("recorded");
    await enter(writer, "dora", "ben");
    await seen.until(() => seen.updates().length === 2);
    const keys = keysOf("redis");
    const sealed = texts[0]!.split(" ").at(-1)!;
    expect(keys.open(sealed)).toContain("ben");
    await keys.erase([tagSubject("dora")], { forGood: true });
    expect(keys.open(sealed)).toBeNull();
    await enter(writer, "dora", "carl");
    await seen.until(() => seen.updates().length === 3);
    expect(seen.updates().map(tell)).toEqual(["enter dora hall", "enter ben hall", "enter carl hall"]);
    expect(keys.open(texts[1]!.split(" ").at(-1)!)).not.toContain("dora");
  });

  it("with a key that has ended meanwhile is read in the log, where the erased are named no more", async () => {
    const ring = await KeyRing.open({ folder: await mkdtemp(join(tmpdir(), "konferenco-keys-")), secret: randomBytes(32) });
    const reader = await openRedisStore({ eventId: "late", url: redis.url, keys: ring, origin: NO_ORIGIN });
    closing.push(reader, { close: async () => ring.close() });
    const seen = await followed(reader);
    const store = await openRedisStore({ eventId: "late", url: redis.url, keys: ring, origin: NO_ORIGIN });
    closing.push(store);
    const commit = store.commit(batchOf({ zoneTransitions: [zoneOf("enter", "anna", "hall"), zoneOf("enter", "ben", "hall")] }), T0_MS); // sealed, not yet told
    await Promise.all([commit, ring.erase([tagSubject("anna")], { forGood: true })]);
    await seen.until(() => seen.updates().length === 2);
    expect(seen.updates().map(({ body }) => (body.kind === "zone" ? body.zone.tagId : body.kind))).toEqual(["erased", "ben"]);
    expect(reader.stats().catchUps).toBe(1);
  });

  it("names nobody who was erased before its key was made, though the writer had not heard of it", async () => {
    const options = { folder: await mkdtemp(join(tmpdir(), "konferenco-keys-")), secret: randomBytes(32) };
    const [ours, writers] = [await KeyRing.open(options), await KeyRing.open(options)];
    const store = await openRedisStore({ eventId: "unaware", url: redis.url, keys: writers, origin: NO_ORIGIN });
    closing.push(store, { close: async () => [ours, writers].forEach((ring) => ring.close()) });
    const texts = await recorded("unaware");
    writers.keyFor(tagSubject("dora"));
    const erased = ours.erase([tagSubject("dora")], { forGood: true });
    ours.keyFor(ON_THE_WAY);
    await Promise.all([erased, enter(store, "dora", "ben")]);
    await expect.poll(() => texts.length, { timeout: 20_000 }).toBe(1);
    const opened = ours.open(texts[0]!.split(" ").at(-1)!);
    expect(opened).toContain("ben");
    expect(opened).not.toContain("dora");
  });

  it("waits for no key: while none can be kept, commits are stored and read in the streams", async () => {
    const ring = KeyRing.inMemory();
    const keyFor = ring.keyFor.bind(ring);
    vi.spyOn(ring, "keyFor").mockImplementation((subject) => {
      if (subject === ON_THE_WAY) throw new StoreUnavailable("the disk is full");
      return keyFor(subject);
    });
    const store = await openRedisStore({ eventId: "full", url: redis.url, keys: ring, origin: NO_ORIGIN });
    closing.push(store);
    const seen = await followed(store);
    await store.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS);
    await seen.until(() => seen.updates().length === 1);
    expect(seen.updates().map(tell)).toEqual(["alert fire"]);
  });

  it("of a commit of which not all was stored is read in the streams: followers get what was, in order", async () => {
    const store = await open({ eventId: "partly" });
    const seen = await followed(store);
    await store.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS);
    await store.commit(batchOf({ alerts: [alertOf("fire"), alertOf("flood")], zoneTransitions: [zoneOf("enter", "anna", "hall")], positions: [positionOf("anna")] }), T0_MS);
    await store.commit(batchOf({ alerts: [alertOf("fire")] }), T0_MS); // nothing of it
    await store.commit(batchOf({ positions: [positionOf("anna", { xM: 1 })] }), T0_MS);
    await seen.until(() => seen.updates().length === 5);
    expect(seen.updates().map(tell)).toEqual(["alert fire", "alert flood", "enter anna hall", "position anna 0", "position anna 1"]);
    expect(seen.gaps()).toEqual([]);
  });

  it("by somebody else, or again, is nothing: followers get what is kept, once", async () => {
    const store = await open({ eventId: "forged" });
    const seen = await followed(store);
    const texts = await recorded("forged");
    await enter(store, "anna");
    await seen.until(() => seen.updates().length === 1 && texts.length === 1);
    const [epoch, ...rest] = texts[0]!.split(" ");
    const client = rawClient();
    for (const text of ["", "x", `${epoch} 1 1 2 0 0 nonsense`, `${epoch} 1 NaN NaN 0 0 `, texts[0]!, [epoch, rest[0], 7, 8, 0, 0, rest.at(-1)].join(" ")]) await client.publish(told("forged"), text);
    await enter(store, "ben");
    await seen.until(() => seen.updates().length === 2);
    expect(seen.updates().map((update) => [tell(update), update.updateId.offset])).toEqual([["enter anna hall", 1], ["enter ben hall", 2]]);
    expect(seen.gaps()).toEqual([]);
  });

  it("needs the right to its channel: without it commits are stored, and following fails in words", async () => {
    const strict = await startRedis();
    closing.push({ close: () => strict.stop() });
    await rawClient(strict.url).call("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "resetchannels");
    const store = await open({ url: `redis://app:secret@127.0.0.1:${strict.port}` });
    expect(await enter(store, "anna")).toMatchObject({ end: { offset: 1 } });
    await expect(store.follow(() => {})).rejects.toThrow(/NOPERM.*&konferenco:\*/);
  });
});

describe("several processes", () => {
  it("commit at the same time: offsets are dense, every follower sees the same order", async () => {
    const stores = [await open({ eventId: "many" }), await open({ eventId: "many" }), await open({ eventId: "many" })];
    const followers = [await followed(stores[0]!), await followed(stores[1]!)];
    await Promise.all(stores.flatMap((store, s) => Array.from({ length: 40 }, (_, i) => store.commit(batchOf({ zoneTransitions: [zoneOf("enter", `t${s}-${i}`, "hall"), zoneOf("dwell", `t${s}-${i}`, "hall")], positions: [positionOf(`t${s}-${i}`)] }), T0_MS))));
    for (const seen of followers) await seen.until(() => seen.updates().length === 360);
    const [first, second] = followers.map((seen) => seen.updates());
    expect(first!.map(tell)).toEqual(second!.map(tell));
    const logged = first!.filter((update) => update.body.kind === "zone");
    expect(logged.map((update) => update.updateId.offset)).toEqual(Array.from({ length: 240 }, (_, i) => i + 1));
    // Each commit stands together: enter, dwell, then its position.
    for (let i = 0; i < 360; i += 3) expect(first!.slice(i, i + 3).map((update) => tell(update).split(" ")[0])).toEqual(["enter", "dwell", "position"]);
    expect(await stores[2]!.occupants("hall")).toHaveLength(120);
  });

  it("a follower that was away for more live updates than are kept is told, and misses nothing of the log", async () => {
    const wire = await openWire(redis.port);
    const reader = await open({ eventId: "lag", url: wire.url });
    const writer = await open({ eventId: "lag" });
    const seen = await followed(reader);
    await enter(writer, "before");
    await seen.until(() => seen.updates().length === 1);
    await writer.commit(batchOf({ positions: [positionOf("before")] }), T0_MS);
    await seen.until(() => seen.updates().length === 2);
    wire.swallow(true);
    // 5,000 positions a commit: 16 commits are kept.
    for (let i = 0; i < 30; i++) await writer.commit(batchOf({ zoneTransitions: [zoneOf("enter", `t${i}`, "hall")], positions: Array.from({ length: 5_000 }, (_, k) => positionOf(`p${k}`, { xM: i })) }), T0_MS);
    wire.swallow(false);
    wire.cut();
    await seen.until(() => seen.updates().length === 2 + 30 + 16 * 5_000);
    expect(tell(seen.updates().at(-1)!)).toBe("position p4999 29");
    expect(seen.gaps().map((gap) => gap.kind === "gap" && gap.why)).toEqual(["overflow"]);
    expect(seen.updates().filter((update) => update.body.kind === "zone").map((update) => update.updateId.offset)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
  });
});

/** What a power cut does to an append-only file that was not yet synced: its end is gone, from the last commit that holds the word on. */
async function tearOffLastCommit(folder: string, word: string): Promise<void> {
  const { readdir, readFile, truncate } = await import("node:fs/promises");
  const path = await import("node:path");
  const appendFolder = path.join(folder, "appendonlydir");
  const name = (await readdir(appendFolder)).filter((file) => file.endsWith(".incr.aof")).sort().at(-1)!;
  const bytes = await readFile(path.join(appendFolder, name));
  const start = bytes.lastIndexOf("*1\r\n$5\r\nMULTI", bytes.indexOf(word));
  expect(start).toBeGreaterThan(0);
  await truncate(path.join(appendFolder, name), start + 20); // in the middle, as a cut does
}
