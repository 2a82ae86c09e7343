import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, type CipherGCM, type DecipherGCM } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { ConfigError, StoreUnavailable } from "@konferenco/protocol";
import { remedyFor, systemCode } from "./durable-file.ts";

/**
 * A key for each subject (a tag, a person), kept apart from what it seals. Log, Redis and the files of people
 * hold sealed bytes and a random handle; without the key both mean nothing, in every copy that anybody has of
 * them. So erasing is: overwrite one record here (docs/decisions/0090).
 *
 * `ring`: records of fixed length, appended; an erased one is overwritten with zeros where it stands.
 * `erased`: a line per erasure, never changed: what an older copy of the ring brings back is erased again.
 * All processes of an installation share the folder; each reads on where another has written.
 */
export interface KeyRingOptions {
  /** Null keeps keys in memory, and a restart begins with none. */
  folder: string | null;
  /** The installation's secret, at least 32 bytes: records are sealed with a key derived from it. */
  secret: Uint8Array;
  log?: (event: object) => void;
}

export interface SubjectKey {
  /** `tag:<tagId>` or `person:<personId>`. */
  readonly subject: string;
  /** 72 random bits: what the subject is called wherever its data lies. */
  readonly handle: string;
  readonly bytes: Buffer;
}

/** Keys of one installation, 170 bytes of disk and 400 of memory each. Beyond it new subjects are as good as erased: nothing of them is kept. */
export const MAX_KEYS = 1_000_000;

/** How soon an erasure by one process is known in the others. */
const LOOK_EVERY_MS = 50;

/** Subjects whose last handles are remembered for clearing up after them. */
const MAX_FORMER = 1_000;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const HANDLE_BYTES = 9;
const MAX_SUBJECT_BYTES = 80;
const MARK_BYTES = 8;
const PLAIN_BYTES = 1 + MAX_SUBJECT_BYTES + HANDLE_BYTES + KEY_BYTES;
const RECORD_BYTES = MARK_BYTES + NONCE_BYTES + TAG_BYTES + PLAIN_BYTES;
const NOTHING = Buffer.alloc(RECORD_BYTES);

const datasync = promisify(fs.fdatasync);

interface Held extends SubjectKey {
  /** Where its record stands in the ring; two processes may have made one each, the first counts. */
  slots: number[];
}

const PERSON = "person:";

/** How people are named in the ring; to the store it is whoever speaks. */
export function personSubject(id: string): string {
  return `${PERSON}${id}`;
}

export function tagSubject(tagId: string): string {
  return `tag:${tagId}`;
}

/** Whose key seals as a whole what processes tell each other and nobody keeps. It ends with every erasure: who recorded that has nothing of the erased either. */
export const ON_THE_WAY = "on the way";

export class KeyRing {
  readonly #wrapping: Buffer;
  readonly #naming: Buffer;
  /** Read and overwritten in place; appended to through a descriptor of its own, for the kernel puts appended bytes at the end whoever else writes. */
  readonly #ring: number | null;
  readonly #ringEnd: number | null;
  readonly #journal: number | null;
  readonly #folder: string;
  readonly #bySubject = new Map<string, Held>();
  readonly #byHandle = new Map<string, Held>();
  /** Hashes of subjects that are erased, and handles that must not come back. */
  readonly #erased = new Set<string>();
  readonly #dead = new Set<string>();
  readonly #former = new Map<string, Held[]>();
  /** In memory only: what stands in records otherwise. */
  readonly #marks = new Map<string, number>();
  readonly #timer: NodeJS.Timeout | null = null;
  /** Null after one came or went. */
  #people: string[] | null = null;
  #ringRead = 0;
  #journalRead = 0;
  #syncing: Promise<void> | null = null;
  #syncAgain: Promise<void> | null = null;
  #damaged = 0;
  #refused = 0;

