import { randomBytes } from "node:crypto";
import { row, type BenchRow } from "./harness.ts";
import type { OpenRequest } from "./support/bridge-process.ts";
import { startChild, type Child } from "./support/child.ts";
import { temporaryFolder } from "./support/files.ts";
import type { Weather } from "./support/faulty-link.ts";
import type { Fact, LossClient, Verdict } from "./support/loss-clients.ts";
import { startRedis } from "./support/redis.ts";
import { BRIDGE_FLAGS, pause, statsOf, tokensOf } from "./support/scene.ts";

const PEOPLE = 60;
const TRAFFIC = { people: PEOPLE, transitionsPerS: 200, alertsPerS: 1 };
/** Slow readers must be found out while they are slow. */
const LIMITS = { slowAfterMs: 3_000 };
/** A bridge that does not start, clients that do not connect. */
const START_WITHIN_MS = 20_000;
/** After the last fault: the longest wait of a client before it tries again, and the replay. */
const SETTLE_WITHIN_MS = 30_000;

/**
 * Nothing may be lost and nothing come twice, over kill -9 of bridges, links that are cut, links that fall silent and
 * readers of 8 KB/s: two bridges on one Redis, then one with the embedded store. Before them clients of two kinds, the
 * client library and an EventSource, behind a network with faults; 200 transitions and an alert a second. What the log
 * holds in the end is compared with what each client told its page. The baselines: what came by replay alone, and
 * what came again and was known by its id.
 */
export async function run(): Promise<BenchRow[]> {
  const verdicts = [await twoBridges(), await embedded()];
  const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((total, verdict) => total + of(verdict), 0);
  return [
    row("loss", "lost in lanes 0-1", "events", sum(({ lost }) => lost), sum(({ replayed }) => replayed)),
    row("loss", "twice in lanes 0-1 after dedupe", "events", sum(({ twice }) => twice), sum(({ duplicates }) => duplicates)),
  ];
}

async function twoBridges(): Promise<Verdict> {
  const tell = teller("two bridges, Redis");
  const redis = await startRedis();
  const event: OpenRequest = { redis: redis.url, secret: randomBytes(48), dataDir: temporaryFolder("keys"), limits: LIMITS };
  const source = await openBridge(event);
  let [one, other] = [await openBridge(event), await openBridge(event)];
  await source.child.ask("people", { seed: 1, count: PEOPLE });
  const crowd = await openCrowd(source.child, [one.port, other.port]);
  tell(`${crowd.size} clients are connected`);
  const traffic = source.child.ask("traffic", { seed: 1, ...TRAFFIC, ms: 28_000 });
  await pause(2_500);
  await one.child.kill();
  tell("the first bridge is killed");
  await pause(3_000);
  one = await openBridge({ ...event, port: one.port });
  tell("and there again");
  await pause(2_000);
  await crowd.cut();
  tell("all links are cut");
  await pause(2_500);
  await crowd.weather("silent");
  tell("the links are silent");
  await pause(4_000);
  await crowd.weather("fair");
  await pause(3_000);
  await other.child.kill();
  await crowd.weather("slow");
  tell("the second bridge is killed, and the links are slow");
  await pause(6_000);
  other = await openBridge({ ...event, port: other.port });
  await crowd.weather("fair");
  tell("all is well again");
  await traffic;
  const facts = await source.child.ask<Fact[]>("logged");
  // The bridge that outlived the slow readers knows how many it sent away.
  const slow = (await statsOf(one.child)).closedByCode["4003"] ?? 0;
  const verdict = await crowd.verdict(facts);
  tell(`${told(verdict, facts)}, ${slow} closed as slow`);
  for (const child of [one.child, other.child, source.child]) await child.kill();
  await redis.stop();
  return verdict;
}

