import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { ConfigError, fusionTopicFilters, type EventId } from "@konferenco/protocol";

export interface MqttSourceOptions {
  /** mqtt://, mqtts://, ws:// or wss:// of the broker. */
  url: string;
  eventId: EventId;
  username: string;
  password: string;
  /** A returned promise delays the acknowledgement; when it rejects, the broker sends the message again. */
  onMessage: (message: { topic: string; payload: Uint8Array; receivedAtMs: number }) => void | Promise<void>;
  /** Tells processes that read the same event apart; two with one name take the session from each other. */
  name?: string;
  nowMs?: () => number;
  log?: (event: object) => void;
}

export interface MqttSource {
  close(): Promise<void>;
}

/** Between attempts to reach a broker that is away. */
const RECONNECT_MS = 1_000;
/** Connection refused for good by MQTT 3.1.1: bad user name or password (4), not authorised (5) [MQTT-3.2.2-3]. */
const REFUSED_LOGIN = new Set([4, 5]);

/**
 * Reads one event from a broker in another process, over two connections. Reports come at QoS 0 on a
 * clean session: what was missed is past. Everything else comes at QoS 1 on a session that the broker
 * keeps while we are away, and is acknowledged after `onMessage` has stored it. Alerts, published at QoS 2,
 * are read at QoS 1 too: mqtt.js acknowledges QoS 2 before it hands the message over, and a crash in
 * between would lose it; the store drops a second one with the same id, which makes it exactly once.
 * Two connections, because an alert that waits for the store must not hold up the reports behind it.
 */
export async function openMqttSource(options: MqttSourceOptions): Promise<MqttSource> {
  const filters = fusionTopicFilters(options.eventId);
  const isReport = (filter: string) => filter.split("/")[2] === "beacon";
  const clients: MqttClient[] = [];
  const close = async () => {
    await Promise.all(clients.map((client) => client.endAsync(true)));
  };
  try {
    await Promise.all([
      openReader(options, clients, { part: "reports", clean: true, qos: 0, filters: filters.filter(isReport) }),
      openReader(options, clients, { part: "kept", clean: false, qos: 1, filters: filters.filter((filter) => !isReport(filter)) }),
    ]);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

interface Reader {
  part: string;
  clean: boolean;
  qos: 0 | 1;
  filters: string[];
}

function openReader(options: MqttSourceOptions, clients: MqttClient[], { part, clean, qos, filters }: Reader): Promise<void> {
  const { username, password, log = () => {}, nowMs = Date.now, name = "1" } = options;
  const settings: IClientOptions = {
    // Explicit: what brokers must serve is 3.1.1, and mqtt.js may change its default.
    protocolVersion: 4,
    clientId: `${username}/${part}-${name}`,
    username,
    password,
    clean,
    reconnectPeriod: RECONNECT_MS,
    reconnectOnConnackError: true,
    resubscribe: false,
    queueQoSZero: false,
  };
  const client = mqtt.connect(options.url, settings);
  clients.push(client);

  client.handleMessage = (packet, acknowledge) => {
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    const stored = options.onMessage({ topic: packet.topic, payload, receivedAtMs: nowMs() });
    if (stored === undefined) return acknowledge();
    stored.then(
      () => acknowledge(),
      (error: unknown) => {
        // No acknowledgement on this connection: the broker sends it again on the next.
        log({ event: "message-not-stored", topic: packet.topic, reason: (error as Error).message });
        client.stream.destroy();
        acknowledge(error as Error);
      },
    );
  };

  return new Promise((resolve, reject) => {
    let away = false;
    client.on("connect", () => {
      client.subscribeAsync(filters, { qos }).then(
        (grants) => {
          const refused = grants.filter((grant) => grant.qos === 128).map((grant) => grant.topic);
          if (refused.length > 0) return reject(refusedSubscription(username, refused));
          if (away) log({ event: "broker-back", url: options.url, part });
          away = false;
          resolve();
        },
        // A connection that was lost meanwhile subscribes again on the next; one that stands was refused.
        (error: unknown) => {
          if (client.connected) reject(refusedSubscription(username, filters, error as Error));
        },
      );
    });
    client.on("error", (error) => {
      const code = (error as { code?: unknown }).code;
      if (typeof code === "number" && REFUSED_LOGIN.has(code)) {
        reject(new ConfigError(`the broker ${options.url} refuses the login "${username}": check its password in the broker's credentials file`, { cause: error }));
      }
      if (!away) log({ event: "broker-away", url: options.url, part, reason: error.message });
      away = true;
    });
    client.on("offline", () => {
      if (!away) log({ event: "broker-away", url: options.url, part, reason: "the connection was lost" });
      away = true;
    });
  });
}

function refusedSubscription(username: string, filters: readonly string[], cause?: Error): ConfigError {
  const message = `the broker refuses "${username}" to read ${filters.join(", ")}: give the login read-reports, read-sensors, read-alerts and read-status`;
  return new ConfigError(message, cause === undefined ? {} : { cause });
}
