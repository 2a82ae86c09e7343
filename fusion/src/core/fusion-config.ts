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
  /** What comes later than this, or was older when it was sent, is refused; what comes sooner is put where it belongs. */
  maxLateMs: number;
  /** Gateways send what they heard within this. What is older when it is sent waited in a spool, and was due so long after it was heard. */
  maxBatchMs: number;
  /** A gateway cannot have heard what it has not yet sent; this much is forgiven to its rounding. */
  maxFutureMs: number;

  /** Up to so many tags a late report takes all of them back and runs them again, 30 us a tag and tick; above, only those that it is about. */
  maxTagsRunAgain: number;

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

  // radio model: priors of everything that is calibrated
  /** Level of a gateway's or a tag's advertisement at 1 m: -59 dBm is 0 dBm of power; -18 to +3 dBm and cases make it wide. */
  priorRssiAt1mDbm: number;
  priorRssiAt1mSigmaDb: number;
  /** Free space, walls counted apart (COST 231, 4.7.2). Surveys of a hall and a flat gave 1.7 and 1.2 beside their walls. */
  priorPathLossExponent: number;
  priorPathLossExponentSigma: number;
  /** COST 231 (4.7.2): 3.4 dB a light wall, 6.9 dB a heavy one. */
  priorWallLossDb: number;
  priorWallLossSigmaDb: number;
  /** …and so much more if none of the gateways' links were heard, in proportion if some are (docs/decisions/0160). */
  unheardWallDb: number;
  /** Receivers of one kind differ by a few dB (5 dB between extremes in the hall of Danis et al. 2022). */
  gatewayOffsetSigmaDb: number;
  /** What furniture makes of a fixed link, beyond the model. */
  linkSigmaDb: number;
  /** What a survey finds beyond the law of distance: its spread, and how far it reaches. */
  surveySigmaDb: number;
  surveyCorrelationM: number;
  /** Scatter around a radio map against scatter around a law of distance: shadows are known. */
  surveySigmaShare: number;
  /** How scattered levels are differs from place to place: the survey's packets within this tell… */
  surveyScatterM: number;
  /** …beside so many that scatter as everywhere. */
  surveyScatterPackets: number;
  /** A belief lasts longer by this, and silence counts rarer: what looks have in common, the shadows of a place, a radio map knows. */
  surveyMemoryShare: number;
  /** Of bodySigmaDb: beside a radio map's levels the body is told from place more often. */
  surveyBodyShare: number;
  /** A change of zone is told on so much of the usual evidence: known shadows leave less doubt. */
  surveyCallShare: number;
  /** And spots of the survey that sound like the tag count so much of what the posterior counts… */
  surveyVoteShare: number;
  /** …if their votes are steady, up to so much… */
  surveySteadyVoteShare: number;
  /** …and then zones are told so far ahead of the belief, which lags by its memory. */
  surveyAheadMs: number;
  /** Half steady: such a share of the votes goes over to other places in a second, over… */
  surveyChurnPerS: number;
  /** …so long. */
  surveyChurnMemoryMs: number;
  /** A position is drawn so far towards those spots; without a survey, where four gateways watch an open floor, so far towards the documents' centroid. */
  surveyDrawShare: number;
  scarceDrawShare: number;
  /** Over which the trend of what is said for a zone is taken. */
  trendMemoryMs: number;
  /** A tag against the surveyor's. */
  surveyOffsetSigmaDb: number;
  /** What traffic tells of the gateways is believed when what was held back became likelier by so much, in nats a snapshot. */
  trafficGainNats: number;
  /** A link that was not heard for this long is not there any more. */
  linkMemoryMs: number;
  /** Heights where the map names none: a badge, and a gateway on a wall. */
  tagHeightM: number;
  gatewayHeightM: number;
  /** Upright antennas radiate sideways: who stands below a gateway hears it as if it hung so many times as high. */
  overheadShare: number;
  /** What a gateway hears at its weakest, before it has shown better. */
  priorSensitivityDbm: number;
  /** A tag well within reach is heard with this probability before its silence speaks… */
  hearingShare: number;
  /** …and the chance falls over this many dB around the sensitivity: body, fading and interval are unknown. */
  hearingWidthDb: number;
  /** A gateway that heard nobody for so long may be dead: its silence is no evidence. */
  listeningForMs: number;
  /** Or not, as long as no tag that it should hear well was this long near it, all tags together. */
  deadAfterMissedS: number;
  /** Well heard: this much above the sensitivity. */
  wellHeardDb: number;

  // grid-filter
  /** Student's t of levels: scale and degrees of freedom. */
  levelSigmaDb: number;
  tailDegrees: number;
  /** Shadowing and the wearer's body stay as they are for so long: looks nearer in time share their error and count for less. */
  lookMemoryMs: number;
  /** While nothing is calibrated the model's own error lasts too: times so much… */
  priorLookShare: number;
  /** …and is common to all gateways: more than these say no more together. */
  priorLookGateways: number;
  /** The same for silence, which says less. */
  silenceMemoryMs: number;
  /** How long a belief lasts that nothing new confirms: shadowing does not average out by standing still. */
  beliefMemoryMs: number;
  /** What a wearer's body takes on one side and not on the other, where four gateways watch an open floor: 10 to 15 dB from back to front have a sigma of 4 to 5, and last for several looks. With eight and more it is not told from other scatter. */
  bodySigmaDb: number;
  /** A link speaks as unheard when so many packets are missing, at the pace of the link that hears the tag most often… */
  unheardAfterPackets: number;
  /** …but no sooner and no later. */
  unheardAfterLeastMs: number;
  unheardAfterMostMs: number;
  walkMps: number;
  /** Who stands sets off, and who walks stops, this often. */
  setOffPerS: number;
  stopPerS: number;
  /** Mass that is always in play around the loudest gateway, per tick: the way back of a filter that is lost. */
  strayShare: number;
  /** Cells with less than this share of the likeliest one are let go. */
  leastCellShare: number;
  maxActiveCells: number;
  /** A tag's own power, before anything is known of it: bodies and products. */
  tagOffsetSigmaDb: number;
  tagOffsetPriorDb: number;
  /** What stays of the evidence for a tag's offset from one look to the next: batteries, pockets. */
  offsetLookKept: number;
  /** Variance of a link that is heard steadily: what is above it is uncertainty that counts. */
  settledVarianceDb2: number;
  /** accuracy95M = hypot(scale * radius of the posterior, floor); the scale grows with the fourth root of scarcity (calibration.ts). */
  gridRadiusScale: number;
  gridRadiusFloorM: number;
  /** Times so much as the links between gateways leave unexplained beyond this (calibration.doubt). */
  usualResidualDb: number;

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
  /** Of a posterior over the grid: a challenger that outweighs the verdict by less than this is no challenger… */
  closeCallNats: number;
  /**
   * …out of a room by less than this while one stands in it, and straight into the next one past the corridor between; into a room
   * by so much more for one who stands: nobody goes in without walking (docs/decisions/0162)…
   */
  wallCallNats: number;
  /** …unless the verdict is doubted for so long, be it for one room or for two in turn… */
  doorHoldMs: number;
  /** …and more must add up to this over time: a clear case at the next tick (docs/decisions/0065). */
  enterNatS: number;
  /** Who walks this fast needs no more evidence to have left a room; who is slower, in proportion. */
  strideMps: number;
  /** A verdict that is doubted for so long gives way after all, however they went. */
  wallHoldMs: number;
  /** A verdict that goes back to the place before has flapped: so much more is asked of the next ones, after a stay of nothing… */
  flapNats: number;
  /** …a third of it after a stay of this… */
  flapStayMs: number;
  /** …and a third of it when this has passed. */
  flapMemoryMs: number;
  /** Times so much across floors. */
  floorNatShare: number;
  /** The same across floors, where a mistake is dearer. */
  floorHoldMs: number;
  /** A stay this long is told as `dwell`, once. */
  dwellMs: number;

  // gateway-leads
  /** What a decibel says that a zone's own gateway hears the tag louder than all others: fitted to 36 simulated offices at four powers (docs/decisions/0115). */
  gatewayLeadNatsPerDb: number;
  /** More than this is not believed more: packets fade by it, and who is not heard at all is no farther off. */
  gatewayLeadCapDb: number;
  /** And how long a lead lasts: bodies turn, levels fade. */
  gatewayLeadMemoryMs: number;
  /** By so much a zone's own gateway may be weaker and yet speak for it, against floor that has none. */
  gatewayHandicapDb: number;

  // proximity
  /** Two are near when they are within 2 m with this probability for nearHoldMs… */
  nearProbability: number;
  /** …and apart when with at most this one for apartHoldMs. Between the two nothing changes. */
  apartProbability: number;
  /** People's distances are looked at this often. */
  proximityEveryMs: number;
  nearHoldMs: number;
  apartHoldMs: number;
  /** Others that one tag is compared with in a crowd, and is near; further ones are skipped and counted. 1 to 2 µs a look, 150 B each that is near. */
  maxPairsPerTag: number;
  /** Couples visited in one look over the whole venue, about 1 µs each: beyond 12,500 people each is compared with fewer others. */
  maxCouplesPerLook: number;
  /** What one phone heard of another directly counts for this long. */
  directMemoryMs: number;
  /** Such pairs that are kept at once, 250 B each. */
  maxDirectPairs: number;

  // silence and bounds
  /** A tag silent for this long leaves its zone and is forgotten… */
  forgetAfterMs: number;
  /** …one that often pauses, being weak or sending rarely, after three times its longest pause of late, at most this. */
  forgetWeakAfterMs: number;
  /** The same for tags that other technologies locate: a phone at rest may report once a minute (requirement B3). */
  forgetLocatedAfterMs: number;
  /** 14 KB each that eight gateways hear (docs/decisions/0163), 3.6 KB more in a crush of 64 pairs [measured, 20,000 tags]; further tags are refused with TAG_LIMIT. */
  maxTags: number;
  /** Tags heard fewer than three times, 300 B each; the oldest makes room. As many that fell silent in the last ten minutes. */
  maxCandidates: number;
}

