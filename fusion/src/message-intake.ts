import {
  Distribution,
  SECONDS_BOUNDS,
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
  type GatewayId,
  type PositionReport,
  type RefusalCode,
  type RefusalCounts,
  type SensorType,
  type TagId,
  type VenueMap,
  type WifiScan,
} from "@konferenco/protocol";
import { acceptReport, clockOffsetMs, dueOf, newAcceptor, noteClock, type AcceptedReport, type Observation } from "./core/accept.ts";
import { locateByCheckIn } from "./core/checkin-fix.ts";
import type { Fix } from "./core/fix.ts";
import { locateByGps } from "./core/gps-fix.ts";
import type { Pipeline } from "./core/pipeline.ts";
import type { Timeline } from "./core/timeline.ts";
import { locateByFingerprint, locateByWifi, type AccessPoint, type WifiDevices } from "./core/wifi-fix.ts";
import type { WifiModel } from "./core/wifi-model.ts";
import type { GatewayWatch } from "./gateway-watch.ts";
import type { RotatingTags } from "./rotating-tags.ts";

const NO_ACCESS_POINTS: ReadonlyMap<string, AccessPoint> = new Map();
/** A gateway's boots that are believed: a spool of the one before may drain after a restart. */
const MAX_ANNOUNCED_BOOTS = 4;
/** A device's clock may run ahead of ours by this much before its location is refused. */
const MAX_DEVICE_AHEAD_MS = 60_000;

export interface FusionMessage {
  topic: string;
  payload: Uint8Array;
  /** The gateway that logged in, null for applications. */
  gatewayId: GatewayId | null;
  receivedAtMs: number;
}

/** How long sightings are on their way to fusion, in seconds. Nothing is known of the radio itself: advertisements carry no time. */
export interface FusionStages {
  /** From the radio to the sending, by the gateway's own clock. */
  gateway: Distribution;
  /** From the sending to fusion, through network and broker: what it takes beyond the quickest of the last two minutes, for the clocks are not one. */
  broker: Distribution;
}

/** What is known of the event before anything comes in. */
export interface IntakeConfig {
  eventId: EventId;
  venue: VenueMap;
  /** Access points whose places are known, by BSSID in lower case. None: Wi-Fi scans locate nobody. */
  accessPoints?: ReadonlyMap<string, AccessPoint>;
  /** The venue's surveyed Wi-Fi, ready built (`buildWifiModel`, `parseWifiModel`). Scans that it knows nothing of go by `accessPoints`. */
  wifiSurvey?: WifiModel;
  /** Who is behind names that change. None: such names are refused. */
  rotatingTags?: RotatingTags;
}

interface MessageIntakeOptions {
  config: IntakeConfig;
  pipeline: Pipeline;
  timeline: Timeline;
  watch: GatewayWatch;
  /** Goes back and forth with the timeline. */
  wifi: { devices: WifiDevices };
  isErased: (tagId: TagId) => boolean;
  storeAlert: (alert: Alert) => Promise<void>;
  /** Of recordings, where what they say moves time on; null: time is when a message came. */
  reportTime: { nowMs: () => number; advanceTo: (saidAtMs: number) => number } | null;
}

/** The first half of the service: bytes of one event in, inputs of the timeline out. */
export interface MessageIntake {
  ingest(this: void, message: FusionMessage): void | Promise<void>;
  /** A gateway's clock beside ours; null before it is known. */
  clockOffsetMs(gatewayId: GatewayId): number | null;
  /** Counters only grow. */
  readonly counts: Readonly<Record<"messages" | "reports" | "observations" | "unplaceable" | "environmentReports", number>>;
  readonly refused: Readonly<RefusalCounts>;
  readonly stages: FusionStages;
}

