import { randomBytes } from "node:crypto";
import { LOG_RETENTION_MS, MESSAGE_TYPES, StoreUnavailable, type LoggedBody, type StoredMessage, type Update, type UpdateId, type VenueOrigin } from "@konferenco/protocol";
import { AlertIds, MAX_MESSAGE_KEYS } from "./alert-ids.ts";
import { remedyFor, systemCode } from "./durable-file.ts";
import { assertStorable, handlesOf, keyIdOf, knownKeyId, loggedBodies, withoutErased } from "./commit-batch.ts";
import { lockFolder, type FolderLock } from "./folder-lock.ts";
import { beginEra, beginLineage, currentEra, epochOf, resumeAfter, type Lineage } from "./lineage.ts";
import { tagSubject, type KeyRing } from "./key-ring.ts";
import { LiveState } from "./live-state.ts";
import { newMemoryLog } from "./memory-log.ts";
import { SegmentLog } from "./segment-log.ts";
import { readSnapshot, writeSnapshot } from "./store-snapshot.ts";
import type { CommitBatch, CommitResult, FollowEvent, LogPage, Store } from "./store.ts";
import type { LogEntry, UpdateLog } from "./update-log.ts";

export interface EmbeddedStoreOptions {
  eventId: string;
  /** Where the log lives; null keeps it in memory, and a restart begins from nothing. */
  dataDir: string | null;
  /** Of the whole installation: what is about somebody is sealed with their key, and the erased have none. */
  keys: KeyRing;
  /** Unused: the grid works in venue metres. Taken so that both adapters open alike. */
  origin: VenueOrigin;
  nowMs: () => number;
}

export interface EmbeddedStoreStats {
  tags: number;
  /** Positions and stays of tags beyond MAX_TAGS_PER_EVENT, and gateways beyond MAX_GATEWAYS_PER_VENUE: not stored. */
  refusedTags: number;
  refusedGateways: number;
  recentRows: number;
  refusedRecent: number;
  waitingCommits: number;
  /** Commits that were refused because too many waited for the disk, or the disk failed. */
  failedCommits: number;
  followers: number;
  loggedUpdates: number;
  segments: number;
  brokenLines: number;
  cutBytes: number;
}

export interface EmbeddedStore extends Store {
  stats(): EmbeddedStoreStats;
}

/** Commits that may wait for the disk; one tick makes one, an alert makes one. Beyond it they are refused as unavailable. */
export const MAX_WAITING_COMMITS = 1_024;

/** Commits that share one write and one sync. */
const COMMITS_PER_WRITE = 64;

/** Updates of one page of the log: 2 MB of JSON. */
export const MAX_PAGE_UPDATES = 5_000;

/** Followers of one process: the bridge is one, a test or a recorder another. */
export const MAX_FOLLOWERS = 256;

/** A snapshot is at most this much older than what it tells, so that the disk forgets on time too. */
const SNAPSHOT_EVERY_MS = 15 * 60_000;

interface WaitingCommit {
  kind: "commit";
  batch: CommitBatch;
  nowMs: number;
  resolve: (result: CommitResult) => void;
  reject: (error: Error) => void;
}

/** Something else that must not overtake a commit. */
interface WaitingTask {
  kind: "task";
  run: () => Promise<void>;
}

type Listener = (event: FollowEvent) => void;

