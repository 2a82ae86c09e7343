import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@konferenco/protocol";
import { remedyFor, systemCode } from "./durable-file.ts";

/** The holder touches its lock this often. */
const TOUCH_MS = 5_000;

/** A lock of another machine (or container), whose processes we cannot see, is dead when untouched for so long. */
const DEAD_AFTER_MS = 30_000;

export interface FolderLock {
  release(): Promise<void>;
}

interface Holder {
  pid: number;
  host: string;
  /** Tells two processes apart that had the same pid, as in containers, where everybody is pid 1. */
  startedAt: string;
  token: string;
}

/**
 * Two processes writing one folder would interleave their logs. Advisory: a file with the holder's pid,
 * made by link(2), which is atomic and never shows half a file. A holder that was killed is noticed
 * and replaced. Throws `ConfigError` naming the holder.
 */
export async function lockFolder(folder: string, name: string): Promise<FolderLock> {
  const path = join(folder, name);
  const mine: Holder = { pid: process.pid, host: hostname(), startedAt: await startOf(process.pid), token: randomUUID() };
  const draft = `${path}.${mine.token}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(draft, JSON.stringify(mine), { mode: 0o600 });
  } catch (error) {
    throw new ConfigError(`data folder ${folder}: ${remedyFor(error, folder)} (${systemCode(error)})`, { cause: error });
  }
  try {
    // Three attempts: another process may remove the same dead lock between our steps.
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await linked(draft, path)) return held(path, mine);
      const holder = await readHolder(path);
      if (holder !== null && (await isAlive(holder, path))) {
        const where = holder.host === mine.host ? "" : ` on ${holder.host}`;
        throw new ConfigError(`data folder ${folder} is in use by process ${holder.pid}${where}: stop that process, or choose another data folder`);
      }
      await rename(path, `${draft}.dead`).catch(ignoreMissing);
      await unlink(`${draft}.dead`).catch(ignoreMissing);
    }
    throw new ConfigError(`data folder ${folder} is being opened by another process at this moment: try again, or choose another data folder`);
  } finally {
    await unlink(draft).catch(ignoreMissing);
  }
}

function held(path: string, mine: Holder): FolderLock {
  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined); // a vanished lock file harms nobody but the next opener's check
  }, TOUCH_MS);
  touch.unref();
  return {
    async release() {
      clearInterval(touch);
      const holder = await readHolder(path);
      if (holder?.token === mine.token) await unlink(path).catch(ignoreMissing);
    },
  };
}

async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function readHolder(path: string): Promise<Holder | null> {
  try {
    const holder = JSON.parse(await readFile(path, "utf8")) as Partial<Holder>;
    if (typeof holder.pid !== "number" || typeof holder.host !== "string") return null;
    return { pid: holder.pid, host: holder.host, startedAt: String(holder.startedAt), token: String(holder.token) };
  } catch {
    return null;
  }
}

async function isAlive(holder: Holder, path: string): Promise<boolean> {
  if (holder.host !== hostname()) {
    const touchedAtMs = await stat(path).then((file) => file.mtimeMs, () => 0);
    return Date.now() - touchedAtMs < DEAD_AFTER_MS;
  }
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (systemCode(error) !== "EPERM") return false; // EPERM: alive, but another user's
  }
  return (await startOf(holder.pid)) === holder.startedAt;
}

/** When the process began, in the kernel's ticks; where there is no /proc the pid alone must do. */
async function startOf(pid: number): Promise<string> {
  try {
    const fields = (await readFile(`/proc/${pid}/stat`, "latin1")).split(") ").pop() ?? "";
    return fields.split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== "ENOENT") throw error;
}
