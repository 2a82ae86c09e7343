import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { OutgoingSightings } from "../../gateway-agent/src/outgoing.ts";
import { brokerFault, Publisher, type PublisherConfig, type PublisherLimits } from "../../gateway-agent/src/publisher.ts";
import type { Spool } from "../../gateway-agent/src/spool.ts";
import { GATEWAY, openTestSpool, openVenueBroker, temporaryFolder, type VenueBroker } from "./broker-helper.ts";

let nowMs = 0;
let closers: (() => unknown)[];
let directory: string;
beforeEach(() => {
  nowMs = 1_000_000;
  closers = [];
  const folder = temporaryFolder();
  directory = folder.directory;
  closers.push(folder.remove);
});
afterEach(async () => {
  for (const close of closers.toReversed()) await close();
});

function openPublisher(url: string, change: Partial<PublisherConfig> = {}, limits: Partial<PublisherLimits> = {}) {
  const logged: Record<string, unknown>[] = [];
  const spool: Spool | null = change.spool === undefined ? openTestSpool(directory, () => nowMs) : change.spool;
  const publisher = new Publisher({
    url, clientId: "gw-1", username: "gw-1", password: GATEWAY.password, ca: null, spool,
    voice: { eventId: "demo", zoneId: "hall", gatewayId: "gw-1", bootId: "boot", nextSeq: 0 },
    status: () => ({ version: "test", uptimeS: 1, sightingsPerS: 2 }),
    onTagNames: () => {}, nowMs: () => nowMs, random: () => 0, log: (event) => logged.push(event as Record<string, unknown>),
    limits: { firstRetryMs: 40, maxRetryMs: 160, drainEveryMs: 10, farewellMs: 500, ...limits },
    ...change,
  });
  publisher.open();
  closers.push(async () => {
    await publisher.close();
    spool?.close();
  });
  return { publisher, spool, logged };
}

async function openTestBroker(port = 0): Promise<VenueBroker> {
  const broker = await openVenueBroker(port);
  closers.push(() => broker.close());
  return broker;
}

function sightings(name: string, atMs = nowMs, rows = 1): OutgoingSightings {
  return { atMs, columns: { tagId: Array.from({ length: rows }, () => name), rssiDbm: Array.from({ length: rows }, () => -60), heardAtMs: Array.from({ length: rows }, () => atMs - 5) } };
}

const tagsOf = (broker: VenueBroker) => broker.reports.map((report) => report.tagId[0]);

describe("a gateway on line", () => {
  it("reports at once, numbered from 0, with the time of sending", async () => {
    const broker = await openTestBroker();
    const { publisher } = openPublisher(broker.url);
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(true));
    publisher.report(sightings("ib:1:1"));
    nowMs += 500;
    publisher.report(sightings("ib:1:2", nowMs, 3));
    await vi.waitFor(() => expect(broker.reports).toHaveLength(2));
    expect(broker.reports[0]).toEqual({ gatewayId: "gw-1", bootId: "boot", seq: 0, sentAtMs: 1_000_000, tagId: ["ib:1:1"], rssiDbm: [-60], heardAtMs: [999_995] });
    expect(broker.reports[1]).toMatchObject({ seq: 1, sentAtMs: 1_000_500 });
    await vi.waitFor(() => expect(publisher.counts()).toMatchObject({ sentReports: 2, sentSightings: 4, spooledReports: 0, inFlightBytes: 0 }));
  });

  it("tells its health at once and again and again", async () => {
    const broker = await openTestBroker();
    openPublisher(broker.url, {}, { statusEveryMs: 30 });
    await vi.waitFor(() => expect(broker.statuses.length).toBeGreaterThanOrEqual(3));
    expect(broker.statuses[0]).toEqual({ v: 1, gatewayId: "gw-1", online: true, sentAtMs: 1_000_000, bootId: "boot", spooledReports: 0, droppedReports: 0, version: "test", uptimeS: 1, sightingsPerS: 2 });
  });

  it("says goodbye before it leaves, so that no last will is waited for", async () => {
    const broker = await openTestBroker();
    const { publisher } = openPublisher(broker.url);
    await vi.waitFor(() => expect(broker.statuses).toHaveLength(1));
    await publisher.close();
    expect(broker.statuses).toHaveLength(2);
    expect(broker.statuses[1]).toMatchObject({ online: false, bootId: "boot" });
    expect(broker.broker.stats().clients).toBe(0);
  });

  it("sensor messages are acknowledged, or counted as dropped while there is no broker", async () => {
    const broker = await openTestBroker();
    const { publisher } = openPublisher(broker.url);
    const packet = { topic: "konferenco/demo/sensor/environment", payload: '{"v":1,"sensorId":"s","atMs":1}', qos: 1 as const };
    publisher.send(packet);
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(true));
    publisher.send(packet);
    await vi.waitFor(() => expect(publisher.counts()).toMatchObject({ sentSensors: 1, droppedSensors: 1 }));
    expect(broker.others).toEqual([{ topic: packet.topic, text: packet.payload }]);
  });
});

