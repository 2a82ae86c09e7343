import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import {
  cleanText, clientFrameSchema, MAX_SCAN_ROWS, parseAlertMessage, parseBeaconReport, parseEnvironmentReport, parseGatewayStatus, parseJson, parseJsonAs, parsePositionReport, parseTagSightings, parseWifiScan, REFUSAL_CODES,
  type Parsed,
} from "@konferenco/protocol";

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const parsers: [string, (bytes: Uint8Array) => Parsed<unknown>][] = [
  ["parseBeaconReport", parseBeaconReport],
  ["parseWifiScan", parseWifiScan],
  ["parsePositionReport", parsePositionReport],
  ["parseEnvironmentReport", parseEnvironmentReport],
  ["parseGatewayStatus", parseGatewayStatus],
  ["parseAlertMessage", parseAlertMessage],
  ["a client frame", (input) => parseJsonAs(clientFrameSchema, input)],
];

const examples = {
  wifi: { v: 1, tagId: "t1", heardAtMs: 1, bssid: ["AA:bb:cc:dd:ee:ff", "00:11:22:33:44:55"], rssiDbm: [-50, -60] },
  gps: { v: 1, source: "gps", tagId: "t1", atMs: 1, lat: 52.23, lon: 21.01, accuracy95M: 8 },
  checkIn: { v: 1, source: "check-in", tagId: "t1", atMs: 1, zoneId: "hall" },
  environment: { v: 1, sensorId: "s1", atMs: 1, zoneId: "hall", temperatureC: 21.5, humidityPct: 40, co2Ppm: 700, noiseDbA: 60 },
  status: { v: 1, gatewayId: "gw-1", online: true, sentAtMs: 1, bootId: "b", version: "0.1.0", uptimeS: 5, sightingsPerS: 3.5, spooledReports: 0, droppedReports: 0 },
  alert: { v: 1, alertId: "a1", title: "Hall 2", text: "Doors open", zoneIds: ["hall"], atMs: 5 },
  hello: { op: "hello", id: 1, tok: "t" },
};

describe.each(parsers)("%s", (_name, parse) => {
  it("never throws, on any bytes, and refuses with a code of the published list", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (input) => {
      const parsed = parse(input);
      if (!parsed.ok) expect(REFUSAL_CODES).toContain(parsed.code);
    }), { numRuns: 500 });
  });

  it("never throws, on any JSON", () => {
    fc.assert(fc.property(fc.json({ maxDepth: 4 }), (text) => {
      const parsed = parse(bytes(text));
      if (!parsed.ok) expect(REFUSAL_CODES).toContain(parsed.code);
    }), { numRuns: 500 });
  });

  it("never throws, on a good message with one field replaced by anything", () => {
    const fields = [...new Set(Object.values(examples).flatMap((example) => Object.keys(example)))];
    fc.assert(fc.property(fc.constantFrom(...Object.values(examples)), fc.constantFrom(...fields, "__proto__", "constructor"), fc.jsonValue(), (example, field, value) => {
      parse(bytes({ ...example, [field]: value }));
    }), { numRuns: 1_000 });
  });

  it("refuses 10 MB of rubbish in bounded time", () => {
    const before = process.cpuUsage();
    expect(parse(Buffer.alloc(10 * 1024 * 1024, '{"a":')).ok).toBe(false);
    expect(parse(bytes(`"${"x".repeat(10 * 1024 * 1024)}"`)).ok).toBe(false);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(10_000);
  });
});

describe("JSON from the wire", () => {
  it("any value goes there and back", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      expect(parseJson(bytes(JSON.stringify(value)))).toEqual({ ok: true, value: JSON.parse(JSON.stringify(value)) as unknown });
    }));
  });
  it("a number that JSON does not have becomes null, a text that names it stays a text", () => {
    expect(parseJson(bytes('{"a":NaN,"b":-Infinity,"c":"NaN","d":"say \\"Infinity\\"","e":[Infinity]}'))).toEqual({ ok: true, value: { a: null, b: null, c: "NaN", d: 'say "Infinity"', e: [null] } });
  });
  it("broken JSON that names NaN is refused with the place in what was sent", () => expect(parseJson(bytes('{"a":NaN'))).toMatchObject({ ok: false, code: "JSON_BAD" }));
  it("a prototype name stays an own field of its object", () => {
    const parsed = parseJson(bytes('{"__proto__":{"admin":true}}'));
    expect(parsed.ok && (parsed.value as { admin?: boolean }).admin).toBeUndefined();
  });
});

describe("a Wi-Fi scan", () => {
  it("keeps good rows, with BSSIDs in lower case", () => {
    expect(parseWifiScan(bytes(examples.wifi))).toEqual({ ok: true, value: { scan: { tagId: "t1", gatewayId: null, heardAtMs: 1, bssid: ["aa:bb:cc:dd:ee:ff", "00:11:22:33:44:55"], rssiDbm: [-50, -60] }, refusedRows: {} } });
  });
  it("loses bad rows one by one", () => {
    const rows = { bssid: ["aa:bb:cc:dd:ee:ff", "aa-bb-cc-dd-ee-ff", 7, "00:11:22:33:44:55", "00:11:22:33:44:56", "00:11:22:33:44:57"], rssiDbm: [-50, -50, -50, 0, "x", -99] };
    expect(parseWifiScan(bytes({ ...examples.wifi, ...rows }))).toMatchObject({ ok: true, value: { scan: { bssid: ["aa:bb:cc:dd:ee:ff", "00:11:22:33:44:57"] }, refusedRows: { ID_BAD: 2, RSSI_NOT_HEARD: 1, RSSI_BAD: 1 } } });
  });
  it.each([
    ["neither tag nor gateway", { tagId: undefined }],
    ["unequal columns", { rssiDbm: [-50] }],
    ["too many rows", { bssid: Array(MAX_SCAN_ROWS + 1).fill("aa:bb:cc:dd:ee:ff"), rssiDbm: Array(MAX_SCAN_ROWS + 1).fill(-50) }],
    ["a prototype name as tag", { tagId: "constructor" }],
    ["another version", { v: 2 }],
  ])("with %s is refused", (_what, change) => expect(parseWifiScan(bytes({ ...examples.wifi, ...change }))).toMatchObject({ ok: false, code: "SHAPE_BAD" }));
});

