import { askSync, synchronise, type SynchroniseOptions, type SyncOperation } from "./synchronise.ts";
import { addDigests, digestOfIds } from "./view-digest.ts";

export interface ReconcileOptions extends Omit<SynchroniseOptions, "since"> {
  /** What the view shows, by `id`. Not changed. */
  known: ReadonlyMap<string, SyncOperation>;
  /** Of the page that the view was last brought up to date with. */
  version: string;
}

export interface Reconciled {
  /** The view was right, but for what is new. False: `operations` and `gone` mend it. */
  same: boolean;
  /** To be added, or to be shown in the place of what has the same id. */
  operations: SyncOperation[];
  /** Ids that may not be shown any more, or never were. */
  gone: string[];
  /** Keep it for the next time. */
  version: string;
}

interface Digest {
  count: number;
  digest: string;
  from_ms: number;
  cursor: string | null;
  has_more: boolean;
}

/**
 * Compares a view of messages and alerts with the server's (requirement E25): brings it up to date, asks for the
 * server's digest of the last 23 hours, and loads the whole only where the two differ. What is older is not compared:
 * the server no longer has it.
 */
export async function reconcile(options: ReconcileOptions): Promise<Reconciled> {
  const { known, ...where } = options;
  const fresh = new Map<string, SyncOperation>();
  let { version } = options;
  for await (const page of synchronise({ ...where, since: version })) {
    for (const operation of page.operations) fresh.set(operation.id, operation);
    ({ version } = page);
  }
  const view = new Map([...known, ...fresh]);
  const theirs = await digestUpTo(where, version);
  if (theirs !== null && theirs.digest === ownDigest(view, theirs)) return { same: true, operations: [...fresh.values()], gone: [], version };

  const whole = new Map<string, SyncOperation>();
  for await (const page of synchronise({ ...where, since: null })) {
    for (const operation of page.operations) whole.set(operation.id, operation);
    ({ version } = page);
  }
  const operations = [...whole.values()].filter(({ id }) => !known.has(id));
  const fromMs = theirs?.fromMs ?? Math.min(...[...whole.values()].map(timeOf));
  const gone = [...known.values()].filter((operation) => timeOf(operation) >= fromMs && !whole.has(operation.id)).map(({ id }) => id);
  return { same: false, operations, gone, version };
}

/** Null: the server does not know this place any more. */
async function digestUpTo(where: Omit<SynchroniseOptions, "since">, until: string): Promise<{ digest: string; count: number; fromMs: number } | null> {
  let [digest, count] = [digestOfIds([]), 0];
  let fromMs: number | null = null;
  let cursor: string | null = null;
  for (;;) {
    const page: Digest | null = await askSync<Digest>(where, "sync/digest", { until, cursor, from_ms: fromMs === null ? null : String(fromMs) });
    if (page === null) return null;
    digest = addDigests(digest, page.digest);
    count += page.count;
    fromMs = page.from_ms;
    ({ cursor } = page);
    if (!page.has_more) return { digest, count, fromMs };
  }
}

function ownDigest(view: ReadonlyMap<string, SyncOperation>, { count, fromMs }: { count: number; fromMs: number }): string | null {
  const ids = [...view.values()].filter((operation) => timeOf(operation) >= fromMs).map(({ id }) => id);
  return ids.length === count ? digestOfIds(ids) : null;
}

function timeOf(operation: SyncOperation): number {
  return "timestamp" in operation ? operation.timestamp : operation.atMs;
}