export function newMessageIntake({ config, pipeline, timeline, watch, wifi, isErased, storeAlert, reportTime }: MessageIntakeOptions): MessageIntake {
  const { venue } = config;
  const acceptor = newAcceptor();
  const refused: RefusalCounts = {};
  const counts = { messages: 0, reports: 0, observations: 0, unplaceable: 0, environmentReports: 0 };
  const stages: FusionStages = { gateway: new Distribution(SECONDS_BOUNDS), broker: new Distribution(SECONDS_BOUNDS) };
  const announcedBoots = new Map<GatewayId, readonly string[]>();

  function nowOf(message: FusionMessage, saidAtMs: number): number {
    return reportTime === null ? message.receivedAtMs : reportTime.advanceTo(saidAtMs);
  }

  function refuseAs(code: RefusalCode, by = 1): void {
    countRefusal(refused, code, by);
  }

  function addRefusals(rows: RefusalCounts): void {
    for (const [code, count] of Object.entries(rows)) refuseAs(code as RefusalCode, count);
  }

  function ingestReport(message: FusionMessage): void {
    const parsed = parseBeaconReport(message.payload);
    if (!parsed.ok) return refuseAs(parsed.code);
    const { report, refusedRows } = parsed.value;
    if (message.gatewayId !== null && message.gatewayId !== report.gatewayId) return refuseAs("GATEWAY_FOREIGN");
    if (!pipeline.venue.gatewayIndex.has(report.gatewayId)) return refuseAs("GATEWAY_UNKNOWN");
    if (message.gatewayId === null && !mayBeOf(report)) return refuseAs("GATEWAY_FOREIGN");
    const nowMs = nowOf(message, report.sentAtMs);
    const receivedAtMs = reportTime === null ? message.receivedAtMs : report.sentAtMs;
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
    if (reportTime === null) stages.broker.add((receivedAtMs - dueMs) / 1_000);
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
        return locate({ from: "wifi-scan", tagId: scan.tagId, measuredAtMs: scan.heardAtMs }, message, (atMs) => locateScan(scan, atMs));
      }
      case "position": {
        const parsed = parsePositionReport(message.payload);
        if (!parsed.ok) return refuseAs(parsed.code);
        const report: PositionReport = parsed.value;
        if (isErased(report.tagId)) return refuseAs("TAG_ERASED");
        return locate({ from: report.source, tagId: report.tagId, measuredAtMs: report.atMs }, message, (atMs) =>
          report.source === "gps" ? locateByGps(report, venue, pipeline.venue, atMs) : locateByCheckIn(report, venue, pipeline.venue, atMs),
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
        nowOf(message, parsed.value.atMs);
        return;
      }
    }
  }

  function locateScan(scan: WifiScan, heardAtMs: number): Fix | null {
    const surveyed = config.wifiSurvey === undefined ? null : locateByFingerprint(scan, config.wifiSurvey, { devices: wifi.devices, index: pipeline.venue, heardAtMs });
    return surveyed ?? locateByWifi(scan, config.accessPoints ?? NO_ACCESS_POINTS, pipeline.venue, heardAtMs);
  }

  /** A location of another technology, on the clock of the device that sent it. The same one twice has the same time. */
  function locate({ from, tagId, measuredAtMs }: { from: string; tagId: TagId; measuredAtMs: number }, message: FusionMessage, makeFix: (atMs: number) => Fix | null): void {
    const atMs = deviceTime(measuredAtMs, message);
    if (atMs === null) return;
    const apply = (): void => {
      // Erased since it came: nothing is learned of the device either.
      if (isErased(tagId)) return;
      const fix = makeFix(atMs);
      if (fix !== null) pipeline.locate(fix, atMs);
      else if (!timeline.isReplaying) counts.unplaceable++;
    };
    timeline.take({ dueMs: atMs, from: `${from} ${tagId}`, seq: 0, apply });
  }

  /** A device's time on our clock, or null when it is refused and counted: too late, or too far ahead. */
  function deviceTime(measuredAtMs: number, message: FusionMessage): number | null {
    const nowMs = nowOf(message, measuredAtMs);
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
    const { bootId, sentAtMs } = parsed.value;
    const nowMs = reportTime === null ? message.receivedAtMs : Math.max(reportTime.nowMs(), sentAtMs ?? -Infinity);
    if (nowMs !== -Infinity) watch.noteStatus(parsed.value, nowMs);
    if (bootId !== undefined) noteBoot(gatewayId, bootId);
    if (reportTime === null && bootId !== undefined && sentAtMs !== undefined) noteClock(acceptor, { gatewayId, bootId, sentAtMs }, message.receivedAtMs);
  }

  function ingestAlert(severity: AlertSeverity, message: FusionMessage): void | Promise<void> {
    const parsed = parseAlertMessage(message.payload);
    if (!parsed.ok) return refuseAs(parsed.code);
    const { alertId, title, text, zoneIds, atMs } = parsed.value;
    return storeAlert({ alertId, severity, title, text, zoneIds: zoneIds ?? [], atMs: atMs ?? message.receivedAtMs });
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

    clockOffsetMs: (gatewayId) => clockOffsetMs(acceptor, gatewayId),
    counts,
    refused,
    stages,
  };
}
