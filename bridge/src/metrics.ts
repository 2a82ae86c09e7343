import { Counter, Gauge, Registry as Metrics, collectDefaultMetrics, type Metric } from "prom-client";
import type { BridgeStats, LaneName } from "./config.ts";
import type { GatewayHealth } from "@konferenco/protocol";

export const LANES = ["alerts", "transitions", "positions", "telemetry"] as const satisfies readonly LaneName[];

/** What is counted besides what `stats()` says. */
export interface MoreFigures {
  accepted: number;
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

export interface BridgeMetrics {
  text(): Promise<string>;
  type: string;
  observeRequest(route: string, status: number): void;
}

/** Prometheus metrics, read from the counters that the bridge keeps anyway. No label ever names a person. */
export function newMetrics(stats: () => BridgeStats, more: () => MoreFigures): BridgeMetrics {
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

  gauge("bridge_connections", "Open connections", ["transport", "role"], (set) => {
    for (const [role, count] of Object.entries(stats().connectionsByRole)) set(count, { transport: "ws", role });
  });
  gauge("bridge_subscriptions", "Subscriptions of open connections", [], (set) => set(stats().subscriptions));
  total("bridge_accepted_total", "Connections accepted", [], (set) => set(more().accepted));
  total("bridge_refused_total", "Upgrades refused, by why", ["why"], (set) => more().upgradesRefused.forEach((count, why) => set(count, { why })));
  total("bridge_closed_total", "Connections closed, by code", ["code"], (set) => Object.entries(stats().closedByCode).forEach(([code, count]) => set(count, { code })));
  total("bridge_errors_total", "Errors told to clients, by slug", ["slug"], (set) => more().errorsTold.forEach((count, slug) => set(count, { slug })));
  total("bridge_events_in_total", "Updates read from the store's feed", [], (set) => set(stats().updatesIn));
  total("bridge_deliveries_total", "Events written to clients, by lane", ["lane"], (set) => LANES.forEach((lane) => set(stats().deliveries[lane], { lane })));
  total("bridge_bytes_total", "Bytes of events written", [], (set) => set(more().bytes));
  total("bridge_writes_total", "Frames of events written", [], (set) => set(more().frames));
  total("bridge_dropped_total", "Events not written, by lane and reason", ["lane", "why"], (set) => {
    for (const lane of LANES) for (const [why, count] of Object.entries(stats().drops[lane])) set(count, { lane, why });
  });
  total("bridge_replay_total", "Replays, by how whole they were", ["result"], (set) => Object.entries(stats().replays).forEach(([result, count]) => set(count, { result })));
  gauge("bridge_replaying", "Connections that read the log", [], (set) => set(more().replaying));
  gauge("bridge_delivery_seconds", "From stored to handed to the socket, over the last 4,096 transitions and alerts", ["quantile"], (set) => {
    const { deliveryP50Ms, deliveryP95Ms } = stats();
    if (deliveryP50Ms !== null) set(deliveryP50Ms / 1_000, { quantile: "0.5" });
    if (deliveryP95Ms !== null) set(deliveryP95Ms / 1_000, { quantile: "0.95" });
  });
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
  total("bridge_feed_gaps_total", "Gaps of the log that clients were told of", [], (set) => set(stats().feed.gaps));
  return {
    text: () => register.metrics(),
    type: register.contentType,
    observeRequest: (route, status) => requests.inc({ route, status: String(status) }),
  };
}
