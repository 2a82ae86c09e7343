import { countRefusal, refuse, type BeaconReport, type GatewayId, type Parsed, type RefusalCounts, type TagId } from "@konferenco/protocol";
import type { FusionConfig } from "./fusion-config.ts";

/** A sighting that fusion believes: parsed, new, on our clock. */
export interface Observation {
  tagId: TagId;
  gatewayId: GatewayId;
  rssiDbm: number;
  heardAtMs: number;
}

/** What became of one report: its observations, and how many rows were refused by code. */
export interface AcceptedReport {
  observations: Observation[];
  /** When an undisturbed network would have brought it, on our clock. */
  dueMs: number;
  refusedRows: RefusalCounts;
}

/** Sequence numbers remembered below the highest of a boot: 8 min at two reports a second, 128 bytes. */
const SEQ_MEMORY = 1_024;
/** Boots remembered of one gateway: a spool of the boot before may drain after a restart. */
const BOOTS_PER_GATEWAY = 4;
/** Steps of its clock remembered of one boot: reports of before the step may come late. */
const STRETCHES_PER_BOOT = 4;
/** The least delay of the last one to two minutes counts: long enough to meet a quiet network, short enough to follow a clock that runs slow. */
const OFFSET_MEMORY_MS = 60_000;

/** A stretch of reports between two steps of the gateway's clock. */
interface Stretch {
  firstSeq: number;
  lastSeq: number;
  lastSentAtMs: number;
  /** Least `receivedAt - sentAt` in the current and in the previous OFFSET_MEMORY_MS. */
  currentMinMs: number;
  previousMinMs: number;
  memoryBeganMs: number;
}

interface Boot {
  highestSeq: number;
  /** Ring of bits over the last SEQ_MEMORY numbers: seen or not. */
  seen: Uint32Array;
  stretches: Stretch[];
}

interface GatewayClock {
  boots: Map<string, Boot>;
  /** The stretch that was heard of last. */
  current: Stretch | null;
}

/** What acceptance remembers: per gateway the sequence numbers that it has seen and the offset of its clock. At most the map's gateways, 2,000. */
export interface Acceptor {
  gateways: Map<GatewayId, GatewayClock>;
}

export function newAcceptor(): Acceptor {
  return { gateways: new Map() };
}

/**
 * A report of a known gateway to observations on our clock, or a refusal of the whole when it was
 * seen before. The caller has checked that the gateway is on the map, so the state is bounded.
 */
export function acceptReport(acceptor: Acceptor, report: BeaconReport, { receivedAtMs, nowMs }: { receivedAtMs: number; nowMs: number }, config: FusionConfig): Parsed<AcceptedReport> {
  const clock = clockOf(acceptor, report.gatewayId);
  const boot = bootOf(clock, report.bootId);
  if (wasSeen(boot, report.seq)) {
    return refuse("REPORT_DUPLICATE", `${report.gatewayId} boot ${report.bootId} seq ${report.seq} was here before`);
  }
  const stretch = stretchOf(boot, report, receivedAtMs, config);
  noteDelay(stretch, receivedAtMs - report.sentAtMs, receivedAtMs);
  clock.current = stretch;
  const offsetMs = offsetOf(stretch);
  const dueMs = report.sentAtMs + offsetMs;
  const before = boot.stretches[boot.stretches.indexOf(stretch) - 1];
  const refusedRows: RefusalCounts = {};
  const observations: Observation[] = [];
  for (let row = 0; row < report.tagId.length; row++) {
    const heardOnItsClockMs = report.heardAtMs[row] as number;
    let heardAtMs = heardOnItsClockMs + offsetMs;
    // The clock was set between hearing and sending: what makes no sense now may have been heard before.
    if (before !== undefined && (heardAtMs > dueMs + config.maxFutureMs || heardAtMs < dueMs - config.maxLateMs)) {
      const heardBeforeMs = heardOnItsClockMs + offsetOf(before);
      if (heardBeforeMs <= dueMs && heardBeforeMs >= dueMs - config.maxLateMs) heardAtMs = heardBeforeMs;
    }
    if (heardAtMs > dueMs + config.maxFutureMs) {
      countRefusal(refusedRows, "OBSERVATION_FUTURE");
    } else if (heardAtMs < dueMs - config.maxLateMs || dueOf(heardAtMs, dueMs, config) < nowMs - config.maxLateMs) {
      countRefusal(refusedRows, "OBSERVATION_LATE");
    } else {
      observations.push({
        tagId: report.tagId[row] as string,
        gatewayId: report.gatewayId,
        rssiDbm: report.rssiDbm[row] as number,
        heardAtMs: Math.min(heardAtMs, dueMs),
      });
    }
  }
  observations.sort(asHeard);
  return { ok: true, value: { observations, dueMs, refusedRows } };
}

