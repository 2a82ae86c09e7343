import { afterEach, beforeEach, expect, it } from "vitest";
import { CLOSE_CODES } from "@konferenco/protocol";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge({ limits: { slowAfterMs: 1_500 } });
  for (let n = 0; n < 100; n++) await test.addPerson(`p-${n}`, { tagId: `t-${n}` });
});
afterEach(() => test.close());

const enterAll = (round: number) =>
  test.commit({ zoneTransitions: Array.from({ length: 100 }, (_, n) => ({ transition: round % 2 === 0 ? ("enter" as const) : ("exit" as const), tagId: `t-${n}`, zoneId: `z-${round - (round % 2)}`, floor: 0, atMs: test.nowMs(), confidence: 1 })) });

it("a client that stops reading is closed with 4003, keeps no more than its budget, and the others go on", async () => {
  const [stuck, fine] = await Promise.all([test.client("staff", null, { ack: false }), test.client("operator")]);
  await stuck.subscribe("venue");
  await fine.subscribe("venue");
  stuck.socket.pause();
  let sent = 0;
  while (test.bridge.stats().closedByCode[String(CLOSE_CODES.slow)] === undefined && sent < 2_000) {
    await enterAll(sent++);
    await fine.until(() => fine.events.length >= sent * 100);
  }
  expect(test.bridge.stats().closedByCode[String(CLOSE_CODES.slow)]).toBe(1);
  // 100 transitions are about 17 KB: two windows of unread bytes and one of queue are far below what the kernel would have taken (3.9 MB).
  expect(sent).toBeLessThan(60);
  await enterAll(sent++);
  await fine.until(() => fine.events.length >= sent * 100);
  expect(fine.holes).toBe(0);
  expect(test.bridge.stats().connections).toBe(1);
  stuck.socket.resume();
  expect([CLOSE_CODES.slow, 1006]).toContain((await stuck.closed).code);
}, 60_000);

it("a client that never acknowledges but reads is not slow: its protocol stack answers for it", async () => {
  const quiet = await test.client("operator", null, { ack: false });
  await quiet.subscribe("venue");
  for (let round = 0; round < 60; round++) {
    await enterAll(round);
    await quiet.until(() => quiet.events.length >= (round + 1) * 100);
  }
  expect(quiet.frames.some((frame) => frame.op === "lag")).toBe(false);
  expect(test.bridge.stats().closedByCode).toEqual({});
}, 30_000);

it("one that lags gets the latest positions when it reads again, and is told of both", async () => {
  const lagging = await test.client("operator", null, { ack: false });
  await lagging.subscribe("venue", { hz: 10 });
  lagging.socket.pause();
  const moveAll = (xM: number) => test.commit({ positions: Array.from({ length: 500 }, (_, n) => ({ tagId: `thing-${n}`, atMs: test.nowMs(), xM, yM: 0, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 1, source: "beacon" as const, zoneId: null })) });
  for (let xM = 1; xM <= 10; xM++) {
    await moveAll(xM);
    await new Promise((resolve) => setTimeout(resolve, 110));
  }
  expect(test.bridge.stats().drops.positions["conflated"]).toBeGreaterThan(1_000);
  lagging.socket.resume();
  const latest = new Map<string, number>();
  await lagging.until(() => {
    for (const { event } of lagging.events) if (event.t === "position" && event.d.subj.who === "tag") latest.set(event.d.subj.tagId, event.d.xM);
    return latest.size === 500 && [...latest.values()].every((xM) => xM === 10);
  }, 20_000);
  // On a busy machine it may fall behind a second time while it catches up.
  await lagging.until(() => /^1,0(,1,0)*$/.test(lagging.frames.filter((frame) => frame.op === "lag").map((frame) => ("level" in frame ? frame.level : null)).join()), 20_000);
  expect(lagging.holes).toBe(0);
}, 60_000);

it("a client that claims to have read what was never sent is told so", async () => {
  const liar = await test.client("operator");
  liar.send({ op: "ack", s: 1_000_000 });
  await liar.until(() => liar.frames.some((frame) => frame.op === "err"));
  expect(liar.frames.at(-1)).toMatchObject({ code: "bad_request" });
});
