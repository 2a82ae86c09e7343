import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { MqttClient } from "mqtt";
import { WebSocket } from "ws";
import { ConfigError } from "@konferenco/protocol";
import { openBroker, storeCredentials } from "@konferenco/broker";
import { CREDENTIALS, gone, openTestBroker, until, type TestBroker } from "./helper.ts";

let venue: TestBroker;
beforeEach(async () => {
  venue = await openTestBroker();
});
afterEach(() => venue.close());

const hall = "konferenco/demo/beacon/hall";
const refused = () => venue.broker.stats().refused;

async function received(client: MqttClient, topic: string): Promise<{ topic: string; text: string; retain: boolean }[]> {
  const got: { topic: string; text: string; retain: boolean }[] = [];
  client.on("message", (name, payload, packet) => got.push({ topic: name, text: payload.toString(), retain: packet.retain }));
  await client.subscribeAsync(topic, { qos: 2 });
  return got;
}

describe.each(["tcp", "ws"] as const)("over %s", (over) => {
  it.each([0, 1, 2] as const)("a gateway's report at QoS %i reaches the handler with who sent it", async (qos) => {
    const gateway = await venue.connect("gw-1", { over });
    await gateway.publishAsync(hall, "report", { qos });
    await until(() => venue.messages.length === 1, "the report arrives");
    const [message] = venue.messages;
    expect(message).toMatchObject({ topic: hall, qos, principal: { kind: "gateway", gatewayId: "gw-1", eventId: "demo" } });
    expect(Buffer.from(message!.payload).toString()).toBe("report");
    expect(venue.broker.stats()).toMatchObject({ clients: 1, received: 1, refused: {} });
    expect(venue.broker.stats().bytes).toBeGreaterThan(40);
  });

  it("a wrong password is answered with CONNACK 4 and logged once", async () => {
    for (let i = 0; i < 3; i++) await expect(venue.connect("gw-1", { over, password: "guess" })).rejects.toMatchObject({ code: 4 });
    await expect(venue.connect("nobody", { over })).rejects.toMatchObject({ code: 4 });
    expect(refused()).toEqual({ LOGIN_UNKNOWN: 4 });
    expect(venue.logs).toHaveLength(1);
    expect(JSON.stringify(venue.logs)).not.toContain("guess");
  });

  it("an MQTT 5 client is answered with return code 1 and closed, not with silence", async () => {
    await expect(venue.connect("gw-1", { over, protocolVersion: 5 })).rejects.toThrow();
    await until(() => refused().PROTOCOL_UNKNOWN === 1, "it is counted");
  });

  it("a large report passes whole in both directions", async () => {
    const fusion = await venue.connect("fusion", { over });
    const got = await received(fusion, "konferenco/demo/beacon/+");
    const gateway = await venue.connect("gw-1", { over });
    const payload = "r".repeat(256 * 1024);
    await gateway.publishAsync(hall, payload, { qos: 1 });
    await until(() => got.length === 1, "fusion gets it");
    expect(got[0]?.text.length).toBe(payload.length);
  });
});

describe("a client id", () => {
  it("cannot be taken from another gateway", async () => {
    const victim = await venue.connect("gw-1");
    await expect(venue.connect("gw-2", { clientId: "gw-1" })).rejects.toMatchObject({ code: 2 });
    await expect(venue.connect("gw-2", { clientId: "gw-1/x" })).rejects.toMatchObject({ code: 2 });
    expect(refused()).toEqual({ CLIENT_ID_FOREIGN: 2 });
    await victim.publishAsync(hall, "still here", { qos: 1 });
    expect(venue.messages).toHaveLength(1);
  });

  it("may have a part of one's own, and the same one twice throws out the older", async () => {
    const first = await venue.connect("gw-1", { clientId: "gw-1/a" });
    await venue.connect("gw-1", { clientId: "gw-1/b" });
    expect(venue.broker.stats().clients).toBe(2);
    const lost = gone(first);
    await venue.connect("gw-1", { clientId: "gw-1/a" });
    await lost;
    expect(venue.broker.stats().clients).toBe(2);
  });

  it("left empty gets one under the user name; left empty with a stored session is refused", async () => {
    await venue.connect("gw-1", { clientId: "" });
    await expect(venue.connect("gw-1", { clientId: "", clean: false })).rejects.toThrow();
  });
});

