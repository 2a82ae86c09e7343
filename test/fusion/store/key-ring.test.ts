import { randomBytes } from "node:crypto";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyRing, ON_THE_WAY } from "@konferenco/fusion";
import { ConfigError } from "@konferenco/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const secret = randomBytes(32);
let folder: string;
const opened: KeyRing[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "konferenco-keys-"));
});
afterEach(() => {
  for (const ring of opened.splice(0)) ring.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(own = secret, log?: (event: object) => void): Promise<KeyRing> {
  const ring = await KeyRing.open({ folder, secret: own, ...(log === undefined ? {} : { log }) });
  opened.push(ring);
  return ring;
}
const fileOf = (name: string) => join(folder, readdirSync(folder)[0]!, name);

describe("a key", () => {
  it("opens what it sealed, in every process and after a restart, and nothing else does", async () => {
    const ring = await open();
    const other = await open();
    const anna = ring.keyFor("person:anna")!;
    const sealed = ring.seal([anna], 'Ünal "🚪"');
    expect(other.open(sealed)).toBe('Ünal "🚪"');
    expect((await open()).open(sealed)).toBe('Ünal "🚪"');
    expect((await open(randomBytes(32))).open(sealed)).toBeNull();
    expect(ring.open(`${sealed.slice(0, -4)}AAAA`)).toBeNull();
    for (const text of ["", ":", "+:", "nothing", `${anna.handle}:`, `${anna.handle}:AA`]) expect(ring.open(text)).toBeNull();
    expect(ring.seal([anna], "x")).not.toBe(ring.seal([anna], "x"));
  });

  it("made by two processes for one subject is the first one's for both", async () => {
    const [a, b] = [await open(), await open()];
    for (let i = 0; i < 50; i++) expect([a, b][i % 2]!.keyFor(`tag:t${i >> 1}`)!.handle).toBe([a, b][(i + 1) % 2]!.keyFor(`tag:t${i >> 1}`)!.handle);
    expect(a.stats().keys).toBe(25);
  });

  it("of two people opens only while both are there", async () => {
    const ring = await open();
    const pair = [ring.keyFor("tag:1")!, ring.keyFor("tag:2")!];
    const sealed = ring.seal(pair, "near");
    expect(ring.open(sealed)).toBe("near");
    await ring.erase(["tag:2"], { forGood: true });
    expect(ring.open(sealed)).toBeNull();
  });

  it("stands in no file in the clear, nor does its subject", async () => {
    const ring = await open();
    const key = ring.keyFor("person:canary")!;
    const bytes = readFileSync(fileOf("ring"));
    expect(bytes.includes("canary")).toBe(false);
    expect(bytes.includes(key.bytes)).toBe(false);
  });
});

describe("an erasure", () => {
  it("is in force at once here, soon elsewhere, and after a restart; the record is zeros", async () => {
    const [ring, other] = [await open(), await open()];
    const anna = ring.keyFor("person:anna")!;
    ring.keyFor("person:ben");
    const sealed = other.seal([other.keyFor("person:anna")!], "hers");
    const erasing = ring.erase(["person:anna"], { forGood: true });
    expect([ring.open(sealed), ring.keyFor("person:anna"), ring.find(anna.handle)]).toEqual([null, null, null]);
    await erasing;
    while (other.find(anna.handle) !== null) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(other.open(sealed)).toBeNull();
    expect(other.isErased("person:anna")).toBe(true);
    expect(other.erasures).toBe(ring.erasures);
    // Whose it was is known a while longer, for telling those who still show them.
    expect(other.lately(anna.handle)).toBe("person:anna");
    const again = await open();
    expect([again.open(sealed), again.isErased("person:anna"), again.isErased("person:ben"), again.isDead(anna.handle), again.lately(anna.handle)]).toEqual([null, true, false, true, null]);
    const bytes = readFileSync(fileOf("ring"));
    expect(bytes.subarray(0, bytes.length / 2).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(bytes.length / 2).every((byte) => byte === 0)).toBe(false);
    expect(readFileSync(fileOf("erased"), "utf8")).not.toContain("anna");
    ring.keyAnew("person:anna"); // registered again, which the other process has not heard of
    expect(other.isErased("person:anna")).toBe(false);
  });

  it("holds when the ring is restored from before it, and ends when the subject comes back on purpose, with another key", async () => {
    const ring = await open();
    const before = ring.keyFor("tag:1")!;
    const sealed = ring.seal([before], "then");
    await ring.sync();
    const copy = readFileSync(fileOf("ring"));
    await ring.erase(["tag:1"], { forGood: true });
    writeFileSync(fileOf("ring"), copy);
    const restored = await open();
    expect([restored.open(sealed), restored.keyFor("tag:1")]).toEqual([null, null]);
    expect(readFileSync(fileOf("ring")).every((byte) => byte === 0)).toBe(true);
    const after = restored.keyAnew("tag:1")!;
    expect(after.handle).not.toBe(before.handle);
    expect([restored.isErased("tag:1"), restored.open(sealed), (await open()).keyFor("tag:1")!.handle]).toEqual([false, null, after.handle]);
  });

  it("ends the key of what is on the way too, in every process, and leaves no record of it", async () => {
    const [ring, other] = [await open(), await open()];
    for (let round = 0; round < 3; round++) {
      const subject = `tag:${round}`;
      ring.keyFor(subject);
      const sealed = other.seal([other.keyFor(ON_THE_WAY)!], "about them all");
      expect(ring.open(sealed)).toBe("about them all");
      await ring.erase([subject], { forGood: round === 1 });
      expect(ring.open(sealed)).toBeNull();
      while (other.open(sealed) !== null) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(other.held(subject)).toBeNull(); // who knows that the key has ended knows for whom
    }
    expect(readFileSync(fileOf("ring")).every((byte) => byte === 0)).toBe(true);
    for (const one of [ring, other]) while (one.handlesOf(ON_THE_WAY).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it("of which another process hears by the next key: it takes that one on, and does not overwrite it as a second record of the one before", async () => {
    const [ring, other] = [await open(), await open()];
    const [former] = [ring, other].map((one) => [one.keyFor("tag:1"), one.keyFor(ON_THE_WAY)!] as const).map(([, key]) => key);
    const erased = ring.erase(["tag:1"], { forGood: true });
    const sealed = ring.seal([ring.keyFor(ON_THE_WAY)!], "told at once");
    expect([former!.handle === ring.keyFor(ON_THE_WAY)!.handle, other.open(sealed), other.held("tag:1")]).toEqual([false, "told at once", null]);
    await erased;
    expect(other.keyFor(ON_THE_WAY)!.handle).toBe(ring.keyFor(ON_THE_WAY)!.handle);
    expect((await open()).open(sealed)).toBe("told at once");
  });

  it("that is not for good makes room for another key", async () => {
    const ring = await open();
    const sealed = ring.seal([ring.keyFor("tag:1")!], "anna's");
    await ring.erase(["tag:1"], { forGood: false });
    expect([ring.isErased("tag:1"), ring.open(sealed)]).toEqual([false, null]);
    expect(ring.keyFor("tag:1")).not.toBeNull();
    expect(ring.handlesOf("tag:1")).toHaveLength(2);
  });
});

describe("a mark", () => {
  it("only grows, is seen by all processes and survives", async () => {
    const [ring, other] = [await open(), await open()];
    ring.keyFor("person:anna");
    expect([ring.markOf("person:anna"), ring.markOf("person:nobody")]).toEqual([0, 0]);
    ring.mark("person:anna", 7);
    ring.mark("person:anna", 3);
    await Promise.all([ring.sync(), ring.sync(), ring.sync()]);
    other.keyFor("person:anna");
    expect([other.markOf("person:anna"), (await open()).markOf("person:anna")]).toEqual([7, 7]);
    await ring.erase(["person:anna"], { forGood: true });
    ring.keyAnew("person:anna");
    expect(ring.markOf("person:anna")).toBe(0);
  });
});

describe("the folder", () => {
  it("cut off in the middle of a record loses that one; a damaged record is told", async () => {
    const ring = await open();
    const [a, b] = [ring.keyFor("tag:a")!, ring.keyFor("tag:b")!];
    await ring.sync();
    appendFileSync(fileOf("ring"), randomBytes(50));
    const again = await open();
    expect([again.find(a.handle)?.subject, again.find(b.handle)?.subject, again.keyFor("tag:c") !== null]).toEqual(["tag:a", "tag:b", true]);
    const bytes = readFileSync(fileOf("ring"));
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
    writeFileSync(fileOf("ring"), bytes);
    const told: object[] = [];
    const third = await open(secret, (event) => told.push(event));
    expect([third.find(a.handle), third.find(b.handle)?.subject]).toEqual([null, "tag:b"]);
    expect(told).toMatchObject([{ event: "keys damaged", records: 1 }]);
  });

  it("is readable by its owner alone, one for each secret, and must be usable", async () => {
    await open();
    await open(randomBytes(32));
    expect(readdirSync(folder)).toHaveLength(2);
    expect([statSync(fileOf("")).mode & 0o777, statSync(fileOf("ring")).mode & 0o777]).toEqual([0o700, 0o600]);
    const file = join(folder, "file");
    cpSync(fileOf("ring"), file);
    await expect(KeyRing.open({ folder: file, secret })).rejects.toBeInstanceOf(ConfigError);
    await expect(KeyRing.open({ folder, secret: randomBytes(8) })).rejects.toThrow(/8 bytes and needs at least 32/);
  });
});
