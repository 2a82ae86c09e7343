import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

/** The built command, run as a process of its own: what a user types. */
const program = path.resolve(import.meta.dirname, "../../cli/dist/main.js");

export interface Run {
  process: ChildProcess;
  /** All that came so far. */
  stdout(): string;
  stderr(): string;
  /** The first JSON line that fits, as soon as it is there; rejects when the process ends without. */
  line<T = Record<string, unknown>>(fits: (line: Record<string, unknown>) => boolean, stream?: "stdout" | "stderr"): Promise<T>;
  exited: Promise<number | null>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

/** Starts `konferenco …`; it is ended with the test, should it still run. */
export function konferenco(args: string[], options: { env?: Record<string, string>; cwd?: string } = {}): Run {
  if (!fs.existsSync(program)) throw new Error(`${program} is not built: run "npm run build" first (npm test does)`);
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd ?? os.tmpdir(),
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out = { stdout: "", stderr: "" };
  const waiting = new Set<() => void>();
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      out[stream] += text;
      for (const look of waiting) look();
    });
  }
  const exited = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      resolve(code);
      for (const look of waiting) look();
    });
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
  });
  return {
    process: child,
    stdout: () => out.stdout,
    stderr: () => out.stderr,
    line: (fits, stream = "stdout") =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = jsonLines(out[stream]).find(fits);
          if (found === undefined && child.exitCode === null && child.signalCode === null) return;
          waiting.delete(look);
          if (found !== undefined) resolve(found as never);
          else reject(new Error(`konferenco ${args.join(" ")} ended with ${child.exitCode} before the line came:\n${out.stdout}\n${out.stderr}`));
        };
        waiting.add(look);
        look();
      }),
    exited,
    async stop() {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** An empty folder that goes with the test, and with it the keys that an installation there keeps beside it. */
export function temporaryFolder(name: string): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `konferenco-${name}-`));
  onTestFinished(() => {
    for (const place of [folder, `${folder}.keys`]) fs.rmSync(place, { recursive: true, force: true });
  });
  return folder;
}
