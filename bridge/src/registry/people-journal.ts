import { open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, personSchema, StoreUnavailable, type Person, type PersonId } from "@konferenco/protocol";
import { personSubject, remedyFor, syncFolder, systemCode, type KeyRing } from "@konferenco/fusion";
import { hiddenUntilConfirmed, type PeopleBook, type PeopleFact } from "./people-book.ts";

const NAME = "people.ndjson";

/** The journal is written anew when it holds this many facts more than twice the people, 600 bytes each. */
const SPARE_FACTS = 1_000;

/** People written in one go while the journal is written anew; others get their turn between. */
const PEOPLE_PER_WRITE = 500;

/**
 * A line is one change: a list of facts `{"h":handle,"x":sealed}` that stand or fall together. What is sealed is a
 * person as they stand, and the number of the change: a copy below the number that was acknowledged is out of date.
 */
export class PeopleJournal {
  readonly #folder: string;
  readonly #path: string;
  readonly #keys: KeyRing;
  readonly #numbers = new Map<PersonId, number>();
  #file: FileHandle | null = null;
  #bytes = 0;
  #facts = 0;
  #isTorn = false;
  #damagedLines = 0;
  #outdated = 0;

  private constructor(folder: string, keys: KeyRing) {
    this.#folder = folder;
    this.#keys = keys;
    this.#path = join(folder, NAME);
  }

  /** Reads what is there into the book. What does not fit the schema is refused and counted. */
  static async open(folder: string, keys: KeyRing, book: PeopleBook): Promise<PeopleJournal> {
    const journal = new PeopleJournal(folder, keys);
    await journal.#load(book);
    return journal;
  }

  get damagedLines(): number {
    return this.#damagedLines;
  }

  /** People whose newest copy here is older than what was acknowledged. */
  get outdated(): number {
    return this.#outdated;
  }

