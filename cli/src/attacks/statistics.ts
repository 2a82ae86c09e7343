import type { Random } from "@konferenco/simulators";

export interface Point {
  xM: number;
  yM: number;
}

export function distanceM(a: Point, b: Point): number {
  return Math.hypot(a.xM - b.xM, a.yM - b.yM);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The 95 % bootstrap lower bound of median(attack) / median(label), pairs drawn together. Below 0.95 the attack knows more than the label. */
export function ratioLowerBound(attackM: readonly number[], labelM: readonly number[], dice: Random, draws = 400): number {
  const ratios: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const picked = attackM.map(() => dice.integer(attackM.length));
    ratios.push(median(picked.map((index) => attackM[index] as number)) / median(picked.map((index) => labelM[index] as number)));
  }
  return quantile(ratios, 0.05);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

/** The upper 95 % bound of 2 * accuracy - 1. */
export function advantageUpperBound(right: number, asked: number): number {
  const accuracy = right / asked;
  return 2 * (accuracy + 1.645 * Math.sqrt((accuracy * (1 - accuracy)) / asked)) - 1;
}

/** The largest distance of two cumulative distributions: the advantage of the best threshold on a time. */
export function kolmogorovSmirnov(a: readonly number[], b: readonly number[]): number {
  const [left, right] = [[...a].sort((x, y) => x - y), [...b].sort((x, y) => x - y)];
  let [i, j, largest] = [0, 0, 0];
  while (i < left.length && j < right.length) {
    const at = Math.min(left[i] as number, right[j] as number);
    while (i < left.length && (left[i] as number) <= at) i++;
    while (j < right.length && (right[j] as number) <= at) j++;
    largest = Math.max(largest, Math.abs(i / left.length - j / right.length));
  }
  return largest;
}

/** Slope of a straight line through the points. */
export function slope(xs: readonly number[], ys: readonly number[]): number {
  const [mx, my] = [mean(xs), mean(ys)];
  return xs.reduce((sum, x, i) => sum + (x - mx) * ((ys[i] as number) - my), 0) / xs.reduce((sum, x) => sum + (x - mx) ** 2, 0);
}

/** Upper tail of the chi-square distribution (Wilson and Hilferty 1931), good enough to tell chance from structure. */
export function chiSquareP(statistic: number, freedom: number): number {
  const z = (Math.cbrt(statistic / freedom) - (1 - 2 / (9 * freedom))) / Math.sqrt(2 / (9 * freedom));
  return 0.5 * erfc(z / Math.SQRT2);
}

/** Numerical Recipes, section 6.2: fractional error below 1.2e-7. */
function erfc(x: number): number {
  const t = 1 / (1 + 0.5 * Math.abs(x));
  const poly = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  const value = t * Math.exp(-x * x + poly);
  return x >= 0 ? value : 2 - value;
}

/**
 * A place from whatever the attacker saw, learned from people whose places the attacker knows (accomplices): the mean
 * place of the most similar observations, all of equal similarity together. It needs no idea of where a leak is; where
 * an observation says no more than a zone, the answer is the middle of the zone.
 */
export function learnPlaces(known: readonly { seen: readonly number[]; at: Point }[]): (seen: readonly number[]) => Point {
  const byObservation = new Map<string, Point[]>();
  for (const { seen, at } of known) {
    const key = seen.join();
    byObservation.set(key, [...(byObservation.get(key) ?? []), at]);
  }
  const groups = [...byObservation].map(([key, places]) => ({ seen: key.split(",").map(Number), places }));
  return (seen) => {
    const ranked = groups.map(({ seen: other, places }) => ({ far: other.reduce((sum, value, i) => sum + Math.abs(value - (seen[i] ?? 0)), 0), places })).sort((a, b) => a.far - b.far);
    const near: Point[] = [];
    let [farthest, index] = [-1, 0];
    for (; index < ranked.length; index++) {
      const group = ranked[index] as (typeof ranked)[number];
      if (near.length >= NEIGHBOURS && group.far > farthest) break;
      farthest = group.far;
      near.push(...group.places);
    }
    return { xM: mean(near.map(({ xM }) => xM)), yM: mean(near.map(({ yM }) => yM)) };
  };
}

const NEIGHBOURS = 12;
