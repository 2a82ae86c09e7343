import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { APPLICATION_RIGHTS, checkPublish, checkSubscribe, isOwnClientId, mayReceive, type ApplicationRight, type Principal } from "@konferenco/broker";
import { alertTopic, ALERT_SEVERITIES, beaconTopic, fusionTopicFilters, gatewayStatusTopic, parseTopic, SENSOR_TYPES, sensorTopic, tagNamesTopic } from "@konferenco/protocol";

const gateway: Principal = { kind: "gateway", eventId: "demo", gatewayId: "gw-1", zoneIds: ["hall", "foyer"] };
const application = (...rights: ApplicationRight[]): Principal => ({ kind: "application", eventId: "demo", name: "app", rights });
const everything = application(...APPLICATION_RIGHTS);

function verdict(result: { ok: true } | { ok: false; code: string }): string {
  return result.ok ? "allowed" : result.code;
}

describe("a gateway publishes", () => {
  it.each([
    ["konferenco/demo/beacon/hall", "allowed"],
    ["konferenco/demo/beacon/foyer", "allowed"],
    ["konferenco/demo/beacon/hall/3", "allowed"],
    ["konferenco/demo/sensor/wifi-scan", "allowed"],
    ["konferenco/demo/sensor/environment", "allowed"],
    ["konferenco/demo/gateway/gw-1/status", "allowed"],
    ["konferenco/demo/beacon/stage", "TOPIC_FOREIGN_ZONE"],
    ["konferenco/demo/beacon/Hall", "TOPIC_FOREIGN_ZONE"],
    ["konferenco/other/beacon/hall", "TOPIC_FOREIGN_EVENT"],
    ["konferenco/other/gateway/gw-1/status", "TOPIC_FOREIGN_EVENT"],
    ["konferenco/demo/gateway/gw-2/status", "GATEWAY_FOREIGN"],
    ["konferenco/demo/sensor/position", "TOPIC_RIGHT_MISSING"],
    ["konferenco/demo/sensor/tag-sightings", "TOPIC_RIGHT_MISSING"],
    ["konferenco/demo/alert/emergency", "TOPIC_RIGHT_MISSING"],
    ["konferenco/demo/beacon/+", "TOPIC_WILDCARD"],
    ["konferenco/demo/beacon/#", "TOPIC_WILDCARD"],
    ["konferenco/demo/beacon/__proto__", "ID_RESERVED"],
    ["konferenco/demo/beacon/constructor", "ID_RESERVED"],
    ["konferenco/demo/beacon/", "ID_BAD"],
    ["konferenco/demo/beacon/hall/x", "TOPIC_UNKNOWN"],
    ["konferenco/demo/beacon/hall/1/2", "TOPIC_UNKNOWN"],
    ["konferenco/demo/sensor/smoke", "TOPIC_UNKNOWN"],
    ["konferenco/demo/gateway/gw-1", "TOPIC_UNKNOWN"],
    ["konferenco/demo", "TOPIC_UNKNOWN"],
    ["/konferenco/demo/beacon/hall", "TOPIC_UNKNOWN"],
    ["elsewhere/demo/beacon/hall", "TOPIC_UNKNOWN"],
    ["", "TOPIC_UNKNOWN"],
    ["$SYS/broker/clients", "TOPIC_SYSTEM"],
    ["$share/g/konferenco/demo/beacon/hall", "TOPIC_SYSTEM"],
  ])("%s: %s", (topic, expected) => {
    expect(verdict(checkPublish(gateway, topic, false))).toBe(expected);
  });

  it("retains its own status and nothing else", () => {
    expect(verdict(checkPublish(gateway, "konferenco/demo/gateway/gw-1/status", true))).toBe("allowed");
    expect(verdict(checkPublish(gateway, "konferenco/demo/beacon/hall", true))).toBe("RETAIN_REFUSED");
    expect(verdict(checkPublish(gateway, "konferenco/demo/sensor/environment", true))).toBe("RETAIN_REFUSED");
    expect(verdict(checkPublish(everything, "konferenco/demo/alert/info", true))).toBe("RETAIN_REFUSED");
  });
});

describe("an application publishes", () => {
  const topicsByRight: [ApplicationRight, string[]][] = [
    ["publish-reports", [beaconTopic("demo", "hall"), beaconTopic("demo", "stage")]],
    ["publish-sensors", SENSOR_TYPES.map((type) => sensorTopic("demo", type))],
    ["publish-alerts", ALERT_SEVERITIES.map((severity) => alertTopic("demo", severity))],
    ["publish-tag-names", [tagNamesTopic("demo")]],
  ];
  it.each(topicsByRight)("with %s alone exactly its own topics", (right, topics) => {
    const others = topicsByRight.flatMap(([, all]) => all).filter((topic) => !topics.includes(topic));
    for (const topic of topics) expect(verdict(checkPublish(application(right), topic, false))).toBe("allowed");
    for (const topic of others) expect(verdict(checkPublish(application(right), topic, false))).toBe("TOPIC_RIGHT_MISSING");
  });

  it("never a gateway's status, whatever its rights", () => {
    expect(verdict(checkPublish(everything, gatewayStatusTopic("demo", "gw-1"), true))).toBe("GATEWAY_FOREIGN");
  });

  it("not into another event, whatever its rights", () => {
    expect(verdict(checkPublish(everything, alertTopic("other", "info"), false))).toBe("TOPIC_FOREIGN_EVENT");
  });
});

