import { createHash, randomBytes } from "node:crypto";
import type { Bearer } from "./config.ts";

export const TICKET_LIFETIME_MS = 10 * 60_000;
/** Tickets not yet redeemed, about 200 bytes each; the oldest goes when one more is issued. */
const MAX_TICKETS = 10_000;
/** A stream may be taken up again by its own ticket for as long as a session lasts. */
const STREAM_LIFETIME_MS = 12 * 60 * 60_000;

/** Single-use tickets for links. Only their hashes are kept, so that a dump of memory opens nothing. */
export class Tickets {
  readonly #byHash = new Map<string, { who: Bearer; expiresAtMs: number }>();
  readonly #streams = new Map<string, { who: Bearer; expiresAtMs: number }>();

  issue(who: Bearer, nowMs: number): string {
    for (const [hash, ticket] of this.#byHash) {
      if (ticket.expiresAtMs > nowMs && this.#byHash.size < MAX_TICKETS) break; // in order of issue: the rest is younger
      this.#byHash.delete(hash);
    }
    const ticket = randomBytes(24).toString("base64url");
    this.#byHash.set(hashOf(ticket), { who, expiresAtMs: nowMs + TICKET_LIFETIME_MS });
    return ticket;
  }

  /** Whom the ticket was for, once; null when it is unknown, used or too old. */
  redeem(ticket: string, nowMs: number): Bearer | null {
    const hash = hashOf(ticket);
    const found = this.#byHash.get(hash);
    this.#byHash.delete(hash);
    return found === undefined || found.expiresAtMs <= nowMs ? null : found.who;
  }

  /**
   * For an EventSource, which comes back with the same address. Used once the ticket opens nothing by itself;
   * together with a cursor (`Last-Event-ID`), which stood in the stream and in no log, it opens that stream again.
   */
  redeemForStream(ticket: string, hasCursor: boolean, nowMs: number): Bearer | null {
    const hash = hashOf(ticket);
    const who = this.redeem(ticket, nowMs);
    if (who !== null) {
      this.#streams.set(hash, { who, expiresAtMs: nowMs + STREAM_LIFETIME_MS });
      if (this.#streams.size > MAX_TICKETS) {
        const [oldest] = this.#streams.keys();
        if (oldest !== undefined) this.#streams.delete(oldest);
      }
      return who;
    }
    const stream = this.#streams.get(hash);
    return hasCursor && stream !== undefined && stream.expiresAtMs > nowMs ? stream.who : null;
  }
}

function hashOf(ticket: string): string {
  return createHash("sha256").update(ticket).digest("base64url");
}
