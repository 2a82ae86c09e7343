import { spawn, spawnSync, type ChildProcess } from "node:child_process";

// Debian's own MQTT clients: what an operator has at hand, and not our library talking to our broker.

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Throws one line that names the remedy when the clients are not installed. */
export function requireMosquitto(): void {
  for (const name of ["mosquitto_pub", "mosquitto_sub"]) {
    if (spawnSync(name, ["--help"]).error !== undefined) throw new Error(`${name} is not on the PATH: apt-get install mosquitto-clients`);
  }
}

/** Runs one line of shell, as it stands in a document, with these variables. */
export function runLine(line: string, variables: Record<string, string>): Promise<Finished> {
  return finish(spawn("sh", ["-c", line], { env: { ...process.env, ...variables } }));
}

export function mosquittoPub(args: string[]): Promise<Finished> {
  return finish(spawn("mosquitto_pub", args));
}

export interface RunningSub {
  /** Resolves when the broker has granted or refused the subscription. */
  subscribed: Promise<void>;
  finished: Promise<Finished>;
  stop(): void;
}

/** mosquitto_sub with `-d`, which says on stdout when the subscription is answered. */
export function mosquittoSub(args: string[]): RunningSub {
  // stdbuf: a pipe is block-buffered, and the answer would be seen only when the program ends.
  const child = spawn("stdbuf", ["-oL", "mosquitto_sub", "-d", ...args]);
  const finished = finish(child);
  const subscribed = new Promise<void>((resolve) => {
    child.stdout.on("data", (text: Buffer) => {
      if (/SUBACK|Subscribed/.test(text.toString())) resolve();
    });
    void finished.then(() => resolve());
  });
  return { subscribed, finished, stop: () => child.kill() };
}

function finish(child: ChildProcess): Promise<Finished> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (text: Buffer) => (stdout += text.toString()));
  child.stderr?.on("data", (text: Buffer) => (stderr += text.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
