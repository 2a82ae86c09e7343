import { Counter, Gauge, Registry as Metrics, collectDefaultMetrics, type Metric } from "prom-client";
import type { BridgeStats, LaneName } from "./config.ts";
import type { ClientFrames } from "./client-frames.ts";
import { TRANSPORTS, type Connection, type TransportName } from "./connection.ts";
import { BYTES_BOUNDS, Distribution, SECONDS_BOUNDS } from "./core/distribution.ts";
import type { LivePicture } from "./core/live-picture.ts";
import { VIEWER_ROLES, type ViewerRole } from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import type { Poller } from "./poll.ts";
import type { Replayer } from "./replayer.ts";
import type { SseTransport } from "./sse-transport.ts";
import type { Timings } from "./timings.ts";
import type { UpdateFeed } from "./update-feed.ts";
import type { WsTransport } from "./ws-transport.ts";

export const LANES = ["alerts", "transitions", "positions", "telemetry"] as const satisfies readonly LaneName[];

/** Software that clients say they are, told apart; beyond, `other`: names are the clients' own. */
const MAX_SOFTWARE = 16;

/** Where the figures come from. */
export interface MetricsOptions {
  stats: () => BridgeStats;
  hub: Hub;
  frames: ClientFrames;
  replayer: Replayer;
  feed: UpdateFeed;
  picture: LivePicture;
  transport: WsTransport;
  streams: SseTransport;
  poller: Poller;
  timings: Timings;
  nowMs: () => number;
}

export interface BridgeMetrics {
  text(): Promise<string>;
  type: string;
  observeRequest(route: string, status: number): void;
}

