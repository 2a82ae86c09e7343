import type { TagId } from "@konferenco/protocol";
import type { FusionConfig } from "./fusion-config.ts";
import { levelDbmOf, newRssiFilter, rssiFilterOf, smoothRssi, varianceDb2Of, type RssiFilter, type SmoothedRssi } from "./rssi-filter.ts";
import type { Observation } from "./accept.ts";
import { newSlowLevel, type SlowLevel } from "./slow-levels.ts";

/** One gateway's smoothed level of a tag, as of the end of the window. */
export interface Reading {
  gateway: number;
  rssiDbm: number;
  varianceDb2: number;
  /** Observations of this gateway in the window. */
  samples: number;
}

/** What all gateways heard of a tag in the last windowMs: at least minReadings observations. Readings are in the map's order. */
export interface ReadingWindow {
  tagId: TagId;
  atMs: number;
  readings: Reading[];
  samples: number;
}

/** How many of a link's last times are kept: more than eight readings of one gateway in a window say no more. */
const HEARD_MEMORY = 8;

/** A link's filter and the last times at which it was heard, a ring. A plain array: a typed one costs 200 bytes more. */
export interface Link {
  gateway: number;
  filter: RssiFilter;
  slow: SlowLevel;
  heardAtMs: number[];
  heardCount: number;
}

export function newLink(gateway: number, observation: Observation, config: FusionConfig): Link {
  const link: Link = { gateway, filter: newRssiFilter(observation, config), slow: newSlowLevel(), heardAtMs: [], heardCount: 0 };
  noteHeard(link, observation.heardAtMs);
  return link;
}

/** Numbers of a packed link: eight, and its times. */
const TIMES_AT = 8;
const PACKED = TIMES_AT + HEARD_MEMORY;

/** Links as numbers, 128 bytes each instead of 400: to be kept. */
export function packLinks(links: readonly Link[]): Float64Array {
  const packed = new Float64Array(links.length * PACKED);
  let at = 0;
  for (const { gateway, filter, slow, heardAtMs, heardCount } of links) {
    packed[at] = gateway;
    packed[at + 1] = levelDbmOf(filter);
    packed[at + 2] = varianceDb2Of(filter);
    packed[at + 3] = filter.heardAtMs;
    packed[at + 4] = filter.heldBackDbm;
    packed[at + 5] = heardCount;
    packed[at + 6] = slow.levelDbm;
    packed[at + 7] = slow.heardShare;
    for (let i = 0; i < heardAtMs.length; i++) packed[at + TIMES_AT + i] = heardAtMs[i] as number;
    at += PACKED;
  }
  return packed;
}

export function unpackLinks(packed: Float64Array): Link[] {
  return Array.from({ length: packed.length / PACKED }, (_, i) => {
    const [gateway, levelDbm, varianceDb2, heardAtMs, heldBackDbm, heardCount, slowDbm, heardShare, ...times] = packed.subarray(i * PACKED, (i + 1) * PACKED) as unknown as [number, number, number, number, number, number, number, number, ...number[]];
    return { gateway, filter: rssiFilterOf({ levelDbm, varianceDb2, heardAtMs, heldBackDbm }), slow: { levelDbm: slowDbm, heardShare }, heardAtMs: times.slice(0, heardCount), heardCount };
  });
}

/** Links of one tag; the one that was silent longest makes room. A person is in earshot of a dozen gateways, not of a hundred. */
const MAX_LINKS_PER_TAG = 24;

/** Puts the observation into its link among the sorted ones. True when it was held back as an outlier. */
export function addToLinks(links: Link[], gateway: number, observation: Observation, config: FusionConfig): boolean {
  let at = 0;
  while (at < links.length && (links[at] as Link).gateway < gateway) at++;
  const link = links[at];
  if (link !== undefined && link.gateway === gateway) return addToLink(link, observation, config).outlier;
  links.splice(at, 0, newLink(gateway, observation, config));
  if (links.length > MAX_LINKS_PER_TAG) {
    const stalest = links.reduce((oldest, candidate) => (candidate.filter.heardAtMs < oldest.filter.heardAtMs ? candidate : oldest));
    links.splice(links.indexOf(stalest), 1);
  }
  return false;
}

/** Smooths one observation of the link and notes when it was heard. An outlier held back is not a reading. */
export function addToLink(link: Link, observation: Observation, config: FusionConfig): SmoothedRssi {
  const smoothed = smoothRssi(link.filter, observation, config);
  if (!smoothed.outlier) noteHeard(link, observation.heardAtMs);
  return smoothed;
}

function noteHeard(link: Link, heardAtMs: number): void {
  link.heardAtMs[link.heardCount % HEARD_MEMORY] = heardAtMs;
  link.heardCount++;
}

/** How far apart a link's packets are, of those in the window that it remembers; Infinity when there are none. */
export function paceMsOf(link: Link, nowMs: number, { windowMs }: FusionConfig): number {
  const { heardAtMs, heardCount } = link;
  // The next to be overwritten came first.
  const firstMs = heardCount < HEARD_MEMORY ? -Infinity : (heardAtMs[heardCount % HEARD_MEMORY] as number);
  return firstMs > nowMs - windowMs ? (nowMs - firstMs) / HEARD_MEMORY : windowMs / samplesSince(link, nowMs - windowMs);
}

/** The window of a tag's links (sorted by gateway) that ends now, or null when too little was heard. */
export function readWindow(tagId: TagId, links: readonly Link[], nowMs: number, config: FusionConfig): ReadingWindow | null {
  const readings: Reading[] = [];
  let samples = 0;
  for (const link of links) {
    const inWindow = samplesSince(link, nowMs - config.windowMs);
    if (inWindow === 0) continue;
    samples += inWindow;
    const ageS = Math.max(0, nowMs - link.filter.heardAtMs) / 1_000;
    readings.push({
      gateway: link.gateway,
      rssiDbm: levelDbmOf(link.filter),
      // A level that was heard a while ago has wandered on since.
      varianceDb2: varianceDb2Of(link.filter) + config.processNoiseDb2PerS * ageS,
      samples: inWindow,
    });
  }
  return samples < config.minReadings ? null : { tagId, atMs: nowMs, readings, samples };
}

function samplesSince(link: Link, sinceMs: number): number {
  let count = 0;
  for (const heardAtMs of link.heardAtMs) if (heardAtMs > sinceMs) count++;
  return count;
}
