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
/** Lists of them that are shared; at the bound a connection has its own, as it has one with an area in it. */
const MAX_SHARED_LISTS = 1_024;
const shared = new Map<string, Subscription>();
let sharedLists = 0;

export function subscriptionTo(channel: Channel, { hz, every = false, area = null }: { hz: number; every?: boolean; area?: Area | null }): Subscription {
  const subscription = { channel, hz, every, area };
  if (area !== null) return subscription;
  const known = shared.get(nameOf(subscription));
  if (known !== undefined) return known;
  if (shared.size < MAX_SHARED) shared.set(nameOf(subscription), subscription);
  return subscription;
}

function nameOf({ channel, hz, every }: Subscription): string {
  return `${channel} ${hz} ${every}`;
}

/**
 * The subscriptions of one connection: a list that does not change, so that all who subscribe the same things in the
 * same order share one. A map for each would be 400 bytes, a list of three 240.
 */
export class Subscriptions {
  static readonly NONE = new Subscriptions([], new Map());
  readonly #list: readonly Subscription[];
  /** Channels of applications among them, in order. */
  readonly apps: readonly Channel[];
  /** The shared lists with one more. Null: this one is not shared. */
  readonly #longer: Map<Subscription, Subscriptions> | null;

  private constructor(list: readonly Subscription[], longer: Map<Subscription, Subscriptions> | null) {
    this.#list = list;
    this.apps = list.flatMap(({ channel }) => (channel.startsWith("app:") ? [channel] : [])).sort();
    this.#longer = longer;
  }

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

  /** Instead of another one to the same channel. */
  with(subscription: Subscription): Subscriptions {
    if (this.has(subscription.channel)) return this.without(subscription.channel).with(subscription);
    const known = this.#longer?.get(subscription);
    if (known !== undefined) return known;
    const list = [...this.#list, subscription];
    if (this.#longer === null || sharedLists >= MAX_SHARED_LISTS || shared.get(nameOf(subscription)) !== subscription) return new Subscriptions(list, null);
    const longer = new Subscriptions(list, new Map());
    this.#longer.set(subscription, longer);
    sharedLists++;
    return longer;
  }

  without(channel: Channel): Subscriptions {
    if (!this.has(channel)) return this;
    return this.#list.reduce((rest, subscription) => (subscription.channel === channel ? rest : rest.with(subscription)), Subscriptions.NONE);
  }

  keys(): Channel[] {
    return this.#list.map((subscription) => subscription.channel);
  }

  values(): readonly Subscription[] {
    return this.#list;
  }
}
