import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import { MqttClient, type IClientOptions } from "mqtt";
import { createWebSocketStream, WebSocket } from "ws";
import { openBroker, type Broker, type BrokerConfig, type BrokerCredentials, type Ingested } from "@konferenco/broker";

export const CREDENTIALS: BrokerCredentials = {
  gateways: [
    { gatewayId: "gw-1", password: "one", eventId: "demo", zoneIds: ["hall", "foyer"] },
    { gatewayId: "gw-2", password: "two", eventId: "demo", zoneIds: ["stage"] },
  ],
  applications: [
    { name: "desk", password: "desk-secret", eventId: "demo", rights: ["publish-alerts", "read-alerts", "read-status"] },
    { name: "fusion", password: "fusion-secret", eventId: "demo", rights: ["read-reports", "read-sensors", "read-alerts", "read-status"] },
    { name: "elsewhere", password: "else", eventId: "other", rights: ["publish-reports", "publish-alerts", "read-alerts"] },
  ],
};

export interface TestBroker {
  broker: Broker;
  messages: Ingested[];
  logs: Record<string, unknown>[];
  /** What the handler does with the next messages; by default nothing. */
  handle: { fn: (message: Ingested) => void | Promise<void> };
  connect(userName: string, options?: IClientOptions & { over?: "tcp" | "ws" | "tls" | "wss" }): Promise<MqttClient>;
  rawSocket(): Promise<Socket>;
  close(): Promise<void>;
}

export async function openTestBroker(change: Partial<BrokerConfig> = {}): Promise<TestBroker> {
  const logs: Record<string, unknown>[] = [];
  const messages: Ingested[] = [];
  const handle: TestBroker["handle"] = { fn: () => {} };
  const clients: MqttClient[] = [];
  const sockets: Socket[] = [];
  const broker = await openBroker({
    host: "127.0.0.1", tcpPort: 0, wsPort: 0, credentials: CREDENTIALS, nowMs: () => performance.now(),
    log: (event) => logs.push(event as Record<string, unknown>), ...change,
  });
  broker.attach((message) => {
    messages.push(message);
    return handle.fn(message);
  });
  return {
    broker, messages, logs, handle,
    async connect(userName, { over = "tcp", ...options } = {}) {
      const login = [...CREDENTIALS.gateways.map((g) => ({ name: g.gatewayId, password: g.password })), ...CREDENTIALS.applications].find((l) => l.name === userName);
      const ca = options.ca as string | undefined;
      const open = () => {
        if (over === "tcp") return connectTcp(broker.tcpPort, "127.0.0.1");
        if (over === "tls") return connectTls(broker.tcpPort, "127.0.0.1", { ca });
        return webSocketTo(`${over}://127.0.0.1:${broker.wsPort}`, ca);
      };
      const client = new MqttClient(open, {
        username: userName, password: login?.password ?? "none", clientId: userName, reconnectPeriod: 0, keepalive: 60,
        protocolId: "MQTT", protocolVersion: 4, clean: true, connectTimeout: 10_000, ...options,
      });
      clients.push(client);
      await new Promise<void>((resolve, reject) => {
        client.once("connect", () => resolve());
        client.once("error", reject);
        client.once("close", () => reject(new Error("closed before CONNACK")));
      });
      client.on("error", () => {});
      return client;
    },
    async rawSocket() {
      const socket = connectTcp(broker.tcpPort, "127.0.0.1");
      socket.on("error", () => {});
      sockets.push(socket);
      await once(socket, "connect");
      return socket;
    },
    async close() {
      for (const client of clients) client.end(true);
      for (const socket of sockets) socket.destroy();
      await broker.close();
    },
  };
}

function webSocketTo(url: string, ca: string | undefined): ReturnType<typeof createWebSocketStream> {
  const webSocket = new WebSocket(url, "mqtt", { ca });
  const stream = createWebSocketStream(webSocket);
  webSocket.once("close", () => stream.destroy());
  return stream;
}

/** Resolves when the condition holds; looks after every turn of the event loop, so nothing is slept away. */
export async function until(condition: () => boolean, what: string, withinMs = 10_000): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export function gone(client: MqttClient): Promise<void> {
  return new Promise((resolve) => client.once("close", () => resolve()));
}

export function closed(socket: Socket): Promise<void> {
  socket.resume();
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once("close", () => resolve());
  });
}

export interface ConnectFields {
  clientId?: string;
  userName?: string | null;
  password?: string | null;
  clean?: boolean;
  keepaliveS?: number;
  protocolLevel?: number;
}

/** A CONNECT of MQTT 3.1.1 by hand, byte for byte. */
export function connectPacket({ clientId = "gw-1", userName = "gw-1", password = "one", clean = true, keepaliveS = 60, protocolLevel = 4 }: ConnectFields = {}): Buffer {
  const flags = (userName === null ? 0 : 0x80) | (password === null ? 0 : 0x40) | (clean ? 2 : 0);
  const properties = protocolLevel === 5 ? [Buffer.from([0])] : [];
  const body = Buffer.concat([
    text("MQTT"), Buffer.from([protocolLevel, flags, keepaliveS >> 8, keepaliveS & 255]), ...properties, text(clientId),
    ...(userName === null ? [] : [text(userName)]), ...(password === null ? [] : [text(password)]),
  ]);
  return packet(0x10, body);
}

export function publishPacket(topic: string, payload: Buffer | string, qos: 0 | 1 | 2 = 0, id = 1): Buffer {
  return packet(0x30 | (qos << 1), Buffer.concat([text(topic), ...(qos > 0 ? [Buffer.from([id >> 8, id & 255])] : []), Buffer.from(payload)]));
}

export function packet(firstByte: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([firstByte]), remainingLength(body.length), body]);
}

export function remainingLength(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}
