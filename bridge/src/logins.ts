import { createHmac, timingSafeEqual } from "node:crypto";
import type { Login } from "./config.ts";
import type { Pinboard } from "./pinboard/pinboard.ts";

/** Ten tries, then one every 12 s, for one login from one address: a venue shares an address, a password does not. */
const PER_LOGIN = { perS: 1 / 12, burst: 10 };
/** For one address over all logins: a whole team logs in at the door. */
const PER_ADDRESS = { perS: 2, burst: 200 };

export type LoginVerdict = { ok: true; login: Login } | { ok: false; afterMs: number };

/** Checks passwords in constant time, and not too often: tries are counted over all bridges of the event. */
export class Logins {
  readonly #key: Uint8Array;
  readonly #byName = new Map<string, { login: Login; digest: Buffer }>();
  readonly #pinboard: Pinboard;

  constructor(key: Uint8Array, logins: readonly Login[], pinboard: Pinboard) {
    this.#key = key;
    this.#pinboard = pinboard;
    for (const login of logins) this.#byName.set(login.login, { login, digest: this.#digest(login.password) });
  }

  /** `afterMs` above zero: too many tries. An unknown login takes as long and answers the same as a wrong password. */
  async check(name: string, password: string, address: string): Promise<LoginVerdict> {
    // The address first: what it bounds is also how many names one address can make us remember.
    const addressAfterMs = await this.#pinboard.pass(this.#nameOf(address), PER_ADDRESS);
    const afterMs = addressAfterMs > 0 ? addressAfterMs : await this.#pinboard.pass(this.#nameOf(`${address} ${name}`), PER_LOGIN);
    if (afterMs > 0) return { ok: false, afterMs };
    const known = this.#byName.get(name);
    const same = timingSafeEqual(this.#digest(password), known?.digest ?? this.#digest(""));
    return same && known !== undefined ? { ok: true, login: known.login } : { ok: false, afterMs: 0 };
  }

  /** Null: this login has been taken out of the settings. */
  find(name: string): Login | null {
    return this.#byName.get(name)?.login ?? null;
  }

  /** Who tries from where is nobody's to read. */
  #nameOf(who: string): string {
    return `login ${this.#digest(who).toString("base64url")}`;
  }

  #digest(password: string): Buffer {
    return createHmac("sha256", this.#key).update(password).digest();
  }
}
