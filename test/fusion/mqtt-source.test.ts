import mqtt, { type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigError, alertTopic, beaconTopic, gatewayStatusTopic, sensorTopic } from "@konferenco/protocol";
import { openBroker, type Broker, type BrokerCredentials } from "@konferenco/broker";
import { openMqttSource, type MqttSource, type MqttSourceOptions } from "@konferenco/fusion";

const credentials: BrokerCredentials = {
  gateways: [{ gatewayId: "gw-1", password: "one", eventId: "demo", zoneIds: ["hall"] }],
  applications: [
    { name: "fusion", password: "secret", eventId: "demo", rights: ["read-reports", "read-sensors", "read-alerts", "read-status"] },
    { name: "half", password: "secret", eventId: "demo", rights: ["read-reports"] },
    { name: "desk", password: "secret", eventId: "demo", rights: ["publish-alerts", "publish-sensors"] },
  ],
};

let broker: Broker;
let sources: MqttSource[];
let clients: MqttClient[];

async function startBroker(tcpPort = 0): Promise<Broker> {
  return openBroker({ host: "127.0.0.1", tcpPort, wsPort: null, credentials, nowMs: Date.now, log: () => {} });
}

beforeEach(async () => {
  broker = await startBroker();
  sources = [];
  clients = [];
});
afterEach(async () => {
  for (const source of sources) await source.close();
  for (const client of clients) await client.endAsync(true);
  await broker.close();
});

async function openSource(over: Partial<MqttSourceOptions> = {}): Promise<{ topics: string[]; next(topic: string): Promise<void> }> {
  const topics: string[] = [];
  const waiting: { topic: string; resolve: () => void }[] = [];
  const source = await openMqttSource({
    url: `mqtt://127.0.0.1:${broker.tcpPort}`,
    eventId: "demo",
    username: "fusion",
    password: "secret",
    ...over,
    onMessage: (message) => {
      topics.push(message.topic);
      for (const one of waiting) if (one.topic === message.topic) one.resolve();
      return over.onMessage?.(message);
    },
  });
  sources.push(source);
  return {
    topics,
    next: (topic) => (topics.includes(topic) ? Promise.resolve() : new Promise((resolve) => waiting.push({ topic, resolve }))),
  };
}

async function login(name: string, password: string): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.tcpPort}`, { username: name, password, clientId: name, protocolVersion: 4 });
  clients.push(client);
  return client;
}

describe("reading an event from a broker in another process", () => {
  it("brings reports, sensors, alerts and status of the event", async () => {
    const source = await openSource();
    const [gateway, desk] = [await login("gw-1", "one"), await login("desk", "secret")];
    await gateway.publishAsync(beaconTopic("demo", "hall"), "{}");
    await gateway.publishAsync(gatewayStatusTopic("demo", "gw-1"), "{}", { qos: 1, retain: true });
    await desk.publishAsync(sensorTopic("demo", "position"), "{}", { qos: 1 });
    await desk.publishAsync(alertTopic("demo", "emergency"), "{}", { qos: 2 });
    const all = [beaconTopic("demo", "hall"), gatewayStatusTopic("demo", "gw-1"), sensorTopic("demo", "position"), alertTopic("demo", "emergency")];
    await Promise.all(all.map((topic) => source.next(topic)));
    expect(source.topics.toSorted()).toEqual(all.toSorted());
  });

  it("an alert that cannot be stored comes again until it can", async () => {
    let attempts = 0;
    let isStored = (): void => {};
    const stored = new Promise<void>((resolve) => (isStored = resolve));
    const events: object[] = [];
    await openSource({
      log: (event) => events.push(event),
      onMessage: () => {
        attempts++;
        if (attempts < 3) return Promise.reject(new Error("the store is away"));
        isStored();
      },
    });
    const desk = await login("desk", "secret");
    await desk.publishAsync(alertTopic("demo", "emergency"), "{}", { qos: 2 });
    await stored;
    expect(attempts).toBe(3);
    expect(events.filter((event) => "event" in event && event.event === "message-not-stored")).toHaveLength(2);
  });

  it("an alert that waits for the store does not hold up the reports", async () => {
    const source = await openSource({ onMessage: ({ topic }) => (topic.includes("/alert/") ? new Promise(() => {}) : undefined) });
    const [gateway, desk] = [await login("gw-1", "one"), await login("desk", "secret")];
    await desk.publishAsync(alertTopic("demo", "emergency"), "{}", { qos: 2 });
    await source.next(alertTopic("demo", "emergency"));
    await gateway.publishAsync(beaconTopic("demo", "hall"), "{}");
    await source.next(beaconTopic("demo", "hall"));
  });

  it("an alert that was sent while nobody read comes when somebody does", async () => {
    await openSource();
    for (const source of sources.splice(0)) await source.close();
    const desk = await login("desk", "secret");
    await desk.publishAsync(alertTopic("demo", "info"), "{}", { qos: 2 });
    const source = await openSource();
    await source.next(alertTopic("demo", "info"));
  });

  it("comes back by itself when the broker does", async () => {
    const { tcpPort } = broker;
    const events: { event: string }[] = [];
    const source = await openSource({ log: (event) => events.push(event as { event: string }) });
    await broker.close();
    broker = await startBroker(tcpPort);
    const gateway = await login("gw-1", "one");
    const again = setInterval(() => gateway.publish(beaconTopic("demo", "hall"), "{}"), 100);
    await source.next(beaconTopic("demo", "hall"));
    clearInterval(again);
    expect(events.map(({ event }) => event)).toContain("broker-away");
    // The other of its two connections may be back a moment later.
    await vi.waitFor(() => expect(events.map(({ event }) => event)).toContain("broker-back"), { timeout: 10_000 });
  });

  it("a wrong password is said at once, with what to check", async () => {
    await expect(openSource({ password: "guess" })).rejects.toThrow(ConfigError);
    await expect(openSource({ password: "guess" })).rejects.toThrow(/refuses the login "fusion"/);
  });

  it("a login that may not read everything is told which rights it needs", async () => {
    await expect(openSource({ username: "half" })).rejects.toThrow(/read-alerts/);
  });

  it("waits for a broker that is not there yet", async () => {
    const { tcpPort } = broker;
    await broker.close();
    const opening = openSource({ url: `mqtt://127.0.0.1:${tcpPort}` });
    broker = await startBroker(tcpPort);
    await opening;
  });
});
