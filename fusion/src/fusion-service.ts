import { randomBytes } from "node:crypto";
import {
  Distribution,
  SECONDS_BOUNDS,
  StoreUnavailable,
  countRefusal,
  ephemeralOfTag,
  parseAlertMessage,
  parseBeaconReport,
  parseEnvironmentReport,
  parseGatewayStatus,
  parsePositionReport,
  parseTagSightings,
  parseTopic,
  parseWifiScan,
  type Alert,
  type AlertSeverity,
  type BeaconReport,
  type EventId,
  type GatewayHealth,
  type GatewayId,
  type Position,
  type PositionReport,
  type RefusalCode,
  type RefusalCounts,
  type Schedule,
  type SensorType,
  type TagId,
  type VenueMap,
  type WifiScan,
} from "@konferenco/protocol";
import { CommitQueue } from "./commit-queue.ts";
import { acceptReport, clockOffsetMs, dueOf, newAcceptor, noteClock, type AcceptedReport, type Observation } from "./core/accept.ts";
import { locateByCheckIn } from "./core/checkin-fix.ts";
import type { CalibrationState } from "./core/calibration.ts";
import { copyOf } from "./core/copy-of.ts";
import type { Fix } from "./core/fix.ts";
import type { FusionConfig } from "./core/fusion-config.ts";
import { locateByGps } from "./core/gps-fix.ts";
import { newPipeline, type CalibrationLink, type PipelineCounts, type PipelineOptions } from "./core/pipeline.ts";
import type { PairState } from "./core/proximity.ts";
import type { SurveyPoint } from "./core/radio-map.ts";
import { newTimeline, type TimelineCounts } from "./core/timeline.ts";
import { locateByFingerprint, locateByWifi, newWifiDevices, type AccessPoint } from "./core/wifi-fix.ts";
import type { WifiModel } from "./core/wifi-model.ts";
import type { RotatingTags } from "./rotating-tags.ts";
import { newGatewayWatch } from "./gateway-watch.ts";
import { tagSubject, type KeyRing } from "./store/key-ring.ts";
import { emptyBatch, type Store } from "./store/store.ts";

export interface FusionServiceConfig {
  eventId: EventId;
  venue: VenueMap;
  store: Store;
  /** The service's only clock. */
  nowMs: () => number;
  /**
   * `wall`: a timer ticks, and gateway clocks are mapped to ours. `report`: time is the largest
   * `sentAtMs` seen, and the ticks up to it run before a report is processed: the same reports give the
   * same output at any speed. For recordings.
   */
  time: "wall" | "report";
  tickMs?: number;
  log: (event: object) => void;
  /** Constants of the core that this venue sets otherwise. */
  fusion?: Partial<FusionConfig>;
  /** Access points whose places are known, by BSSID in lower case. None: Wi-Fi scans locate nobody. */
  accessPoints?: ReadonlyMap<string, AccessPoint>;
  /** Told of every pair of tags that proximity looks at, each time. For measuring. */
  onPair?: (pair: PairState) => void;
  /** The venue's surveyed Wi-Fi, ready built (`buildWifiModel`, `parseWifiModel`). Scans that it knows nothing of go by `accessPoints`. */
  wifiSurvey?: WifiModel;
  /** A survey of the venue, if somebody walked one: the radio map is made of it. */
  survey?: readonly SurveyPoint[];
  /** What is on where, for what people are doing, until `setSchedule`; absent: nothing is. */
  schedule?: PipelineOptions["schedule"];
  /** Who is behind names that change. None: such names are refused. */
  rotatingTags?: RotatingTags;
  /** Who is erased, by tag: nothing of them is taken, and what is held is let go. Absent: nobody, as in recordings. */
  keys?: KeyRing;
}

export interface FusionMessage {
  topic: string;
  payload: Uint8Array;
  /** The gateway that logged in, null for applications. */
  gatewayId: GatewayId | null;
  receivedAtMs: number;
}

