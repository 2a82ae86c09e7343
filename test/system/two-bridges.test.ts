import { once } from "node:events";
import net from "node:net";
import { openRedisRegistry } from "@konferenco/bridge";
import { requireSite, secretOf } from "@konferenco/cli";
import { connect, type DeliveredEvent, type KonferencoClient } from "@konferenco/client";
import { KeyRing, emptyBatch, openRedisStore } from "@konferenco/fusion";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { konferenco, temporaryFolder } from "../support/konferenco.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const CLIENTS = 8;
const PEOPLE = 10;
/** On a machine that does ten other things. */
const PATIENCE_MS = 30_000;
/** Before the kill, while a bridge is dead, and after all are back. */
const MOVES = { before: 60, during: 120, after: 60 };

describe("two bridges on one Redis", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis({ durable: true });
  });
  afterAll(() => redis.stop());

  it("one is killed under load: its clients are back on the other, with nothing lost and nothing twice", async () => {
    const data = temporaryFolder("two-bridges");
    const env = { KONFERENCO_DATA: data, STORE_URL: redis.url, BROKER_URL: "mqtt://127.0.0.1:9" };
    expect(await konferenco(["init"], { env }).exited).toBe(0);
    const site = requireSite(data);
    const bridges = [0, 1].map(() => konferenco(["bridge", "--port", "0"], { env }));
    const urls = await Promise.all(bridges.map(async (bridge) => (await bridge.line<{ url: string }>((line) => line["event"] === "bridge ready", "stderr")).url));
    const ports = urls.map((url) => Number(new URL(url).port));
    const balancer = await openBalancer(ports);

    const keys = await KeyRing.open({ folder: `${data}.keys`, secret: secretOf(site) });
    const registry = await openRedisRegistry({ eventId: site.eventId, url: redis.url, keys });
    const store = await openRedisStore({ eventId: site.eventId, url: redis.url, keys, origin: { lat: 0, lon: 0, bearingDeg: 0 } });
    for (let index = 0; index < PEOPLE; index++) {
      const personId = `p${index}`;
      await registry.putPerson({ profile: { personId, name: `Person ${index}`, role: "attendee", company: "", interests: [], lookingFor: "", connections: [] }, consent: { given: true, atMs: 1, version: "1" } });
      await registry.assignTag(`t${index}`, personId);
    }
    const operator = site.logins.find(({ role }) => role === "operator");
    const response = await fetch(`http://127.0.0.1:${balancer.port}/api/v1/sessions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ login: operator?.login, password: operator?.password }) });
    const { token } = (await response.json()) as { token: string };

    const seen = Array.from({ length: CLIENTS }, () => ({ moves: [] as number[], gaps: 0 }));
    let wake = (): void => {};
    const clients: KonferencoClient[] = seen.map((mine) =>
      connect({
        url: `ws://127.0.0.1:${balancer.port}/events`,
        token,
        channels: [{ ch: "venue" }],
        WebSocket,
        fetch: null,
        onEvent: (event: DeliveredEvent) => {
          if (event.from !== "snapshot" && event.t === "zone.enter") mine.moves.push(event.at);
          wake();
        },
        onState: () => wake(),
        onGap: () => void mine.gaps++,
      }),
    );
    const until = async (what: string, holds: () => boolean) => {
      const endMs = Date.now() + PATIENCE_MS;
      const late = setTimeout(() => wake(), PATIENCE_MS);
      while (!holds() && Date.now() < endMs) await new Promise<void>((resolve) => (wake = resolve));
      clearTimeout(late);
      expect(holds(), `${what}: ${JSON.stringify(clients.map((client, index) => [client.state(), seen[index]?.moves.length, client.stats()]))}`).toBe(true);
    };
    await until("all are live", () => clients.every((client) => client.state().kind === "live"));
    expect([...balancer.joined.values()], "both bridges have clients").toEqual([expect.any(Number), expect.any(Number)]);

    // Each move has a time of its own, by which it is known.
    let atMs = 0;
    const move = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const zoneTransitions = [{ transition: "enter" as const, tagId: `t${atMs % PEOPLE}`, zoneId: "hall", floor: 0, atMs: ++atMs, confidence: 1 }];
        await store.commit({ ...emptyBatch(), zoneTransitions }, Date.now());
      }
    };
    await move(MOVES.before);
    bridges[0]?.process.kill("SIGKILL");
    await move(MOVES.during);
    await bridges[0]?.exited;
    await until("all are back", () => clients.every((client) => client.state().kind === "live"));
    await move(MOVES.after);
    await until("all have been told all", () => seen.every(({ moves }) => moves.length >= atMs));

    const all = Array.from({ length: atMs }, (_, index) => index + 1);
    for (const { moves, gaps } of seen) expect({ moves: [...moves].sort((a, b) => a - b), gaps }).toEqual({ moves: all, gaps: 0 });
    expect(clients.filter((client) => client.stats().connections > 1).length, "clients of the killed bridge").toBeGreaterThan(0);

    for (const client of clients) client.close();
    expect(await bridges[1]?.stop(), bridges[1]?.stderr()).toBe(0);
    await Promise.all([registry.close(), store.close(), balancer.close()]);
  }, 120_000);
});

/** Who comes is given to the next server that answers. */
async function openBalancer(ports: readonly number[]): Promise<{ port: number; joined: Map<number, number>; close(): Promise<void> }> {
  const joined = new Map<number, number>();
  const sockets = new Set<net.Socket>();
  let next = 0;
  const server = net.createServer((near) => {
    const join = (tries: number): void => {
      const port = ports[next++ % ports.length] as number;
      const far = net.connect(port, "127.0.0.1");
      far.once("connect", () => joined.set(port, (joined.get(port) ?? 0) + 1));
      far.once("error", () => (tries > 1 && !near.destroyed && far.bytesRead === 0 ? join(tries - 1) : near.destroy()));
      far.once("connect", () => {
        near.pipe(far).pipe(near);
        for (const socket of [near, far]) sockets.add(socket.once("close", () => [near, far].forEach((one) => one.destroy())));
      });
    };
    near.on("error", () => undefined);
    join(ports.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    joined,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
