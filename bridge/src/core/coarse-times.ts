import type { ZoneId } from "@konferenco/protocol";

/**
 * Strangers who are shown a person's zone are shown it late: as of a moment that comes once a minute, at a second
 * of its own. An enter told to the second places its person within 0.7 m of a doorway (walking 1.4 m/s); as of an
 * unknown moment of a minute it says no more than the zone. Oneself, staff and connections see everything at once.
 */
export const COARSE_WINDOW_MS = 60_000;

/** Between two moments of one person lie up to two windows. */
export const LONGEST_DELAY_MS = 2 * COARSE_WINDOW_MS;

/** In which zone, and since when on the bridge's clock. */
export interface Stay {
  zoneId: ZoneId | null;
  floor: number;
  sinceMs: number;
}

export interface Trail {
  tagId: string;
  /** Where the tag was within the longest delay, oldest first, and where it is. */
  stays: Stay[];
  gridXM: number;
  gridYM: number;
}

/** A number in [0, 1) that depends on a key, the tag and the window alone: every process and every question gets the same. */
export type WindowDice = (tagId: string, window: number) => number;

/** The last moment as of which strangers may be told of this tag. */
export function shownAsOfMs(tagId: string, nowMs: number, dice: WindowDice): number {
  const window = Math.floor(nowMs / COARSE_WINDOW_MS);
  const moment = (of: number) => (of + dice(tagId, of)) * COARSE_WINDOW_MS;
  const thisOne = moment(window);
  return thisOne <= nowMs ? thisOne : moment(window - 1);
}

/** Where strangers are shown the tag. One that was first heard after the last moment is shown where it was first heard: it has not moved before anybody's eyes.
 *  `notBeforeMs`: when the person last showed more than before; where they were until then is not shown late either. */
export function shownStay({ tagId, stays }: Trail, nowMs: number, dice: WindowDice, notBeforeMs = 0): Stay | null {
  const last = stays.at(-1);
  if (last === undefined || stays.length === 1 || last.sinceMs <= nowMs - LONGEST_DELAY_MS) return last ?? null;
  const asOfMs = Math.max(notBeforeMs, shownAsOfMs(tagId, nowMs, dice));
  for (let index = stays.length - 1; index > 0; index--) {
    const stay = stays[index] as Stay;
    if (stay.sinceMs <= asOfMs) return stay;
  }
  return stays[0] ?? null;
}
