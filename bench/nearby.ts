import http from "node:http";
import { row, type BenchRow } from "./harness.ts";
import { clockMs } from "./support/child.ts";
import { quantile } from "./support/quantile.ts";
import { startRedis } from "./support/redis.ts";
import { openBenchBridge, pause, tokensOf } from "./support/scene.ts";

const PEOPLE = 100_000;
const FLOORS = 4;
const QUESTIONS = 600;
const WITHIN = ["10m", "50m", "same_zone", "same_venue"];

/** `GET /api/v1/nearby` over HTTP, token and privacy included, at 100,000 people; beside `GET /health/live` over the same connection. */
export async function run(): Promise<BenchRow[]> {
  const embedded = await ask(undefined);
  const redis = await startRedis();
  const inRedis = await ask(redis.url);
  await redis.stop();
  return [
    row("nearby", "nearby at 100,000 people, embedded store, p95", "ms", embedded.figure, embedded.baseline),
    row("nearby", "nearby at 100,000 people, Redis, p95", "ms", inRedis.figure, inRedis.baseline),
  ];
}

async function ask(redis: string | undefined): Promise<{ figure: number; baseline: number }> {
  const open = { floors: FLOORS, ...(redis === undefined ? {} : { redis }) };
  const { bridge, port } = await openBenchBridge({ people: 0, devicesPerPerson: 0, open });
  // Half show their place, half their zone: the settings that cost most and least.
  await bridge.ask("people", { seed: 7, count: PEOPLE, level: "mixed", placed: true, floors: FLOORS });
  const askers = Array.from({ length: QUESTIONS }, (_, index) => `p${Math.floor((index * PEOPLE) / QUESTIONS)}`);
  const tokens = await tokensOf(bridge, askers.map((personId) => ({ role: "attendee", personId })));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const waitMs = async (path: string, token?: string): Promise<{ ms: number; body: string }> => {
    const beganMs = clockMs();
    const body = await get(agent, port, path, token);
    return { ms: clockMs() - beganMs, body };
  };
  await bridge.ask("caughtUp");
  await pause(1_000);
  const figures: number[] = [];
  const baselines: number[] = [];
  let answered = 0;
  for (let index = 0; index < QUESTIONS; index++) {
    const { ms, body } = await waitMs(`/api/v1/nearby?within=${WITHIN[index % WITHIN.length] ?? ""}`, tokens[index]);
    const plain = await waitMs("/health/live");
    answered += (JSON.parse(body) as { people: unknown[] }).people.length;
    if (index < QUESTIONS / 6) continue; // warm-up
    figures.push(ms);
    baselines.push(plain.ms);
  }
  agent.destroy();
  await bridge.kill();
  if (answered < QUESTIONS * 5) throw new Error(`nearby: ${answered} people in ${QUESTIONS} answers are too few to be true`);
  return { figure: quantile(figures, 0.95), baseline: quantile(baselines, 0.95) };
}

function get(agent: http.Agent, port: number, path: string, token: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ agent, port, host: "127.0.0.1", path, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("end", () => {
        const body = Buffer.concat(chunks).toString("utf8");
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`${path}: ${response.statusCode} ${body}`));
      });
    });
    request.once("error", reject);
  });
}
