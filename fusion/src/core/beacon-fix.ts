import type { Fix, ZoneEvidence } from "./fix.ts";
import { SIGMAS_OF_95 } from "./fix.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { placeAt, type VenueIndex } from "./venue-index.ts";
import type { Reading, ReadingWindow } from "./window.ts";

/**
 * A window of readings to a fix: the centroid of the gateways that hear the tag, weighted by level.
 * The floor is where the levels are highest. Evidence for zones is made here too, from two sides:
 * whose gateway hears the tag best, and where the centroid lies.
 */
export function locateByBeacons(window: ReadingWindow, venue: VenueIndex, config: FusionConfig): Fix {
  const floor = loudestFloor(window.readings, venue, config);
  const weights = window.readings.map((reading) => weightOf(reading, floor, venue, config));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let xM = 0;
  let yM = 0;
  window.readings.forEach((reading, i) => {
    const gateway = venue.gateways[reading.gateway] as VenueIndex["gateways"][number];
    xM += ((weights[i] as number) / total) * gateway.xM;
    yM += ((weights[i] as number) / total) * gateway.yM;
  });
  let spreadM2 = 0;
  window.readings.forEach((reading, i) => {
    const gateway = venue.gateways[reading.gateway] as VenueIndex["gateways"][number];
    spreadM2 += ((weights[i] as number) / total) * ((gateway.xM - xM) ** 2 + (gateway.yM - yM) ** 2);
  });
  const accuracy95M = accuracyOf(spreadM2, window.readings.length, config);
  return {
    tagId: window.tagId,
    atMs: window.atMs,
    xM,
    yM,
    floor,
    accuracy95M,
    source: "beacon",
    zoneEvidence: zoneEvidenceOf(window.readings, { xM, yM, floor, sigmaM: accuracy95M / SIGMAS_OF_95 }, venue, config),
  };
}

/** Level less the floor's loss, relative to nothing: only differences count. A stale reading weighs less. */
function weightOf(reading: Reading, floor: number, venue: VenueIndex, config: FusionConfig): number {
  const levelDb = reading.rssiDbm - (floorOf(reading, venue) === floor ? 0 : config.floorLossDb);
  const trust = config.measurementNoiseDb2 / (config.measurementNoiseDb2 + reading.varianceDb2);
  return 10 ** (levelDb / config.centroidDbPerDecade) * trust;
}

function floorOf(reading: Reading, venue: VenueIndex): number {
  return (venue.gateways[reading.gateway] as VenueIndex["gateways"][number]).floor;
}

/** The floor with the loudest three gateways: one strong reading through a stairwell does not move a tag to another storey. */
function loudestFloor(readings: readonly Reading[], venue: VenueIndex, config: FusionConfig): number {
  const levels = new Map<number, number[]>();
  for (const reading of readings) {
    const floor = floorOf(reading, venue);
    const floorLevels = levels.get(floor);
    if (floorLevels === undefined) levels.set(floor, [reading.rssiDbm]);
    else floorLevels.push(reading.rssiDbm);
  }
  let best = { floor: floorOf(readings[0] as Reading, venue), score: -Infinity };
  for (const [floor, floorLevels] of levels) {
    floorLevels.sort((a, b) => b - a);
    const score = floorLevels.slice(0, 3).reduce((sum, levelDbm) => sum + 10 ** (levelDbm / config.centroidDbPerDecade), 0);
    if (score > best.score || (score === best.score && floor < best.floor)) best = { floor, score };
  }
  return best.floor;
}

/**
 * The centroid of gateways far apart is uncertain as their spread; one that sits on a gateway still
 * has the error of a room. Fewer than three gateways give no centroid, only a neighbourhood.
 */
function accuracyOf(spreadM2: number, gateways: number, config: FusionConfig): number {
  const centroid95M = Math.sqrt(config.centroidFloor95M ** 2 + config.centroidSpreadShare ** 2 * spreadM2);
  return gateways < config.minGatewaysForCentroid ? Math.max(NEIGHBOURHOOD_95M, centroid95M) : centroid95M;
}

/** A tag heard by one or two gateways is somewhere in their reach indoors. */
const NEIGHBOURHOOD_95M = 10;

/**
 * Two witnesses. A gateway in a walled room: the walls make its own tags the loudest, so each such
 * zone is spoken for by its loudest gateway, as Bermuda and "strongest gateway" do. And the place of
 * the fix: the mass of its Gaussian over the drawn zones, which alone knows parts of an open hall and
 * rooms without a gateway. Measured on the same fixes: rooms 82 % by gateways and 69 % by place, parts
 * of a hall 41 % and 52 %.
 */
function zoneEvidenceOf(readings: readonly Reading[], at: { xM: number; yM: number; floor: number; sigmaM: number }, venue: VenueIndex, config: FusionConfig): ZoneEvidence {
  const masses = new Map<number, number>();
  const add = (place: number, mass: number) => masses.set(place, (masses.get(place) ?? 0) + mass);

  const loudest = new Map<number, number>();
  for (const reading of readings) {
    const gateway = venue.gateways[reading.gateway] as VenueIndex["gateways"][number];
    const levelDb = reading.rssiDbm - (gateway.floor === at.floor ? 0 : config.floorLossDb);
    loudest.set(gateway.place, Math.max(levelDb, loudest.get(gateway.place) ?? -Infinity));
  }
  const bestDb = Math.max(...loudest.values());
  let total = 0;
  for (const levelDb of loudest.values()) total += Math.exp((levelDb - bestDb) / config.zoneEvidenceDb);
  const isDrawn = venue.rasters.has(at.floor);
  let leftForPlace = 1;
  for (const [place, levelDb] of loudest) {
    const mass = Math.exp((levelDb - bestDb) / config.zoneEvidenceDb) / total;
    const spoken = isDrawn ? mass * witnessShare(venue, place, config) : mass;
    if (spoken === 0) continue;
    add(place, spoken);
    leftForPlace -= spoken;
  }
  if (isDrawn) {
    for (const [sigmas, angle] of GAUSSIAN_POINTS) {
      const place = placeAt(venue, at.xM + sigmas * at.sigmaM * Math.cos(angle), at.yM + sigmas * at.sigmaM * Math.sin(angle), at.floor);
      add(place, leftForPlace / GAUSSIAN_POINTS.length);
    }
  }
  const places = [...masses.keys()].sort((a, b) => a - b);
  return { places, probability: places.map((place) => masses.get(place) as number), certain: false };
}

/** How far a gateway's loudness speaks for its own zone: wholly where the zone is nothing but its gateways, mostly within walls, not at all in the open. */
function witnessShare(venue: VenueIndex, place: number, config: FusionConfig): number {
  if (venue.drawn[place] !== true) return 1;
  return venue.walled[place] === true ? config.gatewayEvidenceShare : 0;
}

/** 32 points of equal mass of a circular Gaussian: four rings at the middle of its quartiles, turned against each other. */
const GAUSSIAN_POINTS: readonly (readonly [number, number])[] = [0.125, 0.375, 0.625, 0.875].flatMap((quantile, ring) =>
  Array.from({ length: 8 }, (_, i) => [Math.sqrt(-2 * Math.log(1 - quantile)), ((i + ring / 4) * Math.PI) / 4] as const),
);
