import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { MESSAGE_TYPES, isLogged, type Alert, type PersonId, type TagId, type Update, type UpdateId } from "@konferenco/protocol";
import type { FollowEvent, Store } from "@konferenco/fusion";
import { Fifo } from "./core/fifo.ts";
import type { LivePicture } from "./core/live-picture.ts";
import { isVenue, projectUpdate } from "./core/privacy.ts";
import { eventRefOf } from "./keys.ts";
import type { Hub } from "./hub.ts";
import type { PeopleCache, PolicyChange } from "./people-cache.ts";
import { RecentLog } from "./recent-log.ts";
import type { Timings } from "./timings.ts";
import type { Registry, RegistryChange } from "./registry/registry.ts";

/** Updates that wait while people are looked up, about 300 bytes each; beyond, they are read from the log again. */
const MAX_PENDING_UPDATES = 20_000;
const PAGE = 256;
const RETRY_MS = 200;
/** How long a transition waits for a registry that does not answer; then its people are unknown, which is hidden. */
const MAX_PEOPLE_TRIES = 25;
/** Alerts that a new subscriber is shown. */
const ALERT_SNAPSHOT_MS = 60 * 60_000;
const MAX_SNAPSHOT_ALERTS = 20;
/** How much of the end of the log is read at the start, for them and for the last messages. */
const MAX_ALERT_SCAN = 200_000;

type Job =
  | { kind: "updates"; updates: Update[] }
  | { kind: "gap"; why: "retention" | "epoch" | "overflow" }
  | { kind: "change"; sinceMs: number; change: RegistryChange; done: (() => void) | null; failed: ((error: unknown) => void) | null };

export interface UpdateFeedOptions {
  store: Store;
  registry: Registry;
  people: PeopleCache;
  picture: LivePicture;
  hub: Hub;
  /** What was logged before the start, and everything from then on, in its order, just before clients see it. */
  heard: (update: Update, when: "before" | "now") => void;
  policyChanged: (change: PolicyChange) => void;
  timings: Timings;
  eventRefKey: Uint8Array;
  nowMs: () => number;
  log: (event: object) => void;
}

/**
 * The one reader of the store in this process. Updates and changes of people go through one queue, one
 * after the other: what is dispatched after a change obeys it.
 */
export class UpdateFeed {
  readonly #options: UpdateFeedOptions;
  readonly #jobs = new Fifo<Job>();
  readonly #alerts: Alert[] = [];
  readonly #followers: { close(): Promise<void> }[] = [];
  #pendingUpdates = 0;
  #running = false;
  #closed = false;
  #at: UpdateId = { epoch: "", offset: 0 };
  #peopleFailing = false;
  /** The person is erased: whoever keeps something about them lets it go. */
  onErased: (personId: string, tagId: TagId | null) => void = () => {};
  updatesIn = 0;
  /** The same by lane; signals are in none. */
  readonly inByLane: [number, number, number, number] = [0, 0, 0, 0];
  gaps = 0;
  /** The end of the log, as far as it has been dispatched. */
  readonly recent: RecentLog;
  #logFailing = false;
  #silent = false;
  #asking = false;

  constructor(options: UpdateFeedOptions) {
    this.#options = options;
    this.recent = new RecentLog(options.people, options.eventRefKey);
  }

  /** Up to where in the log everything has been dispatched. */
  get at(): UpdateId {
    return this.#at;
  }

  /** True while the store or the registry does not answer. */
  get failing(): boolean {
    return this.#logFailing || this.#silent;
  }

