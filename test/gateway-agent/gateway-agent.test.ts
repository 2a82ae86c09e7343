import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeTagNames, tagNamesTopic } from "@konferenco/protocol";
import { eventIdentity, gatewayConfigOf, newNobleSource, openGatewayAgent, type GatewayAgentParts } from "@konferenco/gateway-agent";
import { GATEWAY, openVenueBroker, temporaryFolder, type VenueBroker } from "./broker-helper.ts";
import { advertisingReport, ibeaconData, installFakeController, type FakeController } from "./fake-hci-socket.ts";
import { readVectors, SMALL_SET } from "./vectors.ts";

let broker: VenueBroker;
let controller: FakeController;
let closers: (() => unknown)[];
beforeEach(async () => {
  controller = installFakeController();
  broker = await openVenueBroker();
  const folder = temporaryFolder();
  directory = folder.directory;
  closers = [folder.remove, () => broker.close()];
});
let directory: string;
afterEach(async () => {
  for (const close of closers.toReversed()) await close();
});

const { ibeaconUuid, eddystoneNamespaceHex } = eventIdentity("demo");

async function open(change: object = {}, parts: GatewayAgentParts = {}) {
  const logged: Record<string, unknown>[] = [];
  const config = gatewayConfigOf(
    { gatewayId: "gw-1", eventId: "demo", zoneId: "hall", broker: { url: broker.url, password: GATEWAY.password }, batch: { windowMs: 50 }, spool: { directory }, wifiScan: { enabled: false }, ...change },
    {},
    "test",
  );
  const bleSource = newNobleSource({
    hciDevice: null, scan: "passive", scanIntervalMs: 100, scanWindowMs: 100, quietRestartMs: 60_000, ownBeacon: null,
    nowMs: () => performance.now(), log: () => {}, listAdapters: () => ["hci0"],
  });
  const agent = await openGatewayAgent(config, { bleSource, log: (event) => logged.push(event as Record<string, unknown>), publisherLimits: { firstRetryMs: 40, maxRetryMs: 100 }, ...parts });
  closers.push(() => agent.close());
  return { agent, logged };
}

const rows = () => broker.reports.flatMap((report) => report.tagId.map((tagId, i) => [tagId, report.rssiDbm[i]]));

