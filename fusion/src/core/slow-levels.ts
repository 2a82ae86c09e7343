import { UNHEARD_DBM, gatewayOf, heardShareOf, setSlowLevel, slowLevelDbmOf, type Links } from "./links.ts";
import type { Reading } from "./window.ts";

/** The weights of proximity-evidence.ts were learned with it and UNHEARD_DBM; 4 to 12 s, and -95 to -115 dBm, are within 0.004 of their AUC. */
const SLOW_MEMORY_MS = 8_000;
/** Who heard the tag less does not count. */
const LEAST_SHARE = 0.02;

/**
 * What gateways heard of a tag lately: each one's mean of its smoothed level over SLOW_MEMORY_MS, times in which it
 * did not hear the tag counted as UNHEARD_DBM, and the share of that time in which it did. Slower than where somebody
 * is may be told: two who stand together stay for a while, and packets that fade by 5 dB tell a place apart only by
 * their mean. A tick of `tickMs` passes; readings are the window's, in the map's order. Where nobody hears the tag nothing
 * is learned.
 */
export function followSlowLevels(links: Links, readings: readonly Reading[], tickMs: number): void {
  if (readings.length === 0) return;
  // The first window is all that is known.
  const gain = isFirst(links) ? 1 : 1 - Math.exp(-tickMs / SLOW_MEMORY_MS);
  let at = 0;
  for (let link = 0; link < links.count; link++) {
    const reading = readings[at]?.gateway === gatewayOf(links, link) ? readings[at++] : undefined;
    const levelDbm = slowLevelDbmOf(links, link);
    const heardShare = heardShareOf(links, link);
    setSlowLevel(links, link, levelDbm + gain * ((reading?.rssiDbm ?? UNHEARD_DBM) - levelDbm), heardShare + gain * ((reading === undefined ? 0 : 1) - heardShare));
  }
}

function isFirst(links: Links): boolean {
  for (let link = 0; link < links.count; link++) if (heardShareOf(links, link) > 0) return false;
  return true;
}

/** Whether the link's slow level says anything. */
export function isHeardLately(links: Links, link: number): boolean {
  return heardShareOf(links, link) >= LEAST_SHARE;
}
