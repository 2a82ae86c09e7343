import { open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, parseId, personSchema, StoreUnavailable } from "@konferenco/protocol";
import { remedyFor, syncFolder, systemCode } from "@konferenco/fusion";
import type { PeopleBook, PeopleFact } from "./people-book.ts";

const NAME = "people.ndjson";

/** The journal is written anew when it holds this many facts more than twice the people, 600 bytes each. */
const SPARE_FACTS = 1_000;

/** People written in one go while the journal is written anew; others get their turn between. */
const PEOPLE_PER_WRITE = 500;

/** A line is one change: a list of facts that stand or fall together. */
export class PeopleJournal {
  readonly #folder: string;
  readonly #path: string;
  #file: FileHandle | null = null;
  #bytes = 0;
  #facts = 0;
  #isTorn = false;
  #damagedLines = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, NAME);
  }

  /** Reads what is there into the book. What does not fit the schema is refused and counted. */
  static async open(folder: string, book: PeopleBook): Promise<PeopleJournal> {
    const journal = new PeopleJournal(folder);
    await journal.#load(book);
    return journal;
  }

  get damagedLines(): number {
    return this.#damagedLines;
  }


  /** On disk when it resolves; all of it or none. */
  async append(changes: readonly PeopleFact[][]): Promise<void> {
    const text = Buffer.from(changes.map((facts) => `${JSON.stringify(facts)}\n`).join(""));
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
    this.#facts += changes.reduce((sum, facts) => sum + facts.length, 0);
  }

  needsRewrite(people: number): boolean {
    return this.#facts > 2 * people + SPARE_FACTS;
  }

  /** Writes the people anew, one line each: what is gone stands in no file any more. */
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
          lines.push(`${JSON.stringify([{ person }])}\n`);
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
      const facts = parseFacts(line);
      if (facts === null) this.#damagedLines++;
      // Whom a damaged line is about, is unknown from then on, which is hidden: an older line may show more than they want.
      for (const fact of facts ?? personIdsIn(line).map((gone) => ({ gone }))) {
        book.apply(fact);
        this.#facts++;
      }
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
}

/** Never trusts what is on disk: a record that does not fit the schema is no person. */
function parseFacts(line: string): PeopleFact[] | null {
  try {
    const facts: unknown = JSON.parse(line);
    if (!Array.isArray(facts)) return null;
    const parsed = facts.map(parseFact);
    return parsed.includes(null) ? null : (parsed as PeopleFact[]);
  } catch {
    return null;
  }
}

function parseFact(fact: { person?: unknown; gone?: unknown } | null): PeopleFact | null {
  const gone = parseId(fact?.gone);
  if (gone.ok) return { gone: gone.value };
  const person = personSchema.safeParse(fact?.person);
  return person.success ? { person: person.data } : null;
}

function personIdsIn(line: string): string[] {
  return [...line.matchAll(/"personId":"([^"]{1,64})"/g)].map((match) => match[1] as string);
}
