import { StoreUnavailable } from "@konferenco/protocol";
import { RedisLink } from "@konferenco/fusion";
import type { RegistryChange } from "./registry.ts";

/** Redis holds a read that has nothing to give for so long; then we look whether the changes are still the same. */
const BLOCK_MS = 1_000;

/** Changes of one read, 60 bytes each. */
const READ_ENTRIES = 1_000;

const RETRY_MS = 100;

/** Where the changes stand. Another epoch, or a smaller number: some of them are lost. */
export interface ChangesState {
  epoch: string;
  number: number;
}

type Listener = (change: RegistryChange) => void;

interface Follower {
  listener: Listener;
  /** Its first change is the one after; null while that is being asked, and what arrives meanwhile waits. */
  from: number | null;
  waiting: { change: RegistryChange; number: number }[];
}

/**
 * The one reader of a process. It survives restarts of Redis and goes on after the last change that it
 * told; when changes may have been missed, everybody's is told, so that no cache keeps showing what a
 * person has hidden since.
 */
export class RedisPeopleFeed {
  readonly #address: string;
  readonly #stream: string;
  readonly #state: () => Promise<ChangesState>;
  readonly #everybody: () => AsyncIterable<string[]>;
  readonly #idOf: (handle: string) => string | null;
  readonly #followers = new Set<Follower>();
  #starting: Promise<void> | null = null;
  #link: RedisLink | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  #at: ChangesState = { epoch: "", number: 0 };
  #losses = 0;

  constructor(options: { address: string; stream: string; state: () => Promise<ChangesState>; everybody: () => AsyncIterable<string[]>; idOf: (handle: string) => string | null }) {
    this.#address = options.address;
    this.#stream = options.stream;
    this.#state = options.state;
    this.#everybody = options.everybody;
    this.#idOf = options.idOf;
  }

  /** How often changes may have been missed and everybody's was told. */
  get losses(): number {
    return this.#losses;
  }

  async follow(listener: Listener): Promise<{ close(): Promise<void> }> {
    await (this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = null;
      throw error;
    }));
    const follower: Follower = { listener, from: null, waiting: [] };
    this.#followers.add(follower);
    try {
      follower.from = (await this.#state()).number;
    } catch (error) {
      this.#followers.delete(follower);
      throw error;
    }
    for (const { change, number } of follower.waiting.splice(0)) give(follower, change, number);
    return { close: async () => void this.#followers.delete(follower) };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#followers.clear();
    await this.#starting?.catch(() => undefined);
    this.#link?.close();
    await this.#running;
  }

  async #start(): Promise<void> {
    const link = await RedisLink.open(this.#address, "konferenco-registry-feed");
    this.#link = link;
    if (this.#isClosed) return link.close();
    this.#at = await this.#state();
    this.#running = this.#read(link);
  }

  async #read(link: RedisLink): Promise<void> {
    let runId = link.runId;
    while (!this.#isClosed) {
      try {
        if (!(await link.upWithin(BLOCK_MS))) continue;
        if (link.runId !== runId) {
          await this.#look();
          runId = link.runId;
        }
        const reply = await link.run((client) => client.xread("COUNT", READ_ENTRIES, "BLOCK", BLOCK_MS, "STREAMS", this.#stream, `${this.#at.number}-18446744073709551615`));
        const entries = reply?.[0]?.[1] ?? [];
        if (entries.length === 0 || !this.#fits(entries)) await this.#look();
        else for (const [id, fields] of entries) this.#take(Number.parseInt(id, 10), fields);
      } catch (error) {
        if (this.#isClosed) return;
        if (!(error instanceof StoreUnavailable)) throw error;
        runId = null;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #fits(entries: [string, string[]][]): boolean {
    let { number } = this.#at;
    return entries.every(([id]) => id === `${++number}-${Number.parseInt(this.#at.epoch, 16)}`);
  }

  /** Have changes been missed? Then everybody's is told; the place to read on is taken before, so that nothing slips through between. */
  async #look(): Promise<void> {
    const state = await this.#state();
    const oldest = await this.#oldest();
    const isWhole = state.epoch === this.#at.epoch && state.number >= this.#at.number && (state.number === this.#at.number || oldest <= this.#at.number + 1);
    if (isWhole) return;
    for await (const personIds of this.#everybody()) {
      for (const personId of personIds) for (const follower of this.#followers) call(follower.listener, { kind: "person", personId });
    }
    this.#losses++;
    for (const follower of this.#followers) follower.from = Math.min(follower.from ?? state.number, state.number);
    this.#at = state;
  }

  async #oldest(): Promise<number> {
    const link = this.#link as RedisLink;
    const [entry] = await link.run((client) => client.xrange(this.#stream, "-", "+", "COUNT", 1));
    return entry === undefined ? Infinity : Number.parseInt(entry[0], 10);
  }

  #take(number: number, fields: string[]): void {
    this.#at = { ...this.#at, number };
    const [, kind, , handle = "", , tagHandle = ""] = fields;
    const personId = this.#idOf(handle);
    if (personId === null) return; // erased before this process knew of them
    const change: RegistryChange = kind === "erased" ? { kind, personId, tagId: this.#idOf(tagHandle) } : { kind: "person", personId };
    for (const follower of this.#followers) give(follower, change, number);
  }
}

function give(follower: Follower, change: RegistryChange, number: number): void {
  if (follower.from === null) follower.waiting.push({ change, number });
  else if (number > follower.from) call(follower.listener, change);
}

/** A listener that throws is a bug: it ends the process, but not the other followers' turn. */
function call(listener: Listener, change: RegistryChange): void {
  try {
    listener(change);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
