import { createServer as createHttpServer, STATUS_CODES, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import { ConfigError } from "@konferenco/protocol";
import type { BrokerConfig, BrokerLimits } from "./config.ts";
import type { ConnectionGate, GatePass } from "./connection-gate.ts";

/** A socket that got through the gate: bytes of MQTT in both directions. */
export interface Arrival {
  transport: Duplex;
  kind: "tcp" | "ws";
  address: string;
  pass: GatePass;
}

export interface Listeners {
  tcpPort: number;
  wsPort: number | null;
  /** Stops listening and tears down every socket that is still open. */
  close(): Promise<void>;
}

export interface ListenerOptions {
  config: BrokerConfig;
  limits: BrokerLimits;
  gate: ConnectionGate;
  onArrival: (arrival: Arrival) => void;
  onTurnedAway: (address: string, why: string) => void;
}

export async function openListeners(options: ListenerOptions): Promise<Listeners> {
  const { host, tcpPort, wsPort } = options.config;
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const close = async () => {
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  try {
    const tcp = newTcpServer(options, sockets);
    const tcpPortGot = await listen(tcp, { host, port: tcpPort, setting: "tcpPort (--mqtt-port, KONFERENCO_MQTT_PORT)" });
    servers.push(tcp);
    if (wsPort === null) return { tcpPort: tcpPortGot, wsPort: null, close };
    const ws = newWebSocketServer(options, sockets);
    const wsPortGot = await listen(ws, { host, port: wsPort, setting: "wsPort (--mqtt-ws-port, KONFERENCO_MQTT_WS_PORT)" });
    servers.push(ws);
    return { tcpPort: tcpPortGot, wsPort: wsPortGot, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function newTcpServer(options: ListenerOptions, sockets: Set<Socket>): Server {
  const { tls } = options.config;
  const server = tls === undefined ? createTcpServer() : createTlsServer({ ...tls, handshakeTimeout: options.limits.connectTimeoutMs });
  const entered = guardEntrance(server, options, sockets);
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    const entry = entered.get(peerOf(socket));
    if (entry === undefined) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    options.onArrival({ transport: socket, kind: "tcp", ...entry });
  });
  return server;
}

function newWebSocketServer(options: ListenerOptions, sockets: Set<Socket>): Server {
  const { tls } = options.config;
  const { limits } = options;
  const timeouts = {
    headersTimeout: limits.connectTimeoutMs,
    requestTimeout: limits.connectTimeoutMs,
    // Node looks every 30 s by default: a silent connection would live six times longer than promised.
    connectionsCheckingInterval: Math.min(1_000, limits.connectTimeoutMs),
    maxHeaderSize: 8_192,
  };
  const server: HttpServer = tls === undefined ? createHttpServer(timeouts) : createHttpsServer({ ...timeouts, ...tls });
  const entered = guardEntrance(server, options, sockets);
  server.on("request", (_request, response) => {
    response.writeHead(426, { connection: "close", upgrade: "websocket" }).end("MQTT over WebSocket: sub-protocol mqtt\n");
  });
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // 220 KB a connection after one message, against 8 KB
    maxPayload: limits.maxPayloadBytes + 65_536, // a client may send small packets and a large one in one frame
    maxFragments: 64,
    maxBufferedChunks: 1_024,
    handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : "mqttv3.1"),
  });
  server.on("upgrade", (request, socket: Duplex, head) => {
    socket.on("error", () => {});
    const entry = entered.get(peerOf(request.socket));
    if (entry === undefined) {
      socket.destroy();
      return;
    }
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    if (!offered.includes("mqtt") && !offered.includes("mqttv3.1")) {
      answerAndClose(socket, 400, "the WebSocket sub-protocol must be mqtt"); // [MQTT-6.0.0-3]
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("message", (_data, isBinary) => {
        if (!isBinary) webSocket.close(1003, "MQTT is binary"); // [MQTT-6.0.0-1]
      });
      request.socket.setNoDelay(true);
      options.onArrival({ transport: createWebSocketStream(webSocket), kind: "ws", ...entry });
    });
  });
  return server;
}

interface Entry {
  address: string;
  pass: GatePass;
}

/** Every raw socket passes the gate when it is accepted, before TLS and HTTP. Returned: who came in, by address and port. */
function guardEntrance(server: Server, options: ListenerOptions, sockets: Set<Socket>): Map<string, Entry> {
  const entered = new Map<string, Entry>();
  server.prependListener("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "unknown";
    const peer = peerOf(socket);
    socket.on("error", () => {});
    const pass = options.gate.enter(address);
    if (typeof pass === "string") {
      socket.destroy();
      options.onTurnedAway(address, pass);
      return;
    }
    sockets.add(socket);
    entered.set(peer, { address, pass });
    socket.once("close", () => {
      sockets.delete(socket);
      entered.delete(peer);
      pass.leave();
    });
  });
  return entered;
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ""} ${socket.remotePort ?? ""}`;
}

function answerAndClose(socket: Duplex, status: number, text: string): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

function listen(server: Server, where: { host: string; port: number; setting: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(new ConfigError(whyNot(error, where), { cause: error })));
    server.listen(where.port, where.host, () => {
      server.removeAllListeners("error");
      server.on("error", () => {}); // accept() failing for want of file descriptors: the next one may work
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function whyNot(error: NodeJS.ErrnoException, { host, port, setting }: { host: string; port: number; setting: string }): string {
  const what = `the MQTT broker cannot listen on ${host} port ${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${what}: another program has it. Stop that program, or set the broker's ${setting} to another port (0 picks a free one)`;
    case "EACCES":
      return `${what}: not allowed. Set the broker's ${setting} to a port above 1023`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${what}: this machine does not have that address. Set the broker's host (--host, KONFERENCO_HOST) to 127.0.0.1 (this machine only) or 0.0.0.0 (every network)`;
    default:
      return `${what}: ${error.message}. Check the broker's host and ${setting}`;
  }
}
