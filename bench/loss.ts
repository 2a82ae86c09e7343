import { randomBytes } from "node:crypto";
import { row, type BenchRow } from "./harness.ts";
import { startChild, type Child } from "./support/child.ts";
import { temporaryFolder } from "./support/files.ts";
import type { Fact, Verdict } from "./support/loss-clients.ts";
import { startRedis } from "./support/redis.ts";
import { BRIDGE_FLAGS, pause, statsOf, tokensOf } from "./support/scene.ts";

const PEOPLE = 60;
const DEVICES = 2;
const OPERATORS = 4;
const TRAFFIC = { people: PEOPLE, transitionsPerS: 200, alertsPerS: 1, ms: 40_000 };
/** Slow readers must be found out while they are slow. */
const LIMITS = { slowAfterMs: 3_000 };

/**
 * Two bridges on one Redis, 124 clients with the client library behind a network with faults, 200 transitions and an
 * alert a second from a third process: kill -9 of each bridge, links cut, links silent for 5 s, readers at 8 KB/s for
 * 8 s. What the log holds in the end is compared with what each client handed to its page: nothing may be missing,
 * nothing there twice. The baselines: what came by replay alone, and what came again and was known by its id.
 */
export async function run(): Promise<BenchRow[]> {
  const redis = await startRedis();
  const event = { redis: redis.url, secret: randomBytes(48), keysDir: temporaryFolder("keys") };
  const openBridge = async (port?: number): Promise<{ child: Child; port: number }> => {
    const child = startChild("bridge-process", BRIDGE_FLAGS);
    return { child, port: await child.ask<number>("open", { ...event, limits: LIMITS, ...(port === undefined ? {} : { port }) }) };
  };
  const source = await openBridge();
  await source.child.ask("people", { seed: 1, count: PEOPLE });
  let [one, other] = [await openBridge(), await openBridge()];
  const people = Array.from({ length: PEOPLE * DEVICES }, (_, device) => `p${device % PEOPLE}`);
  const bearers = [...people.map((personId) => ({ role: "attendee" as const, personId })), ...Array.from({ length: OPERATORS }, () => ({ role: "operator" as const, personId: null }))];
  const tokens = await tokensOf(source.child, bearers);
  const clients = startChild("loss-clients");
  await clients.ask("connect", { ports: [one.port, other.port], clients: tokens.map((token, index) => ({ token, person: people[index] ?? null })) });

  const traffic = source.child.ask("traffic", { seed: 1, ...TRAFFIC });
  await pause(3_000);
  await one.child.kill();
  await pause(4_000);
  one = await openBridge(one.port);
  await pause(2_000);
  await clients.ask("cut");
  await pause(3_000);
  await clients.ask("weather", { weather: "silent" });
  await pause(5_000);
  await clients.ask("weather", { weather: "fair" });
  await pause(4_000);
  await other.child.kill();
  await clients.ask("weather", { weather: "slow" });
  await pause(8_000);
  other = await openBridge(other.port);
  await clients.ask("weather", { weather: "fair" });
  await traffic;

  const facts = await source.child.ask<Fact[]>("logged");
  const verdict = await clients.ask<Verdict>("verdict", { facts, withinMs: 60_000 });
  // The bridge that outlived the slow readers knows how many it sent away.
  const slow = (await statsOf(one.child)).closedByCode["4003"] ?? 0;
  await clients.ask("close");
  for (const child of [clients, one.child, other.child, source.child]) await child.kill();
  await redis.stop();
  const { expected, lost, twice, connections, gaps, replayed, duplicates } = verdict;
  if (connections < 3 * tokens.length || replayed < 1_000) throw new Error(`loss: ${connections} connections and ${replayed} replayed events are too few for the faults to be true`);
  process.stdout.write(`  ${expected} deliveries of ${facts.length} logged events over ${connections} connections of ${tokens.length} clients, ${slow} closed as slow, ${gaps} gaps told\n`);
  return [row("loss", "lost in lanes 0-1", "events", lost, replayed), row("loss", "twice in lanes 0-1 after dedupe", "events", twice, duplicates)];
}