  /** Asks both whether they answer: a follower of a store that is away hears just nothing. */
  async tickSecond(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { store, registry, log } = this.#options;
    const [lost] = (await Promise.allSettled([store.ping(), registry.ping()])).filter((answer) => answer.status === "rejected");
    this.#asking = false;
    const silent = lost !== undefined;
    if (this.#closed || silent === this.#silent) return;
    this.#silent = silent;
    log(silent ? { event: "store silent", remedy: "nothing new is shown until it answers", error: String(lost.reason) } : { event: "store answers" });
  }

  get pending(): number {
    return this.#pendingUpdates;
  }

  async open(): Promise<void> {
    const { store, registry } = this.#options;
    this.#running = true; // nothing is dispatched before the picture stands
    this.#followers.push(await registry.follow((change) => this.#push({ kind: "change", sinceMs: performance.now(), change, done: null, failed: null })));
    this.#followers.push(await store.follow((event) => this.#onFollow(event)));
    this.#at = await store.end();
    await this.#loadPicture();
    await this.#loadAlerts();
    await this.#knowTags(this.recent.tags());
    this.#running = false;
    void this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#followers.map((follower) => follower.close()));
    for (let job = this.#jobs.take(); job !== undefined; job = this.#jobs.take()) if (job.kind === "change") job.done?.();
  }

  /** Applies a change that this process made; when it resolves, nothing more is shown than the change allows. */
  applyPerson(change: RegistryChange): Promise<void> {
    return new Promise((done, failed) => this.#push({ kind: "change", sinceMs: performance.now(), change, done, failed }));
  }

  recentAlerts(): Alert[] {
    const sinceMs = this.#options.nowMs() - ALERT_SNAPSHOT_MS;
    return this.#alerts.filter((alert) => alert.atMs >= sinceMs);
  }

  // --- the queue ----------------------------------------------------------------------------------

  #onFollow(event: FollowEvent): void {
    if (event.kind === "gap") return this.#push({ kind: "gap", why: event.why });
    this.updatesIn += event.updates.length;
    this.#pendingUpdates += event.updates.length;
    if (this.#pendingUpdates <= MAX_PENDING_UPDATES) return this.#push({ kind: "updates", updates: event.updates });
    // Too many wait: the log has the logged ones, and of positions only the latest counts.
    this.#jobs.keep((job) => job.kind !== "updates");
    this.#pendingUpdates = 0;
    this.#push({ kind: "gap", why: "overflow" });
  }

  #push(job: Job): void {
    if (this.#closed) {
      if (job.kind === "change") job.done?.();
      return;
    }
    this.#jobs.push(job);
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let job = this.#jobs.take(); job !== undefined && !this.#closed; job = this.#jobs.take()) {
      if (job.kind === "updates") {
        this.#pendingUpdates = Math.max(0, this.#pendingUpdates - job.updates.length);
        // No await when everybody is known: the update is on its way in the turn in which it was stored.
        if (this.#unknownTags(job.updates).length > 0 || this.#unknownSpeakers(job.updates).length > 0) await this.#loadPeople(job.updates);
        this.#dispatch(job.updates);
      } else if (job.kind === "gap") {
        await this.#untilItWorks("the log", () => this.#bridgeGap(job.why));
      } else {
        await this.#change(job);
      }
    }
    this.#running = false;
  }

  #dispatch(updates: readonly Update[]): void {
    const { hub, people, picture, heard, eventRefKey, nowMs } = this.#options;
    const atMs = nowMs();
    for (const update of updates) {
      const { epoch, offset } = update.updateId;
      const logged = isLogged(update.body);
      if (logged) {
        if (epoch === this.#at.epoch && offset <= this.#at.offset) continue; // read from the log already
        this.#at = { epoch, offset };
        this.recent.add(update);
        if (update.body.kind === "alert") this.#keepAlert(update.body.alert);
      }
      this.#count(update);
      picture.apply(update, atMs);
      heard(update, "now");
      let ref: string | undefined;
      hub.dispatch(projectUpdate(update, logged ? () => (ref ??= eventRefOf(eventRefKey, epoch, offset)) : null, people.holderOf, people.policyOf));
    }
    hub.flushUrgent();
  }

  #count({ body, storedAtMs }: Update): void {
    if (body.kind === "signal") return;
    const lane = body.kind === "alert" ? 0 : body.kind === "message" ? MESSAGE_TYPES[body.message.type].lane : body.kind === "position" ? 2 : isLogged(body) ? 1 : 3;
    this.inByLane[lane]++;
    if (body.kind === "zone") this.#options.timings.fusion.add(Math.max(0, storedAtMs - body.zone.atMs) / 1_000);
  }

  // --- people -------------------------------------------------------------------------------------

  #unknownTags(updates: readonly Update[]): TagId[] {
    const { people } = this.#options;
    return tagsOf(updates).filter((tagId) => !people.knowsTag(tagId));
  }