  /** On disk when it resolves; all of it or none. */
  async append(changes: readonly Person[][]): Promise<void> {
    const people = changes.flat();
    for (const { profile } of people) this.#numbers.set(profile.personId, this.#numberOf(profile.personId) + 1);
    const text = Buffer.from(changes.map((facts) => this.#lineOf(facts)).join(""));
    try {
      if (this.#isTorn) await this.#cutTornEnd();
      this.#file ??= await open(this.#path, "a", 0o600);
      this.#isTorn = true;
      for (let written = 0; written < text.length; ) written += (await this.#file.write(text, written)).bytesWritten;
      await this.#file.datasync();
    } catch (error) {
      throw this.#unavailable(error);
    }
    this.#isTorn = false;
    this.#bytes += text.length;
    this.#facts += people.length;
    // After the data: a crash between the two leaves more than was acknowledged, never less.
    for (const { profile } of people) this.#keys.mark(personSubject(profile.personId), this.#numberOf(profile.personId));
    await this.#keys.sync();
  }

  needsRewrite(people: number): boolean {
    return this.#facts > 2 * people + SPARE_FACTS;
  }

  /** Writes the people anew, one line each: without history, and without those who are gone. */
  async rewrite(book: PeopleBook): Promise<void> {
    const temporary = `${this.#path}.new`;
    try {
      const file = await open(temporary, "w", 0o600);
      let bytes = 0;
      try {
        let lines: string[] = [];
        const flush = async () => {
          const text = Buffer.from(lines.join(""));
          lines = [];
          await file.writeFile(text);
          bytes += text.length;
        };
        for (const person of book.all()) {
          lines.push(this.#lineOf([person]));
          if (lines.length === PEOPLE_PER_WRITE) await flush();
        }
        await flush();
        await file.datasync();
      } finally {
        await file.close();
      }
      await this.#file?.close();
      this.#file = null;
      await rename(temporary, this.#path);
      await syncFolder(this.#folder);
      this.#bytes = bytes;
      this.#facts = book.size;
      this.#isTorn = false;
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  async #load(book: PeopleBook): Promise<void> {
    // Left by a rewrite that did not end: it may hold somebody who was erased since.
    await rm(`${this.#path}.new`, { force: true });
    const bytes = await readFile(this.#path).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return Buffer.alloc(0);
      throw new ConfigError(`${this.#path} cannot be read (${systemCode(error)}): ${remedyFor(error, this.#folder)}`, { cause: error });
    });
    let start = 0;
    for (let stop = bytes.indexOf(10); stop !== -1; stop = bytes.indexOf(10, start)) {
      const line = bytes.toString("utf8", start, stop);
      start = stop + 1;
      this.#facts++;
      const facts = this.#factsIn(line);
      if (facts === null) this.#damagedLines++;
      // Whom a damaged line is about, is unknown from then on, which is hidden: an older line may show more than they want.
      for (const fact of facts ?? this.#peopleIn(line).map((gone) => ({ gone }))) book.apply(fact);
    }
    for (const person of book.all()) {
      const { personId } = person.profile;
      if ((this.#numbers.get(personId) ?? 0) >= this.#keys.markOf(personSubject(personId))) continue;
      this.#outdated++;
      book.apply({ person: hiddenUntilConfirmed(person) });
    }
    // A last line without its end was never acknowledged.
    this.#bytes = start;
    this.#isTorn = start < bytes.length;
  }

  async #cutTornEnd(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    this.#file = await open(this.#path, "a", 0o600);
    await this.#file.truncate(this.#bytes);
    this.#isTorn = false;
  }

  #unavailable(error: unknown): StoreUnavailable {
    return new StoreUnavailable(`people cannot be kept in ${this.#path} (${systemCode(error)}): ${remedyFor(error, this.#folder)}`, { cause: error });
  }

  #numberOf(personId: PersonId): number {
    return Math.max(this.#numbers.get(personId) ?? 0, this.#keys.markOf(personSubject(personId)));
  }

  #lineOf(people: readonly Person[]): string {
    const facts = people.map((person) => {
      const { personId } = person.profile;
      const key = this.#keys.keyAnew(personSubject(personId));
      if (key === null) throw new StoreUnavailable("no more keys can be made: the limit of one installation is reached");
      return { h: key.handle, x: this.#keys.seal([key], JSON.stringify({ number: this.#numberOf(personId), person })) };
    });
    return `${JSON.stringify(facts)}\n`;
  }

  /** Never trusts what is on disk: what does not fit the schema is no person. Null: the line is damaged. */
  #factsIn(line: string): PeopleFact[] | null {
    try {
      const facts: unknown = JSON.parse(line);
      if (!Array.isArray(facts)) return null;
      const parsed = facts.map((fact: { h?: unknown; x?: unknown } | null) => this.#factOf(fact));
      return parsed.includes(null) ? null : parsed.flatMap((fact) => (fact === null || fact === "erased" ? [] : [fact]));
    } catch {
      return null;
    }
  }

  #factOf(fact: { h?: unknown; x?: unknown } | null): PeopleFact | "erased" | null {
    if (typeof fact?.h !== "string" || typeof fact.x !== "string") return null;
    if (this.#keys.isDead(fact.h)) return "erased";
    const opened = JSON.parse(this.#keys.open(fact.x) ?? "null") as { number?: unknown; person?: unknown } | null;
    const person = personSchema.safeParse(opened?.person);
    if (typeof opened?.number !== "number" || !person.success) return null;
    this.#numbers.set(person.data.profile.personId, opened.number);
    return { person: person.data };
  }

  #peopleIn(line: string): PersonId[] {
    const subjects = [...line.matchAll(/"h":"([\w-]+)"/g)].map((match) => this.#keys.find(match[1] as string)?.subject);
    return subjects.flatMap((subject) => (subject === undefined ? [] : [subject.slice(personSubject("").length)]));
  }
}
