import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Fifo } from "../../../bridge/src/core/fifo.ts";

it("what goes in first comes out first, however many wait and go", () => {
  const step = fc.oneof(fc.record({ add: fc.integer({ min: 1, max: 3_000 }) }), fc.record({ take: fc.integer({ min: 1, max: 3_000 }) }), fc.constant({ keepEven: true }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const fifo = new Fifo<number>();
      let plain: number[] = [];
      let next = 0;
      for (const one of steps) {
        if ("add" in one) for (let n = 0; n < one.add; n++) fifo.push((plain.push(next), next++));
        else if ("take" in one) expect(Array.from({ length: one.take }, () => fifo.take())).toEqual(Array.from({ length: one.take }, () => plain.shift()));
        else {
          fifo.keep((number) => number % 2 === 0);
          plain = plain.filter((number) => number % 2 === 0);
        }
        expect(fifo.size).toBe(plain.length);
      }
    }),
    { numRuns: 50 },
  );
});
