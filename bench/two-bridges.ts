import { randomBytes } from "node:crypto";
import { median, row, type BenchRow } from "./harness.ts";
import { startChild, type Child } from "./support/child.ts";
import { temporaryFolder } from "./support/files.ts";
import { startRedis } from "./support/redis.ts";
import { BRIDGE_FLAGS, expectMany, openClients, pause, statsOf, SUBSCRIPTIONS, tokensOf } from "./support/scene.ts";

const PEOPLE = 1_000;
const CLIENTS = 4_000;
/** Of clients, whether they are on one bridge or on two: the writer pays for waking them. */
const CROWDS = 2;
const PAIRS = 3;
const QUIET_PER_S = 500;
const BUSY_PER_S = 2_000;
const RUN_MS = 8_000;
/** How often fusion commits, with all that happened since (`tickMs`); each commit wakes every bridge. */
const FUSION_STEP_MS = 500;
/** The worst case: as many small commits as a lively chat makes. */
const SMALL_STEP_MS = 20;
/** A process that has just begun compiles what it runs; one that carries an event has done so. After 5 s compiling takes a fifth of what a bridge without clients uses. */
const WARM_UP_MS = 15_000;

/** Deliveries per second of CPU of a bridge, which is what a core carries: at few and at many transitions a second, and at few in small commits. */
interface Carried {
  quiet: number;
  busy: number;
  small: number;
}

/**
 * The same event, 4,000 clients on one bridge and 2,000 on each of two, on one Redis, in turn: deliveries per second of
 * CPU of a bridge. Each person has two devices on either bridge, so that every event concerns both. Throughput
 * itself would measure the machine: two cores hold Redis, the load and both bridges.
 */
export async function run(): Promise<BenchRow[]> {
  const redis = await startRedis();
  const event = { redis: redis.url, secret: randomBytes(48), dataDir: temporaryFolder("keys") };
  const source = startChild("bridge-process", BRIDGE_FLAGS);
  await source.ask("open", event);
  await source.ask("people", { seed: 1, count: PEOPLE });
  const tokens = await tokensOf(source, Array.from({ length: CLIENTS }, (_, device) => ({ role: "attendee", personId: `p${device % PEOPLE}` })));
  let seed = 0;
  const traffic = (transitionsPerS: number, stepMs: number, ms: number) =>
    source.ask<{ transitions: number; alerts: number }>("traffic", { seed: ++seed, people: PEOPLE, transitionsPerS, alertsPerS: 1, stepMs, ms });

  const carriedBy = async (count: number): Promise<Carried> => {
    const bridges = Array.from({ length: count }, () => startChild("bridge-process", BRIDGE_FLAGS));
    const ports = await Promise.all(bridges.map((bridge) => bridge.ask<number>("open", event)));
    const crowds: Child[] = [];
    for (let index = 0; index < CROWDS; index++) {
      const size = CLIENTS / CROWDS;
      crowds.push(await openClients({ port: ports[index % count] ?? 0, tokens: tokens.slice(index * size), subs: SUBSCRIPTIONS, count: size }));
    }
    const used = async () => {
      const each = await Promise.all(bridges.map(async (bridge) => ({ cpuMs: await bridge.ask<number>("cpuMs"), deliveries: deliveriesOf(await statsOf(bridge)) })));
      return { cpuMs: each.reduce((sum, { cpuMs }) => sum + cpuMs, 0), deliveries: each.reduce((sum, { deliveries }) => sum + deliveries, 0) };
    };
    const measured = async (transitionsPerS: number, stepMs: number): Promise<number> => {
      const before = await used();
      const { transitions, alerts } = await traffic(transitionsPerS, stepMs, RUN_MS);
      await pause(1_000);
      const after = await used();
      const deliveries = after.deliveries - before.deliveries;
      expectMany("two-bridges", deliveries, transitions * (CLIENTS / PEOPLE) + alerts * CLIENTS);
      return (deliveries * 1_000 * count) / (after.cpuMs - before.cpuMs);
    };
    await pause(2_000);
    await traffic(BUSY_PER_S, SMALL_STEP_MS, WARM_UP_MS);
    await pause(1_000);
    const carried = { quiet: await measured(QUIET_PER_S, FUSION_STEP_MS), busy: await measured(BUSY_PER_S, FUSION_STEP_MS), small: await measured(QUIET_PER_S, SMALL_STEP_MS) };
    for (const child of [...crowds, ...bridges]) await child.kill();
    return carried;
  };

  const [one, two]: [Carried[], Carried[]] = [[], []];
  for (let pair = 0; pair < PAIRS; pair++) {
    one.push(await carriedBy(1));
    two.push(await carriedBy(2));
  }
  await source.kill();
  await redis.stop();
  const told = (perS: number, stepMs: number, of: (carried: Carried) => number) =>
    row("two-bridges", `deliveries per CPU s of two bridges, ${perS} transitions/s in ${1_000 / stepMs} commits`, "1/s", median(two.map(of)), median(one.map(of)));
  return [told(QUIET_PER_S, FUSION_STEP_MS, ({ quiet }) => quiet), told(BUSY_PER_S, FUSION_STEP_MS, ({ busy }) => busy), told(QUIET_PER_S, SMALL_STEP_MS, ({ small }) => small)];
}

function deliveriesOf({ deliveries }: { deliveries: Record<string, number> }): number {
  return (deliveries["alerts"] ?? 0) + (deliveries["transitions"] ?? 0);
}
