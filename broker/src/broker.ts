import { Aedes, type Client, type PublishPacket } from "aedes";
import { parseTopic, type RefusalCounts } from "@konferenco/protocol";
import { APPLICATION_RIGHTS } from "./acl.ts";
import { boundSessions } from "./bounded-sessions.ts";
import { parseBrokerLimits, type BrokerConfig } from "./config.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { LoginBook } from "./credentials.ts";
import { newDoorkeeper, type IngestHandler, type Session } from "./doorkeeper.ts";
import { FrameGuard } from "./frame-guard.ts";
import { GuardedStream } from "./guarded-stream.ts";
import { Ledger } from "./ledger.ts";
import { openListeners, type Arrival } from "./listeners.ts";
import { Refused } from "./refusal.ts";

export interface BrokerStats {
  /** Logged in now. */
  clients: number;
  /** Messages handed to the handler, from clients, wills and `publish`. */
  received: number;
  /** Bytes of MQTT read from clients. */
  bytes: number;
  refused: RefusalCounts;
  /** Messages that the handler failed on: not acknowledged at QoS 1 and 2, lost at QoS 0. */
  handlerFailures: number;
}

export interface Broker {
  tcpPort: number;
  wsPort: number | null;
  /** Attach before the first `await` after `openBroker`, and no message is missed. One handler; a second throws. */
  attach(handler: IngestHandler): void;
  /** From inside; passes the handler too, and is awaited as from outside. */
  publish(topic: string, payload: string, options: { qos: 0 | 1 | 2; retain: boolean }): Promise<void>;
  stats(): BrokerStats;
  close(): Promise<void>;
}

