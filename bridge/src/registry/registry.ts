import type { Consent, Person, PersonId, PrivacyChange, PrivacySettings, Profile, TagId } from "@konferenco/protocol";

/** What changed, told to every process that follows the registry, so that caches and clients follow within 250 ms. */
export type RegistryChange =
  | { kind: "person"; personId: PersonId }
  /** Erased: nothing about the person may be shown or kept; `tagId` was theirs. */
  | { kind: "erased"; personId: PersonId; tagId: TagId | null };

/**
 * The port to people: who carries a tag, profiles, consent, privacy settings. Owned by the bridge;
 * fusion knows tags only. Two adapters: embedded and Redis; one contract suite (test/contract/registry.ts).
 * A write is durable before it resolves. Every method may reject with `StoreUnavailable`.
 */
export interface Registry {
  /** Adds or replaces a profile; settings and consent of a known person stay, unless given. */
  putPerson(person: { profile: Profile; consent?: Consent; settings?: PrivacySettings }): Promise<Person>;
  person(personId: PersonId): Promise<Person | null>;
  people(page: { after: PersonId | null; limit: number }): Promise<Person[]>;
  countPeople(): Promise<number>;

  /** Gives the tag to the person. A tag has one holder and a person one tag: former ties are cut in the same step. */
  assignTag(tagId: TagId, personId: PersonId): Promise<void>;
  releaseTag(tagId: TagId): Promise<void>;
  holderOf(tagId: TagId): Promise<PersonId | null>;

  setConsent(personId: PersonId, consent: Consent): Promise<Person | null>;
  changeSettings(personId: PersonId, change: PrivacyChange): Promise<Person | null>;
  erase(personId: PersonId): Promise<{ tagId: TagId | null } | null>;

  /** Changes from now on, of all processes. */
  follow(listener: (change: RegistryChange) => void): Promise<{ close(): Promise<void> }>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
