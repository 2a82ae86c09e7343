import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import {
  SUBPROTOCOL,
  venueMapSchema,
  type Alert,
  type ClientEvent,
  type Position,
  type PrivacyChange,
  type ProximityTransition,
  type Role,
  type ServerFrame,
  type VenueMap,
  type ZoneTransition,
} from "@konferenco/protocol";
import { KeyRing, emptyBatch, openEmbeddedStore, type CommitBatch, type Store } from "@konferenco/fusion";
import { openBridge, type Bridge, type BridgeConfig, type BridgeLimits, type ViewerRole } from "@konferenco/bridge";
import { newBreakableRegistry, type BreakableRegistry } from "./memory-registry.ts";

/** Two rooms side by side and a hall upstairs; 20 m rooms, so that 50 m covers each. */
export const venue: VenueMap = venueMapSchema.parse({
  venueId: "test-venue",
  floors: [
    { floor: 0, name: "ground" },
    { floor: 1, name: "upstairs" },
  ],
  zones: [
    { zoneId: "room-a", name: "Room A", kind: "room", floor: 0, polygons: [[[0, 0], [20, 0], [20, 20], [0, 20]]] },
    { zoneId: "room-b", name: "Room B", kind: "room", floor: 0, polygons: [[[20, 0], [40, 0], [40, 20], [20, 20]]] },
    { zoneId: "hall", name: "Hall", kind: "hall", floor: 1, polygons: [[[0, 0], [100, 0], [100, 60], [0, 60]]] },
  ],
  gateways: [{ gatewayId: "gw-1", xM: 10, yM: 10, floor: 0, zoneId: "room-a" }],
  tags: [{ tagId: "t-secret" }],
  notes: "keys are at the desk",
});

export interface TestBridge {
  bridge: Bridge;
  store: Store;
  registry: BreakableRegistry;
  alerts: Alert[];
  logged: object[];
  /** Moves the clock on which tokens, tickets and replays are judged; it runs with the real one otherwise. */
  skewMs(by: number): void;
  nowMs(): number;
  addPerson(personId: string, options?: { tagId?: string; role?: Role; consent?: boolean; settings?: PrivacyChange; connections?: string[]; interests?: string[] }): Promise<void>;
  commit(parts: Partial<CommitBatch>): Promise<void>;
  enter(tagId: string, zoneId?: string): Promise<void>;
  exit(tagId: string, zoneId?: string): Promise<void>;
  move(tagId: string, place?: Partial<Position>): Promise<void>;
  pair(tagA: string, tagB: string, transition?: "near" | "apart"): Promise<void>;
  client(role: ViewerRole, personId?: string | null, options?: ClientOptions): Promise<TestClient>;
  // What the API answers is what its tests look into, so it has no type here.
  // oxlint-disable-next-line typescript/no-explicit-any
  api(method: string, path: string, options?: ApiOptions): Promise<{ status: number; body: any; headers: Headers }>;
  close(): Promise<void>;
}

export interface ApiOptions {
  as?: { role: ViewerRole; personId: string | null };
  body?: unknown;
  text?: string;
  type?: string;
  headers?: Record<string, string>;
}

