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
  refusedRows: RefusalCounts;
}

/** Sequence numbers remembered below the highest of a boot: 8 min at two reports a second, 128 bytes. */
const SEQ_MEMORY = 1_024;
/** Boots remembered of one gateway: a spool of the boot before may drain after a restart. */
const BOOTS_PER_GATEWAY = 4;
/** The least delay of the last one to two minutes counts: long enough to meet a quiet network, short enough to follow a clock that was set back. */
const OFFSET_MEMORY_MS = 60_000;

interface Boot {
  highestSeq: number;
  /** Ring of bits over the last SEQ_MEMORY numbers: seen or not. */
  seen: Uint32Array;
}

interface GatewayClock {
  boots: Map<string, Boot>;
  /** Least `receivedAt - sentAt` in the current and in the previous stretch of OFFSET_MEMORY_MS. */
  currentMinMs: number;
  previousMinMs: number;
  stretchBeganMs: number;
  clockBootId: string;
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
  const clock = clockOf(acceptor, report, receivedAtMs);
  if (wasSeen(clock, report.bootId, report.seq)) {
    return refuse("REPORT_DUPLICATE", `${report.gatewayId} boot ${report.bootId} seq ${report.seq} was here before`);
  }
  const offsetMs = offsetAfter(clock, report, receivedAtMs);
  const refusedRows: RefusalCounts = {};
  const observations: Observation[] = [];
  for (let row = 0; row < report.tagId.length; row++) {
    const heardOnItsClockMs = report.heardAtMs[row] as number;
    const heardAtMs = heardOnItsClockMs + offsetMs;
    if (heardOnItsClockMs > report.sentAtMs + config.maxFutureMs) {
      countRefusal(refusedRows, "OBSERVATION_FUTURE");
    } else if (heardAtMs < nowMs - config.maxLateMs) {
      countRefusal(refusedRows, "OBSERVATION_LATE");
    } else {
      observations.push({
        tagId: report.tagId[row] as string,
        gatewayId: report.gatewayId,
        rssiDbm: report.rssiDbm[row] as number,
        heardAtMs: Math.min(heardAtMs, receivedAtMs),
      });
    }
  }
  return { ok: true, value: { observations, refusedRows } };
}

/**
 * A status message tells the clock too. It is sent live, so after our own restart the offset is known
 * before a gateway drains its spool, and what was heard an hour ago is not taken for now. A retained
 * one from before only adds delay, which the least does not see.
 */
export function noteClock(acceptor: Acceptor, status: { gatewayId: GatewayId; bootId: string; sentAtMs: number }, receivedAtMs: number): void {
  offsetAfter(clockOf(acceptor, status, receivedAtMs), status, receivedAtMs);
}

/** How far the gateway's clock is behind ours, or null before its first report. */
export function clockOffsetMs(acceptor: Acceptor, gatewayId: GatewayId): number | null {
  const clock = acceptor.gateways.get(gatewayId);
  return clock === undefined ? null : Math.min(clock.currentMinMs, clock.previousMinMs);
}

function clockOf(acceptor: Acceptor, report: { gatewayId: GatewayId; bootId: string }, receivedAtMs: number): GatewayClock {
  let clock = acceptor.gateways.get(report.gatewayId);
  if (clock === undefined) {
    clock = { boots: new Map(), currentMinMs: Infinity, previousMinMs: Infinity, stretchBeganMs: receivedAtMs, clockBootId: report.bootId };
    acceptor.gateways.set(report.gatewayId, clock);
  }
  return clock;
}

/**
 * The offset is the least `receivedAt - sentAt`: what is above it is delay of the network or of a
 * spool. A gateway that comes back with a new boot may come back with another clock.
 */
function offsetAfter(clock: GatewayClock, report: { bootId: string; sentAtMs: number }, receivedAtMs: number): number {
  if (report.bootId !== clock.clockBootId) {
    clock.clockBootId = report.bootId;
    clock.currentMinMs = Infinity;
    clock.previousMinMs = Infinity;
    clock.stretchBeganMs = receivedAtMs;
  }
  if (receivedAtMs - clock.stretchBeganMs >= OFFSET_MEMORY_MS) {
    // After a long pause both stretches are old.
    clock.previousMinMs = receivedAtMs - clock.stretchBeganMs >= 2 * OFFSET_MEMORY_MS ? Infinity : clock.currentMinMs;
    clock.currentMinMs = Infinity;
    clock.stretchBeganMs = receivedAtMs;
  }
  clock.currentMinMs = Math.min(clock.currentMinMs, receivedAtMs - report.sentAtMs);
  return Math.min(clock.currentMinMs, clock.previousMinMs);
}

function wasSeen(clock: GatewayClock, bootId: string, seq: number): boolean {
  let boot = clock.boots.get(bootId);
  if (boot === undefined) {
    boot = { highestSeq: seq, seen: new Uint32Array(SEQ_MEMORY / 32) };
    mark(boot, seq);
    clock.boots.set(bootId, boot);
    if (clock.boots.size > BOOTS_PER_GATEWAY) {
      for (const oldest of clock.boots.keys()) {
        clock.boots.delete(oldest);
        break;
      }
    }
    return false;
  }
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
