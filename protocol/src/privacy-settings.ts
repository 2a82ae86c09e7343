import { z } from "zod";

/** How precisely a person's whereabouts are shown, from nothing to everything (requirement D1). */
export const LEVELS = ["hidden", "venue", "zone", "precise"] as const;
export type Level = (typeof LEVELS)[number];

/** Who would see it (requirement D2). `self` always sees everything of itself. */
export const AUDIENCES = ["connections", "attendees", "exhibitors", "speakers", "staff"] as const;
export type Audience = (typeof AUDIENCES)[number];

export const levelSchema = z.enum(LEVELS);

/** Who may come through to somebody who does not want to be disturbed (requirement D5). */
export const ALLOWED_THROUGH = ["connections", "speakers"] as const;
const allowedThroughSchema = z.array(z.enum(ALLOWED_THROUGH)).max(ALLOWED_THROUGH.length);

/** People whom one person can block. */
export const MAX_BLOCKED = 1_000;
/** Connections whom one person can show their precise place at once. */
export const MAX_SHARES = 20;
/** Look-ups by staff that a person can read about; older ones are in the operator's log alone. */
export const MAX_LOOKUPS = 50;

const personIdText = z.string().min(1).max(64);
/** Kept beside a person's settings by the bridge alone: who is blocked, to whom they show their precise place until when, who looked them up. */
const blockedSchema = z.array(personIdText).max(MAX_BLOCKED);
const sharesSchema = z.array(z.object({ personId: personIdText, untilMs: z.number() })).max(MAX_SHARES);
export const lookupSchema = z.object({ atMs: z.number(), by: z.string().max(140), what: z.enum(["profile", "whereabouts"]), reason: z.string().max(200) });
const lookupsSchema = z.array(lookupSchema).max(MAX_LOOKUPS);
/** Somebody of the venue's staff has looked up one person. */
export type Lookup = z.infer<typeof lookupSchema>;

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
  /** Not to be disturbed while in a session of the timetable. */
  autoDoNotDisturb: z.boolean().default(true),
  doNotDisturbAllow: allowedThroughSchema.default([...ALLOWED_THROUGH]),
  /** Whether one is online, in which session, and whether one can be approached: each shown or not (requirement D4). */
  presence: z.object({ online: z.boolean().default(true), session: z.boolean().default(true), availability: z.boolean().default(true) }).prefault({}),
  /** Kept by the bridge, not by the person: when anything was last shown more finely, and since when the person carries the tag.
   *  Whereabouts stored before are not replayed. */
  raisedAtMs: z.number().optional(),
  tagSinceMs: z.number().optional(),
  blocked: blockedSchema.optional(),
  shares: sharesSchema.optional(),
  lookups: lookupsSchema.optional(),
});
export type PrivacySettings = z.infer<typeof privacySettingsSchema>;

/** What the bridge keeps beside the settings; never a client's to write, never shown as settings. */
export const BRIDGE_KEPT = ["raisedAtMs", "tagSinceMs", "blocked", "shares", "lookups"] as const;

/** Settings chosen together (requirement D10). */
export const PRESETS = ["high", "balanced", "optimized"] as const;
export type Preset = (typeof PRESETS)[number];

/** A change of some settings; what is absent stays. A preset comes first, what is named beside it has the last word. */
export const privacyChangeSchema = z.object({
  preset: z.enum(PRESETS).optional(),
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
  autoDoNotDisturb: z.boolean().optional(),
  doNotDisturbAllow: allowedThroughSchema.optional(),
  presence: z.object({ online: z.boolean().optional(), session: z.boolean().optional(), availability: z.boolean().optional() }).strict().optional(),
  /** The bridge's own; what a client sends here is overwritten. */
  raisedAtMs: z.number().optional(),
  tagSinceMs: z.number().optional(),
  blocked: blockedSchema.optional(),
  shares: sharesSchema.optional(),
  lookups: lookupsSchema.optional(),
}).strict();
export type PrivacyChange = z.infer<typeof privacyChangeSchema>;

export function defaultPrivacySettings(): PrivacySettings {
  return privacySettingsSchema.parse({});
}

/** high: nobody sees anything of me. balanced: the defaults, and alerts of matched people nearby. optimized: everything that helps to meet. */
export const PRESET_CHANGES: Readonly<Record<Preset, Omit<PrivacyChange, "preset">>> = {
  high: {
    level: "hidden",
    audiences: { connections: "hidden", attendees: "hidden", exhibitors: "hidden", speakers: "hidden", staff: "hidden" },
    discoverability: "hidden",
    proximityAlerts: false,
    presence: { online: false, session: false, availability: false },
  },
  balanced: {
    level: "zone",
    audiences: { connections: "precise", attendees: "zone", exhibitors: "hidden", speakers: "zone", staff: "zone" },
    discoverability: "requests",
    proximityAlerts: true,
    presence: { online: true, session: false, availability: true },
  },
  optimized: {
    level: "precise",
    audiences: { connections: "precise", attendees: "zone", exhibitors: "zone", speakers: "zone", staff: "precise" },
    discoverability: "public",
    proximityAlerts: true,
    presence: { online: true, session: true, availability: true },
  },
};

export function applyPrivacyChange(settings: PrivacySettings, change: PrivacyChange): PrivacySettings {
  const { preset, audiences, presence, ...rest } = change;
  const base = preset === undefined ? settings : applyPrivacyChange(settings, PRESET_CHANGES[preset]);
  return privacySettingsSchema.parse({ ...base, ...rest, audiences: { ...base.audiences, ...audiences }, presence: { ...base.presence, ...presence } });
}
