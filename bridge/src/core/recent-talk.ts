import type { Update } from "@konferenco/protocol";

/** Messages that a new subscriber of a channel, or somebody who comes back without a cursor, is shown. */
const TALK_PER_PLACE = 50;
/** Of all channels and people together, about 1 KB each: 20 MB. Beyond, the place that has been quiet longest goes. */
const MAX_TALK = 20_000;

/** The last messages of each channel and to each person, in their order. */
export class RecentTalk {
  readonly #places = new Map<string, Update[]>();
  #count = 0;

  keep(update: Update): void {
    if (update.body.kind !== "message") return;
    const { to, from } = update.body.message;
    if (to.kind === "channel") return this.#add(to.id, update);
    this.#add(inboxOf(to.id), update);
    if (from !== to.id) this.#add(inboxOf(from), update);
  }

  #add(place: string, update: Update): void {
    const list = this.#places.get(place) ?? [];
    this.#places.delete(place); // to the end: the map's order is the order of last use
    this.#places.set(place, list);
    list.push(update);
    this.#count++;
    if (list.length > TALK_PER_PLACE) {
      list.shift();
      this.#count--;
    }
    while (this.#count > MAX_TALK) {
      const oldest = this.#places.entries().next().value;
      if (oldest === undefined) return;
      this.#places.delete(oldest[0]);
      this.#count -= oldest[1].length;
    }
  }

  of(place: string): readonly Update[] {
    return this.#places.get(place) ?? [];
  }
}

export function inboxOf(subject: string): string {
  return `to ${subject}`;
}
