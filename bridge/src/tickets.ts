import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { Bearer } from "./config.ts";
import type { Pinboard } from "./pinboard/pinboard.ts";

const TICKET_LIFETIME_MS = 10 * 60_000;
/** A stream may be taken up again by its own ticket for as long as a session lasts. */
const STREAM_LIFETIME_MS = 12 * 60 * 60_000;
/** A pass goes out with every cursor of its stream and comes back as a header: who has more rights than fit asks for a new ticket. */
const MAX_PASS_CHARS = 2_048;

/**
 * Single-use tickets for links, good at every bridge of the event. Under a ticket's hash hangs whom it is for,
 * in a cipher whose key is the ticket itself: who reads all notes can neither use one nor tell whose it is.
 */
export class Tickets {
  readonly #pinboard: Pinboard;
  readonly #passKey: Uint8Array;
  readonly #nowMs: () => number;

  constructor({ pinboard, passKey, nowMs }: { pinboard: Pinboard; passKey: Uint8Array; nowMs: () => number }) {
    this.#pinboard = pinboard;
    this.#passKey = passKey;
    this.#nowMs = nowMs;
  }

  async issue(who: Bearer): Promise<string> {
    const ticket = randomBytes(24).toString("base64url");
    await this.#pinboard.pin(nameOf(ticket), seal(who, digestOf("key", ticket), ""), TICKET_LIFETIME_MS);
    return ticket;
  }

  /** Whom the ticket was for, once; null when it is unknown, used or too old. */
  async redeem(ticket: string): Promise<Bearer | null> {
    return unseal(await this.#pinboard.take(nameOf(ticket)), digestOf("key", ticket), "") as Bearer | null;
  }

  /**
   * For an EventSource, which comes back with the same address and the last id that it was told. Used once the ticket
   * opens nothing by itself; with the pass, which stands in the ids of its own stream and in no log of addresses, it
   * opens that stream again, also when the bridge was killed meanwhile. Empty: there is none.
   */
  passFor(ticket: string, who: Bearer): string {
    const pass = seal({ who, untilMs: this.#nowMs() + STREAM_LIFETIME_MS }, this.#passKey, ticket);
    return pass.length <= MAX_PASS_CHARS ? pass : "";
  }

  /** Whom the stream was for that gave this pass under this ticket; null: it is none of ours, another ticket's, or too old. */
  reopen(ticket: string, pass: string): Bearer | null {
    const stream = unseal(pass, this.#passKey, ticket) as { who: Bearer; untilMs: number } | null;
    return stream === null || stream.untilMs < this.#nowMs() ? null : stream.who;
  }
}

function digestOf(purpose: string, ticket: string): Buffer {
  return createHash("sha256").update(`${purpose} ${ticket}`).digest();
}

function nameOf(ticket: string): string {
  return `ticket ${digestOf("name", ticket).toString("base64url")}`;
}

function seal(value: object, key: Uint8Array, of: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  cipher.setAAD(Buffer.from(of));
  const text = Buffer.concat([cipher.update(JSON.stringify(value), "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString("base64url");
}

function unseal(sealed: string | null, key: Uint8Array, of: string): unknown {
  const bytes = Buffer.from(sealed ?? "", "base64url");
  if (bytes.length <= 28) return null;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(of));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8"));
  } catch {
    return null; // forged, cut off, or of another
  }
}
