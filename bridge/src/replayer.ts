import { WHEREABOUTS_REPLAY_MS, isLogged, type Channel, type Update, type UpdateId } from "@konferenco/protocol";
import type { Store } from "@konferenco/fusion";
import type { Connection, ReplayState } from "./connection.ts";
import { projectUpdate, type Projection } from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import { eventRefOf } from "./keys.ts";
import type { PeopleCache } from "./people-cache.ts";
import type { Timings } from "./timings.ts";
import { speakersOf, tagsOf, type UpdateFeed } from "./update-feed.ts";

/** Updates of one page: about 80 KB of events at most, read in one go. */
const PAGE = 256;
const SLICE_MS = 8;

export interface ReplayerOptions {
  store: Store;
  people: PeopleCache;
  hub: Hub;
  feed: UpdateFeed;
  eventRefKey: Uint8Array;
  timings: Timings;
  nowMs: () => number;
  log: (event: object) => void;
  seal: (connection: Connection, offset: number) => string;
}

/**
 * Reads the log for connections that resume, until they stand where the feed stands. Meanwhile their
 * transitions are not sent live: they are in the log as well and come in their turn, so nothing has to be
 * buffered, merged or sorted. Alerts are sent live all the same and left out of the replay.
 */
export class Replayer {
  readonly #options: ReplayerOptions;
  readonly #replaying = new Set<Connection>();
  #turn = 0;
  #inTurn = false;
  whole = 0;
  events = 0;
  gap = 0;

  constructor(options: ReplayerOptions) {
    this.#options = options;
  }

  get active(): number {
    return this.#replaying.size;
  }

  /** The channel was subscribed after a `hello` with a cursor. Subscriptions of one tick are replayed together, in order. */
  begin(connection: Connection, channel: Channel): void {
    const { resumeFrom } = connection;
    const { feed, nowMs } = this.#options;
    if (resumeFrom === null || nowMs() > connection.resumeUntilMs || channel === "nearby" || channel === "occupancy" || channel === "presence") return;
    // The log is read once more for a channel that comes later. The others go on from where they are: in their replay, or in what came live.
    const replay = (connection.replay ??= { channels: newlyOwed(connection, feed.at.offset), after: resumeFrom, liveAlertsAfter: feed.at.offset, busy: false, gapTold: false, beganAtMs: nowMs(), restarts: 0 });
    for (const [other, owedAfter] of replay.channels) replay.channels.set(other, Math.max(owedAfter, replay.after.offset));
    replay.channels.set(channel, resumeFrom.offset);
    replay.after = resumeFrom;
    replay.restarts++;
    if (channel === "alerts") replay.liveAlertsAfter = feed.at.offset;
    this.#replaying.add(connection);
  }

  /** Every tick: goes on where readers have made room, in slices, so that a storm of returning clients does not hold up those who are here. */
  tick(): void {
    if (this.#inTurn || this.#replaying.size === 0) return;
    this.#inTurn = true;
    this.#slice([...this.#replaying], 0);
  }

  #slice(connections: readonly Connection[], from: number): void {
    this.#turn++; // policies change between slices, never within one
    const untilMs = performance.now() + SLICE_MS;
    for (let index = from; index < connections.length; index++) {
      const connection = connections[index] as Connection;
      if (connection.state !== "open" || connection.replay === null) this.#replaying.delete(connection);
      else if (!connection.replay.busy) this.#begin(connection);
      if (performance.now() > untilMs) return void setImmediate(() => this.#slice(connections, index + 1));
    }
    this.#inTurn = false;
  }

  /** At once what is in memory; what is not is asked of the store. */
  #begin(connection: Connection): void {
    const { hub, feed } = this.#options;
    const outbox = hub.outboxOf(connection);
    while (connection.replay !== null && connection.state === "open" && outbox.hasRoom) {
      const page = feed.recent.after(connection.replay.after, PAGE, this.#turn);
      const isBehind = page?.length === 0 && connection.replay.after.offset < feed.at.offset;
      if (page === null || isBehind) return void this.#step(connection);
      this.#tellGap(connection, connection.replay, null);
      if (this.#take(connection, page)) return;
    }
  }

  /** A page goes out. True: there is nothing more to do for now. */
  #take(connection: Connection, page: readonly Projection[]): boolean {
    const { hub, feed, seal } = this.#options;
    const { replay } = connection;
    if (replay === null) return true;
    for (const projection of page) this.#offer(connection, projection);
    const last = page.at(-1);
    if (last !== undefined) replay.after = { ...last.update.updateId, atMs: replay.after.atMs };
    hub.flush(connection, false, false);
    if (page.length > 0 || replay.after.offset < feed.at.offset) return false;
    if (connection.outbox?.hasUrgent === true) return true; // the reader is behind: `caught` comes after the last event
    connection.liveAfterOffset = replay.after.offset;
    connection.replay = null;
    this.#replaying.delete(connection);
    if (!replay.gapTold) this.whole++;
    this.#options.timings.replay.add((this.#options.nowMs() - replay.beganAtMs) / 1_000);
    if (connection.state === "open") connection.sendFrame({ op: "caught", c: seal(connection, feed.at.offset) });
    return true;
  }

  async #step(connection: Connection): Promise<void> {
    const { hub, log } = this.#options;
    const { replay } = connection;
    if (replay === null) return;
    const outbox = hub.outboxOf(connection);
    replay.busy = true;
    try {
      while (connection.state === "open" && outbox.hasRoom) {
        const { restarts } = replay;
        const page = await this.#readPage(connection);
        if (replay.restarts !== restarts) continue; // a channel came meanwhile: begin again
        if (this.#take(connection, page)) return;
      }
    } catch (error) {
      log({ event: "a replay waits for the store", error: String(error) });
    } finally {
      replay.busy = false;
    }
  }

  /** What the log has lost, or what is too old to be told of others: said once, before the first event after it. */
  #tellGap(connection: Connection, replay: ReplayState, lost: "retention" | "epoch" | null): void {
    const tooOld = this.#options.nowMs() - replay.after.atMs > WHEREABOUTS_REPLAY_MS && (replay.channels.has("venue") || replay.channels.has("me"));
    const why = lost ?? (tooOld ? "retention" : null);
    if (why === null || replay.gapTold) return;
    replay.gapTold = true;
    this.gap++;
    connection.sendFrame({ op: "gap", why });
  }

