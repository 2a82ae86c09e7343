import type { TagId } from "@konferenco/protocol";
import type { FusionConfig } from "./fusion-config.ts";
import { gatewayOf, heardAtMsOf, levelDbmOf, samplesSince, varianceDb2Of, type Links } from "./links.ts";

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

/** The window of a tag's links that ends now, or null when too little was heard. Overwrites `into` and the objects in it, as hearingsOf does. */
export function readWindow(tagId: TagId, links: Links, nowMs: number, config: FusionConfig, into: Reading[] = []): ReadingWindow | null {
  let count = 0;
  let samples = 0;
  for (let link = 0; link < links.count; link++) {
    const inWindow = samplesSince(links, link, nowMs - config.windowMs);
    if (inWindow === 0) continue;
    samples += inWindow;
    const ageS = Math.max(0, nowMs - heardAtMsOf(links, link)) / 1_000;
    // A level that was heard a while ago has wandered on since.
    const varianceDb2 = varianceDb2Of(links, link) + config.processNoiseDb2PerS * ageS;
    put(into, count++, gatewayOf(links, link), levelDbmOf(links, link), varianceDb2, inWindow);
  }
  while (into.length > count) into.pop();
  return samples < config.minReadings ? null : { tagId, atMs: nowMs, readings: into, samples };
}

function put(into: Reading[], at: number, gateway: number, rssiDbm: number, varianceDb2: number, samples: number): void {
  const reading = into[at];
  if (reading === undefined) {
    into[at] = { gateway, rssiDbm, varianceDb2, samples };
    return;
  }
  reading.gateway = gateway;
  reading.rssiDbm = rssiDbm;
  reading.varianceDb2 = varianceDb2;
  reading.samples = samples;
}
