import type { Clock, ConnectOptions } from "./options.ts";
import { pollingWire } from "./polling-wire.ts";
import { sseWire } from "./sse-wire.ts";
import { defaultFetch, defaultWebSocket } from "./surroundings.ts";
import { webSocketWire } from "./websocket-wire.ts";
import type { OpenWire, Wire, WireKind, WireListener } from "./wire.ts";

/** A WebSocket that a proxy neither lets through nor refuses is given up after this long where there is another way. */
const WEBSOCKET_PATIENCE_MS = 5_000;

/** The ways to the server that this runtime has, the best first. */
export interface Wires {
  kinds: readonly WireKind[];
  open(kind: WireKind, listener: WireListener): Wire;
  /** How long to wait for a welcome by this one; null: as long as for any. */
  patienceMs(kind: WireKind): number | null;
  /** Does the best one open by now? */
  tryTop(): Promise<boolean>;
}

export function newWires(options: ConnectOptions, clock: Clock): Wires {
  const ways = new Map<WireKind, OpenWire>([["websocket", webSocketWire(options.WebSocket ?? defaultWebSocket(), options.url)]]);
  const ask = options.fetch === undefined ? defaultFetch() : options.fetch;
  if (ask !== null) {
    const door = { fetch: ask, url: options.url.replace(/^ws/, "http"), clock };
    ways.set("sse", sseWire(door)).set("polling", pollingWire(door));
  }
  const open = (kind: WireKind, listener: WireListener): Wire => (ways.get(kind) as OpenWire)(listener);
  return {
    kinds: [...ways.keys()],
    open,
    patienceMs: (kind) => (kind === "websocket" && ways.size > 1 ? WEBSOCKET_PATIENCE_MS : null),
    tryTop: () =>
      new Promise((resolve) => {
        const end = (isFree: boolean): void => {
          clock.clearTimer(timer);
          wire.close();
          resolve(isFree);
        };
        const timer = clock.setTimer(() => end(false), WEBSOCKET_PATIENCE_MS);
        const wire = open("websocket", { open: () => end(true), frame() {}, alive() {}, close: () => end(false) });
      }),
  };
}
