/** What `GET /api/v1/flow` says: how many have passed each stage and lane since the server started. */
export interface FlowAnswer {
  atMs: number;
  stages: Readonly<Record<string, number>>;
  lanes: Readonly<Record<string, number>>;
}

/** One line of the view: what passed in each of the last seconds, the oldest first. */
export interface FlowRow {
  name: string;
  perS: readonly number[];
}

export interface Flow {
  stages: readonly FlowRow[];
  lanes: readonly FlowRow[];
}

/** Seconds shown. */
export const SHOWN_S = 60;

/** The rows with one more second, from two answers of the server. A server that has started anew counts from nothing: that second is left out. */
export function noteFlow(flow: Flow, before: FlowAnswer, now: FlowAnswer): Flow {
  const elapsedS = (now.atMs - before.atMs) / 1_000;
  if (elapsedS <= 0) return flow;
  const rows = (known: readonly FlowRow[], then: FlowAnswer["stages"], counts: FlowAnswer["stages"]): FlowRow[] =>
    Object.entries(counts).map(([name, count]) => {
      const passed = count - (then[name] ?? 0);
      const perS = known.find((row) => row.name === name)?.perS ?? [];
      return { name, perS: passed < 0 ? perS : [...perS, passed / elapsedS].slice(-SHOWN_S) };
    });
  return { stages: rows(flow.stages, before.stages, now.stages), lanes: rows(flow.lanes, before.lanes, now.lanes) };
}

/** A line through the rates in a box of `width` by `height`, the newest at the right edge; the top is the highest rate of the row. */
export function sparkline(perS: readonly number[], { width, height }: { width: number; height: number }): string {
  const top = Math.max(1, ...perS);
  const step = width / (SHOWN_S - 1);
  return perS.map((rate, index) => `${index === 0 ? "M" : "L"}${round(width - (perS.length - 1 - index) * step)} ${round(height - (rate / top) * height)}`).join("");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** As short as a glance takes: 0.4, 12, 1.2k. */
export function rateWord(perS: number): string {
  if (perS >= 1_000) return `${(perS / 1_000).toFixed(perS >= 10_000 ? 0 : 1)}k`;
  return perS > 0 && perS < 10 ? perS.toFixed(1) : String(Math.round(perS));
}
