import { newInProcessPinboard, openRedisPinboard, type Pinboard } from "@konferenco/bridge";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let events = 0;
const opened: Pinboard[] = [];

beforeAll(async () => {
  redis = await startRedis({ durable: true });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pinboard) => pinboard.close()));
});
afterAll(() => redis.stop());

async function openRedis(eventId = `expo-${++events}`): Promise<Pinboard> {
  const pinboard = await openRedisPinboard({ eventId, url: redis.url });
  opened.push(pinboard);
  return pinboard;
}

describe.each([
  { name: "in one process", open: async () => newInProcessPinboard(Date.now) },
  { name: "Redis", open: () => openRedis() },
])("the pinboard: $name", ({ open }) => {
  it("a note is taken once, whoever asks at the same moment", async () => {
    const board = await open();
    await board.pin("ticket 1", "for anna", 60_000);
    const taken = await Promise.all(Array.from({ length: 20 }, () => board.take("ticket 1")));
    expect(taken.filter((note) => note !== null)).toEqual(["for anna"]);
    expect(await board.take("ticket 1")).toBeNull();
  });

  it("a note goes by itself when its time is up", async () => {
    const board = await open();
    await board.pin("short", "gone soon", 20);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await board.take("short")).toBeNull();
  });

  it("a rate lets its burst pass at once, then says how long to wait, and knows names apart", async () => {
    const board = await open();
    const rate = { perS: 1 / 60, burst: 3 };
    const tries = [];
    for (let n = 0; n < 5; n++) tries.push(await board.pass("anna", rate));
    expect(tries.slice(0, 3)).toEqual([0, 0, 0]);
    for (const afterMs of tries.slice(3)) expect(afterMs).toBeGreaterThan(30_000);
    expect(tries.at(-1)).toBeLessThanOrEqual(60_000);
    expect(await board.pass("ben", rate)).toBe(0);
  });

  it("a tally counts different members and the most at once, whoever tells them, and forgets one on demand", async () => {
    const board = await open();
    const tell = (members: string[], most: number) => board.tally("talk", { members, most, isLast: false }, 60_000);
    expect(await tell([], 0)).toEqual({ members: 0, most: 0 });
    expect(await tell(["a", "b"], 5)).toEqual({ members: 2, most: 5 });
    expect(await tell(["b", "c"], 3)).toEqual({ members: 3, most: 5 });
    await board.untally("talk", "a");
    await board.untally("another talk", "b");
    expect(await tell([], 0)).toEqual({ members: 2, most: 5 });
    expect(await board.tally("another talk", { members: ["a"], most: 1, isLast: false }, 60_000)).toEqual({ members: 1, most: 1 });
  });

  it("of a tally that was closed the numbers stay, and nobody is added", async () => {
    const board = await open();
    const tell = (members: string[], isLast: boolean) => board.tally("talk", { members, most: members.length, isLast }, 60_000);
    await tell(["a"], false);
    expect(await tell(["b"], true)).toEqual({ members: 2, most: 1 });
    await board.untally("talk", "a");
    expect(await tell(["c", "d"], false)).toEqual({ members: 2, most: 2 });
    expect(await tell([], true)).toEqual({ members: 2, most: 2 });
  });

  it("a tally begins anew when its time is up", async () => {
    const board = await open();
    await board.tally("talk", { members: ["a"], most: 1, isLast: true }, 20);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await board.tally("talk", { members: ["b"], most: 0, isLast: false }, 60_000)).toEqual({ members: 1, most: 0 });
  });

  it("a thousand members in one word are one word", async () => {
    const board = await open();
    const members = Array.from({ length: 1_000 }, (_, n) => `member-${n}`);
    expect(await board.tally("keynote", { members, most: 1_000, isLast: false }, 60_000)).toEqual({ members: 1_000, most: 1_000 });
  });

  it("a rate recovers", async () => {
    const board = await open();
    const rate = { perS: 50, burst: 1 };
    await expect.poll(() => board.pass("anna", rate), { timeout: 20_000, interval: 1 }).toBeGreaterThan(0);
    await expect.poll(() => board.pass("anna", rate), { timeout: 20_000, interval: 5 }).toBe(0);
  });
});

describe("a pinboard in Redis", () => {
  it("is one for all bridges of an event, and no other event's", async () => {
    const [one, other, foreign] = [await openRedis("fair"), await openRedis("fair"), await openRedis("other fair")];
    await one.pin("ticket", "for anna", 60_000);
    expect(await foreign.take("ticket")).toBeNull();
    const taken = await Promise.all([one, other, one, other].map((board) => board.take("ticket")));
    expect(taken.filter((note) => note === "for anna")).toHaveLength(1);
    expect([await one.pass("anna", { perS: 1 / 60, burst: 2 }), await other.pass("anna", { perS: 1 / 60, burst: 2 }), await one.pass("anna", { perS: 1 / 60, burst: 2 })]).toEqual([0, 0, expect.any(Number)]);
    expect(await other.pass("anna", { perS: 1 / 60, burst: 2 })).toBeGreaterThan(0);
  });

  it("keeps nothing for ever", async () => {
    const board = await openRedis("mortal");
    await board.pin("ticket", "for anna", 60_000);
    await board.pass("anna", { perS: 1, burst: 5 });
    await board.tally("talk", { members: ["a"], most: 1, isLast: false }, 60_000);
    const client = new Redis(redis.url);
    const keys = await client.keys("konferenco:{mortal}:*");
    const livesMs = await Promise.all(keys.map((key) => client.pttl(key)));
    client.disconnect();
    expect(keys).toHaveLength(4);
    for (const ms of livesMs) expect(ms).toBeGreaterThan(0);
  });

  it("a server that was killed brings no taken note back", async () => {
    const board = await openRedis();
    await board.pin("ticket", "for anna", 60_000);
    await redis.kill();
    await redis.restart();
    await expect.poll(() => board.take("ticket").catch(() => "away"), { timeout: 20_000, interval: 50 }).toBeNull();
  });

  it("a server that was killed knows a tally still: it goes on, and who is forgotten is taken out", async () => {
    const board = await openRedis();
    const tell = (members: string[], isLast: boolean) => board.tally("talk", { members, most: members.length, isLast }, 60_000).catch(() => "away");
    await tell(["a", "b"], false);
    await redis.kill();
    await redis.restart();
    await expect.poll(() => tell(["c"], false), { timeout: 20_000, interval: 50 }).toEqual({ members: 3, most: 2 });
    await board.untally("talk", "a");
    expect(await tell([], true)).toEqual({ members: 2, most: 2 });
    const client = new Redis(redis.url);
    expect(await client.keys(`konferenco:{expo-${events}}:*tally*`)).toEqual([]);
    client.disconnect();
  });
});
