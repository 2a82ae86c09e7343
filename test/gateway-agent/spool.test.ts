import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Spool, type SpoolConfig } from "../../gateway-agent/src/spool.ts";

let directory: string;
let open: Spool[];
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-spool-"));
  open = [];
});
afterEach(() => {
  for (const spool of open) spool.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

const clockAt = (nowMs: () => number, change: { originMs?: number; machineBootId?: string } = {}) => ({ nowMs, originMs: 0, machineBootId: "boot-a", ...change });

function openSpool(change: Partial<SpoolConfig> = {}): Spool {
  const spool = Spool.open({ directory, maxBytes: 64 * 1024, maxAgeMs: 300_000, clock: clockAt(() => 0), log: () => {}, ...change });
  open.push(spool);
  return spool;
}

/** What is in it, oldest first, taken out. */
function drain(spool: Spool): { text: string; atMs: number }[] {
  const messages = [];
  for (let message = spool.next(); message !== null; message = spool.next()) {
    messages.push({ text: Buffer.from(message.body).toString(), atMs: message.atMs });
    spool.markSent(message.id);
  }
  return messages;
}

const texts = (spool: Spool) => drain(spool).map((message) => message.text);
const segmentFiles = () => fs.readdirSync(directory).sort();

/** As a crash leaves it: the files as they are, no goodbye. */
function copyOfFiles(): Map<string, Buffer> {
  return new Map(segmentFiles().map((name) => [name, fs.readFileSync(path.join(directory, name))]));
}

function restore(files: ReadonlyMap<string, Buffer>): void {
  for (const name of segmentFiles()) fs.rmSync(path.join(directory, name));
  for (const [name, content] of files) fs.writeFileSync(path.join(directory, name), content);
}

describe("while the broker is away", () => {
  it("messages come out as they went in, oldest first", () => {
    const spool = openSpool();
    for (let i = 0; i < 50; i++) spool.append(Buffer.from(`report ${i}`), i * 500);
    expect(spool.counts()).toMatchObject({ messages: 50 });
    expect(drain(spool)).toEqual(Array.from({ length: 50 }, (_, i) => ({ text: `report ${i}`, atMs: i * 500 })));
    expect(spool.counts()).toMatchObject({ messages: 0, bytes: 0 });
    expect(segmentFiles()).toEqual([]);
  });

  it("what is fresh can leave before what is old, and neither comes twice, even after a crash", () => {
    const spool = openSpool();
    for (let i = 0; i < 10; i++) spool.append(Buffer.from(`report ${i}`), i * 1_000);
    for (let message = spool.next(7_000); message !== null; message = spool.next(7_000)) spool.markSent(message.id);
    expect(texts(openSpool())).toEqual(["report 0", "report 1", "report 2", "report 3", "report 4", "report 5", "report 6"]);
  });

  it("only the owner can read it", () => {
    openSpool().append(Buffer.from("whereabouts"), 0);
    expect(fs.statSync(path.join(directory, segmentFiles()[0] as string)).mode & 0o777).toBe(0o600);
  });
});

describe("bounds", () => {
  it("the disk never holds more than the bound; the oldest go first and are counted", () => {
    const spool = openSpool();
    const body = Buffer.alloc(1_000, "x");
    for (let i = 0; i < 500; i++) {
      spool.append(Buffer.concat([Buffer.from(`${i} `), body]), i);
      const onDisk = segmentFiles().reduce((sum, name) => sum + fs.statSync(path.join(directory, name)).size, 0);
      expect(onDisk).toBeLessThanOrEqual(64 * 1024);
      expect(spool.counts().bytes).toBe(onDisk);
    }
    const { messages, dropped } = spool.counts();
    expect(messages + dropped.full).toBe(500);
    expect(messages).toBeGreaterThan(50);
    const left = texts(spool).map((text) => Number(text.split(" ")[0]));
    expect(left).toEqual(Array.from({ length: messages }, (_, i) => 500 - messages + i));
  });

  it("a message larger than a segment is refused and counted, not allocated for", () => {
    const spool = openSpool();
    spool.append(Buffer.alloc(5_000), 0);
    expect(spool.counts()).toMatchObject({ messages: 0, dropped: { full: 1 } });
  });

  it("whereabouts older than 5 minutes are gone from the disk", () => {
    const spool = openSpool();
    for (let i = 0; i < 10; i++) spool.append(Buffer.from(`report ${i}`), i * 60_000);
    spool.sweep(9 * 60_000);
    expect(spool.counts()).toMatchObject({ messages: 6, dropped: { old: 4 } });
    spool.sweep(60 * 60_000);
    expect(spool.counts()).toMatchObject({ messages: 0, dropped: { old: 10 } });
    expect(segmentFiles()).toEqual([]);
  });

  it("a disk that refuses costs messages, counted and told once, and works again when it does", () => {
    const logged: object[] = [];
    const spool = openSpool({ log: (event) => logged.push(event) });
    fs.rmSync(directory, { recursive: true });
    for (let i = 0; i < 5; i++) spool.append(Buffer.from("lost"), i);
    expect(spool.counts()).toMatchObject({ messages: 0, dropped: { disk: 5 } });
    expect(logged).toMatchObject([{ event: "spool-disk-failed" }]);
    fs.mkdirSync(directory);
    spool.append(Buffer.from("kept"), 9);
    expect(texts(spool)).toEqual(["kept"]);
  });
});

describe("after a crash", () => {
  const bodies = Array.from({ length: 6 }, (_, i) => `report ${i} ${"x".repeat(i * 7)}`);

  it("cut at every byte, it opens with the messages that were whole and takes new ones", () => {
    const spool = openSpool();
    bodies.forEach((body, i) => spool.append(Buffer.from(body), i));
    const [[name, content]] = [...copyOfFiles()] as [[string, Buffer]];
    let before = 0;
    for (let length = 0; length <= content.length; length++) {
      restore(new Map([[name, content.subarray(0, length)]]));
      const again = openSpool();
      const { messages } = again.counts();
      expect(messages).toBeGreaterThanOrEqual(before);
      expect(messages).toBeLessThanOrEqual(before + 1);
      before = messages;
      again.append(Buffer.from("after"), 9);
      expect(texts(again)).toEqual([...bodies.slice(0, messages), "after"]);
      again.close();
    }
    expect(before).toBe(bodies.length);
  });

  it("cut at every byte of the sent marks, nothing is lost and only what was not yet marked comes again", () => {
    const spool = openSpool();
    bodies.forEach((body, i) => spool.append(Buffer.from(body), i));
    const unmarked = ([...copyOfFiles()] as [[string, Buffer]])[0][1].length;
    for (let i = 0; i < 3; i++) spool.markSent(spool.next()?.id ?? -1);
    const [[name, content]] = [...copyOfFiles()] as [[string, Buffer]];
    for (let length = unmarked; length <= content.length; length++) {
      restore(new Map([[name, content.subarray(0, length)]]));
      const marked = Math.floor((length - unmarked) / (8 + 7));
      const again = openSpool();
      expect(texts(again)).toEqual(bodies.slice(marked));
      again.close();
    }
  });

  it("with any bit flipped, every message that comes out is one that went in", () => {
    const spool = openSpool();
    bodies.forEach((body, i) => spool.append(Buffer.from(body), i));
    const [[name, content]] = [...copyOfFiles()] as [[string, Buffer]];
    for (let bit = 0; bit < content.length * 8; bit += 3) {
      const damaged = Buffer.from(content);
      damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      restore(new Map([[name, damaged]]));
      const again = openSpool();
      const out = texts(again);
      expect(bodies.slice(0, out.length)).toEqual(out);
      expect(again.counts().dropped.corrupt).toBe(1);
      again.close();
    }
  });

  it("files of random bytes, or of nobody's, never keep it from opening", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 3 }), (contents) => {
        restore(new Map(contents.map((content, i) => [`${String(i + 1).padStart(12, "0")}.spool`, Buffer.from(content)])));
        fs.writeFileSync(path.join(directory, "notes.txt"), "not ours");
        const spool = openSpool();
        expect(spool.counts().messages).toBe(0);
        spool.append(Buffer.from("new"), 1);
        expect(texts(spool)).toEqual(["new"]);
        spool.close();
        expect(fs.existsSync(path.join(directory, "notes.txt"))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it("a process of the same machine boot tells the age right, though wall time was stepped meanwhile", () => {
    const first = openSpool({ clock: clockAt(() => 1_000_000, { originMs: 0 }) });
    first.append(Buffer.from("report"), 1_000_000); // monotonic 1,000,000
    first.close();
    // NTP moved wall time ahead by a day; two seconds have passed.
    const dayMs = 24 * 60 * 60_000;
    const second = openSpool({ clock: clockAt(() => dayMs + 1_002_000, { originMs: dayMs }) });
    expect(second.next()).toMatchObject({ atMs: dayMs + 1_000_000 });
  });

  it("after a restart of the machine nothing can be dated: it is dropped and counted, not made young", () => {
    const first = openSpool();
    for (let i = 0; i < 4; i++) first.append(Buffer.from("report"), i);
    first.close();
    const second = openSpool({ clock: clockAt(() => 0, { machineBootId: "boot-b" }) });
    expect(second.counts()).toMatchObject({ messages: 0, dropped: { reboot: 4 } });
    expect(segmentFiles()).toEqual([]);
  });

  it("survives restart upon restart: what waits, waits on", () => {
    for (let round = 0; round < 5; round++) {
      const spool = openSpool();
      spool.append(Buffer.from(`round ${round}`), round);
      if (round === 2) spool.markSent(spool.next()?.id ?? -1);
      spool.close();
    }
    expect(texts(openSpool())).toEqual(["round 1", "round 2", "round 3", "round 4"]);
  });
});
