import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** Sockets of one process besides its clients: the store, logs, the channel to us. */
const SPARE_FILES = 200;

/** Says in one line what to do when the machine lets a process open too few sockets; the benches raise nothing themselves. */
export function requireSockets(count: number): void {
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
  if (limit !== "unlimited" && Number(limit) < count + SPARE_FILES) {
    throw new Error(`this bench opens ${count} connections and a process here may have ${limit} files: run "ulimit -n ${count + SPARE_FILES}" in this shell first`);
  }
}

/** A folder that goes when the process ends. */
export function temporaryFolder(name: string): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `konferenco-bench-${name}-`));
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
