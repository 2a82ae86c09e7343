export { openBridge } from "./bridge.ts";
export { DEFAULT_LIMITS } from "./config.ts";
export type { Bearer, Bridge, BridgeConfig, BridgeLimits, BridgeStats, LaneName, Login } from "./config.ts";
export { newExposition, type Exposition } from "./metrics.ts";
export { VIEWER_ROLES } from "./core/privacy.ts";
export { compilePolicy, levelFor, projectUpdate } from "./core/privacy.ts";
export type { Holder, Projection, SubjectPolicy, Viewer, ViewerRole, VisibleUpdate } from "./core/privacy.ts";
export * from "./pinboard/index.ts";
export * from "./registry/index.ts";
