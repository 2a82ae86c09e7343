import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAccuracy } from "../../cli/src/accuracy/run-accuracy.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { FLAT, HALL } from "./recordings.ts";

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describe("a recording on Redis", () => {
  it.each([HALL, FLAT])("gives the same trace as in memory: %s", async (recording) => {
    const [onRedis, inMemory] = [await runAccuracy({ recording, store: server.url }), await runAccuracy({ recording })];
    expect(onRedis.trace).toEqual(inMemory.trace);
  });

  it("leaves no tag and no log behind there; what is left of the live feed expires within minutes", async () => {
    await runAccuracy({ recording: HALL, store: server.url });
    const redis = new Redis(server.url);
    try {
      const keys = await redis.keys("*");
      expect(keys.filter((key) => /geo|position/.test(key))).toEqual([]);
      for (const key of keys) {
        if ((await redis.type(key)) !== "stream" || (await redis.xlen(key)) === 0) continue;
        expect(await redis.pttl(key)).toBeGreaterThan(0);
        expect(await redis.pttl(key)).toBeLessThanOrEqual(5 * 60_000);
      }
    } finally {
      redis.disconnect();
    }
  });
});
