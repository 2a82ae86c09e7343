import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedRegistry, type Registry } from "@konferenco/bridge";
import { KeyRing } from "@konferenco/fusion";
import { ConfigError, StoreUnavailable } from "@konferenco/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { followedRegistry, profileOf } from "../../contract/registry.ts";

let folder: string;
let keys: KeyRing;
const secret = randomBytes(32);
const opened: Registry[] = [];
const told: object[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "konferenco-people-"));
  keys = await KeyRing.open({ folder: `${folder}.keys`, secret });
  told.length = 0;
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((registry) => registry.close()));
  keys.close();
  for (const path of [folder, `${folder}.keys`]) await rm(path, { recursive: true, force: true });
});

async function open(dataDir = folder, ring = keys): Promise<Registry> {
  const registry = await openEmbeddedRegistry({ dataDir, keys: ring, log: (event) => told.push(event) });
  opened.push(registry);
  return registry;
}

/** The folder as a killed process leaves it. */
async function asAfterKill(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "konferenco-killed-"));
  await cp(folder, copy, { recursive: true });
  await rm(join(copy, "registry.lock"), { force: true });
  return copy;
}

/** The keys as a process that opens them anew finds them. */
const keysAgain = () => KeyRing.open({ folder: `${folder}.keys`, secret });

async function everyByte(path = folder): Promise<string> {
  const files = await readdir(path, { recursive: true, withFileTypes: true });
  const texts = await Promise.all(files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), "latin1")));
  return texts.join("\n");
}

/** What of the person can be read by whoever holds the folder and the keys as they are now. */
async function readable(): Promise<string> {
  const ring = await keysAgain();
  const sealed = [...(await readFile(journal(), "utf8")).matchAll(/"x":"([^"]+)"/g)].map(([, text]) => ring.open(text as string) ?? "");
  ring.close();
  return sealed.join("\n");
}

const journal = () => join(folder, "people.ndjson");
const ringFile = async () => join(`${folder}.keys`, (await readdir(`${folder}.keys`))[0]!, "ring");

describe("after a restart", () => {
  it("everybody is there with tag, consent and settings, after an orderly end as after a kill", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("anna"), consent: { given: true, atMs: 5, version: "1" } });
    await registry.putPerson({ profile: profileOf("ben") });
    await registry.assignTag("tag-1", "anna");
    await registry.assignTag("tag-1", "ben");
    await registry.changeSettings("anna", { level: "hidden" });
    const copy = await asAfterKill();
    await registry.close();
    for (const place of [folder, copy]) {
      const again = await open(place);
      expect(await again.person("anna")).toMatchObject({ tagId: null, consent: { given: true }, settings: { level: "hidden" } });
      expect(await again.holderOf("tag-1")).toBe("ben");
      expect(await again.countPeople()).toBe(2);
    }
  });

  it("a write that resolved is there, one that was torn is not: at any byte of the last change", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("anna") });
    await registry.putPerson({ profile: profileOf("ben") });
    await registry.assignTag("tag-1", "anna");
    const before = (await stat(journal())).size;
    await cp(`${folder}.keys`, `${folder}.before`, { recursive: true });
    await registry.assignTag("tag-1", "ben"); // two facts, one line
    const after = (await stat(journal())).size;
    for (let bytes = before; bytes <= after; bytes += 31) {
      const copy = await asAfterKill();
      await truncate(join(copy, "people.ndjson"), bytes);
      // What was torn was not acknowledged: the keys know nothing of it either.
      await cp(`${folder}.before`, `${copy}.keys`, { recursive: true });
      const ring = await KeyRing.open({ folder: `${copy}.keys`, secret });
      const again = await open(copy, ring);
      expect(await again.holderOf("tag-1")).toBe(bytes === after ? "ben" : "anna");
      expect((await again.person("anna"))?.tagId).toBe(bytes === after ? null : "tag-1");
      // What follows is not glued to the torn line.
      await again.putPerson({ profile: profileOf("carl") });
      await again.close();
      const third = await open(copy, ring);
      expect(await third.countPeople()).toBe(3);
      await third.close();
      ring.close();
      for (const path of [copy, `${copy}.keys`]) await rm(path, { recursive: true });
    }
    await rm(`${folder}.before`, { recursive: true });
    expect(told).toEqual([]);
  });

  it("a damaged record costs its person, who is hidden, not shown as they were before; it is told, and the rest stays", async () => {
    const registry = await open();
    for (const personId of ["anna", "ben", "carl"]) await registry.putPerson({ profile: profileOf(personId) });
    await registry.changeSettings("anna", { level: "precise" });
    await registry.changeSettings("anna", { level: "hidden" });
    await registry.close();
    const lines = (await readFile(journal(), "utf8")).trimEnd().split("\n");
    lines[lines.length - 1] = lines.at(-1)!.replace(/.("}\])$/, "$1");
    lines[1] = lines[1]!.replace('"x":', '"x');
    await writeFile(journal(), `${lines.join("\n")}\n`);
    const again = await open();
    expect(await again.person("anna")).toBeNull();
    expect(await again.person("ben")).toBeNull();
    expect(await again.countPeople()).toBe(1);
    expect(told).toMatchObject([{ event: "registry journal damaged", lines: 2 }]);
    await again.putPerson({ profile: profileOf("anna") });
    await again.close();
    told.length = 0;
    expect(await (await open()).countPeople()).toBe(2);
    expect(told).toEqual([]);
  });
});

