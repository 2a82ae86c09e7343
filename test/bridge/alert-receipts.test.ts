import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTestBridge, type TestBridge, type TestClient } from "./support/harness.ts";

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge();
});
afterEach(() => test.close());

const alert = (alertId: string, zoneIds: string[] = []) => test.commit({ alerts: [{ alertId, severity: "emergency", title: alertId, text: "Leave the hall", zoneIds, atMs: test.nowMs() }] });
const alertsOf = (client: TestClient) => client.events.filter(({ event }) => event.t === "alert");
const listener = async (ack: boolean) => {
  const client = await test.client("display", null, { ack });
  await client.subscribe("alerts");
  return client;
};
const receipts = async () => (await test.api("GET", "/api/v1/alerts", { as: { role: "staff", personId: null } })).body.alerts[0]?.receipts;
async function receiptsBecome(wanted: object): Promise<void> {
  const deadlineMs = Date.now() + 5_000;
  while (JSON.stringify(await receipts()) !== JSON.stringify(wanted)) {
    if (Date.now() > deadlineMs) expect(await receipts()).toEqual(wanted);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

describe("the receipts of an alert", () => {
  it("say which devices have acknowledged, which are awaited and which are gone, to operators as it happens", async () => {
    const desk = await test.client("operator");
    await desk.subscribe("venue");
    const [good, silent, gone] = [await listener(true), await listener(false), await listener(false)];
    // These two acknowledge by themselves, but not what comes now.
    for (const client of [silent, gone]) client.socket.pause();
    await alert("fire");
    await good.event((event) => event.t === "alert");
    await receiptsBecome({ delivered: 1, pending: 2, failed: 0 });
    gone.socket.terminate();
    await receiptsBecome({ delivered: 1, pending: 1, failed: 1 });
    silent.socket.resume();
    await receiptsBecome({ delivered: 2, pending: 0, failed: 1 });
    await desk.event((event) => event.t === "receipts" && event.d.alertId === "fire" && event.d.delivered === 2 && event.d.failed === 1);
    expect((await test.api("GET", "/api/v1/alerts", { as: { role: "display", personId: null } })).status).toBe(403);
  });

  it("of a client that does not say so are asked for five times, always as the same alert; then they failed", async () => {
    const client = await listener(false);
    await alert("first");
    const { s } = await client.event((event) => event.t === "alert");
    client.send({ op: "ack", s });
    await receiptsBecome({ delivered: 1, pending: 0, failed: 0 });
    await alert("second");
    for (let tries = 1; tries <= 5; tries++) {
      await receiptsBecome({ delivered: 0, pending: 1, failed: 0 });
      await client.until(() => alertsOf(client).length === 1 + tries);
      test.skewMs(5_000 * 2 ** (tries - 1));
    }
    await receiptsBecome({ delivered: 0, pending: 0, failed: 1 });
    const second = alertsOf(client).slice(1);
    expect(second).toHaveLength(6);
    expect(new Set(second.map(({ i }) => i)).size).toBe(1);
    client.send({ op: "ack", s: second.at(-1)?.s });
    await receiptsBecome({ delivered: 1, pending: 0, failed: 0 });
  });

  it("of a client without acknowledgements of its own come from its protocol stack, and nothing is sent twice", async () => {
    const client = await listener(false);
    await alert("fire");
    await receiptsBecome({ delivered: 1, pending: 0, failed: 0 });
    test.skewMs(60_000);
    await client.settled();
    expect(alertsOf(client)).toHaveLength(1);
  });
});

describe("a resync", () => {
  it("ordered by an operator reaches one person's clients, or everybody's", async () => {
    await test.addPerson("anna");
    const [anna, desk] = [await test.client("attendee", "anna"), await test.client("staff")];
    const order = (body: object) => test.api("POST", "/api/v1/resync", { as: { role: "operator", personId: null }, body });
    const ordered = (client: TestClient) => client.frames.filter((frame) => frame.op === "resync").length;
    expect((await order({ personId: "anna" })).status).toBe(202);
    await anna.until(() => ordered(anna) === 1);
    await order({});
    await desk.until(() => ordered(desk) === 1);
    await anna.until(() => ordered(anna) === 2);
  });
});
