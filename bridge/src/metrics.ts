import { Counter, Gauge, Registry as Metrics, collectDefaultMetrics } from "prom-client";
import type { BridgeStats, LaneName } from "./config.ts";
import { Distribution, SECONDS_BOUNDS, type GatewayHealth } from "@konferenco/protocol";
import type { ClientFrames } from "./client-frames.ts";
import type { Connection, TransportName } from "./connection.ts";
import type { Hub } from "./hub.ts";
import type { Poller } from "./poll.ts";
import type { Replayer } from "./replayer.ts";
import type { Timings } from "./timings.ts";
import type { UpdateFeed } from "./update-feed.ts";
import type { RecentDelays } from "./recent-delays.ts";

export const LANES = ["alerts", "transitions", "positions", "telemetry"] as const satisfies readonly LaneName[];

/** Software that clients say they are, told apart; beyond, `other`: names are the clients' own. */
const MAX_SOFTWARE = 16;

/** Who keeps the counts that are read here. */
export interface MetricsSources {
  hub: Hub;
  frames: ClientFrames;
  replayer: Replayer;
  feed: UpdateFeed;
  poller: Poller;
  timings: Timings;
  nowMs: () => number;
}

/** What the open connections have in common and hold up. */
export interface ConnectionsLoad {
  byKind: ReadonlyMap<string, { transport: string; role: string; count: number }>;
  lagging: number;
  unackedBytes: number;
  worstUnackedBytes: number;
  queuedBytes: number;
}

export function loadOf(connections: Iterable<Connection>): ConnectionsLoad {
  const byKind = new Map<string, { transport: string; role: string; count: number }>();
  const load = { byKind, lagging: 0, unackedBytes: 0, worstUnackedBytes: 0, queuedBytes: 0 };
  for (const { wire, viewer, outbox } of connections) {
    const key = `${wire.kind} ${viewer.role}`;
    const known = byKind.get(key);
    if (known === undefined) byKind.set(key, { transport: wire.kind, role: viewer.role, count: 1 });
    else known.count++;
    if (outbox === null) continue;
    if (outbox.isLagging) load.lagging++;
    load.unackedBytes += outbox.unackedBytes;
    load.worstUnackedBytes = Math.max(load.worstUnackedBytes, outbox.unackedBytes);
    load.queuedBytes += outbox.queuedBytes;
  }
  return load;
}

/** More than an operator reads at a glance. */
const MAX_SLOWEST = 20;

/** One of the slowest clients, for operators. `connection` is a number of this process alone: never whose it is. */
export interface SlowConnection {
  connection: number;
  transport: string;
  role: string;
  unackedBytes: number;
  queuedBytes: number;
  /** Age of what is not acknowledged. */
  staleMs: number;
  lagging: boolean;
  /** Of the last ping; null before its answer. */
  roundTripMs: number | null;
}

/** Those with most bytes under way and waiting, then with the longest round trip; who has neither is not there. Looks at every connection: 1 ms for 10,000. */
export function slowestOf(connections: Iterable<Connection>, nowMs: number): SlowConnection[] {
  const slow: Connection[] = [];
  for (const connection of connections) if (bytesOf(connection) > 0 || connection.roundTripMs >= 0) slow.push(connection);
  slow.sort((a, b) => bytesOf(b) - bytesOf(a) || b.roundTripMs - a.roundTripMs);
  return slow.slice(0, MAX_SLOWEST).map(({ number, wire, viewer, outbox, roundTripMs }) => ({
    connection: number,
    transport: wire.kind,
    role: viewer.role,
    unackedBytes: outbox?.unackedBytes ?? 0,
    queuedBytes: outbox?.queuedBytes ?? 0,
    staleMs: outbox?.staleMs(nowMs) ?? 0,
    lagging: outbox?.isLagging ?? false,
    roundTripMs: roundTripMs < 0 ? null : roundTripMs,
  }));
}

function bytesOf({ outbox }: Connection): number {
  return outbox === null ? 0 : outbox.unackedBytes + outbox.queuedBytes;
}

