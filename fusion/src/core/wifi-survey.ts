import { ConfigError, MAX_RSSI_DBM, MIN_RSSI_DBM, bssidOf, cellsOf } from "@konferenco/protocol";

/**
 * What somebody heard at known points of the venue. A row of the file is one access point at one
 * point; rows are put together to scans, since a forest and nearest neighbours learn from whole scans
 * and the share of scans that heard an access point is evidence as good as its level.
 */
export interface WifiSurvey {
  /** In order of the alphabet, so that the order of the file does not count. */
  bssids: string[];
  points: SurveyPoint[];
  scans: SurveyScan[];
}

export interface SurveyPoint {
  xM: number;
  yM: number;
  floor: number;
}

export interface SurveyScan {
  /** Index into the points. */
  point: number;
  /** Indices into the bssids, rising. */
  accessPoint: number[];
  rssiDbm: number[];
  /** Readings behind each level: 1 of a single scan, more where the file holds averages. */
  count: number[];
}

export interface SurveyRow {
  xM: number;
  yM: number;
  floor: number;
  bssid: string;
  rssiDbm: number;
  count: number;
  /** Which scan of its point the row belongs to, where the file says so. */
  scan?: string;
}

/** A larger survey is refused: 2 million rows are 100 scans at each of 1,000 points with 20 access points. About 30 B each once read. */
export const MAX_SURVEY_ROWS = 2_000_000;

/** Two rows this close are the same point: surveyors write centimetres. */
const SAME_POINT_M = 0.01;

/**
 * Reads survey.csv: columns xM,yM,floor,rssiDbm, either bssid or gatewayId, and, if there, count and
 * scan. Rows of the given ids are left out: a survey of both radios names gateways too. Null when no row is left.
 */
export function parseWifiSurvey(text: string, fileName: string, leaveOut: ReadonlySet<string> = new Set()): WifiSurvey | null {
  const lines = text.split(/\r?\n/);
  const header = cellsOf(lines[0] ?? "");
  const column = (name: string): number => header.indexOf(name);
  const id = column("bssid") === -1 ? column("gatewayId") : column("bssid");
  const gatewayId = column("gatewayId");
  const missing = ["xM", "yM", "floor", "rssiDbm"].filter((name) => column(name) === -1);
  if (id === -1) missing.push("bssid");
  if (missing.length > 0) throw new ConfigError(`${fileName} lacks the column ${missing.join(", ")}: its first line must name xM,yM,floor,bssid,rssiDbm,count`);
  if (lines.length > MAX_SURVEY_ROWS) throw new ConfigError(`${fileName} has more than ${MAX_SURVEY_ROWS} rows: average the readings of a point and write their count`);
  const rows: SurveyRow[] = [];
  lines.forEach((line, i) => {
    if (i === 0 || line.trim() === "") return;
    const cells = cellsOf(line);
    const number = (name: string): number => {
      const value = Number(cells[column(name)]);
      if (!Number.isFinite(value) || (cells[column(name)] ?? "") === "") throw new ConfigError(`${fileName} line ${i + 1}: ${name} is "${cells[column(name)] ?? ""}", not a number`);
      return value;
    };
    // A file of both radios may leave the bssid of a gateway's row empty.
    const name = cells[id] === "" || cells[id] === undefined ? undefined : cells[id];
    if (name === undefined || leaveOut.has(name) || (gatewayId !== -1 && leaveOut.has(cells[gatewayId] ?? ""))) return;
    rows.push({
      xM: number("xM"),
      yM: number("yM"),
      floor: number("floor"),
      bssid: name,
      rssiDbm: number("rssiDbm"),
      count: column("count") === -1 ? 1 : number("count"),
      ...(column("scan") === -1 ? {} : { scan: cells[column("scan")] ?? "" }),
    });
  });
  const survey = surveyOfRows(rows);
  return survey.scans.length === 0 ? null : survey;
}

