import { createHmac } from "node:crypto";
import { LOG_RETENTION_MS, StoreUnavailable, type ActivityPlan, type SessionCount, type TagId } from "@konferenco/protocol";
import { forgetAttendance, isOver, noteAttendance, type AttendanceBook } from "./core/crowding.ts";
import type { LivePicture } from "./core/live-picture.ts";
import type { Pinboard, Tally } from "./pinboard/pinboard.ts";

/** Sessions that are asked about at one look, one question each; there are as many at once as rooms, more come in turn. */
const MAX_ASKED = 100;
/** Everybody is looked at in slices, between which requests are answered and alerts go out. */
const SLICE_MS = 2;
/** Attendees told of one session at one look, 16 bytes each. */
const MAX_TOLD = 1_000;

export interface AttendanceOptions {
  picture: LivePicture;
  pinboard: Pinboard;
  /** Attendees hang at the pinboard under what this key makes of tag and session, and until the session is over. */
  key: Uint8Array;
}

/**
 * Who attended which session, over all bridges and their restarts: each tells the pinboard whom it saw stay, the pinboard
 * counts different ones. While it is away each bridge goes on with what it has seen itself.
 */
export class Attendance {
  readonly #options: AttendanceOptions;
  readonly #book: AttendanceBook = new Map();
  /** What all bridges together have seen, and how many of our own attendees are in it. */
  readonly #shared = new Map<string, { tally: Tally; told: number; isSettled: boolean }>();
  #own: SessionCount[] = [];
  #turn = 0;
  #isLooking = false;
  #asking: Promise<void> | null = null;

  constructor(options: AttendanceOptions) {
    this.#options = options;
  }

  /** Every few seconds, whether anybody watches or not: who has stayed cannot be told afterwards. */
  look(plan: ActivityPlan, nowMs: number): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#lookSlice(noteAttendance(this.#book, this.#options.picture.standings(), plan, nowMs), plan, nowMs);
  }

  #lookSlice(look: ReturnType<typeof noteAttendance>, plan: ActivityPlan, nowMs: number): void {
    const untilMs = performance.now() + SLICE_MS;
    let step = look.next();
    while (step.done !== true && performance.now() < untilMs) step = look.next();
    if (step.done !== true) return void setImmediate(() => this.#lookSlice(look, plan, nowMs));
    this.#isLooking = false;
    this.#own = step.value;
    this.#asking ??= this.#ask(plan, nowMs).finally(() => (this.#asking = null));
  }

  counts(): SessionCount[] {
    const own = this.#own.map((count) => {
      const shared = this.#shared.get(count.sessionId);
      if (shared === undefined) return count;
      const { tally, isSettled } = shared;
      // Over and on again: we know no longer who was there before, so nobody is added.
      return { ...count, attended: isSettled ? tally.members : Math.max(count.attended, tally.members), peak: Math.max(count.peak, tally.most) };
    });
    const others = [...this.#shared].filter(([sessionId, { tally }]) => !this.#book.has(sessionId) && tally.most > 0);
    return [...own, ...others.map(([sessionId, { tally }]) => ({ sessionId, present: 0, attended: tally.members, peak: tally.most }))];
  }

  /** A tag whose carrier asked to be forgotten leaves no trace. */
  forget(tagId: TagId): void {
    forgetAttendance(this.#book, tagId);
    for (const [sessionId, shared] of this.#shared) {
      if (shared.isSettled) continue;
      shared.told = 0; // their places have moved
      this.#options.pinboard.untally(sessionId, this.#memberOf(sessionId, tagId)).catch(() => {}); // it goes with the session
    }
  }

  close(): Promise<void> {
    return this.#asking ?? Promise.resolve();
  }

  async #ask(plan: ActivityPlan, nowMs: number): Promise<void> {
    const begun = [...plan.sessionOf.values()].filter(({ startMs, endMs }) => startMs <= nowMs && nowMs - endMs < LOG_RETENTION_MS).map(({ sessionId }) => sessionId);
    const open = [...new Set([...this.#book.keys(), ...begun])].filter((sessionId) => this.#shared.get(sessionId)?.isSettled !== true);
    const from = this.#turn < open.length ? this.#turn : 0;
    this.#turn = from + MAX_ASKED;
    for (const sessionId of this.#shared.keys()) if (!this.#book.has(sessionId) && !plan.sessionOf.has(sessionId)) this.#shared.delete(sessionId);
    await Promise.all(open.slice(from, from + MAX_ASKED).map((sessionId) => this.#askOf(sessionId, plan, nowMs)));
  }

  async #askOf(sessionId: string, plan: ActivityPlan, nowMs: number): Promise<void> {
    const crowd = this.#book.get(sessionId);
    const before = this.#shared.get(sessionId);
    const told = before?.told ?? 0;
    const fresh = crowd === undefined || told >= crowd.attended.size ? [] : [...crowd.attended].slice(told, told + MAX_TOLD);
    const isLast = (crowd === undefined || told + fresh.length >= crowd.attended.size) && isOver(sessionId, crowd, plan, nowMs);
    try {
      const tally = await this.#options.pinboard.tally(sessionId, { members: fresh.map((tagId) => this.#memberOf(sessionId, tagId)), most: crowd?.peak ?? 0, isLast }, LOG_RETENTION_MS);
      // Fewer than before: the board was lost, or somebody is forgotten. One who is told twice counts once.
      const isLost = tally.members < (before?.tally.members ?? 0);
      this.#shared.set(sessionId, { tally, told: isLost ? 0 : told + fresh.length, isSettled: isLast && !isLost });
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error; // what is not told now is told at a later look
    }
  }

  #memberOf(sessionId: string, tagId: TagId): string {
    return createHmac("sha256", this.#options.key).update(`${sessionId} ${tagId}`).digest("base64url").slice(0, 16);
  }
}
