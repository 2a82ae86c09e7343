import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { type Command } from "commander";
import { parseTagKeys, type TagKeys } from "@konferenco/fusion";
import { ConfigError } from "@konferenco/protocol";
import { parseCount } from "../options.ts";

interface TagKeysOptions {
  count: number;
  prefix: string;
  exponent: number;
  out: string;
}

/** `konferenco tag-keys`: identity keys for tags that change their names (Eddystone-EID). */
export function registerTagKeysCommand(program: Command): void {
  program
    .command("tag-keys")
    .description("make keys for tags that change their names (Eddystone-EID), to be written into the tags and given to --tag-keys")
    .requiredOption("--count <count>", "how many tags", parseCount)
    .requiredOption("--out <file>", "where the keys go; it is not overwritten")
    .option("--prefix <text>", "the tags are called so, with a number behind", "tag-")
    .option("--exponent <k>", "names change every 2^k seconds: 6 (a minute) to 15 (9 hours)", parseCount, 10)
    .action(makeTagKeys);
}

function makeTagKeys({ count, prefix, exponent, out }: TagKeysOptions): void {
  const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
  const tags = Array.from({ length: count }, (_, index) => ({ tagId: `${prefix}${index + 1}`, identityKeyHex: randomBytes(16).toString("hex") }));
  const keys: TagKeys = { v: 1, exponent, counterZeroAtMs: nowMs, tags };
  parseTagKeys(keys, out);
  try {
    fs.writeFileSync(out, `${JSON.stringify(keys, null, 2)}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw new ConfigError(`${out} cannot be written: ${(error as Error).message}`);
    throw new ConfigError(`${out} is there already, and tags that carry its keys could not be found without it: name another file with --out`);
  }
  process.stdout.write(
    `${out}: ${count} keys, names change every ${2 ** exponent} s.\n` +
      `Write into each tag: its identityKeyHex, rotation exponent ${exponent}, and the seconds since ${new Date(nowMs).toISOString()} as its clock value.\n` +
      `Let all tags change their radio address in the same moment, without a random delay. Then start with --tag-keys ${out}.\n`,
  );
}
