import { LOG_RETENTION_MS } from "@konferenco/protocol";

/** Ids kept at most, about 100 bytes each: 10 MB. Beyond it the oldest go: 100,000 alerts a day are no alerts. */
export const MAX_ALERT_IDS = 100_000;

/** Keys of messages kept at most, about 150 bytes each: 30 MB, or 20 keyed messages of 10,000 people a day. */
export const MAX_MESSAGE_KEYS = 200_000;

/** Ids of the last 24 h, of alerts or of messages: what is published again is stored once (requirement E4). */
export class AlertIds {
  #storedAtMs = new Map<string, number>();
  readonly #capacity: number;

  constructor(capacity = MAX_ALERT_IDS) {
    this.#capacity = capacity;
  }

  has(alertId: string, nowMs: number): boolean {
    const storedAtMs = this.#storedAtMs.get(alertId);
    return storedAtMs !== undefined && storedAtMs >= nowMs - LOG_RETENTION_MS;
  }

  add(alertId: string, storedAtMs: number): void {
    this.#storedAtMs.delete(alertId); // so that the order of the map is the order of storing
    this.#storedAtMs.set(alertId, storedAtMs);
    if (this.#storedAtMs.size <= this.#capacity) return;
    const [oldest] = this.#storedAtMs.keys();
    this.#storedAtMs.delete(oldest as string);
  }

  sweep(nowMs: number): void {
    for (const [alertId, storedAtMs] of this.#storedAtMs) if (storedAtMs < nowMs - LOG_RETENTION_MS) this.#storedAtMs.delete(alertId);
  }

  entries(): [string, number][] {
    return [...this.#storedAtMs];
  }
}
