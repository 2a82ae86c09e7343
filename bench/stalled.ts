import { row, type BenchRow } from "./harness.ts";
import { startChild } from "./support/child.ts";
import { requireSockets } from "./support/files.ts";
import { quantile } from "./support/quantile.ts";
import { openBenchBridge, openClients, pause, tokensOf } from "./support/scene.ts";
import type { ConnectAnswer } from "./support/clients-process.ts";

const HEALTHY = 9_000;
const STALLED = 1_000;
const PEOPLE = 9_000;
const PHASE_MS = 20_000;
/** Stalled clients are staff screens that follow everything, so that there is something to stall. */
const TRAFFIC = { people: PEOPLE, transitionsPerS: 200, positionsPerS: 50 };

/** 1,000 of 10,000 clients stop reading: how much later the others get theirs, and what memory it takes; beside the time before. */
export async function run(): Promise<BenchRow[]> {
  requireSockets(HEALTHY);
  const { bridge, port, tokens } = await openBenchBridge({ people: PEOPLE, devicesPerPerson: 1 });
  const staff = await tokensOf(bridge, Array.from({ length: STALLED }, (_, index) => ({ role: "staff", personId: `p${index}` })));
  const healthy = await openClients({ port, tokens, subs: [{ op: "sub", ch: "me" }, { op: "sub", ch: "alerts" }], count: HEALTHY });
  const stalling = startChild("clients-process");
  await stalling.ask<ConnectAnswer>("connect", { port, tokens: staff, subs: [{ op: "sub", ch: "venue" }], count: STALLED });
  const phase = async (seed: number) => {
    await healthy.ask("collect", { types: ["zone.enter", "zone.exit"] });
    await bridge.ask("traffic", { ...TRAFFIC, seed, ms: PHASE_MS });
    await pause(500);
    const collected = await healthy.ask<Record<string, Float64Array>>("collected");
    return quantile(Object.values(collected).flatMap((list) => [...list]), 0.95);
  };
  await bridge.ask("traffic", { ...TRAFFIC, seed: 1, ms: 4_000 });
  const before = await phase(2);
  const memoryBefore = await bridge.ask<{ rss: number }>("memory");
  await stalling.ask("stall", { count: STALLED });
  let peakBytes = 0;
  const watching = setInterval(() => void bridge.ask<number>("rss").then((bytes) => (peakBytes = Math.max(peakBytes, bytes))), 500);
  const during = await phase(3);
  clearInterval(watching);
  for (const child of [bridge, healthy, stalling]) await child.kill();
  const megabyte = 1024 * 1024;
  return [
    row("stalled", "p95 of the others with 1,000 of 10,000 stalled", "ms", during, before),
    row("stalled", "memory at the peak of the stall", "MB", peakBytes / megabyte, memoryBefore.rss / megabyte),
  ];
}
