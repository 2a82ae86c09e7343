import type { VenueMap } from "@konferenco/protocol";
import type { Palette } from "./palette.ts";
import type { Scene } from "./scene.ts";
import { toScreen, type View } from "./view.ts";

type Zone = VenueMap["zones"][number];
type Ink = CanvasRenderingContext2D;

/** The layer that changes seldom: zones, walls, names and counts, gateways. */
export function drawFloor(ink: Ink, venue: VenueMap, floor: number, view: View, scene: Scene, palette: Palette, options: { gateways: boolean }): void {
  const zones = venue.zones.filter((zone) => zone.floor === floor);
  for (const zone of zones) drawZone(ink, zone, view, palette);
  drawWalls(ink, venue, floor, view, palette);
  for (const zone of zones) if (scene.hotZones.has(zone.zoneId)) frameZone(ink, zone, view, palette.warn, palette);
  const marked = zones.find((zone) => zone.zoneId === scene.markedZoneId);
  if (marked !== undefined) frameZone(ink, marked, view, palette.select, palette);
  if (options.gateways) {
    for (const gateway of venue.gateways) {
      if (gateway.floor === floor) drawGateway(ink, toScreen(view, gateway.xM, gateway.yM), scene.gateways.get(gateway.gatewayId) ?? null, palette);
    }
  }
  for (const zone of zones) drawZoneLabel(ink, zone, view, scene, palette);
}

function traceZone(ink: Ink, zone: Zone, view: View): void {
  ink.beginPath();
  for (const polygon of zone.polygons) {
    for (const [index, [xM, yM]] of polygon.entries()) {
      const [xPx, yPx] = toScreen(view, xM, yM);
      if (index === 0) ink.moveTo(xPx, yPx);
      else ink.lineTo(xPx, yPx);
    }
    ink.closePath();
  }
}

/** Outline before fill, and the fill with a hair more than its size: where polygons of one zone touch, it covers their seam. */
function drawZone(ink: Ink, zone: Zone, view: View, palette: Palette): void {
  outlineZone(ink, zone, view, palette.line, 3);
  ink.fillStyle = palette.zone(zone.kind);
  for (const polygon of zone.polygons) {
    traceZone(ink, { ...zone, polygons: [polygon] }, view);
    ink.fill();
    ink.lineWidth = 1;
    ink.strokeStyle = ink.fillStyle;
    ink.stroke();
  }
}

/** A frame around the whole zone, above walls and neighbours; inner seams are covered by filling once more. */
function frameZone(ink: Ink, zone: Zone, view: View, colour: string, palette: Palette): void {
  outlineZone(ink, zone, view, colour, 6);
  ink.fillStyle = palette.zone(zone.kind);
  traceZone(ink, zone, view);
  ink.fill();
}

function outlineZone(ink: Ink, zone: Zone, view: View, colour: string, widthPx: number): void {
  traceZone(ink, zone, view);
  ink.lineJoin = "round";
  ink.lineWidth = widthPx;
  ink.strokeStyle = colour;
  ink.stroke();
}

function drawWalls(ink: Ink, venue: VenueMap, floor: number, view: View, palette: Palette): void {
  ink.beginPath();
  for (const [x0M, y0M, x1M, y1M, wallFloor] of venue.walls) {
    if (wallFloor !== undefined && wallFloor !== floor) continue;
    ink.moveTo(...toScreen(view, x0M, y0M));
    ink.lineTo(...toScreen(view, x1M, y1M));
  }
  ink.lineWidth = 2;
  ink.lineCap = "round";
  ink.strokeStyle = palette.wall;
  ink.stroke();
}

/** Health by shape as well as by colour: a filled square works, a hollow one is silent, a crossed one is offline. */
function drawGateway(ink: Ink, [xPx, yPx]: [number, number], state: "online" | "silent" | "offline" | null, palette: Palette): void {
  const half = 5;
  const colour = state === "online" ? palette.ok : state === "silent" ? palette.warn : state === "offline" ? palette.bad : palette.muted;
  ink.beginPath();
  ink.roundRect(xPx - half, yPx - half, 2 * half, 2 * half, 2.5);
  ink.fillStyle = state === "online" ? colour : palette.surface;
  ink.fill();
  ink.lineWidth = state === "online" ? 1.5 : 2;
  ink.strokeStyle = state === "online" ? palette.ring : colour;
  ink.stroke();
  if (state !== "offline") return;
  ink.beginPath();
  ink.moveTo(xPx - 2.5, yPx - 2.5);
  ink.lineTo(xPx + 2.5, yPx + 2.5);
  ink.moveTo(xPx + 2.5, yPx - 2.5);
  ink.lineTo(xPx - 2.5, yPx + 2.5);
  ink.stroke();
}

// --- names and counts ------------------------------------------------------------------------------

/** Where a zone's label sits: the middle of its largest polygon, and how much room it has there. */
export interface LabelPlace {
  xPx: number;
  yPx: number;
  widthPx: number;
  heightPx: number;
}

