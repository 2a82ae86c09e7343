// Makes a fresh clone runnable with nothing but Node and npm: installs, then builds, each only when
// something changed. Plain JavaScript, because Node 20 cannot run TypeScript. All words go to stderr:
// stdout belongs to the command.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

const MIN_NODE = [20, 19];

/** Installs and builds what is missing or stale. Exits the process with one line when it cannot. */
export function ensureReady({ build = true } = {}) {
  requireNode();
  withLock(() => {
    ensureInstalled();
    if (build) ensureBuilt();
  });
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Runs a program of node_modules or the PATH; its output goes to our stderr unless told otherwise. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  return result.status ?? 1;
}

/** A program that a package brought, started by this Node. */
export function runBin(packageBin, args, options = {}) {
  return run(process.execPath, [path.join(root, "node_modules", packageBin), ...args], options);
}

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1])) {
    fail(`Konferenco Proximity needs Node ${MIN_NODE.join(".")} or newer; this is ${process.versions.node}.`);
  }
}

function ensureInstalled() {
  // npm writes its hidden lock file last: it is there and newer than ours only after a whole install.
  const installed = modifiedMs(path.join(root, "node_modules/.package-lock.json"));
  if (installed >= modifiedMs(path.join(root, "package-lock.json"))) return;
  process.stderr.write("Installing packages (once, about half a minute) …\n");
  // --ignore-scripts: no compiler is needed; only a gateway with a Bluetooth radio builds the native part.
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const args = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  if (run(npm, args, { shell: process.platform === "win32" }) !== 0) {
    fail("npm ci failed (its message is above). Is the npm registry reachable? Then run the same command again.");
  }
}

function ensureBuilt() {
  // tsc knows by itself what is stale; 0.4 s when nothing is.
  if (runBin("typescript/bin/tsc", ["-b"]) !== 0) fail("The build failed (the compiler's message is above).");
  const page = modifiedMs(path.join(root, "web/dist/console/index.html"));
  const sources = ["web/src", "web/console", "web/attendee", "web/vite.config.ts", "client/src", "protocol/src", "package-lock.json"];
  if (page > Math.max(...sources.map((source) => newestMs(path.join(root, source))))) return;
  process.stderr.write("Building the pages …\n");
  if (runBin("vite/bin/vite.js", ["build", "--logLevel", "error"], { cwd: path.join(root, "web") }) !== 0) {
    fail("The pages could not be built (the message is above).");
  }
}

function modifiedMs(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function newestMs(place) {
  const stat = fs.statSync(place, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...fs.readdirSync(place).map((name) => newestMs(path.join(place, name))));
}

/** Two commands started at once in a fresh clone must not both install: the second waits for the first. */
function withLock(work) {
  const name = createHash("sha256").update(root).digest("hex").slice(0, 16);
  const lock = path.join(os.tmpdir(), `konferenco-boot-${name}.lock`);
  let told = false;
  for (;;) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") fail(`${lock} cannot be written: ${error.message}`);
      if (ownerIsGone(lock)) {
        fs.rmSync(lock, { force: true });
        continue;
      }
      if (!told) process.stderr.write("Another konferenco command is installing or building here; waiting …\n");
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  const unlock = () => fs.rmSync(lock, { force: true });
  process.once("exit", unlock);
  work();
  process.removeListener("exit", unlock);
  unlock();
}

function ownerIsGone(lock) {
  let pid;
  try {
    pid = Number(fs.readFileSync(lock, "utf8"));
  } catch {
    return false; // it went away meanwhile: try again
  }
  // A lock that names nobody was just created and its owner is about to write; an hour later it was left behind.
  if (!Number.isInteger(pid) || pid <= 0) return Date.now() - modifiedMs(lock) > 3_600_000;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}
