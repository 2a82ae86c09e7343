import { openBroker, type Broker, type BrokerCredentials } from "@konferenco/broker";
import { parseBeaconReport, parseGatewayStatus, parseTopic, type BeaconReport, type GatewayStatus, type VenueMap } from "@konferenco/protocol";

/** A real broker with a login per gateway and one for replays, and everything that came in, parsed. */
export interface VenueBroker {
  broker: Broker;
  url: string;
  credentials: BrokerCredentials;
  reports: { topic: string; report: BeaconReport; refusedRows: number }[];
  statuses: GatewayStatus[];
  faults: string[];
  /** Resolves when it holds; checked at each message and every 20 ms. */
  until(holds: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function openVenueBroker(venue: VenueMap, eventId = "demo"): Promise<VenueBroker> {
  const credentials: BrokerCredentials = {
    gateways: venue.gateways.map(({ gatewayId, zoneId }) => ({ gatewayId, password: `secret of ${gatewayId}`, eventId, zoneIds: [zoneId] })),
    applications: [{ name: "replay", password: "secret of replay", eventId, rights: ["publish-reports"] }],
  };
  const broker = await openBroker({ host: "127.0.0.1", tcpPort: 0, wsPort: null, credentials, nowMs: Date.now, log: () => undefined });
  const seen: Omit<VenueBroker, "broker" | "url" | "credentials" | "until" | "close"> = { reports: [], statuses: [], faults: [] };
  broker.attach(({ topic, payload }) => {
    const parsed = parseTopic(topic);
    if (!parsed.ok) return void seen.faults.push(parsed.detail);
    if (parsed.value.kind === "beacon") {
      const report = parseBeaconReport(payload);
      if (!report.ok) return void seen.faults.push(report.detail);
      seen.reports.push({ topic, report: report.value.report, refusedRows: Object.keys(report.value.refusedRows).length });
    }
    if (parsed.value.kind === "gateway-status") {
      const status = parseGatewayStatus(payload);
      if (!status.ok) return void seen.faults.push(status.detail);
      seen.statuses.push(status.value);
    }
  });
  return {
    broker,
    url: `mqtt://127.0.0.1:${broker.tcpPort}`,
    credentials,
    ...seen,
    until: (holds) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!holds()) return;
          clearInterval(timer);
          resolve();
        };
        const timer = setInterval(check, 20);
        check();
      }),
    close: () => broker.close(),
  };
}
