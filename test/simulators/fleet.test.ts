import net from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ConfigError } from "@konferenco/protocol";
import { BrokerUnreachable, demoVenue, newCrowd, newFaults, newRadio, openFleet, type Fleet, type FleetOptions, type Sighting } from "@konferenco/simulators";
import { openVenueBroker, type VenueBroker } from "./venue-broker.ts";

const venue = demoVenue();
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function brokerOf(): Promise<VenueBroker> {
  const broker = await openVenueBroker(venue);
  open.push(broker);
  return broker;
}

async function fleetAt(broker: VenueBroker, options: Partial<FleetOptions> = {}): Promise<Fleet> {
  const fleet = await openFleet({
    brokerUrl: broker.url,
    eventId: "demo",
    venue,
    credentials: { kind: "gateways", gateways: broker.credentials.gateways },
    crowd: newCrowd(venue, 1),
    radio: newRadio(venue, 1),
    nowMs: Date.now,
    ...options,
  });
  open.push(fleet);
  return fleet;
}

describe("the simulated gateways", () => {
  test("deliver to a real broker exactly what they count, each on its own topic with its own numbers", async () => {
    const broker = await brokerOf();
    const heard: Sighting[] = [];
    const fleet = await fleetAt(broker, { speed: 5, onStep: (_, sightings) => heard.push(...sightings) });
    expect(fleet.stats().gateways).toBe(venue.gateways.length);
    await broker.until(() => broker.reports.length > 400);
    await fleet.close();
    const stats = fleet.stats();
    await broker.until(() => broker.reports.length === stats.reports);
    expect(broker.faults).toEqual([]);
    expect(stats).toMatchObject({ droppedReports: 0, disconnects: 0, skippedMs: 0, duplicateReports: 0 });
    expect(broker.reports.reduce((sum, { report }) => sum + report.tagId.length, 0)).toBe(stats.observations);
    expect(stats.observations).toBe(heard.length);
    expect(broker.reports.every(({ refusedRows }) => refusedRows === 0)).toBe(true);
    const zoneOf = new Map(venue.gateways.map(({ gatewayId, zoneId }) => [gatewayId, zoneId]));
    const numbers = new Map<string, number[]>();
    for (const { topic, report } of broker.reports) {
      expect(topic).toBe(`konferenco/demo/beacon/${zoneOf.get(report.gatewayId)}`);
      numbers.set(report.gatewayId, [...(numbers.get(report.gatewayId) ?? []), report.seq]);
      for (const heardAtMs of report.heardAtMs) expect(heardAtMs <= report.sentAtMs && heardAtMs > report.sentAtMs - 1_000).toBe(true);
    }
    for (const seqs of numbers.values()) expect(seqs).toEqual(seqs.map((_, i) => i));
  });

  test("hear each other too", async () => {
    const broker = await brokerOf();
    await fleetAt(broker, { speed: 5 });
    await broker.until(() => broker.reports.some(({ report }) => report.tagId.some((tagId) => tagId.startsWith("gateway:"))));
    for (const { report } of broker.reports) expect(report.tagId).not.toContain(`gateway:${report.gatewayId}`);
  });

  test("say that they are online, and goodbye when the venue closes", async () => {
    const broker = await brokerOf();
    const fleet = await fleetAt(broker);
    await broker.until(() => new Set(broker.statuses.map(({ gatewayId }) => gatewayId)).size === venue.gateways.length);
    expect(broker.statuses.every(({ online }) => online)).toBe(true);
    await fleet.close();
    await broker.until(() => broker.statuses.filter(({ online }) => !online).length === venue.gateways.length);
  });

  test("keep to the wall clock times the speed", async () => {
    const broker = await brokerOf();
    let wallMs = 1_000_000;
    const fleet = await fleetAt(broker, { speed: 10, nowMs: () => wallMs });
    for (const nextMs of [1_000_050, 1_000_200, 1_000_500]) {
      wallMs = nextMs;
      await broker.until(() => fleet.stats().simulatedMs > 0 && fleet.stats().simulatedMs >= (nextMs - 1_000_000) * 10);
      expect(fleet.stats().simulatedMs).toBe((nextMs - 1_000_000) * 10);
    }
  });

  test("leave out the time that their process was held up, instead of sending it in one burst", async () => {
    const broker = await brokerOf();
    let wallMs = 1_000_000;
    const fleet = await fleetAt(broker, { nowMs: () => wallMs });
    wallMs += 300;
    await broker.until(() => fleet.stats().simulatedMs === 300);
    wallMs += 3_600_000;
    await broker.until(() => fleet.stats().skippedMs > 0);
    expect(fleet.stats()).toMatchObject({ simulatedMs: 300, skippedMs: 3_600_000 });
    wallMs += 200;
    await broker.until(() => fleet.stats().simulatedMs === 500);
  });

  test("know where everybody truly is, now and a moment ago", async () => {
    const broker = await brokerOf();
    const fleet = await fleetAt(broker, { speed: 10 });
    await broker.until(() => fleet.stats().simulatedMs >= 3_000);
    const now = fleet.truth("tag-001");
    expect(now).toMatchObject({ tagId: "tag-001" });
    const earlier = fleet.truth("tag-001", fleet.startedAtMs + 500);
    const crowd = newCrowd(venue, 1);
    crowd.advance(3_000);
    expect(earlier).toEqual(crowd.at("tag-001", 500));
    expect(fleet.truth("gateway:gw-acme")).toBeNull();
    expect(fleet.truths().length).toBeGreaterThan(40);
  });

  test("may be some of the map's only", async () => {
    const broker = await brokerOf();
    const gatewayIds = ["gw-hall-1", "gw-hall-2"];
    const fleet = await fleetAt(broker, { speed: 5, gatewayIds });
    await broker.until(() => broker.reports.length > 20);
    expect(new Set(broker.reports.map(({ report }) => report.gatewayId))).toEqual(new Set(gatewayIds));
    expect(fleet.stats()).toMatchObject({ gateways: 2, gatewaysInAll: 2 });
  });

  test("can share one application's login, and then send reports only", async () => {
    const broker = await brokerOf();
    const fleet = await fleetAt(broker, { speed: 5, credentials: { kind: "application", login: "replay", password: "secret of replay" } });
    await broker.until(() => broker.reports.length > 50);
    await fleet.close();
    expect(fleet.stats().disconnects).toBe(0);
    expect(broker.statuses).toEqual([]);
  });
});

