import type { TagId } from "@konferenco/protocol";

/** What one gateway's radio heard once. */
export interface Sighting {
  tagId: TagId;
  rssiDbm: number;
  heardAtMs: number;
}

/** Sightings as columns, in the order in which they were heard; never empty. */
export interface SightingColumns {
  tagId: TagId[];
  rssiDbm: number[];
  heardAtMs: number[];
}

export interface BatchConfig {
  /** From the first sighting of a batch to its report: what batching adds to the latency at most. */
  windowMs: number;
  /** A fuller batch is sent at once. 1,000 rows are about 30 KB of JSON. */
  maxRows: number;
}

/** Sightings on their way to a report. Holds at most `maxRows` rows. */
export interface Batch {
  config: BatchConfig;
  columns: SightingColumns;
  dueAtMs: number;
}

export function newBatch(config: BatchConfig): Batch {
  return { config, columns: { tagId: [], rssiDbm: [], heardAtMs: [] }, dueAtMs: Infinity };
}

/** Adds a sighting; returns the rows to report now when that made the batch full. */
export function addSighting(batch: Batch, sighting: Sighting, nowMs: number): SightingColumns | null {
  if (batch.columns.tagId.length === 0) batch.dueAtMs = nowMs + batch.config.windowMs;
  batch.columns.tagId.push(sighting.tagId);
  batch.columns.rssiDbm.push(sighting.rssiDbm);
  batch.columns.heardAtMs.push(sighting.heardAtMs);
  return batch.columns.tagId.length >= batch.config.maxRows ? takeAll(batch) : null;
}

/** The rows whose window has passed, or null. */
export function takeDue(batch: Batch, nowMs: number): SightingColumns | null {
  return nowMs >= batch.dueAtMs ? takeAll(batch) : null;
}

/** Everything, due or not: for the end. Null when there is nothing. */
export function takeAll(batch: Batch): SightingColumns | null {
  if (batch.columns.tagId.length === 0) return null;
  const columns = batch.columns;
  batch.columns = { tagId: [], rssiDbm: [], heardAtMs: [] };
  batch.dueAtMs = Infinity;
  return columns;
}
