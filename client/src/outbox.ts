import { ConnectionClosed, RefusedByServer, type Clock, type Refusal } from "./options.ts";
import type { MessagePriority, OutboxStore, QueuedMessage } from "./outbox-store.ts";

/** Requirement E16. At 4 KB each, the most that chat allows, 4 MB; a phone's IndexedDB has room for hundreds. */
const MAX_MESSAGES = 1_000;
const KEEP_MS = 7 * 86_400_000;
/** Not with the server for so long, a message is shown as failed. It still goes out when the link is back. */
const FAILED_AFTER_MS = 30_000;
/** The server knows keys for 24 h. What left longer ago than this and got no answer would perhaps be said twice: only a person sends it again. */
const SURE_MS = 23 * 3_600_000;
/** On their way at once; the server takes ten frames a second and 40 in a burst, and other calls want to pass too. */
const MAX_ON_THEIR_WAY = 8;
/** Overdue and old messages are looked for this often, while there are any. */
const LOOK_EVERY_MS = 5_000;
/** What the server could not take now is offered again after this, when it does not say itself. */
const AGAIN_AFTER_MS = 2_000;

const RANK: Record<MessagePriority, number> = { critical: 0, high: 1, normal: 2, low: 3 };

/** How a message stands. `waiting`: for the link or its turn. `failed`: 30 s without an answer, or refused for good (`refusal`). */
export interface OutgoingMessage extends QueuedMessage {
  status: "waiting" | "sending" | "failed";
  refusal: Refusal | null;
}

interface Entry {
  message: QueuedMessage;
  status: OutgoingMessage["status"];
  refusal: Refusal | null;
  isOnItsWay: boolean;
  settle: { resolve: () => void; reject: (error: Error) => void }[];
}

interface OutboxOptions {
  clock: Clock;
  store: OutboxStore;
  /** Resolves when the server has it. */
  send: (message: QueuedMessage) => Promise<void>;
  onChange: (messages: OutgoingMessage[]) => void;
}

