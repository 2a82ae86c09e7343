import http from "node:http";
import { createHash } from "node:crypto";
import { WebSocket } from "ws";
import { openBridge, openEmbeddedRegistry, type Bridge, type Registry } from "@konferenco/bridge";
import { KeyRing, emptyBatch, openEmbeddedStore, type CommitBatch, type Store } from "@konferenco/fusion";
import { SUBPROTOCOL, venueMapSchema, type PrivacyChange, type Profile, type VenueMap } from "@konferenco/protocol";
import type { Point } from "./statistics.ts";

const EVENT_ID = "attacked";
const BEGAN_MS = Date.UTC(2026, 5, 1, 8);
/** Rooms of the hall, in metres: the anchors' zones of 20 x 20 m. */
export const ROOM_M = 20;

/** A hall of rooms in a grid, and small booths along its upper edge. */
export function hall({ columns = 5, rows = 3, booths = 0 }: { columns?: number; rows?: number; booths?: number } = {}): VenueMap {
  const square = (xM: number, yM: number, sideM: number) => [[[xM, yM], [xM + sideM, yM], [xM + sideM, yM + sideM], [xM, yM + sideM]]];
  const zones = [];
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) zones.push({ zoneId: `room-${column}-${row}`, name: `Room ${column} ${row}`, kind: "room", floor: 0, polygons: square(column * ROOM_M, row * ROOM_M, ROOM_M) });
  for (let booth = 0; booth < booths; booth++) zones.push({ zoneId: `booth-${booth}`, name: `Booth ${booth}`, kind: "booth", floor: 0, polygons: square(booth * 3, rows * ROOM_M, 3) });
  return venueMapSchema.parse({ venueId: "hall", floors: [{ floor: 0, name: "hall" }], zones, gateways: [{ gatewayId: "gw-1", xM: 0, yM: 0, floor: 0, zoneId: "room-0-0" }] });
}

export function roomAt({ xM, yM }: Point): string {
  return `room-${Math.floor(xM / ROOM_M)}-${Math.floor(yM / ROOM_M)}`;
}

export function secretOf(seed: string): Uint8Array {
  return createHash("sha512").update(seed).digest();
}

export interface Answer {
  status: number;
  /** Everything that an asker sees: status, headers without the date, body. */
  seen: string;
  body: string;
  tookMs: number;
}

/** The real bridge over the real store and registry, on a clock of its own. What attackers do goes through its public doors. */
export class World {
  readonly bridge: Bridge;
  readonly store: Store;
  readonly registry: Registry;
  readonly logged: object[];
  readonly keys: KeyRing;
  readonly #clock: { atMs: number };
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  readonly #tokens = new Map<string, { token: string; atMs: number }>();
  readonly #sockets: Socket[] = [];

  private constructor(parts: { bridge: Bridge; store: Store; registry: Registry; keys: KeyRing; logged: object[]; clock: { atMs: number } }) {
    this.bridge = parts.bridge;
    this.store = parts.store;
    this.registry = parts.registry;
    this.keys = parts.keys;
    this.logged = parts.logged;
    this.#clock = parts.clock;
  }

  static async open({ venue = hall(), dataDir = null, keysDir = null, seed, clock = { atMs: BEGAN_MS } }: { venue?: VenueMap; dataDir?: string | null; keysDir?: string | null; seed: string; clock?: { atMs: number } }): Promise<World> {
    const nowMs = () => clock.atMs;
    const logged: object[] = [];
    const secret = secretOf(seed);
    const keys = await KeyRing.open({ folder: keysDir, secret });
    const store = await openEmbeddedStore({ eventId: EVENT_ID, dataDir, keys, origin: { lat: 0, lon: 0, bearingDeg: 0 }, nowMs });
    const registry = await openEmbeddedRegistry({ dataDir, keys });
    const bridge = await openBridge({
      eventId: EVENT_ID,
      host: "127.0.0.1",
      port: 0,
      venue,
      store,
      registry,
      secret,
      logins: [],
      webRoot: null,
      publishAlert: async (alert) => void (await store.commit({ ...emptyBatch(), alerts: [alert] }, nowMs())),
      nowMs,
      log: (event) => logged.push(event),
      limits: { maxUpgradesPerS: 100_000, maxGreetingPerAddress: 10_000 },
    });
    return new World({ bridge, store, registry, keys, logged, clock });
  }

  get nowMs(): number {
    return this.#clock.atMs;
  }

  /** Time goes on; the bridge's own timers notice at their next turn. */
  pass(ms: number): void {
    this.#clock.atMs += ms;
  }

  /** The bridge's timers have run: they turn every 50 ms of the machine's clock. */
  async turn(ms = 120): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  async addPerson(personId: string, { consent = true, settings, tagId = `t-${personId}`, ...profile }: Partial<Omit<Profile, "personId">> & { consent?: boolean; settings?: PrivacyChange; tagId?: string | null } = {}): Promise<void> {
    await this.registry.putPerson({
      profile: { personId, name: personId, role: "attendee", company: "", interests: [], lookingFor: "", connections: [], ...profile },
      consent: { given: consent, atMs: 1, version: "1" },
    });
    if (settings !== undefined) await this.registry.changeSettings(personId, settings);
    if (tagId !== null) await this.registry.assignTag(tagId, personId);
  }

