import { median, row, type BenchRow } from "./harness.ts";
import { startChild } from "./support/child.ts";
import { expectMany, openBenchBridge, openClients, pause, statsOf, tokensOf } from "./support/scene.ts";

const VIEWERS = 1_000;
const BATCH = 8;
const ROUND_MS = 4_000;
/** In turn ours and the baseline; the medians are told, since neighbours on the machine move single rounds by a fifth. */
const ROUNDS = 5;
/** Batches a second: light enough for two cores with the clients on them. */
const BATCHES_PER_S = 20;

/** Processor time of one event in a viewer's batch of 8, all stages from commit to socket, beside one pre-framed write to a bare socket. */
export async function run(): Promise<BenchRow[]> {
  const { bridge, port } = await openBenchBridge({ people: VIEWERS, devicesPerPerson: 1 });
  const tokens = await tokensOf(bridge, Array.from({ length: VIEWERS }, (_, index) => ({ role: "staff", personId: `p${index}` })));
  const clients = await openClients({ port, tokens, subs: [{ op: "sub", ch: "venue" }], count: VIEWERS });
  const plain = startChild("plain-process");
  const plainPort = await plain.ask<number>("open", { kind: "bare" });
  const plainClients = await openClients({ port: plainPort, tokens: ["-"], subs: [], count: VIEWERS, plain: true });
  await pause(500);
  const ours: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const before = { cpuMs: await bridge.ask<number>("cpuMs"), delivered: (await statsOf(bridge)).deliveries.transitions };
    await bridge.ask("traffic", { people: VIEWERS, transitionsPerS: BATCH * BATCHES_PER_S, stepMs: 1_000 / BATCHES_PER_S, seed: round, ms: ROUND_MS });
    await pause(100);
    const delivered = (await statsOf(bridge)).deliveries.transitions - before.delivered;
    expectMany("filter", delivered, (VIEWERS * BATCH * BATCHES_PER_S * ROUND_MS) / 1_000);
    const event = (1_000 * ((await bridge.ask<number>("cpuMs")) - before.cpuMs)) / delivered;
    const write = await plain.ask<number>("writeCost", { rounds: (BATCHES_PER_S * ROUND_MS) / 1_000, bytes: 200 });
    if (round === 0) continue; // warm-up
    ours.push(event);
    raw.push(write);
  }
  for (const child of [clients, plainClients, bridge, plain]) await child.kill();
  return [row("filter", "processor time of a per-viewer event in a batch of 8", "us", median(ours), median(raw))];
}
