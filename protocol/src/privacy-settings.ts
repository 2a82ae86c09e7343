import { z } from "zod";

/** How precisely a person's whereabouts are shown, from nothing to everything (requirement D1). */
export const LEVELS = ["hidden", "venue", "zone", "precise"] as const;
export type Level = (typeof LEVELS)[number];

/** Who would see it (requirement D2). `self` always sees everything of itself. */
export const AUDIENCES = ["connections", "attendees", "exhibitors", "speakers", "staff"] as const;
export type Audience = (typeof AUDIENCES)[number];

export const levelSchema = z.enum(LEVELS);

/** The smaller of two levels: what may be shown when both have a say. */
export function minLevel(a: Level, b: Level): Level {
  return LEVELS.indexOf(a) <= LEVELS.indexOf(b) ? a : b;
}

/** A person's own privacy settings. Defaults are requirement D1-D5's; audience levels are capped by `level`. */
export const privacySettingsSchema = z.object({
  level: levelSchema.default("zone"),
  audiences: z
    .object({
      connections: levelSchema.default("precise"),
      attendees: levelSchema.default("zone"),
      exhibitors: levelSchema.default("hidden"),
      speakers: levelSchema.default("zone"),
      staff: levelSchema.default("zone"),
    })
    .prefault({}),
  discoverability: z.enum(["public", "connections", "requests", "hidden"]).default("requests"),
  /** Alerts when somebody comes near: both people must have it on. */
  proximityAlerts: z.boolean().default(false),
  doNotDisturb: z.boolean().default(false),
  /** Kept by the bridge, not by the person: when anything was last shown more finely, and since when the person carries the tag.
   *  Whereabouts stored before are not replayed. */
  raisedAtMs: z.number().optional(),
  tagSinceMs: z.number().optional(),
});
export type PrivacySettings = z.infer<typeof privacySettingsSchema>;

/** A change of some settings; what is absent stays. */
export const privacyChangeSchema = z.object({
  level: levelSchema.optional(),
  audiences: z
    .object({
      connections: levelSchema.optional(),
      attendees: levelSchema.optional(),
      exhibitors: levelSchema.optional(),
      speakers: levelSchema.optional(),
      staff: levelSchema.optional(),
    })
    .strict()
    .optional(),
  discoverability: z.enum(["public", "connections", "requests", "hidden"]).optional(),
  proximityAlerts: z.boolean().optional(),
  doNotDisturb: z.boolean().optional(),
  /** The bridge's own; what a client sends here is overwritten. */
  raisedAtMs: z.number().optional(),
  tagSinceMs: z.number().optional(),
}).strict();
export type PrivacyChange = z.infer<typeof privacyChangeSchema>;

export function defaultPrivacySettings(): PrivacySettings {
  return privacySettingsSchema.parse({});
}

export function applyPrivacyChange(settings: PrivacySettings, change: PrivacyChange): PrivacySettings {
  const { audiences, ...rest } = change;
  return privacySettingsSchema.parse({ ...settings, ...rest, audiences: { ...settings.audiences, ...audiences } });
}
