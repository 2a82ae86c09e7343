import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServerFrame } from "@konferenco/protocol";
import { openTestBridge, type TestBridge } from "../bridge/support/harness.ts";
import { describeTransport, overPolling, overSse, overWebSocket, readStream } from "./transport.ts";

describeTransport("a WebSocket", overWebSocket);
describeTransport("server-sent events", overSse);
describeTransport("polling", overPolling);

describe("a stream of server-sent events", () => {
  let test: TestBridge;
  beforeEach(async () => {
    test = await openTestBridge();
    await test.addPerson("anna");
  });
  afterEach(() => test.close());

  const ticketOf = async (): Promise<string> => (await test.api("POST", "/api/v1/tickets", { as: { role: "attendee", personId: "anna" } })).body.ticket as string;

  const usedTicket = async (): Promise<string> => {
    const ticket = await ticketOf();
    (await readStream(`${test.bridge.url}/events?ticket=${ticket}`, {}, () => {})).close();
    return ticket;
  };

  it("is taken up again by its ticket at a bridge that has been killed meanwhile and knows no ticket any more", async () => {
    const secret = new Uint8Array(randomBytes(48));
    const [before, after] = [await openTestBridge({ secret, registry: test.registry, store: test.store }), await openTestBridge({ secret, registry: test.registry, store: test.store })];
    const { ticket } = (await before.api("POST", "/api/v1/tickets", { as: { role: "attendee", personId: "anna" } })).body as { ticket: string };
    let id = "";
    const stream = await readStream(`${before.bridge.url}/events?channels=alerts&ticket=${ticket}`, {}, (_frame, lastId) => void (id = lastId));
    await expect.poll(() => id, { timeout: 20_000 }).not.toBe("");
    stream.close();
    const back: ServerFrame[] = [];
    const again = await readStream(`${after.bridge.url}/events?channels=alerts&ticket=${ticket}`, { "Last-Event-ID": id }, (frame) => back.push(frame));
    await expect.poll(() => back[0], { timeout: 20_000 }).toMatchObject({ op: "welcome", resumed: true, who: { personId: "anna" } });
    again.close();
    after.skewMs(12 * 3_600_000 + 1);
    await expect(readStream(`${after.bridge.url}/events?channels=alerts&ticket=${ticket}`, { "Last-Event-ID": id }, () => {})).rejects.toThrow("401");
    await Promise.all([before.bridge.close(), after.bridge.close()]);
  });

  it("opens by a ticket, once; and again by the same ticket for who knows a cursor of it, as an EventSource does", async () => {
    const ticket = await ticketOf();
    const url = `${test.bridge.url}/events?channels=alerts,me&ticket=${ticket}`;
    const frames: ServerFrame[] = [];
    let id = "";
    const stream = await readStream(url, {}, (frame, lastId) => {
      frames.push(frame);
      id = lastId;
    });
    await expect.poll(() => frames.filter((frame) => frame.op === "ok").length).toBe(2);
    expect(frames[0]).toMatchObject({ op: "welcome", who: { personId: "anna", role: "attendee" } });
    expect(stream.response.headers).toMatchObject({ "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store, no-transform", "x-accel-buffering": "no" });
    expect(stream.comments.some((line) => /^retry: [2-4]\d{3}$/.test(line))).toBe(true);
    stream.close();
    await expect(readStream(url, {}, () => {})).rejects.toThrow("401");
    await test.commit({ alerts: [{ alertId: "a-1", severity: "info", title: "Lunch", text: "now", zoneIds: [], atMs: test.nowMs() }] });
    const back: ServerFrame[] = [];
    // A cursor alone does not open it: a used ticket stands in logs of addresses, and cursors are told elsewhere too.
    for (const foreign of ["anything", id.split(".")[0] ?? "", `${id.slice(0, -4)}AAAA`]) await expect(readStream(url, { "Last-Event-ID": foreign }, () => {}), foreign).rejects.toThrow("401");
    await expect(readStream(`${test.bridge.url}/events?channels=me&ticket=${await usedTicket()}`, { "Last-Event-ID": id }, () => {})).rejects.toThrow("401");
    const again = await readStream(url, { "Last-Event-ID": id }, (frame) => back.push(frame));
    await expect.poll(() => back.some((frame) => frame.op === "ev" && frame.t === "alert")).toBe(true);
    again.close();
    expect((await test.api("GET", `/events?ticket=${ticket}`)).status).toBe(426);
  });

  it("is kept open by a comment every 15 seconds, and closed in order when the bridge closes", async () => {
    const frames: ServerFrame[] = [];
    const token = await test.bridge.issueToken({ role: "display", personId: null });
    const stream = await readStream(`${test.bridge.url}/events`, { Authorization: `Bearer ${token}` }, (frame) => frames.push(frame));
    await expect.poll(() => test.bridge.stats().connections).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // the second in which it is planned
    test.skewMs(15_000);
    await expect.poll(() => stream.comments, { timeout: 3_000 }).toContain(": hb");
    await test.bridge.close();
    await stream.ended;
    expect(frames.at(-1)).toMatchObject({ op: "bye", n: 4001 });
  });

  it("does not open for pages of foreign origins; a session that is not there takes no frames", async () => {
    const token = await test.bridge.issueToken({ role: "display", personId: null });
    await expect(readStream(`${test.bridge.url}/events`, { Authorization: `Bearer ${token}`, Origin: "https://evil.example" }, () => {})).rejects.toThrow("403");
    await expect(readStream(`${test.bridge.url}/events`, {}, () => {})).rejects.toThrow("401");
    expect((await test.api("POST", "/api/v1/control", { body: { sid: "a-session-of-nobody", frames: [{ op: "probe" }] } })).status).toBe(404);
    expect((await test.api("POST", "/api/v1/control", { body: { sid: "a-session-of-nobody", frames: [{ op: "hello" }] } })).status).toBe(400);
  });
});
