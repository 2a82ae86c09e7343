import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { Bearer } from "./config.ts";
import type { Pinboard } from "./pinboard/pinboard.ts";

export const TICKET_LIFETIME_MS = 10 * 60_000;
/** A stream may be taken up again by its own ticket for as long as a session lasts. */
const STREAM_LIFETIME_MS = 12 * 60 * 60_000;

/**
 * Single-use tickets for links, good at every bridge of the event. Under a ticket's hash hangs whom it is for,
 * in a cipher whose key is the ticket itself: who reads all notes can neither use one nor tell whose it is.
 */
export class Tickets {
  readonly #pinboard: Pinboard;

  constructor(pinboard: Pinboard) {
    this.#pinboard = pinboard;
  }

  async issue(who: Bearer): Promise<string> {
    const ticket = randomBytes(24).toString("base64url");
    await this.#pinboard.pin(nameOf("ticket", ticket), seal(who, ticket), TICKET_LIFETIME_MS);
    return ticket;
  }

  /** Whom the ticket was for, once; null when it is unknown, used or too old. */
  async redeem(ticket: string): Promise<Bearer | null> {
    return unseal(await this.#pinboard.take(nameOf("ticket", ticket)), ticket);
  }

  /**
   * For an EventSource, which comes back with the same address. Used once the ticket opens nothing by itself;
   * together with a cursor (`Last-Event-ID`), which stood in the stream and in no log, it opens that stream again.
   */
  async redeemForStream(ticket: string, hasCursor: boolean): Promise<Bearer | null> {
    const who = await this.redeem(ticket);
    const stream = nameOf("stream", ticket);
    if (who === null) return hasCursor ? unseal(await this.#pinboard.read(stream), ticket) : null;
    await this.#pinboard.pin(stream, seal(who, ticket), STREAM_LIFETIME_MS);
    return who;
  }
}

function digestOf(purpose: string, ticket: string): Buffer {
  return createHash("sha256").update(`${purpose} ${ticket}`).digest();
}

function nameOf(kind: "ticket" | "stream", ticket: string): string {
  return `${kind} ${digestOf("name", ticket).toString("base64url")}`;
}

function seal(who: Bearer, ticket: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", digestOf("key", ticket), iv);
  const text = Buffer.concat([cipher.update(JSON.stringify(who), "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString("base64url");
}

function unseal(note: string | null, ticket: string): Bearer | null {
  if (note === null) return null;
  const bytes = Buffer.from(note, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", digestOf("key", ticket), bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(bytes.subarray(12, 28));
  return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8")) as Bearer;
}
