import { ConfigError } from "@konferenco/protocol";
import { FOREST_DEFAULTS, growWifiForest, newDice } from "./wifi-forest.ts";
import { newWifiKnn } from "./wifi-knn.ts";
import { followScan, type WifiBelief } from "./wifi-belief.ts";
import { mixPosteriors, summarise, type WifiEstimate, type WifiPosterior } from "./wifi-posterior.ts";
import { medianSpacingM, newWifiRadioMap, type DeviceOffset, type WifiRadioMap } from "./wifi-radio-map.ts";
import { fingerprintOf, surveyOfScans, type Fingerprint, type SurveyScan, type WifiSurvey } from "./wifi-survey.ts";

/** Mixtures are even: each part is right half of the time. Nearest neighbours alone are only ever the reference. */
export const WIFI_METHODS = ["radio-map", "forest", "radio-map+forest", "radio-map+neighbours"] as const;
export type WifiMethod = (typeof WIFI_METHODS)[number];

/** What makes a model, and all that a file of it holds: the rest grows from it again, the same every time. */
export interface WifiModelSettings {
  method: WifiMethod;
  /** Of the radio map: how far errors of access points are independent. */
  evidenceShare: number;
  /** What the posterior's own 95 % radius is multiplied by, so that it holds 95 % of the surveyed points left out. */
  accuracyScale: number;
  /** No radius is smaller: half the distance between survey points is not told apart by any method. */
  accuracyFloorM: number;
  seed: number;
}

/** How well one method found the survey's own points with their surroundings left out. */
export interface WifiFigures {
  method: WifiMethod | "neighbours";
  evidenceShare: number | null;
  scans: number;
  meanM: number;
  medianM: number;
  p95M: number;
  /** Share of scans put on the right floor. */
  floorShare: number;
}

export interface WifiReport {
  chosen: WifiMethod;
  why: string;
  figures: WifiFigures[];
  points: number;
  scans: number;
  accessPoints: number;
  floors: number;
  /** Half of the points have their nearest neighbour within this. */
  spacingM: number;
  blockM: number;
}

export interface WifiModel {
  survey: WifiSurvey;
  settings: WifiModelSettings;
  report: WifiReport | null;
  indexOfBssid: ReadonlyMap<string, number>;
  /** One scan to where it was heard; null when it holds no access point of the survey. */
  locate(scan: Fingerprint, offset?: DeviceOffset): { posterior: WifiPosterior; estimate: WifiEstimate; accuracy95M: number; offset: DeviceOffset | null } | null;
  /** Takes a scan up into what a device's earlier ones told; null: it is the first. */
  follow(before: WifiBelief | null, scan: WifiPosterior, atMs: number): WifiBelief;
  /** The radius that holds 95 %, of a posterior's own. */
  accuracy95M(raw95M: number): number;
}

const EVIDENCE_SHARES = [0.2, 0.35, 0.6, 1];
const FOLDS = 5;
/** Scans that are tried: their mean error is known to a twentieth, and a radio map of several floors takes up to 20 ms a scan. */
const MAX_TRIED_SCANS = 600;
/** Cells per floor of a map that is only tried: blocks that are left out are wider than these. */
const MAX_TRIED_CELLS = 2_000;
/** Trees of a forest that is only tried: more change its error by less than a tenth. */
const TRIED_TREES = 20;
/** Left-out blocks are this many spacings wide: a point's own neighbours must not give it away, but the map must still be there. */
const BLOCK_SPACINGS = 1.5;
/**
 * The left-out points lie a block from the nearest known one, people in a surveyed room less than half a
 * spacing: in five simulated offices 0.8 of the left-out points' radius held 95 %. Other phones on other
 * days take that back: in UJIIndoorLoc's three buildings, validated four months later, it took 0.8, 1.0 and 1.1.
 */
const STATED_SHARE = 0.95;
const MIN_POINTS_TO_COMPARE = 8;

