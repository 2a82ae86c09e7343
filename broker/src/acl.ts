import { accepted, parseTopic, refuse, type Parsed, type RefusalCode, type Topic } from "@konferenco/protocol";

/** What an application may do inside its own event. */
export const APPLICATION_RIGHTS = [
  "publish-reports", "publish-sensors", "publish-alerts", "publish-tag-names",
  "read-reports", "read-sensors", "read-alerts", "read-status", "read-tag-names",
] as const;
export type ApplicationRight = (typeof APPLICATION_RIGHTS)[number];

/** Who is logged in, and for which event. */
export type Principal =
  | { kind: "gateway"; eventId: string; gatewayId: string; zoneIds: string[] }
  | { kind: "application"; eventId: string; name: string; rights: ApplicationRight[] };

/**
 * The access rules. Pure: principal, action and topic in, the parsed topic or a refusal code out.
 * Everything that no line below allows is refused.
 */
export function checkPublish(principal: Principal, topicName: string, retain: boolean): Parsed<Topic> {
  if (topicName.startsWith("$")) return refuse("TOPIC_SYSTEM", `"${clip(topicName)}" belongs to the broker itself`);
  const parsed = parseTopic(topicName);
  if (!parsed.ok) return parsed;
  const topic = parsed.value;
  if (topic.eventId !== principal.eventId) {
    return refuse("TOPIC_FOREIGN_EVENT", `${nameOf(principal)} belongs to event "${principal.eventId}", not "${topic.eventId}"`);
  }
  const fault = principal.kind === "gateway" ? gatewayFault(principal, topic) : applicationFault(principal, topic);
  if (fault !== null) return refuse(fault.code, fault.detail);
  // Only a gateway's status and the names of tags are retained: a late subscriber needs the last one. A
  // retained report would show people where they no longer are.
  if (retain && topic.kind !== "gateway-status" && topic.kind !== "tag-names") {
    return refuse("RETAIN_REFUSED", `only gateway/{gatewayId}/status and tags/names may be retained, not "${clip(topicName)}"`);
  }
  return parsed;
}

/**
 * A subscription is allowed when the principal may read every topic that the filter can match.
 * `+` is fine inside the own event; `#` is refused even there, because it also matches what is defined tomorrow.
 */
export function checkSubscribe(principal: Principal, filter: string): Parsed<null> {
  if (filter.startsWith("$share")) return refuse("TOPIC_SHARED", "shared subscriptions are not offered: they would be granted and deliver nothing");
  if (filter.startsWith("$")) return refuse("TOPIC_SYSTEM", `"${clip(filter)}" belongs to the broker itself`);
  if (filter.includes("#")) return refuse("TOPIC_WILDCARD", `"${clip(filter)}": # is not offered, name each level or use +`);
  const [root, eventId, ...tail] = filter.split("/");
  if (root === "+" || eventId === "+") return refuse("TOPIC_FOREIGN_EVENT", `"${clip(filter)}" reaches into other events`);
  if (root !== "konferenco") return refuse("TOPIC_UNKNOWN", `"${clip(filter)}" does not begin with konferenco/`);
  if (eventId !== principal.eventId) {
    return refuse("TOPIC_FOREIGN_EVENT", `${nameOf(principal)} belongs to event "${principal.eventId}", not "${clip(eventId ?? "")}"`);
  }
  if (!filter.includes("+")) {
    const exact = parseTopic(filter);
    if (!exact.ok) return exact;
  }
  const matched = TOPIC_SHAPES.filter(({ shape }) => canMatchSame(tail, shape));
  if (matched.length === 0) return refuse("TOPIC_UNKNOWN", `no message is ever sent on "${clip(filter)}"`);
  const rights = principal.kind === "application" ? principal.rights : GATEWAY_READS;
  const missing = matched.find(({ kind }) => !rights.includes(READ_RIGHT[kind]));
  if (missing !== undefined) {
    return refuse("TOPIC_RIGHT_MISSING", `"${clip(filter)}" needs the right ${READ_RIGHT[missing.kind]}, which ${nameOf(principal)} does not have`);
  }
  return accepted(null);
}

/** The second lock, on the way out: may this principal get a message on this topic? */
export function mayReceive(principal: Principal, topicName: string): boolean {
  const topic = parseTopic(topicName);
  const rights = principal.kind === "application" ? principal.rights : GATEWAY_READS;
  return topic.ok && topic.value.eventId === principal.eventId && rights.includes(READ_RIGHT[topic.value.kind]);
}

