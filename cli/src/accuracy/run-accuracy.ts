import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { KeyRing, buildWifiModel, parseWifiSurvey, type FusionStats, type WifiModel } from "@konferenco/fusion";
import { bssidOf } from "@konferenco/protocol";
import { loadRecording, loadSurvey, spanOf, type Recording, type SurveyedLevel } from "@konferenco/simulators";
import { openStoreAt } from "../open-store.ts";
import { scoreContacts, type ContactFigures } from "./contacts.ts";
import { scorePairs, type PairFigures, type PairLine } from "./pairs.ts";
import { REFERENCE_METHODS, referenceTrace, type ReferenceMethod } from "./references.ts";
import { countChanges, figuresOf, mean, measure, type Figures, type Measured } from "./score.ts";
import type { TraceLine } from "./trace.ts";
import { playInVirtualTime, type Played, type PlayOptions } from "./virtual-time.ts";

export interface AccuracyOptions {
  /** Folder of one recording, or one that is in memory already. */
  recording: string | Recording;
  /** `memory`, `embedded` (files, in a folder that is gone afterwards) or `redis://…`. */
  store?: string;
  /** `virtual`: as fast as it goes. `mqtt`: over a real broker, bridge and WebSocket client. */
  through?: "virtual" | "mqtt";
  /** Of `mqtt`: seconds of the recording per second. */
  speed?: number;
  /** False ignores a survey beside the recording. */
  survey?: boolean;
  log?: (event: object) => void;
  onProgress?: (progress: { replayedMs: number; ofMs: number; received: number }) => void;
}

export interface AccuracyResult {
  recording: string;
  through: "virtual" | "mqtt";
  store: string;
  /** What of it could not be read, a line for each file. */
  leftOut: readonly string[];
  /** Length of the recording, and how long the run took. */
  recordedS: number;
  tookS: number;
  tags: number;
  survey: "none" | "ignored" | "used" | `Wi-Fi: ${string}`;
  /** Null without a truth.csv. */
  figures: Figures | null;
  references: References | null;
  /** What can be said without a truth. */
  output: { lines: number; zoneChanges: number; meanAccuracy95M: number | null; meanConfidence: number | null };
  /** Null without a contacts.csv. */
  contacts: ContactFigures | null;
  /** Null with one tag, without a truth, or over MQTT. */
  proximity: PairFigures | null;
  /** Of `mqtt`: whether the client's trace is the one of virtual time, and where they part first. */
  sameAsVirtualTime: { same: boolean; firstDifference: string | null } | null;
  funnel: FusionStats;
  trace: TraceLine[];
  pairs: PairLine[];
  /** What figures and plots are made of; null without a truth. */
  measured: MeasuredMethods | null;
}

/** Null for a method that cannot work on the recording. */
export type References = Record<ReferenceMethod, Figures | null>;
export type Method = "ours" | ReferenceMethod;
export type MeasuredMethods = Record<Method, Measured | null>;

/** In memory the recording has its own fixed date; elsewhere others look at the clock too, so it is played as of now. */
const MEMORY_STARTS_AT_MS = Date.UTC(2025, 0, 1);

/** Plays a recording through the system and scores what comes out against the truth and against plain methods. */
export async function runAccuracy(options: AccuracyOptions): Promise<AccuracyResult> {
  const { store = "memory", through = "virtual", speed = 1, log = () => {} } = options;
  const beganMs = Date.now();
  const recording = typeof options.recording === "string" ? loadRecording(options.recording) : options.recording;
  const { beginMs, endMs } = spanOf(recording);
  const recordedMs = endMs - beginMs;
  const wifiSurvey = options.survey === false ? null : wifiSurveyOf(recording);
  const survey = options.survey === false ? null : beaconSurveyOf(recording);
  const play = (how: (play: PlayOptions) => Promise<Played>, storeUrl: string) =>
    withStore({ recording, survey, wifiSurvey, storeUrl, asOfNow: how !== playInVirtualTime || storeUrl !== "memory", log }, how);

  const played =
    through === "virtual"
      ? await play(playInVirtualTime, store)
      : await play(async (how) => (await import("./through-mqtt.ts")).playThroughMqtt({ ...how, speed, onProgress: (progress) => options.onProgress?.({ ...progress, ofMs: recordedMs }) }), store);
  const virtual = through === "mqtt" ? await play(playInVirtualTime, "memory") : null;

  const { trace, proximity, pairs, stats } = played;
  const referenceTraces = REFERENCES.map((method) => [method, recording.truth.length === 0 ? null : referenceTrace(recording, method, survey)] as const);
  const measured =
    recording.truth.length === 0
      ? null
      : (Object.fromEntries(
          [["ours", trace] as const, ...referenceTraces].map(([method, lines]) => [method, lines === null ? null : measure(lines, recording.truth, recording.venue)]),
        ) as MeasuredMethods);
  const centroid = referenceTraces.find(([method]) => method === "plainCentroid")?.[1] ?? [];
  return {
    recording: recording.name,
    leftOut: recording.leftOut ?? [],
    through,
    store,
    recordedS: recordedMs / 1_000,
    tookS: (Date.now() - beganMs) / 1_000,
    tags: new Set(trace.map((line) => line.tagId)).size,
    survey: recording.surveyFile === null ? "none" : options.survey === false ? "ignored" : wifiSurvey !== null ? `Wi-Fi: ${wifiSurvey.settings.method}` : "used",
    figures: measured === null ? null : figuresOf([measured.ours as Measured]),
    references: measured === null ? null : referencesOf([measured]),
    output: {
      lines: trace.length,
      zoneChanges: countChanges(trace),
      meanAccuracy95M: mean(trace.map((line) => line.accuracy95M)),
      meanConfidence: mean(trace.map((line) => line.confidence)),
    },
    contacts: recording.contacts.length > 0 ? scoreContacts(proximity, recording.contacts, endMs) : null,
    proximity: through === "mqtt" ? null : scorePairs(pairs, recording.truth, centroid, proximity),
    sameAsVirtualTime: virtual === null ? null : compareTraces(trace, virtual.trace),
    funnel: stats,
    trace,
    pairs,
    measured,
  };
}