export const DEFAULT_FUSION_CONFIG: FusionConfig = {
  tickMs: 500,

  maxLateMs: 10_000,
  maxBatchMs: 1_000,
  maxFutureMs: 1_000,
  maxTagsRunAgain: 4_000,

  processNoiseDb2PerS: 40,
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

  priorRssiAt1mDbm: -60,
  priorRssiAt1mSigmaDb: 10,
  priorPathLossExponent: 2,
  priorPathLossExponentSigma: 0.35,
  priorWallLossDb: 5,
  priorWallLossSigmaDb: 2,
  unheardWallDb: 4,
  gatewayOffsetSigmaDb: 2.5,
  linkSigmaDb: 6,
  surveySigmaDb: 5,
  surveyCorrelationM: 3,
  surveySigmaShare: 0.8,
  surveyScatterM: 2,
  surveyScatterPackets: 20,
  surveyMemoryShare: 3.5,
  surveyBodyShare: 0.4,
  surveyCallShare: 0.8,
  surveyVoteShare: 0.4,
  surveySteadyVoteShare: 1,
  surveyAheadMs: 4_000,
  surveyChurnPerS: 0.05,
  surveyChurnMemoryMs: 30_000,
  trendMemoryMs: 2_000,
  surveyDrawShare: 0.12,
  scarceDrawShare: 0.2,
  surveyOffsetSigmaDb: 1,
  trafficGainNats: 0.05,
  linkMemoryMs: 300_000,
  tagHeightM: 1.2,
  gatewayHeightM: 2,
  overheadShare: 1.7,
  priorSensitivityDbm: -91,
  hearingShare: 0.95,
  hearingWidthDb: 3.5,
  listeningForMs: 15_000,
  deadAfterMissedS: 20,
  wellHeardDb: 10,

  levelSigmaDb: 6,
  tailDegrees: 6,
  lookMemoryMs: 350,
  priorLookShare: 1.5,
  priorLookGateways: 6,
  silenceMemoryMs: 1_000,
  beliefMemoryMs: 1_500,
  bodySigmaDb: 10,
  unheardAfterPackets: 4,
  unheardAfterLeastMs: 2_500,
  unheardAfterMostMs: 6_000,
  walkMps: 2.4,
  setOffPerS: 1,
  stopPerS: 0.2,
  strayShare: 0.001,
  leastCellShare: 0.001,
  maxActiveCells: 1_500,
  tagOffsetSigmaDb: 7,
  tagOffsetPriorDb: -3,
  offsetLookKept: 0.97,
  settledVarianceDb2: 18,
  gridRadiusScale: 0.75,
  gridRadiusFloorM: 1.8,
  usualResidualDb: 5,

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
  closeCallNats: 0.8,
  doorHoldMs: 3_000,
  wallCallNats: 2.5,
  strideMps: 1,
  wallHoldMs: 15_000,
  flapNats: 2,
  flapStayMs: 10_000,
  flapMemoryMs: 30_000,
  enterNatS: 0.4,
  floorNatShare: 6,
  dwellMs: 60_000,

  gatewayLeadNatsPerDb: 0.06,
  gatewayLeadCapDb: 12,
  gatewayLeadMemoryMs: 4_000,
  gatewayHandicapDb: 6,

  nearProbability: 0.6,
  apartProbability: 0.2,
  proximityEveryMs: 1_000,
  nearHoldMs: 2_000,
  apartHoldMs: 2_000,
  maxPairsPerTag: 32,
  maxCouplesPerLook: 200_000,
  directMemoryMs: 10_000,
  maxDirectPairs: 50_000,

  forgetAfterMs: 30_000,
  forgetWeakAfterMs: 60_000,
  forgetLocatedAfterMs: 120_000,
  maxTags: MAX_TAGS_PER_EVENT,
  maxCandidates: 200_000,
};
