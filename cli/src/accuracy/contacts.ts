import type { ProximityTransition } from "@konferenco/protocol";
import type { Contact } from "@konferenco/simulators";

/** How well near and apart agree with who truly was near whom, counted in seconds of pairs. */
export interface ContactFigures {
  precision: number | null;
  recall: number | null;
  f1: number | null;
  pairSeconds: { rightly: number; wrongly: number; missed: number };
}

/** Compares reported nearness with noted contacts, second by second, until `endMs`. */
export function scoreContacts(transitions: readonly ProximityTransition[], contacts: readonly Contact[], endMs: number): ContactFigures {
  const reported = new Set<string>();
  const near = new Map<string, number>();
  for (const { transition, tagA, tagB, atMs } of transitions) {
    const pair = pairKey(tagA, tagB);
    if (transition === "near") near.set(pair, atMs);
    else addSeconds(reported, pair, near.get(pair) ?? atMs, atMs);
    if (transition === "apart") near.delete(pair);
  }
  for (const [pair, sinceMs] of near) addSeconds(reported, pair, sinceMs, endMs);
  const truly = new Set<string>();
  for (const { tagA, tagB, startMs, endMs: untilMs } of contacts) addSeconds(truly, pairKey(tagA, tagB), startMs, Math.min(untilMs, endMs));
  const rightly = [...reported].filter((second) => truly.has(second)).length;
  const precision = reported.size === 0 ? null : rightly / reported.size;
  const recall = truly.size === 0 ? null : rightly / truly.size;
  return {
    precision,
    recall,
    f1: reported.size + truly.size === 0 ? null : (2 * rightly) / (reported.size + truly.size),
    pairSeconds: { rightly, wrongly: reported.size - rightly, missed: truly.size - rightly },
  };
}

function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

function addSeconds(seconds: Set<string>, pair: string, fromMs: number, toMs: number): void {
  for (let second = Math.ceil(fromMs / 1_000); second * 1_000 < toMs; second++) seconds.add(`${pair} ${second}`);
}
