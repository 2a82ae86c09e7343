/** Taken entries that are kept until they are half of all: `Array.shift` moves all that follow, 40 µs for 100,000. */
const MIN_DEAD = 1_024;

/** First in, first out. */
export class Fifo<T> {
  #list: T[] = [];
  #from = 0;

  get size(): number {
    return this.#list.length - this.#from;
  }

  push(one: T): void {
    this.#list.push(one);
  }

  take(): T | undefined {
    if (this.#from === this.#list.length) return undefined;
    const one = this.#list[this.#from] as T;
    (this.#list as (T | undefined)[])[this.#from++] = undefined; // nothing taken is held
    if (this.#from >= MIN_DEAD && this.#from * 2 >= this.#list.length) {
      this.#list = this.#list.slice(this.#from);
      this.#from = 0;
    }
    return one;
  }

  /** Removes what does not fit. */
  keep(fits: (one: T) => boolean): void {
    this.#list = this.#list.slice(this.#from).filter(fits);
    this.#from = 0;
  }
}
