import { accepted, refuse, type Parsed } from "./errors.ts";
import { isId, parseId, type EventId, type GatewayId, type ZoneId } from "./ids.ts";

export const SENSOR_TYPES = ["wifi-scan", "position", "environment", "tag-sightings"] as const;
export type SensorType = (typeof SENSOR_TYPES)[number];

export const ALERT_SEVERITIES = ["info", "warning", "emergency"] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** What a topic says (requirement A2), parsed. */
export type Topic =
  | { kind: "beacon"; eventId: EventId; zoneId: ZoneId; partition: number | null }
  | { kind: "sensor"; eventId: EventId; sensorType: SensorType }
  | { kind: "alert"; eventId: EventId; severity: AlertSeverity }
  | { kind: "gateway-status"; eventId: EventId; gatewayId: GatewayId }
  | { kind: "tag-names"; eventId: EventId };

/**
 * Shapes: `konferenco/{eventId}/beacon/{zoneId}[/{partition}]`, `konferenco/{eventId}/sensor/{sensorType}`,
 * `konferenco/{eventId}/alert/{severity}`, `konferenco/{eventId}/gateway/{gatewayId}/status`,
 * `konferenco/{eventId}/tags/names`.
 */
export function parseTopic(topic: string): Parsed<Topic> {
  if (topic.includes("+") || topic.includes("#")) return refuse("TOPIC_WILDCARD", "a topic to publish on has no + or #");
  const [root, eventId, family, name, tail, ...rest] = topic.split("/");
  if (root !== "konferenco" || rest.length > 0 || name === undefined) return unknown(topic);
  const event = parseId(eventId);
  if (!event.ok) return event;
  switch (family) {
    case "beacon": {
      const zone = parseId(name);
      if (!zone.ok) return zone;
      if (tail === undefined) return accepted({ kind: "beacon", eventId: event.value, zoneId: name, partition: null });
      if (!/^\d{1,4}$/.test(tail)) return unknown(topic);
      return accepted({ kind: "beacon", eventId: event.value, zoneId: name, partition: Number(tail) });
    }
    case "sensor":
      if (tail !== undefined || !isOneOf(SENSOR_TYPES, name)) return unknown(topic);
      return accepted({ kind: "sensor", eventId: event.value, sensorType: name });
    case "alert":
      if (tail !== undefined || !isOneOf(ALERT_SEVERITIES, name)) return unknown(topic);
      return accepted({ kind: "alert", eventId: event.value, severity: name });
    case "gateway": {
      const gateway = parseId(name);
      if (!gateway.ok) return gateway;
      if (tail !== "status") return unknown(topic);
      return accepted({ kind: "gateway-status", eventId: event.value, gatewayId: name });
    }
    case "tags":
      if (tail !== undefined || name !== "names") return unknown(topic);
      return accepted({ kind: "tag-names", eventId: event.value });
    default:
      return unknown(topic);
  }
}

export function beaconTopic(eventId: EventId, zoneId: ZoneId): string {
  return `konferenco/${eventId}/beacon/${zoneId}`;
}

export function sensorTopic(eventId: EventId, sensorType: SensorType): string {
  return `konferenco/${eventId}/sensor/${sensorType}`;
}

export function alertTopic(eventId: EventId, severity: AlertSeverity): string {
  return `konferenco/${eventId}/alert/${severity}`;
}

export function gatewayStatusTopic(eventId: EventId, gatewayId: GatewayId): string {
  return `konferenco/${eventId}/gateway/${gatewayId}/status`;
}

/** Where gateways learn which changing names are the event's now: see `encodeTagNames`. */
export function tagNamesTopic(eventId: EventId): string {
  return `konferenco/${eventId}/tags/names`;
}

/** Everything that fusion reads of one event, for a broker in another process. */
export function fusionTopicFilters(eventId: EventId): string[] {
  return ["beacon/+", "beacon/+/+", "sensor/+", "alert/+", "gateway/+/status"].map((tail) => `konferenco/${eventId}/${tail}`);
}

function unknown(topic: string): Parsed<never> {
  return refuse("TOPIC_UNKNOWN", `no message is defined for topic "${topic.slice(0, 200)}"`);
}

function isOneOf<T extends string>(values: readonly T[], value: string | undefined): value is T {
  return value !== undefined && (values as readonly string[]).includes(value) && isId(value);
}
