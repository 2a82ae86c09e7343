import { Duplex } from "node:stream";
import type { FrameGuard } from "./frame-guard.ts";
import { Refused } from "./refusal.ts";

/** A refused client gets this long to read its CONNACK before the socket is torn down. */
const LINGER_MS = 1_000;

export interface GuardedStreamOptions {
  transport: Duplex;
  guard: FrameGuard;
  connectTimeoutMs: number;
  maxOutboundBytes: number;
  onBytes: (bytes: number) => void;
  onRefused: (refused: Refused) => void;
  onAdmitted: () => void;
}

/**
 * The stream that aedes gets in place of the socket. Inwards it passes what the frame guard lets
 * through and closes on CONNECT that does not arrive in time. Outwards it takes every write at once:
 * aedes waits for each subscriber's drain before it delivers the next message to anybody, so one
 * frozen subscriber silenced every topic for `drainTimeout` (61 s measured with the default).
 * Here the frozen one fills its own bounded buffer and is closed at the bound.
 */
export class GuardedStream extends Duplex {
  readonly #options: GuardedStreamOptions;
  readonly #transport: Duplex;
  readonly #guard: FrameGuard;
  readonly #deadline: NodeJS.Timeout;
  /** What came after the CONNECT and waits for the login; one or two reads, as the transport is paused meanwhile. */
  #held: Buffer[] = [];
  #transportEnded = false;
  #torn = false;

  constructor(options: GuardedStreamOptions) {
    super({ allowHalfOpen: true, writableHighWaterMark: 1024 * 1024 });
    this.#options = options;
    this.#transport = options.transport;
    this.#guard = options.guard;
    this.#deadline = setTimeout(() => {
      this.#refuse(new Refused("CONNECT_TIMEOUT", `no whole CONNECT within ${options.connectTimeoutMs} ms`));
    }, options.connectTimeoutMs);
    this.#transport.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#transport.on("end", () => this.#endReading());
    this.#transport.on("close", () => this.#endReading());
    // A reset is an end: what arrived before it is still handed on. Its 'close' follows.
    this.#transport.on("error", () => {});
  }

  /** The login was good: what was held goes on, and the larger limits apply. */
  admit(): void {
    if (this.destroyed || !this.#guard.awaitsLogin) return;
    this.#guard.admit();
    this.#options.onAdmitted();
    const held = this.#held;
    this.#held = [];
    for (const chunk of held) this.#take(chunk);
    if (this.#transportEnded) this.push(null);
    else if (!this.destroyed) this.#transport.resume();
  }

  #take(chunk: Buffer): void {
    if (this.destroyed) return;
    if (this.#guard.awaitsLogin) {
      this.#held.push(chunk);
      return;
    }
    const end = this.#guard.scan(chunk);
    const fault = this.#guard.fault;
    if (fault !== null) return this.#refuse(new Refused(fault.code, fault.detail));
    this.#options.onBytes(end);
    const roomLeft = this.push(end === chunk.length ? chunk : chunk.subarray(0, end));
    if (!roomLeft || this.#guard.awaitsLogin) this.#transport.pause();
    if (this.#guard.awaitsLogin) {
      clearTimeout(this.#deadline);
      if (end < chunk.length) this.#held.push(chunk.subarray(end));
    }
  }

  #endReading(): void {
    if (this.#transportEnded) return;
    this.#transportEnded = true;
    if (!this.#guard.awaitsLogin && !this.destroyed) this.push(null);
  }

  #refuse(refused: Refused): void {
    if (this.destroyed) return;
    this.#torn = true;
    this.#options.onRefused(refused);
    this.destroy(refused);
  }

  override _read(): void {
    if (!this.#guard.awaitsLogin) this.#transport.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#send(chunk);
    done();
  }

  // mqtt-packet writes a packet in five pieces; joined they are one system call and one WebSocket frame.
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#send(chunks.length === 1 ? (chunks[0] as { chunk: Buffer }).chunk : Buffer.concat(chunks.map(({ chunk }) => chunk)));
    done();
  }

  #send(bytes: Buffer): void {
    if (this.#transport.destroyed || this.#transport.writableEnded) return; // its 'close' tells aedes
    this.#transport.write(bytes);
    const waiting = this.#transport.writableLength;
    if (waiting > this.#options.maxOutboundBytes) {
      this.#refuse(new Refused("READER_SLOW", `${waiting} bytes wait for a client that does not read them`));
    }
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#deadline);
    this.#held = [];
    const transport = this.#transport;
    if (this.#torn) {
      transport.destroy();
    } else if (!transport.destroyed) {
      transport.end();
      transport.resume(); // read on and drop, or the peer's FIN is never seen
      const linger = setTimeout(() => transport.destroy(), LINGER_MS);
      transport.once("close", () => clearTimeout(linger));
    }
    done(error);
  }
}