export function labelPlace(zone: Zone, view: View): LabelPlace | null {
  let best: LabelPlace | null = null;
  for (const polygon of zone.polygons) {
    const xs = polygon.map(([xM]) => xM);
    const ys = polygon.map(([, yM]) => yM);
    const [leftPx, topPx] = toScreen(view, Math.min(...xs), Math.max(...ys));
    const [rightPx, bottomPx] = toScreen(view, Math.max(...xs), Math.min(...ys));
    const place = { xPx: (leftPx + rightPx) / 2, yPx: (topPx + bottomPx) / 2, widthPx: rightPx - leftPx, heightPx: bottomPx - topPx };
    if (best === null || place.widthPx * place.heightPx > best.widthPx * best.heightPx) best = place;
  }
  return best;
}

const NAME_FONT = '600 12.5px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const SMALL_NAME_FONT = '600 10.5px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const COUNT_FONT = '12px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const BADGE_FONT = '700 11.5px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const LINE_PX = 15;

function drawZoneLabel(ink: Ink, zone: Zone, view: View, scene: Scene, palette: Palette): void {
  const place = labelPlace(zone, view);
  if (place === null) return;
  const lines = fitName(ink, zone.name, place.widthPx - 8, Math.max(1, Math.floor(place.heightPx / LINE_PX)));
  const count = scene.counts.get(zone.zoneId);
  const names = scene.namesByZone.get(zone.zoneId)?.length ?? 0;
  const rows = lines.lines.length + (count === undefined ? 0 : 1) + (names > 0 ? 1.4 : 0);
  let yPx = place.yPx - ((rows - 1) * LINE_PX) / 2;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  ink.font = lines.font;
  for (const line of lines.lines) {
    drawHaloText(ink, line, place.xPx, yPx, palette.text, palette.halo);
    yPx += LINE_PX;
  }
  if (count !== undefined) {
    ink.font = COUNT_FONT;
    const plain = count === "few" ? "a few people" : count === 1 ? "1 person" : `${count} people`;
    const capacity = scene.hotZones.get(zone.zoneId);
    const words = capacity === undefined ? [plain, String(count)] : [`hot spot · ${count} of ${capacity}`, `hot · ${count}`, String(count)];
    const text = words.find((word) => ink.measureText(word).width <= place.widthPx - 6) ?? String(count);
    if (ink.measureText(text).width <= place.widthPx) drawHaloText(ink, text, place.xPx, yPx, capacity === undefined ? palette.muted : palette.warn, palette.halo);
    yPx += LINE_PX;
  }
  if (names > 0) drawBadge(ink, place.xPx, yPx + LINE_PX * 0.2, names, palette);
}

/** People of a zone who show no spot: one badge with their number, never dots at places that nobody gave. */
function drawBadge(ink: Ink, xPx: number, yPx: number, count: number, palette: Palette): void {
  ink.font = BADGE_FONT;
  const text = String(count);
  const widthPx = ink.measureText(text).width + 26;
  const leftPx = xPx - widthPx / 2;
  ink.beginPath();
  ink.roundRect(leftPx, yPx - 9, widthPx, 18, 9);
  ink.fillStyle = palette.person;
  ink.fill();
  ink.fillStyle = palette.ring;
  ink.beginPath();
  ink.arc(leftPx + 11, yPx - 2.6, 2.5, 0, 2 * Math.PI);
  ink.fill();
  ink.beginPath();
  ink.arc(leftPx + 11, yPx + 5, 4.3, Math.PI, 2 * Math.PI);
  ink.fill();
  ink.textAlign = "left";
  ink.fillText(text, leftPx + 18, yPx + 0.5);
  ink.textAlign = "center";
}

function drawHaloText(ink: Ink, text: string, xPx: number, yPx: number, colour: string, halo: string): void {
  ink.lineWidth = 3;
  ink.lineJoin = "round";
  ink.strokeStyle = halo;
  ink.strokeText(text, xPx, yPx);
  ink.fillStyle = colour;
  ink.fillText(text, xPx, yPx);
}

/** The name on as few lines as it needs, smaller if it must, shortened at last; nothing where not even that fits. */
function fitName(ink: Ink, name: string, widthPx: number, maxLines: number): { font: string; lines: string[] } {
  for (const font of [NAME_FONT, SMALL_NAME_FONT]) {
    ink.font = font;
    const lines = wrap(ink, name, widthPx);
    if (lines !== null && lines.length <= maxLines) return { font, lines };
  }
  for (let length = name.length - 1; length >= 5; length--) {
    const short = `${name.slice(0, length).trimEnd()}…`;
    if (ink.measureText(short).width <= widthPx) return { font: SMALL_NAME_FONT, lines: [short] };
  }
  return { font: SMALL_NAME_FONT, lines: [] };
}

function wrap(ink: Ink, text: string, widthPx: number): string[] | null {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (ink.measureText(longer).width <= widthPx) {
      line = longer;
      continue;
    }
    if (line === "" || ink.measureText(word).width > widthPx) return null;
    lines.push(line);
    line = word;
  }
  return [...lines, line];
}