/** What is counted besides what `stats()` says. */
export interface MoreFigures {
  /** Looks at every connection: 1 ms for 10,000. */
  load: () => ConnectionsLoad;
  delays: RecentDelays;
  helloDelays: RecentDelays;
  accepted: Readonly<Record<TransportName, number>>;
  compressed: number;
  upgradesRefused: ReadonlyMap<string, number>;
  errorsTold: ReadonlyMap<string, number>;
  bytes: number;
  frames: number;
  replaying: number;
  tags: number;
  feedPending: number;
  feedFailing: boolean;
  gateways: readonly GatewayHealth[];
}

export interface BridgeMetrics extends Exposition {
  observeTick(tookMs: number): void;
  observeRequest(route: string, status: number): void;
}

export type Labels = Record<string, string>;
/** Called at each scrape; calls `set` once per set of labels. */
export type ReadMetric = (set: (value: number, labels?: Labels) => void) => void;

/** Prometheus metrics of one process that are read when they are asked for, from counters that are kept anyway. */
export interface Exposition {
  gauge: (name: string, help: string, labelNames: string[], read: ReadMetric) => void;
  total: (name: string, help: string, labelNames: string[], read: ReadMetric) => void;
  /** Distributions that are kept anyway, each under its value of `label`. */
  histogram: (name: string, help: string, label: string, read: () => Readonly<Record<string, Distribution>>) => void;
  text: () => Promise<string>;
  /** Content-Type. */
  type: string;
}

/** Its own default of 10 ms wakes an idle process 100 times a second. What it measures includes it. */
const LOOP_PRECISION_MS = 50;

/** Begins with what every Node process has to say: CPU, memory, event loop, garbage collection. */
export function newExposition(register: Metrics = new Metrics()): Exposition {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
  const histograms: (() => string)[] = [];
  return {
    gauge(name, help, labelNames, read) {
      const metric = new Gauge({
        name,
        help,
        labelNames,
        registers: [register],
        collect() {
          metric.reset();
          read((value, labels = {}) => metric.set(labels, value));
        },
      });
    },
    total(name, help, labelNames, read) {
      const metric = new Counter({
        name,
        help,
        labelNames,
        registers: [register],
        collect() {
          metric.reset();
          read((value, labels = {}) => metric.inc(labels, value));
        },
      });
    },
    histogram: (name, help, label, read) => void histograms.push(() => labelled(name, help, label, read())),
    text: async () => (await register.metrics()) + histograms.map((text) => text()).join(""),
    type: register.contentType,
  };
}

const TICK_BOUNDS_S = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128];

