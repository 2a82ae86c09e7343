import fs from "node:fs";
import { ConfigError, EMPTY_SCHEDULE, parseSchedule, type Schedule, type VenueMap } from "@konferenco/protocol";
import { demoSchedule } from "@konferenco/simulators";

/** 5,000 sessions and 20,000 meetings of twelve are 7 MB, which hold everything up for 0.2 s, once a change. A larger file is refused. */
export const MAX_SCHEDULE_BYTES = 16 * 1024 * 1024;
/** Between two looks at whether the file has changed: one `stat`. */
const LOOK_EVERY_MS = 5_000;

export interface ScheduleSource {
  /** As it is at the start. */
  first: Schedule;
  /**
   * Hands on what the file says from now on, within five seconds of each change. A file that cannot be used is refused and
   * said so once; the schedule before it goes on. Returns how to stop; a schedule of no file never changes.
   */
  follow(take: (schedule: Schedule) => void, log: (event: object) => void, everyMs?: number): () => void;
}

/** The user's own schedule, the demo venue's, or that nothing is on. Throws `ConfigError` when the user's cannot be used. */
export function openSchedule({ schedule: file, venue: ownVenue }: { venue?: string; schedule?: string }, venue: VenueMap, nowMs: number): ScheduleSource {
  if (file === undefined) return { first: ownVenue === undefined ? demoSchedule(nowMs) : EMPTY_SCHEDULE, follow: () => () => {} };
  const zoneIds = new Set(venue.zones.map(({ zoneId }) => zoneId));
  // Before it is read: what is written meanwhile is seen at the first look.
  let seen = stampOf(file);
  return {
    first: readSchedule(file, zoneIds),
    follow(take, log, everyMs = LOOK_EVERY_MS) {
      const timer = setInterval(() => {
        const stamp = stampOf(file);
        if (stamp === seen) return;
        seen = stamp;
        try {
          const schedule = readSchedule(file, zoneIds);
          take(schedule);
          const { sessions, booths, meetings, regions } = schedule;
          log({ event: "schedule taken up", file, sessions: sessions.length, booths: booths.length, meetings: meetings.length, regions: regions.length });
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          log({ event: "schedule refused", file, reason: error.message, remedy: "the schedule before goes on; mend the file" });
        }
      }, everyMs);
      return () => clearInterval(timer);
    },
  };
}

/** Which writing of the file it is: an editor that puts another file in its place changes it too. */
function stampOf(file: string): string {
  try {
    const { ino, mtimeMs, size } = fs.statSync(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return "none";
  }
}

function readSchedule(file: string, zoneIds: ReadonlySet<string>): Schedule {
  let text: string;
  try {
    const { size } = fs.statSync(file);
    if (size > MAX_SCHEDULE_BYTES) throw new ConfigError(`the schedule file ${file} has ${size} bytes: at most ${MAX_SCHEDULE_BYTES}`);
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`the schedule file ${file} cannot be read: ${(error as Error).message}`);
  }
  return parseSchedule(text, file, zoneIds);
}