describe("a refused publication", () => {
  it.each([
    ["konferenco/demo/beacon/stage", false, "TOPIC_FOREIGN_ZONE"],
    ["konferenco/other/beacon/hall", false, "TOPIC_FOREIGN_EVENT"],
    ["konferenco/demo/alert/info", false, "TOPIC_RIGHT_MISSING"],
    ["konferenco/demo/gateway/gw-2/status", false, "GATEWAY_FOREIGN"],
    ["$SYS/x", false, "TOPIC_SYSTEM"],
    ["a/b/c/d/e/f/g/h/i", false, "TOPIC_UNKNOWN"],
    [hall, true, "RETAIN_REFUSED"],
  ] as const)("on %s (retain %s) is counted as %#: %s, closes its own connection and nobody else's", async (topic, retain, code) => {
    const bystander = await venue.connect("gw-2");
    const gateway = await venue.connect("gw-1");
    const lost = gone(gateway);
    gateway.publish(topic, "x", { qos: 1, retain }, () => {});
    await lost;
    expect(refused()).toEqual({ [code]: 1 });
    expect(venue.messages).toHaveLength(0);
    await bystander.publishAsync("konferenco/demo/beacon/stage", "y", { qos: 1 });
    expect(venue.messages).toHaveLength(1);
    await until(() => venue.logs.some(({ event, because }) => event === "gateway.lost" && because === code), "the log says why the gateway was lost");
  });

  it("leaves nothing retained", async () => {
    const gateway = await venue.connect("gw-1");
    const lost = gone(gateway);
    gateway.publish(hall, "ghost", { retain: true });
    await lost;
    const got = await received(await venue.connect("fusion"), "konferenco/demo/beacon/+");
    await venue.broker.publish(hall, "live", { qos: 1, retain: false });
    await until(() => got.length > 0, "the live one arrives");
    expect(got.map(({ text }) => text)).toEqual(["live"]);
  });
});

describe("a subscription", () => {
  it.each(["#", "+/#", "konferenco/demo/#", "$SYS/#", "$SYS/+/new/clients", "$share/g/konferenco/demo/alert/+", "konferenco/+/alert/info", "konferenco/other/alert/+", "konferenco/demo/+/+", "konferenco/demo/beacon/hall"])(
    "of the desk to %s is answered with 128, and delivers nothing",
    async (filter) => {
      const desk = await venue.connect("desk");
      await expect(desk.subscribeAsync(filter)).rejects.toThrow();
      const seen: string[] = [];
      desk.on("message", (topic) => seen.push(topic));
      const gateway = await venue.connect("gw-1");
      await gateway.publishAsync(hall, "x", { qos: 1 });
      await venue.broker.publish("konferenco/other/alert/info", "x", { qos: 1, retain: false });
      await desk.publishAsync("konferenco/demo/alert/info", "x", { qos: 2 });
      expect(seen).toEqual([]);
      expect(Object.values(refused())).toEqual([1]);
    },
  );

  it("refused leaves the good filters of the same packet and the connection alone", async () => {
    const desk = await venue.connect("desk");
    const seen: string[] = [];
    desk.on("message", (topic) => seen.push(topic));
    await desk.subscribeAsync({ "#": { qos: 0 }, "konferenco/demo/alert/+": { qos: 1 } }).catch(() => {});
    await desk.publishAsync("konferenco/demo/alert/warning", "x", { qos: 2 });
    await until(() => seen.length === 1, "the alert arrives");
    expect(desk.connected).toBe(true);
  });

  it("beyond the bound is refused and counted", async () => {
    await venue.close();
    venue = await openTestBroker({ limits: { maxSubscriptionsPerClient: 2 } });
    const fusion = await venue.connect("fusion");
    await fusion.subscribeAsync(["konferenco/demo/beacon/+", "konferenco/demo/alert/+"]);
    await expect(fusion.subscribeAsync("konferenco/demo/sensor/+")).rejects.toThrow();
    expect(refused()).toEqual({ SUBSCRIPTION_LIMIT: 1 });
  });
});

