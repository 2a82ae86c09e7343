import type { LogEntry, UpdateLog } from "./update-log.ts";

/** Entries kept when there is no disk, about 400 bytes each: 40 MB. Beyond it the oldest go, and readers are told ("retention"). */
export const MAX_MEMORY_LOG_ENTRIES = 100_000;

export function newMemoryLog(maxEntries = MAX_MEMORY_LOG_ENTRIES): UpdateLog {
  let entries: LogEntry[] = [];
  // Entries before this index are forgotten; the array is cut when half of it is.
  let start = 0;
  let end = 0;

  const forget = (count: number) => {
    start += count;
    if (start > 1_024 && start * 2 > entries.length) {
      entries = entries.slice(start);
      start = 0;
    }
  };

  return {
    get first() {
      return end - (entries.length - start) + 1;
    },
    get end() {
      return end;
    },
    append(batches) {
      for (const batch of batches) for (const entry of batch) entries.push(entry);
      end = entries[entries.length - 1]?.offset ?? end;
      forget(Math.max(0, entries.length - start - maxEntries));
      return Promise.resolve();
    },
    read(afterOffset, limit) {
      const from = start + Math.max(0, afterOffset - (end - (entries.length - start)));
      return Promise.resolve(entries.slice(from, from + limit));
    },
    forgetBefore(storedAtMs) {
      let count = 0;
      for (let entry = entries[start]; entry !== undefined && entry.storedAtMs < storedAtMs; entry = entries[start + count]) count++;
      forget(count);
      return Promise.resolve(count);
    },
    close: () => Promise.resolve(),
  };
}
