import { renewingSession, type RenewingSession } from "@konferenco/client";
import type { Session } from "@konferenco/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { openTestBridge, type TestBridge } from "../bridge/support/harness.ts";
import { FakeClock } from "./support/fake-world.ts";

const HOUR_MS = 3_600_000;

interface World {
  clock: FakeClock;
  asked: string[];
  renewed: Session[];
  renewing: RenewingSession;
  answers: (() => object | Promise<object>)[];
}

/** As much of a Response as is read; a real one takes more turns of the loop than the clock waits for. */
const answer = (status: number, body: unknown): object => ({ ok: status < 400, status, json: () => Promise.resolve(body) });

/** Sessions of twelve hours; each renewal gives the next, unless `answers` has something else to say first. */
function newWorld(): World {
  const clock = new FakeClock();
  const sessionOf = (n: number): Session => ({ token: `token-${n}`, expiresAtMs: clock.nowMs() + 12 * HOUR_MS, personId: "anna", role: "attendee", eventId: "e" });
  const world: Omit<World, "renewing"> = { clock, asked: [], renewed: [], answers: [] };
  const ask = (async (address: string, { headers }: { headers: { authorization: string } }) => {
    expect(address).toBe("https://venue.example/base/api/v1/sessions/renew");
    world.asked.push(headers.authorization);
    return (world.answers.shift() ?? (() => answer(201, sessionOf(world.renewed.length + 2))))();
  }) as unknown as typeof fetch;
  const renewing = renewingSession({ url: "wss://venue.example/base/events", session: sessionOf(1), onRenewed: (session) => world.renewed.push(session), fetch: ask, clock });
  return { ...world, renewing };
}

describe("a session that renews itself", () => {
  it("is exchanged when three quarters of it are over, again and again, and the token is the newest", async () => {
    const { clock, asked, renewing } = newWorld();
    await clock.advance(9 * HOUR_MS - 1);
    expect(asked).toEqual([]);
    expect(await renewing.token()).toBe("token-1");
    await clock.advance(1);
    expect(asked).toEqual(["Bearer token-1"]);
    expect(await renewing.token()).toBe("token-2");
    await clock.advance(18 * HOUR_MS);
    expect(asked).toEqual(["Bearer token-1", "Bearer token-2", "Bearer token-3"]);
    renewing.close();
    expect(clock.waiting).toBe(0);
  });

  it("is asked for again each minute while the network is away", async () => {
    const { clock, asked, answers, renewing } = newWorld();
    answers.push(() => Promise.reject(new TypeError("no network")), () => answer(502, null));
    await clock.advance(9 * HOUR_MS);
    expect(asked.length).toBe(1);
    await clock.advance(60_000);
    await clock.advance(60_000);
    expect(asked.length).toBe(3);
    expect(await renewing.token()).toBe("token-2");
  });

  it("is renewed by who needs the token first, when the machine slept through the hour", async () => {
    const { clock, asked, renewing } = newWorld();
    await clock.sleep(0);
    const slept = clock.sleep(11 * HOUR_MS);
    expect(await renewing.token()).toBe("token-2");
    await slept;
    expect(asked.length).toBe(1);
  });

  it("ends when the server gives no more: the token is good to its end, then only a new login helps", async () => {
    const { clock, asked, answers, renewing } = newWorld();
    answers.push(() => answer(401, { error: { code: "unauthorized", number: 4010, retry: false, detail: "log in again" } }));
    await clock.advance(9 * HOUR_MS);
    expect(await renewing.token()).toBe("token-1");
    await clock.advance(3 * HOUR_MS);
    await expect(renewing.token()).rejects.toMatchObject({ code: "unauthorized", message: "log in again" });
    expect(asked.length).toBe(1);
  });
});

describe("against a bridge", () => {
  let test: TestBridge | null = null;
  afterEach(async () => test?.close());

  it("gives a token that opens the next connection", async () => {
    test = await openTestBridge();
    const { bridge } = test;
    const { body } = await test.api("POST", "/api/v1/sessions", { body: { login: "ops", password: "correct horse" } });
    const session = body as Session;
    const clock = new FakeClock();
    const renewed: Session[] = [];
    // By this clock the session is as good as over.
    const renewing = renewingSession({ url: bridge.url.replace("http", "ws") + "/events", session: { ...session, expiresAtMs: clock.nowMs() }, onRenewed: (fresh) => renewed.push(fresh), clock });
    const token = await renewing.token();
    renewing.close();
    expect(token).not.toBe(session.token);
    expect(renewed).toMatchObject([{ role: "operator", token }]);
    expect((await test.client("operator", null, { token })).frames[0]).toMatchObject({ op: "welcome" });
  });
});
