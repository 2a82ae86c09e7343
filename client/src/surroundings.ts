import type { Clock, Surroundings, WebSocketConstructor } from "./options.ts";

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  random: () => Math.random(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (timer) => clearTimeout(timer as number),
};

/** A browser's page, or, where there is no document (Node, workers), a place that nobody watches and that never signals. */
export function defaultSurroundings(): Surroundings {
  if (typeof document === "undefined" || typeof window === "undefined") {
    return { isWatched: () => false, listen: () => () => {} };
  }
  return {
    isWatched: () => document.visibilityState === "visible",
    listen(onSignal) {
      const stop = new AbortController();
      const { signal } = stop;
      window.addEventListener("online", () => onSignal("online"), { signal });
      window.addEventListener("offline", () => onSignal("offline"), { signal });
      // A page from the back-forward cache comes back with its sockets dead.
      window.addEventListener("pageshow", (event) => event.persisted && onSignal("attention"), { signal });
      document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && onSignal("attention"), { signal });
      // Wi-Fi to mobile and back: the old socket often stays silent for minutes (requirement E26).
      (navigator as { connection?: EventTarget }).connection?.addEventListener("change", () => onSignal("attention"), { signal });
      return () => stop.abort();
    },
  };
}

export function defaultWebSocket(): WebSocketConstructor {
  const constructor = (globalThis as { WebSocket?: unknown }).WebSocket;
  if (constructor === undefined) throw new Error('this runtime has no WebSocket: pass one as an option, e.g. connect({ WebSocket, … }) with `import { WebSocket } from "ws"`');
  return constructor as WebSocketConstructor;
}

/** Null where the runtime has none, and so no fallbacks. */
export function defaultFetch(): typeof fetch | null {
  return typeof fetch === "undefined" ? null : (...request) => fetch(...request);
}