/** Tries radio map and forest on the survey itself, part by part left out, and builds the one that is better here. */
export function buildWifiModel(survey: WifiSurvey, seed = 1): WifiModel {
  if (survey.scans.length === 0) throw new ConfigError("the Wi-Fi survey has no scan: it needs rows with a bssid (docs/wifi-survey.md)");
  const spacingM = medianSpacingOfFloors(survey);
  const blockM = BLOCK_SPACINGS * spacingM;
  const points = surveyedPoints(survey);
  const shape = { points, scans: survey.scans.length, accessPoints: survey.bssids.length, floors: new Set(survey.points.map(({ floor }) => floor)).size, spacingM, blockM };
  const accuracyFloorM = Math.max(0.5, spacingM / 2);
  if (points < MIN_POINTS_TO_COMPARE) {
    const settings: WifiModelSettings = { method: "radio-map", evidenceShare: 0.35, accuracyScale: 1.5, accuracyFloorM: Math.max(3, accuracyFloorM), seed };
    const why = `fewer than ${MIN_POINTS_TO_COMPARE} surveyed points: nothing to compare methods by`;
    return openModel(survey, settings, { chosen: "radio-map", why, figures: [], ...shape });
  }
  const whole = newWifiRadioMap(survey);
  const trials = runTrials(survey, whole, blockM, seed);
  const figures = trials.map(figuresOf);
  const candidates = trials.filter((trial) => trial.method !== "neighbours");
  const chosen = candidates.reduce((best, trial) => (costOf(trial) < costOf(best) ? trial : best));
  const settings: WifiModelSettings = {
    method: chosen.method as WifiMethod,
    evidenceShare: chosen.evidenceShare ?? 0.35,
    accuracyScale: STATED_SHARE * scaleOf(chosen, accuracyFloorM),
    accuracyFloorM,
    seed,
  };
  return openModel(survey, settings, { chosen: settings.method, why: "the least mean and 95th percentile of error at surveyed points whose surroundings were left out", figures, ...shape }, whole);
}

function openModel(survey: WifiSurvey, settings: WifiModelSettings, report: WifiReport | null, whole?: WifiRadioMap): WifiModel {
  const { method, evidenceShare, seed } = settings;
  const map = method === "forest" ? null : (whole ?? newWifiRadioMap(survey));
  const other = method === "forest" || method === "radio-map+forest" ? growWifiForest(survey, { ...FOREST_DEFAULTS, seed }) : method === "radio-map+neighbours" ? newWifiKnn(survey) : null;
  const accuracy95M = (raw95M: number): number => Math.max(settings.accuracyFloorM, settings.accuracyScale * Math.max(settings.accuracyFloorM, raw95M));
  // A posterior that must be stretched to hold the truth is as much too sure of itself.
  const belief = { evidenceShare: Math.min(1, 1 / settings.accuracyScale ** 2), areaM2: surveyedPoints(survey) * medianSpacingOfFloors(survey) ** 2 };
  return {
    survey,
    settings,
    report,
    indexOfBssid: new Map(survey.bssids.map((bssid, i) => [bssid, i])),
    locate(scan, offset) {
      const byMap = map?.locate(scan, evidenceShare, offset) ?? null;
      const posterior = mixed(byMap?.posterior ?? null, other?.locate(scan) ?? null);
      const estimate = posterior === null ? null : summarise(posterior);
      if (posterior === null || estimate === null) return null;
      return { posterior, estimate, accuracy95M: accuracy95M(estimate.raw95M), offset: byMap?.offset ?? null };
    },
    follow: (before, scan, atMs) => followScan(before, scan, atMs, belief),
    accuracy95M,
  };
}

function surveyedPoints(survey: WifiSurvey): number {
  return new Set(survey.scans.map((scan) => scan.point)).size;
}

function mixed(a: WifiPosterior | null, b: WifiPosterior | null): WifiPosterior | null {
  return a !== null && b !== null ? mixPosteriors(a, b) : (a ?? b);
}

// ---- comparing

interface Trial {
  method: WifiMethod | "neighbours";
  evidenceShare: number | null;
  errorM: number[];
  raw95M: number[];
  rightFloor: boolean[];
}

