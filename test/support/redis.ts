import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

export interface TestRedis {
  url: string;
  port: number;
  /** Ends it in order, and removes its folder. */
  stop(): Promise<void>;
  /** SIGKILL, as a power cut does. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder. With `keepData: false` on an empty folder. */
  restart(options?: { keepData?: boolean }): Promise<void>;
  /** SIGSTOP and SIGCONT: a server that is there and does not answer. */
  freeze(): void;
  thaw(): void;
  /** The folder of its append-only file. */
  folder(): string;
}

export interface TestRedisOptions {
  /** Append-only file, synced with every write: nothing acknowledged is lost. Off: a restart forgets everything. */
  durable?: boolean;
  password?: string;
}

/** A Redis server of one's own, on loopback, a free port and a temporary folder. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  let folder = await mkdtemp(join(tmpdir(), "konferenco-redis-"));
  const port = await freePort();
  const url = options.password === undefined ? `redis://127.0.0.1:${port}` : `redis://:${options.password}@127.0.0.1:${port}`;
  let server = await launch(port, folder, options);

  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGCONT"); // a frozen process takes no other signal
    server.kill(signal);
    await exited;
  };

  return {
    url,
    port,
    folder: () => folder,
    async stop() {
      await end("SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
    kill: () => end("SIGKILL"),
    async restart({ keepData = true } = {}) {
      await end("SIGKILL");
      if (!keepData) {
        await rm(folder, { recursive: true, force: true });
        folder = await mkdtemp(join(tmpdir(), "konferenco-redis-"));
      }
      server = await launch(port, folder, options);
    },
    freeze: () => void server.kill("SIGSTOP"),
    thaw: () => void server.kill("SIGCONT"),
  };
}

async function launch(port: number, folder: string, options: TestRedisOptions): Promise<ChildProcess> {
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--daemonize", "no", "--loglevel", "warning"];
  settings.push("--appendonly", options.durable === true ? "yes" : "no", "--appendfsync", "always");
  if (options.password !== undefined) settings.push("--requirepass", options.password);
  const server = spawn("redis-server", settings, { stdio: ["ignore", "ignore", "inherit"] });
  // A test run that dies must not leave servers behind.
  const orphan = () => server.kill("SIGKILL");
  process.once("exit", orphan);
  server.once("exit", () => process.removeListener("exit", orphan));
  await new Promise<void>((resolve, reject) => {
    server.once("spawn", resolve);
    server.once("error", () => reject(new Error("redis-server is not on the PATH: apt-get install redis-server")));
  });
  const probe = new Redis({ host: "127.0.0.1", port, ...(options.password === undefined ? {} : { password: options.password }), retryStrategy: () => 20, maxRetriesPerRequest: 500 });
  probe.on("error", () => undefined); // not listening yet
  try {
    await Promise.race([
      probe.ping(),
      once(server, "exit").then(() => {
        throw new Error(`redis-server ended at once; is port ${port} taken?`);
      }),
    ]);
  } finally {
    probe.disconnect();
  }
  return server;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
