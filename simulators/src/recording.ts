import fs from "node:fs";
import path from "node:path";
import {
  ConfigError,
  MAX_REPORT_ROWS,
  MAX_SCAN_ROWS,
  beaconTopic,
  bssidOf,
  cellsOf,
  formatBeaconReport,
  parseVenueMap,
  sensorTopic,
  type BeaconReport,
  type EventId,
  type GatewayId,
  type TagId,
  type VenueMap,
  type ZoneId,
} from "@konferenco/protocol";

/**
 * Recordings of real radio: a folder with venue.json, observations.csv and, if somebody measured it,
 * truth.csv (design section 5; docs/recordings.md). Times are ms from the recording's start.
 */
export interface Recording {
  name: string;
  dir: string;
  venue: VenueMap;
  observations: RecordedObservation[];
  /** What devices heard of the venue's Wi-Fi, in order of time; empty where nobody scanned. */
  scans: RecordedScan[];
  /** Where the tags truly were; empty when nobody measured it. In order of time per tag. */
  truth: TruthPoint[];
  /** Who was near whom, when; empty when nobody noted it. */
  contacts: Contact[];
  /** The radio map of another day, in the folder or its parent; null when there is none. */
  surveyFile: string | null;
  /** What was heard and cannot be read, a line for each file; missing when all could. */
  leftOut?: readonly string[];
}

export interface RecordedObservation {
  atMs: number;
  gatewayId: GatewayId;
  tagId: TagId;
  rssiDbm: number;
}

/** Access points that one device heard in one scan. */
export interface RecordedScan {
  atMs: number;
  /** The device is a tag like any other. */
  tagId: TagId;
  bssid: string[];
  rssiDbm: number[];
}

export interface TruthPoint {
  atMs: number;
  tagId: TagId;
  xM: number;
  yM: number;
  floor: number;
  /** Null outside of all zones. */
  zoneId: ZoneId | null;
}

export interface Contact {
  startMs: number;
  endMs: number;
  tagA: TagId;
  tagB: TagId;
  distanceM: number;
}

/** Reads a recording. Rows of what was heard that cannot be read are left out while they are few. Throws `ConfigError` naming file, line and remedy. */
export function loadRecording(dir: string): Recording {
  if (!fs.existsSync(path.join(dir, "venue.json"))) {
    throw new ConfigError(`${dir} holds no venue.json: name the folder of one recording, for example test/fixtures/recordings/kolakowski-flat/robot`);
  }
  const venue = parseVenueMap(readText(path.join(dir, "venue.json")), path.join(dir, "venue.json"));
  const wifi = readHeard(path.join(dir, "wifi.csv"), ["atMs", "deviceId", "bssid", "rssiDbm"], (row) => ({ atMs: row.number("atMs"), tagId: row.text("deviceId"), bssid: bssidOf(row.text("bssid")), rssiDbm: row.number("rssiDbm") }));
  const heard = readHeard(path.join(dir, "observations.csv"), ["atMs", "gatewayId", "tagId", "rssiDbm"], (row) => ({ atMs: row.number("atMs"), gatewayId: row.text("gatewayId"), tagId: row.text("tagId"), rssiDbm: row.number("rssiDbm") }));
  if (heard === null && wifi === null) throw new ConfigError(`${dir} holds no observations.csv (columns atMs,gatewayId,tagId,rssiDbm)`);
  const truth = readCsv(path.join(dir, "truth.csv"), ["atMs", "tagId", "xM", "yM", "floor", "zoneId"]) ?? [];
  const contacts = readCsv(path.join(dir, "contacts.csv"), ["startMs", "endMs", "tagA", "tagB", "distanceM"]) ?? [];
  const surveyFile = [path.join(dir, "survey.csv"), path.join(dir, "..", "survey.csv")].find((file) => fs.existsSync(file)) ?? null;
  const { observations, heardWifi } = sortOut(heard?.rows ?? [], surveyFile === null ? null : venue);
  refuseUnheard(dir, venue, observations, wifi?.rows.length ?? heardWifi.length);
  const leftOut = [heard?.leftOut, wifi?.leftOut].filter((text) => typeof text === "string");
  return {
    name: path.join(path.basename(path.dirname(path.resolve(dir))), path.basename(path.resolve(dir))),
    dir,
    venue,
    observations: asHeard(observations),
    scans: scansOfRows([...(wifi?.rows ?? []), ...heardWifi].sort(byTime)),
    truth: truth
      .map((row) => ({
        atMs: row.number("atMs"),
        tagId: row.text("tagId"),
        xM: row.number("xM"),
        yM: row.number("yM"),
        floor: row.number("floor"),
        zoneId: row.text("zoneId") === "" ? null : row.text("zoneId"),
      }))
      .sort(byTime),
    contacts: contacts.map((row) => ({
      startMs: row.number("startMs"),
      endMs: row.number("endMs"),
      tagA: row.text("tagA"),
      tagB: row.text("tagB"),
      distanceM: row.number("distanceM"),
    })),
    surveyFile,
    ...(leftOut.length === 0 ? {} : { leftOut }),
  };
}