describe("a subscription", () => {
  it.each([
    ["#", "TOPIC_WILDCARD"],
    ["+/#", "TOPIC_WILDCARD"],
    ["konferenco/#", "TOPIC_WILDCARD"],
    ["konferenco/demo/#", "TOPIC_WILDCARD"],
    ["konferenco/demo/alert/#", "TOPIC_WILDCARD"],
    ["$SYS/#", "TOPIC_SYSTEM"],
    ["$SYS/+/new/clients", "TOPIC_SYSTEM"],
    ["$share/group/konferenco/demo/alert/info", "TOPIC_SHARED"],
    ["$share", "TOPIC_SHARED"],
    ["+", "TOPIC_FOREIGN_EVENT"],
    ["+/demo/alert/info", "TOPIC_FOREIGN_EVENT"],
    ["+/+/+/+", "TOPIC_FOREIGN_EVENT"],
    ["konferenco/+/alert/info", "TOPIC_FOREIGN_EVENT"],
    ["konferenco/other/alert/info", "TOPIC_FOREIGN_EVENT"],
    ["konferenco", "TOPIC_FOREIGN_EVENT"],
    ["konferenco/demo", "TOPIC_UNKNOWN"],
    ["konferenco/demo/alert/urgent", "TOPIC_UNKNOWN"],
    ["", "TOPIC_UNKNOWN"],
  ])("to %s: %s even with all rights", (filter, expected) => {
    expect(verdict(checkSubscribe(everything, filter))).toBe(expected);
  });

  it("with + inside the own event needs a right for every topic that it can match", () => {
    const readAlerts = application("read-alerts");
    expect(verdict(checkSubscribe(readAlerts, "konferenco/demo/alert/+"))).toBe("allowed");
    expect(verdict(checkSubscribe(readAlerts, "konferenco/demo/alert/info"))).toBe("allowed");
    expect(verdict(checkSubscribe(readAlerts, "konferenco/demo/+/info"))).toBe("TOPIC_RIGHT_MISSING"); // beacon/info, sensor/info
    expect(verdict(checkSubscribe(readAlerts, "konferenco/demo/+/+"))).toBe("TOPIC_RIGHT_MISSING");
    expect(verdict(checkSubscribe(readAlerts, "konferenco/demo/+/+/+"))).toBe("TOPIC_RIGHT_MISSING");
    expect(verdict(checkSubscribe(application("read-alerts", "read-sensors", "read-reports", "read-tag-names"), "konferenco/demo/+/+"))).toBe("allowed");
    expect(verdict(checkSubscribe(application("read-reports"), "konferenco/demo/+/+/+"))).toBe("TOPIC_RIGHT_MISSING");
    expect(verdict(checkSubscribe(application("read-reports", "read-status"), "konferenco/demo/+/+/+"))).toBe("allowed");
    expect(verdict(checkSubscribe(application("read-status"), "konferenco/demo/gateway/+/status"))).toBe("allowed");
    expect(verdict(checkSubscribe(application("read-status"), "konferenco/demo/gateway/+"))).toBe("TOPIC_UNKNOWN");
  });

  it("of a gateway is refused: it only speaks, and reads which changing names are the event's", () => {
    for (const filter of fusionTopicFilters("demo")) expect(verdict(checkSubscribe(gateway, filter))).toBe("TOPIC_RIGHT_MISSING");
    expect(verdict(checkSubscribe(gateway, tagNamesTopic("demo")))).toBe("allowed");
    expect(verdict(checkSubscribe(gateway, tagNamesTopic("other")))).toBe("TOPIC_FOREIGN_EVENT");
    expect(verdict(checkSubscribe(gateway, "konferenco/demo/+/+"))).toBe("TOPIC_RIGHT_MISSING");
    expect(verdict(checkPublish(gateway, tagNamesTopic("demo"), true))).toBe("TOPIC_RIGHT_MISSING");
  });

  it("of a fusion process in another machine is granted for all that it reads", () => {
    for (const filter of fusionTopicFilters("demo")) expect(verdict(checkSubscribe(everything, filter))).toBe("allowed");
  });
});

