import type { Observation } from "./accept.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { newRssiFilter, smoothRssi, type RssiFilter } from "./rssi-filter.ts";

/**
 * What gateways hear of one tag: 16 numbers a link, sorted by gateway, one link behind the other in one array. A tick asks every
 * link of every tag. As objects they were nine a link, and in a crowd each was met cold (docs/decisions/0163).
 */
export interface Links {
  count: number;
  numbers: Float64Array;
}

/** Where in a link's numbers each is. Behind them the last times at which it was heard, a ring. */
const GATEWAY = 0;
const LEVEL_DBM = 1;
const VARIANCE_DB2 = 2;
const HEARD_AT_MS = 3;
const HELD_BACK_DBM = 4;
const HEARD_COUNT = 5;
const SLOW_LEVEL_DBM = 6;
const HEARD_SHARE = 7;
const TIMES = 8;
/** More than eight readings of one gateway in a window say no more. */
const HEARD_MEMORY = 8;
/** Numbers of a link. */
const SIZE = TIMES + HEARD_MEMORY;

/** Of one tag; the one that was silent longest makes room. A person is in earshot of a dozen gateways, not of a hundred. */
const MAX_LINKS_PER_TAG = 24;
/** Room is made for so many at once, 128 bytes each. */
const LINKS_AT_ONCE = 4;

/** A gateway that did not hear the tag lately is taken to hear it at this level (slow-levels.ts). */
export const UNHEARD_DBM = -105;

export function newLinks(): Links {
  return { count: 0, numbers: new Float64Array(0) };
}

export function gatewayOf({ numbers }: Links, link: number): number {
  return numbers[link * SIZE + GATEWAY] as number;
}

/** The smoothed level, and how unsure it was when the link was heard last. */
export function levelDbmOf({ numbers }: Links, link: number): number {
  return numbers[link * SIZE + LEVEL_DBM] as number;
}

export function varianceDb2Of({ numbers }: Links, link: number): number {
  return numbers[link * SIZE + VARIANCE_DB2] as number;
}

export function heardAtMsOf({ numbers }: Links, link: number): number {
  return numbers[link * SIZE + HEARD_AT_MS] as number;
}

/** See slow-levels.ts, whose numbers these are. */
export function slowLevelDbmOf({ numbers }: Links, link: number): number {
  return numbers[link * SIZE + SLOW_LEVEL_DBM] as number;
}

export function heardShareOf({ numbers }: Links, link: number): number {
  return numbers[link * SIZE + HEARD_SHARE] as number;
}

export function setSlowLevel({ numbers }: Links, link: number, levelDbm: number, heardShare: number): void {
  numbers[link * SIZE + SLOW_LEVEL_DBM] = levelDbm;
  numbers[link * SIZE + HEARD_SHARE] = heardShare;
}

/** Smooths one observation and notes when it was heard. True when it was held back as an outlier, which is not a reading. */
export function addToLinks(links: Links, gateway: number, observation: Observation, config: FusionConfig): boolean {
  let link = 0;
  while (link < links.count && gatewayOf(links, link) < gateway) link++;
  if (link === links.count || gatewayOf(links, link) !== gateway) {
    insert(links, link, gateway, newRssiFilter(observation, config));
    noteHeard(links, link, observation.heardAtMs);
    if (links.count > MAX_LINKS_PER_TAG) remove(links, stalestOf(links));
    return false;
  }
  const filter = filterOf(links, link);
  const { outlier } = smoothRssi(filter, observation, config);
  setFilter(links, link, filter);
  if (!outlier) noteHeard(links, link, observation.heardAtMs);
  return outlier;
}

/** How many packets were heard since, of those that the link remembers. */
export function samplesSince({ numbers }: Links, link: number, sinceMs: number): number {
  const from = link * SIZE + TIMES;
  const to = from + Math.min(HEARD_MEMORY, numbers[link * SIZE + HEARD_COUNT] as number);
  let count = 0;
  for (let at = from; at < to; at++) if ((numbers[at] as number) > sinceMs) count++;
  return count;
}

/** How far apart a link's packets are, of those in the window that it remembers; Infinity when there are none. */
export function paceMsOf(links: Links, link: number, nowMs: number, { windowMs }: FusionConfig): number {
  const heardCount = links.numbers[link * SIZE + HEARD_COUNT] as number;
  // The next to be overwritten came first.
  const firstMs = heardCount < HEARD_MEMORY ? -Infinity : (links.numbers[link * SIZE + TIMES + (heardCount % HEARD_MEMORY)] as number);
  return firstMs > nowMs - windowMs ? (nowMs - firstMs) / HEARD_MEMORY : windowMs / samplesSince(links, link, nowMs - windowMs);
}

function noteHeard({ numbers }: Links, link: number, heardAtMs: number): void {
  const heardCount = numbers[link * SIZE + HEARD_COUNT] as number;
  numbers[link * SIZE + TIMES + (heardCount % HEARD_MEMORY)] = heardAtMs;
  numbers[link * SIZE + HEARD_COUNT] = heardCount + 1;
}

function filterOf({ numbers }: Links, link: number): RssiFilter {
  const at = link * SIZE;
  return { levelDbm: numbers[at + LEVEL_DBM] as number, varianceDb2: numbers[at + VARIANCE_DB2] as number, heardAtMs: numbers[at + HEARD_AT_MS] as number, heldBackDbm: numbers[at + HELD_BACK_DBM] as number };
}

function setFilter({ numbers }: Links, link: number, { levelDbm, varianceDb2, heardAtMs, heldBackDbm }: RssiFilter): void {
  const at = link * SIZE;
  numbers[at + LEVEL_DBM] = levelDbm;
  numbers[at + VARIANCE_DB2] = varianceDb2;
  numbers[at + HEARD_AT_MS] = heardAtMs;
  numbers[at + HELD_BACK_DBM] = heldBackDbm;
}

function insert(links: Links, link: number, gateway: number, filter: RssiFilter): void {
  if ((links.count + 1) * SIZE > links.numbers.length) {
    const larger = new Float64Array(links.numbers.length + LINKS_AT_ONCE * SIZE);
    larger.set(links.numbers);
    links.numbers = larger;
  }
  const { numbers } = links;
  numbers.copyWithin((link + 1) * SIZE, link * SIZE, links.count * SIZE);
  links.count++;
  numbers[link * SIZE + GATEWAY] = gateway;
  setFilter(links, link, filter);
  numbers[link * SIZE + HEARD_COUNT] = 0;
  setSlowLevel(links, link, UNHEARD_DBM, 0);
}

function remove(links: Links, link: number): void {
  links.numbers.copyWithin(link * SIZE, (link + 1) * SIZE, links.count * SIZE);
  links.count--;
}

function stalestOf(links: Links): number {
  let stalest = 0;
  for (let link = 1; link < links.count; link++) if (heardAtMsOf(links, link) < heardAtMsOf(links, stalest)) stalest = link;
  return stalest;
}