describe("the journal", () => {
  it("does not grow with changes: it is written anew when most of it is history", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("anna") });
    const one = (await stat(journal())).size;
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 700 }, (_, k) => registry.changeSettings("anna", { raisedAtMs: i * 700 + k })));
    expect((await stat(journal())).size).toBeLessThan(1_500 * (one + 40));
    await registry.close();
    expect((await (await open()).person("anna"))?.settings.raisedAtMs).toBe(3_499);
  });

  it("shares a sync among changes that come together: 2,000 at once in a few writes", async () => {
    const registry = await open();
    const startMs = performance.now();
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => registry.putPerson({ profile: profileOf(`p${i}`) })));
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(await registry.countPeople()).toBe(2_000);
  });
});

describe("erasure", () => {
  it("leaves nothing of the person that anybody can read, in no file and no copy of one, and is told at once", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("victim", { name: "Victoria Secret", company: "Former" }) });
    await registry.putPerson({ profile: profileOf("other") });
    await registry.assignTag("tag-v", "victim");
    await registry.changeSettings("victim", { level: "precise" });
    expect(await readable()).toMatch(/Victoria/);
    for (const path of [folder, `${folder}.keys`]) expect(await everyByte(path)).not.toMatch(/victim|Victoria|Former|tag-v/);
    const seen = await followedRegistry(registry);
    expect(await registry.erase("victim")).toEqual({ tagId: "tag-v" });
    expect(seen.told()).toEqual(["erased victim tag-v"]);
    expect(await readable()).not.toMatch(/victim|Victoria|Former|tag-v/);
    await registry.close();
    const again = await open();
    expect(await again.person("victim")).toBeNull();
    expect(await again.countPeople()).toBe(1);
  });

  it("of many at once shares the syncs", async () => {
    const registry = await open();
    await Promise.all(Array.from({ length: 500 }, (_, i) => registry.putPerson({ profile: profileOf(`p${i}`) })));
    const startMs = performance.now();
    await Promise.all(Array.from({ length: 499 }, (_, i) => registry.erase(`p${i}`)));
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(await readable()).not.toMatch(/"p[0-3]/);
    expect(await registry.countPeople()).toBe(1);
  });

  it("on a full disk hides the person at once, fails in words, and is finished when asked again", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("victim") });
    await registry.putPerson({ profile: profileOf("other") });
    await registry.assignTag("tag-v", "victim");
    const limitFileSize = (limit: string) => expect(spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${limit}:`]).status).toBe(0);
    const ignore = () => {};
    process.on("SIGXFSZ", ignore);
    limitFileSize("0");
    try {
      const failing = registry.erase("victim");
      await expect(failing).rejects.toBeInstanceOf(StoreUnavailable);
      await expect(failing).rejects.toThrow(/keys cannot be kept in .*EFBIG/);
    } finally {
      limitFileSize("unlimited");
      process.removeListener("SIGXFSZ", ignore);
    }
    expect(await registry.person("victim")).toBeNull();
    expect(await registry.erase("victim")).toEqual({ tagId: "tag-v" });
    expect(await readable()).not.toMatch(/victim/);
    expect(await registry.erase("victim")).toBeNull();
  });

  it("holds when an older copy of the folder is put back, and of the keys too: the list of the erased lies beside them", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("victim"), consent: { given: true, atMs: 1, version: "1" } });
    await registry.assignTag("tag-v", "victim");
    const copy = await asAfterKill();
    const ring = await ringFile();
    const ringBefore = await readFile(ring);
    await registry.erase("victim");
    await registry.close();
    keys.close();
    await writeFile(ring, ringBefore);
    const restored = await keysAgain();
    const again = await open(copy, restored);
    expect(await again.person("victim")).toBeNull();
    expect(await again.holderOf("tag-v")).toBeNull();
    expect(await again.hidesTag("tag-v")).toBe(true);
    expect(await again.hidesTag("tag-other")).toBe(false);
    // Assigned anew it is somebody's again.
    await again.putPerson({ profile: profileOf("next") });
    await again.assignTag("tag-v", "next");
    expect(await again.holderOf("tag-v")).toBe("next");
    await again.close();
    keys = restored;
  });

  it("or not, an older copy never shows more than was acknowledged: who is in it is hidden until they choose again", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("anna"), consent: { given: true, atMs: 1, version: "1" } });
    await registry.changeSettings("anna", { level: "precise", proximityAlerts: true });
    await registry.putPerson({ profile: profileOf("ben"), consent: { given: true, atMs: 1, version: "1" } });
    const copy = await asAfterKill();
    await registry.changeSettings("anna", { level: "zone" });
    await registry.close();
    const again = await open(copy);
    expect(await again.person("anna")).toMatchObject({ consent: { given: false }, settings: { level: "hidden", proximityAlerts: false } });
    expect(await again.person("ben")).toMatchObject({ consent: { given: true }, settings: { level: "zone" } });
    expect(told).toMatchObject([{ event: "registry journal older than what was acknowledged", people: 1 }]);
    await again.setConsent("anna", { given: true, atMs: 9, version: "1" });
    await again.close();
    const third = await open(copy);
    expect(await third.person("anna")).toMatchObject({ consent: { given: true }, settings: { level: "hidden" } });
  });

  it("removes what a rewrite that did not end left behind", async () => {
    await writeFile(`${journal()}.new`, '[{"person":{"profile":{"personId":"victim"');
    await (await open()).close();
    expect(await everyByte()).not.toMatch(/victim/);
  });
});

describe("the folder", () => {
  it("cannot be opened twice", async () => {
    await open();
    await expect(open()).rejects.toBeInstanceOf(ConfigError);
    await expect(open()).rejects.toThrow(`in use by process ${process.pid}: stop that process, or choose another data folder`);
  });

  it("that cannot be written fails the change as a whole; later changes go through", async () => {
    const registry = await open();
    await registry.putPerson({ profile: profileOf("anna") });
    const seen = await followedRegistry(registry);
    const { size } = await stat(journal());
    const limitFileSize = (limit: string) => expect(spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${limit}:`]).status).toBe(0);
    const ignore = () => {};
    process.on("SIGXFSZ", ignore);
    limitFileSize(String(size + 40));
    try {
      await expect(registry.changeSettings("anna", { level: "precise" })).rejects.toThrow(/people cannot be kept in .* \(EFBIG\)/);
      await expect(registry.putPerson({ profile: profileOf("ben") })).rejects.toBeInstanceOf(StoreUnavailable);
    } finally {
      limitFileSize("unlimited");
      process.removeListener("SIGXFSZ", ignore);
    }
    expect((await registry.person("anna"))?.settings.level).toBe("zone");
    expect(await registry.person("ben")).toBeNull();
    expect(seen.changes).toEqual([]);
    await registry.changeSettings("anna", { level: "venue" });
    await registry.close();
    const again = await open();
    expect((await again.person("anna"))?.settings.level).toBe("venue");
    expect(told).toEqual([]);
  });

  it("of rubbish is opened empty, and told", async () => {
    await appendFile(journal(), "\u0000\u0001 rubbish\n{}\nnull\n[null]\n[7]\n");
    const registry = await open();
    expect(await registry.countPeople()).toBe(0);
    expect(told).toMatchObject([{ lines: 5 }]);
  });
});

describe("bounds", () => {
  it("more than 10,000 changes do not wait for the disk: the rest fail at once", async () => {
    const registry = await open();
    const results = await Promise.allSettled(Array.from({ length: 10_100 }, (_, i) => registry.putPerson({ profile: profileOf(`p${i}`) })));
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toHaveLength(100);
    expect(refused[0]?.reason).toBeInstanceOf(StoreUnavailable);
    expect(await registry.countPeople()).toBe(10_000);
  });
});
