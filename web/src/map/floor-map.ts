import type { VenueMap } from "@konferenco/protocol";
import { drawDots, type ShownDot } from "./draw-dots.ts";
import { drawFloor } from "./draw-floor.ts";
import { readPalette, type Palette } from "./palette.ts";
import { isSameTarget, type Dot, type Scene, type Target } from "./scene.ts";
import { extentOfFloor, fitView, panView, toScreen, toVenue, zoomView, type Extent, type Size, type View } from "./view.ts";
import { newZoneAt } from "./zone-at.ts";

/** A dot covers most of its way to a new position in this time: smooth at two positions a second, and never far behind. */
const EASE_MS = 220;
/** Further than this nobody walks between two positions: the dot is put there instead of flying across the floor. */
const JUMP_M = 15;
/** How near the pointer must come, fingers included. */
const DOT_REACH_PX = 14;
const GATEWAY_REACH_PX = 11;
const ZOOM_STEP = 1.4;
const PAN_STEP_PX = 60;

export interface FloorMapOptions {
  host: HTMLElement;
  venue: VenueMap;
  floor: number;
  scene: () => Scene;
  /** False: a picture only, which never takes the finger that scrolls the page. */
  interactive: boolean;
  showGateways: boolean;
  onHover: (target: Target | null, at: { xPx: number; yPx: number }) => void;
  onSelect: (target: Target | null) => void;
}

/** A floor on two canvases: what stands still below, what moves above. Draws only when something has changed. */
export class FloorMap {
  readonly #options: FloorMapOptions;
  readonly #still: HTMLCanvasElement;
  readonly #moving: HTMLCanvasElement;
  readonly #stop = new AbortController();
  readonly #resizes: ResizeObserver;
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  readonly #shown = new Map<string, ShownDot>();
  #venue: VenueMap;
  readonly #zoneAt: ReturnType<typeof newZoneAt>;
  #floor: number;
  #extent: Extent;
  #size: Size = { widthPx: 0, heightPx: 0 };
  #fit: View = { pxPerM: 1, originXPx: 0, originYPx: 0 };
  #view: View = this.#fit;
  #palette: Palette = readPalette();
  #stillIsDue = true;
  #frame: number | null = null;
  #lastFrameMs = 0;
  #hovered: Target | null = null;
  #selected: Target | null = null;

  constructor(options: FloorMapOptions) {
    this.#options = options;
    this.#venue = options.venue;
    this.#zoneAt = newZoneAt(options.venue);
    this.#floor = options.floor;
    this.#extent = extentOfFloor(options.venue, options.floor);
    this.#still = layerIn(options.host);
    this.#moving = layerIn(options.host);
    this.#resizes = new ResizeObserver(() => this.#resize());
    this.#resizes.observe(options.host);
    const { signal } = this.#stop;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#recolour(), { signal });
    if (options.interactive) this.#listen(options.host, signal);
    this.#resize();
  }

  close(): void {
    this.#stop.abort();
    this.#resizes.disconnect();
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#still.remove();
    this.#moving.remove();
  }

  showFloor(floor: number): void {
    if (floor === this.#floor) return;
    this.#floor = floor;
    this.#extent = extentOfFloor(this.#venue, floor);
    this.#shown.clear();
    this.showAll();
  }

  /** Back to the whole floor. */
  showAll(): void {
    this.#fit = fitView(this.#extent, this.#size);
    this.#view = this.#fit;
    this.changed({ still: true });
  }

  zoom(factor: number, xPx = this.#size.widthPx / 2, yPx = this.#size.heightPx / 2): void {
    this.#view = panView(zoomView(this.#view, this.#fit, factor, xPx, yPx), this.#extent, this.#size, 0, 0);
    this.changed({ still: true });
  }

  zoomIn(): void {
    this.zoom(ZOOM_STEP);
  }

  zoomOut(): void {
    this.zoom(1 / ZOOM_STEP);
  }

  select(target: Target | null): void {
    this.#selected = target;
    this.changed({ still: true });
  }

  /** The scene is not what it was: draw it at the next frame. `still`: names, counts or gateways too. */
  changed({ still = false } = {}): void {
    this.#stillIsDue ||= still;
    this.#frame ??= requestAnimationFrame((atMs) => this.#draw(atMs));
  }

  // --- drawing -----------------------------------------------------------------------------------

  #resize(): void {
    const { clientWidth: widthPx, clientHeight: heightPx } = this.#options.host;
    if (widthPx === 0 || heightPx === 0) return;
    const wasWhole = this.#size.widthPx === 0 || this.#view.pxPerM === this.#fit.pxPerM;
    this.#size = { widthPx, heightPx };
    for (const canvas of [this.#still, this.#moving]) {
      canvas.width = Math.round(widthPx * devicePixelRatio);
      canvas.height = Math.round(heightPx * devicePixelRatio);
    }
    this.#fit = fitView(this.#extent, this.#size);
    if (wasWhole) this.#view = this.#fit;
    // A resized canvas is empty: drawn now, or it would flash.
    this.#stillIsDue = true;
    this.#draw(performance.now());
  }

  #recolour(): void {
    this.#palette = readPalette();
    this.changed({ still: true });
  }

