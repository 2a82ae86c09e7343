import { zoneCentre, type TagId, type VenueMap, type WifiScan } from "@konferenco/protocol";
import { SIGMAS_OF_95, type Fix, type ZoneEvidence } from "./fix.ts";
import { placeAt, type VenueIndex } from "./venue-index.ts";
import { fingerprintFor, type WifiModel } from "./wifi-model.ts";
import { posteriorOf, velocityOf, type WifiBelief } from "./wifi-belief.ts";
import { summarise, type WifiEstimate, type WifiPosterior } from "./wifi-posterior.ts";
import type { DeviceOffset } from "./wifi-radio-map.ts";

/** What each device's earlier scans told: of its radio, and of where it is. */
export type WifiDevices = Map<TagId, WifiDevice>;

/** Never changed, only replaced: keeping all devices as they are is copying the map. */
export interface WifiDevice {
  readonly offset: DeviceOffset | undefined;
  readonly belief: WifiBelief;
}

/** 4 KB each; the device that was heard of longest ago makes room. */
const MAX_WIFI_DEVICES = 20_000;
/** Zones that hold less of the posterior are left unnamed. */
const SMALLEST_ZONE_SHARE = 0.01;

/**
 * One scan of a tag's own device to a fix by the venue's survey and by what the device's earlier scans told. Null
 * when it heard nobody of the survey.
 */
export function locateByFingerprint(scan: WifiScan, model: WifiModel, context: { devices: WifiDevices; index: VenueIndex; heardAtMs: number }): Fix | null {
  const { devices, index, heardAtMs } = context;
  if (scan.tagId === null) return null;
  const fingerprint = fingerprintFor(model, scan);
  if (fingerprint.accessPoint.length === 0) return null;
  const device = devices.get(scan.tagId);
  const found = model.locate(fingerprint, device?.offset);
  if (found === null) return null;
  const belief = model.follow(device?.belief ?? null, found.posterior, heardAtMs);
  note(devices, scan.tagId, { offset: found.offset ?? undefined, belief });
  const posterior = belief.isWalk ? posteriorOf(belief) : found.posterior;
  const estimate = (belief.isWalk ? summarise(posterior) : null) ?? found.estimate;
  const accuracy95M = belief.isWalk ? model.accuracy95M(estimate.raw95M) : found.accuracy95M;
  return {
    tagId: scan.tagId,
    atMs: heardAtMs,
    xM: estimate.xM,
    yM: estimate.yM,
    floor: estimate.floor,
    accuracy95M,
    source: "wifi",
    zoneEvidence: zonesOf(posterior, estimate, accuracy95M, index),
    filtered: true,
    velocity: velocityOf(belief, estimate.floor),
  };
}

function note(devices: WifiDevices, tagId: TagId, device: WifiDevice): void {
  devices.delete(tagId);
  devices.set(tagId, device);
  if (devices.size > MAX_WIFI_DEVICES) devices.delete(devices.keys().next().value as TagId);
}

/**
 * The posterior's mass by zone. Where the stated radius is wider than the posterior's own, each of its
 * points is spread by the difference first: evidence must be no surer than the fix.
 */
function zonesOf(posterior: WifiPosterior, estimate: WifiEstimate, accuracy95M: number, index: VenueIndex): ZoneEvidence | null {
  const spreadM = Math.sqrt(Math.max(0, accuracy95M ** 2 - estimate.raw95M ** 2)) / SIGMAS_OF_95;
  // Eight points at sqrt(2) sigmas have the variance of the Gaussian that they stand for.
  const ring = spreadM < 0.1 ? [[0, 0] as const] : RING.map(([x, y]) => [x * spreadM * Math.SQRT2, y * spreadM * Math.SQRT2] as const);
  // On a floor without any zone everybody is outside of all of them; on one whose zones nobody drew that is not known.
  const zoneless = new Set(posterior.floor.filter((floor) => !index.places.some((place) => place.floor === floor && place.zoneId !== null)));
  const mass = new Map<number, number>();
  posterior.weight.forEach((weight, i) => {
    for (const [dxM, dyM] of ring) {
      const floor = posterior.floor[i] as number;
      const drawn = placeAt(index, (posterior.xM[i] as number) + dxM, (posterior.yM[i] as number) + dyM, floor);
      const place = drawn === -1 && zoneless.has(floor) ? (index.outsidePlace.get(floor) ?? -1) : drawn;
      mass.set(place, (mass.get(place) ?? 0) + weight / ring.length);
    }
  });
  mass.delete(-1);
  const named = [...mass].filter(([, share]) => share >= SMALLEST_ZONE_SHARE).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  if (named.length === 0) return null;
  return { places: named.map(([place]) => place), probability: named.map(([, share]) => Math.min(1, share)), certain: false };
}

const RING = Array.from({ length: 8 }, (_, i) => [Math.cos((Math.PI * i) / 4), Math.sin((Math.PI * i) / 4)] as const);

/**
 * Where an access point hangs, for venues without a survey: its known place, or the gateway or zone
 * that it shares.
 */
export interface AccessPoint {
  bssid: string;
  xM: number;
  yM: number;
  floor: number;
}

/** Level in dB per decade of weight, as the beacon centroid but blunter: access points are few and loud. */
const WIFI_DB_PER_DECADE = 20;
/** Wi-Fi without fingerprints finds the right end of a hall, not the right table. */
const WIFI_95M = 12;

/**
 * One scan of a tag's own device to a fix: the centroid of the known access points that it heard.
 * Null when it heard none of them: a scan of strangers says nothing.
 */
export function locateByWifi(scan: WifiScan, accessPoints: ReadonlyMap<string, AccessPoint>, index: VenueIndex, heardAtMs: number): Fix | null {
  if (scan.tagId === null) return null;
  let total = 0;
  let xM = 0;
  let yM = 0;
  let loudest: { rssiDbm: number; point: AccessPoint } | null = null;
  scan.bssid.forEach((bssid, row) => {
    const point = accessPoints.get(bssid);
    if (point === undefined) return;
    const rssiDbm = scan.rssiDbm[row] as number;
    const weight = 10 ** (rssiDbm / WIFI_DB_PER_DECADE);
    total += weight;
    xM += weight * point.xM;
    yM += weight * point.yM;
    if (loudest === null || rssiDbm > loudest.rssiDbm) loudest = { rssiDbm, point };
  });
  const strongest = loudest as { rssiDbm: number; point: AccessPoint } | null;
  if (strongest === null) return null;
  const { point } = strongest;
  const place = placeAt(index, point.xM, point.yM, point.floor);
  return {
    tagId: scan.tagId,
    atMs: heardAtMs,
    xM: xM / total,
    yM: yM / total,
    floor: point.floor,
    accuracy95M: WIFI_95M,
    source: "wifi",
    // The loudest access point's room is likelier than the rest, no more.
    zoneEvidence: place === -1 ? null : { places: [place], probability: [0.5], certain: false },
  };
}

/** Access points that hang at the centre of a zone: what a venue knows without a survey. */
export function accessPointsOfZones(venue: VenueMap, zoneOfBssid: ReadonlyMap<string, string>): Map<string, AccessPoint> {
  const points = new Map<string, AccessPoint>();
  for (const [bssid, zoneId] of zoneOfBssid) {
    const zone = venue.zones.find((candidate) => candidate.zoneId === zoneId);
    const centre = zone === undefined ? null : zoneCentre(zone, venue);
    if (centre !== null) points.set(bssid.toLowerCase(), { bssid: bssid.toLowerCase(), ...centre });
  }
  return points;
}
