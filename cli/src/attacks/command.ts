import fs from "node:fs";
import type { Command } from "commander";
import { ConfigError } from "@konferenco/protocol";
import { parsePositive } from "../options.ts";
import { runAttack, type AttackRow } from "./attack.ts";
import { ATTACKS } from "./suite.ts";

export interface AttacksCommandOptions {
  json?: string;
  seed: string;
  only?: string;
  scale: number;
}

export function registerAttacksCommand(program: Command): void {
  program
    .command("attacks")
    .description("attack the system's privacy through its public doors, and a naive system in the same way")
    .option("--json <file>", "write the figures as JSON")
    .option("--seed <text>", "other dice", "1")
    .option("--only <ids>", "only these, separated by commas, e.g. P1,P9")
    .option("--scale <share>", "a share of the sample sizes, e.g. 0.1 for a quick look", parsePositive, 1)
    .action(attacksCommand);
}

/** A table of all attacks; exit code 1 when one succeeds, or when a naive system withstands it. */
async function attacksCommand(options: AttacksCommandOptions): Promise<void> {
  const wanted = options.only?.split(",").map((id) => id.trim().toUpperCase());
  const unknown = wanted?.filter((id) => !ATTACKS.some((attack) => attack.id.toUpperCase() === id)) ?? [];
  if (unknown.length > 0) throw new ConfigError(`there is no attack ${unknown.join(", ")}: there are ${ATTACKS.map(({ id }) => id).join(", ")}`);
  const rows: AttackRow[] = [];
  process.stdout.write(`${"".padEnd(4)} ${"attack".padEnd(46)} ${"value".padStart(9)}    ${"threshold".padEnd(9)} ${"naive".padStart(9)}  samples\n`);
  for (const attack of ATTACKS.filter(({ id }) => wanted?.includes(id.toUpperCase()) ?? true)) {
    const beganMs = Date.now();
    const row = await runAttack(attack, options.seed, options.scale);
    rows.push(row);
    process.stdout.write(`${lineOf(row)}  ${((Date.now() - beganMs) / 1_000).toFixed(0)} s\n`);
  }
  // The words of the figures, once, below the table.
  process.stdout.write(`\n${rows.map(({ id, metric }) => `${id.padEnd(4)} ${metric}`).join("\n")}\n`);
  if (options.json !== undefined) {
    fs.writeFileSync(options.json, `${JSON.stringify(rows.map(({ id, metric, value, threshold, pass, naiveBroken }) => ({ id, metric, value, threshold, pass, naiveBroken })), null, 2)}\n`);
  }
  if (rows.some(({ pass, naiveBroken }) => !pass || !naiveBroken)) process.exitCode = 1;
}

function lineOf({ id, title, value, threshold, bound, pass, naive, naiveBroken, samples }: AttackRow): string {
  const verdict = !pass ? "BROKEN" : naiveBroken ? "holds" : "NO ATTACK: the naive system holds too";
  return `${id.padEnd(4)} ${title.padEnd(46)} ${figure(value)} ${bound === "least" ? ">=" : "<="} ${String(threshold).padEnd(9)} ${figure(naive)}  ${String(samples).padStart(7)}  ${verdict}`;
}

function figure(value: number): string {
  return (Math.abs(value) >= 0.001 || value === 0 ? String(Math.round(value * 1_000) / 1_000) : value.toExponential(1)).padStart(9);
}
