import { randomUUID } from "node:crypto";
import {
  MAX_REPORT_ROWS,
  beaconTopic,
  formatBeaconReport,
  gatewayOfTag,
  gatewayStatusTopic,
  type BeaconReport,
  type EventId,
  type Gateway,
  type GatewayId,
  type GatewayStatus,
  type TagId,
  type VenueMap,
} from "@konferenco/protocol";
import type { Crowd, WalkerState } from "./crowd.ts";
import { NO_FAULTS, type Faults } from "./faults.ts";
import { openLink, type Link } from "./mqtt-link.ts";
import type { Radio, Sighting } from "./radio.ts";
import { venueOfGateways } from "./record.ts";
import { newWorld } from "./world.ts";

/**
 * How the gateways log in. One login each, as at a real venue; or one application's login (right
 * `publish-reports`), which sends no status, because only a gateway speaks for itself; or none, for a broker that lets everybody in.
 */
export type FleetCredentials =
  | { kind: "gateways"; gateways: readonly { gatewayId: GatewayId; password: string }[] }
  | { kind: "application"; login: string; password: string }
  | { kind: "none" };

export interface FleetOptions {
  brokerUrl: string;
  eventId: EventId;
  venue: VenueMap;
  credentials: FleetCredentials;
  crowd: Crowd;
  radio: Radio;
  /** Wall clock. */
  nowMs: () => number;
  /** Seconds of the simulation in one second; the gateways' clocks run as fast. Other than 1 only for a fusion that takes its time from reports. */
  speed?: number;
  gatewayIds?: readonly GatewayId[] | null;
  faults?: Faults;
  reportIntervalMs?: number;
  /** How long the broker may take to answer at first. */
  connectWithinMs?: number;
  /** Sees every step: what was heard (by gateways that are up) until then. For writing a recording beside. */
  onStep?: (atMs: number, heard: readonly Sighting[]) => void;
}

export interface FleetStats {
  /** Connected now, and simulated in all. */
  gateways: number;
  gatewaysInAll: number;
  walkers: number;
  /** Reports and observations handed to the network, copies included. */
  reports: number;
  observations: number;
  bytes: number;
  duplicateReports: number;
  /** Not sent: offline, or too much waiting already. QoS 0 may be lost (requirement A3). */
  droppedReports: number;
  droppedObservations: number;
  disconnects: number;
  /** Time of the simulation since its start, and what was left out because this process was held up. */
  simulatedMs: number;
  skippedMs: number;
}

export interface Fleet {
  /** What the simulation's 0 is on the wall clock. */
  readonly startedAtMs: number;
  stats(): FleetStats;
  /** Where the tag truly is, or was at that time of the fleet's clock within the last minute; null when not in the venue. */
  truth(tagId: TagId, atMs?: number): WalkerState | null;
  /** Everybody, now. */
  truths(): WalkerState[];
  /** Sends what is collected, says goodbye (status offline) and disconnects. */
  close(): Promise<void>;
}

/** The world goes on this often: finer than the reports, so that gateways spread over their interval as real ones do. */
const STEP_MS = 50;

/** A process that was held up longer (a laptop's lid) leaves the time out instead of sending it in one burst: 5 s are 2,000 observations. */
const MAX_CATCH_UP_MS = 5_000;

/** Waiting bytes of one gateway; beyond, reports are dropped: 256 KB are a minute of a busy gateway. */
const MAX_WAITING_BYTES = 256 * 1024;

/** Reports held back by a fault, of all gateways; beyond, the fault is let off. */
const MAX_HELD_REPORTS = 2_000;

/** Requirement of the status message: every 15 s (protocol/src/sensors.ts). */
const STATUS_INTERVAL_MS = 15_000;

const VERSION = "simulator";

interface SimulatedGateway {
  gateway: Gateway;
  link: Link | null;
  reopening: boolean;
  bootId: string;
  bootedAtMs: number;
  seq: number;
  reportNumber: number;
  pending: Sighting[];
  nextReportAtMs: number;
  nextStatusAtMs: number;
  heardSinceStatus: number;
  dropped: number;
}

