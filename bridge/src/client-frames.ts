import { randomBytes } from "node:crypto";
import { CLIENT_ERRORS, CLOSE_CODES, MAX_SUBSCRIPTIONS_PER_CONNECTION, clientFrameSchema, type Channel, type ClientErrorCode, type ClientFrame, type UpdateId, type VenueMap } from "@konferenco/protocol";
import type { Store } from "@konferenco/fusion";
import type { Claims, TokenAuthority } from "./auth.ts";
import type { BridgeLimits } from "./config.ts";
import type { Channels } from "./channels.ts";
import type { CountAudit } from "./count-audit.ts";
import { FRAME_RATE, MAX_WAITING_FRAMES, RESUME_WITHIN_MS, type Connection } from "./connection.ts";
import { areaOf } from "./core/area.ts";
import { rightsOf, type ChannelRights } from "./core/channel-rights.ts";
import { seesThings } from "./core/privacy-policy.ts";
import { showAlert, type VisibleUpdate } from "./core/privacy.ts";
import { newBucket, takeToken } from "./core/token-bucket.ts";
import { openCursor, type Place } from "./cursor.ts";
import { SNAPSHOT_BYTES, type Hub } from "./hub.ts";
import type { MessageDesk } from "./message-desk.ts";
import type { Occupancy } from "./occupancy.ts";
import type { PeopleCache } from "./people-cache.ts";
import type { PeopleDesk } from "./people-desk.ts";
import type { Replayer } from "./replayer.ts";
import { subscriptionTo } from "./subscriptions.ts";
import type { Talk } from "./talk.ts";
import type { Timings } from "./timings.ts";
import type { UpdateFeed } from "./update-feed.ts";

export interface ClientFramesOptions {
  venue: VenueMap;
  store: Store;
  people: PeopleCache;
  desk: PeopleDesk;
  messages: MessageDesk;
  talk: Talk;
  hub: Hub;
  feed: UpdateFeed;
  replayer: Replayer;
  occupancy: Occupancy;
  countAudit: CountAudit;
  channels: Channels;
  authority: TokenAuthority;
  cursorKey: Uint8Array;
  limits: BridgeLimits;
  timings: Timings;
  nowMs: () => number;
  log: (event: object) => void;
  seal: (connection: Connection, offset: number) => string;
  /** The connection has said who it is. */
  greeted: (connection: Connection) => void;
}

/** Positions a second when a subscription does not say. */
const DEFAULT_HZ = 2;
/** How far ahead of the limit a client that keeps sending is cut off. */
const MAX_OVERDRAWN_MS = 10_000;

type Frame<Op extends ClientFrame["op"]> = Extract<ClientFrame, { op: Op }>;

/** What clients say, one frame after another: frames that come while one is being answered wait their turn. */
export class ClientFrames {
  readonly #options: ClientFramesOptions;
  /** Errors told to clients, by slug; and those of subscriptions among them. */
  readonly errors = new Map<ClientErrorCode, number>();
  readonly subErrors = new Map<ClientErrorCode, number>();

  constructor(options: ClientFramesOptions) {
    this.#options = options;
  }

  receive(connection: Connection, text: string): void {
    if (connection.state === "closed") return;
    connection.heardAtMs = this.#options.nowMs();
    if (!connection.busy) return this.#handle(connection, text);
    const waiting = (connection.waiting ??= []);
    if (waiting.length >= MAX_WAITING_FRAMES) return this.#options.hub.close(connection, CLOSE_CODES.protocolError, "too many frames at once");
    waiting.push(text);
  }

