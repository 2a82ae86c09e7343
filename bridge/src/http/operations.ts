import { z } from "zod";
import type { Store } from "@konferenco/fusion";
import type { BridgeStats } from "../config.ts";
import type { BridgeMetrics } from "../metrics.ts";
import type { Registry } from "../registry/registry.ts";
import type { UpdateFeed } from "../update-feed.ts";
import { asyncApiOf } from "./asyncapi.ts";
import { openApiOf } from "./openapi.ts";
import { route, type Route } from "./router.ts";

/** A store that takes longer is as good as away for a health check, whose callers time out at 3 to 5 s. */
const HEALTH_TIMEOUT_MS = 2_000;

export interface OperationsOptions {
  store: Store;
  registry: Registry;
  feed: UpdateFeed;
  metrics: BridgeMetrics;
  stats: () => BridgeStats;
  version: string;
  startedAtMs: number;
  nowMs: () => number;
}

const stateSchema = z.object({ ok: z.boolean(), answeredInMs: z.number().nullable() });
const healthSchema = z.object({
  status: z.enum(["ok", "degraded"]),
  version: z.string(),
  uptimeS: z.number(),
  store: stateSchema,
  registry: stateSchema,
  feed: z.object({ ok: z.boolean(), epoch: z.string(), offset: z.number(), pending: z.number(), gaps: z.number() }),
  connections: z.number(),
  deliveryP95Ms: z.number().nullable(),
});

/** What operators and their machines ask: is it well, how much does it do, what can be asked of it. Nothing about people. */
export function operationsRoutes(options: OperationsOptions, apiRoutes: readonly Route[]): Route[] {
  const routes: Route[] = [
    route({
      method: "GET",
      path: "/health",
      summary: "How the bridge and what it stands on do",
      access: "public",
      answers: healthSchema,
      async handle() {
        const body = await healthOf(options);
        return { status: body.status === "ok" ? 200 : 503, body };
      },
    }),
    route({ method: "GET", path: "/health/live", summary: "The process runs", access: "public", answers: z.object({ status: z.literal("ok") }), handle: () => ({ status: 200, body: { status: "ok" } }) }),
    route({
      method: "GET",
      path: "/health/ready",
      summary: "Clients can be served",
      access: "public",
      answers: z.object({ status: z.enum(["ok", "degraded"]) }),
      async handle() {
        const { status } = await healthOf(options);
        return { status: status === "ok" ? 200 : 503, body: { status } };
      },
    }),
    route({ method: "GET", path: "/metrics", summary: "Prometheus metrics", access: "public", handle: async () => ({ status: 200, text: { type: options.metrics.type, text: await options.metrics.text() } }) }),
  ];
  const live = asyncApiOf(options.version);
  routes.push(route({ method: "GET", path: "/asyncapi.json", summary: "The live protocol, as AsyncAPI 3", access: "public", handle: () => ({ status: 200, body: live }) }));
  const description = openApiOf([...apiRoutes, ...routes], options.version);
  return [...routes, route({ method: "GET", path: "/openapi.json", summary: "This description", access: "public", handle: () => ({ status: 200, body: description }) })];
}

async function healthOf({ store, registry, feed, stats, version, startedAtMs, nowMs }: OperationsOptions): Promise<z.output<typeof healthSchema>> {
  const [storeState, registryState] = await Promise.all([answerTime(store), answerTime(registry)]);
  const { connections, deliveryP95Ms } = stats();
  return {
    status: storeState.ok && registryState.ok && !feed.failing ? "ok" : "degraded",
    version,
    uptimeS: Math.floor((nowMs() - startedAtMs) / 1_000),
    store: storeState,
    registry: registryState,
    feed: { ok: !feed.failing, ...feed.at, pending: feed.pending, gaps: feed.gaps },
    connections,
    deliveryP95Ms,
  };
}

async function answerTime(what: { ping(): Promise<void> }): Promise<z.output<typeof stateSchema>> {
  const startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("too late")), HEALTH_TIMEOUT_MS);
  });
  try {
    await Promise.race([what.ping(), tooLate]);
    return { ok: true, answeredInMs: Math.round((performance.now() - startedMs) * 10) / 10 };
  } catch {
    return { ok: false, answeredInMs: null };
  } finally {
    clearTimeout(timer);
  }
}
