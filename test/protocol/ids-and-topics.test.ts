import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import {
  ALERT_SEVERITIES, alertTopic, beaconTopic, fusionTopicFilters, gatewayOfTag, gatewayStatusTopic, isId, parseId, parseTopic, SENSOR_TYPES, sensorTopic, tagOfGateway,
} from "@konferenco/protocol";

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/).filter(isId);

describe("an id", () => {
  it.each(["a", "Tag-7", "hall.2", "gateway:gw-1", "AA:BB:CC:DD:EE:FF", "x".repeat(64), "0"])("%s is good", (text) => expect(parseId(text)).toEqual({ ok: true, value: text }));
  it.each([["", "ID_BAD"], ["x".repeat(65), "ID_BAD"], ["-a", "ID_BAD"], [".a", "ID_BAD"], ["_a", "ID_BAD"], ["a b", "ID_BAD"], ["a/b", "ID_BAD"], ["a+", "ID_BAD"], ["#", "ID_BAD"], ["ä", "ID_BAD"], ["a\u0000", "ID_BAD"], ["a\n", "ID_BAD"], ["а", "ID_BAD"] /* Cyrillic */])("%j is refused", (text, code) => expect(parseId(text)).toMatchObject({ ok: false, code }));
  it.each([...Object.getOwnPropertyNames(Object.prototype), "prototype"])("%s is a name that objects inherit, and refused", (name) => expect(parseId(name)).toMatchObject({ ok: false, code: "ID_RESERVED" }));
  it.each([undefined, null, 7, {}, [], true, ["a"], new String("a")])("%j is no string, and refused", (value) => expect(parseId(value)).toMatchObject({ ok: false, code: "ID_BAD" }));

  it("never makes a refusal that repeats more than 64 characters of what was sent", () => {
    fc.assert(fc.property(fc.string({ maxLength: 2_000 }), (text) => {
      const parsed = parseId(text);
      if (!parsed.ok) expect(parsed.detail.length).toBeLessThan(150);
    }));
  });

  it("of a gateway's own transmitter leads back to the gateway", () => {
    fc.assert(fc.property(id, (gatewayId) => gatewayOfTag(tagOfGateway(gatewayId)) === gatewayId));
    expect(gatewayOfTag("tag-1")).toBeNull();
  });
});

describe("a topic", () => {
  it("that was formatted parses to the same", () => {
    fc.assert(fc.property(id, id, fc.integer({ min: 0, max: 9_999 }), fc.constantFrom(...SENSOR_TYPES), fc.constantFrom(...ALERT_SEVERITIES), (eventId, other, partition, sensorType, severity) => {
      expect(parseTopic(beaconTopic(eventId, other))).toEqual({ ok: true, value: { kind: "beacon", eventId, zoneId: other, partition: null } });
      expect(parseTopic(`${beaconTopic(eventId, other)}/${partition}`)).toEqual({ ok: true, value: { kind: "beacon", eventId, zoneId: other, partition } });
      expect(parseTopic(sensorTopic(eventId, sensorType))).toEqual({ ok: true, value: { kind: "sensor", eventId, sensorType } });
      expect(parseTopic(alertTopic(eventId, severity))).toEqual({ ok: true, value: { kind: "alert", eventId, severity } });
      expect(parseTopic(gatewayStatusTopic(eventId, other))).toEqual({ ok: true, value: { kind: "gateway-status", eventId, gatewayId: other } });
    }));
  });

  it.each([
    ["konferenco/demo/beacon", "TOPIC_UNKNOWN"],
    ["konferenco/demo/beacon/", "ID_BAD"],
    ["konferenco/demo/beacon/hall/", "TOPIC_UNKNOWN"],
    ["konferenco/demo/beacon/hall/12345", "TOPIC_UNKNOWN"],
    ["konferenco/demo/beacon/hall/-1", "TOPIC_UNKNOWN"],
    ["konferenco/demo/beacon/hall/1/2", "TOPIC_UNKNOWN"],
    ["konferenco//beacon/hall", "ID_BAD"],
    ["konferenco/constructor/beacon/hall", "ID_RESERVED"],
    ["konferenco/demo/beacon/toString", "ID_RESERVED"],
    ["konferenco/demo/sensor/wifi-scan/x", "TOPIC_UNKNOWN"],
    ["konferenco/demo/sensor/constructor", "TOPIC_UNKNOWN"],
    ["konferenco/demo/alert/fire", "TOPIC_UNKNOWN"],
    ["konferenco/demo/gateway/gw-1", "TOPIC_UNKNOWN"],
    ["konferenco/demo/gateway/gw-1/command", "TOPIC_UNKNOWN"],
    ["konferenco/+/beacon/hall", "TOPIC_WILDCARD"],
    ["konferenco/demo/#", "TOPIC_WILDCARD"],
    ["Konferenco/demo/alert/info", "TOPIC_UNKNOWN"],
    ["", "TOPIC_UNKNOWN"],
  ])("%j is refused with %s", (topic, code) => expect(parseTopic(topic)).toMatchObject({ ok: false, code }));

  it("of any text parses or is refused, never throws, and a parsed one has only good ids", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.array(fc.oneof(fc.string(), fc.constantFrom("konferenco", "demo", "beacon", "sensor", "gateway", "status", "alert", "info"))).map((levels) => levels.join("/"))), (text) => {
      const parsed = parseTopic(text);
      if (parsed.ok) expect(isId(parsed.value.eventId)).toBe(true);
      else expect(parsed.detail.length).toBeLessThan(300);
    }), { numRuns: 2_000 });
  });

  it("of every kind is matched by the filters that fusion subscribes", () => {
    const filters = fusionTopicFilters("demo").map((filter) => new RegExp(`^${filter.replaceAll("+", "[^/]+")}$`));
    for (const topic of [beaconTopic("demo", "hall"), `${beaconTopic("demo", "hall")}/3`, sensorTopic("demo", "position"), alertTopic("demo", "info"), gatewayStatusTopic("demo", "gw-1")]) {
      expect(filters.filter((filter) => filter.test(topic))).toHaveLength(1);
    }
  });
});
