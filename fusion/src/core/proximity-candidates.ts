/** Who could be near whom: what the search needs to know of a person. */
export interface Placed {
  xM: number;
  yM: number;
  floor: number;
  /** The gateway that hears it loudest and how loud: order within a cell that is too full. */
  loudest: number;
  loudestDbm: number;
}

/**
 * Up to this many people on all floors everybody is compared with everybody: 2,080 couples, 1 ms.
 * Small events so have a probability for every couple, however far apart.
 */
const EVERYBODY_UP_TO = 65;

/** A floor's cells, from coarse to fine: the coarsest is taken that leaves each person at most `maxPerTag` others to look at. */
const CELL_SIZES_M = [10, 5, 2.5] as const;

/**
 * Calls back for couples that could be near each other, each once; returns how many couples of
 * neighbouring cells were left out. A person is compared with those in its own and the eight cells
 * around. Where even the finest cells are too full (a crush, or a zone without a plan, where everybody
 * has one position) people stand in order of their loudest gateway, and each is compared with those
 * next in that order: the likeliest by radio. So no more than `maxPerTag` / 2 couples a person are
 * visited: 10,000 people in one place make 160,000 couples, not 50 million (bench/proximity.ts).
 */
export function forEachCandidate<T extends Placed>(people: readonly T[], maxPerTag: number, visit: (a: T, b: T) => void): number {
  if (people.length <= EVERYBODY_UP_TO) {
    people.forEach((a, i) => {
      for (let j = i + 1; j < people.length; j++) visit(a, people[j] as T);
    });
    return 0;
  }
  const floors = new Map<number, T[]>();
  for (const person of people) {
    const floor = floors.get(person.floor);
    if (floor === undefined) floors.set(person.floor, [person]);
    else floor.push(person);
  }
  let skipped = 0;
  for (const onFloor of floors.values()) skipped += visitFloor(onFloor, maxPerTag, visit);
  return skipped;
}

/** Half of the eight neighbours: each couple of cells is visited once. */
const FORWARD_CELLS: readonly (readonly [number, number])[] = [[1, -1], [1, 0], [1, 1], [0, 1]];
function visitFloor<T extends Placed>(people: readonly T[], maxPerTag: number, visit: (a: T, b: T) => void): number {
  const budget = (people.length * maxPerTag) / 2;
  let cells = new Map<number, T[]>();
  for (const cellM of CELL_SIZES_M) {
    cells = cellsOf(people, cellM);
    if (couplesIn(cells) <= budget) {
      visitAll(cells, visit);
      return 0;
    }
  }
  return visitLikest(cells, maxPerTag, visit);
}

/** Columns before numbers wrap: 2,600 km of 2.5 m cells. Cells that then share a number cost comparisons, no more. */
const COLUMNS = 2 ** 20;

function cellKey(column: number, row: number): number {
  return (((column % COLUMNS) + COLUMNS) % COLUMNS) * COLUMNS + (((row % COLUMNS) + COLUMNS) % COLUMNS);
}

function cellsOf<T extends Placed>(people: readonly T[], cellM: number): Map<number, T[]> {
  const cells = new Map<number, T[]>();
  for (const person of people) {
    const key = cellKey(Math.floor(person.xM / cellM), Math.floor(person.yM / cellM));
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [person]);
    else cell.push(person);
  }
  return cells;
}

/** The cells around that come later in the order of FORWARD_CELLS. */
function neighboursOf<T>(cells: ReadonlyMap<number, T[]>, key: number): T[][] {
  const column = Math.floor(key / COLUMNS);
  const row = key % COLUMNS;
  return FORWARD_CELLS.flatMap(([columns, rows]) => {
    const cell = cells.get(cellKey(column + columns, row + rows));
    return cell === undefined ? [] : [cell];
  });
}

function couplesIn<T>(cells: ReadonlyMap<number, T[]>): number {
  let couples = 0;
  for (const [key, cell] of cells) {
    couples += (cell.length * (cell.length - 1)) / 2;
    for (const neighbours of neighboursOf(cells, key)) couples += cell.length * neighbours.length;
  }
  return couples;
}

function visitAll<T>(cells: ReadonlyMap<number, T[]>, visit: (a: T, b: T) => void): void {
  for (const [key, cell] of cells) {
    cell.forEach((a, i) => {
      for (let j = i + 1; j < cell.length; j++) visit(a, cell[j] as T);
    });
    for (const neighbours of neighboursOf(cells, key)) for (const a of cell) for (const b of neighbours) visit(a, b);
  }
}

/**
 * Each person with half of `maxPerTag` others of its own cell and half of the cells around, those next
 * in order of the loudest gateway. A couple is met from one side, so each side brings half of it.
 */
function visitLikest<T extends Placed>(cells: Map<number, T[]>, maxPerTag: number, visit: (a: T, b: T) => void): number {
  const ownShare = Math.max(1, Math.floor(maxPerTag / 4));
  const share = Math.max(1, Math.floor(maxPerTag / (4 * FORWARD_CELLS.length)));
  for (const cell of cells.values()) cell.sort((a, b) => a.loudest - b.loudest || a.loudestDbm - b.loudestDbm);
  let skipped = 0;
  for (const [key, cell] of cells) {
    cell.forEach((a, i) => {
      const end = Math.min(cell.length, i + 1 + ownShare);
      for (let j = i + 1; j < end; j++) visit(a, cell[j] as T);
      skipped += cell.length - end;
    });
    for (const neighbours of neighboursOf(cells, key)) {
      let at = 0;
      for (const a of cell) {
        while (at < neighbours.length && isBefore(neighbours[at] as T, a)) at++;
        const begin = Math.max(0, Math.min(at - Math.floor(share / 2), neighbours.length - share));
        const end = Math.min(neighbours.length, begin + share);
        for (let j = begin; j < end; j++) visit(a, neighbours[j] as T);
        skipped += neighbours.length - (end - begin);
      }
    }
  }
  return skipped;
}

function isBefore(a: Placed, b: Placed): boolean {
  return a.loudest < b.loudest || (a.loudest === b.loudest && a.loudestDbm < b.loudestDbm);
}
