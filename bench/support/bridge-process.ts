import { randomBytes } from "node:crypto";
import { writeHeapSnapshot } from "node:v8";
import { defaultPrivacySettings } from "@konferenco/protocol";
import { openBridge, openEmbeddedRegistry, openRedisRegistry, type Bearer, type Bridge, type BridgeLimits, type Registry } from "@konferenco/bridge";
import { KeyRing, openEmbeddedStore, openRedisStore, type Store } from "@konferenco/fusion";
import { answerQuestions, clockMs } from "./child.ts";
import type { Fact } from "./loss-clients.ts";
import { newDice } from "./quantile.ts";
import { runTraffic, somewhere, tagName, type TrafficRequest } from "./traffic.ts";
import { benchVenue } from "./venue.ts";

// A bridge as `konferenco up` has it: store, registry and bridge in one process; or, with `redis`, a bridge alone.

export interface OpenRequest {
  redis?: string;
  /** Folder of the keys and of the embedded store's log; without it these are in memory. */
  dataDir?: string;
  port?: number;
  /** The same for all bridges of an event. */
  secret?: Uint8Array;
  limits?: Partial<BridgeLimits>;
  floors?: number;
}

export interface PeopleRequest {
  seed: number;
  count: number;
  /** `mixed`: every other one precise. */
  level?: "precise" | "zone" | "mixed";
  /** They stand somewhere from the beginning. */
  placed?: boolean;
  floors?: number;
}

const eventId = "bench";
const origin = { lat: 50.11, lon: 8.68, bearingDeg: 0 };
let store: Store;
let registry: Registry;
let bridge: Bridge;

answerQuestions({
  async open({ redis, dataDir, port = 0, secret = randomBytes(48), limits = {}, floors = 2 }: OpenRequest): Promise<number> {
    const keys = await KeyRing.open({ folder: dataDir === undefined ? null : `${dataDir}/keys`, secret });
    store = redis === undefined ? await openEmbeddedStore({ eventId, dataDir: dataDir ?? null, keys, origin, nowMs: Date.now }) : await openRedisStore({ eventId, url: redis, keys, origin });
    registry = redis === undefined ? await openEmbeddedRegistry({ dataDir: dataDir ?? null, keys }) : await openRedisRegistry({ eventId, url: redis, keys });
    bridge = await openBridge({
      eventId,
      host: "127.0.0.1",
      port,
      venue: benchVenue(floors),
      store,
      registry,
      secret,
      logins: [],
      webRoot: null,
      publishAlert: async () => undefined,
      nowMs: Date.now,
      log: () => undefined,
      limits,
    });
    return bridge.port;
  },
  /** p0, p1 … with tags t0, t1 …, who show their level to everybody. */
  async people({ seed, count, level: wanted = "precise", placed = false, floors = 2 }: PeopleRequest) {
    const dice = newDice(seed);
    const interests = ["AI", "Rust", "Robots", "Design", "Health", "Energy"];
    const add = async (index: number) => {
      const personId = `p${index}`;
      const level = wanted === "mixed" ? (index % 2 === 0 ? "precise" : "zone") : wanted;
      const audiences = { connections: level, attendees: level, exhibitors: level, speakers: level, staff: level };
      await registry.putPerson({
        profile: { personId, name: `Person ${index}`, role: "attendee", company: "", interests: [interests[Math.floor(dice() * interests.length)] ?? ""], lookingFor: "", connections: [] },
        consent: { given: true, atMs: 1, version: "1" },
        settings: { ...defaultPrivacySettings(), level, audiences, discoverability: "public", proximityAlerts: true },
      });
      await registry.assignTag(tagName(index), personId);
    };
    for (let from = 0; from < count; from += 500) await Promise.all(Array.from({ length: Math.min(500, count - from) }, (_, index) => add(from + index)));
    if (!placed) return;
    for (let from = 0; from < count; from += 2_000) {
      const positions = Array.from({ length: Math.min(2_000, count - from) }, (_, index) => somewhere(from + index, dice, floors));
      const zoneTransitions = positions.map(({ tagId, zoneId, floor, atMs }) => ({ transition: "enter" as const, tagId, zoneId: zoneId ?? "", floor, atMs, confidence: 0.9 }));
      await store.commit({ alerts: [], proximityTransitions: [], gateways: [], positions, zoneTransitions }, Date.now());
    }
  },
  /** Resolves when the bridge has seen all that is in the log. */
  async caughtUp() {
    const { offset } = await store.end();
    while (bridge.stats().feed.offset < offset) await new Promise((resolve) => setTimeout(resolve, 100));
  },
  tokens: ({ bearers }: { bearers: Bearer[] }) => Promise.all(bearers.map((bearer) => bridge.issueToken(bearer))),
  traffic: (request: TrafficRequest) => runTraffic(store, request),
  /** What clients must be told of, as it stands in the log. */
  async logged(): Promise<Fact[]> {
    const facts: Fact[] = [];
    for (let page = await store.readLog(null, 1_000); page.updates.length > 0; page = await store.readLog(page.updates.at(-1)?.updateId ?? page.end, 1_000)) {
      for (const { body } of page.updates) {
        if (body.kind === "alert") facts.push({ what: `alert ${body.alert.alertId}`, person: null });
        if (body.kind !== "zone") continue;
        const { transition, atMs, zoneId, tagId } = body.zone;
        const person = tagId.replace("t", "p");
        facts.push({ what: `zone.${transition} ${atMs} ${zoneId} ${person}`, person });
      }
    }
    return facts;
  },
  stats: () => bridge.stats(),
  /** After forced collections: what is really held. */
  async memory() {
    for (let round = 0; round < 4; round++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return process.memoryUsage();
  },
  heapSnapshot: ({ file }: { file: string }) => writeHeapSnapshot(file),
  rss: () => process.memoryUsage.rss(),
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  clock: () => clockMs(),
  async close() {
    await bridge.close();
    await store.close();
    await registry.close();
  },
});