describe("an application with one right to read", () => {
  const topicsByRight: [ApplicationRight, string[]][] = [
    ["read-reports", [beaconTopic("demo", "hall"), `${beaconTopic("demo", "hall")}/7`]],
    ["read-sensors", SENSOR_TYPES.map((type) => sensorTopic("demo", type))],
    ["read-alerts", ALERT_SEVERITIES.map((severity) => alertTopic("demo", severity))],
    ["read-status", [gatewayStatusTopic("demo", "gw-1")]],
    ["read-tag-names", [tagNamesTopic("demo")]],
  ];
  it.each(topicsByRight)("%s receives exactly its own topics", (right, topics) => {
    for (const topic of topicsByRight.flatMap(([, all]) => all)) expect(mayReceive(application(right), topic)).toBe(topics.includes(topic));
    for (const topic of topics) expect(mayReceive(everything, topic.replace("demo", "other"))).toBe(false);
  });
});

// Properties: an independent matcher against the rules.

const level = fc.constantFrom("konferenco", "demo", "other", "beacon", "sensor", "alert", "gateway", "status", "tags", "names", "hall", "info", "wifi-scan", "position", "gw-1", "7", "+", "#", "$SYS", "$share", "", "__proto__");
const anyFilter = fc.oneof(
  fc.array(level, { minLength: 1, maxLength: 6 }).map((levels) => levels.join("/")),
  fc.array(level, { minLength: 0, maxLength: 4 }).map((levels) => ["konferenco", "demo", ...levels].join("/")),
  fc.string(),
);
const realTopic = fc.record({ event: fc.constantFrom("demo", "other"), tail: fc.constantFrom("beacon/hall", "beacon/hall/7", "beacon/info", "sensor/wifi-scan", "sensor/position", "alert/info", "alert/emergency", "gateway/gw-1/status", "gateway/hall/status", "tags/names") }).map(({ event, tail }) => `konferenco/${event}/${tail}`);
const anyRights = fc.subarray([...APPLICATION_RIGHTS]);

/** MQTT 3.1.1 4.7, written from the specification and not from acl.ts. */
function filterMatches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === "#") return true;
    if (i >= levels.length || (wanted[i] !== "+" && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

describe("whatever is asked", () => {
  it("a granted filter matches only topics that its owner may receive", () => {
    fc.assert(fc.property(anyFilter, anyRights, realTopic, (filter, rights, topic) => {
      const who = application(...rights);
      if (checkSubscribe(who, filter).ok && filterMatches(filter, topic)) expect(mayReceive(who, topic)).toBe(true);
    }), { numRuns: 5_000 });
  });

  it("a topic that may be read may also be subscribed by its own name", () => {
    fc.assert(fc.property(anyRights, realTopic, (rights, topic) => {
      expect(checkSubscribe(application(...rights), topic).ok).toBe(mayReceive(application(...rights), topic));
    }));
  });

  it("nothing is published outside of the own event or unparsed", () => {
    fc.assert(fc.property(fc.oneof(anyFilter, realTopic), anyRights, fc.boolean(), fc.boolean(), (topic, rights, retain, asGateway) => {
      const result = checkPublish(asGateway ? gateway : application(...rights), topic, retain);
      if (!result.ok) return;
      expect(parseTopic(topic)).toEqual(result);
      expect(result.value.eventId).toBe("demo");
      if (retain) expect(topic).toBe(asGateway ? "konferenco/demo/gateway/gw-1/status" : tagNamesTopic("demo"));
    }), { numRuns: 5_000 });
  });

  it("a right less never allows more", () => {
    fc.assert(fc.property(anyFilter, realTopic, anyRights, fc.nat(), (filter, topic, rights, index) => {
      const fewer = rights.filter((_, i) => i !== index % Math.max(1, rights.length));
      if (checkSubscribe(application(...fewer), filter).ok) expect(checkSubscribe(application(...rights), filter).ok).toBe(true);
      if (checkPublish(application(...fewer), topic, false).ok) expect(checkPublish(application(...rights), topic, false).ok).toBe(true);
      if (mayReceive(application(...fewer), topic)) expect(mayReceive(application(...rights), topic)).toBe(true);
    }));
  });

  it("a gateway receives the names of the event's tags, and nothing else", () => {
    fc.assert(fc.property(realTopic, (topic) => mayReceive(gateway, topic) === (topic === tagNamesTopic("demo"))));
  });
});

describe("a client id", () => {
  it.each([
    ["gw-1", "gw-1", true],
    ["gw-1", "gw-1/spool", true],
    ["gw-1", "gw-10", false],
    ["gw-1", "gw-1-b", false],
    ["gw-1", "gw-", false],
    ["gw-1", "GW-1", false],
    ["gw-1", "gw-2", false],
    ["gw-1", "", false],
    ["gw-1", `gw-1/${"x".repeat(124)}`, true],
    ["gw-1", `gw-1/${"x".repeat(125)}`, false],
    ["", "", true], // no user name logs in with it: LOGIN_UNKNOWN follows
  ])("of user %s: %s is its own: %s", (userName, clientId, own) => {
    expect(isOwnClientId(userName, clientId)).toBe(own);
  });
});