/** The funnel: how far things came, and why others did not. Counters only grow; the last block is as of now. */
export interface FusionStats {
  messages: number;
  reports: number;
  /** Rows of accepted reports that became observations. */
  observations: number;
  refused: RefusalCounts;
  smoothed: number;
  outliers: number;
  fixes: number;
  /** Wi-Fi scans, GPS reports and check-ins that the map has no place for. */
  unplaceable: number;
  /** Positions made by ticks, and those that were worth a write. */
  positions: number;
  storedPositions: number;
  zoneTransitions: number;
  proximityTransitions: number;
  alerts: number;
  environmentReports: number;
  ticks: number;
  tags: number;
  gateways: { online: number; silent: number; offline: number };
  /** Commits that wait for the store, and whether it is away. */
  storeLag: number;
  storeAway: boolean;
  storeRetries: number;
  droppedTransitions: number;
  pipeline: PipelineCounts;
  /** What came late, and what was done about it. */
  timeline: TimelineCounts;
  /** What expected levels rest on and how good that is; null without a drawn venue. */
  calibration: CalibrationState | null;
}

/** How long sightings are on their way to fusion, in seconds. Nothing is known of the radio itself: advertisements carry no time. */
export interface FusionStages {
  /** From the radio to the sending, by the gateway's own clock. */
  gateway: Distribution;
  /** From the sending to fusion, through network and broker: what it takes beyond the quickest of the last two minutes, for the clocks are not one. */
  broker: Distribution;
}

export interface FusionService {
  /** A promise is returned where an acknowledgement must wait for the store (alerts); it rejects when that failed. */
  ingest(message: FusionMessage): void | Promise<void>;
  /** The next tick and those after it go by this schedule. */
  setSchedule(schedule: Pick<Schedule, "sessions" | "booths">): void;
  stats(): FusionStats;
  readonly stages: FusionStages;
  /** How gateways hear each other's own transmitters. */
  calibrationLinks(): CalibrationLink[];
  /** Resolves when all that was made so far is stored. */
  flush(): Promise<void>;
  /** Stops ticking and stores what waits. The store stays open: it belongs to who opened it. */
  close(): Promise<void>;
}

/** A position is stored when the tag moved this far since the last stored one… */
const MOVED_M = 0.2;
/** …or a new second has begun, so that nobody looks stale. By the clock, so that what was stored before does not decide what is. */
const RESTATE_MS = 1_000;
/** In report time a pause of the recording runs all its ticks at once, and none may be merged: 40 min of them. */
const MAX_REPORT_TIME_COMMITS = 5_000;
/** Attempts to store an alert before its sender is told, by a missing acknowledgement, to send it again: 3 s in all. */
const ALERT_RETRY_MS = [50, 150, 300, 500, 1_000, 1_000];
/** Between two words to the bridges of what was counted here. */
const FLOW_EVERY_MS = 1_000;
/** A gateway's boots that are believed: a spool of the one before may drain after a restart. */
const MAX_ANNOUNCED_BOOTS = 4;
/** A device's clock may run ahead of ours by this much before its location is refused. */
const MAX_DEVICE_AHEAD_MS = 60_000;

