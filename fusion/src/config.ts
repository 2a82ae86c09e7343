import { z } from "zod";
import { ConfigError, MAX_TAGS_PER_EVENT } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG, type FusionConfig } from "./core/fusion-config.ts";

const ms = (min: number, max: number) => z.number().int().min(min).max(max);
const share = z.number().min(0).max(1);
const dbm = z.number().min(-127).max(20);
const positive = (max: number) => z.number().positive().max(max);

/** What a venue may set otherwise, with its bounds; names, units and reasons are in core/fusion-config.ts. Absent: the default. */
const settings = {
  tickMs: ms(100, 5_000),
  maxLateMs: ms(0, 60_000),
  maxBatchMs: ms(100, 60_000),
  maxFutureMs: ms(0, 60_000),
  maxTagsRunAgain: z.number().int().min(0).max(100_000),
  processNoiseDb2PerS: positive(1_000),
  measurementNoiseDb2: positive(1_000),
  outlierSigmas: positive(100),
  linkGapMs: ms(1_000, 600_000),
  windowMs: ms(500, 60_000),
  minReadings: z.number().int().min(1).max(100),
  minGatewaysForCentroid: z.number().int().min(1).max(10),
  centroidDbPerDecade: positive(100),
  centroidFloor95M: positive(1_000),
  centroidSpreadShare: positive(10),
  floorLossDb: z.number().min(0).max(60),
  zoneEvidenceDb: positive(100),
  gatewayEvidenceShare: share,
  speedSigmaMps: positive(10),
  velocityMemoryMs: ms(100, 60_000),
  fixCorrelation: z.number().min(1).max(100),
  fixOutlierSigmas: positive(100),
  fixOutlierHoldMs: ms(0, 60_000),
  evidencePerS: positive(100),
  placeChangePerS: positive(10),
  priorRssiAt1mDbm: dbm,
  priorRssiAt1mSigmaDb: positive(50),
  priorPathLossExponent: z.number().min(1).max(6),
  priorPathLossExponentSigma: positive(3),
  leastPathLossExponent: z.number().min(0.5).max(4),
  priorWallLossDb: z.number().min(0).max(30),
  priorWallLossSigmaDb: positive(20),
  gatewayOffsetSigmaDb: positive(20),
  linkSigmaDb: positive(30),
  surveySigmaDb: positive(30),
  surveyCorrelationM: positive(100),
  surveySigmaShare: positive(2),
  surveyScatterM: positive(100),
  surveyScatterPackets: positive(10_000),
  surveyMemoryShare: positive(20),
  surveyBodyShare: z.number().min(0).max(10),
  surveyCallShare: positive(2),
  surveyVoteShare: z.number().min(0).max(5),
  surveySteadyVoteShare: z.number().min(0).max(5),
  surveyAheadMs: ms(0, 60_000),
  surveyChurnPerS: positive(2),
  surveyChurnMemoryMs: ms(1_000, 3_600_000),
  trendMemoryMs: ms(100, 60_000),
  surveyDrawShare: z.number().min(0).max(1),
  scarceDrawShare: z.number().min(0).max(1),
  surveyOffsetSigmaDb: positive(20),
  trafficGainNats: z.number().min(0).max(1_000),
  linkMemoryMs: ms(1_000, 86_400_000),
  tagHeightM: z.number().min(0).max(50),
  gatewayHeightM: z.number().min(0).max(50),
  overheadShare: positive(10),
  priorSensitivityDbm: dbm,
  hearingShare: z.number().min(0).max(0.999),
  hearingWidthDb: positive(30),
  listeningForMs: ms(0, 3_600_000),
  deadAfterMissedS: positive(3_600),
  wellHeardDb: z.number().min(0).max(60),
  weakSigmaDb: positive(30),
  strongSigmaDb: positive(30),
  tailDegrees: positive(1_000),
  lookMemoryMs: ms(1, 600_000),
  priorLookShare: positive(20),
  priorLookGateways: positive(1_000),
  silenceMemoryMs: ms(1, 600_000),
  beliefMemoryMs: ms(1, 3_600_000),
  bodySigmaDb: z.number().min(0).max(30),
  unheardAfterPackets: positive(100),
  unheardAfterLeastMs: ms(100, 60_000),
  unheardAfterMostMs: ms(100, 60_000),
  walkMps: positive(50),
  setOffPerS: positive(100),
  stopPerS: positive(100),
  strayShare: z.number().min(0).max(0.5),
  leastCellShare: z.number().min(0).max(0.5),
  maxActiveCells: z.number().int().min(10).max(100_000),
  tagOffsetSigmaDb: positive(30),
  tagOffsetPriorDb: z.number().min(-40).max(40),
  offsetLookKept: z.number().min(0).max(1),
  settledVarianceDb2: positive(1_000),
  gridRadiusScale: positive(10),
  gridRadiusFloorM: z.number().min(0).max(100),
  closeCallNats: z.number().min(0).max(20),
  doorCallNats: z.number().min(0).max(20),
  wallCallNats: z.number().min(0).max(20),
  strideMps: positive(10),
  youngVerdictMs: ms(1, 600_000),
  wallHoldMs: ms(0, 600_000),
  enterNatS: positive(100),
  floorNatShare: z.number().min(1).max(100),
  gatewayLeadNatsPerDb: z.number().min(0).max(1),
  gatewayLeadCapDb: positive(100),
  gatewayLeadMemoryMs: ms(1, 60_000),
  gatewayHandicapDb: z.number().min(0).max(100),
  enterBelief: z.number().min(0.5).max(1),
  enterHoldMs: ms(0, 60_000),
  floorHoldMs: ms(0, 60_000),
  dwellMs: ms(1_000, 86_400_000),
  nearProbability: z.number().gt(0).lt(1),
  apartProbability: z.number().gt(0).lt(1),
  proximityEveryMs: ms(100, 60_000),
  nearHoldMs: ms(0, 600_000),
  apartHoldMs: ms(0, 600_000),
  maxPairsPerTag: z.number().int().min(1).max(10_000),
  maxCouplesPerLook: z.number().int().min(1_000).max(100_000_000),
  directMemoryMs: ms(1_000, 600_000),
  maxDirectPairs: z.number().int().min(0).max(10_000_000),
  forgetAfterMs: ms(1_000, 3_600_000),
  forgetWeakAfterMs: ms(1_000, 3_600_000),
  forgetLocatedAfterMs: ms(1_000, 3_600_000),
  maxTags: z.number().int().min(1).max(MAX_TAGS_PER_EVENT),
  maxCandidates: z.number().int().min(1).max(10_000_000),
} satisfies Record<keyof FusionConfig, z.ZodType<number>>;

export const fusionSettingsSchema = z
  .object(settings)
  .partial()
  .strict()
  .transform((given) => ({ ...DEFAULT_FUSION_CONFIG, ...given }) as FusionConfig)
  .refine((config) => config.apartProbability < config.nearProbability, "apartProbability must be below nearProbability, or pairs flicker between near and apart")
  .refine((config) => config.forgetAfterMs > config.windowMs, "forgetAfterMs must be above windowMs, or tags are forgotten while they are heard");

/** Settings of a file to constants of the core. Throws `ConfigError` naming the first fault. */
export function parseFusionSettings(json: unknown, fileName: string): FusionConfig {
  const result = fusionSettingsSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(`${fileName}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "is not a set of fusion settings"} (names, units and reasons: fusion/src/core/fusion-config.ts)`);
}
