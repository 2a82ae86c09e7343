import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge();
  for (const personId of ["anna", "ben", "cleo"]) await test.addPerson(personId, { tagId: `t-${personId}` });
});
afterEach(() => test.close());

const as = (personId: string) => ({ role: "attendee" as const, personId });
const sync = async (personId: string, query: string) => (await test.api("GET", `/api/v1/sync?${query}`, { as: as(personId) })).body;
const send = (personId: string, body: object) => test.api("POST", "/api/v1/messages", { as: as(personId), body });
const say = (personId: string, text: string, channel = "app:lobby") => send(personId, { type: "chat", subtype: "channel_message", to: { type: "channel", id: channel }, payload: { text } });
/** Many messages, past the rate of one person. */
const flood = async (count: number) => {
  for (let from = 0; from < count; from += 10) {
    await test.commit({
      messages: Array.from({ length: 10 }, (_, n) => ({ id: `m-${from + n}`, type: "chat/channel_message" as const, from: "anna", to: { kind: "channel" as const, id: "app:lobby" as const }, payload: { text: `n ${from + n}` }, atMs: test.nowMs(), key: null })),
    });
  }
};

describe("the documents' envelope", () => {
  it("is what the REST API takes and gives, with every field that follows from the registry", async () => {
    const sent = await send("anna", { type: "meeting_request", to: { type: "user", id: "ben" }, payload: { at: "noon" }, idempotency_key: "k-1", ttl: 600, id: "mine is ignored", from: { user_id: "ben" } });
    expect(sent).toMatchObject({ status: 201, body: { id: expect.stringMatching(/^[0-9a-f-]{36}$/), duplicate: false } });
    expect((await send("anna", { type: "meeting/request", to: { type: "user", id: "ben" }, payload: { at: "noon" }, idempotency_key: "k-1" })).body).toEqual({ id: null, duplicate: true });
    const { operations } = await sync("ben", "channels=direct");
    expect(operations).toEqual([
      {
        id: sent.body.id,
        type: "meeting",
        subtype: "request",
        from: { user_id: "anna" },
        to: { type: "user", id: "ben", event_id: "test" },
        payload: { at: "noon" },
        timestamp: expect.any(Number),
        ttl: 600,
        priority: "high",
        delivery: { required_ack: true, retry_policy: "exponential", max_retries: 5, dedup_window: 86_400 },
      },
    ]);
    expect((await send("anna", { type: "chat", to: { type: "broadcast" }, payload: {} })).status).toBe(400);
    expect((await send("anna", { type: "nothing", to: { type: "user", id: "ben" }, payload: {} })).status).toBe(400);
    expect((await send("anna", { type: "chat/direct_message", to: { type: "user", id: "nobody" }, payload: {} })).status).toBe(404);
    for (let n = 0; n < 10; n++) expect((await say("cleo", `n ${n}`)).status).toBe(201);
    const eleventh = await say("cleo", "eleven");
    expect(eleventh).toMatchObject({ status: 429, body: { error: { code: "rate_limited", after: expect.any(Number) } } });
    expect(eleventh.headers.get("retry-after")).toMatch(/^\d+$/);
  });
});

describe("synchronisation", () => {
  it("is whole in pages of 100, then of what is new, and shows each what they may see", async () => {
    await flood(250);
    await send("ben", { type: "chat/direct_message", to: { type: "user", id: "cleo" }, payload: { text: "between us" } });
    await test.commit({ alerts: [{ alertId: "a-1", severity: "info", title: "Lunch", text: "now", zoneIds: [], atMs: test.nowMs() }] });
    const pages: { operations: { payload?: { text: string }; type: string }[]; cursor: string | null; new_version: string; has_more: boolean }[] = [];
    for (let cursor: string | null = ""; cursor !== null; cursor = pages.at(-1)?.cursor ?? null) pages.push(await sync("anna", `channels=direct,alerts,app:lobby${cursor === "" ? "" : `&cursor=${cursor}`}`));
    expect(pages.map((page) => page.operations.length)).toEqual([100, 100, 51]);
    const all = pages.flatMap((page) => page.operations);
    expect(all.slice(0, 250).map((operation) => operation.payload?.text)).toEqual(Array.from({ length: 250 }, (_, n) => `n ${n}`));
    expect(all.at(-1)).toMatchObject({ type: "alert", alertId: "a-1" });
    expect(JSON.stringify(all)).not.toContain("between us");
    const since = pages.at(-1)?.new_version as string;
    expect(await sync("anna", `channels=app:lobby&since=${since}`)).toMatchObject({ mode: "delta", operations: [], has_more: false, gap: null });
    await flood(10);
    const delta = await sync("anna", `channels=app:lobby&since=${since}&max_operations=4`);
    expect(delta).toMatchObject({ mode: "delta", has_more: true });
    expect(delta.operations).toHaveLength(4);
    expect((await sync("anna", `channels=app:lobby&since=${delta.new_version}`)).operations).toHaveLength(6);
    expect((await sync("cleo", "channels=direct")).operations).toHaveLength(1);
    expect((await test.api("GET", `/api/v1/sync?since=${since}`, { as: as("ben") })).body).toMatchObject({ error: { code: "cursor_invalid" } });
  });

  it("of 100 messages takes less than five seconds, with 10,000 transitions of others between them", async () => {
    for (let n = 0; n < 100; n++) {
      await test.commit({ zoneTransitions: Array.from({ length: 100 }, (_, k) => ({ transition: k % 2 === 0 ? ("enter" as const) : ("exit" as const), tagId: "t-ben", zoneId: `z-${n}`, floor: 0, atMs: test.nowMs(), confidence: 1 })) });
      if (n % 10 === 0) await flood(10);
    }
    const startedMs = Date.now();
    const { operations } = await sync("anna", "channels=app:lobby");
    expect(operations).toHaveLength(100);
    expect(Date.now() - startedMs).toBeLessThan(5_000);
  });

  it("reaches no channel that the token does not open", async () => {
    await test.commit({ messages: [{ id: "m-1", type: "chat/channel_message", from: "login:ops", to: { kind: "channel", id: "app:staff-radio" }, payload: { text: "for staff" }, atMs: test.nowMs(), key: null }] });
    expect((await sync("anna", "channels=app:staff-radio")).operations).toEqual([]);
    expect((await test.api("GET", "/api/v1/sync?channels=app:staff-radio", { as: { role: "staff", personId: null } })).body.operations).toHaveLength(1);
  });
});
