/**
 * What it takes to run the last seconds of one tag again: how it was at a few moments, and what was heard of it since
 * the first of them. Rows as columns of numbers: 32 bytes each, a hundred of them a tag.
 */
export interface TagPast<Kept> {
  /** Oldest first. */
  kept: { atMs: number; tag: Kept }[];
  rows: { [column in keyof HeardRow]: number[] };
}

/** What one gateway heard of the tag, and when that was due. */
export interface HeardRow {
  dueMs: number;
  gateway: number;
  rssiDbm: number;
  heardAtMs: number;
}

export function newTagPast<Kept>(): TagPast<Kept> {
  return { kept: [], rows: { dueMs: [], gateway: [], rssiDbm: [], heardAtMs: [] } };
}

/** Puts a row behind those that were due before it or with it; nearly always that is the end. */
export function noteRow({ rows }: TagPast<unknown>, { dueMs, gateway, rssiDbm, heardAtMs }: HeardRow): void {
  let at = rows.dueMs.length;
  rows.dueMs.push(dueMs);
  rows.gateway.push(gateway);
  rows.rssiDbm.push(rssiDbm);
  rows.heardAtMs.push(heardAtMs);
  for (; at > 0 && (rows.dueMs[at - 1] as number) > dueMs; at--) for (const column of Object.values(rows)) [column[at - 1], column[at]] = [column[at] as number, column[at - 1] as number];
}

export function rowAt({ rows }: TagPast<unknown>, at: number): HeardRow {
  return { dueMs: rows.dueMs[at] as number, gateway: rows.gateway[at] as number, rssiDbm: rows.rssiDbm[at] as number, heardAtMs: rows.heardAtMs[at] as number };
}

export function firstRowSince({ rows }: TagPast<unknown>, sinceMs: number): number {
  let at = rows.dueMs.length;
  while (at > 0 && (rows.dueMs[at - 1] as number) >= sinceMs) at--;
  return at;
}

/** Keeps how the tag is now; lets go what nothing that is due after `sinceMs` can need. */
export function keepMoment<Kept>(past: TagPast<Kept>, atMs: number, tag: Kept, sinceMs: number): void {
  past.kept.push({ atMs, tag });
  while (past.kept.length > 1 && (past.kept[1] as { atMs: number }).atMs <= sinceMs) past.kept.shift();
  const gone = firstRowSince(past, (past.kept[0] as { atMs: number }).atMs);
  if (gone > 0) for (const column of Object.values(past.rows)) column.splice(0, gone);
}
