import { randomBytes } from "node:crypto";
import net from "node:net";

const PIPE_EMPTY = Buffer.alloc(0);

/** What the client of a bench makes of what comes in. */
export interface Listener {
  open(client: RawClient): void;
  text(client: RawClient, payload: Buffer): void;
  closed(client: RawClient, code: number): void;
}

/**
 * A WebSocket client on a bare socket: a tenth of the cost of a full one, so that the machine is the
 * server's. Masks with zero, which the protocol allows and which costs nothing.
 */
export class RawClient {
  readonly index: number;
  readonly listener: Listener;
  readonly socket: net.Socket;
  receivedBytes = 0;
  sentBytes = 0;
  isOpen = false;
  /** Answers pings; a client that does not is one that hangs. */
  answersPings = true;
  #rest: Buffer = PIPE_EMPTY;
  #closeCode = 1006;

  constructor(index: number, port: number, listener: Listener, path = "/events") {
    this.index = index;
    this.listener = listener;
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.once("connect", () => {
      this.socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: konferenco-v1\r\n\r\n`,
      );
    });
    this.socket.on("data", (bytes: Buffer) => this.#take(bytes));
    this.socket.once("error", () => undefined);
    this.socket.once("close", () => this.listener.closed(this, this.#closeCode));
  }

  send(text: string): void {
    const payload = Buffer.from(text);
    this.#write(0x81, payload);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #write(first: number, payload: Buffer): void {
    const { length } = payload;
    const head = length < 126 ? Buffer.alloc(6) : Buffer.alloc(8);
    head[0] = first;
    if (length < 126) {
      head[1] = 0x80 | length;
    } else {
      head[1] = 0x80 | 126;
      head.writeUInt16BE(length, 2);
    }
    this.sentBytes += head.length + length;
    if (!this.socket.destroyed) this.socket.write(Buffer.concat([head, payload]));
  }

  #take(bytes: Buffer): void {
    let data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (!this.isOpen) {
      const end = data.indexOf("\r\n\r\n");
      if (end === -1) {
        this.#rest = data;
        return;
      }
      if (!data.subarray(0, 12).equals(Buffer.from("HTTP/1.1 101"))) {
        this.#closeCode = Number(data.toString("latin1", 9, 12));
        this.socket.destroy();
        return;
      }
      this.isOpen = true;
      data = data.subarray(end + 4);
      this.listener.open(this);
    }
    this.receivedBytes += data.length;
    let at = 0;
    for (;;) {
      if (data.length - at < 2) break;
      const first = data[at] as number;
      let length = (data[at + 1] as number) & 0x7f;
      let from = at + 2;
      if (length === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(at + 2);
        from = at + 4;
      } else if (length === 127) {
        if (data.length - at < 10) break;
        length = Number(data.readBigUInt64BE(at + 2));
        from = at + 10;
      }
      if (data.length < from + length) break;
      const payload = data.subarray(from, from + length);
      at = from + length;
      const op = first & 0x0f;
      if (op === 1) this.listener.text(this, payload);
      else if (op === 9 && this.answersPings) this.#write(0x8a, payload);
      else if (op === 8) this.#closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    }
    // What is left was counted already.
    const rest = data.subarray(at);
    this.receivedBytes -= rest.length;
    this.#rest = rest.length === 0 ? PIPE_EMPTY : Buffer.from(rest);
  }
}
