import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { LIVE_LOCATION_MS, LOG_RETENTION_MS, MAX_GATEWAYS_PER_VENUE, MAX_TAGS_PER_EVENT, RECENT_LOCATION_MS, StoreUnavailable, type GatewayHealth, type LoggedBody, type Position, type Update, type UpdateId, type VenueOrigin } from "@konferenco/protocol";
import type { Redis } from "ioredis";
import { assertStorable, keyIdOf, keyOf, knownKeyId, speakersOf, withoutErased } from "./commit-batch.ts";
import { MAX_FOLLOWERS, MAX_PAGE_UPDATES } from "./embedded-store.ts";
import { nearestFirst, type NearbyTag } from "./geo-grid.ts";
import { tagSubject, type KeyRing, type SubjectKey } from "./key-ring.ts";
import { currentEra, epochOf, resumeAfter } from "./lineage.ts";
import { isInGeoRange } from "./live-state.ts";
import { MAX_RECENT_ROWS } from "./recent-positions.ts";
import { RedisFeed, type LogState } from "./redis-feed.ts";
import { geoOriginOf, geoPlaceOf, geoScalesAround } from "./redis-geo.ts";
import { RedisLink } from "./redis-link.ts";
import { COMMIT, DROP_TAG, NEARBY, STATE, SWEEP } from "./redis-scripts.ts";
import { fieldOf, idAfter, keptSignal, keyOfTold, keysOf, parseEras, parseGateway, parseLogged, parsePosition, parseStreamId, sealedRecord, signalRecord, toldBatch, type Erased, type EventKeys, type Place } from "./redis-updates.ts";
import type { CommitBatch, CommitResult, FollowEvent, LogPage, Store } from "./store.ts";

export interface RedisStoreOptions {
  eventId: string;
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://`. */
  url: string;
  /** Of the whole installation: Redis holds handles and sealed records alone, and the erased have no key. */
  keys: KeyRing;
  origin: VenueOrigin;
}

export interface RedisStoreStats {
  refusedTags: number;
  refusedGateways: number;
  /** Records that stood in Redis and could not be read: refused, counted, passed over. */
  brokenRecords: number;
  failedCommits: number;
  followers: number;
  /** How often followers had to be given what the streams hold, because they had not been told of it, or not readably. */
  catchUps: number;
}

export interface RedisStore extends Store {
  stats(): RedisStoreStats;
}

/**
 * How much of the past the live stream keeps for readers that are behind, one entry per commit; who is
 * further behind is told ("overflow"). 500 positions a commit: 140 entries, over a minute. 5,000: 16, 8 s.
 */
const LIVE_BYTES = 16 * 1024 * 1024;
const MIN_LIVE_ENTRIES = 16;
const MAX_LIVE_ENTRIES = 4_096;

/** Nearby questions wider than this look at everybody on the floor: 10 km is no venue. */
const MAX_GEO_RADIUS_M = 10_000;

/** Records that are opened before others have their turn, 30 µs each. */
const RECORDS_PER_TURN = 250;

/** What `defineCommand` adds to a client. */
interface StoreScripts {
  konferencoState(...args: (string | number)[]): Promise<[string, number, number, number]>;
  konferencoCommit(...args: (string | number)[]): Promise<[number, number, string, number, number, number]>;
  konferencoDropTag(...args: (string | number)[]): Promise<null>;
  konferencoSweep(...args: (string | number)[]): Promise<[number, number]>;
  konferencoNearby(...args: (string | number)[]): Promise<(string | null)[]>;
}

/** Opens the store of an event in Redis. Throws `ConfigError` for an address, login or server that cannot work, `StoreUnavailable` when nobody answers. */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const link = await RedisLink.open(options.url, "konferenco-store");
  link.client.defineCommand("konferencoState", { numberOfKeys: 3, lua: STATE });
  link.client.defineCommand("konferencoCommit", { numberOfKeys: 14, lua: COMMIT });
  link.client.defineCommand("konferencoDropTag", { numberOfKeys: 1, lua: DROP_TAG });
  link.client.defineCommand("konferencoSweep", { numberOfKeys: 2, lua: SWEEP });
  link.client.defineCommand("konferencoNearby", { numberOfKeys: 2, lua: NEARBY });
  return new StoreInRedis(options, link);
}

