import { randomBytes } from "node:crypto";
import {
  StoreUnavailable,
  type Alert,
  type GatewayHealth,
  type GatewayId,
  type Position,
  type RefusalCounts,
  type Schedule,
  type TagId,
} from "@konferenco/protocol";
import { CommitQueue } from "./commit-queue.ts";
import type { CalibrationState } from "./core/calibration.ts";
import type { FusionConfig } from "./core/fusion-config.ts";
import { newPipeline, type CalibrationLink, type PipelineCounts, type PipelineOptions } from "./core/pipeline.ts";
import type { PairState } from "./core/proximity.ts";
import type { SurveyPoint } from "./core/radio-map.ts";
import { newTimeline, type TimelineCounts } from "./core/timeline.ts";
import type { WifiDevices } from "./core/wifi-fix.ts";
import { newGatewayWatch } from "./gateway-watch.ts";
import { newMessageIntake, type FusionMessage, type FusionStages, type IntakeConfig } from "./message-intake.ts";
import { tagSubject, type KeyRing } from "./store/key-ring.ts";
import { emptyBatch, type Store } from "./store/store.ts";

export interface FusionServiceConfig extends IntakeConfig {
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
  /** Told of every pair of tags that proximity looks at, each time. For measuring. */
  onPair?: (pair: PairState) => void;
  /** A survey of the venue, if somebody walked one: the radio map is made of it. */
  survey?: readonly SurveyPoint[];
  /** What is on where, for what people are doing, until `setSchedule`; absent: nothing is. */
  schedule?: PipelineOptions["schedule"];
  /** Who is erased, by tag: nothing of them is taken, and what is held is let go. Absent: nobody, as in recordings. */
  keys?: KeyRing;
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
/**
 * …or a new second has begun, so that nobody looks stale: by the clock, so that what was stored before does not decide what is.
 * A scan's position carries its scan's time, off the grid of ticks: then also when the next tick would be more than a second after the one before.
 */
const RESTATE_MS = 1_000;
/** In report time a pause of the recording runs all its ticks at once, and none may be merged: 40 min of them. */
const MAX_REPORT_TIME_COMMITS = 5_000;
/** Attempts to store an alert before its sender is told, by a missing acknowledgement, to send it again: 3 s in all. */
const ALERT_RETRY_MS = [50, 150, 300, 500, 1_000, 1_000];
/** Between two words to the bridges of what was counted here. */
const FLOW_EVERY_MS = 1_000;

/** Opens the service: bytes of one event in, transitions and positions to the store. */
export function openFusionService(config: FusionServiceConfig): FusionService {
  const { venue, store } = config;
  const pipeline = newPipeline(venue, { ...config.fusion, ...(config.tickMs === undefined ? {} : { tickMs: config.tickMs }) }, { survey: config.survey ?? null, ...(config.schedule === undefined ? {} : { schedule: config.schedule }) });
  const { tickMs } = pipeline.config;
  const wifi: { devices: WifiDevices } = { devices: new Map() };
  const timeline = newTimeline(pipeline, () => {
    const kept = new Map(wifi.devices);
    return () => {
      wifi.devices = new Map(kept);
    };
  });
  if (config.onPair !== undefined) {
    const { onPair } = config;
    pipeline.watchPairs((pair) => {
      if (!timeline.isReplaying) onPair(pair);
    });
  }
  const watch = newGatewayWatch(venue, config.time === "wall" ? config.nowMs() : 0);
  const queue = new CommitQueue({ store, log: config.log, ...(config.time === "report" ? { maxSeparateCommits: MAX_REPORT_TIME_COMMITS } : {}) });
  const counts = { storedPositions: 0, alerts: 0, ticks: 0 };
  const stored = new Map<TagId, Position>();
  /** In report time: the largest sending time seen. -Infinity before the first. */
  let reportNowMs = -Infinity;
  let lastTickMs = -Infinity;
  let erasuresSeen = 0;
  let schedulesSeen = 0;
  const intake = newMessageIntake({ config, pipeline, timeline, watch, wifi, isErased, storeAlert, reportTime: config.time === "report" ? { nowMs: () => reportNowMs, advanceTo } : null });

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

  // ---- time

  /** Moves report time to `sentAtMs`, running every tick that is due before or at it. Returns what it is then. */
  function advanceTo(sentAtMs: number): number {
    if (sentAtMs <= reportNowMs) return reportNowMs;
    for (let dueMs = nextTickAfter(lastTickMs, reportNowMs); dueMs <= sentAtMs; dueMs += tickMs) {
      // With nobody there a tick does nothing, so a long pause between recordings costs nothing; but for those that something late may yet need.
      if (timeline.isIdle()) dueMs = Math.max(dueMs, Math.floor((sentAtMs - pipeline.config.maxLateMs) / tickMs) * tickMs);
      tick(dueMs);
    }
    reportNowMs = sentAtMs;
    return reportNowMs;
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
    const positions = output.positions.filter((position) => isWorthStoring(position, stored.get(position.tagId), tickMs));
    for (const position of positions) stored.set(position.tagId, position);
    for (const tagId of output.droppedTags) {
      stored.delete(tagId);
      wifi.devices.delete(tagId);
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
      const known = { clockOffsetMs: intake.clockOffsetMs(gatewayId) };
      if (state === null || state === undefined || offset === undefined) return known;
      const { basis, residualDb, trafficGainNats } = state;
      const gain = basis === "traffic" && trafficGainNats !== null ? { gainNats: Math.round(100 * trafficGainNats) / 100 } : {};
      return { ...known, calibration: { basis, offsetDb: rounded(offset.offsetDb), residualDb: residualDb === null ? null : rounded(residualDb), ...gain } };
    };
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
      arrived: intake.counts.messages,
      refused: Object.values(intake.refused).reduce((sum, count) => sum + count, tagLimit),
      reports: intake.counts.reports,
      observations: intake.counts.observations,
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
    ingest: intake.ingest,

    setSchedule(schedule) {
      const dueMs = config.time === "report" ? reportNowMs : config.nowMs();
      timeline.take({ dueMs, from: "schedule", seq: schedulesSeen++, apply: () => pipeline.setSchedule(schedule) });
    },

    stages: intake.stages,

    stats() {
      const pipelineCounts = pipeline.counts();
      const { waiting, storeAway, retries, droppedTransitions } = queue.stats();
      const { smoothed, outliers, fixes, positions, zoneTransitions, proximityTransitions, tags, tagLimit } = pipelineCounts;
      return {
        ...intake.counts,
        ...counts,
        refused: tagLimit > 0 ? { ...intake.refused, TAG_LIMIT: tagLimit } : { ...intake.refused },
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

function rounded(db: number): number {
  return Math.round(10 * db) / 10;
}

function isWorthStoring(position: Position, before: Position | undefined, tickMs: number): boolean {
  if (before === undefined || position.zoneId !== before.zoneId || position.floor !== before.floor) return true;
  if (Math.floor(position.atMs / RESTATE_MS) > Math.floor(before.atMs / RESTATE_MS) || position.atMs + tickMs > before.atMs + RESTATE_MS) return true;
  return Math.hypot(position.xM - before.xM, position.yM - before.yM) >= MOVED_M;
}
