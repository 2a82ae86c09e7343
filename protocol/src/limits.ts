/**
 * Shared limits. Each names its cost or what happens at the bound. A limit that only one package
 * knows stays in that package.
 */

/** Largest MQTT payload the broker lets in front of its parser; larger packets close the connection. */
export const MAX_MQTT_PAYLOAD_BYTES = 256 * 1024;

/** Rows of one beacon report. 4,000 rows are about 120 KB of JSON, 20 s of a crowded gateway. */
export const MAX_REPORT_ROWS = 4_000;

/** Access points of one Wi-Fi scan; the rest of a longer scan is refused row by row. */
export const MAX_SCAN_ROWS = 256;

/** Length of any id on the wire, in UTF-16 units (ids are ASCII, so also bytes). */
export const MAX_ID_LENGTH = 64;

/** Text of an alert, after control characters are removed. */
export const MAX_ALERT_TEXT_LENGTH = 500;

/** One WebSocket frame in either direction (requirement E1). */
export const MAX_FRAME_BYTES = 64 * 1024;

/** One client frame: control messages are small; larger ones close the connection with 1009. */
export const MAX_CLIENT_FRAME_BYTES = 16 * 1024;

/** Subscriptions of one connection, about 100 bytes each. */
export const MAX_SUBSCRIPTIONS_PER_CONNECTION = 64;

/** Undelivered bytes kept for one connection; then positions are dropped, then the connection closes with 4003. */
export const MAX_QUEUED_BYTES_PER_CONNECTION = 256 * 1024;

/** Tags that one fusion process follows. 14 KB of state each that eight gateways hear (docs/decisions/0163); further tags are refused and counted. */
export const MAX_TAGS_PER_EVENT = 100_000;

/** Gateways of one venue map. */
export const MAX_GATEWAYS_PER_VENUE = 2_000;

/** Zones of one venue map. */
export const MAX_ZONES_PER_VENUE = 2_000;

/** People of one event; an import beyond it is refused row by row. */
export const MAX_PEOPLE_PER_EVENT = 200_000;

/** People in one answer of the nearby query (requirement C1). */
export const MAX_NEARBY_RESULTS = 20;

/** RSSI that a radio can have heard. Outside it the row is refused: 127 means "not available", 0 and above are faults. */
export const MIN_RSSI_DBM = -120;
export const MAX_RSSI_DBM = -1;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** How long what is about people is kept, by purpose (requirements A4, D6, E8). docs/privacy.md has the same table, and a test compares them. */
export const RETENTION_MS = {
  "recent positions": 5 * MINUTE_MS,
  "live location": HOUR_MS,
  "others' whereabouts in a replay": HOUR_MS,
  history: 24 * HOUR_MS,
} as const;

/** Recent locations are kept this long. */
export const RECENT_LOCATION_MS = RETENTION_MS["recent positions"];

/** Who is in a zone is forgotten when the tag gave no sign for so long; fusion says "exit" long before. */
export const LIVE_LOCATION_MS = RETENTION_MS["live location"];

/** Replay of others' zone and proximity updates (requirement E8). */
export const WHEREABOUTS_REPLAY_MS = RETENTION_MS["others' whereabouts in a replay"];

/** Replay of all other logged updates, and of one's own (requirement E8). */
export const LOG_RETENTION_MS = RETENTION_MS.history;
