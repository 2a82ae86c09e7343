import type { Palette } from "./palette.ts";
import type { Dot } from "./scene.ts";
import { toScreen, type View } from "./view.ts";

/** A position older than this is drawn faintly: fusion reports a standing person at least once a minute. */
const FADE_AFTER_MS = 75_000;

const RADIUS_PX = { person: 5.5, thing: 4.5, me: 8 } as const;

/** A dot where it is drawn now, on its way to where it was last reported. */
export interface ShownDot {
  dot: Dot;
  xM: number;
  yM: number;
}

/** Rings around dots: one pixel and a half of the ground's colour, so that neighbours stay apart. */
const RING_PX = 1.5;
/** Of the radius, what is empty in a hollow dot. */
const HOLLOW_SHARE = 0.6;
/** Above this many dots are drawn smaller and without rings: nobody tells 1,000 people apart, and frames stay cheap. */
const MANY = 1_000;

/**
 * The layer that changes with every frame. One path per look and no stroke: 5,000 dots, each moving twice a
 * second, are drawn 55 times a second by a Chromium without GPU on two busy cores; with strokes 6 times.
 */
export function drawDots(ink: CanvasRenderingContext2D, dots: readonly ShownDot[], view: View, palette: Palette, options: { nowMs: number; circled: readonly string[] }): void {
  for (const shown of dots) {
    if (shown.dot.look === "me" || options.circled.includes(shown.dot.key)) drawAccuracy(ink, shown, view, palette);
  }
  const areMany = dots.length > MANY;
  for (const look of ["thing", "person", "me"] as const) {
    for (const isFaint of [true, false]) {
      const group = dots.filter(({ dot }) => dot.look === look && options.nowMs - dot.heardAtMs > FADE_AFTER_MS === isFaint);
      if (group.length === 0) continue;
      const radiusPx = areMany ? RADIUS_PX[look] * 0.55 : RADIUS_PX[look];
      ink.globalAlpha = isFaint ? 0.4 : 1;
      if (!areMany) fillDots(ink, group, view, radiusPx + (look === "me" ? 2 * RING_PX : RING_PX), palette.ring);
      fillDots(ink, group, view, radiusPx, palette[look]);
      fillDots(ink, group.filter(({ dot }) => dot.isCountedElsewhere), view, radiusPx * HOLLOW_SHARE, palette.ring);
    }
  }
  ink.globalAlpha = 1;
  for (const { dot, xM, yM } of dots) {
    if (options.circled.includes(dot.key) && dot.look !== "me") drawName(ink, dot, toScreen(view, xM, yM), palette);
  }
}

function fillDots(ink: CanvasRenderingContext2D, dots: readonly ShownDot[], view: View, radiusPx: number, colour: string): void {
  ink.beginPath();
  for (const { dot, xM, yM } of dots) {
    const [xPx, yPx] = toScreen(view, xM, yM);
    trace(ink, dot.look, xPx, yPx, radiusPx);
  }
  ink.fillStyle = colour;
  ink.fill();
}

/** People are round, things are diamonds: the difference does not hang on colour. */
function trace(ink: CanvasRenderingContext2D, look: Dot["look"], xPx: number, yPx: number, radiusPx: number): void {
  if (look === "thing") {
    ink.moveTo(xPx, yPx - radiusPx * 1.2);
    ink.lineTo(xPx + radiusPx * 1.2, yPx);
    ink.lineTo(xPx, yPx + radiusPx * 1.2);
    ink.lineTo(xPx - radiusPx * 1.2, yPx);
    // No closePath: filling closes by itself, and 5,000 of them cost 0.6 s of each second.
    return;
  }
  ink.moveTo(xPx + radiusPx, yPx);
  ink.arc(xPx, yPx, radiusPx, 0, 2 * Math.PI);
}

/** The circle that holds the true place in 95 of 100 cases. */
function drawAccuracy(ink: CanvasRenderingContext2D, { dot, xM, yM }: ShownDot, view: View, palette: Palette): void {
  const [xPx, yPx] = toScreen(view, xM, yM);
  ink.beginPath();
  ink.arc(xPx, yPx, Math.max(RADIUS_PX[dot.look] + 4, dot.accuracy95M * view.pxPerM), 0, 2 * Math.PI);
  ink.fillStyle = palette.accuracy;
  ink.fill();
  ink.lineWidth = 1.5;
  ink.strokeStyle = palette.select;
  ink.stroke();
}

function drawName(ink: CanvasRenderingContext2D, dot: Dot, [xPx, yPx]: [number, number], palette: Palette): void {
  ink.font = '600 12.5px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
  ink.textAlign = "center";
  ink.textBaseline = "bottom";
  ink.lineWidth = 4;
  ink.lineJoin = "round";
  ink.strokeStyle = palette.halo;
  ink.strokeText(dot.label, xPx, yPx - 10);
  ink.fillStyle = palette.text;
  ink.fillText(dot.label, xPx, yPx - 10);
}
