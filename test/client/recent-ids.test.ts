import { expect, it } from "vitest";
import { RecentIds } from "../../client/src/recent-ids.ts";

it("an id is new once", () => {
  const ids = new RecentIds(10);
  expect([ids.add("a"), ids.add("a"), ids.add("b")]).toEqual([true, false, true]);
});

it("a day at a busy venue does not grow the memory: the oldest ids go first", () => {
  const ids = new RecentIds(100);
  for (let n = 0; n < 10_000; n++) ids.add(`e-${n}`);
  expect(ids.size).toBe(100);
  expect(ids.add("e-9999")).toBe(false);
  expect(ids.add("e-0")).toBe(true);
});
