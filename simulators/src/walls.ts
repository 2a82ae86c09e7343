import type { VenueMap } from "@konferenco/protocol";

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
  const count = segments.length;
  const x0 = Float64Array.from(segments, (wall) => wall[0]);
  const y0 = Float64Array.from(segments, (wall) => wall[1]);
  const x1 = Float64Array.from(segments, (wall) => wall[2]);
  const y1 = Float64Array.from(segments, (wall) => wall[3]);
  const beyond = (i: number, minXM: number, minYM: number, maxXM: number, maxYM: number): boolean =>
    Math.max(at(x0, i), at(x1, i)) < minXM || Math.min(at(x0, i), at(x1, i)) > maxXM || Math.max(at(y0, i), at(y1, i)) < minYM || Math.min(at(y0, i), at(y1, i)) > maxYM;

  return {
    segments,
    crossings(axM, ayM, bxM, byM, atMost = Infinity) {
      let crossed = 0;
      const minXM = Math.min(axM, bxM);
      const maxXM = Math.max(axM, bxM);
      const minYM = Math.min(ayM, byM);
      const maxYM = Math.max(ayM, byM);
      for (let i = 0; i < count && crossed < atMost; i++) {
        if (beyond(i, minXM, minYM, maxXM, maxYM)) continue;
        if (segmentsCross(axM, ayM, bxM, byM, at(x0, i), at(y0, i), at(x1, i), at(y1, i))) crossed++;
      }
      return crossed;
    },
    clear(axM, ayM, bxM, byM, clearanceM) {
      const minXM = Math.min(axM, bxM) - clearanceM;
      const maxXM = Math.max(axM, bxM) + clearanceM;
      const minYM = Math.min(ayM, byM) - clearanceM;
      const maxYM = Math.max(ayM, byM) + clearanceM;
      for (let i = 0; i < count; i++) {
        if (beyond(i, minXM, minYM, maxXM, maxYM)) continue;
        if (segmentsDistanceM(axM, ayM, bxM, byM, at(x0, i), at(y0, i), at(x1, i), at(y1, i)) < clearanceM) return false;
      }
      return true;
    },
    distanceM(xM, yM, farM) {
      let bestM = farM;
      for (let i = 0; i < count; i++) {
        if (beyond(i, xM - bestM, yM - bestM, xM + bestM, yM + bestM)) continue;
        bestM = Math.min(bestM, pointSegmentDistanceM(xM, yM, at(x0, i), at(y0, i), at(x1, i), at(y1, i)));
      }
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

/** Typed arrays are never sparse; noUncheckedIndexedAccess cannot know the index is in range. */
function at(values: Float64Array, i: number): number {
  return values[i] as number;
}
