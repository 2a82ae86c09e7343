import fs from "node:fs";
import path from "node:path";
import {
  ConfigError,
  MAX_REPORT_ROWS,
  beaconTopic,
  parseVenueMap,
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
  /** Where the tags truly were; empty when nobody measured it. In order of time per tag. */
  truth: TruthPoint[];
  /** Who was near whom, when; empty when nobody noted it. */
  contacts: Contact[];
  /** The radio map of another day, in the folder or its parent; null when there is none. */
  surveyFile: string | null;
}

export interface RecordedObservation {
  atMs: number;
  gatewayId: GatewayId;
  tagId: TagId;
  rssiDbm: number;
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

/** Reads a recording. Throws `ConfigError` naming file, line and remedy. */
export function loadRecording(dir: string): Recording {
  if (!fs.existsSync(path.join(dir, "venue.json"))) {
    throw new ConfigError(`${dir} holds no venue.json: name the folder of one recording, for example test/fixtures/recordings/kolakowski-flat/robot`);
  }
  const venue = parseVenueMap(fs.readFileSync(path.join(dir, "venue.json"), "utf8"), path.join(dir, "venue.json"));
  const observations = readCsv(path.join(dir, "observations.csv"), ["atMs", "gatewayId", "tagId", "rssiDbm"]);
  if (observations === null) throw new ConfigError(`${dir} holds no observations.csv (columns atMs,gatewayId,tagId,rssiDbm)`);
  const truth = readCsv(path.join(dir, "truth.csv"), ["atMs", "tagId", "xM", "yM", "floor", "zoneId"]) ?? [];
  const contacts = readCsv(path.join(dir, "contacts.csv"), ["startMs", "endMs", "tagA", "tagB", "distanceM"]) ?? [];
  return {
    name: path.join(path.basename(path.dirname(path.resolve(dir))), path.basename(path.resolve(dir))),
    dir,
    venue,
    observations: observations.map((row) => ({ atMs: row.number("atMs"), gatewayId: row.text("gatewayId"), tagId: row.text("tagId"), rssiDbm: row.number("rssiDbm") })),
    truth: truth.map((row) => ({
      atMs: row.number("atMs"),
      tagId: row.text("tagId"),
      xM: row.number("xM"),
      yM: row.number("yM"),
      floor: row.number("floor"),
      zoneId: row.text("zoneId") === "" ? null : row.text("zoneId"),
    })),
    contacts: contacts.map((row) => ({
      startMs: row.number("startMs"),
      endMs: row.number("endMs"),
      tagA: row.text("tagA"),
      tagB: row.text("tagB"),
      distanceM: row.number("distanceM"),
    })),
    surveyFile: [path.join(dir, "survey.csv"), path.join(dir, "..", "survey.csv")].find((file) => fs.existsSync(file)) ?? null,
  };
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

/** Reads a survey; a file without a column `count` has one packet a row. */
export function loadSurvey(file: string): SurveyedLevel[] {
  const hasCount = (fs.readFileSync(file, "utf8").split(/\r?\n/, 1)[0] ?? "").includes("count");
  const rows = readCsv(file, ["xM", "yM", "floor", "gatewayId", "rssiDbm", ...(hasCount ? ["count"] : [])]) ?? [];
  return rows.map((row) => ({
    xM: row.number("xM"),
    yM: row.number("yM"),
    floor: row.number("floor"),
    gatewayId: row.text("gatewayId"),
    rssiDbm: row.number("rssiDbm"),
    count: hasCount ? row.number("count") : 1,
  }));
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

interface CsvRow {
  text(column: string): string;
  number(column: string): number;
}

/** The rows of a file with these columns in any order, or null when there is no such file. */
function readCsv(file: string, columns: readonly string[]): CsvRow[] | null {
  if (!fs.existsSync(file)) return null;
  const lines = fs.readFileSync(file, "utf8").split(/\r?\n/);
  const header = (lines[0] ?? "").replace(/^\ufeff/, "").split(",").map((name) => name.trim());
  const missing = columns.filter((column) => !header.includes(column));
  if (missing.length > 0) throw new ConfigError(`${file} lacks the column ${missing.join(", ")}: its first line must name ${columns.join(",")}`);
  return lines.slice(1).flatMap((line, i) => {
    if (line === "") return [];
    const cells = line.split(",");
    if (cells.length !== header.length) throw new ConfigError(`${file} line ${i + 2} has ${cells.length} cells, its first line ${header.length}`);
    const text = (column: string): string => (cells[header.indexOf(column)] as string).trim();
    return [
      {
        text,
        number(column: string): number {
          const value = Number(text(column));
          if (text(column) === "" || !Number.isFinite(value)) throw new ConfigError(`${file} line ${i + 2}: ${column} is "${text(column)}", not a number`);
          return value;
        },
      },
    ];
  });
}