describe("when the broker goes and comes back", () => {
  it("a gateway that vanishes without a word leaves its last will", async () => {
    const broker = await openTestBroker();
    const proxy = await openProxy(broker.port);
    const { publisher } = openPublisher(proxy.url, {}, { firstRetryMs: 5_000, maxRetryMs: 5_000 });
    await vi.waitFor(() => expect(broker.statuses).toHaveLength(1));
    proxy.cut();
    await vi.waitFor(() => expect(broker.statuses).toHaveLength(2));
    expect(broker.statuses[1]).toEqual({ v: 1, gatewayId: "gw-1", online: false });
    expect(publisher.counts().connected).toBe(false);
  });

  it("what was heard meanwhile comes first and in order, what is live follows; nothing is lost, nothing comes twice", async () => {
    const before = await openTestBroker();
    const { publisher, logged } = openPublisher(before.url);
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(true));
    publisher.report(sightings("live-1"));
    await vi.waitFor(() => expect(before.reports).toHaveLength(1));
    await before.close();
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(false));
    for (let i = 0; i < 20; i++) {
      nowMs += 100;
      publisher.report(sightings(`away-${i}`));
    }
    expect(publisher.counts()).toMatchObject({ spooledReports: 20, inFlightBytes: 0 });
    await vi.waitFor(() => expect(logged.at(-1)).toMatchObject({ event: "broker-unreachable" }));

    const after = await openTestBroker(before.port);
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(true));
    publisher.report(sightings("live-2"));
    await vi.waitFor(() => expect(after.reports).toHaveLength(21));
    expect(tagsOf(after)).toEqual([...Array.from({ length: 20 }, (_, i) => `away-${i}`), "live-2"]);
    // Numbered and stamped when sent; heard when heard.
    expect(after.reports.map((report) => report.seq)).toEqual(Array.from({ length: 21 }, (_, i) => 1 + i));
    expect(after.reports[0]).toMatchObject({ sentAtMs: 1_002_000, heardAtMs: [1_000_095] });
    await vi.waitFor(() => expect(publisher.counts()).toMatchObject({ sentReports: 22, spooledReports: 0, droppedReports: 0 }));
    expect(logged.map((line) => line.event)).toEqual(["broker-connected", "broker-lost", "broker-unreachable", "broker-connected"]);
  });

  it("what fusion is too late for follows slowly behind live data, and what is older than 5 minutes not at all", async () => {
    const before = await openTestBroker();
    const { port } = before;
    await before.close();
    const { publisher } = openPublisher(`mqtt://127.0.0.1:${port}`, {}, { drainEveryMs: 300 });
    publisher.report(sightings("six-minutes-ago"));
    nowMs += 60_000;
    for (let i = 0; i < 3; i++) publisher.report(sightings(`five-minutes-ago-${i}`));
    nowMs += 299_000;
    publisher.report(sightings("fresh"));
    nowMs += 1_000;
    const after = await openTestBroker(port);
    await vi.waitFor(() => expect(after.reports.length).toBeGreaterThanOrEqual(1));
    publisher.report(sightings("live"));
    await vi.waitFor(() => expect(after.reports).toHaveLength(5));
    // Live data does not wait for the past; where exactly it falls between is a matter of timing.
    const [first, ...rest] = tagsOf(after);
    expect(first).toBe("fresh");
    expect(rest.filter((tag) => tag !== "live")).toEqual(["five-minutes-ago-0", "five-minutes-ago-1", "five-minutes-ago-2"]);
    expect(rest.at(-1)).not.toBe("live");
    await vi.waitFor(() => expect(publisher.counts()).toMatchObject({ spooledReports: 0, droppedReports: 1 }));
  });

  it("hours without a broker cost no more than the spool's bound", async () => {
    const port = await freePort();
    const spool = openTestSpool(directory, () => nowMs, 4 * 1024 * 1024);
    const { publisher } = openPublisher(`mqtt://127.0.0.1:${port}`, { spool });
    for (let i = 0; i < 3_000; i++) {
      nowMs += 10;
      publisher.report(sightings("ib:1:1", nowMs, 100));
    }
    const { spooledReports, droppedReports, inFlightBytes } = publisher.counts();
    expect(spooledReports + droppedReports).toBe(3_000);
    expect(droppedReports).toBeGreaterThan(0);
    expect(spool.counts().bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(inFlightBytes).toBe(0);
  });

  it("a gateway without a spool counts what it cannot send", async () => {
    const { publisher } = openPublisher(`mqtt://127.0.0.1:${await freePort()}`, { spool: null });
    for (let i = 0; i < 10; i++) publisher.report(sightings("ib:1:1"));
    expect(publisher.counts()).toMatchObject({ spooledReports: 0, droppedReports: 10 });
  });

  it("a crash of the agent loses nothing that waited", async () => {
    const port = await freePort();
    const first = openPublisher(`mqtt://127.0.0.1:${port}`);
    for (let i = 0; i < 5; i++) first.publisher.report(sightings(`before-${i}`));
    // As a SIGKILL leaves it: no close, the files as they are.
    const broker = await openTestBroker();
    const again = openPublisher(broker.url, { spool: openTestSpool(directory, () => nowMs), voice: { eventId: "demo", zoneId: "hall", gatewayId: "gw-1", bootId: "next", nextSeq: 0 } });
    await vi.waitFor(() => expect(broker.reports).toHaveLength(5));
    expect(tagsOf(broker)).toEqual(["before-0", "before-1", "before-2", "before-3", "before-4"]);
    expect(broker.reports.every((report) => report.bootId === "next")).toBe(true);
    await vi.waitFor(() => expect(again.publisher.counts().spooledReports).toBe(0));
  });
});

