import { createHmac, timingSafeEqual } from "node:crypto";
import type { Login } from "./config.ts";
import { KeyedBuckets } from "./core/token-bucket.ts";

/** Ten tries, then one every 12 s, for one login from one address: a venue shares an address, a password does not. */
const PER_LOGIN = { perS: 1 / 12, burst: 10 };
/** For one address over all logins: a whole team logs in at the door. */
const PER_ADDRESS = { perS: 2, burst: 200 };
const MAX_KEYS = 10_000;

export type LoginVerdict = { ok: true; login: Login } | { ok: false; afterMs: number };

/** Checks passwords in constant time, and not too often. */
export class Logins {
  readonly #key: Uint8Array;
  readonly #byName = new Map<string, { login: Login; digest: Buffer }>();
  readonly #perLogin = new KeyedBuckets(PER_LOGIN, MAX_KEYS);
  readonly #perAddress = new KeyedBuckets(PER_ADDRESS, MAX_KEYS);

  constructor(key: Uint8Array, logins: readonly Login[]) {
    this.#key = key;
    for (const login of logins) this.#byName.set(login.login, { login, digest: this.#digest(login.password) });
  }

  /** `afterMs` above zero: too many tries. An unknown login takes as long and answers the same as a wrong password. */
  check(name: string, password: string, address: string, nowMs: number): LoginVerdict {
    const afterMs = Math.max(this.#perAddress.take(address, nowMs), this.#perLogin.take(`${address} ${name}`, nowMs));
    if (afterMs > 0) return { ok: false, afterMs };
    const known = this.#byName.get(name);
    const same = timingSafeEqual(this.#digest(password), known?.digest ?? this.#digest(""));
    return same && known !== undefined ? { ok: true, login: known.login } : { ok: false, afterMs: 0 };
  }

  /** Null: this login has been taken out of the settings. */
  find(name: string): Login | null {
    return this.#byName.get(name)?.login ?? null;
  }

  #digest(password: string): Buffer {
    return createHmac("sha256", this.#key).update(password).digest();
  }
}
