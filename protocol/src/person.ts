import { z } from "zod";
import { cleanText } from "./alert.ts";
import { idSchema } from "./sensors.ts";
import { privacySettingsSchema } from "./privacy-settings.ts";

export const ROLES = ["attendee", "exhibitor", "speaker", "staff"] as const;
export type Role = (typeof ROLES)[number];

const shortText = z.string().max(120).transform(cleanText);

/** Who somebody is. Kept by the bridge's registry; fusion never sees it. */
export const profileSchema = z.object({
  personId: idSchema,
  name: shortText.pipe(z.string().min(1)),
  role: z.enum(ROLES).default("attendee"),
  company: shortText.default(""),
  interests: z.array(shortText).max(32).default([]),
  lookingFor: shortText.default(""),
  /** What people nearby are found and ranked by (requirement C2); all the person's own words, all optional. */
  industry: shortText.optional(),
  jobFunction: shortText.optional(),
  skills: z.array(shortText).max(32).optional(),
  /** Skills looked for in others. */
  wantedSkills: z.array(shortText).max(32).optional(),
  openToNetworking: z.boolean().optional(),
  /** Sessions of the timetable that the person means to attend. */
  schedule: z.array(idSchema).max(200).optional(),
  /** People with whom a connection is mutual. */
  connections: z.array(idSchema).max(2_000).default([]),
});
export type Profile = z.infer<typeof profileSchema>;

/** Consent as a recorded fact: without it nothing about a person is shown (requirement D9). */
export const consentSchema = z.object({ given: z.boolean(), atMs: z.number(), version: z.string().max(40) });
export type Consent = z.infer<typeof consentSchema>;

/** A person as the registry keeps them. */
export const personSchema = z.object({
  profile: profileSchema,
  tagId: idSchema.nullable(),
  consent: consentSchema,
  settings: privacySettingsSchema,
});
export type Person = z.infer<typeof personSchema>;
