import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");

// Fusion and bridge may run apart: neither imports the other's code. What both need to reach disk and
// Redis is 300 lines, written once and kept twice.
it.each(["redis-link.ts", "durable-file.ts", "folder-lock.ts"])("%s is the same for the store and for the registry", async (name) => {
  const ofStore = await readFile(path.join(root, "fusion/src/store", name), "utf8");
  const ofRegistry = await readFile(path.join(root, "bridge/src/registry", name), "utf8");
  expect(ofRegistry).toBe(ofStore);
});
