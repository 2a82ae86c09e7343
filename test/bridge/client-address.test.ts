import { WebSocket } from "ws";
import { afterEach, describe, expect, it } from "vitest";
import { ConfigError, SUBPROTOCOL } from "@konferenco/protocol";
import { newClientAddress } from "../../bridge/src/http/client-address.ts";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

type Request = Parameters<ReturnType<typeof newClientAddress>>[0];
const from = (remoteAddress: string, forwardedFor?: string, more: Record<string, string> = {}): Request =>
  ({ socket: { remoteAddress }, headers: { ...(forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor }), ...more } }) as unknown as Request;

describe("whose request it is", () => {
  const PROXIES = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"];
  const addressOf = newClientAddress(PROXIES);

  it.each([
    ["a proxy tells its client", "10.1.1.1", "203.0.113.5", "203.0.113.5"],
    ["a proxy on an IPv6 socket", "::ffff:10.1.1.1", "203.0.113.5", "203.0.113.5"],
    ["a proxy with an IPv6 client", "fd00::1", "2001:db8::5", "2001:db8::5"],
    ["two proxies in a row", "10.1.1.1", "203.0.113.5, 192.0.2.7", "203.0.113.5"],
    ["what the client wrote itself stands left of what the proxy saw", "10.1.1.1", "1.2.3.4, 203.0.113.5", "203.0.113.5"],
    ["also when it wrote the address of a proxy", "10.1.1.1", "1.2.3.4, 10.9.9.9, 203.0.113.5", "203.0.113.5"],
    ["a request of a proxy's own", "10.1.1.1", "10.2.2.2", "10.2.2.2"],
    ["a proxy that tells nothing", "10.1.1.1", undefined, "10.1.1.1"],
    ["a proxy that tells no address", "10.1.1.1", "203.0.113.5, unknown", "10.1.1.1"],
    ["a proxy that tells nonsense", "10.1.1.1", " , ,", "10.1.1.1"],
    ["somebody who is no proxy says what they like", "203.0.113.9", "203.0.113.5", "203.0.113.9"],
    ["a neighbour of a proxy is none", "192.0.2.8", "203.0.113.5", "192.0.2.8"],
  ])("%s", (_, peer, forwardedFor, expected) => expect(addressOf(from(peer, forwardedFor))).toBe(expected));

  it("without trusted proxies, who connects, whatever they write", () => {
    expect(newClientAddress([])(from("10.1.1.1", "203.0.113.5", { forwarded: "for=203.0.113.5", "x-real-ip": "203.0.113.5" }))).toBe("10.1.1.1");
    expect(newClientAddress([])({ socket: {}, headers: {} } as Request)).toBe("");
  });

  it("a client cannot choose between two headers: the other one is not read", () => {
    expect(addressOf(from("10.1.1.1", "203.0.113.5", { forwarded: "for=1.2.3.4" }))).toBe("203.0.113.5");
    expect(addressOf(from("10.1.1.1", undefined, { forwarded: "for=1.2.3.4" }))).toBe("10.1.1.1");
  });

  it("a hundred thousand links cost no more than sixteen", () => {
    expect(addressOf(from("10.1.1.1", `203.0.113.5, ${"10.2.2.2, ".repeat(100_000)}10.3.3.3`))).toBe("10.2.2.2");
  });

  it.each(["localhost", "10.0.0.0/33", "10.0.0.0/0", "::/0", "fd00::/129", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1", "/8", ""])('"%s" is no proxy and stops the start', (range) => expect(() => newClientAddress([range])).toThrow(ConfigError));
});

describe("limits per address behind a proxy", () => {
  let test: TestBridge;
  afterEach(() => test.close());

  const guess = async (login: string, forwardedFor: string) => (await test.api("POST", "/api/v1/sessions", { body: { login, password: "guess" }, headers: { "X-Forwarded-For": forwardedFor } })).status;
  const knock = (forwardedFor: string) =>
    new Promise<number>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${test.bridge.port}/events`, SUBPROTOCOL, { headers: { "X-Forwarded-For": forwardedFor } });
      socket.once("open", () => resolve(101)).once("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
    });

  it("are each client's own where the proxy is trusted", async () => {
    test = await openTestBridge({ trustedProxies: ["127.0.0.1"], limits: { maxGreetingPerAddress: 1 } });
    const guesses = [];
    for (let n = 0; n < 11; n++) guesses.push(await guess("ops", "203.0.113.5"));
    expect(guesses).toEqual([...Array<number>(10).fill(401), 429]);
    // Who writes something else left of it stays who they are; another client is not held up.
    expect([await guess("ops", "1.2.3.4, 203.0.113.5"), await guess("ops", "203.0.113.6")]).toEqual([429, 401]);
    expect([await knock("203.0.113.5"), await knock("203.0.113.5"), await knock("203.0.113.6")]).toEqual([101, 429, 101]);
  });

  it("are the peer's where nobody is trusted: an address that somebody writes counts nothing", async () => {
    test = await openTestBridge({ limits: { maxGreetingPerAddress: 1 } });
    const guesses = [];
    for (let n = 0; n < 11; n++) guesses.push(await guess("ops", `203.0.113.${n}`));
    expect(guesses).toEqual([...Array<number>(10).fill(401), 429]);
    expect([await knock("203.0.113.5"), await knock("203.0.113.6")]).toEqual([101, 429]);
  });
});