  private constructor({ folder, secret }: KeyRingOptions) {
    const derive = (purpose: string) => Buffer.from(hkdfSync("sha256", secret, "konferenco keys", purpose, KEY_BYTES));
    this.#wrapping = derive("records");
    this.#naming = derive("erased");
    this.#folder = folder ?? "memory";
    if (folder === null) {
      this.#ring = this.#ringEnd = this.#journal = null;
      return;
    }
    // A folder for each secret: an installation that begins anew finds nothing of the one before.
    const own = path.join(folder, derive("folder").toString("hex", 0, 8));
    try {
      fs.mkdirSync(own, { recursive: true, mode: 0o700 });
      this.#ringEnd = fs.openSync(path.join(own, "ring"), "a", 0o600);
      this.#ring = fs.openSync(path.join(own, "ring"), "r+");
      this.#journal = fs.openSync(path.join(own, "erased"), "a+", 0o600);
    } catch (error) {
      throw new ConfigError(`the folder of keys ${own} cannot be used (${systemCode(error)}): ${remedyFor(error, own)}`, { cause: error });
    }
    this.#folder = own;
    this.#cutTornEnd();
    this.#readRing();
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Opens the ring, and erases again what an older copy of it has brought back. Throws `ConfigError` for a folder that cannot be used. */
  static async open(options: KeyRingOptions): Promise<KeyRing> {
    if (options.secret.length < KEY_BYTES) throw new ConfigError(`the secret has ${options.secret.length} bytes and needs at least ${KEY_BYTES}`);
    const ring = new KeyRing(options);
    if (ring.#damaged > 0) options.log?.({ event: "keys damaged", records: ring.#damaged, remedy: "what they sealed is gone, as if erased: import these people again" });
    await ring.#shredFormer();
    return ring;
  }

  /** Keys that end with the process, for a store that does too. */
  static inMemory(): KeyRing {
    return new KeyRing({ folder: null, secret: randomBytes(KEY_BYTES) });
  }

  stats(): { keys: number; erased: number; damaged: number; refused: number } {
    return { keys: this.#bySubject.size, erased: this.#erased.size, damaged: this.#damaged, refused: this.#refused };
  }

  /** The subject's key, made when there is none. Null: the subject is erased, and nothing of it is to be kept. Made keys are on disk after `sync`. */
  keyFor(subject: string): SubjectKey | null {
    return this.held(subject) ?? (this.isErased(subject) ? null : this.#make(subject));
  }

  /** The same for a subject that comes back on purpose: a person who is registered again, a tag that is handed out again. */
  keyAnew(subject: string): SubjectKey | null {
    return this.held(subject) ?? this.#make(subject);
  }

  /** The key of the subject, if it has one. */
  held(subject: string): SubjectKey | null {
    if (!this.#bySubject.has(subject)) this.#readRing(); // another process may have made it
    return this.#bySubject.get(subject) ?? null;
  }

  /** Whose handle this is; null: erased, or never ours. */
  find(handle: string): SubjectKey | null {
    const known = this.#byHandle.get(handle);
    if (known !== undefined || this.#dead.has(handle)) return known ?? null;
    this.#readRing(); // another process may have made it
    return this.#byHandle.get(handle) ?? null;
  }

  has(handle: string): boolean {
    return this.#byHandle.has(handle);
  }

  /** True for a handle whose key was erased on purpose, as opposed to one that is missing. */
  isDead(handle: string): boolean {
    return this.#dead.has(handle);
  }

  /** Whose handle it is or was until lately: for telling others who is gone. */
  lately(handle: string): string | null {
    const known = this.find(handle);
    if (known !== null) return known.subject;
    for (const [subject, keys] of this.#former) if (keys.some((key) => key.handle === handle)) return subject;
    return null;
  }

  /** The subject's handle and those that it had until lately: for clearing up where it lay. */
  handlesOf(subject: string): string[] {
    const now = this.#bySubject.get(subject);
    return [...(now === undefined ? [] : [now.handle]), ...(this.#former.get(subject) ?? []).map(({ handle }) => handle)];
  }

  isErased(subject: string): boolean {
    if (this.#erased.size === 0 || this.#bySubject.has(subject) || !this.#erased.has(this.#hashOf(subject))) return false;
    return this.held(subject) === null; // another process may have handed it out anew
  }

  /** Grows with every erasure that is known here, also of other processes: who keeps something by subject looks again when it has. */
  get erasures(): number {
    return this.#erased.size + this.#dead.size;
  }

  /** Ids of all people and speakers that have a key, in their order. */
  people(): readonly string[] {
    this.#readRing();
    this.#people ??= [...this.#bySubject.keys()].flatMap((subject) => (subject.startsWith(PERSON) ? [subject.slice(PERSON.length)] : [])).sort();
    return this.#people;
  }

  /**
   * Forgets the keys at once, and the one of what is on the way; when it resolves they are in no file of ours. `forGood` marks the subject as
   * erased until `keyAnew`, else a new key is made when it is next heard of. Rejected: it is forgotten here, but ask again until it resolves.
   */
  async erase(subjects: readonly string[], { forGood }: { forGood: boolean }): Promise<void> {
    this.#readRing();
    const lines: string[] = [];
    for (const subject of subjects) {
      const hash = this.#hashOf(subject);
      this.#forget(subject);
      if (forGood) this.#erased.add(hash);
      const keys = this.#former.get(subject) ?? [];
      for (const { handle } of keys) lines.push(`${forGood ? hash : "-"} ${handle}\n`);
      if (keys.length === 0 && forGood) lines.push(`${hash} -\n`);
    }
    // Last, so that who reads of the next key's beginning has read whom it leaves out.
    this.#forget(ON_THE_WAY);
    for (const { handle } of this.#former.get(ON_THE_WAY) ?? []) lines.push(`- ${handle}\n`);
    if (this.#journal === null || lines.length === 0) return;
    await this.#onDisk(async () => {
      fs.writeSync(this.#journal as number, lines.join(""));
      await datasync(this.#journal as number);
      await this.#shredFormer();
    });
  }

  /** A number that only grows, kept beside the key: how far what was acknowledged about the subject had come. On disk after `sync`. */
  mark(subject: string, number: number): void {
    const key = this.#bySubject.get(subject);
    if (key === undefined || this.markOf(subject) >= number) return;
    if (this.#ring === null) return void this.#marks.set(key.handle, number);
    const bytes = Buffer.alloc(MARK_BYTES);
    bytes.writeDoubleBE(number);
    this.#written(() => fs.writeSync(this.#ring as number, bytes, 0, MARK_BYTES, (key.slots[0] as number) * RECORD_BYTES));
  }

  /** 0 when nothing was marked. */
  markOf(subject: string): number {
    const key = this.#bySubject.get(subject);
    if (key === undefined) return 0;
    if (this.#ring === null) return this.#marks.get(key.handle) ?? 0;
    const bytes = Buffer.alloc(MARK_BYTES);
    fs.readSync(this.#ring, bytes, 0, MARK_BYTES, (key.slots[0] as number) * RECORD_BYTES);
    return bytes.readDoubleBE();
  }

  /** Resolves when everything made and marked until now is on disk. Calls that come together share a sync. */
  async sync(): Promise<void> {
    if (this.#ring === null) return;
    if (this.#syncing === null) this.#syncing = this.#onDisk(() => datasync(this.#ring as number)).finally(() => (this.#syncing = null));
    else return (this.#syncAgain ??= this.#syncing.catch(() => undefined).then(() => ((this.#syncAgain = null), this.sync())));
    return this.#syncing;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const file of [this.#ring, this.#ringEnd, this.#journal]) if (file !== null) fs.closeSync(file);
  }

  // --- what is sealed -----------------------------------------------------------------------------

  /** `handle[+handle]:base64url`: opens only while all the keys are there. */
  seal(keys: readonly SubjectKey[], plain: string): string {
    const nonce = freshNonce();
    const cipher: CipherGCM = createCipheriv("aes-256-gcm", keyOfAll(keys), nonce);
    const sealed = Buffer.concat([nonce, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return `${keys.map(({ handle }) => handle).join("+")}:${sealed.toString("base64url")}`;
  }

  /** Null: one of the keys is erased, or the bytes are not ours. */
  open(text: string): string | null {
    const colon = text.indexOf(":");
    const keys = handlesIn(text).map((handle) => this.find(handle));
    if (colon === -1 || keys.includes(null)) return null;
    return unseal(keyOfAll(keys as SubjectKey[]), Buffer.from(text.slice(colon + 1), "base64url"))?.toString("utf8") ?? null;
  }

  // --- files --------------------------------------------------------------------------------------

  #make(subject: string): SubjectKey | null {
    const name = Buffer.from(subject);
    if (name.length > MAX_SUBJECT_BYTES || this.#bySubject.size >= MAX_KEYS) {
      this.#refused++;
      return null;
    }
    const random = randomBytes(HANDLE_BYTES + KEY_BYTES);
    const made: Held = { subject, handle: random.toString("base64url", 0, HANDLE_BYTES), bytes: random.subarray(HANDLE_BYTES), slots: [] };
    if (this.#ring === null) {
      this.#keep(made);
      return made;
    }
    const plain = Buffer.alloc(PLAIN_BYTES);
    plain.writeUInt8(name.length);
    name.copy(plain, 1);
    random.copy(plain, 1 + MAX_SUBJECT_BYTES);
    const nonce = freshNonce();
    const cipher: CipherGCM = createCipheriv("aes-256-gcm", this.#wrapping, nonce);
    const record = Buffer.concat([Buffer.alloc(MARK_BYTES), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    this.#written(() => {
      if (fs.writeSync(this.#ringEnd as number, record) === RECORD_BYTES) return;
      this.#cutTornEnd();
      throw Object.assign(new Error("only part of a key could be written"), { code: "ENOSPC" });
    });
    this.#readRing(); // ours, unless another process was faster: then it is theirs
    return this.#bySubject.get(subject) ?? null;
  }

  /** A record that a full disk has cut off would put all that follow out of step. */
  #cutTornEnd(): void {
    if (this.#ring === null) return;
    const { size } = fs.fstatSync(this.#ring);
    if (size % RECORD_BYTES !== 0) fs.ftruncateSync(this.#ring, size - (size % RECORD_BYTES));
  }

  /** Takes in the records that were appended since. */
  #readRing(): void {
    if (this.#ring === null) return;
    const { size } = fs.fstatSync(this.#ring);
    const until = Math.floor(size / RECORD_BYTES);
    if (until <= this.#ringRead) return;
    const bytes = Buffer.alloc((until - this.#ringRead) * RECORD_BYTES);
    fs.readSync(this.#ring, bytes, 0, bytes.length, this.#ringRead * RECORD_BYTES);
    // The line that ended a key was written before the record of the next one. While opening the journal comes second: what an older copy has brought back is to be found first.
    if (this.#timer !== null) this.#look();
    for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
      const slot = this.#ringRead++;
      const record = bytes.subarray(at, at + RECORD_BYTES);
      if (record.equals(NOTHING)) continue;
      const plain = unseal(this.#wrapping, record.subarray(MARK_BYTES));
      if (plain === null) {
        this.#damaged++;
        continue;
      }
      const subject = plain.toString("utf8", 1, 1 + plain.readUInt8());
      const before = this.#bySubject.get(subject);
      if (before === undefined) this.#keep({ subject, handle: plain.toString("base64url", 1 + MAX_SUBJECT_BYTES, 1 + MAX_SUBJECT_BYTES + HANDLE_BYTES), bytes: Buffer.from(plain.subarray(1 + MAX_SUBJECT_BYTES + HANDLE_BYTES)), slots: [slot] });
      else before.slots.push(slot);
    }
  }

  /** Takes in what other processes have erased, or what an older copy of the ring has brought back. */
  #look(): void {
    if (this.#journal === null) return;
    const { size } = fs.fstatSync(this.#journal);
    if (size <= this.#journalRead) return;
    const bytes = Buffer.alloc(size - this.#journalRead);
    fs.readSync(this.#journal, bytes, 0, bytes.length, this.#journalRead);
    const whole = bytes.lastIndexOf(10) + 1;
    this.#journalRead += whole;
    for (const line of bytes.toString("latin1", 0, whole).split("\n")) {
      const [hash = "", handle = ""] = line.split(" ");
      if (hash !== "" && hash !== "-") this.#erased.add(hash);
      if (handle === "" || handle === "-") continue;
      this.#dead.add(handle);
      const key = this.#byHandle.get(handle);
      if (key !== undefined) this.#forget(key.subject);
    }
    // Who wrote the line overwrites the record too, unless they could not.
    if (this.#timer !== null) this.#shredFormer().catch(() => undefined);
  }

  #keep(key: Held): void {
    if (this.#dead.has(key.handle)) return;
    if (key.subject.startsWith(PERSON)) this.#people = null;
    this.#bySubject.set(key.subject, key);
    this.#byHandle.set(key.handle, key);
  }

  #forget(subject: string): void {
    const key = this.#bySubject.get(subject);
    if (key === undefined) return;
    if (subject.startsWith(PERSON)) this.#people = null;
    this.#bySubject.delete(subject);
    this.#byHandle.delete(key.handle);
    this.#marks.delete(key.handle);
    this.#dead.add(key.handle);
    if (subject === ON_THE_WAY && key.slots.length === 0) return; // nothing lies anywhere under it
    this.#former.set(subject, [...(this.#former.get(subject) ?? []), key]);
    if (this.#former.size <= MAX_FORMER) return;
    const done = [...this.#former].find(([, keys]) => keys.every(({ slots }) => slots.length === 0));
    if (done !== undefined) this.#former.delete(done[0]);
  }

  /** Overwrites the records of forgotten keys; what fails is tried again with the next erasure. */
  async #shredFormer(): Promise<void> {
    if (this.#ring === null) return;
    const keys = [...this.#former.values()].flat().filter(({ slots }) => slots.length > 0);
    if (keys.length === 0) return;
    for (const { slots } of keys) for (const slot of slots) fs.writeSync(this.#ring, NOTHING, 0, RECORD_BYTES, slot * RECORD_BYTES);
    await datasync(this.#ring);
    for (const key of keys) {
      key.slots = [];
      key.bytes.fill(0);
    }
    // Nobody asks where that lay, and there is another one after each erasure.
    if (this.#former.get(ON_THE_WAY)?.every(({ slots }) => slots.length === 0) === true) this.#former.delete(ON_THE_WAY);
  }

  #hashOf(subject: string): string {
    return createHmac("sha256", this.#naming).update(subject).digest("base64url").slice(0, 22);
  }

  #written(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  async #onDisk(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  #unavailable(error: unknown): StoreUnavailable {
    return new StoreUnavailable(`keys cannot be kept in ${this.#folder} (${systemCode(error) || String(error)}): ${remedyFor(error, this.#folder)}`, { cause: error });
  }
}

/** For whom a sealed text is, by handles. */
export function handlesIn(text: string): string[] {
  return text.slice(0, Math.max(0, text.indexOf(":"))).split("+");
}

/** What is about two opens with both keys only: erasing either ends it. */
function keyOfAll(keys: readonly SubjectKey[]): Buffer {
  const [first, ...others] = keys as [SubjectKey, ...SubjectKey[]];
  return others.reduce((sum, key) => createHmac("sha256", sum).update(key.bytes).digest(), first.bytes);
}

function unseal(key: Buffer, bytes: Buffer): Buffer | null {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  try {
    const decipher: DecipherGCM = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return null; // erased, damaged, or somebody else's
  }
}

// Random nonces: one key seals some 10^5 texts, far below the 2^32 up to which chance holds (NIST SP 800-38D, 8.3).
const pool = Buffer.alloc(NONCE_BYTES * 512);
let pooled = pool.length;
function freshNonce(): Buffer {
  if (pooled === pool.length) {
    randomBytes(pool.length).copy(pool);
    pooled = 0;
  }
  return Buffer.from(pool.subarray(pooled, (pooled += NONCE_BYTES)));
}
