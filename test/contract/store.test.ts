import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedStore } from "@konferenco/fusion";
import { NO_ORIGIN } from "@konferenco/protocol";
import { afterAll, beforeAll } from "vitest";
import { describeStore, T0_MS } from "./store.ts";

let folder: string;
let stores = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "konferenco-store-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describeStore("embedded, in memory", {
  open: ({ origin = NO_ORIGIN } = {}) => openEmbeddedStore({ eventId: "expo", dataDir: null, origin, nowMs: () => T0_MS }),
});

describeStore("embedded, on disk", {
  open: ({ origin = NO_ORIGIN } = {}) => openEmbeddedStore({ eventId: "expo", dataDir: join(folder, String(++stores)), origin, nowMs: () => T0_MS }),
});
