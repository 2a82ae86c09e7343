import type { NearbyChannel, Region, Zone } from "@konferenco/protocol";
import { fold } from "./compatibility.ts";
import { distanceToRegionM, type RegionPlace } from "./regions.ts";

export interface ChannelsAsker {
  at: RegionPlace;
  interests: readonly string[];
  /** What the phone hears: transmitter, in lower case, to level. Empty for badges. */
  signalsDbm: ReadonlyMap<string, number>;
}

/** Relevance halves with every so many metres. */
const HALVING_M = 15;
/** Interests decide between channels that are equally near, not between floors. */
const INTEREST_SHARE = 0.3;
/** Farther channels are another part of the venue. */
const MAX_DISTANCE_M = 60;
const MAX_CHANNELS = 20;
/** An iBeacon at 1 m, and the exponent that makes -70 dBm about 3 m (requirement A6). */
const RSSI_AT_1M_DBM = -59;
const PATH_LOSS_EXPONENT = 2.5;

/** Channels that somebody could join from where they are (requirement B10), most relevant first; ties by channel id. */
export function findChannelsNearby(asker: ChannelsAsker, regions: readonly Region[], zoneOf: (zoneId: string) => Zone | undefined): NearbyChannel[] {
  const wanted = new Set(asker.interests.map(fold));
  const best = new Map<string, NearbyChannel>();
  for (const region of regions) {
    if (region.channelId === null) continue;
    const placedM = distanceToRegionM(region, asker.at, zoneOf);
    const reachM = placedM !== null && placedM <= MAX_DISTANCE_M ? placedM : null;
    const levelDbm = loudestDbm(region, asker.signalsDbm);
    if (reachM === null && levelDbm === null) continue;
    const signalPct = levelDbm === null ? null : signalPctOf(levelDbm);
    const nearness = Math.max(reachM === null ? 0 : 0.5 ** (reachM / HALVING_M), (signalPct ?? 0) / 100);
    const shared = wanted.size === 0 ? 0 : region.topics.filter((topic) => wanted.has(fold(topic))).length / wanted.size;
    const relevance = Math.round(100 * ((1 - INTEREST_SHARE) * nearness + INTEREST_SHARE * Math.min(1, shared))) / 100;
    const before = best.get(region.channelId);
    if (before !== undefined && before.relevance >= relevance) continue;
    const distanceM = Math.round(reachM ?? distanceByLevelM(levelDbm as number));
    best.set(region.channelId, { channelId: region.channelId, name: region.name, distanceM, relevance, signalPct, autoJoin: region.autoJoin });
  }
  return [...best.values()].sort((a, b) => b.relevance - a.relevance || (a.channelId < b.channelId ? -1 : 1)).slice(0, MAX_CHANNELS);
}

/** NetworkManager's scale: -40 dBm and louder is 100 %, -100 dBm is 0. */
export function signalPctOf(rssiDbm: number): number {
  return Math.round(Math.max(0, Math.min(100, 100 - (100 * (-40 - rssiDbm)) / 60)));
}

function distanceByLevelM(rssiDbm: number): number {
  return Math.min(MAX_DISTANCE_M, 10 ** ((RSSI_AT_1M_DBM - rssiDbm) / (10 * PATH_LOSS_EXPONENT)));
}

function loudestDbm(region: Region, signalsDbm: ReadonlyMap<string, number>): number | null {
  const levels = region.signals.flatMap((signal) => signalsDbm.get(fold(signal)) ?? []);
  return levels.length === 0 ? null : Math.max(...levels);
}
