import path from "node:path";
import { ConfigError, type VenueMap } from "@konferenco/protocol";
import { KeyRing, openEmbeddedStore, openRedisStore, type Store } from "@konferenco/fusion";
import { newInProcessPinboard, openEmbeddedRegistry, openRedisPinboard, openRedisRegistry, type Pinboard, type Registry } from "@konferenco/bridge";
import { originOf } from "./options.ts";
import { secretOf, type Site } from "./site.ts";

/** Where live state, log and people are kept: `embedded` (files of the data folder), `memory`, or `redis://…`. */
export interface StorePlace {
  url: string;
  eventId: string;
  venue: VenueMap;
  dataDir: string;
  keys: KeyRing;
  nowMs: () => number;
  log: (event: object) => void;
}

/** The keys of everybody, beside the data folder and not in it: a backup of the one must not hold the other. */
export function openKeysAt({ url, dataDir, keysDir, site, log }: { url: string; dataDir: string; keysDir: string | undefined; site: Site; log: (event: object) => void }): Promise<KeyRing> {
  return KeyRing.open({ folder: url === "memory" ? null : (keysDir ?? `${path.resolve(dataDir)}.keys`), secret: secretOf(site), log });
}

export async function openStoreAt(place: StorePlace): Promise<Store> {
  const { eventId, keys, nowMs } = place;
  const origin = originOf(place.venue);
  if (isRedis(place.url)) return openRedisStore({ eventId, url: place.url, keys, origin });
  return openEmbeddedStore({ eventId, dataDir: folderOf(place, "store"), keys, origin, nowMs });
}

export async function openRegistryAt(place: StorePlace): Promise<Registry> {
  if (isRedis(place.url)) return openRedisRegistry({ eventId: place.eventId, url: place.url, keys: place.keys, log: place.log });
  return openEmbeddedRegistry({ dataDir: folderOf(place, "registry"), keys: place.keys, log: place.log });
}

/** Notes that the bridges of an event share, if there can be several. */
export async function openPinboardAt({ url, eventId, nowMs }: StorePlace): Promise<Pinboard> {
  return isRedis(url) ? openRedisPinboard({ eventId, url }) : newInProcessPinboard(nowMs);
}

function isRedis(url: string): boolean {
  return /^rediss?:\/\//.test(url);
}

function folderOf(place: StorePlace, name: string): string | null {
  if (place.url === "memory") return null;
  if (place.url === "embedded") return path.join(place.dataDir, name);
  throw new ConfigError(`"${place.url}" is not a store: embedded, memory or redis://host:port`);
}
