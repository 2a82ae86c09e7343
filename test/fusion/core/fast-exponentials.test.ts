import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expOf, logOf } from "../../../fusion/src/core/fast-exponentials.ts";

describe("exponentials by table", () => {
  it("e^x to four digits, and nothing below 2^-64", () => {
    fc.assert(fc.property(fc.double({ min: -44, max: 0, noNaN: true }), (x) => Math.abs(expOf(x) / Math.exp(x) - 1) < 3e-4));
    expect(expOf(0)).toBe(1);
    expect(expOf(-60)).toBe(0);
    expect(expOf(-Infinity)).toBe(0);
  });

  it("the logarithm of any mass to 3e-4", () => {
    fc.assert(fc.property(fc.double({ min: 1e-30, max: 1e6, noNaN: true }), (x) => Math.abs(logOf(x) - Math.log(x)) < 3e-4));
    expect(logOf(0)).toBeLessThan(-85);
  });
});