/** Rows of which not one is of the map's gateways are another venue's. No row at all is an empty recording, which says that there is nothing. */
function refuseUnheard(dir: string, { gateways }: VenueMap, observations: readonly RecordedObservation[], scanRows: number): void {
  const known = new Set(gateways.map(({ gatewayId }) => gatewayId));
  if (scanRows > 0 || observations.some(({ gatewayId }) => known.has(gatewayId))) return;
  const foreign = observations[0]?.gatewayId;
  if (foreign === undefined) return;
  throw new ConfigError(`${path.join(dir, "observations.csv")}: none of its gateways is in venue.json, "${foreign}" for one; there they are called "${gateways[0]?.gatewayId ?? ""}" and so on. Write the same ids in both`);
}

interface WifiRow {
  atMs: number;
  tagId: TagId;
  bssid: string;
  rssiDbm: number;
}

/** What a device heard of transmitters that are not on the map is a Wi-Fi scan: it needs no place of theirs, only a survey (null: there is none). */
function sortOut(rows: RecordedObservation[], surveyed: VenueMap | null): { observations: RecordedObservation[]; heardWifi: WifiRow[] } {
  if (surveyed?.direction !== "tags-hear-gateways") return { observations: rows, heardWifi: [] };
  const known = new Set(surveyed.gateways.map(({ gatewayId }) => gatewayId));
  const isWifi = ({ gatewayId }: RecordedObservation): boolean => !known.has(gatewayId);
  return {
    observations: rows.filter((row) => !isWifi(row)),
    heardWifi: rows.filter(isWifi).map(({ atMs, gatewayId, tagId, rssiDbm }) => ({ atMs, tagId, bssid: bssidOf(gatewayId), rssiDbm })),
  };
}

const byTime = (a: { atMs: number }, b: { atMs: number }): number => a.atMs - b.atMs;

/** Times that are all multiples of this are a clock's that was rounded: rows that are equal may be as many packets. */
const ROUNDED_MS = 100;

/** In the order of hearing, whatever the order in the file (some are written tag by tag, or as uploads came in), and each packet once. */
function asHeard(rows: RecordedObservation[]): RecordedObservation[] {
  const isRounded = rows.every(({ atMs }) => atMs % ROUNDED_MS === 0);
  const compare = (a: RecordedObservation, b: RecordedObservation): number => byTime(a, b) || order(a.gatewayId, b.gatewayId) || order(a.tagId, b.tagId) || a.rssiDbm - b.rssiDbm;
  rows.sort(compare);
  return isRounded ? rows : rows.filter((row, i) => i === 0 || compare(rows[i - 1] as RecordedObservation, row) !== 0);
}

