import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { openBroker, type Broker, type Ingested } from "@konferenco/broker";
import {
  parseAlertMessage, parseBeaconReport, parseEnvironmentReport, parseGatewayStatus, parsePositionReport, parseTagNames, parseTagSightings, parseTopic, parseWifiScan, type Parsed, type Topic,
} from "@konferenco/protocol";
import { mosquittoPub, mosquittoSub, requireMosquitto, runLine } from "../support/mosquitto.ts";

// docs/wire-protocol.md against Debian's clients: each line of the document runs as it stands.

const page = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/wire-protocol.md"), "utf8");
const shellLines = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap((block) => (block[1] as string).split("\n"));
const pubLines = shellLines.filter((line) => line.startsWith("mosquitto_pub "));
const subLines = shellLines.filter((line) => line.startsWith("mosquitto_sub "));

let broker: Broker;
let messages: Ingested[] = [];
let variables: Record<string, string>;
let at: string[];
const gateway = ["-u", "gw-1", "-P", "gw-secret"];
const app = ["-u", "app", "-P", "app-secret"];

beforeAll(async () => {
  requireMosquitto();
  broker = await openBroker({
    host: "127.0.0.1", tcpPort: 0, wsPort: null, nowMs: Date.now, log: () => {},
    credentials: {
      gateways: [{ gatewayId: "gw-1", password: "gw-secret", eventId: "demo", zoneIds: ["hall"] }],
      applications: [
        { name: "app", password: "app-secret", eventId: "demo", rights: ["publish-sensors", "publish-alerts", "publish-tag-names", "read-alerts", "read-status"] },
        { name: "elsewhere", password: "else", eventId: "other", rights: ["publish-alerts", "read-alerts"] },
      ],
    },
  });
  broker.attach((message) => void messages.push(message));
  at = ["-h", "127.0.0.1", "-p", String(broker.tcpPort)];
  variables = { MQTT_HOST: "127.0.0.1", MQTT_PORT: String(broker.tcpPort), EVENT: "demo", GATEWAY: "gw-1", GATEWAY_PASS: "gw-secret", ZONE: "hall", APP: "app", APP_PASS: "app-secret" };
});
afterAll(() => broker?.close());
beforeEach(() => {
  messages = [];
});

/** What protocol's own parser says to a message of this topic. */
function parseMessage(topic: Topic, payload: Uint8Array): Parsed<unknown> {
  if (topic.kind === "beacon") return parseBeaconReport(payload);
  if (topic.kind === "alert") return parseAlertMessage(payload);
  if (topic.kind === "gateway-status") return parseGatewayStatus(payload);
  if (topic.kind === "tag-names") return parseTagNames(payload);
  return { "wifi-scan": parseWifiScan, position: parsePositionReport, environment: parseEnvironmentReport, "tag-sightings": parseTagSightings }[topic.sensorType](payload);
}

function refusedSince(before: Record<string, number | undefined>): Record<string, number> {
  const now = broker.stats().refused as Record<string, number>;
  return Object.fromEntries(Object.entries(now).map(([code, count]) => [code, count - (before[code] ?? 0)] as const).filter(([, count]) => count > 0));
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const endMs = Date.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 2))) {
    if (Date.now() > endMs) throw new Error(`did not happen within 10 s: ${what}`);
  }
}

