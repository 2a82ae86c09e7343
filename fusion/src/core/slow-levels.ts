import type { Link, Reading } from "./window.ts";

/**
 * What one gateway heard of a tag lately: the mean of its smoothed level over SLOW_MEMORY_MS, times in which it
 * did not hear the tag counted as UNHEARD_DBM. Slower than where somebody is may be told: two who stand together
 * stay for a while, and packets that fade by 5 dB tell a place apart only by their mean.
 */
export interface SlowLevel {
  /** dBm. */
  levelDbm: number;
  /** Of that time, 0 to 1. */
  heardShare: number;
}

/** The same of all gateways that heard the tag, in the map's order. */
export interface GatewayLevel extends SlowLevel {
  gateway: number;
}

/** The weights of proximity-evidence.ts were learned with both; 4 to 12 s, and -95 to -115 dBm, are within 0.004 of their AUC. */
const SLOW_MEMORY_MS = 8_000;
export const UNHEARD_DBM = -105;
/** Who heard the tag less does not count. */
const LEAST_SHARE = 0.02;

export function newSlowLevel(): SlowLevel {
  return { levelDbm: UNHEARD_DBM, heardShare: 0 };
}

/** A tick of `tickMs` passes. Readings are the window's, links and readings in the map's order. Where nobody hears the tag nothing is learned. */
export function followSlowLevels(links: readonly Link[], readings: readonly Reading[], tickMs: number): void {
  if (readings.length === 0) return;
  // The first window is all that is known.
  const gain = links.every(({ slow }) => slow.heardShare === 0) ? 1 : 1 - Math.exp(-tickMs / SLOW_MEMORY_MS);
  let at = 0;
  for (const { gateway, slow } of links) {
    const reading = readings[at]?.gateway === gateway ? readings[at++] : undefined;
    slow.levelDbm += gain * ((reading?.rssiDbm ?? UNHEARD_DBM) - slow.levelDbm);
    slow.heardShare += gain * ((reading === undefined ? 0 : 1) - slow.heardShare);
  }
}

export function slowLevelsOf(links: readonly Link[]): GatewayLevel[] {
  const levels: GatewayLevel[] = [];
  for (const { gateway, slow } of links) if (slow.heardShare >= LEAST_SHARE) levels.push({ gateway, levelDbm: slow.levelDbm, heardShare: slow.heardShare });
  return levels;
}
