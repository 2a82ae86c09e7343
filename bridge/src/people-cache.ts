import { MAX_TAGS_PER_EVENT, type Level, type Person, type PersonId, type TagId } from "@konferenco/protocol";
import { compilePolicy, type Holder, type SubjectPolicy } from "./core/privacy-policy.ts";
import type { Registry, RegistryChange } from "./registry/registry.ts";

/** Reads of the registry under way at once: enough to fill a pipeline, few enough not to starve others. */
const READS_AT_ONCE = 64;

/** What a change made of a person, for those who saw them before. */
export interface PolicyChange {
  personId: PersonId;
  before: SubjectPolicy | null;
  after: SubjectPolicy | null;
  tagBefore: TagId | null;
  tagAfter: TagId | null;
  erased: boolean;
  /** The registry did not answer: the person is hidden until it does. */
  error: Error | null;
}

interface Known {
  person: Person;
  policy: SubjectPolicy;
}

/**
 * Policies of the people whose tags are heard and of those who look, kept in step with the registry. A tag
 * or person that is not here is unknown, and unknown is hidden. About 1 KB per person.
 */
export class PeopleCache {
  readonly #registry: Registry;
  readonly #people = new Map<PersonId, Known>();
  /** Null: the registry says that nobody carries it. */
  readonly #holders = new Map<TagId, PersonId | null>();
  /** When the first of a person's shares ends: then their policy is made anew. */
  readonly #shareEnds = new Map<PersonId, number>();
  readonly #changed = new Set<TagId>();
  readonly #nowMs: () => number;
  /** The finest level that the venue knows at all. */
  readonly finest: Level;
  /** Who sits in a session, by tag; set once the picture of the venue is there. */
  isInSession: (tagId: TagId) => boolean = () => false;
  /** Tags of erased people: hidden until somebody else carries them, for the person may still do. */
  readonly #erasedTags = new Set<TagId>();

  constructor(registry: Registry, nowMs: () => number = () => 0, finest: Level = "precise") {
    this.#registry = registry;
    this.#nowMs = nowMs;
    this.finest = finest;
  }

