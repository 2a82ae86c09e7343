import { Distribution, EVENTS_BOUNDS, MAX_FRAME_BYTES, MAX_QUEUED_BYTES_PER_CONNECTION, SECONDS_BOUNDS } from "@konferenco/protocol";
import type { VisibleUpdate } from "./privacy.ts";

/**
 * What one connection has not been sent yet, by lanes: 0 alerts, 1 transitions (both in order, none
 * dropped), 2 positions (latest wins per subject), 3 occupancy and telemetry (latest wins per key).
 * Pure: frames come out as text, acknowledgements and the time go in. Nothing is allocated before it
 * is used, since most connections are idle.
 */

/** Written but unacknowledged bytes at which positions and telemetry wait (and conflate). `bufferedAmount` cannot
 *  tell: a client that stopped reading took 3.9 MB into kernel buffers before it left 0. */
export const WINDOW_BYTES = 128 * 1024;

/** At this many unacknowledged bytes transitions wait too; alerts never do. */
export const HARD_WINDOW_BYTES = 256 * 1024;

/** Marks of what was written when: one in so many bytes, and so many; coarser beyond, which only delays credit. */
const MARK_EVERY_BYTES = 4 * 1024;
const MAX_MARKS = 64;

const LANES = [0, 1, 2, 3] as const;

/** Room for `{"op":"b","s":…,"c":"…","ev":[]}` around the events. */
const FRAME_OVERHEAD_BYTES = 320;

export type DropReason = "conflated" | "budget" | "lag" | "policy" | "area" | "closed";

/** Shared by all connections of a process: counts by lane. */
export interface OutboxCounts {
  delivered: [number, number, number, number];
  bytes: number;
  frames: number;
  dropped: Record<DropReason, [number, number, number, number]>;
  /** Events of one frame. */
  batch: Distribution;
  /** Seconds from writing to the acknowledgement of what was oldest then. */
  acknowledged: Distribution;
}

export function newOutboxCounts(): OutboxCounts {
  const none = (): [number, number, number, number] => [0, 0, 0, 0];
  return { batch: new Distribution(EVENTS_BOUNDS), acknowledged: new Distribution(SECONDS_BOUNDS), delivered: none(), bytes: 0, frames: 0, dropped: { conflated: none(), budget: none(), lag: none(), policy: none(), area: none(), closed: none() } };
}

/**
 * A cursor is sealed at most once in this time, or after so many events: sealing costs more than ten events.
 * Who comes back with an older one gets some events again, which clients drop by their ids.
 */
const SEAL_EVERY_MS = 1_000;
const SEAL_EVERY_EVENTS = 128;

/** At the budget positions are conflated when at least so many of them are new, else each one that comes would ask for it. */
const NEW_SHARE = 0.25;

/** Events of one frame, put together once for all viewers who may see the same things at the same time. */
interface Batch {
  events: readonly VisibleUpdate[];
  /** The frame from there on. */
  tail: string;
  /** Of the events. */
  bytes: number;
  byLane: readonly [number, number, number, number];
  logged: boolean;
  oldestStoredAtMs: number | null;
}

let lastBatch: Batch = batchOf([]);

function batchOf(events: readonly VisibleUpdate[]): Batch {
  const byLane: [number, number, number, number] = [0, 0, 0, 0];
  let bytes = 0;
  let logged = false;
  let oldestStoredAtMs: number | null = null;
  for (const event of events) {
    bytes += event.bytes;
    byLane[event.lane]++;
    if (event.offset === null) continue;
    logged = true;
    if (event.storedAtMs !== null && (oldestStoredAtMs === null || event.storedAtMs < oldestStoredAtMs)) oldestStoredAtMs = event.storedAtMs;
  }
  const [first] = events;
  const tail = events.length === 1 && first !== undefined ? first.json.slice(1) : `${events.map(({ json }) => json).join(",")}]}`;
  return { events, tail, bytes, byLane, logged, oldestStoredAtMs };
}

function sharedBatch(events: readonly VisibleUpdate[]): Batch {
  const { events: last } = lastBatch;
  let same = events.length === last.length;
  for (let index = 0; same && index < events.length; index++) same = events[index] === last[index];
  return same ? lastBatch : (lastBatch = batchOf(events));
}

/** In two parts, since the second is the same for many. Nothing but ASCII. */
export interface OutboxFrame {
  head: string;
  tail: string;
  /** The oldest logged update in it, for the delay from stored to written; null without one. */
  oldestStoredAtMs: number | null;
}

