import { openBroker } from "@konferenco/broker";
import { Closers, untilStopped } from "../closers.ts";
import { exposeBroker } from "../expose.ts";
import { logLine } from "../log.ts";
import { venueOf, type EventOptions, type HealthOption } from "../options.ts";
import { brokerCredentialsOf, requireSite } from "../site.ts";
import { readBrokerCredentials } from "./credentials.ts";
import { openHealthServer } from "./health-server.ts";

export interface BrokerProcessOptions extends EventOptions, HealthOption {
  host: string;
  mqttPort: number;
  mqttWsPort: number;
  /** A credentials file instead of the site's passwords. */
  credentials?: string;
}

export async function runBrokerProcess(options: BrokerProcessOptions): Promise<void> {
  const closers = new Closers();
  try {
    const credentials = options.credentials === undefined ? brokerCredentialsOf(requireSite(options.data), venueOf(options)) : readBrokerCredentials(options.credentials);
    const broker = await openBroker({ host: options.host, tcpPort: options.mqttPort, wsPort: options.mqttWsPort, credentials, nowMs: Date.now, log: logLine });
    closers.add("broker", () => broker.close());
    const health = await openHealthServer({ host: options.healthHost, port: options.healthPort, health: async () => broker.stats(), expose: (exposition) => exposeBroker(exposition, () => broker.stats()) });
    closers.add("health", () => health.close());
    logLine({ event: "broker ready", mqttPort: broker.tcpPort, mqttWsPort: broker.wsPort, healthPort: health.port, gateways: credentials.gateways.length });
    await untilStopped(null);
  } finally {
    await closers.close();
  }
}
