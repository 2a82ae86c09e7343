import { mkdir, open, readFile, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { lockFolder, remedyFor, systemCode, writeFileAtomic, type FolderLock } from "@konferenco/fusion";
import { ConfigError, MAX_PEOPLE_PER_EVENT, personSchema, StoreUnavailable, type PersonId } from "@konferenco/protocol";
import { PeopleBook, type PeopleFact } from "./people-book.ts";
import type { Registry, RegistryChange } from "./registry.ts";

export interface EmbeddedRegistryOptions {
  /** Null keeps everything in memory. */
  dataDir: string | null;
  nowMs: () => number;
  log?: (event: object) => void;
}

/** The journal is written anew when it holds this many facts more than twice the people: 600 bytes a fact. */
const SPARE_FACTS = 1_000;

/** Changes that wait for the disk; beyond it a change is refused, for the disk does not keep up. */
const MAX_WAITING_CHANGES = 10_000;

/** People in a journal of one fact per line, on disk before a change is in force. Rejects with `ConfigError` for an unusable folder. */
export async function openEmbeddedRegistry(options: EmbeddedRegistryOptions): Promise<Registry> {
  const book = new PeopleBook();
  const journal = options.dataDir === null ? null : await openJournal(options.dataDir, book, options.log ?? (() => undefined));
  const listeners = new Set<(change: RegistryChange) => void>();
  const tell = (change: RegistryChange) => listeners.forEach((listener) => listener(change));
  // One change at a time: the next one is worked out on what this one made true.
  let turn: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let closed = false;

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (closed) return Promise.reject(new StoreUnavailable("the registry is closed"));
    if (waiting >= MAX_WAITING_CHANGES) return Promise.reject(new StoreUnavailable(`${MAX_WAITING_CHANGES} changes of people wait for the disk: it does not keep up`));
    waiting++;
    const done = turn.then(work);
    turn = done.then(
      () => waiting--,
      () => waiting--,
    );
    return done;
  }

  /** Keeps the facts, then puts them in force and tells who follows. */
  async function keep(facts: PeopleFact[]): Promise<void> {
    if (facts.length === 0) return;
    await journal?.append(facts);
    for (const fact of facts) book.apply(fact);
    for (const fact of facts) if ("person" in fact) tell({ kind: "person", personId: fact.person.profile.personId });
  }

  return {
    putPerson: (given) =>
      inTurn(async () => {
        const { personId } = given.profile;
        if (book.person(personId) === null && book.size >= MAX_PEOPLE_PER_EVENT) throw new StoreUnavailable(`the event has ${MAX_PEOPLE_PER_EVENT} people, its limit`);
        await keep(book.put(given));
        return known(book, personId);
      }),
    person: async (personId) => book.person(personId),
    people: async ({ after, limit }) => book.page(after, limit),
    countPeople: async () => book.size,

    assignTag: (tagId, personId) =>
      inTurn(async () => {
        const facts = book.assign(tagId, personId);
        if (facts === null) throw new ConfigError(`no person "${personId}": a tag goes to somebody who is there`);
        await keep(facts);
      }),
    releaseTag: (tagId) => inTurn(() => keep(book.release(tagId))),
    holderOf: async (tagId) => book.holderOf(tagId),

    setConsent: (personId, consent) => inTurn(() => change(book.consent(personId, consent), personId)),
    changeSettings: (personId, settings) => inTurn(() => change(book.settings(personId, settings), personId)),
    erase: (personId) =>
      inTurn(async () => {
        const person = book.person(personId);
        if (person === null) return null;
        // Out of force first: should the disk fail, the person is hidden and the caller knows to try again.
        book.apply({ gone: personId });
        tell({ kind: "erased", personId, tagId: person.tagId });
        // The journal is written anew without them: what is appended to still holds their bytes.
        await journal?.compact(book);
        return { tagId: person.tagId };
      }),

    async follow(listener) {
      listeners.add(listener);
      return { close: async () => void listeners.delete(listener) };
    },
    async ping() {
      if (closed) throw new StoreUnavailable("the registry is closed");
    },
    async close() {
      closed = true;
      await turn;
      await journal?.close();
    },
  };

  async function change(facts: PeopleFact[] | null, personId: PersonId) {
    if (facts === null) return null;
    await keep(facts);
    return known(book, personId);
  }
}

function known(book: PeopleBook, personId: PersonId) {
  const person = book.person(personId);
  if (person === null) throw new Error(`${personId} was just kept and is not there`);
  return person;
}

interface Journal {
  append(facts: PeopleFact[]): Promise<void>;
  compact(book: PeopleBook): Promise<void>;
  close(): Promise<void>;
}

async function openJournal(dataDir: string, book: PeopleBook, log: (event: object) => void): Promise<Journal> {
  const lock = await lockFolder(dataDir, "registry.lock");
  try {
    return await readJournal(path.join(dataDir, "people.ndjson"), book, lock, log);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function readJournal(file: string, book: PeopleBook, lock: FolderLock, log: (event: object) => void): Promise<Journal> {
  await mkdir(path.dirname(file), { recursive: true });
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return "";
    throw new ConfigError(`${file} cannot be read: ${remedyFor(error, path.dirname(file))}`, { cause: error });
  });
  let facts = 0;
  let damaged = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const fact = parseFact(line);
    // A torn last line was never acknowledged; any other damaged one costs that fact, and is told.
    if (fact === null) damaged++;
    else book.apply(fact);
    facts++;
  }
  if (damaged > 0) log({ event: "registry journal damaged", file, lines: damaged });
  let handle: FileHandle | null = null;

  const journal: Journal = {
    async append(added) {
      try {
        handle ??= await open(file, "a", 0o600);
        await handle.write(added.map((fact) => `${JSON.stringify(fact)}\n`).join(""));
        await handle.datasync();
      } catch (error) {
        throw new StoreUnavailable(`people cannot be kept in ${file}: ${remedyFor(error, path.dirname(file))}`, { cause: error });
      }
      facts += added.length;
      if (facts > 2 * book.size + SPARE_FACTS) await journal.compact(book);
    },
    async compact(current) {
      await handle?.close();
      handle = null;
      const lines = [...current.all()].map((person) => `${JSON.stringify({ person })}\n`);
      try {
        await writeFileAtomic(file, lines.join(""));
      } catch (error) {
        throw new StoreUnavailable(`people cannot be kept in ${file}: ${remedyFor(error, path.dirname(file))}`, { cause: error });
      }
      facts = lines.length;
    },
    async close() {
      await handle?.close();
      handle = null;
      await lock.release();
    },
  };
  // Old facts, and a torn line that the next append would be glued to.
  if (damaged > 0 || facts > book.size) await journal.compact(book);
  return journal;
}

/** Never trusts what is on disk: a record that does not fit the schema is no person. */
function parseFact(line: string): PeopleFact | null {
  try {
    const json = JSON.parse(line) as { person?: unknown; gone?: unknown };
    if (typeof json.gone === "string") return { gone: json.gone };
    const person = personSchema.safeParse(json.person);
    return person.success ? { person: person.data } : null;
  } catch {
    return null;
  }
}