class StoreInRedis implements RedisStore {
  readonly #link: RedisLink;
  readonly #keys: EventKeys;
  readonly #ring: KeyRing;
  readonly #origin: VenueOrigin;
  readonly #feed: RedisFeed;
  /** Under which this process numbers its commits. */
  readonly #writer = randomBytes(6).toString("hex");
  #lastCommit = 0;
  /** Batches whose answer was lost, and under which number they may have been stored. */
  #unsure = new WeakMap<CommitBatch, number>();
  #stats = { refusedTags: 0, refusedGateways: 0, brokenRecords: 0, failedCommits: 0 };

  constructor(options: RedisStoreOptions, link: RedisLink) {
    this.#link = link;
    this.#keys = keysOf(options.eventId);
    this.#ring = options.keys;
    this.#origin = geoOriginOf(options.origin);
    this.#feed = new RedisFeed({ address: options.url, keys: this.#keys, ring: this.#ring, state: () => this.#state(), read: (count, after) => this.#streamsAfter(count, after) });
  }

  async commit(batch: CommitBatch, nowMs: number): Promise<CommitResult> {
    assertStorable(batch);
    const number = this.#unsure.get(batch) ?? ++this.#lastCommit;
    try {
      const key = keyOfTold(this.#ring);
      const fields = this.#fieldsOf(withoutErased(batch, this.#ring), key);
      const [offset, duplicateAlerts, eras, refusedTags, refusedGateways, duplicateMessages] = await this.#run((client, runId) =>
        client.konferencoCommit(...this.#commitKeys, runId, newEpoch(), this.#keys.prefix, nowMs, number, ...COMMIT_LIMITS, liveEntriesFor(batch), ...fields),
      );
      this.#unsure.delete(batch);
      this.#stats.refusedTags += refusedTags;
      this.#stats.refusedGateways += refusedGateways;
      return { end: { epoch: currentEra(parseEras(eras)).epoch, offset }, duplicateAlerts, ...(duplicateMessages === 0 ? {} : { duplicateMessages }) };
    } catch (error) {
      // Perhaps it was stored and only the answer was lost: the same batch again goes by the same number.
      this.#unsure.set(batch, number);
      this.#stats.failedCommits++;
      throw error;
    }
  }

  async hasMessage(from: string, key: string, nowMs: number): Promise<boolean> {
    const keyId = knownKeyId(from, key, this.#ring);
    const storedAtMs = keyId === null ? null : await this.#run((client) => client.zscore(this.#keys.said, keyId));
    return storedAtMs !== null && Number(storedAtMs) >= nowMs - LOG_RETENTION_MS;
  }

  async readLog(after: UpdateId | null, limit: number): Promise<LogPage> {
    const log = await this.#state();
    const end = endOf(log);
    const start = resumeAfter(after, log);
    const count = Math.min(limit, MAX_PAGE_UPDATES, log.end - start.offset);
    if (count <= 0) return { updates: [], end, gap: start.gap };
    const entries = await this.#run((client) => client.xrange(this.#keys.log, `(${idAfter(start.offset)}`, "+", "COUNT", count));
    const updates: Update[] = [];
    let gap = start.gap;
    for (const [id, fields] of entries) {
      const { number: offset } = parseStreamId(id);
      const body = parseLogged(fieldOf(fields, "b"), this.#ring);
      if (body === null) {
        this.#stats.brokenRecords++;
        continue;
      }
      const expected = (updates[updates.length - 1]?.updateId.offset ?? start.offset) + 1;
      if (offset !== expected) {
        // A hole inside of a page: the reader gets what stands before it, asks again and is told.
        if (updates.length > 0) break;
        gap ??= "retention";
      }
      updates.push({ updateId: { epoch: epochOf(log.lineage, offset), offset }, storedAtMs: Number(fieldOf(fields, "t")), body });
    }
    if (updates.length === 0) gap ??= "retention";
    return { updates, end, gap };
  }

  async end(): Promise<UpdateId> {
    return endOf(await this.#state());
  }

  async follow(listener: (event: FollowEvent) => void): Promise<{ close(): Promise<void> }> {
    await this.ping(); // fails quickly when there is nobody to follow
    if (this.#feed.followers >= MAX_FOLLOWERS) throw new StoreUnavailable(`${MAX_FOLLOWERS} followers are there already: somebody does not close theirs`);
    return this.#feed.follow(listener);
  }

  async position(tagId: string): Promise<Position | null> {
    const handle = this.#handleOf(tagId);
    const json = handle === null ? null : await this.#run((client) => client.hget(this.#keys.positions, handle));
    return json === null ? null : (this.#positions([json])[0] ?? null);
  }

  async positions(): Promise<Position[]> {
    const records = await this.#run((client) => client.hvals(this.#keys.positions));
    const positions: Position[] = [];
    for (let from = 0; from < records.length; from += RECORDS_PER_TURN) {
      positions.push(...this.#positions(records.slice(from, from + RECORDS_PER_TURN)));
      await turn();
    }
    return positions;
  }

  async nearby(query: Parameters<Store["nearby"]>[0]): Promise<NearbyTag[]> {
    if (query.limit <= 0 || !isInGeoRange(query)) {
      await this.ping();
      return [];
    }
    const bodies = await this.#run(async (client) => {
      if (query.radiusM > MAX_GEO_RADIUS_M) {
        const handles = await client.zrange(this.#keys.geo(query.floor), "0", "-1");
        return handles.length === 0 ? [] : client.hmget(this.#keys.positions, ...handles);
      }
      const { lon, lat } = geoPlaceOf(query, this.#origin);
      const { least, greatest } = geoScalesAround(query, query.radiusM, this.#origin);
      return client.konferencoNearby(this.#keys.geo(query.floor), this.#keys.positions, lon, lat, query.radiusM, query.limit, least, greatest);
    });
    const found: NearbyTag[] = [];
    // A tag without a position was forgotten between the two: it is near nobody.
    for (const position of this.#positions(bodies.filter((body) => body !== null))) {
      const distanceM = Math.hypot(position.xM - query.xM, position.yM - query.yM);
      if (distanceM <= query.radiusM) found.push({ tagId: position.tagId, distanceM });
    }
    return nearestFirst(found, query.limit);
  }

  async occupants(zoneId: string): Promise<string[]> {
    // Members are "zone handle"; "!" is the character after the blank, and neither holds one.
    const members = await this.#run((client) => client.zrange(this.#keys.occupants, `[${zoneId} `, `(${zoneId}!`, "BYLEX"));
    return members.flatMap((member) => this.#ring.find(member.slice(zoneId.length + 1))?.subject.slice(tagSubject("").length) ?? []);
  }

  async recentPositions(tagId: string, sinceMs: number): Promise<Position[]> {
    const handle = this.#handleOf(tagId);
    if (handle === null) return [];
    const now = await this.#run((client) => client.hget(this.#keys.meta, "now"));
    const fromMs = Math.max(0, Math.floor(Math.max(sinceMs, Number(now) - RECENT_LOCATION_MS)));
    const entries = await this.#run((client) => client.xrange(this.#keys.recent(handle), String(fromMs), "+"));
    const positions = this.#positions(entries.map(([, fields]) => fieldOf(fields, "p") ?? ""));
    return positions.filter((position) => position.atMs >= sinceMs);
  }

  async gateways(): Promise<GatewayHealth[]> {
    return this.#readable(await this.#run((client) => client.hvals(this.#keys.gateways)), parseGateway);
  }

  async dropTag(tagId: string): Promise<void> {
    for (const handle of this.#ring.handlesOf(tagSubject(tagId))) await this.#run((client) => client.konferencoDropTag(this.#keys.meta, this.#keys.prefix, handle));
  }

  async sweep(nowMs: number): Promise<number> {
    let gone = 0;
    for (let more = 1; more === 1; ) {
      const round = await this.#run((client) => client.konferencoSweep(this.#keys.meta, this.#keys.log, this.#keys.prefix, nowMs, LOG_RETENTION_MS, RECENT_LOCATION_MS, LIVE_LOCATION_MS));
      gone += round[0];
      more = round[1];
    }
    return gone;
  }

  async ping(): Promise<void> {
    await this.#run((client) => client.ping());
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.#feed.close();
  }

  stats(): RedisStoreStats {
    return { ...this.#stats, brokenRecords: this.#stats.brokenRecords + this.#feed.brokenRecords, followers: this.#feed.followers, catchUps: this.#feed.catchUps };
  }

  async #state(): Promise<LogState> {
    const [eras, end, live, first] = await this.#run((client, runId) => client.konferencoState(this.#keys.meta, this.#keys.log, this.#keys.live, runId, newEpoch()));
    return { lineage: parseEras(eras), end, live, first };
  }

  #streamsAfter(count: number, { offset, live }: Place) {
    return this.#run((client) => client.xread("COUNT", count, "STREAMS", this.#keys.log, this.#keys.live, idAfter(offset), idAfter(live)));
  }

  #run<T>(send: (client: Redis & StoreScripts, runId: string) => Promise<T>): Promise<T> {
    return this.#link.run((client, runId) => send(client as Redis & StoreScripts, runId));
  }

  #positions(records: string[]): Position[] {
    return this.#readable(records, (record) => parsePosition(record, this.#ring));
  }

  #readable<T extends object>(records: string[], parse: (json: string) => T | Erased | null): T[] {
    const values: T[] = [];
    for (const record of records) {
      const value = parse(record);
      if (value === null) this.#stats.brokenRecords++;
      else if (value !== "erased") values.push(value);
    }
    return values;
  }

  /** Null: nothing was ever kept of the tag, or it is erased. */
  #handleOf(tagId: string): string | null {
    return this.#ring.held(tagSubject(tagId))?.handle ?? null;
  }

  get #commitKeys(): string[] {
    const keys = this.#keys;
    return [
      keys.meta, keys.log, keys.live, keys.positions, keys.floors, keys.seen, keys.alerts,
      keys.stays, keys.staysAt, keys.occupants, keys.gateways, keys.recentAt, keys.commits(this.#writer),
      keys.said,
    ];
  }

  /** Counts and fields of a batch, as the commit script reads them. */
  #fieldsOf(batch: CommitBatch, keyTold: SubjectKey | null): (string | number)[] {
    const { alerts, zoneTransitions, proximityTransitions, positions, gateways, messages = [], signals = [] } = batch;
    const ring = this.#ring;
    const keyOfTag = (tagId: string) => keyOf(tagSubject(tagId), ring);
    let text = "";
    const told = { logged: [] as string[], positions: [] as string[], gateways: [] as string[], signals: [] as string[] };
    const logged = (body: LoggedBody) => {
      const json = JSON.stringify(body);
      told.logged.push(json);
      return json;
    };
    for (const alert of alerts) text += `${alert.alertId}\n${logged({ kind: "alert", alert })}\n`;
    for (const message of messages) {
      const of = speakersOf(message).map((subject) => keyOf(subject, ring));
      text += `${keyIdOf(message, ring) ?? ""}\n${sealedRecord(logged({ kind: "message", message }), of, ring)}\n`;
    }
    for (const zone of zoneTransitions) {
      const key = keyOfTag(zone.tagId);
      text += `${zone.transition}\n${key.handle}\n${zone.zoneId}\n${zone.atMs}\n${sealedRecord(logged({ kind: "zone", zone }), [key], ring)}\n`;
    }
    for (const proximity of proximityTransitions) text += `${sealedRecord(logged({ kind: "proximity", proximity }), [keyOfTag(proximity.tagA), keyOfTag(proximity.tagB)], ring)}\n`;
    for (const position of positions) {
      const key = keyOfTag(position.tagId);
      const { lon, lat } = isInGeoRange(position) ? geoPlaceOf(position, this.#origin) : NO_PLACE;
      const json = JSON.stringify(position);
      told.positions.push(json);
      text += `${position.floor}\n${lon}\n${lat}\n${position.atMs}\n${sealedRecord(json, [key], ring)}\n${key.handle}\n`;
    }
    for (const gateway of gateways) {
      const json = JSON.stringify(gateway);
      told.gateways.push(json);
      text += `${gateway.gatewayId}\n${json}\n`;
    }
    const said = signals.flatMap((signal) => keptSignal(signal, ring) ?? []);
    for (const signal of said) {
      told.signals.push(JSON.stringify(signal));
      text += `${signalRecord(signal, ring)}\n`;
    }
    return [alerts.length, zoneTransitions.length, proximityTransitions.length, positions.length, gateways.length, messages.length, said.length, text, toldBatch(told, keyTold, ring)];
  }
}

const NO_PLACE = { lon: "", lat: "" };
const COMMIT_LIMITS = [LOG_RETENTION_MS, RECENT_LOCATION_MS, LIVE_LOCATION_MS, MAX_TAGS_PER_EVENT, MAX_GATEWAYS_PER_VENUE, MAX_RECENT_ROWS];

function liveEntriesFor(batch: CommitBatch): number {
  const bytes = 370 * batch.positions.length + 150 * batch.gateways.length + 450 * (batch.signals?.length ?? 0) + 100;
  return Math.max(MIN_LIVE_ENTRIES, Math.min(MAX_LIVE_ENTRIES, Math.floor(LIVE_BYTES / bytes)));
}

/** A name for the era that begins if this call finds the log lost; else unused. */
function newEpoch(): string {
  return randomBytes(6).toString("hex");
}

function endOf(log: LogState): UpdateId {
  return { epoch: currentEra(log.lineage).epoch, offset: log.end };
}
