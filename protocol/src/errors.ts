/**
 * The published vocabulary of what can go wrong. Three families:
 * refusals (bad input, counted, costs only itself), coded errors (from below: Redis, network) and
 * close codes of client connections. docs/errors.md explains each; a test holds the two together.
 */

/** Why a message or a row from outside was refused. */
export const REFUSAL_CODES = [
  // topics and access
  "TOPIC_UNKNOWN", "TOPIC_WILDCARD", "TOPIC_FOREIGN_EVENT", "TOPIC_FOREIGN_ZONE",
  "TOPIC_RIGHT_MISSING", "TOPIC_SYSTEM", "TOPIC_SHARED", "LOGIN_UNKNOWN", "CLIENT_ID_FOREIGN",
  // connections of the broker
  "PACKET_BAD", "PROTOCOL_UNKNOWN", "KEEPALIVE_TOO_LONG", "CONNECT_TIMEOUT", "CONNECTION_LIMIT",
  "SUBSCRIPTION_LIMIT", "READER_SLOW",
  // payloads
  "PAYLOAD_TOO_LARGE", "JSON_BAD", "SHAPE_BAD", "VERSION_UNKNOWN", "COLUMNS_UNEQUAL", "ROWS_TOO_MANY",
  "GATEWAY_FOREIGN", "GATEWAY_UNKNOWN", "RETAIN_REFUSED",
  // rows
  "ID_BAD", "ID_RESERVED", "RSSI_NOT_HEARD", "RSSI_BAD", "TIME_BAD",
  // fusion
  "REPORT_DUPLICATE", "OBSERVATION_LATE", "OBSERVATION_FUTURE", "TAG_LIMIT", "TAG_NAME_UNKNOWN", "TAG_ERASED",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** A parsed value, or why there is none. */
export type Parsed<T> = { ok: true; value: T } | { ok: false; code: RefusalCode; detail: string };

export function accepted<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function refuse(code: RefusalCode, detail: string): { ok: false; code: RefusalCode; detail: string } {
  return { ok: false, code, detail };
}

/** Counts of refused rows or messages by code; absent means none. */
export type RefusalCounts = Partial<Record<RefusalCode, number>>;

export function countRefusal(counts: RefusalCounts, code: RefusalCode, by = 1): void {
  counts[code] = (counts[code] ?? 0) + by;
}

/** A failure from below, retried by the shell with a bound. */
export class StoreUnavailable extends Error {
  readonly code = "STORE_UNAVAILABLE";
  readonly retryable = true;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreUnavailable";
  }
}

/** A setting or a file of the user's that cannot be used; the message names the remedy. */
export class ConfigError extends Error {
  readonly code = "CONFIG_BAD";
  readonly retryable = false;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConfigError";
  }
}

/** Answers of the client protocol and of the REST API. `retry`: the same request may succeed later. */
export const CLIENT_ERRORS = {
  bad_request: { number: 4000, httpStatus: 400, retry: false },
  unauthorized: { number: 4010, httpStatus: 401, retry: false },
  token_expired: { number: 4011, httpStatus: 401, retry: true },
  forbidden: { number: 4030, httpStatus: 403, retry: false },
  not_found: { number: 4040, httpStatus: 404, retry: false },
  unknown_channel: { number: 4041, httpStatus: 404, retry: false },
  already_subscribed: { number: 4090, httpStatus: 409, retry: false },
  cursor_invalid: { number: 4100, httpStatus: 400, retry: false },
  cursor_expired: { number: 4101, httpStatus: 410, retry: false },
  too_large: { number: 4130, httpStatus: 413, retry: false },
  limit: { number: 4220, httpStatus: 422, retry: false },
  rate_limited: { number: 4290, httpStatus: 429, retry: true },
  internal: { number: 5000, httpStatus: 500, retry: true },
  not_available: { number: 5030, httpStatus: 503, retry: true },
} as const;
export type ClientErrorCode = keyof typeof CLIENT_ERRORS;

/** WebSocket close codes. 40xx and 4290: reconnect and resume; 44xx: get a new token first; 45xx: stop. */
export const CLOSE_CODES = {
  serverError: 4000,
  draining: 4001,
  idle: 4002,
  slow: 4003,
  positionLost: 4004,
  rateLimited: 4290,
  tokenExpired: 4401,
  permissionsChanged: 4403,
  invalidToken: 4500,
  protocolError: 4501,
  helloTimeout: 4502,
  erased: 4503,
  connectionLimit: 4504,
} as const;
