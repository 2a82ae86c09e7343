import http from "node:http";
import net from "node:net";
import { WebSocketServer } from "ws";
import { createHash } from "node:crypto";
import { answerQuestions, clockMs } from "./child.ts";

// The plain way beside which a bridge is measured: sockets, and frames made once and written at once. It knows nobody and forgets everything.

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const sockets: net.Socket[] = [];
let httpServer: http.Server;

/** The same sockets by the ws package with nothing around them. */
function wsServer(): http.Server {
  const server = http.createServer();
  const upgrades = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: 16 * 1024 });
  const onMessage = () => undefined;
  server.on("upgrade", (request, socket, head) => {
    upgrades.handleUpgrade(request, socket, head, (accepted) => {
      accepted.on("message", onMessage);
      sockets.push(socket as net.Socket);
    });
  });
  return server;
}

/** One unmasked text frame. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? Buffer.from([0x81, payload.length]) : Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([head, payload]);
}

function bareServer(): http.Server {
  const server = http.createServer();
  server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"] ?? ""}${MAGIC}`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on("error", () => undefined);
    socket.resume();
    sockets.push(socket as net.Socket);
  });
  return server;
}

answerQuestions({
  async open({ kind }: { kind: "ws" | "bare" }): Promise<number> {
    httpServer = kind === "ws" ? wsServer() : bareServer();
    httpServer.on("request", (_request, response) => response.end('{"status":"ok"}'));
    await new Promise<void>((resolve) => httpServer.listen({ port: 0, host: "127.0.0.1", backlog: 1_024 }, resolve));
    return (httpServer.address() as net.AddressInfo).port;
  },
  /** `eventsPerS` events for `ms`, each to `recipients` sockets in turn (fractions on average), in steps as the traffic of the bridge. */
  async traffic({ eventsPerS, recipients, ms, stepMs = 20 }: { eventsPerS: number; recipients: number; ms: number; stepMs?: number }) {
    const begunMs = clockMs();
    let events = 0;
    let writes = 0;
    for (;;) {
      const elapsedMs = Math.min(ms, clockMs() - begunMs);
      const atMs = clockMs();
      for (; events < Math.floor((eventsPerS * elapsedMs) / 1_000); events++) {
        const frame = frameOf(`{"op":"ev","s":1,"c":"${"c".repeat(72)}","i":"0123456789abcdef","st":${Date.now()},"t":"zone.enter","at":${atMs},"d":{"subj":{"who":"me"},"zoneId":"zone-42","floor":0}}`);
        for (const until = Math.floor((events + 1) * recipients); writes < until; writes++) sockets[writes % sockets.length]?.write(frame);
      }
      if (elapsedMs >= ms) return { events, writes };
      await new Promise((resolve) => setTimeout(resolve, stepMs));
    }
  },
  /** `rounds` times one frame of `bytes` to everybody; CPU in microseconds per write. */
  async writeCost({ rounds, bytes }: { rounds: number; bytes: number }): Promise<number> {
    const frame = frameOf("x".repeat(bytes));
    const begun = process.cpuUsage();
    for (let round = 0; round < rounds; round++) {
      for (const socket of sockets) socket.write(frame);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / (rounds * sockets.length);
  },
  async memory() {
    for (let round = 0; round < 4; round++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return process.memoryUsage();
  },
});
