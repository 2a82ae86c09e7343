import type { TagId, ZoneId } from "@konferenco/protocol";
import type { Trail } from "./coarse-times.ts";
import { COMPATIBLE, matchOf, type Match } from "./compatibility.ts";
import { mayMeet, type Holder, type SubjectPolicy } from "./privacy-policy.ts";
import type { Standing } from "./privacy.ts";
import { KeyedBuckets } from "./token-bucket.ts";

/** Both must have been there for so long. */
export const DWELL_MS = 5_000;
/** Fusion is sure of an enter about two seconds after it happened; they count as having been there, so that the word comes within 5 s of both being there (requirement C4). */
const VERDICT_MS = 2_000;
/** One word per pair in this time, whichever. */
export const PAIR_QUIET_MS = 30 * 60_000;
/** Pairs that are remembered, 150 bytes each; beyond, the oldest may hear of each other again. */
const MAX_PAIRS = 200_000;
/** People in a zone whom one who has come is compared with: 1 µs each. */
const MAX_COMPARED = 2_000;
/** Words to one person: 20 at once, then one in 30 s. A hall of matches is a list (nearby), not an alarm. */
const WORD_RATE = { perS: 1 / 30, burst: 20 };
/** Who shares a zone no wider than this is near: that is on the map for all to see. */
const NEAR_ZONE_M = 50;
/** Somebody who is not to be disturbed is looked at again after so long. */
const LOOK_AGAIN_MS = 5_000;

/** Two people who have come together. Each side hears of the other, or neither does. */
export interface Encounter {
  kind: "serendipity" | "near";
  a: SubjectPolicy;
  b: SubjectPolicy;
  /** For a, and for b: what one of them reads names the other. */
  matches: [Match, Match];
}

/** Two who were told that they share a zone, until they do not. */
export interface NearPair {
  a: string;
  b: string;
  tagIds: readonly [TagId, TagId];
  zoneId: ZoneId;
}

export interface Surround {
  trailOf: (tagId: TagId) => (Standing & Trail) | null;
  aroundZone: (zoneId: ZoneId) => Iterable<Standing & Trail>;
  holderOf: (tagId: TagId) => Holder;
  zoneWidthM: (zoneId: ZoneId) => number;
  /** Zones too small to be shown to strangers. */
  isSmall: (zoneId: ZoneId) => boolean;
}

/**
 * Who has come together with whom. By zones alone, which both show each other: a distance would tell more than they
 * allow. A pair is looked at once, when the later of the two has been there long enough.
 */
export class Encounters {
  readonly #surround: Surround;
  readonly #waiting = new Map<TagId, number>();
  readonly #toldAtMs = new Map<string, number>();
  readonly #near = new Map<string, NearPair>();
  /** Where the round stands that looks for pairs that have parted; null between two. */
  #round: MapIterator<[string, NearPair]> | null = null;
  readonly #words = new KeyedBuckets(WORD_RATE, MAX_PAIRS);

  constructor(surround: Surround) {
    this.#surround = surround;
  }

  /** The tag has come into a zone, or its holder's policy has changed. */
  look(tagId: TagId): void {
    this.#waiting.set(tagId, 0);
  }

  /** `hasTime`: asked before each person is compared; who is left comes with the next tick. After a start that is everybody. */
  tick(nowMs: number, hasTime: () => boolean = () => true): Encounter[] {
    const encounters: Encounter[] = [];
    for (const [tagId, dueAtMs] of this.#waiting) {
      if (dueAtMs > nowMs) continue;
      if (!hasTime()) break;
      const here = this.#surround.trailOf(tagId);
      const holder = this.#surround.holderOf(tagId);
      if (here === null || here.zoneId === null || typeof holder !== "object" || !holder.proximityAlerts) {
        this.#waiting.delete(tagId);
        continue;
      }
      const readyAtMs = beganMs(here) + DWELL_MS;
      if (readyAtMs > nowMs) {
        this.#waiting.set(tagId, readyAtMs);
        continue;
      }
      if (holder.doNotDisturb || (holder.autoDoNotDisturb && holder.isInSession(holder.personId))) this.#waiting.set(tagId, nowMs + LOOK_AGAIN_MS);
      else this.#waiting.delete(tagId);
      this.#compare(here, holder, nowMs, encounters);
    }
    return encounters;
  }

