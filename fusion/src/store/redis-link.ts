import { ConfigError, StoreUnavailable } from "@konferenco/protocol";
import { Redis } from "ioredis";

/** A command that has no answer by then has failed; the connection is made anew, for it may be dead without saying so. */
export const COMMAND_TIMEOUT_MS = 2_000;

/** During a break a command waits this long for the connection, counted from the break: a restart goes unnoticed, an outage fails at once. */
const GRACE_MS = 500;

/** How long opening waits for the first answer. */
const OPEN_TIMEOUT_MS = 3_000;

/** Longest pause between attempts to reconnect (ioredis' own is 5.2 s, too long for "back in 5 s"). */
const MAX_RETRY_MS = 2_000;

/** Commands without an answer yet, all callers together. Beyond it a command fails at once instead of queueing. */
export const MAX_COMMANDS_IN_FLIGHT = 1_024;

/** Answers of a server that will work again by itself or by its operator's hand. */
const PASSING = /^(LOADING|BUSY|OOM|MISCONF|READONLY|NOREPLICAS|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|NOAUTH|WRONGPASS|NOPERM|UNKILLABLE|ERR max number of clients)/;
const LOGIN = /NOAUTH|WRONGPASS|NOPERM|invalid password|without any password|username-password/i;

/** One connection to Redis that heals itself, and fails quickly and in words while it is away. */
export class RedisLink {
  readonly client: Redis;
  readonly #place: string;
  #runId: string | null = null;
  #version = "";
  #lastError = "no answer";
  #brokenAtMs = performance.now();
  #waiters = new Set<() => void>();
  #inFlight = 0;
  #isClosed = false;

