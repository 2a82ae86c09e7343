import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { FrameGuard } from "../../broker/src/frame-guard.ts";
import { connectPacket, packet, publishPacket, remainingLength } from "./helper.ts";

const limits = { maxConnectBytes: 200, maxPublishBytes: 1_000, maxControlBytes: 300 };
const session = Buffer.concat([
  publishPacket("konferenco/demo/beacon/hall", "x".repeat(400)),
  packet(0xc0, Buffer.alloc(0)),
  publishPacket("konferenco/demo/sensor/environment", "", 1, 7),
  packet(0x82, Buffer.alloc(300)),
  packet(0x40, Buffer.from([0, 1])),
  packet(0x30, Buffer.alloc(1_000)),
  packet(0xe0, Buffer.alloc(0)),
]);

function admitted(): FrameGuard {
  const guard = new FrameGuard(limits);
  guard.scan(connectPacket());
  guard.admit();
  return guard;
}

describe("the frame guard", () => {
  it("passes an honest session whole, cut at every byte boundary", () => {
    for (let cut = 1; cut < session.length; cut++) {
      const guard = admitted();
      expect(guard.scan(session.subarray(0, cut)) + guard.scan(session.subarray(cut))).toBe(session.length);
      expect(guard.fault).toBeNull();
    }
  });

  it("passes it byte by byte and in any pieces", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 50 }), (sizes) => {
      const guard = admitted();
      let passed = 0;
      for (let at = 0, i = 0; at < session.length; i++) {
        const piece = session.subarray(at, at + (sizes[i % sizes.length] as number));
        passed += guard.scan(piece);
        at += piece.length;
      }
      expect(passed).toBe(session.length);
      expect(guard.fault).toBeNull();
    }));
  });

  it("lets nothing pass the CONNECT before the login is answered, however it is cut", () => {
    const connect = connectPacket();
    const all = Buffer.concat([connect, session]);
    for (let cut = 1; cut < all.length; cut++) {
      const guard = new FrameGuard(limits);
      const first = guard.scan(all.subarray(0, cut));
      const second = first === cut ? guard.scan(all.subarray(cut)) : 0;
      expect(first + second).toBe(connect.length);
      expect(guard.awaitsLogin).toBe(true);
    }
  });

  it.each([
    ["a CONNECT announcing 256 MB", Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), false, "PAYLOAD_TOO_LARGE", 3],
    ["a CONNECT one byte too long", Buffer.concat([Buffer.from([0x10]), remainingLength(201)]), false, "PAYLOAD_TOO_LARGE", 3],
    ["a PUBLISH announcing 200 MB", Buffer.concat([Buffer.from([0x30]), remainingLength(200_000_000)]), true, "PAYLOAD_TOO_LARGE", 4],
    ["a PUBLISH one byte too long", Buffer.concat([Buffer.from([0x30]), remainingLength(1_001)]), true, "PAYLOAD_TOO_LARGE", 3],
    ["a SUBSCRIBE one byte too long", Buffer.concat([Buffer.from([0x82]), remainingLength(301)]), true, "PAYLOAD_TOO_LARGE", 3],
    ["a remaining length of five bytes", Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]), true, "PACKET_BAD", 5],
    ["a PUBLISH before the CONNECT", Buffer.from([0x30, 0x05]), false, "PACKET_BAD", 1],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n"), false, "PACKET_BAD", 1],
    ["a TLS hello on the plain port", Buffer.from([0x16, 0x03, 0x01]), false, "PACKET_BAD", 1],
    ["a CONNACK from a client", Buffer.from([0x20, 0x02, 0, 0]), true, "PACKET_BAD", 1],
    ["packet type 0", Buffer.from([0x00, 0x00]), true, "PACKET_BAD", 1],
    ["packet type 15", Buffer.from([0xf0, 0x00]), true, "PACKET_BAD", 1],
  ])("refuses %s at its header", (_what, bytes, loggedIn, code, atByte) => {
    const guard = loggedIn ? admitted() : new FrameGuard(limits);
    let read = 0;
    for (const byte of bytes) {
      if (guard.fault !== null) break;
      guard.scan(Uint8Array.of(byte));
      read += 1;
    }
    expect(guard.fault?.code).toBe(code);
    expect(read).toBe(atByte);
  });

  it("takes the largest packets that are allowed", () => {
    const guard = new FrameGuard(limits);
    guard.scan(packet(0x10, Buffer.alloc(200)));
    expect(guard.fault).toBeNull();
    expect(guard.awaitsLogin).toBe(true);
  });

  it("never throws and never passes more than it was given, on any bytes", () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 20 }), fc.boolean(), (chunks, loggedIn) => {
      const guard = loggedIn ? admitted() : new FrameGuard(limits);
      for (const chunk of chunks) {
        const end = guard.scan(chunk);
        expect(end).toBeLessThanOrEqual(chunk.length);
        if (end < chunk.length) expect(guard.fault !== null || guard.awaitsLogin).toBe(true);
        if (guard.fault !== null || guard.awaitsLogin) return;
      }
    }));
  });
});
