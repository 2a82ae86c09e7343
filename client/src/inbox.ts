import type { ClientEvent, EventStamp } from "@konferenco/protocol";
import type { DeliveredEvent } from "./options.ts";
import { RecentIds } from "./recent-ids.ts";

/** Ids kept to drop what a replay repeats: 2,000 of about 30 bytes; the server replays at most 256 a page. */
const REMEMBERED_IDS = 2_000;

type Arrived = ClientEvent & EventStamp;

/**
 * What has arrived: in order, once each, and the cursor from which the next connection goes on.
 * It outlives connections; each begins its numbers anew.
 */
export class Inbox {
  readonly #ids = new RecentIds(REMEMBERED_IDS);
  #cursor: string | null = null;
  #lastS = 0;
  #isReplaying = false;

  get cursor(): string | null {
    return this.#cursor;
  }

  begin(): void {
    this.#lastS = 0;
    this.#isReplaying = false;
  }

  replayBegins(): void {
    this.#isReplaying = true;
  }

  replayEnds(): void {
    this.#isReplaying = false;
  }

  /** Numbers are dense on one connection and begin with 1: a repeated one is dropped, a missing one means that frames were lost. */
  accept(s: number, count: number): "next" | "repeated" | "hole" {
    const expected = this.#lastS + 1;
    if (s > expected) return "hole";
    if (s < expected || count === 0) return "repeated";
    this.#lastS = s + count - 1;
    return "next";
  }

  /** Null: known already, by its id. */
  take(event: Arrived, s: number): DeliveredEvent | null {
    if (!this.isNew(event)) return null;
    return { ...event, s, from: this.#isReplaying ? "replay" : "live" };
  }

  isNew(event: Arrived): boolean {
    return event.i === undefined || this.#ids.add(event.i);
  }

  /** The cursor moves after the hand-over: what was not handed over is asked for again. */
  handedOver(cursor: string | undefined): void {
    this.#cursor = cursor ?? this.#cursor;
  }

  /** A cursor beside events: not while a replay still owes some that lie before it. */
  keepCursor(cursor: string | undefined): void {
    if (!this.#isReplaying) this.#cursor = cursor ?? this.#cursor;
  }

  /** The server does not know the cursor any more. */
  dropCursor(): void {
    this.#cursor = null;
  }
}
