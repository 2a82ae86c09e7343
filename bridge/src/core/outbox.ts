import { MAX_FRAME_BYTES, MAX_QUEUED_BYTES_PER_CONNECTION } from "@konferenco/protocol";
import { Distribution, EVENTS_BOUNDS, SECONDS_BOUNDS } from "./distribution.ts";
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

/** Marks of what was written when; coarser beyond, which only delays credit. */
const MAX_MARKS = 64;

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
const SEAL_EVERY_MS = 250;
const SEAL_EVERY_EVENTS = 128;

/** The last batch as it was joined: viewers who may see the same things at the same time share it. */
let joinedEvents: readonly VisibleUpdate[] = [];
let joinedJson = "";

function joined(events: readonly VisibleUpdate[]): string {
  if (events.length === joinedEvents.length && events.every((event, index) => event === joinedEvents[index])) return joinedJson;
  let json = "";
  for (const event of events) json += json === "" ? event.json : `,${event.json}`;
  joinedEvents = events;
  joinedJson = json;
  return json;
}

export interface OutboxFrame {
  /** Nothing but ASCII. */
  text: string;
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
  #positions: Map<string, VisibleUpdate> | null = null;
  #everyPosition: VisibleUpdate[] | null = null;
  #telemetry: Map<string, VisibleUpdate> | null = null;
  #queuedBytes = 0;
  #nextS = 1;
  #sealedS = -SEAL_EVERY_EVENTS;
  #sealedAtMs = 0;
  #sentBytes = 0;
  #ackedBytes = 0;
  #ackedS = 0;
  /** Since when something is unacknowledged, as far as the last acknowledgement tells. */
  #unackedSinceMs = 0;
  #markS: number[] | null = null;
  #markBytes: number[] | null = null;
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
    return (this.#positions?.size ?? 0) + (this.#everyPosition?.length ?? 0) > 0;
  }
  get hasTelemetry(): boolean {
    return (this.#telemetry?.size ?? 0) > 0;
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
    if (update.lane === 0) (this.#alerts ??= []).push(update);
    else if (update.lane === 1) (this.#transitions ??= []).push(update);
    else if (update.lane === 2 && this.every && !this.#lagging) (this.#everyPosition ??= []).push(update);
    else return this.#replace(update.lane === 2 ? (this.#positions ??= new Map()) : (this.#telemetry ??= new Map()), update);
    this.#queuedBytes += update.bytes;
  }

  /** Latest wins, in the place of the older one: whoever waits longest is sent first. */
  #replace(map: Map<string, VisibleUpdate>, update: VisibleUpdate): void {
    const key = update.key ?? "";
    const older = map.get(key);
    if (older !== undefined) this.#drop(older, "conflated");
    map.set(key, update);
    this.#queuedBytes += update.bytes;
  }

  #drop(update: VisibleUpdate, reason: DropReason): void {
    this.#queuedBytes -= update.bytes;
    this.#counts.dropped[reason][update.lane]++;
  }

  /** Over budget: telemetry goes first, then all but the latest position of each subject, then the oldest positions. */
  #shed(): void {
    if (this.#telemetry !== null) for (const update of this.#telemetry.values()) this.#drop(update, "budget");
    this.#telemetry = null;
    if (this.#queuedBytes > this.#budgetBytes) this.#conflateEvery();
    if (this.#positions !== null) {
      for (const [key, update] of this.#positions) {
        if (this.#queuedBytes <= this.#budgetBytes) break;
        this.#positions.delete(key);
        this.#drop(update, "budget");
      }
    }
    if (this.#queuedBytes <= this.#budgetBytes) return;
    // Transitions and alerts are never dropped on a live connection: it closes (4003) and the client resumes from the log.
    this.#overflowed = true;
    this.clear("closed");
  }

  #conflateEvery(): void {
    const kept = this.#everyPosition;
    if (kept === null) return;
    this.#everyPosition = null;
    this.#lagging = true;
    for (const update of kept) {
      this.#queuedBytes -= update.bytes;
      this.#replace((this.#positions ??= new Map()), update);
    }
  }

  /** Forgets everything queued about a subject: their policy changed. */
  forgetSubject(subject: string): void {
    const keep = (list: VisibleUpdate[] | null) =>
      list?.some((update) => update.subject === subject) ? list.filter((update) => update.subject !== subject || (this.#drop(update, "policy"), false)) : list;
    this.#transitions = keep(this.#transitions);
    this.#everyPosition = keep(this.#everyPosition);
    if (this.#positions !== null) {
      for (const [key, update] of this.#positions) {
        if (update.subject !== subject) continue;
        this.#positions.delete(key);
        this.#drop(update, "policy");
      }
    }
  }

  /** Positions that wait are not sent: of one key, or all. */
  dropPositions(reason: DropReason, key?: string): void {
    const goes = (update: VisibleUpdate) => key === undefined || update.key === key;
    for (const [known, update] of this.#positions ?? []) {
      if (!goes(update)) continue;
      this.#positions?.delete(known);
      this.#drop(update, reason);
    }
    this.#everyPosition = this.#everyPosition?.filter((update) => !goes(update) || (this.#drop(update, reason), false)) ?? null;
  }

  clear(reason: DropReason): void {
    for (const list of [this.#alerts, this.#transitions, this.#everyPosition, this.#positions?.values(), this.#telemetry?.values()]) {
      for (const update of list ?? []) this.#drop(update, reason);
    }
    this.#alerts = this.#transitions = this.#everyPosition = this.#positions = this.#telemetry = null;
  }

  /** The next frame, or null when nothing may be written now. Call until null. */
  take(options: TakeOptions): OutboxFrame | null {
    const whole = this.#takeWhole(options);
    if (whole !== null) return this.#frame(whole, options);
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
        this.#everyPosition = takeFrom(this.#everyPosition, fits);
        takeFromMap(this.#positions, fits);
      }
      if (options.telemetry) takeFromMap(this.#telemetry, fits);
    } else if (!this.#lagging && (this.hasPositions || this.hasTelemetry)) {
      this.#lagging = true;
      this.#conflateEvery();
    }
    this.#recover();
    return events.length === 0 ? null : this.#frame(events, options);
  }

  /** What nearly every call finds: transitions alone, which all fit. */
  #takeWhole(options: TakeOptions): VisibleUpdate[] | null {
    const transitions = this.#transitions;
    if (transitions === null || this.#alerts !== null || this.#lagging || this.#queuedBytes > MAX_FRAME_BYTES / 2 || this.unackedBytes >= WINDOW_BYTES) return null;
    if ((options.positions && this.hasPositions) || (options.telemetry && this.hasTelemetry)) return null;
    this.#transitions = null;
    for (const update of transitions) this.#queuedBytes -= update.bytes;
    return transitions;
  }

  #recover(): void {
    if (this.#lagging && this.unackedBytes < WINDOW_BYTES / 2 && this.#queuedBytes < this.#budgetBytes / 2) this.#lagging = false;
  }

  #frame(events: VisibleUpdate[], { seal, nowMs, offeredOffset }: TakeOptions): OutboxFrame {
    const s = this.#nextS;
    this.#nextS += events.length;
    let oldestStoredAtMs: number | null = null;
    let logged = false;
    let bytes = 24;
    for (const event of events) {
      bytes += event.bytes + 1;
      this.#counts.delivered[event.lane]++;
      if (event.offset === null) continue;
      logged = true;
      if (event.storedAtMs !== null && (oldestStoredAtMs === null || event.storedAtMs < oldestStoredAtMs)) oldestStoredAtMs = event.storedAtMs;
    }
    const cursor = logged && this.#sealIsDue(nowMs) ? `,"c":"${seal(this.writtenOffset(offeredOffset))}"` : "";
    bytes += cursor.length;
    const [first] = events;
    const text =
      events.length === 1 && first !== undefined
        ? `{"op":"ev","s":${s}${cursor},${first.json.slice(1)}`
        : `{"op":"b","s":${s}${cursor},"ev":[${joined(events)}]}`;
    if (this.unackedBytes < WINDOW_BYTES && this.unackedBytes + bytes >= WINDOW_BYTES) this.#fullSinceMs = nowMs;
    if (this.unackedBytes === 0) this.#unackedSinceMs = nowMs;
    this.#counts.batch.add(events.length);
    this.#sentBytes += bytes;
    this.#counts.bytes += bytes;
    this.#counts.frames++;
    this.#mark();
    return { text, oldestStoredAtMs };
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

  #mark(): void {
    const markS = (this.#markS ??= []);
    const markBytes = (this.#markBytes ??= []);
    markS.push(this.lastS);
    markBytes.push(this.#sentBytes);
    if (markS.length <= MAX_MARKS) return;
    // Every second mark goes, the newest stays.
    this.#markS = markS.filter((_, index) => index % 2 === 1 || index === markS.length - 1);
    this.#markBytes = markBytes.filter((_, index) => index % 2 === 1 || index === markBytes.length - 1);
  }

  /** The client has everything up to `s`. False: it claims more than it was sent. */
  ack(s: number, nowMs: number): boolean {
    if (s > this.lastS) return false;
    if (s <= this.#ackedS) return true;
    this.#ackedS = s;
    this.#fullSinceMs = nowMs;
    const markS = this.#markS ?? [];
    const markBytes = this.#markBytes ?? [];
    let passed = 0;
    while (passed < markS.length && (markS[passed] as number) <= s) passed++;
    if (passed > 0) {
      this.#counts.acknowledged.add(Math.max(0, nowMs - this.#unackedSinceMs) / 1_000);
      this.#unackedSinceMs = nowMs;
      this.#ackedBytes = markBytes[passed - 1] as number;
      markS.splice(0, passed);
      markBytes.splice(0, passed);
    }
    this.#recover();
    return true;
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

function firstOffsetOf(waiting: readonly VisibleUpdate[] | null): number {
  return waiting?.find((update) => update.offset !== null)?.offset ?? Infinity;
}

function takeFrom(list: VisibleUpdate[] | null, fits: (update: VisibleUpdate) => boolean): VisibleUpdate[] | null {
  if (list === null) return null;
  const taken = list.findIndex((update) => !fits(update));
  if (taken === -1) return null;
  return taken === 0 ? list : list.slice(taken);
}

function takeFromMap(map: Map<string, VisibleUpdate> | null, fits: (update: VisibleUpdate) => boolean): void {
  if (map === null) return;
  for (const [key, update] of map) {
    if (!fits(update)) return;
    map.delete(key);
  }
}

