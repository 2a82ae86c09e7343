import { row, type BenchRow } from "./harness.ts";
import { openBenchBridge, openClients, pause, SUBSCRIPTIONS } from "./support/scene.ts";
import type { Child } from "./support/child.ts";

const CONNECTIONS = 200;
const MEASURED_MS = 60_000;
/** Requirement E9: a dead link is noticed within 3 s while somebody looks. So long after the last sign of life the library asks. */
const PROBE_EVERY_MS = 1_200;
const BUDGET_KB = 1;

/** Bytes of WebSocket frames with their headers (what is below is in docs/wire-protocol.md), both ways, of an idle connection in a minute, without and with the probe of a visible page; beside the budget of requirement F5. */
export async function run(): Promise<BenchRow[]> {
  const { bridge, port, tokens } = await openBenchBridge({ people: CONNECTIONS * 2, devicesPerPerson: 1 });
  const hidden = await openClients({ port, tokens, subs: SUBSCRIPTIONS, count: CONNECTIONS });
  const visible = await openClients({ port, tokens: tokens.slice(CONNECTIONS), subs: SUBSCRIPTIONS, count: CONNECTIONS });
  await visible.ask("say", { text: "", everyMs: PROBE_EVERY_MS });
  await pause(2_000);
  const before = [await bytesOf(hidden), await bytesOf(visible)] as const;
  await pause(MEASURED_MS);
  const after = [await bytesOf(hidden), await bytesOf(visible)] as const;
  for (const child of [bridge, hidden, visible]) await child.kill();
  const kbPerMinute = (index: 0 | 1) => (((after[index] - before[index]) / CONNECTIONS) * (60_000 / MEASURED_MS)) / 1_024;
  return [
    row("idle-bandwidth", "an idle connection in a minute", "KB", kbPerMinute(0), BUDGET_KB),
    row("idle-bandwidth", "the same with the probe of a visible page", "KB", kbPerMinute(1), BUDGET_KB),
  ];
}

async function bytesOf(clients: Child): Promise<number> {
  const { received, sent } = await clients.ask<{ received: number; sent: number }>("bytes");
  return received + sent;
}
