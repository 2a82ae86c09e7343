import { KeyedBuckets, type Rate } from "../core/token-bucket.ts";
import type { Pinboard } from "./pinboard.ts";

/** Notes, about 500 bytes each; the oldest goes when one more is pinned. */
const MAX_NOTES = 20_000;
/** Names of one rate, about 200 bytes each; the oldest is forgotten, which can only be kinder than the rate. */
const MAX_NAMES = 10_000;

export function newInProcessPinboard(nowMs: () => number): Pinboard {
  const notes = new Map<string, { note: string; untilMs: number }>();
  const buckets = new Map<string, KeyedBuckets>();
  return {
    async pin(name, note, forMs) {
      notes.delete(name);
      notes.set(name, { note, untilMs: nowMs() + forMs });
      if (notes.size <= MAX_NOTES) return;
      const [oldest] = notes.keys();
      if (oldest !== undefined) notes.delete(oldest);
    },
    async take(name) {
      const found = notes.get(name);
      notes.delete(name);
      return found === undefined || found.untilMs <= nowMs() ? null : found.note;
    },
    async pass(name, rate: Rate) {
      const of = `${rate.perS} ${rate.burst}`;
      const known = buckets.get(of) ?? new KeyedBuckets(rate, MAX_NAMES);
      buckets.set(of, known);
      return known.take(name, nowMs());
    },
    close: async () => undefined,
  };
}
