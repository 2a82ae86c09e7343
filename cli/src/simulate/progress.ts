import { BrokerUnreachable } from "@konferenco/simulators";

/** How a long command shows where it is: one line that changes on a terminal, one JSON line per second elsewhere. */
export interface Progress {
  show(figures: Record<string, number | string>): void;
  /** The last line, always JSON: what came out of the run. */
  end(figures: Record<string, unknown>): void;
}

export function newProgress(out: NodeJS.WriteStream = process.stdout): Progress {
  let shownAtMs = -Infinity;
  return {
    show(figures) {
      const nowMs = performance.now();
      // A terminal may change often; a log gets a line a second (950 ms: timers are late, never early by much).
      if (nowMs - shownAtMs < (out.isTTY ? 100 : 950)) return;
      shownAtMs = nowMs;
      if (!out.isTTY) out.write(`${JSON.stringify(figures)}\n`);
      else out.write(`\r\u001b[2K${Object.entries(figures).map(([name, value]) => `${name} ${value}`).join(" · ")}`);
    },
    end(figures) {
      if (out.isTTY) out.write("\r\u001b[2K");
      out.write(`${JSON.stringify(figures)}\n`);
    },
  };
}

/** Ctrl-C and a supervisor's SIGTERM, as something to ask for and to wait on. */
export interface Interrupt {
  happened(): boolean;
  /** Calls every second until it returns true or the user interrupts. */
  everySecond(step: () => boolean): Promise<void>;
  forget(): void;
}

export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  return {
    happened: () => controller.signal.aborted,
    everySecond: (step) =>
      new Promise((resolve, reject) => {
        const timer = setInterval(() => {
          try {
            if (step()) finish();
          } catch (error) {
            clearInterval(timer);
            reject(error);
          }
        }, 1_000);
        const finish = (): void => {
          clearInterval(timer);
          controller.signal.removeEventListener("abort", finish);
          resolve();
        };
        if (controller.signal.aborted) finish();
        else controller.signal.addEventListener("abort", finish);
      }),
    forget() {
      process.removeListener("SIGINT", stop);
      process.removeListener("SIGTERM", stop);
    },
  };
}

/** Exit code 3: the broker cannot be reached; one line says so. Settings that cannot be used are 2, bugs 1 (main.ts). */
export async function withBrokerFaults(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof BrokerUnreachable)) throw error;
    process.stderr.write(`konferenco: ${error.message}\n`);
    process.exitCode = 3;
  }
}
