import { z } from "zod";
import { accepted, countRefusal, type Parsed, type RefusalCounts } from "./errors.ts";
import { isId } from "./ids.ts";
import { MAX_SCAN_ROWS, MAX_RSSI_DBM, MIN_RSSI_DBM } from "./limits.ts";
import { parseJsonAs, parseJson, parseShape } from "./parse-json.ts";

/** An id in a schema; see `parseId`. */
export const idSchema = z.string().refine(isId, "must be an id: 1-64 of A-Z a-z 0-9 . _ : -");

/** Access points heard by one device, on `sensor/wifi-scan`, QoS 1. `tagId`: the device is a tag; `gatewayId`: a gateway scanned. */
export interface WifiScan {
  tagId: string | null;
  gatewayId: string | null;
  heardAtMs: number;
  bssid: string[];
  rssiDbm: number[];
}

const wifiScanHeader = z
  .object({
    v: z.literal(1),
    tagId: idSchema.nullish(),
    gatewayId: idSchema.nullish(),
    heardAtMs: z.number().finite(),
    bssid: z.array(z.unknown()).max(MAX_SCAN_ROWS),
    rssiDbm: z.array(z.unknown()).max(MAX_SCAN_ROWS),
  })
  .refine((scan) => scan.bssid.length === scan.rssiDbm.length, "bssid and rssiDbm must have the same length")
  .refine((scan) => (scan.tagId ?? null) !== null || (scan.gatewayId ?? null) !== null, "tagId or gatewayId is needed");

const BSSID = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** Bytes to a scan; a bad row costs only itself. BSSIDs come out in lower case. */
export function parseWifiScan(bytes: Uint8Array): Parsed<{ scan: WifiScan; refusedRows: RefusalCounts }> {
  const json = parseJson(bytes);
  if (!json.ok) return json;
  const shape = parseShape(wifiScanHeader, json.value);
  if (!shape.ok) return shape;
  const refusedRows: RefusalCounts = {};
  const scan: WifiScan = {
    tagId: shape.value.tagId ?? null,
    gatewayId: shape.value.gatewayId ?? null,
    heardAtMs: shape.value.heardAtMs,
    bssid: [],
    rssiDbm: [],
  };
  shape.value.bssid.forEach((bssid, row) => {
    const rssiDbm = shape.value.rssiDbm[row];
    if (typeof bssid !== "string" || !BSSID.test(bssid)) return countRefusal(refusedRows, "ID_BAD");
    if (typeof rssiDbm !== "number" || !Number.isFinite(rssiDbm)) return countRefusal(refusedRows, "RSSI_BAD");
    if (rssiDbm > MAX_RSSI_DBM || rssiDbm < MIN_RSSI_DBM) return countRefusal(refusedRows, "RSSI_NOT_HEARD");
    scan.bssid.push(bssid.toLowerCase());
    scan.rssiDbm.push(rssiDbm);
  });
  return accepted({ scan, refusedRows });
}

const wgs84 = { lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) };

/** A location that somebody else measured, on `sensor/position`, QoS 1: GPS outdoors or a check-in at a known place. */
export const positionReportSchema = z.discriminatedUnion("source", [
  z.object({
    v: z.literal(1),
    source: z.literal("gps"),
    tagId: idSchema,
    atMs: z.number().finite(),
    ...wgs84,
    /** 95 % radius (W3C Geolocation). Android reports 68 %: multiply by 1.62 before sending. */
    accuracy95M: z.number().positive().max(100_000),
    floor: z.number().int().min(-50).max(500).default(0),
  }),
  z.object({
    v: z.literal(1),
    source: z.literal("check-in"),
    tagId: idSchema,
    atMs: z.number().finite(),
    zoneId: idSchema,
  }),
]);
export type PositionReport = z.infer<typeof positionReportSchema>;

export function parsePositionReport(bytes: Uint8Array): Parsed<PositionReport> {
  return parseJsonAs(positionReportSchema, bytes);
}

