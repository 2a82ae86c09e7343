import { z } from "zod";
import { ConfigError } from "./errors.ts";
import { depthInZoneM, polygonCentre } from "./geometry.ts";
import { jsonOfFile } from "./json-file.ts";
import { MAX_GATEWAYS_PER_VENUE, MAX_ZONES_PER_VENUE } from "./limits.ts";
import { idSchema } from "./sensors.ts";

const metre = z.number().finite().min(-100_000).max(100_000);
const floorNumber = z.number().int().min(-50).max(500);
const point = z.tuple([metre, metre]);

const zoneSchema = z
  .object({
    zoneId: idSchema,
    name: z.string().min(1).max(120).optional(),
    /** What is not said to be anything else has walls. */
    kind: z.string().min(1).max(40).default("room"),
    floor: floorNumber,
    /** A zone is the union of its polygons, in metres of the venue frame; they may overlap or leave gaps. None: the zone is its gateways. */
    polygons: z.array(z.array(point).min(3).max(1_000)).max(200).default([]),
  })
  .transform(({ zoneId, name = zoneId, ...zone }) => ({ zoneId, name, ...zone }));
export type Zone = z.infer<typeof zoneSchema>;

const gatewaySchema = z.object({
  gatewayId: idSchema,
  /** Absent where nothing is drawn and no gateway has one: zones need no place. */
  xM: metre.optional(),
  yM: metre.optional(),
  /** Height above its floor. */
  zM: metre.optional(),
  floor: floorNumber,
  /** Absent: the one that it hangs in. */
  zoneId: idSchema.optional(),
});

const venueFileSchema = z.object({
  venueId: idSchema,
  name: z.string().max(120).optional(),
  direction: z.enum(["gateways-hear-tags", "tags-hear-gateways"]).default("gateways-hear-tags"),
  /** Where the venue frame's (0, 0) lies and how its y axis is turned from north, clockwise. Needed for GPS only. */
  origin: z.object({ lat: z.number().min(-85).max(85), lon: z.number().min(-180).max(180), bearingDeg: z.number().default(0) }).optional(),
  floors: z
    .array(z.object({ floor: floorNumber, name: z.string().max(80).optional() }).transform(({ floor, name = `Floor ${floor}` }) => ({ floor, name })))
    .max(100)
    .default([]),
  zones: z.array(zoneSchema).max(MAX_ZONES_PER_VENUE).default([]),
  gateways: z.array(gatewaySchema).max(MAX_GATEWAYS_PER_VENUE).default([]),
  tags: z.array(z.object({ tagId: idSchema, zM: metre.optional() })).default([]),
  /** Segments [x0M, y0M, x1M, y1M] and, where there are several floors, the floor as a fifth number. */
  walls: z.array(z.union([z.tuple([metre, metre, metre, metre]), z.tuple([metre, metre, metre, metre, floorNumber])])).max(20_000).default([]),
  /** For people; notes of another shape are nobody's here. */
  notes: z.string().max(10_000).optional().catch(undefined),
});

/** Reads a map and fills in what follows from the rest: floors, names, kinds, and the zones that gateways hang in. Null is as good as absent. */
export const venueMapSchema = z
  .preprocess(withoutNulls, venueFileSchema)
  .transform((venue, context) => {
    const isPlaced = venue.zones.some(({ polygons }) => polygons.length > 0) || venue.gateways.some(({ xM, yM }) => xM !== undefined || yM !== undefined);
    const gateways = venue.gateways.map(({ xM, yM, ...rest }) => {
      if (isPlaced && (xM === undefined || yM === undefined)) context.addIssue({ code: "custom", path: ["gateways"], message: `gateway "${rest.gatewayId}" needs xM and yM: a map without polygons does without, if no gateway has any` });
      const gateway = { ...rest, xM: xM ?? 0, yM: yM ?? 0 };
      const zoneId = gateway.zoneId ?? zoneAround(venue.zones, gateway);
      if (zoneId === null) context.addIssue({ code: "custom", path: ["gateways"], message: `gateway "${gateway.gatewayId}" hangs in no zone of floor ${gateway.floor}: name its zoneId` });
      return { ...gateway, zoneId: zoneId ?? "" };
    });
    const floors = venue.floors.length > 0 ? venue.floors : [...new Set([...venue.zones, ...gateways].map(({ floor }) => floor))].sort((a, b) => a - b).map((floor) => ({ floor, name: `Floor ${floor}` }));
    if (floors.length === 0) context.addIssue({ code: "custom", path: ["floors"], message: "name at least one floor" });
    return { ...venue, floors, gateways };
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

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, withoutNulls(member)]])));
}

/** Gateways hang on walls, which are nobody's. */
const ON_THE_WALL_M = 1;

/** The smallest zone that holds a point, or else the nearest one on whose wall it may be. */
function zoneAround(zones: readonly Zone[], point: { xM: number; yM: number; floor: number }): string | null {
  const near = zones
    .map((zone) => ({ zoneId: zone.zoneId, outsideM: Math.max(0, -depthInZoneM(point, zone)), areaM2: zone.polygons.reduce((sum, polygon) => sum + polygonCentre(polygon).areaM2, 0) }))
    .filter(({ outsideM }) => outsideM <= ON_THE_WALL_M)
    .sort((a, b) => a.outsideM - b.outsideM || a.areaM2 - b.areaM2);
  return near[0]?.zoneId ?? null;
}

/** A venue: floors, zones, gateways, walls. Lengths in metres of one venue frame shared by all floors. */
export type VenueMap = z.infer<typeof venueMapSchema>;
export type Gateway = VenueMap["gateways"][number];

/** Reads a venue map from the text of a file. Throws `ConfigError` naming the first fault. */
export function parseVenueMap(text: string, fileName: string): VenueMap {
  let json: unknown;
  try {
    json = jsonOfFile(text);
  } catch (error) {
    throw new ConfigError(`${fileName} is not JSON: ${(error as Error).message}`);
  }
  const result = venueMapSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(`${fileName} is not a venue map: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (format: docs/venue-map.md)`);
}
