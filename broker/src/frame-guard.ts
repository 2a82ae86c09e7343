import type { RefusalCode } from "@konferenco/protocol";

/** Sizes of MQTT packets in bytes, without the fixed header. */
export interface PacketLimits {
  /** The one packet before login. */
  maxConnectBytes: number;
  /** PUBLISH: topic, packet id and payload. */
  maxPublishBytes: number;
  /** Everything else: SUBSCRIBE and small change. */
  maxControlBytes: number;
}

export interface FrameFault {
  code: Extract<RefusalCode, "PACKET_BAD" | "PAYLOAD_TOO_LARGE">;
  detail: string;
}

/** Type and flags: the flags of a CONNECT are zero, those of a TLS hello (0x16) on the plain port are not. */
const CONNECT_BYTE = 0x10;
const PUBLISH = 3;
/** CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT: what a client may send. */
const FROM_CLIENTS = new Set([1, 3, 4, 5, 6, 7, 8, 10, 12, 14]);

/**
 * Reads the fixed headers of an MQTT stream [MQTT 3.1.1, 2.2] and nothing else, so that a packet is refused
 * when its length is announced and not after it was buffered: aedes 1.2.0 gathers up to 256 MB per
 * connection without a login (measured: 197 MB in 1.2 s). Bodies are skipped, not looked at.
 *
 * After the first packet nothing more may pass until `admit()`: what a client sends along with its
 * CONNECT waits for the answer to it.
 */
export class FrameGuard {
  fault: FrameFault | null = null;
  /** The CONNECT has passed whole and its answer is not known yet. */
  awaitsLogin = false;
  readonly #limits: PacketLimits;
  #admitted = false;
  /** Bytes of the current packet that are still to come; -1 while its header is read. */
  #bodyBytesLeft = -1;
  #packetType = 0;
  /** Bytes of the remaining length read so far, at most 4, and the value they make. -1: the type byte is next. */
  #lengthBytes = -1;
  #length = 0;

  constructor(limits: PacketLimits) {
    this.#limits = limits;
  }

  /** Returns the end of what may pass of `chunk`. Less than its length: there is a fault, or login is awaited. */
  scan(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && this.fault === null && !this.awaitsLogin) {
      if (this.#bodyBytesLeft > 0) {
        const skip = Math.min(this.#bodyBytesLeft, chunk.length - at);
        this.#bodyBytesLeft -= skip;
        at += skip;
      } else {
        this.#readHeaderByte(chunk[at] as number);
        at += 1;
      }
      if (this.#bodyBytesLeft === 0) this.#endPacket();
    }
    return at;
  }

  /** The login was good: the next packets may pass, within the larger limits. */
  admit(): void {
    this.#admitted = true;
    this.awaitsLogin = false;
  }

  #readHeaderByte(byte: number): void {
    if (this.#lengthBytes === -1) {
      this.#packetType = byte >> 4;
      this.#lengthBytes = 0;
      this.#length = 0;
      if (!this.#admitted && byte !== CONNECT_BYTE) return this.#refuse("PACKET_BAD", "the first packet must be CONNECT"); // [MQTT-3.1.0-1]
      if (!FROM_CLIENTS.has(this.#packetType)) return this.#refuse("PACKET_BAD", `a client never sends packet type ${this.#packetType}`);
      return;
    }
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes;
    this.#lengthBytes += 1;
    const limitBytes = this.#limitBytes();
    // Checked at every byte: the value only grows, so there is no need to wait for the last one.
    if (this.#length > limitBytes) {
      return this.#refuse("PAYLOAD_TOO_LARGE", `a packet of ${this.#length} bytes or more, at most ${limitBytes} are read`);
    }
    if (byte < 0x80) this.#bodyBytesLeft = this.#length;
    else if (this.#lengthBytes === 4) this.#refuse("PACKET_BAD", "the remaining length has more than 4 bytes"); // [MQTT 2.2.3]
  }

  #limitBytes(): number {
    if (!this.#admitted) return this.#limits.maxConnectBytes;
    return this.#packetType === PUBLISH ? this.#limits.maxPublishBytes : this.#limits.maxControlBytes;
  }

  #endPacket(): void {
    this.#bodyBytesLeft = -1;
    this.#lengthBytes = -1;
    if (!this.#admitted) this.awaitsLogin = true;
  }

  #refuse(code: FrameFault["code"], detail: string): void {
    this.fault = { code, detail };
  }
}