describe("a gateway's status", () => {
  const status = "konferenco/demo/gateway/gw-1/status";
  const will = { topic: status, payload: Buffer.from("offline"), qos: 1 as const, retain: true };

  it("is retained for whoever comes later, and its last will says when it is gone", async () => {
    const gateway = await venue.connect("gw-1", { will });
    await gateway.publishAsync(status, "online", { qos: 1, retain: true });
    const got = await received(await venue.connect("desk"), "konferenco/demo/gateway/+/status");
    await until(() => got.length === 1, "the retained status arrives");
    expect(got[0]).toEqual({ topic: status, text: "online", retain: true });
    gateway.stream.destroy();
    await until(() => got.length === 2, "the will arrives");
    expect(got[1]?.text).toBe("offline");
    expect(venue.messages.map(({ payload }) => Buffer.from(payload).toString())).toEqual(["online", "offline"]);
    const late = await received(await venue.connect("fusion"), status);
    await until(() => late.length === 1, "the retained will arrives");
    expect(late[0]?.text).toBe("offline");
  });

  it("after a proper goodbye the will is not sent", async () => {
    const gateway = await venue.connect("gw-1", { will });
    await gateway.endAsync();
    await until(() => venue.broker.stats().clients === 0, "it is gone");
    expect(venue.messages).toHaveLength(0);
  });

  it("cannot be forged by a last will on a foreign topic: the login is refused", async () => {
    await expect(venue.connect("gw-2", { will })).rejects.toMatchObject({ code: 5 });
    await expect(venue.connect("gw-1", { will: { ...will, topic: "konferenco/demo/alert/emergency" } })).rejects.toMatchObject({ code: 5 });
    await expect(venue.connect("gw-1", { will: { ...will, topic: "$SYS/x" } })).rejects.toMatchObject({ code: 5 });
    expect(refused()).toEqual({ GATEWAY_FOREIGN: 1, TOPIC_RIGHT_MISSING: 1, TOPIC_SYSTEM: 1 });
    expect(venue.broker.stats().clients).toBe(0);
  });

  it("connecting and losing a gateway is one log line each, over all its connections", async () => {
    const first = await venue.connect("gw-1", { clientId: "gw-1/a" });
    const second = await venue.connect("gw-1", { clientId: "gw-1/b" });
    await first.endAsync();
    await second.endAsync();
    await until(() => venue.logs.length === 2, "both lines are there");
    expect(venue.logs.map(({ event, gatewayId }) => [event, gatewayId])).toEqual([["gateway.connected", "gw-1"], ["gateway.lost", "gw-1"]]);
  });
});