function runTrials(survey: WifiSurvey, whole: WifiRadioMap, blockM: number, seed: number): Trial[] {
  const trials: Trial[] = [
    newTrial("forest", null),
    newTrial("neighbours", null),
    ...EVIDENCE_SHARES.flatMap((share) => [newTrial("radio-map", share), newTrial("radio-map+forest", share), newTrial("radio-map+neighbours", share)]),
  ];
  const foldOfPoint = foldsByBlock(survey, blockM, seed);
  const tryEvery = Math.ceil(survey.scans.length / MAX_TRIED_SCANS);
  for (let fold = 0; fold < FOLDS; fold++) {
    const known = survey.scans.filter((scan) => foldOfPoint[scan.point] !== fold);
    const asked = survey.scans.filter((scan, i) => foldOfPoint[scan.point] === fold && i % tryEvery === 0);
    if (known.length === 0 || asked.length === 0) continue;
    const part = surveyOfScans(survey, known);
    const map = newWifiRadioMap(part, { spreads: whole.spreads, maxCellsPerFloor: MAX_TRIED_CELLS });
    const forest = growWifiForest(part, { ...FOREST_DEFAULTS, trees: TRIED_TREES, seed });
    const neighbours = newWifiKnn(part);
    for (const scan of asked) {
      const fingerprint = { accessPoint: scan.accessPoint, rssiDbm: scan.rssiDbm };
      const byForest = forest.locate(fingerprint);
      const byNeighbours = neighbours.locate(fingerprint);
      const answers = [byForest, byNeighbours];
      for (const byMap of map.locateByShares(fingerprint, EVIDENCE_SHARES)) answers.push(byMap, mixed(byMap, byForest), mixed(byMap, byNeighbours));
      trials.forEach((trial, t) => note(trial, answers[t] ?? null, survey, scan));
    }
  }
  return trials;
}

function newTrial(method: Trial["method"], evidenceShare: number | null): Trial {
  return { method, evidenceShare, errorM: [], raw95M: [], rightFloor: [] };
}

function note(trial: Trial, answer: WifiPosterior | null, survey: WifiSurvey, scan: SurveyScan): void {
  const truth = survey.points[scan.point] as WifiSurvey["points"][number];
  const estimate = answer === null ? null : summarise(answer);
  if (estimate === null) return;
  trial.errorM.push(Math.hypot(estimate.xM - truth.xM, estimate.yM - truth.yM));
  trial.raw95M.push(estimate.raw95M);
  trial.rightFloor.push(estimate.floor === truth.floor);
}

/** Points in squares of a block's width, whole squares dealt to the folds: no left-out point has its twin among the known ones. */
function foldsByBlock(survey: WifiSurvey, blockM: number, seed: number): number[] {
  const dice = newDice(seed);
  const blocks = new Map<string, number>();
  let dealt = dice.integer(FOLDS);
  return survey.points.map(({ xM, yM }) => {
    // All floors of a square together: a floor's neighbour above would give it away too.
    const key = `${Math.floor(xM / blockM)}/${Math.floor(yM / blockM)}`;
    let fold = blocks.get(key);
    if (fold === undefined) {
      // Dealt in turn, with a step that the dice choose: folds stay even, neighbours part.
      dealt = (dealt + 1 + dice.integer(FOLDS - 1)) % FOLDS;
      blocks.set(key, (fold = dealt));
    }
    return fold;
  });
}

function medianSpacingOfFloors(survey: WifiSurvey): number {
  const floors = [...new Set(survey.points.map(({ floor }) => floor))];
  const spacings = floors.map((floor) => medianSpacingM(survey.points.filter((point) => point.floor === floor))).sort((a, b) => a - b);
  return Math.max(0.5, spacings[Math.floor(spacings.length / 2)] ?? 3);
}

/** Mean and tail count alike; a wrong floor costs like 10 m. */
function costOf(trial: Trial): number {
  const { meanM, p95M, floorShare } = figuresOf(trial);
  return meanM + p95M / 4 + 10 * (1 - floorShare);
}

