import { StoreUnavailable, type Position, type ProximityTransition, type TagId, type ZoneTransition } from "@konferenco/protocol";
import { emptyBatch, type CommitBatch, type Store } from "./store/store.ts";

/** What one tick gives to the store: a batch, then tags to be dropped after it. */
export interface Commit {
  batch: CommitBatch;
  droppedTags: TagId[];
  nowMs: number;
}

/** Ticks kept apart while the store lags: 10 s at two a second. Beyond, they are merged and only the latest position of a tag is kept. */
export const MAX_SEPARATE_COMMITS = 20;
/** Transitions kept while the store is away, about 200 B each: 40 MB, or some 30 min of a fair of 10,000. Beyond, the oldest go and are counted. */
const MAX_QUEUED_TRANSITIONS = 200_000;
/** Pauses between attempts while the store is away. */
const RETRY_MS = [50, 100, 200, 500, 1_000, 2_000];

/**
 * Commits to the store in order, one at a time, with a bound. Positions are latest-wins when the
 * store lags; transitions are kept. While the store is unavailable it is tried again until it is back.
 */
export class CommitQueue {
  readonly #store: Store;
  readonly #log: (event: object) => void;
  readonly #maxSeparateCommits: number;
  #waiting: Commit[] = [];
  #running: Promise<void> | null = null;
  #closing = false;
  #wake: (() => void) | null = null;
  #counts = { commits: 0, retries: 0, mergedPositions: 0, droppedTransitions: 0 };
  #storeAway = false;

  constructor(options: { store: Store; log: (event: object) => void; maxSeparateCommits?: number }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#maxSeparateCommits = options.maxSeparateCommits ?? MAX_SEPARATE_COMMITS;
  }

  push(commit: Commit): void {
    this.#waiting.push(commit);
    if (this.#waiting.length > this.#maxSeparateCommits) this.#mergeOldest();
    this.#running ??= this.#run();
  }

  /** Resolves when everything pushed so far is stored. */
  async flush(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Stores what waits, but does not wait for a store that is away. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake?.();
    await this.flush();
  }

  stats(): { waiting: number; storeAway: boolean; commits: number; retries: number; mergedPositions: number; droppedTransitions: number } {
    return { waiting: this.#waiting.length, storeAway: this.#storeAway, ...this.#counts };
  }

  async #run(): Promise<void> {
    // The caller's turn ends first, so that everything of one tick is pushed before the store is asked.
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0) {
        const commit = this.#waiting.shift() as Commit;
        if (!(await this.#commitWithRetries(commit))) return;
      }
    } finally {
      this.#running = null;
    }
  }

  /** False when the queue closes while the store is away: what waits is then lost, and said so. */
  async #commitWithRetries(commit: Commit): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#store.commit(commit.batch, commit.nowMs);
        for (const tagId of commit.droppedTags) await this.#store.dropTag(tagId);
        this.#counts.commits++;
        if (this.#storeAway) this.#log({ event: "store-back", attempts: attempt });
        this.#storeAway = false;
        return true;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        this.#counts.retries++;
        if (!this.#storeAway) this.#log({ event: "store-away", reason: error.message, remedy: "fusion keeps transitions and tries again; check the store" });
        this.#storeAway = true;
        if (this.#closing) {
          const lost = this.#waiting.splice(0);
          this.#log({ event: "store-lost-on-close", commits: lost.length + 1 });
          return false;
        }
        await this.#pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] as number);
      }
    }
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #mergeOldest(): void {
    const [first, second] = this.#waiting.splice(0, 2) as [Commit, Commit];
    const merged = mergeCommits(first, second);
    this.#counts.mergedPositions += first.batch.positions.length + second.batch.positions.length - merged.batch.positions.length;
    this.#waiting.unshift(merged);
    const queued = this.#waiting.reduce((sum, { batch }) => sum + batch.zoneTransitions.length + batch.proximityTransitions.length, 0);
    if (queued > MAX_QUEUED_TRANSITIONS) this.#dropTransitions(merged.batch, queued - MAX_QUEUED_TRANSITIONS);
  }

  #dropTransitions(batch: CommitBatch, excess: number): void {
    const zones = Math.min(excess, batch.zoneTransitions.length);
    const pairs = Math.min(excess - zones, batch.proximityTransitions.length);
    batch.zoneTransitions.splice(0, zones);
    batch.proximityTransitions.splice(0, pairs);
    this.#counts.droppedTransitions += zones + pairs;
  }
}

/** Two commits as one: all transitions in order, of each tag and gateway the latest state. */
export function mergeCommits(first: Commit, second: Commit): Commit {
  const positions = latest<Position>(first.batch.positions, second.batch.positions, (position) => position.tagId);
  const dropped = new Set(second.droppedTags);
  const seenAgain = new Set(second.batch.positions.map((position) => position.tagId));
  return {
    batch: {
      ...emptyBatch(),
      alerts: [...first.batch.alerts, ...second.batch.alerts],
      zoneTransitions: concat<ZoneTransition>(first.batch.zoneTransitions, second.batch.zoneTransitions),
      proximityTransitions: concat<ProximityTransition>(first.batch.proximityTransitions, second.batch.proximityTransitions),
      // A tag that the later one drops needs no position any more.
      positions: positions.filter((position) => !dropped.has(position.tagId)),
      gateways: latest(first.batch.gateways, second.batch.gateways, (gateway) => gateway.gatewayId),
    },
    droppedTags: [...first.droppedTags.filter((tagId) => !seenAgain.has(tagId)), ...second.droppedTags],
    nowMs: second.nowMs,
  };
}

function concat<T>(first: T[], second: T[]): T[] {
  return first.concat(second);
}

function latest<T>(first: readonly T[], second: readonly T[], keyOf: (value: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const value of [...first, ...second]) byKey.set(keyOf(value), value);
  return [...byKey.values()];
}