/** Messages on their way to the server, by priority and then in the order in which they were written; they survive the link and the page. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #entries = new Map<string, Entry>();
  #isUp = false;
  #isClosed = false;
  #onTheirWay = 0;
  #pausedUntilMs = 0;
  #timer: unknown = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
    // A store that cannot be read holds nothing back: what is written now is sent all the same.
    options.store.load().then((messages) => this.#restore(messages), () => {});
  }

  messages(): OutgoingMessage[] {
    return this.#sorted().map(({ message, status, refusal }) => ({ ...message, status, refusal }));
  }

  /** Resolves when the server has it; rejects when it is refused for good, or pushed out by others. */
  add(message: QueuedMessage): Promise<void> {
    const known = this.#entries.get(message.key);
    if (known === undefined && !this.#makeRoom(message)) return Promise.reject(new ConnectionClosed(`${MAX_MESSAGES} messages wait`));
    const done = new Promise<void>((resolve, reject) => {
      const settle = { resolve, reject };
      if (known === undefined) this.#entries.set(message.key, newEntry(message, [settle]));
      else known.settle.push(settle);
    });
    this.#keep(message);
    this.#goOn();
    this.#changed();
    return done;
  }

  /** Once more, also what was refused or is of an uncertain past. */
  resend(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.isOnItsWay) return;
    entry.message = { ...entry.message, writtenAtMs: this.#options.clock.nowMs(), sentAtMs: null };
    entry.status = "waiting";
    entry.refusal = null;
    this.#keep(entry.message);
    this.#goOn();
    this.#changed();
  }

  /** Not to be sent any more. What has left cannot be called back. */
  discard(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#drop(entry, new ConnectionClosed("discarded"));
    this.#changed();
  }

  up(): void {
    this.#isUp = true;
    this.#goOn();
  }

  down(): void {
    this.#isUp = false;
  }

  close(): void {
    this.#isClosed = true;
    this.#options.clock.clearTimer(this.#timer);
    for (const { settle } of this.#entries.values()) for (const { reject } of settle) reject(new ConnectionClosed("the connection was closed"));
  }

  #restore(messages: QueuedMessage[]): void {
    if (this.#isClosed || messages.length === 0) return;
    for (const message of messages) if (!this.#entries.has(message.key)) this.#entries.set(message.key, newEntry(message, []));
    this.#look();
    this.#goOn();
    this.#changed();
  }

  #goOn(): void {
    if (this.#isClosed) return;
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#isUp && nowMs >= this.#pausedUntilMs) {
      for (const entry of this.#sorted()) {
        if (this.#onTheirWay >= MAX_ON_THEIR_WAY) break;
        if (mayLeave(entry, nowMs)) this.#send(entry);
      }
    }
    clock.clearTimer(this.#timer);
    if (this.#entries.size === 0) return;
    const pauseMs = this.#pausedUntilMs - nowMs;
    this.#timer = clock.setTimer(() => {
      if (this.#look()) this.#changed();
      this.#goOn();
    }, pauseMs > 0 ? Math.min(pauseMs, LOOK_EVERY_MS) : LOOK_EVERY_MS);
  }

  #send(entry: Entry): void {
    entry.isOnItsWay = true;
    if (entry.status === "waiting") entry.status = "sending";
    this.#onTheirWay++;
    if (entry.message.sentAtMs === null) {
      entry.message = { ...entry.message, sentAtMs: this.#options.clock.nowMs() };
      this.#keep(entry.message);
    }
    this.#options.send(entry.message).then(
      () => this.#answered(entry, null),
      (error: unknown) => this.#answered(entry, error as Error),
    );
  }

  #answered(entry: Entry, error: Error | null): void {
    entry.isOnItsWay = false;
    this.#onTheirWay--;
    if (this.#isClosed) return;
    if (error === null) this.#drop(entry, null);
    else if (error instanceof RefusedByServer && !error.retryable) {
      entry.status = "failed";
      entry.refusal = error.refusal;
      for (const { reject } of entry.settle.splice(0)) reject(error);
    } else {
      if (entry.status === "sending") entry.status = "waiting";
      const afterMs = error instanceof RefusedByServer ? error.afterMs : null;
      this.#pausedUntilMs = this.#options.clock.nowMs() + (afterMs ?? AGAIN_AFTER_MS);
    }
    this.#goOn();
    this.#changed();
  }

  /** Marks what is overdue and drops what is too old; true if there was any. */
  #look(): boolean {
    const nowMs = this.#options.clock.nowMs();
    let hasChanged = false;
    for (const entry of this.#entries.values()) {
      const { writtenAtMs, ttlS } = entry.message;
      const ageMs = nowMs - writtenAtMs;
      if (ageMs > Math.min(KEEP_MS, ttlS === undefined ? KEEP_MS : ttlS * 1_000)) this.#drop(entry, new ConnectionClosed("too old to be sent"));
      else if (ageMs >= FAILED_AFTER_MS && entry.status !== "failed") entry.status = "failed";
      else continue;
      hasChanged = true;
    }
    return hasChanged;
  }

  /** At the bound the least urgent and oldest goes, if it is less urgent than the new one. */
  #makeRoom(message: QueuedMessage): boolean {
    if (this.#entries.size < MAX_MESSAGES) return true;
    const least = [...this.#entries.values()].filter((entry) => !entry.isOnItsWay).toSorted((a, b) => RANK[b.message.priority] - RANK[a.message.priority] || a.message.writtenAtMs - b.message.writtenAtMs)[0];
    if (least === undefined || RANK[least.message.priority] <= RANK[message.priority]) return false;
    this.#drop(least, new ConnectionClosed("pushed out by a more urgent message"));
    return true;
  }

  #drop(entry: Entry, error: Error | null): void {
    this.#entries.delete(entry.message.key);
    this.#options.store.remove(entry.message.key).catch(() => {});
    for (const { resolve, reject } of entry.settle.splice(0)) {
      if (error === null) resolve();
      else reject(error);
    }
  }

  #keep(message: QueuedMessage): void {
    this.#options.store.put(message).catch(() => {});
  }

  #sorted(): Entry[] {
    // Sorting is stable: within a priority the order of writing stays.
    return [...this.#entries.values()].toSorted((a, b) => RANK[a.message.priority] - RANK[b.message.priority] || a.message.writtenAtMs - b.message.writtenAtMs);
  }

  #changed(): void {
    if (!this.#isClosed) this.#options.onChange(this.messages());
  }
}

function newEntry(message: QueuedMessage, settle: Entry["settle"]): Entry {
  return { message, status: "waiting", refusal: null, isOnItsWay: false, settle };
}

function mayLeave({ message, isOnItsWay, refusal }: Entry, nowMs: number): boolean {
  const isSure = message.sentAtMs === null || nowMs - message.sentAtMs < SURE_MS;
  return !isOnItsWay && refusal === null && isSure;
}