  #draw(atMs: number): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
    const elapsedMs = Math.min(100, Math.max(0, atMs - this.#lastFrameMs));
    this.#lastFrameMs = atMs;
    const scene = this.#options.scene();
    if (this.#stillIsDue) {
      this.#stillIsDue = false;
      drawFloor(this.#blank(this.#still), this.#venue, this.#floor, this.#view, scene, this.#palette, { gateways: this.#options.showGateways });
    }
    const isMoving = this.#moveDots(scene.dots, elapsedMs);
    const circled = [this.#selected, this.#hovered].flatMap((target) => (target?.kind === "dot" ? [target.key] : []));
    drawDots(this.#blank(this.#moving), [...this.#shown.values()], this.#view, this.#palette, { nowMs: Date.now(), circled });
    if (isMoving) this.changed();
  }

  #blank(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
    const ink = canvas.getContext("2d") as CanvasRenderingContext2D;
    ink.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    ink.clearRect(0, 0, this.#size.widthPx, this.#size.heightPx);
    return ink;
  }

  /** Brings every dot a bit nearer to its position; true while one is still on its way. */
  #moveDots(dots: Iterable<Dot>, elapsedMs: number): boolean {
    const share = this.#calm.matches ? 1 : 1 - Math.exp(-elapsedMs / EASE_MS);
    let isMoving = false;
    const gone = new Set(this.#shown.keys());
    for (const dot of dots) {
      if (dot.floor !== this.#floor) continue;
      gone.delete(dot.key);
      const shown = this.#shown.get(dot.key);
      if (shown === undefined || Math.hypot(dot.xM - shown.xM, dot.yM - shown.yM) > JUMP_M) {
        this.#shown.set(dot.key, { dot, xM: dot.xM, yM: dot.yM });
        continue;
      }
      shown.dot = dot;
      shown.xM += (dot.xM - shown.xM) * share;
      shown.yM += (dot.yM - shown.yM) * share;
      // A quarter of a pixel is where the eye stops.
      if (Math.hypot(dot.xM - shown.xM, dot.yM - shown.yM) * this.#view.pxPerM > 0.25) isMoving = true;
    }
    for (const key of gone) this.#shown.delete(key);
    return isMoving;
  }

  // --- pointer and keys --------------------------------------------------------------------------

  #listen(host: HTMLElement, signal: AbortSignal): void {
    const pointers = new Map<number, { xPx: number; yPx: number }>();
    let travelledPx = 0;
    const place = (event: PointerEvent | WheelEvent): { xPx: number; yPx: number } => {
      const box = host.getBoundingClientRect();
      return { xPx: event.clientX - box.left, yPx: event.clientY - box.top };
    };
    host.addEventListener(
      "pointerdown",
      (event) => {
        pointers.set(event.pointerId, place(event));
        travelledPx = 0;
        if (event.pointerType === "mouse") host.setPointerCapture(event.pointerId);
      },
      { signal },
    );
    host.addEventListener(
      "pointermove",
      (event) => {
        const at = place(event);
        const before = pointers.get(event.pointerId);
        if (before === undefined) return this.#hover(at);
        pointers.set(event.pointerId, at);
        travelledPx += Math.hypot(at.xPx - before.xPx, at.yPx - before.yPx);
        const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
        if (other !== undefined) {
          const spread = (point: { xPx: number; yPx: number }): number => Math.max(1, Math.hypot(point.xPx - other.xPx, point.yPx - other.yPx));
          this.zoom(spread(at) / spread(before), (at.xPx + other.xPx) / 2, (at.yPx + other.yPx) / 2);
        } else if (event.pointerType === "mouse") {
          this.#pan(at.xPx - before.xPx, at.yPx - before.yPx);
        }
      },
      { signal },
    );
    const release = (event: PointerEvent): void => {
      if (!pointers.delete(event.pointerId) || event.type === "pointercancel") return;
      if (travelledPx < 5) this.#choose(this.#targetAt(place(event)));
    };
    host.addEventListener("pointerup", release, { signal });
    host.addEventListener("pointercancel", release, { signal });
    host.addEventListener("pointerleave", () => this.#setHovered(null, { xPx: 0, yPx: 0 }), { signal });
    host.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const at = place(event);
        this.zoom(Math.exp(-event.deltaY / 400), at.xPx, at.yPx);
      },
      { signal, passive: false },
    );
    host.addEventListener("keydown", (event) => this.#onKey(event), { signal });
  }

  #onKey(event: KeyboardEvent): void {
    const actions: Record<string, () => void> = {
      "+": () => this.zoomIn(),
      "=": () => this.zoomIn(),
      "-": () => this.zoomOut(),
      "0": () => this.showAll(),
      ArrowLeft: () => this.#pan(PAN_STEP_PX, 0),
      ArrowRight: () => this.#pan(-PAN_STEP_PX, 0),
      ArrowUp: () => this.#pan(0, PAN_STEP_PX),
      ArrowDown: () => this.#pan(0, -PAN_STEP_PX),
      Escape: () => this.#choose(null),
    };
    const action = actions[event.key];
    if (action === undefined || event.ctrlKey || event.metaKey || event.altKey || event.target !== this.#options.host) return;
    event.preventDefault();
    action();
  }

  #pan(byXPx: number, byYPx: number): void {
    this.#view = panView(this.#view, this.#extent, this.#size, byXPx, byYPx);
    this.changed({ still: true });
  }

  #hover(at: { xPx: number; yPx: number }): void {
    this.#setHovered(this.#targetAt(at), at);
  }

  #setHovered(target: Target | null, at: { xPx: number; yPx: number }): void {
    if (target === null && this.#hovered === null) return;
    if (!isSameTarget(target, this.#hovered)) this.changed();
    this.#hovered = target;
    this.#options.onHover(target, at);
  }

  #choose(target: Target | null): void {
    this.#options.onSelect(target);
  }

  #targetAt({ xPx, yPx }: { xPx: number; yPx: number }): Target | null {
    let best: Target | null = null;
    let bestPx = DOT_REACH_PX;
    for (const { dot, xM, yM } of this.#shown.values()) {
      const [dotXPx, dotYPx] = toScreen(this.#view, xM, yM);
      const awayPx = Math.hypot(dotXPx - xPx, dotYPx - yPx);
      if (awayPx >= bestPx) continue;
      best = { kind: "dot", key: dot.key };
      bestPx = awayPx;
    }
    if (best !== null) return best;
    if (this.#options.showGateways) {
      for (const gateway of this.#venue.gateways) {
        if (gateway.floor !== this.#floor) continue;
        const [gatewayXPx, gatewayYPx] = toScreen(this.#view, gateway.xM, gateway.yM);
        if (Math.hypot(gatewayXPx - xPx, gatewayYPx - yPx) < GATEWAY_REACH_PX) return { kind: "gateway", gatewayId: gateway.gatewayId };
      }
    }
    const [xM, yM] = toVenue(this.#view, xPx, yPx);
    const zoneId = this.#zoneAt(this.#floor, xM, yM);
    return zoneId === null ? null : { kind: "zone", zoneId };
  }
}

function layerIn(host: HTMLElement): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.className = "map-layer";
  canvas.setAttribute("aria-hidden", "true");
  host.append(canvas);
  return canvas;
}