/** A gateway reads nothing but which changing names are the event's, so that it drops strangers by itself. */
const GATEWAY_READS: readonly ApplicationRight[] = ["read-tag-names"];

/**
 * A client id must be the user name or begin with it and a slash: MQTT throws out whoever is connected
 * under the same client id, so ids outside the own name would let anybody disconnect a gateway.
 */
export function isOwnClientId(userName: string, clientId: string): boolean {
  return clientId === userName || (clientId.startsWith(`${userName}/`) && clientId.length <= MAX_CLIENT_ID_LENGTH);
}

/** 64 for the user name, a slash, 64 for the rest: about 300 bytes per stored session. */
const MAX_CLIENT_ID_LENGTH = 129;

export function nameOf(principal: Principal): string {
  return principal.kind === "gateway" ? `gateway "${principal.gatewayId}"` : `application "${principal.name}"`;
}

const READ_RIGHT: Record<Topic["kind"], ApplicationRight> = {
  beacon: "read-reports",
  sensor: "read-sensors",
  alert: "read-alerts",
  "gateway-status": "read-status",
  "tag-names": "read-tag-names",
};

/** What follows `konferenco/{eventId}/`; parseTopic knows the same shapes, a test holds the two together. */
const TOPIC_SHAPES: readonly { kind: Topic["kind"]; shape: readonly string[] }[] = [
  { kind: "beacon", shape: ["beacon", "+"] },
  { kind: "beacon", shape: ["beacon", "+", "+"] },
  { kind: "sensor", shape: ["sensor", "+"] },
  { kind: "alert", shape: ["alert", "+"] },
  { kind: "gateway-status", shape: ["gateway", "+", "status"] },
  { kind: "tag-names", shape: ["tags", "names"] },
];

function canMatchSame(filter: readonly string[], shape: readonly string[]): boolean {
  return filter.length === shape.length && filter.every((level, i) => level === "+" || shape[i] === "+" || level === shape[i]);
}

interface Fault {
  code: RefusalCode;
  detail: string;
}

function gatewayFault(gateway: Extract<Principal, { kind: "gateway" }>, topic: Topic): Fault | null {
  switch (topic.kind) {
    case "beacon":
      if (gateway.zoneIds.includes(topic.zoneId)) return null;
      return { code: "TOPIC_FOREIGN_ZONE", detail: `${nameOf(gateway)} does not stand in zone "${topic.zoneId}"` };
    case "sensor":
      // A position claims where somebody is, and phones' sightings who is with whom; a gateway only says what it heard.
      if (topic.sensorType !== "position" && topic.sensorType !== "tag-sightings") return null;
      return { code: "TOPIC_RIGHT_MISSING", detail: `${nameOf(gateway)} may not report ${topic.sensorType === "position" ? "positions" : "what phones heard"}` };
    case "gateway-status":
      if (topic.gatewayId === gateway.gatewayId) return null;
      return { code: "GATEWAY_FOREIGN", detail: `${nameOf(gateway)} may not speak for gateway "${topic.gatewayId}"` };
    case "tag-names":
      return { code: "TOPIC_RIGHT_MISSING", detail: `${nameOf(gateway)} may not say which tags are the event's` };
    case "alert":
      return { code: "TOPIC_RIGHT_MISSING", detail: `${nameOf(gateway)} may not raise alerts` };
  }
}

function applicationFault(application: Extract<Principal, { kind: "application" }>, topic: Topic): Fault | null {
  if (topic.kind === "gateway-status") {
    return { code: "GATEWAY_FOREIGN", detail: `only gateway "${topic.gatewayId}" itself may tell its status` };
  }
  const right = PUBLISH_RIGHT[topic.kind];
  if (application.rights.includes(right)) return null;
  return { code: "TOPIC_RIGHT_MISSING", detail: `${nameOf(application)} does not have the right ${right}` };
}

const PUBLISH_RIGHT: Record<Exclude<Topic["kind"], "gateway-status">, ApplicationRight> = {
  beacon: "publish-reports",
  sensor: "publish-sensors",
  alert: "publish-alerts",
  "tag-names": "publish-tag-names",
};

function clip(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
