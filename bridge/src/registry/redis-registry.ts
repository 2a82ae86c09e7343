import { randomBytes } from "node:crypto";
import { applyPrivacyChange, defaultPrivacySettings, MAX_PEOPLE_PER_EVENT, personSchema, type Consent, type Person, type PersonId, type PrivacySettings, type Profile, type TagId } from "@konferenco/protocol";
import type { Redis } from "ioredis";
import { RedisLink, personSubject, tagSubject, type KeyRing, type SubjectKey } from "@konferenco/fusion";
import { JointReads } from "./joint-reads.ts";
import { NO_CONSENT, firstAfter, hiddenUntilConfirmed } from "./people-book.ts";
import { isTagHidden, markCarried, subjectsOf } from "./person-keys.ts";
import { RedisPeopleFeed, type ChangesState } from "./redis-people-feed.ts";
import { ASSIGN, CONSENT, ERASE, PUT, READ, RELEASE, SETTINGS, STATE } from "./redis-people-scripts.ts";
import { RegistryRefusal, type Registry, type RegistryChange } from "./registry.ts";

export interface RedisRegistryOptions {
  eventId: string;
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://`. A write is as durable as this server's `appendfsync` says: `always` is meant. */
  url: string;
  /** Of the whole installation: people are sealed, each with their own key. */
  keys: KeyRing;
  log?: (event: object) => void;
}

export interface RedisRegistryStats {
  /** Records that stood in Redis and do not fit the schema: their person is unknown, which is hidden. */
  brokenRecords: number;
  /** People whose record is older than what was acknowledged since: hidden until they choose again. */
  outdated: number;
  /** How often changes may have been missed and everybody's was told. */
  lostChanges: number;
}

export interface RedisRegistry extends Registry {
  stats(): RedisRegistryStats;
}

/** People read in one step: Redis serves nobody else meanwhile, 2 ms. */
const PEOPLE_PER_READ = 500;

/** Attempts to change settings that others change at the same moment. */
const MAX_ATTEMPTS = 16;

/** Profile, consent, settings, tag, as they stand in Redis. */
type PersonRecord = [string | null, string | null, string | null, string | null];

interface PeopleScripts {
  konferencoChanges(...args: (string | number)[]): Promise<[string, number]>;
  konferencoPeople(...args: (string | number)[]): Promise<PersonRecord[]>;
  konferencoPutPerson(...args: (string | number)[]): Promise<PersonRecord | null>;
  konferencoAssignTag(...args: (string | number)[]): Promise<string | 0>;
  konferencoReleaseTag(...args: (string | number)[]): Promise<number>;
  konferencoSetConsent(...args: (string | number)[]): Promise<PersonRecord | null>;
  konferencoSetSettings(...args: (string | number)[]): Promise<PersonRecord | 0>;
  konferencoErase(...args: (string | number)[]): Promise<string | null>;
}

const SCRIPTS: Record<keyof PeopleScripts, string> = {
  konferencoChanges: STATE,
  konferencoPeople: READ,
  konferencoPutPerson: PUT,
  konferencoAssignTag: ASSIGN,
  konferencoReleaseTag: RELEASE,
  konferencoSetConsent: CONSENT,
  konferencoSetSettings: SETTINGS,
  konferencoErase: ERASE,
};

/** Opens the people of an event in Redis. Throws `ConfigError` for an address, login or server that cannot work, `StoreUnavailable` when nobody answers. */
export async function openRedisRegistry(options: RedisRegistryOptions): Promise<RedisRegistry> {
  const link = await RedisLink.open(options.url, "konferenco-registry");
  for (const [name, lua] of Object.entries(SCRIPTS)) link.client.defineCommand(name, { numberOfKeys: 8, lua });
  const registry = new RegistryInRedis(options, link);
  await registry.removeErased();
  return registry;
}

class RegistryInRedis implements RedisRegistry {
  readonly #link: RedisLink;
  readonly #keys: string[];
  readonly #ring: KeyRing;
  readonly #records: JointReads<PersonRecord>;
  readonly #holders: JointReads<string | null>;
  readonly #ids: string;
  readonly #feed: RedisPeopleFeed;
  readonly #log: (event: object) => void;
  /** Whom this process has read: caches may show them, also when they are gone from Redis. 100 bytes each, 20 MB at the limit. */
  readonly #known = new Set<PersonId>();
  #brokenRecords = 0;
  #outdated = 0;

