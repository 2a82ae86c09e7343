import { MAX_RSSI_DBM, MIN_RSSI_DBM, gatewayOfTag, type Gateway, type TagId, type VenueMap } from "@konferenco/protocol";
import { newRandom, type Random } from "./random.ts";
import { wallsOfFloor, type Walls } from "./walls.ts";

/**
 * What a gateway hears of a tag, as a sum in dB (docs/run-a-simulation.md shows it as a table):
 *
 *   rssi = rssiAt1m + tag's power + gateway's gain          who they are
 *        - 10 n log10(range) - walls - floors                where they are
 *        - body(facing) + shadowing(place)                   what stands between
 *        + fading(packet)                                    luck
 *
 * and then a packet is lost or not, and the rest is rounded to whole dBm as a radio does.
 * Pure: the dice are seeded, nothing reads a clock.
 */
export interface RadioConfig {
  /** iBeacon's calibrated power: -59 dBm at 1 m is a 0 dBm tag. With n = 2.5 the card's threshold of -70 dBm is 2.8 m (requirement A6: about 3 m). */
  rssiAt1mDbm: number;
  /** Strzoda, Grochla, Polys 2022 (10.1145/3551662.3560933) measured -78.4, -84.1, -90.8 dBm at 5, 10, 16 m: n = 2.45. ITU-R P.1238: 2.0 in sight to 3.0 in offices. */
  pathLossExponent: number;
  /** A brick or double plasterboard inner wall; COST 231 (final report, 4.7.2) gives 3.4 dB light, 6.9 dB heavy. */
  wallLossDb: number;
  /** Behind this many walls power comes round them by other ways (COST 231's multi-wall losses grow less than linearly). */
  maxWallsCounted: number;
  /** A concrete ceiling: ITU-R P.1238 gives 14 dB for one floor of an office at 2.4 GHz, COST 231 18.3 dB. */
  floorLossDb: number;
  floorHeightM: number;
  /** Standard deviation of what furniture and crowd do to a link; with fading it makes the 3.5-5.9 dB that Strzoda et al. measured. */
  shadowingDb: number;
  /** Gudmundson 1991 (10.1049/el:19911328): shadowing forgets exponentially with distance; indoors within a few metres. */
  shadowingCorrelationM: number;
  /** Rician K of packets in sight: 3GPP TR 38.901 table 7.5-6, indoor office, 7 dB on average. That is 2.9 dB of standard deviation. */
  ricianKInSightDb: number;
  /** And through a wall or a ceiling, where no ray dominates: nearly Rayleigh (5.6 dB), 4.9 dB. */
  ricianKBlockedDb: number;
  /** Loss when the wearer's body is between the badge and the gateway, less when turned: literature 5-20 dB at 2.4 GHz; in data of Ng et al. 2020 (arXiv 2005.13754) pocket against hand is 2-10 dB per body. */
  bodyLossDb: number;
  /** Spread of gateways' gain; the receivers of Danis et al. 2022 differ by more than 5 dB between extremes. */
  gatewayGainSigmaDb: number;
  /** Spread of tags' power: batteries, cases, how the badge hangs. */
  tagPowerSigmaDb: number;
  /** Half of the packets are lost at this power (with `clearShare` on top): a Pi's BCM43455 hears down to about -93 dBm. */
  sensitivityDbm: number;
  /** How fast that goes from nothing lost to everything lost: 1.5 dB makes 10-90 % in 6.6 dB. */
  sensitivityWidthDb: number;
  /** Strong packets that arrive: collisions and Wi-Fi cost 13-40 % (Strzoda et al. 2022), so 80 %. */
  clearShare: number;
  /** One advertisement in this time, plus the random 0-10 ms that Bluetooth demands (Core 5.4 Vol 6 Part B 4.4.2.2.1). */
  advertisingIntervalMs: number;
  /** The gateways' own advertisements, heard by other gateways for calibration. */
  gatewayIntervalMs: number;
  /** Where a badge hangs, above its floor. */
  tagHeightM: number;
  /** Where a gateway hangs when the map does not say. */
  gatewayHeightM: number;
}

