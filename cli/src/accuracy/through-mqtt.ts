import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import { openBridge, openEmbeddedRegistry } from "@konferenco/bridge";
import { newPassword, openBroker } from "@konferenco/broker";
import { connect, type DeliveredEvent } from "@konferenco/client";
import { KeyRing, openFusionService, type FusionService } from "@konferenco/fusion";
import type { ProximityTransition, TagId } from "@konferenco/protocol";
import { openReplay } from "@konferenco/simulators";
import { Closers } from "../closers.ts";
import { traceLine, type TraceLine } from "./trace.ts";
import type { PlayOptions, Played } from "./virtual-time.ts";

export interface ThroughMqttOptions extends PlayOptions {
  /** Seconds of the recording in one second. */
  speed: number;
  /** Told a few times a second. */
  onProgress: (progress: { replayedMs: number; received: number }) => void;
}

const LOGIN = "accuracy";
/** From the last report to the last position at the client; on loopback it takes milliseconds. */
const DRAIN_MS = 15_000;

/**
 * The recording over the real road: a real publisher over MQTT to a real broker, fusion in report
 * time behind it, the bridge, and a real WebSocket client that is subscribed to the venue as an
 * operator. The trace is what that client received.
 */
export async function playThroughMqtt(options: ThroughMqttOptions): Promise<Played> {
  const { recording, store, eventId, startAtMs, speed, survey, wifiSurvey, log, onProgress } = options;
  const { venue } = recording;
  const host = "127.0.0.1";
  const closers = new Closers();
  try {
    const fusion = openFusionService({ eventId, venue, store, nowMs: Date.now, time: "report", log, ...(survey === null ? {} : { survey }), ...(wifiSurvey === undefined ? {} : { wifiSurvey }) });
    closers.add("fusion", () => fusion.close());

    const password = newPassword();
    const broker = await openBroker({
      host,
      tcpPort: 0,
      wsPort: null,
      credentials: { gateways: [], applications: [{ name: LOGIN, password, eventId, rights: ["publish-reports", "publish-sensors"] }] },
      nowMs: Date.now,
      log,
    });
    closers.add("broker", () => broker.close());
    broker.attach(({ topic, payload, receivedAtMs }) => fusion.ingest({ topic, payload, receivedAtMs, gatewayId: null }));

    const registry = await openEmbeddedRegistry({ dataDir: null, keys: KeyRing.inMemory() });
    closers.add("registry", () => registry.close());
    const bridge = await openBridge({
      eventId,
      host,
      port: 0,
      venue,
      store,
      registry,
      secret: randomBytes(32),
      logins: [],
      webRoot: null,
      publishAlert: () => Promise.reject(new Error("a recording sends no alerts")),
      nowMs: Date.now,
      log,
    });
    closers.add("bridge", () => bridge.close());

    const recorder = newRecorder(startAtMs);
    const client = await openRecordingClient(`ws://${host}:${bridge.port}/events`, await bridge.issueToken({ role: "operator", personId: null }), recorder);
    closers.add("client", () => Promise.resolve(client.close()));

    const replay = await openReplay({
      recording,
      brokerUrl: `mqtt://${host}:${broker.tcpPort}`,
      eventId,
      login: { name: LOGIN, password },
      speed,
      startAtMs,
      nowMs: Date.now,
    });
    closers.add("replay", () => replay.close());
    const progress = setInterval(() => onProgress({ replayedMs: replay.stats().replayedMs, received: recorder.trace.length }), 250);
    try {
      await replay.done;
      const { reports, scans } = replay.stats();
      await drained(fusion, reports + scans, recorder);
    } finally {
      clearInterval(progress);
    }
    return { trace: recorder.trace, proximity: recorder.proximity, pairs: [], stats: fusion.stats() };
  } finally {
    await closers.close();
  }
}

interface Recorder {
  trace: TraceLine[];
  proximity: ProximityTransition[];
  /** Why the recording cannot be whole, if it cannot. */
  failure: Error | null;
  take(event: DeliveredEvent): void;
}

function newRecorder(startAtMs: number): Recorder {
  const recorder: Recorder = {
    trace: [],
    proximity: [],
    failure: null,
    take(event) {
      // Tags of a recording belong to nobody, so an operator sees them as things, exactly.
      if (event.from === "snapshot" || event.t !== "position" || event.d.subj.who !== "tag") return;
      recorder.trace.push(traceLine({ ...event.d, tagId: event.d.subj.tagId satisfies TagId }, event.at - startAtMs));
    },
  };
  return recorder;
}

/** A client that is live and subscribed when this resolves. */
async function openRecordingClient(url: string, token: string, recorder: Recorder) {
  let isLive = (): void => {};
  let hasFailed = (_error: Error): void => {};
  const live = new Promise<void>((resolve, reject) => {
    isLive = resolve;
    hasFailed = reject;
  });
  const client = connect({
    url,
    token,
    channels: [],
    WebSocket,
    name: ["konferenco-accuracy", "1"],
    onEvent: (event) => recorder.take(event),
    onState(state) {
      if (state.kind === "live") isLive();
      if (state.kind === "failed") hasFailed(new Error(`the bridge refused the recording's client: ${state.message}`));
      if (state.kind === "reconnecting") recorder.failure = new Error("the recording's client lost its connection: positions are not replayed, so its trace has a hole. Try a smaller --speed");
    },
    onGap(why) {
      recorder.failure = new Error(`the recording's client was told of a gap (${why}): its trace has a hole. Try a smaller --speed`);
    },
  });
  try {
    await live;
    await client.subscribe({ ch: "venue", every: true, hz: 10 });
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}

/** Everything that was sent has been processed, stored and received, or it is said what was lost. */
async function drained(fusion: FusionService, sent: number, recorder: Recorder): Promise<void> {
  const untilMs = Date.now() + DRAIN_MS;
  const isDrained = (): boolean => fusion.stats().messages >= sent && recorder.trace.length >= fusion.stats().storedPositions;
  while (!isDrained()) {
    if (recorder.failure !== null) throw recorder.failure;
    const { messages, storedPositions } = fusion.stats();
    if (Date.now() > untilMs) {
      throw new Error(`of ${sent} messages fusion got ${messages}, of ${storedPositions} positions the client got ${recorder.trace.length}: something was lost. Try a smaller --speed`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    await fusion.flush();
  }
  if (recorder.failure !== null) throw recorder.failure;
}
