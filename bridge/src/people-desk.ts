import type { Consent, Person, PersonId, PrivacyChange, PrivacySettings, Profile, TagId } from "@konferenco/protocol";
import { compilePolicy, raisesAnything } from "./core/privacy.ts";
import type { Registry } from "./registry/registry.ts";
import type { UpdateFeed } from "./update-feed.ts";

export interface PeopleDeskOptions {
  registry: Registry;
  feed: UpdateFeed;
  nowMs: () => number;
}

/**
 * Every write about people. When one resolves it is durable, and nothing that leaves this process breaks
 * it. Whatever shows more than before, or gives a tag to somebody else, is stamped with the time: older
 * whereabouts are then not replayed (docs/decisions/0020).
 */
export class PeopleDesk {
  readonly #options: PeopleDeskOptions;

  constructor(options: PeopleDeskOptions) {
    this.#options = options;
  }

  async putPerson(person: { profile: Profile; consent?: Consent; settings?: PrivacySettings }): Promise<Person> {
    const { registry } = this.#options;
    const before = await registry.person(person.profile.personId);
    // The stamps are ours; a list of settings from outside neither sets nor clears them.
    const settings = person.settings === undefined ? {} : { settings: withStamps(person.settings, before?.settings) };
    const after = await registry.putPerson({ ...person, ...settings });
    return this.#settled(before, after);
  }

  /** Staff may record what a person wants to show less of, and a first decision; never undo what the person has decided. */
  async staffMayPut(personId: PersonId, wanted: { consent?: { given: boolean }; settings?: PrivacySettings }): Promise<boolean> {
    const before = await this.#options.registry.person(personId);
    if (before === null) return true;
    const { consent } = before;
    if (wanted.consent?.given === true && !consent.given && consent.atMs > 0) return false;
    if (wanted.settings === undefined) return true;
    const withConsent = { ...before, consent: { ...consent, given: true } };
    return !raisesAnything(compilePolicy(withConsent), compilePolicy({ ...withConsent, settings: wanted.settings }));
  }

  async changeSettings(personId: PersonId, wanted: PrivacyChange): Promise<Person | null> {
    const { registry } = this.#options;
    const { raisedAtMs: _raised, tagSinceMs: _since, ...change } = wanted;
    const before = await registry.person(personId);
    const after = await registry.changeSettings(personId, change);
    return before === null || after === null ? after : this.#settled(before, after);
  }

  /** Consent that is already given in the same version stays as it was, with its time. */
  async setConsent(personId: PersonId, given: boolean, version: string): Promise<Person | null> {
    const { registry, nowMs } = this.#options;
    const before = await registry.person(personId);
    if (before === null) return null;
    if (before.consent.given && given && before.consent.version === version) return before;
    const after = await registry.setConsent(personId, { given, atMs: nowMs(), version });
    return after === null ? null : this.#settled(before, after);
  }

  /** False: no such person. */
  async assignTag(tagId: TagId, personId: PersonId): Promise<boolean> {
    const { registry, feed, nowMs } = this.#options;
    const person = await registry.person(personId);
    if (person === null) return false;
    if (person.tagId === tagId) return true;
    const former = await registry.holderOf(tagId);
    // The stamp first: a crash between the two hides too much, never too little.
    await registry.changeSettings(personId, { tagSinceMs: nowMs() });
    await registry.assignTag(tagId, personId);
    if (former !== null && former !== personId) await feed.applyPerson({ kind: "person", personId: former });
    await feed.applyPerson({ kind: "person", personId });
    return true;
  }

  /** False: nobody carried it. */
  async releaseTag(tagId: TagId): Promise<boolean> {
    const { registry, feed } = this.#options;
    const former = await registry.holderOf(tagId);
    if (former === null) return false;
    await registry.releaseTag(tagId);
    await feed.applyPerson({ kind: "person", personId: former });
    return true;
  }

  async erase(personId: PersonId): Promise<boolean> {
    const { registry, feed } = this.#options;
    const erased = await registry.erase(personId);
    if (erased === null) return false;
    await feed.applyPerson({ kind: "erased", personId, tagId: erased.tagId });
    return true;
  }

  async #settled(before: Person | null, after: Person): Promise<Person> {
    const { registry, feed, nowMs } = this.#options;
    const { personId } = after.profile;
    let person = after;
    if (before !== null && raisesAnything(compilePolicy(before), compilePolicy(after))) {
      person = (await registry.changeSettings(personId, { raisedAtMs: nowMs() })) ?? after;
    }
    await feed.applyPerson({ kind: "person", personId });
    return person;
  }
}

function withStamps(settings: PrivacySettings, known: PrivacySettings | undefined): PrivacySettings {
  const { raisedAtMs: _raised, tagSinceMs: _since, ...chosen } = settings;
  return {
    ...chosen,
    ...(known?.raisedAtMs === undefined ? {} : { raisedAtMs: known.raisedAtMs }),
    ...(known?.tagSinceMs === undefined ? {} : { tagSinceMs: known.tagSinceMs }),
  };
}
