import type { ConnectAnswer } from "./support/clients-process.ts";
import { row, type BenchRow } from "./harness.ts";
import { startChild, type Child } from "./support/child.ts";
import { requireSockets } from "./support/files.ts";
import { BRIDGE_FLAGS, openBenchBridge, SUBSCRIPTIONS } from "./support/scene.ts";

const FEW = 2_000;
const MANY = 10_000;

/** Resident memory that one more idle connection costs: the slope between 2,000 and 10,000, beside bare `ws` sockets. */
export async function run(): Promise<BenchRow[]> {
  requireSockets(MANY);
  const { bridge, port, tokens } = await openBenchBridge({ people: MANY, devicesPerPerson: 1 });
  const ours = await slopeKb(bridge, { port, tokens, subs: SUBSCRIPTIONS });
  await bridge.kill();
  const plain = startChild("plain-process", ["--expose-gc", ...BRIDGE_FLAGS]);
  const plainPort = await plain.ask<number>("open", { kind: "ws" });
  const bare = await slopeKb(plain, { port: plainPort, tokens: ["-"], subs: [], plain: true });
  await plain.kill();
  return [row("connections", "resident memory per idle connection, 3 subscriptions", "KB", ours, bare)];
}

async function slopeKb(server: Child, how: { port: number; tokens: string[]; subs: object[]; plain?: boolean }): Promise<number> {
  const clients = startChild("clients-process");
  await clients.ask<ConnectAnswer>("connect", { ...how, count: FEW });
  const few = await server.ask<{ rss: number }>("memory");
  await clients.ask<ConnectAnswer>("connect", { ...how, count: MANY - FEW });
  const many = await server.ask<{ rss: number }>("memory");
  await clients.kill();
  return (many.rss - few.rss) / (MANY - FEW) / 1_024;
}
