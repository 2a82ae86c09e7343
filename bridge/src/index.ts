export { openBridge } from "./bridge.ts";
export { DEFAULT_LIMITS } from "./config.ts";
export type { Bearer, Bridge, BridgeConfig, BridgeLimits, BridgeStats, LaneName, Login } from "./config.ts";
export { VIEWER_ROLES } from "./core/privacy.ts";
export type { ViewerRole } from "./core/privacy.ts";
export * from "./registry/index.ts";
