import { randomBytes } from "node:crypto";
import { applyPrivacyChange, defaultPrivacySettings, MAX_PEOPLE_PER_EVENT, personSchema, type Person, type PersonId, type TagId } from "@konferenco/protocol";
import type { Redis } from "ioredis";
import { NO_CONSENT } from "./people-book.ts";
import { RedisLink } from "@konferenco/fusion";
import { RedisPeopleFeed, type ChangesState } from "./redis-people-feed.ts";
import { ASSIGN, CONSENT, ERASE, PAGE, PUT, READ, RELEASE, SETTINGS, STATE } from "./redis-people-scripts.ts";
import { RegistryRefusal, type Registry, type RegistryChange } from "./registry.ts";

export interface RedisRegistryOptions {
  eventId: string;
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://`. A write is as durable as this server's `appendfsync` says: `always` is meant. */
  url: string;
  log?: (event: object) => void;
}

export interface RedisRegistryStats {
  /** Records that stood in Redis and do not fit the schema: their person is unknown, which is hidden. */
  brokenRecords: number;
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
  konferencoPeoplePage(...args: (string | number)[]): Promise<[string[], PersonRecord[]]>;
  konferencoPutPerson(...args: (string | number)[]): Promise<PersonRecord | null>;
  konferencoAssignTag(...args: (string | number)[]): Promise<number>;
  konferencoReleaseTag(...args: (string | number)[]): Promise<number>;
  konferencoSetConsent(...args: (string | number)[]): Promise<PersonRecord | null>;
  konferencoSetSettings(...args: (string | number)[]): Promise<PersonRecord | 0>;
  konferencoErase(...args: (string | number)[]): Promise<string | null>;
}

const SCRIPTS: Record<keyof PeopleScripts, string> = {
  konferencoChanges: STATE,
  konferencoPeople: READ,
  konferencoPeoplePage: PAGE,
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
  return new RegistryInRedis(options, link);
}

class RegistryInRedis implements RedisRegistry {
  readonly #link: RedisLink;
  readonly #keys: string[];
  readonly #holders: string;
  readonly #ids: string;
  readonly #feed: RedisPeopleFeed;
  readonly #log: (event: object) => void;
  /** Whom this process has read: caches may show them, also when they are gone from Redis. 100 bytes each, 20 MB at the limit. */
  readonly #known = new Set<PersonId>();
  #brokenRecords = 0;

  constructor(options: RedisRegistryOptions, link: RedisLink) {
    const key = (name: string) => `konferenco:{${options.eventId}}:people:${name}`;
    this.#link = link;
    this.#log = options.log ?? (() => undefined);
    this.#ids = key("ids");
    this.#holders = key("holders");
    this.#keys = ["meta", "changes", "ids", "profiles", "consents", "settings", "holders", "tags"].map(key);
    this.#feed = new RedisPeopleFeed({ address: options.url, stream: key("changes"), state: () => this.#state(), everybody: () => this.#everybody() });
  }