/** What was surveyed of the map's gateways; null when the survey is of access points alone. */
function beaconSurveyOf({ surveyFile, venue }: Recording): SurveyedLevel[] | null {
  const gatewayIds = new Set(venue.gateways.map(({ gatewayId }) => gatewayId));
  const survey = surveyFile === null ? null : loadSurvey(surveyFile);
  return survey?.some(({ gatewayId }) => gatewayIds.has(gatewayId)) === true ? survey : null;
}

/** The radio map of the recording's access points; null without scans, or when the survey is of beacons alone. What scans hear is an access point, on the map or not. */
function wifiSurveyOf({ scans, surveyFile, venue }: Recording): WifiModel | null {
  if (scans.length === 0 || surveyFile === null) return null;
  const heard = new Set(scans.flatMap((scan) => scan.bssid));
  const gateways = venue.gateways.map(({ gatewayId }) => gatewayId).filter((gatewayId) => !heard.has(bssidOf(gatewayId)));
  const survey = parseWifiSurvey(fs.readFileSync(surveyFile, "utf8"), surveyFile, new Set(gateways));
  return survey === null ? null : buildWifiModel(survey);
}

async function withStore(
  place: { recording: Recording; survey: PlayOptions["survey"]; wifiSurvey: WifiModel | null; storeUrl: string; asOfNow: boolean; log: (event: object) => void },
  how: (play: PlayOptions) => Promise<Played>,
): Promise<Played> {
  const { recording, survey, wifiSurvey, storeUrl, asOfNow, log } = place;
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-accuracy-"));
  // An event of its own: a recording must not mix with what a shared store holds.
  const eventId = `accuracy-${Date.now().toString(36)}-${process.pid}`;
  try {
    const store = await openStoreAt({ url: storeUrl, eventId, venue: recording.venue, dataDir, keys: KeyRing.inMemory(), nowMs: Date.now, log });
    try {
      return await how({ recording, store, eventId, survey, log, ...(wifiSurvey === null ? {} : { wifiSurvey }), startAtMs: asOfNow ? Math.ceil(Date.now() / 1_000) * 1_000 : MEMORY_STARTS_AT_MS });
    } finally {
      // And it leaves no tag and no log behind there.
      for (const { tagId } of await store.positions()) await store.dropTag(tagId);
      await store.sweep(Date.now() + FAR_MS);
      await store.close();
    }
  } finally {
    fs.rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Beyond every retention. */
const FAR_MS = 10 * 365 * 86_400_000;

const REFERENCES = Object.keys(REFERENCE_METHODS) as ReferenceMethod[];

/** Figures of the reference methods over one recording or several; a method counts where it could work. */
export function referencesOf(measured: readonly MeasuredMethods[]): References {
  return Object.fromEntries(
    REFERENCES.map((method) => {
      const those = measured.flatMap((one) => (one[method] === null ? [] : [one[method]]));
      return [method, those.length === 0 ? null : figuresOf(those)];
    }),
  ) as References;
}

export function compareTraces(trace: readonly TraceLine[], expected: readonly TraceLine[]): { same: boolean; firstDifference: string | null } {
  const at = Math.max(trace.length, expected.length);
  for (let i = 0; i < at; i++) {
    const [got, wanted] = [JSON.stringify(trace[i]), JSON.stringify(expected[i])];
    if (got !== wanted) return { same: false, firstDifference: `line ${i + 1}: got ${got ?? "nothing"}, virtual time has ${wanted ?? "nothing"}` };
  }
  return { same: true, firstDifference: null };
}
