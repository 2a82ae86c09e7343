import { KeyedBuckets, type Rate } from "../core/token-bucket.ts";
import type { Pinboard } from "./pinboard.ts";

/** Notes, about 500 bytes each; the oldest goes when one more is pinned. */
const MAX_NOTES = 20_000;
/** Names of one rate, about 200 bytes each; the oldest is forgotten, which can only be kinder than the rate. */
const MAX_NAMES = 10_000;
/** Tallies, 40 bytes a member; as many as a schedule has sessions, and as many again; beyond, the oldest begins anew. */
const MAX_TALLIES = 10_000;

export function newInProcessPinboard(nowMs: () => number): Pinboard {
  const notes = new Map<string, { note: string; untilMs: number }>();
  const buckets = new Map<string, KeyedBuckets>();
  const tallies = new Map<string, { members: Set<string>; settled: number | null; most: number; untilMs: number }>();
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
    async tally(name, { members, most, isLast }, forMs) {
      const found = tallies.get(name);
      const tally = found !== undefined && found.untilMs > nowMs() ? found : { members: new Set<string>(), settled: null, most: 0, untilMs: 0 };
      tallies.delete(name); // to the end: the map's order is the order of last use
      tallies.set(name, tally);
      const [oldest] = tallies.keys();
      if (tallies.size > MAX_TALLIES && oldest !== undefined) tallies.delete(oldest);
      tally.untilMs = nowMs() + forMs;
      tally.most = Math.max(tally.most, most);
      if (tally.settled === null) for (const member of members) tally.members.add(member);
      const count = tally.settled ?? tally.members.size;
      if (isLast) {
        tally.settled = count;
        tally.members.clear();
      }
      return { members: count, most: tally.most };
    },
    async untally(name, member) {
      tallies.get(name)?.members.delete(member);
    },
    close: async () => undefined,
  };
}
