import { z } from "zod";
import { ConfigError, idSchema, jsonOfFile, type GatewayId, type VenueMap } from "@konferenco/protocol";
import { newRandom } from "./random.ts";

/**
 * What goes wrong at real venues, on purpose and repeatably. Times are seconds of the simulation.
 * Without `gatewayId` a fault concerns all gateways. Format: docs/run-a-simulation.md.
 */
export const faultSchema = z.discriminatedUnion("fault", [
  /** Power cut: the connection breaks without a word, the last will speaks, then it boots again and counts from 0. */
  z.strictObject({ fault: z.literal("gateway-down"), gatewayId: idSchema, fromS: z.number().min(0), untilS: z.number().min(0).optional() }),
  /** A clock that is wrong and runs wrong; a Pi without network time drifts by up to 100 ppm. */
  z.strictObject({ fault: z.literal("clock"), gatewayId: idSchema.optional(), offsetMs: z.number().default(0), driftPpm: z.number().min(-1_000).max(1_000).default(0) }),
  /** This share of reports arrives twice. */
  z.strictObject({ fault: z.literal("duplicate"), gatewayId: idSchema.optional(), share: z.number().min(0).max(1) }),
  /** This share of reports is held back so long, and overtaken by later ones. */
  z.strictObject({ fault: z.literal("late"), gatewayId: idSchema.optional(), share: z.number().min(0).max(1), byMs: z.number().min(0).max(60_000) }),
]);
export type Fault = z.infer<typeof faultSchema>;

export const faultPlanSchema = z.array(faultSchema).max(1_000);

export interface Faults {
  isDown(gatewayId: GatewayId, atMs: number): boolean;
  /** What the gateway's clock is off at that time. */
  clockErrorMs(gatewayId: GatewayId, atMs: number): number;
  /** When each copy of a report goes out, as delays: `[0]` is a report without fault. Depends on gateway and number only. */
  copies(gatewayId: GatewayId, reportNumber: number): number[];
}

export const NO_FAULTS: Faults = { isDown: () => false, clockErrorMs: () => 0, copies: () => [0] };

export function newFaults(plan: readonly Fault[], venue: VenueMap, seed: string | number): Faults {
  const known = new Set(venue.gateways.map((gateway) => gateway.gatewayId));
  for (const fault of plan) {
    if (fault.gatewayId !== undefined && !known.has(fault.gatewayId)) {
      throw new ConfigError(`the fault plan names gateway "${fault.gatewayId}", which the venue does not have (${[...known].slice(0, 3).join(", ")} …)`);
    }
  }
  const dice = newRandom(`faults/${seed}`);
  const of = (gatewayId: GatewayId): readonly Fault[] => plan.filter((fault) => fault.gatewayId === undefined || fault.gatewayId === gatewayId);
  const byGateway = new Map([...known].map((gatewayId) => [gatewayId, of(gatewayId)]));
  return {
    isDown: (gatewayId, atMs) =>
      (byGateway.get(gatewayId) ?? []).some((fault) => fault.fault === "gateway-down" && atMs >= fault.fromS * 1_000 && atMs < (fault.untilS ?? Infinity) * 1_000),
    clockErrorMs: (gatewayId, atMs) =>
      (byGateway.get(gatewayId) ?? []).reduce((sum, fault) => (fault.fault === "clock" ? sum + fault.offsetMs + (atMs * fault.driftPpm) / 1e6 : sum), 0),
    copies(gatewayId, reportNumber) {
      const faults = byGateway.get(gatewayId) ?? [];
      if (faults.length === 0) return [0];
      const own = dice.fork(`${gatewayId}/${reportNumber}`);
      const delaysMs = [0];
      for (const fault of faults) {
        if (fault.fault === "late" && own.next() < fault.share) delaysMs[0] = (delaysMs[0] as number) + fault.byMs;
        if (fault.fault === "duplicate" && own.next() < fault.share) delaysMs.push(0);
      }
      return delaysMs;
    },
  };
}

/** Reads a fault plan: a JSON array. */
export function parseFaultPlan(text: string, fileName: string): Fault[] {
  let json: unknown;
  try {
    json = jsonOfFile(text);
  } catch (error) {
    throw new ConfigError(`${fileName} is not JSON: ${(error as Error).message}`);
  }
  const result = faultPlanSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(`${fileName} is not a fault plan: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (format: docs/run-a-simulation.md)`);
}
