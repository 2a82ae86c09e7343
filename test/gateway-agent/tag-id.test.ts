import { describe, expect, it } from "vitest";
import { eventIdentity, newEnrolmentTable, tagOfAdvertisement, uuidV5 } from "../../gateway-agent/src/tag-id.ts";
import type { BeaconFrame } from "../../gateway-agent/src/advertisement.ts";

const identity = eventIdentity("devcon");
const stranger = "aa:bb:cc:dd:ee:ff";

function ibeacon(major: number, minor: number, uuid = identity.ibeaconUuid): BeaconFrame {
  return { kind: "ibeacon", uuid, major, minor, powerAt1mDbm: -59 };
}

describe("the event's identity", () => {
  it("name-based UUIDs are the standard's", () => {
    // RFC 9562, appendix A.4.
    expect(uuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")).toBe("2ed6657d-e927-568b-95e1-2665a8aea6a2");
  });

  it("is what staff's own tools print for konferenco-devcon", () => {
    // python3 -c 'import uuid; print(uuid.uuid5(uuid.NAMESPACE_DNS, "konferenco-devcon"))'; printf konferenco-devcon | sha256sum | cut -c1-20
    expect(identity).toEqual({ ibeaconUuid: "78108ec6-c7a9-536f-ade9-34f7486e9b70", eddystoneNamespaceHex: "36925c7360abe6769206" });
  });

  it("differs from event to event", () => {
    expect(eventIdentity("devcon2")).not.toEqual(identity);
  });
});

describe("whose advertisement it is", () => {
  const table = newEnrolmentTable({
    eventId: "devcon",
    gatewayMinors: { "gw-7": 7 },
    enrolled: [
      { tagId: "tag-mac", address: "AC:23:3F:00:00:01" },
      { tagId: "tag-ib", ibeacon: { uuid: "A495BB10-C5B1-4B44-B512-1370F02D74DE", major: 1, minor: 2 } },
      { tagId: "tag-ed", eddystoneUid: "00112233445566778899AABBCCDDEEFF" },
      { tagId: "tag-alt", altbeacon: "00112233445566778899AABBCCDDEEFF01020304" },
      { tagId: "vip", ibeacon: { uuid: identity.ibeaconUuid, major: 3, minor: 4 } },
    ],
  });
  const tagOf = (frames: BeaconFrame[], address = stranger) => tagOfAdvertisement(table, address, frames);

  it("the event's UUID names a tag by major and minor", () => {
    expect(tagOf([ibeacon(12, 345)])).toBe("ib:12:345");
  });

  it("the event's namespace names a tag by its instance", () => {
    expect(tagOf([{ kind: "eddystone-uid", namespaceHex: identity.eddystoneNamespaceHex, instanceHex: "00000000002a", powerAt1mDbm: -59 }])).toBe("ed:00000000002a");
  });

  it("another event's tags, phones and unnamed transmitters are nobody", () => {
    expect(tagOf([ibeacon(12, 345, eventIdentity("devcon2").ibeaconUuid)])).toBeNull();
    expect(tagOf([{ kind: "eddystone-uid", namespaceHex: "00".repeat(10), instanceHex: "00".repeat(6), powerAt1mDbm: 0 }])).toBeNull();
    expect(tagOf([{ kind: "eddystone-eid", ephemeralHex: "0102030405060708", powerAt1mDbm: 0 }])).toBeNull();
    expect(tagOf([])).toBeNull();
  });

  it("staff's list names tags by address, iBeacon, Eddystone-UID and AltBeacon, whatever the case of their digits", () => {
    expect(tagOf([], "ac:23:3f:00:00:01")).toBe("tag-mac");
    expect(tagOf([ibeacon(1, 2, "a495bb10-c5b1-4b44-b512-1370f02d74de")])).toBe("tag-ib");
    expect(tagOf([{ kind: "eddystone-uid", namespaceHex: "00112233445566778899", instanceHex: "aabbccddeeff", powerAt1mDbm: 0 }])).toBe("tag-ed");
    expect(tagOf([{ kind: "altbeacon", companyId: 1, idHex: "00112233445566778899aabbccddeeff01020304", powerAt1mDbm: 0 }])).toBe("tag-alt");
  });

  it("staff's list goes before the event's rule", () => {
    expect(tagOf([ibeacon(3, 4)])).toBe("vip");
  });

  it("a gateway's own transmitter is that gateway; an unlisted one is nobody, never a tag", () => {
    expect(tagOf([ibeacon(0xffff, 7)])).toBe("gateway:gw-7");
    expect(tagOf([ibeacon(0xffff, 8)])).toBeNull();
  });
});
