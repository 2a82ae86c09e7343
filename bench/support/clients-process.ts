import { answerQuestions, clockMs } from "./child.ts";
import { RawClient, type Listener } from "./raw-client.ts";

// The load generator: thousands of cheap clients in a process of their own.

/** Handshakes under way at once: what the bridge allows one address is 500. */
const AT_ONCE = 300;
/** A refused handshake (the bridge is starting, or says "later") is tried again. */
const RETRY_MS = 25;
const GIVE_UP_MS = 60_000;

export interface ConnectRequest {
  port: number;
  /** Client n takes token n, from the beginning again when there are fewer. */
  tokens: string[];
  /** Frames after `welcome`, without ids. */
  subs: object[];
  count: number;
  /** With the cursors of clients that are gone, by number. */
  resume?: boolean;
  /** A plain server's clients are ready when they are open. */
  plain?: boolean;
  /** Keep trying from now on, e.g. while the port does not listen yet. */
  patient?: boolean;
}

export interface ConnectAnswer {
  /** From the call, per client, until the last answer that it waited for. */
  readyAfterMs: Float64Array;
  /** Clock when the first handshake of this call succeeded. */
  firstOpenAtMs: number;
}

interface State {
  client: RawClient;
  owed: number;
  caught: boolean;
  ready: (() => void) | null;
  beganAtMs: number;
}

const states = new Map<RawClient, State>();
const clients: (RawClient | undefined)[] = [];
const cursors = new Map<number, string>();
let plan: ConnectRequest = { port: 0, tokens: [], subs: [], count: 0 };
let firstOpenAtMs = 0;
let keepCursors = false;
let collecting: Map<string, number[]> | null = null;
/** When each collected event came, beside how long it took. */
let stamps: { atMs: number[]; latencyMs: number[] } | null = null;
/** When frames with lane 3 came, in slots of 10 ms. */
let broadcastSlots: Set<number> | null = null;
const OP_EV = Buffer.from('{"op":"ev"');
const OP_B = Buffer.from('{"op":"b"');

const listener: Listener = {
  open(client) {
    if (firstOpenAtMs === 0) firstOpenAtMs = clockMs();
    const state = states.get(client);
    if (state === undefined) return;
    if (plan.plain === true) return ready(state);
    const token = plan.tokens[client.index % plan.tokens.length] ?? "";
    const cursor = plan.resume === true ? cursors.get(client.index) : undefined;
    client.send(JSON.stringify({ op: "hello", id: 1, tok: token, ...(cursor === undefined ? {} : { resume: cursor }) }));
    plan.subs.forEach((frame, index) => client.send(JSON.stringify({ ...frame, id: index + 2 })));
  },
  text(client, payload) {
    const isBatch = payload.subarray(0, OP_B.length).equals(OP_B);
    if (isBatch || payload.subarray(0, OP_EV.length).equals(OP_EV)) return onEvents(client, payload);
    const state = states.get(client);
    if (keepCursors) rememberCursor(client, payload);
    if (state?.ready === null || state === undefined) return;
    const text = payload.toString("latin1", 0, 24);
    if (text.startsWith('{"op":"ok"') || text.startsWith('{"op":"welcome"')) state.owed--;
    else if (text.startsWith('{"op":"caught"')) state.caught = true;
    else if (text.startsWith('{"op":"err"')) throw new Error(payload.toString("utf8"));
    if (state.owed === 0 && state.caught) ready(state);
  },
  closed(client) {
    const state = states.get(client);
    states.delete(client);
    if (clients[client.index] === client) clients[client.index] = undefined;
    state?.ready?.();
  },
};

function ready(state: State): void {
  const tell = state.ready;
  state.ready = null;
  tell?.();
}

function rememberCursor(client: RawClient, payload: Buffer): void {
  const from = payload.indexOf('"c":"');
  if (from === -1) return;
  cursors.set(client.index, payload.toString("latin1", from + 5, payload.indexOf('"', from + 5)));
}

