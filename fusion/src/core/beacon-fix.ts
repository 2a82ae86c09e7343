import type { Fix, ZoneEvidence } from "./fix.ts";
import { SIGMAS_OF_95 } from "./fix.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { keepLoudest } from "./keep-loudest.ts";
import { addGaussian, addMass } from "./place-mass.ts";
import type { IndexedGateway, VenueIndex } from "./venue-index.ts";
import type { Reading, ReadingWindow } from "./window.ts";

/**
 * A window of readings to a fix: the centroid of the gateways that hear the tag, weighted by level.
 * The floor is where the levels are highest. Evidence for zones is made here too, from two sides:
 * whose gateway hears the tag best, and where the centroid lies.
 */
export function locateByBeacons(window: ReadingWindow, venue: VenueIndex, config: FusionConfig): Fix {
  const { readings } = window;
  const floor = loudestFloor(readings, venue, config);
  let total = 0;
  let xM = 0;
  let yM = 0;
  let squaresM2 = 0;
  for (const reading of readings) {
    const gateway = gatewayOf(reading, venue);
    const weight = weightOf(reading, floor, venue, config);
    total += weight;
    xM += weight * gateway.xM;
    yM += weight * gateway.yM;
    squaresM2 += weight * (gateway.xM ** 2 + gateway.yM ** 2);
  }
  xM /= total;
  yM /= total;
  // Mean square less squared mean; rounding may take it a hair below nothing.
  const spreadM2 = Math.max(0, squaresM2 / total - xM ** 2 - yM ** 2);
  const accuracy95M = accuracyOf(spreadM2, inOnePoint(readings, venue) ? 1 : readings.length, config);
  return {
    tagId: window.tagId,
    atMs: window.atMs,
    xM,
    yM,
    floor,
    accuracy95M,
    source: "beacon",
    zoneEvidence: zoneEvidenceOf(readings, { xM, yM, floor, sigmaM: accuracy95M / SIGMAS_OF_95 }, venue, config),
  };
}

/** The documents' centroid on one floor, with their weights: wider than locateByBeacons's, and better where nothing stands between. */
export function plainCentroid(readings: readonly Reading[], floor: number, venue: VenueIndex, config: FusionConfig): { xM: number; yM: number } {
  let [total, xM, yM] = [0, 0, 0];
  for (const reading of readings) {
    const gateway = gatewayOf(reading, venue);
    const weight = weightOf(reading, floor, venue, config, PLAIN_DB_PER_DECADE);
    total += weight;
    xM += weight * gateway.xM;
    yM += weight * gateway.yM;
  }
  return { xM: xM / total, yM: yM / total };
}

/** Weight ~ 1 / distance. */
const PLAIN_DB_PER_DECADE = 20;

function gatewayOf(reading: Reading, venue: VenueIndex): IndexedGateway {
  return venue.gateways[reading.gateway] as IndexedGateway;
}

/** Level less the floor's loss, relative to nothing: only differences count. A stale reading weighs less. */
function weightOf(reading: Reading, floor: number, venue: VenueIndex, config: FusionConfig, dbPerDecade = config.centroidDbPerDecade): number {
  const levelDb = reading.rssiDbm - (gatewayOf(reading, venue).floor === floor ? 0 : config.floorLossDb);
  const trust = config.measurementNoiseDb2 / (config.measurementNoiseDb2 + reading.varianceDb2);
  return 10 ** (levelDb / dbPerDecade) * trust;
}

/** The floor with the loudest three gateways: one strong reading through a stairwell does not move a tag to another storey. */
function loudestFloor(readings: readonly Reading[], venue: VenueIndex, config: FusionConfig): number {
  const first = gatewayOf(readings[0] as Reading, venue).floor;
  // Most tags are heard on one floor alone.
  if (readings.every((reading) => gatewayOf(reading, venue).floor === first)) return first;
  const levels = new Map<number, number[]>();
  for (const reading of readings) {
    const { floor } = gatewayOf(reading, venue);
    levels.set(floor, [...(levels.get(floor) ?? []), reading.rssiDbm]);
  }
  let best = { floor: first, score: -Infinity };
  for (const [floor, floorLevels] of levels) {
    const loudest = floorLevels.sort((a, b) => b - a).slice(0, 3);
    const score = loudest.reduce((sum, levelDbm) => sum + 10 ** (levelDbm / config.centroidDbPerDecade), 0);
    if (score > best.score || (score === best.score && floor < best.floor)) best = { floor, score };
  }
  return best.floor;
}

/** As on a map that has no places for them: they are no better than one. */
function inOnePoint(readings: readonly Reading[], venue: VenueIndex): boolean {
  const first = gatewayOf(readings[0] as Reading, venue);
  return readings.every((reading) => gatewayOf(reading, venue).xM === first.xM && gatewayOf(reading, venue).yM === first.yM);
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
 * Two witnesses. A gateway in a walled room or a booth: its own tags are the loudest, so each such
 * zone is spoken for by its loudest gateway, as Bermuda and "strongest gateway" do. And the place of
 * the fix: the mass of its Gaussian over the drawn zones, which alone knows parts of an open hall and
 * rooms without a gateway. Measured on the same fixes: rooms 82 % by gateways and 69 % by place, parts
 * of a hall 41 % and 52 %.
 */
function zoneEvidenceOf(readings: readonly Reading[], at: { xM: number; yM: number; floor: number; sigmaM: number }, venue: VenueIndex, config: FusionConfig): ZoneEvidence {
  const loudest = loudestByPlace(readings, at.floor, venue, config);
  const bestDb = Math.max(...loudest.levelsDb);
  let total = 0;
  for (const levelDb of loudest.levelsDb) total += Math.exp((levelDb - bestDb) / config.zoneEvidenceDb);

  const evidence: ZoneEvidence = { places: [], probability: [], certain: false };
  const isDrawn = venue.rasters.has(at.floor);
  let leftForPlace = 0;
  loudest.places.forEach((place, i) => {
    const mass = Math.exp(((loudest.levelsDb[i] as number) - bestDb) / config.zoneEvidenceDb) / total;
    if (isDrawn && !isWitness(venue, place)) leftForPlace += mass;
    else addMass(evidence, place, mass);
  });
  if (leftForPlace > 0) addGaussian(evidence, at, leftForPlace, venue);
  return evidence;
}

/** The level of each place's loudest gateway, less the loss of a floor between. */
function loudestByPlace(readings: readonly Reading[], floor: number, venue: VenueIndex, config: FusionConfig): { places: number[]; levelsDb: number[] } {
  const places: number[] = [];
  const levelsDb: number[] = [];
  for (const reading of readings) {
    const gateway = gatewayOf(reading, venue);
    keepLoudest(places, levelsDb, gateway.place, reading.rssiDbm - (gateway.floor === floor ? 0 : config.floorLossDb));
  }
  return { places, levelsDb };
}

/** Whether a gateway's loudness speaks for its own zone: where the zone is nothing but its gateways, within walls and in a booth, not in the open. */
function isWitness(venue: VenueIndex, place: number): boolean {
  return venue.drawn[place] !== true || venue.spokenFor[place] === true;
}
