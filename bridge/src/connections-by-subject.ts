import type { Connection } from "./connection.ts";

const NONE: readonly Connection[] = [];

/**
 * Connections by whom their tokens speak for. Most have one: that one stands in the map itself, since a
 * set for each would be 230 bytes. Lists are never changed in place, so who walks one may close connections.
 */
export class ConnectionsBySubject {
  readonly #connections = new Map<string, Connection | readonly Connection[]>();

  get(subject: string): readonly Connection[] {
    const found = this.#connections.get(subject);
    if (found === undefined) return NONE;
    return isList(found) ? found : [found];
  }

  has(subject: string): boolean {
    return this.#connections.has(subject);
  }

  /** As they stand here, so that nothing is made for each when all are looked at. */
  entries(): IterableIterator<[string, Connection | readonly Connection[]]> {
    return this.#connections.entries();
  }

  count(subject: string): number {
    const found = this.#connections.get(subject);
    return found === undefined ? 0 : isList(found) ? found.length : 1;
  }

  add(subject: string, connection: Connection): void {
    this.#connections.set(subject, this.count(subject) === 0 ? connection : [...this.get(subject), connection]);
  }

  delete(subject: string, connection: Connection): void {
    const left = this.get(subject).filter((other) => other !== connection);
    const [last] = left;
    if (last === undefined) this.#connections.delete(subject);
    else this.#connections.set(subject, left.length === 1 ? last : left);
  }
}

export function isList(found: Connection | readonly Connection[]): found is readonly Connection[] {
  return Array.isArray(found);
}