describe("brokers that misbehave", () => {
  it("one that refuses the login is told about once, with what to compare, and tried again", async () => {
    const broker = await openTestBroker();
    const { publisher, logged } = openPublisher(broker.url, { password: "wrong" });
    await vi.waitFor(() => expect(logged).toHaveLength(1));
    expect(logged[0]).toMatchObject({ event: "broker-unreachable", reason: expect.stringContaining("refuses the login") as string });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(logged).toHaveLength(1);
    expect(publisher.counts()).toMatchObject({ connected: false, connections: 0 });
  });

  it("one that stops reading fills no memory: beyond the bound the spool takes over", async () => {
    const deaf = await openDeafBroker();
    const { publisher } = openPublisher(deaf.url, {}, { maxInFlightBytes: 64 * 1024, keepaliveS: 60 });
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(true));
    // What the two kernels buffer goes first, a few MB.
    for (let i = 0; i < 4_000 && publisher.counts().spooledReports === 0; i++) {
      publisher.report(sightings("ib:1:1", nowMs, 200));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(publisher.counts().spooledReports).toBeGreaterThan(0);
    expect(publisher.counts().inFlightBytes).toBeLessThan(64 * 1024 + 10_000);
    const spooledBefore = publisher.counts().spooledReports;
    deaf.close();
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(false));
    // What mqtt.js still held is not lost with its connection.
    await vi.waitFor(() => expect(publisher.counts().spooledReports).toBeGreaterThan(spooledBefore));
  });

  it("one that never acknowledges is left", async () => {
    const deaf = await openDeafBroker();
    const { publisher, logged } = openPublisher(deaf.url, {}, { ackTimeoutMs: 50 });
    await vi.waitFor(() => expect(publisher.counts().connections).toBeGreaterThanOrEqual(2));
    expect(logged[1]).toMatchObject({ event: "broker-lost", reason: expect.stringContaining("does not acknowledge") as string });
  });

  it("one that ends every connection right after the login makes staff look for a copied SD card", async () => {
    const rude = await openRawServer((socket) => socket.once("data", () => socket.end(CONNACK)));
    const { logged } = openPublisher(rude.url);
    await vi.waitFor(() => expect(logged.some((line) => line.event === "broker-ends-us")).toBe(true), { timeout: 5_000 });
    expect(logged.find((line) => line.event === "broker-ends-us")).toMatchObject({ remedy: expect.stringContaining('second gateway with the id "gw-1"') as string });
  });

  it("bytes that are no MQTT do not end the agent", async () => {
    const nonsense = await openRawServer((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const { publisher, logged } = openPublisher(nonsense.url);
    await vi.waitFor(() => expect(logged).toHaveLength(1));
    publisher.report(sightings("ib:1:1"));
    expect(publisher.counts().spooledReports).toBe(1);
  });

  it("a farewell that nobody answers ends in time", async () => {
    const deaf = await openDeafBroker();
    const { publisher } = openPublisher(deaf.url, {}, { farewellMs: 100 });
    await vi.waitFor(() => expect(publisher.counts().connected).toBe(true));
    const startedMs = performance.now();
    await publisher.close();
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  it("every reason is one line with a remedy", () => {
    for (const code of [4, 5, 2, "ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT"]) {
      expect(brokerFault(Object.assign(new Error("x"), { code }), "mqtts://b:8883")).toMatch(/: [^\n]+$/);
    }
    expect(brokerFault(null, "mqtts://b:8883")).toContain("does not answer");
    expect(brokerFault(Object.assign(new Error("x"), { code: "CERT_NOT_YET_VALID" }), "mqtts://b:8883")).toContain("timedatectl");
  });
});

const CONNACK = Buffer.from("20020000", "hex");

/** A TCP server on loopback whose sockets do what the test says. */
async function openRawServer(onSocket: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  closers.push(close);
  return { url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, close, sockets };
}

/** Accepts the login and never reads again. */
function openDeafBroker() {
  return openRawServer((socket) => {
    socket.once("data", () => {
      socket.pause();
      socket.write(CONNACK);
    });
  });
}

/** A wire that can be cut. */
async function openProxy(port: number) {
  const { connect } = await import("node:net");
  const upstreams: Socket[] = [];
  const server = await openRawServer((socket) => {
    const upstream = connect(port, "127.0.0.1");
    upstream.on("error", () => {});
    upstreams.push(upstream);
    socket.pipe(upstream).pipe(socket);
  });
  return {
    url: server.url,
    cut: () => {
      for (const socket of [...upstreams, ...server.sockets]) socket.destroy();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
