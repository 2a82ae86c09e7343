import type { TagId, Update, UpdateId } from "@konferenco/protocol";
import type { Holder } from "./core/privacy-policy.ts";
import { projectUpdate, type Projection } from "./core/privacy.ts";
import { eventRefOf } from "./keys.ts";
import type { PeopleCache } from "./people-cache.ts";

/** Logged updates that stay in memory, about 1 KB each with their projections: a minute of 250 a second. */
const CAPACITY = 16_384;

interface Entry {
  update: Update;
  projection: Projection | null;
  /** Whom it was projected for; another policy, another projection. */
  a: Holder;
  b: Holder;
  /** The turn in which that was last looked at. */
  checkedIn: number;
}

/**
 * The end of the log, projected once for all who come back: after a restart 10,000 clients ask for the same
 * few hundred updates, and reading, parsing and projecting them for each takes 8 s per 1,000 clients.
 */
export class RecentLog {
  readonly #people: PeopleCache;
  readonly #eventRefKey: Uint8Array;
  #entries: Entry[] = [];

  constructor(people: PeopleCache, eventRefKey: Uint8Array) {
    this.#people = people;
    this.#eventRefKey = eventRefKey;
  }

  add(update: Update): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && update.updateId.offset !== last.update.updateId.offset + 1) this.#entries = [];
    this.#entries.push({ update, projection: null, a: "unknown", b: "unknown", checkedIn: -1 });
    if (this.#entries.length >= 2 * CAPACITY) this.#entries = this.#entries.slice(CAPACITY);
  }

  /** Whose policies its projections hang on. */
  tags(): Set<TagId> {
    return new Set(this.#entries.flatMap(({ update }) => tagsIn(update) ?? []));
  }

  /** True if this very place is here, or right before the first that is, so that everything after it is too. */
  holds(place: UpdateId): boolean {
    return this.#indexOf(place) !== null;
  }

  /** What follows the place, or null when the store must be asked: the place is too old, or people are not known. Policies are looked at once per `turn`. */
  after(place: UpdateId, limit: number, turn: number): Projection[] | null {
    const index = this.#indexOf(place);
    if (index === null) return null;
    const page: Projection[] = [];
    for (let next = index + 1; next < this.#entries.length && page.length < limit; next++) {
      const projection = this.#projectionOf(this.#entries[next] as Entry, turn);
      if (projection === null) return page.length > 0 ? page : null;
      page.push(projection);
    }
    return page;
  }

  #indexOf({ epoch, offset }: UpdateId): number | null {
    const first = this.#entries[0];
    if (first === undefined) return null;
    const index = offset - first.update.updateId.offset;
    const beside = index === -1 ? first : this.#entries[index];
    return beside?.update.updateId.epoch === epoch ? index : null;
  }

  #projectionOf(entry: Entry, turn: number): Projection | null {
    if (entry.checkedIn === turn) return entry.projection;
    const { people, tags } = { people: this.#people, tags: tagsIn(entry.update) };
    // What people say hangs on more policies than is worth keeping account of: always the store's way.
    if (tags === null || tags.some((tagId) => !people.knowsTag(tagId))) return null;
    const [a = "nobody", b = "nobody"] = tags.map((tagId) => people.holderOf(tagId));
    if (entry.projection === null || entry.a !== a || entry.b !== b) {
      const { epoch, offset } = entry.update.updateId;
      entry.projection = projectUpdate(entry.update, eventRefOf(this.#eventRefKey, epoch, offset), people.holderOf, people.policyOf);
      entry.a = a;
      entry.b = b;
    }
    entry.checkedIn = turn;
    return entry.projection;
  }
}

function tagsIn({ body }: Update): TagId[] | null {
  switch (body.kind) {
    case "zone":
      return [body.zone.tagId];
    case "proximity":
      return [body.proximity.tagA, body.proximity.tagB];
    case "alert":
      return [];
    default:
      return null;
  }
}
