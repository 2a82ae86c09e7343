import { StoreUnavailable, type Update, type UpdateId } from "@konferenco/protocol";
import type { KeyRing } from "./key-ring.ts";
import { currentEra, epochOf, resumeAfter, type LogExtent } from "./lineage.ts";
import { RedisLink } from "./redis-link.ts";
import { epochNumber, fieldOf, openTold, parseLive, parseLogged, parseStreamId, parseTold, type EventKeys, type Place, type StreamEntry } from "./redis-updates.ts";
import type { FollowEvent } from "./store.ts";

/** What the reader knows of the log beside its entries. */
export interface LogState extends LogExtent {
  /** Number of the newest live entry. */
  live: number;
}

/** When nothing is told for so long we look whether Redis answers and the log is still the same. */
const QUIET_MS = 1_000;

/** Told commits that wait while the streams are read; beyond, they are read there too. */
const MAX_WAITING = 16;

/** Log entries of one read: 200 KB. */
const READ_ENTRIES = 1_000;

/** Pause after a failed round, on top of the link's own reconnecting. */
const RETRY_MS = 100;

/** What the log and the live stream hold after this place. */
type ReadStreams = (count: number, after: Place) => Promise<[string, StreamEntry[]][] | null>;

type Listener = (event: FollowEvent) => void;

/** One update on its way to followers; live ones carry the number of their entry. */
interface Item {
  update: Update;
  live: number | null;
}

interface Follower {
  listener: Listener;
  /** Where it began; null while that is being asked, and what arrives meanwhile waits. */
  from: { offset: number; live: number } | null;
  /** Nothing before its beginning can come any more. */
  passed: boolean;
  waiting: Item[][];
}

/**
 * The one reader of a process: a connection of its own on which each commit is told as a whole as it is stored. What does
 * not follow on what it has (a connection was made anew, a key has ended) it reads from the log and the live stream, in
 * commit order. It survives restarts of Redis: it goes on after the last update that it gave, and says so when some are gone.
 */
export class RedisFeed {
  readonly #address: string;
  readonly #keys: EventKeys;
  readonly #ring: KeyRing;
  readonly #state: () => Promise<LogState>;
  readonly #read: ReadStreams;
  #followers = new Set<Follower>();
  #link: RedisLink | null = null;
  #starting: Promise<void> | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  #brokenRecords = 0;
  #catchUps = 0;
  #isListening = false;
  /** Told while the streams were read. */
  #waiting: string[] = [];
  #lostWaiting = false;
  /** The waiting for what is told; null while the streams are read. */
  #taking: { timer: NodeJS.Timeout; stop(why: "behind" | "quiet"): void } | null = null;
  /** After which update and live entry to read on, and the log as last seen. */
  #cursor = { epoch: "", offset: 0, live: 0 };
  #log: LogState = { lineage: [{ epoch: "", from: 0 }], first: 1, end: 0, live: 0 };

  constructor(options: { address: string; keys: EventKeys; ring: KeyRing; state: () => Promise<LogState>; read: ReadStreams }) {
    this.#address = options.address;
    this.#keys = options.keys;
    this.#ring = options.ring;
    this.#state = options.state;
    this.#read = options.read;
  }

  get followers(): number {
    return this.#followers.size;
  }

  get brokenRecords(): number {
    return this.#brokenRecords;
  }

  /** How often the streams were read, because what was told was not all. */
  get catchUps(): number {
    return this.#catchUps;
  }