describe("faults over the wire", () => {
  test("a gateway without power is told dead by its last will, and boots with a new number when it returns", async () => {
    const broker = await brokerOf();
    const faults = newFaults([{ fault: "gateway-down", gatewayId: "gw-acme", fromS: 2, untilS: 4 }], venue, 1);
    const fleet = await fleetAt(broker, { speed: 2, faults, gatewayIds: ["gw-acme", "gw-hall-1"] });
    await broker.until(() => broker.statuses.some(({ gatewayId, online }) => gatewayId === "gw-acme" && !online));
    expect(fleet.stats().gateways).toBe(1);
    const boots = (): Set<string> => new Set(broker.reports.filter(({ report }) => report.gatewayId === "gw-acme").map(({ report }) => report.bootId));
    await broker.until(() => boots().size === 2);
    expect(broker.statuses.filter(({ gatewayId }) => gatewayId === "gw-acme").at(-1)?.online).toBe(true);
    const numbers = broker.reports.filter(({ report }) => report.gatewayId === "gw-acme" && report.bootId === [...boots()][1]).map(({ report }) => report.seq);
    expect(numbers[0]).toBe(0);
    expect(fleet.stats()).toMatchObject({ gateways: 2, disconnects: 1 });
  });

  test("a wrong clock, late and doubled reports arrive as the plan says", async () => {
    const broker = await brokerOf();
    const plan = [
      { fault: "clock", gatewayId: "gw-acme", offsetMs: -3_600_000, driftPpm: 0 },
      { fault: "duplicate", gatewayId: "gw-hall-1", share: 1 },
      { fault: "late", gatewayId: "gw-hall-2", share: 0.5, byMs: 2_000 },
    ] as const;
    const fleet = await fleetAt(broker, { speed: 5, faults: newFaults(plan, venue, 1), gatewayIds: ["gw-acme", "gw-hall-1", "gw-hall-2"] });
    await broker.until(() => fleet.stats().simulatedMs > 12_000);
    const of = (id: string) => broker.reports.filter(({ report }) => report.gatewayId === id).map(({ report }) => report);
    for (const report of of("gw-acme")) expect(Math.abs(report.sentAtMs - (fleet.startedAtMs - 3_600_000))).toBeLessThan(60_000);
    const doubled = of("gw-hall-1").map(({ seq }) => seq);
    expect(doubled.slice(0, 8)).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    const late = of("gw-hall-2").map(({ seq }) => seq);
    expect(late).not.toEqual([...late].sort((a, b) => a - b));
    expect(new Set(late).size).toBe(late.length);
  });
});

describe("a fleet that cannot start", () => {
  test("says that the login was refused, which gateway's, and what to check", async () => {
    const broker = await brokerOf();
    const gateways = broker.credentials.gateways.map((gateway) => (gateway.gatewayId === "gw-acme" ? { ...gateway, password: "guess" } : gateway));
    const opening = fleetAt(broker, { credentials: { kind: "gateways", gateways } });
    await expect(opening).rejects.toThrow(ConfigError);
    await expect(opening).rejects.toThrow(/turned "gw-acme" away: it refused .*--credentials/);
    await broker.until(() => broker.broker.stats().clients === 0);
  });

  test("says that no broker is there, and how to start one", async () => {
    const port = await freePort();
    const opening = openFleet({
      brokerUrl: `mqtt://127.0.0.1:${port}`, eventId: "demo", venue, credentials: { kind: "none" }, crowd: newCrowd(venue, 1), radio: newRadio(venue, 1), nowMs: Date.now,
      gatewayIds: ["gw-acme"], connectWithinMs: 300,
    });
    await expect(opening).rejects.toThrow(BrokerUnreachable);
    await expect(opening).rejects.toThrow(/no broker at mqtt:\/\/127.0.0.1:\d+ \(ECONNREFUSED\).*npm start/);
  });

  test("says that an address is none", async () => {
    const opening = openFleet({ brokerUrl: "nonsense", eventId: "demo", venue, credentials: { kind: "none" }, crowd: newCrowd(venue, 1), radio: newRadio(venue, 1), nowMs: Date.now, connectWithinMs: 300 });
    await expect(opening).rejects.toThrow(/is not a broker's address: use mqtt:/);
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
