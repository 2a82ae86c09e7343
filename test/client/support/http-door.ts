import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

type Frame = Record<string, unknown>;

/** A small server that speaks the protocol by events, by polling and, when it is let, by WebSocket. */
export interface HttpDoorServer {
  url: string;
  /** What clients sent, and by which way. */
  heard: { by: "websocket" | "sse" | "polling"; frame: Frame }[];
  tokens: (string | undefined)[];
  /** To every client of now. */
  say(frame: Frame): void;
  allow: { websocket: boolean; sse: boolean; polling: boolean };
  /** Answers the next request with this instead. */
  refuseNext: { status: number; body: unknown } | null;
  breakStreams(): void;
  close(): Promise<void>;
}

interface Client {
  by: "websocket" | "sse";
  tell: (frame: Frame) => void;
}

export async function openHttpDoor(): Promise<HttpDoorServer> {
  const clients = new Map<string, Client>();
  const log: Frame[] = [];
  const streams = new Set<http.ServerResponse>();
  let lastSid = 0;
  const server = http.createServer();
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "konferenco-v1" });
  const door: HttpDoorServer = {
    url: "",
    heard: [],
    tokens: [],
    allow: { websocket: true, sse: true, polling: true },
    refuseNext: null,
    say(frame) {
      log.push(frame);
      for (const { tell } of clients.values()) tell(frame);
    },
    breakStreams() {
      for (const stream of streams) stream.destroy();
    },
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const open = (by: Client["by"], tell: Client["tell"], resume: unknown): string => {
    const sid = `s${++lastSid}`;
    clients.set(sid, { by, tell });
    tell({ op: "welcome", re: 1, sid, ttlS: 3_600, pingS: 30, now: 0, epoch: "e", resumed: typeof resume === "string", who: { personId: null, role: "staff" } });
    return sid;
  };
  const hear = (sid: string, frame: Frame): void => {
    const client = clients.get(sid) as Client;
    door.heard.push({ by: client.by, frame });
    if (frame["op"] === "probe") client.tell({ op: "ping", now: 0 });
    else if (typeof frame["id"] === "number") client.tell({ op: "ok", re: frame["id"], ...("ch" in frame ? { ch: frame["ch"] } : {}) });
  };

  server.on("upgrade", (request, socket, head) => {
    if (!door.allow.websocket) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (ws) => {
      let sid: string | null = null;
      ws.on("message", (data) => {
        const frame = JSON.parse((data as Buffer).toString()) as Frame;
        if (frame["op"] === "hello") {
          sid = open("websocket", (told) => ws.send(JSON.stringify(told)), frame["resume"]);
          door.heard.push({ by: "websocket", frame });
        } else if (sid !== null) hear(sid, frame);
      });
      ws.on("close", () => sid !== null && clients.delete(sid));
    });
  });

  server.on("request", (request, response) => {
    void (async () => {
      door.tokens.push(request.headers.authorization);
      const url = new URL(request.url ?? "/", "http://door");
      const json = (status: number, body: unknown): unknown => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      const { refuseNext } = door;
      if (refuseNext !== null) {
        door.refuseNext = null;
        return json(refuseNext.status, refuseNext.body);
      }
      switch (url.pathname) {
        case "/events": {
          if (!door.allow.sse) return response.writeHead(403, { "content-type": "text/html" }).end("<h1>blocked by policy</h1>");
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.write(": hello\n\n");
          streams.add(response);
          const resume = request.headers["last-event-id"];
          const sid = open("sse", (frame) => response.write(`data: ${JSON.stringify(frame)}\n\n`), resume);
          door.heard.push({ by: "sse", frame: { op: "hello", ...(resume === undefined ? {} : { resume }) } });
          response.on("close", () => (clients.delete(sid), streams.delete(response)));
          return undefined;
        }
        case "/api/v1/control": {
          const { sid, frames } = JSON.parse(Buffer.concat(await request.toArray()).toString()) as { sid: string; frames: Frame[] };
          for (const frame of frames) hear(sid, frame);
          return json(202, { accepted: frames.length });
        }
        case "/api/v1/poll": {
          if (!door.allow.polling) return response.writeHead(502).end("bad gateway");
          const channels = (url.searchParams.get("channels") ?? "").split(",");
          const cursor = url.searchParams.get("cursor");
          door.heard.push({ by: "polling", frame: { op: "poll", channels, cursor } });
          const from = cursor === null ? log.length : Number(cursor.slice(1));
          const frames = [
            { op: "welcome", re: 1, sid: "p", ttlS: 3_600, pingS: 30, now: 0, epoch: "e", resumed: cursor !== null, who: { personId: null, role: "staff" } },
            ...channels.map((ch, index) => ({ op: "ok", re: index + 2, ch, snap: [], c: `c${log.length}` })),
            ...log.slice(from).map((frame, index) => ({ ...frame, s: index + 1 })),
          ];
          return json(200, { frames, cursor: `c${log.length}`, more: false, everyMs: 1_000 });
        }
        default:
          door.heard.push({ by: "polling", frame: { op: `${request.method} ${url.pathname}`, body: JSON.parse(Buffer.concat(await request.toArray()).toString()) as unknown } });
          return json(200, {});
      }
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  door.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
  return door;
}
