import type { EnvironmentReport, TagId } from "@konferenco/protocol";
import type { BeaconFrame } from "./advertisement.ts";

/**
 * What a tag says about itself (Eddystone-TLM: battery, temperature), requirement A11. A TLM frame carries no
 * id; it belongs to the tag that was last heard from the same address. Pure; knows enrolled tags alone.
 */
export interface TagTelemetry {
  /** Address to tag and when its last report was made. Oldest out first; about 200 bytes each, 800 KB at the bound. */
  byAddress: Map<string, { tagId: TagId; reportedAtMs: number }>;
}

/** Tags within earshot of one gateway; a hall of 4,096 is past what one radio can hear. */
export const MAX_TELEMETRY_TAGS = 4_096;
/** A battery lasts months: one report a quarter of an hour per gateway is plenty. */
export const TELEMETRY_EVERY_MS = 15 * 60_000;

export function newTagTelemetry(): TagTelemetry {
  return { byAddress: new Map() };
}

export function rememberAddress(telemetry: TagTelemetry, address: string, tagId: TagId): void {
  const { byAddress } = telemetry;
  if (byAddress.get(address)?.tagId === tagId) return;
  byAddress.delete(address);
  byAddress.set(address, { tagId, reportedAtMs: -Infinity });
  if (byAddress.size > MAX_TELEMETRY_TAGS) byAddress.delete(byAddress.keys().next().value as string);
}

/** A report for staff when this is an enrolled tag's telemetry and its last report is long enough ago. It names no place. */
export function reportTelemetry(telemetry: TagTelemetry, address: string, frames: readonly BeaconFrame[], nowMs: number): EnvironmentReport | null {
  const frame = frames.find((candidate) => candidate.kind === "eddystone-tlm");
  const known = telemetry.byAddress.get(address);
  if (frame === undefined || known === undefined || nowMs - known.reportedAtMs < TELEMETRY_EVERY_MS) return null;
  if (frame.batteryMv === null && frame.temperatureC === null) return null;
  known.reportedAtMs = nowMs;
  return {
    v: 1,
    sensorId: known.tagId,
    atMs: nowMs,
    ...(frame.batteryMv === null ? {} : { batteryMv: frame.batteryMv }),
    ...(frame.temperatureC === null ? {} : { temperatureC: clampTemperature(frame.temperatureC) }),
  };
}

/** A broken thermometer must not cost the battery's report its place on the wire. */
function clampTemperature(temperatureC: number): number {
  return Math.max(-90, Math.min(90, temperatureC));
}
