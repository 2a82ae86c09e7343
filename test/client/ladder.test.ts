import { expect, it } from "vitest";
import { Ladder } from "../../client/src/ladder.ts";
import { SseReader } from "../../client/src/sse-messages.ts";

const KINDS = ["websocket", "sse", "polling"] as const;
const after = (ladder: Ladder, failures: number): string[] => Array.from({ length: failures }, () => (ladder.failed(), ladder.kind));

it("a WebSocket that fails the first time is followed by events, then by polling, then tried again", () => {
  expect(after(new Ladder(KINDS), 4)).toEqual(["sse", "polling", "websocket", "sse"]);
});

it("a WebSocket that has worked is given three tries: a restart of the server is not asked three ways at once by everybody", () => {
  const ladder = new Ladder(KINDS);
  ladder.welcomed();
  expect(after(ladder, 6)).toEqual(["websocket", "websocket", "sse", "polling", "websocket", "websocket"]);
});

it("what works is kept, and the way up is tried after 1, 2, 4 … 10 minutes", () => {
  const ladder = new Ladder(KINDS);
  ladder.failed();
  ladder.welcomed();
  expect(ladder.kind).toBe("sse");
  const waits = Array.from({ length: 6 }, () => {
    const waitMs = ladder.climbAfterMs();
    ladder.stayed();
    return waitMs;
  });
  expect(waits).toEqual([60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
  ladder.climb();
  expect(ladder.kind).toBe("websocket");
  expect(ladder.climbAfterMs()).toBeNull();
});

it("one failure after a climb leads down again, and another network is tried from the top", () => {
  const ladder = new Ladder(KINDS);
  ladder.failed();
  ladder.welcomed();
  ladder.climb();
  ladder.failed();
  expect(ladder.kind).toBe("sse");
  ladder.networkChanged();
  expect(ladder.kind).toBe("websocket");
});

it("an event stream is read whatever the pieces in which it comes", () => {
  const stream = ': hb\n\nretry: 2000\n\ndata: {"op":"ping"}\nid: c1\n\nevent: alert\r\ndata: {"a":\r\ndata: "ö"}\r\n\r\n';
  for (let size = 1; size < stream.length; size++) {
    const reader = new SseReader();
    const messages = [];
    for (let at = 0; at < stream.length; at += size) messages.push(...(reader.read(stream.slice(at, at + size)) ?? []));
    expect(messages, `pieces of ${size}`).toEqual([
      '{"op":"ping"}',
      '{"a":\n"ö"}',
    ]);
  }
});

it("a page that is no event stream is given up before it fills the memory", () => {
  const reader = new SseReader();
  const piece = "x".repeat(10_000);
  const rounds = Array.from({ length: 20 }, () => reader.read(piece));
  expect(rounds.filter((round) => round === null).length).toBeGreaterThan(0);
});
