import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyRing } from "@konferenco/fusion";
import { openEmbeddedRegistry, openRedisRegistry } from "@konferenco/bridge";
import { afterAll, beforeAll } from "vitest";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { describeRegistry } from "./registry.ts";

let folder: string;
let redis: TestRedis;
let opened = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "konferenco-registry-"));
  redis = await startRedis({ durable: true });
});
afterAll(async () => {
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

describeRegistry("embedded, in memory", { open: () => openEmbeddedRegistry({ dataDir: null, keys: KeyRing.inMemory() }) });

describeRegistry("embedded, on disk", { open: () => openEmbeddedRegistry({ dataDir: join(folder, String(++opened)), keys: KeyRing.inMemory() }) });

describeRegistry("Redis", { open: () => openRedisRegistry({ eventId: `expo-${++opened}`, url: redis.url, keys: KeyRing.inMemory() }) });