export async function openTestBridge(options: Partial<Omit<BridgeConfig, "limits">> & { limits?: Partial<BridgeLimits> } = {}): Promise<TestBridge> {
  let skewMs = 0;
  const nowMs = () => Date.now() + skewMs;
  const store = options.store ?? (await openEmbeddedStore({ eventId: "test", dataDir: null, keys: KeyRing.inMemory(), origin: { lat: 0, lon: 0, bearingDeg: 0 }, nowMs }));
  const registry = (options.registry as BreakableRegistry | undefined) ?? newBreakableRegistry();
  const alerts: Alert[] = [];
  const logged: object[] = [];
  const bridge = await openBridge({
    eventId: "test",
    host: "127.0.0.1",
    port: 0,
    venue,
    secret: randomBytes(48),
    logins: [
      { login: "ops", password: "correct horse", role: "operator", personId: null },
      { login: "screen", password: "battery staple", role: "display", personId: null },
    ],
    webRoot: null,
    publishAlert: async (alert) => {
      alerts.push(alert);
      await store.commit({ ...emptyBatch(), alerts: [alert] }, nowMs());
    },
    nowMs,
    log: (event) => logged.push(event),
    ...options,
    store,
    registry,
  });
  const commit = async (parts: Partial<CommitBatch>) => void (await store.commit({ ...emptyBatch(), ...parts }, nowMs()));
  const zone = (transition: ZoneTransition["transition"], tagId: string, zoneId: string): ZoneTransition => ({ transition, tagId, zoneId, floor: 0, atMs: nowMs(), confidence: 0.9 });
  const clients: TestClient[] = [];
  const self: TestBridge = {
    bridge,
    store,
    registry,
    alerts,
    logged,
    nowMs,
    skewMs: (by) => void (skewMs += by),
    async addPerson(personId, { tagId, role = "attendee", consent = true, settings, connections = [], interests = [] } = {}) {
      await registry.putPerson({
        profile: { personId, name: `Name of ${personId}`, role, company: "", interests, lookingFor: "", connections },
        consent: { given: consent, atMs: 1, version: "1" },
      });
      if (settings !== undefined) await registry.changeSettings(personId, settings);
      if (tagId !== undefined) await registry.assignTag(tagId, personId);
    },
    commit,
    enter: (tagId, zoneId = "room-a") => commit({ zoneTransitions: [zone("enter", tagId, zoneId)] }),
    exit: (tagId, zoneId = "room-a") => commit({ zoneTransitions: [zone("exit", tagId, zoneId)] }),
    move: (tagId, place = {}) =>
      commit({ positions: [{ tagId, atMs: nowMs(), xM: 3.3, yM: 4.4, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 0.4, confidence: 0.87, source: "beacon", zoneId: "room-a", ...place }] }),
    pair: (tagA, tagB, transition = "near") => commit({ proximityTransitions: [{ transition, tagA, tagB, atMs: nowMs(), distanceM: 1.7, confidence: 0.8 } satisfies ProximityTransition] }),
    async client(role, personId = null, clientOptions = {}) {
      const client = new TestClient(bridge, clientOptions);
      clients.push(client);
      await client.opened;
      if (clientOptions.hello !== false) await client.hello(clientOptions.token ?? (await bridge.issueToken({ role, personId })), clientOptions.resume);
      return client;
    },
    async api(method, path, { as, body, text, type, headers } = {}) {
      const token = as === undefined ? null : await bridge.issueToken(as);
      const response = await fetch(`${bridge.url}${path}`, {
        method,
        redirect: "manual",
        headers: {
          ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
          ...(body === undefined && text === undefined ? {} : { "Content-Type": type ?? "application/json" }),
          ...headers,
        },
        ...(text !== undefined ? { body: text } : body !== undefined ? { body: JSON.stringify(body) } : {}),
      });
      const answer = await response.text();
      let parsed: unknown = answer;
      try {
        parsed = JSON.parse(answer);
      } catch {
        // pages and metrics
      }
      return { status: response.status, body: parsed, headers: response.headers };
    },
    async close() {
      for (const client of clients) client.socket.terminate();
      await bridge.close();
      await store.close();
    },
  };
  return self;
}

export interface ClientOptions {
  hello?: boolean;
  token?: string;
  resume?: string;
  origin?: string;
  path?: string;
  subprotocol?: string | null;
  /** Acknowledge every event, as a good client does. */
  ack?: boolean;
}

export interface SeenEvent {
  s: number;
  i?: string;
  event: ClientEvent;
}

/** A client with no cleverness: it keeps what it gets, checks that `s` is dense, and waits for what a test names. */
export class TestClient {
  readonly socket: WebSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly frames: ServerFrame[] = [];
  readonly events: SeenEvent[] = [];
  readonly snapshots: ClientEvent[] = [];
  cursor: string | undefined;
  holes = 0;
  #id = 0;
  #nextS = 1;
  #waiters: { wanted: () => boolean; resolve: () => void }[] = [];
  readonly #ack: boolean;

