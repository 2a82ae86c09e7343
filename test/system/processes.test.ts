import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import mqtt from "mqtt";
import { connect, type DeliveredEvent } from "@konferenco/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { requireSite } from "@konferenco/cli";
import { konferenco, temporaryFolder, type Run } from "../support/konferenco.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

/** docker-compose.yml starts these processes in containers; here they run by hand against a real Redis. */
describe("broker, fusion, bridge and simulator as processes of their own", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis({ durable: true });
  });
  afterAll(() => redis.stop());

  it("carry a walker's radio to an operator's screen, survive a killed bridge and report their health", async () => {
    const data = temporaryFolder("processes");
    const httpPort = await freePort();
    const env = { KONFERENCO_DATA: data, STORE_URL: redis.url };
    expect(await konferenco(["init"], { env }).exited).toBe(0);

    const broker = konferenco(["broker", "--mqtt-port", "0", "--mqtt-ws-port", "0", "--health-port", "0"], { env });
    const { mqttPort, healthPort } = await broker.line<{ mqttPort: number; healthPort: number }>((line) => line["event"] === "broker ready", "stderr");
    const withBroker = { ...env, BROKER_URL: `mqtt://127.0.0.1:${mqttPort}` };
    const fusion = konferenco(["fusion", "--health-port", "0"], { env: withBroker });
    const fusionReady = await fusion.line<{ healthPort: number }>((line) => line["event"] === "fusion ready", "stderr");
    const startBridge = async (): Promise<Run> => {
      const run = konferenco(["bridge", "--port", String(httpPort)], { env: withBroker });
      await run.line((line) => line["event"] === "bridge ready", "stderr");
      return run;
    };
    const bridge = await startBridge();
    const simulator = konferenco(["simulate", "--tags", "12", "--register", `http://127.0.0.1:${httpPort}`], { env: withBroker });

    for (const port of [healthPort, fusionReady.healthPort, httpPort]) {
      const health = konferenco(["health", "--port", String(port)]);
      expect(await health.exited, health.stdout()).toBe(0);
    }

    const operator = requireSite(data).logins.find(({ role }) => role === "operator");
    const token = async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/sessions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ login: operator?.login, password: operator?.password }),
      });
      return ((await response.json()) as { token: string }).token;
    };
    const seen: DeliveredEvent[] = [];
    const gaps: string[] = [];
    const watch = newWatch(() => seen);
    const client = connect({
      url: `ws://127.0.0.1:${httpPort}/events`,
      token,
      channels: [{ ch: "venue" }, { ch: "alerts" }],
      WebSocket,
      onEvent: (event) => {
        seen.push(event);
        watch.look();
      },
      onState: () => undefined,
      onGap: (why) => gaps.push(why),
    });
    await watch.until((events) => events.some((event) => event.t === "position") && events.some((event) => event.t === "zone.enter"));
    expect(seen.some((event) => event.t === "position" && event.d.subj.who === "person")).toBe(true);

    // kill -9: the client comes back to another process on the same port and has missed nothing.
    bridge.process.kill("SIGKILL");
    await bridge.exited;
    const before = seen.length;
    const second = await startBridge();
    await watch.until((events) => events.slice(before).some((event) => event.from === "live" && event.t === "position"));
    expect(gaps).toEqual([]);
    const ids = seen.flatMap((event) => (event.i === undefined ? [] : [event.i]));
    expect(new Set(ids).size).toBe(ids.length);

    // An operator's alert goes out over MQTT, into Redis and back to the screen.
    const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/alerts`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${await token()}` },
      body: JSON.stringify({ severity: "warning", title: "Doors", text: "The doors close in ten minutes" }),
    });
    expect(response.ok, await response.clone().text()).toBe(true);
    await watch.until((events) => events.some((event) => event.t === "alert" && event.d.title === "Doors"));

    // What passes through the processes adds up in whichever is asked; counted from when it first heard of each, so the client stays.
    const authorization = `Bearer ${await token()}`;
    const flow = async () => {
      const answer = await fetch(`http://127.0.0.1:${httpPort}/api/v1/flow`, { headers: { authorization } });
      return (await answer.json()) as { stages: Record<string, number>; lanes: Record<string, number> };
    };
    await expect.poll(async () => Object.values((await flow()).stages).filter((count) => count > 0).length, { timeout: 60_000, interval: 500 }).toBeGreaterThanOrEqual(7);
    client.close();

    for (const run of [simulator, second, fusion, broker]) expect(await run.stop(), run.stderr()).toBe(0);
  }, 120_000);

  it("a broker on another machine lets in whom a file of hashes names: the installation's gateways, and one of somebody else's", async () => {
    const data = temporaryFolder("hashed");
    const file = path.join(data, "broker.json");
    expect(await konferenco(["init", "--data", data, "--credentials", file]).exited).toBe(0);
    const site = requireSite(data);
    const text = fs.readFileSync(file, "utf8");
    for (const password of [...Object.values(site.gateways), ...Object.values(site.applications)]) expect(text).not.toContain(password);

    const made = konferenco(["password"]);
    expect(await made.exited).toBe(0);
    const [password = "", passwordHash = ""] = made.stdout().split("\n").map((line) => line.split(/\s+/)[1] ?? "");
    const credentials = JSON.parse(text) as { gateways: object[] };
    credentials.gateways.push({ gatewayId: "gw-theirs", passwordHash, eventId: "demo", zoneIds: ["hall"] });
    fs.writeFileSync(file, JSON.stringify(credentials));

    const broker = konferenco(["broker", "--credentials", file, "--data", path.join(data, "none"), "--mqtt-port", "0", "--mqtt-ws-port", "0", "--health-port", "0"]);
    const { mqttPort } = await broker.line<{ mqttPort: number }>((line) => line["event"] === "broker ready", "stderr");
    const logIn = (username: string, given: string) => mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { username, password: given, clientId: username, reconnectPeriod: 0 });
    for (const [name, right] of [["gw-theirs", password], ...Object.entries(site.gateways).slice(0, 1), ["app", site.applications["app"] ?? ""]] as const) {
      const client = await logIn(name, right);
      await client.endAsync();
    }
    await expect(logIn("gw-theirs", "something else")).rejects.toThrow();

    // The standard input of this run is empty.
    const nothing = konferenco(["password", "--stdin"]);
    expect(await nothing.exited).toBe(2);
    expect(nothing.stderr()).toContain("at least 8");
    expect(await broker.stop(), broker.stderr()).toBe(0);
  }, 60_000);

  it("say what is missing when they are started without an installation or without Redis", async () => {
    const data = temporaryFolder("unprepared");
    const unprepared = konferenco(["broker", "--data", data]);
    expect(await unprepared.exited).toBe(2);
    expect(unprepared.stderr()).toContain("konferenco init");
    expect(await konferenco(["init", "--data", data]).exited).toBe(0);
    const lonely = konferenco(["bridge", "--data", data, "--store", `redis://127.0.0.1:${await freePort()}`, "--port", "0"]);
    expect(await lonely.exited).not.toBe(0);
    expect(lonely.stderr()).toMatch(/redis/i);
  });
});

/** Resolves as soon as the events so far fit. */
function newWatch(events: () => DeliveredEvent[]) {
  const waiting = new Set<() => void>();
  return {
    look: () => waiting.forEach((look) => look()),
    until: (fits: (events: DeliveredEvent[]) => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!fits(events())) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