function order(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Rows of one device belong to one scan as long as no access point comes again, none is missing for so long… */
const SCAN_PAUSE_MS = 500;
/** …and this is not over. */
const SCAN_MS = 2_000;

function scansOfRows(rows: readonly WifiRow[]): RecordedScan[] {
  const scans: RecordedScan[] = [];
  const open = new Map<TagId, { scan: RecordedScan; beganAtMs: number; bssids: Set<string> }>();
  for (const { atMs, tagId, bssid, rssiDbm } of rows) {
    let at = open.get(tagId);
    if (at === undefined || at.bssids.has(bssid) || atMs - at.scan.atMs > SCAN_PAUSE_MS || atMs - at.beganAtMs > SCAN_MS) {
      at = { scan: { atMs, tagId, bssid: [], rssiDbm: [] }, beganAtMs: atMs, bssids: new Set() };
      open.set(tagId, at);
      scans.push(at.scan);
    }
    // A scan is known when its last access point is.
    at.scan.atMs = Math.max(at.scan.atMs, atMs);
    at.bssids.add(bssid);
    at.scan.bssid.push(bssid);
    at.scan.rssiDbm.push(rssiDbm);
  }
  return scans.sort((a, b) => a.atMs - b.atMs);
}

/** One row of a survey: what was heard at a known spot. */
export interface SurveyedLevel {
  xM: number;
  yM: number;
  floor: number;
  gatewayId: GatewayId;
  rssiDbm: number;
  count: number;
}

/** A larger survey is refused: 2 million rows are 1,000 spots where 20 gateways were each heard 100 times, and 200 MB while they are read. */
const MAX_SURVEY_ROWS = 2_000_000;
/** Beyond what is drawn by more than this a spot is in other coordinates than the map. */
const SURVEY_MARGIN_M = 10;

/**
 * Reads a survey of gateways; a file without a column `count` has one packet a row. Rows of access points in
 * a survey of both are left out. Null when it is of access points alone, which no gateway hears. With a venue map
 * its gateways, floors and coordinates must be the map's. Throws `ConfigError` naming file, line and remedy.
 */
export function loadSurvey(file: string, venue: VenueMap | null = null): SurveyedLevel[] | null {
  const names = readHeader(file);
  const hasScans = names.includes("bssid");
  if (!names.includes("gatewayId") && hasScans) return null;
  const hasCount = names.includes("count");
  const rows = readCsv(file, ["xM", "yM", "floor", "gatewayId", "rssiDbm", ...(hasCount ? ["count"] : [])]) ?? [];
  if (rows.length > MAX_SURVEY_ROWS) throw new ConfigError(`${file} has more than ${MAX_SURVEY_ROWS} rows: write one row for each level with its count`);
  const check = venue === null ? null : surveyCheck(venue);
  return rows.flatMap((row) => {
    const gatewayId = row.text("gatewayId");
    if (gatewayId === "" && hasScans) return [];
    const level = { xM: row.number("xM"), yM: row.number("yM"), floor: row.number("floor"), gatewayId, rssiDbm: row.number("rssiDbm"), count: hasCount ? row.number("count") : 1 };
    const fault = level.count > 0 ? (check?.(level) ?? null) : `count is ${level.count}: a level that was never heard has no row`;
    if (fault !== null) throw new ConfigError(`${file} line ${row.line}: ${fault}`);
    return [level];
  });
}

/** What is wrong with a row of a survey of that venue, and what would be right; null when nothing is. */
function surveyCheck({ gateways, floors, zones }: VenueMap): (level: SurveyedLevel) => string | null {
  const known = new Set(gateways.map(({ gatewayId }) => gatewayId));
  const drawn = new Map(
    floors.map(({ floor }) => {
      const points = [...gateways.filter((gateway) => gateway.floor === floor).map(({ xM, yM }) => [xM, yM] as const), ...zones.filter((zone) => zone.floor === floor).flatMap(({ polygons }) => polygons.flat())];
      const span = (values: number[]): [number, number] => [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
      return [floor, { xM: span(points.map(([xM]) => xM)), yM: span(points.map(([, yM]) => yM)) }];
    }),
  );
  const beyondM = (value: number, [least, most]: [number, number]): number => Math.max(least - value, value - most, 0);
  return ({ xM, yM, floor, gatewayId }) => {
    if (!known.has(gatewayId)) return `gateway "${gatewayId}" is not on the venue map: put it there, or leave its rows out`;
    const box = drawn.get(floor);
    if (box === undefined) return `floor ${floor} is not on the venue map, which has ${[...drawn.keys()].join(", ")}`;
    const offM = Math.hypot(beyondM(xM, box.xM), beyondM(yM, box.yM));
    return offM <= SURVEY_MARGIN_M ? null : `(${xM}, ${yM}) is ${Math.round(offM)} m beyond what the map draws of floor ${floor}: write metres in the map's own frame`;
  };
}

/** A report as its gateway would have sent it, and when. */
export interface RecordedReport {
  topic: string;
  report: BeaconReport;
  sentAtMs: number;
}

export interface BatchOptions {
  eventId?: EventId;
  /** Added to all times: a recording may be played as of now. A multiple of windowMs keeps the batches the same. */
  startAtMs?: number;
  /** Each gateway sends what it heard in such a stretch. */
  windowMs?: number;
  /** Something of the recording happened then, which shows that the windows before are over. */
  knownUntilMs?: number;
}

/**
 * The recording as its gateways' reports, in the order of sending. A batch is sent in the last
 * millisecond of its window, once a row of a later window shows that it is complete: the last,
 * unfinished one is never sent. So the reports of a recording that is cut off are the first reports of the whole.
 */
export function* reportsOfRecording(recording: Pick<Recording, "venue" | "observations">, options: BatchOptions = {}): Generator<RecordedReport> {
  const { eventId = "recording", startAtMs = 0, windowMs = 500 } = options;
  const zoneOf = new Map(recording.venue.gateways.map(({ gatewayId, zoneId }) => [gatewayId, zoneId]));
  const seqs = new Map<GatewayId, number>();
  let open: { window: number; byGateway: Map<GatewayId, RecordedObservation[]> } | null = null;
  for (const observation of recording.observations) {
    const window = Math.floor(observation.atMs / windowMs);
    if (open === null) open = { window, byGateway: new Map() };
    if (window > open.window) {
      yield* sendAll(open);
      open = { window, byGateway: new Map() };
    }
    // A row that is out of order goes out with the batch that is open, as a straggler would.
    const rows = open.byGateway.get(observation.gatewayId);
    if (rows === undefined) open.byGateway.set(observation.gatewayId, [observation]);
    else rows.push(observation);
  }
  if (open !== null && (options.knownUntilMs ?? -Infinity) >= (open.window + 1) * windowMs) yield* sendAll(open);

  function* sendAll({ window, byGateway }: { window: number; byGateway: Map<GatewayId, RecordedObservation[]> }): Generator<RecordedReport> {
    const sentAtMs = startAtMs + (window + 1) * windowMs - 1;
    for (const gatewayId of [...byGateway.keys()].sort()) {
      const rows = byGateway.get(gatewayId) as RecordedObservation[];
      for (let from = 0; from < rows.length; from += MAX_REPORT_ROWS) {
        const seq = seqs.get(gatewayId) ?? 0;
        seqs.set(gatewayId, seq + 1);
        const part = rows.slice(from, from + MAX_REPORT_ROWS);
        const report: BeaconReport = {
          gatewayId,
          bootId: "recording",
          seq,
          sentAtMs,
          tagId: part.map((row) => row.tagId),
          rssiDbm: part.map((row) => row.rssiDbm),
          heardAtMs: part.map((row) => startAtMs + row.atMs),
        };
        // A gateway that is not on the map has no zone; fusion refuses and counts its reports.
        yield { topic: beaconTopic(eventId, zoneOf.get(gatewayId) ?? "unknown"), report, sentAtMs };
      }
    }
  }
}

/** A message of any kind as it came to the broker, and when. `gatewayId`: who sent it, null for a device's own scan and for the last word. */
export interface RecordedMessage {
  topic: string;
  payload: string;
  gatewayId: GatewayId | null;
  /** Rows of a gateway's report; 0 of others. */
  observations: number;
  isScan: boolean;
  sentAtMs: number;
}

export type PlayableRecording = Pick<Recording, "venue" | "observations" | "scans"> & Partial<Pick<Recording, "truth">>;

/** When the first and the last of it was heard, ms; 0 and 0 of an empty one. Recordings begin at 0, or are in Unix time. */
export function spanOf({ observations, scans }: PlayableRecording): { beginMs: number; endMs: number } {
  const endMs = Math.max(observations.at(-1)?.atMs ?? 0, scans.at(-1)?.atMs ?? 0);
  return { beginMs: Math.min(observations[0]?.atMs ?? endMs, scans[0]?.atMs ?? endMs), endMs };
}

/**
 * All messages of the recording in the order of sending: its gateways' reports and its devices' Wi-Fi
 * scans. A scan is sent in the millisecond before its instant, like a batch in its window's last, so that the tick of the instant knows it.
 * Where there are scans the last word is that the recording is over: a scan is taken in by the tick after it.
 */
export function* messagesOfRecording(recording: PlayableRecording, options: BatchOptions = {}): Generator<RecordedMessage> {
  const { eventId = "recording", startAtMs = 0 } = options;
  const { scans } = recording;
  let next = 0;
  function* scansUntil(untilMs: number): Generator<RecordedMessage> {
    for (let scan = scans[next]; scan !== undefined && startAtMs + scan.atMs - 1 <= untilMs; scan = scans[++next]) {
      const sentAtMs = startAtMs + scan.atMs - 1;
      yield { topic: sensorTopic(eventId, "wifi-scan"), payload: formatScan(scan, sentAtMs), gatewayId: null, observations: 0, isScan: true, sentAtMs };
    }
  }
  const lastScan = scans.at(-1);
  for (const { topic, report, sentAtMs } of reportsOfRecording(recording, { ...options, ...(lastScan === undefined ? {} : { knownUntilMs: lastScan.atMs }) })) {
    yield* scansUntil(sentAtMs - 1);
    yield { topic, payload: formatBeaconReport(report), gatewayId: report.gatewayId, observations: report.tagId.length, isScan: false, sentAtMs };
  }
  yield* scansUntil(Infinity);
  if (lastScan === undefined) return;
  const sentAtMs = startAtMs + endMsOf(recording);
  yield { topic: sensorTopic(eventId, "environment"), payload: JSON.stringify({ v: 1, sensorId: "recording", atMs: sentAtMs }), gatewayId: null, observations: 0, isScan: false, sentAtMs };
}

/** When anything was last heard or, while people still noted where they were, not heard. */
function endMsOf({ observations, scans, truth = [] }: PlayableRecording): number {
  return [observations, scans, truth].reduce((endMs, rows) => rows.reduce((latestMs, { atMs }) => Math.max(latestMs, atMs), endMs), -Infinity);
}

/** The loudest access points, as many as a scan may hold. */
function formatScan({ tagId, bssid, rssiDbm }: RecordedScan, heardAtMs: number): string {
  const rows = bssid.map((_, row) => row).sort((a, b) => (rssiDbm[b] as number) - (rssiDbm[a] as number)).slice(0, MAX_SCAN_ROWS);
  return JSON.stringify({ v: 1, tagId, heardAtMs, bssid: rows.map((row) => bssid[row]), rssiDbm: rows.map((row) => rssiDbm[row]) });
}

interface CsvRow {
  /** In the file, from 1. */
  line: number;
  text(column: string): string;
  number(column: string): number;
}

function readHeader(file: string): string[] {
  return cellsOf(readText(file).split(/\r?\n/, 1)[0] ?? "");
}

/** The longest text that Node holds is 512 MB: some fifteen million rows. */
const MAX_FILE_BYTES = 500_000_000;

function readText(file: string): string {
  try {
    const { size } = fs.statSync(file);
    if (size > MAX_FILE_BYTES) throw new ConfigError(`${file} has ${Math.round(size / 1e6)} MB, more than ${MAX_FILE_BYTES / 1e6}: cut the recording into several`);
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** More rows than this share that cannot be read are not a receiver's slip but another format. */
const MOST_LEFT_OUT = 0.01;

/** What was heard, without the few rows that cannot be read, and a line about those; null when there is no such file. */
function readHeard<Row>(file: string, columns: readonly string[], rowOf: (row: CsvRow) => Row): { rows: Row[]; leftOut: string | null } | null {
  const csv = openCsv(file, columns);
  if (csv === null) return null;
  const rows: Row[] = [];
  let firstFault: ConfigError | null = null;
  for (const readRow of csv) {
    try {
      rows.push(rowOf(readRow()));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      firstFault ??= error;
    }
  }
  const leftOut = csv.length - rows.length;
  if (firstFault !== null && leftOut > Math.max(1, MOST_LEFT_OUT * csv.length)) throw new ConfigError(`${firstFault.message} (${leftOut} of ${csv.length} rows cannot be read)`);
  return { rows, leftOut: firstFault === null ? null : `${leftOut} of ${csv.length} rows left out: ${firstFault.message}` };
}

/** The rows of a file with these columns in any order, or null when there is no such file. */
function readCsv(file: string, columns: readonly string[]): CsvRow[] | null {
  return openCsv(file, columns)?.map((readRow) => readRow()) ?? null;
}

/** A reader for each row, which throws `ConfigError` when it has not as many cells as the first line names. */
function openCsv(file: string, columns: readonly string[]): (() => CsvRow)[] | null {
  if (!fs.existsSync(file)) return null;
  const lines = readText(file).split(/\r?\n/);
  const header = cellsOf(lines[0] ?? "");
  const missing = columns.filter((column) => !header.includes(column));
  if (missing.length > 0) {
    const separator = header.length === 1 ? /[;\t|]/.exec(header[0] as string)?.[0] : undefined;
    const why = separator === undefined ? `its first line must name ${columns.join(",")}` : `its cells are separated by ${JSON.stringify(separator)}, and must be by commas`;
    throw new ConfigError(`${file} lacks the column ${missing.join(", ")}: ${why}`);
  }
  return lines.slice(1).flatMap((line, i) => (line.trim() === "" ? [] : [() => rowOfLine(line, i + 2)]));

  function rowOfLine(row: string, line: number): CsvRow {
    const cells = cellsOf(row);
    if (cells.length !== header.length) throw new ConfigError(`${file} line ${line} has ${cells.length} cells, its first line ${header.length}`);
    const text = (column: string): string => cells[header.indexOf(column)] as string;
    return {
      line,
      text,
      number(column: string): number {
        const value = Number(text(column));
        if (text(column) === "" || !Number.isFinite(value)) throw new ConfigError(`${file} line ${line}: ${column} is "${text(column)}", not a number`);
        return value;
      },
    };
  }
}
