import { expect, it } from "vitest";
import { FlowBoard } from "../../../bridge/src/core/flow-board.ts";

const STAGES = ["reports", "deliveries"];
const readAt = (board: FlowBoard, atMs: number) => board.read(atMs + 1_500, STAGES).counts;

it("counts of several processes are one sum, and what passed before we came is not in it", () => {
  const board = new FlowBoard();
  board.heard("fusion a", { reports: 1_000 }, 0);
  board.heard("fusion b", { reports: 5 }, 0);
  board.heard("fusion a", { reports: 1_100 }, 1_000);
  board.heard("fusion b", { reports: 25 }, 1_000);
  expect(board.read(2_500, STAGES)).toEqual({ atMs: 1_000, counts: { reports: 120 } });
});

it("a steady stream reads as steady, whenever the words about it come", () => {
  const board = new FlowBoard();
  for (const atMs of [0, 1_050, 1_980, 3_020]) board.heard("fusion", { reports: atMs / 10 }, atMs);
  for (const atMs of [500, 1_500, 2_500]) expect(Math.abs((readAt(board, atMs)["reports"] ?? 0) - atMs / 10)).toBeLessThan(4);
});

it("what came after a pause came in its last second", () => {
  const board = new FlowBoard();
  board.heard("bridge", { deliveries: 0 }, 0);
  board.heard("bridge", { deliveries: 40 }, 60_000);
  expect([30_000, 59_000, 59_500, 60_000].map((atMs) => readAt(board, atMs)["deliveries"])).toEqual([0, 0, 20, 40]);
});

it("a process that has started anew counts on, and of many only the last ones are known", () => {
  const board = new FlowBoard();
  board.heard("fusion 1", { reports: 10 }, 0);
  board.heard("fusion 1", { reports: 30 }, 1_000);
  board.heard("fusion 2", { reports: 0 }, 2_000);
  board.heard("fusion 2", { reports: 7 }, 3_000);
  expect(readAt(board, 3_000)).toEqual({ reports: 27 });
  for (let index = 0; index < 64; index++) board.heard(`other ${index}`, { deliveries: 0 }, 4_000);
  expect(readAt(board, 4_000)).toEqual({ deliveries: 0 });
});
