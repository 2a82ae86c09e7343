import type { Bearer, BridgeStats } from "@konferenco/bridge";
import type { OpenRequest, PeopleRequest } from "./bridge-process.ts";
import { startChild, type Child } from "./child.ts";
import type { ConnectAnswer, ConnectRequest } from "./clients-process.ts";

/** As the Dockerfile starts it (docs/operations.md#memory). */
export const BRIDGE_FLAGS = ["--max-semi-space-size=16", "--heap-growing-percent=30"];

/** What an attendee's page subscribes. */
export const SUBSCRIPTIONS = [
  { op: "sub", ch: "me" },
  { op: "sub", ch: "nearby" },
  { op: "sub", ch: "alerts" },
];

export interface BenchBridge {
  bridge: Child;
  port: number;
  tokens: string[];
}

/** A bridge with people, and a token for each of their devices: person n has the devices n·d to (n+1)·d−1. */
export async function openBenchBridge(options: {
  people: number;
  devicesPerPerson: number;
  role?: Bearer["role"];
  open?: OpenRequest;
  more?: Partial<PeopleRequest>;
}): Promise<BenchBridge> {
  const { people, devicesPerPerson, role = "attendee", open = {}, more = {} } = options;
  const bridge = startChild("bridge-process", ["--expose-gc", ...BRIDGE_FLAGS]);
  const port = await bridge.ask<number>("open", open);
  await bridge.ask("people", { seed: 1, count: people, ...more });
  const ofPeople = await tokensOf(bridge, Array.from({ length: people }, (_, index) => ({ role, personId: `p${index}` })));
  const tokens = Array.from({ length: Math.floor(people * devicesPerPerson) }, (_, device) => ofPeople[Math.floor(device / devicesPerPerson)] ?? "");
  return { bridge, port, tokens };
}

export function tokensOf(bridge: Child, bearers: Bearer[]): Promise<string[]> {
  return bridge.ask<string[]>("tokens", { bearers });
}

export async function openClients(request: ConnectRequest): Promise<Child> {
  const clients = startChild("clients-process");
  await clients.ask<ConnectAnswer>("connect", request);
  return clients;
}

/** Latencies of events of these types while `work` runs, and half a second longer for the last ones. */
export async function collectWhile<T>(clients: Child, types: string[], work: () => Promise<T>): Promise<{ result: T; latenciesMs: number[] }> {
  await clients.ask("collect", { types });
  const result = await work();
  await pause(500);
  const collected = await clients.ask<Record<string, Float64Array>>("collected");
  return { result, latenciesMs: Object.values(collected).flatMap((list) => [...list]) };
}

export function statsOf(bridge: Child): Promise<BridgeStats> {
  return bridge.ask<BridgeStats>("stats");
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A bench that measured nothing must not print a figure. */
export function expectMany(what: string, counted: number, expected: number): void {
  if (counted < expected * 0.99) throw new Error(`${what}: ${counted} of ${expected} arrived`);
}
