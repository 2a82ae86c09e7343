import { z } from "zod";
import { ConfigError } from "./errors.ts";
import { MAX_GATEWAYS_PER_VENUE, MAX_ZONES_PER_VENUE } from "./limits.ts";
import { idSchema } from "./sensors.ts";

const metre = z.number().finite().min(-100_000).max(100_000);
const floorNumber = z.number().int().min(-50).max(500);
const point = z.tuple([metre, metre]);

export const zoneSchema = z.object({
  zoneId: idSchema,
  name: z.string().min(1).max(120),
  kind: z.string().min(1).max(40),
  floor: floorNumber,
  /** A zone is the union of its polygons, in metres of the venue frame; they may overlap or leave gaps. None: the zone is its gateways. */
  polygons: z.array(z.array(point).min(3).max(1_000)).max(200).default([]),
});
export type Zone = z.infer<typeof zoneSchema>;

export const gatewaySchema = z.object({
  gatewayId: idSchema,
  xM: metre,
  yM: metre,
  /** Height above its floor. */
  zM: metre.optional(),
  floor: floorNumber,
  zoneId: idSchema,
});
export type Gateway = z.infer<typeof gatewaySchema>;

export const venueMapSchema = z
  .object({
    venueId: idSchema,
    name: z.string().max(120).optional(),
    direction: z.enum(["gateways-hear-tags", "tags-hear-gateways"]).default("gateways-hear-tags"),
    /** Where the venue frame's (0, 0) lies and how its y axis is turned from north, clockwise. Needed for GPS only. */
    origin: z.object({ lat: z.number().min(-85).max(85), lon: z.number().min(-180).max(180), bearingDeg: z.number().default(0) }).optional(),
    floors: z.array(z.object({ floor: floorNumber, name: z.string().max(80) })).min(1).max(100),
    zones: z.array(zoneSchema).max(MAX_ZONES_PER_VENUE).default([]),
    gateways: z.array(gatewaySchema).max(MAX_GATEWAYS_PER_VENUE).default([]),
    tags: z.array(z.object({ tagId: idSchema, zM: metre.optional() })).default([]),
    /** Segments [x0M, y0M, x1M, y1M] and, where there are several floors, the floor as a fifth number. */
    walls: z.array(z.union([z.tuple([metre, metre, metre, metre]), z.tuple([metre, metre, metre, metre, floorNumber])])).max(20_000).default([]),
    notes: z.string().max(10_000).optional(),
  })
  .superRefine((venue, context) => {
    const zoneIds = new Set<string>();
    for (const zone of venue.zones) {
      if (zoneIds.has(zone.zoneId)) context.addIssue({ code: "custom", path: ["zones"], message: `zone "${zone.zoneId}" is there twice` });
      zoneIds.add(zone.zoneId);
    }
    const gatewayIds = new Set<string>();
    for (const gateway of venue.gateways) {
      if (gatewayIds.has(gateway.gatewayId)) {
        context.addIssue({ code: "custom", path: ["gateways"], message: `gateway "${gateway.gatewayId}" is there twice` });
      }
      gatewayIds.add(gateway.gatewayId);
      if (!zoneIds.has(gateway.zoneId)) {
        context.addIssue({ code: "custom", path: ["gateways"], message: `gateway "${gateway.gatewayId}" stands in zone "${gateway.zoneId}", which the map does not have` });
      }
    }
  });

/** A venue: floors, zones, gateways, walls. Lengths in metres of one venue frame shared by all floors. */
export type VenueMap = z.infer<typeof venueMapSchema>;

/** Reads a venue map from the text of a file. Throws `ConfigError` naming the first fault. */
export function parseVenueMap(text: string, fileName: string): VenueMap {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${fileName} is not JSON: ${(error as Error).message}`);
  }
  const result = venueMapSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(`${fileName} is not a venue map: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (format: docs/venue-map.md)`);
}