export interface TakeOptions {
  positions: boolean;
  telemetry: boolean;
  /** Up to where in the log the reader's events have been offered. */
  offeredOffset: number;
  /** The sealed cursor for a frame that leaves the client complete up to `offset`. */
  seal: (offset: number) => string;
  nowMs: number;
}

export class Outbox {
  /** Every position in order, not the latest (recorders); falls back to latest wins while the reader lags. */
  every = false;
  #counts: OutboxCounts;
  #budgetBytes: number;
  #alerts: VisibleUpdate[] | null = null;
  #transitions: VisibleUpdate[] | null = null;
  /** Lanes 2 and 3 as they came: what is latest is found when they are sent. A map of the latest would be five times a list, and 1,000 stalled readers have 1,000. */
  #positions: VisibleUpdate[] | null = null;
  #telemetry: VisibleUpdate[] | null = null;
  /** Positions that came since they were conflated last. */
  #newPositions = 0;
  #queuedBytes = 0;
  #nextS = 1;
  #sealedS = -SEAL_EVERY_EVENTS;
  #sealedAtMs = 0;
  #sentBytes = 0;
  #ackedBytes = 0;
  #ackedS = 0;
  /** Since when something is unacknowledged, as far as the last acknowledgement tells. */
  #unackedSinceMs = 0;
  /** What was written when, without the newest: its number, the bytes up to there, the next one's number, … */
  #marks: number[] | null = null;
  #fullSinceMs = 0;
  #lagging = false;
  #toldLag = false;
  #overflowed = false;