describe("what a phone heard of others", () => {
  const example = { v: 1, tagId: "t1", heardAtMs: 1, heardTagId: ["t2", "t3"], rssiDbm: [-50, -60] };
  it("becomes columns; a bad row costs only itself", () => {
    expect(parseTagSightings(bytes(example))).toEqual({ ok: true, value: { sightings: { tagId: "t1", heardAtMs: 1, heardTagId: ["t2", "t3"], rssiDbm: [-50, -60] }, refusedRows: {} } });
    expect(parseTagSightings(bytes({ ...example, heardTagId: ["t2", 3, "t4"], rssiDbm: [-50, -50, 20] }))).toMatchObject({ ok: true, value: { sightings: { heardTagId: ["t2"] }, refusedRows: { ID_BAD: 1, RSSI_NOT_HEARD: 1 } } });
  });
  it.each([{ tagId: "a b" }, { rssiDbm: [-50] }, { v: 2 }])("with %j is refused", (change) => expect(parseTagSightings(bytes({ ...example, ...change }))).toMatchObject({ ok: false, code: "SHAPE_BAD" }));
});

describe("a position report", () => {
  it("by GPS lies on floor 0 if it does not say", () => expect(parsePositionReport(bytes(examples.gps))).toEqual({ ok: true, value: { ...examples.gps, floor: 0 } }));
  it("by check-in names a zone", () => expect(parsePositionReport(bytes(examples.checkIn))).toEqual({ ok: true, value: examples.checkIn }));
  it.each([{ lat: 91 }, { lat: -90.1 }, { lon: 181 }, { lon: null }, { accuracy95M: 0 }, { accuracy95M: -1 }, { floor: 1.5 }, { source: "guess" }, { tagId: "__proto__" }, { tagId: "a/b" }, { atMs: "now" }])(
    "by GPS with %j is refused",
    (change) => expect(parsePositionReport(bytes({ ...examples.gps, ...change }))).toMatchObject({ ok: false, code: "SHAPE_BAD" }),
  );
  it("by check-in without a zone is refused", () => expect(parsePositionReport(bytes({ ...examples.checkIn, zoneId: undefined })).ok).toBe(false));
});

describe("environment and status", () => {
  it("parse whole, and with only what they need", () => {
    expect(parseEnvironmentReport(bytes(examples.environment))).toEqual({ ok: true, value: examples.environment });
    expect(parseEnvironmentReport(bytes({ v: 1, sensorId: "s1", atMs: 1 })).ok).toBe(true);
    expect(parseGatewayStatus(bytes(examples.status))).toEqual({ ok: true, value: examples.status });
    expect(parseGatewayStatus(bytes({ v: 1, gatewayId: "gw-1", online: false })).ok).toBe(true);
  });
  it.each([{ temperatureC: -91 }, { humidityPct: 101 }, { co2Ppm: -1 }, { noiseDbA: "loud" }, { sensorId: "" }])("environment with %j is refused", (change) => expect(parseEnvironmentReport(bytes({ ...examples.environment, ...change })).ok).toBe(false));
  it.each([{ online: "yes" }, { spooledReports: -1 }, { uptimeS: -1 }, { gatewayId: "toString" }, { bootId: "" }])("status with %j is refused", (change) => expect(parseGatewayStatus(bytes({ ...examples.status, ...change })).ok).toBe(false));
});

describe("an alert", () => {
  it("parses; without zones it is for everybody", () => {
    expect(parseAlertMessage(bytes(examples.alert))).toEqual({ ok: true, value: examples.alert });
    expect(parseAlertMessage(bytes({ v: 1, alertId: "a", title: "x", text: "y" })).ok).toBe(true);
  });
  it.each([{ alertId: "" }, { title: "" }, { title: "x".repeat(121) }, { text: "x".repeat(501) }, { zoneIds: ["a/b"] }, { zoneIds: Array(65).fill("z") }, { v: 2 }, { atMs: null }])("with %j is refused", (change) => expect(parseAlertMessage(bytes({ ...examples.alert, ...change })).ok).toBe(false));
  it("shows no character that turns or hides text; line breaks and other languages stay", () => {
    const parsed = parseAlertMessage(bytes({ ...examples.alert, text: "a\u202eb\u0000c\u2066d\u200fe\nКраків 🚪\u007f" }));
    expect(parsed).toMatchObject({ ok: true, value: { text: "abcde\nКраків 🚪" } });
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
      // eslint-disable-next-line no-control-regex
      expect(cleanText(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      expect(cleanText(cleanText(text))).toBe(cleanText(text));
    }));
  });
});
