import { randomBytes } from "node:crypto";
import type { Signal, Update } from "@konferenco/protocol";
import { FlowBoard } from "./core/flow-board.ts";
import type { Signals } from "./signals.ts";

/** In the order in which a sighting comes through; those before `updates` are fusion's. */
const STAGES = ["arrived", "refused", "reports", "observations", "positions", "transitions", "updates", "messages", "deliveries"];
const LANES = ["0", "1", "2", "3"];

export interface FlowOptions {
  signals: Signals;
  /** Events written to clients of this process, by lane. */
  delivered: () => readonly number[];
  nowMs: () => number;
}

/**
 * What passes through the event, stage by stage, wherever its processes run: fusion and every bridge say once a
 * second what they have counted, as signals over the store.
 */
export class Flow {
  readonly #options: FlowOptions;
  readonly #board = new FlowBoard();
  readonly #bridge = `bridge ${randomBytes(6).toString("base64url")}`;
  #updates = 0;
  #messages = 0;
  #told = "";

  constructor(options: FlowOptions) {
    this.#options = options;
  }

  heard({ body }: Update): void {
    if (body.kind === "signal") {
      if (body.signal.kind === "said") this.#messages++;
      else if (body.signal.kind === "flow") this.#heardFlow(body.signal);
      return;
    }
    this.#updates++;
    if (body.kind === "message") this.#messages++;
  }

  #heardFlow({ from, counts }: Extract<Signal, { kind: "flow" }>): void {
    this.#board.heard(from, counts, this.#options.nowMs());
  }

  /** A bridge with nothing new says nothing. */
  tickSecond(): void {
    const { signals, delivered, nowMs } = this.#options;
    // All bridges read the same from the store: these two are counted once, here.
    this.#board.heard("here", { updates: this.#updates, messages: this.#messages }, nowMs());
    const lanes = delivered();
    const told = lanes.join(" ");
    if (told === this.#told) return;
    this.#told = told;
    const byLane = Object.fromEntries(LANES.map((lane, index) => [lane, lanes[index] ?? 0]));
    signals.push({ kind: "flow", from: this.#bridge, counts: { ...byLane, deliveries: lanes.reduce((sum, count) => sum + count, 0) } });
  }

  read(): { atMs: number; stages: Record<string, number>; lanes: Record<string, number> } {
    const nowMs = this.#options.nowMs();
    const { atMs, counts: stages } = this.#board.read(nowMs, STAGES);
    return { atMs, stages, lanes: this.#board.read(nowMs, LANES).counts };
  }
}
