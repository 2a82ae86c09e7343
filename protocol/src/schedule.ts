import { z } from "zod";
import { ConfigError } from "./errors.ts";
import { idSchema } from "./sensors.ts";

/** One programme: 5,000 sessions of 200 B are 1 MB. */
const MAX_SESSIONS = 5_000;
const MAX_BOOTHS = 2_000;
const MAX_MEETINGS = 20_000;

const name = z.string().min(1).max(200);
const times = { startMs: z.number().finite(), endMs: z.number().finite() };

export const sessionItemSchema = z.object({
  sessionId: idSchema,
  name,
  zoneId: idSchema,
  ...times,
  /** Seats; decides when the session is full. Without it the room's area does. */
  capacity: z.number().int().positive().max(1_000_000).optional(),
});
export type SessionItem = z.infer<typeof sessionItemSchema>;

export const boothSchema = z.object({ exhibitorId: idSchema, name, zoneId: idSchema });
export type Booth = z.infer<typeof boothSchema>;

/** An appointment of people. They are named, so only the bridge reads meetings: fusion never learns who carries a tag. */
export const meetingSchema = z.object({
  meetingId: idSchema,
  name,
  /** Null: wherever they meet. */
  zoneId: idSchema.nullable().default(null),
  ...times,
  personIds: z.array(idSchema).min(2).max(200),
});
export type Meeting = z.infer<typeof meetingSchema>;

/** Requirement B11: what is on where, who shows what where, and who meets. Times in ms since 1970. */
export const scheduleSchema = z
  .object({
    v: z.literal(1),
    sessions: z.array(sessionItemSchema).max(MAX_SESSIONS).default([]),
    booths: z.array(boothSchema).max(MAX_BOOTHS).default([]),
    meetings: z.array(meetingSchema).max(MAX_MEETINGS).default([]),
  })
  .superRefine((schedule, context) => {
    const once = (path: string, ids: readonly string[]): void => {
      const seen = new Set<string>();
      for (const id of ids) {
        if (seen.has(id)) context.addIssue({ code: "custom", path: [path], message: `"${id}" is there twice` });
        seen.add(id);
      }
    };
    once("sessions", schedule.sessions.map((session) => session.sessionId));
    once("meetings", schedule.meetings.map((meeting) => meeting.meetingId));
    for (const { sessionId, startMs, endMs } of schedule.sessions) {
      if (endMs <= startMs) context.addIssue({ code: "custom", path: ["sessions"], message: `session "${sessionId}" ends before it begins` });
    }
    for (const { meetingId, startMs, endMs } of schedule.meetings) {
      if (endMs <= startMs) context.addIssue({ code: "custom", path: ["meetings"], message: `meeting "${meetingId}" ends before it begins` });
    }
  });
export type Schedule = z.infer<typeof scheduleSchema>;

/** Reads a schedule from the text of a file; `zoneIds` are those of the venue map. Throws `ConfigError` naming the first fault. */
export function parseSchedule(text: string, fileName: string, zoneIds?: ReadonlySet<string>): Schedule {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${fileName} is not JSON: ${(error as Error).message}`);
  }
  const result = scheduleSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new ConfigError(`${fileName} is not a schedule: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (format: docs/schedule.md)`);
  }
  const unknown = [...result.data.sessions, ...result.data.booths, ...result.data.meetings].find(({ zoneId }) => zoneId !== null && zoneIds !== undefined && !zoneIds.has(zoneId));
  if (unknown !== undefined) throw new ConfigError(`${fileName}: "${unknown.name}" is in zone "${String(unknown.zoneId)}", which the map does not have`);
  return result.data;
}

/** What somebody is doing, as far as place and schedule tell (requirement B9). */
export type Activity =
  | { kind: "in_session"; sessionId: string }
  | { kind: "networking" }
  | { kind: "at_booth"; exhibitorId: string }
  | { kind: "in_meeting"; meetingId: string }
  | { kind: "exploring" };

export function sameActivity(a: Activity | null, b: Activity | null): boolean {
  return a === b || (a !== null && b !== null && activityKey(a) === activityKey(b));
}

/** A string that two activities share only if they are the same: `in_session/keynote`. */
export function activityKey(activity: Activity): string {
  switch (activity.kind) {
    case "in_session":
      return `in_session/${activity.sessionId}`;
    case "at_booth":
      return `at_booth/${activity.exhibitorId}`;
    case "in_meeting":
      return `in_meeting/${activity.meetingId}`;
    default:
      return activity.kind;
  }
}
