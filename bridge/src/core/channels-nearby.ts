import { depthInRegionM, type FloorPoint, type Region, type Zone } from "@konferenco/protocol";

/** A channel that somebody could join from where they are (requirement B10). */
export interface NearbyChannel {
  channelId: string;
  name: string;
  /** To the edge of its region; 0 inside. Null when only its signal was heard and nobody knows where. */
  distanceM: number | null;
  /** 0-1: being there, being near, and sharing interests. */
  relevance: number;
  /** How well its transmitter is heard, when the phone said so. */
  signalPct: number | null;
  autoJoin: boolean;
}

export interface ChannelsAsker {
  at: FloorPoint | null;
  interests: readonly string[];
  /** What the phone hears: transmitter to level. Empty for badges. */
  signalsDbm: ReadonlyMap<string, number>;
}

/** Relevance halves with every so many metres. */
const HALVING_M = 15;
/** Interests decide between channels that are equally near, not between floors. */
const INTEREST_SHARE = 0.3;
/** Farther channels are another part of the venue. */
const MAX_DISTANCE_M = 60;
const MAX_CHANNELS = 20;

/** Nearest and most fitting first; ties by channel id. Pure: rooms and interests in, list out. */
export function findChannelsNearby(asker: ChannelsAsker, regions: readonly Region[], zoneOf: (zoneId: string) => Zone | undefined): NearbyChannel[] {
  const wanted = new Set(asker.interests.map(fold));
  const best = new Map<string, NearbyChannel>();
  for (const region of regions) {
    if (region.channelId === null) continue;
    const distanceM = asker.at === null ? null : Math.max(0, -depthInRegionM(asker.at, region, zoneOf));
    const signalPct = loudestPct(region, asker.signalsDbm);
    const reachable = distanceM !== null && distanceM <= MAX_DISTANCE_M;
    if (!reachable && signalPct === null) continue;
    const nearness = Math.max(reachable ? 0.5 ** (distanceM / HALVING_M) : 0, (signalPct ?? 0) / 100);
    const shared = wanted.size === 0 ? 0 : region.topics.filter((topic) => wanted.has(fold(topic))).length / wanted.size;
    const relevance = (1 - INTEREST_SHARE) * nearness + INTEREST_SHARE * Math.min(1, shared);
    const before = best.get(region.channelId);
    if (before !== undefined && before.relevance >= relevance) continue;
    best.set(region.channelId, { channelId: region.channelId, name: region.name, distanceM: reachable ? distanceM : null, relevance, signalPct, autoJoin: region.autoJoin });
  }
  return [...best.values()].sort((a, b) => b.relevance - a.relevance || (a.channelId < b.channelId ? -1 : 1)).slice(0, MAX_CHANNELS);
}

/** NetworkManager's scale: -40 dBm and louder is 100 %, -100 dBm is 0. */
export function signalPctOf(rssiDbm: number): number {
  return Math.round(Math.max(0, Math.min(100, 100 - (100 * (-40 - rssiDbm)) / 60)));
}

function loudestPct(region: Region, signalsDbm: ReadonlyMap<string, number>): number | null {
  const levels = region.signals.flatMap((signal) => signalsDbm.get(signal) ?? []);
  return levels.length === 0 ? null : signalPctOf(Math.max(...levels));
}

function fold(topic: string): string {
  return topic.trim().toLowerCase();
}
