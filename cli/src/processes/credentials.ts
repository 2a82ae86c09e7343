import fs from "node:fs";
import { hashPassword, newPassword, parseCredentials, storeCredentials, type StoredCredentials } from "@konferenco/broker";
import { ConfigError, type VenueMap } from "@konferenco/protocol";
import { brokerCredentialsOf, type Site } from "../site.ts";

/** A broker's logins by hashes: what may lie on a machine that must not know the passwords. */
export async function writeBrokerCredentials(file: string, site: Site, venue: VenueMap): Promise<void> {
  const credentials = await storeCredentials(brokerCredentialsOf(site, venue));
  fs.writeFileSync(file, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
  process.stdout.write(`${file}: ${credentials.gateways.length} gateways, ${credentials.applications.length} applications\n`);
}

export function readBrokerCredentials(file: string): StoredCredentials {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`the credentials file ${file} cannot be read: ${(error as Error).message}`);
  }
  return parseCredentials(text, file);
}

/** Two lines, or one: a password that was given is not said again. */
export async function printPassword({ stdin }: { stdin?: true }): Promise<void> {
  const password = stdin ? givenPassword() : newPassword();
  if (!stdin) process.stdout.write(`password      ${password}\n`);
  process.stdout.write(`passwordHash  ${await hashPassword(password)}\n`);
}

function givenPassword(): string {
  const password = fs.readFileSync(0, "utf8").replace(/\r?\n$/, "");
  if (password.length < 8) throw new ConfigError(`the password on the standard input has ${password.length} characters: at least 8`);
  return password;
}
