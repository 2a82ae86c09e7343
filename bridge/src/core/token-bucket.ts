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
  const elapsedS = Math.max(0, nowMs - bucket.atMs) / 1_000;
  bucket.tokens = Math.min(rate.burst, bucket.tokens + elapsedS * rate.perS);
  bucket.atMs = nowMs;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return 0;
  }
  return Math.ceil(((1 - bucket.tokens) / rate.perS) * 1_000);
}

/** True if it has nothing to remember any more. */
export function isFull(bucket: TokenBucket, rate: Rate, nowMs: number): boolean {
  return bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1_000) * rate.perS >= rate.burst;
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
