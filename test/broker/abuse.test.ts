import { afterEach, describe, expect, it } from "vitest";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import * as fc from "fast-check";
import { closed, connectPacket, gone, openTestBroker, packet, publishPacket, remainingLength, until, type TestBroker } from "./helper.ts";

let venue: TestBroker;
afterEach(() => venue.close());

const hall = "konferenco/demo/beacon/hall";
const refused = () => venue.broker.stats().refused;
const MEGABYTE = 1_048_576;

/** A logged-in raw socket. */
async function loggedIn(fields?: Parameters<typeof connectPacket>[0]) {
  const socket = await venue.rawSocket();
  socket.write(connectPacket(fields));
  const [connack] = (await once(socket, "data")) as [Buffer];
  expect([...connack]).toEqual([0x20, 2, 0, 0]);
  return socket;
}

describe("a stranger", () => {
  it("announcing 256 MB is cut at the fifth byte, and memory stays flat while it goes on sending", async () => {
    venue = await openTestBroker();
    const before = process.memoryUsage().rss;
    const startMs = performance.now();
    await Promise.all(Array.from({ length: 8 }, async () => {
      const socket = await venue.rawSocket();
      socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
      const chunk = Buffer.alloc(64 * 1024);
      const pump = () => { while (!socket.destroyed && socket.write(chunk)); };
      socket.on("drain", pump);
      pump();
      await closed(socket);
    }));
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(refused()).toEqual({ PAYLOAD_TOO_LARGE: 8 });
    expect((process.memoryUsage().rss - before) / MEGABYTE).toBeLessThan(20);
  });

  it.each([["nothing", 0], ["a CONNECT byte by byte", 1]] as const)("sending %s is cut when the time for CONNECT is over", async (_what, bytesAtATime) => {
    venue = await openTestBroker({ limits: { connectTimeoutMs: 200 } });
    const socket = await venue.rawSocket();
    const connect = connectPacket();
    let sent = 0;
    const drip = setInterval(() => {
      if (bytesAtATime > 0 && sent < connect.length - 1) socket.write(connect.subarray(sent, ++sent));
    }, 20);
    const startMs = performance.now();
    await closed(socket);
    clearInterval(drip);
    expect(performance.now() - startMs).toBeGreaterThan(150);
    expect(performance.now() - startMs).toBeLessThan(1_500);
    expect(refused()).toEqual({ CONNECT_TIMEOUT: 1 });
  });

  it("holding the WebSocket port without a word is cut too", async () => {
    venue = await openTestBroker({ limits: { connectTimeoutMs: 200 } });
    const socket = connectTcp(venue.broker.wsPort as number, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    const startMs = performance.now();
    await closed(socket);
    expect(performance.now() - startMs).toBeLessThan(2_500);
  });

  it("opening one socket after the other is held to the bound of its address, and venue's gateways still get in", async () => {
    venue = await openTestBroker({ limits: { maxPendingPerAddress: 20, maxConnectionsPerAddress: 100 } });
    const sockets = await Promise.all(Array.from({ length: 50 }, () => venue.rawSocket()));
    await until(() => refused().CONNECTION_LIMIT === 30, "30 of them are turned away");
    expect(venue.logs.filter(({ code }) => code === "CONNECTION_LIMIT")).toHaveLength(1);
    for (const socket of sockets) socket.destroy();
    let gateway;
    await until(() => sockets.every(({ destroyed }) => destroyed), "they are gone");
    for (let tries = 0; gateway === undefined && tries < 50; tries++) gateway = await venue.connect("gw-1").catch(() => undefined);
    expect(gateway?.connected).toBe(true);
  });

  it("that guesses before a login gets nothing past the CONNECT: what follows waits and is dropped with it", async () => {
    venue = await openTestBroker();
    const socket = await venue.rawSocket();
    socket.write(Buffer.concat([connectPacket({ password: "guess" }), publishPacket(hall, "smuggled", 1)]));
    const [connack] = (await once(socket, "data")) as [Buffer];
    expect([...connack]).toEqual([0x20, 2, 0, 4]);
    await closed(socket);
    expect(venue.messages).toHaveLength(0);
    expect(refused()).toEqual({ LOGIN_UNKNOWN: 1 });
  });

  it.each([
    ["without user name", connectPacket({ userName: null, password: null, clientId: "x" }), [0x20, 2, 0, 4]],
    ["without user name and client id", connectPacket({ userName: null, password: null, clientId: "" }), [0x20, 2, 0, 4]],
    ["with keep-alive 0", connectPacket({ keepaliveS: 0 }), [0x20, 2, 0, 2]],
    ["with keep-alive 18 h", connectPacket({ keepaliveS: 65_535 }), [0x20, 2, 0, 2]],
    ["speaking MQTT 5", connectPacket({ protocolLevel: 5 }), [0x20, 2, 0, 1]],
  ])("%s reads a CONNACK that says so, then the connection closes", async (_who, connect, answer) => {
    venue = await openTestBroker();
    const socket = await venue.rawSocket();
    socket.write(connect);
    const [connack] = (await once(socket, "data")) as [Buffer];
    expect([...connack]).toEqual(answer);
    await closed(socket);
    expect(Object.values(refused())).toEqual([1]);
  });
});

describe("a client that is logged in", () => {
  it("and sends its reports along with the CONNECT loses none, also when it hangs up at once", async () => {
    venue = await openTestBroker();
    const socket = await venue.rawSocket();
    const reports = Array.from({ length: 100 }, (_, i) => publishPacket(hall, `${i}`));
    socket.end(Buffer.concat([connectPacket(), ...reports, packet(0xe0, Buffer.alloc(0))]));
    await until(() => venue.messages.length === 100, "all 100 arrive");
    expect(venue.messages.map(({ payload }) => Number(Buffer.from(payload).toString()))).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await until(() => venue.broker.stats().clients === 0, "it is gone");
  });

  it("and hangs up while its password is checked leaves no ghost behind", async () => {
    venue = await openTestBroker();
    const socket = await venue.rawSocket();
    socket.end(connectPacket());
    await until(() => venue.logs.length === 2, "it came and went");
    expect(venue.logs.map(({ event }) => event)).toEqual(["gateway.connected", "gateway.lost"]);
    expect(venue.broker.stats().clients).toBe(0);
  });

  it("stays when the time for CONNECT is over: that clock is for strangers", async () => {
    venue = await openTestBroker({ limits: { connectTimeoutMs: 200 } });
    const gateway = await venue.connect("gw-1");
    const stranger = await venue.rawSocket(); // came later, so the gateway's clock has run out when this one's has
    await closed(stranger);
    await gateway.publishAsync(hall, "still here", { qos: 1 });
    expect(refused()).toEqual({ CONNECT_TIMEOUT: 1 });
  });

  it("and announces 200 MB is cut at the header; its payload is never buffered", async () => {
    venue = await openTestBroker();
    const before = process.memoryUsage().rss;
    await Promise.all([0, 1, 2, 3].map(async (n) => {
      const socket = await loggedIn({ clientId: `gw-1/${n}` });
      socket.write(Buffer.concat([Buffer.from([0x30]), remainingLength(200_000_000), Buffer.alloc(MEGABYTE)]));
      await closed(socket);
    }));
    expect(refused()).toEqual({ PAYLOAD_TOO_LARGE: 4 });
    expect((process.memoryUsage().rss - before) / MEGABYTE).toBeLessThan(20);
  });

  it("may send exactly the largest payload, and not one byte more", async () => {
    venue = await openTestBroker({ limits: { maxPayloadBytes: 2_000 } });
    const gateway = await venue.connect("gw-1");
    await gateway.publishAsync(hall, "x".repeat(2_000), { qos: 1 });
    const lost = gone(gateway);
    gateway.publish(hall, "x".repeat(2_001), { qos: 1 });
    await lost;
    expect(venue.messages).toHaveLength(1);
    expect(refused()).toEqual({ PAYLOAD_TOO_LARGE: 1 });
  });

  it.each([
    ["a second CONNECT", connectPacket()],
    ["QoS 3", packet(0x36, Buffer.from([0, 1, 65, 0, 1]))],
    ["a topic longer than its packet", packet(0x30, Buffer.from([0xff, 0xff, 65]))],
    ["a wildcard topic", publishPacket("konferenco/demo/beacon/+", "x")],
    ["an empty topic", publishPacket("", "x")],
    ["a SUBSCRIBE with broken wildcards", packet(0x82, Buffer.from([0, 1, 0, 3, 97, 35, 98, 0]))],
  ])("and sends %s is closed and counted, alone", async (_what, bytes) => {
    venue = await openTestBroker();
    const bystander = await venue.connect("gw-2");
    const socket = await loggedIn();
    socket.write(bytes);
    await closed(socket);
    await until(() => Object.values(refused()).join() === "1", "it is counted");
    await bystander.publishAsync("konferenco/demo/beacon/stage", "y", { qos: 1 });
  });
});

describe("a frozen subscriber", () => {
  it("fills its own bounded buffer and is closed; nobody else waits", async () => {
    venue = await openTestBroker({ limits: { maxOutboundBytes: 65_536 } });
    const frozen = await loggedIn({ clientId: "fusion/frozen", userName: "fusion", password: "fusion-secret" });
    frozen.write(packet(0x82, Buffer.concat([Buffer.from([0, 1, 0, 24]), Buffer.from("konferenco/demo/beacon/+"), Buffer.from([0])])));
    await once(frozen, "data");
    frozen.pause();
    const healthy = await venue.connect("fusion", { clientId: "fusion/healthy" });
    let got = 0;
    let lastMs = performance.now();
    let longestGapMs = 0;
    healthy.on("message", () => {
      got += 1;
      longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
      lastMs = performance.now();
    });
    await healthy.subscribeAsync("konferenco/demo/beacon/+");
    const gateway = await venue.connect("gw-1");
    const report = "r".repeat(10_000);
    lastMs = performance.now();
    let sent = 0;
    while (refused().READER_SLOW === undefined && sent < 5_000) {
      await gateway.publishAsync(hall, report, { qos: 1 });
      sent += 1;
    }
    await until(() => got === sent, "the healthy one gets every report");
    expect(refused()).toEqual({ READER_SLOW: 1 });
    expect(longestGapMs).toBeLessThan(1_000);
    expect(venue.broker.stats().clients).toBe(2);
  });

  it("that went away and left its session behind costs a bounded queue", async () => {
    venue = await openTestBroker({ limits: { maxQueuedPerSession: 10 } });
    const fusion = await venue.connect("fusion", { clean: false });
    await fusion.subscribeAsync("konferenco/demo/beacon/+", { qos: 1 });
    await fusion.endAsync();
    await until(() => venue.broker.stats().clients === 0, "it is gone");
    const gateway = await venue.connect("gw-1");
    for (let i = 0; i < 25; i++) await gateway.publishAsync(hall, `${i}`, { qos: 1 });
    await until(() => refused().READER_SLOW === 15, "15 are dropped and counted");
    const got: string[] = [];
    const opened = venue.connect("fusion", { clean: false, clientId: "fusion" });
    const back = await opened;
    back.on("message", (_topic, payload) => got.push(payload.toString()));
    await until(() => got.length === 10, "the first ten come");
    expect(got).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
    await gateway.publishAsync(hall, "after", { qos: 1 });
    await until(() => got.includes("after"), "acknowledged ones make room again");
  });
});

describe("garbage", () => {
  it("of any kind, before and after the login, costs only its own connection", async () => {
    venue = await openTestBroker({ limits: { connectTimeoutMs: 300 } });
    const bystander = await venue.connect("gw-2");
    await fc.assert(fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 300 }), async (withLogin, bytes) => {
      const socket = await venue.rawSocket();
      if (withLogin) socket.write(connectPacket());
      socket.end(bytes);
      await closed(socket);
    }), { numRuns: 200 });
    await bystander.publishAsync("konferenco/demo/beacon/stage", "y", { qos: 1 });
    expect(bystander.connected).toBe(true);
  });
});
