import type { AppChannel } from "@konferenco/protocol";
import type { Clock, Publication } from "./options.ts";
import type { QueuedMessage } from "./outbox-store.ts";

/** The server takes one a 0.5 s and clears it after 5 s: said again every 2.5 s, a lost one is not seen. */
const TYPING_AGAIN_MS = 2_500;
/** Channels in which somebody types within the last seconds; more are not told. */
const MAX_TYPING_CHANNELS = 16;

export function queuedOf({ t, ch, to, body, priority = "normal", ttlS }: Publication, key: string, nowMs: number): QueuedMessage {
  return {
    key,
    t,
    body,
    priority,
    writtenAtMs: nowMs,
    sentAtMs: null,
    ...(ch === undefined ? {} : { ch }),
    ...(to === undefined ? {} : { to }),
    ...(ttlS === undefined ? {} : { ttlS }),
  };
}

/** 60 random bits and the time: no two of a person's messages within 24 h have the same. */
export function keyOfPublication(clock: Clock): string {
  const part = (): string => Math.floor(clock.random() * 2 ** 30).toString(36);
  return `${clock.nowMs().toString(36)}-${part()}-${part()}`;
}

/** Tells that somebody types: seldom, and no more once the text is posted. */
export class Typing {
  readonly #clock: Clock;
  readonly #say: (channel: AppChannel, t: "typing/started" | "typing/stopped") => void;
  readonly #saidAtMs = new Map<AppChannel, number>();

  constructor(clock: Clock, say: (channel: AppChannel, t: "typing/started" | "typing/stopped") => void) {
    this.#clock = clock;
    this.#say = say;
  }

  note(channel: AppChannel, isTyping: boolean): void {
    const nowMs = this.#clock.nowMs();
    const elapsedMs = nowMs - (this.#saidAtMs.get(channel) ?? -Infinity);
    if (isTyping && elapsedMs < TYPING_AGAIN_MS) return;
    if (!isTyping && !this.#saidAtMs.has(channel)) return;
    this.#saidAtMs.delete(channel);
    if (isTyping) {
      this.#saidAtMs.set(channel, nowMs);
      const oldest = this.#saidAtMs.keys().next();
      if (this.#saidAtMs.size > MAX_TYPING_CHANNELS && !oldest.done) this.#saidAtMs.delete(oldest.value);
    }
    this.#say(channel, isTyping ? "typing/started" : "typing/stopped");
  }

  /** The server clears it by itself when the text comes. */
  posted(channel: AppChannel): void {
    this.#saidAtMs.delete(channel);
  }
}