/** Rows to a survey. Levels that no radio can have heard are left out, like on the wire. */
export function surveyOfRows(rows: Iterable<SurveyRow>): WifiSurvey {
  const points = new Map<string, { point: SurveyPoint; rows: SurveyRow[] }>();
  const bssids = new Set<string>();
  for (const row of rows) {
    if (row.rssiDbm > MAX_RSSI_DBM || row.rssiDbm < MIN_RSSI_DBM || !(row.count > 0)) continue;
    const bssid = bssidOf(row.bssid);
    bssids.add(bssid);
    const key = `${row.floor}/${Math.round(row.xM / SAME_POINT_M)}/${Math.round(row.yM / SAME_POINT_M)}`;
    let at = points.get(key);
    if (at === undefined) points.set(key, (at = { point: { xM: row.xM, yM: row.yM, floor: row.floor }, rows: [] }));
    at.rows.push({ ...row, bssid });
  }
  const inOrder = [...bssids].sort();
  const index = new Map(inOrder.map((bssid, i) => [bssid, i]));
  const scans: SurveyScan[] = [];
  [...points.values()].forEach((at, point) => {
    for (const rowsOfScan of scansOf(at.rows)) {
      const sorted = rowsOfScan.map((row) => ({ accessPoint: index.get(row.bssid) as number, ...row })).sort((a, b) => a.accessPoint - b.accessPoint);
      scans.push({ point, accessPoint: sorted.map((row) => row.accessPoint), rssiDbm: sorted.map((row) => row.rssiDbm), count: sorted.map((row) => row.count) });
    }
  });
  return { bssids: inOrder, points: [...points.values()].map((at) => at.point), scans };
}

/**
 * The rows of one point as scans. Rows that say how often each level was heard are a histogram. Where the file does not number them there are two habits: scan
 * after scan (a repeated access point begins the next one) or access point after access point (its
 * n-th row belongs to the n-th scan). The former would cut the latter into scraps, which shows.
 */
function scansOf(rows: readonly SurveyRow[]): SurveyRow[][] {
  if (rows.every((row) => row.scan !== undefined)) return [...groupBy(rows, (row) => row.scan as string).values()];
  if (rows.some(({ count }) => count > 1) && new Set(rows.map(({ bssid }) => bssid)).size < rows.length) return scansOfHistogram(rows);
  const consecutive: SurveyRow[][] = [];
  let seen = new Set<string>();
  for (const row of rows) {
    if (consecutive.length === 0 || seen.has(row.bssid)) {
      consecutive.push([]);
      seen = new Set();
    }
    seen.add(row.bssid);
    (consecutive.at(-1) as SurveyRow[]).push(row);
  }
  const occurrences = new Map<string, number>();
  const nth = groupBy(rows, (row) => {
    const n = occurrences.get(row.bssid) ?? 0;
    occurrences.set(row.bssid, n + 1);
    return n;
  });
  return consecutive.length > 1.5 * nth.size ? [...nth.values()] : consecutive;
}

/** Scans that are made of a point's histogram at most: more tell nothing new. */
const MAX_HISTOGRAM_SCANS = 20;

/** As many scans as the access point heard most often has readings; those of the others are spread evenly among them. */
function scansOfHistogram(rows: readonly SurveyRow[]): SurveyRow[][] {
  const levels = groupBy(rows, ({ bssid }) => bssid);
  const readingsOf = (own: readonly SurveyRow[]): number => own.reduce((sum, { count }) => sum + count, 0);
  const most = Math.max(...[...levels.values()].map(readingsOf));
  const scans: SurveyRow[][] = Array.from({ length: Math.max(1, Math.min(MAX_HISTOGRAM_SCANS, Math.round(most))) }, () => []);
  for (const own of levels.values()) {
    const readings = readingsOf(own);
    const heardIn = Math.max(1, Math.round((readings / most) * scans.length));
    for (let nth = 0; nth < heardIn; nth++) {
      // The level that has this share of the readings before it.
      let before = ((nth + 0.5) / heardIn) * readings;
      const row = own.find(({ count }) => (before -= count) < 0) as SurveyRow;
      (scans[Math.floor(((nth + 0.5) * scans.length) / heardIn)] as SurveyRow[]).push({ ...row, count: 1 });
    }
  }
  return scans.filter((scan) => scan.length > 0);
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** The survey as heard at some of its points only: for models that are tried on the others. Bssids and points keep their indices. */
export function surveyOfScans(survey: WifiSurvey, scans: readonly SurveyScan[]): WifiSurvey {
  return { ...survey, scans: [...scans] };
}

/** A scan's levels by the survey's indices; access points that the survey does not know are left out. */
export interface Fingerprint {
  accessPoint: number[];
  rssiDbm: number[];
}

export function fingerprintOf(scan: { bssid: readonly string[]; rssiDbm: readonly number[] }, indexOfBssid: ReadonlyMap<string, number>): Fingerprint {
  const levels = new Map<number, number>();
  scan.bssid.forEach((bssid, row) => {
    const accessPoint = indexOfBssid.get(bssid);
    const rssiDbm = scan.rssiDbm[row] as number;
    // Twice in one scan: the louder of two bands or frames.
    if (accessPoint !== undefined) levels.set(accessPoint, Math.max(rssiDbm, levels.get(accessPoint) ?? -Infinity));
  });
  const accessPoint = [...levels.keys()].sort((a, b) => a - b);
  return { accessPoint, rssiDbm: accessPoint.map((heard) => levels.get(heard) as number) };
}