describe("the lines of docs/wire-protocol.md", () => {
  it.each(pubLines)("%s", async (line) => {
    const finished = await runLine(line, variables);
    expect(finished).toEqual({ code: 0, stdout: "", stderr: "" });
    await until(() => messages.length === 1, "the handler gets the message");
    const [message] = messages as [Ingested];
    const topic = parseTopic(message.topic);
    if (!topic.ok) throw new Error(topic.detail);
    const parsed = parseMessage(topic.value, message.payload);
    expect(parsed).toMatchObject({ ok: true });
    if ("refusedRows" in (parsed as { value: object }).value) expect(parsed).toMatchObject({ value: { refusedRows: {} } });
    expect(message.qos).toBe(Number(/-q (\d)/.exec(line)?.[1]));
  });

  it("show every message that there is", () => {
    for (const part of ["/beacon/", "sensor/wifi-scan", '"gps"', '"check-in"', "sensor/environment", "sensor/tag-sightings", "/status", "/alert/", "tags/names"]) {
      expect(pubLines.filter((line) => line.includes(part)).length, part).toBe(1);
    }
  });

  it("let an application read its own event's alerts", async () => {
    expect(subLines).toHaveLength(1);
    const reader = mosquittoSub([...at, ...app, "-t", "konferenco/demo/alert/+", "-C", "1"]);
    await reader.subscribed;
    const asWritten = runLine(subLines[0] as string, variables);
    await until(() => broker.stats().clients >= 2, "the second reader is there");
    const alert = pubLines.find((line) => line.includes("/alert/")) as string;
    // The document's reader says nothing when it has subscribed, so alerts are sent until it has one.
    const sender = setInterval(() => void runLine(alert, variables), 200);
    const [one, two] = await Promise.all([reader.finished, asWritten]);
    clearInterval(sender);
    expect(one.stdout).toContain("Hall opens");
    expect(two).toMatchObject({ code: 0, stderr: "" });
    expect(two.stdout).toMatch(/^konferenco\/demo\/alert\/info \{"v":1,/);
  });

  it("keep the gateway's status for a later reader", async () => {
    await runLine(pubLines.find((line) => line.includes("/status")) as string, variables);
    const reader = mosquittoSub([...at, ...app, "-v", "-t", "konferenco/demo/gateway/+/status", "-C", "1"]);
    expect((await reader.finished).stdout).toContain('konferenco/demo/gateway/gw-1/status {"v":1,"gatewayId":"gw-1","online":true');
  });
});

describe("what must be refused, and costs only itself", () => {
  const hall = ["-t", "konferenco/demo/beacon/hall"];

  async function stillWorks(): Promise<void> {
    messages = [];
    expect((await mosquittoPub([...at, ...gateway, ...hall, "-q", "1", "-m", "after"])).code).toBe(0);
    expect(messages).toHaveLength(1);
  }

  it.each([
    ["a wrong password", ["-u", "gw-1", "-P", "guess", ...hall, "-m", "x"], 4, "LOGIN_UNKNOWN"],
    ["an unknown user", ["-u", "mallory", "-P", "guess", ...hall, "-m", "x"], 4, "LOGIN_UNKNOWN"],
    ["no login at all", [...hall, "-m", "x"], 4, "LOGIN_UNKNOWN"],
    ["a stolen client id", [...app, "-i", "gw-1", "-t", "konferenco/demo/alert/info", "-m", "x"], 2, "CLIENT_ID_FOREIGN"],
    ["another event's topic", [...gateway, "-q", "1", "-t", "konferenco/other/beacon/hall", "-m", "x"], 7, "TOPIC_FOREIGN_EVENT"],
    ["another zone's topic", [...gateway, "-q", "1", "-t", "konferenco/demo/beacon/stage", "-m", "x"], 7, "TOPIC_FOREIGN_ZONE"],
    ["an alert by a gateway", [...gateway, "-q", "2", "-t", "konferenco/demo/alert/emergency", "-m", "x"], 7, "TOPIC_RIGHT_MISSING"],
    ["a foreign topic at QoS 0", [...gateway, "-q", "0", "-t", "konferenco/other/beacon/hall", "-m", "x"], 0, "TOPIC_FOREIGN_EVENT"],
    ["a retained report", [...gateway, "-q", "1", "-r", ...hall, "-m", "x"], 7, "RETAIN_REFUSED"],
  ])("%s", async (_what, args, exitCode, code) => {
    const before = broker.stats().refused;
    const { code: exit } = await mosquittoPub([...at, ...args]);
    expect(exit).toBe(exitCode);
    await until(() => refusedSince(before)[code] === 1, `${code} is counted`);
    expect(messages).toHaveLength(0);
    await stillWorks();
  });

  it("MQTT 5", async () => {
    const before = broker.stats().refused;
    expect((await mosquittoPub([...at, "-V", "mqttv5", ...gateway, ...hall, "-m", "x"])).code).not.toBe(0);
    await until(() => refusedSince(before).PROTOCOL_UNKNOWN === 1, "it is counted");
    await stillWorks();
  });

  it("a payload of 20 MB, at its header", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-"));
    const file = path.join(folder, "20-mb");
    fs.writeFileSync(file, Buffer.alloc(20_000_000, "x"));
    const before = broker.stats();
    const { code } = await mosquittoPub([...at, ...gateway, ...hall, "-q", "1", "-f", file]);
    fs.rmSync(folder, { recursive: true });
    expect(code).toBe(7);
    await until(() => refusedSince(before.refused).PAYLOAD_TOO_LARGE === 1, "it is counted");
    expect(broker.stats().bytes - before.bytes).toBeLessThan(1_000);
    await stillWorks();
  });

  it.each([
    ["broken JSON", '{"v":1,"gatewayId":', "JSON_BAD"],
    ["a message without a version", "[]", "VERSION_UNKNOWN"],
    ["a message without its fields", '{"v":1,"gatewayId":"gw-1"}', "SHAPE_BAD"],
    ["unequal columns", '{"v":1,"gatewayId":"gw-1","bootId":"b","seq":1,"sentAtMs":1,"tagId":["t"],"rssiDbm":[],"heardAtMs":[1]}', "COLUMNS_UNEQUAL"],
  ])("%s is delivered unread, refused by the parser with its code, and the gateway stays", async (_what, payload, code) => {
    expect((await mosquittoPub([...at, ...gateway, ...hall, "-q", "1", "-m", payload])).code).toBe(0);
    expect(parseBeaconReport((messages as [Ingested])[0].payload)).toMatchObject({ ok: false, code });
    await stillWorks();
  });

  it("NaN and a prototype name as tag id lose their rows, the good one counts", async () => {
    const payload = '{"v":1,"gatewayId":"gw-1","bootId":"b","seq":1,"sentAtMs":1,"tagId":["t1","t2","__proto__","constructor"],"rssiDbm":[-60,NaN,-60,-60],"heardAtMs":[1,1,1,1]}';
    await mosquittoPub([...at, ...gateway, ...hall, "-q", "1", "-m", payload]);
    expect(parseBeaconReport((messages as [Ingested])[0].payload)).toMatchObject({ ok: true, value: { report: { tagId: ["t1"] }, refusedRows: { RSSI_BAD: 1, ID_RESERVED: 2 } } });
  });

  it.each(["#", "konferenco/#", "konferenco/demo/#", "$SYS/#", "$share/g/konferenco/demo/alert/+", "konferenco/other/alert/+", "konferenco/+/alert/+", "konferenco/demo/beacon/+"])("a subscription to %s", async (filter) => {
    const { stdout, stderr } = await mosquittoSub([...at, ...app, "-t", filter]).finished;
    expect(stdout + stderr).toContain("All subscription requests were denied");
    await stillWorks();
  });

  it("nothing of another event reaches a reader", async () => {
    const reader = mosquittoSub([...at, ...app, "-v", "-t", "konferenco/demo/alert/+", "-C", "1"]);
    await reader.subscribed;
    expect((await mosquittoPub([...at, "-u", "elsewhere", "-P", "else", "-q", "2", "-t", "konferenco/other/alert/info", "-m", "theirs"])).code).toBe(0);
    expect((await mosquittoPub([...at, ...app, "-q", "2", "-t", "konferenco/demo/alert/info", "-m", "ours"])).code).toBe(0);
    const { stdout } = await reader.finished;
    expect(stdout).toContain("konferenco/demo/alert/info ours");
    expect(stdout).not.toContain("theirs");
  });
});