/**
 * Other people's tags that one phone heard itself, on `sensor/tag-sightings`, QoS 1: evidence of who is
 * near whom that needs no gateway. `tagId` is the phone's own.
 */
export interface TagSightings {
  tagId: string;
  heardAtMs: number;
  heardTagId: string[];
  rssiDbm: number[];
}

const tagSightingsHeader = z
  .object({
    v: z.literal(1),
    tagId: idSchema,
    heardAtMs: z.number().finite(),
    heardTagId: z.array(z.unknown()).max(MAX_SCAN_ROWS),
    rssiDbm: z.array(z.unknown()).max(MAX_SCAN_ROWS),
  })
  .refine((sightings) => sightings.heardTagId.length === sightings.rssiDbm.length, "heardTagId and rssiDbm must have the same length");

/** Bytes to sightings; a bad row costs only itself. */
export function parseTagSightings(bytes: Uint8Array): Parsed<{ sightings: TagSightings; refusedRows: RefusalCounts }> {
  const json = parseJson(bytes);
  if (!json.ok) return json;
  const shape = parseShape(tagSightingsHeader, json.value);
  if (!shape.ok) return shape;
  const refusedRows: RefusalCounts = {};
  const { tagId, heardAtMs } = shape.value;
  const sightings: TagSightings = { tagId, heardAtMs, heardTagId: [], rssiDbm: [] };
  shape.value.heardTagId.forEach((heardTagId, row) => {
    const rssiDbm = shape.value.rssiDbm[row];
    if (typeof heardTagId !== "string" || !isId(heardTagId)) return countRefusal(refusedRows, "ID_BAD");
    if (typeof rssiDbm !== "number" || !Number.isFinite(rssiDbm)) return countRefusal(refusedRows, "RSSI_BAD");
    if (rssiDbm > MAX_RSSI_DBM || rssiDbm < MIN_RSSI_DBM) return countRefusal(refusedRows, "RSSI_NOT_HEARD");
    sightings.heardTagId.push(heardTagId);
    sightings.rssiDbm.push(rssiDbm);
  });
  return accepted({ sightings, refusedRows });
}

/** Room climate and the like, on `sensor/environment`, QoS 1. Shown to staff; positioning does not use it. */
export const environmentReportSchema = z.object({
  v: z.literal(1),
  sensorId: idSchema,
  atMs: z.number().finite(),
  zoneId: idSchema.optional(),
  temperatureC: z.number().min(-90).max(90).optional(),
  humidityPct: z.number().min(0).max(100).optional(),
  co2Ppm: z.number().min(0).max(100_000).optional(),
  noiseDbA: z.number().min(0).max(200).optional(),
  /** A tag's own battery (Eddystone-TLM), `sensorId` = its tag id (requirement A11). */
  batteryMv: z.number().min(0).max(65_535).optional(),
});
export type EnvironmentReport = z.infer<typeof environmentReportSchema>;

export function parseEnvironmentReport(bytes: Uint8Array): Parsed<EnvironmentReport> {
  return parseJsonAs(environmentReportSchema, bytes);
}

/**
 * A gateway's health, retained on `gateway/{gatewayId}/status`, QoS 1, every 15 s. The last will is
 * `{"v":1,"gatewayId":"…","online":false}`, so everything else is optional.
 */
export const gatewayStatusSchema = z.object({
  v: z.literal(1),
  gatewayId: idSchema,
  online: z.boolean(),
  sentAtMs: z.number().finite().optional(),
  bootId: z.string().min(1).max(64).optional(),
  version: z.string().max(40).optional(),
  uptimeS: z.number().min(0).optional(),
  /** Sightings per second since the last status; 0 while online means a deaf radio. */
  sightingsPerS: z.number().min(0).optional(),
  spooledReports: z.number().int().min(0).optional(),
  droppedReports: z.number().int().min(0).optional(),
});
export type GatewayStatus = z.infer<typeof gatewayStatusSchema>;

export function parseGatewayStatus(bytes: Uint8Array): Parsed<GatewayStatus> {
  return parseJsonAs(gatewayStatusSchema, bytes);
}
