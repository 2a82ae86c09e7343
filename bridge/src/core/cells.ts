/** Edge of a cell: rings of cells around somebody grow in steps of it. */
const CELL_M = 5;
/** Rows of one floor: 5 km in each direction; who is beyond shares the outermost. */
const ROWS = 2_048;

/** Who stands somewhere: anything with a point of its own. `cell` is ours; null: nowhere yet. */
export interface Placed {
  gridXM: number;
  gridYM: number;
  cell: number | null;
}

/** The people of one floor by cells, for questions about who is around a point. */
export class Cells<T extends Placed> {
  readonly #byCell = new Map<number, Set<T>>();

  place(one: T): void {
    const cell = keyOf(columnOf(one.gridXM), columnOf(one.gridYM));
    if (one.cell === cell) return;
    this.remove(one);
    one.cell = cell;
    const there = this.#byCell.get(cell);
    if (there === undefined) this.#byCell.set(cell, new Set([one]));
    else there.add(one);
  }

  remove(one: T): void {
    if (one.cell === null) return;
    const there = this.#byCell.get(one.cell);
    there?.delete(one);
    if (there?.size === 0) this.#byCell.delete(one.cell);
    one.cell = null;
  }

  /**
   * Those within the radius. In a crowd the radius shrinks: no further ring of cells is looked at once there are
   * `enough`. Whole rings, so that who is in it depends on cells and not on distances.
   */
  around(xM: number, yM: number, radiusM: number, enough: number): T[] {
    const found: T[] = [];
    const [column, row] = [columnOf(xM), columnOf(yM)];
    const look = (x: number, y: number) => {
      for (const one of this.#byCell.get(keyOf(x, y)) ?? []) if (Math.hypot(one.gridXM - xM, one.gridYM - yM) <= radiusM) found.push(one);
    };
    const rings = Math.ceil(radiusM / CELL_M);
    for (let ring = 0; ring <= rings && found.length < enough; ring++) {
      for (let x = column - ring; x <= column + ring; x++) {
        look(x, row - ring);
        if (ring > 0) look(x, row + ring);
      }
      for (let y = row - ring + 1; y < row + ring; y++) {
        look(column - ring, y);
        look(column + ring, y);
      }
    }
    return found;
  }
}

function columnOf(metres: number): number {
  return Math.max(-ROWS / 2, Math.min(ROWS / 2 - 1, Math.floor(metres / CELL_M)));
}

function keyOf(column: number, row: number): number {
  return column * ROWS + row;
}