  async follow(listener: Listener): Promise<{ close(): Promise<void> }> {
    await (this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = null;
      throw error;
    }));
    // In the set before we know where it begins: nothing can slip through between.
    const follower: Follower = { listener, from: null, passed: false, waiting: [] };
    this.#followers.add(follower);
    try {
      const { end, live } = await this.#state();
      follower.from = { offset: end, live };
    } catch (error) {
      this.#followers.delete(follower);
      throw error;
    }
    for (const items of follower.waiting.splice(0)) this.#give(follower, items);
    return { close: async () => void this.#followers.delete(follower) };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#followers.clear();
    await this.#starting?.catch(() => undefined);
    this.#link?.close();
    this.#taking?.stop("behind");
    await this.#running;
  }

  async #start(): Promise<void> {
    const link = await RedisLink.open(this.#address, "konferenco-feed");
    this.#link = link;
    if (this.#isClosed) return link.close();
    link.client.on("message", (_channel, text) => this.#hear(text));
    link.client.on("close", () => {
      this.#isListening = false;
      this.#taking?.stop("behind");
    });
    try {
      await this.#listen(link);
      this.#log = await this.#state();
    } catch (error) {
      link.close();
      throw error;
    }
    this.#cursor = { epoch: currentEra(this.#log.lineage).epoch, offset: this.#log.end, live: this.#log.live };
    this.#running = this.#follow(link);
  }

  async #listen(link: RedisLink): Promise<void> {
    if (this.#isListening) return;
    await link.run((client) => client.subscribe(this.#keys.told));
    this.#isListening = true;
  }

  async #follow(link: RedisLink): Promise<void> {
    while (!this.#isClosed) {
      try {
        if (!(await link.upWithin(QUIET_MS))) continue;
        await this.#listen(link);
        await this.#catchUp();
        if ((await this.#takeTold()) === "quiet") await link.run((client) => client.ping());
      } catch (error) {
        if (this.#isClosed) return;
        if (!(error instanceof StoreUnavailable)) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  // --- what is told -------------------------------------------------------------------------------

  #hear(text: string): void {
    if (this.#taking !== null) {
      this.#taking.timer.refresh();
      if (!this.#takeOne(text)) this.#taking.stop("behind");
    } else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(text);
    else this.#lostWaiting = true;
  }

  /** Gives what is told as it comes, until it does not follow on what we have, or nothing came for a while. */
  async #takeTold(): Promise<"behind" | "quiet"> {
    // What is passed over here stands in the streams.
    const isWhole = this.#waiting.splice(0).every((text) => this.#takeOne(text)) && !this.#lostWaiting && this.#isListening;
    this.#lostWaiting = false;
    if (!isWhole || this.#isClosed) return "behind";
    return new Promise((resolve) => {
      const stop = (why: "behind" | "quiet") => {
        clearTimeout(timer);
        this.#taking = null;
        resolve(why);
      };
      const timer = setTimeout(stop, QUIET_MS, "quiet");
      this.#taking = { timer, stop };
    });
  }

  /** False: the streams have to be read. */
  #takeOne(text: string): boolean {
    const { epoch, storedAtMs, before, after, sealed } = parseTold(text);
    if (epoch !== currentEra(this.#log.lineage).epoch) return false;
    if (after.offset <= this.#cursor.offset && after.live <= this.#cursor.live) return true; // read from the streams already
    if (before.offset !== this.#cursor.offset || before.live !== this.#cursor.live) return false;
    const parts = openTold(sealed, this.#ring);
    if (parts === null) return false;
    this.#cursor = { epoch, offset: after.offset, live: after.live };
    const items: Item[] = parts.logged.map((body, index) => ({ update: { updateId: { epoch, offset: before.offset + 1 + index }, storedAtMs, body }, live: null }));
    const updateId: UpdateId = { epoch, offset: after.offset };
    for (const position of parts.positions) items.push({ update: { updateId, storedAtMs, body: { kind: "position", position } }, live: after.live });
    for (const gateway of parts.gateways) items.push({ update: { updateId, storedAtMs, body: { kind: "gateway", gateway } }, live: after.live });
    for (const signal of parts.signals) items.push({ update: { updateId, storedAtMs, body: { kind: "signal", signal } }, live: after.live });
    for (const follower of this.#followers) this.#give(follower, items);
    return true;
  }

  // --- the streams --------------------------------------------------------------------------------

  async #catchUp(): Promise<void> {
    await this.#look();
    while (!this.#isClosed && (this.#log.end > this.#cursor.offset || this.#log.live > this.#cursor.live)) {
      const reply = await this.#read(READ_ENTRIES, this.#cursor);
      if (reply === null) return; // live entries have an end of their own
      this.#catchUps++;
      await this.#take(reply);
    }
  }

  /** Is it still the log that we read, and do we stand in it? */
  async #look(): Promise<void> {
    this.#log = await this.#state();
    const { epoch } = currentEra(this.#log.lineage);
    const { offset, gap } = resumeAfter(this.#cursor, this.#log);
    const live = this.#log.live < this.#cursor.live ? 0 : this.#cursor.live;
    this.#cursor = { epoch: gap === null ? this.#cursor.epoch : epoch, offset, live };
    if (gap !== null) this.#tellGap(gap);
    // Standing at or below where the new era begins we lost nothing; above it we are in it.
    if (gap === null && offset >= currentEra(this.#log.lineage).from) this.#cursor.epoch = epoch;
  }

  async #take(reply: [string, StreamEntry[]][]): Promise<void> {
    const entries = new Map(reply);
    let logged = entries.get(this.#keys.log) ?? [];
    if (!this.#isKnown(logged)) {
      const { offset } = this.#cursor;
      await this.#look();
      if (this.#cursor.offset !== offset) return; // what we hold in hand was read from another place
      logged = this.#withoutHole(logged);
    }
    const items: Item[] = [];
    let next = 0;
    const takeLogged = (toOffset: number) => {
      for (let entry = logged[next]; entry !== undefined; entry = logged[++next]) {
        const { number: offset } = parseStreamId(entry[0]);
        if (offset > toOffset) return;
        const update = this.#loggedUpdate(entry[1], offset);
        this.#cursor = { ...this.#cursor, offset, epoch: epochOf(this.#log.lineage, offset) };
        if (update !== null) items.push({ update, live: null });
      }
    };
    let missedLive = false;
    for (const [id, fields] of entries.get(this.#keys.live) ?? []) {
      const { number } = parseStreamId(id);
      const end = Number(fieldOf(fields, "e"));
      takeLogged(end);
      if (end > this.#cursor.offset) {
        // The logged updates of its commit are not here yet, so it waits for the next read. If they are gone, looking moves us on.
        if (logged.length < READ_ENTRIES) await this.#look();
        break;
      }
      if (number > this.#cursor.live + 1 && this.#cursor.live > 0) missedLive = true;
      this.#cursor.live = number;
      for (const update of this.#liveUpdates(fields, end)) items.push({ update, live: number });
    }
    takeLogged(Infinity);
    if (missedLive) this.#tellGap("overflow");
    if (items.length > 0) for (const follower of this.#followers) this.#give(follower, items);
  }

  /** Do the entries follow on what we have, without holes and in the eras that we know? */
  #isKnown(logged: StreamEntry[]): boolean {
    let { offset } = this.#cursor;
    return logged.every(([id]) => {
      const { number, epoch } = parseStreamId(id);
      return number === ++offset && epoch === epochNumber(epochOf(this.#log.lineage, number));
    });
  }

  /** Somebody deleted entries of the log: what stands before the hole, or, when the hole is next, what stands behind it. */
  #withoutHole(logged: StreamEntry[]): StreamEntry[] {
    const numberAt = (i: number) => parseStreamId(logged[i]?.[0] ?? "").number;
    if (numberAt(0) > this.#cursor.offset + 1) {
      this.#cursor.offset = numberAt(0) - 1;
      this.#tellGap("retention");
    }
    return logged.filter((_, i) => numberAt(i) === this.#cursor.offset + 1 + i);
  }

  #loggedUpdate(fields: string[], offset: number): Update | null {
    const body = parseLogged(fieldOf(fields, "b"), this.#ring);
    if (body === null) {
      this.#brokenRecords++;
      return null;
    }
    return { updateId: { epoch: epochOf(this.#log.lineage, offset), offset }, storedAtMs: Number(fieldOf(fields, "t")), body };
  }

  #liveUpdates(fields: string[], offset: number): Update[] {
    const updateId: UpdateId = { epoch: currentEra(this.#log.lineage).epoch, offset };
    const storedAtMs = Number(fieldOf(fields, "t"));
    const { positions, gateways, signals } = parseLive(fields, this.#ring);
    const updates: Update[] = [];
    for (const position of positions) {
      if (position === null) this.#brokenRecords++;
      else if (position !== "erased") updates.push({ updateId, storedAtMs, body: { kind: "position", position } });
    }
    for (const gateway of gateways) {
      if (gateway === null) this.#brokenRecords++;
      else updates.push({ updateId, storedAtMs, body: { kind: "gateway", gateway } });
    }
    for (const signal of signals) {
      if (signal === null) this.#brokenRecords++;
      else if (signal !== "erased") updates.push({ updateId, storedAtMs, body: { kind: "signal", signal } });
    }
    return updates;
  }

  #give(follower: Follower, items: Item[]): void {
    const { from } = follower;
    if (from === null) {
      follower.waiting.push(items);
      return;
    }
    let given = items;
    if (!follower.passed) {
      given = items.filter(({ update, live }) => (live === null ? update.updateId.offset > from.offset : live > from.live));
      follower.passed = this.#cursor.offset >= from.offset && this.#cursor.live >= from.live;
    }
    if (given.length > 0) call(follower.listener, { kind: "updates", updates: given.map((item) => item.update) });
  }

  #tellGap(why: "retention" | "epoch" | "overflow"): void {
    const end = { epoch: currentEra(this.#log.lineage).epoch, offset: this.#cursor.offset };
    for (const follower of this.#followers) {
      follower.passed = true;
      if (follower.from !== null) call(follower.listener, { kind: "gap", why, end });
    }
  }
}

/** A listener that throws is a bug: it ends the process, but not the other followers' turn. */
function call(listener: Listener, event: FollowEvent): void {
  try {
    listener(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
