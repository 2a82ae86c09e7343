import { open, readdir, stat, truncate, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { StoreUnavailable, type LoggedBody } from "@konferenco/protocol";
import { remedyFor, syncFolder, systemCode } from "./durable-file.ts";
import { handlesIn, type KeyRing, type SubjectKey } from "./key-ring.ts";
import type { LogEntry, UpdateLog } from "./update-log.ts";

/**
 * A segment ends at this size or age. Retention removes whole files, so the age is how much later than
 * due the bytes of an update leave the disk (readers stop seeing it on time); 24 h are 96 files.
 */
export const SEGMENT_MAX_BYTES = 8 * 1024 * 1024;
export const SEGMENT_MAX_AGE_MS = 15 * 60_000;

/** What a power cut may take, unless the batch held an alert. A killed process loses nothing: the kernel has the bytes. */
export const SYNC_WITHIN_MS = 1_000;

/** Newest entries kept in memory, about 400 bytes each: 3 MB. Resuming clients are seconds behind, not hours. */
const TAIL_ENTRIES = 8_192;

/** One index point per this many lines: 16 bytes for about 50 KB of log. */
const LINES_PER_INDEX_POINT = 256;

const READ_CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const ERASED = JSON.stringify({ kind: "erased" } satisfies LoggedBody);

interface Segment {
  path: string;
  first: number;
  /** Offset of the last whole batch's last line; `first - 1` while unknown. */
  last: number;
  /** Length up to the end of the last whole batch. */
  bytes: number;
  firstStoredAtMs: number;
  lastStoredAtMs: number;
  /** Where lines begin; built when the segment is first read, null until then. */
  index: { offset: number; byte: number }[] | null;
}

export interface SegmentLogOptions {
  folder: string;
  /** What is about somebody is sealed with their key. */
  keys: KeyRing;
  /** Offsets up to here were given out already; the log goes on after it. */
  knownEnd: number;
  maxBytes?: number;
  maxAgeMs?: number;
  /** Called when a segment was closed: a good moment for a snapshot. */
  onRoll: () => Promise<void>;
}

export interface SegmentLogStats {
  segments: number;
  /** Lines that were there but could not be read; readers are told of a gap. */
  brokenLines: number;
  /** Bytes cut off a torn end at opening. */
  cutBytes: number;
}

/**
 * The log as append-only files of lines `{"o":offset,"t":storedAtMs,"r":rest of the batch,"b":body}`;
 * a body about somebody is sealed (key-ring.ts).
 * A batch ends with `r` 0: what follows the last such line was torn by a crash and is cut off.
 */
export class SegmentLog implements UpdateLog {
  #segments: Segment[] = [];
  #active: FileHandle | null = null;
  #first: number;
  #end: number;
  #tail: LogEntry[] = [];
  #broken: Error | null = null;
  #syncTimer: NodeJS.Timeout | null = null;
  #syncing: Promise<void> = Promise.resolve();
  #brokenLines = 0;
  #cutBytes = 0;
  readonly #options: Required<SegmentLogOptions>;

  private constructor(options: SegmentLogOptions) {
    this.#options = { maxBytes: SEGMENT_MAX_BYTES, maxAgeMs: SEGMENT_MAX_AGE_MS, ...options };
    this.#end = options.knownEnd;
    this.#first = options.knownEnd + 1;
  }

  static async open(options: SegmentLogOptions): Promise<SegmentLog> {
    const log = new SegmentLog(options);
    await log.#recover();
    return log;
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  stats(): SegmentLogStats {
    return { segments: this.#segments.length, brokenLines: this.#brokenLines, cutBytes: this.#cutBytes };
  }

  async append(batches: readonly LogEntry[][], options: { durable: boolean }): Promise<void> {
    const entries = batches.flat();
    const newest = entries[entries.length - 1];
    if (newest === undefined) return;
    const lines = batches.flatMap((batch) => batch.map((entry, i) => this.#formatLine(entry, batch.length - 1 - i)));
    try {
      if (this.#broken !== null) await this.#repair();
      const segment = await this.#segmentFor(entries[0] as LogEntry);
      const file = this.#active as FileHandle;
      const text = Buffer.from(lines.join(""));
      await writeAll(file, text);
      if (options.durable) await file.datasync();
      let byte = segment.bytes;
      entries.forEach((entry, i) => {
        indexLine(segment, entry.offset, byte);
        byte += Buffer.byteLength(lines[i] as string);
      });
      segment.bytes += text.length;
      segment.last = newest.offset;
      segment.lastStoredAtMs = newest.storedAtMs;
    } catch (error) {
      // Part of the batch may stand in the file: nothing is written until it is cut off again.
      this.#broken = error as Error;
      throw new StoreUnavailable(`the log cannot be written (${systemCode(error) || (error as Error).message}): ${remedyFor(error, this.#options.folder)}`, { cause: error });
    }
    if (!options.durable) this.#syncSoon();
    this.#end = newest.offset;
    for (const entry of entries) this.#tail.push(entry);
    if (this.#tail.length > 2 * TAIL_ENTRIES) this.#tail = this.#tail.slice(-TAIL_ENTRIES);
  }

  async read(afterOffset: number, limit: number): Promise<LogEntry[]> {
    const from = Math.max(afterOffset + 1, this.#first);
    if (from > this.#end || limit <= 0) return [];
    const tailFirst = this.#tail[0]?.offset ?? Infinity;
    if (from >= tailFirst) return this.#tail.slice(from - tailFirst, from - tailFirst + limit);
    const found: LogEntry[] = [];
    // A copy: retention may take the oldest segments while we read.
    for (const segment of this.#segments.slice(this.#segmentIndexOf(from))) {
      const index = await this.#indexOf(segment);
      const start = index.findLast((point) => point.offset <= from)?.byte ?? 0;
      for await (const line of linesOf(segment.path, start, segment.bytes)) {
        const entry = parseLine(line.text);
        if (entry === null) {
          this.#brokenLines++;
          continue;
        }
        const expected = (found[found.length - 1]?.offset ?? entry.offset - 1) + 1;
        if (entry.offset < from) continue;
        // A hole inside of a page: the reader gets what stands before it, asks again and is told of the gap.
        if (entry.offset !== expected) return found;
        found.push({ offset: entry.offset, storedAtMs: entry.storedAtMs, ...this.#bodyOf(entry.body) });
        if (found.length === limit) return found;
      }
    }
    return found;
  }

  async forgetBefore(storedAtMs: number): Promise<number> {
    const firstBefore = this.#first;
    while (this.#first <= this.#end) {
      const segment = this.#segments[0];
      if (segment === undefined) {
        this.#first = this.#end + 1;
        break;
      }
      await this.#indexOf(segment);
      if (segment.lastStoredAtMs < storedAtMs) {
        if (this.#segments.length === 1) await this.#closeActive();
        await unlink(segment.path).catch(ignoreMissing);
        this.#segments.shift();
        this.#first = this.#segments[0]?.first ?? this.#end + 1;
        continue;
      }
      const page = await this.read(this.#first - 1, LINES_PER_INDEX_POINT);
      const kept = page.find((entry) => entry.storedAtMs >= storedAtMs);
      const next = kept?.offset ?? (page[page.length - 1]?.offset ?? this.#first) + 1;
      if (next === this.#first) break;
      this.#first = Math.min(next, this.#end + 1);
      if (kept !== undefined) break;
    }
    const gone = this.#first - firstBefore;
    const stale = this.#tail.findIndex((entry) => entry.offset >= this.#first);
    if (stale !== 0) this.#tail = stale === -1 ? [] : this.#tail.slice(stale);
    return gone;
  }

  async close(): Promise<void> {
    await this.#closeActive();
  }

  /** Every kept entry after the offset, for rebuilding what follows from the log. */
  async *entriesAfter(offset: number): AsyncGenerator<LogEntry> {
    let after = offset;
    for (;;) {
      const page = await this.read(after, 1_024);
      const last = page[page.length - 1];
      if (last === undefined) return;
      yield* page;
      after = last.offset;
    }
  }

  async #recover(): Promise<void> {
    const { folder } = this.#options;
    const names = (await readdir(folder)).filter((name) => /^log-\d{16}\.ndjson$/.test(name)).sort();
    for (const name of names) {
      const path = join(folder, name);
      const first = Number(name.slice(4, 20));
      this.#segments.push({ path, first, last: first - 1, bytes: (await stat(path)).size, firstStoredAtMs: 0, lastStoredAtMs: 0, index: null });
    }
    // The newest file may end in the middle of a batch; one that has no whole batch goes, and the file before it is the newest.
    for (let newest = this.#segments.at(-1); newest !== undefined; newest = this.#segments.at(-1)) {
      const wholeBytes = await this.#inspect(newest);
      if (wholeBytes < newest.bytes) {
        this.#cutBytes += newest.bytes - wholeBytes;
        await truncate(newest.path, wholeBytes);
        newest.bytes = wholeBytes;
        newest.index = newest.index?.filter((point) => point.byte < wholeBytes) ?? null;
      }
      if (wholeBytes > 0) {
        this.#end = Math.max(this.#end, newest.last);
        break;
      }
      await unlink(newest.path);
      this.#segments.pop();
    }
    this.#first = this.#segments[0]?.first ?? this.#end + 1;
    // Appending to a file whose end is older than what the snapshot knows would leave a hole inside of it.
    const newest = this.#segments.at(-1);
    if (newest !== undefined && newest.last === this.#end) this.#active = await open(newest.path, "a", 0o600);
  }

  async #indexOf(segment: Segment): Promise<{ offset: number; byte: number }[]> {
    if (segment.index === null) await this.#inspect(segment);
    return segment.index ?? [];
  }

  /** Reads a segment once: its index, its times, and where its last whole batch ends. */
  async #inspect(segment: Segment): Promise<number> {
    segment.index = [];
    let wholeBytes = 0;
    let lastOffset = segment.first - 1;
    let lastStoredAtMs = 0;
    for await (const line of linesOf(segment.path, 0, segment.bytes)) {
      const entry = parseLine(line.text);
      if (entry === null) continue;
      if (lastOffset < segment.first) segment.firstStoredAtMs = entry.storedAtMs;
      indexLine(segment, entry.offset, line.byte);
      lastOffset = entry.offset;
      lastStoredAtMs = entry.storedAtMs;
      if (entry.rest === 0) {
        wholeBytes = line.byte + line.bytes;
        segment.lastStoredAtMs = lastStoredAtMs;
        segment.last = lastOffset;
      }
    }
    return wholeBytes;
  }

  async #segmentFor(entry: LogEntry): Promise<Segment> {
    const newest = this.#segments.at(-1);
    const isOpen = newest !== undefined && this.#active !== null;
    const ageMs = isOpen ? Math.abs(entry.storedAtMs - newest.firstStoredAtMs) : 0;
    if (isOpen && newest.bytes < this.#options.maxBytes && ageMs < this.#options.maxAgeMs) return newest;
    if (isOpen) {
      await this.#closeActive();
      await this.#options.onRoll();
    }
    const path = join(this.#options.folder, `log-${String(entry.offset).padStart(16, "0")}.ndjson`);
    this.#active = await open(path, "a", 0o600);
    await syncFolder(this.#options.folder);
    const segment: Segment = { path, first: entry.offset, last: entry.offset - 1, bytes: 0, firstStoredAtMs: entry.storedAtMs, lastStoredAtMs: entry.storedAtMs, index: [] };
    this.#segments.push(segment);
    if (this.#first > this.#end) this.#first = entry.offset;
    return segment;
  }

  /** After a failed write: reopens the newest file and cuts it to its last whole batch. Throws while the disk is as it was. */
  async #repair(): Promise<void> {
    await this.#active?.close().catch(() => undefined);
    this.#active = null;
    const newest = this.#segments.at(-1);
    if (newest?.bytes === 0) {
      // Nothing whole stands in it: its name is free again, and a new file cuts off what does.
      await truncate(newest.path, 0).catch(() => undefined);
      this.#segments.pop();
    } else if (newest !== undefined) {
      const file = await open(newest.path, "a", 0o600);
      try {
        const { size } = await file.stat();
        if (size > newest.bytes) await file.truncate(newest.bytes);
        await file.datasync();
        if (size >= newest.bytes) this.#active = file;
        else newest.bytes = size; // somebody cut or removed the file: what is gone is a gap, a new file follows
      } finally {
        if (this.#active === null) await file.close();
      }
    }
    this.#broken = null;
  }

  async #closeActive(): Promise<void> {
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    this.#syncTimer = null;
    await this.#syncing;
    const file = this.#active;
    this.#active = null;
    if (file === null) return;
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  #syncSoon(): void {
    if (this.#syncTimer !== null) return;
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = null;
      // A failed sync says nothing about what reached the disk: the next commit checks the file first.
      this.#syncing = this.#active?.datasync().catch((error: Error) => void (this.#broken = error)) ?? Promise.resolve();
    }, SYNC_WITHIN_MS);
    this.#syncTimer.unref();
  }

  #formatLine({ offset, storedAtMs, body, keyedTo }: LogEntry, rest: number): string {
    const keys = keyedTo.map((handle) => this.#options.keys.find(handle));
    const plain = JSON.stringify(body);
    // Erased since it was handed in: its place stays, nothing else.
    const text = keys.includes(null) ? ERASED : keys.length === 0 ? plain : JSON.stringify(this.#options.keys.seal(keys as SubjectKey[], plain));
    return `{"o":${offset},"t":${storedAtMs},"r":${rest},"b":${text}}\n`;
  }

  #bodyOf(body: LoggedBody | string): Pick<LogEntry, "body" | "keyedTo"> {
    if (typeof body !== "string") return { body, keyedTo: [] };
    const plain = this.#options.keys.open(body);
    return plain === null ? { body: { kind: "erased" }, keyedTo: [] } : { body: JSON.parse(plain) as LoggedBody, keyedTo: handlesIn(body) };
  }

  #segmentIndexOf(offset: number): number {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#segments[middle] as Segment).first <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function indexLine(segment: Segment, offset: number, byte: number): void {
  if (segment.index === null) return;
  const point = segment.index[segment.index.length - 1];
  if (point === undefined || offset - point.offset >= LINES_PER_INDEX_POINT) segment.index.push({ offset, byte });
}

interface Line {
  offset: number;
  storedAtMs: number;
  rest: number;
  /** Sealed: a text. */
  body: LoggedBody | string;
}

function parseLine(text: string): Line | null {
  try {
    const line = JSON.parse(text) as { o?: unknown; t?: unknown; r?: unknown; b?: string | { kind?: unknown } | null };
    if (!Number.isSafeInteger(line.o) || typeof line.t !== "number" || typeof line.r !== "number") return null;
    if (typeof line.b !== "string" && typeof line.b?.kind !== "string") return null;
    return { offset: line.o as number, storedAtMs: line.t, rest: line.r, body: line.b as Line["body"] };
  } catch {
    return null;
  }
}

/** Whole lines of a file between two byte positions; none when retention took the file. A last line without its newline is not whole. */
async function* linesOf(path: string, fromByte: number, toByte: number): AsyncGenerator<{ text: string; byte: number; bytes: number }> {
  const file = await open(path, "r").catch(ignoreMissing);
  if (file === undefined) return;
  try {
    let pending = Buffer.alloc(0);
    let pendingAt = fromByte;
    let position = fromByte;
    while (position < toByte) {
      const chunk = Buffer.allocUnsafe(Math.min(READ_CHUNK_BYTES, toByte - position));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      const data = pending.length === 0 ? chunk.subarray(0, bytesRead) : Buffer.concat([pending, chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let stop = data.indexOf(NEWLINE); stop !== -1; stop = data.indexOf(NEWLINE, start)) {
        yield { text: data.toString("utf8", start, stop), byte: pendingAt + start, bytes: stop + 1 - start };
        start = stop + 1;
      }
      pending = data.subarray(start);
      pendingAt += start;
    }
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written)).bytesWritten;
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== "ENOENT") throw error;
}
