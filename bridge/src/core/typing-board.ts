import type { AppChannel } from "@konferenco/protocol";

/** Somebody who has not typed for so long is not writing (requirement E15). */
const TYPING_ENDS_MS = 5_000;
/** Between two lists of one channel. */
const TELL_EVERY_MS = 500;
/** People of one list who are looked at; further ones are writing in a crowd. */
const MAX_LISTED = 50;
/** People writing at once over all channels, about 100 bytes each; further ones are not shown. */
const MAX_WRITING = 10_000;

export interface Typing {
  channel: AppChannel;
  who: readonly string[];
}

interface Place {
  untilMs: Map<string, number>;
  told: string;
  tellAtMs: number;
}

/** Who is writing where: once per person however many tabs, in one list per channel. */
export class TypingBoard {
  readonly #places = new Map<AppChannel, Place>();
  #writing = 0;

  started(channel: AppChannel, who: string, nowMs: number): void {
    let place = this.#places.get(channel);
    if (place === undefined) {
      if (this.#writing >= MAX_WRITING) return;
      place = { untilMs: new Map(), told: "", tellAtMs: 0 };
      this.#places.set(channel, place);
    }
    if (!place.untilMs.has(who)) {
      if (this.#writing >= MAX_WRITING) return;
      this.#writing++;
    }
    place.untilMs.set(who, nowMs + TYPING_ENDS_MS);
  }

  stopped(channel: AppChannel, who: string): void {
    if (this.#places.get(channel)?.untilMs.delete(who) === true) this.#writing--;
  }

  /** Lists that have changed and are due. */
  tick(nowMs: number): Typing[] {
    const changed: Typing[] = [];
    for (const [channel, place] of this.#places) {
      for (const [who, untilMs] of place.untilMs) if (untilMs <= nowMs) this.stopped(channel, who);
      if (nowMs < place.tellAtMs) continue;
      const who = [...place.untilMs.keys()].sort().slice(0, MAX_LISTED);
      const list = who.join(" ");
      if (list !== place.told) {
        place.told = list;
        place.tellAtMs = nowMs + TELL_EVERY_MS;
        changed.push({ channel, who });
      }
      if (who.length === 0) this.#places.delete(channel);
    }
    return changed;
  }
}
