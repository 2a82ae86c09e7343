import type { TagId, VenueMap, ZoneId } from "@konferenco/protocol";
import type { TruthPoint } from "@konferenco/simulators";
import type { TraceLine } from "./trace.ts";

/** How well a trace agrees with the truth. Shares are 0-1; null where there was nothing to measure. */
export interface Figures {
  /** Moments at which the truth is known. All are counted. */
  instants: number;
  fixShare: number;
  errorM: Spread | null;
  /** The mean error when an instant without a fix counts 10 m. */
  meanErrorWithMissingM: number | null;
  /** Of the instants with a fix. */
  floorAccuracy: number | null;
  /** Right zone, or rightly none; an instant without a fix counts as wrong. */
  zoneAccuracy: number;
  /** The same over instants truly in a zone that is not a corridor. */
  zoneAccuracyInRooms: number | null;
  zoneChangesReported: number;
  zoneChangesTrue: number;
  enterDelayS: Delays;
  exitDelayS: Delays;
  /** How often the truth is within accuracy95M: 0.95 is right, more is timid, less is boastful. */
  insideAccuracy95: number | null;
  meanAccuracy95M: number | null;
  meanConfidence: number | null;
  /** Right zones by stated confidence. */
  reliability: { fromConfidence: number; toConfidence: number; instants: number; meanConfidence: number; zoneAccuracy: number }[];
}

export interface Spread {
  mean: number;
  median: number;
  p75: number;
  p90: number;
  p95: number;
  max: number;
}

/** Delays of the stays that were noticed, and how many of all were not. */
export interface Delays {
  median: number | null;
  p95: number | null;
  noticed: number;
  missed: number;
}

const MISSING_M = 10;
/** An output older than this is no fix: the system writes one at least every second while it knows something. */
const STALE_MS = 2_000;
/** A verdict may come this much before the truth: a tag at a door is in both rooms. Earlier is another event. */
const EARLY_MS = 5_000;
/** Shorter stays are crossings of a border; no method is asked for them. */
const MIN_STAY_MS = 3_000;

/** One moment at which the truth is known, and what was said then. */
export interface Instant {
  tagId: TagId;
  atMs: number;
  trueZoneId: ZoneId | null;
  inRoom: boolean;
  /** Null without an output: nothing was known, or it was too old. */
  said: { zoneId: ZoneId | null; rightFloor: boolean; errorM: number; accuracy95M: number; confidence: number } | null;
}

/** A trace beside its truth, before any averaging: what recordings are pooled by, and what plots show. */
export interface Measured {
  instants: Instant[];
  changesReported: number;
  changesTrue: number;
  enterDelaysMs: (number | null)[];
  exitDelaysMs: (number | null)[];
}

/** Scores one trace. Each truth point is compared with the last output at or before it: what a screen showed then. */
export function score(trace: readonly TraceLine[], truth: readonly TruthPoint[], venue: VenueMap): Figures {
  return figuresOf([measure(trace, truth, venue)]);
}

export function measure(trace: readonly TraceLine[], truth: readonly TruthPoint[], venue: VenueMap): Measured {
  const corridors = new Set(venue.zones.filter((zone) => zone.kind === "corridor").map((zone) => zone.zoneId));
  const lines = groupByTag(trace);
  const stays = staysOf(truth);
  return {
    instants: [...groupByTag(truth)].flatMap(([tagId, points]) =>
      pairUp(points, lines.get(tagId) ?? []).map(({ point, line }) => ({
        tagId,
        atMs: point.atMs,
        trueZoneId: point.zoneId,
        inRoom: point.zoneId !== null && !corridors.has(point.zoneId),
        said:
          line === null
            ? null
            : {
                zoneId: line.zoneId,
                rightFloor: line.floor === point.floor,
                errorM: Math.hypot(line.xM - point.xM, line.yM - point.yM),
                accuracy95M: line.accuracy95M,
                confidence: line.confidence,
              },
      })),
    ),
    changesReported: countChanges(trace),
    changesTrue: countChanges(truth),
    enterDelaysMs: stays.flatMap((stay) => (stay.began ? [enterDelayMs(stay, lines.get(stay.tagId) ?? [])] : [])),
    exitDelaysMs: stays.flatMap((stay) => (stay.ended ? [exitDelayMs(stay, lines.get(stay.tagId) ?? [])] : [])),
  };
}