  constructor(counts: OutboxCounts, budgetBytes = MAX_QUEUED_BYTES_PER_CONNECTION) {
    this.#counts = counts;
    this.#budgetBytes = budgetBytes;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }
  get isLagging(): boolean {
    return this.#lagging;
  }
  get sentBytes(): number {
    return this.#sentBytes;
  }
  get unackedBytes(): number {
    return this.#sentBytes - this.#ackedBytes;
  }
  /** How old is what the client has not acknowledged. */
  staleMs(nowMs: number): number {
    return this.unackedBytes === 0 ? 0 : nowMs - this.#unackedSinceMs;
  }
  get lastS(): number {
    return this.#nextS - 1;
  }
  get ackedS(): number {
    return this.#ackedS;
  }
  get hasAlerts(): boolean {
    return (this.#alerts?.length ?? 0) > 0;
  }
  get hasUrgent(): boolean {
    return (this.#alerts?.length ?? 0) + (this.#transitions?.length ?? 0) > 0;
  }
  get hasPositions(): boolean {
    return (this.#positions?.length ?? 0) > 0;
  }
  get hasTelemetry(): boolean {
    return (this.#telemetry?.length ?? 0) > 0;
  }
  get hasRoom(): boolean {
    return this.#queuedBytes + this.unackedBytes < WINDOW_BYTES;
  }

  offer(update: VisibleUpdate): void {
    if (this.#overflowed) {
      this.#counts.dropped.closed[update.lane]++;
      return;
    }
    this.#add(update);
    if (this.#queuedBytes > this.#budgetBytes) this.#shed();
  }

  #add(update: VisibleUpdate): void {
    if (update.lane === 0) this.#alerts = added(this.#alerts, update);
    else if (update.lane === 1) this.#transitions = added(this.#transitions, update);
    else if (update.lane === 2) {
      this.#positions = added(this.#positions, update);
      this.#newPositions++;
    } else this.#telemetry = added(this.#telemetry, update);
    this.#queuedBytes += update.bytes;
  }

  #drop(update: VisibleUpdate, reason: DropReason): void {
    this.#queuedBytes -= update.bytes;
    this.#counts.dropped[reason][update.lane]++;
  }

  /** Over budget: what is not the latest goes, then telemetry, then what only recorders want, then the oldest positions. */
  #shed(): void {
    this.#telemetry = this.#latest(this.#telemetry);
    if (!this.#keepsEvery) this.#conflateNew();
    if (this.#queuedBytes <= this.#budgetBytes) return;
    for (const update of this.#telemetry ?? []) this.#drop(update, "budget");
    this.#telemetry = null;
    if (this.#keepsEvery && this.#queuedBytes > this.#budgetBytes) {
      this.#lagging = true;
      this.#conflateNew();
    }
    while (this.#queuedBytes > this.#budgetBytes) {
      const oldest = this.#positions?.shift();
      if (oldest === undefined) break;
      this.#drop(oldest, "budget");
    }
    if (this.#queuedBytes <= this.#budgetBytes) return;
    // Transitions and alerts are never dropped on a live connection: it closes (4003) and the client resumes from the log.
    this.#overflowed = true;
    this.clear("closed");
  }

  get #keepsEvery(): boolean {
    return this.every && !this.#lagging;
  }

  #conflateNew(): void {
    if (this.#newPositions >= NEW_SHARE * (this.#positions?.length ?? 0)) this.#conflate();
  }

  #conflate(): void {
    this.#positions = this.#latest(this.#positions);
    this.#newPositions = 0;
  }

  /** Latest wins, in the place of the oldest: whoever waits longest is sent first. */
  #latest(list: VisibleUpdate[] | null): VisibleUpdate[] | null {
    if (list === null || list.length < 2) return list;
    // A new one each time: the tables that a map grows out of, or is cleared of, hold those that follow, and one that has grown old holds them all.
    const latestByKey = new Map<string | null, VisibleUpdate>();
    for (const update of list) {
      const older = latestByKey.get(update.key);
      if (older !== undefined) this.#drop(older, "conflated");
      latestByKey.set(update.key, update);
    }
    return latestByKey.size === list.length ? list : [...latestByKey.values()];
  }

  /** Forgets everything queued about a subject: their policy changed. */
  forgetSubject(subject: string): void {
    const goes = (update: VisibleUpdate) => update.subject === subject;
    this.#transitions = this.#without(this.#transitions, goes, "policy");
    this.#positions = this.#without(this.#positions, goes, "policy");
  }

  /** Positions that wait are not sent: of one key, or all. */
  dropPositions(reason: DropReason, key?: string): void {
    this.#positions = this.#without(this.#positions, (update) => key === undefined || update.key === key, reason);
  }

  #without(list: VisibleUpdate[] | null, goes: (update: VisibleUpdate) => boolean, reason: DropReason): VisibleUpdate[] | null {
    if (list === null || !list.some(goes)) return list;
    const kept = list.filter((update) => !goes(update) || (this.#drop(update, reason), false));
    return kept.length === 0 ? null : kept;
  }

  clear(reason: DropReason): void {
    for (const list of [this.#alerts, this.#transitions, this.#positions, this.#telemetry]) for (const update of list ?? []) this.#drop(update, reason);
    this.#alerts = this.#transitions = this.#positions = this.#telemetry = null;
  }

  /** The next frame, or null when nothing may be written now. Call until null. */
  take(options: TakeOptions): OutboxFrame | null {
    const whole = this.#takeWhole(options);
    if (whole !== null) return this.#frame(whole, options);
    if (this.#queuedBytes === 0 && !this.#lagging) return null;
    const events: VisibleUpdate[] = [];
    let roomBytes = MAX_FRAME_BYTES - FRAME_OVERHEAD_BYTES;
    const fits = (update: VisibleUpdate) => {
      if (update.bytes + 1 > roomBytes && events.length > 0) return false;
      roomBytes -= update.bytes + 1;
      events.push(update);
      this.#queuedBytes -= update.bytes;
      return true;
    };
    this.#alerts = takeFrom(this.#alerts, fits);
    if (this.unackedBytes < HARD_WINDOW_BYTES) this.#transitions = takeFrom(this.#transitions, fits);
    if (this.unackedBytes < WINDOW_BYTES) {
      if (options.positions) {
        if (!this.#keepsEvery) this.#conflate();
        this.#positions = takeFrom(this.#positions, fits);
      }
      if (options.telemetry) this.#telemetry = takeFrom(this.#latest(this.#telemetry), fits);
    } else if (!this.#lagging && (this.hasPositions || this.hasTelemetry)) {
      this.#lagging = true;
      this.#conflate();
    }
    this.#recover();
    return events.length === 0 ? null : this.#frame(sharedBatch(events), options);
  }

  /** What nearly every call finds: transitions alone, which all fit. */
  #takeWhole(options: TakeOptions): Batch | null {
    const transitions = this.#transitions;
    if (transitions === null || this.#alerts !== null || this.#lagging || this.#queuedBytes > MAX_FRAME_BYTES / 2 || this.unackedBytes >= WINDOW_BYTES) return null;
    if ((options.positions && this.hasPositions) || (options.telemetry && this.hasTelemetry)) return null;
    this.#transitions = null;
    const batch = sharedBatch(transitions);
    this.#queuedBytes -= batch.bytes;
    return batch;
  }

  #recover(): void {
    if (this.#lagging && this.unackedBytes < WINDOW_BYTES / 2 && this.#queuedBytes < this.#budgetBytes / 2) this.#lagging = false;
  }

  #frame(batch: Batch, { seal, nowMs, offeredOffset }: TakeOptions): OutboxFrame {
    const { events, tail, byLane, oldestStoredAtMs } = batch;
    const counts = this.#counts;
    const s = this.#nextS;
    if (this.#ackedS < this.lastS) this.#mark();
    this.#nextS += events.length;
    for (const lane of LANES) counts.delivered[lane] += byLane[lane];
    const cursor = batch.logged && this.#sealIsDue(nowMs) ? `,"c":"${seal(this.writtenOffset(offeredOffset))}"` : "";
    const head = events.length === 1 ? `{"op":"ev","s":${s}${cursor},` : `{"op":"b","s":${s}${cursor},"ev":[`;
    const bytes = head.length + tail.length;
    if (this.unackedBytes < WINDOW_BYTES && this.unackedBytes + bytes >= WINDOW_BYTES) this.#fullSinceMs = nowMs;
    if (this.unackedBytes === 0) this.#unackedSinceMs = nowMs;
    counts.batch.add(events.length);
    this.#sentBytes += bytes;
    counts.bytes += bytes;
    counts.frames++;
    return { head, tail, oldestStoredAtMs };
  }

  #sealIsDue(nowMs: number): boolean {
    if (nowMs - this.#sealedAtMs < SEAL_EVERY_MS && this.#nextS - this.#sealedS < SEAL_EVERY_EVENTS) return false;
    this.#sealedS = this.#nextS;
    this.#sealedAtMs = nowMs;
    return true;
  }

  /** Up to where the client has everything once what was taken arrives: an alert that overtook does not count, one that still waits does. */
  writtenOffset(offeredOffset: number): number {
    return Math.min(offeredOffset, firstOffsetOf(this.#alerts) - 1, firstOffsetOf(this.#transitions) - 1);
  }

  /** What was written last is followed by more. */
  #mark(): void {
    const marks = this.#marks;
    if (this.#sentBytes - (marks?.at(-1) ?? this.#ackedBytes) < MARK_EVERY_BYTES) return;
    if (marks === null) this.#marks = [this.lastS, this.#sentBytes];
    // Every second mark goes, the newest stays.
    else if (marks.push(this.lastS, this.#sentBytes) > 2 * MAX_MARKS) this.#marks = marks.filter((_, index) => index % 4 >= 2 || index >= marks.length - 2);
  }

  /** The client has everything up to `s`. False: it claims more than it was sent. */
  ack(s: number, nowMs: number): boolean {
    if (s > this.lastS) return false;
    if (s <= this.#ackedS) return true;
    this.#ackedS = s;
    this.#fullSinceMs = nowMs;
    this.#counts.acknowledged.add(Math.max(0, nowMs - this.#unackedSinceMs) / 1_000);
    this.#unackedSinceMs = nowMs;
    if (s < this.lastS) this.#passMarks(s);
    else {
      this.#ackedBytes = this.#sentBytes;
      this.#marks = null;
    }
    this.#recover();
    return true;
  }

  #passMarks(s: number): void {
    const marks = this.#marks ?? [];
    let passed = 0;
    while (passed < marks.length && (marks[passed] as number) <= s) passed += 2;
    if (passed > 0) this.#ackedBytes = marks[passed - 1] as number;
    marks.splice(0, passed);
  }

  /** The lag level to tell the client, once per change; null when it knows. */
  lagToTell(): 0 | 1 | null {
    if (this.#lagging === this.#toldLag) return null;
    this.#toldLag = this.#lagging;
    return this.#lagging ? 1 : 0;
  }

  /** True: conflation was not enough; close with 4003 and let the client resume. */
  isSlow(nowMs: number, slowAfterMs: number): boolean {
    return this.#overflowed || (this.unackedBytes >= WINDOW_BYTES && nowMs - this.#fullSinceMs > slowAfterMs);
  }
}

/** A list of one has room for one: an empty one that grows takes room for 17. */
function added(list: VisibleUpdate[] | null, update: VisibleUpdate): VisibleUpdate[] {
  if (list === null) return [update];
  list.push(update);
  return list;
}

function firstOffsetOf(waiting: readonly VisibleUpdate[] | null): number {
  return waiting?.find((update) => update.offset !== null)?.offset ?? Infinity;
}

function takeFrom(list: VisibleUpdate[] | null, fits: (update: VisibleUpdate) => boolean): VisibleUpdate[] | null {
  if (list === null) return null;
  const taken = list.findIndex((update) => !fits(update));
  if (taken === -1) return null;
  return taken === 0 ? list : list.slice(taken);
}