/** aedes with locks on it. Rejects with `ConfigError` when a port is taken or a setting cannot be used. */
export async function openBroker(config: BrokerConfig): Promise<Broker> {
  const limits = parseBrokerLimits(config.limits);
  const ledger = new Ledger(config.log, config.nowMs);
  const arrivals = new WeakMap<object, Arrival>();
  const doorkeeper = newDoorkeeper({
    logins: new LoginBook(config.credentials),
    limits,
    ledger,
    nowMs: config.nowMs,
    arrivalOf: (client) => {
      const { address, kind } = arrivals.get(client.conn) as Arrival;
      return { address, transport: kind };
    },
  });
  const aedes = await Aedes.createBroker({
    ...doorkeeper.hooks,
    connectTimeout: limits.connectTimeoutMs * 2, // the guard's own deadline comes first
    drainTimeout: limits.drainTimeoutMs,
    maxTopicLevels: 8, // ours have at most 5
    maxClientsIdLength: 256, // MQTT 3.1 allows 23; client ids are checked by isOwnClientId
  });
  // aedes' types do not name it; the memory persistence is the only one used here.
  boundSessions((aedes as unknown as { persistence: Parameters<typeof boundSessions>[0] }).persistence, limits.maxQueuedPerSession, (clientId) => {
    ledger.refuse("READER_SLOW", clientId, `${limits.maxQueuedPerSession} messages wait for this session (limits.maxQueuedPerSession)`);
  });

  const loggedIn = new Set<Client>();
  const gatewayConnections = new Map<string, number>();

  aedes.on("connackSent", (connack, client) => {
    if (connack.returnCode === 0) (client.conn as GuardedStream).admit();
  });
  aedes.on("client", (client) => {
    const session = doorkeeper.sessions.get(client) as Session;
    loggedIn.add(client);
    countGateway(session, 1);
  });
  aedes.on("clientDisconnect", (client) => {
    const session = doorkeeper.sessions.get(client) as Session;
    loggedIn.delete(client);
    countGateway(session, -1);
  });
  aedes.on("clientError", noteError);
  aedes.on("connectionError", noteError);
  aedes.on("keepaliveTimeout", (client) => {
    const session = doorkeeper.sessions.get(client);
    if (session !== undefined) session.lostBecause = "keep-alive missed";
  });

  function countGateway({ principal, address, transport, lostBecause }: Session, by: 1 | -1): void {
    if (principal?.kind !== "gateway") return;
    const before = gatewayConnections.get(principal.gatewayId) ?? 0;
    const count = before + by;
    if (count > 0) gatewayConnections.set(principal.gatewayId, count);
    else gatewayConnections.delete(principal.gatewayId);
    if (before === 0) config.log({ event: "gateway.connected", gatewayId: principal.gatewayId, address, transport });
    else if (count === 0) config.log({ event: "gateway.lost", gatewayId: principal.gatewayId, because: lostBecause });
  }

  /** Whom a refusal is about: a user name counts only once it is proven, or an attacker fills the log with names. */
  function subjectOf(session: Session | undefined, stream: object): string {
    return session !== undefined && session.principal !== null ? session.userName : (arrivals.get(stream)?.address ?? "unknown");
  }

  /** What aedes refuses by itself: counted here, where it tells. What we refused has been counted. */
  function noteError(client: Client, error: Error & { code?: string; errorCode?: number }): void {
    if (error instanceof Refused) return;
    const session = doorkeeper.sessions.get(client);
    const code = refusalOfAedesError(error);
    if (code === null) return;
    ledger.refuse(code, subjectOf(session, client.conn), error.message);
    if (session !== undefined) session.lostBecause = code;
  }

  const listeners = await openListeners({
    config,
    limits,
    gate: new ConnectionGate(limits),
    onTurnedAway: (address, why) => ledger.refuse("CONNECTION_LIMIT", address, why),
    onArrival(arrival) {
      const stream = new GuardedStream({
        transport: arrival.transport,
        guard: new FrameGuard({ maxConnectBytes: limits.maxConnectBytes, maxPublishBytes: limits.maxPayloadBytes + TOPIC_ROOM_BYTES, maxControlBytes: MAX_CONTROL_BYTES }),
        connectTimeoutMs: limits.connectTimeoutMs,
        maxOutboundBytes: limits.maxOutboundBytes,
        onBytes: (bytes) => (ledger.bytes += bytes),
        onAdmitted: arrival.pass.admit,
        onRefused: (refused) => {
          const session = doorkeeper.sessions.get(client);
          if (session !== undefined) session.lostBecause = refused.code;
          ledger.refuse(refused.code, subjectOf(session, stream), refused.detail);
        },
      });
      arrivals.set(stream, arrival);
      const client = aedes.handle(stream);
    },
  }).catch(async (error: unknown) => {
    await new Promise<void>((resolve) => aedes.close(resolve));
    throw error;
  });
  if (config.tls === undefined && !isLoopback(config.host)) {
    config.log({ event: "broker.plaintext", host: config.host, detail: "passwords and reports cross the network unencrypted: set tls, or host to 127.0.0.1" });
  }

  let closing: Promise<void> | null = null;
  return {
    tcpPort: listeners.tcpPort,
    wsPort: listeners.wsPort,
    attach: doorkeeper.attach,
    async publish(topic, payload, { qos, retain }) {
      const parsed = parseTopic(topic);
      if (!parsed.ok) throw new Refused(parsed.code, parsed.detail);
      const bytes = Buffer.from(payload);
      const principal = { kind: "application" as const, eventId: parsed.value.eventId, name: "(inside)", rights: [...APPLICATION_RIGHTS] };
      await doorkeeper.ingest({ topic, payload: bytes, qos, principal, receivedAtMs: config.nowMs() });
      const packet: PublishPacket = { cmd: "publish", topic, payload: bytes, qos, retain, dup: false };
      await new Promise<void>((resolve, reject) => aedes.publish(packet, (error) => (error ? reject(error) : resolve())));
    },
    stats: () => ({ clients: loggedIn.size, received: ledger.received, bytes: ledger.bytes, refused: { ...ledger.refused }, handlerFailures: ledger.handlerFailures }),
    close() {
      closing ??= (async () => {
        doorkeeper.stop();
        await listeners.close();
        await new Promise<void>((resolve) => aedes.close(resolve));
      })();
      return closing;
    },
  };
}

/** Topic name with its length, and packet id, beside the payload of a PUBLISH. */
const TOPIC_ROOM_BYTES = 512;
/** SUBSCRIBE with 64 filters of 200 bytes. */
const MAX_CONTROL_BYTES = 16_384;

function refusalOfAedesError(error: Error & { code?: string; errorCode?: number }): "PROTOCOL_UNKNOWN" | "TOPIC_WILDCARD" | "TOPIC_UNKNOWN" | "PACKET_BAD" | null {
  // From the system (ECONNRESET, EPIPE, premature close): a lost connection, not a refusal.
  if (typeof error.code === "string") return null;
  if (error.errorCode === 1 || error.message === "Invalid protocol version") return "PROTOCOL_UNKNOWN";
  if (/^(no login|not stored|keep alive timeout|drain timeout|connection closed|connect did not arrive)/.test(error.message)) return null;
  if (/^[#+] is (not|only) allowed/.test(error.message)) return "TOPIC_WILDCARD";
  if (/empty topic|too many levels/.test(error.message)) return "TOPIC_UNKNOWN";
  return "PACKET_BAD";
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
