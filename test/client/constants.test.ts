import { CLOSE_CODES, MAX_FRAME_BYTES, SUBPROTOCOL, digestOfIds } from "@konferenco/protocol";
import { expect, it } from "vitest";
import { verdictOfClose } from "../../client/src/close-verdict.ts";
import * as frames from "../../client/src/frames.ts";
import * as viewDigest from "../../client/src/view-digest.ts";
import * as webSocketWire from "../../client/src/websocket-wire.ts";

// The client repeats these values, for importing them would bring the protocol's schema library to every phone.

it("the client speaks the sub-protocol and the frame size that the protocol defines", () => {
  expect(webSocketWire.SUBPROTOCOL).toBe(SUBPROTOCOL);
  expect(frames.MAX_FRAME_BYTES).toBe(MAX_FRAME_BYTES);
});

it("every close code of the protocol is understood by its family", () => {
  const verdicts = Object.entries(CLOSE_CODES).map(([name, code]) => [name, verdictOfClose(code).kind]);
  expect(Object.fromEntries(verdicts)).toEqual({
    serverError: "reconnect",
    draining: "reconnect",
    idle: "reconnect",
    slow: "reconnect",
    positionLost: "reconnect",
    rateLimited: "reconnect",
    tokenExpired: "renew",
    permissionsChanged: "renew",
    invalidToken: "stop",
    protocolError: "stop",
    helloTimeout: "stop",
    erased: "stop",
    connectionLimit: "stop",
  });
});

it("codes that are not there yet follow their family, and a plain loss is a reason to come back", () => {
  expect([1000, 1001, 1006, 1011, 4099, 4450, 4599].map((code) => verdictOfClose(code).kind)).toEqual(["reconnect", "reconnect", "reconnect", "reconnect", "reconnect", "renew", "stop"]);
});

it("both sides digest a set of ids alike, whatever its order and its parts", () => {
  const ids = Array.from({ length: 50 }, (_, n) => `018f-${n * n}-ü`);
  expect(digestOfIds(["a"]).slice(0, 8)).toBe("e40c292c"); // the published FNV-1a of "a"
  expect(viewDigest.digestOfIds(ids)).toBe(digestOfIds(ids.toReversed()));
  expect(viewDigest.addDigests(digestOfIds(ids.slice(0, 20)), digestOfIds(ids.slice(20)))).toBe(digestOfIds(ids));
  expect(digestOfIds(ids.slice(1))).not.toBe(digestOfIds(ids));
  expect(digestOfIds([])).toBe("0000000000000000");
});
