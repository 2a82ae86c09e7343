import type { Claims, TokenAuthority } from "./auth.ts";
import type { ClientFrames } from "./client-frames.ts";
import { Connection, type Wire, type WireExtras } from "./connection.ts";
import type { ViewerRole } from "./core/privacy-policy.ts";
import type { Hub } from "./hub.ts";
import type { Presence } from "./presence.ts";
import { cursorOf } from "./sse-transport.ts";

/** A replay goes on with the next question. */
const MAX_POLL_BYTES = 256 * 1024;
const PATIENCE_MS = 5_000;
/** Who has not asked for so long does not poll any more. */
const ASKING_MS = 5_000;
/** What a poller should wait between two questions (requirement E2). */
export const POLL_EVERY_MS = 1_000;

export interface PollerOptions {
  hub: Hub;
  frames: ClientFrames;
  authority: TokenAuthority;
  presence: Presence;
  nowMs: () => number;
}

export interface Polled {
  /** The frames as they would have come over a WebSocket, as JSON. */
  frames: string[];
  cursor: string | null;
  /** The replay is not through: ask again at once. */
  more: boolean;
}

/** The last resort: each question is a connection of a moment, which replays from the cursor and shows what is true now. */
export class Poller {
  readonly #options: PollerOptions;

  /** Who has asked lately, the longest ago first. */
  readonly #asking = new Map<string, { role: ViewerRole; untilMs: number }>();
  /** Questions answered. */
  accepted = 0;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  /** How many poll now, by role: each of their connections lives for a moment only. */
  active(): ReadonlyMap<ViewerRole, number> {
    this.#forget();
    const counts = new Map<ViewerRole, number>();
    for (const { role } of this.#asking.values()) counts.set(role, (counts.get(role) ?? 0) + 1);
    return counts;
  }

  #note(subject: string, role: ViewerRole): void {
    this.accepted++;
    this.#asking.delete(subject);
    this.#asking.set(subject, { role, untilMs: this.#options.nowMs() + ASKING_MS });
    this.#forget();
  }

  #forget(): void {
    for (const [subject, { untilMs }] of this.#asking) {
      if (untilMs > this.#options.nowMs()) return;
      this.#asking.delete(subject);
    }
  }

  async poll(claims: Claims, channels: readonly string[], cursor: string | null, address: string): Promise<Polled> {
    const { hub, frames, authority, presence, nowMs } = this.#options;
    const { token } = await authority.issue(claims);
    if (claims.personId !== null) presence.polled(claims.personId);
    const got: string[] = [];
    let bytes = 0;
    let answers = 0;
    let done = () => {};
    const finished = new Promise<void>((resolve) => (done = resolve));
    const isDone = () => connection.state === "closed" || bytes >= MAX_POLL_BYTES || (answers === channels.length && connection.replay === null);
    this.#note(claims.subject, claims.role);
    const wire: Wire & WireExtras = {
      kind: "poll",
      send: (frame: string) => {
        got.push(frame);
        bytes += frame.length;
        if (/^\{"op":"(?:ok|err)","re":[2-9]/.test(frame) || /^\{"op":"(?:ok|err)","re":\d\d/.test(frame)) answers++;
        // The answer as a whole acknowledges, so the window stays open; and not in the middle of a flush.
        queueMicrotask(() => {
          if (connection.outbox !== null && connection.state === "open") hub.acknowledged(connection, connection.outbox.lastS);
          if (isDone()) done();
        });
      },
      sendEvents: (head, tail) => wire.send(head + tail),
      close: () => done(),
      bufferedBytes: () => 0,
      probe: () => {},
    };
    const connection: Connection = new Connection(wire, address, nowMs());
    frames.receive(connection, JSON.stringify({ op: "hello", id: 1, tok: token, ...(cursor === null ? {} : { resume: cursor }) }));
    channels.forEach((ch, index) => frames.receive(connection, JSON.stringify({ op: "sub", id: index + 2, ch })));
    const impatience = setTimeout(done, PATIENCE_MS);
    await finished;
    clearTimeout(impatience);
    const more = connection.replay !== null;
    hub.remove(connection, 1000);
    const newest = got.reduce<string | null>((latest, frame) => cursorOf(frame) ?? latest, cursor);
    return { frames: got, cursor: newest, more };
  }
}