function scaleOf(trial: Trial, floorM: number): number {
  const ratios = trial.errorM.map((errorM, i) => errorM / Math.max(floorM, trial.raw95M[i] as number)).sort((a, b) => a - b);
  return Math.max(0.5, Math.min(5, quantile(ratios, 0.95)));
}

function figuresOf({ method, evidenceShare, errorM, rightFloor }: Trial): WifiFigures {
  const sorted = [...errorM].sort((a, b) => a - b);
  return {
    method,
    evidenceShare,
    scans: sorted.length,
    meanM: sorted.reduce((sum, error) => sum + error, 0) / Math.max(1, sorted.length),
    medianM: quantile(sorted, 0.5),
    p95M: quantile(sorted, 0.95),
    floorShare: rightFloor.filter(Boolean).length / Math.max(1, rightFloor.length),
  };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

// ---- files

/** The model as a file: survey, choice and figures. What grows from them is grown again when it is read. */
export function formatWifiModel(model: WifiModel): string {
  const { bssids, points, scans } = model.survey;
  return JSON.stringify({
    kind: "konferenco-wifi-model",
    v: 1,
    settings: model.settings,
    report: model.report,
    survey: { bssids, points: points.map(({ xM, yM, floor }) => [xM, yM, floor]), scans: scans.map(({ point, accessPoint, rssiDbm, count }) => [point, accessPoint, rssiDbm, count.every((n) => n === 1) ? 1 : count]) },
  });
}

/** Reads a file that `formatWifiModel` wrote. Throws `ConfigError` with the remedy. */
export function parseWifiModel(text: string, fileName: string): WifiModel {
  const bad = (why: string): ConfigError => new ConfigError(`${fileName} is not a Wi-Fi model: ${why}. Make it again with "konferenco survey build"`);
  let file: ModelFile;
  try {
    file = JSON.parse(text) as ModelFile;
  } catch (error) {
    throw bad((error as Error).message);
  }
  if (file?.kind !== "konferenco-wifi-model") throw bad('it lacks "kind": "konferenco-wifi-model"');
  if (file.v !== 1) throw bad(`its version is ${String(file.v)}, this program reads 1`);
  const { settings, survey } = file;
  const methods: readonly unknown[] = WIFI_METHODS;
  if (!methods.includes(settings?.method) || ![settings.evidenceShare, settings.accuracyScale, settings.accuracyFloorM, settings.seed].every(Number.isFinite)) throw bad("its settings are damaged");
  if (!Array.isArray(survey?.bssids) || !Array.isArray(survey.points) || !Array.isArray(survey.scans) || survey.scans.length === 0) throw bad("its survey is damaged");
  const points = survey.points.map(([xM, yM, floor]) => ({ xM, yM, floor }));
  if (!points.every((point) => [point.xM, point.yM, point.floor].every(Number.isFinite))) throw bad("a point of its survey is damaged");
  const scans = survey.scans.map(([point, accessPoint, rssiDbm, count]): SurveyScan => {
    const fits = points[point] !== undefined && Array.isArray(accessPoint) && Array.isArray(rssiDbm) && accessPoint.length === rssiDbm.length;
    if (!fits || !accessPoint.every((i) => survey.bssids[i] !== undefined) || !rssiDbm.every(Number.isFinite)) throw bad("a scan of its survey is damaged");
    return { point, accessPoint, rssiDbm, count: count === 1 ? accessPoint.map(() => 1) : count };
  });
  return openModel({ bssids: survey.bssids, points, scans }, settings, file.report);
}

interface ModelFile {
  kind: string;
  v: number;
  settings: WifiModelSettings;
  report: WifiReport | null;
  survey: { bssids: string[]; points: [number, number, number][]; scans: [number, number[], number[], number[] | 1][] };
}

/** A scan of the wire by the model's indices. */
export function fingerprintFor(model: WifiModel, scan: { bssid: readonly string[]; rssiDbm: readonly number[] }): Fingerprint {
  return fingerprintOf(scan, model.indexOfBssid);
}
