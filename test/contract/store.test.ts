import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyRing, openEmbeddedStore, openRedisStore } from "@konferenco/fusion";
import { NO_ORIGIN } from "@konferenco/protocol";
import { afterAll, beforeAll } from "vitest";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { describeStore, T0_MS } from "./store.ts";

let folder: string;
let redis: TestRedis;
let opened = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "konferenco-store-"));
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

describeStore("embedded, in memory", {
  open: ({ origin = NO_ORIGIN } = {}) => openEmbeddedStore({ eventId: "expo", dataDir: null, keys: KeyRing.inMemory(), origin, nowMs: () => T0_MS }),
});

describeStore("embedded, on disk", {
  open: ({ origin = NO_ORIGIN } = {}) => openEmbeddedStore({ eventId: "expo", dataDir: join(folder, String(++opened)), keys: KeyRing.inMemory(), origin, nowMs: () => T0_MS }),
});

describeStore("Redis", {
  // An event of its own each time: that is how events share a server.
  open: ({ origin = NO_ORIGIN } = {}) => openRedisStore({ eventId: `expo-${++opened}`, url: redis.url, keys: KeyRing.inMemory(), origin }),
});
