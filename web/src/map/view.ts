import type { VenueMap } from "@konferenco/protocol";

/** A rectangle of the venue frame, metres. */
export interface Extent {
  minXM: number;
  minYM: number;
  maxXM: number;
  maxYM: number;
}

/** How metres become pixels: y of the venue grows northwards, y of a screen downwards. */
export interface View {
  pxPerM: number;
  /** Where the venue's origin lies on the canvas, CSS pixels. */
  originXPx: number;
  originYPx: number;
}

export interface Size {
  widthPx: number;
  heightPx: number;
}

const MARGIN_PX = 14;
/** Further in, a person is larger than a room; further out, the floor is a speck. */
const MAX_ZOOM = 12;
const MIN_ZOOM = 0.8;

export function toScreen(view: View, xM: number, yM: number): [number, number] {
  return [view.originXPx + xM * view.pxPerM, view.originYPx - yM * view.pxPerM];
}

export function toVenue(view: View, xPx: number, yPx: number): [number, number] {
  return [(xPx - view.originXPx) / view.pxPerM, (view.originYPx - yPx) / view.pxPerM];
}

/** The view that shows the whole extent, centred. */
export function fitView(extent: Extent, size: Size): View {
  const widthM = Math.max(1, extent.maxXM - extent.minXM);
  const heightM = Math.max(1, extent.maxYM - extent.minYM);
  const pxPerM = Math.max(0.001, Math.min((size.widthPx - 2 * MARGIN_PX) / widthM, (size.heightPx - 2 * MARGIN_PX) / heightM));
  return {
    pxPerM,
    originXPx: size.widthPx / 2 - ((extent.minXM + extent.maxXM) / 2) * pxPerM,
    originYPx: size.heightPx / 2 + ((extent.minYM + extent.maxYM) / 2) * pxPerM,
  };
}

/** Zooms by `factor` about a point of the screen that stays where it is; `fit` bounds how far. */
export function zoomView(view: View, fit: View, factor: number, xPx: number, yPx: number): View {
  const pxPerM = Math.min(fit.pxPerM * MAX_ZOOM, Math.max(fit.pxPerM * MIN_ZOOM, view.pxPerM * factor));
  const [xM, yM] = toVenue(view, xPx, yPx);
  return { pxPerM, originXPx: xPx - xM * pxPerM, originYPx: yPx + yM * pxPerM };
}

/** Moves the view, but never so far that nothing of the extent is left in the middle half of the canvas. */
export function panView(view: View, extent: Extent, size: Size, byXPx: number, byYPx: number): View {
  const moved = { ...view, originXPx: view.originXPx + byXPx, originYPx: view.originYPx + byYPx };
  const [leftPx, bottomPx] = toScreen(moved, extent.minXM, extent.minYM);
  const [rightPx, topPx] = toScreen(moved, extent.maxXM, extent.maxYM);
  const push = (lowPx: number, highPx: number, sizePx: number): number => Math.max(0, sizePx / 4 - highPx) - Math.max(0, lowPx - (sizePx * 3) / 4);
  moved.originXPx += push(leftPx, rightPx, size.widthPx);
  moved.originYPx += push(topPx, bottomPx, size.heightPx);
  return moved;
}

/** What a floor covers: its zones, walls and gateways; of a floor with none of them, the venue's. */
export function extentOfFloor(venue: VenueMap, floor: number): Extent {
  const points: (readonly [number, number])[] = [];
  for (const zone of venue.zones) if (zone.floor === floor) points.push(...zone.polygons.flat());
  // Without a plan there is room around a gateway: people stand there, and its zone's name.
  const aroundM = points.length > 0 ? 0 : 3;
  for (const { xM, yM, floor: on } of venue.gateways) if (on === floor) points.push([xM - aroundM, yM - aroundM], [xM + aroundM, yM + aroundM]);
  for (const [x0, y0, x1, y1, wallFloor] of venue.walls) {
    if (wallFloor === undefined || wallFloor === floor) points.push([x0, y0], [x1, y1]);
  }
  if (points.length === 0) points.push([0, 0], [20, 20]);
  const extent = { minXM: Infinity, minYM: Infinity, maxXM: -Infinity, maxYM: -Infinity };
  for (const [xM, yM] of points) {
    extent.minXM = Math.min(extent.minXM, xM);
    extent.minYM = Math.min(extent.minYM, yM);
    extent.maxXM = Math.max(extent.maxXM, xM);
    extent.maxYM = Math.max(extent.maxYM, yM);
  }
  return extent;
}