/** No label ever names a person. */
export function newMetrics(stats: () => BridgeStats, more: () => MoreFigures, { hub, frames, replayer, feed, poller, timings, nowMs }: MetricsSources): BridgeMetrics {
  const register = new Metrics();
  const exposition = newExposition(register);
  const { gauge, total } = exposition;
  const requests = new Counter({ name: "bridge_http_requests_total", help: "HTTP requests by route and status", labelNames: ["route", "status"], registers: [register] });
  const ticks = new Distribution(TICK_BOUNDS_S);

  gauge("bridge_connections", "Open connections, and people and logins who poll", ["transport", "role"], (set) => {
    // A poll is a connection of a moment: who asks again and again counts as one.
    for (const { transport, role, count } of more().load().byKind.values()) if (transport !== "poll") set(count, { transport, role });
    for (const [role, count] of poller.active()) set(count, { transport: "poll", role });
  });
  gauge("bridge_clients", "Open connections by what software they say they are", ["client", "version"], (set) => softwareOf(hub.connections).forEach(([name, version, count]) => set(count, { client: name, version })));
  gauge("bridge_subscriptions", "Subscriptions of open connections", [], (set) => set(stats().subscriptions));
  total("bridge_accepted_total", "Connections accepted, and polls answered", ["transport"], (set) => Object.entries(more().accepted).forEach(([transport, count]) => set(count, { transport })));
  gauge("bridge_compressed_connections", "WebSockets that agreed on compression (--compress-connections)", [], (set) => set(more().compressed));
  total("bridge_refused_total", "Upgrades refused, by why", ["why"], (set) => more().upgradesRefused.forEach((count, why) => set(count, { why })));
  total("bridge_closed_total", "Connections closed, by code", ["code"], (set) => Object.entries(stats().closedByCode).forEach(([code, count]) => set(count, { code })));
  total("bridge_errors_total", "Errors told to clients, by slug", ["slug"], (set) => more().errorsTold.forEach((count, slug) => set(count, { slug })));
  total("bridge_sub_errors_total", "Of the errors, refused subscriptions", ["slug"], (set) => frames.subErrors.forEach((count, slug) => set(count, { slug })));
  total("bridge_events_in_total", "Updates read from the store, by lane", ["lane"], (set) => LANES.forEach((lane, index) => set(feed.inByLane[index] ?? 0, { lane })));
  total("bridge_filter_total", "Answers of the privacy policy for viewers who are interested", ["result"], (set) => Object.entries(hub.filtered).forEach(([result, count]) => set(count, { result })));
  total("bridge_deliveries_total", "Events written to clients, by lane", ["lane"], (set) => LANES.forEach((lane) => set(stats().deliveries[lane], { lane })));
  total("bridge_bytes_total", "Bytes of events written", [], (set) => set(more().bytes));
  total("bridge_writes_total", "Frames of events written", [], (set) => set(more().frames));
  total("bridge_dropped_total", "Events not written, by lane and reason", ["lane", "why"], (set) => {
    for (const lane of LANES) for (const [why, count] of Object.entries(stats().drops[lane])) set(count, { lane, why });
  });
  total("bridge_conflated_total", "Positions and states in whose place a newer one went", [], (set) => set(hub.counts.dropped.conflated.reduce((sum, count) => sum + count, 0)));
  gauge("bridge_rss_per_connection_bytes", "Resident memory of the process over its open connections", [], (set) => set(process.memoryUsage.rss() / Math.max(1, hub.connections.size)));
  total("bridge_replay_events_total", "Events sent by replay", [], (set) => set(replayer.events));
  total("bridge_replay_total", "Replays, by how whole they were", ["result"], (set) => Object.entries(stats().replays).forEach(([result, count]) => set(count, { result })));
  gauge("bridge_replaying", "Connections that read the log", [], (set) => set(more().replaying));
  gauge("bridge_delivery_seconds", "From stored to handed to the socket, over the last 4,096 transitions and alerts", ["quantile"], (set) => {
    setQuantiles(set, more().delays);
  });
  gauge("bridge_hello_seconds", "From an accepted connection to its welcome, over the last 4,096", ["quantile"], (set) => setQuantiles(set, more().helloDelays));
  gauge("bridge_lagging", "Connections for which positions wait, because they acknowledge too slowly", [], (set) => set(more().load().lagging));
  gauge("bridge_unacked_bytes", "Bytes written that clients have not acknowledged, over all connections, and of the worst", ["of"], (set) => {
    const { unackedBytes, worstUnackedBytes } = more().load();
    set(unackedBytes, { of: "all" });
    set(worstUnackedBytes, { of: "worst" });
  });
  gauge("bridge_queued_bytes", "Bytes that wait in the bridge for clients, over all connections", [], (set) => set(more().load().queuedBytes));
  gauge("bridge_tags", "Tags of the live picture", [], (set) => set(more().tags));
  gauge("bridge_feed_pending", "Updates that wait for people to be looked up", [], (set) => set(more().feedPending));
  gauge("bridge_feed_failing", "1 while the store does not answer", [], (set) => set(more().feedFailing ? 1 : 0));
  gauge("gateway_up", "1 while the gateway reports", ["gateway"], (set) => more().gateways.forEach(({ gatewayId, state }) => set(state === "online" ? 1 : 0, { gateway: gatewayId })));
  gauge("gateway_offset_db", "How much stronger the gateway hears than the others, and what that was learned from", ["gateway", "basis"], (set) => {
    for (const { gatewayId, calibration } of more().gateways) if (calibration !== undefined) set(calibration.offsetDb, { gateway: gatewayId, basis: calibration.basis });
  });
  gauge("calibration_residual_db", "Standard deviation of levels around what is expected", ["basis"], (set) => {
    const known = more().gateways.find(({ calibration }) => calibration !== undefined)?.calibration;
    if (known !== undefined && known.residualDb !== null) set(known.residualDb, { basis: known.basis });
  });
  gauge("calibration_gain_nats", "How much likelier looks at tags became that were held back when the model learned from traffic", ["basis"], (set) => {
    const known = more().gateways.find(({ calibration }) => calibration?.gainNats !== undefined)?.calibration;
    if (known?.gainNats !== undefined) set(known.gainNats, { basis: known.basis });
  });
  total("bridge_feed_gaps_total", "Gaps of the log that clients were told of", [], (set) => set(stats().feed.gaps));
  const distributions = (): string =>
    [
      histogram("bridge_tick_seconds", "One tick of the fan-out, every 50 ms: for so long other work had to wait", ticks),
      histogram("bridge_loop_lag_seconds", "How much later than asked for a tick comes", timings.loopLag),
      labelled("bridge_stage_seconds", "From the verdict of the radio to the store (fusion), to the socket (bridge), to the acknowledgement (client)", "stage", { fusion: timings.fusion, bridge: timings.bridge, client: hub.counts.acknowledged }),
      histogram("bridge_batch_events", "Events of one frame", hub.counts.batch),
      histogram("bridge_replay_seconds", "From the beginning of a replay to its end", timings.replay),
      histogram("bridge_privacy_change_seconds", "From a change of settings until nothing more is shown than they allow", timings.privacyChange),
      histogram("bridge_ping_rtt_seconds", "From a ping to the client's answer", timings.ping),
      histogram("bridge_staleness_seconds", "Age of what is not acknowledged, of the open connections as of now", staleness(hub.connections, nowMs())),
    ].join("");
  return {
    ...exposition,
    text: async () => (await exposition.text()) + distributions(),
    observeTick: (tookMs) => ticks.add(tookMs / 1_000),
    observeRequest: (route, status) => requests.inc({ route, status: String(status) }),
  };
}

