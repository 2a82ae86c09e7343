/**
 * What every fingerprint method answers: where the device may be, as weighted points (cells of a
 * radio map, survey points of a forest's leaves, neighbours). One type, so that methods can be
 * compared, mixed, and made a fix in one place.
 */
export interface WifiPosterior {
  xM: number[];
  yM: number[];
  floor: number[];
  /** Sums to 1. */
  weight: number[];
}

export interface WifiEstimate {
  xM: number;
  yM: number;
  floor: number;
  /** How much of the posterior is on that floor. */
  floorShare: number;
  /** The radius around the mean that holds 95 % of the posterior on its floor; not yet compared with any truth. */
  raw95M: number;
}

/** Mean on the likeliest floor, and how far the posterior reaches around it. Null when it is empty. */
export function summarise(posterior: WifiPosterior): WifiEstimate | null {
  const shares = new Map<number, number>();
  posterior.floor.forEach((floor, i) => shares.set(floor, (shares.get(floor) ?? 0) + (posterior.weight[i] as number)));
  let best: [number, number] | null = null;
  for (const share of shares) if (best === null || share[1] > best[1]) best = share;
  if (best === null || best[1] <= 0) return null;
  const [floor, floorShare] = best;
  let xM = 0;
  let yM = 0;
  posterior.floor.forEach((at, i) => {
    if (at !== floor) return;
    xM += ((posterior.weight[i] as number) * (posterior.xM[i] as number)) / floorShare;
    yM += ((posterior.weight[i] as number) * (posterior.yM[i] as number)) / floorShare;
  });
  const reach: { rangeM: number; weight: number }[] = [];
  posterior.floor.forEach((at, i) => {
    if (at === floor) reach.push({ rangeM: Math.hypot((posterior.xM[i] as number) - xM, (posterior.yM[i] as number) - yM), weight: (posterior.weight[i] as number) / floorShare });
  });
  reach.sort((a, b) => a.rangeM - b.rangeM);
  let held = 0;
  let raw95M = 0;
  for (const { rangeM, weight } of reach) {
    raw95M = rangeM;
    held += weight;
    if (held >= 0.95) break;
  }
  return { xM, yM, floor, floorShare, raw95M };
}

/** Two answers as one: each is right half of the time, as far as we know. */
export function mixPosteriors(a: WifiPosterior, b: WifiPosterior): WifiPosterior {
  const half = (weight: number): number => weight / 2;
  return {
    xM: [...a.xM, ...b.xM],
    yM: [...a.yM, ...b.yM],
    floor: [...a.floor, ...b.floor],
    weight: [...a.weight.map(half), ...b.weight.map(half)],
  };
}
