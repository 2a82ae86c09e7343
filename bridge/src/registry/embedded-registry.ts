import { MAX_PEOPLE_PER_EVENT, StoreUnavailable, type Person, type PersonId, type TagId } from "@konferenco/protocol";
import { lockFolder, personSubject, tagSubject, type FolderLock, type KeyRing } from "@konferenco/fusion";
import { PeopleBook, PeopleDraft, type PeopleFact } from "./people-book.ts";
import { PeopleJournal } from "./people-journal.ts";
import { isTagHidden, markCarried, subjectsOf } from "./person-keys.ts";
import { RegistryRefusal, type Registry, type RegistryChange } from "./registry.ts";

export interface EmbeddedRegistryOptions {
  /** Where the journal lives; null keeps everything in memory. */
  dataDir: string | null;
  /** Of the whole installation: people are sealed, each with their own key. */
  keys: KeyRing;
  log?: (event: object) => void;
}

/** Changes that wait for the disk; beyond it a change is refused as unavailable. */
const MAX_WAITING_CHANGES = 10_000;

/** Changes that share one write and one sync: an import of 10,000 rows makes some dozens of syncs, not 10,000. */
const CHANGES_PER_WRITE = 512;

type Listener = (change: RegistryChange) => void;

/** A change that waits: what it makes of the draft, and whom it answers. */
interface WaitingChange {
  kind: "change";
  /** The facts to keep, or null when there is nothing to do; may throw a refusal. */
  draft: (draft: PeopleDraft) => PeopleFact[] | null;
  answer: (facts: PeopleFact[] | null) => void;
  fail: (error: unknown) => void;
}

interface WaitingErasure {
  kind: "erasure";
  personId: PersonId;
  answer: (erased: { tagId: TagId | null } | null) => void;
  fail: (error: unknown) => void;
}