  async putPerson(given: Parameters<Registry["putPerson"]>[0]): Promise<Person> {
    const { profile, consent, settings } = given;
    const put = (consentJson: string, settingsJson: string) =>
      this.#run((client, begin) =>
        client.konferencoPutPerson(...begin, profile.personId, JSON.stringify(profile), consentJson, settingsJson, JSON.stringify(NO_CONSENT), JSON.stringify(defaultPrivacySettings()), MAX_PEOPLE_PER_EVENT),
      );
    const record = await put(consent === undefined ? "" : JSON.stringify(consent), settings === undefined ? "" : JSON.stringify(settings));
    if (record === null) throw new RegistryRefusal("PEOPLE_LIMIT", `the event has ${MAX_PEOPLE_PER_EVENT} people, its limit: delete some, or run a second event`);
    const person = this.#parse(profile.personId, record);
    if (person !== null) return person;
    // What stood there beside the profile was broken. Nobody knows what the person wanted: they are asked again.
    await put(JSON.stringify(consent ?? NO_CONSENT), JSON.stringify(settings ?? defaultPrivacySettings()));
    return { profile, tagId: record[3], consent: consent ?? NO_CONSENT, settings: settings ?? defaultPrivacySettings() };
  }

  async person(personId: PersonId): Promise<Person | null> {
    const [record] = await this.#run((client, begin) => client.konferencoPeople(...begin, personId));
    return this.#parse(personId, record);
  }

  async people({ after, limit }: { after: PersonId | null; limit: number }): Promise<Person[]> {
    const people: Person[] = [];
    let last = after;
    // Broken records leave holes in a page: they are filled from what follows.
    while (people.length < limit) {
      const count = Math.min(limit - people.length, PEOPLE_PER_READ);
      const [ids, records] = await this.#run((client, begin) => client.konferencoPeoplePage(...begin, last === null ? "-" : `(${last}`, count));
      ids.forEach((personId, i) => {
        const person = this.#parse(personId, records[i]);
        if (person !== null) people.push(person);
      });
      if (ids.length < count) break;
      last = ids[ids.length - 1] as PersonId;
    }
    return people;
  }

  async countPeople(): Promise<number> {
    return this.#link.run((client) => client.zcard(this.#ids));
  }

  async assignTag(tagId: TagId, personId: PersonId): Promise<void> {
    const known = await this.#run((client, begin) => client.konferencoAssignTag(...begin, tagId, personId));
    if (known === 0) throw new RegistryRefusal("PERSON_UNKNOWN", `no person "${personId}": a tag goes to somebody who is there`);
  }

  async releaseTag(tagId: TagId): Promise<void> {
    await this.#run((client, begin) => client.konferencoReleaseTag(...begin, tagId));
  }

  async holderOf(tagId: TagId): Promise<PersonId | null> {
    const holder = await this.#link.run((client) => client.hget(this.#holders, tagId));
    if (holder !== null) this.#known.add(holder);
    return holder;
  }

  async setConsent(personId: PersonId, consent: Parameters<Registry["setConsent"]>[1]): Promise<Person | null> {
    const record = await this.#run((client, begin) => client.konferencoSetConsent(...begin, personId, JSON.stringify(consent)));
    return record === null ? null : this.#parse(personId, record);
  }

  async changeSettings(personId: PersonId, change: Parameters<Registry["changeSettings"]>[1]): Promise<Person | null> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const [record] = await this.#run((client, begin) => client.konferencoPeople(...begin, personId));
      const before = this.#parse(personId, record);
      if (before === null) return null;
      const settings = JSON.stringify(applyPrivacyChange(before.settings, change));
      const after = await this.#run((client, begin) => client.konferencoSetSettings(...begin, personId, record?.[2] ?? "", settings));
      if (after !== 0) return this.#parse(personId, after);
    }
    throw new Error(`the settings of one person were changed ${MAX_ATTEMPTS} times while we changed them`);
  }

  async erase(personId: PersonId): Promise<{ tagId: TagId | null } | null> {
    const tagId = await this.#run((client, begin) => client.konferencoErase(...begin, personId));
    this.#known.delete(personId);
    return tagId === null ? null : { tagId: tagId === "" ? null : tagId };
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
    return { brokenRecords: this.#brokenRecords, lostChanges: this.#feed.losses };
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
      yield page.filter((personId) => !told.has(personId));
      if (page.length < PEOPLE_PER_READ) return;
      last = page[page.length - 1] as string;
    }
  }

  #run<T>(send: (client: Redis & PeopleScripts, begin: string[]) => Promise<T>): Promise<T> {
    return this.#link.run((client, runId) => send(client as Redis & PeopleScripts, [...this.#keys, runId, newEpoch()]));
  }

  /** Never trusts what is stored: a record that does not fit the schema is no person. */
  #parse(personId: PersonId, record: PersonRecord | undefined): Person | null {
    const [profile, consent, settings, tagId] = record ?? [null, null, null, null];
    if (profile === null && consent === null && settings === null) return null;
    const person = personSchema.safeParse({ profile: parsed(profile), consent: parsed(consent), settings: parsed(settings), tagId });
    if (person.success && person.data.profile.personId === personId) {
      if (this.#known.size < MAX_PEOPLE_PER_EVENT) this.#known.add(personId);
      return person.data;
    }
    this.#brokenRecords++;
    this.#log({ event: "a person's record in Redis is broken", personId, remedy: "import the person again; until then they are hidden" });
    return null;
  }
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