/** Figures over one recording or several: every instant counts once. */
export function figuresOf(measured: readonly Measured[]): Figures {
  const instants = measured.flatMap((one) => one.instants);
  const said = instants.flatMap((instant) => (instant.said === null ? [] : [instant.said]));
  const isRight = (instant: Instant) => instant.said !== null && instant.said.zoneId === instant.trueZoneId;
  const errorM = spread(said.map((one) => one.errorM));
  return {
    instants: instants.length,
    fixShare: instants.length === 0 ? 0 : said.length / instants.length,
    errorM,
    meanErrorWithMissingM: mean(instants.map((instant) => instant.said?.errorM ?? MISSING_M)),
    floorAccuracy: mean(said.map((one) => Number(one.rightFloor))),
    zoneAccuracy: mean(instants.map((instant) => Number(isRight(instant)))) ?? 0,
    zoneAccuracyInRooms: mean(instants.filter(({ inRoom }) => inRoom).map((instant) => Number(isRight(instant)))),
    zoneChangesReported: sumOf(measured.map((one) => one.changesReported)),
    zoneChangesTrue: sumOf(measured.map((one) => one.changesTrue)),
    enterDelayS: delays(measured.flatMap((one) => one.enterDelaysMs)),
    exitDelayS: delays(measured.flatMap((one) => one.exitDelaysMs)),
    insideAccuracy95: mean(said.map((one) => Number(one.errorM <= one.accuracy95M))),
    meanAccuracy95M: mean(said.map((one) => one.accuracy95M)),
    meanConfidence: mean(said.map((one) => one.confidence)),
    reliability: reliability(instants),
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Zone changes of all tags; the first zone that a tag is in is not a change. */
export function countChanges(points: readonly { tagId: TagId; zoneId: ZoneId | null }[]): number {
  const last = new Map<TagId, ZoneId | null>();
  let changes = 0;
  for (const { tagId, zoneId } of points) {
    const before = last.get(tagId);
    // Until the first verdict the zone is unknown, which is not a zone that is left.
    if (before === undefined && zoneId === null) continue;
    if (before !== undefined && before !== zoneId) changes++;
    last.set(tagId, zoneId);
  }
  return changes;
}

interface Pair {
  point: TruthPoint;
  line: TraceLine | null;
}

function pairUp(points: readonly TruthPoint[], lines: readonly TraceLine[]): Pair[] {
  let next = 0;
  return points.map((point) => {
    while (next < lines.length && (lines[next] as TraceLine).atMs <= point.atMs) next++;
    const line = lines[next - 1];
    return { point, line: line !== undefined && point.atMs - line.atMs <= STALE_MS ? line : null };
  });
}

interface Stay {
  tagId: TagId;
  zoneId: ZoneId;
  fromMs: number;
  toMs: number;
  /** Whether the truth saw it begin and end; a stay cut off by the recording has no delay there. */
  began: boolean;
  ended: boolean;
}

function staysOf(truth: readonly TruthPoint[]): Stay[] {
  const stays: Stay[] = [];
  for (const [tagId, points] of groupByTag(truth)) {
    let open: Stay | null = null;
    for (const { zoneId, atMs } of points) {
      if (open !== null && open.zoneId === zoneId) {
        open.toMs = atMs;
        continue;
      }
      if (open !== null) stays.push({ ...open, toMs: atMs, ended: true });
      open = zoneId === null ? null : { tagId, zoneId, fromMs: atMs, toMs: atMs, began: atMs !== points[0]?.atMs, ended: false };
    }
    if (open !== null) stays.push(open);
  }
  return stays.filter((stay) => stay.toMs - stay.fromMs >= MIN_STAY_MS);
}

/** From the true entry to the first output that says so, before the stay ends; null when none does. */
function enterDelayMs(stay: Stay, lines: readonly TraceLine[]): number | null {
  const first = lines.find((line) => line.atMs >= stay.fromMs - EARLY_MS && line.atMs <= stay.toMs && line.zoneId === stay.zoneId);
  return first === undefined ? null : first.atMs - stay.fromMs;
}

/** From the true exit to the first output that says the tag is elsewhere; null when the stay was never noticed. */
function exitDelayMs(stay: Stay, lines: readonly TraceLine[]): number | null {
  const during = lines.filter((line) => line.atMs >= stay.fromMs - EARLY_MS);
  const lastInside = during.findLast((line) => line.atMs <= stay.toMs && line.zoneId === stay.zoneId);
  if (lastInside === undefined) return null;
  const left = during.find((line) => line.atMs > lastInside.atMs && line.zoneId !== stay.zoneId);
  return left === undefined ? null : left.atMs - stay.toMs;
}

function delays(delaysMs: readonly (number | null)[]): Delays {
  const noticed = delaysMs.filter((delayMs) => delayMs !== null).map((delayMs) => delayMs / 1_000);
  const spreadS = spread(noticed);
  return { median: spreadS?.median ?? null, p95: spreadS?.p95 ?? null, noticed: noticed.length, missed: delaysMs.length - noticed.length };
}

function reliability(instants: readonly Instant[]): Figures["reliability"] {
  const said = instants.flatMap(({ said: one, trueZoneId }) => (one === null ? [] : [{ confidence: one.confidence, right: Number(one.zoneId === trueZoneId) }]));
  return [0, 0.2, 0.4, 0.6, 0.8].flatMap((fromConfidence) => {
    const toConfidence = Math.round((fromConfidence + 0.2) * 10) / 10;
    const bin = said.filter(({ confidence }) => confidence >= fromConfidence && (confidence < toConfidence || toConfidence === 1));
    if (bin.length === 0) return [];
    return [
      {
        fromConfidence,
        toConfidence,
        instants: bin.length,
        meanConfidence: mean(bin.map(({ confidence }) => confidence)) as number,
        zoneAccuracy: mean(bin.map(({ right }) => right)) as number,
      },
    ];
  });
}

function groupByTag<T extends { tagId: TagId }>(points: readonly T[]): Map<TagId, T[]> {
  const groups = new Map<TagId, T[]>();
  for (const point of points) {
    const group = groups.get(point.tagId);
    if (group === undefined) groups.set(point.tagId, [point]);
    else group.push(point);
  }
  return groups;
}

export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Quantiles by linear interpolation between order statistics (Hyndman and Fan's type 7, as numpy does). */
export function spread(values: readonly number[]): Spread | null {
  const meanValue = mean(values);
  if (meanValue === null) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number): number => {
    const at = share * (sorted.length - 1);
    const below = sorted[Math.floor(at)] as number;
    const above = sorted[Math.ceil(at)] as number;
    return below + (at - Math.floor(at)) * (above - below);
  };
  return { mean: meanValue, median: quantile(0.5), p75: quantile(0.75), p90: quantile(0.9), p95: quantile(0.95), max: sorted.at(-1) as number };
}
