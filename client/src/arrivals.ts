import type { Channel, ClientEvent, EventStamp, ServerFrame } from "@konferenco/protocol";
import type { Inbox } from "./inbox.ts";
import type { Clock, ConnectOptions, DeliveredEvent } from "./options.ts";
import { Receipts } from "./receipts.ts";

type Arrived = ClientEvent & EventStamp;

export interface ArrivalsOptions {
  inbox: Inbox;
  clock: Clock;
  application: Pick<ConnectOptions, "onEvent" | "onSnapshot" | "onGap">;
  acknowledge: (s: number) => void;
  /** Calls the application, whose faults are its own. */
  tell: (callback: () => void) => void;
}

/** Hands events over to the application, each once and in order, and acknowledges them. */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  readonly #receipts: Receipts;
  readonly counts = { events: 0, duplicates: 0, holes: 0, gaps: 0 };
  /** Grows with each connection: the application may have closed the one that it was being told from. */
  #generation = 0;
  #gapTold: string | null = null;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
    this.#receipts = new Receipts(options.clock, options.acknowledge);
  }

  begin(): void {
    this.#generation++;
    this.#gapTold = null;
    this.#options.inbox.begin();
    this.#receipts.reset();
  }

  /** What a pong acknowledges. */
  takeReceipt(): number {
    return this.#receipts.take();
  }

  /** False: frames were lost before this one. */
  take(events: Arrived[], s: number, bytes: number, cursor: string | undefined): boolean {
    const order = this.#options.inbox.accept(s, events.length);
    if (order === "repeated") this.counts.duplicates += events.length;
    if (order === "hole") this.counts.holes++;
    if (order === "next") this.#handOver(events, s, bytes, cursor);
    return order !== "hole";
  }

  #handOver(events: Arrived[], firstS: number, bytes: number, cursor: string | undefined): void {
    const { inbox, application, tell } = this.#options;
    const generation = this.#generation;
    for (const [index, event] of events.entries()) {
      const delivered = inbox.take(event, firstS + index);
      if (delivered === null) {
        this.counts.duplicates++;
        continue;
      }
      this.counts.events++;
      tell(() => application.onEvent(delivered));
      if (generation !== this.#generation) return; // closed from within onEvent
    }
    inbox.handedOver(cursor);
    this.#receipts.handedOver(firstS + events.length - 1, bytes);
  }

  takeSnapshot(channel: Channel, snapshot: Arrived[]): void {
    const { inbox, application, tell } = this.#options;
    const events: DeliveredEvent[] = snapshot.map((event) => ({ ...event, s: 0, from: "snapshot" }));
    for (const event of events) inbox.isNew(event); // remembered
    this.counts.events += events.length;
    if (application.onSnapshot !== undefined) return tell(() => application.onSnapshot?.(channel, events));
    for (const event of events) tell(() => application.onEvent(event));
  }

  /** A welcome that does not resume where resuming was asked for says what a `gap` may say again. */
  notResumed(frame: Extract<ServerFrame, { op: "welcome" }>): void {
    this.#gapTold = frame.why ?? "resume refused";
    this.tellGap(this.#gapTold);
  }

  takeGap(why: string): void {
    if (why === this.#gapTold) this.#gapTold = null;
    else this.tellGap(why);
  }

  tellGap(why: string): void {
    const { application, tell } = this.#options;
    this.counts.gaps++;
    tell(() => application.onGap?.(why));
  }
}
