import type { MessageType } from "@konferenco/protocol";

type Budget = NonNullable<MessageType["rate"]>;

/**
 * How much one sender sends: the times of the last `count` messages of each group. A bucket that fills up
 * again would let an eleventh chat message through within the minute; a window does not (requirement E5).
 * 8 bytes per time, 100 at most; at `capacity` the sender who has been quiet longest is forgotten.
 */
export class SendRates {
  readonly #times = new Map<string, number[]>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** 0: within the budget, and counted. Otherwise the milliseconds until one more is. */
  take(sender: string, budget: Budget, nowMs: number): number {
    const key = `${budget.group} ${sender}`;
    const times = this.#times.get(key) ?? [];
    const oldest = times.length < budget.count ? undefined : times[0];
    if (oldest !== undefined && nowMs - oldest < budget.withinMs) return Math.ceil(budget.withinMs - (nowMs - oldest));
    if (times.length >= budget.count) times.shift();
    times.push(nowMs);
    this.#times.delete(key); // to the end: the map's order is the order of last use
    this.#times.set(key, times);
    if (this.#times.size > this.#capacity) {
      const [first] = this.#times.keys();
      if (first !== undefined) this.#times.delete(first);
    }
    return 0;
  }

  /** What was taken last is given back: it came to nothing. */
  giveBack(sender: string, budget: Budget): void {
    this.#times.get(`${budget.group} ${sender}`)?.pop();
  }
}
