import type { Page } from "playwright-core";
import { extentOfFloor, fitView, toScreen } from "../../../web/src/map/view.ts";
import { venue } from "./small-venue.ts";

/** Where a place of the venue is on the page, as long as the map shows the whole floor. */
export async function onPage(page: Page, place: { xM: number; yM: number; floor?: number }): Promise<{ x: number; y: number }> {
  const box = await page.locator(".map-canvas").boundingBox();
  if (box === null) throw new Error("the page shows no map");
  const view = fitView(extentOfFloor(venue, place.floor ?? 0), { widthPx: box.width, heightPx: box.height });
  const [xPx, yPx] = toScreen(view, place.xM, place.yM);
  return { x: box.x + xPx, y: box.y + yPx };
}

/** Looks at the pixel of the moving layer: is something drawn at this place of the venue? */
export async function isDotAt(page: Page, place: { xM: number; yM: number; floor?: number }): Promise<boolean> {
  const at = await onPage(page, place);
  return page.locator(".map-layer").nth(1).evaluate((layer: HTMLCanvasElement, { x, y }) => {
    const box = layer.getBoundingClientRect();
    const ink = layer.getContext("2d") as CanvasRenderingContext2D;
    const [, , , alpha] = ink.getImageData(Math.round((x - box.left) * devicePixelRatio), Math.round((y - box.top) * devicePixelRatio), 1, 1).data;
    return (alpha ?? 0) > 200;
  }, at);
}