  /** An empty frame asks for one, at once: a link that waits for an answer to something else is not dead. */
  probed(connection: Connection): void {
    const atMs = this.#options.nowMs();
    connection.heardAtMs = connection.activeAtMs = atMs;
    if (!this.#isTooFast(connection, undefined)) connection.wire.send("");
  }

  #handle(connection: Connection, text: string): void {
    const frame = this.#parse(connection, text);
    if (frame === null) return;
    const answer = this.#answer(connection, frame);
    if (answer === null) return;
    connection.busy = true;
    answer
      .catch((error: unknown) => {
        this.#options.log({ event: "a client's frame failed", op: frame.op, error: String(error) });
        this.#refuse(connection, "id" in frame ? frame.id : undefined, "not_available", "try again");
        if (frame.op === "hello") this.#options.hub.close(connection, CLOSE_CODES.serverError, "not available");
      })
      .finally(() => {
        connection.busy = false;
        while (!connection.busy && connection.waiting !== null && connection.state !== "closed") {
          const next = connection.waiting.shift();
          if (connection.waiting.length === 0) connection.waiting = null;
          if (next !== undefined) this.#handle(connection, next);
        }
      });
  }

  /** Null: refused, dropped or not ours; never throws. */
  #parse(connection: Connection, text: string): ClientFrame | null {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      this.#options.hub.close(connection, CLOSE_CODES.protocolError, "not JSON");
      return null;
    }
    const result = clientFrameSchema.safeParse(json);
    if (result.success) return result.data;
    const { op, id, ch } = typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
    const re = typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : undefined;
    if (this.#isTooFast(connection, re)) return null;
    const issue = result.error.issues[0];
    const knownOp = clientFrameSchema.options.some((option) => option.shape.op.value === op);
    // A word we do not know yet is a newer client's: it is told, and everything else goes on.
    if (op === "sub" && typeof ch === "string" && issue?.path[0] === "ch") this.#refuse(connection, re, "unknown_channel", `no channel "${ch.slice(0, 40)}"`);
    else this.#refuse(connection, re, "bad_request", knownOp ? `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}` : "unknown op");
    if (connection.state === "greeting") this.#options.hub.close(connection, CLOSE_CODES.protocolError, "the first frame must be hello");
    return null;
  }

  #answer(connection: Connection, frame: ClientFrame): Promise<void> | null {
    const { hub, nowMs } = this.#options;
    if (frame.op === "ack" || frame.op === "pong") {
      if (frame.op === "pong" && connection.pingedAtMs > 0) {
        connection.roundTripMs = Math.max(0, nowMs() - connection.pingedAtMs);
        this.#options.timings.ping.add(connection.roundTripMs / 1_000);
        connection.pingedAtMs = 0;
      }
      const known = frame.s === undefined || hub.acknowledged(connection, frame.s);
      if (known && frame.s !== undefined) connection.clientAckedS = Math.max(connection.clientAckedS, frame.s);
      if (!known) this.#refuse(connection, undefined, "bad_request", `s ${frame.s ?? ""} was never sent`);
      return null;
    }
    if (this.#isTooFast(connection, "id" in frame ? frame.id : undefined)) return null;
    if (connection.state === "greeting" && frame.op !== "hello") {
      this.#refuse(connection, "id" in frame ? frame.id : undefined, "unauthorized", "say hello first");
      hub.close(connection, CLOSE_CODES.protocolError, "the first frame must be hello");
      return null;
    }
    connection.activeAtMs = nowMs();
    switch (frame.op) {
      case "hello":
        return this.#hello(connection, frame);
      case "auth":
        return this.#auth(connection, frame);
      case "set":
        return this.#set(connection, frame);
      case "sub":
        if (frame.ch === "direct" || frame.ch === "presence" || frame.ch.startsWith("app:")) return this.#subscribeToTalk(connection, frame);
        this.#subscribe(connection, frame);
        return null;
      case "pub":
        return this.#publish(connection, frame);
      case "unsub":
        hub.unsubscribe(connection, frame.ch);
        connection.sendFrame({ op: "ok", re: frame.id, ch: frame.ch });
        return null;
      default:
        connection.pingedAtMs = nowMs();
        connection.sendFrame({ op: "ping", now: nowMs() }); // the answer to a probe
        return null;
    }
  }

  #isTooFast(connection: Connection, re: number | undefined): boolean {
    const nowMs = this.#options.nowMs();
    const bucket = (connection.bucket ??= newBucket(FRAME_RATE, nowMs));
    const afterMs = takeToken(bucket, FRAME_RATE, nowMs);
    if (afterMs === 0) return false;
    // What is refused costs too, so that a client that does not listen is cut off.
    bucket.tokens -= 1;
    this.#refuse(connection, re, "rate_limited", "too many frames", afterMs);
    if (afterMs > MAX_OVERDRAWN_MS) this.#options.hub.close(connection, CLOSE_CODES.rateLimited, "too many frames");
    return true;
  }

  #refuse(connection: Connection, re: number | undefined, code: ClientErrorCode, detail: string, afterMs?: number): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    if (connection.state === "closed") return;
    const { number, retry } = CLIENT_ERRORS[code];
    connection.sendFrame({ op: "err", ...(re === undefined ? {} : { re }), code, n: number, retry, ...(afterMs === undefined ? {} : { after: afterMs }), detail });
  }

  // --- hello and auth ------------------------------------------------------------------------------

  async #hello(connection: Connection, frame: Frame<"hello">): Promise<void> {
    const { hub, feed, limits, nowMs, people } = this.#options;
    if (connection.state !== "greeting") return this.#refuse(connection, frame.id, "bad_request", "hello was said already");
    const claims = await this.#verify(connection, frame);
    if (claims === null) return;
    if (claims.personId !== null && (await people.loadPerson(claims.personId)) === null) {
      this.#refuse(connection, frame.id, "unauthorized", "this person is not registered here");
      return hub.close(connection, CLOSE_CODES.erased, "unknown person");
    }
    if (hub.bySubject.count(claims.subject) >= limits.maxConnectionsPerViewer) {
      this.#refuse(connection, frame.id, "limit", `at most ${limits.maxConnectionsPerViewer} connections at once`);
      return hub.close(connection, CLOSE_CODES.connectionLimit, "too many connections");
    }
    const resume = await this.#placeToResume(claims, frame.resume);
    if (isClosed(connection)) return; // while we waited
    connection.state = "open";
    const self = claims.personId === null ? null : people.policyOf(claims.personId);
    // The same text as the registry's, instead of the token's copy.
    const personId = self?.personId ?? claims.personId;
    connection.subject = personId ?? claims.subject;
    connection.rights = rightsOf(claims.role, claims.channels);
    connection.isSystem = claims.system === true;
    connection.viewer = { role: claims.role, mayRead: connection.rights.mayRead, personId, self };
    connection.tokenExpiresAtMs = claims.expiresAtMs;
    connection.pingDueAtMs = nowMs() + limits.pingEveryMs;
    connection.resumeFrom = resume.from;
    if (resume.from !== null) connection.resumeUntilMs = nowMs() + RESUME_WITHIN_MS;
    hub.add(connection);
    connection.software = frame.cl ?? null;
    this.#options.greeted(connection);
    connection.sendFrame({
      op: "welcome",
      re: frame.id,
      sid: randomBytes(16).toString("base64url"),
      ttlS: Math.floor((claims.expiresAtMs - nowMs()) / 1_000),
      pingS: limits.pingEveryMs / 1_000,
      now: nowMs(),
      epoch: feed.at.epoch,
      resumed: resume.from !== null && resume.why === null,
      ...(resume.why === null ? {} : { why: resume.why }),
      who: { personId: claims.personId, role: claims.role },
    });
  }

  async #verify(connection: Connection, frame: Frame<"hello"> | Frame<"auth">): Promise<Claims | null> {
    const { authority, hub } = this.#options;
    const verdict = await authority.verify(frame.tok);
    if (verdict.ok) return verdict.claims;
    this.#refuse(connection, frame.id, verdict.expired ? "token_expired" : "unauthorized", verdict.expired ? "get a new token" : "the token is not valid for this event");
    hub.close(connection, verdict.expired ? CLOSE_CODES.tokenExpired : CLOSE_CODES.invalidToken, verdict.expired ? "token expired" : "invalid token");
    return null;
  }

  /** `why`: the cursor was not ours, or the log no longer reaches back to it; what is left is replayed after a `gap`. */
  async #placeToResume(claims: Claims, sealed: string | undefined): Promise<{ from: Place | null; why: string | null }> {
    if (sealed === undefined) return { from: null, why: null };
    const from = openCursor(this.#options.cursorKey, claims.subject, sealed);
    if (from === null) return { from: null, why: "cursor_invalid" };
    const after: UpdateId = { epoch: from.epoch, offset: from.offset };
    if (this.#options.feed.recent.holds(after)) return { from, why: null };
    const { gap } = await this.#options.store.readLog(after, 1);
    return { from, why: gap };
  }

  async #auth(connection: Connection, frame: Frame<"auth">): Promise<void> {
    const { nowMs } = this.#options;
    const claims = await this.#verify(connection, frame);
    if (claims === null || isClosed(connection)) return;
    if (claims.subject !== connection.subject || claims.role !== connection.viewer.role) {
      return this.#refuse(connection, frame.id, "forbidden", "the token is somebody else's: open a new connection for it");
    }
    connection.tokenExpiresAtMs = claims.expiresAtMs;
    connection.isSystem = claims.system === true;
    this.#changeRights(connection, rightsOf(claims.role, claims.channels));
    connection.sendFrame({ op: "ok", re: frame.id });
    connection.pingDueAtMs = Math.min(connection.pingDueAtMs, nowMs() + this.#options.limits.pingEveryMs);
  }

  /** A new token may open other channels, and close some. */
  #changeRights(connection: Connection, rights: ChannelRights): void {
    connection.rights = rights;
    connection.viewer = { ...connection.viewer, mayRead: rights.mayRead };
    for (const channel of connection.channels.keys()) {
      if (!channel.startsWith("app:") || rights.mayRead(channel)) continue;
      this.#options.hub.unsubscribe(connection, channel);
      connection.sendFrame({ op: "drop", ch: channel, why: "the new token does not open it" });
    }
  }

  async #publish(connection: Connection, frame: Frame<"pub">): Promise<void> {
    const { rights, viewer, subject, isSystem } = connection;
    const outcome = await this.#options.messages.publish({ subject, viewer, rights, isSystem }, frame);
    if (!outcome.ok) return this.#refuse(connection, frame.id, outcome.code, outcome.detail, outcome.afterMs);
    if (isClosed(connection)) return;
    connection.sendFrame({ op: "ok", re: frame.id, ...(outcome.id === null ? { dup: true } : { mid: outcome.id }) });
  }

  async #set(connection: Connection, frame: Frame<"set">): Promise<void> {
    const { personId } = connection.viewer;
    if (personId === null) return this.#refuse(connection, frame.id, "forbidden", "this login is not a person");
    if (frame.presence !== undefined) connection.presence = frame.presence;
    const person = frame.privacy === undefined ? undefined : await this.#options.desk.changeSettings(personId, frame.privacy);
    if (person === null) return this.#refuse(connection, frame.id, "not_found", "no such person");
    if (connection.state !== "closed") connection.sendFrame({ op: "ok", re: frame.id });
  }

  // --- subscriptions -------------------------------------------------------------------------------

  /** Who spoke lately is looked up first; snapshot and subscription are then one turn again. */
  async #subscribeToTalk(connection: Connection, frame: Frame<"sub">): Promise<void> {
    await this.#options.talk.lookUpSpeakers(frame.ch, connection.viewer);
    if (!isClosed(connection)) this.#subscribe(connection, frame);
  }

  #refuseSub(connection: Connection, re: number, code: ClientErrorCode, detail: string): void {
    this.subErrors.set(code, (this.subErrors.get(code) ?? 0) + 1);
    this.#refuse(connection, re, code, detail);
  }

  /** Snapshot and subscription in one turn of the loop: no event falls between the two. */
  #subscribe(connection: Connection, frame: Frame<"sub">): void {
    const { hub, feed, replayer, seal } = this.#options;
    const channel: Channel = frame.ch;
    const { viewer } = connection;
    const again = connection.has(channel);
    if (again && frame.area === undefined) return this.#refuseSub(connection, frame.id, "already_subscribed", `"${channel}" is subscribed`);
    if (frame.area !== undefined && channel !== "venue" && channel !== "occupancy") return this.#refuseSub(connection, frame.id, "bad_request", 'area: of "venue" and "occupancy" alone');
    if (channel === "venue" && viewer.role === "attendee") return this.#refuseSub(connection, frame.id, "forbidden", '"venue" is for staff and screens');
    if (!again && connection.channels.size >= MAX_SUBSCRIPTIONS_PER_CONNECTION) return this.#refuseSub(connection, frame.id, "limit", `at most ${MAX_SUBSCRIPTIONS_PER_CONNECTION} subscriptions`);
    // What may not be known of and what is not there are answered alike.
    if (channel.startsWith("app:") && !connection.rights.mayRead(channel)) return this.#refuseSub(connection, frame.id, "unknown_channel", `no channel "${channel}" for this token`);
    if ((channel === "me" || channel === "nearby" || channel === "direct") && viewer.personId === null) return this.#refuseSub(connection, frame.id, "forbidden", `"${channel}" is for people; this login is none`);
    if (frame.every === true && !seesThings(viewer)) return this.#refuseSub(connection, frame.id, "forbidden", '"every" is for operators and staff');
    const area = frame.area === undefined || frame.area === null ? null : areaOf(frame.area, this.#options.venue);
    if (area !== null && "fault" in area) return this.#refuseSub(connection, frame.id, "bad_request", `area: ${area.fault}`);
    hub.subscribe(connection, subscriptionTo(channel, { hz: frame.hz ?? DEFAULT_HZ, every: frame.every === true, area }));
    // A screen sees aggregates alone: its view of the venue is the counts.
    if (channel === "venue" && viewer.role === "display" && (again || !connection.has("occupancy"))) hub.subscribe(connection, subscriptionTo("occupancy", { hz: DEFAULT_HZ, area }));
    const snapshot = this.#snapshot(connection, channel);
    if (!again) replayer.begin(connection, channel);
    const cursor = seal(connection, connection.standsAt(feed.at.offset, this.#options.nowMs()));
    let bytes = 0;
    const first = snapshot.filter((shown) => (bytes += shown.bytes) <= SNAPSHOT_BYTES);
    const { id } = frame;
    connection.wire.send(`{"op":"ok","re":${id},"ch":"${channel}","snap":[${first.map((shown) => shown.json).join(",")}],"c":"${cursor}"}`);
    for (const shown of snapshot.slice(first.length)) hub.offer(connection, shown);
    hub.flushUrgent();
  }

  #snapshot(connection: Connection, channel: Channel): VisibleUpdate[] {
    const { hub, feed, occupancy, talk, nowMs } = this.#options;
    const { viewer } = connection;
    switch (channel) {
      case "venue":
        return viewer.role === "display" ? occupancy.shownTo(viewer, connection.areaOf("occupancy")) : hub.venueSnapshot(connection);
      case "me":
        return hub.ownSnapshot(connection, nowMs());
      case "alerts":
        return feed.recentAlerts().map((alert) => showAlert(alert));
      case "occupancy":
        if (seesThings(viewer)) this.#options.countAudit.read(connection.subject, "live");
        return occupancy.shownTo(viewer, connection.areaOf("occupancy"));
      case "presence":
        return talk.whoIsThere(connection, channel);
      case "direct":
        // Who resumes gets them by the replay, in their order among the rest.
        return isResuming(connection, nowMs()) ? [] : talk.recent(connection, channel);
      default:
        if (channel !== "nearby") return [...(isResuming(connection, nowMs()) ? [] : talk.recent(connection, channel)), ...talk.whoIsThere(connection, channel)];
        // "nearby": the list of people takes a question to the store and follows within a tick.
        connection.nearbyDueAtMs = 0;
        connection.lastNearby = connection.heldNearby = null;
        return this.#options.channels.begin(connection);
    }
  }
}

function isResuming(connection: Connection, nowMs: number): boolean {
  return connection.resumeFrom !== null && nowMs <= connection.resumeUntilMs;
}

/** Asked anew after every wait: the compiler remembers what it was before. */
function isClosed(connection: Connection): boolean {
  return connection.state === "closed";
}
