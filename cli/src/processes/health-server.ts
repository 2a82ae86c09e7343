import http from "node:http";
import { newExposition, type Exposition } from "@konferenco/bridge";
import { ConfigError } from "@konferenco/protocol";

/** For processes that serve nothing else: `GET /metrics`, and all else is `/health`: 200 with the figures, or 503 while `health` rejects. */
export async function openHealthServer(options: { host: string; port: number; health: () => Promise<object>; expose?: (exposition: Exposition) => void }): Promise<{ port: number; close(): Promise<void> }> {
  const exposition = newExposition();
  options.expose?.(exposition);
  const server = http.createServer((request, response) => {
    if (request.url === "/metrics") {
      void exposition.text().then((text) => {
        response.writeHead(200, { "content-type": exposition.type, "cache-control": "no-store" });
        response.end(text);
      });
      return;
    }
    options.health().then(
      (figures) => respond(response, 200, { status: "ok", ...figures }),
      (error: Error) => respond(response, 503, { status: "unavailable", detail: error.message }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "EADDRINUSE" ? new ConfigError(`port ${options.port} is taken: choose another with --health-port (0 picks a free one)`) : error),
    );
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function respond(response: http.ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}
