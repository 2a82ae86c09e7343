import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { encodeTagNames, ephemeralOfTag, headOfEphemeral, isId, MAX_MQTT_PAYLOAD_BYTES, MAX_ROTATING_TAGS, parseTagNames, tagOfEphemeral } from "@konferenco/protocol";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("the names that are the event's now", () => {
  it("arrive as they were sent, in an order that says nothing", () => {
    fc.assert(fc.property(fc.uniqueArray(fc.nat(0xffffffff), { maxLength: 200 }), (heads) => {
      const payload = encodeTagNames(heads);
      expect(parseTagNames(bytes(payload))).toEqual({ ok: true, value: new Set(heads) });
      expect(encodeTagNames(heads.toReversed())).toBe(payload);
    }));
  });

  it("of as many tags as are allowed fit into one message of the broker", () => {
    expect(encodeTagNames(Array.from({ length: 3 * MAX_ROTATING_TAGS }, (_, index) => index)).length).toBeLessThan(MAX_MQTT_PAYLOAD_BYTES);
  });

  it.each(["", "{}", '{"v":1}', '{"v":1,"headsBase64":"?"}', '{"v":1,"headsBase64":"AAAA"}', '{"v":2,"headsBase64":""}'])("that are none are refused: %s", (payload) => {
    expect(parseTagNames(bytes(payload))).toMatchObject({ ok: false });
  });

  it("a tag is called by its name on the air, and only such a name is taken for one", () => {
    expect(isId(tagOfEphemeral("A9B76A71C5F89290"))).toBe(true);
    expect(ephemeralOfTag(tagOfEphemeral("A9B76A71C5F89290"))).toBe("a9b76a71c5f89290");
    expect(headOfEphemeral("a9b76a71c5f89290")).toBe(0xa9b76a71);
    for (const other of ["ib:1:2", "eid:", "eid:a9b7", "eid:a9b76a71c5f8929g", "gateway:gw-1"]) expect(ephemeralOfTag(other)).toBeNull();
  });
});
