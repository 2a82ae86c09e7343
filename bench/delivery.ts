import { row, type BenchRow } from "./harness.ts";
import { startChild } from "./support/child.ts";
import { requireSockets } from "./support/files.ts";
import { quantile } from "./support/quantile.ts";
import { collectWhile, expectMany, openBenchBridge, openClients, pause, SUBSCRIPTIONS } from "./support/scene.ts";

const CONNECTIONS = 10_000;
const RECIPIENTS = 3.75;
const EVENTS_PER_S = 1_000;
const WARM_UP_MS = 3_000;
const MEASURED_MS = 20_000;

/** 10,000 connections, 1,000 zone transitions a second in, each to the devices of its person; beside pre-framed writes to bare sockets. */
export async function run(): Promise<BenchRow[]> {
  requireSockets(CONNECTIONS);
  const people = Math.ceil(CONNECTIONS / RECIPIENTS);
  const { bridge, port, tokens } = await openBenchBridge({ people, devicesPerPerson: RECIPIENTS });
  const clients = await openClients({ port, tokens, subs: SUBSCRIPTIONS, count: CONNECTIONS });
  const traffic = { people, transitionsPerS: EVENTS_PER_S };
  await pause(1_000);
  await bridge.ask("traffic", { ...traffic, seed: 1, ms: WARM_UP_MS });
  const { latenciesMs } = await collectWhile(clients, ["zone.enter", "zone.exit"], () => bridge.ask("traffic", { ...traffic, seed: 2, ms: MEASURED_MS }));
  await bridge.kill();
  await clients.kill();
  expectMany("delivery", latenciesMs.length, (EVENTS_PER_S * RECIPIENTS * MEASURED_MS) / 1_000);

  const plain = startChild("plain-process");
  const plainPort = await plain.ask<number>("open", { kind: "bare" });
  const plainClients = await openClients({ port: plainPort, tokens: ["-"], subs: [], count: CONNECTIONS, plain: true });
  const plainTraffic = { eventsPerS: EVENTS_PER_S, recipients: RECIPIENTS };
  await plain.ask("traffic", { ...plainTraffic, ms: WARM_UP_MS });
  const baseline = await collectWhile(plainClients, ["zone.enter"], () => plain.ask("traffic", { ...plainTraffic, ms: MEASURED_MS / 2 }));
  await plain.kill();
  await plainClients.kill();
  const figure = (share: number) => [quantile(latenciesMs, share), quantile(baseline.latenciesMs, share)] as const;
  return [
    row("delivery", "event to client at 10,000 connections, 1,000 events/s, p95", "ms", ...figure(0.95)),
    row("delivery", "event to client at 10,000 connections, 1,000 events/s, p99", "ms", ...figure(0.99)),
  ];
}