/** Opens the in-process store. Throws `ConfigError` when the folder is in use, foreign or cannot be written. */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const state = new LiveState();
  const alertIds = new AlertIds();
  const messageKeys = new AlertIds(MAX_MESSAGE_KEYS);
  const epoch = randomBytes(6).toString("hex");
  if (options.dataDir === null) {
    return new InProcessStore({ options, state, alertIds, messageKeys, lineage: beginLineage(epoch), log: newMemoryLog(), lock: null });
  }
  const folder = options.dataDir;
  const lock = await lockFolder(folder, "store.lock");
  try {
    const snapshot = await readSnapshot(folder, options.eventId);
    // The store is made after its log, and the log asks it for snapshots.
    let store: InProcessStore | null = null;
    const log = await SegmentLog.open({ folder, keys: options.keys, knownEnd: snapshot?.offset ?? 0, onRoll: async () => store?.snapshot(false) });
    for (const [alertId, storedAtMs] of snapshot?.alertIds ?? []) alertIds.add(alertId, storedAtMs);
    for (const [keyId, storedAtMs] of snapshot?.messageKeys ?? []) messageKeys.add(keyId, storedAtMs);
    const stayed = { transition: "enter", floor: 0, confidence: 1 } as const;
    for (const [handle, zoneId, atMs] of snapshot?.stays ?? []) {
      const subject = options.keys.find(handle)?.subject;
      if (subject !== undefined) state.moveToZone({ ...stayed, tagId: subject.slice(tagSubject("").length), zoneId, atMs }, atMs);
    }
    for await (const { body, storedAtMs } of log.entriesAfter(snapshot?.offset ?? 0)) {
      if (body.kind === "alert") alertIds.add(body.alert.alertId, storedAtMs);
      if (body.kind === "message") rememberKey(messageKeys, keyIdOf(body.message, options.keys), storedAtMs);
      if (body.kind === "zone") state.moveToZone(body.zone, storedAtMs);
    }
    const [oldest, ...newer] = snapshot?.eras ?? [];
    let lineage: Lineage = oldest === undefined ? beginLineage(epoch) : [oldest, ...newer];
    if (snapshot?.clean === false) lineage = beginEra(lineage, epoch, log.end);
    store = new InProcessStore({ options, state, alertIds, messageKeys, lineage, log, lock });
    await store.sweep(options.nowMs());
    await store.snapshot(false);
    return store;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class InProcessStore implements EmbeddedStore {
  readonly #options: EmbeddedStoreOptions;
  readonly #state: LiveState;
  readonly #alertIds: AlertIds;
  readonly #messageKeys: AlertIds;
  readonly #lineage: Lineage;
  readonly #log: UpdateLog;
  readonly #lock: FolderLock | null;
  #listeners = new Set<Listener>();
  #waiting: (WaitingCommit | WaitingTask)[] = [];
  #working: Promise<void> | null = null;
  #isClosed = false;
  #failedCommits = 0;
  /** Where the log ended for the last batch that became visible. */
  #visibleEnd: number;
  /** The store's time: that of the last commit or sweep. */
  #clockMs: number;
  #snapshotAtMs: number;

  constructor(parts: { options: EmbeddedStoreOptions; state: LiveState; alertIds: AlertIds; messageKeys: AlertIds; lineage: Lineage; log: UpdateLog; lock: FolderLock | null }) {
    this.#options = parts.options;
    this.#state = parts.state;
    this.#alertIds = parts.alertIds;
    this.#messageKeys = parts.messageKeys;
    this.#lineage = parts.lineage;
    this.#log = parts.log;
    this.#lock = parts.lock;
    this.#visibleEnd = parts.log.end;
    this.#clockMs = this.#snapshotAtMs = parts.options.nowMs();
  }

  // Async, so that a bug in a batch rejects the promise as everywhere else.
  async commit(batch: CommitBatch, nowMs: number): Promise<CommitResult> {
    this.#assertOpen();
    assertStorable(batch);
    const logsNothing = batch.alerts.length === 0 && (batch.messages?.length ?? 0) === 0 && batch.zoneTransitions.length === 0 && batch.proximityTransitions.length === 0;
    if (logsNothing && this.#working === null) return this.#apply(withoutErased(batch, this.#options.keys), [], 0, nowMs);
    if (this.#waiting.length >= MAX_WAITING_COMMITS) {
      this.#failedCommits++;
      throw new StoreUnavailable(`${MAX_WAITING_COMMITS} commits wait for the disk of ${this.#options.dataDir ?? "memory"}: it is slower than the event`);
    }
    return new Promise((resolve, reject) => this.#enqueue({ kind: "commit", batch, nowMs, resolve, reject }));
  }

  async hasMessage(from: string, key: string, nowMs: number): Promise<boolean> {
    this.#assertOpen();
    const keyId = knownKeyId(from, key, this.#options.keys);
    return keyId !== null && this.#messageKeys.has(keyId, nowMs);
  }

  async readLog(after: UpdateId | null, limit: number): Promise<LogPage> {
    this.#assertOpen();
    const { first } = this.#log;
    const end = this.#visibleEnd;
    const start = resumeAfter(after, { lineage: this.#lineage, first, end });
    // What is written but not yet visible to followers is not visible here either.
    const entries = await this.#log.read(start.offset, Math.min(limit, MAX_PAGE_UPDATES, end - start.offset)).catch(this.#unavailable);
    const begin = entries[0]?.offset ?? (limit > 0 ? end + 1 : start.offset + 1);
    return {
      updates: entries.map((entry) => this.#updateOf(entry)),
      end: this.#endAt(end),
      gap: start.gap ?? (begin > start.offset + 1 ? "retention" : null),
    };
  }

  async end(): Promise<UpdateId> {
    this.#assertOpen();
    return this.#endAt(this.#visibleEnd);
  }

  async follow(listener: Listener): Promise<{ close(): Promise<void> }> {
    this.#assertOpen();
    if (this.#listeners.size >= MAX_FOLLOWERS) throw new StoreUnavailable(`${MAX_FOLLOWERS} followers are there already: somebody does not close theirs`);
    const own: Listener = (event) => listener(event); // the same function may follow twice
    this.#listeners.add(own);
    return { close: async () => void this.#listeners.delete(own) };
  }

  async position(tagId: string) {
    this.#assertOpen();
    return this.#state.position(tagId);
  }

  async positions() {
    this.#assertOpen();
    return this.#state.positions();
  }

  async nearby(query: Parameters<Store["nearby"]>[0]) {
    this.#assertOpen();
    return this.#state.nearby(query);
  }

  async occupants(zoneId: string) {
    this.#assertOpen();
    return this.#state.occupants(zoneId);
  }

  async recentPositions(tagId: string, sinceMs: number) {
    this.#assertOpen();
    return this.#state.recentPositions(tagId, sinceMs, this.#clockMs);
  }

  async gateways() {
    this.#assertOpen();
    return this.#state.gateways();
  }

  async dropTag(tagId: string): Promise<void> {
    await this.#inTurn(async () => this.#state.drop(tagId));
  }

  async sweep(nowMs: number): Promise<number> {
    return this.#inTurn(async () => {
      this.#clockMs = nowMs;
      this.#state.sweep(nowMs);
      this.#alertIds.sweep(nowMs);
      this.#messageKeys.sweep(nowMs);
      const gone = await this.#log.forgetBefore(nowMs - LOG_RETENTION_MS).catch(this.#unavailable);
      if (Math.abs(nowMs - this.#snapshotAtMs) >= SNAPSHOT_EVERY_MS) await this.snapshot(false).catch(this.#unavailable);
      return gone;
    });
  }

  async ping(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const rest = this.#working;
    this.#isClosed = true;
    await rest;
    this.#listeners.clear();
    try {
      await this.#log.close();
      await this.snapshot(true);
    } finally {
      await this.#lock?.release();
    }
  }

  stats(): EmbeddedStoreStats {
    const log = this.#log instanceof SegmentLog ? this.#log.stats() : { segments: 0, brokenLines: 0, cutBytes: 0 };
    return {
      ...this.#state.stats(),
      ...log,
      waitingCommits: this.#waiting.length,
      failedCommits: this.#failedCommits,
      followers: this.#listeners.size,
      loggedUpdates: this.#log.end - this.#log.first + 1,
    };
  }

  async snapshot(clean: boolean): Promise<void> {
    if (this.#options.dataDir === null) return;
    this.#snapshotAtMs = this.#clockMs;
    await writeSnapshot(this.#options.dataDir, {
      v: 1,
      eventId: this.#options.eventId,
      clean,
      eras: [...this.#lineage],
      offset: this.#log.end,
      alertIds: this.#alertIds.entries(),
      messageKeys: this.#messageKeys.entries(),
      stays: this.#state.stays().flatMap(([tagId, zoneId, atMs]) => this.#options.keys.handlesOf(tagSubject(tagId)).slice(0, 1).map((handle): [string, string, number] => [handle, zoneId, atMs])),
    });
  }

  #enqueue(work: WaitingCommit | WaitingTask): void {
    this.#waiting.push(work);
    this.#working ??= this.#workOff();
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    return new Promise((resolve, reject) => this.#enqueue({ kind: "task", run: () => run().then(resolve, reject) }));
  }

  async #workOff(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next.kind === "task") {
        this.#waiting.shift();
        await next.run();
        continue;
      }
      const stop = this.#waiting.findIndex((work, i) => work.kind === "task" || i === COMMITS_PER_WRITE);
      const group = this.#waiting.splice(0, stop === -1 ? this.#waiting.length : stop) as WaitingCommit[];
      await this.#store(group);
    }
    // In the same breath as the look at the empty queue: what is enqueued from now on starts anew.
    this.#working = null;
  }

  /** Group commit: what came in while the disk was busy shares the next write and sync. All of it or none is stored. */
  async #store(group: WaitingCommit[]): Promise<void> {
    const { keys } = this.#options;
    let offset = this.#log.end;
    const inGroup = new Set<string>();
    const keysInGroup = new Set<string>();
    let durable = false;
    const prepare = ({ batch: given, nowMs }: WaitingCommit) => {
      const batch = withoutErased(given, keys);
      const isNew = (alertId: string) => !this.#alertIds.has(alertId, nowMs) && !inGroup.has(alertId) && inGroup.add(alertId) !== undefined;
      const isNewMessage = (message: StoredMessage) => {
        const keyId = keyIdOf(message, keys);
        return keyId === null || (!this.#messageKeys.has(keyId, nowMs) && !keysInGroup.has(keyId) && keysInGroup.add(keyId) !== undefined);
      };
      const entries = loggedBodies(batch, isNew, isNewMessage).map((body): LogEntry => ({ offset: ++offset, storedAtMs: nowMs, body, keyedTo: handlesOf(body, keys) }));
      const count = (kind: LogEntry["body"]["kind"]) => entries.filter((entry) => entry.body.kind === kind).length;
      durable ||= entries.some(({ body }) => body.kind === "message" && MESSAGE_TYPES[body.message.type].delivery === "exactly_once");
      return { batch, nowMs, entries, duplicateAlerts: batch.alerts.length - count("alert"), duplicateMessages: (batch.messages?.length ?? 0) - count("message") };
    };
    const prepared: ReturnType<typeof prepare>[] = [];
    try {
      for (const commit of group) prepared.push(prepare(commit));
      await this.#log.append(
        prepared.map(({ entries }) => entries),
        { durable: durable || inGroup.size > 0 },
      );
    } catch (error) {
      this.#failedCommits += group.length;
      for (const { reject } of group) reject(error as Error);
      return;
    }
    prepared.forEach(({ batch, nowMs, entries, duplicateAlerts, duplicateMessages }, i) => {
      const result = this.#apply(batch, entries, duplicateAlerts, nowMs);
      group[i]?.resolve(duplicateMessages === 0 ? result : { ...result, duplicateMessages });
    });
  }

  /** What is in the log becomes visible. Nothing in here can fail. */
  #apply(batch: CommitBatch, entries: LogEntry[], duplicateAlerts: number, nowMs: number): CommitResult {
    // People talk by the wall clock; the venue's time is fusion's, which may replay another day.
    if (!isTalkAlone(batch)) this.#clockMs = nowMs;
    const { keys } = this.#options;
    for (const entry of entries) {
      const { body } = this.#updateOf(entry);
      if (body.kind === "message") rememberKey(this.#messageKeys, keyIdOf(body.message, keys), nowMs);
      if (body.kind === "alert") this.#alertIds.add(body.alert.alertId, nowMs);
      if (body.kind === "zone") this.#state.moveToZone(body.zone, nowMs);
    }
    const positions = batch.positions.filter((position) => keys.held(tagSubject(position.tagId)) !== null && this.#state.place(position, nowMs));
    const gateways = batch.gateways.filter((gateway) => this.#state.setGateway(gateway));
    // In a group commit the log is ahead of this batch already: its own end is what its followers and its caller get.
    const end = this.#endAt(entries[entries.length - 1]?.offset ?? this.#visibleEnd);
    this.#visibleEnd = end.offset;
    if (this.#listeners.size > 0) {
      const updates: Update[] = entries.map((entry) => this.#updateOf(entry));
      for (const position of positions) updates.push({ updateId: end, storedAtMs: nowMs, body: { kind: "position", position } });
      for (const gateway of gateways) updates.push({ updateId: end, storedAtMs: nowMs, body: { kind: "gateway", gateway } });
      for (const signal of batch.signals ?? []) updates.push({ updateId: end, storedAtMs: nowMs, body: { kind: "signal", signal } });
      if (updates.length > 0) this.#tell({ kind: "updates", updates });
    }
    return { end, duplicateAlerts };
  }

  #tell(event: FollowEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // A bug of the listener's: it ends the process, but neither this commit nor the other followers.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** What was read or written before an erasure is not shown after it. */
  #updateOf(entry: LogEntry): Update {
    const body: LoggedBody = entry.keyedTo.every((handle) => this.#options.keys.has(handle)) ? entry.body : { kind: "erased" };
    return { updateId: { epoch: epochOf(this.#lineage, entry.offset), offset: entry.offset }, storedAtMs: entry.storedAtMs, body };
  }

  #endAt(offset: number): UpdateId {
    return { epoch: currentEra(this.#lineage).epoch, offset };
  }

  readonly #unavailable = (error: unknown): never => {
    const folder = this.#options.dataDir ?? "memory";
    throw new StoreUnavailable(`the store's data folder fails (${systemCode(error)}): ${remedyFor(error, folder)}`, { cause: error });
  };

  #assertOpen(): void {
    if (this.#isClosed) throw new StoreUnavailable("the store is closed");
  }
}

function rememberKey(keyIds: AlertIds, keyId: string | null, storedAtMs: number): void {
  if (keyId !== null) keyIds.add(keyId, storedAtMs);
}

function isTalkAlone({ messages = [], signals = [], alerts, zoneTransitions, proximityTransitions, positions, gateways }: CommitBatch): boolean {
  const ofFusion = alerts.length + zoneTransitions.length + proximityTransitions.length + positions.length + gateways.length;
  return ofFusion === 0 && messages.length + signals.length > 0;
}
