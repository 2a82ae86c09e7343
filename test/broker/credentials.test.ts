import { describe, expect, it } from "vitest";
import { ConfigError } from "@konferenco/protocol";
import { hashPassword, newPassword, parseCredentials, storeCredentials } from "@konferenco/broker";
import { LoginBook } from "../../broker/src/credentials.ts";
import { CREDENTIALS } from "./helper.ts";

const bytes = (text: string) => Buffer.from(text);

describe("a login book made of plain passwords", () => {
  const book = new LoginBook(CREDENTIALS);

  it("knows a gateway by its password, with its event and zones", async () => {
    expect(await book.check("gw-1", bytes("one"))).toEqual({ kind: "principal", principal: { kind: "gateway", eventId: "demo", gatewayId: "gw-1", zoneIds: ["hall", "foyer"] } });
  });

  it("knows an application with its rights", async () => {
    expect(await book.check("desk", bytes("desk-secret"))).toMatchObject({ kind: "principal", principal: { kind: "application", rights: ["publish-alerts", "read-alerts", "read-status"] } });
  });

  it.each([["gw-1", "two"], ["gw-1", ""], ["gw-1", "one "], ["gw-3", "one"], ["", ""], ["__proto__", ""], ["constructor", "one"]])(
    "does not know %s with password %j",
    async (userName, password) => expect(await book.check(userName, bytes(password))).toEqual({ kind: "unknown" }),
  );

  it("refuses a user name that is there twice, also across gateways and applications", () => {
    const [gateway] = CREDENTIALS.gateways;
    expect(() => new LoginBook({ gateways: [gateway!, gateway!], applications: [] })).toThrow(/"gw-1" is there twice/);
    expect(() => new LoginBook({ gateways: [gateway!], applications: [{ name: "gw-1", password: "x", eventId: "demo", rights: [] }] })).toThrow(ConfigError);
  });

  it("refuses an empty password and a name that is no id", () => {
    expect(() => new LoginBook({ gateways: [], applications: [{ name: "a", password: "", eventId: "demo", rights: [] }] })).toThrow(/empty password/);
    expect(() => new LoginBook({ gateways: [], applications: [{ name: "__proto__", password: "x", eventId: "demo", rights: [] }] })).toThrow(ConfigError);
  });
});

describe("the credentials file", () => {
  it("holds no password, and reads back to the same logins", async () => {
    const stored = await storeCredentials(CREDENTIALS);
    const text = JSON.stringify(stored);
    for (const { password } of [...CREDENTIALS.gateways, ...CREDENTIALS.applications]) expect(text).not.toContain(`"${password}"`);
    const book = new LoginBook(parseCredentials(text, "credentials.json"));
    expect(await book.check("gw-2", bytes("two"))).toMatchObject({ kind: "principal", principal: { gatewayId: "gw-2", zoneIds: ["stage"] } });
    expect(await book.check("gw-2", bytes("one"))).toEqual({ kind: "unknown" });
    expect(await book.check("gw-1", bytes("two"))).toEqual({ kind: "unknown" }); // wrong before the right one was ever seen
    expect(await book.check("gw-1", bytes("one"))).toMatchObject({ kind: "principal" });
  });

  it("two equal passwords have different hashes", async () => {
    expect(await hashPassword("same")).not.toBe(await hashPassword("same"));
    expect(newPassword()).toMatch(/^[\w-]{24}$/);
  });

  it("200 reconnects of a known gateway together cost less than one first login", async () => {
    const book = new LoginBook(await storeCredentials({ gateways: [CREDENTIALS.gateways[0]!], applications: [] }));
    const firstStartMs = performance.now();
    await book.check("gw-1", bytes("one"));
    const firstMs = performance.now() - firstStartMs;
    const stormStartMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => book.check("gw-1", bytes(i % 2 === 0 ? "one" : "guess"))));
    const stormMs = performance.now() - stormStartMs;
    expect(answers.filter(({ kind }) => kind === "principal")).toHaveLength(100);
    expect(stormMs).toBeLessThan(firstMs);
  });

  it("a flood of first guesses is told to come back, and the gateway still gets in", async () => {
    const book = new LoginBook({ v: 1, gateways: [{ gatewayId: "gw-1", eventId: "demo", zoneIds: [], passwordHash: await cheapHash("one") }], applications: [] });
    const guesses = Array.from({ length: 1_100 }, () => book.check("gw-1", bytes("guess")));
    const kinds = (await Promise.all(guesses)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "busy")).toHaveLength(98); // 2 at work, 1,000 waiting
    expect(kinds.filter((kind) => kind === "unknown")).toHaveLength(1_002);
    expect(await book.check("gw-1", bytes("one"))).toMatchObject({ kind: "principal" });
  });

  it.each([
    ["{", "is not JSON"],
    ["[]", "is not a credentials file"],
    ['{"v":2}', "v "],
    ['{"v":1,"gateways":[{"gatewayId":"gw 1","passwordHash":"x","eventId":"e","zoneIds":[]}]}', "gateways.0.gatewayId must be an id"],
    ['{"v":1,"gateways":[{"gatewayId":"gw-1","passwordHash":"plain","eventId":"e","zoneIds":[]}]}', "gateways.0.passwordHash must look like"],
    ['{"v":1,"gateways":[{"gatewayId":"gw-1","password":"plain","eventId":"e","zoneIds":[]}]}', "gateways.0"],
    ['{"v":1,"applications":[{"name":"a","passwordHash":"x","eventId":"e","rights":["read-everything"]}]}', "applications.0"],
  ])("%s is refused with a sentence that names the place", (text, expected) => {
    expect(() => parseCredentials(text, "logins.json")).toThrow(ConfigError);
    expect(() => parseCredentials(text, "logins.json")).toThrow(expected);
    expect(() => parseCredentials(text, "logins.json")).toThrow(/^logins\.json/);
  });
});

/** N = 2: the queue is under test, not the hash. */
async function cheapHash(password: string): Promise<string> {
  const { scryptSync, randomBytes } = await import("node:crypto");
  const salt = randomBytes(16);
  return `scrypt$2$1$1$${salt.toString("base64url")}$${scryptSync(password, salt, 32, { N: 2, r: 1, p: 1 }).toString("base64url")}`;
}
