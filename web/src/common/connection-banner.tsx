import type { ConnectionState } from "@konferenco/client";
import { useEffect, useState } from "preact/hooks";
import type { LiveLink } from "./live-link.ts";
import { clockTime } from "./words.ts";

/** A word in the page's head that is always there. */
export function LinkChip({ link }: { link: LiveLink }) {
  const { kind } = link.state.value;
  const word = { connecting: "Connecting…", live: "Live", reconnecting: "Reconnecting…", failed: "Not connected" }[kind];
  return (
    <span class="link-chip" data-kind={kind} data-testid="link">
      {word}
    </span>
  );
}

/** Says that what is shown is old, since when, and what is being done about it. Nothing while all is well. */
export function ConnectionBanner({ link }: { link: LiveLink }) {
  const state = link.state.value;
  const leftS = useCountdownS(state);
  if (state.kind === "live" || state.kind === "connecting") return null;
  const stale = state.staleSinceMs === null ? "" : ` You see how things stood at ${clockTime(state.staleSinceMs, { seconds: true })}.`;
  if (state.kind === "failed") {
    const mayRetry = state.code === "tries_exhausted";
    return (
      <div class="banner" data-kind="failed" role="alert" data-testid="banner">
        <span>
          <strong>{state.message}</strong>
          {stale}
        </span>
        <button type="button" class="button slim" onClick={() => (mayRetry ? link.client.retry() : location.reload())}>
          {mayRetry ? "Try again" : "Reload this page"}
        </button>
      </div>
    );
  }
  const lost = state.staleSinceMs === null ? "The server cannot be reached, trying again…" : "Connection lost, reconnecting…";
  return (
    <div class="banner" data-kind="reconnecting" role="status" data-testid="banner">
      <span>
        <strong>{lost}</strong>
        {stale}
      </span>
      {/* Counting down aloud would make a screen reader speak every second. */}
      <span aria-hidden="true">{leftS > 1 ? `Next try in ${leftS} s` : "Trying now"}</span>
      <button type="button" class="button slim" onClick={() => link.client.retry()}>
        Try now
      </button>
    </div>
  );
}

function useCountdownS(state: ConnectionState): number {
  const [leftS, setLeftS] = useState(0);
  useEffect(() => {
    if (state.kind !== "reconnecting") return undefined;
    const dueMs = Date.now() + state.afterMs;
    const show = (): void => setLeftS(Math.max(0, Math.ceil((dueMs - Date.now()) / 1_000)));
    show();
    const timer = setInterval(show, 1_000);
    return () => clearInterval(timer);
  }, [state]);
  return leftS;
}
