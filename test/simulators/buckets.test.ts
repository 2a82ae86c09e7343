import { expect, test } from "vitest";
import { array, assert, integer, property, tuple } from "fast-check";
import { venueMapSchema } from "@konferenco/protocol";
import { segmentsCross, wallsOfFloor } from "../../simulators/src/walls.ts";

// Eighths of a metre: lines that touch, lie on each other or on the squares' edges come up often.
const metre = integer({ min: -400, max: 400 }).map((eighths) => eighths / 8);
const empty = { venueId: "v", floors: [{ floor: 0, name: "g" }], zones: [], gateways: [] };
const line = tuple(metre, metre, metre, metre);

test("walls are found through the grid of squares exactly as by looking at each one", () => {
  const one = wallsOfFloor(venueMapSchema.parse({ ...empty, walls: [[0, 0, 10, 0]] }), 0);
  assert(
    property(array(line, { maxLength: 40 }), line, (walls, [x0M, y0M, x1M, y1M]) => {
      const found = wallsOfFloor(venueMapSchema.parse({ ...empty, walls }), 0);
      const crossed = walls.filter((wall) => segmentsCross(x0M, y0M, x1M, y1M, ...wall)).length;
      expect(found.crossings(x0M, y0M, x1M, y1M)).toBe(crossed);
      expect(found.crossings(x0M, y0M, x1M, y1M, 1)).toBe(Math.min(1, crossed));
      expect(found.clear(x0M, y0M, x1M, y1M, 1e-9)).toBe(crossed === 0);
      expect(one.distanceM(x0M, y0M, 100)).toBeCloseTo(Math.hypot(x0M - Math.max(0, Math.min(10, x0M)), y0M), 9);
    }),
    { numRuns: 150 },
  );
});
