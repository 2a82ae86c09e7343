import { once } from "node:events";
import net from "node:net";

/** Bytes that a slow reader takes in each tenth of a second: 8 KB/s. */
const SLOW_BYTES = 800;
const SLOW_EVERY_MS = 100;

/** What the network does to those who come over it. `silent`: nothing passes and nothing says so. */
export type Weather = "fair" | "silent" | "slow";

/**
 * The network between clients and several servers, with a balancer's manners: who comes is given to the next
 * server that answers.
 */
export class FaultyLink {
  readonly #server: net.Server;
  readonly #targets: readonly number[];
  readonly #pairs = new Set<Pair>();
  #next = 0;
  #weather: Weather = "fair";

  private constructor(targets: readonly number[]) {
    this.#targets = targets;
    this.#server = net.createServer((near) => void this.#join(near));
  }

  static async open(targets: readonly number[]): Promise<{ link: FaultyLink; port: number }> {
    const link = new FaultyLink(targets);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return { link, port: (link.#server.address() as net.AddressInfo).port };
  }

  /** For those who are connected and those who come. */
  set weather(weather: Weather) {
    this.#weather = weather;
    for (const pair of this.#pairs) pair.weather = weather;
  }

  /** Whoever is connected is cut off. */
  cut(): void {
    for (const pair of this.#pairs) pair.end();
  }

  async #join(near: net.Socket): Promise<void> {
    near.on("error", () => undefined);
    for (let attempt = 0; attempt < this.#targets.length; attempt++) {
      const far = net.connect(this.#targets[this.#next++ % this.#targets.length] as number, "127.0.0.1");
      far.on("error", () => undefined);
      const isThere = await Promise.race([once(far, "connect").then(() => true, () => false), once(far, "close").then(() => false, () => false)]);
      if (!isThere) continue;
      const pair = new Pair(near, far);
      pair.weather = this.#weather;
      this.#pairs.add(pair);
      near.once("close", () => this.#pairs.delete(pair));
      return;
    }
    near.destroy();
  }
}

class Pair {
  readonly #near: net.Socket;
  readonly #far: net.Socket;
  readonly #trickle: NodeJS.Timeout;
  #weather: Weather = "fair";
  #waiting = Buffer.alloc(0);

  constructor(near: net.Socket, far: net.Socket) {
    this.#near = near;
    this.#far = far;
    near.on("data", (chunk: Buffer) => void far.write(chunk));
    far.on("data", (chunk: Buffer) => {
      if (this.#weather === "fair" && this.#waiting.length === 0) return void near.write(chunk);
      this.#waiting = Buffer.concat([this.#waiting, chunk]);
      far.pause();
    });
    this.#trickle = setInterval(() => this.#drip(), SLOW_EVERY_MS);
    near.once("close", () => this.end());
    far.once("close", () => this.end());
  }

  /** TCP loses nothing in the middle: what silence holds up comes when it ends, to who is still there. */
  set weather(weather: Weather) {
    this.#weather = weather;
    if (weather === "silent") {
      this.#near.pause();
      this.#far.pause();
    } else {
      this.#near.resume();
      if (this.#waiting.length === 0) this.#far.resume();
    }
  }

  #drip(): void {
    if (this.#weather === "silent" || this.#waiting.length === 0) return;
    const bytes = this.#weather === "slow" ? SLOW_BYTES : this.#waiting.length;
    this.#near.write(this.#waiting.subarray(0, bytes));
    this.#waiting = this.#waiting.subarray(bytes);
    if (this.#waiting.length === 0) this.#far.resume();
  }

  end(): void {
    clearInterval(this.#trickle);
    this.#near.destroy();
    this.#far.destroy();
  }
}
