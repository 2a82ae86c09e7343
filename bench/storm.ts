import { randomBytes } from "node:crypto";
import { row, type BenchRow } from "./harness.ts";
import { startChild } from "./support/child.ts";
import type { ConnectAnswer } from "./support/clients-process.ts";
import { requireSockets, temporaryFolder } from "./support/files.ts";
import { quantile } from "./support/quantile.ts";
import { BRIDGE_FLAGS, openBenchBridge, pause, SUBSCRIPTIONS } from "./support/scene.ts";

const CONNECTIONS = 10_000;
const PEOPLE = 2_500;

/**
 * kill −9 of the bridge under 200 events/s, a new one on the same port and folder: until each of 10,000
 * clients has said hello, subscribed and been caught up, from the moment the port listens again; beside the
 * same 10,000 connecting and subscribing with nothing to resume.
 */
export async function run(): Promise<BenchRow[]> {
  requireSockets(CONNECTIONS);
  const dataDir = temporaryFolder("storm");
  const secret = randomBytes(48);
  const first = await openBenchBridge({ people: PEOPLE, devicesPerPerson: CONNECTIONS / PEOPLE, open: { dataDir, secret } });
  const request = { port: first.port, tokens: first.tokens, subs: SUBSCRIPTIONS, count: CONNECTIONS };
  const clients = startChild("clients-process");
  await clients.ask("keepCursors");
  const alone = await clients.ask<ConnectAnswer>("connect", request);
  await first.bridge.ask("traffic", { seed: 1, people: PEOPLE, transitionsPerS: 200, ms: 3_000 });
  await pause(500);
  // What happened shortly before the end is on disk, and some clients have not read it.
  void first.bridge.ask("traffic", { seed: 2, people: PEOPLE, transitionsPerS: 200, ms: 10_000 }).catch(() => undefined);
  await pause(1_000);
  await first.bridge.kill();
  const second = startChild("bridge-process", BRIDGE_FLAGS);
  await second.ask("open", { dataDir, secret, port: first.port });
  const resumed = await clients.ask<ConnectAnswer>("connect", { ...request, resume: true });
  await second.kill();
  await clients.kill();
  return [row("storm", "10,000 clients resumed after kill -9, p99", "ms", quantile(resumed.readyAfterMs, 0.99), quantile(alone.readyAfterMs, 0.99))];
}
