import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { venue } from "../browser/support/small-venue.ts";
import { extentOfFloor, fitView, panView, toScreen, toVenue, zoomView } from "../../web/src/map/view.ts";

const size = { widthPx: 800, heightPx: 600 };
const extent = extentOfFloor(venue, 0);
const fit = fitView(extent, size);

describe("the map's view", () => {
  it("shows the whole floor with north up", () => {
    const [leftPx, bottomPx] = toScreen(fit, extent.minXM, extent.minYM);
    const [rightPx, topPx] = toScreen(fit, extent.maxXM, extent.maxYM);
    expect(leftPx).toBeGreaterThanOrEqual(0);
    expect(rightPx).toBeLessThanOrEqual(size.widthPx);
    expect(topPx).toBeLessThan(bottomPx);
  });

  it("a floor covers what is on it: zones, gateways and walls, nothing of other floors", () => {
    expect(extentOfFloor(venue, 0)).toEqual({ minXM: 0, minYM: 0, maxXM: 30, maxYM: 12 });
    expect(extentOfFloor(venue, 1)).toEqual({ minXM: 0, minYM: 0, maxXM: 30, maxYM: 6 });
    // Without a plan: its gateways, and room around them.
    expect(extentOfFloor({ ...venue, zones: [], walls: [] }, 0)).toEqual({ minXM: 7, minYM: 3, maxXM: 28, maxYM: 9 });
  });

  it("zooming keeps the point under the pointer where it is", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.7, max: 1.6, noNaN: true }), fc.integer({ min: 0, max: 800 }), fc.integer({ min: 0, max: 600 }), (factor, xPx, yPx) => {
        const [xM, yM] = toVenue(fit, xPx, yPx);
        const [afterXPx, afterYPx] = toScreen(zoomView(fit, fit, factor, xPx, yPx), xM, yM);
        expect(afterXPx).toBeCloseTo(xPx, 6);
        expect(afterYPx).toBeCloseTo(yPx, 6);
      }),
    );
  });

  it("however one drags and zooms, some of the floor stays in sight", () => {
    const move = fc.record({ factor: fc.double({ min: 0.3, max: 4, noNaN: true }), xPx: fc.integer({ min: -3_000, max: 3_000 }), yPx: fc.integer({ min: -3_000, max: 3_000 }) });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 20 }), (moves) => {
        let view = fit;
        for (const { factor, xPx, yPx } of moves) view = panView(zoomView(view, fit, factor, 400, 300), extent, size, xPx, yPx);
        const [leftPx, bottomPx] = toScreen(view, extent.minXM, extent.minYM);
        const [rightPx, topPx] = toScreen(view, extent.maxXM, extent.maxYM);
        expect(leftPx).toBeLessThan(size.widthPx);
        expect(rightPx).toBeGreaterThan(0);
        expect(topPx).toBeLessThan(size.heightPx);
        expect(bottomPx).toBeGreaterThan(0);
      }),
    );
  });
});
