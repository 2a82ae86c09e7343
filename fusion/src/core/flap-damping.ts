import type { FusionConfig } from "./fusion-config.ts";

/**
 * How much a tag's verdict goes to and fro: what came back to the place before after a short stay was a mistake, and where
 * one was made the next is near. Like the flap damping of routes (RFC 2439): a penalty for each return, which fades.
 */
export interface Flaps {
  /** The place before the verdict's; -1 while there is none. */
  before: number;
  /** As of `atMs`, 0 to MAX_PENALTY. */
  penalty: number;
  atMs: number;
}

/** What does not come to rest is decided on clear cases, and yet decided: all mass in one place is 3.9 nats (LEAST_MASS in zones.ts). */
const MAX_PENALTY = 1.4;

export function newFlaps(): Flaps {
  return { before: -1, penalty: 0, atMs: 0 };
}

/** The verdict goes over from one place, where it stayed for so long, to another. A return counts the more, the shorter the stay. */
export function noteChange(flaps: Flaps, { from, to, stayedMs }: { from: number; to: number; stayedMs: number }, nowMs: number, config: FusionConfig): void {
  const returned = from !== -1 && to === flaps.before ? Math.exp(-stayedMs / config.flapStayMs) : 0;
  flaps.penalty = Math.min(MAX_PENALTY, penaltyAt(flaps, nowMs, config) + returned);
  flaps.before = from;
  flaps.atMs = nowMs;
}

/** By how much a case must be clearer, in nats. */
export function flapNatsOf(flaps: Flaps, nowMs: number, config: FusionConfig): number {
  return config.flapNats * penaltyAt(flaps, nowMs, config);
}

function penaltyAt({ penalty, atMs }: Flaps, nowMs: number, config: FusionConfig): number {
  return penalty * Math.exp(-(nowMs - atMs) / config.flapMemoryMs);
}