describe("from the antenna to the broker", () => {
  it("the event's tags are reported; strangers' phones and sensors never leave the gateway, nor its memory for its log", async () => {
    const { agent, logged } = await open({
      gatewayMinors: { "gw-2": 2 },
      tags: [{ tagId: "tilt", ibeacon: { uuid: "a495bb10-c5b1-4b44-b512-1370f02d74de", major: 68, minor: 1016 } }],
    });
    controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 3, 17), -61));
    controller.say(advertisingReport("c0:ff:ee:00:00:02", `0303aafe1716aafe00ee${eddystoneNamespaceHex}0000000000ff0000`, -72));
    controller.say(advertisingReport("b8:27:eb:00:00:02", ibeaconData(ibeaconUuid, 0xffff, 2), -80));
    const vectors = readVectors(SMALL_SET);
    for (const { hex } of vectors) controller.say(hex);
    await vi.waitFor(() => expect(rows()).toHaveLength(4));
    expect(rows()).toEqual([["ib:3:17", -61], ["ed:0000000000ff", -72], ["gateway:gw-2", -80], ["tilt", -57]]);
    expect(agent.stats()).toMatchObject({ sightings: 4, strangers: vectors.length - 1, truncated: 0, rssiNotHeard: 0, ble: { advertisements: vectors.length + 3 } });
    const report = broker.reports[0];
    expect(report).toMatchObject({ gatewayId: "gw-1", bootId: agent.stats().bootId, seq: 0 });
    expect((report?.sentAtMs ?? 0) - (report?.heardAtMs[0] ?? 0)).toBeLessThan(1_000);
    expect(JSON.stringify(logged)).not.toMatch(/c0:ff:ee|a4:c1:38|ib:3:17/);
  });

  it("of names that change, those that the event calls its own are reported as they are on the air; the others stay", async () => {
    const eid = (ephemeralHex: string) => `0303aafe0d16aafe30ee${ephemeralHex}`;
    const names = (...heads: number[]) => broker.broker.publish(tagNamesTopic("demo"), encodeTagNames(heads), { qos: 1, retain: true });
    await names(0xa9b76a71); // before the gateway came: retained
    const { agent } = await open();
    await vi.waitFor(() => {
      controller.say(advertisingReport("c0:ff:ee:00:00:03", eid("a9b76a71c5f89290"), -66));
      expect(rows().at(-1)).toEqual(["eid:a9b76a71c5f89290", -66]);
    });
    controller.say(advertisingReport("c0:ff:ee:00:00:04", eid("0123456789abcdef"), -50));
    const { strangers } = agent.stats();
    await names(0x4144413e); // the next epoch
    await vi.waitFor(() => {
      controller.say(advertisingReport("c0:ff:ee:00:00:05", eid("4144413e45fefa58"), -67));
      expect(rows().at(-1)).toEqual(["eid:4144413e45fefa58", -67]);
    });
    controller.say(advertisingReport("c0:ff:ee:00:00:03", eid("a9b76a71c5f89290"), -66)); // a replay
    expect(agent.stats().strangers).toBeGreaterThan(strangers);
    expect(rows().map(([tagId]) => tagId)).not.toContain("eid:0123456789abcdef");
  });

  it("a level that the radio does not know is dropped and counted", async () => {
    const { agent } = await open();
    controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 1, 1), 127));
    controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 1, 1), 0));
    controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 1, 1), -60));
    await vi.waitFor(() => expect(rows()).toEqual([["ib:1:1", -60]]));
    expect(agent.stats()).toMatchObject({ rssiNotHeard: 2, sightings: 1 });
  });

  it("a tag's battery reaches the broker as a sensor message, once", async () => {
    await open();
    await vi.waitFor(() => expect(broker.statuses).toHaveLength(1));
    controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 1, 1), -60));
    for (let i = 0; i < 3; i++) controller.say(advertisingReport("c0:ff:ee:00:00:01", "0303aafe1116aafe20000bb81540000000640000ea60", -60));
    await vi.waitFor(() => expect(broker.others).toHaveLength(1));
    expect(broker.others[0]?.topic).toBe("konferenco/demo/sensor/environment");
    expect(JSON.parse(broker.others[0]?.text ?? "")).toMatchObject({ sensorId: "ib:1:1", batteryMv: 3_000 });
  });

  it("a scan of access points reaches the broker", async () => {
    const scan = { tagId: null, gatewayId: "gw-1", heardAtMs: 5, bssid: ["aa:bb:cc:00:00:01"], rssiDbm: [-50] };
    let publish: (value: typeof scan) => void = () => {};
    await open({}, { wifiScanner: { start: async (onScan) => void (publish = onScan), stop: () => {}, counts: () => ({ scans: 0, failedScans: 0, brokenRows: 0 }) } });
    await vi.waitFor(() => expect(broker.statuses).toHaveLength(1));
    publish(scan);
    await vi.waitFor(() => expect(broker.others).toEqual([{ topic: "konferenco/demo/sensor/wifi-scan", text: JSON.stringify({ v: 1, ...scan }) }]));
  });

  it("a flood of the event's own UUID stays within the batch's bound", async () => {
    const { agent } = await open({ batch: { windowMs: 50, maxRows: 100 } });
    await vi.waitFor(() => expect(agent.stats().publisher.connected).toBe(true));
    for (let i = 0; i < 5_000; i++) controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, i % 60_000, i), -60));
    await vi.waitFor(() => expect(rows()).toHaveLength(5_000));
    expect(Math.max(...broker.reports.map((report) => report.tagId.length))).toBe(100);
  });

  it("damaged frames between good ones cost only themselves", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    await open();
    const whole = advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 1, 1), -60);
    for (let length = 0; length < whole.length; length += 2) controller.say(whole.slice(0, length));
    controller.say(whole);
    await vi.waitFor(() => expect(rows()).toEqual([["ib:1:1", -60]]));
    warn.mockRestore();
  });
});

describe("an end in order", () => {
  it("reports what is in hand, says goodbye, and stops the radio; twice is once", async () => {
    const { agent } = await open({ batch: { windowMs: 5_000 } });
    await vi.waitFor(() => expect(broker.statuses).toHaveLength(1));
    controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 1, 1), -60));
    await Promise.all([agent.close(), agent.close()]);
    expect(rows()).toEqual([["ib:1:1", -60]]);
    expect(broker.statuses.map((status) => status.online)).toEqual([true, false]);
    expect(controller.stopped).toBe(true);
    expect(agent.stats().bleState).toEqual({ kind: "stopped" });
  });

  it("without a broker leaves what is in hand in the spool, for the next start", async () => {
    const { url } = broker;
    const { agent } = await open();
    await vi.waitFor(() => expect(agent.stats().publisher.connected).toBe(true));
    await broker.close();
    await vi.waitFor(() => expect(agent.stats().publisher.connected).toBe(false));
    controller.say(advertisingReport("c0:ff:ee:00:00:01", ibeaconData(ibeaconUuid, 1, 1), -60));
    await agent.close();
    broker = await openVenueBroker(Number(new URL(url).port));
    await open();
    await vi.waitFor(() => expect(rows()).toEqual([["ib:1:1", -60]]));
  });
});

describe("a start that cannot be", () => {
  it("without a radio leaves no connection behind", async () => {
    controller.up = false;
    await expect(open()).rejects.toMatchObject({ code: "BLE_UNAVAILABLE" });
    expect(broker.broker.stats().clients).toBe(0);
  });

  it("with a spool folder that cannot be made names the setting", async () => {
    await expect(open({ spool: { directory: "/proc/nowhere" } })).rejects.toThrow(/spool folder \/proc\/nowhere cannot be used/);
  });
});
