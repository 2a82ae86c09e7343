import { z } from "zod";
import { depthInZoneM, type FloorPoint } from "./geometry.ts";
import { APP_CHANNEL_PATTERN } from "./message-types.ts";
import { idSchema } from "./sensors.ts";
import type { Zone } from "./venue.ts";

/**
 * A region that applications care about (requirement B10): some zones, or a circle. Regions may overlap and a
 * person is in several at once, unlike zones. One that names a channel is how that channel is found nearby.
 */
export const regionSchema = z.object({
  regionId: idSchema,
  name: z.string().min(1).max(120),
  area: z.union([
    z.object({ zoneIds: z.array(idSchema).min(1).max(200) }),
    z.object({ xM: z.number().finite(), yM: z.number().finite(), floor: z.number().int(), radiusM: z.number().positive().max(100_000) }),
  ]),
  /** The application channel `app:<channelId>` of the region, and whether whoever enters joins it unasked. */
  channelId: idSchema
    .refine((channelId) => APP_CHANNEL_PATTERN.test(`app:${channelId}`), { message: "1-60 of A-Z a-z 0-9 . _ : -" })
    .nullable()
    .default(null),
  autoJoin: z.boolean().default(false),
  topics: z.array(z.string().max(120)).max(32).default([]),
  /** Transmitters by which a phone finds the channel: BSSIDs, or ids of fixed beacons. */
  signals: z.array(z.string().max(64)).max(200).default([]),
});
export type Region = z.infer<typeof regionSchema>;

/** Metres into the region (positive) or away from it (negative); -Infinity on another floor. */
export function depthInRegionM(point: FloorPoint, region: Pick<Region, "area">, zoneOf: (zoneId: string) => Zone | undefined): number {
  const { area } = region;
  if ("radiusM" in area) return area.floor === point.floor ? area.radiusM - Math.hypot(point.xM - area.xM, point.yM - area.yM) : -Infinity;
  return area.zoneIds.reduce((bestM, zoneId) => {
    const zone = zoneOf(zoneId);
    return zone === undefined ? bestM : Math.max(bestM, depthInZoneM(point, zone));
  }, -Infinity);
}
