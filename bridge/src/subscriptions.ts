import type { Channel } from "@konferenco/protocol";
import type { Area } from "./core/area.ts";

/** Subscription settings of one channel. */
export interface Subscription {
  readonly channel: Channel;
  readonly hz: number;
  readonly every: boolean;
  /** Null: everywhere. */
  readonly area: Area | null;
}

/** Most clients subscribe the same few things: settings are shared, at most so many different ones. */
const MAX_SHARED = 256;
const shared = new Map<string, Subscription>();

export function subscriptionTo(channel: Channel, { hz, every = false, area = null }: { hz: number; every?: boolean; area?: Area | null }): Subscription {
  if (area !== null) return { channel, hz, every, area };
  const name = `${channel} ${hz} ${every}`;
  const known = shared.get(name);
  if (known !== undefined) return known;
  const subscription = { channel, hz, every, area };
  if (shared.size < MAX_SHARED) shared.set(name, subscription);
  return subscription;
}

/** The subscriptions of one connection: a list, since there are three of them and a map would be 400 bytes. */
export class Subscriptions {
  #list: readonly Subscription[] = [];

  get size(): number {
    return this.#list.length;
  }

  get(channel: Channel): Subscription | undefined {
    for (const subscription of this.#list) if (subscription.channel === channel) return subscription;
    return undefined;
  }

  has(channel: Channel): boolean {
    return this.get(channel) !== undefined;
  }

  add(subscription: Subscription): void {
    this.delete(subscription.channel);
    this.#list = [...this.#list, subscription];
  }

  delete(channel: Channel): void {
    if (this.has(channel)) this.#list = this.#list.filter((subscription) => subscription.channel !== channel);
  }

  keys(): Channel[] {
    return this.#list.map((subscription) => subscription.channel);
  }

  values(): readonly Subscription[] {
    return this.#list;
  }
}
