import { z } from "zod";
import { ConfigError } from "./errors.ts";
import { jsonOfFile } from "./json-file.ts";
import { regionSchema } from "./regions.ts";
import { idSchema } from "./sensors.ts";

/** One programme: 5,000 sessions of 200 B are 1 MB. */
const MAX_SESSIONS = 5_000;
const MAX_BOOTHS = 2_000;
const MAX_MEETINGS = 20_000;
/** Each is looked at for everybody who watches what is near: 200 cost 20 µs. */
const MAX_REGIONS = 200;

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

/** Requirements B10, B11: what is on where, who shows what where, who meets, and which places have a channel. Times in ms since 1970. */
export const scheduleSchema = z
  .object({
    v: z.literal(1),
    sessions: z.array(sessionItemSchema).max(MAX_SESSIONS).default([]),
    booths: z.array(boothSchema).max(MAX_BOOTHS).default([]),
    meetings: z.array(meetingSchema).max(MAX_MEETINGS).default([]),
    regions: z.array(regionSchema).max(MAX_REGIONS).default([]),
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
    once("booths", schedule.booths.map((booth) => booth.exhibitorId));
    once("meetings", schedule.meetings.map((meeting) => meeting.meetingId));
    once("regions", schedule.regions.map((region) => region.regionId));
    for (const { sessionId, startMs, endMs } of schedule.sessions) {
      if (endMs <= startMs) context.addIssue({ code: "custom", path: ["sessions"], message: `session "${sessionId}" ends before it begins` });
    }
    for (const { meetingId, startMs, endMs } of schedule.meetings) {
      if (endMs <= startMs) context.addIssue({ code: "custom", path: ["meetings"], message: `meeting "${meetingId}" ends before it begins` });
    }
  });
export type Schedule = z.infer<typeof scheduleSchema>;

/** Nothing is on: activities then follow from places and company alone. */
export const EMPTY_SCHEDULE: Schedule = { v: 1, sessions: [], booths: [], meetings: [], regions: [] };

/** Reads a schedule from the text of a file; `zoneIds` are those of the venue map. Throws `ConfigError` naming the first fault. */
export function parseSchedule(text: string, fileName: string, zoneIds: ReadonlySet<string>): Schedule {
  let json: unknown;
  try {
    json = jsonOfFile(text);
  } catch (error) {
    // What V8 quotes of the text may be somebody's name, and refusals are logged.
    throw new ConfigError(`${fileName} is not JSON: ${(error as Error).message.replace(/, (\.{3})?".*$/s, "")}`);
  }
  const result = scheduleSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new ConfigError(`${fileName} is not a schedule: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (format: docs/schedule.md)`);
  }
  const { sessions, booths, meetings, regions } = result.data;
  const places = [
    ...[...sessions, ...booths].map(({ name, zoneId }) => ({ name, zoneId })),
    ...meetings.map(({ meetingId, zoneId }) => ({ name: meetingId, zoneId })), // their names name people
    ...regions.flatMap(({ name, area }) => ("zoneIds" in area ? area.zoneIds.map((zoneId) => ({ name, zoneId })) : [])),
  ];
  const lost = places.find(({ zoneId }) => zoneId !== null && !zoneIds.has(zoneId));
  if (lost !== undefined) throw new ConfigError(`${fileName}: "${lost.name}" is in zone "${String(lost.zoneId)}", which the map does not have`);
  return result.data;
}
