/** Minimises a function by the simplex of Nelder and Mead 1965, Computer Journal 7, with their coefficients 1, 2, 1/2, 1/2. */
export function nelderMead(cost: (point: readonly number[]) => number, start: readonly number[], steps: readonly number[], maxIterations = 200): number[] {
  const corner = (point: number[]) => ({ point, cost: cost(point) });
  let simplex = [corner([...start]), ...start.map((_, axis) => corner(start.map((value, i) => (i === axis ? value + (steps[axis] as number) : value))))];
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    simplex.sort((a, b) => a.cost - b.cost);
    const best = simplex[0] as (typeof simplex)[number];
    const worst = simplex.at(-1) as (typeof simplex)[number];
    if (worst.cost - best.cost < 1e-7 * (1 + Math.abs(best.cost))) break;
    const centre = start.map((_, i) => simplex.slice(0, -1).reduce((sum, { point }) => sum + (point[i] as number), 0) / start.length);
    const along = (by: number) => corner(centre.map((value, i) => value + by * ((worst.point[i] as number) - value)));
    const reflected = along(-1);
    const second = simplex.at(-2) as (typeof simplex)[number];
    if (reflected.cost < best.cost) {
      const expanded = along(-2);
      simplex[simplex.length - 1] = expanded.cost < reflected.cost ? expanded : reflected;
    } else if (reflected.cost < second.cost) {
      simplex[simplex.length - 1] = reflected;
    } else {
      const contracted = reflected.cost < worst.cost ? along(-0.5) : along(0.5);
      if (contracted.cost < Math.min(worst.cost, reflected.cost)) simplex[simplex.length - 1] = contracted;
      else simplex = simplex.map(({ point }, i) => (i === 0 ? best : corner(point.map((value, axis) => ((best.point[axis] as number) + value) / 2))));
    }
  }
  return simplex.reduce((best, candidate) => (candidate.cost < best.cost ? candidate : best)).point;
}
