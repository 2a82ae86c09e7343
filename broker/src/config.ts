import { z } from "zod";
import { ConfigError, MAX_MQTT_PAYLOAD_BYTES } from "@konferenco/protocol";
import type { BrokerCredentials, StoredCredentials } from "./credentials.ts";

/** Bounds of the broker, each with what it costs or what happens there. */
export const brokerLimitsSchema = z.strictObject({
  /** Larger payloads are refused when their header arrives (PAYLOAD_TOO_LARGE). */
  maxPayloadBytes: z.int().min(1_024).max(16 * 1024 * 1024).default(MAX_MQTT_PAYLOAD_BYTES),
  /** CONNECT with client id, user name, password and will: ours take under 700 bytes. All that a stranger can make us keep. */
  maxConnectBytes: z.int().min(128).max(16_384).default(1_024),
  /** From the TCP connection to the whole CONNECT; then CONNECT_TIMEOUT. A WebSocket has as long again for its handshake. */
  connectTimeoutMs: z.int().min(100).max(10_000).default(5_000),
  /** Largest keep-alive that a client may ask for: a cut gateway is noticed after 1.5 times this. 0 (never) is refused too. */
  maxKeepaliveS: z.int().min(5).max(65_535).default(300),
  /** Bytes waiting for one subscriber that reads slowly; then READER_SLOW and it may come back. */
  maxOutboundBytes: z.int().min(65_536).max(64 * 1024 * 1024).default(2 * 1024 * 1024),
  /** aedes' own bound for the same, should a write ever wait: everybody waits as long as it. Its default is 60 s. */
  drainTimeoutMs: z.int().min(100).max(60_000).default(2_000),
  /** Open sockets, about 15 KB each when logged in (bench of aedes 1.2: 9.9 KB heap, 15 KB RSS). */
  maxConnections: z.int().min(1).max(100_000).default(5_000),
  /** Of those, from one address: a whole venue behind one NAT, 2,000 gateways and some applications. */
  maxConnectionsPerAddress: z.int().min(1).max(100_000).default(2_500),
  /** Of those, not logged in: 512 x 10 KB = 5 MB is what one address can take from us without a password. */
  maxPendingPerAddress: z.int().min(1).max(100_000).default(512),
  /** Filters of one client. */
  maxSubscriptionsPerClient: z.int().min(1).max(10_000).default(64),
  /** Messages kept for one absent client with a persistent session; later ones are dropped and counted (READER_SLOW). */
  maxQueuedPerSession: z.int().min(0).max(100_000).default(1_000),
});
export type BrokerLimits = z.infer<typeof brokerLimitsSchema>;

/** The broker's part of a settings file, with its defaults. The credentials file is read by `parseCredentials`. */
export const brokerSettingsSchema = z.strictObject({
  /** Loopback by default: whoever opens it to a network should set `tls` too. */
  host: z.string().min(1).default("127.0.0.1"),
  /** 0 picks a free port. */
  tcpPort: z.int().min(0).max(65_535).default(1883),
  /** MQTT over WebSocket; null: none. */
  wsPort: z.int().min(0).max(65_535).nullable().default(9001),
  limits: brokerLimitsSchema.prefault({}),
});
export type BrokerSettings = z.infer<typeof brokerSettingsSchema>;

export interface BrokerConfig {
  host: string;
  tcpPort: number;
  wsPort: number | null;
  credentials: BrokerCredentials | StoredCredentials;
  nowMs: () => number;
  /** Gets one object per change of state; never per message. */
  log: (event: object) => void;
  limits?: Partial<BrokerLimits>;
  /** PEM texts. Given: both ports speak TLS only. */
  tls?: { key: string; cert: string };
}

export function parseBrokerLimits(limits: Partial<BrokerLimits> | undefined): BrokerLimits {
  const result = brokerLimitsSchema.safeParse(limits ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(`broker setting limits.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "bad value"} (docs/errors.md#configerror)`);
}
