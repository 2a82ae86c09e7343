import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { temporaryFolder } from "./files.ts";

/** A Redis of one's own on loopback and a free port, append-only, synced once a second: as docker-compose.yml runs it. */
export async function startRedis(): Promise<{ url: string; stop(): Promise<void> }> {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, "close");
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--dir", temporaryFolder("redis"), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning"];
  const server = spawn("redis-server", settings, { stdio: ["ignore", "ignore", "inherit"] });
  const orphan = () => server.kill("SIGKILL");
  process.once("exit", orphan);
  await new Promise<void>((resolve, reject) => {
    server.once("spawn", resolve);
    server.once("error", () => reject(new Error("redis-server is not on the PATH: apt-get install redis-server")));
  });
  for (let attempt = 0; !(await answers(port)); attempt++) {
    if (attempt > 100) throw new Error("redis-server does not answer");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      const exited = once(server, "exit");
      server.kill("SIGKILL");
      await exited;
      process.removeListener("exit", orphan);
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}
