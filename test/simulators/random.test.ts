import { expect, test } from "vitest";
import { newRandom } from "@konferenco/simulators";

test("the same seed throws the same dice, another seed others", () => {
  const draw = (seed: string | number) => Array.from({ length: 20 }, () => newRandom(seed)).map((dice) => dice.next());
  const first = newRandom(7);
  const second = newRandom(7);
  const other = newRandom(8);
  expect(Array.from({ length: 100 }, () => first.next())).toEqual(Array.from({ length: 100 }, () => second.next()));
  expect(first.next()).not.toBe(other.next());
  expect(new Set(draw("a")).size).toBe(1);
});

test("dice of one purpose do not move when another purpose draws", () => {
  const busy = newRandom(1);
  busy.next();
  busy.fork("radio").next();
  expect(busy.fork("walker").next()).toBe(newRandom(1).fork("walker").next());
  expect(newRandom(1).fork("walker").next()).not.toBe(newRandom(1).fork("radio").next());
});

test("uniform and Gaussian draws have the moments of their laws", () => {
  const dice = newRandom("moments");
  const count = 40_000;
  let sum = 0;
  let squares = 0;
  let gaussianSum = 0;
  let gaussianSquares = 0;
  for (let i = 0; i < count; i++) {
    const value = dice.next();
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(1);
    sum += value;
    squares += value * value;
    const gaussian = dice.gaussian();
    gaussianSum += gaussian;
    gaussianSquares += gaussian * gaussian;
  }
  // Five standard errors: 5 / sqrt(12 n) = 0.007 and 5 / sqrt(n) = 0.025.
  expect(Math.abs(sum / count - 0.5)).toBeLessThan(0.007);
  expect(Math.abs(squares / count - 1 / 3)).toBeLessThan(0.01);
  expect(Math.abs(gaussianSum / count)).toBeLessThan(0.025);
  expect(Math.abs(gaussianSquares / count - 1)).toBeLessThan(0.036);
});

test("nothing cannot be picked from", () => {
  expect(() => newRandom(1).pick([])).toThrow(RangeError);
});
