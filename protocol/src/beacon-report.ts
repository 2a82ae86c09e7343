import { z } from "zod";
import { accepted, countRefusal, refuse, type Parsed, type RefusalCode, type RefusalCounts } from "./errors.ts";
import { parseId, type GatewayId, type TagId } from "./ids.ts";
import { MAX_REPORT_ROWS, MAX_RSSI_DBM, MIN_RSSI_DBM } from "./limits.ts";
import { parseJson, parseShape } from "./parse-json.ts";

/**
 * What one gateway heard in one batch, on `konferenco/{eventId}/beacon/{zoneId}`, QoS 0.
 * Three columns of equal length; row i is one sighting. Times are on the gateway's own clock:
 * fusion removes its offset by `sentAtMs`. `seq` grows by one per report within one `bootId`.
 */
export interface BeaconReport {
  gatewayId: GatewayId;
  bootId: string;
  seq: number;
  sentAtMs: number;
  tagId: TagId[];
  rssiDbm: number[];
  heardAtMs: number[];
}

/** A report whose bad rows are gone, and how many were refused by code. */
export interface ParsedBeaconReport {
  report: BeaconReport;
  refusedRows: RefusalCounts;
}

const header = z.object({
  v: z.literal(1),
  gatewayId: z.string(),
  bootId: z.string().min(1).max(64),
  seq: z.number().int().min(0),
  sentAtMs: z.number().finite(),
  tagId: z.array(z.unknown()),
  rssiDbm: z.array(z.unknown()),
  heardAtMs: z.array(z.unknown()),
});

/** Bytes to a report. The header is checked by schema, the columns by loops: 12 ns a row against 440 ns. */
export function parseBeaconReport(bytes: Uint8Array): Parsed<ParsedBeaconReport> {
  const json = parseJson(bytes);
  if (!json.ok) return json;
  const shape = parseShape(header, json.value);
  if (!shape.ok) return versioned(json.value, shape);
  const { tagId, rssiDbm, heardAtMs } = shape.value;
  const gatewayId = parseId(shape.value.gatewayId);
  if (!gatewayId.ok) return gatewayId;
  if (tagId.length !== rssiDbm.length || tagId.length !== heardAtMs.length) {
    return refuse("COLUMNS_UNEQUAL", `tagId ${tagId.length}, rssiDbm ${rssiDbm.length}, heardAtMs ${heardAtMs.length} rows`);
  }
  if (tagId.length > MAX_REPORT_ROWS) return refuse("ROWS_TOO_MANY", `${tagId.length} rows, at most ${MAX_REPORT_ROWS}`);
  const refusedRows: RefusalCounts = {};
  const report: BeaconReport = {
    gatewayId: gatewayId.value,
    bootId: shape.value.bootId,
    seq: shape.value.seq,
    sentAtMs: shape.value.sentAtMs,
    tagId: [],
    rssiDbm: [],
    heardAtMs: [],
  };
  for (let row = 0; row < tagId.length; row++) {
    const code = rowFault(tagId[row], rssiDbm[row], heardAtMs[row]);
    if (code !== null) {
      countRefusal(refusedRows, code);
      continue;
    }
    report.tagId.push(tagId[row] as string);
    report.rssiDbm.push(rssiDbm[row] as number);
    report.heardAtMs.push(heardAtMs[row] as number);
  }
  return accepted({ report, refusedRows });
}

/** The wire form of a report. */
export function formatBeaconReport(report: BeaconReport): string {
  return JSON.stringify({ v: 1, ...report });
}

function rowFault(tagId: unknown, rssiDbm: unknown, heardAtMs: unknown): RefusalCode | null {
  const id = parseId(tagId);
  if (!id.ok) return id.code;
  if (typeof rssiDbm !== "number" || !Number.isFinite(rssiDbm)) return "RSSI_BAD";
  // 127 is "not available" in Bluetooth (Core 5.4 Vol 4 Part E 7.7.65.2); 0 and +20 come from broken drivers.
  if (rssiDbm > MAX_RSSI_DBM || rssiDbm < MIN_RSSI_DBM) return "RSSI_NOT_HEARD";
  if (typeof heardAtMs !== "number" || !Number.isFinite(heardAtMs)) return "TIME_BAD";
  return null;
}

function versioned(value: unknown, shape: Parsed<never>): Parsed<never> {
  const version = typeof value === "object" && value !== null && "v" in value ? value.v : undefined;
  if (version !== 1) return refuse("VERSION_UNKNOWN", 'this reader knows "v": 1');
  return shape;
}

