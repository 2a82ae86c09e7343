import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { openBroker, type Broker } from "@konferenco/broker";
import { parseBeaconReport, parseGatewayStatus, parseTopic, type BeaconReport, type GatewayStatus } from "@konferenco/protocol";
import { Spool } from "../../gateway-agent/src/spool.ts";

export const GATEWAY = { gatewayId: "gw-1", password: "gateway-secret", eventId: "demo", zoneIds: ["hall"] };

export interface VenueBroker {
  port: number;
  url: string;
  reports: BeaconReport[];
  statuses: GatewayStatus[];
  /** Everything else, as topic and text. */
  others: { topic: string; text: string }[];
  broker: Broker;
  close(): Promise<void>;
}

/** The project's own broker, and what arrives at it, parsed as fusion would. */
export async function openVenueBroker(port = 0): Promise<VenueBroker> {
  const reports: BeaconReport[] = [];
  const statuses: GatewayStatus[] = [];
  const others: VenueBroker["others"] = [];
  const broker = await openBroker({
    host: "127.0.0.1", tcpPort: port, wsPort: null, nowMs: () => performance.now(), log: () => {},
    credentials: { gateways: [GATEWAY], applications: [] },
  });
  broker.attach(({ topic, payload }) => {
    const parsed = parseTopic(topic);
    if (parsed.ok && parsed.value.kind === "beacon") {
      const report = parseBeaconReport(payload);
      if (!report.ok) throw new Error(`${report.code}: ${report.detail}`);
      if (Object.keys(report.value.refusedRows).length > 0) throw new Error(JSON.stringify(report.value.refusedRows));
      reports.push(report.value.report);
    } else if (parsed.ok && parsed.value.kind === "gateway-status") {
      const status = parseGatewayStatus(payload);
      if (!status.ok) throw new Error(`${status.code}: ${status.detail}`);
      statuses.push(status.value);
    } else {
      others.push({ topic, text: Buffer.from(payload).toString() });
    }
  });
  return { port: broker.tcpPort, url: `mqtt://127.0.0.1:${broker.tcpPort}`, reports, statuses, others, broker, close: () => broker.close() };
}

export function temporaryFolder(): { directory: string; remove: () => void } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-gateway-"));
  return { directory, remove: () => fs.rmSync(directory, { recursive: true, force: true }) };
}

export function openTestSpool(directory: string, nowMs: () => number, maxBytes = 4 * 1024 * 1024): Spool {
  return Spool.open({ directory, maxBytes, maxAgeMs: 300_000, clock: { nowMs, originMs: 0, machineBootId: "test" }, log: () => {} });
}
