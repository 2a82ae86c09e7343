import type { UpdateId } from "@konferenco/protocol";

/**
 * Which numbering an offset belongs to. The log counts 1, 2, 3 …; when its last entries may have been
 * lost (power cut, Redis restart), the numbers would be given a second time for other updates. So a
 * new era begins there: offsets above `from` are counted under a new `epoch`. A reader who stood at
 * or below that point goes on without a gap, one who stood above it is told. (Kafka's leader epochs,
 * KIP-101, solve the same problem the same way.)
 */
export interface Era {
  epoch: string;
  from: number;
}

/** Eras, oldest first; never empty; the last one is the current. */
export type Lineage = readonly [Era, ...Era[]];

/** Eras that are kept, about 40 bytes each. A reader from before them is told that there is a gap. */
export const MAX_ERAS = 256;

export function beginLineage(epoch: string, from = 0): Lineage {
  return [{ epoch, from }];
}

export function beginEra(lineage: Lineage, epoch: string, from: number): Lineage {
  const [oldest, ...rest] = [...lineage, { epoch, from }].slice(-MAX_ERAS);
  return [oldest as Era, ...rest];
}

export function currentEra(lineage: Lineage): Era {
  return lineage[lineage.length - 1] as Era;
}

/** The epoch under which this offset was given out. */
export function epochOf(lineage: Lineage, offset: number): string {
  for (let i = lineage.length - 1; i > 0; i--) {
    const era = lineage[i] as Era;
    if (era.from < offset) return era.epoch;
  }
  return lineage[0].epoch;
}

/** What the log holds: offsets `first` to `end`; `first` is `end + 1` when it is empty. */
export interface LogExtent {
  lineage: Lineage;
  first: number;
  end: number;
}

/** Where reading on after `after` begins, and whether something between is gone. */
export function resumeAfter(after: UpdateId | null, log: LogExtent): { offset: number; gap: "retention" | "epoch" | null } {
  const oldest = log.first - 1;
  if (after === null) return { offset: oldest, gap: null };
  const era = log.lineage.findLastIndex((known) => known.epoch === after.epoch);
  if (era === -1) return { offset: oldest, gap: "epoch" };
  const survivedTo = log.lineage[era + 1]?.from ?? log.end;
  if (after.offset > survivedTo) return { offset: Math.max(oldest, survivedTo), gap: "epoch" };
  if (after.offset < oldest) return { offset: oldest, gap: "retention" };
  return { offset: after.offset, gap: null };
}
