import type { Consent, Person, PersonId, PrivacyChange, PrivacySettings, Profile, TagId } from "@konferenco/protocol";

/** What changed, told to every process that follows the registry, so that caches and clients follow within 250 ms. */
export type RegistryChange =
  | { kind: "person"; personId: PersonId }
  /** Erased: nothing about the person may be shown or kept; `tagId` was theirs. */
  | { kind: "erased"; personId: PersonId; tagId: TagId | null };

/** A write about people that can never succeed as it is. */
export class RegistryRefusal extends Error {
  readonly code: "PERSON_UNKNOWN" | "PEOPLE_LIMIT";
  readonly retryable = false;
  constructor(code: "PERSON_UNKNOWN" | "PEOPLE_LIMIT", message: string) {
    super(message);
    this.name = "RegistryRefusal";
    this.code = code;
  }
}

/**
 * The port to people: who carries a tag, profiles, consent, privacy settings. Owned by the bridge;
 * fusion knows tags only. Two adapters: embedded and Redis; one contract suite (test/contract/registry.ts).
 * A write is durable before it resolves. Every method may reject with `StoreUnavailable`.
 */
export interface Registry {
  /** Adds or replaces a profile; settings and consent of a known person stay, unless given. `RegistryRefusal` beyond MAX_PEOPLE_PER_EVENT. */
  putPerson(person: { profile: Profile; consent?: Consent; settings?: PrivacySettings }): Promise<Person>;
  person(personId: PersonId): Promise<Person | null>;
  /** At most `limit` people after `after`, in the order of their ids. */
  people(page: { after: PersonId | null; limit: number }): Promise<Person[]>;
  countPeople(): Promise<number>;

  /** Gives the tag to the person. A tag has one holder and a person one tag: former ties are cut in the same step. `RegistryRefusal` for an unknown person. */
  assignTag(tagId: TagId, personId: PersonId): Promise<void>;
  releaseTag(tagId: TagId): Promise<void>;
  holderOf(tagId: TagId): Promise<PersonId | null>;
  /** Of a tag without a holder: true if it was somebody's who is erased or lost, so that it must not be shown as a thing. */
  hidesTag(tagId: TagId): Promise<boolean>;

  setConsent(personId: PersonId, consent: Consent): Promise<Person | null>;
  changeSettings(personId: PersonId, change: PrivacyChange): Promise<Person | null>;
  /** Removes everything of the person; null: there is no such person. Rejected: they are hidden at once, but ask again until it resolves. */
  erase(personId: PersonId): Promise<{ tagId: TagId | null } | null>;

  /** Changes from now on, of all processes, in their order. When changes may have been missed, everybody's is told. The listener must not throw. */
  follow(listener: (change: RegistryChange) => void): Promise<{ close(): Promise<void> }>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
