import net from "node:net";
import { once } from "node:events";

/** A network between a page and the bridge that can fall silent without a word, as Wi-Fi does at the edge of a hall. */
export interface FaultyLink {
  port: number;
  /** From now on nothing passes, and nothing says so. */
  fallSilent(): void;
  /** What is connected now is cut off; who comes again gets through. */
  cut(): void;
  close(): Promise<void>;
}

export async function openFaultyLink(toPort: number): Promise<FaultyLink> {
  const sockets = new Set<net.Socket>();
  let isSilent = false;
  const server = net.createServer((near) => {
    const far = net.connect(toPort, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from);
      from.on("data", (chunk) => isSilent || to.write(chunk));
      from.on("close", () => isSilent || to.destroy());
      from.on("error", () => {});
    }
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    fallSilent: () => (isSilent = true),
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