describe("what an acknowledgement means", () => {
  it.each([1, 2] as const)("QoS %i is acknowledged only after the handler has stored it", async (qos) => {
    let store = () => {};
    venue.handle.fn = () => new Promise<void>((resolve) => { store = resolve; });
    const gateway = await venue.connect("gw-1");
    let acknowledged = false;
    const done = gateway.publishAsync(hall, "x", { qos }).then(() => { acknowledged = true; });
    await until(() => venue.messages.length === 1, "the handler has it");
    await new Promise((resolve) => setImmediate(resolve));
    expect(acknowledged).toBe(false);
    store();
    await done;
  });

  it.each([1, 2] as const)("QoS %i that the handler fails on is not acknowledged, not delivered, and comes again", async (qos) => {
    const got = await received(await venue.connect("fusion"), "konferenco/demo/beacon/+");
    venue.handle.fn = () => Promise.reject(new Error("disk full"));
    const gateway = await venue.connect("gw-1", { reconnectPeriod: 50, clean: false });
    const done = gateway.publishAsync(hall, "x", { qos });
    await until(() => venue.broker.stats().handlerFailures >= 1, "the handler failed");
    expect(got).toHaveLength(0);
    venue.handle.fn = () => {};
    await done; // mqtt.js sends it again after its reconnect
    await until(() => got.length >= 1, "it is delivered");
    expect(got).toHaveLength(1);
    expect(venue.logs.filter(({ event }) => event === "broker.ingest-failed")).toHaveLength(1);
  });

  it("a handler that throws at once is the same as one that rejects, and QoS 0 only costs itself", async () => {
    venue.handle.fn = () => { throw new Error("bug"); };
    const gateway = await venue.connect("gw-1");
    await gateway.publishAsync(hall, "x", { qos: 0 });
    await until(() => venue.broker.stats().handlerFailures === 1, "it failed");
    venue.handle.fn = () => Promise.reject(new Error("later"));
    await gateway.publishAsync(hall, "x", { qos: 0 });
    await until(() => venue.broker.stats().handlerFailures === 2, "it failed again");
    venue.handle.fn = () => {};
    await gateway.publishAsync(hall, "x", { qos: 1 });
    expect(gateway.connected).toBe(true);
  });

  it("a handler that throws at once at QoS 1 gives no acknowledgement", async () => {
    venue.handle.fn = () => { throw new Error("bug"); };
    const gateway = await venue.connect("gw-1");
    const lost = gone(gateway);
    let acknowledged = false;
    gateway.publish(hall, "x", { qos: 1 }, (error) => { acknowledged = error === undefined || error === null; });
    await lost;
    expect(acknowledged).toBe(false);
    expect(venue.broker.stats().handlerFailures).toBe(1);
  });

  it("acknowledgements come in the order of the messages, also when the store answers in another", async () => {
    const answers: (() => void)[] = [];
    venue.handle.fn = () => new Promise<void>((resolve) => answers.push(resolve));
    const gateway = await venue.connect("gw-1");
    const order: number[] = [];
    const all = [0, 1, 2].map((n) => gateway.publishAsync(hall, `${n}`, { qos: 1 }).then(() => order.push(n)));
    await until(() => answers.length === 3, "all three are with the store");
    for (const answer of answers.reverse()) answer();
    await Promise.all(all);
    expect(order).toEqual([0, 1, 2]);
  });

  it("a store that hangs for one gateway does not hold up another", async () => {
    venue.handle.fn = ({ principal }) => (principal.kind === "gateway" && principal.gatewayId === "gw-1" ? new Promise<void>(() => {}) : undefined);
    const stuck = await venue.connect("gw-1");
    stuck.publish(hall, "x", { qos: 1 });
    await until(() => venue.messages.length === 1, "the first one hangs");
    const other = await venue.connect("gw-2");
    await other.publishAsync("konferenco/demo/beacon/stage", "y", { qos: 1 });
  });
});

describe("publishing from inside", () => {
  it("passes the handler and reaches subscribers; an unknown topic is an error with its code", async () => {
    const got = await received(await venue.connect("desk"), "konferenco/demo/alert/+");
    await venue.broker.publish("konferenco/demo/alert/info", "from inside", { qos: 2, retain: false });
    await until(() => got.length === 1, "the desk gets it");
    expect(venue.messages).toHaveLength(1);
    await expect(venue.broker.publish("konferenco/demo/alarm/info", "x", { qos: 0, retain: false })).rejects.toMatchObject({ code: "TOPIC_UNKNOWN" });
    venue.handle.fn = () => Promise.reject(new Error("disk full"));
    await expect(venue.broker.publish("konferenco/demo/alert/info", "x", { qos: 2, retain: false })).rejects.toThrow("disk full");
    expect(got).toHaveLength(1);
  });

  it("a second handler is a mistake that is told", () => {
    expect(() => venue.broker.attach(() => {})).toThrow("attached");
  });
});