function setQuantiles(set: (value: number, labels: Labels) => void, delays: RecentDelays): void {
  for (const quantile of [0.5, 0.95, 0.99]) {
    const delayMs = delays.quantileMs(quantile);
    if (delayMs !== null) set(delayMs / 1_000, { quantile: String(quantile) });
  }
}

function staleness(connections: Iterable<Connection>, nowMs: number): Distribution {
  const seconds = new Distribution(SECONDS_BOUNDS);
  for (const { outbox } of connections) seconds.add((outbox?.staleMs(nowMs) ?? 0) / 1_000);
  return seconds;
}

function labelled(name: string, help: string, label: string, distributions: Readonly<Record<string, Distribution>>): string {
  const lines = Object.entries(distributions).map(([value, distribution]) => buckets(name, distribution, `${label}="${value}"`));
  return `# HELP ${name} ${help}\n# TYPE ${name} histogram\n${lines.join("")}`;
}

/** Prometheus' text format, of counts that are kept in plain arrays: an observation of prom-client's costs more than the event that it counts. */
function histogram(name: string, help: string, distribution: Distribution): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} histogram\n${buckets(name, distribution)}`;
}

function buckets(name: string, distribution: Distribution, labels = ""): string {
  const cumulative = distribution.cumulative();
  const label = (le: string) => `{${labels === "" ? "" : `${labels},`}le="${le}"}`;
  const rest = labels === "" ? "" : `{${labels}}`;
  const lines = distribution.bounds.map((bound, index) => `${name}_bucket${label(String(bound))} ${cumulative[index] ?? 0}\n`);
  return `${lines.join("")}${name}_bucket${label("+Inf")} ${distribution.count}\n${name}_sum${rest} ${distribution.sum}\n${name}_count${rest} ${distribution.count}\n`;
}

/** The most frequent ones; what a client says it is could be anything. */
function softwareOf(connections: Iterable<Connection>): [name: string, version: string, count: number][] {
  const counts = new Map<string, [string, string, number]>();
  for (const { software } of connections) {
    const [name, version] = software ?? ["unknown", ""];
    const known = counts.get(`${name} ${version}`);
    if (known === undefined) counts.set(`${name} ${version}`, [name, version, 1]);
    else known[2]++;
  }
  const all = [...counts.values()].sort((a, b) => b[2] - a[2]);
  const rest = all.slice(MAX_SOFTWARE).reduce((sum, [, , count]) => sum + count, 0);
  return rest === 0 ? all : [...all.slice(0, MAX_SOFTWARE), ["other", "", rest]];
}
