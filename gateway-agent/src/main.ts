#!/usr/bin/env node
import { gatewayCommand } from "./command.ts";

/** SIGTERM comes from systemd, SIGINT from the keyboard; a second one ends at once. */
function untilAskedToEnd(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
}

process.exitCode = await gatewayCommand(process.argv.slice(2), {
  env: process.env,
  out: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
  untilAskedToEnd,
});
// noble's adapter poll and a hanging nmcli must not keep a finished process alive.
process.exit();
