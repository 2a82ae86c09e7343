import { applyPrivacyChange, defaultPrivacySettings, StoreUnavailable, type Person, type PersonId, type TagId } from "@konferenco/protocol";
import type { Registry, RegistryChange } from "@konferenco/bridge";

/** A registry whose answers a test can hold back or break: what the real adapters cannot be told to do. */
export interface BreakableRegistry extends Registry {
  broken: boolean;
}

export function newBreakableRegistry(): BreakableRegistry {
  const people = new Map<PersonId, Person>();
  const holders = new Map<TagId, PersonId>();
  const listeners = new Set<(change: RegistryChange) => void>();
  const tell = (change: RegistryChange) => listeners.forEach((listener) => listener(change));
  const known = (personId: PersonId) => people.get(personId) ?? null;
  const put = (person: Person) => {
    people.set(person.profile.personId, person);
    tell({ kind: "person", personId: person.profile.personId });
    return person;
  };
  const release = (tagId: TagId) => {
    const former = known(holders.get(tagId) ?? "");
    holders.delete(tagId);
    if (former !== null) put({ ...former, tagId: null });
  };
  const registry: BreakableRegistry = {
    broken: false,
    async putPerson({ profile, consent, settings }) {
      const before = known(profile.personId);
      return put({
        profile,
        tagId: before?.tagId ?? null,
        consent: consent ?? before?.consent ?? { given: false, atMs: 0, version: "" },
        settings: settings ?? before?.settings ?? defaultPrivacySettings(),
      });
    },
    async person(personId) {
      if (registry.broken) throw new StoreUnavailable("the test broke the registry");
      return known(personId);
    },
    async people({ after, limit }) {
      return [...people.values()].filter(({ profile }) => after === null || profile.personId > after).sort((a, b) => (a.profile.personId < b.profile.personId ? -1 : 1)).slice(0, limit);
    },
    countPeople: async () => people.size,
    async assignTag(tagId, personId) {
      const person = known(personId);
      if (person === null) throw new Error(`no person ${personId}`);
      if (person.tagId !== null) release(person.tagId);
      release(tagId);
      holders.set(tagId, personId);
      put({ ...(known(personId) as Person), tagId });
    },
    releaseTag: async (tagId) => release(tagId),
    hidesTag: async () => false,
    async holderOf(tagId) {
      if (registry.broken) throw new StoreUnavailable("the test broke the registry");
      return holders.get(tagId) ?? null;
    },
    async setConsent(personId, consent) {
      const person = known(personId);
      return person === null ? null : put({ ...person, consent });
    },
    async changeSettings(personId, change) {
      const person = known(personId);
      return person === null ? null : put({ ...person, settings: applyPrivacyChange(person.settings, change) });
    },
    async erase(personId) {
      const person = known(personId);
      if (person === null) return null;
      people.delete(personId);
      if (person.tagId !== null) holders.delete(person.tagId);
      tell({ kind: "erased", personId, tagId: person.tagId });
      return { tagId: person.tagId };
    },
    async follow(listener) {
      listeners.add(listener);
      return { close: async () => void listeners.delete(listener) };
    },
    ping: async () => {
      if (registry.broken) throw new StoreUnavailable("the test broke the registry");
    },
    close: async () => {},
  };
  return registry;
}
