import { MAX_TAGS_PER_EVENT } from "@konferenco/protocol";

/**
 * Everything in fusion that could be set otherwise, with its unit in its name and its reason beside
 * it. One set of values serves every venue: nothing here was fitted to a single building.
 * docs/decisions/0003-constants-of-fusion.md says how the values were chosen and what they yield.
 */
export interface FusionConfig {
  /** Fixes, tracks and verdicts are made on multiples of this. */
  tickMs: number;

  // accept
  /** Observations older than this are refused: a window that has closed is not opened again. */
  maxLateMs: number;
  /** A gateway cannot have heard what it has not yet sent; this much is forgiven to its rounding. */
  maxFutureMs: number;

  // rssi-filter
  /**
   * How far a link's level wanders in a second as people move and turn. 20 follows a walk with a lag of
   * about a second at two readings a second; 3 costs 0.25 m in a hall that people cross, 40 gains nothing.
   */
  processNoiseDb2PerS: number;
  /** Scatter of single readings around the level: 4-6 dB in every recording that we hold. */
  measurementNoiseDb2: number;
  /** A reading this many sigmas off is held back; a second one in a row on the same side is believed. */
  outlierSigmas: number;
  /** After such a silence a link begins anew: its old level says nothing about the new one. */
  linkGapMs: number;

  // window
  windowMs: number;
  /** Readings in the window before anything is said about a tag (requirement B2; docs/decisions/0001). */
  minReadings: number;
  /** Gateways that a centroid needs (docs/decisions/0001). */
  minGatewaysForCentroid: number;

  // beacon-fix
  /**
   * The centroid weighs a gateway by 10^(RSSI / this): the smaller, the more the strongest decide. 20 is
   * the plain method (weight ~ 1 / distance): it pulls everybody to the middle. 6 to 10 are about equally good in a flat, a hall and the simulated venue.
   */
  centroidDbPerDecade: number;
  /** A centroid that sits on a gateway still errs by this, as a 95 % radius. */
  centroidFloor95M: number;
  /** The rest of its 95 % radius, per metre of the weighted spread of the gateways. */
  centroidSpreadShare: number;
  /** Loss of a concrete floor; a gateway on another storey is discounted by it. */
  floorLossDb: number;
  /** How sharply level decides which gateway's zone a tag is in. */
  zoneEvidenceDb: number;
  /** Within walls, how far the loudest gateway speaks for its own zone; the rest is the place of the fix, which knows rooms without a gateway. */
  gatewayEvidenceShare: number;

  // track
  /** Spread of a walking person's velocity, metres per second on each axis. */
  speedSigmaMps: number;
  /** How long a person keeps a velocity: the memory of the track's motion model. */
  velocityMemoryMs: number;
  /** Fixes of one window share their readings; this many count as one. 1 trusts noise, 10 lags; 3 to 5 state accuracy95M rightly. */
  fixCorrelation: number;
  /** A fix this many sigmas from the track is held back… */
  fixOutlierSigmas: number;
  /** …until fixes have stood there for this long, most of a window: then the track begins anew there. */
  fixOutlierHoldMs: number;

  // zones
  /** How fast the evidence of a window adds up to a verdict: nats of belief per nat of evidence and second. */
  evidencePerS: number;
  /** Chance per second that a tag changed place unseen. Keeps belief from freezing. */
  placeChangePerS: number;
  /** A challenger must hold this much belief… */
  enterBelief: number;
  /** …for this long, before the tag leaves one zone for the other. */
  enterHoldMs: number;
  /** The same across floors, where a mistake is dearer. */
  floorHoldMs: number;
  /** A stay this long is told as `dwell`, once. */
  dwellMs: number;

  // proximity
  /** Two are near when they are within 2 m with this probability for nearHoldMs… */
  nearProbability: number;
  /** …and apart when with at most this one for apartHoldMs. Between the two nothing changes. */
  apartProbability: number;
  /** People's distances are looked at this often. */
  proximityEveryMs: number;
  nearHoldMs: number;
  apartHoldMs: number;
  /** Others that one tag is compared with in a crowd, and is near; further ones are skipped and counted. 1.2 µs a look, 150 B each that is near. */
  maxPairsPerTag: number;
  /** Couples visited in one look over the whole venue, about 1 µs each: beyond 12,500 people each is compared with fewer others. */
  maxCouplesPerLook: number;
  /** What one phone heard of another directly counts for this long. */
  directMemoryMs: number;
  /** Such pairs that are kept at once, 250 B each. */
  maxDirectPairs: number;

  // silence and bounds
  /** A tag silent for this long leaves its zone and is forgotten. */
  forgetAfterMs: number;
  /** The same for tags that other technologies locate: a phone at rest may report once a minute (requirement B3). */
  forgetLocatedAfterMs: number;
  /** 3.6 KB each with six links, as much again in a crush of 64 pairs [measured, 20,000 tags]; further tags are refused with TAG_LIMIT. */
  maxTags: number;
  /** Tags heard fewer than three times, 300 B each; the oldest makes room. */
  maxCandidates: number;
}

export const DEFAULT_FUSION_CONFIG: FusionConfig = {
  tickMs: 500,

  maxLateMs: 10_000,
  maxFutureMs: 1_000,

  processNoiseDb2PerS: 20,
  measurementNoiseDb2: 25,
  outlierSigmas: 4,
  linkGapMs: 15_000,

  windowMs: 5_000,
  minReadings: 3,
  minGatewaysForCentroid: 3,

  centroidDbPerDecade: 8,
  centroidFloor95M: 2.5,
  centroidSpreadShare: 0.5,
  floorLossDb: 15,
  zoneEvidenceDb: 2,
  gatewayEvidenceShare: 0.9,

  speedSigmaMps: 0.7,
  velocityMemoryMs: 6_000,
  fixCorrelation: 4,
  fixOutlierSigmas: 5,
  fixOutlierHoldMs: 4_000,

  evidencePerS: 3,
  placeChangePerS: 0.02,
  enterBelief: 0.95,
  enterHoldMs: 1_000,
  floorHoldMs: 2_000,
  dwellMs: 60_000,

  nearProbability: 0.5,
  apartProbability: 0.25,
  proximityEveryMs: 1_000,
  nearHoldMs: 3_000,
  apartHoldMs: 4_000,
  maxPairsPerTag: 32,
  maxCouplesPerLook: 200_000,
  directMemoryMs: 10_000,
  maxDirectPairs: 50_000,

  forgetAfterMs: 30_000,
  forgetLocatedAfterMs: 120_000,
  maxTags: MAX_TAGS_PER_EVENT,
  maxCandidates: 200_000,
};
