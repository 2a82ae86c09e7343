import type { Position, ProximityTransition, TagId, ZoneTransition } from "@konferenco/protocol";
import type { Observation } from "./accept.ts";
import type { FusionOutput, LateRow, Pipeline, Standing } from "./pipeline.ts";

/** Something that came in and belongs at one moment. */
export interface Input {
  /** When an undisturbed network would have brought it. */
  dueMs: number;
  /** Who sent it and its number there: inputs of one moment are taken in this order, whichever arrived first. */
  from: string;
  seq: number;
  apply: () => void;
  /** Of a gateway's report: what it says of each tag, so that tags can be put right one by one. */
  observations?: () => readonly Observation[];
}

export interface TimelineCounts {
  /** Inputs that came after the tick that they belonged to. */
  late: number;
  /** Of these, taken as they came, or a part of them: more to run again than was earned, or not of gateways in a crowd. */
  lateUnplaced: number;
  /** Inputs that a device sent twice. */
  duplicates: number;
  /** Ticks of all tags that were run again… */
  replayedTicks: number;
  /** …and of one tag alone, in a crowd. */
  replayedTagTicks: number;
}

/** What a checkpoint keeps: how to go back to just after the tick of `atMs`. */
interface Checkpoint {
  atMs: number;
  restore: () => void;
}

/**
 * Puts what comes late, twice or out of order to where it belongs. Inputs wait for the next tick and go into
 * it in the order in which they were sent. One that came after its tick is taken as it comes, and takes the
 * pipeline back to a checkpoint before it, from which the ticks are run again: then everything that is told is
 * what an undisturbed network would have given. What was told already stays told; a verdict that turns out
 * otherwise is told as a change of now, so enter and exit go on alternating.
 *
 * In a crowd (maxTagsRunAgain) only the tags that a late report is about are taken back, each alone; what tags share stays as it is.
 */
export interface Timeline {
  /** Keeps one input until its tick. */
  take(input: Input): void;
  /** Whether nothing waits and nobody is there, so that ticks would do nothing. */
  isIdle(): boolean;
  tick(nowMs: number): FusionOutput;
  /** The tags leave with the next tick. What is kept to go back to holds them too and goes: what is late until then is taken as it comes. */
  drop(tagIds: readonly TagId[]): void;
  /** An earlier process told a tag to be where this position says. */
  noteTold(position: Position): void;
  /** While ticks are run again nothing of them is told. */
  readonly isReplaying: boolean;
  counts(): TimelineCounts;
}

/**
 * A checkpoint costs a third of a tick, and is taken at every fourth. What misses its tick by the jitter of a network
 * is put right then too; what is later than that at once.
 */
const TURN_TICKS = 4;
/** Ticks of one tag, 30 us each, that may be run again at once: a stall of half a second… */
const MOST_REPLAYED = 16_000;
/** …and what is earned for the next by every tick: an eighth of a processor. */
const REPLAYED_PER_TICK = 2_000;
/** Inputs kept to be run again: 2,000 gateways for the 10 s, 200 bytes each besides what they hold. Beyond, the oldest checkpoints are given up. */
const MOST_KEPT = 50_000;

