import { RECENT_LOCATION_MS, type FixSource, type Position, type TagId, type ZoneId } from "@konferenco/protocol";

/** Two kept positions of a tag are at least this far apart. */
export const RECENT_SPACING_MS = 1_000;

/**
 * Rows over all tags, 68 bytes each: 64 MB. One a second for 5 minutes is 300 rows, so up to 3,300
 * tags keep every second; with more, rows stand further apart (100,000 tags: one in 30 s).
 */
export const MAX_RECENT_ROWS = 1_000_000;

const SOURCES: readonly FixSource[] = ["beacon", "wifi", "gps", "check-in", "fusion"];

// Columns of one row, numbers first.
const NUMBERS_PER_ROW = 7;
const WORDS_PER_ROW = 3;

/** How far apart the rows of a tag are when this many tags are followed. */
export function recentSpacingMs(tags: number): number {
  return Math.max(RECENT_SPACING_MS, Math.ceil((RECENT_LOCATION_MS * tags) / MAX_RECENT_ROWS));
}

/** A tag's last five minutes as a ring of columns: plain objects cost three times the memory and the collector's time. */
interface Track {
  numbers: Float64Array;
  words: Int32Array;
  capacity: number;
  oldest: number;
  length: number;
  lastAtMs: number;
}

/** Where tags were in the last five minutes (requirement A4: no longer). Never written to disk. */
export class RecentPositions {
  #tracks = new Map<TagId, Track>();
  #zoneIds: (ZoneId | null)[] = [null];
  #zoneIndex = new Map<ZoneId | null, number>([[null, 0]]);
  #rows = 0;
  #refused = 0;
  readonly #maxRows: number;

  constructor(maxRows = MAX_RECENT_ROWS) {
    this.#maxRows = maxRows;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Positions that were not kept because all rows were taken. */
  get refused(): number {
    return this.#refused;
  }

  add(position: Position, nowMs: number): void {
    const { atMs } = position;
    // Neither recent nor believable: a phone's clock may be years off.
    if (Math.abs(nowMs - atMs) > RECENT_LOCATION_MS) return;
    let track = this.#tracks.get(position.tagId);
    if (track === undefined) {
      if (this.#rows >= this.#maxRows) return void this.#refused++;
      track = { numbers: new Float64Array(8 * NUMBERS_PER_ROW), words: new Int32Array(8 * WORDS_PER_ROW), capacity: 8, oldest: 0, length: 0, lastAtMs: -Infinity };
      this.#tracks.set(position.tagId, track);
    }
    if (atMs < track.lastAtMs) {
      // Late, unless the clock went back (a recording begins again): then what lies ahead is not recent.
      if (track.lastAtMs - atMs < 2 * RECENT_LOCATION_MS) return;
      this.#rows -= track.length;
      track.length = 0;
    } else if (atMs - track.lastAtMs < recentSpacingMs(this.#tracks.size)) return;
    this.#forgetBefore(track, nowMs - RECENT_LOCATION_MS);
    if (this.#rows >= this.#maxRows) return void this.#refused++;
    if (track.length === track.capacity) widen(track);
    const row = (track.oldest + track.length) % track.capacity;
    const { numbers, words } = track;
    let at = row * NUMBERS_PER_ROW;
    for (const number of [position.atMs, position.xM, position.yM, position.vxMps, position.vyMps, position.accuracy95M, position.confidence]) numbers[at++] = number;
    at = row * WORDS_PER_ROW;
    words[at] = position.floor;
    words[at + 1] = SOURCES.indexOf(position.source);
    words[at + 2] = this.#indexOfZone(position.zoneId);
    track.length++;
    track.lastAtMs = atMs;
    this.#rows++;
  }

  /** Oldest first. */
  since(tagId: TagId, sinceMs: number): Position[] {
    const track = this.#tracks.get(tagId);
    const positions: Position[] = [];
    if (track === undefined) return positions;
    for (let i = 0; i < track.length; i++) {
      const position = this.#positionAt(tagId, track, (track.oldest + i) % track.capacity);
      if (position.atMs >= sinceMs) positions.push(position);
    }
    return positions;
  }

  drop(tagId: TagId): void {
    const track = this.#tracks.get(tagId);
    if (track === undefined) return;
    this.#rows -= track.length;
    this.#tracks.delete(tagId);
  }

  sweep(beforeMs: number): void {
    for (const [tagId, track] of this.#tracks) {
      this.#forgetBefore(track, beforeMs);
      if (track.length === 0) this.#tracks.delete(tagId);
    }
  }

  #forgetBefore(track: Track, beforeMs: number): void {
    while (track.length > 0 && (track.numbers[track.oldest * NUMBERS_PER_ROW] as number) < beforeMs) {
      track.oldest = (track.oldest + 1) % track.capacity;
      track.length--;
      this.#rows--;
    }
  }

  #positionAt(tagId: TagId, track: Track, row: number): Position {
    const [atMs, xM, yM, vxMps, vyMps, accuracy95M, confidence] = track.numbers.subarray(row * NUMBERS_PER_ROW, (row + 1) * NUMBERS_PER_ROW) as unknown as [number, number, number, number, number, number, number];
    const [floor, source, zone] = track.words.subarray(row * WORDS_PER_ROW, (row + 1) * WORDS_PER_ROW) as unknown as [number, number, number];
    return { tagId, atMs, xM, yM, floor, vxMps, vyMps, accuracy95M, confidence, source: SOURCES[source] as FixSource, zoneId: this.#zoneIds[zone] as ZoneId | null };
  }

  // Zone ids come from the venue map, so the table stays as small as the map.
  #indexOfZone(zoneId: ZoneId | null): number {
    let index = this.#zoneIndex.get(zoneId);
    if (index === undefined) {
      index = this.#zoneIds.push(zoneId) - 1;
      this.#zoneIndex.set(zoneId, index);
    }
    return index;
  }
}

function widen(track: Track): void {
  const numbers = new Float64Array(track.capacity * 2 * NUMBERS_PER_ROW);
  const words = new Int32Array(track.capacity * 2 * WORDS_PER_ROW);
  const head = track.oldest;
  numbers.set(track.numbers.subarray(head * NUMBERS_PER_ROW));
  numbers.set(track.numbers.subarray(0, head * NUMBERS_PER_ROW), (track.capacity - head) * NUMBERS_PER_ROW);
  words.set(track.words.subarray(head * WORDS_PER_ROW));
  words.set(track.words.subarray(0, head * WORDS_PER_ROW), (track.capacity - head) * WORDS_PER_ROW);
  track.numbers = numbers;
  track.words = words;
  track.oldest = 0;
  track.capacity *= 2;
}