  private constructor(url: URL, name: string) {
    this.#place = `${url.protocol}//${url.host}${url.pathname === "/" ? "" : url.pathname}`; // never the password
    this.client = new Redis(url.href, {
      connectionName: name,
      commandTimeout: COMMAND_TIMEOUT_MS,
      connectTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      // A command that was under way when the connection broke may have been done: who sent it decides.
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      autoResubscribe: false, // a connection that listens to a channel says first what it missed
      retryStrategy: (attempt) => Math.min(MAX_RETRY_MS, 25 * 2 ** Math.min(attempt, 10)) * (0.8 + 0.2 * Math.random()),
    });
    // ioredis tells every failed attempt; without a listener the process would end.
    this.client.on("error", (error: Error) => {
      this.#lastError = error.message || String((error as NodeJS.ErrnoException).code);
      if (LOGIN.test(this.#lastError)) this.#wake(); // waiting longer does not help
    });
    this.client.on("ready", () => void this.#greet());
    this.client.on("close", () => this.#break());
  }

  /** Throws `ConfigError` for an address, login or server that cannot work, `StoreUnavailable` when nobody answers. */
  static async open(address: string, name: string): Promise<RedisLink> {
    const link = new RedisLink(parseAddress(address), name);
    try {
      await link.#up(OPEN_TIMEOUT_MS);
      if (!isAtLeast(link.#version, 6, 2)) throw new ConfigError(`Redis at ${link.#place} is version ${link.#version}: 6.2 or newer is needed (GEOSEARCH)`);
      return link;
    } catch (error) {
      link.client.disconnect();
      if (LOGIN.test(link.#lastError)) throw new ConfigError(`Redis at ${link.#place} refuses the login (${link.#lastError}): put user and password into the address, redis://user:password@host:port`, { cause: error });
      throw error;
    }
  }

  /** Identity of the server's process: another one after every restart and fail-over. Null while there is no connection. */
  get runId(): string | null {
    return this.#runId;
  }

  /** Sends commands when the connection is up. What goes wrong below comes out as `StoreUnavailable`. */
  async run<T>(send: (client: Redis, runId: string) => Promise<T>): Promise<T> {
    if (this.#inFlight >= MAX_COMMANDS_IN_FLIGHT) throw new StoreUnavailable(`${MAX_COMMANDS_IN_FLIGHT} commands wait for Redis at ${this.#place}: it is slower than the event`);
    this.#inFlight++;
    try {
      const runId = await this.#up(this.#graceMs());
      return await send(this.client, runId).catch(async (error: unknown) => {
        if (!isUnsent(error)) throw error;
        // The socket has ended and its "close" is still to come: nothing was sent, so it may be sent again.
        this.#break();
        return send(this.client, await this.#up(this.#graceMs()));
      });
    } catch (error) {
      throw this.#inWords(error);
    } finally {
      this.#inFlight--;
    }
  }

  /** Resolves when there is a connection, or after the time; for readers that go round in a loop. */
  async upWithin(ms: number): Promise<boolean> {
    return this.#up(ms).then(
      () => true,
      () => false,
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#runId = null;
    this.client.disconnect();
    this.#wake();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async #greet(): Promise<void> {
    try {
      const info = await this.client.info("server");
      this.#version = /^redis_version:(.*?)\r?$/m.exec(info)?.[1] ?? "";
      const runId = /^run_id:(.*?)\r?$/m.exec(info)?.[1] ?? "";
      if (this.client.status !== "ready" || this.#isClosed) return;
      this.#runId = runId;
      this.#wake();
    } catch (error) {
      this.#lastError = (error as Error).message;
      if (!this.#isClosed) this.client.disconnect(true);
    }
  }

  #break(): void {
    if (this.#runId !== null) this.#brokenAtMs = performance.now();
    this.#runId = null;
  }

  #graceMs(): number {
    return GRACE_MS - (performance.now() - this.#brokenAtMs);
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }

  async #up(withinMs: number): Promise<string> {
    if (this.#runId === null && !this.#isClosed && withinMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, withinMs);
        const waiters = this.#waiters;
        function done() {
          clearTimeout(timer);
          waiters.delete(done);
          resolve();
        }
        waiters.add(done);
      });
    }
    if (this.#isClosed) throw new StoreUnavailable(`the connection to Redis at ${this.#place} is closed`);
    if (this.#runId === null) throw new StoreUnavailable(`Redis at ${this.#place} does not answer (${this.#lastError}): start it or check the address`);
    return this.#runId;
  }

  #inWords(error: unknown): unknown {
    if (!(error instanceof Error) || error instanceof StoreUnavailable || error instanceof TypeError) return error;
    if (error.name === "ReplyError" && !PASSING.test(error.message)) return error; // ours: a bug in a script or command
    if (error.message === "Command timed out" && !this.#isClosed) this.client.disconnect(true);
    return new StoreUnavailable(`Redis at ${this.#place}: ${remedyOf(error.message)}`, { cause: error });
  }
}

/** ioredis refused to write the command: no connection, and no offline queue. */
function isUnsent(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Stream isn't writeable");
}

function remedyOf(message: string): string {
  if (message.startsWith("OOM")) return "it is out of memory: raise maxmemory, or give the event a Redis of its own";
  if (message.startsWith("MISCONF")) return "it refuses writes because its last save failed: free some space on its disk";
  if (message.startsWith("NOPERM")) return `${message}: its user needs ~konferenco:* and &konferenco:* with +@all`;
  if (message.startsWith("READONLY")) return "it is a replica: use the address of the primary";
  if (message === "Command timed out") return `no answer within ${COMMAND_TIMEOUT_MS / 1_000} s`;
  if (message.startsWith("Reached the max retries") || message.startsWith("Stream isn't writeable")) return "the connection broke; it is made anew";
  return message;
}

function parseAddress(address: string): URL {
  if (URL.canParse(address)) {
    const url = new URL(address);
    if (url.protocol === "redis:" || url.protocol === "rediss:") return url;
  }
  throw new ConfigError(`"${address.replace(/\/\/.*@/, "//…@")}" is not the address of a Redis: redis://[user:password@]host[:port][/db], or rediss:// for TLS`);
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
