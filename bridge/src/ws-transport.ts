import http from "node:http";
import type net from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer, type Server, type ServerOptions } from "ws";
import { CLIENT_ERRORS, CLOSE_CODES, MAX_CLIENT_FRAME_BYTES, SUBPROTOCOL, type ClientErrorCode } from "@konferenco/protocol";
import type { ClientFrames } from "./client-frames.ts";
import type { BridgeLimits } from "./config.ts";
import { Connection, FRAME_RATE, type Wire, type WireExtras } from "./connection.ts";
import { isFull, newBucket, takeToken, type Rate } from "./core/token-bucket.ts";
import { HARD_WINDOW_BYTES } from "./core/outbox.ts";
import type { Hub } from "./hub.ts";
import type { ClientAddress } from "./http/client-address.ts";
import { isAllowedOrigin } from "./http/origin.ts";
import { writePing, writeText } from "./ws-frame.ts";

/** After the token's end, for one that is on its way. */
const TOKEN_GRACE_MS = 25_000;
/** A client that does not answer our close frame. */
const CLOSE_TIMEOUT_MS = 5_000;
const PATHS = new Set(["/events", "/ws"]);
/** Shorter frames are sent as they are. */
const LEAST_COMPRESSED_BYTES = 1_024;

export interface WsTransportOptions {
  hub: Hub;
  frames: ClientFrames;
  limits: BridgeLimits;
  allowedOrigins: readonly string[];
  clientAddress: ClientAddress;
  nowMs: () => number;
  feedOffset: () => number;
  seal: (connection: Connection, offset: number) => string;
}

export class WsTransport {
  readonly #options: WsTransportOptions;
  readonly #server: Server<typeof ClientSocket>;
  /** Null: nothing is compressed. */
  readonly #compressing: Server<typeof CompressedSocket> | null;
  readonly #sockets = new Set<ClientSocket>();
  readonly #greeting = new Set<Connection>();
  readonly #greetingByAddress = new Map<string, number>();
  readonly #upgradeRate: Rate;
  readonly #upgrades;
  /** Upgrades refused, by why. */
  readonly refused = new Map<string, number>();
  accepted = 0;
  /** Of the connections, those that are compressed. */
  compressed = 0;
  #draining = false;