describe("opening and closing", () => {
  it("a busy port is one sentence with the port and the setting, and the other port is free again", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const config = { host: "127.0.0.1", credentials: CREDENTIALS, nowMs: () => 0, log: () => {} };
    await expect(openBroker({ ...config, tcpPort: port, wsPort: null })).rejects.toThrow(new RegExp(`port ${port}.*tcpPort`));
    await expect(openBroker({ ...config, tcpPort: 0, wsPort: port })).rejects.toThrow(new RegExp(`port ${port}.*wsPort`));
    await expect(openBroker({ ...config, tcpPort: port, wsPort: null })).rejects.toBeInstanceOf(ConfigError);
    await expect(openBroker({ ...config, host: "203.0.113.7", tcpPort: 0, wsPort: null })).rejects.toThrow(/host/);
    taken.close();
  });

  it("a bad limit names itself", async () => {
    await expect(openTestBroker({ limits: { connectTimeoutMs: 60_000 } })).rejects.toThrow(/limits\.connectTimeoutMs/);
  });

  it("closing takes under a second with clients on both transports, and sends no last wills", async () => {
    const status = "konferenco/demo/gateway/gw-1/status";
    const tcp = await venue.connect("gw-1", { will: { topic: status, payload: Buffer.from("offline"), qos: 1, retain: true } });
    const ws = await venue.connect("desk", { over: "ws" });
    await venue.rawSocket();
    const lost = Promise.all([gone(tcp), gone(ws)]);
    const startMs = performance.now();
    await Promise.all([venue.broker.close(), venue.broker.close()]);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    await lost;
    expect(venue.messages).toHaveLength(0);
  });

  it("logs in from a credentials file of hashes", async () => {
    await venue.close();
    venue = await openTestBroker({ credentials: await storeCredentials(CREDENTIALS) });
    await venue.connect("gw-1");
    await expect(venue.connect("gw-1", { password: "guess" })).rejects.toMatchObject({ code: 4 });
  });

  it("with a certificate both ports speak TLS only", async () => {
    const folder = new URL("./tls/", import.meta.url);
    const tls = { key: readFileSync(new URL("key.pem", folder), "utf8"), cert: readFileSync(new URL("cert.pem", folder), "utf8") };
    const open = await openTestBroker({ host: "0.0.0.0", tls });
    expect(open.logs).toEqual([]);
    for (const over of ["tls", "wss"] as const) {
      const gateway = await open.connect("gw-1", { over, ca: tls.cert });
      await gateway.publishAsync(hall, "sealed", { qos: 1 });
      await gateway.endAsync();
    }
    expect(open.messages).toHaveLength(2);
    await expect(open.connect("gw-1", { over: "tcp" })).rejects.toThrow();
    await expect(open.connect("gw-1", { over: "ws" })).rejects.toThrow();
    await open.close();
  });

  it("off loopback without TLS it warns once", async () => {
    const open = await openTestBroker({ host: "0.0.0.0" });
    expect(open.logs).toMatchObject([{ event: "broker.plaintext" }]);
    await open.close();
  });

  it("an HTTP request on the WebSocket port, and a WebSocket of another protocol, are told what belongs there", async () => {
    const answer = await fetch(`http://127.0.0.1:${venue.broker.wsPort}/`);
    expect(answer.status).toBe(426);
    expect(await answer.text()).toContain("MQTT over WebSocket");
    const chat = new WebSocket(`ws://127.0.0.1:${venue.broker.wsPort}`, "chat");
    const [error] = (await once(chat, "error")) as [Error];
    expect(error.message).toContain("400");
  });
});
