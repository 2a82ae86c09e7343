import {
  applyPrivacyChange,
  defaultPrivacySettings,
  type Consent,
  type Person,
  type PersonId,
  type PrivacyChange,
  type PrivacySettings,
  type Profile,
  type TagId,
} from "@konferenco/protocol";

/** One fact of the journal: how a person stands now, or that they are gone. The last one of a person counts. */
export type PeopleFact = { person: Person } | { gone: PersonId };

/** Nobody has agreed to anything until they do: without consent nothing about a person is shown (requirement D9). */
export const NO_CONSENT: Consent = { given: false, atMs: 0, version: "" };

/**
 * A copy of the person that is older than what was acknowledged since: restored from a backup, or cut off by a crash of
 * the server. It may show more than they want by now, so it shows nothing until they have chosen again.
 */
export function hiddenUntilConfirmed(person: Person): Person {
  return { ...person, consent: { ...person.consent, given: false }, settings: applyPrivacyChange(person.settings, { preset: "high" }) };
}

interface PeopleView {
  person(personId: PersonId): Person | null;
  holderOf(tagId: TagId): PersonId | null;
}

/**
 * People and who carries which tag, in memory and pure. Changes are worked out on a draft, kept by the
 * adapter, and only then applied, so that nothing is in force that a crash could undo.
 */
export class PeopleBook implements PeopleView {
  readonly #people = new Map<PersonId, Person>();
  readonly #holders = new Map<TagId, PersonId>();
  /** Person ids in order, for pages; null after somebody came or went. */
  #ordered: PersonId[] | null = null;

  get size(): number {
    return this.#people.size;
  }

  person(personId: PersonId): Person | null {
    return this.#people.get(personId) ?? null;
  }

  holderOf(tagId: TagId): PersonId | null {
    return this.#holders.get(tagId) ?? null;
  }

  page(after: PersonId | null, limit: number): Person[] {
    this.#ordered ??= [...this.#people.keys()].sort();
    const begin = after === null ? 0 : firstAfter(this.#ordered, after);
    return this.#ordered.slice(begin, begin + limit).map((personId) => this.#people.get(personId) as Person);
  }

  all(): IterableIterator<Person> {
    return this.#people.values();
  }

  apply(fact: PeopleFact): void {
    const personId = "gone" in fact ? fact.gone : fact.person.profile.personId;
    const before = this.#people.get(personId);
    const tagBefore = before?.tagId ?? null;
    if (tagBefore !== null && this.#holders.get(tagBefore) === personId) this.#holders.delete(tagBefore);
    if ("gone" in fact) {
      if (this.#people.delete(personId)) this.#ordered = null;
      return;
    }
    if (before === undefined) this.#ordered = null;
    this.#people.set(personId, fact.person);
    if (fact.person.tagId !== null) this.#holders.set(fact.person.tagId, personId);
  }
}

/** Changes on their way to the disk, each worked out on what the ones before it make true. */
export class PeopleDraft implements PeopleView {
  readonly #book: PeopleBook;
  readonly #people = new Map<PersonId, Person>();
  readonly #holders = new Map<TagId, PersonId | null>();
  #added = 0;

  constructor(book: PeopleBook) {
    this.#book = book;
  }

  get size(): number {
    return this.#book.size + this.#added;
  }

  person(personId: PersonId): Person | null {
    return this.#people.get(personId) ?? this.#book.person(personId);
  }

  holderOf(tagId: TagId): PersonId | null {
    return this.#holders.get(tagId) ?? (this.#holders.has(tagId) ? null : this.#book.holderOf(tagId));
  }

  put(given: { profile: Profile; consent?: Consent; settings?: PrivacySettings }): PeopleFact[] {
    const before = this.person(given.profile.personId);
    if (before === null) this.#added++;
    return this.#now({
      profile: given.profile,
      tagId: before?.tagId ?? null,
      consent: given.consent ?? before?.consent ?? NO_CONSENT,
      settings: given.settings ?? before?.settings ?? defaultPrivacySettings(),
    });
  }

  /** The former holder goes without, the person's former tag is free. Null: no such person; empty: it is so already. */
  assign(tagId: TagId, personId: PersonId): PeopleFact[] | null {
    const person = this.person(personId);
    if (person === null) return null;
    return person.tagId === tagId ? [] : [...this.release(tagId), ...this.#now({ ...person, tagId })];
  }

  release(tagId: TagId): PeopleFact[] {
    const holder = this.holderOf(tagId);
    const person = holder === null ? null : this.person(holder);
    return person === null ? [] : this.#now({ ...person, tagId: null });
  }

  consent(personId: PersonId, consent: Consent): PeopleFact[] | null {
    const person = this.person(personId);
    return person === null ? null : this.#now({ ...person, consent });
  }

  settings(personId: PersonId, change: PrivacyChange): PeopleFact[] | null {
    const person = this.person(personId);
    return person === null ? null : this.#now({ ...person, settings: applyPrivacyChange(person.settings, change) });
  }

  #now(person: Person): PeopleFact[] {
    const { personId } = person.profile;
    const tagBefore = this.person(personId)?.tagId ?? null;
    if (tagBefore !== null) this.#holders.set(tagBefore, null);
    if (person.tagId !== null) this.#holders.set(person.tagId, personId);
    this.#people.set(personId, person);
    return [{ person }];
  }
}

/** Where in the sorted list what follows `after` begins. */
export function firstAfter(ids: readonly string[], after: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