  constructor(options: WsTransportOptions) {
    this.#options = options;
    const { maxUpgradesPerS } = options.limits;
    this.#upgradeRate = { perS: maxUpgradesPerS, burst: maxUpgradesPerS };
    this.#upgrades = newBucket(this.#upgradeRate, options.nowMs());
    // The last two are not in @types/ws 8.18 yet.
    const settings: Omit<ServerOptions, "WebSocket"> & { maxBufferedChunks: number; closeTimeout: number } = {
      noServer: true,
      // ws keeps a closure for each socket to count its pongs; ours are bounded by what waits for the network.
      autoPong: false,
      clientTracking: false,
      maxPayload: MAX_CLIENT_FRAME_BYTES,
      // ws allows 16,384 fragments and 262,144 chunks: a client could make us keep one object per byte.
      maxFragments: 16,
      maxBufferedChunks: 64,
      closeTimeout: CLOSE_TIMEOUT_MS,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    };
    this.#server = new WebSocketServer({ ...settings, WebSocket: ClientSocket, perMessageDeflate: false });
    this.#compressing = options.limits.maxCompressed === 0 ? null : new WebSocketServer({ ...settings, WebSocket: CompressedSocket, perMessageDeflate: DEFLATE });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** The `upgrade` event of the HTTP server. What is refused here a browser cannot read, so tokens are judged later. */
  upgrade = (request: http.IncomingMessage, socket: Duplex, head: Buffer): void => {
    const address = this.#options.clientAddress(request);
    const refusal = this.#refusalOf(request, address);
    if (refusal !== null) {
      this.refused.set(refusal.why, (this.refused.get(refusal.why) ?? 0) + 1);
      return refuseUpgrade(socket, refusal);
    }
    const server = this.#compressing !== null && this.compressed < this.#options.limits.maxCompressed ? this.#compressing : this.#server;
    server.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, address));
  };

  #refusalOf(request: http.IncomingMessage, address: string): UpgradeRefusal | null {
    const { limits, allowedOrigins, nowMs } = this.#options;
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    if (!PATHS.has(path)) return { why: "path", code: "not_found", detail: "WebSockets are at /events" };
    if (!isAllowedOrigin(request, allowedOrigins)) return { why: "origin", code: "forbidden", detail: "pages of this origin may not connect: see the setting allowedOrigins" };
    const offered = request.headers["sec-websocket-protocol"];
    if (offered !== undefined && !offered.split(",").some((name) => name.trim() === SUBPROTOCOL)) return { why: "subprotocol", code: "bad_request", detail: `the sub-protocol is ${SUBPROTOCOL}` };
    if (this.#draining) return { why: "draining", code: "not_available", detail: "this bridge is closing", retryAfterS: 1 };
    if (this.#sockets.size >= limits.maxConnections) return { why: "connections", code: "not_available", detail: `at most ${limits.maxConnections} connections`, retryAfterS: 5 };
    if ((this.#greetingByAddress.get(address) ?? 0) >= limits.maxGreetingPerAddress) return { why: "greeting", code: "rate_limited", detail: "too many connections that have not said hello", retryAfterS: 1 };
    const afterMs = takeToken(this.#upgrades, this.#upgradeRate, nowMs());
    return afterMs === 0 ? null : { why: "rate", code: "not_available", detail: "too many new connections at once", retryAfterS: Math.ceil(afterMs / 1_000) };
  }

  #accept(socket: ClientSocket, address: string): void {
    const connection = new Connection(socket, address, this.#options.nowMs());
    socket.transport = this;
    socket.connection = connection;
    this.accepted++;
    if (socket.isCompressed) this.compressed++;
    this.#sockets.add(socket);
    this.#greeting.add(connection);
    this.#greetingByAddress.set(address, (this.#greetingByAddress.get(address) ?? 0) + 1);
  }

  message(connection: Connection, data: Buffer, isBinary: boolean): void {
    if (isBinary) return this.#options.hub.close(connection, CLOSE_CODES.protocolError, "frames are text");
    if (data.length === 0 && connection.state === "open") return this.#options.frames.probed(connection);
    this.#options.frames.receive(connection, data.toString("utf8"));
  }

  /** The other end's protocol stack has read up to our ping: that acknowledges for clients that do not do so themselves. */
  pong(connection: Connection, data: Buffer): void {
    connection.heardAtMs = this.#options.nowMs();
    const s = Number(data.toString("latin1"));
    if (data.length > 0 && Number.isSafeInteger(s)) this.#options.hub.acknowledged(connection, s);
  }

  closed(socket: ClientSocket, connection: Connection, code: number): void {
    this.#sockets.delete(socket);
    if (socket.isCompressed) this.compressed--;
    this.greeted(connection);
    this.#options.hub.remove(connection, code);
  }

  greeted(connection: Connection): void {
    if (!this.#greeting.delete(connection)) return;
    const left = (this.#greetingByAddress.get(connection.address) ?? 1) - 1;
    if (left === 0) this.#greetingByAddress.delete(connection.address);
    else this.#greetingByAddress.set(connection.address, left);
  }

  /** Once a second, for all connections together: a timer for each would cost more than the connection. */
  tickSecond(): void {
    const { hub, limits, nowMs, seal, feedOffset } = this.#options;
    const atMs = nowMs();
    for (const connection of this.#greeting) {
      if (atMs - connection.openedAtMs >= limits.helloTimeoutMs) hub.close(connection, CLOSE_CODES.helloTimeout, "no hello");
      else break; // in order of arrival: the rest came later
    }
    for (const connection of hub.connections) {
      const { outbox, bucket } = connection;
      if (bucket !== null && isFull(bucket, FRAME_RATE, atMs)) connection.bucket = null;
      if (atMs - connection.heardAtMs > limits.idleAfterMs) hub.close(connection, CLOSE_CODES.idle, "not heard");
      else if (atMs > connection.tokenExpiresAtMs + TOKEN_GRACE_MS) hub.close(connection, CLOSE_CODES.tokenExpired, "token expired");
      else if (outbox?.isSlow(atMs, limits.slowAfterMs) === true) hub.close(connection, CLOSE_CODES.slow, "slow");
      else if (atMs >= connection.pingDueAtMs) {
        connection.pingDueAtMs = atMs + limits.pingEveryMs;
        // The cursor moves on in quiet times too, else it would be past the log's retention after a quiet day.
        const offered = connection.standsAt(feedOffset(), atMs);
        const offset = outbox?.writtenOffset(offered) ?? offered;
        connection.pingedAtMs = atMs;
        connection.sendFrame({ op: "ping", now: atMs, c: seal(connection, offset) });
        connection.wire.probe(outbox?.lastS ?? 0);
      }
    }
  }

  /** Everybody is told to come back, each after a time of their own, then the sockets close. */
  async drain(): Promise<void> {
    const { hub, limits } = this.#options;
    this.#draining = true;
    for (const socket of this.#sockets) {
      const { connection } = socket;
      if (connection === null || connection.state === "closed") continue;
      connection.sendFrame({ op: "bye", n: CLOSE_CODES.draining, after: [0, limits.drainSpreadMs] });
      hub.close(connection, CLOSE_CODES.draining, "draining");
    }
    const gone = [...this.#sockets].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())));
    const impatience = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate();
    }, 1_000);
    await Promise.all(gone);
    clearTimeout(impatience);
  }
}

/**
 * A socket that is its connection's wire (`send` and `close` are ws's own): nothing stands between the two. What happens
 * on it comes to one method of its class: listeners would be 280 bytes of each, closures 1 KB.
 */
class ClientSocket extends WebSocket implements Wire, WireExtras {
  /** Null until the handshake is done. */
  transport: WsTransport | null = null;
  connection: Connection | null = null;
  /** Not in ws's types: the TCP socket below (see `sendEvents`). */
  declare readonly _socket: net.Socket | null;

  /** On the prototype: a field would be 8 bytes of each connection. */
  get kind(): "ws" {
    return "ws";
  }

  override emit(event: string | symbol, ...given: unknown[]): boolean {
    const { transport, connection } = this;
    // An error is followed by a close that says more: 1009 too large, 1002 and 1007 not a WebSocket frame, 1006 gone.
    if (transport === null || connection === null || event === "error") return false;
    // One Buffer: ws hands out the others only when asked to by `binaryType`.
    if (event === "message") transport.message(connection, given[0] as Buffer, given[1] as boolean);
    else if (event === "ping") answerPing(this, given[0] as Buffer);
    else if (event === "pong") transport.pong(connection, given[0] as Buffer);
    else if (event === "close") transport.closed(this, connection, given[0] as number);
    return super.emit(event, ...given);
  }

  /**
   * To the TCP socket. ws writes at once too (no compression, no Blobs: nothing waits in its sender), so the order
   * holds; and `bufferedBytes` asks the same socket.
   */
  sendEvents(head: string, tail: string): void {
    const tcp = tcpOf(this);
    if (tcp !== null) writeText(tcp, head, tail);
  }

  get isCompressed(): boolean {
    return false;
  }

  bufferedBytes(): number {
    return this._socket?.writableLength ?? 0;
  }

  probe(s: number): void {
    const tcp = tcpOf(this);
    if (tcp !== null) writePing(tcp, String(s));
  }
}

/**
 * Where compression may be agreed on. Frames wait in ws's sender while zlib works, so all of them go through it: none passes another.
 * Whoever did not offer it (`extensions` is empty) is sent plain frames the same way.
 */
class CompressedSocket extends ClientSocket {
  override get isCompressed(): boolean {
    return this.extensions !== "";
  }

  override sendEvents(head: string, tail: string): void {
    this.send(head + tail);
  }

  override bufferedBytes(): number {
    return this.bufferedAmount;
  }

  override probe(s: number): void {
    if (this.readyState === WebSocket.OPEN) this.ping(String(s));
  }
}

/**
 * Each message by itself (RFC 7692, no context takeover): what was in another frame cannot be guessed from the length of
 * this one, and the small window keeps zlib at about 100 KB a connection.
 */
const DEFLATE = {
  threshold: LEAST_COMPRESSED_BYTES,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 11,
  zlibDeflateOptions: { memLevel: 4, level: 6 },
};

/** Null: nothing is to be written any more. */
function tcpOf(socket: ClientSocket): net.Socket | null {
  return socket.readyState === WebSocket.OPEN ? socket._socket : null;
}

/** RFC 6455 section 5.5.3 wants an answer to the latest ping: who reads none is not sent more. */
function answerPing(socket: ClientSocket, payload: Buffer): void {
  if (socket.bufferedBytes() < HARD_WINDOW_BYTES && socket.readyState === WebSocket.OPEN) socket.pong(payload);
}

interface UpgradeRefusal {
  why: string;
  code: ClientErrorCode;
  detail: string;
  retryAfterS?: number;
}

function refuseUpgrade(socket: Duplex, { code, detail, retryAfterS }: UpgradeRefusal): void {
  const { number, httpStatus, retry } = CLIENT_ERRORS[code];
  const body = JSON.stringify({ error: { code, number, retry, ...(retryAfterS === undefined ? {} : { after: retryAfterS * 1_000 }), detail } });
  const head = [
    `HTTP/1.1 ${httpStatus} ${http.STATUS_CODES[httpStatus] ?? ""}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(retryAfterS === undefined ? [] : [`Retry-After: ${retryAfterS}`]),
    "Cache-Control: no-store",
    "Connection: close",
  ];
  socket.once("error", () => socket.destroy()); // the client may be gone already
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
