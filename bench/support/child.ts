import { fork, type ChildProcess } from "node:child_process";
import path from "node:path";
import { performance } from "node:perf_hooks";

/** A process of a bench: it answers questions over Node's own channel. */
export interface Child {
  readonly pid: number;
  /** Rejects when there is no answer within `withinMs`, 5 minutes if it is not said. */
  ask<T>(question: string, given?: object, withinMs?: number): Promise<T>;
  /** SIGKILL, as a power cut does; resolves when it is gone. */
  kill(): Promise<void>;
}

interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

const PATIENCE_MS = 300_000;

/** Starts `support/<script>.js`. It ends with us, whatever happens. */
export function startChild(script: string, execArgv: string[] = []): Child {
  const child: ChildProcess = fork(path.join(import.meta.dirname, `${script}.js`), [], { execArgv, serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  const orphan = () => child.kill("SIGKILL");
  process.once("exit", orphan);
  let nextId = 1;
  const gone = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      process.removeListener("exit", orphan);
      for (const { reject } of waiting.values()) reject(new Error(`${script} ended (${signal ?? code})`));
      waiting.clear();
      resolve();
    });
  });
  child.on("message", ({ id, value, error }: Answer) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(value as never);
    else asked?.reject(new Error(`${script}: ${error}`));
  });
  return {
    pid: child.pid ?? 0,
    ask: (question, given = {}, withinMs = PATIENCE_MS) =>
      new Promise((resolve, reject) => {
        const id = nextId++;
        const late = setTimeout(() => {
          waiting.delete(id);
          reject(new Error(`${script} has not answered "${question}" within ${withinMs / 1_000} s`));
        }, withinMs);
        const inTime = <V>(settle: (value: V) => void) => (value: V) => (clearTimeout(late), settle(value));
        waiting.set(id, { resolve: inTime(resolve), reject: inTime(reject) });
        child.send({ id, question, given }, (error) => {
          if (error === null || error === undefined) return;
          waiting.delete(id);
          inTime(reject)(error);
        });
      }),
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** What a child does with each question. Ends when its parent does. */
export function answerQuestions(questions: Record<string, (given: never) => unknown>): void {
  process.on("message", ({ id, question, given }: { id: number; question: string; given: object }) => {
    Promise.resolve()
      .then(() => {
        const handle = questions[question];
        if (handle === undefined) throw new Error(`no question "${question}"`);
        return handle(given as never);
      })
      .then(
        (value) => process.send?.({ id, value }),
        (error: unknown) => process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      );
  });
  process.once("disconnect", () => process.exit());
}

/** Milliseconds since 1970 with fractions, the same clock in all processes of a machine. */
export function clockMs(): number {
  return performance.timeOrigin + performance.now();
}