/** People in a journal of one change per line, on disk before a change is in force. Throws `ConfigError` for an unusable folder. */
export async function openEmbeddedRegistry(options: EmbeddedRegistryOptions): Promise<Registry> {
  const book = new PeopleBook();
  const { keys } = options;
  if (options.dataDir === null) return new InProcessRegistry(book, keys, null, null);
  const lock = await lockFolder(options.dataDir, "registry.lock");
  try {
    const journal = await PeopleJournal.open(options.dataDir, keys, book);
    if (journal.damagedLines > 0) options.log?.({ event: "registry journal damaged", lines: journal.damagedLines, remedy: "the people of these lines are gone: import them again" });
    if (journal.outdated > 0) options.log?.({ event: "registry journal older than what was acknowledged", people: journal.outdated, remedy: "these people are hidden until they have chosen their settings again" });
    if (journal.damagedLines > 0 || journal.needsRewrite(book.size)) await journal.rewrite(book);
    return new InProcessRegistry(book, keys, journal, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class InProcessRegistry implements Registry {
  readonly #book: PeopleBook;
  readonly #keys: KeyRing;
  readonly #journal: PeopleJournal | null;
  readonly #lock: FolderLock | null;
  readonly #listeners = new Set<Listener>();
  readonly #waiting: (WaitingChange | WaitingErasure)[] = [];
  /** Erased in memory, but their keys may still stand in the ring. */
  readonly #unfinished = new Map<PersonId, TagId | null>();
  #working: Promise<void> | null = null;
  #isClosed = false;

  constructor(book: PeopleBook, keys: KeyRing, journal: PeopleJournal | null, lock: FolderLock | null) {
    this.#book = book;
    this.#keys = keys;
    this.#journal = journal;
    this.#lock = lock;
  }

  async putPerson(given: Parameters<Registry["putPerson"]>[0]): Promise<Person> {
    const person = await this.#change((draft) => {
      if (draft.person(given.profile.personId) === null && draft.size >= MAX_PEOPLE_PER_EVENT) {
        throw new RegistryRefusal("PEOPLE_LIMIT", `the event has ${MAX_PEOPLE_PER_EVENT} people, its limit: delete some, or run a second event`);
      }
      return draft.put(given);
    });
    return person as Person; // a put always makes a person
  }

  async person(personId: PersonId): Promise<Person | null> {
    this.#assertOpen();
    return this.#book.person(personId);
  }

  async people(page: { after: PersonId | null; limit: number }): Promise<Person[]> {
    this.#assertOpen();
    return this.#book.page(page.after, page.limit);
  }

  async countPeople(): Promise<number> {
    this.#assertOpen();
    return this.#book.size;
  }

  async assignTag(tagId: TagId, personId: PersonId): Promise<void> {
    await this.#change((draft) => {
      const facts = draft.assign(tagId, personId);
      if (facts === null) throw new RegistryRefusal("PERSON_UNKNOWN", `no person "${personId}": a tag goes to somebody who is there`);
      return facts;
    });
  }

  async releaseTag(tagId: TagId): Promise<void> {
    await this.#change((draft) => draft.release(tagId));
  }

  async holderOf(tagId: TagId): Promise<PersonId | null> {
    this.#assertOpen();
    return this.#book.holderOf(tagId);
  }

  async hidesTag(tagId: TagId): Promise<boolean> {
    return isTagHidden(this.#keys, tagId);
  }

  async setConsent(personId: PersonId, consent: Parameters<Registry["setConsent"]>[1]): Promise<Person | null> {
    return this.#change((draft) => draft.consent(personId, consent));
  }

  async changeSettings(personId: PersonId, change: Parameters<Registry["changeSettings"]>[1]): Promise<Person | null> {
    return this.#change((draft) => draft.settings(personId, change));
  }

  async erase(personId: PersonId): Promise<{ tagId: TagId | null } | null> {
    return new Promise((answer, fail) => this.#enqueue({ kind: "erasure", personId, answer, fail }, fail));
  }

  async follow(listener: Listener): Promise<{ close(): Promise<void> }> {
    this.#assertOpen();
    const own: Listener = (change) => listener(change);
    this.#listeners.add(own);
    return { close: async () => void this.#listeners.delete(own) };
  }

  async ping(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#working;
    this.#listeners.clear();
    try {
      await this.#journal?.close();
    } finally {
      await this.#lock?.release();
    }
  }

  /** The person as the change leaves them; null when there is none. */
  #change(draft: WaitingChange["draft"]): Promise<Person | null> {
    return new Promise((resolve, fail) => {
      const answer = (facts: PeopleFact[] | null) => {
        const last = facts?.at(-1);
        resolve(last !== undefined && "person" in last ? last.person : null);
      };
      this.#enqueue({ kind: "change", draft, answer, fail }, fail);
    });
  }

  #enqueue(work: WaitingChange | WaitingErasure, fail: (error: unknown) => void): void {
    if (this.#isClosed) return fail(new StoreUnavailable("the registry is closed"));
    if (this.#waiting.length >= MAX_WAITING_CHANGES) return fail(new StoreUnavailable(`${MAX_WAITING_CHANGES} changes of people wait for the disk: it is slower than they come`));
    this.#waiting.push(work);
    this.#working ??= this.#workOff();
  }

  async #workOff(): Promise<void> {
    await Promise.resolve(); // what is asked for in the same breath shares the first write
    while (this.#waiting.length > 0) {
      const { kind } = this.#waiting[0] as WaitingChange | WaitingErasure;
      const stop = this.#waiting.findIndex((work, i) => work.kind !== kind || i === CHANGES_PER_WRITE);
      const group = this.#waiting.splice(0, stop === -1 ? this.#waiting.length : stop);
      if (kind === "change") await this.#keep(group as WaitingChange[]);
      else await this.#erase(group as WaitingErasure[]);
    }
    this.#working = null;
  }

  async #keep(group: WaitingChange[]): Promise<void> {
    const draft = new PeopleDraft(this.#book);
    const drafted: { facts: PeopleFact[] | null; change: WaitingChange }[] = [];
    for (const change of group) {
      try {
        drafted.push({ facts: change.draft(draft), change });
      } catch (error) {
        change.fail(error);
      }
    }
    try {
      const lines = drafted.flatMap(({ facts }) => (facts === null || facts.length === 0 ? [] : [peopleOf(facts)]));
      await this.#handOver(lines.flat());
      if (lines.length > 0) await this.#journal?.append(lines);
    } catch (error) {
      for (const { change } of drafted) change.fail(error);
      return;
    }
    for (const { facts, change } of drafted) {
      for (const fact of facts ?? []) {
        this.#book.apply(fact);
        if ("person" in fact) this.#tell({ kind: "person", personId: fact.person.profile.personId });
      }
      change.answer(facts);
    }
    // Everything is kept already; should rewriting fail, the journal is only longer than it need be.
    if (this.#journal?.needsRewrite(this.#book.size) === true) await this.#journal.rewrite(this.#book).catch(() => undefined);
  }

  /** A tag that changes hands gets another key: what was logged of it belongs to nobody any more, and is shown to nobody. */
  async #handOver(people: readonly Person[]): Promise<void> {
    const changed = people.flatMap(({ profile, tagId }) => {
      const before = this.#book.person(profile.personId)?.tagId ?? null;
      return before === tagId ? [] : [{ before, tagId }];
    });
    const given = changed.flatMap(({ before }) => (before === null ? [] : [tagSubject(before)]));
    if (given.length > 0) await this.#keys.erase(given, { forGood: false });
    for (const { profile, tagId } of people) {
      this.#keys.keyAnew(personSubject(profile.personId));
      if (tagId !== null) markCarried(this.#keys, tagId);
    }
  }

  /** Hidden at once; resolved when their keys are gone, without which nothing of them can be read. Erasures that came together share the syncs. */
  async #erase(group: WaitingErasure[]): Promise<void> {
    const erased: { erasure: WaitingErasure; tagId: TagId | null }[] = [];
    for (const erasure of group) {
      const { personId } = erasure;
      const person = this.#book.person(personId);
      const tagId = person?.tagId ?? this.#unfinished.get(personId) ?? null;
      if (person === null && !this.#unfinished.has(personId)) {
        erasure.answer(null);
        continue;
      }
      this.#book.apply({ gone: personId });
      this.#unfinished.set(personId, tagId);
      if (person !== null) this.#tell({ kind: "erased", personId, tagId });
      erased.push({ erasure, tagId });
    }
    if (erased.length === 0) return;
    try {
      await this.#keys.erase(
        erased.flatMap(({ erasure, tagId }) => subjectsOf(erasure.personId, tagId)),
        { forGood: true },
      );
      for (const { erasure, tagId } of erased) {
        this.#unfinished.delete(erasure.personId);
        erasure.answer({ tagId });
      }
    } catch (error) {
      for (const { erasure } of erased) erasure.fail(error);
    }
  }

  #tell(change: RegistryChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        // A bug of the listener's: it ends the process, but neither this change nor the other followers.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new StoreUnavailable("the registry is closed");
  }
}

function peopleOf(facts: readonly PeopleFact[]): Person[] {
  return facts.flatMap((fact) => ("person" in fact ? [fact.person] : []));
}