/** `saveMore`: what the inputs change besides the pipeline; returns how to go back to as it is now. */
export function newTimeline(pipeline: Pipeline, saveMore: () => () => void = () => () => {}): Timeline {
  const { tickMs, maxLateMs, maxTagsRunAgain } = pipeline.config;
  const counts: TimelineCounts = { late: 0, lateUnplaced: 0, duplicates: 0, replayedTicks: 0, replayedTagTicks: 0 };
  /** What came since the last tick. */
  let waiting: Input[] = [];
  /** What ticks took, in order, as far back as the oldest checkpoint. */
  let taken: Input[] = [];
  let checkpoints: Checkpoint[] = [checkpointOf(-Infinity)];
  const toldZones = new Map<TagId, { enter: ZoneTransition; dwelt: boolean }>();
  const toldNear = new Map<string, ProximityTransition>();
  let tickedMs = -Infinity;
  let credit = MOST_REPLAYED;
  let isReplaying = false;
  /** What ticks took after their own, since the ticks were last run again. */
  let misplaced: Input[] = [];

  const isTurn = (nowMs: number): boolean => Math.round(nowMs / tickMs) % TURN_TICKS === 0;

  function checkpointOf(atMs: number): Checkpoint {
    const [restorePipeline, restoreMore] = [pipeline.save(), saveMore()];
    return {
      atMs,
      restore() {
        restorePipeline();
        restoreMore();
      },
    };
  }

  /** What is due before `nowMs`, in order and each once, apart: what missed its tick, and what did not. */
  function takeUp(nowMs: number): { late: Input[]; onTime: Input[] } {
    const due = waiting.filter(({ dueMs }) => dueMs < nowMs).sort(inOrder);
    waiting = waiting.filter(({ dueMs }) => dueMs >= nowMs);
    const first = due[0];
    if (first === undefined) return { late: [], onTime: [] };
    const known = new Set(first.dueMs >= tickedMs ? [] : taken.filter(({ dueMs }) => dueMs >= first.dueMs).map(nameOf));
    const fresh = due.filter((input) => {
      const name = nameOf(input);
      if (known.has(name)) counts.duplicates++;
      return !known.has(name) && known.add(name);
    });
    const late = fresh.filter(({ dueMs }) => dueMs < tickedMs);
    return { late, onTime: fresh.slice(late.length) };
  }

  /** Runs everything since the newest checkpoint before the first late input again, with all of them. False when that is not to be had. */
  function replay(sinceMs: number, droppedTags: Set<TagId>): boolean {
    const at = checkpoints.findLastIndex(({ atMs }) => atMs <= sinceMs);
    const from = checkpoints[at];
    if (from === undefined) return false;
    let next = taken.findIndex(({ dueMs }) => dueMs >= from.atMs);
    const fromMs = from.atMs === -Infinity ? (taken[next] as Input).dueMs : from.atMs;
    const firstTickMs = (Math.floor(fromMs / tickMs) + 1) * tickMs;
    const cost = ((tickedMs - firstTickMs) / tickMs + 1) * Math.max(1, pipeline.tagCount());
    if (cost > credit) return false;
    credit -= cost;
    from.restore();
    checkpoints.length = at + 1;
    isReplaying = true;
    for (let atMs = firstTickMs; atMs <= tickedMs; atMs += tickMs) {
      for (; next < taken.length && (taken[next] as Input).dueMs < atMs; next++) (taken[next] as Input).apply();
      for (const tagId of pipeline.tick(atMs).droppedTags) droppedTags.add(tagId);
      counts.replayedTicks++;
      keep(atMs);
    }
    isReplaying = false;
    return true;
  }

  /** What cannot be put where it belongs belongs from now on where it was taken. */
  function settle(inputs: readonly Input[]): void {
    counts.lateUnplaced += inputs.length;
    for (const input of inputs) input.dueMs = tickedMs;
    taken.sort(inOrder);
  }

  /** A checkpoint of now. Of those before, each lies about twice as far back as the next younger one. */
  function keep(nowMs: number): void {
    const isCrowd = pipeline.tagCount() > maxTagsRunAgain;
    pipeline.remember(isCrowd);
    if (isCrowd) {
      checkpoints = [];
      return;
    }
    if (!isTurn(nowMs)) return;
    checkpoints.push(checkpointOf(nowMs));
    for (let i = checkpoints.length - 2; i > 0; i--) {
      const [younger, older] = [checkpoints[i + 1] as Checkpoint, checkpoints[i - 1] as Checkpoint];
      if (younger.atMs - older.atMs <= nowMs - younger.atMs) checkpoints.splice(i, 1);
    }
  }

  /** Lets go what nothing late can need any more, and what there is no room for. */
  function forget(nowMs: number): void {
    while (checkpoints.length > 1 && ((checkpoints[1] as Checkpoint).atMs <= nowMs - maxLateMs - tickMs || taken.length > MOST_KEPT)) {
      checkpoints.shift();
      letGo();
    }
    if (checkpoints.length === 0) taken = [];
  }

  function letGo(): void {
    const fromMs = (checkpoints[0] as Checkpoint).atMs;
    const first = taken.findIndex(({ dueMs }) => dueMs >= fromMs);
    taken.splice(0, first === -1 ? taken.length : first);
  }

  // ---- what was told

  function noteOutput({ zoneTransitions, proximityTransitions }: FusionOutput): void {
    for (const told of zoneTransitions) {
      const stay = toldZones.get(told.tagId);
      if (told.transition === "enter") toldZones.set(told.tagId, { enter: told, dwelt: false });
      else if (told.transition === "exit") toldZones.delete(told.tagId);
      else if (stay !== undefined) stay.dwelt = true;
    }
    for (const told of proximityTransitions) {
      if (told.transition === "near") toldNear.set(keyOf(told), told);
      else toldNear.delete(keyOf(told));
    }
  }

  /** What is late and of gateways goes to the tags that it is about; the rest, and what came a moment after its tick, is taken as it comes. */
  function rehear(late: readonly Input[]): Set<TagId> {
    const inputOf = new Map<LateRow, Input>();
    for (const input of late) {
      if (input.observations === undefined || tickedMs - input.dueMs < tickMs) {
        input.apply();
        counts.lateUnplaced++;
      } else {
        for (const observation of input.observations()) inputOf.set({ observation, dueMs: input.dueMs }, input);
      }
    }
    const { tagIds, ticks, unplaced } = pipeline.rehear([...inputOf.keys()], tickedMs, credit);
    credit -= ticks;
    counts.replayedTagTicks += ticks;
    counts.lateUnplaced += new Set(unplaced.map((row) => inputOf.get(row))).size;
    return tagIds;
  }

  /** From where tags were told to be to where they stand, as changes of now. */
  function zoneCorrections(stays: Standing["stays"], tagIds: Iterable<TagId>, nowMs: number): ZoneTransition[] {
    const zoneTransitions: ZoneTransition[] = [];
    const stayOf = new Map(stays.map((stay) => [stay.enter.tagId, stay]));
    for (const tagId of [...tagIds].sort()) {
      const told = toldZones.get(tagId);
      const stay = stayOf.get(tagId);
      const isSame = told !== undefined && stay !== undefined && told.enter.zoneId === stay.enter.zoneId && told.enter.floor === stay.enter.floor;
      if (told !== undefined && !isSame) zoneTransitions.push({ ...told.enter, transition: "exit", atMs: nowMs, confidence: 0 });
      if (stay !== undefined && !isSame) zoneTransitions.push(stay.enter);
      if (stay?.dwelt === true && !(isSame && told.dwelt)) zoneTransitions.push({ ...stay.enter, transition: "dwell" });
    }
    return zoneTransitions;
  }

  function pairCorrections(near: Standing["near"], nowMs: number): ProximityTransition[] {
    const nearOf = new Map(near.map((pair) => [keyOf(pair), pair]));
    const proximityTransitions: ProximityTransition[] = [];
    for (const key of [...new Set([...toldNear.keys(), ...nearOf.keys()])].sort()) {
      const [told, stands] = [toldNear.get(key), nearOf.get(key)];
      if (told !== undefined && stands === undefined) proximityTransitions.push({ ...told, transition: "apart", atMs: nowMs, confidence: 0 });
      if (told === undefined && stands !== undefined) proximityTransitions.push(stands);
    }
    return proximityTransitions;
  }

  return {
    take(input) {
      waiting.push(input);
    },

    isIdle: () => waiting.length === 0 && pipeline.tagCount() === 0,

    tick(nowMs) {
      const { late, onTime } = takeUp(nowMs);
      const droppedTags = new Set<TagId>();
      let isCorrected = false;
      let reheard = new Set<TagId>();
      counts.late += late.length;
      const isCrowd = checkpoints.length === 0;
      if (isCrowd) {
        reheard = rehear(late);
      } else if (late.length > 0) {
        misplaced = [...misplaced, ...late];
        taken = [...taken, ...late].sort(inOrder);
      }
      const misplacedSinceMs = misplaced.reduce((least, { dueMs }) => Math.min(least, dueMs), Infinity);
      if (misplaced.length > 0 && (isTurn(nowMs) || tickedMs - misplacedSinceMs >= tickMs)) {
        isCorrected = replay(misplacedSinceMs, droppedTags);
        if (!isCorrected) settle(misplaced);
        misplaced = [];
      }
      if (!isCorrected && !isCrowd) for (const input of late) input.apply();
      for (const input of onTime) {
        taken.push(input);
        input.apply();
      }
      let output = pipeline.tick(nowMs);
      tickedMs = nowMs;
      credit = Math.min(MOST_REPLAYED, credit + REPLAYED_PER_TICK);
      keep(nowMs);
      forget(nowMs);
      if (isCorrected) {
        const present = new Set(output.positions.map(({ tagId }) => tagId));
        const dropped = [...new Set([...droppedTags, ...output.droppedTags])].filter((tagId) => !present.has(tagId));
        const { stays, near } = pipeline.standing(nowMs);
        const tagIds = new Set([...toldZones.keys(), ...stays.map(({ enter }) => enter.tagId)]);
        output = { ...output, zoneTransitions: zoneCorrections(stays, tagIds, nowMs), proximityTransitions: pairCorrections(near, nowMs), droppedTags: dropped };
      } else if (reheard.size > 0) {
        const others = output.zoneTransitions.filter(({ tagId }) => !reheard.has(tagId));
        output = { ...output, zoneTransitions: [...others, ...zoneCorrections(pipeline.standing(nowMs, reheard).stays, reheard, nowMs)] };
      }
      noteOutput(output);
      return output;
    },

    drop(tagIds) {
      for (const tagId of tagIds) pipeline.drop(tagId);
      checkpoints = [];
      taken = [];
      settle(misplaced);
      misplaced = [];
    },

    noteTold({ tagId, zoneId, floor, atMs, confidence }) {
      if (zoneId !== null && !toldZones.has(tagId)) toldZones.set(tagId, { enter: { transition: "enter", tagId, zoneId, floor, atMs, confidence }, dwelt: false });
    },

    get isReplaying() {
      return isReplaying;
    },

    counts: () => ({ ...counts }),
  };
}

function inOrder(a: Input, b: Input): number {
  if (a.dueMs !== b.dueMs) return a.dueMs - b.dueMs;
  if (a.from !== b.from) return a.from < b.from ? -1 : 1;
  return a.seq - b.seq;
}

function nameOf({ dueMs, from, seq }: Input): string {
  return `${dueMs} ${from} ${seq}`;
}

function keyOf({ tagA, tagB }: ProximityTransition): string {
  return `${tagA} ${tagB}`;
}