export const RADIO_DEFAULTS: RadioConfig = {
  rssiAt1mDbm: -59,
  pathLossExponent: 2.5,
  wallLossDb: 6,
  maxWallsCounted: 3,
  floorLossDb: 16,
  floorHeightM: 4,
  shadowingDb: 3.5,
  shadowingCorrelationM: 3,
  ricianKInSightDb: 7,
  ricianKBlockedDb: 1,
  bodyLossDb: 8,
  gatewayGainSigmaDb: 1.5,
  tagPowerSigmaDb: 2,
  sensitivityDbm: -92,
  sensitivityWidthDb: 1.5,
  clearShare: 0.8,
  advertisingIntervalMs: 500,
  gatewayIntervalMs: 2_000,
  tagHeightM: 1.2,
  gatewayHeightM: 2.5,
};

/** Where a transmitter is when it sends. `facingRad`: where its wearer looks; null: nobody wears it. */
export interface RadioPlace {
  xM: number;
  yM: number;
  floor: number;
  facingRad: number | null;
  /** Above its floor; absent: a badge's height. */
  zM?: number;
}

/** One packet as one gateway's radio heard it, in ms of the simulation. */
export interface Sighting {
  atMs: number;
  gatewayId: string;
  tagId: TagId;
  rssiDbm: number;
}

export interface Radio {
  readonly config: RadioConfig;
  readonly gateways: readonly Gateway[];
  /** What the gateway hears on average over packets: everything but fading and loss. */
  meanRssiDbm(gatewayId: string, tagId: TagId, place: RadioPlace): number;
  /** The same without body, shadowing and who they are: the bare law. */
  pathLossRssiDbm(gatewayId: string, place: RadioPlace): number;
  shadowingDb(gatewayId: string, place: RadioPlace): number;
  bodyLossDb(gatewayId: string, place: RadioPlace): number;
  gatewayGainDb(gatewayId: string): number;
  tagPowerDb(tagId: TagId): number;
  /** Chance that a packet of this power is heard. */
  chanceHeard(rssiDbm: number): number;
  /** A tag's radio: it sends when `nextAtMs` has come. Same seed and tag: the same packets. */
  newTransmitter(tagId: TagId): Transmitter;
}

export interface Transmitter {
  readonly tagId: TagId;
  /** When the next packet goes out, whole ms of the simulation. */
  nextAtMs(): number;
  /** Sends it from there; returns who heard it, in the order of the venue's gateways. */
  send(place: RadioPlace): Sighting[];
  /** Goes silent until then (the tag is not in the venue yet). */
  skipTo(atMs: number): void;
}

/** Waves of one shadowing field. 32 make it Gaussian within 2 % of its moments and cost 0.5 µs a look-up. */
const SHADOWING_WAVES = 32;

/** Nearer than this the log-distance law no longer holds (near field, antennas overlap). */
const MIN_RANGE_M = 0.5;

/** Packets whose mean power is this far below sensitivity are not rolled for: chance below 1 in 10,000. */
const HOPELESS_DB = 14;