/** A gateway may list its rows in any order: filters take them as they were heard, and those of one instant always the same way. */
function asHeard(a: Observation, b: Observation): number {
  return a.heardAtMs - b.heardAtMs || (a.tagId < b.tagId ? -1 : a.tagId > b.tagId ? 1 : a.rssiDbm - b.rssiDbm);
}

/** When an observation of a report was due: with its report, or before it when it waited in a gateway's spool. */
export function dueOf(heardAtMs: number, reportDueMs: number, config: FusionConfig): number {
  return Math.min(reportDueMs, heardAtMs + config.maxBatchMs);
}

/**
 * A status message tells the clock too. It is sent live, so after our own restart the offset is known
 * before a gateway drains its spool, and what was heard an hour ago is not taken for now. A retained
 * one from before only adds delay, which the least does not see.
 */
export function noteClock(acceptor: Acceptor, status: { gatewayId: GatewayId; bootId: string; sentAtMs: number }, receivedAtMs: number): void {
  const clock = clockOf(acceptor, status.gatewayId);
  const boot = bootOf(clock, status.bootId);
  const last = boot.stretches.at(-1);
  const stretch = last === undefined || jumpedAhead(last, status.sentAtMs, receivedAtMs) ? addStretch(boot, { seq: (last?.lastSeq ?? -1) + 1, sentAtMs: -Infinity }, receivedAtMs) : last;
  noteDelay(stretch, receivedAtMs - status.sentAtMs, receivedAtMs);
  clock.current = stretch;
}

/** How far the gateway's clock is behind ours, or null before its first report. */
export function clockOffsetMs(acceptor: Acceptor, gatewayId: GatewayId): number | null {
  const current = acceptor.gateways.get(gatewayId)?.current ?? null;
  return current === null ? null : offsetOf(current);
}

function clockOf(acceptor: Acceptor, gatewayId: GatewayId): GatewayClock {
  let clock = acceptor.gateways.get(gatewayId);
  if (clock === undefined) {
    clock = { boots: new Map(), current: null };
    acceptor.gateways.set(gatewayId, clock);
  }
  return clock;
}

function bootOf(clock: GatewayClock, bootId: string): Boot {
  let boot = clock.boots.get(bootId);
  if (boot !== undefined) return boot;
  boot = { highestSeq: -1, seen: new Uint32Array(SEQ_MEMORY / 32), stretches: [] };
  clock.boots.set(bootId, boot);
  if (clock.boots.size > BOOTS_PER_GATEWAY) {
    for (const oldest of clock.boots.keys()) {
      clock.boots.delete(oldest);
      break;
    }
  }
  return boot;
}

// ---- the clock

/**
 * Which stretch of the gateway's clock a report was sent in. A later number with an earlier time: the clock
 * was set back. A later number that would have come long before it was sent: it was set ahead. An older number
 * belongs to where its numbers are, if that makes sense of its time.
 */
