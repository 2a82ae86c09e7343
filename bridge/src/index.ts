export { openBridge } from "./bridge.ts";
export { DEFAULT_LIMITS } from "./config.ts";
export type { Bearer, Bridge, BridgeConfig, BridgeLimits, BridgeStats, LaneName, Login } from "./config.ts";
export { newExposition, type Exposition } from "./metrics.ts";
export { VIEWER_ROLES, compilePolicy, levelFor, type Holder, type SubjectPolicy, type Viewer, type ViewerRole } from "./core/privacy-policy.ts";
export { projectUpdate, type Projection, type VisibleUpdate } from "./core/privacy.ts";
export * from "./pinboard/index.ts";
export * from "./registry/index.ts";
