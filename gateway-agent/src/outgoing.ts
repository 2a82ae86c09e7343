import {
  beaconTopic,
  formatBeaconReport,
  sensorTopic,
  type EnvironmentReport,
  type EventId,
  type GatewayId,
  type WifiScan,
  type ZoneId,
} from "@konferenco/protocol";
import type { SightingColumns } from "./batch.ts";

/** Sightings that are to be reported. `atMs` is when the batch was closed. Pure. */
export interface OutgoingSightings {
  atMs: number;
  columns: SightingColumns;
}

/** Who speaks, and how often it has. */
export interface Voice {
  eventId: EventId;
  zoneId: ZoneId;
  gatewayId: GatewayId;
  bootId: string;
  /** Given out when a report is sent, not when it is made: what was spooled keeps its place in the order of sending. */
  nextSeq: number;
}

export interface Packet {
  topic: string;
  payload: string;
  qos: 0 | 1;
}

export function reportPacket(sightings: OutgoingSightings, voice: Voice, nowMs: number): Packet {
  const { gatewayId, bootId } = voice;
  const payload = formatBeaconReport({ gatewayId, bootId, seq: voice.nextSeq++, sentAtMs: nowMs, ...sightings.columns });
  return { topic: beaconTopic(voice.eventId, voice.zoneId), payload, qos: 0 };
}

export function wifiScanPacket(scan: WifiScan, voice: Voice): Packet {
  return { topic: sensorTopic(voice.eventId, "wifi-scan"), payload: JSON.stringify({ v: 1, ...scan }), qos: 1 };
}

export function environmentPacket(report: EnvironmentReport, voice: Voice): Packet {
  return { topic: sensorTopic(voice.eventId, "environment"), payload: JSON.stringify(report), qos: 1 };
}

/** The spool's form: times become ages against `atMs`, so that another process with another clock origin can read them. */
export function encodeSpooled({ atMs, columns: { tagId, rssiDbm, heardAtMs } }: OutgoingSightings): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, tagId, rssiDbm, agoMs: heardAtMs.map((heard) => atMs - heard) }));
}

/** Back from the spool; null for a record of another version of this program. Its CRC has been checked: nobody else wrote it. */
export function decodeSpooled(body: Uint8Array, atMs: number): OutgoingSightings | null {
  try {
    const json = JSON.parse(Buffer.from(body).toString("utf8")) as { v: unknown; tagId: string[]; rssiDbm: number[]; agoMs: number[] };
    if (json.v !== 1) return null;
    return { atMs, columns: { tagId: json.tagId, rssiDbm: json.rssiDbm, heardAtMs: json.agoMs.map((ago) => atMs - ago) } };
  } catch {
    return null;
  }
}
