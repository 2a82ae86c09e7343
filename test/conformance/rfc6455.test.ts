import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import { once } from "node:events";
import { CLOSE_CODES, MAX_CLIENT_FRAME_BYTES, SUBPROTOCOL } from "@konferenco/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openTestBridge, type TestBridge } from "../bridge/support/harness.ts";

/**
 * RFC 6455 byte by byte, over a TCP socket and with nothing in between: against the server of
 * KONFERENCO_CONFORMANCE_URL (plain http), or a bridge of its own. Section numbers are the RFC's.
 */
const { KONFERENCO_CONFORMANCE_URL: givenUrl } = process.env;

let own: TestBridge | null = null;
let address: URL;
const open: RawSocket[] = [];

beforeAll(async () => {
  if (givenUrl === undefined) own = await openTestBridge({ limits: { idleAfterMs: 2_000 } });
  address = new URL(givenUrl ?? own?.bridge.url ?? "");
});
afterEach(() => {
  for (const raw of open.splice(0)) raw.socket.destroy();
});
afterAll(() => own?.close());

const [CONTINUATION, TEXT, CLOSE, PING, PONG] = [0x0, 0x1, 0x8, 0x9, 0xa];

interface Frame {
  fin: boolean;
  rsv: number;
  opcode: number;
  masked: boolean;
  payload: Buffer;
}

interface Written {
  fin?: boolean;
  rsv?: number;
  masked?: boolean;
}

/** A frame as a client writes it (5.2). */
function frameOf(opcode: number, payload: Buffer | string = "", { fin = true, rsv = 0, masked = true }: Written = {}): Buffer {
  const body = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  let head: Buffer;
  if (body.length < 126) head = Buffer.from([first, mask | body.length]);
  else {
    head = Buffer.from([first, mask | 126, 0, 0]);
    head.writeUInt16BE(body.length, 2);
  }
  if (!masked) return Buffer.concat([head, body]);
  const key = randomBytes(4);
  return Buffer.concat([head, key, body.map((byte, index) => byte ^ (key[index % 4] ?? 0))]);
}

class RawSocket {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  head = "";
  /** The server has ended the TCP connection. */
  hasEnded = false;
  #bytes = Buffer.alloc(0);

