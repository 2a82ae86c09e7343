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

/**
 * People and who carries which tag, in memory and pure: every change is worked out as facts first, kept by
 * the adapter, and only then applied, so that nothing is in force that a crash could undo.
 */
export class PeopleBook {
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

  /** At most `limit` people after `after`, by id. */
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
    if (before?.tagId != null && this.#holders.get(before.tagId) === personId) this.#holders.delete(before.tagId);
    if ("gone" in fact) {
      if (this.#people.delete(personId)) this.#ordered = null;
      return;
    }
    if (before === undefined) this.#ordered = null;
    this.#people.set(personId, fact.person);
    if (fact.person.tagId !== null) this.#holders.set(fact.person.tagId, personId);
  }

  // What a change would make true. Null: there is no such person.

  put(given: { profile: Profile; consent?: Consent; settings?: PrivacySettings }): PeopleFact[] {
    const before = this.person(given.profile.personId);
    const person: Person = {
      profile: given.profile,
      tagId: before?.tagId ?? null,
      consent: given.consent ?? before?.consent ?? { given: false, atMs: 0, version: "" },
      settings: given.settings ?? before?.settings ?? defaultPrivacySettings(),
    };
    return [{ person }];
  }

  /** The former holder goes without; the person's former tag is free. */
  assign(tagId: TagId, personId: PersonId): PeopleFact[] | null {
    const person = this.person(personId);
    if (person === null) return null;
    const facts: PeopleFact[] = [];
    const holder = this.holderOf(tagId);
    if (holder !== null && holder !== personId) facts.push({ person: { ...(this.person(holder) as Person), tagId: null } });
    return [...facts, { person: { ...person, tagId } }];
  }

  release(tagId: TagId): PeopleFact[] {
    const holder = this.holderOf(tagId);
    return holder === null ? [] : [{ person: { ...(this.person(holder) as Person), tagId: null } }];
  }

  consent(personId: PersonId, consent: Consent): PeopleFact[] | null {
    const person = this.person(personId);
    return person === null ? null : [{ person: { ...person, consent } }];
  }

  settings(personId: PersonId, change: PrivacyChange): PeopleFact[] | null {
    const person = this.person(personId);
    return person === null ? null : [{ person: { ...person, settings: applyPrivacyChange(person.settings, change) } }];
  }
}

function firstAfter(ids: string[], after: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
