/**
 * Finds the few things near a line or a point among thousands: a grid of squares, each with the boxes that touch it.
 * A venue of 200 x 120 m with 1,900 walls is made ready in under a second instead of 21 s.
 */
export interface Buckets {
  /** Visits, once each, every box that may touch the line widened by `marginM`; more than those may come. Ends when `visit` returns true. Not to be nested. */
  along(x0M: number, y0M: number, x1M: number, y1M: number, marginM: number, visit: (index: number) => boolean): void;
}

export interface Box {
  minXM: number;
  minYM: number;
  maxXM: number;
  maxYM: number;
}

/** About a room's side: a square holds a handful of walls. */
const SQUARE_M = 4;

/** 65,536 squares are 260 KB; larger venues get larger squares. */
const MAX_SQUARES = 65_536;

export function newBuckets(boxes: readonly Box[]): Buckets {
  if (boxes.length === 0) return { along: () => undefined };
  const { minXM, minYM, maxXM, maxYM } = boxAround(boxes.flatMap((box) => [[box.minXM, box.minYM], [box.maxXM, box.maxYM]] as const));
  const widthM = maxXM - minXM;
  const heightM = maxYM - minYM;
  const squareM = Math.max(SQUARE_M, Math.sqrt((widthM * heightM) / MAX_SQUARES), widthM / MAX_SQUARES, heightM / MAX_SQUARES);
  const columns = Math.floor(widthM / squareM) + 1;
  const rows = Math.floor(heightM / squareM) + 1;
  const column = (xM: number): number => Math.max(0, Math.min(columns - 1, Math.floor((xM - minXM) / squareM)));
  const row = (yM: number): number => Math.max(0, Math.min(rows - 1, Math.floor((yM - minYM) / squareM)));

  const squares: number[][] = Array.from({ length: columns * rows }, () => []);
  boxes.forEach((box, index) => {
    for (let r = row(box.minYM); r <= row(box.maxYM); r++) {
      for (let c = column(box.minXM); c <= column(box.maxXM); c++) squares[r * columns + c]?.push(index);
    }
  });
  const seen = new Uint32Array(boxes.length);
  let query = 0;

  return {
    along(x0M, y0M, x1M, y1M, marginM, visit) {
      query++;
      const [lowXM, lowYM, highXM, highYM] = y0M <= y1M ? [x0M, y0M, x1M, y1M] : [x1M, y1M, x0M, y0M];
      const slope = highYM > lowYM ? (highXM - lowXM) / (highYM - lowYM) : 0;
      const lastRow = row(highYM + marginM);
      for (let r = row(lowYM - marginM); r <= lastRow; r++) {
        // The part of the line that passes this row of squares, widened; the first and last rows also hold what lies beyond the grid.
        const fromYM = r === 0 ? lowYM : Math.max(lowYM, Math.min(highYM, minYM + r * squareM - marginM));
        const toYM = r === rows - 1 ? highYM : Math.max(lowYM, Math.min(highYM, minYM + (r + 1) * squareM + marginM));
        const level = highYM === lowYM;
        const fromXM = level ? lowXM : lowXM + (fromYM - lowYM) * slope;
        const toXM = level ? highXM : lowXM + (toYM - lowYM) * slope;
        const lastColumn = column(Math.max(fromXM, toXM) + marginM);
        for (let c = column(Math.min(fromXM, toXM) - marginM); c <= lastColumn; c++) {
          for (const index of squares[r * columns + c] ?? []) {
            if (seen[index] === query) continue;
            seen[index] = query;
            if (visit(index)) return;
          }
        }
      }
    },
  };
}

export function boxAround(points: readonly (readonly [number, number])[]): Box {
  const box: Box = { minXM: Infinity, minYM: Infinity, maxXM: -Infinity, maxYM: -Infinity };
  for (const [xM, yM] of points) {
    box.minXM = Math.min(box.minXM, xM);
    box.minYM = Math.min(box.minYM, yM);
    box.maxXM = Math.max(box.maxXM, xM);
    box.maxYM = Math.max(box.maxYM, yM);
  }
  return box;
}
