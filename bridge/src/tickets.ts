import { createHash, randomBytes } from "node:crypto";
import type { Bearer } from "./config.ts";

export const TICKET_LIFETIME_MS = 10 * 60_000;
/** Tickets not yet redeemed, about 200 bytes each; the oldest goes when one more is issued. */
const MAX_TICKETS = 10_000;

/** Single-use tickets for links. Only their hashes are kept, so that a dump of memory opens nothing. */
export class Tickets {
  readonly #byHash = new Map<string, { who: Bearer; expiresAtMs: number }>();

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
}

function hashOf(ticket: string): string {
  return createHash("sha256").update(ticket).digest("base64url");
}
