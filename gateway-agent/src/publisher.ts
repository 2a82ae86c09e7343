import { gatewayStatusTopic, tagNamesTopic, type GatewayStatus } from "@konferenco/protocol";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { decodeSpooled, encodeSpooled, reportPacket, type OutgoingSightings, type Packet, type Voice } from "./outgoing.ts";
import type { Spool } from "./spool.ts";

/**
 * The way to the broker. Sightings go out at once; while that is not possible they go to the spool. Sensor
 * messages and the status are not kept: the next one, 15 or 30 s later, says the same better.
 *
 * Every connection is a fresh mqtt.js client: nothing of an old one (its queue, its stored packets, its
 * pending callbacks) can come back later. mqtt.js never queues for us: its own offline queue has no bound
 * (20,000 publishes while offline: 20,000 queued, +12 MB, measured).
 */
export interface PublisherConfig {
  url: string;
  clientId: string;
  username: string;
  password: string;
  /** Certificate authority of the venue's broker, PEM; null: the system's. */
  ca: string | null;
  voice: Voice;
  /** Null: nothing is kept while offline, only counted. */
  spool: Spool | null;
  /** The rest of a status message, asked for each time. */
  status: () => Pick<GatewayStatus, "version" | "uptimeS" | "sightingsPerS">;
  /** The only thing that a gateway reads: which changing names are the event's. */
  onTagNames: (payload: Uint8Array) => void;
  nowMs: () => number;
  random: () => number;
  log: (event: object) => void;
  limits?: Partial<PublisherLimits>;
}

export interface PublisherLimits {
  statusEveryMs: number;
  /** Handed to mqtt.js and not yet taken by the socket or acknowledged. Beyond it the network is too slow: the spool takes over. */
  maxInFlightBytes: number;
  /** Fusion takes observations of up to this age: what is younger is sent first after an interruption. */
  freshMs: number;
  /** The rest follows one message at a time, this far apart: live data makes 2 a second, the past at most 4. */
  drainEveryMs: number;
  firstRetryMs: number;
  maxRetryMs: number;
  /** A connection that lasted this long starts the next back-off from the beginning. */
  stableAfterMs: number;
  keepaliveS: number;
  /** A broker that leaves a QoS 1 message unanswered for so long is as good as gone. */
  ackTimeoutMs: number;
  connectTimeoutMs: number;
  /** How long the farewell may take. systemd waits 90 s before it kills. */
  farewellMs: number;
}

const LIMITS: PublisherLimits = {
  statusEveryMs: 15_000,
  maxInFlightBytes: 256 * 1024,
  freshMs: 10_000,
  drainEveryMs: 250,
  firstRetryMs: 1_000,
  maxRetryMs: 30_000,
  stableAfterMs: 10_000,
  keepaliveS: 10,
  ackTimeoutMs: 20_000,
  connectTimeoutMs: 10_000,
  farewellMs: 2_000,
};

export interface PublisherCounts {
  connected: boolean;
  connections: number;
  sentReports: number;
  sentSightings: number;
  /** Waiting in the spool. */
  spooledReports: number;
  /** Never to be sent: too old, no room, no spool. */
  droppedReports: number;
  sentSensors: number;
  /** Sensor messages that found no connection or no answer. */
  droppedSensors: number;
  inFlightBytes: number;
}

interface Connection {
  client: MqttClient;
  open: boolean;
  openedAtMs: number;
  lastError: Error | null;
  lost: boolean;
  /** What is in mqtt.js' hands, each with who to tell that it has left or that it never will; bounded by `maxInFlightBytes`. */
  inFlight: Set<(left: boolean) => void>;
  inFlightBytes: number;
}

/** Refused so often right after the login that somebody must be told. */
const SHORT_CONNECTIONS_TOLD_AT = 3;

export class Publisher {
  readonly #config: PublisherConfig;
  readonly #limits: PublisherLimits;
  #connection: Connection | null = null;
  #retry: NodeJS.Timeout | undefined;
  #statusTimer: NodeJS.Timeout | undefined;
  #drainTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #shortConnections = 0;
  #lastReason: string | null = null;
  #closed = false;
  /** The first seconds after an interruption: what is live lines up in the spool behind what is fresh. */
  #catchingUp = false;
  #draining = false;
  readonly #counts = { connections: 0, sentReports: 0, sentSightings: 0, droppedWithoutSpool: 0, sentSensors: 0, droppedSensors: 0 };

