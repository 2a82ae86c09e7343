// the pure core
export { newPipeline, type CalibrationLink, type FusionOutput, type Pipeline, type PipelineCounts } from "./core/pipeline.ts";
export { DEFAULT_FUSION_CONFIG, type FusionConfig } from "./core/fusion-config.ts";
export { acceptReport, newAcceptor, type AcceptedReport, type Acceptor, type Observation } from "./core/accept.ts";
export type { DirectSighting, PairState } from "./core/proximity.ts";
export type { Fix, ZoneEvidence } from "./core/fix.ts";
export { accessPointsOfZones, type AccessPoint } from "./core/wifi-fix.ts";
// the service around it
export { fusionSettingsSchema, parseFusionSettings } from "./config.ts";
export { openFusionService, type FusionMessage, type FusionService, type FusionServiceConfig, type FusionStats } from "./fusion-service.ts";
export { openMqttSource, type MqttSource, type MqttSourceOptions } from "./mqtt-source.ts";
// the store
export * from "./store/index.ts";
