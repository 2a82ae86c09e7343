import { randomUUID } from "node:crypto";
import path from "node:path";
import { ConfigError, MAX_RSSI_DBM, MIN_RSSI_DBM, parseTagNames } from "@konferenco/protocol";
import { parseAdvertisement } from "./advertisement.ts";
import { addSighting, newBatch, takeAll, takeDue, type SightingColumns } from "./batch.ts";
import type { Advertisement, BleCounts, BleSource, BleState } from "./ble-source.ts";
import type { GatewayConfig } from "./config.ts";
import { newNobleSource } from "./noble-source.ts";
import { environmentPacket, wifiScanPacket, type Voice } from "./outgoing.ts";
import { Publisher, type PublisherCounts, type PublisherLimits } from "./publisher.ts";
import { Spool } from "./spool.ts";
import { newSteadyClock, type SteadyClock } from "./steady-clock.ts";
import { GATEWAY_MAJOR, newEnrolmentTable, tagOfAdvertisement } from "./tag-id.ts";
import { newTagTelemetry, rememberAddress, reportTelemetry } from "./tag-telemetry.ts";
import { newWifiScanner, type WifiCounts, type WifiScanner } from "./wifi-scanner.ts";

/** What a gateway is made of; each part has its default, and tests and simulators put their own. */
export interface GatewayAgentParts {
  bleSource?: BleSource;
  wifiScanner?: WifiScanner | null;
  clock?: SteadyClock;
  random?: () => number;
  log?: (event: object) => void;
  publisherLimits?: Partial<PublisherLimits>;
}

/** The funnel: what was heard, what became of it. Everything that is lost is counted somewhere here. */
export interface GatewayStats {
  bootId: string;
  bleState: BleState;
  ble: BleCounts;
  /** Advertisements that belong to nobody who is enrolled: dropped in RAM. */
  strangers: number;
  truncated: number;
  /** RSSI 127 ("not available") or outside of what a radio can hear. */
  rssiNotHeard: number;
  sightings: number;
  wifi: WifiCounts | null;
  publisher: PublisherCounts;
}

export interface GatewayAgent {
  stats(): GatewayStats;
  /** Reports what is left, says goodbye to the broker and stops the radio. */
  close(): Promise<void>;
}

export const GATEWAY_VERSION = "0.1.0";

/** Opens the radio and the way to the broker. Rejects with `BleUnavailable` when there is no radio; a missing broker is waited for. */
export async function openGatewayAgent(config: GatewayConfig, parts: GatewayAgentParts = {}): Promise<GatewayAgent> {
  const clock = parts.clock ?? newSteadyClock();
  const { nowMs } = clock;
  const log = parts.log ?? (() => {});
  const voice: Voice = { eventId: config.eventId, zoneId: config.zoneId, gatewayId: config.gatewayId, bootId: randomUUID(), nextSeq: 0 };
  let table = newEnrolmentTable({ eventId: config.eventId, enrolled: config.tags, gatewayMinors: config.gatewayMinors });
  const batch = newBatch(config.batch);
  const telemetry = newTagTelemetry();
  const counts = { strangers: 0, truncated: 0, rssiNotHeard: 0, sightings: 0 };
  const openedAtMs = nowMs();

  const bleSource = parts.bleSource ?? nobleSourceOf(config, clock, log);
  const spool = openSpool(config, clock, log);
  const sightingsPerS = newRate(() => counts.sightings, nowMs);
  const publisher = new Publisher({
    url: config.broker.url,
    // The id is the login's name: a second connection of the same gateway ends the first, whose last will
    // then comes before our "online", not after it.
    clientId: config.gatewayId,
    username: config.gatewayId,
    password: config.password,
    ca: config.ca,
    voice,
    spool,
    status: () => ({ version: GATEWAY_VERSION, uptimeS: Math.round((nowMs() - openedAtMs) / 1_000), sightingsPerS: sightingsPerS() }),
    nowMs,
    random: parts.random ?? Math.random,
    log,
    onTagNames,
    limits: { statusEveryMs: config.statusEveryS * 1_000, ...parts.publisherLimits },
  });

  /** The list is whole each time; one that cannot be read leaves the old one, which is good for an epoch more. */
  function onTagNames(payload: Uint8Array): void {
    const heads = parseTagNames(payload);
    if (heads.ok) table = { ...table, ephemeralHeads: heads.value };
    else log({ event: "tag-names-unreadable", code: heads.code, reason: heads.detail });
  }

  /** The hot path: called for every advertisement in the hall, most of which are strangers' phones. */
  function onAdvertisement({ address, rssiDbm, data }: Advertisement): void {
    const { frames, truncated } = parseAdvertisement(data);
    if (truncated) counts.truncated++;
    const tagId = tagOfAdvertisement(table, address, frames);
    if (tagId !== null) {
      rememberAddress(telemetry, address, tagId);
    } else {
      const report = frames.length > 0 ? reportTelemetry(telemetry, address, frames, nowMs()) : null;
      if (report !== null) publisher.send(environmentPacket(report, voice));
      else counts.strangers++;
      return;
    }
    if (rssiDbm > MAX_RSSI_DBM || rssiDbm < MIN_RSSI_DBM) {
      counts.rssiNotHeard++;
      return;
    }
    counts.sightings++;
    const heardAtMs = nowMs();
    report(addSighting(batch, { tagId, rssiDbm, heardAtMs }, heardAtMs));
  }

  function report(columns: SightingColumns | null): void {
    if (columns !== null) publisher.report({ atMs: nowMs(), columns });
  }

  try {
    await bleSource.start({
      onAdvertisement,
      onState: (state) => log({ event: "radio", ...state }),
    });
  } catch (error) {
    spool?.close();
    throw error;
  }

  publisher.open();
  const batchTimer = setInterval(() => report(takeDue(batch, nowMs())), Math.max(10, config.batch.windowMs / 5));

  const wifiScanner = parts.wifiScanner === undefined ? wifiScannerOf(config, clock, log) : parts.wifiScanner;
  await wifiScanner?.start((scan) => publisher.send(wifiScanPacket(scan, voice)));

  let closing: Promise<void> | null = null;
  async function close(): Promise<void> {
    clearInterval(batchTimer);
    wifiScanner?.stop();
    await bleSource.stop();
    report(takeAll(batch));
    await publisher.close();
    spool?.close();
  }

  return {
    stats: () => ({
      bootId: voice.bootId,
      bleState: bleSource.state(),
      ble: bleSource.counts(),
      ...counts,
      wifi: wifiScanner?.counts() ?? null,
      publisher: publisher.counts(),
    }),
    close: () => (closing ??= close()),
  };
}

