import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { buildWifiModel, fingerprintFor, newWifiKnn, summarise, surveyOfRows, type SurveyRow } from "@konferenco/fusion";
import { bssidOf, ConfigError } from "@konferenco/protocol";
import { newWifiFloor } from "@konferenco/simulators";

/** A scan whose place is known. */
export interface KnownScan {
  xM: number;
  yM: number;
  floor: number;
  bssid: string[];
  rssiDbm: number[];
}

/** How a method did on one building, each scan by itself. */
export interface MethodFigures {
  building: string;
  method: string;
  scans: number;
  meanM: number;
  medianM: number;
  p95M: number;
  floorShare: number;
  /** How often the truth lay inside accuracy95M; null for methods that state none. */
  inside95: number | null;
}

/** The model that a survey gives, beside four nearest neighbours, on scans that are no part of the survey. */
function compareOn(building: string, rows: Iterable<SurveyRow>, asked: readonly KnownScan[]): MethodFigures[] {
  const survey = surveyOfRows(rows);
  const model = buildWifiModel(survey);
  const neighbours = newWifiKnn(survey);
  const byModel = newTally(building, `ours: ${model.settings.method}`);
  const byNeighbours = newTally(building, "4 nearest neighbours, powed");
  for (const scan of asked) {
    const fingerprint = fingerprintFor(model, scan);
    const found = model.locate(fingerprint);
    count(byModel, scan, found === null ? null : { ...found.estimate, accuracy95M: found.accuracy95M });
    const nearest = neighbours.locate(fingerprint);
    count(byNeighbours, scan, nearest === null ? null : summarise(nearest));
  }
  return [figuresOf(byModel), figuresOf(byNeighbours)];
}

/** Office floors of 8 to 40 ceiling boxes, each walked by phones that hear 6 dB less and 5 dB more than the surveyor's. */
export function measureSimulatedFloors(floors: number): MethodFigures[] {
  return Array.from({ length: Math.round(floors) }, (_, i) => {
    const floor = newWifiFloor({ seed: i + 1, boxes: [16, 24, 40, 12, 30][i % 5] as number });
    const walks = [{ offsetDb: -6, slope: 0.95 }, { offsetDb: 0, slope: 1 }, { offsetDb: 5, slope: 1.08 }].flatMap((phone, walk) => floor.walk({ seed: walk, phone, scans: 80 }));
    return compareOn(`simulated ${i + 1}, ${floor.bssids} BSSIDs`, floor.survey, walks.map((at) => ({ ...at, bssid: at.scan.map((row) => row.bssid), rssiDbm: at.scan.map((row) => row.rssiDbm) })));
  }).flat();
}

const UJI_ACCESS_POINTS = 520;
/** The data set's word for "not heard". */
const UJI_UNHEARD = 100;

/** Its three buildings, each trained on its training rows and asked with its validation rows, recorded four months later. */
export function measureUjiIndoorLoc(folder: string): MethodFigures[] {
  const training = readUjiIndoorLoc(path.join(folder, "trainingData.csv.gz"));
  const validation = readUjiIndoorLoc(path.join(folder, "validationData.csv.gz"));
  const buildings = [...new Set(training.map((scan) => scan.building))].sort((a, b) => a - b);
  return buildings.flatMap((building) => compareOn(`UJIIndoorLoc building ${building}`, surveyRowsOf(training.filter((scan) => scan.building === building)), validation.filter((scan) => scan.building === building)));
}

function* surveyRowsOf(scans: readonly KnownScan[]): Generator<SurveyRow> {
  for (const [scan, { xM, yM, floor, bssid, rssiDbm }] of scans.entries()) {
    for (const [row, name] of bssid.entries()) yield { xM, yM, floor, bssid: name, rssiDbm: rssiDbm[row] as number, count: 1, scan: String(scan) };
  }
}

/** Reads the data set's own layout: 520 columns of levels, then where and by whom. */
function readUjiIndoorLoc(file: string): (KnownScan & { building: number })[] {
  if (!fs.existsSync(file)) throw new ConfigError(`${file} is not there: UJIIndoorLoc is at https://archive.ics.uci.edu/dataset/310, its two files packed with gzip`);
  const lines = zlib.gunzipSync(fs.readFileSync(file)).toString("utf8").trim().split(/\r?\n/);
  const names = (lines[0] as string).split(",").slice(0, UJI_ACCESS_POINTS).map(bssidOf);
  return lines.slice(1).map((line) => {
    const cells = line.split(",").map(Number);
    const heard = names.map((_, i) => i).filter((i) => cells[i] !== UJI_UNHEARD && (cells[i] as number) < 0);
    const [longitudeM, latitudeM, floor, building] = cells.slice(UJI_ACCESS_POINTS) as [number, number, number, number];
    return { xM: longitudeM, yM: latitudeM, floor, building, bssid: heard.map((i) => names[i] as string), rssiDbm: heard.map((i) => cells[i] as number) };
  });
}

interface Tally {
  building: string;
  method: string;
  errorM: number[];
  rightFloor: number;
  inside: number;
  stated: number;
  asked: number;
}

function newTally(building: string, method: string): Tally {
  return { building, method, errorM: [], rightFloor: 0, inside: 0, stated: 0, asked: 0 };
}

function count(tally: Tally, truth: KnownScan, found: { xM: number; yM: number; floor: number; accuracy95M?: number } | null): void {
  tally.asked++;
  if (found === null) return;
  const errorM = Math.hypot(found.xM - truth.xM, found.yM - truth.yM);
  tally.errorM.push(errorM);
  if (found.floor === truth.floor) tally.rightFloor++;
  if (found.accuracy95M === undefined) return;
  tally.stated++;
  if (errorM <= found.accuracy95M) tally.inside++;
}

function figuresOf({ building, method, errorM, rightFloor, inside, stated, asked }: Tally): MethodFigures {
  const sorted = [...errorM].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return {
    building,
    method,
    scans: sorted.length,
    meanM: sorted.reduce((sum, error) => sum + error, 0) / sorted.length,
    medianM: at(0.5),
    p95M: at(0.95),
    floorShare: rightFloor / asked,
    inside95: stated === 0 ? null : inside / stated,
  };
}

export function formatComparison(figures: readonly MethodFigures[]): string {
  const rows = figures.map(
    (of) =>
      `${of.building.padEnd(28)} ${of.method.padEnd(32)} ${String(of.scans).padStart(5)} ${[of.meanM, of.medianM, of.p95M].map((metres) => metres.toFixed(2).padStart(7)).join(" ")} ${(100 * of.floorShare).toFixed(1).padStart(6)} ${(of.inside95 === null ? "-" : (100 * of.inside95).toFixed(1)).padStart(7)}`,
  );
  return [`${"one scan each".padEnd(28)} ${"method".padEnd(32)} scans  mean m   p50 m   p95 m floor % inside %`, ...rows].join("\n");
}
