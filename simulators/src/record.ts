import { ConfigError, type GatewayId, type VenueMap } from "@konferenco/protocol";
import { newCrowd, type Crowd, type CrowdOptions } from "./crowd.ts";
import { NO_FAULTS, type Faults } from "./faults.ts";
import { newRadio, type Radio, type RadioConfig } from "./radio.ts";
import { openRecordingWriter, type RecordingSummary } from "./truth.ts";
import { newWorld } from "./world.ts";

export interface RecordOptions {
  dir: string;
  venue: VenueMap;
  seed: string | number;
  forMs: number;
  crowd?: CrowdOptions;
  radio?: Partial<RadioConfig>;
  gatewayIds?: readonly GatewayId[] | null;
  faults?: Faults;
  /** Called after every second of the simulation. */
  onProgress?: (atMs: number, observations: number) => void;
  /** Asked after every second: true ends the recording there. */
  isCancelled?: () => boolean;
}

/** Truth is written this often. */
export const TRUTH_INTERVAL_MS = 500;

/**
 * A recording in virtual time: no broker, no waiting; ten minutes of the demo venue in about five seconds.
 * The same options give the same bytes. Yields to the event loop every second of the simulation, so that it can be stopped.
 */
export async function recordSimulation(options: RecordOptions): Promise<RecordingSummary> {
  const { venue, seed, forMs, faults = NO_FAULTS } = options;
  const crowd = newCrowd(venue, seed, options.crowd);
  const radio = newRadio(venue, seed, options.radio);
  const gatewayIds = options.gatewayIds ?? null;
  const world = newWorld({ venue, crowd, radio, gatewayIds });
  const writer = openRecordingWriter({
    dir: options.dir,
    venue: venueOfGateways(venue, gatewayIds),
    tagIds: crowd.tagIds,
    tagHeightM: radio.config.tagHeightM,
    notes: simulationNotes(seed, crowd, radio),
  });
  let observations = 0;
  for (let atMs = TRUTH_INTERVAL_MS; atMs <= forMs; atMs += TRUTH_INTERVAL_MS) {
    const heard = world.advance(atMs).filter((sighting) => !faults.isDown(sighting.gatewayId, sighting.atMs));
    observations += heard.length;
    writer.sightings(heard);
    writer.truth(atMs, crowd.positions());
    if (atMs % 1_000 !== 0) continue;
    options.onProgress?.(atMs, observations);
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (options.isCancelled?.() === true) break;
  }
  return writer.close();
}

/** The map with these gateways only; all when null. */
export function venueOfGateways(venue: VenueMap, gatewayIds: readonly GatewayId[] | null): VenueMap {
  if (gatewayIds === null) return venue;
  for (const gatewayId of gatewayIds) {
    if (!venue.gateways.some((gateway) => gateway.gatewayId === gatewayId)) {
      throw new ConfigError(`the venue has no gateway "${gatewayId}": it has ${venue.gateways.map((gateway) => gateway.gatewayId).join(", ")}`);
    }
  }
  return { ...venue, gateways: venue.gateways.filter((gateway) => gatewayIds.includes(gateway.gatewayId)) };
}

export function simulationNotes(seed: string | number, crowd: Crowd, radio: Radio): string {
  return `Simulated: seed ${seed}, ${crowd.tagIds.length} walkers, radio ${JSON.stringify(radio.config)}`;
}
