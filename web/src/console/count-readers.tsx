import type { Session } from "@konferenco/protocol";
import { useEffect, useState } from "preact/hooks";
import { callApi } from "../common/api.ts";
import { clockTime } from "../common/words.ts";

interface Reading {
  by: string;
  how: "asked" | "live";
  fromMs: number;
  untilMs: number;
}

const SHOWN = 20;

/** Exact counts are not everybody's: whoever has them before them stands here. For operators. */
export function CountReaders({ session }: { session: Session }) {
  const [readings, setReadings] = useState<readonly Reading[] | null>(null);
  const load = (): void => {
    callApi<{ readings: Reading[] }>("occupancy/readers", { token: session.token }).then(
      (answer) => setReadings(answer.readings),
      () => setReadings(null),
    );
  };
  useEffect(load, [session.token]);
  if (session.role !== "operator" || readings === null) return null;
  return (
    <details class="card count-readers" onToggle={(event) => event.currentTarget.open && load()}>
      <summary>Who has read the exact counts</summary>
      <ul class="small" data-testid="count-readers">
        {readings.slice(0, SHOWN).map(({ by, how, fromMs, untilMs }) => (
          <li key={`${by} ${how} ${fromMs}`}>
            <span>
              <b>{by.replace(/^login:/, "")}</b> {how === "live" ? "on a live page" : "asked"}
            </span>
            <span class="muted">
              {clockTime(fromMs)}
              {untilMs - fromMs < 60_000 ? "" : `–${clockTime(untilMs)}`}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}
