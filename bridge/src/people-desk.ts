import { BRIDGE_KEPT, MAX_BLOCKED, MAX_LOOKUPS, MAX_SHARES, applyPrivacyChange, type Consent, type Lookup, type Person, type PersonId, type PrivacyChange, type PrivacySettings, type Profile, type TagId } from "@konferenco/protocol";
import { compilePolicy, raisesAnything } from "./core/privacy-policy.ts";
import { erasureReceipt, type ErasureReceipt } from "./erasure-receipt.ts";
import type { Hub } from "./hub.ts";
import type { Registry } from "./registry/registry.ts";
import type { UpdateFeed } from "./update-feed.ts";

export interface PeopleDeskOptions {
  registry: Registry;
  feed: UpdateFeed;
  hub: Hub;
  nowMs: () => number;
}

/**
 * Every write about people. When one resolves it is durable, and nothing that leaves this process breaks
 * it. Whatever shows more than before, or gives a tag to somebody else, is stamped with the time: older
 * whereabouts are then not replayed (docs/decisions/0020).
 */
export class PeopleDesk {
  readonly #options: PeopleDeskOptions;
  readonly #turns = new Map<PersonId, Promise<void>>();

  constructor(options: PeopleDeskOptions) {
    this.#options = options;
  }

  /** Adds a person, or replaces the profile of a known one; what settings say about a known person is a change of theirs. */
  putPerson(person: { profile: Profile; consent?: Consent; settings?: PrivacySettings }): Promise<Person> {
    return this.#inTurn(person.profile.personId, async () => {
      const { registry, feed, nowMs } = this.#options;
      const { personId } = person.profile;
      const before = await registry.person(personId);
      const { settings, ...rest } = person;
      // Another role or a new connection may show more: the stamp first, so that a crash between hides too much, never too little.
      if (before !== null && raisesAnything(compilePolicy(before), compilePolicy({ ...before, profile: person.profile }))) {
        await registry.changeSettings(personId, { raisedAtMs: nowMs() });
      }
      let after = await registry.putPerson(before === null && settings !== undefined ? { ...rest, settings: withoutStamps(settings) } : rest);
      if (before !== null && settings !== undefined) after = (await registry.changeSettings(personId, this.#stamped(after, withoutStamps(settings)))) ?? after;
      await feed.applyPerson({ kind: "person", personId });
      return after;
    });
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

  changeSettings(personId: PersonId, wanted: PrivacyChange): Promise<Person | null> {
    return this.#inTurn(personId, async () => {
      const { registry, feed } = this.#options;
      const before = await registry.person(personId);
      if (before === null) return null;
      // Who sets anew what connections see has ended what they share with single ones.
      const ends = wanted.preset !== undefined || wanted.level !== undefined || wanted.audiences?.connections !== undefined;
      const change = { ...withoutStamps(wanted), ...(ends && before.settings.shares !== undefined ? { shares: [] } : {}) };
      const after = await registry.changeSettings(personId, this.#stamped(before, change));
      await feed.applyPerson({ kind: "person", personId });
      return after;
    });
  }

  /** Hides the person everywhere: levels, shares, alerts, presence, in one write. */
  panic(personId: PersonId): Promise<Person | null> {
    return this.changeSettings(personId, { preset: "high" });
  }

  /** Neither sees anything of the other from now on. It makes no difference, and takes no other time, whether there is such a person. False: too many. */
  setBlocked(personId: PersonId, other: PersonId, blocked: boolean): Promise<boolean> {
    return this.#changeKept(personId, ({ settings }) => {
      const others = (settings.blocked ?? []).filter((id) => id !== other);
      if (blocked && others.length >= MAX_BLOCKED) return null;
      return { blocked: blocked ? [...others, other] : others };
    });
  }

  /** Shows the precise place to one connection until then; null ends it. False: too many at once. */
  setShare(personId: PersonId, other: PersonId, untilMs: number | null): Promise<boolean> {
    return this.#changeKept(personId, ({ settings }) => {
      const others = (settings.shares ?? []).filter((share) => share.personId !== other && share.untilMs > this.#options.nowMs());
      if (untilMs !== null && others.length >= MAX_SHARES) return null;
      return { shares: untilMs === null ? others : [...others, { personId: other, untilMs }] };
    });
  }

  /** Kept with the person, who can read it, before staff get their answer. */
  recordLookup(personId: PersonId, lookup: Lookup): Promise<boolean> {
    return this.#changeKept(personId, ({ settings }) => ({ lookups: [...(settings.lookups ?? []), lookup].slice(-MAX_LOOKUPS) }));
  }

  #changeKept(personId: PersonId, changeOf: (before: Person) => PrivacyChange | null): Promise<boolean> {
    return this.#inTurn(personId, async () => {
      const { registry, feed } = this.#options;
      const before = await registry.person(personId);
      const change = before === null ? null : changeOf(before);
      if (before === null || change === null) return false;
      await registry.changeSettings(personId, this.#stamped(before, change));
      await feed.applyPerson({ kind: "person", personId });
      return true;
    });
  }

  /** The change, with the time in the same write if it shows anything to anybody that they could not see before. */
  #stamped(before: Person, change: PrivacyChange): PrivacyChange {
    const after = { ...before, settings: applyPrivacyChange(before.settings, change) };
    return raisesAnything(compilePolicy(before), compilePolicy(after)) ? { ...change, raisedAtMs: this.#options.nowMs() } : change;
  }

  /** Consent that is already given in the same version stays as it was, with its time. */
  setConsent(personId: PersonId, given: boolean, version: string): Promise<Person | null> {
    return this.#inTurn(personId, async () => {
      const { registry, feed, nowMs } = this.#options;
      const before = await registry.person(personId);
      if (before === null || (before.consent.given && given && before.consent.version === version)) return before;
      const after = await registry.setConsent(personId, { given, atMs: nowMs(), version });
      await feed.applyPerson({ kind: "person", personId });
      return after;
    });
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

  /** Null: no such person. */
  async erase(personId: PersonId): Promise<ErasureReceipt | null> {
    const { registry, feed, hub, nowMs } = this.#options;
    // Counted before: whoever hears of the erasure first closes them.
    const closed = [...hub.byPerson.get(personId)].length;
    let erased: { tagId: TagId | null } | null;
    try {
      erased = await registry.erase(personId);
    } catch (error) {
      // Hidden at once, here too; that it is not durable yet is the caller's to hear and to ask again.
      await feed.applyPerson({ kind: "person", personId });
      throw error;
    }
    if (erased === null) return null;
    await feed.applyPerson({ kind: "erased", personId, tagId: erased.tagId });
    return erasureReceipt({ atMs: nowMs(), hadTag: erased.tagId !== null, closed });
  }

  /** Writes about one person happen one after the other: what is read before a write is still so when it is written. */
  async #inTurn<T>(personId: PersonId, work: () => Promise<T>): Promise<T> {
    const earlier = this.#turns.get(personId);
    const turn = (earlier ?? Promise.resolve()).then(work, work);
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(personId, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(personId) === settled) this.#turns.delete(personId);
    }
  }
}

/** What a client sends without what only the bridge writes. */
function withoutStamps<Settings extends PrivacyChange | PrivacySettings>(settings: Settings): Omit<Settings, (typeof BRIDGE_KEPT)[number]> {
  const chosen = { ...settings };
  for (const kept of BRIDGE_KEPT) delete chosen[kept];
  return chosen;
}