  constructor(options: RedisRegistryOptions, link: RedisLink) {
    const key = (name: string) => `konferenco:{${options.eventId}}:people:${name}`;
    this.#link = link;
    this.#ring = options.keys;
    this.#log = options.log ?? (() => undefined);
    this.#ids = key("ids");
    const holders = key("holders");
    this.#records = new JointReads((handles) => this.#run((client, begin) => client.konferencoPeople(...begin, ...handles)), PEOPLE_PER_READ);
    this.#holders = new JointReads((handles) => link.run((client) => client.hmget(holders, ...handles)), PEOPLE_PER_READ);
    this.#keys = ["meta", "changes", "ids", "profiles", "consents", "settings", "holders", "tags"].map(key);
    this.#feed = new RedisPeopleFeed({ address: options.url, stream: key("changes"), state: () => this.#state(), everybody: () => this.#everybody(), idOf: (handle) => idOf(this.#ring.lately(handle)) });
  }

  async putPerson({ profile, consent, settings }: Parameters<Registry["putPerson"]>[0]): Promise<Person> {
    const { personId } = profile;
    const record = await this.#put(profile, consent, settings);
    const person = this.#parse(personId, record);
    if (person !== null) return person;
    // What stood there beside the profile was broken. Nobody knows what the person wanted: they are asked again.
    await this.#put(profile, consent ?? NO_CONSENT, settings ?? defaultPrivacySettings());
    return { profile, tagId: this.#tagOf(record), consent: consent ?? NO_CONSENT, settings: settings ?? defaultPrivacySettings() };
  }

  async #put(profile: Profile, consent: Consent | undefined, settings: PrivacySettings | undefined): Promise<PersonRecord> {
    const key = this.#ring.keyAnew(personSubject(profile.personId));
    if (key === null) throw new RegistryRefusal("PEOPLE_LIMIT", "no more keys can be made: the limit of one installation is reached");
    const numbered = (value: Profile | Consent | PrivacySettings) => this.#sealed(key, profile.personId, value);
    const given = (value: Consent | PrivacySettings | undefined) => (value === undefined ? "" : numbered(value));
    return this.#acknowledged(profile.personId, async () => {
      const record = await this.#run((client, begin) =>
        client.konferencoPutPerson(...begin, key.handle, numbered(profile), given(consent), given(settings), numbered(NO_CONSENT), numbered(defaultPrivacySettings()), MAX_PEOPLE_PER_EVENT),
      );
      if (record === null) throw new RegistryRefusal("PEOPLE_LIMIT", `the event has ${MAX_PEOPLE_PER_EVENT} people, its limit: delete some, or run a second event`);
      return record;
    });
  }

  async person(personId: PersonId): Promise<Person | null> {
    const record = await this.#read(personId);
    return this.#parse(personId, record ?? undefined);
  }

  async people({ after, limit }: { after: PersonId | null; limit: number }): Promise<Person[]> {
    await this.ping();
    const ids = this.#ring.people();
    const people: Person[] = [];
    // Not everybody who has a key is a person of ours: what is missing is filled from what follows.
    for (let next = after === null ? 0 : firstAfter(ids, after); next < ids.length && people.length < limit; ) {
      const page = ids.slice(next, next + Math.min(limit - people.length, PEOPLE_PER_READ));
      next += page.length;
      const handles = page.map((personId) => this.#ring.held(personSubject(personId))?.handle ?? "");
      const records = await this.#run((client, begin) => client.konferencoPeople(...begin, ...handles));
      page.forEach((personId, i) => {
        const person = this.#parse(personId, records[i]);
        if (person !== null) people.push(person);
      });
    }
    return people;
  }

  async countPeople(): Promise<number> {
    return this.#link.run((client) => client.zcard(this.#ids));
  }

  async assignTag(tagId: TagId, personId: PersonId): Promise<void> {
    const subject = tagSubject(tagId);
    const person = this.#ring.held(personSubject(personId));
    const record = await this.#read(personId);
    if (person === null || record === null || record[0] === null) throw new RegistryRefusal("PERSON_UNKNOWN", `no person "${personId}": a tag goes to somebody who is there`);
    const holder = await this.holderOf(tagId);
    if (holder === personId && this.#tagOf(record) === tagId) return;
    const before = this.#ring.held(subject)?.handle ?? "";
    // What was logged of it under its former holder belongs to nobody any more.
    if (holder !== null) await this.#ring.erase([subject], { forGood: false });
    markCarried(this.#ring, tagId);
    await this.#ring.sync();
    const handle = this.#ring.held(subject)?.handle ?? "";
    const tagBefore = await this.#run((client, begin) => client.konferencoAssignTag(...begin, handle, person.handle, before));
    if (tagBefore === 0) throw new RegistryRefusal("PERSON_UNKNOWN", `no person "${personId}": a tag goes to somebody who is there`);
    const freed = this.#ring.find(tagBefore);
    if (freed !== null && freed.subject !== subject) await this.#ring.erase([freed.subject], { forGood: false });
  }

  async releaseTag(tagId: TagId): Promise<void> {
    const subject = tagSubject(tagId);
    const handle = this.#ring.held(subject)?.handle;
    if (handle === undefined) return void (await this.#nobody());
    const released = await this.#run((client, begin) => client.konferencoReleaseTag(...begin, handle));
    if (released === 1) await this.#ring.erase([subject], { forGood: false });
  }

  async holderOf(tagId: TagId): Promise<PersonId | null> {
    const handle = this.#ring.held(tagSubject(tagId))?.handle;
    const holder = handle === undefined ? await this.#nobody() : await this.#holders.ask(handle);
    return holder === null ? null : idOf(this.#ring.find(holder)?.subject ?? null);
  }

  async hidesTag(tagId: TagId): Promise<boolean> {
    return isTagHidden(this.#ring, tagId);
  }

  async setConsent(personId: PersonId, consent: Parameters<Registry["setConsent"]>[1]): Promise<Person | null> {
    const key = await this.#settled(personId);
    if (key === null) return null;
    const record = await this.#acknowledged(personId, () =>
      this.#run((client, begin) => client.konferencoSetConsent(...begin, key.handle, this.#sealed(key, personId, consent))),
    );
    return record === null ? null : this.#parse(personId, record);
  }

  async changeSettings(personId: PersonId, change: Parameters<Registry["changeSettings"]>[1]): Promise<Person | null> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const key = await this.#settled(personId);
      const record = await this.#read(personId);
      const before = this.#parse(personId, record ?? undefined);
      if (before === null || key === null) return null;
      const settings = this.#sealed(key, personId, applyPrivacyChange(before.settings, change));
      const after = await this.#acknowledged(personId, () => this.#run((client, begin) => client.konferencoSetSettings(...begin, key.handle, record?.[2] ?? "", settings)));
      if (after !== 0) return this.#parse(personId, after);
    }
    throw new Error(`the settings of one person were changed ${MAX_ATTEMPTS} times while we changed them`);
  }

  async erase(personId: PersonId): Promise<{ tagId: TagId | null } | null> {
    const subject = personSubject(personId);
    this.#ring.held(subject); // as of now, also of other processes
    const [handle] = this.#ring.handlesOf(subject);
    if (handle === undefined) return this.#nobody();
    const [record] = await this.#run((client, begin) => client.konferencoPeople(...begin, handle));
    if (record === undefined || record[0] === null) return null; // one who speaks, or an erasure that was finished already
    const tag = idOf(record[3] === null ? null : this.#ring.lately(record[3]));
    // The keys first: from here on nobody can read what is about them, whatever becomes of the rest.
    await this.#ring.erase(subjectsOf(personId, tag), { forGood: true });
    this.#known.delete(personId);
    await this.#run((client, begin) => client.konferencoErase(...begin, handle));
    return { tagId: tag };
  }

  /** Whom an older copy of Redis' data has brought back: without their keys they are bytes, and these go too. */
  async removeErased(): Promise<void> {
    const handles = await this.#link.run((client) => client.zrange(this.#ids, "0", "-1"));
    for (const handle of handles) if (this.#ring.isDead(handle)) await this.#run((client, begin) => client.konferencoErase(...begin, handle));
  }

  async follow(listener: (change: RegistryChange) => void): Promise<{ close(): Promise<void> }> {
    await this.ping(); // fails quickly when there is nobody to follow
    return this.#feed.follow(listener);
  }

  async ping(): Promise<void> {
    await this.#link.run((client) => client.ping());
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.#feed.close();
  }

  stats(): RedisRegistryStats {
    return { brokenRecords: this.#brokenRecords, outdated: this.#outdated, lostChanges: this.#feed.losses };
  }

  async #state(): Promise<ChangesState> {
    const [epoch, number] = await this.#run((client, begin) => client.konferencoChanges(...begin));
    return { epoch, number };
  }

  /** Everybody whom a cache of this process may know, and everybody there is. */
  async *#everybody(): AsyncGenerator<string[]> {
    const told = new Set(this.#known);
    yield [...told];
    let last: string | null = null;
    for (;;) {
      const from: string = last === null ? "-" : `(${last}`;
      const page: string[] = await this.#link.run((client) => client.zrangebylex(this.#ids, from, "+", "LIMIT", 0, PEOPLE_PER_READ));
      yield page.flatMap((handle) => idOf(this.#ring.find(handle)?.subject ?? null) ?? []).filter((personId) => !told.has(personId));
      if (page.length < PEOPLE_PER_READ) return;
      last = page[page.length - 1] as string;
    }
  }

  #run<T>(send: (client: Redis & PeopleScripts, begin: string[]) => Promise<T>): Promise<T> {
    return this.#link.run((client, runId) => send(client as Redis & PeopleScripts, [...this.#keys, runId, newEpoch()]));
  }

  /** The record of the person, read again when it seems older than what was acknowledged: somebody may have written just now. */
  async #read(personId: PersonId): Promise<PersonRecord | null> {
    const key = this.#ring.held(personSubject(personId));
    if (key === null) return this.#nobody();
    const record = await this.#records.ask(key.handle);
    return this.#isOutdated(personId, record) ? this.#records.ask(key.handle) : record;
  }

  #isOutdated(personId: PersonId, record: PersonRecord): boolean {
    return this.#numberIn(record) < this.#ring.markOf(personSubject(personId));
  }

  #numberIn([profile, consent, settings]: PersonRecord): number {
    return Math.max(...[profile, consent, settings].map((sealed) => this.#opened(sealed)?.number ?? 0));
  }

  /** The person's key, once what Redis has of them is not older than what was acknowledged; else they begin anew, hidden. */
  async #settled(personId: PersonId): Promise<SubjectKey | null> {
    const key = this.#ring.held(personSubject(personId));
    const record = key === null ? await this.#nobody() : await this.#read(personId);
    if (record === null || !this.#isOutdated(personId, record)) return key;
    const hidden = this.#parse(personId, record);
    if (hidden !== null) await this.#put(hidden.profile, hidden.consent, hidden.settings);
    return key;
  }

  /** Numbered, so that an older copy is known from a newer one. */
  #sealed(key: SubjectKey, personId: PersonId, value: Profile | Consent | PrivacySettings): string {
    return this.#ring.seal([key], JSON.stringify({ number: this.#ring.markOf(personSubject(personId)) + 1, value }));
  }

  /** What Redis has taken is acknowledged when the ring knows its number: an older copy is noticed from then on. */
  async #acknowledged<T extends PersonRecord | 0 | null>(personId: PersonId, write: () => Promise<T>): Promise<T> {
    const written = await write();
    if (written !== 0 && written !== null) this.#ring.mark(personSubject(personId), this.#numberIn(written));
    await this.#ring.sync();
    return written;
  }

  /** Nobody is known by that id; said only while the server answers. */
  async #nobody(): Promise<null> {
    await this.ping();
    return null;
  }

  #tagOf(record: PersonRecord): TagId | null {
    return record[3] === null ? null : idOf(this.#ring.find(record[3])?.subject ?? null);
  }

  #opened(sealed: string | null): { number?: number; value: unknown } | null {
    const plain = sealed === null ? null : this.#ring.open(sealed);
    const opened = parsed(plain) as { number?: unknown; value?: unknown } | null | undefined;
    if (typeof opened !== "object" || opened === null) return null;
    return { value: opened.value, ...(typeof opened.number === "number" ? { number: opened.number } : {}) };
  }

  /** Never trusts what is stored: a record that does not fit the schema is no person. */
  #parse(personId: PersonId, record: PersonRecord | undefined): Person | null {
    const [profile, consent, settings] = record ?? [null, null, null, null];
    if (record === undefined || (profile === null && consent === null && settings === null)) return null;
    const person = personSchema.safeParse({ profile: this.#opened(profile)?.value, consent: this.#opened(consent)?.value, settings: this.#opened(settings)?.value, tagId: this.#tagOf(record) });
    if (person.success && person.data.profile.personId === personId) {
      if (this.#known.size < MAX_PEOPLE_PER_EVENT) this.#known.add(personId);
      if (!this.#isOutdated(personId, record)) return person.data;
      this.#outdated++;
      return hiddenUntilConfirmed(person.data);
    }
    if (this.#ring.held(personSubject(personId)) === null) return null; // erased meanwhile
    this.#brokenRecords++;
    this.#log({ event: "a person's record in Redis is broken", remedy: "import the people again; until then they are hidden" });
    return null;
  }
}

/** The id in `person:<id>` and `tag:<id>`. */
function idOf(subject: string | null): string | null {
  return subject === null ? null : subject.slice(subject.indexOf(":") + 1);
}

function parsed(json: string | null): unknown {
  try {
    return json === null ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}

function newEpoch(): string {
  return randomBytes(6).toString("hex");
}
