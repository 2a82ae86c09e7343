import { row, type BenchRow } from "./harness.ts";
import { startChild } from "./support/child.ts";
import { quantile } from "./support/quantile.ts";
import { collectWhile, expectMany, openBenchBridge, openClients, pause, tokensOf } from "./support/scene.ts";

const CLIENTS = 500;
const PEOPLE = 200;
const EVENTS_PER_S = 10;
const MEASURED_MS = 20_000;

/** One transition to 500 staff screens, each by its own rights; beside one pre-framed write to 500 bare sockets. */
export async function run(): Promise<BenchRow[]> {
  const { bridge, port } = await openBenchBridge({ people: PEOPLE, devicesPerPerson: 1 });
  // People with an office: 500 subjects, since one login may have 16 connections.
  await bridge.ask("people", { seed: 2, count: CLIENTS });
  const tokens = await tokensOf(bridge, Array.from({ length: CLIENTS }, (_, index) => ({ role: "staff", personId: `p${index}` })));
  const clients = await openClients({ port, tokens, subs: [{ op: "sub", ch: "venue" }, { op: "sub", ch: "alerts" }], count: CLIENTS });
  await pause(500);
  const traffic = { people: PEOPLE, transitionsPerS: EVENTS_PER_S };
  await bridge.ask("traffic", { ...traffic, seed: 1, ms: 2_000 });
  const { latenciesMs } = await collectWhile(clients, ["zone.enter", "zone.exit"], () => bridge.ask("traffic", { ...traffic, seed: 2, ms: MEASURED_MS }));
  await bridge.kill();
  await clients.kill();
  expectMany("fanout", latenciesMs.length, (EVENTS_PER_S * CLIENTS * MEASURED_MS) / 1_000);

  const plain = startChild("plain-process");
  const plainPort = await plain.ask<number>("open", { kind: "bare" });
  const plainClients = await openClients({ port: plainPort, tokens: ["-"], subs: [], count: CLIENTS, plain: true });
  const plainTraffic = { eventsPerS: EVENTS_PER_S, recipients: CLIENTS };
  await plain.ask("traffic", { ...plainTraffic, ms: 2_000 });
  const baseline = await collectWhile(plainClients, ["zone.enter"], () => plain.ask("traffic", { ...plainTraffic, ms: MEASURED_MS / 2 }));
  await plain.kill();
  await plainClients.kill();
  return [row("fanout", "one event to 500 clients, p95", "ms", quantile(latenciesMs, 0.95), quantile(baseline.latenciesMs, 0.95))];
}
