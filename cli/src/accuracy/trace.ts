import fs from "node:fs";
import type { TagId, ZoneId } from "@konferenco/protocol";

/** One output of the system, as an independent scorer reads it. Times count from the recording's start. */
export interface TraceLine {
  atMs: number;
  tagId: TagId;
  xM: number;
  yM: number;
  floor: number;
  zoneId: ZoneId | null;
  accuracy95M: number;
  confidence: number;
}

/** What both ways through the system say of a position: the stored one and the one a client was sent. */
type Located = Omit<TraceLine, "atMs">;

/** A millimetre, and a thousandth of confidence: finer is noise of the arithmetic. */
export function traceLine(position: Located, atMs: number): TraceLine {
  const { tagId, xM, yM, floor, zoneId, accuracy95M, confidence } = position;
  return { atMs, tagId, xM: round(xM), yM: round(yM), floor, zoneId, accuracy95M: round(accuracy95M), confidence: round(confidence) };
}

export function writeTrace(file: string, lines: readonly TraceLine[]): void {
  fs.writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
