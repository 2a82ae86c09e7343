// the pure core
export { newPipeline, type CalibrationLink, type FusionOutput, type Pipeline, type PipelineCounts, type PipelineOptions } from "./core/pipeline.ts";
export { DEFAULT_FUSION_CONFIG, type FusionConfig } from "./core/fusion-config.ts";
export { acceptReport, newAcceptor, type AcceptedReport, type Acceptor, type Observation } from "./core/accept.ts";
export type { DirectSighting, PairState } from "./core/proximity.ts";
export type { Fix, ZoneEvidence } from "./core/fix.ts";
export { accessPointsOfZones, type AccessPoint } from "./core/wifi-fix.ts";
export { parseWifiSurvey, surveyOfRows, type SurveyRow, type WifiSurvey } from "./core/wifi-survey.ts";
export { buildWifiModel, fingerprintFor, formatWifiModel, parseWifiModel, type WifiFigures, type WifiModel, type WifiReport } from "./core/wifi-model.ts";
export { SOURCE_WEIGHTS, fixOfSighting, fuseFixes, type FusedFix } from "./core/fuse-fixes.ts";
export { newWifiKnn } from "./core/wifi-knn.ts";
export { summarise } from "./core/wifi-posterior.ts";
export type { CalibrationState } from "./core/calibration.ts";
export { MIN_SURVEY_SPOTS, type SurveyPoint } from "./core/radio-map.ts";
// its parts, for benches
export { locateByBeacons } from "./core/beacon-fix.ts";
export { newCalibration } from "./core/calibration.ts";
export { newGridFilter, type Belief, type Hearing } from "./core/grid-filter.ts";
export { newTagOffset } from "./core/tag-offset.ts";
export { newVenueGrid } from "./core/venue-grid.ts";
export { indexVenue } from "./core/venue-index.ts";
// the service around it
export { fusionSettingsSchema, parseFusionSettings } from "./config.ts";
export { openFusionService, type FusionService, type FusionServiceConfig, type FusionStats } from "./fusion-service.ts";
export type { FusionMessage, FusionStages } from "./message-intake.ts";
export { openMqttSource, type MqttSource, type MqttSourceOptions } from "./mqtt-source.ts";
export { ephemeralId, newRotatingTags, parseTagKeys, type RotatingTags, type TagKeys } from "./rotating-tags.ts";
// the store
export * from "./store/index.ts";
