import type { Bridge, BridgeConfig } from "./config.ts";

export async function openBridge(config: BridgeConfig): Promise<Bridge> {
  throw new Error(`the bridge of ${config.eventId} is being built`);
}
