import type { Duplex } from "node:stream";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { ConfigError } from "@konferenco/protocol";

/** Nobody answers at the broker's address, or not as a broker does. */
export class BrokerUnreachable extends Error {
  readonly code = "BROKER_UNREACHABLE";
  readonly retryable = true;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "BrokerUnreachable";
  }
}

export interface LinkOptions {
  url: string;
  clientId: string;
  /** Null: the broker lets everybody in. */
  login: { name: string; password: string } | null;
  will?: { topic: string; payload: string };
  /** A broker that has just been started gets so long to answer. */
  connectWithinMs: number;
  onConnect?: () => void;
  /** The connection broke; it comes back by itself. */
  onOffline?: () => void;
}

/** One MQTT 3.1.1 connection that comes back by itself and never queues: what cannot be sent now is the caller's to drop or keep. */
export interface Link {
  isConnected(): boolean;
  /** QoS 0. Resolves when the bytes are with the operating system's socket; false: not connected, or the connection broke on the way. */
  send(topic: string, payload: string): Promise<boolean>;
  /** Bytes that wait in this process for the network. */
  waitingBytes(): number;
  /** Retained, QoS 1; not awaited, lost when offline. */
  retain(topic: string, payload: string): void;
  /** Breaks the connection without a word, as a power cut does. */
  cut(): Promise<void>;
  /** Says goodbye, with a last retained message where given. */
  close(last?: { topic: string; payload: string }): Promise<void>;
}

/** CONNACK codes that no retry mends [MQTT-3.2.2.3]: 1 protocol version, 2 client id, 4 user name or password, 5 not authorised. */
const FINAL_REFUSALS: Record<number, string> = {
  1: "it does not speak MQTT 3.1.1",
  2: "it refused the client id",
  4: "it refused the user name or password",
  5: "it refused the login (user name, password or client id)",
};

/** How long a goodbye may take before the socket is closed all the same. */
const GOODBYE_MS = 1_000;

/** Connects, or rejects: with `ConfigError` when the login is refused, with `BrokerUnreachable` when nobody answers in time. */
export async function openLink(options: LinkOptions): Promise<Link> {
  // An outage is told once, not at every vain attempt to come back; what we end ourselves is none.
  let isUp = false;
  const client = await connected({
    ...options,
    onConnect() {
      isUp = true;
      options.onConnect?.();
    },
    onOffline() {
      if (!isUp) return;
      isUp = false;
      options.onOffline?.();
    },
  });
  return {
    isConnected: () => client.connected,
    send: (topic, payload) =>
      client.connected ? new Promise((resolve) => client.publish(topic, payload, { qos: 0 }, (error) => resolve(error === undefined || error === null))) : Promise.resolve(false),
    waitingBytes: () => (client.stream as Duplex).writableLength,
    retain(topic, payload) {
      if (client.connected) client.publish(topic, payload, { qos: 1, retain: true }, () => undefined);
    },
    cut() {
      isUp = false;
      return ended(client, true);
    },
    async close(last) {
      isUp = false;
      if (last !== undefined && client.connected) {
        const told = new Promise<void>((resolve) => client.publish(last.topic, last.payload, { qos: 1, retain: true }, () => resolve()));
        await inTime(told, GOODBYE_MS);
      }
      await inTime(ended(client, !client.connected), GOODBYE_MS);
    },
  };
}

function connected(options: LinkOptions): Promise<MqttClient> {
  return new Promise((resolve, reject) => {
    const settings: IClientOptions = {
      clientId: options.clientId,
      protocolVersion: 4,
      clean: true,
      keepalive: 15,
      // Seen: without this mqtt.js keeps every QoS 0 message of an outage in memory.
      queueQoSZero: false,
      resubscribe: false,
      reconnectPeriod: 1_000,
      reconnectOnConnackError: true,
      connectTimeout: Math.max(1_000, options.connectWithinMs),
      ...(options.login === null ? {} : { username: options.login.name, password: options.login.password }),
      ...(options.will === undefined ? {} : { will: { topic: options.will.topic, payload: Buffer.from(options.will.payload), qos: 1 as const, retain: true } }),
    };
    let client: MqttClient;
    try {
      client = mqtt.connect(options.url, settings);
    } catch (error) {
      reject(new ConfigError(`"${options.url}" is not a broker's address: use mqtt://host:1883, mqtts://host:8883, ws://host:9001 (${(error as Error).message})`));
      return;
    }
    let lastFault = "no answer";
    let settled = false;
    const fail = (error: Error): void => {
      if (settled) return;
      settled = true;
      clearTimeout(patience);
      client.end(true);
      reject(error);
    };
    const patience = setTimeout(
      () => fail(new BrokerUnreachable(`no broker at ${options.url} (${lastFault}): start one, for example with "npm start -- --no-simulation", or name another with --broker`)),
      options.connectWithinMs,
    );
    client.on("connect", () => {
      if (!settled) {
        settled = true;
        clearTimeout(patience);
        resolve(client);
      }
      options.onConnect?.();
    });
    client.on("close", () => {
      if (settled) options.onOffline?.();
    });
    // After the first connection errors are only outages: mqtt.js comes back, `isConnected` and `send` tell.
    client.on("error", (error: Error & { code?: unknown }) => {
      lastFault = typeof error.code === "string" ? error.code : error.message;
      const refusal = typeof error.code === "number" ? FINAL_REFUSALS[error.code] : undefined;
      if (refusal !== undefined) fail(new ConfigError(`the broker at ${options.url} turned "${options.login?.name ?? options.clientId}" away: ${refusal}. Check --login and --password, or --credentials`));
    });
  });
}

function ended(client: MqttClient, force: boolean): Promise<void> {
  return new Promise((resolve) => client.end(force, {}, () => resolve()));
}

function inTime(promise: Promise<void>, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, withinMs);
    void promise.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
