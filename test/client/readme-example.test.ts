import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openVenueStand, type VenueStand } from "../browser/support/venue-stand.ts";

// The example of README.md as it stands there: its types hold, and it tells what happens at a real bridge.

const root = path.resolve(import.meta.dirname, "../..");
let folder: string;
let file: string;
let stand: VenueStand | null = null;

beforeEach(() => {
  const readme = fs.readFileSync(path.join(root, "README.md"), "utf8");
  const [, code] = /```ts\n(import \{ connect \}[^]*?)```/.exec(readme) ?? [];
  fs.mkdirSync(path.join(root, "test-results"), { recursive: true });
  folder = fs.mkdtempSync(path.join(root, "test-results/example-"));
  file = path.join(folder, "example.ts");
  fs.writeFileSync(file, code ?? "");
});

afterEach(async () => {
  fs.rmSync(folder, { recursive: true, force: true });
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await stand?.close();
  stand = null;
});

it("is about 20 lines, and its types hold as strictly as ours", () => {
  expect(fs.readFileSync(file, "utf8").trim().split("\n").length).toBeLessThanOrEqual(25);
  const config = { extends: "../../tsconfig.base.json", compilerOptions: { composite: false, incremental: false, declaration: false, declarationMap: false, noEmit: true, lib: ["ES2023", "DOM"], types: ["node"] }, files: ["example.ts"] };
  fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config));
  const { stdout, status } = spawnSync(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", folder], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});

it("runs against a bridge and says where I am, who is near and what is announced", async () => {
  stand = await openVenueStand({ webRoot: null });
  await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
  const link = new URL(await stand.attendeeLink("ada"));
  vi.stubEnv("SERVER", link.origin);
  vi.stubEnv("TICKET", link.hash.slice("#ticket=".length));
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((...words: unknown[]) => void said.push(words.join(" ")));
  const before = process.listeners("SIGINT");
  await import(/* @vite-ignore */ pathToFileURL(file).href);
  try {
    await vi.waitFor(() => expect(said).toContain("live"), 5_000);
    await stand.tagMovesTo("tag-1", null, { zoneId: "hall", xM: 5, yM: 9 });
    await stand.alert({ severity: "info", title: "Lunch is served", text: "In the food court." });
    await vi.waitFor(async () => {
      // A tag that falls silent is near nobody: on a slow machine one position would be old before it is looked at.
      await stand?.tagIsAt("tag-1", { zoneId: "hall", xM: 5, yM: 9 });
      expect(said).toEqual(expect.arrayContaining(["I am in hall", "info: Lunch is served", "near me: "]));
    }, { timeout: 5_000, interval: 500 });
  } finally {
    for (const listener of process.listeners("SIGINT")) if (!before.includes(listener)) (listener as () => void)();
  }
});
