import { z } from "zod";
import { cleanText } from "./alert.ts";
import { appChannelSchema, messageTypeNameSchema, type AppChannel, type MessageTypeName, type Priority } from "./message-types.ts";
import { idSchema } from "./sensors.ts";

/** A message of an application: made by a person or by the venue's software, passed on by the bridge. */
export interface StoredMessage {
  /** UUIDv7, made by the bridge. */
  id: string;
  type: MessageTypeName;
  /** The sender's token subject: a personId, or `login:<name>`. */
  from: string;
  to: { kind: "channel"; id: AppChannel } | { kind: "user"; id: string };
  payload: Readonly<Record<string, unknown>>;
  atMs: number;
  /** The sender's own key of this message: the same key again within 24 h is the same message. Null: every one counts. */
  key: string | null;
  ttlS?: number;
  /** Ed25519, base64url, and the key that it was verified with when it came. */
  signature?: string;
  publicKey?: string;
  /** The payload is not ours to read. */
  encrypted?: boolean;
}

/** What passes between the bridges of an event and is not kept: the latest counts. */
export type Signal =
  | { kind: "said"; message: StoredMessage }
  /** One bridge's people. `whole`: who is not in this list is not there any more. */
  | { kind: "presence"; bridge: string; whole: boolean; people: PresenceEntry[] }
  | { kind: "receipts"; bridge: string; alertId: string; counts: ReceiptCounts }
  | { kind: "resync"; who: string | null }
  /** Somebody of the staff has exact counts before them. */
  | { kind: "counts_read"; by: string; how: "asked" | "live" }
  /** What one process has counted since it started, by stage. */
  | { kind: "flow"; from: string; counts: Record<string, number> };

export const PRESENCE_STATES = ["online", "away", "busy", "offline"] as const;
export type PresenceState = (typeof PRESENCE_STATES)[number];

export interface PresenceEntry {
  who: string;
  state: PresenceState;
  channels: string[];
}

/** Devices that were told of an alert. `failed`: closed or silent after the last try. */
export interface ReceiptCounts {
  delivered: number;
  pending: number;
  failed: number;
}

/** Control and direction-changing characters go from every text of a payload. */
export function cleanPayload(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return cleanText(value);
  if (depth > 16) return null;
  if (Array.isArray(value)) return value.map((item) => cleanPayload(item, depth + 1));
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), cleanPayload(item, depth + 1)]));
  return value;
}

/** What an Ed25519 signature covers: these four as one JSON array, in this order, with no blanks. */
export function signedText(type: string, to: string, key: string | null, payload: unknown): string {
  return JSON.stringify([type, to, key, payload]);
}

export const payloadSchema = z.record(z.string(), z.unknown());
export const signatureSchema = z.string().regex(/^[\w-]{86}$/, "64 bytes in base64url");
export const publicKeySchema = z.string().regex(/^[\w-]{43}$/, "32 bytes in base64url");
export const messageKeySchema = z.string().min(1).max(64).regex(/^[\w.:-]+$/, "letters, digits and . _ : -");

/**
 * The envelope of requirement E3, as the REST API takes and gives it. What a sender cannot choose (id, from,
 * timestamp, priority, delivery) follows from the token, the clock and the registry; given, it is ignored.
 */
export const envelopeInSchema = z.object({
  type: z.string().max(64),
  subtype: z.string().max(64).optional(),
  to: z.object({ type: z.enum(["user", "channel", "broadcast"]), id: z.string().max(64).optional() }),
  payload: payloadSchema,
  idempotency_key: messageKeySchema.optional(),
  ttl: z.number().int().min(1).max(90 * 86_400).optional(),
  signature: signatureSchema.optional(),
  public_key: publicKeySchema.optional(),
  encrypted: z.boolean().optional(),
});
export type EnvelopeIn = z.infer<typeof envelopeInSchema>;

export const envelopeSchema = z.object({
  id: z.string(),
  type: z.string(),
  subtype: z.string(),
  from: z.object({ user_id: z.string(), device_id: z.string().optional(), session_id: z.string().optional() }),
  to: z.object({ type: z.enum(["user", "channel", "broadcast"]), id: z.string(), event_id: z.string().optional() }),
  payload: payloadSchema,
  timestamp: z.number().describe("ms since 1970"),
  ttl: z.number().describe("s"),
  priority: z.enum(["low", "normal", "high", "critical"]),
  delivery: z.object({ required_ack: z.boolean(), retry_policy: z.enum(["none", "exponential", "linear"]), max_retries: z.number(), dedup_window: z.number().describe("s") }),
  signature: z.string().optional(),
  encrypted: z.boolean().optional(),
});
export type MessageEnvelope = z.infer<typeof envelopeSchema> & { priority: Priority };

/** The frame `pub`: to a channel, or to one person. */
export const pubFrameSchema = z.object({
  op: z.literal("pub"),
  id: z.number().int().min(0).max(2 ** 31),
  t: messageTypeNameSchema,
  ch: appChannelSchema.optional(),
  to: idSchema.optional(),
  d: payloadSchema,
  key: messageKeySchema.optional(),
  ttlS: z.number().int().min(1).max(90 * 86_400).optional(),
  sig: signatureSchema.optional(),
  pk: publicKeySchema.optional(),
  enc: z.boolean().optional(),
});
