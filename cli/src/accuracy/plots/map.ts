import { floorBounds, zoneCentre, type TagId, type VenueMap } from "@konferenco/protocol";
import type { TruthPoint } from "@konferenco/simulators";
import type { TraceLine } from "../trace.ts";
import { heading } from "./curves.ts";
import { COLOURS, element, legend, path, svg, text } from "./svg.ts";

export interface MapOptions {
  title: string;
  venue: VenueMap;
  floor: number;
  tagId: TagId;
  truth: readonly TruthPoint[];
  trace: readonly TraceLine[];
}

/** Zones by kind, pale: the walk is what the eye should find. */
const FILLS: Record<string, string> = { corridor: "#f1f3f5", hall: "#eef4fb", room: "#f3f7ee", booth: "#fdf3e7", lounge: "#f6effa", food: "#fdf0f0", registration: "#eef7f6" };
const OTHER_FILL = "#f6f6f2";
const WIDTH = 760;
/** A line from truth to estimate this often: enough to see lag and pull, few enough to see the walk. */
const ERROR_EVERY_MS = 4_000;

/** One tag's walk on one floor: where it was, where it was said to be, and lines between the two. */
export function walkMap({ title, venue, floor, tagId, truth, trace }: MapOptions): string {
  const points = truth.filter((point) => point.tagId === tagId && point.floor === floor);
  const lines = trace.filter((line) => line.tagId === tagId && line.floor === floor);
  const bounds = floorBounds(venue, floor);
  for (const { xM, yM } of [...points, ...lines]) {
    bounds.minXM = Math.min(bounds.minXM, xM);
    bounds.maxXM = Math.max(bounds.maxXM, xM);
    bounds.minYM = Math.min(bounds.minYM, yM);
    bounds.maxYM = Math.max(bounds.maxYM, yM);
  }
  const [left, top] = [30, 66];
  const scale = Math.min((WIDTH - 2 * left) / Math.max(1, bounds.maxXM - bounds.minXM), 640 / Math.max(1, bounds.maxYM - bounds.minYM));
  const height = (bounds.maxYM - bounds.minYM) * scale;
  const x = (xM: number) => left + (xM - bounds.minXM) * scale;
  // North is up: y grows upwards on the map.
  const y = (yM: number) => top + height - (yM - bounds.minYM) * scale;
  const parts: string[] = [];
  const zones = venue.zones.filter((zone) => zone.floor === floor);
  for (const zone of zones) {
    for (const polygon of zone.polygons) {
      parts.push(element("path", { d: `${polygon.map(([xM, yM], i) => `${i === 0 ? "M" : "L"}${x(xM).toFixed(1)} ${y(yM).toFixed(1)}`).join("")}Z`, fill: FILLS[zone.kind] ?? OTHER_FILL, stroke: "#c5ccd4", "stroke-width": 1 }));
    }
  }
  for (const [ax, ay, bx, by, wallFloor] of venue.walls) {
    if (wallFloor !== undefined && wallFloor !== floor) continue;
    parts.push(element("line", { x1: x(ax), y1: y(ay), x2: x(bx), y2: y(by), stroke: COLOURS.ink, "stroke-width": 2 }));
  }
  const errors = matched(points, lines);
  for (const { point, line } of errors) parts.push(element("line", { x1: x(point.xM), y1: y(point.yM), x2: x(line.xM), y2: y(line.yM), stroke: COLOURS.others[0], "stroke-width": 0.9, "stroke-opacity": 0.45 }));
  for (const piece of pieces(points, 3_000)) parts.push(path(piece.map(({ xM, yM }) => [x(xM), y(yM)] as const), { stroke: COLOURS.ink, "stroke-width": 2.6, "stroke-opacity": 0.8 }));
  for (const piece of pieces(lines, 3_000)) parts.push(path(piece.map(({ xM, yM }) => [x(xM), y(yM)] as const), { stroke: COLOURS.ours, "stroke-width": 1.6, "stroke-opacity": 0.75 }));
  for (const gateway of venue.gateways) {
    if (gateway.floor !== floor) continue;
    const [gx, gy] = [x(gateway.xM), y(gateway.yM)];
    parts.push(element("path", { d: `M${gx.toFixed(1)} ${(gy - 6).toFixed(1)}l6 10h-12Z`, fill: "#15803d", stroke: COLOURS.paper }));
  }
  for (const zone of zones) {
    const centre = zoneCentre(zone, venue);
    if (centre !== null) parts.push(text(x(centre.xM), y(centre.yM) + 4, zone.name, { "text-anchor": "middle", "font-size": 11, fill: COLOURS.soft, stroke: COLOURS.paper, "stroke-width": 3, "paint-order": "stroke" }));
  }
  const begin = points[0];
  if (begin !== undefined) parts.push(element("circle", { cx: x(begin.xM), cy: y(begin.yM), r: 5, fill: COLOURS.ink, stroke: COLOURS.paper, "stroke-width": 1.5 }));
  const below = top + height + 34;
  const barM = niceLength((bounds.maxXM - bounds.minXM) / 5);
  const barX = left + (bounds.maxXM - bounds.minXM) * scale - barM * scale;
  parts.push(path([[barX, below - 6], [barX, below], [barX + barM * scale, below], [barX + barM * scale, below - 6]], { stroke: COLOURS.ink, "stroke-width": 1.5 }));
  parts.push(text(barX + (barM * scale) / 2, below + 18, `${barM} m`, { "text-anchor": "middle" }));
  parts.push(
    legend(left, below, [
      { label: "truth; the dot is where it begins", colour: COLOURS.ink },
      { label: "estimate", colour: COLOURS.ours },
      { label: `error, every ${ERROR_EVERY_MS / 1_000} s`, colour: COLOURS.others[0], width: 1 },
    ]),
  );
  parts.push(element("path", { d: `M${left + 290} ${below - 8}l6 10h-12Z`, fill: "#15803d" }) + text(left + 306, below + 4, "gateway"));
  const floorName = venue.floors.find((one) => one.floor === floor)?.name ?? `floor ${floor}`;
  return svg(Math.max(520, (bounds.maxXM - bounds.minXM) * scale + 2 * left), below + 70, [heading(title, `Tag ${tagId}, ${floorName}`), ...parts], title);
}

/** Truth and the last estimate at or before it, one every few seconds. */
function matched(points: readonly TruthPoint[], lines: readonly TraceLine[]): { point: TruthPoint; line: TraceLine }[] {
  let nextMs = -Infinity;
  return points.flatMap((point) => {
    if (point.atMs < nextMs) return [];
    const line = lines.findLast(({ atMs }) => atMs <= point.atMs);
    if (line === undefined || point.atMs - line.atMs > 2_000) return [];
    nextMs = point.atMs + ERROR_EVERY_MS;
    return [{ point, line }];
  });
}

/** Split where time is missing: a line across a pause would be an invention. */
function pieces<T extends { atMs: number }>(points: readonly T[], gapMs: number): T[][] {
  const all: T[][] = [];
  for (const point of points) {
    const last = all.at(-1);
    if (last === undefined || point.atMs - (last.at(-1) as T).atMs > gapMs) all.push([point]);
    else last.push(point);
  }
  return all;
}

function niceLength(lengthM: number): number {
  const decade = 10 ** Math.floor(Math.log10(Math.max(0.1, lengthM)));
  return ([5, 2, 1].find((step) => step * decade <= lengthM) ?? 1) * decade;
}
