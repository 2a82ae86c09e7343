import { row, type BenchRow } from "./harness.ts";
import { requireSockets } from "./support/files.ts";
import { quantile } from "./support/quantile.ts";
import { expectMany, openBenchBridge, openClients, pause, tokensOf } from "./support/scene.ts";

const CROWD = 10_000;
const ALERTED = 100;
const ALERTS_PER_S = 10;
const QUIET_MS = 8_000;
const BROADCAST_MS = 25_000;
/** The collector's slots, and how far around an arrival of lane 3 the broadcast is taken to run. */
const SLOT_MS = 10;

/** Alerts to 100 clients while exact counts of 200 zones go to 10,000; beside alerts while nothing else happens. */
export async function run(): Promise<BenchRow[]> {
  requireSockets(CROWD + ALERTED);
  const { bridge, port } = await openBenchBridge({ people: CROWD, devicesPerPerson: 1 });
  const tokens = await tokensOf(bridge, Array.from({ length: CROWD }, (_, index) => ({ role: "staff", personId: `p${index}` })));
  const crowd = await openClients({ port, tokens, subs: [{ op: "sub", ch: "occupancy" }], count: CROWD });
  const alerted = await openClients({ port, tokens, subs: [{ op: "sub", ch: "alerts" }], count: ALERTED });
  await pause(1_000);

  const measure = async (ms: number, more: object): Promise<{ atMs: number; latencies: Float64Array }> => {
    await alerted.ask("collect", { types: ["alert"] });
    const sent = await bridge.ask<{ alerts: number }>("traffic", { seed: ms, people: CROWD, alertsPerS: ALERTS_PER_S, ms, ...more });
    await pause(500);
    const { alert } = await alerted.ask<{ alert: Float64Array }>("collected");
    expectMany("alert-lane", alert?.length ?? 0, sent.alerts * ALERTED);
    return { atMs: 0, latencies: alert ?? new Float64Array() };
  };
  const quiet = await measure(QUIET_MS, {});
  await crowd.ask("watchBroadcasts");
  await alerted.ask("timestamps");
  const busy = await measure(BROADCAST_MS, { positionsPerS: 2_000 });
  const slots = new Set(await crowd.ask<number[]>("broadcasts"));
  const stamps = await alerted.ask<{ atMs: Float64Array; latencyMs: Float64Array }>("stamped");
  await bridge.kill();
  await crowd.kill();
  await alerted.kill();
  // Only alerts that were on their way while lane 3 was.
  const during = [...stamps.latencyMs].filter((latencyMs, index) => {
    const sentAtMs = (stamps.atMs[index] ?? 0) - latencyMs;
    for (let atMs = sentAtMs; atMs <= sentAtMs + latencyMs + SLOT_MS; atMs += SLOT_MS) if (slots.has(Math.floor(atMs / SLOT_MS))) return true;
    return false;
  });
  expectMany("alerts during a broadcast", during.length, busy.latencies.length / 20);
  return [row("alert-lane", "an alert to 100 clients during a broadcast to 10,000, p99", "ms", quantile(during, 0.99), quantile(quiet.latencies, 0.99))];
}
