import { describe, expect, it } from "vitest";
import { parseEnvironmentReport } from "@konferenco/protocol";
import { MAX_TELEMETRY_TAGS, newTagTelemetry, rememberAddress, reportTelemetry, TELEMETRY_EVERY_MS } from "../../gateway-agent/src/tag-telemetry.ts";
import type { BeaconFrame } from "../../gateway-agent/src/advertisement.ts";

const tlm = (batteryMv: number | null, temperatureC: number | null = null): BeaconFrame => ({ kind: "eddystone-tlm", batteryMv, temperatureC, uptimeS: 1 });

describe("a tag's battery", () => {
  it("is reported for staff, by tag and without a place, a quarter of an hour apart", () => {
    const telemetry = newTagTelemetry();
    rememberAddress(telemetry, "aa", "ib:1:1");
    const report = reportTelemetry(telemetry, "aa", [tlm(2_950, 21.5)], 1_000);
    expect(report).toEqual({ v: 1, sensorId: "ib:1:1", atMs: 1_000, batteryMv: 2_950, temperatureC: 21.5 });
    expect(parseEnvironmentReport(Buffer.from(JSON.stringify(report)))).toMatchObject({ ok: true, value: { batteryMv: 2_950 } });
    rememberAddress(telemetry, "aa", "ib:1:1");
    expect(reportTelemetry(telemetry, "aa", [tlm(2_940)], 1_000 + TELEMETRY_EVERY_MS - 1)).toBeNull();
    expect(reportTelemetry(telemetry, "aa", [tlm(2_940)], 1_000 + TELEMETRY_EVERY_MS)).toMatchObject({ batteryMv: 2_940 });
  });

  it("of a stranger is nobody's business", () => {
    expect(reportTelemetry(newTagTelemetry(), "aa", [tlm(2_950)], 0)).toBeNull();
  });

  it("is not made up where the tag has no gauge, and a broken thermometer does not cost the report", () => {
    const telemetry = newTagTelemetry();
    rememberAddress(telemetry, "aa", "ib:1:1");
    expect(reportTelemetry(telemetry, "aa", [tlm(null)], 0)).toBeNull();
    const report = reportTelemetry(telemetry, "aa", [tlm(3_000, 127)], 0);
    expect(parseEnvironmentReport(Buffer.from(JSON.stringify(report))).ok).toBe(true);
  });

  it("is remembered for a bounded number of tags", () => {
    const telemetry = newTagTelemetry();
    for (let i = 0; i < MAX_TELEMETRY_TAGS + 100; i++) rememberAddress(telemetry, `address-${i}`, `tag-${i}`);
    expect(telemetry.byAddress.size).toBe(MAX_TELEMETRY_TAGS);
    expect(telemetry.byAddress.has("address-0")).toBe(false);
  });
});
