import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAdvertisement } from "../../gateway-agent/src/advertisement.ts";

const bytes = (hex: string) => Buffer.from(hex, "hex");

describe("a beacon's advertisement", () => {
  it("an iBeacon names UUID, major, minor and its power at 1 m", () => {
    // Tilt hydrometer, real capture (ble_monitor test_tilt_red).
    expect(parseAdvertisement(bytes("1aff4c000215a495bb10c5b14b44b5121370f02d74de004403f8c5"))).toEqual({
      frames: [{ kind: "ibeacon", uuid: "a495bb10-c5b1-4b44-b512-1370f02d74de", major: 68, minor: 1016, powerAt1mDbm: -59 }],
      truncated: false,
    });
  });

  it("an iBeacon with a battery byte behind it is still an iBeacon", () => {
    // Jaalee, real capture.
    const { frames } = parseAdvertisement(bytes("0201041bff4c000215ebefd08370a247c89837e7b5634df5257420591acb64"));
    expect(frames).toEqual([{ kind: "ibeacon", uuid: "ebefd083-70a2-47c8-9837-e7b5634df525", major: 0x7420, minor: 0x591a, powerAt1mDbm: -53 }]);
  });

  it("an Eddystone-UID gives its power at 0 m, which is 41 dB more than at 1 m", () => {
    const { frames } = parseAdvertisement(bytes("0201060303aafe1716aafe00ee00112233445566778899aabbccddeeff0000"));
    expect(frames).toEqual([{ kind: "eddystone-uid", namespaceHex: "00112233445566778899", instanceHex: "aabbccddeeff", powerAt1mDbm: -18 - 41 }]);
  });

  it("an Eddystone-UID without its two reserved bytes counts too", () => {
    const { frames } = parseAdvertisement(bytes("0303aafe1516aafe00ee00112233445566778899aabbccddeeff"));
    expect(frames).toHaveLength(1);
  });

  it("an Eddystone-EID is seen, with nothing that could follow its carrier", () => {
    const { frames } = parseAdvertisement(bytes("0303aafe0d16aafe30f10102030405060708"));
    expect(frames).toEqual([{ kind: "eddystone-eid", ephemeralHex: "0102030405060708", powerAt1mDbm: -15 - 41 }]);
  });

  it("an Eddystone-TLM tells battery, temperature and uptime", () => {
    const { frames } = parseAdvertisement(bytes("0303aafe1116aafe20000bb81540000000640000ea60"));
    expect(frames).toEqual([{ kind: "eddystone-tlm", batteryMv: 3_000, temperatureC: 21.25, uptimeS: 6_000 }]);
  });

  it("an Eddystone-TLM without gauge and thermometer says so, an encrypted one says nothing", () => {
    const [frame] = parseAdvertisement(bytes("1116aafe200000008000000000640000ea60")).frames;
    expect(frame).toMatchObject({ batteryMv: null, temperatureC: null });
    expect(parseAdvertisement(bytes("1116aafe20010bb81540000000640000ea60")).frames).toEqual([]);
  });

  it("an AltBeacon of any company names its 20 bytes", () => {
    // The specification's layout; the real captures that we have hold no AltBeacon.
    const id = "00112233445566778899aabbccddeeff01020304";
    const { frames } = parseAdvertisement(bytes(`1bff1801beac${id}c500`));
    expect(frames).toEqual([{ kind: "altbeacon", companyId: 0x0118, idHex: id, powerAt1mDbm: -59 }]);
  });

  it("a tag that sends two frames at once is read whole", () => {
    const { frames } = parseAdvertisement(bytes("0201061aff4c000215a495bb10c5b14b44b5121370f02d74de004403f8c51116aafe20000bb81540000000640000ea60"));
    expect(frames.map((frame) => frame.kind)).toEqual(["ibeacon", "eddystone-tlm"]);
  });

  it("phones, watches and Apple's own frames name nobody", () => {
    for (const hex of ["02011a020a0c0aff4c001005031c9cf8f3", "0dffe000014b6f6e666572656e636f", "1016aafe10ee037275752e76692f23416a77", ""]) {
      expect(parseAdvertisement(bytes(hex)).frames).toEqual([]);
    }
  });
});

describe("whatever is on the air", () => {
  it("random bytes never throw, and frames keep their ranges", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 255 }), (data) => {
        for (const frame of parseAdvertisement(data).frames) {
          if (frame.kind === "ibeacon") expect(frame.uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
          if (frame.kind === "eddystone-uid") expect(frame.namespaceHex + frame.instanceHex).toMatch(/^[0-9a-f]{32}$/);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it("random structures with true lengths never throw", () => {
    const structure = fc.tuple(fc.constantFrom(0xff, 0x16, 0x09, 0x00), fc.constantFrom("4c000215", "1801beac", "aafe00", "aafe20", "aafe30", ""), fc.uint8Array({ maxLength: 40 })).map(([type, head, tail]) => {
      const body = Buffer.concat([bytes(head), tail]);
      return Buffer.concat([Buffer.from([body.length + 1, type]), body]);
    });
    fc.assert(
      fc.property(fc.array(structure, { maxLength: 6 }), (structures) => {
        expect(parseAdvertisement(Buffer.concat(structures)).truncated).toBe(false);
      }),
      { numRuns: 5_000 },
    );
  });

  it("a frame cut at any length is no frame", () => {
    const whole = bytes("0201061aff4c000215a495bb10c5b14b44b5121370f02d74de004403f8c5");
    for (let length = 0; length < whole.length; length++) {
      const { frames, truncated } = parseAdvertisement(whole.subarray(0, length));
      expect(frames).toEqual([]);
      expect(truncated).toBe(length !== 0 && length !== 3);
    }
  });

  it("a view into a larger buffer reads its own bytes alone", () => {
    const buffer = bytes("ffff1aff4c000215a495bb10c5b14b44b5121370f02d74de004403f8c51aff");
    expect(parseAdvertisement(buffer.subarray(2, 29))).toMatchObject({ frames: [{ kind: "ibeacon" }], truncated: false });
  });
});
