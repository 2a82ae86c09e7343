import { randomBytes } from "node:crypto";
import { row, type BenchRow } from "./harness.ts";
import { startChild, type Child } from "./support/child.ts";
import { temporaryFolder } from "./support/files.ts";
import { startRedis } from "./support/redis.ts";
import { BRIDGE_FLAGS, expectMany, openClients, pause, statsOf, SUBSCRIPTIONS, tokensOf } from "./support/scene.ts";

const PEOPLE = 1_000;
const CLIENTS = 4_000;
const RUN_MS = 8_000;
const TRAFFIC = { people: PEOPLE, transitionsPerS: 500, alertsPerS: 1 };

/**
 * The same event, 4,000 clients on one bridge and 2,000 on each of two, on one Redis: deliveries per second of CPU of
 * the busier bridge, which is what a core carries. Throughput itself would measure the machine: two cores hold Redis,
 * the load and both bridges.
 */
export async function run(): Promise<BenchRow[]> {
  const redis = await startRedis();
  const event = { redis: redis.url, secret: randomBytes(48), dataDir: temporaryFolder("keys") };
  const source = startChild("bridge-process", BRIDGE_FLAGS);
  await source.ask("open", event);
  await source.ask("people", { seed: 1, count: PEOPLE });
  const tokens = await tokensOf(source, Array.from({ length: CLIENTS }, (_, device) => ({ role: "attendee", personId: `p${device % PEOPLE}` })));
  const carried = async (bridges: number, seed: number): Promise<number> => {
    const children = Array.from({ length: bridges }, () => startChild("bridge-process", BRIDGE_FLAGS));
    const crowds: Child[] = [];
    for (const [index, child] of children.entries()) {
      const port = await child.ask<number>("open", event);
      const count = CLIENTS / bridges;
      crowds.push(await openClients({ port, tokens: tokens.slice(index * count), subs: SUBSCRIPTIONS, count }));
    }
    await pause(2_000);
    const read = () => Promise.all(children.map(async (child) => ({ cpuMs: await child.ask<number>("cpuMs"), deliveries: deliveriesOf(await statsOf(child)) })));
    const before = await read();
    const { transitions, alerts } = await source.ask<{ transitions: number; alerts: number }>("traffic", { seed, ...TRAFFIC, ms: RUN_MS });
    await pause(1_000);
    const after = await read();
    const used = after.map(({ cpuMs, deliveries }, index) => ({ cpuMs: cpuMs - (before[index]?.cpuMs ?? 0), deliveries: deliveries - (before[index]?.deliveries ?? 0) }));
    for (const child of [...crowds, ...children]) await child.kill();
    const deliveries = used.reduce((sum, one) => sum + one.deliveries, 0);
    expectMany("two-bridges", deliveries, transitions * (CLIENTS / PEOPLE) + alerts * CLIENTS);
    return (deliveries * 1_000) / Math.max(...used.map(({ cpuMs }) => cpuMs));
  };
  const one = await carried(1, 1);
  const two = await carried(2, 2);
  await source.kill();
  await redis.stop();
  return [row("two-bridges", "two bridges on one Redis, deliveries per CPU second of one", "1/s", two, one)];
}

function deliveriesOf({ deliveries }: { deliveries: Record<string, number> }): number {
  return (deliveries["alerts"] ?? 0) + (deliveries["transitions"] ?? 0);
}