  constructor(bridge: Bridge, { origin, path = "/events", subprotocol = SUBPROTOCOL, ack = true }: ClientOptions) {
    this.#ack = ack;
    this.socket = new WebSocket(`ws://127.0.0.1:${bridge.port}${path}`, subprotocol === null ? [] : [subprotocol], origin === undefined ? {} : { origin });
    this.opened = new Promise((resolve, reject) => this.socket.once("open", resolve).once("error", reject));
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => this.socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })));
    this.socket.on("error", () => {});
    this.socket.on("close", () => this.#wake());
    this.socket.on("message", (data: Buffer) => this.#receive(JSON.parse(data.toString()) as ServerFrame));
  }

  #receive(frame: ServerFrame): void {
    this.frames.push(frame);
    if ("c" in frame && frame.c !== undefined) this.cursor = frame.c;
    if (frame.op === "ok" && frame.snap !== undefined) this.snapshots.push(...frame.snap);
    if (frame.op === "ev") {
      const { op: _op, s, c: _c, ...event } = frame;
      this.#see(s, [event]);
    }
    if (frame.op === "b") this.#see(frame.s, frame.ev);
    this.#wake();
  }

  #see(firstS: number, events: (ClientEvent & { i?: string })[]): void {
    if (firstS !== this.#nextS) this.holes++;
    this.#nextS = firstS + events.length;
    events.forEach(({ i, ...event }, index) => this.events.push({ s: firstS + index, ...(i === undefined ? {} : { i }), event }));
    if (this.#ack) this.send({ op: "ack", s: this.#nextS - 1 });
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ wanted, resolve }) => {
      if (!wanted()) return true;
      resolve();
      return false;
    });
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  async hello(token: string, resume?: string): Promise<Extract<ServerFrame, { op: "welcome" }>> {
    const id = ++this.#id;
    this.send({ op: "hello", id, tok: token, ...(resume === undefined ? {} : { resume }) });
    return (await this.answer(id)) as Extract<ServerFrame, { op: "welcome" }>;
  }

  ask(frame: object): Promise<ServerFrame> {
    const id = ++this.#id;
    this.send({ ...frame, id });
    return this.answer(id);
  }

  subscribe(ch: string, more: object = {}): Promise<ServerFrame> {
    return this.ask({ op: "sub", ch, ...more });
  }

  async answer(id: number): Promise<ServerFrame> {
    const isAnswer = (frame: ServerFrame) => "re" in frame && frame.re === id;
    await this.until(() => this.frames.some(isAnswer));
    return this.frames.find(isAnswer) as ServerFrame;
  }

  /** Resolves when it is so; rejects with what was seen when the time is up. */
  async until(wanted: () => boolean, withinMs = 5_000): Promise<void> {
    if (wanted()) return;
    let timer: NodeJS.Timeout | undefined;
    try {
      await Promise.race([
        new Promise<void>((resolve) => this.#waiters.push({ wanted, resolve })),
        new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error(`not seen within ${withinMs} ms; last frames: ${JSON.stringify(this.frames.slice(-6)).slice(0, 1_500)}`)), withinMs);
        }),
      ]);
    } finally {
      clearTimeout(timer);
    }
  }

  async event(wanted: (event: ClientEvent) => boolean, withinMs?: number): Promise<SeenEvent> {
    await this.until(() => this.events.some(({ event }) => wanted(event)), withinMs);
    return this.events.find(({ event }) => wanted(event)) as SeenEvent;
  }

  /** Everything that was sent before this has arrived: the server answers in order. */
  async settled(): Promise<void> {
    const pings = () => this.frames.filter((frame) => frame.op === "ping").length;
    const before = pings();
    this.send({ op: "probe" });
    await this.until(() => pings() > before);
  }

  /** All that this client was ever told, as text: for tests that look for what must not be there. */
  get everything(): string {
    return JSON.stringify(this.frames);
  }
}
