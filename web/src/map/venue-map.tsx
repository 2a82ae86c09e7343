import type { VenueMap } from "@konferenco/protocol";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { FloorMap } from "./floor-map.ts";
import { asDrawn } from "./schematic.ts";
import { isSameTarget, type Scene, type Target } from "./scene.ts";
import "./map.css";

interface VenueMapProps {
  venue: VenueMap;
  floor: number;
  scene: () => Scene;
  /** Calls back with the way to say that the scene has changed. */
  onReady: (map: FloorMap | null) => void;
  label: string;
  interactive: boolean;
  showGateways: boolean;
  isStale: boolean;
  selected?: Target | null;
  onSelect?: (target: Target | null) => void;
  /** What to say of what the pointer is on. */
  describe?: (target: Target) => ComponentChildren;
  /** Beside the zoom buttons, above the map. */
  toolbar?: ComponentChildren;
  /** Above the map itself. */
  children?: ComponentChildren;
}

interface Hover {
  target: Target;
  xPx: number;
  yPx: number;
}

export function VenueMapView(props: VenueMapProps) {
  const host = useRef<HTMLDivElement>(null);
  const map = useRef<FloorMap | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [hover, setHover] = useState<Hover | null>(null);

  useEffect(() => {
    if (host.current === null) return undefined;
    const made = new FloorMap({
      host: host.current,
      venue: asDrawn(props.venue),
      floor: props.floor,
      scene: () => latest.current.scene(),
      interactive: props.interactive,
      showGateways: props.showGateways,
      onHover: (target, at) => setHover(target === null ? null : { target, ...at }),
      onSelect: (target) => latest.current.onSelect?.(isSameTarget(target, latest.current.selected ?? null) ? null : target),
    });
    map.current = made;
    props.onReady(made);
    return () => {
      props.onReady(null);
      map.current = null;
      made.close();
    };
  }, [props.venue, props.interactive, props.showGateways]);
  useEffect(() => map.current?.showFloor(props.floor), [props.floor]);
  useEffect(() => map.current?.select(props.selected ?? null), [props.selected]);

  const tip = hover === null ? null : props.describe?.(hover.target);
  const width = host.current?.clientWidth ?? 0;
  return (
    <div class="map" data-stale={props.isStale}>
      {props.interactive && (
        <div class="map-bar">
          {props.toolbar}
          <div class="map-zoom" role="group" aria-label="Zoom">
            <button type="button" class="button slim" aria-label="Zoom out" onClick={() => map.current?.zoomOut()}>
              −
            </button>
            <button type="button" class="button slim" aria-label="Zoom in" onClick={() => map.current?.zoomIn()}>
              +
            </button>
            <button type="button" class="button slim" aria-label="Show the whole floor" onClick={() => map.current?.showAll()}>
              <svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true">
                <path d="M1 5V1h4M11 1h4v4M15 11v4h-4M5 15H1v-4" fill="none" stroke="currentColor" stroke-width="2" />
              </svg>
            </button>
          </div>
        </div>
      )}
      <div class="map-ground">
        <div
          class="map-canvas"
          ref={host}
          role={props.interactive ? "application" : "img"}
          aria-label={props.interactive ? `${props.label}. Arrow keys move it, plus and minus zoom, 0 shows all.` : props.label}
          tabIndex={props.interactive ? 0 : -1}
          data-interactive={props.interactive}
        />
        {hover !== null && tip !== null && tip !== undefined && (
          <div class="map-tip" style={{ left: `${hover.xPx}px`, top: `${hover.yPx}px` }} data-side={hover.xPx > width * 0.6 ? "left" : "right"}>
            {tip}
          </div>
        )}
        {props.children}
      </div>
    </div>
  );
}
