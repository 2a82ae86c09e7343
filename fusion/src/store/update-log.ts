import type { LoggedBody } from "@konferenco/protocol";

/** One line of the log: an update without its epoch, which follows from the offset (lineage.ts). */
export interface LogEntry {
  offset: number;
  storedAtMs: number;
  body: LoggedBody;
  /** Handles of those whom it is about: without the key of any of them it is not readable any more. */
  keyedTo: readonly string[];
}

/** Where the embedded store keeps its log: in memory (memory-log.ts) or on disk (segment-log.ts). */
export interface UpdateLog {
  /** Offset of the oldest kept entry; `end + 1` when there is none. */
  readonly first: number;
  /** Offset of the newest entry; 0 before the first. */
  readonly end: number;
  /** All batches or none. Each batch is one or more entries that stand or fall together, also through a crash. */
  append(batches: readonly LogEntry[][], options: { durable: boolean }): Promise<void>;
  /** At most `limit` entries after the offset, in order, without holes; it may begin later when entries are unreadable. */
  read(afterOffset: number, limit: number): Promise<LogEntry[]>;
  /** Forgets entries from the oldest on while they were stored before the time; returns how many. */
  forgetBefore(storedAtMs: number): Promise<number>;
  close(): Promise<void>;
}
