import type { Rate } from "../core/token-bucket.ts";

/**
 * What all bridges of an event know for a while and nobody needs for ever: tickets, how often somebody has
 * tried, how many have attended. Two adapters, in one process and in Redis; one contract suite (test/contract/pinboard.test.ts). What
 * hangs there is lost with the process or the server, and a note that was taken never comes back. Every method
 * may reject with `StoreUnavailable`.
 */
export interface Pinboard {
  /** In the place of an older note of that name. */
  pin(name: string, note: string, forMs: number): Promise<void>;
  /** The note, which is then gone: of all who ask at once, one gets it. */
  take(name: string): Promise<string | null>;
  /** One more under that name: 0, or the milliseconds until the rate allows it. */
  pass(name: string, rate: Rate): Promise<number>;
  /**
   * Adds what one bridge has seen to what all have. With the last word the numbers stay and the members go; what is said
   * later counts no more. Everything is gone `forMs` after the last time.
   */
  tally(name: string, seen: { members: readonly string[]; most: number; isLast: boolean }, forMs: number): Promise<Tally>;
  /** Takes a member out, as long as members are known. */
  untally(name: string, member: string): Promise<void>;
  close(): Promise<void>;
}

/** How many different members any bridge has seen, and the most that one saw at once. */
export interface Tally {
  members: number;
  most: number;
}