  readonly #sits = (personId: PersonId): boolean => {
    const tagId = this.tagOf(personId);
    return tagId !== null && this.isInSession(tagId);
  };

  holderOf = (tagId: TagId): Holder => {
    const personId = this.#holders.get(tagId);
    if (personId === undefined) return "unknown";
    if (personId === null) return this.#erasedTags.has(tagId) ? "unknown" : "nobody";
    return this.#people.get(personId)?.policy ?? "unknown";
  };

  /** True if the answer for this tag is here; a holder whose record could not be read does not count. */
  knowsTag(tagId: TagId): boolean {
    const personId = this.#holders.get(tagId);
    return personId === null || (personId !== undefined && this.#people.has(personId));
  }

  policyOf = (personId: PersonId): SubjectPolicy | null => this.#people.get(personId)?.policy ?? null;

  personOf(personId: PersonId): Person | null {
    return this.#people.get(personId)?.person ?? null;
  }

  tagOf(personId: PersonId): TagId | null {
    return this.#people.get(personId)?.person.tagId ?? null;
  }

  /** Whose policy still shows somebody what they were to see until now. */
  endedShares(): PersonId[] {
    const nowMs = this.#nowMs();
    return [...this.#shareEnds].flatMap(([personId, untilMs]) => (untilMs <= nowMs ? [personId] : []));
  }

  /** Tags whose holder's policy was read since the last call. */
  takeChanged(): TagId[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  get size(): number {
    return this.#people.size;
  }

  /** Asks the registry who carries these tags. What it cannot answer stays unknown, and the error is thrown after the rest is done. */
  async loadTags(tagIds: Iterable<TagId>): Promise<void> {
    await inParallel(tagIds, async (tagId) => {
      if (this.knowsTag(tagId)) return;
      const personId = await this.#registry.holderOf(tagId);
      if (personId !== null) await this.loadPerson(personId);
      else if (await this.#registry.hidesTag(tagId)) this.#erasedTags.add(tagId);
      // A change that came meanwhile knows better.
      if (!this.knowsTag(tagId)) this.#setHolder(tagId, personId);
    });
  }

  /** Reads those who are not here yet; who does not exist stays unknown. */
  loadPeople(personIds: Iterable<PersonId>): Promise<void> {
    return inParallel(personIds, async (personId) => void (await this.loadPerson(personId)));
  }

  async loadPerson(personId: PersonId): Promise<Person | null> {
    const known = this.#people.get(personId);
    if (known !== undefined) return known.person;
    const person = await this.#registry.person(personId);
    if (person !== null && !this.#people.has(personId)) this.#keep(person);
    return this.#people.get(personId)?.person ?? null;
  }

  /**
   * Applies a change of the registry. Nothing about the person may be shown between the change and this, so
   * the feed does one after the other. If the registry cannot be read the person is unknown, which is hidden.
   */
  async refresh(change: RegistryChange): Promise<PolicyChange> {
    const { personId } = change;
    const known = this.#people.get(personId) ?? null;
    // An import before the doors open: no tag has been heard that could be theirs, and nobody has asked about them.
    if (change.kind === "person" && known === null && this.#holders.size === 0) return { personId, before: null, after: null, tagBefore: null, tagAfter: null, erased: false, error: null };
    this.#people.delete(personId);
    this.#shareEnds.delete(personId);
    let person: Person | null = null;
    let error: Error | null = null;
    try {
      if (change.kind === "person") person = await this.#registry.person(personId);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    const tagBefore = known === null ? this.#tagBeforeOf(change, person) : known.person.tagId;
    // Whom nobody has asked about yet is read when somebody does: an import of 200,000 people would be 200 MB here.
    const wanted = known !== null || (typeof person?.tagId === "string" && this.#holders.has(person.tagId));
    if (person !== null) {
      if (wanted) this.#keep(person);
      if (tagBefore !== null && tagBefore !== person.tagId && this.#holders.get(tagBefore) === personId) this.#holders.delete(tagBefore);
    } else if (error === null && tagBefore !== null && (this.#holders.get(tagBefore) ?? personId) === personId) {
      this.#holders.set(tagBefore, null);
      this.#erasedTags.add(tagBefore);
    }
    const tagAfter = error === null ? (person?.tagId ?? null) : tagBefore;
    return { personId, before: known?.policy ?? null, after: this.policyOf(personId), tagBefore, tagAfter, erased: error === null && person === null, error };
  }

  /** Of a person whom we did not have: theirs already, unless we took the tag for a thing. */
  #tagBeforeOf(change: RegistryChange, person: Person | null): TagId | null {
    if (change.kind === "erased") return change.tagId;
    const tagId = person?.tagId ?? null;
    return tagId !== null && this.#holders.get(tagId) === null ? null : tagId;
  }

  #keep(person: Person): void {
    const { personId } = person.profile;
    const { tagId } = person;
    const nowMs = this.#nowMs();
    this.#people.set(personId, { person, policy: compilePolicy(person, { nowMs, isInSession: this.#sits, finest: this.finest }) });
    const endsMs = Math.min(...(person.settings.shares ?? []).map(({ untilMs }) => untilMs).filter((untilMs) => untilMs > nowMs));
    if (endsMs === Infinity) this.#shareEnds.delete(personId);
    else this.#shareEnds.set(personId, endsMs);
    if (tagId !== null) this.#changed.add(tagId);
    if (person.tagId !== null) this.#setHolder(person.tagId, person.profile.personId);
  }

  #setHolder(tagId: TagId, personId: PersonId | null): void {
    if (this.#holders.size >= MAX_TAGS_PER_EVENT && !this.#holders.has(tagId)) {
      const [oldest] = this.#holders.keys();
      if (oldest !== undefined) this.#holders.delete(oldest); // asked again when it is heard again
    }
    if (personId !== null) this.#erasedTags.delete(tagId);
    this.#holders.set(tagId, personId);
  }
}

/** Runs `work` for every item, some at once; when all are done, throws the first error. */
async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const list = [...items];
  if (list.length === 0) return;
  const iterator = list[Symbol.iterator]();
  let failed: unknown = null;
  const worker = async () => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, list.length) }, worker));
  if (failed !== null) throw failed;
}
