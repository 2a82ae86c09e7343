import type { TagId } from "@konferenco/protocol";

/** Edge of a cell. Questions are 3-50 m wide: a 10 m question touches 25 cells. */
const CELL_M = 5;

/** Cells in each direction from the origin. Points further out (5,000 km) share the outermost cells. */
const CELL_LIMIT = 2 ** 20;

/** A tag and how far away it is. */
export interface NearbyTag {
  tagId: TagId;
  distanceM: number;
}

/**
 * Where the tags of one floor are: a uniform grid, each cell a linked list through typed arrays.
 * 28 bytes per tag beside the maps; a move is a few array writes (bench in docs/decisions/0010).
 */
export class GeoGrid {
  #slotOf = new Map<TagId, number>();
  #tagOf: TagId[] = [];
  #freeSlots: number[] = [];
  #headOf = new Map<number, number>();
  #xM = new Float64Array(64);
  #yM = new Float64Array(64);
  #next = new Int32Array(64);
  #previous = new Int32Array(64);

  get size(): number {
    return this.#slotOf.size;
  }

  place(tagId: TagId, xM: number, yM: number): void {
    let slot = this.#slotOf.get(tagId);
    if (slot === undefined) {
      slot = this.#takeSlot(tagId);
    } else {
      if (cellOf(this.#xM[slot] as number, this.#yM[slot] as number) === cellOf(xM, yM)) {
        this.#xM[slot] = xM;
        this.#yM[slot] = yM;
        return;
      }
      this.#unlink(slot);
    }
    this.#xM[slot] = xM;
    this.#yM[slot] = yM;
    const cell = cellOf(xM, yM);
    const head = this.#headOf.get(cell) ?? -1;
    this.#next[slot] = head;
    this.#previous[slot] = -1;
    if (head !== -1) this.#previous[head] = slot;
    this.#headOf.set(cell, slot);
  }

  remove(tagId: TagId): void {
    const slot = this.#slotOf.get(tagId);
    if (slot === undefined) return;
    this.#unlink(slot);
    this.#slotOf.delete(tagId);
    this.#tagOf[slot] = "";
    this.#freeSlots.push(slot);
  }

  /** Tags within the radius, nearest first; at equal distance in the order of their ids. */
  within(xM: number, yM: number, radiusM: number, limit: number): NearbyTag[] {
    const found: NearbyTag[] = [];
    const look = (slot: number) => {
      const distanceM = Math.hypot((this.#xM[slot] as number) - xM, (this.#yM[slot] as number) - yM);
      if (distanceM <= radiusM) found.push({ tagId: this.#tagOf[slot] as TagId, distanceM });
    };
    const fromColumn = columnOf(xM - radiusM);
    const toColumn = columnOf(xM + radiusM);
    const fromRow = columnOf(yM - radiusM);
    const toRow = columnOf(yM + radiusM);
    if ((toColumn - fromColumn + 1) * (toRow - fromRow + 1) > this.#headOf.size) {
      // More cells in the box than there are occupied ones: look at everybody.
      for (const slot of this.#slotOf.values()) look(slot);
    } else {
      for (let column = fromColumn; column <= toColumn; column++) {
        for (let row = fromRow; row <= toRow; row++) {
          let slot = this.#headOf.get(cellKey(column, row)) ?? -1;
          for (; slot !== -1; slot = this.#next[slot] as number) look(slot);
        }
      }
    }
    return nearestFirst(found, limit);
  }

  #takeSlot(tagId: TagId): number {
    const slot = this.#freeSlots.pop() ?? this.#tagOf.length;
    if (slot === this.#xM.length) {
      this.#xM = grown(this.#xM, new Float64Array(slot * 2));
      this.#yM = grown(this.#yM, new Float64Array(slot * 2));
      this.#next = grown(this.#next, new Int32Array(slot * 2));
      this.#previous = grown(this.#previous, new Int32Array(slot * 2));
    }
    this.#tagOf[slot] = tagId;
    this.#slotOf.set(tagId, slot);
    return slot;
  }

  #unlink(slot: number): void {
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (next !== -1) this.#previous[next] = previous;
    if (previous !== -1) {
      this.#next[previous] = next;
      return;
    }
    const cell = cellOf(this.#xM[slot] as number, this.#yM[slot] as number);
    // Empty cells go, so that a day of walking does not leave a map of the whole venue behind.
    if (next === -1) this.#headOf.delete(cell);
    else this.#headOf.set(cell, next);
  }
}

/** Sorts in place and cuts: nearest first; at equal distance in the order of their ids. */
export function nearestFirst(found: NearbyTag[], limit: number): NearbyTag[] {
  found.sort((a, b) => a.distanceM - b.distanceM || (a.tagId < b.tagId ? -1 : 1));
  return found.length > limit ? found.slice(0, Math.max(0, limit)) : found;
}

function columnOf(m: number): number {
  return Math.max(-CELL_LIMIT, Math.min(CELL_LIMIT, Math.floor(m / CELL_M)));
}

function cellKey(column: number, row: number): number {
  return (column + CELL_LIMIT) * (2 * CELL_LIMIT + 1) + (row + CELL_LIMIT);
}

function cellOf(xM: number, yM: number): number {
  return cellKey(columnOf(xM), columnOf(yM));
}

function grown<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
