/** A rate with a burst: `take` says whether one more is within it. 24 bytes per bucket. */
export interface TokenBucket {
  tokens: number;
  atMs: number;
}

export interface Rate {
  perS: number;
  burst: number;
}

export function newBucket(rate: Rate, nowMs: number): TokenBucket {
  return { tokens: rate.burst, atMs: nowMs };
}

/** 0: taken. Otherwise the milliseconds until one is there. */
export function takeToken(bucket: TokenBucket, rate: Rate, nowMs: number): number {
  bucket.tokens = tokensAt(bucket, rate, nowMs);
  bucket.atMs = nowMs;
  const waitMs = tokenWaitMs(bucket, rate, nowMs);
  if (waitMs === 0) bucket.tokens -= 1;
  return waitMs;
}

/** What `takeToken` would say; nothing is taken. */
function tokenWaitMs(bucket: TokenBucket, rate: Rate, nowMs: number): number {
  const there = tokensAt(bucket, rate, nowMs);
  return there >= 1 ? 0 : Math.ceil(((1 - there) / rate.perS) * 1_000);
}

/** True if it has nothing to remember any more. */
export function isFull(bucket: TokenBucket, rate: Rate, nowMs: number): boolean {
  return tokensAt(bucket, rate, nowMs) >= rate.burst;
}

function tokensAt({ tokens, atMs }: TokenBucket, { perS, burst }: Rate, nowMs: number): number {
  return Math.min(burst, tokens + (Math.max(0, nowMs - atMs) / 1_000) * perS);
}

/** Buckets by key. At `capacity` the oldest key is forgotten, which can only be kinder than the rate. */
export class KeyedBuckets {
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #rate: Rate;
  readonly #capacity: number;

  constructor(rate: Rate, capacity: number) {
    this.#rate = rate;
    this.#capacity = capacity;
  }

  /** What `take` would say; nothing is taken. */
  waitMs(key: string, nowMs: number): number {
    const bucket = this.#buckets.get(key);
    return bucket === undefined ? 0 : tokenWaitMs(bucket, this.#rate, nowMs);
  }

  take(key: string, nowMs: number): number {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = newBucket(this.#rate, nowMs);
    } else {
      this.#buckets.delete(key); // to the end: the map's order is the order of last use
    }
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#capacity) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return takeToken(bucket, this.#rate, nowMs);
  }
}