  #compare(here: Standing, a: SubjectPolicy, nowMs: number, encounters: Encounter[]): void {
    const zoneId = here.zoneId as ZoneId;
    const { aroundZone, holderOf, isSmall, zoneWidthM } = this.#surround;
    const least = isSmall(zoneId) ? "precise" : "zone";
    let compared = 0;
    for (const there of aroundZone(zoneId)) {
      if (there.tagId === here.tagId || there.zoneId !== zoneId || beganMs(there) + DWELL_MS > nowMs) continue;
      const b = holderOf(there.tagId);
      if (typeof b !== "object" || b.personId === a.personId || !b.proximityAlerts) continue;
      if (++compared > MAX_COMPARED) return;
      if (!mayMeet(a, b, least)) continue;
      const match = matchOf(a.profile, b.profile);
      const kind = match.score >= COMPATIBLE ? "serendipity" : "near";
      // Who show each other their precise place hear of metres instead (projectPair).
      if (kind === "near" && (zoneWidthM(zoneId) > NEAR_ZONE_M || mayMeet(a, b, "precise"))) continue;
      if (this.#wasToldLately(a.personId, b.personId, nowMs)) continue;
      // Who has been told enough for now is not compared with the rest of the hall.
      if (this.#words.waitMs(a.personId, nowMs) > 0) return;
      if (this.#words.waitMs(b.personId, nowMs) > 0) continue;
      for (const { personId } of [a, b]) this.#words.take(personId, nowMs);
      this.#remember(a.personId, b.personId, nowMs);
      encounters.push({ kind, a, b, matches: [match, matchOf(b.profile, a.profile)] });
      if (kind === "near" && this.#near.size < MAX_PAIRS) this.#near.set(pairOf(a.personId, b.personId), { a: a.personId, b: b.personId, tagIds: [here.tagId, there.tagId], zoneId });
    }
  }

  #wasToldLately(a: string, b: string, nowMs: number): boolean {
    const toldAtMs = this.#toldAtMs.get(pairOf(a, b));
    return toldAtMs !== undefined && nowMs - toldAtMs < PAIR_QUIET_MS;
  }

  #remember(a: string, b: string, nowMs: number): void {
    const pair = pairOf(a, b);
    this.#toldAtMs.delete(pair); // to the end: the map's order is the order of the words
    this.#toldAtMs.set(pair, nowMs);
    for (const [oldest, atMs] of this.#toldAtMs) {
      if (this.#toldAtMs.size <= MAX_PAIRS && nowMs - atMs < PAIR_QUIET_MS) break;
      this.#toldAtMs.delete(oldest);
    }
  }

  /** Pairs of which one is no longer shown in the zone, once. `hasTime`: asked before each pair; the next call goes on there, and begins anew after the last. */
  takeParted(isShownIn: (tagId: TagId, zoneId: ZoneId) => boolean, hasTime: () => boolean = () => true): NearPair[] {
    const parted: NearPair[] = [];
    this.#round ??= this.#near.entries();
    while (hasTime()) {
      const next = this.#round.next();
      if (next.done === true) {
        this.#round = null;
        break;
      }
      const [pair, near] = next.value;
      if (near.tagIds.every((tagId) => isShownIn(tagId, near.zoneId))) continue;
      this.#near.delete(pair);
      parted.push(near);
    }
    return parted;
  }

  /** Nothing of the person is kept. */
  forget(personId: string): void {
    for (const [pair, { a, b }] of this.#near) if (a === personId || b === personId) this.#near.delete(pair);
    for (const pair of this.#toldAtMs.keys()) if (pair.startsWith(`${personId} `) || pair.endsWith(` ${personId}`)) this.#toldAtMs.delete(pair);
  }
}

/** Since when the tag counts as being in its zone. */
function beganMs({ stays }: Trail): number {
  return (stays.at(-1)?.sinceMs ?? Infinity) - VERDICT_MS;
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