  #unknownSpeakers(updates: readonly Update[]): PersonId[] {
    const { people } = this.#options;
    return speakersOf(updates).filter((personId) => people.policyOf(personId) === null);
  }

  /** Looks up who carries the tags. A transition waits for the answer; a position does not, the next one comes soon. */
  async #loadPeople(updates: readonly Update[]): Promise<void> {
    const tries = updates.some((update) => isLogged(update.body)) ? MAX_PEOPLE_TRIES : 1;
    for (let attempt = 1; attempt <= tries && !this.#closed; attempt++) {
      try {
        await this.#options.people.loadTags(this.#unknownTags(updates));
        await this.#options.people.loadPeople(this.#unknownSpeakers(updates));
        this.#tellPeople(false, null);
        return;
      } catch (error) {
        this.#tellPeople(true, error);
        if (attempt < tries) await delay(RETRY_MS);
      }
    }
  }

  #tellPeople(failing: boolean, error: unknown): void {
    if (failing === this.#peopleFailing) return;
    this.#peopleFailing = failing;
    this.#options.log(failing ? { event: "registry lost", remedy: "people of unread tags stay hidden until it answers", error: String(error) } : { event: "registry back" });
  }

  async #change(job: Extract<Job, { kind: "change" }>): Promise<void> {
    const { people, hub, store, policyChanged, log } = this.#options;
    const change = await people.refresh(job.change);
    hub.applyPolicyChange(change);
    policyChanged(change);
    this.#options.timings.privacyChange.add((performance.now() - job.sinceMs) / 1_000);
    if (change.error !== null) {
      log({ event: "a person could not be read and is hidden until they are", error: String(change.error) });
      return job.failed?.(change.error);
    }
    try {
      if (change.erased) this.onErased(change.personId, change.tagBefore);
      if (change.erased && change.tagBefore !== null) await store.dropTag(change.tagBefore);
      job.done?.();
    } catch (error) {
      log({ event: "an erased tag's live state is still in the store", remedy: "erase again", error: String(error) });
      job.failed?.(error);
    }
  }

  // --- the store ----------------------------------------------------------------------------------

  async #loadPicture(): Promise<void> {
    const { store, picture, nowMs } = this.#options;
    const [positions, gateways] = await Promise.all([store.positions(), store.gateways()]);
    for (const position of positions) picture.setPosition(position, nowMs());
    for (const gateway of gateways) picture.setGateway(gateway);
    await this.#knowTags(positions.map((position) => position.tagId));
  }

  /** Before clients ask: a storm of returning ones would ask for each at once. */
  async #knowTags(tagIds: Iterable<TagId>): Promise<void> {
    const { people, log } = this.#options;
    try {
      await people.loadTags(tagIds);
    } catch (error) {
      log({ event: "registry lost", remedy: "people of unread tags stay hidden until it answers", error: String(error) });
    }
  }

  async #loadAlerts(): Promise<void> {
    const { store, heard } = this.#options;
    const { epoch, offset } = this.#at;
    let after: UpdateId | null = offset > MAX_ALERT_SCAN ? { epoch, offset: offset - MAX_ALERT_SCAN } : null;
    for (;;) {
      const page = await store.readLog(after, 1_000);
      for (const update of page.updates) {
        if (update.updateId.offset > offset) return; // the follower has it
        if (update.body.kind === "alert") this.#keepAlert(update.body.alert);
        heard(update, "before");
        this.recent.add(update);
      }
      const last = page.updates.at(-1);
      if (last === undefined) return;
      after = last.updateId;
    }
  }

  #keepAlert(alert: Alert): void {
    if (this.#alerts.some((kept) => kept.alertId === alert.alertId)) return;
    this.#alerts.push(alert);
    if (this.#alerts.length > MAX_SNAPSHOT_ALERTS) this.#alerts.shift();
  }

  /** What the follower lost is read from the log; only what the log has lost too is a gap for clients. */
  async #bridgeGap(why: "retention" | "epoch" | "overflow"): Promise<void> {
    const { store, hub, picture, nowMs, log } = this.#options;
    for (;;) {
      const page = await store.readLog(this.#at, PAGE);
      if (page.gap !== null) {
        this.gaps++;
        log({ event: "the log has a gap", why: page.gap, remedy: "clients are told and get a fresh picture" });
        if (page.gap === "epoch") picture.clear();
        await this.#loadPicture();
        this.#at = page.updates[0] === undefined ? page.end : { epoch: page.updates[0].updateId.epoch, offset: page.updates[0].updateId.offset - 1 };
        hub.tellGap(page.gap);
      }
      if (page.updates.length === 0) break;
      await this.#loadPeople(page.updates);
      this.#dispatch(page.updates);
    }
    if (why !== "overflow") return;
    const positions = await store.positions();
    for (let from = 0; from < positions.length && !this.#closed; from += PAGE) {
      const updates = positions.slice(from, from + PAGE).map((position): Update => ({ updateId: this.#at, storedAtMs: nowMs(), body: { kind: "position", position } }));
      await this.#loadPeople(updates);
      this.#dispatch(updates);
      await turn(); // 100,000 at once would keep everybody waiting for 3 s
    }
  }

  async #untilItWorks(what: string, work: () => Promise<void>): Promise<void> {
    for (let waitMs = RETRY_MS; !this.#closed; waitMs = Math.min(5_000, waitMs * 2)) {
      try {
        await work();
        if (this.#logFailing) this.#options.log({ event: "store back" });
        this.#logFailing = false;
        return;
      } catch (error) {
        if (!this.#logFailing) this.#options.log({ event: "store lost", while: `reading ${what}`, error: String(error) });
        this.#logFailing = true;
        await delay(waitMs);
      }
    }
  }
}

/** People who said something in these, by their ids. */
export function speakersOf(updates: readonly Update[]): PersonId[] {
  const speakers = new Set<PersonId>();
  for (const { body } of updates) {
    const message = body.kind === "message" ? body.message : body.kind === "signal" && body.signal.kind === "said" ? body.signal.message : null;
    if (message !== null && !isVenue(message.from)) speakers.add(message.from);
  }
  return [...speakers];
}

export function tagsOf(updates: readonly Update[]): TagId[] {
  const tagIds = new Set<TagId>();
  for (const { body } of updates) {
    if (body.kind === "position") tagIds.add(body.position.tagId);
    else if (body.kind === "zone") tagIds.add(body.zone.tagId);
    else if (body.kind === "proximity") tagIds.add(body.proximity.tagA).add(body.proximity.tagB);
  }
  return [...tagIds];
}
