import { expect, it } from "vitest";
import { noteFlow, rateWord, SHOWN_S, sparkline, type Flow, type FlowAnswer } from "../../web/src/console/flow.ts";

const nothing: Flow = { stages: [], lanes: [] };
const answer = (atMs: number, reports: number, alerts = 0): FlowAnswer => ({ atMs, stages: { reports }, lanes: { 0: alerts } });

it("counts become rates by the server's own clock, however late an answer comes", () => {
  const flow = noteFlow(noteFlow(nothing, answer(0, 100), answer(1_000, 140, 3)), answer(1_000, 140, 3), answer(3_000, 240, 3));
  expect(flow).toEqual({ stages: [{ name: "reports", perS: [40, 50] }], lanes: [{ name: "0", perS: [3, 0] }] });
});

it("a server that has started anew is no negative rate, and an answer that came twice no infinite one", () => {
  const before = noteFlow(nothing, answer(0, 100), answer(1_000, 140));
  expect(noteFlow(before, answer(1_000, 140), answer(2_000, 5)).stages).toEqual([{ name: "reports", perS: [40] }]);
  expect(noteFlow(before, answer(1_000, 140), answer(1_000, 140))).toBe(before);
});

it("the last minute is kept, and the newest second is at the right edge", () => {
  let flow = nothing;
  for (let second = 0; second < 100; second++) flow = noteFlow(flow, answer(second * 1_000, second * second), answer((second + 1) * 1_000, (second + 1) ** 2));
  expect(flow.stages[0]?.perS).toHaveLength(SHOWN_S);
  expect(sparkline(flow.stages[0]?.perS ?? [], { width: 118, height: 20 })).toMatch(/^M0 [\d.]+(L[\d.]+ [\d.]+){58}L118 0$/);
  expect(sparkline([5], { width: 118, height: 20 })).toBe("M118 0");
});

it("rates are as short as a glance takes", () => {
  expect([0, 0.42, 9.96, 12.4, 999, 1_234, 45_678].map(rateWord)).toEqual(["0", "0.4", "10.0", "12", "999", "1.2k", "46k"]);
});