/** Opens the service: bytes of one event in, transitions and positions to the store. */
export function openFusionService(config: FusionServiceConfig): FusionService {
  const { venue, store } = config;
  const pipeline = newPipeline(venue, { ...config.fusion, ...(config.tickMs === undefined ? {} : { tickMs: config.tickMs }) }, { survey: config.survey ?? null, ...(config.schedule === undefined ? {} : { schedule: config.schedule }) });
  const { tickMs } = pipeline.config;
  let wifiDevices = newWifiDevices();
  const timeline = newTimeline(pipeline, () => {
    const kept = copyOf(wifiDevices);
    return () => {
      wifiDevices = copyOf(kept);
    };
  });
  if (config.onPair !== undefined) {
    const { onPair } = config;
    pipeline.watchPairs((pair) => {
      if (!timeline.isReplaying) onPair(pair);
    });
  }
  const acceptor = newAcceptor();
  const watch = newGatewayWatch(venue, config.time === "wall" ? config.nowMs() : 0);
  const queue = new CommitQueue({ store, log: config.log, ...(config.time === "report" ? { maxSeparateCommits: MAX_REPORT_TIME_COMMITS } : {}) });
  const refused: RefusalCounts = {};
  const counts = { messages: 0, reports: 0, observations: 0, unplaceable: 0, storedPositions: 0, alerts: 0, environmentReports: 0, ticks: 0 };
  const stages: FusionStages = { gateway: new Distribution(SECONDS_BOUNDS), broker: new Distribution(SECONDS_BOUNDS) };
  const stored = new Map<TagId, Position>();
  const announcedBoots = new Map<GatewayId, readonly string[]>();
  /** In report time: the largest sending time seen. -Infinity before the first. */
  let reportNowMs = -Infinity;
  let lastTickMs = -Infinity;
  let erasuresSeen = 0;
  let schedulesSeen = 0;

  function isErased(tagId: TagId): boolean {
    return config.keys?.isErased(tagSubject(tagId)) ?? false;
  }

  /** Looks at all tags only when somebody was erased since. */
  function dropErased(): void {
    const erasures = config.keys?.erasures ?? 0;
    if (erasures === erasuresSeen) return;
    erasuresSeen = erasures;
    const gone = pipeline.tagIds().filter(isErased);
    if (gone.length > 0) timeline.drop(gone);
  }

  function refuseAs(code: RefusalCode, by = 1): void {
    countRefusal(refused, code, by);
  }

  // ---- time

  /** Moves report time to `sentAtMs`, running every tick that is due before or at it. */
  function advanceTo(sentAtMs: number): void {
    if (sentAtMs <= reportNowMs) return;
    for (let dueMs = nextTickAfter(lastTickMs, reportNowMs); dueMs <= sentAtMs; dueMs += tickMs) {
      // With nobody there a tick does nothing, so a long pause between recordings costs nothing; but for those that something late may yet need.
      if (timeline.isIdle()) dueMs = Math.max(dueMs, Math.floor((sentAtMs - pipeline.config.maxLateMs) / tickMs) * tickMs);
      tick(dueMs);
    }
    reportNowMs = sentAtMs;
  }

  function nextTickAfter(tickedMs: number, nowMs: number): number {
    if (tickedMs !== -Infinity) return tickedMs + tickMs;
    return nowMs === -Infinity ? Infinity : (Math.floor(nowMs / tickMs) + 1) * tickMs;
  }

  function tick(nowMs: number): void {
    lastTickMs = nowMs;
    counts.ticks++;
    config.rotatingTags?.prepare(nowMs);
    dropErased();
    const output = timeline.tick(nowMs);
    const positions = output.positions.filter((position) => isWorthStoring(position, stored.get(position.tagId)));
    for (const position of positions) stored.set(position.tagId, position);
    for (const tagId of output.droppedTags) {
      stored.delete(tagId);
      wifiDevices.offsets.delete(tagId);
    }
    counts.storedPositions += positions.length;
    const gateways = watch.changes(nowMs, knownOf(nowMs));
    const { zoneTransitions, proximityTransitions, droppedTags } = output;
    if (positions.length + zoneTransitions.length + proximityTransitions.length + gateways.length + droppedTags.length === 0) return;
    // What happened carries the tick's time; it is stored now.
    const storedAtMs = config.time === "report" ? nowMs : config.nowMs();
    queue.push({ batch: { ...emptyBatch(), zoneTransitions, proximityTransitions, positions, gateways }, droppedTags, nowMs: storedAtMs });
  }

  /** What is known of a gateway beside its own signs. The state of the calibration is asked for once a tick at most. */
  function knownOf(nowMs: number): (gatewayId: GatewayId) => Pick<GatewayHealth, "clockOffsetMs" | "calibration"> {
    let state: CalibrationState | null | undefined;
    return (gatewayId) => {
      state ??= pipeline.calibration(nowMs);
      const offset = state?.gateways.find((gateway) => gateway.gatewayId === gatewayId);
      const known = { clockOffsetMs: clockOffsetMs(acceptor, gatewayId) };
      if (state === null || state === undefined || offset === undefined) return known;
      return { ...known, calibration: { basis: state.basis, offsetDb: rounded(offset.offsetDb), residualDb: state.residualDb === null ? null : rounded(state.residualDb) } };
    };
  }

  // ---- messages, by topic

  function ingestReport(message: FusionMessage): void {
    const parsed = parseBeaconReport(message.payload);
    if (!parsed.ok) return refuseAs(parsed.code);
    const { report, refusedRows } = parsed.value;
    if (message.gatewayId !== null && message.gatewayId !== report.gatewayId) return refuseAs("GATEWAY_FOREIGN");
    if (!pipeline.venue.gatewayIndex.has(report.gatewayId)) return refuseAs("GATEWAY_UNKNOWN");
    if (message.gatewayId === null && !mayBeOf(report)) return refuseAs("GATEWAY_FOREIGN");
    if (config.time === "report") advanceTo(report.sentAtMs);
    const receivedAtMs = config.time === "report" ? report.sentAtMs : message.receivedAtMs;
    const nowMs = config.time === "report" ? reportNowMs : message.receivedAtMs;
    const accepted = acceptReport(acceptor, report, { receivedAtMs, nowMs }, pipeline.config);
    if (!accepted.ok) return refuseAs(accepted.code);
    counts.reports++;
    addRefusals(refusedRows);
    addRefusals(accepted.value.refusedRows);
    watch.noteReport(report.gatewayId, accepted.value.observations.length, nowMs);
    noteStages(accepted.value, receivedAtMs);
    takeObservations(report, lastingNames(accepted.value.observations), accepted.value.dueMs);
  }

  function noteStages({ observations, dueMs }: AcceptedReport, receivedAtMs: number): void {
    for (const { heardAtMs } of observations) stages.gateway.add((dueMs - heardAtMs) / 1_000);
    if (config.time === "wall") stages.broker.add((receivedAtMs - dueMs) / 1_000);
  }

  /**
   * Where the login is not known (another process holds the broker) a gateway's own status vouches for it: only the
   * gateway itself may publish that, and no other gateway may read the boot id in it. One that never told a boot has nothing to lose.
   */
  function mayBeOf({ gatewayId, bootId }: BeaconReport): boolean {
    return announcedBoots.get(gatewayId)?.includes(bootId) ?? true;
  }

  function noteBoot(gatewayId: GatewayId, bootId: string): void {
    const boots = announcedBoots.get(gatewayId) ?? [];
    if (boots.includes(bootId)) return;
    announcedBoots.set(gatewayId, [...boots, bootId].slice(-MAX_ANNOUNCED_BOOTS));
  }

  /** What was heard lately is due with its report, what waited in a spool is due each by itself. */
  function takeObservations({ gatewayId, bootId, seq }: BeaconReport, observations: readonly Observation[], reportDueMs: number): void {
    counts.observations += observations.length;
    const heardOfDue = new Map<number, Observation[]>();
    for (const observation of observations) {
      const dueMs = dueOf(observation.heardAtMs, reportDueMs, pipeline.config);
      const heard = heardOfDue.get(dueMs);
      if (heard === undefined) heardOfDue.set(dueMs, [observation]);
      else heard.push(observation);
    }
    for (const [dueMs, heard] of heardOfDue) {
      const observationsNow = (): Observation[] => heard.filter(({ tagId }) => !isErased(tagId));
      const apply = (): void => {
        for (const observation of observationsNow()) pipeline.step(observation, dueMs);
      };
      timeline.take({ dueMs, from: `${gatewayId} ${bootId}`, seq, apply, observations: observationsNow });
    }
  }

  function lastingNames(observations: readonly Observation[]): Observation[] {
    return observations.flatMap((observation) => {
      const tagId = lastingName(observation.tagId, observation.heardAtMs);
      if (tagId === null) return [];
      return [tagId === observation.tagId ? observation : { ...observation, tagId }];
    });
  }

  /** The tag behind a name that changes, the name itself of a tag that keeps it, or null: unknown or erased, refused and counted. */
  function lastingName(tagId: TagId, atMs: number): TagId | null {
    const ephemeral = ephemeralOfTag(tagId);
    const lasting = ephemeral === null ? tagId : (config.rotatingTags?.tagOf(ephemeral, atMs) ?? null);
    if (lasting !== null && !isErased(lasting)) return lasting;
    refuseAs(lasting === null ? "TAG_NAME_UNKNOWN" : "TAG_ERASED");
    return null;
  }

  function ingestSensor(sensorType: SensorType, message: FusionMessage): void {
    switch (sensorType) {
      case "wifi-scan": {
        const parsed = parseWifiScan(message.payload);
        if (!parsed.ok) return refuseAs(parsed.code);
        addRefusals(parsed.value.refusedRows);
        const { scan } = parsed.value;
        // A gateway's own scan tells of its surroundings, not of a tag: nothing to locate.
        if (scan.tagId === null) return;
        if (isErased(scan.tagId)) return refuseAs("TAG_ERASED");
        return locate({ from: `wifi-scan ${scan.tagId}`, measuredAtMs: scan.heardAtMs }, message, (atMs) => locateScan(scan, atMs));
      }
      case "position": {
        const parsed = parsePositionReport(message.payload);
        if (!parsed.ok) return refuseAs(parsed.code);
        const report: PositionReport = parsed.value;
        if (isErased(report.tagId)) return refuseAs("TAG_ERASED");
        return locate({ from: `${report.source} ${report.tagId}`, measuredAtMs: report.atMs }, message, (atMs) =>
          report.source === "gps" ? locateByGps(report, venue, atMs) : locateByCheckIn(report, venue, pipeline.venue, atMs),
        );
      }
      case "tag-sightings": {
        const parsed = parseTagSightings(message.payload);
        if (!parsed.ok) return refuseAs(parsed.code);
        addRefusals(parsed.value.refusedRows);
        const { tagId, heardAtMs, heardTagId, rssiDbm } = parsed.value.sightings;
        if (isErased(tagId)) return refuseAs("TAG_ERASED");
        const atMs = deviceTime(heardAtMs, message);
        if (atMs === null) return;
        const sighted = heardTagId.flatMap((heard, row) => {
          const tagB = lastingName(heard, atMs);
          return tagB === null ? [] : [{ tagA: tagId, tagB, rssiDbm: rssiDbm[row] as number, heardAtMs: atMs }];
        });
        return timeline.take({ dueMs: atMs, from: `tag-sightings ${tagId}`, seq: 0, apply: () => sighted.forEach((sighting) => isErased(tagId) || isErased(sighting.tagB) || pipeline.sight(sighting)) });
      }
      case "environment": {
        const parsed = parseEnvironmentReport(message.payload);
        if (!parsed.ok) return refuseAs(parsed.code);
        counts.environmentReports++;
        return;
      }
    }
  }

  function locateScan(scan: WifiScan, heardAtMs: number): Fix | null {
    const surveyed = config.wifiSurvey === undefined ? null : locateByFingerprint(scan, config.wifiSurvey, { devices: wifiDevices, index: pipeline.venue, heardAtMs });
    return surveyed ?? locateByWifi(scan, config.accessPoints ?? NO_ACCESS_POINTS, pipeline.venue, heardAtMs);
  }

  /** A location of another technology, on the clock of the device that sent it. The same one twice has the same time. */
  function locate({ from, measuredAtMs }: { from: string; measuredAtMs: number }, message: FusionMessage, makeFix: (atMs: number) => Fix | null): void {
    const atMs = deviceTime(measuredAtMs, message);
    if (atMs === null) return;
    const apply = (): void => {
      const fix = makeFix(atMs);
      if (fix !== null && isErased(fix.tagId)) return;
      if (fix !== null) pipeline.locate(fix, atMs);
      else if (!timeline.isReplaying) counts.unplaceable++;
    };
    timeline.take({ dueMs: atMs, from, seq: 0, apply });
  }

  /** A device's time on our clock, or null when it is refused and counted: too late, or too far ahead. */
  function deviceTime(measuredAtMs: number, message: FusionMessage): number | null {
    if (config.time === "report") advanceTo(measuredAtMs);
    const nowMs = config.time === "report" ? reportNowMs : message.receivedAtMs;
    const late = measuredAtMs < nowMs - pipeline.config.maxLateMs;
    if (late || measuredAtMs > nowMs + MAX_DEVICE_AHEAD_MS) {
      refuseAs(late ? "OBSERVATION_LATE" : "OBSERVATION_FUTURE");
      return null;
    }
    return Math.min(measuredAtMs, nowMs);
  }

  function ingestStatus(gatewayId: GatewayId, message: FusionMessage): void {
    const parsed = parseGatewayStatus(message.payload);
    if (!parsed.ok) return refuseAs(parsed.code);
    const loggedIn = message.gatewayId ?? gatewayId;
    if (parsed.value.gatewayId !== gatewayId || loggedIn !== gatewayId) return refuseAs("GATEWAY_FOREIGN");
    if (!pipeline.venue.gatewayIndex.has(gatewayId)) return refuseAs("GATEWAY_UNKNOWN");
    const nowMs = config.time === "wall" ? message.receivedAtMs : Math.max(reportNowMs, parsed.value.sentAtMs ?? reportNowMs);
    if (nowMs !== -Infinity) watch.noteStatus(parsed.value, nowMs);
    const { bootId, sentAtMs } = parsed.value;
    if (bootId !== undefined) noteBoot(gatewayId, bootId);
    if (config.time === "wall" && bootId !== undefined && sentAtMs !== undefined) noteClock(acceptor, { gatewayId, bootId, sentAtMs }, message.receivedAtMs);
  }

  function ingestAlert(severity: AlertSeverity, message: FusionMessage): void | Promise<void> {
    const parsed = parseAlertMessage(message.payload);
    if (!parsed.ok) return refuseAs(parsed.code);
    const { alertId, title, text, zoneIds, atMs } = parsed.value;
    return storeAlert({ alertId, severity, title, text, zoneIds: zoneIds ?? [], atMs: atMs ?? message.receivedAtMs });
  }

  /** An alert passes every queue. It is acknowledged when it is stored; the store knows duplicates by their id. */
  async function storeAlert(alert: Alert): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await store.commit({ ...emptyBatch(), alerts: [alert] }, config.nowMs());
        counts.alerts++;
        return;
      } catch (error) {
        const pauseMs = ALERT_RETRY_MS[attempt];
        if (!(error instanceof StoreUnavailable) || pauseMs === undefined) {
          config.log({ event: "alert-not-stored", alertId: alert.alertId, reason: (error as Error).message });
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  function addRefusals(rows: RefusalCounts): void {
    for (const [code, count] of Object.entries(rows)) refuseAs(code as RefusalCode, count);
  }

  // ---- wall time

  let timer: NodeJS.Timeout | null = null;
  let restored: Promise<void> = Promise.resolve();
  if (config.time === "wall") {
    restored = restoreTags();
    scheduleTick();
  }

  /** On the grid: a timer that ran between its lines would make every update late by its phase, up to 500 ms. */
  function scheduleTick(): void {
    timer = setTimeout(
      () => {
        const dueMs = Math.floor(config.nowMs() / tickMs) * tickMs;
        if (dueMs > lastTickMs) tick(dueMs);
        sayFlow(dueMs);
        scheduleTick();
      },
      tickMs - (config.nowMs() % tickMs),
    );
  }

  const flow = { from: `fusion ${randomBytes(6).toString("base64url")}`, atMs: 0, told: "" };

  /** For the console's view of what passes. Best effort: what a store that is away does not take is in the next word. */
  function sayFlow(nowMs: number): void {
    if (nowMs - flow.atMs < FLOW_EVERY_MS) return;
    flow.atMs = nowMs;
    const { zoneTransitions, proximityTransitions, positions, tagLimit } = pipeline.counts();
    const said = {
      arrived: counts.messages,
      refused: Object.values(refused).reduce((sum, count) => sum + count, tagLimit),
      reports: counts.reports,
      observations: counts.observations,
      positions,
      transitions: zoneTransitions + proximityTransitions,
    };
    const told = JSON.stringify(said);
    if (told === flow.told) return;
    store.commit({ ...emptyBatch(), signals: [{ kind: "flow", from: flow.from, counts: said }] }, config.nowMs()).then(
      () => (flow.told = told),
      () => undefined,
    );
  }

  /** Tags that an earlier process left in the store go on where they were, or leave by silence. */
  async function restoreTags(): Promise<void> {
    try {
      const positions = await store.positions();
      for (const position of positions) {
        timeline.noteTold(position);
        timeline.take({ dueMs: config.nowMs(), from: `restored ${position.tagId}`, seq: 0, apply: () => pipeline.restore(position) });
        stored.set(position.tagId, position);
      }
      if (positions.length > 0) config.log({ event: "tags-restored", tags: positions.length });
    } catch (error) {
      config.log({ event: "tags-not-restored", reason: (error as Error).message, remedy: "tags enter their zones anew" });
    }
  }

  return {
    ingest(message) {
      counts.messages++;
      const topic = parseTopic(message.topic);
      if (!topic.ok) return refuseAs(topic.code);
      if (topic.value.eventId !== config.eventId) return refuseAs("TOPIC_FOREIGN_EVENT");
      switch (topic.value.kind) {
        case "beacon":
          return ingestReport(message);
        case "sensor":
          return ingestSensor(topic.value.sensorType, message);
        case "gateway-status":
          return ingestStatus(topic.value.gatewayId, message);
        case "alert":
          return ingestAlert(topic.value.severity, message);
        case "tag-names": // said by us, for gateways
          return;
      }
    },

    setSchedule(schedule) {
      const dueMs = config.time === "report" ? reportNowMs : config.nowMs();
      timeline.take({ dueMs, from: "schedule", seq: schedulesSeen++, apply: () => pipeline.setSchedule(schedule) });
    },

    stages,
    stats() {
      const pipelineCounts = pipeline.counts();
      const { waiting, storeAway, retries, droppedTransitions } = queue.stats();
      const { smoothed, outliers, fixes, positions, zoneTransitions, proximityTransitions, tags, tagLimit } = pipelineCounts;
      return {
        ...counts,
        refused: tagLimit > 0 ? { ...refused, TAG_LIMIT: tagLimit } : { ...refused },
        smoothed,
        outliers,
        fixes,
        positions,
        zoneTransitions,
        proximityTransitions,
        tags,
        gateways: watch.counts(),
        storeLag: waiting,
        storeAway,
        storeRetries: retries,
        droppedTransitions,
        pipeline: pipelineCounts,
        timeline: timeline.counts(),
        calibration: pipeline.calibration(config.time === "report" ? reportNowMs : config.nowMs()),
      };
    },

    calibrationLinks: () => pipeline.calibrationLinks(),

    async flush() {
      await restored;
      await queue.flush();
    },

    async close() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      await restored;
      await queue.close();
    },
  };
}

const NO_ACCESS_POINTS: ReadonlyMap<string, AccessPoint> = new Map();

function rounded(db: number): number {
  return Math.round(10 * db) / 10;
}

function isWorthStoring(position: Position, before: Position | undefined): boolean {
  if (before === undefined || position.zoneId !== before.zoneId || position.floor !== before.floor) return true;
  if (Math.floor(position.atMs / RESTATE_MS) > Math.floor(before.atMs / RESTATE_MS)) return true;
  return Math.hypot(position.xM - before.xM, position.yM - before.yM) >= MOVED_M;
}
