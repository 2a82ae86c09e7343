import { zoneCentre, type VenueMap, type WifiScan } from "@konferenco/protocol";
import type { Fix } from "./fix.ts";
import { placeAt, type VenueIndex } from "./venue-index.ts";

/**
 * Where an access point hangs. Two ways to know: its surveyed place, or the gateway or zone that it
 * shares. Fingerprints of a whole venue replace this table behind the same Fix.
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
