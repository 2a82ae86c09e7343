import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { buildWifiModel, parseWifiSurvey, type FusionStats, type WifiModel } from "@konferenco/fusion";
import { loadRecording, type Recording } from "@konferenco/simulators";
import { openStoreAt } from "../open-store.ts";
import { scoreContacts, type ContactFigures } from "./contacts.ts";
import { REFERENCE_METHODS, referenceTrace, type ReferenceMethod } from "./references.ts";
import { countChanges, mean, score, type Figures } from "./score.ts";
import type { TraceLine } from "./trace.ts";
import { playInVirtualTime, type Played, type PlayOptions } from "./virtual-time.ts";

export interface AccuracyOptions {
  /** Folder of one recording. */
  recording: string;
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
  /** Length of the recording, and how long the run took. */
  recordedS: number;
  tookS: number;
  tags: number;
  survey: "none" | "ignored" | "not used by this method" | `Wi-Fi: ${string}`;
  /** Null without a truth.csv. */
  figures: Figures | null;
  references: Record<ReferenceMethod, Figures> | null;
  /** What can be said without a truth. */
  output: { lines: number; zoneChanges: number; meanAccuracy95M: number | null; meanConfidence: number | null };
  /** Null without a contacts.csv. */
  contacts: ContactFigures | null;
  /** Of `mqtt`: whether the client's trace is the one of virtual time, and where they part first. */
  sameAsVirtualTime: { same: boolean; firstDifference: string | null } | null;
  funnel: FusionStats;
  trace: TraceLine[];
}

/** In memory the recording has its own fixed date; elsewhere others look at the clock too, so it is played as of now. */
const MEMORY_STARTS_AT_MS = Date.UTC(2025, 0, 1);

/** Plays a recording through the system and scores what comes out against the truth and against plain methods. */
export async function runAccuracy(options: AccuracyOptions): Promise<AccuracyResult> {
  const { store = "memory", through = "virtual", speed = 1, log = () => {} } = options;
  const beganMs = Date.now();
  const recording = loadRecording(options.recording);
  const endMs = Math.max(recording.observations.at(-1)?.atMs ?? 0, recording.scans.at(-1)?.atMs ?? 0);
  const wifiSurvey = options.survey === false ? null : wifiSurveyOf(recording);
  const play = (how: (play: PlayOptions) => Promise<Played>, storeUrl: string) =>
    withStore({ recording, wifiSurvey, storeUrl, asOfNow: how !== playInVirtualTime || storeUrl !== "memory", log }, how);

  const played =
    through === "virtual"
      ? await play(playInVirtualTime, store)
      : await play(async (how) => (await import("./through-mqtt.ts")).playThroughMqtt({ ...how, speed, onProgress: (progress) => options.onProgress?.({ ...progress, ofMs: endMs }) }), store);
  const virtual = through === "mqtt" ? await play(playInVirtualTime, "memory") : null;

  const { trace, proximity, stats } = played;
  const hasTruth = recording.truth.length > 0;
  return {
    recording: recording.name,
    through,
    store,
    recordedS: endMs / 1_000,
    tookS: (Date.now() - beganMs) / 1_000,
    tags: new Set(trace.map((line) => line.tagId)).size,
    survey: recording.surveyFile === null ? "none" : options.survey === false ? "ignored" : wifiSurvey !== null ? `Wi-Fi: ${wifiSurvey.settings.method}` : "not used by this method",
    figures: hasTruth ? score(trace, recording.truth, recording.venue) : null,
    references: hasTruth ? scoreReferences(recording) : null,
    output: {
      lines: trace.length,
      zoneChanges: countChanges(trace),
      meanAccuracy95M: mean(trace.map((line) => line.accuracy95M)),
      meanConfidence: mean(trace.map((line) => line.confidence)),
    },
    contacts: recording.contacts.length > 0 ? scoreContacts(proximity, recording.contacts, endMs) : null,
    sameAsVirtualTime: virtual === null ? null : compareTraces(trace, virtual.trace),
    funnel: stats,
    trace,
  };
}

/** The radio map of the recording's access points; null without scans, or when the survey is of beacons alone. */
function wifiSurveyOf({ scans, surveyFile, venue }: Recording): WifiModel | null {
  if (scans.length === 0 || surveyFile === null) return null;
  const survey = parseWifiSurvey(fs.readFileSync(surveyFile, "utf8"), surveyFile, new Set(venue.gateways.map(({ gatewayId }) => gatewayId)));
  return survey === null ? null : buildWifiModel(survey);
}

async function withStore(
  place: { recording: Recording; wifiSurvey: WifiModel | null; storeUrl: string; asOfNow: boolean; log: (event: object) => void },
  how: (play: PlayOptions) => Promise<Played>,
): Promise<Played> {
  const { recording, wifiSurvey, storeUrl, asOfNow, log } = place;
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-accuracy-"));
  // An event of its own: a recording must not mix with what a shared store holds.
  const eventId = `accuracy-${Date.now().toString(36)}-${process.pid}`;
  try {
    const store = await openStoreAt({ url: storeUrl, eventId, venue: recording.venue, dataDir, nowMs: Date.now });
    try {
      return await how({ recording, store, eventId, log, ...(wifiSurvey === null ? {} : { wifiSurvey }), startAtMs: asOfNow ? Math.ceil(Date.now() / 1_000) * 1_000 : MEMORY_STARTS_AT_MS });
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

function scoreReferences(recording: Recording): Record<ReferenceMethod, Figures> {
  const methods = Object.keys(REFERENCE_METHODS) as ReferenceMethod[];
  const figures = methods.map((method) => [method, score(referenceTrace(recording, method), recording.truth, recording.venue)] as const);
  return Object.fromEntries(figures) as Record<ReferenceMethod, Figures>;
}

export function compareTraces(trace: readonly TraceLine[], expected: readonly TraceLine[]): { same: boolean; firstDifference: string | null } {
  const at = Math.max(trace.length, expected.length);
  for (let i = 0; i < at; i++) {
    const [got, wanted] = [JSON.stringify(trace[i]), JSON.stringify(expected[i])];
    if (got !== wanted) return { same: false, firstDifference: `line ${i + 1}: got ${got ?? "nothing"}, virtual time has ${wanted ?? "nothing"}` };
  }
  return { same: true, firstDifference: null };
}