export function nobleSourceOf(config: GatewayConfig, clock: SteadyClock, log: (event: object) => void): BleSource {
  const { radio, gatewayMinors, gatewayId, eventId } = config;
  const minor = gatewayMinors[gatewayId];
  const uuid = newEnrolmentTable({ eventId, enrolled: [], gatewayMinors: {} }).identity.ibeaconUuid;
  return newNobleSource({
    hciDevice: radio.hciDevice,
    scan: radio.scan,
    scanIntervalMs: radio.scanIntervalMs,
    scanWindowMs: radio.scanWindowMs,
    quietRestartMs: radio.quietRestartS * 1_000,
    ownBeacon:
      radio.advertise && minor !== undefined
        ? { uuid, major: GATEWAY_MAJOR, minor, powerAt1mDbm: radio.powerAt1mDbm, intervalMs: radio.advertiseEveryMs }
        : null,
    nowMs: clock.nowMs,
    log,
  });
}

function wifiScannerOf(config: GatewayConfig, clock: SteadyClock, log: (event: object) => void): WifiScanner | null {
  const { enabled, everyS, interface: networkInterface } = config.wifiScan;
  if (!enabled) return null;
  return newWifiScanner({ gatewayId: config.gatewayId, everyMs: everyS * 1_000, networkInterface, nowMs: clock.nowMs, log });
}

function openSpool(config: GatewayConfig, clock: SteadyClock, log: (event: object) => void): Spool | null {
  const { directory, maxBytes, maxAgeS } = config.spool;
  if (directory === null) return null;
  try {
    return Spool.open({ directory: path.resolve(directory), maxBytes, maxAgeMs: maxAgeS * 1_000, clock, log });
  } catch (error) {
    throw new ConfigError(`the spool folder ${directory} cannot be used (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}): set "spool": { "directory": … } to a folder that this user may write, or to null`);
  }
}

/** Counts per second since it was last asked. */
function newRate(total: () => number, nowMs: () => number): () => number {
  let lastTotal = 0;
  let lastAtMs = nowMs();
  return () => {
    const elapsedS = Math.max(0.001, (nowMs() - lastAtMs) / 1_000);
    const perS = (total() - lastTotal) / elapsedS;
    lastTotal = total();
    lastAtMs = nowMs();
    return Math.round(perS * 10) / 10;
  };
}