  async commit(parts: Partial<CommitBatch>): Promise<void> {
    await this.store.commit({ ...emptyBatch(), ...parts }, this.nowMs);
  }

  /** The venue has measured these people here. */
  async place(people: readonly { personId: string; at: Point; zoneId?: string | null }[]): Promise<void> {
    const atMs = this.nowMs;
    await this.commit({
      positions: people.map(({ personId, at, zoneId = roomAt(at) }) => ({ tagId: `t-${personId}`, atMs, ...at, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 0.9, source: "beacon" as const, zoneId })),
    });
  }

  async tokenOf(role: "operator" | "staff" | "display" | "attendee", personId: string | null): Promise<string> {
    const key = `${role} ${personId ?? ""}`;
    const known = this.#tokens.get(key);
    if (known !== undefined && this.nowMs - known.atMs < 6 * 3_600_000) return known.token;
    const token = await this.bridge.issueToken({ role, personId });
    this.#tokens.set(key, { token, atMs: this.nowMs });
    return token;
  }

  /** One call as that person. */
  async ask(personId: string, path: string, { method = "GET", body, role = "attendee" }: { method?: string; body?: object; role?: "operator" | "staff" | "display" | "attendee" } = {}): Promise<Answer> {
    const token = await this.tokenOf(role, personId === "" ? null : personId);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const beganMs = performance.now();
    return new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${token}`, ...(text === undefined ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) }) };
      const request = http.request({ host: "127.0.0.1", port: this.bridge.port, path, method, headers, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const answer = Buffer.concat(chunks).toString();
          const { date: _date, ...others } = response.headers;
          resolve({ status: response.statusCode ?? 0, body: answer, seen: `${response.statusCode} ${JSON.stringify(others)} ${answer}`, tookMs: performance.now() - beganMs });
        });
      });
      request.on("error", reject);
      request.end(text);
    });
  }

  /** People nearby, as the API answers. */
  async nearby(personId: string, query: string): Promise<{ personId: string; within: string }[]> {
    const { status, body } = await this.ask(personId, `/api/v1/nearby?${query}`);
    if (status !== 200) throw new Error(`nearby answered ${status} ${body}`);
    return (JSON.parse(body) as { people: { personId: string; within: string }[] }).people;
  }

  async socket(role: "operator" | "staff" | "display" | "attendee", personId: string | null, options: { resume?: string } = {}): Promise<Socket> {
    const socket = new Socket(this.bridge.port);
    this.#sockets.push(socket);
    await socket.hello(await this.tokenOf(role, personId), options.resume);
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.end();
    this.#agent.destroy();
    await this.bridge.close();
    await this.store.close();
    await this.registry.close();
    this.keys.close();
  }
}

type Frame = Readonly<Record<string, unknown>>;

/** A client with no cleverness: it keeps every frame. */
export class Socket {
  readonly frames: Frame[] = [];
  readonly #socket: WebSocket;
  readonly #opened: Promise<void>;
  #waiters: (() => void)[] = [];
  #id = 0;

  constructor(port: number) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/events`, [SUBPROTOCOL]);
    this.#opened = new Promise((resolve, reject) => this.#socket.once("open", resolve).once("error", reject));
    const wake = () => {
      for (const waiter of this.#waiters.splice(0)) waiter();
    };
    this.#socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      this.frames.push(frame);
      const s = frame["op"] === "b" ? Number(frame["s"]) + (frame["ev"] as unknown[]).length - 1 : frame["s"];
      if (typeof s === "number") this.send({ op: "ack", s });
      wake();
    });
    this.#socket.on("close", wake);
  }

  async hello(tok: string, resume?: string): Promise<void> {
    await this.#opened;
    await this.ask({ op: "hello", tok, ...(resume === undefined ? {} : { resume }) });
  }

  send(frame: object): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  async ask(frame: object): Promise<Frame> {
    const id = ++this.#id;
    this.send({ ...frame, id });
    return this.until((seen) => seen["re"] === id);
  }

  async until(wanted: (frame: Frame) => boolean, from = 0): Promise<Frame> {
    for (;;) {
      const found = this.frames.slice(from).find(wanted);
      if (found !== undefined) return found;
      if (this.#socket.readyState >= WebSocket.CLOSING) return { op: "closed" };
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Everything that was sent before this has arrived: the server answers in order. */
  async settled(): Promise<void> {
    const from = this.frames.length;
    this.send({ op: "probe" });
    await this.until((frame) => frame["op"] === "ping", from);
  }

  /** All events so far, batches unfolded. */
  events(from = 0): { t: string; at: number; d: Record<string, unknown>; i?: string }[] {
    return this.frames.slice(from).flatMap((frame) => (frame["op"] === "ev" ? [frame] : frame["op"] === "b" ? (frame["ev"] as Frame[]) : [])) as never;
  }

  get cursor(): string | undefined {
    return this.frames.findLast((frame) => typeof frame["c"] === "string")?.["c"] as string | undefined;
  }

  end(): void {
    this.#socket.terminate();
  }
}
