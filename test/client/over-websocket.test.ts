import { once } from "node:events";
import fs from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { connect, type ConnectionState, type ConnectOptions, type DeliveredEvent, type KonferencoClient } from "@konferenco/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { alertEvent } from "./support/fake-world.ts";

// The client in Node over real sockets: what the fakes cannot show is that `ws` fits and that TCP's ends are noticed.

interface Served {
  url: string;
  /** Every connection's socket, in order of arrival. */
  sockets: WebSocket[];
  /** What clients sent, in order of arrival. */
  frames: Record<string, unknown>[];
  close(): Promise<void>;
}

async function serve(port = 0): Promise<Served> {
  const server = new WebSocketServer({ host: "127.0.0.1", port, handleProtocols: () => "konferenco-v1" });
  await once(server, "listening");
  const sockets: WebSocket[] = [];
  const frames: Record<string, unknown>[] = [];
  server.on("connection", (socket) => {
    sockets.push(socket);
    socket.on("message", (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as Record<string, unknown>;
      frames.push(frame);
      if (frame["op"] === "hello") {
        socket.send(JSON.stringify({ op: "welcome", re: frame["id"], sid: "c1", ttlS: 3600, pingS: 30, now: 0, epoch: "e", resumed: "resume" in frame, who: { personId: null, role: "staff" } }));
      } else if (typeof frame["id"] === "number") {
        socket.send(JSON.stringify({ op: "ok", re: frame["id"], ch: frame["ch"] }));
      }
    });
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    sockets,
    frames,
    async close() {
      for (const socket of sockets) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let served: Served;
let client: KonferencoClient | null = null;

beforeEach(async () => {
  served = await serve();
});

afterEach(async () => {
  client?.close();
  await served.close();
});

function open(options: Partial<ConnectOptions> = {}): { states: ConnectionState[]; events: DeliveredEvent[]; client: KonferencoClient } {
  const states: ConnectionState[] = [];
  const events: DeliveredEvent[] = [];
  client = connect({ url: served.url, token: "t", WebSocket, channels: [{ ch: "alerts" }], onState: (state) => states.push(state), onEvent: (event) => events.push(event), ...options });
  return { states, events, client };
}

describe("in Node, over a real WebSocket", () => {
  it("connects, receives and acknowledges", async () => {
    const { events } = open();
    await vi.waitFor(() => expect(served.frames.map((frame) => frame["op"])).toEqual(["hello", "sub"]));
    served.sockets[0]?.send(JSON.stringify({ op: "ev", s: 1, ...alertEvent("Lunch is served") }));
    await vi.waitFor(() => expect(events).toMatchObject([{ t: "alert", d: { title: "Lunch is served" } }]));
    await vi.waitFor(() => expect(served.frames).toContainEqual({ op: "ack", s: 1 }));
  });

  it("a server that restarts on its port is found again, and asked to go on where it was", async () => {
    const { states, events, client } = open();
    await vi.waitFor(() => expect(states.at(-1)?.kind).toBe("live"));
    served.sockets[0]?.send(JSON.stringify({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") }));
    await vi.waitFor(() => expect(events).toHaveLength(1));
    const port = Number(new URL(served.url).port);
    await served.close();
    await vi.waitFor(() => expect(states.at(-1)?.kind).toBe("reconnecting"));
    served = await serve(port);
    await vi.waitFor(() => expect(states.at(-1)?.kind).toBe("live"), 5_000);
    expect(served.frames[0]).toMatchObject({ op: "hello", resume: "cursor-1" });
    expect(client.stats()).toMatchObject({ connections: 2, losses: 1, holes: 0 });
  });

  it("a server that is not there is a reconnecting state, not an exception", async () => {
    await served.close();
    const { states } = open();
    await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ kind: "reconnecting", attempt: 1 }));
  });

  it("without a WebSocket to be had it says what to pass", () => {
    const own = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
    Reflect.deleteProperty(globalThis, "WebSocket");
    try {
      expect(() => connect({ url: served.url, token: "t", channels: [], onState: () => {}, onEvent: () => {} })).toThrow('import { WebSocket } from "ws"');
    } finally {
      if (own !== undefined) Object.defineProperty(globalThis, "WebSocket", own);
    }
  });
});

it("the client asks for nothing at run time but itself", () => {
  const folder = path.resolve(import.meta.dirname, "../../client/src");
  const sources = fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), "utf8"));
  // Imports of types vanish when it is built; every other one must stay inside the package.
  const runTime = sources.flatMap((text) => [...text.matchAll(/^(?:import|export)(?! type)[^;]*from "([^"]+)"/gm)].map((match) => match[1] as string));
  expect(runTime.length).toBeGreaterThan(5);
  expect(runTime.filter((name) => !name.startsWith("./"))).toEqual([]);
});
