export { openRedisPinboard } from "./redis-pinboard.ts";
export { newInProcessPinboard } from "./in-process-pinboard.ts";
export type { Pinboard, Tally } from "./pinboard.ts";
