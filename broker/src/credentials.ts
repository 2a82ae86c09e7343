import { createHmac, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { ConfigError, idSchema, jsonOfFile } from "@konferenco/protocol";
import { APPLICATION_RIGHTS, type ApplicationRight, type Principal } from "./acl.ts";

/** Who may log in, in memory: what a process that made the passwords itself hands to its own broker. */
export interface BrokerCredentials {
  gateways: { gatewayId: string; password: string; eventId: string; zoneIds: string[] }[];
  applications: { name: string; password: string; eventId: string; rights: ApplicationRight[] }[];
}

/** `scrypt$N$r$p$salt$hash`, salt and hash in base64url: the parameters travel with the hash. */
const HASH_PATTERN = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{16,86})\$([\w-]{43})$/;
const passwordHashSchema = z.string().regex(HASH_PATTERN, 'must look like "scrypt$16384$8$1$…$…" ("konferenco password" makes one)');

/** The file form of the same: no password in it. */
const storedCredentialsSchema = z.strictObject({
  v: z.literal(1),
  gateways: z.array(z.strictObject({ gatewayId: idSchema, passwordHash: passwordHashSchema, eventId: idSchema, zoneIds: z.array(idSchema).max(64) })).max(10_000).default([]),
  applications: z.array(z.strictObject({ name: idSchema, passwordHash: passwordHashSchema, eventId: idSchema, rights: z.array(z.enum(APPLICATION_RIGHTS)) })).max(1_000).default([]),
});
export type StoredCredentials = z.infer<typeof storedCredentialsSchema>;

/** Reads a credentials file. Throws `ConfigError` naming the first fault, never a hash. */
export function parseCredentials(text: string, fileName: string): StoredCredentials {
  let json: unknown;
  try {
    json = jsonOfFile(text);
  } catch (error) {
    throw new ConfigError(`${fileName} is not JSON: ${(error as Error).message}`);
  }
  const result = storedCredentialsSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(`${fileName} is not a credentials file: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (format: docs/wire-protocol.md)`);
}

export async function storeCredentials(credentials: BrokerCredentials): Promise<StoredCredentials> {
  const gateways: StoredCredentials["gateways"] = [];
  for (const { password, ...rest } of credentials.gateways) gateways.push({ ...rest, passwordHash: await hashPassword(password) });
  const applications: StoredCredentials["applications"] = [];
  for (const { password, ...rest } of credentials.applications) applications.push({ ...rest, passwordHash: await hashPassword(password) });
  return { v: 1, gateways, applications };
}

/** 144 random bits; fits a QR code and a terminal. */
export function newPassword(): string {
  return randomBytes(18).toString("base64url");
}

// N = 16,384, r = 8, p = 1: 16 MB and about 50 ms a guess, OWASP's floor for interactive logins.
const SCRYPT = { N: 16_384, r: 8, p: 1 };
const HASH_BYTES = 32;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await scryptAsync(password, salt, SCRYPT);
  return `scrypt$${SCRYPT.N}$${SCRYPT.r}$${SCRYPT.p}$${salt.toString("base64url")}$${hash.toString("base64url")}`;
}

/** Two at a time: libuv has four threads, and the store's fsync needs some of them. */
const MAX_HASHES_AT_ONCE = 2;
/** 1,000 waiting logins are 25 s of two threads; further ones are told "server unavailable" and come back. */
const MAX_HASHES_WAITING = 1_000;

export type LoginAnswer = { kind: "principal"; principal: Principal } | { kind: "unknown" } | { kind: "busy" };

interface Login {
  principal: Principal;
  passwordHash: string | null;
  /** HMAC of the right password under a key of this process; null until it was seen once. */
  seal: Buffer | null;
}

/**
 * Checks user names and passwords. A hashed password costs scrypt once; then its HMAC is remembered
 * (3 µs a check), so that 2,000 gateways coming back after a power cut do not cost 100 s of CPU, and a
 * wrong password costs nothing at all. Comparisons take constant time. That a user name exists can be
 * told from the time of a first guess; gateway ids are on the venue map anyway.
 */
export class LoginBook {
  readonly #logins = new Map<string, Login>();
  readonly #sealKey = randomBytes(32);
  readonly #nobody = this.#seal(randomBytes(16));
  #hashing = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(credentials: BrokerCredentials | StoredCredentials) {
    for (const gateway of credentials.gateways) {
      const { eventId, gatewayId, zoneIds } = gateway;
      this.#add(gatewayId, { kind: "gateway", eventId, gatewayId, zoneIds: [...zoneIds] }, gateway);
    }
    for (const application of credentials.applications) {
      const { eventId, name, rights } = application;
      this.#add(name, { kind: "application", eventId, name, rights: [...rights] }, application);
    }
  }

  async check(userName: string, password: Uint8Array): Promise<LoginAnswer> {
    const login = this.#logins.get(userName);
    const given = this.#seal(password);
    if (login !== undefined && login.seal === null) {
      const got = await this.#proveByHash(login, password, given);
      if (got === "busy") return { kind: "busy" };
    }
    const right = timingSafeEqual(given, login?.seal ?? this.#nobody);
    return right && login !== undefined ? { kind: "principal", principal: login.principal } : { kind: "unknown" };
  }

  #add(userName: string, principal: Principal, secret: { password: string } | { passwordHash: string }): void {
    for (const [what, id] of [["user name", userName], ["eventId", principal.eventId]] as const) {
      const parsed = idSchema.safeParse(id);
      if (!parsed.success) throw new ConfigError(`broker credentials: ${what} "${id}" ${parsed.error.issues[0]?.message ?? "is bad"}`);
    }
    if (this.#logins.has(userName)) throw new ConfigError(`broker credentials: the user name "${userName}" is there twice; gateways and applications share one list`);
    if ("password" in secret && secret.password === "") throw new ConfigError(`broker credentials: "${userName}" has an empty password`);
    const hashed = "passwordHash" in secret;
    this.#logins.set(userName, {
      principal,
      passwordHash: hashed ? secret.passwordHash : null,
      seal: hashed ? null : this.#seal(Buffer.from(secret.password)),
    });
  }

  #seal(password: Uint8Array): Buffer {
    return createHmac("sha256", this.#sealKey).update(password).digest();
  }

  async #proveByHash(login: Login, password: Uint8Array, given: Buffer): Promise<"checked" | "busy"> {
    if (this.#hashing >= MAX_HASHES_AT_ONCE) {
      if (this.#waiting.length >= MAX_HASHES_WAITING) return "busy";
      await new Promise<void>((go) => this.#waiting.push(go)); // the one who finishes hands its slot over
    } else {
      this.#hashing += 1;
    }
    try {
      if (login.seal === null && (await matchesHash(password, login.passwordHash as string))) login.seal = given;
      return "checked";
    } finally {
      const next = this.#waiting.shift();
      if (next !== undefined) next();
      else this.#hashing -= 1;
    }
  }
}

async function matchesHash(password: Uint8Array, passwordHash: string): Promise<boolean> {
  const [, N, r, p, salt, hash] = HASH_PATTERN.exec(passwordHash) ?? [];
  if (salt === undefined || hash === undefined) throw new ConfigError("a password hash in the credentials is malformed");
  const made = await scryptAsync(password, Buffer.from(salt, "base64url"), { N: Number(N), r: Number(r), p: Number(p) });
  return timingSafeEqual(made, Buffer.from(hash, "base64url"));
}

function scryptAsync(password: string | Uint8Array, salt: Buffer, cost: typeof SCRYPT): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, { ...cost, maxmem: 256 * 1024 * 1024 }, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