  constructor(headers: Record<string, string> = {}) {
    open.push(this);
    this.socket = net.connect({ port: Number(address.port), host: address.hostname, allowHalfOpen: true });
    this.socket.on("error", () => {});
    this.socket.on("end", () => (this.hasEnded = true)).on("close", () => (this.hasEnded = true));
    this.socket.on("data", (data) => this.#take(data));
    const all = { Host: address.host, Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": SUBPROTOCOL, ...headers };
    this.socket.write(`GET /events HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
  }

  write(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  say(frame: object): void {
    this.write(frameOf(TEXT, JSON.stringify(frame)));
  }

  async answered(): Promise<string> {
    await expect.poll(() => this.head, PATIENCE).not.toBe("");
    return this.head;
  }

  async frame(opcode: number): Promise<Frame> {
    await expect.poll(() => this.frames.some((frame) => frame.opcode === opcode), PATIENCE).toBe(true);
    return this.frames.find((frame) => frame.opcode === opcode) as Frame;
  }

  /** The code with which the server closes; null for a close frame without one. */
  async closeCode(): Promise<number | null> {
    const { payload } = await this.frame(CLOSE);
    return payload.length === 0 ? null : payload.readUInt16BE(0);
  }

  #take(data: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    if (this.head === "") {
      const end = this.#bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.head = this.#bytes.subarray(0, end).toString();
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    while (this.head.startsWith("HTTP/1.1 101")) {
      const bytes = this.#bytes;
      if (bytes.length < 2) return;
      const [first = 0, second = 0] = bytes;
      const short = second & 0x7f;
      const at = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < at) return;
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < at + length) return;
      this.frames.push({ fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, opcode: first & 0xf, masked: (second & 0x80) !== 0, payload: bytes.subarray(at, at + length) });
      this.#bytes = bytes.subarray(at + length);
    }
  }
}

const KEY = randomBytes(16).toString("base64");
const PATIENCE = { timeout: 20_000, interval: 5 };

async function connected(headers: Record<string, string> = {}): Promise<RawSocket> {
  const raw = new RawSocket(headers);
  expect(await raw.answered()).toMatch(/^HTTP\/1\.1 101 /);
  return raw;
}

/** What the server answers to hello with a token that is none: proof that the message was put together whole. */
const HELLO = JSON.stringify({ op: "hello", id: 1, tok: "grüß dich €𝄞" });
const helloWasRead = async (raw: RawSocket) => expect(JSON.parse((await raw.frame(TEXT)).payload.toString())).toMatchObject({ op: "err", re: 1, code: "unauthorized" });

describe("the handshake (4)", () => {
  it("accepts with the key's digest, the sub-protocol, and no extension: a server that compressed would keep 226 KB per client", async () => {
    const head = await (await connected({ "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits, permessage-deflate" })).answered();
    const accept = createHash("sha1").update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    expect(head).toMatch(new RegExp(`^Sec-WebSocket-Accept: ${accept.replaceAll("+", "\\+")}$`, "im"));
    expect(head).toMatch(new RegExp(`^Sec-WebSocket-Protocol: ${SUBPROTOCOL}$`, "im"));
    expect(head).not.toMatch(/^Sec-WebSocket-Extensions:/im);
  });

  it.each([
    ["a version that there is not (4.2.2)", { "Sec-WebSocket-Version": "12" }, /^HTTP\/1\.1 4\d\d [^]*^Sec-WebSocket-Version: 13/im],
    ["a key that is no key", { "Sec-WebSocket-Key": "short" }, /^HTTP\/1\.1 400 /],
    ["another sub-protocol", { "Sec-WebSocket-Protocol": "mqtt" }, /^HTTP\/1\.1 400 /],
    ["a page of a stranger", { Origin: "https://evil.example" }, /^HTTP\/1\.1 403 /],
  ])("refuses %s", async (_what, headers, answer) => {
    expect(await new RawSocket(headers).answered()).toMatch(answer);
  });
});

describe("messages (5)", () => {
  it("puts a message together from fragments, answers a ping in the middle, and never masks", async () => {
    const raw = await connected();
    const bytes = Buffer.from(HELLO);
    raw.write(frameOf(TEXT, bytes.subarray(0, 9), { fin: false }), frameOf(PING, "in between"), frameOf(CONTINUATION, "", { fin: false }));
    expect((await raw.frame(PONG)).payload.toString()).toBe("in between");
    expect(raw.frames.some((frame) => frame.opcode === TEXT)).toBe(false);
    raw.write(frameOf(CONTINUATION, bytes.subarray(9)));
    await helloWasRead(raw);
    for (const { masked, rsv, fin } of raw.frames) expect([masked, rsv, fin]).toEqual([false, 0, true]);
  });

  it("reads a message whose characters are cut by fragments, and by every byte of the wire", async () => {
    const raw = await connected();
    const bytes = Buffer.from(HELLO);
    const cut = bytes.indexOf(Buffer.from("€")) + 1;
    for (const byte of Buffer.concat([frameOf(TEXT, bytes.subarray(0, cut), { fin: false }), frameOf(CONTINUATION, bytes.subarray(cut))])) {
      if (!raw.socket.write(Buffer.from([byte]))) await once(raw.socket, "drain");
    }
    await helloWasRead(raw);
  });

  it("answers pings of 0 and of 125 bytes with the same, and takes a pong that nobody asked for", async () => {
    const raw = await connected();
    const long = "p".repeat(125);
    raw.write(frameOf(PONG, "unasked"), frameOf(PING), frameOf(PING, long));
    await expect.poll(() => raw.frames.filter(({ opcode }) => opcode === PONG).map(({ payload }) => payload.toString()), PATIENCE).toEqual(["", long]);
    expect(raw.hasEnded).toBe(false);
  });

  const half = frameOf(TEXT, '{"op":', { fin: false });
  const large = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
  it.each([
    ["a frame that is not masked (5.1)", [frameOf(TEXT, "{}", { masked: false })], 1002],
    ["reserved bit 1, for no extension was agreed (5.2)", [frameOf(TEXT, "{}", { rsv: 4 })], 1002],
    ["reserved bit 2", [frameOf(TEXT, "{}", { rsv: 2 })], 1002],
    ["reserved bit 3 of a ping", [frameOf(PING, "", { rsv: 1 })], 1002],
    ["the reserved opcode 3", [frameOf(3, "{}")], 1002],
    ["the reserved opcode 11", [frameOf(11)], 1002],
    ["a continuation of nothing (5.4)", [frameOf(CONTINUATION, "{}")], 1002],
    ["a new message within a message", [half, frameOf(TEXT, "{}")], 1002],
    ["a ping of 126 bytes (5.5)", [frameOf(PING, "p".repeat(126))], 1002],
    ["a ping in fragments", [frameOf(PING, "", { fin: false })], 1002],
    ["a close frame in fragments", [frameOf(CLOSE, "", { fin: false })], 1002],
    ["text that is not UTF-8 (8.1)", [frameOf(TEXT, Buffer.from([0x22, 0xce, 0xba, 0xed, 0xa0, 0x80]))], 1007],
    ["an overlong character", [frameOf(TEXT, Buffer.from([0xc0, 0xaf]))], 1007],
    ["a character that its fragments never complete", [frameOf(TEXT, Buffer.from([0xe2, 0x82]), { fin: false }), frameOf(CONTINUATION, "x")], 1007],
    ["a close frame of one byte (5.5.1)", [frameOf(CLOSE, Buffer.from([3]))], 1002],
    ["the close code 1005, which is never sent (7.4.1)", [frameOf(CLOSE, Buffer.from([0x03, 0xed]))], 1002],
    ["the close code 1006", [frameOf(CLOSE, Buffer.from([0x03, 0xee]))], 1002],
    ["the close code 999", [frameOf(CLOSE, Buffer.from([0x03, 0xe7]))], 1002],
    ["a close reason that is not UTF-8", [frameOf(CLOSE, Buffer.from([0x03, 0xe8, 0xff]))], 1007],
    ["a message that is too large, by its header alone", [large], 1009],
    ["a message that fragments make too large", Array.from({ length: 3 }, (_, index) => frameOf(index === 0 ? TEXT : CONTINUATION, "x".repeat(MAX_CLIENT_FRAME_BYTES / 2), { fin: false })), 1009],
    ["a message in more than 16 fragments", Array.from({ length: 17 }, (_, index) => frameOf(index === 0 ? TEXT : CONTINUATION, "x", { fin: false })), 1008],
    ["a binary message", [frameOf(2, "{}")], CLOSE_CODES.protocolError],
  ] satisfies [string, Buffer[], number][])("closes for %s", async (_what, frames, code) => {
    const raw = await connected();
    raw.write(...frames);
    expect(await raw.closeCode()).toBe(code);
    raw.write(frameOf(CLOSE)); // who is told off says goodbye too (5.5.1)
    raw.socket.end();
    await expect.poll(() => raw.hasEnded, PATIENCE).toBe(true);
  });
});

describe("the end (7)", () => {
  it.each([
    ["1000", Buffer.from([0x03, 0xe8]), 1000],
    ["1000 and a reason", Buffer.concat([Buffer.from([0x03, 0xe8]), Buffer.from("bye, see you ✓")]), 1000],
    ["4999, a private code", Buffer.from([0x13, 0x87]), 4999],
    ["nothing", Buffer.alloc(0), null],
  ])("answers a close frame with %s by one, then ends; what comes behind it is not read", async (_what, payload, code) => {
    const raw = await connected();
    raw.write(frameOf(CLOSE, payload), frameOf(PING, "too late"), frameOf(TEXT, HELLO));
    expect(await raw.closeCode()).toBe(code);
    await expect.poll(() => raw.hasEnded, PATIENCE).toBe(true);
    expect(raw.frames.map(({ opcode }) => opcode)).toEqual([CLOSE]);
  });

  it("ends its side when the client ends without goodbye, in the middle of a message", async () => {
    const raw = await connected();
    raw.write(frameOf(TEXT, '{"op":', { fin: false }));
    raw.socket.end();
    await expect.poll(() => raw.hasEnded, PATIENCE).toBe(true);
  });

  it("closes who has connected and says nothing, and ends also when that is not answered", async () => {
    const raw = await connected();
    expect(await raw.closeCode()).toBe(CLOSE_CODES.helloTimeout);
    await expect.poll(() => raw.hasEnded, PATIENCE).toBe(true);
  }, 30_000);

  // At a server's own settings this takes 90 s.
  if (givenUrl === undefined) {
    it("closes with 4002 a client that is half gone: it reads no ping and answers none", async () => {
      const test = own as TestBridge;
      const raw = await connected();
      raw.say({ op: "hello", id: 1, tok: await test.bridge.issueToken({ role: "display", personId: null }) });
      expect(JSON.parse((await raw.frame(TEXT)).payload.toString())).toMatchObject({ op: "welcome" });
      expect(await raw.closeCode()).toBe(CLOSE_CODES.idle);
      await expect.poll(() => raw.hasEnded, PATIENCE).toBe(true);
      expect(test.bridge.stats().connections).toBe(0);
    }, 40_000);
  }
});
