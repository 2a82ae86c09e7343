import type { ProximityTransition, VenueMap } from "@konferenco/protocol";
import { openFusionService, type FollowEvent, type FusionStats, type PairState, type Store, type SurveyPoint, type WifiModel } from "@konferenco/fusion";
import { messagesOfRecording, type Recording } from "@konferenco/simulators";
import type { PairLine } from "./pairs.ts";
import { traceLine, type TraceLine } from "./trace.ts";

/** What the system made of a recording. */
export interface Played {
  trace: TraceLine[];
  proximity: ProximityTransition[];
  /** Every look at a pair of tags; over MQTT none, because probabilities do not leave fusion. */
  pairs: PairLine[];
  stats: FusionStats;
}

export interface PlayOptions {
  recording: Recording;
  store: Store;
  eventId: string;
  /** Added to the recording's times; a multiple of a second, so that ticks fall where they always do. */
  startAtMs: number;
  /** A survey to use; null: none, or ignored. */
  survey: readonly SurveyPoint[] | null;
  log: (event: object) => void;
  /** The venue's surveyed Wi-Fi, for the recording's scans. */
  wifiSurvey?: WifiModel;
}

/**
 * The recording through the real service as fast as it goes: report bytes in, and what the store
 * tells its followers out. The clock is the reports' own, so the same recording gives the same trace.
 */
export async function playInVirtualTime({ recording, store, eventId, startAtMs, survey, log, wifiSurvey }: PlayOptions): Promise<Played> {
  const trace: TraceLine[] = [];
  const proximity: ProximityTransition[] = [];
  const pairs: PairLine[] = [];
  const follower = await store.follow((event) => collect(event, startAtMs, trace, proximity));
  let nowMs = startAtMs;
  const onPair = ({ atMs, tagA, tagB, probabilityWithin2M, near }: PairState): void => {
    pairs.push({ atMs: atMs - startAtMs, tagA, tagB, probabilityWithin2M: Math.round(probabilityWithin2M * 10_000) / 10_000, near });
  };
  const fusion = openFusionService({ eventId, venue: recording.venue satisfies VenueMap, store, nowMs: () => nowMs, time: "report", log, onPair, ...(survey === null ? {} : { survey }), ...(wifiSurvey === undefined ? {} : { wifiSurvey }) });
  const encoder = new TextEncoder();
  for (const { topic, payload, gatewayId, sentAtMs } of messagesOfRecording(recording, { eventId, startAtMs })) {
    // Everything of the moment before is stored before time moves on: virtual time must not outrun the store.
    if (sentAtMs > nowMs) await fusion.flush();
    nowMs = sentAtMs;
    await fusion.ingest({ topic, payload: encoder.encode(payload), gatewayId, receivedAtMs: sentAtMs });
  }
  await fusion.flush();
  const stats = fusion.stats();
  await settled(store, trace, stats.storedPositions);
  await fusion.close();
  await follower.close();
  return { trace, proximity, pairs, stats };
}

function collect(event: FollowEvent, startAtMs: number, trace: TraceLine[], proximity: ProximityTransition[]): void {
  if (event.kind === "gap") throw new Error(`the store lost updates of the recording (${event.why}): its trace would have a hole`);
  for (const { body } of event.updates) {
    if (body.kind === "position") trace.push(traceLine(body.position, body.position.atMs - startAtMs));
    if (body.kind === "proximity") proximity.push({ ...body.proximity, atMs: body.proximity.atMs - startAtMs });
  }
}

/** A store in another process tells its followers a moment after it has committed. */
async function settled(store: Store, trace: readonly TraceLine[], expected: number): Promise<void> {
  const untilMs = Date.now() + 10_000;
  while (trace.length < expected) {
    if (Date.now() > untilMs) throw new Error(`the store told ${trace.length} of ${expected} positions within 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.ping();
  }
}