/** Connects one MQTT client per gateway, then lets the venue live. Rejects when the broker does not answer or refuses a login; then nothing stays open. */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const { brokerUrl, eventId, crowd, radio, credentials, nowMs, speed = 1, faults = NO_FAULTS, reportIntervalMs = 500, connectWithinMs = 10_000 } = options;
  const gatewayIds = options.gatewayIds ?? null;
  const venue = venueOfGateways(options.venue, gatewayIds);
  const world = newWorld({ venue: options.venue, crowd, radio, gatewayIds });
  const counts = { reports: 0, observations: 0, bytes: 0, duplicateReports: 0, droppedReports: 0, droppedObservations: 0, disconnects: 0, skippedMs: 0 };
  const held: { dueAtMs: number; from: SimulatedGateway; topic: string; payload: string; rows: number }[] = [];
  let closing = false;

  const fleet = venue.gateways.map(
    (gateway, index): SimulatedGateway => ({
      gateway,
      link: null,
      reopening: false,
      bootId: randomUUID(),
      bootedAtMs: 0,
      seq: 0,
      reportNumber: 0,
      pending: [],
      // Spread over the interval, so that the broker sees a stream and not a pulse.
      nextReportAtMs: reportIntervalMs + Math.floor((index * reportIntervalMs) / venue.gateways.length),
      nextStatusAtMs: 0,
      heardSinceStatus: 0,
      dropped: 0,
    }),
  );

  const open = (simulated: SimulatedGateway): Promise<Link> => {
    const { gatewayId } = simulated.gateway;
    const offline: GatewayStatus & { v: 1 } = { v: 1, gatewayId, online: false };
    return openLink({
      url: brokerUrl,
      clientId: credentials.kind === "application" ? `${credentials.login}/${gatewayId}` : gatewayId,
      login: loginOf(credentials, gatewayId),
      ...(credentials.kind === "application" ? {} : { will: { topic: gatewayStatusTopic(eventId, gatewayId), payload: JSON.stringify(offline) } }),
      connectWithinMs,
      onConnect: () => (simulated.nextStatusAtMs = 0),
      onOffline: () => {
        if (!closing) counts.disconnects++;
      },
    });
  };

  const byId = new Map(fleet.map((simulated) => [simulated.gateway.gatewayId, simulated]));

  const openings = await Promise.allSettled(
    fleet.map(async (simulated) => {
      simulated.link = await open(simulated);
    }),
  );
  const failed = openings.find((opening) => opening.status === "rejected");
  if (failed !== undefined) {
    closing = true;
    await Promise.all(fleet.map(async (simulated) => simulated.link?.cut()));
    throw failed.reason;
  }

  let startedAtMs = nowMs();
  const clockMs = (simulated: SimulatedGateway, atMs: number): number => Math.round(startedAtMs + atMs + faults.clockErrorMs(simulated.gateway.gatewayId, atMs));

  function send(from: SimulatedGateway, topic: string, payload: string, rows: number): void {
    const { link } = from;
    if (link === null || !link.isConnected() || link.waitingBytes() > MAX_WAITING_BYTES) {
      counts.droppedReports++;
      counts.droppedObservations += rows;
      from.dropped++;
      return;
    }
    counts.reports++;
    counts.observations += rows;
    counts.bytes += payload.length;
    void link.send(topic, payload);
  }

  /** The gateway's batch until that time. */
  function report(simulated: SimulatedGateway, atMs: number): void {
    const { gateway, pending } = simulated;
    let rows = 0;
    while (rows < pending.length && (pending[rows] as Sighting).atMs <= atMs) rows++;
    for (let from = 0; from < rows; from += MAX_REPORT_ROWS) {
      const part = pending.slice(from, Math.min(rows, from + MAX_REPORT_ROWS));
      const message: BeaconReport = {
        gatewayId: gateway.gatewayId,
        bootId: simulated.bootId,
        seq: simulated.seq++,
        sentAtMs: clockMs(simulated, atMs),
        tagId: part.map((sighting) => sighting.tagId),
        rssiDbm: part.map((sighting) => sighting.rssiDbm),
        heardAtMs: part.map((sighting) => clockMs(simulated, sighting.atMs)),
      };
      const topic = beaconTopic(eventId, gateway.zoneId);
      const payload = formatBeaconReport(message);
      faults.copies(gateway.gatewayId, simulated.reportNumber++).forEach((delayMs, copy) => {
        if (copy > 0) counts.duplicateReports++;
        if (delayMs > 0 && held.length < MAX_HELD_REPORTS) held.push({ dueAtMs: atMs + delayMs, from: simulated, topic, payload, rows: part.length });
        else send(simulated, topic, payload, part.length);
      });
    }
    pending.splice(0, rows);
  }

  function tellStatus(simulated: SimulatedGateway, atMs: number): void {
    const { gatewayId } = simulated.gateway;
    const status: GatewayStatus = {
      v: 1,
      gatewayId,
      online: true,
      sentAtMs: clockMs(simulated, atMs),
      bootId: simulated.bootId,
      version: VERSION,
      uptimeS: Math.round((atMs - simulated.bootedAtMs) / 1_000),
      sightingsPerS: Math.round((simulated.heardSinceStatus / STATUS_INTERVAL_MS) * 1e4) / 10,
      spooledReports: 0,
      droppedReports: simulated.dropped,
    };
    simulated.heardSinceStatus = 0;
    simulated.link?.retain(gatewayStatusTopic(eventId, gatewayId), JSON.stringify(status));
  }

  /** Power cut and return. True when the gateway lives. */
  function isUp(simulated: SimulatedGateway, atMs: number): boolean {
    const down = faults.isDown(simulated.gateway.gatewayId, atMs);
    if (down && simulated.link !== null) {
      const { link } = simulated;
      simulated.link = null;
      simulated.pending = [];
      counts.disconnects++;
      void link.cut();
    }
    if (!down && simulated.link === null && !simulated.reopening) {
      simulated.reopening = true;
      simulated.bootId = randomUUID();
      simulated.bootedAtMs = atMs;
      simulated.seq = 0;
      open(simulated)
        .then((link) => {
          // The venue may have closed, or the power gone again, meanwhile.
          if (closing) return link.cut();
          simulated.link = link;
          return undefined;
        })
        // Tried again at the next step.
        .catch(() => undefined)
        .finally(() => (simulated.reopening = false));
    }
    return !down;
  }

  function step(toMs: number): void {
    const heard = world.advance(toMs).filter((sighting) => !faults.isDown(sighting.gatewayId, sighting.atMs));
    options.onStep?.(toMs, heard);
    for (const sighting of heard) {
      const simulated = byId.get(sighting.gatewayId);
      if (simulated === undefined) continue;
      simulated.pending.push(sighting);
      simulated.heardSinceStatus++;
    }
    for (const simulated of fleet) {
      const up = isUp(simulated, toMs);
      // First, as real ones do: it vouches for the boot of the reports.
      if (up && credentials.kind !== "application" && simulated.nextStatusAtMs <= toMs && simulated.link?.isConnected() === true) {
        tellStatus(simulated, toMs);
        simulated.nextStatusAtMs = toMs + STATUS_INTERVAL_MS * speed;
      }
      while (simulated.nextReportAtMs <= toMs) {
        if (up) report(simulated, simulated.nextReportAtMs);
        simulated.nextReportAtMs += reportIntervalMs;
      }
    }
    for (let i = held.length - 1; i >= 0; i--) {
      const late = held[i];
      if (late === undefined || late.dueAtMs > toMs) continue;
      held.splice(i, 1);
      send(late.from, late.topic, late.payload, late.rows);
    }
  }

  function tick(): void {
    let toMs = Math.floor((nowMs() - startedAtMs) * speed);
    const behindMs = toMs - world.nowMs();
    if (behindMs > MAX_CATCH_UP_MS * Math.max(1, speed)) {
      counts.skippedMs += behindMs;
      startedAtMs += behindMs / speed;
      toMs = world.nowMs();
    }
    if (toMs > world.nowMs()) step(toMs);
  }
  const timer = setInterval(tick, STEP_MS);

  return {
    get startedAtMs() {
      return startedAtMs;
    },
    stats: () => ({
      gateways: fleet.filter((simulated) => simulated.link?.isConnected() === true).length,
      gatewaysInAll: fleet.length,
      walkers: crowd.positions().length,
      ...counts,
      simulatedMs: world.nowMs(),
    }),
    truth: (tagId, atMs) => (gatewayOfTag(tagId) === null ? crowd.at(tagId, atMs === undefined ? world.nowMs() : Math.min(atMs - startedAtMs, world.nowMs())) : null),
    truths: () => crowd.positions(),
    async close() {
      if (closing) return;
      closing = true;
      clearInterval(timer);
      for (const simulated of fleet) if (simulated.link !== null) report(simulated, world.nowMs());
      await Promise.all(
        fleet.map(async ({ link, gateway: { gatewayId } }) =>
          link?.close(credentials.kind === "application" ? undefined : { topic: gatewayStatusTopic(eventId, gatewayId), payload: JSON.stringify({ v: 1, gatewayId, online: false }) }),
        ),
      );
    },
  };
}

function loginOf(credentials: FleetCredentials, gatewayId: GatewayId): { name: string; password: string } | null {
  switch (credentials.kind) {
    case "none":
      return null;
    case "application":
      return { name: credentials.login, password: credentials.password };
    case "gateways": {
      const found = credentials.gateways.find((gateway) => gateway.gatewayId === gatewayId);
      // Connects without a password; the broker's refusal then names the gateway.
      return { name: gatewayId, password: found?.password ?? "" };
    }
  }
}