  constructor(config: PublisherConfig) {
    this.#config = config;
    this.#limits = { ...LIMITS, ...config.limits };
  }

  /** Begins to connect, and goes on for as long as it takes. What is reported before goes to the spool. */
  open(): void {
    this.#connect();
    this.#statusTimer = setInterval(() => {
      this.#config.spool?.sweep(this.#config.nowMs());
      this.#publishStatus();
    }, this.#limits.statusEveryMs);
    this.#drainTimer = setInterval(() => void this.#drainOne(), this.#limits.drainEveryMs);
  }

  /** Reports now or keeps for later. Never throws, never waits. */
  report(sightings: OutgoingSightings): void {
    const connection = this.#usable();
    if (connection === null || this.#catchingUp) return this.#keep(sightings);
    void this.#handReport(connection, sightings).then((left) => {
      if (!left) this.#keep(sightings);
    });
  }

  /** A sensor message, or nothing when the broker is away. */
  send(packet: Packet): void {
    const connection = this.#usable();
    if (connection === null) {
      this.#counts.droppedSensors++;
      return;
    }
    void this.#hand(connection, packet, false).then((left) => {
      if (left) this.#counts.sentSensors++;
      else this.#counts.droppedSensors++;
    });
  }

  counts(): PublisherCounts {
    const spooled = this.#config.spool?.counts();
    const dropped = spooled === undefined ? 0 : Object.values(spooled.dropped).reduce((sum, count) => sum + count, 0);
    return {
      connected: this.#connection?.open ?? false,
      connections: this.#counts.connections,
      sentReports: this.#counts.sentReports,
      sentSightings: this.#counts.sentSightings,
      spooledReports: spooled?.messages ?? 0,
      droppedReports: dropped + this.#counts.droppedWithoutSpool,
      sentSensors: this.#counts.sentSensors,
      droppedSensors: this.#counts.droppedSensors,
      inFlightBytes: this.#connection?.inFlightBytes ?? 0,
    };
  }

  /** Says goodbye (a retained "offline", so that nobody waits for the last will), then leaves. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#statusTimer);
    clearInterval(this.#drainTimer);
    clearTimeout(this.#retry);
    const connection = this.#connection;
    if (connection === null) return;
    if (connection.open) {
      const { gatewayId, bootId } = this.#config.voice;
      await withinMs(
        (async () => {
          await this.#hand(connection, this.#statusPacket({ v: 1, gatewayId, bootId, online: false, sentAtMs: this.#config.nowMs() }), true);
          await new Promise<void>((resolve) => connection.client.end(false, {}, () => resolve()));
        })(),
        this.#limits.farewellMs,
      );
    }
    this.#lose(connection);
    // What was in mqtt.js' hands has gone to the spool by the time that close() returns.
    await Promise.resolve();
  }

  #connect(): void {
    const config = this.#config;
    const limits = this.#limits;
    const { gatewayId } = config.voice;
    const options: IClientOptions = {
      // aedes 1.2 speaks 3.1.1; requirement A1.
      protocolVersion: 4,
      clientId: config.clientId,
      username: config.username,
      password: config.password,
      clean: true,
      keepalive: limits.keepaliveS,
      connectTimeout: limits.connectTimeoutMs,
      // Reconnecting is ours (see above), and QoS 0 while offline is an error instead of an unbounded queue.
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      will: { topic: this.#statusTopic(), payload: Buffer.from(JSON.stringify({ v: 1, gatewayId, online: false })), qos: 1, retain: true },
      ...(config.ca === null ? {} : { ca: config.ca }),
    };
    const connection: Connection = { client: connect(config.url, options), open: false, openedAtMs: 0, lastError: null, lost: false, inFlight: new Set(), inFlightBytes: 0 };
    this.#connection = connection;
    // Heard for ever, also after the end: an error event without a listener would end the process. Not every
    // error closes the socket by itself (bytes that are no MQTT do not).
    connection.client.on("error", (error) => {
      connection.lastError ??= error;
      this.#lose(connection);
    });
    connection.client.on("connect", () => this.#opened(connection));
    connection.client.on("message", (_topic, payload) => config.onTagNames(payload));
    connection.client.on("close", () => this.#lose(connection));
  }

  #opened(connection: Connection): void {
    if (connection.lost || this.#closed) return;
    connection.open = true;
    connection.openedAtMs = this.#config.nowMs();
    this.#counts.connections++;
    this.#lastReason = null;
    this.#config.log({ event: "broker-connected", url: this.#config.url, spooledReports: this.#config.spool?.counts().messages ?? 0 });
    this.#publishStatus();
    this.#listen(connection);
    void this.#catchUp(connection);
  }

  /** A broker of the venue's own that does not let us: everything but tags with changing names goes on. */
  #listen(connection: Connection): void {
    const topic = tagNamesTopic(this.#config.voice.eventId);
    connection.client.subscribe(topic, { qos: 1 }, (error, granted) => {
      const refused = error !== null || granted?.some(({ qos }) => qos === 128) === true;
      if (refused && connection.open) this.#config.log({ event: "tag-names-refused", topic, remedy: "let gateways read this topic, or tags with changing names (Eddystone-EID) are not heard" });
    });
  }

  /** After an interruption: what fusion can still use, in the order in which it was heard, before anything newer. */
  async #catchUp(connection: Connection): Promise<void> {
    const { spool, nowMs } = this.#config;
    if (spool === null) return;
    this.#catchingUp = true;
    try {
      while (connection.open) {
        const spooled = spool.next(nowMs() - this.#limits.freshMs);
        if (spooled === null) return;
        if (!(await this.#sendSpooled(connection, spooled))) return;
      }
    } finally {
      this.#catchingUp = false;
    }
  }

  /** The past, slowly, when the present leaves room. */
  async #drainOne(): Promise<void> {
    const connection = this.#connection;
    const { spool, nowMs } = this.#config;
    if (spool === null || connection === null || !connection.open || this.#catchingUp || this.#draining) return;
    if (connection.inFlightBytes > this.#limits.maxInFlightBytes / 4) return;
    spool.sweep(nowMs());
    const spooled = spool.next();
    if (spooled === null) return;
    this.#draining = true;
    try {
      await this.#sendSpooled(connection, spooled);
    } finally {
      this.#draining = false;
    }
  }

  async #sendSpooled(connection: Connection, spooled: { id: number; atMs: number; body: Uint8Array }): Promise<boolean> {
    const sightings = decodeSpooled(spooled.body, spooled.atMs);
    const left = sightings === null || (await this.#handReport(connection, sightings));
    if (left) this.#config.spool?.markSent(spooled.id);
    return left;
  }

  async #handReport(connection: Connection, sightings: OutgoingSightings): Promise<boolean> {
    const left = await this.#hand(connection, reportPacket(sightings, this.#config.voice, this.#config.nowMs()), false);
    if (!left) return false;
    this.#counts.sentReports++;
    this.#counts.sentSightings += sightings.columns.tagId.length;
    return true;
  }

  /** A connection that takes more, or null. */
  #usable(): Connection | null {
    const connection = this.#connection;
    return connection !== null && connection.open && connection.inFlightBytes < this.#limits.maxInFlightBytes ? connection : null;
  }

  /** Gives a packet to mqtt.js. Resolves with true when it has left (QoS 0: taken by the socket; QoS 1: acknowledged), with false when it never will. */
  #hand(connection: Connection, { topic, payload, qos }: Packet, retain: boolean): Promise<boolean> {
    const bytes = topic.length + payload.length;
    connection.inFlightBytes += bytes;
    return new Promise((resolve) => {
      const patience = qos === 0 ? undefined : setTimeout(() => {
        connection.lastError = new Error("the broker does not acknowledge");
        this.#lose(connection);
      }, this.#limits.ackTimeoutMs);
      const land = (left: boolean) => {
        if (!connection.inFlight.delete(land)) return;
        clearTimeout(patience);
        connection.inFlightBytes -= bytes;
        resolve(left);
      };
      connection.inFlight.add(land);
      connection.client.publish(topic, payload, { qos, retain }, (error) => land(error === undefined || error === null));
    });
  }

  #keep(sightings: OutgoingSightings): void {
    const { spool } = this.#config;
    if (spool === null) this.#counts.droppedWithoutSpool++;
    else spool.append(encodeSpooled(sightings), sightings.atMs);
  }

  #lose(connection: Connection): void {
    if (connection.lost) return;
    connection.lost = true;
    const wasOpen = connection.open;
    connection.open = false;
    connection.client.end(true);
    for (const land of connection.inFlight) land(false);
    if (this.#closed) return;
    const openMs = wasOpen ? this.#config.nowMs() - connection.openedAtMs : 0;
    const stable = openMs >= this.#limits.stableAfterMs;
    this.#failures = stable ? 0 : this.#failures + 1;
    this.#shortConnections = wasOpen && !stable ? this.#shortConnections + 1 : 0;
    this.#tell(connection, wasOpen);
    // Doubling, up to half a minute, between half and all of it: 200 gateways do not come back in one second.
    const delayMs = Math.min(this.#limits.maxRetryMs, this.#limits.firstRetryMs * 2 ** Math.max(0, this.#failures - 1));
    this.#retry = setTimeout(() => this.#connect(), delayMs * (0.5 + this.#config.random() / 2));
  }

  /** One line per change: lost, and each new reason why it stays lost. */
  #tell(connection: Connection, wasOpen: boolean): void {
    const reason = wasOpen && connection.lastError === null ? "the broker closed the connection" : brokerFault(connection.lastError, this.#config.url);
    if (reason !== this.#lastReason) this.#config.log({ event: wasOpen ? "broker-lost" : "broker-unreachable", url: this.#config.url, reason });
    this.#lastReason = reason;
    if (this.#shortConnections === SHORT_CONNECTIONS_TOLD_AT) {
      this.#config.log({ event: "broker-ends-us", reason: `closed ${SHORT_CONNECTIONS_TOLD_AT} times right after the login`, remedy: `look for a second gateway with the id "${this.#config.voice.gatewayId}" (a copied SD card?) and at the broker's log` });
    }
  }

  #publishStatus(): void {
    const connection = this.#connection;
    if (connection === null || !connection.open) return;
    const { gatewayId, bootId } = this.#config.voice;
    const counts = this.counts();
    const status: GatewayStatus = {
      v: 1,
      gatewayId,
      online: true,
      sentAtMs: this.#config.nowMs(),
      bootId,
      spooledReports: counts.spooledReports,
      droppedReports: counts.droppedReports,
      ...this.#config.status(),
    };
    // A status that is lost is followed by the next one: nothing to keep, nothing to retry.
    void this.#hand(connection, this.#statusPacket(status), true);
  }

  #statusTopic(): string {
    return gatewayStatusTopic(this.#config.voice.eventId, this.#config.voice.gatewayId);
  }

  #statusPacket(status: GatewayStatus): Packet {
    return { topic: this.#statusTopic(), payload: JSON.stringify(status), qos: 1 };
  }
}

