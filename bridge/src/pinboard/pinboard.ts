import type { Rate } from "../core/token-bucket.ts";

/**
 * What all bridges of an event know for a while and nobody needs for ever: tickets, and how often somebody has
 * tried. Two adapters, in one process and in Redis; one contract suite (test/contract/pinboard.test.ts). What
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
  close(): Promise<void>;
}