function stretchOf(boot: Boot, { seq, sentAtMs }: { seq: number; sentAtMs: number }, receivedAtMs: number, config: FusionConfig): Stretch {
  const last = boot.stretches.at(-1);
  if (last === undefined) return addStretch(boot, { seq, sentAtMs }, receivedAtMs);
  if (seq > last.lastSeq) {
    if (sentAtMs < last.lastSentAtMs || jumpedAhead(last, sentAtMs, receivedAtMs)) return addStretch(boot, { seq, sentAtMs }, receivedAtMs);
    last.lastSeq = seq;
    last.lastSentAtMs = sentAtMs;
    return last;
  }
  const own = boot.stretches.findLast(({ firstSeq }) => firstSeq <= seq) ?? last;
  const makesSense = (stretch: Stretch): boolean => {
    const delayMs = receivedAtMs - sentAtMs - offsetOf(stretch);
    return delayMs > -JUMP_MS && delayMs <= config.maxLateMs;
  };
  return makesSense(own) ? own : (boot.stretches.findLast(makesSense) ?? own);
}

/** More than any delay of what is not too late explains. A smaller step ahead is taken for a network that became quicker, which gives the same offset. */
const JUMP_MS = 10_000;

function jumpedAhead(stretch: Stretch, sentAtMs: number, receivedAtMs: number): boolean {
  return receivedAtMs - sentAtMs < offsetOf(stretch) - JUMP_MS;
}

function addStretch(boot: Boot, { seq, sentAtMs }: { seq: number; sentAtMs: number }, receivedAtMs: number): Stretch {
  const stretch: Stretch = { firstSeq: seq, lastSeq: seq, lastSentAtMs: sentAtMs, currentMinMs: Infinity, previousMinMs: Infinity, memoryBeganMs: receivedAtMs };
  boot.stretches.push(stretch);
  if (boot.stretches.length > STRETCHES_PER_BOOT) boot.stretches.shift();
  return stretch;
}

/** The offset is the least `receivedAt - sentAt`: what is above it is delay of the network or of a spool. */
function noteDelay(stretch: Stretch, delayMs: number, receivedAtMs: number): void {
  if (receivedAtMs - stretch.memoryBeganMs >= OFFSET_MEMORY_MS) {
    // After a long pause both are old.
    stretch.previousMinMs = receivedAtMs - stretch.memoryBeganMs >= 2 * OFFSET_MEMORY_MS ? Infinity : stretch.currentMinMs;
    stretch.currentMinMs = Infinity;
    stretch.memoryBeganMs = receivedAtMs;
  }
  stretch.currentMinMs = Math.min(stretch.currentMinMs, delayMs);
}

function offsetOf({ currentMinMs, previousMinMs }: Stretch): number {
  return Math.min(currentMinMs, previousMinMs);
}

// ---- sequence numbers

function wasSeen(boot: Boot, seq: number): boolean {
  // Too far back to know: refused, for a report that old is late anyway and a second count would be wrong.
  if (seq <= boot.highestSeq - SEQ_MEMORY) return true;
  if (seq > boot.highestSeq) {
    const from = Math.max(boot.highestSeq + 1, seq - SEQ_MEMORY + 1);
    for (let skipped = from; skipped < seq; skipped++) unmark(boot, skipped);
    boot.highestSeq = seq;
    mark(boot, seq);
    return false;
  }
  if (isMarked(boot, seq)) return true;
  mark(boot, seq);
  return false;
}

function mark(boot: Boot, seq: number): void {
  const bit = seq % SEQ_MEMORY;
  boot.seen[bit >> 5] = (boot.seen[bit >> 5] as number) | (1 << (bit & 31));
}

function unmark(boot: Boot, seq: number): void {
  const bit = seq % SEQ_MEMORY;
  boot.seen[bit >> 5] = (boot.seen[bit >> 5] as number) & ~(1 << (bit & 31));
}

function isMarked(boot: Boot, seq: number): boolean {
  const bit = seq % SEQ_MEMORY;
  return ((boot.seen[bit >> 5] as number) & (1 << (bit & 31))) !== 0;
}