  async #readPage(connection: Connection): Promise<Projection[]> {
    const { store, people, eventRefKey } = this.#options;
    const { replay } = connection;
    if (replay === null) return [];
    const { after, restarts } = replay;
    const page = await store.readLog(after, PAGE);
    if (replay.restarts !== restarts) return [];
    this.#tellGap(connection, replay, page.gap);
    // Behind a gap the numbers may be a new log's: what was the place in the old one means nothing in it.
    if (page.gap !== null) for (const channel of replay.channels.keys()) replay.channels.set(channel, 0);
    if (page.gap !== null) replay.after = { ...(page.updates[0] === undefined ? page.end : before(page.updates[0].updateId)), atMs: after.atMs };
    const updates = page.updates.filter((update) => isLogged(update.body));
    await people.loadTags(tagsOf(updates));
    await people.loadPeople(speakersOf(updates).filter((personId) => people.policyOf(personId) === null));
    return updates.map((update) => projectUpdate(update, eventRefOf(eventRefKey, update.updateId.epoch, update.updateId.offset), people.holderOf, people.policyOf));
  }

  #offer(connection: Connection, projection: Projection): void {
    const { replay, viewer } = connection;
    if (replay === null || !isOwed(projection, replay, viewer.personId)) return;
    const shown = projection.forReplay(viewer, this.#options.nowMs());
    if (shown === null) return;
    const own = viewer.personId !== null && projection.people.includes(viewer.personId) && replay.channels.has("me");
    if (!own && connection.view !== null && connection.view.look(shown) !== "in") return;
    const { body } = projection.update;
    if (body.kind === "proximity" && shown.subject !== null) connection.remember(shown.subject);
    if (body.kind === "message" && body.message.from !== viewer.personId) connection.rememberWords(body.message.from);
    this.events++;
    this.#options.hub.offer(connection, shown);
  }
}

function before({ epoch, offset }: UpdateId): UpdateId {
  return { epoch, offset: offset - 1 };
}

/** Everything else that is subscribed has come live up to here, and waits from now on until the replay is through. */
function newlyOwed(connection: Connection, liveUpTo: number): Map<Channel, number> {
  return new Map([...(connection.channels?.keys() ?? [])].map((channel) => [channel, liveUpTo]));
}

function isOwed({ update, people }: Projection, { channels, liveAlertsAfter }: ReplayState, personId: string | null): boolean {
  const { body, updateId }: Update = update;
  const owes = (channel: Channel) => updateId.offset > (channels.get(channel) ?? Infinity);
  if (body.kind === "alert") return owes("alerts") && updateId.offset <= liveAlertsAfter;
  const own = personId !== null && people.includes(personId);
  if (body.kind === "message") return body.message.to.kind === "channel" ? owes(body.message.to.id) : own && owes("direct");
  if (body.kind === "proximity") return own && owes("me");
  return (own && owes("me")) || owes("venue");
}
