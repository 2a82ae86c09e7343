import type { VenueMap } from "@konferenco/protocol";
import { boxAround, newBuckets } from "./buckets.ts";

/** The walls of one floor: what radio loses power through and nobody walks through. */
export interface Walls {
  /** How many walls the straight line crosses, counted up to `atMost`. Touching counts. */
  crossings(x0M: number, y0M: number, x1M: number, y1M: number, atMost?: number): number;
  /** True when the straight line stays at least `clearanceM` away from every wall. */
  clear(x0M: number, y0M: number, x1M: number, y1M: number, clearanceM: number): boolean;
  /** Distance from a point to the nearest wall, or `farM` when all are farther. */
  distanceM(xM: number, yM: number, farM: number): number;
  readonly segments: readonly (readonly [number, number, number, number])[];
}

/** A wall without a floor number stands on every floor. */
export function wallsOfFloor(venue: VenueMap, floor: number): Walls {
  const segments = venue.walls
    .filter((wall) => wall[4] === undefined || wall[4] === floor)
    .map((wall) => [wall[0], wall[1], wall[2], wall[3]] as const);
  const buckets = newBuckets(segments.map(([x0M, y0M, x1M, y1M]) => boxAround([[x0M, y0M], [x1M, y1M]])));
  const wall = (i: number): readonly [number, number, number, number] => segments[i] as (typeof segments)[number];

  return {
    segments,
    crossings(axM, ayM, bxM, byM, atMost = Infinity) {
      let crossed = 0;
      buckets.along(axM, ayM, bxM, byM, 0, (i) => {
        const [x0M, y0M, x1M, y1M] = wall(i);
        if (segmentsCross(axM, ayM, bxM, byM, x0M, y0M, x1M, y1M)) crossed++;
        return crossed >= atMost;
      });
      return crossed;
    },
    clear(axM, ayM, bxM, byM, clearanceM) {
      let clear = true;
      buckets.along(axM, ayM, bxM, byM, clearanceM, (i) => {
        const [x0M, y0M, x1M, y1M] = wall(i);
        clear = segmentsDistanceM(axM, ayM, bxM, byM, x0M, y0M, x1M, y1M) >= clearanceM;
        return !clear;
      });
      return clear;
    },
    distanceM(xM, yM, farM) {
      let bestM = farM;
      buckets.along(xM, yM, xM, yM, farM, (i) => {
        const [x0M, y0M, x1M, y1M] = wall(i);
        bestM = Math.min(bestM, pointSegmentDistanceM(xM, yM, x0M, y0M, x1M, y1M));
        return false;
      });
      return bestM;
    },
  };
}

/** Do two segments share a point? By orientation; collinear segments that only touch count. */
export function segmentsCross(axM: number, ayM: number, bxM: number, byM: number, cxM: number, cyM: number, dxM: number, dyM: number): boolean {
  const abc = (bxM - axM) * (cyM - ayM) - (byM - ayM) * (cxM - axM);
  const abd = (bxM - axM) * (dyM - ayM) - (byM - ayM) * (dxM - axM);
  const cda = (dxM - cxM) * (ayM - cyM) - (dyM - cyM) * (axM - cxM);
  const cdb = (dxM - cxM) * (byM - cyM) - (dyM - cyM) * (bxM - cxM);
  if (abc === 0 && abd === 0 && cda === 0 && cdb === 0) {
    return (
      Math.max(axM, bxM) >= Math.min(cxM, dxM) && Math.max(cxM, dxM) >= Math.min(axM, bxM) &&
      Math.max(ayM, byM) >= Math.min(cyM, dyM) && Math.max(cyM, dyM) >= Math.min(ayM, byM)
    );
  }
  return abc * abd <= 0 && cda * cdb <= 0;
}

function segmentsDistanceM(axM: number, ayM: number, bxM: number, byM: number, cxM: number, cyM: number, dxM: number, dyM: number): number {
  if (segmentsCross(axM, ayM, bxM, byM, cxM, cyM, dxM, dyM)) return 0;
  return Math.min(
    pointSegmentDistanceM(axM, ayM, cxM, cyM, dxM, dyM),
    pointSegmentDistanceM(bxM, byM, cxM, cyM, dxM, dyM),
    pointSegmentDistanceM(cxM, cyM, axM, ayM, bxM, byM),
    pointSegmentDistanceM(dxM, dyM, axM, ayM, bxM, byM),
  );
}

function pointSegmentDistanceM(xM: number, yM: number, axM: number, ayM: number, bxM: number, byM: number): number {
  const lengthM2 = (bxM - axM) ** 2 + (byM - ayM) ** 2;
  const along = lengthM2 === 0 ? 0 : Math.max(0, Math.min(1, ((xM - axM) * (bxM - axM) + (yM - ayM) * (byM - ayM)) / lengthM2));
  return Math.hypot(xM - (axM + along * (bxM - axM)), yM - (ayM + along * (byM - ayM)));
}