export function newRadio(venue: VenueMap, seed: string | number, options: Partial<RadioConfig> = {}): Radio {
  const config: RadioConfig = { ...RADIO_DEFAULTS, ...options };
  const dice = newRandom(`radio/${seed}`);
  const wallsByFloor = new Map<number, Walls>(venue.floors.map(({ floor }) => [floor, wallsOfFloor(venue, floor)]));
  const receivers = new Map(venue.gateways.map((gateway) => [gateway.gatewayId, newReceiver(gateway)]));
  const powers = new Map<TagId, number>();

  function newReceiver(gateway: Gateway) {
    return {
      gateway,
      gainDb: config.gatewayGainSigmaDb * dice.fork(`gain/${gateway.gatewayId}`).gaussian(),
      /** By floor of the transmitter, made when first asked for. */
      shadowing: new Map<number, (xM: number, yM: number) => number>(),
    };
  }
  type Receiver = ReturnType<typeof newReceiver>;

  function receiverOf(gatewayId: string): Receiver {
    const receiver = receivers.get(gatewayId);
    if (receiver === undefined) throw new RangeError(`gateway "${gatewayId}" is not in the venue`);
    return receiver;
  }

  function wallsCrossed(gateway: Gateway, place: RadioPlace): number {
    // To another floor the way leads through the ceiling, whose loss stands for all of it.
    if (gateway.floor !== place.floor) return 0;
    return wallsByFloor.get(place.floor)?.crossings(gateway.xM, gateway.yM, place.xM, place.yM, config.maxWallsCounted) ?? 0;
  }

  function pathLossRssi(receiver: Receiver, place: RadioPlace, walls: number): number {
    const { gateway } = receiver;
    const floors = Math.abs(gateway.floor - place.floor);
    const riseM = (gateway.floor - place.floor) * config.floorHeightM + (gateway.zM ?? config.gatewayHeightM) - (place.zM ?? config.tagHeightM);
    const rangeM = Math.max(MIN_RANGE_M, Math.hypot(gateway.xM - place.xM, gateway.yM - place.yM, riseM));
    return config.rssiAt1mDbm - 10 * config.pathLossExponent * Math.log10(rangeM) - config.wallLossDb * walls - config.floorLossDb * floors;
  }

  function shadowing(receiver: Receiver, place: RadioPlace): number {
    let field = receiver.shadowing.get(place.floor);
    if (field === undefined) {
      field = newShadowing(dice.fork(`shadowing/${receiver.gateway.gatewayId}/${place.floor}`), config.shadowingDb, config.shadowingCorrelationM);
      receiver.shadowing.set(place.floor, field);
    }
    return field(place.xM, place.yM);
  }

  /** Nothing when facing the gateway, all of it with the back to it: a raised cosine between. */
  function bodyLoss(gateway: Gateway, place: RadioPlace): number {
    if (place.facingRad === null) return 0;
    const towardsRad = Math.atan2(gateway.yM - place.yM, gateway.xM - place.xM);
    return (config.bodyLossDb * (1 - Math.cos(towardsRad - place.facingRad))) / 2;
  }

  function tagPower(tagId: TagId): number {
    let powerDb = powers.get(tagId);
    if (powerDb === undefined) {
      powerDb = config.tagPowerSigmaDb * dice.fork(`power/${tagId}`).gaussian();
      powers.set(tagId, powerDb);
    }
    return powerDb;
  }

  function mean(receiver: Receiver, tagId: TagId, place: RadioPlace, walls: number): number {
    return pathLossRssi(receiver, place, walls) + tagPower(tagId) + receiver.gainDb - bodyLoss(receiver.gateway, place) + shadowing(receiver, place);
  }

  const chanceHeard = (rssiDbm: number): number => config.clearShare / (1 + Math.exp((config.sensitivityDbm - rssiDbm) / config.sensitivityWidthDb));

  function newTransmitter(tagId: TagId): Transmitter {
    const own = dice.fork(`packets/${tagId}`);
    const self = gatewayOfTag(tagId);
    const intervalMs = self === null ? config.advertisingIntervalMs : config.gatewayIntervalMs;
    // A crystal is off by up to 50 ppm (Core 5.4 Vol 6 Part B 4.2.1), so two tags never stay in step.
    const ownIntervalMs = intervalMs * (1 + own.between(-50e-6, 50e-6));
    let exactMs = own.between(0, intervalMs);
    const next = (): void => {
      exactMs += ownIntervalMs + own.between(0, 10);
    };
    return {
      tagId,
      nextAtMs: () => Math.ceil(exactMs),
      skipTo(atMs) {
        while (Math.ceil(exactMs) < atMs) next();
      },
      send(place) {
        const atMs = Math.ceil(exactMs);
        next();
        const heard: Sighting[] = [];
        for (const receiver of receivers.values()) {
          const { gatewayId } = receiver.gateway;
          if (gatewayId === self) continue;
          // Walls only take away, and are looked for last: they cost most.
          const openDbm = mean(receiver, tagId, place, 0);
          if (openDbm < config.sensitivityDbm - HOPELESS_DB) continue;
          const walls = wallsCrossed(receiver.gateway, place);
          const meanDbm = openDbm - config.wallLossDb * walls;
          if (meanDbm < config.sensitivityDbm - HOPELESS_DB) continue;
          const inSight = walls === 0 && receiver.gateway.floor === place.floor;
          const rssiDbm = meanDbm + fadingDb(own, inSight ? config.ricianKInSightDb : config.ricianKBlockedDb);
          if (own.next() >= chanceHeard(rssiDbm)) continue;
          heard.push({ atMs, gatewayId, tagId, rssiDbm: Math.max(MIN_RSSI_DBM, Math.min(MAX_RSSI_DBM, Math.round(rssiDbm))) });
        }
        return heard;
      },
    };
  }

  return {
    config,
    gateways: venue.gateways,
    meanRssiDbm(gatewayId, tagId, place) {
      const receiver = receiverOf(gatewayId);
      return mean(receiver, tagId, place, wallsCrossed(receiver.gateway, place));
    },
    pathLossRssiDbm(gatewayId, place) {
      const receiver = receiverOf(gatewayId);
      return pathLossRssi(receiver, place, wallsCrossed(receiver.gateway, place));
    },
    shadowingDb: (gatewayId, place) => shadowing(receiverOf(gatewayId), place),
    bodyLossDb: (gatewayId, place) => bodyLoss(receiverOf(gatewayId).gateway, place),
    gatewayGainDb: (gatewayId) => receiverOf(gatewayId).gainDb,
    tagPowerDb: tagPower,
    chanceHeard,
    newTransmitter,
  };
}