function withinMs(promise: Promise<unknown>, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timeout = setTimeout(resolve, limitMs);
    promise.catch(() => {}).finally(() => {
      clearTimeout(timeout);
      resolve();
    });
  });
}

/** Why the broker cannot be used, and what to do. One line. */
export function brokerFault(error: (Error & { code?: unknown }) | null, url: string): string {
  const code = error?.code;
  if (code === 4 || code === 5) return 'the broker refuses the login: compare "gatewayId" and the password with what "konferenco" printed or the operator gave you';
  if (code === 2) return 'the broker refuses the client id: "gatewayId" must be the login\'s user name';
  if (code === "ECONNREFUSED") return `nothing listens at ${url}: start the broker, or mend "url"`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `the host of ${url} is not known: mend "url", or this gateway's network and DNS`;
  if (code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "ETIMEDOUT") return `${url} cannot be reached: check this gateway's network cable or Wi-Fi, and the venue's firewall`;
  if (typeof code === "string" && /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)) {
    return `the broker's certificate is not trusted (${code}): set "caFile" to the venue's certificate, and check this gateway's date with "timedatectl"`;
  }
  if (error === null) return `${url} does not answer: check that it is an MQTT broker and that no firewall swallows the port`;
  return `${error.message.split("\n")[0] ?? "unknown fault"} (${url})`;
}
