// the gateway
export { openGatewayAgent, GATEWAY_VERSION, type GatewayAgent, type GatewayAgentParts, type GatewayStats } from "./gateway-agent.ts";
export { gatewayConfigOf, gatewaySettingsSchema, parseSettings, readGatewayConfig, SETTINGS_TEMPLATE, type GatewayConfig, type GatewaySettings } from "./config.ts";
export { gatewayCommand, type CommandSurroundings, type ExitCode } from "./command.ts";
// its radio, for sources of one's own
export { BleUnavailable, type Advertisement, type BleCounts, type BleHandlers, type BleSource, type BleState } from "./ble-source.ts";
export { newNobleSource, type NobleSourceConfig } from "./noble-source.ts";
export type { WifiCounts, WifiScanner } from "./wifi-scanner.ts";
// what is on the air
export { parseAdvertisement, type BeaconFrame, type ParsedAdvertisement } from "./advertisement.ts";
export { eventIdentity, GATEWAY_MAJOR, newEnrolmentTable, tagOfAdvertisement, type Enrolment, type EnrolmentTable, type EventIdentity } from "./tag-id.ts";
export type { PublisherCounts, PublisherLimits } from "./publisher.ts";
