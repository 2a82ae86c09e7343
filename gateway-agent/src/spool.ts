import fs from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import type { SteadyClock } from "./steady-clock.ts";

/**
 * What could not be sent yet, on disk: a log of segments in a folder of its own.
 *
 * A segment is a header record and then records; a record is length (4 bytes), CRC-32 (4 bytes), body, all
 * big-endian. A body is one byte of kind and the rest: `H` JSON of the clock, `D` id (6 bytes), time (8 bytes)
 * and the message, `S` the id of a message that has been sent. So a message leaves by an append, in any
 * order, and a crash at any byte costs at most the record that was being written.
 *
 * There is no fsync: a process crash loses nothing that was written, and after a power cut the content is
 * dropped anyway, because a Pi without a battery clock cannot say how old it is (docs/decisions/0031). That
 * also lets the folder lie in RAM (/run), which spares the SD card and leaves no whereabouts on a stolen one.
 */
export interface SpoolConfig {
  directory: string;
  /** All segments together. At the bound the oldest segment goes, its messages counted. */
  maxBytes: number;
  /** Older messages are of no use to anybody and go, counted. */
  maxAgeMs: number;
  clock: SteadyClock;
  log: (event: object) => void;
}

export interface SpooledMessage {
  id: number;
  /** On this process' clock, whoever wrote it. */
  atMs: number;
  body: Uint8Array;
}

export interface SpoolCounts {
  /** Waiting now. */
  messages: number;
  bytes: number;
  /** Gone unsent since the process began, by reason. */
  dropped: { full: number; old: number; corrupt: number; reboot: number; disk: number };
}

interface Entry {
  id: number;
  atMs: number;
  segment: Segment;
  offset: number;
  length: number;
}

interface Segment {
  file: string;
  fd: number;
  bytes: number;
  /** Messages in it that are still to be sent. */
  waiting: number;
}

const RECORD_HEADER_BYTES = 8;
const DATA_HEADER_BYTES = 1 + 6 + 8;
const KIND = { header: 0x48, data: 0x44, sent: 0x53 } as const;
/** A 16th of the spool: what is lost at once when it overflows. */
const SEGMENTS_PER_SPOOL = 16;
/** No record of ours is longer; a length beyond it is damage, not a reason to allocate. */
const MAX_RECORD_BYTES = 1024 * 1024;

export class Spool {
  readonly #config: SpoolConfig;
  readonly #segments: Segment[] = [];
  /** In the order of their ids, which is the order of time. About 120 bytes each; 600 for 5 minutes of reports. */
  readonly #entries = new Map<number, Entry>();
  readonly #dropped: SpoolCounts["dropped"] = { full: 0, old: 0, corrupt: 0, reboot: 0, disk: 0 };
  /** What this process writes goes into segments of its own: their headers say whose clock the times are of. */
  #writing: Segment | null = null;
  #nextId = 1;
  #nextSegment = 1;
  #diskFailed = false;

  constructor(config: SpoolConfig) {
    this.#config = config;
  }

  /** Opens the folder and takes over what an earlier process of the same machine boot left. Never throws for damaged content. */
  static open(config: SpoolConfig): Spool {
    const spool = new Spool(config);
    spool.#recover();
    return spool;
  }