function onEvents(client: RawClient, payload: Buffer): void {
  const nowMs = clockMs();
  if (keepCursors) rememberCursor(client, payload);
  if (collecting === null && broadcastSlots === null) return;
  const text = payload.toString("latin1", 0, payload.length);
  // Every event begins with its type and time: {"i":…,"st":…,"t":"zone.enter","at":1731234567890.25,…
  for (let at = text.indexOf('"t":"'); at !== -1; at = text.indexOf('"t":"', at + 5)) {
    const end = text.indexOf('"', at + 5);
    const type = text.slice(at + 5, end);
    if (type === "occupancy" || type === "gateway") broadcastSlots?.add(Math.floor(nowMs / 10));
    const list = collecting?.get(type);
    if (list === undefined) continue;
    const latencyMs = nowMs - Number.parseFloat(text.slice(end + 7, end + 32));
    list.push(latencyMs);
    stamps?.atMs.push(nowMs);
    stamps?.latencyMs.push(latencyMs);
  }
}

/** Opens one client and resolves true when it is ready; false when it was refused or lost. */
function open(index: number): Promise<boolean> {
  return new Promise((resolve) => {
    const client = new RawClient(index, plan.port, listener, plan.plain === true ? "/" : "/events");
    const done = () => resolve(state.ready === null);
    const state: State = { client, owed: plan.subs.length + 1, caught: plan.resume !== true, ready: done, beganAtMs: clockMs() };
    states.set(client, state);
    clients[index] = client;
  });
}

answerQuestions({
  async connect(request: ConnectRequest): Promise<ConnectAnswer> {
    plan = request;
    firstOpenAtMs = 0;
    const beganAtMs = clockMs();
    const readyAfterMs = new Float64Array(request.count);
    const offset = request.resume === true ? 0 : clients.length;
    let next = 0;
    const worker = async () => {
      while (next < request.count) {
        const index = next++;
        while (!(await open(offset + index))) {
          if (clockMs() - beganAtMs > GIVE_UP_MS) throw new Error("a client could not connect within a minute");
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
        readyAfterMs[index] = clockMs() - beganAtMs;
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, request.count) }, worker));
    return { readyAfterMs, firstOpenAtMs };
  },
  /** From now on: how long events of these types were on their way. */
  collect({ types }: { types: string[] }) {
    collecting = new Map(types.map((type) => [type, []]));
  },
  collected(): Record<string, Float64Array> {
    const all = Object.fromEntries([...(collecting ?? [])].map(([type, list]) => [type, Float64Array.from(list)]));
    collecting = null;
    return all;
  },
  timestamps() {
    stamps = { atMs: [], latencyMs: [] };
  },
  stamped: () => ({ atMs: Float64Array.from(stamps?.atMs ?? []), latencyMs: Float64Array.from(stamps?.latencyMs ?? []) }),
  watchBroadcasts() {
    broadcastSlots = new Set();
  },
  broadcasts(): number[] {
    return [...(broadcastSlots ?? [])];
  },
  keepCursors() {
    keepCursors = true;
  },
  open: () => clients.reduce((sum, client) => sum + (client?.isOpen === true ? 1 : 0), 0),
  /** They stop reading, as a hanging page or a phone in a lift does. */
  stall({ count }: { count: number }) {
    for (const client of clients.slice(0, count)) client?.socket.pause();
  },
  /** What those from `from` on have measured is all that counts: the stalled ones measure their own stall. */
  bytes: () => clients.reduce((sum, client) => ({ received: sum.received + (client?.receivedBytes ?? 0), sent: sum.sent + (client?.sentBytes ?? 0) }), { received: 0, sent: 0 }),
  /** Every client sends this every so often, spread over the time. */
  say({ text, everyMs }: { text: string; everyMs: number }) {
    let turn = 0;
    const step = Math.max(1, Math.floor(everyMs / 50));
    setInterval(() => {
      turn++;
      for (let index = turn % step; index < clients.length; index += step) clients[index]?.send(text);
    }, 50);
  },
  async disconnect() {
    const gone = [...states.keys()].map((client) => new Promise<void>((resolve) => client.socket.once("close", () => resolve())));
    for (const client of states.keys()) client.destroy();
    await Promise.all(gone);
    clients.length = 0;
  },
});