/**
 * A Gaussian field over the floor with correlation exp(-distance / correlationM) (Gudmundson 1991) as a sum of
 * plane waves (Cai, Giannakis 2003, IEEE Transactions on Vehicular Technology 52). Its spectrum falls with (1 + (k L)^2)^(-3/2) in the
 * plane; the radius of a wave vector is drawn by inverting that law's distribution, 1 - 1 / sqrt(1 + (k L)^2).
 */
export function newShadowing(dice: Random, sigmaDb: number, correlationM: number): (xM: number, yM: number) => number {
  const kx = new Float64Array(SHADOWING_WAVES);
  const ky = new Float64Array(SHADOWING_WAVES);
  const phase = new Float64Array(SHADOWING_WAVES);
  for (let wave = 0; wave < SHADOWING_WAVES; wave++) {
    // Stratified, so that every field has its share of long and short waves and no field is flat.
    const share = (wave + dice.next()) / SHADOWING_WAVES;
    const radius = Math.sqrt(1 / (1 - share) ** 2 - 1) / correlationM;
    const angleRad = 2 * Math.PI * dice.next();
    kx[wave] = radius * Math.cos(angleRad);
    ky[wave] = radius * Math.sin(angleRad);
    phase[wave] = 2 * Math.PI * dice.next();
  }
  const amplitudeDb = sigmaDb * Math.sqrt(2 / SHADOWING_WAVES);
  return (xM, yM) => {
    let sum = 0;
    for (let wave = 0; wave < SHADOWING_WAVES; wave++) {
      // Typed arrays are never sparse.
      sum += Math.cos((kx[wave] as number) * xM + (ky[wave] as number) * yM + (phase[wave] as number));
    }
    return amplitudeDb * sum;
  };
}

/**
 * Small-scale fading of one packet: the length of a steady ray plus scattered ones (Rice), mean power 1, in dB.
 * Independent from packet to packet: a walker crosses half a wavelength (6 cm) between two packets, and each packet
 * reaches the scanner on one of three channels, 2.402, 2.426 and 2.480 GHz, which fade apart (Faragher, Harle 2015).
 */
function fadingDb(dice: Random, ricianKDb: number): number {
  const k = 10 ** (ricianKDb / 10);
  const steady = Math.sqrt(k / (k + 1));
  const scatter = Math.sqrt(1 / (2 * (k + 1)));
  return 10 * Math.log10((steady + scatter * dice.gaussian()) ** 2 + (scatter * dice.gaussian()) ** 2);
}
