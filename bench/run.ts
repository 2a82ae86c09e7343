import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { sunk, type BenchRow } from "./harness.ts";

// `npm run bench -- [NAME …] [--json FILE]`: every file beside this one that exports `run` is a bench, named by its file.

const NOT_BENCHES = new Set(["run", "harness"]);
const names = fs
  .readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".js"))
  .map((file) => path.basename(file, ".js"))
  .filter((name) => !NOT_BENCHES.has(name))
  .sort();

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "string" }, help: { type: "boolean" } } });
const unknown = positionals.filter((name) => !names.includes(name));
if (values.help || unknown.length > 0) {
  process.stdout.write(`${unknown.length > 0 ? `There is no bench "${unknown.join('", "')}". ` : ""}npm run bench -- [NAME …] [--json FILE]\nBenches: ${names.join(", ")}\n`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

// Whoever ends us ends our processes too: they go with "exit".
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

process.stdout.write(`Node ${process.version}, ${os.cpus()[0]?.model ?? "unknown processor"}, ${os.cpus().length} cores, load ${os.loadavg()[0]?.toFixed(1)}\n\n`);
const rows: BenchRow[] = [];
for (const name of positionals.length > 0 ? positionals : names) {
  process.stdout.write(`${name} …\n`);
  const { run } = (await import(`./${name}.js`)) as { run: () => Promise<BenchRow[]> };
  for (const row of await run()) {
    rows.push(row);
    process.stdout.write(`  ${row.metric.padEnd(58)} ${format(row.figure)} ${row.unit.padEnd(10)} baseline ${format(row.baseline)}   ratio ${row.ratio.toFixed(3)}\n`);
  }
}
if (values.json !== undefined) fs.writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
// Reading the sink keeps the measured work from being optimised away.
process.exitCode = Number.isNaN(sunk()) ? 1 : 0;

function format(value: number): string {
  return (value >= 1_000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3)).padStart(9);
}
