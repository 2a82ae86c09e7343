import { CountReaders, ONE_LOOK_MS, type CountReading } from "./core/count-readers.ts";
import { seesThings } from "./core/privacy-policy.ts";
import type { Hub } from "./hub.ts";
import type { Signals } from "./signals.ts";

export interface CountAuditOptions {
  hub: Hub;
  signals: Signals;
  nowMs: () => number;
  log: (event: object) => void;
}

/** Exact counts are for crowd safety: who looks at them is written into the log, and told to operators, by every bridge alike. */
export class CountAudit {
  readonly #options: CountAuditOptions;
  readonly #readers = new CountReaders();
  #lookedAtMs = -Infinity;

  constructor(options: CountAuditOptions) {
    this.#options = options;
  }

  read(by: string, how: CountReading["how"]): void {
    this.#options.signals.push({ kind: "counts_read", by, how });
  }

  heard({ by, how }: { by: string; how: CountReading["how"] }): void {
    if (this.#readers.note(by, how, this.#options.nowMs())) this.#options.log({ event: "exact counts were read", by, how });
  }

  /** Who keeps the page open goes on reading. */
  tickSecond(): void {
    const { hub, nowMs } = this.#options;
    if (Math.abs(nowMs() - this.#lookedAtMs) < ONE_LOOK_MS / 3) return;
    this.#lookedAtMs = nowMs();
    const readers = new Set([...hub.byChannel.occupancy].filter(({ viewer }) => seesThings(viewer)).map(({ subject }) => subject));
    for (const by of readers) this.read(by, "live");
  }

  list(): CountReading[] {
    return this.#readers.list();
  }
}