  append(body: Uint8Array, atMs: number): void {
    const data = Buffer.alloc(DATA_HEADER_BYTES + body.length);
    const id = this.#nextId;
    data.writeUInt8(KIND.data, 0);
    data.writeUIntBE(id, 1, 6);
    data.writeDoubleBE(atMs, 7);
    data.set(body, DATA_HEADER_BYTES);
    const recordBytes = RECORD_HEADER_BYTES + data.length;
    if (recordBytes > Math.min(MAX_RECORD_BYTES, this.#segmentBytes())) {
      this.#dropped.full++;
      return;
    }
    const written = this.#write(data);
    if (written === null) {
      this.#dropped.disk++;
      return;
    }
    this.#nextId = id + 1;
    this.#entries.set(id, { id, atMs, segment: written.segment, offset: written.offset + RECORD_HEADER_BYTES + DATA_HEADER_BYTES, length: body.length });
    written.segment.waiting++;
    this.#makeRoom();
  }

  /** The oldest message that is not older than `sinceMs`, or null. A message that cannot be read any more is counted and left out. */
  next(sinceMs = -Infinity): SpooledMessage | null {
    for (const entry of this.#entries.values()) {
      if (entry.atMs < sinceMs) continue;
      const body = Buffer.alloc(entry.length);
      try {
        if (fs.readSync(entry.segment.fd, body, 0, entry.length, entry.offset) === entry.length) return { id: entry.id, atMs: entry.atMs, body };
      } catch (error) {
        this.#diskFault(error as Error);
      }
      this.#dropped.disk++;
      this.#forget(entry);
    }
    return null;
  }

  /** The message has left: it will not come back after a crash, unless the disk refuses even this. */
  markSent(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#forget(entry);
    if (this.#entries.size > 0) {
      const sent = Buffer.alloc(7);
      sent.writeUInt8(KIND.sent, 0);
      sent.writeUIntBE(id, 1, 6);
      this.#write(sent);
    }
    this.#trim();
  }

  /** Drops what has become too old. */
  sweep(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      if (nowMs - entry.atMs <= this.#config.maxAgeMs) break;
      this.#dropped.old++;
      this.#forget(entry);
    }
    this.#trim();
  }

  counts(): SpoolCounts {
    return { messages: this.#entries.size, bytes: this.#bytes(), dropped: { ...this.#dropped } };
  }

  close(): void {
    for (const segment of this.#segments.splice(0)) closeQuietly(segment.fd);
    this.#entries.clear();
    this.#writing = null;
  }

  #bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  #segmentBytes(): number {
    return Math.floor(this.#config.maxBytes / SEGMENTS_PER_SPOOL);
  }

  #makeRoom(): void {
    while (this.#segments.length > 1 && this.#bytes() > this.#config.maxBytes) {
      const oldest = this.#segments[0] as Segment;
      this.#dropped.full += oldest.waiting;
      for (const entry of this.#entries.values()) if (entry.segment === oldest) this.#forget(entry);
      this.#trim();
    }
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.id);
    entry.segment.waiting--;
  }

  /** Deletes from the front alone: a later segment holds the sent marks of an earlier one's messages. */
  #trim(): void {
    while (this.#segments.length > 0) {
      const oldest = this.#segments[0] as Segment;
      if (oldest.waiting > 0 || (this.#segments.length === 1 && this.#entries.size > 0)) return;
      this.#delete(oldest);
    }
  }

  #delete(segment: Segment): void {
    const index = this.#segments.indexOf(segment);
    if (index >= 0) this.#segments.splice(index, 1);
    if (this.#writing === segment) this.#writing = null;
    closeQuietly(segment.fd);
    try {
      fs.rmSync(segment.file, { force: true });
    } catch (error) {
      this.#diskFault(error as Error);
    }
  }

  /** Appends one record; null when the disk refuses. What a refused write left behind is cut off. */
  #write(body: Buffer): { segment: Segment; offset: number } | null {
    try {
      const segment = this.#writableSegment(RECORD_HEADER_BYTES + body.length);
      const offset = segment.bytes;
      try {
        writeRecord(segment, body);
      } catch (error) {
        fs.ftruncateSync(segment.fd, offset);
        throw error;
      }
      this.#diskFailed = false;
      return { segment, offset };
    } catch (error) {
      this.#diskFault(error as Error);
      return null;
    }
  }

  #writableSegment(recordBytes: number): Segment {
    const current = this.#writing;
    if (current !== null && current.bytes + recordBytes <= this.#segmentBytes()) return current;
    const file = path.join(this.#config.directory, segmentName(this.#nextSegment++));
    const segment: Segment = { file, fd: fs.openSync(file, "wx+", 0o600), bytes: 0, waiting: 0 };
    const { machineBootId, originMs } = this.#config.clock;
    try {
      writeRecord(segment, Buffer.concat([Buffer.from([KIND.header]), Buffer.from(JSON.stringify({ v: 1, machineBootId, originMs }))]));
    } catch (error) {
      this.#delete(segment); // without a header nothing in it could be dated
      throw error;
    }
    this.#segments.push(segment);
    this.#writing = segment;
    return segment;
  }

  #recover(): void {
    makeFolder(this.#config.directory);
    const names = fs.readdirSync(this.#config.directory).filter((name) => SEGMENT_NAME.test(name)).sort();
    for (const name of names) {
      this.#nextSegment = Math.max(this.#nextSegment, Number.parseInt(name, 10) + 1);
      this.#recoverSegment(path.join(this.#config.directory, name));
    }
    this.#makeRoom();
    this.sweep(this.#config.clock.nowMs());
  }

  /** Reads one segment up to the first damage, which is where a crash cut it. */
  #recoverSegment(file: string): void {
    let content: Buffer;
    let fd: number;
    try {
      content = readBounded(file, this.#config.maxBytes);
      fd = fs.openSync(file, "r+");
    } catch (error) {
      this.#dropped.corrupt++;
      this.#diskFault(error as Error);
      return;
    }
    const segment: Segment = { file, fd, bytes: content.length, waiting: 0 };
    this.#segments.push(segment);
    const { records, intactBytes } = readRecords(content);
    if (intactBytes < content.length) this.#dropped.corrupt++;
    const header = parseHeader(records[0]?.body);
    if (header === null) return; // not one record can be dated
    const { machineBootId, originMs } = this.#config.clock;
    for (const { body, offset } of records.slice(1)) {
      const kind = body[0];
      if (kind === KIND.data && body.length >= DATA_HEADER_BYTES) {
        const id = body.readUIntBE(1, 6);
        this.#nextId = Math.max(this.#nextId, id + 1);
        if (header.machineBootId !== machineBootId) {
          this.#dropped.reboot++;
          continue;
        }
        const atMs = body.readDoubleBE(7) - header.originMs + originMs;
        this.#entries.set(id, { id, atMs, segment, offset: offset + RECORD_HEADER_BYTES + DATA_HEADER_BYTES, length: body.length - DATA_HEADER_BYTES });
        segment.waiting++;
      } else if (kind === KIND.sent && body.length === 7) {
        const entry = this.#entries.get(body.readUIntBE(1, 6));
        if (entry === undefined) continue;
        this.#entries.delete(entry.id);
        entry.segment.waiting--;
      }
    }
  }

  /** One line per outage of the disk, not per message. */
  #diskFault(error: Error): void {
    if (!this.#diskFailed) this.#config.log({ event: "spool-disk-failed", directory: this.#config.directory, reason: error.message });
    this.#diskFailed = true;
  }
}

/** Folder by folder: Node's own recursive mkdir turns in circles for ever where ENOENT means "not here", as in /proc (seen in 20.20). */
function makeFolder(directory: string): void {
  if (fs.existsSync(directory)) return;
  makeFolder(path.dirname(directory));
  fs.mkdirSync(directory, { mode: 0o700 });
}

const SEGMENT_NAME = /^\d{12}\.spool$/;

function segmentName(number: number): string {
  return `${String(number).padStart(12, "0")}.spool`;
}

function writeRecord(segment: Segment, body: Buffer): void {
  const record = Buffer.alloc(RECORD_HEADER_BYTES + body.length);
  record.writeUInt32BE(body.length, 0);
  record.writeUInt32BE(crc32(body), 4);
  body.copy(record, RECORD_HEADER_BYTES);
  let written = 0;
  while (written < record.length) written += fs.writeSync(segment.fd, record, written, record.length - written, segment.bytes + written);
  segment.bytes += record.length;
}

interface StoredRecord {
  body: Buffer;
  offset: number;
}

/** The intact records from the beginning; what follows the first damaged one cannot be trusted to begin at a record. */
function readRecords(content: Buffer): { records: StoredRecord[]; intactBytes: number } {
  const records: StoredRecord[] = [];
  let offset = 0;
  while (offset + RECORD_HEADER_BYTES <= content.length) {
    const length = content.readUInt32BE(offset);
    const end = offset + RECORD_HEADER_BYTES + length;
    if (length > MAX_RECORD_BYTES || end > content.length) break;
    const body = content.subarray(offset + RECORD_HEADER_BYTES, end);
    if (crc32(body) !== content.readUInt32BE(offset + 4)) break;
    records.push({ body, offset });
    offset = end;
  }
  return { records, intactBytes: offset };
}

function parseHeader(body: Buffer | undefined): { machineBootId: string; originMs: number } | null {
  if (body === undefined || body[0] !== KIND.header) return null;
  try {
    const { v, machineBootId, originMs } = JSON.parse(body.toString("utf8", 1)) as { v: unknown; machineBootId: unknown; originMs: unknown };
    return v === 1 && typeof machineBootId === "string" && typeof originMs === "number" ? { machineBootId, originMs } : null;
  } catch {
    return null;
  }
}

/** A file that grew beyond the whole spool is not ours: only its beginning is looked at. */
function readBounded(file: string, maxBytes: number): Buffer {
  const fd = fs.openSync(file, "r");
  try {
    const content = Buffer.alloc(Math.min(fs.fstatSync(fd).size, maxBytes));
    let read = 0;
    while (read < content.length) {
      const count = fs.readSync(fd, content, read, content.length - read, read);
      if (count === 0) break;
      read += count;
    }
    return content.subarray(0, read);
  } finally {
    fs.closeSync(fd);
  }
}

function closeQuietly(fd: number): void {
  try {
    fs.closeSync(fd);
  } catch {
    // closed already
  }
}
