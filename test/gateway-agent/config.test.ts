import fs from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError } from "@konferenco/protocol";
import { gatewayConfigOf, parseSettings, readGatewayConfig, SETTINGS_TEMPLATE } from "../../gateway-agent/src/config.ts";
import { temporaryFolder } from "./broker-helper.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const MINIMAL = { gatewayId: "gw-1", eventId: "demo", zoneId: "hall", broker: { url: "mqtt://127.0.0.1:1883", password: "p" } };
const config = (change: object = {}, env: Record<string, string> = {}) => gatewayConfigOf({ ...MINIMAL, ...change }, env, "gateway.json");

function complaint(change: object, env: Record<string, string> = {}): string {
  try {
    config(change, env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  }
  throw new Error("this should not have been accepted");
}

describe("the settings of a gateway", () => {
  it("need four lines; the rest has defaults with units in their names", () => {
    expect(config()).toMatchObject({
      radio: { hciDevice: null, scan: "passive", quietRestartS: 30, advertise: true },
      batch: { windowMs: 500, maxRows: 1_000 },
      spool: { directory: "/run/konferenco-gateway/spool", maxBytes: 16 * 1024 * 1024, maxAgeS: 300 },
      wifiScan: { enabled: true, everyS: 30 },
      statusEveryS: 15,
      password: "p",
      ca: null,
    });
  });

  it("the template that --init writes is read, and shows the defaults as they are", () => {
    const template = parseSettings(SETTINGS_TEMPLATE, "template") as Record<string, unknown> & { broker: object };
    const filledIn = gatewayConfigOf({ ...template, broker: { ...template.broker, password: "p" } }, {}, "template");
    const { radio, batch, spool, wifiScan, statusEveryS } = config();
    expect(filledIn).toMatchObject({ radio, batch, spool, wifiScan, statusEveryS });
    expect(() => gatewayConfigOf(template, {}, "template")).toThrow(/password is missing: set broker.password/);
  });

  it("may hold comments, and strings that look like them", () => {
    expect(parseSettings('{ "a": "mqtt://x", /* no */ "b": "/* yes */" } // end', "f")).toEqual({ a: "mqtt://x", b: "/* yes */" });
  });

  it("of an editor that puts a byte order mark before it is the same", () => {
    expect(parseSettings('\ufeff{ "a": 1 } // Notepad', "f")).toEqual({ a: 1 });
  });

  it("the environment wins over the file", () => {
    const env = { KONFERENCO_GATEWAY: "gw-9", KONFERENCO_EVENT: "other", KONFERENCO_ZONE: "stage", BROKER_URL: "mqtts://b:8883", KONFERENCO_GATEWAY_PASSWORD: "from-env" };
    expect(config({}, env)).toMatchObject({ gatewayId: "gw-9", eventId: "other", zoneId: "stage", broker: { url: "mqtts://b:8883" }, password: "from-env" });
  });

  it("password and certificate may lie in files of their own", () => {
    const passwordFile = path.join(folder.directory, "password");
    const caFile = path.join(folder.directory, "ca.pem");
    fs.writeFileSync(passwordFile, "secret\n");
    fs.writeFileSync(caFile, "PEM");
    expect(config({ broker: { url: "mqtts://b", passwordFile, caFile } })).toMatchObject({ password: "secret", ca: "PEM" });
    expect(complaint({ broker: { url: "mqtts://b", passwordFile: "/nowhere" } })).toMatch(/passwordFile \/nowhere cannot be read \(ENOENT\)/);
  });

  it("a missing file names the command that writes one; broken JSON names the place", () => {
    expect(() => readGatewayConfig("/nowhere/gateway.json", {})).toThrow(/run "konferenco-gateway --init \/nowhere\/gateway.json"/);
    expect(() => parseSettings('{ "a": 1, }', "gateway.json")).toThrow(/gateway.json is not JSON.*comma/);
  });

  it.each([
    ["an unknown setting", { gatewayid: "x" }, /gatewayid/],
    ["a bad id", { gatewayId: "gw 1" }, /gatewayId: must be an id/],
    ["a prototype name", { zoneId: "constructor" }, /zoneId: must be an id/],
    ["a password in the address", { broker: { url: "mqtt://u:p@127.0.0.1", password: "p" } }, /broker.url: must be mqtts/],
    ["clear text beyond this machine", { broker: { url: "mqtt://broker.local:1883", password: "p" } }, /clear text: use mqtts:\/\/ or wss:\/\/, or set "allowUnencrypted"/],
    ["a look-alike of loopback", { broker: { url: "mqtt://127.0.0.1.evil.org:1883", password: "p" } }, /clear text/],
    ["a window longer than its interval", { radio: { scanWindowMs: 200 } }, /radio: scanWindowMs must not be longer/],
    ["two gateways with one number", { gatewayMinors: { "gw-1": 1, "gw-2": 1 } }, /two gateways have the same number/],
    ["a tag without a name on the air", { tags: [{ tagId: "t" }] }, /tags.0: needs at least one of address/],
    ["a tag that calls itself a gateway", { tags: [{ tagId: "gateway:x", address: "ac:23:3f:00:00:01" }] }, /listed in gatewayMinors/],
    ["a report larger than the broker takes", { batch: { maxRows: 4_000 } }, /batch.maxRows/],
    ["whereabouts kept longer than 5 minutes", { spool: { maxAgeS: 600 } }, /spool.maxAgeS/],
  ])("%s is refused by name", (_what, change, message) => {
    expect(complaint(change)).toMatch(message);
  });

  it("clear text is allowed on this machine, and elsewhere when somebody says so", () => {
    expect(config({ broker: { url: "mqtt://[::1]:1883", password: "p" } }).broker.url).toBe("mqtt://[::1]:1883");
    expect(config({ broker: { url: "mqtt://broker.local", password: "p", allowUnencrypted: true } }).broker.allowUnencrypted).toBe(true);
  });
});