/** Prometheus metrics, read from the counters that the bridge keeps anyway. No label ever names a person. */
export function newMetrics({ stats, hub, frames, replayer, feed, picture, transport, streams, poller, timings, nowMs }: MetricsOptions): BridgeMetrics {
  const register = new Metrics();
  collectDefaultMetrics({ register });
  const requests = new Counter({ name: "bridge_http_requests_total", help: "HTTP requests by route and status", labelNames: ["route", "status"], registers: [register] });

  const gauge = (name: string, help: string, labelNames: string[], read: (set: (value: number, labels?: Record<string, string>) => void) => void): Metric =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [register],
      collect() {
        this.reset();
        read((value, labels = {}) => this.set(labels, value));
      },
    });
  const total = (name: string, help: string, labelNames: string[], read: (set: (value: number, labels?: Record<string, string>) => void) => void): Metric =>
    new Counter({
      name,
      help,
      labelNames,
      registers: [register],
      collect() {
        this.reset();
        read((value, labels = {}) => this.inc(labels, value));
      },
    });

  gauge("bridge_connections", "Open connections, and people and logins who poll", ["transport", "role"], (set) => {
    const counts = new Map<string, number>(TRANSPORTS.flatMap((name) => VIEWER_ROLES.map((role) => [`${name} ${role}`, 0])));
    const note = (name: TransportName, role: ViewerRole) => counts.set(`${name} ${role}`, (counts.get(`${name} ${role}`) ?? 0) + 1);
    // A poll is a connection of a moment: who asks again and again is one.
    for (const { wire, viewer } of hub.connections) if (wire.transport !== "poll") note(wire.transport, viewer.role);
    for (const role of poller.active()) note("poll", role);
    for (const [name, count] of counts) set(count, { transport: name.split(" ")[0] ?? "", role: name.split(" ")[1] ?? "" });
  });
  gauge("bridge_clients", "Open connections by what software they say they are", ["client", "version"], (set) => softwareOf(hub.connections).forEach(([name, version, count]) => set(count, { client: name, version })));
  gauge("bridge_subscriptions", "Subscriptions of open connections", [], (set) => set(stats().subscriptions));
  total("bridge_accepted_total", "Connections accepted, and polls answered", ["transport"], (set) => {
    set(transport.accepted, { transport: "ws" });
    set(streams.accepted, { transport: "sse" });
    set(poller.accepted, { transport: "poll" });
  });
  total("bridge_refused_total", "Upgrades refused, by why", ["why"], (set) => transport.refused.forEach((count, why) => set(count, { why })));
  total("bridge_closed_total", "Connections closed, by code", ["code"], (set) => Object.entries(stats().closedByCode).forEach(([code, count]) => set(count, { code })));
  total("bridge_errors_total", "Errors told to clients, by slug", ["slug"], (set) => frames.errors.forEach((count, slug) => set(count, { slug })));
  total("bridge_sub_errors_total", "Of these, refused subscriptions", ["slug"], (set) => frames.subErrors.forEach((count, slug) => set(count, { slug })));
  total("bridge_events_in_total", "Updates read from the store, by lane", ["lane"], (set) => LANES.forEach((lane, index) => set(feed.inByLane[index] ?? 0, { lane })));
  total("bridge_filter_total", "Answers of the privacy policy for viewers who are interested", ["result"], (set) => Object.entries(hub.filtered).forEach(([result, count]) => set(count, { result })));
  total("bridge_deliveries_total", "Events written to clients, by lane", ["lane"], (set) => LANES.forEach((lane) => set(stats().deliveries[lane], { lane })));
  total("bridge_bytes_total", "Bytes of events written", [], (set) => set(hub.counts.bytes));
  total("bridge_writes_total", "Frames of events written", [], (set) => set(hub.counts.frames));
  total("bridge_dropped_total", "Events not written, by lane and reason", ["lane", "why"], (set) => {
    for (const lane of LANES) for (const [why, count] of Object.entries(stats().drops[lane])) set(count, { lane, why });
  });
  total("bridge_conflated_total", "Positions and states in whose place a newer one went", [], (set) => set(hub.counts.dropped.conflated.reduce((sum, count) => sum + count, 0)));
  gauge("bridge_lagging", "Connections that acknowledge too slowly, for which positions wait", ["level"], (set) => {
    let lagging = 0;
    for (const { outbox } of hub.connections) if (outbox?.isLagging === true) lagging++;
    set(lagging, { level: "1" });
  });
  gauge("bridge_rss_per_connection_bytes", "Resident memory of the process over its open connections", [], (set) => set(process.memoryUsage.rss() / Math.max(1, hub.connections.size)));
  total("bridge_replay_events_total", "Events sent by replay", [], (set) => set(replayer.events));
  total("bridge_replay_total", "Replays, by how whole they were", ["result"], (set) => Object.entries(stats().replays).forEach(([result, count]) => set(count, { result })));
  gauge("bridge_replaying", "Connections that read the log", [], (set) => set(replayer.active));
  gauge("bridge_delivery_seconds", "From stored to handed to the socket, over the last 4,096 transitions and alerts", ["quantile"], (set) => {
    const { deliveryP50Ms, deliveryP95Ms } = stats();
    if (deliveryP50Ms !== null) set(deliveryP50Ms / 1_000, { quantile: "0.5" });
    if (deliveryP95Ms !== null) set(deliveryP95Ms / 1_000, { quantile: "0.95" });
  });
  gauge("bridge_tags", "Tags of the live picture", [], (set) => set(picture.tagCount));
  gauge("bridge_feed_pending", "Updates that wait for people to be looked up", [], (set) => set(feed.pending));
  gauge("bridge_feed_failing", "1 while the store does not answer", [], (set) => set(feed.failing ? 1 : 0));
  gauge("gateway_up", "1 while the gateway reports", ["gateway"], (set) => picture.gateways().forEach(({ gatewayId, state }) => set(state === "online" ? 1 : 0, { gateway: gatewayId })));
  gauge("gateway_offset_db", "How much stronger the gateway hears than the others, and what that was learned from", ["gateway", "basis"], (set) => {
    for (const { gatewayId, calibration } of picture.gateways()) if (calibration !== undefined) set(calibration.offsetDb, { gateway: gatewayId, basis: calibration.basis });
  });
  gauge("calibration_residual_db", "Standard deviation of levels around what is expected", ["basis"], (set) => {
    const known = picture.gateways().find(({ calibration }) => calibration !== undefined)?.calibration;
    if (known !== undefined && known.residualDb !== null) set(known.residualDb, { basis: known.basis });
  });
  total("bridge_feed_gaps_total", "Gaps of the log that clients were told of", [], (set) => set(stats().feed.gaps));
  const distributions = (): string =>
    [
      histogram("bridge_hello_seconds", "From the accepted connection to welcome", timings.hello),
      histogram("bridge_tick_seconds", "One slice of writing", timings.tick),
      histogram("bridge_loop_lag_seconds", "How much later than asked for a tick comes", timings.loopLag),
      stages({ fusion: timings.fusion, bridge: timings.bridge, client: hub.counts.acknowledged }),
      histogram("bridge_batch_events", "Events of one frame", hub.counts.batch),
      histogram("bridge_replay_seconds", "From the beginning of a replay to its end", timings.replay),
      histogram("bridge_privacy_change_seconds", "From a change of settings until nothing more is shown than they allow", timings.privacyChange),
      histogram("bridge_ping_rtt_seconds", "From a ping to the client's answer", timings.ping),
      ...unacknowledged(hub.connections, nowMs()),
    ].join("");
  return {
    text: async () => (await register.metrics()) + distributions(),
    type: register.contentType,
    observeRequest: (route, status) => requests.inc({ route, status: String(status) }),
  };
}

/** How far clients are behind, as of now: written and not acknowledged, and for how long. */
function unacknowledged(connections: Iterable<Connection>, nowMs: number): string[] {
  const bytes = new Distribution(BYTES_BOUNDS);
  const seconds = new Distribution(SECONDS_BOUNDS);
  for (const { outbox } of connections) {
    bytes.add(outbox?.unackedBytes ?? 0);
    seconds.add((outbox?.staleMs(nowMs) ?? 0) / 1_000);
  }
  return [
    histogram("bridge_unacked_bytes", "Written and not acknowledged, of the open connections as of now", bytes),
    histogram("bridge_staleness_seconds", "Age of what is not acknowledged, of the open connections as of now", seconds),
  ];
}

function stages(byStage: Readonly<Record<string, Distribution>>): string {
  const name = "bridge_stage_seconds";
  const lines = Object.entries(byStage).map(([stage, distribution]) => buckets(name, distribution, `stage="${stage}"`));
  return `# HELP ${name} From the verdict of the radio to the store (fusion), to the socket (bridge), to the acknowledgement (client)\n# TYPE ${name} histogram\n${lines.join("")}`;
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
