/** What was opened is closed in the reverse order, each once, even when one of them fails. */
export class Closers {
  readonly #closers: { name: string; close: () => Promise<unknown> }[] = [];

  add(name: string, close: () => Promise<unknown>): void {
    this.#closers.push({ name, close });
  }

  /** Rejects with the first failure, after all have been tried. */
  async close(): Promise<void> {
    let failure: Error | null = null;
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer.close();
      } catch (error) {
        failure ??= new Error(`closing ${closer.name}: ${(error as Error).message}`, { cause: error });
      }
    }
    if (failure !== null) throw failure;
  }
}

/** Resolves at the first SIGINT or SIGTERM, or after the duration. A second Ctrl-C ends the process at once. */
export function untilStopped(durationMs: number | null): Promise<"signal" | "duration"> {
  return new Promise((resolve) => {
    const timer = durationMs === null ? null : setTimeout(() => resolve("duration"), durationMs);
    const onSignal = () => {
      if (timer !== null) clearTimeout(timer);
      process.once("SIGINT", () => process.exit(130));
      resolve("signal");
    };
    process.once("SIGINT", onSignal);
    process.once("SIGTERM", onSignal);
  });
}