/** One process, whose log survives it on disk. What was in the log before the kill must be in it afterwards. */
async function embedded(): Promise<Verdict> {
  const tell = teller("one bridge, embedded store");
  const event: OpenRequest = { secret: randomBytes(48), dataDir: temporaryFolder("embedded"), limits: LIMITS };
  let bridge = await openBridge(event);
  await bridge.child.ask("people", { seed: 1, count: PEOPLE });
  const crowd = await openCrowd(bridge.child, [bridge.port]);
  tell(`${crowd.size} clients are connected`);
  // Each life of the bridge has traffic of its own, which dies with it.
  void bridge.child.ask("traffic", { seed: 1, ...TRAFFIC, ms: 60_000 }).catch(() => undefined);
  await pause(3_000);
  const before = await bridge.child.ask<Fact[]>("logged");
  await bridge.child.kill();
  tell("the bridge is killed");
  await pause(1_000);
  bridge = await openBridge({ ...event, port: bridge.port });
  tell("and there again");
  const traffic = bridge.child.ask("traffic", { seed: 2, ...TRAFFIC, ms: 14_000 });
  await pause(4_000);
  await crowd.cut();
  await crowd.weather("slow");
  tell("all links are cut, and slow from then on");
  await pause(5_000);
  await crowd.weather("silent");
  tell("the links are silent");
  await pause(3_500);
  await crowd.weather("fair");
  tell("all is well again");
  await traffic;
  const facts = await bridge.child.ask<Fact[]>("logged");
  const verdict = await crowd.verdict(facts);
  const held = new Set(facts.map(({ what }) => what));
  verdict.lost += before.filter(({ what }) => !held.has(what)).length;
  tell(told(verdict, facts));
  await bridge.child.kill();
  return verdict;
}

async function openBridge(request: OpenRequest): Promise<{ child: Child; port: number }> {
  const child = startChild("bridge-process", BRIDGE_FLAGS);
  return { child, port: await child.ask<number>("open", request, START_WITHIN_MS) };
}

interface Crowd {
  size: number;
  weather(weather: Weather): Promise<void>;
  cut(): Promise<void>;
  /** Throws when the faults have done nothing. */
  verdict(facts: Fact[]): Promise<Verdict>;
}

/** Each person with a page and every third with an EventSource besides, and operators with both. */
async function openCrowd(source: Child, ports: number[]): Promise<Crowd> {
  const crowd = startChild("loss-clients");
  const people = Array.from({ length: PEOPLE }, (_, index) => `p${index}`);
  const bearers = [...people.map((personId) => ({ role: "attendee" as const, personId })), { role: "operator" as const, personId: null }];
  const tokens = await tokensOf(source, bearers);
  const clients = tokens.flatMap((token, index): LossClient[] => {
    const page: LossClient = { kind: "library", token, person: people[index] ?? null };
    const stream: LossClient = { ...page, kind: "event source" };
    if (page.person === null) return [page, page, page, stream, stream];
    return index % 3 === 0 ? [page, stream] : [page];
  });
  await crowd.ask("connect", { ports, clients }, START_WITHIN_MS);
  return {
    size: clients.length,
    weather: (weather) => crowd.ask("weather", { weather }),
    cut: () => crowd.ask("cut"),
    async verdict(facts) {
      const verdict = await crowd.ask<Verdict>("verdict", { facts, withinMs: SETTLE_WITHIN_MS }, 2 * SETTLE_WITHIN_MS);
      await crowd.ask("close");
      await crowd.kill();
      const { connections, replayed, examples } = verdict;
      for (const example of examples) process.stdout.write(`    ${example}\n`);
      if (connections < 3 * clients.length || replayed < 1_000) throw new Error(`loss: ${connections} connections of ${clients.length} clients and ${replayed} replayed events are too few for the faults to be true`);
      return verdict;
    },
  };
}

function told({ expected, lost, twice, connections, gaps, replayed, duplicates }: Verdict, facts: readonly Fact[]): string {
  return `${expected} deliveries of ${facts.length} logged events over ${connections} connections (${replayed} replayed, ${duplicates} known by their id): ${lost} lost, ${twice} twice, ${gaps} gaps told`;
}

function teller(part: string): (what: string) => void {
  const beganMs = performance.now();
  return (what) => void process.stdout.write(`  ${part}, ${((performance.now() - beganMs) / 1_000).toFixed(0).padStart(2)} s: ${what}\n`);
}
