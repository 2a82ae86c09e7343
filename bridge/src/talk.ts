import type { Channel, Update } from "@konferenco/protocol";
import type { Connection } from "./connection.ts";
import { isNamedIn, withoutBlocked, type SubjectPolicy, type Viewer } from "./core/privacy-policy.ts";
import { isVenue, projectUpdate, showTyping, type VisibleUpdate } from "./core/privacy.ts";
import { RecentTalk, inboxOf } from "./core/recent-talk.ts";
import { TypingBoard } from "./core/typing-board.ts";
import type { Hub } from "./hub.ts";
import { eventRefOf } from "./keys.ts";
import type { Presence } from "./presence.ts";
import type { PeopleCache } from "./people-cache.ts";
import { speakersOf } from "./update-feed.ts";

export interface TalkOptions {
  hub: Hub;
  people: PeopleCache;
  presence: Presence;
  eventRefKey: Uint8Array;
  nowMs: () => number;
}

/** What channels of applications need besides delivery: their last messages, who is writing, who is there. */
export class Talk {
  readonly #options: TalkOptions;
  readonly #recent = new RecentTalk();
  readonly #typing = new TypingBoard();

  constructor(options: TalkOptions) {
    this.#options = options;
  }

  heard({ updateId, storedAtMs, body }: Update, when: "before" | "now"): void {
    if (body.kind === "message") {
      this.#recent.keep({ updateId, storedAtMs, body });
      const { from, to } = body.message;
      if (when === "now" && to.kind === "channel") this.#typing.stopped(to.id, from);
    }
    if (body.kind !== "signal" || body.signal.kind !== "said") return;
    const { type, from, to } = body.signal.message;
    if (to.kind !== "channel") return;
    if (type === "typing/started") this.#typing.started(to.id, from, this.#options.nowMs());
    if (type === "typing/stopped") this.#typing.stopped(to.id, from);
  }

  tick(): void {
    const { hub, people, nowMs } = this.#options;
    for (const { channel, who } of this.#typing.tick(nowMs())) {
      const watching = hub.byApp.get(channel);
      if (watching === undefined) continue;
      const named = who.flatMap((personId) => people.policyOf(personId) ?? []).filter(isNamedIn);
      const shown = showTyping(channel, named, nowMs());
      for (const connection of watching) {
        const theirs = withoutBlocked(named, (policy) => policy, connection.viewer);
        if (isNews(connection, channel, theirs)) hub.offer(connection, theirs === named ? shown : showTyping(channel, theirs, nowMs()));
      }
    }
  }

  async lookUpSpeakers(channel: Channel, viewer: Viewer): Promise<void> {
    const { people, presence } = this.#options;
    await presence.lookUp(channel, viewer);
    await people.loadPeople(speakersOf(this.#recent.of(placeOf(channel, viewer))).filter((personId) => people.policyOf(personId) === null));
  }

  /** The last messages of a channel, or to and from the viewer. */
  recent(connection: Connection, channel: Channel): VisibleUpdate[] {
    const { people, eventRefKey, nowMs } = this.#options;
    const { viewer } = connection;
    return this.#recent.of(placeOf(channel, viewer)).flatMap((update) => {
      const ref = eventRefOf(eventRefKey, update.updateId.epoch, update.updateId.offset);
      const shown = projectUpdate(update, ref, people.holderOf, people.policyOf).forReplay(viewer, nowMs());
      if (shown !== null && update.body.kind === "message" && !isVenue(update.body.message.from)) connection.rememberWords(update.body.message.from);
      return shown ?? [];
    });
  }

  /** Who is in the channel, or which of the viewer's connections are here. */
  whoIsThere(connection: Connection, channel: Channel): VisibleUpdate[] {
    connection.typingTold?.delete(channel);
    return this.#options.presence.snapshot(connection, channel);
  }
}

/** Somebody hidden, or blocked, who begins to write makes no event for those who may not know. */
function isNews(connection: Connection, channel: Channel, typing: readonly SubjectPolicy[]): boolean {
  const list = typing.map(({ personId }) => personId).join(" ");
  const told = (connection.typingTold ??= new Map<Channel, string>());
  if ((told.get(channel) ?? "") === list) return false;
  if (list === "") told.delete(channel);
  else told.set(channel, list);
  return true;
}

function placeOf(channel: Channel, { personId }: Viewer): string {
  return channel === "direct" ? inboxOf(personId ?? "") : channel;
}
