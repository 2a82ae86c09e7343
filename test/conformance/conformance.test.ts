import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { WebSocket } from "ws";
import { CLIENT_ERRORS, CLOSE_CODES, MAX_CLIENT_FRAME_BYTES, SUBPROTOCOL, serverFrameSchema, type ClientEvent, type EventStamp, type ServerFrame } from "@konferenco/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openTestBridge, type TestBridge } from "../bridge/support/harness.ts";
import { readStream } from "../contract/transport.ts";
import { asyncApiProblems, payloadValidators, type PayloadValidator } from "../support/asyncapi-checks.ts";

/**
 * The client protocol as docs/wire-protocol.md promises it, asked of any server from outside:
 *
 *   KONFERENCO_CONFORMANCE_URL=http://venue:8080 KONFERENCO_CONFORMANCE_LOGIN=operator:password npx vitest run test/conformance
 *
 * The login must be an operator's; the suite sends a few alerts of severity "info". Without an address it asks a
 * bridge of its own.
 */
const { KONFERENCO_CONFORMANCE_URL: givenUrl, KONFERENCO_CONFORMANCE_LOGIN: givenLogin = "ops:correct horse" } = process.env;

let own: TestBridge | null = null;
let url = givenUrl ?? "";
let token = "";
let described: { document: object; validators: Map<string, PayloadValidator> };
const open: Client[] = [];

beforeAll(async () => {
  if (givenUrl === undefined) {
    own = await openTestBridge();
    url = own.bridge.url;
  }
  url = url.replace(/\/$/, "");
  const [login = "", ...password] = givenLogin.split(":");
  const answer = await rest("POST", "/api/v1/sessions", { login, password: password.join(":") });
  expect(answer.status, "the login of KONFERENCO_CONFORMANCE_LOGIN").toBe(201);
  token = (answer.body as { token: string }).token;
  const { status, body } = await rest("GET", "/asyncapi.json");
  expect(status, "GET /asyncapi.json").toBe(200);
  described = { document: body, validators: payloadValidators(body) };
});
afterEach(() => {
  for (const client of open.splice(0)) client.socket.terminate();
});
afterAll(() => own?.close());

async function rest(method: string, path: string, body?: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(token === "" ? {} : { Authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {} };
}

/** Every frame that any client of this suite gets is held against what the server says of itself, and against our schema: nothing missing, nothing besides. */
const misfits: string[] = [];
const opsSeen = new Set<string>();
function check(frame: unknown): void {
  const { op } = frame as { op: string };
  opsSeen.add(op);
  const validate = described.validators.get(`server.${op}`);
  if (validate === undefined) misfits.push(`not in /asyncapi.json: ${op}`);
  else if (!validate(frame)) misfits.push(`against /asyncapi.json: ${JSON.stringify(frame).slice(0, 300)}`);
  const parsed = serverFrameSchema.safeParse(frame);
  if (!parsed.success) misfits.push(`${JSON.stringify(frame).slice(0, 300)}: ${parsed.error.issues[0]?.message ?? ""}`);
  // Unions take the first that fits: of a batch and a snapshot each event is compared by itself.
  else if (!isDeepStrictEqual(parsed.data, frame)) misfits.push(`more than its schema: ${JSON.stringify(frame).slice(0, 300)}`);
}

class Client {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  readonly closed: Promise<number>;
  readonly opened: Promise<void>;
  cursor = "";
  probesAnswered = 0;
  #id = 0;

  constructor(subprotocols: string[] = [SUBPROTOCOL]) {
    open.push(this);
    this.socket = new WebSocket(`${url.replace(/^http/, "ws")}/events`, subprotocols);
    this.closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.opened = new Promise((resolve, reject) => this.socket.once("open", resolve).once("error", reject));
    this.opened.catch(() => {});
    this.socket.on("error", () => {});
    this.socket.on("message", (data: Buffer) => {
      if (data.length === 0) return void this.probesAnswered++;
      const frame = JSON.parse(data.toString()) as ServerFrame;
      check(frame);
      this.frames.push(frame);
      if ("c" in frame && frame.c !== undefined) this.cursor = frame.c;
    });
  }

  send(frame: object | string): void {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  async ask(frame: object): Promise<ServerFrame> {
    const id = ++this.#id;
    this.send({ ...frame, id });
    return this.frame((answer) => "re" in answer && answer.re === id);
  }

  async hello(resume?: string): Promise<ServerFrame> {
    await this.opened;
    return this.ask({ op: "hello", tok: token, ...(resume === undefined ? {} : { resume }) });
  }

  async frame(wanted: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    await expect.poll(() => this.frames.some(wanted), { timeout: 5_000, interval: 10 }).toBe(true);
    return this.frames.find(wanted) as ServerFrame;
  }

  get events(): (ClientEvent & EventStamp & { s: number })[] {
    return this.frames.flatMap((frame) => (frame.op === "ev" ? [frame] : frame.op === "b" ? frame.ev.map((event, index) => ({ ...event, s: frame.s + index })) : []));
  }
}

const newAlert = async (): Promise<string> => {
  const alertId = `conformance-${randomBytes(6).toString("hex")}`;
  const post = () => rest("POST", "/api/v1/alerts", { severity: "info", title: "Conformance", text: "A test of the protocol; nothing to do.", alertId });
  let answer = await post();
  for (; answer.status === 429; answer = await post()) await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(answer.status).toBe(201);
  return alertId;
};
const hasAlert = (client: Client, alertId: string) => client.events.some((event) => event.t === "alert" && event.d.alertId === alertId);
const channel = `app:conformance-${randomBytes(4).toString("hex")}`;

describe("a server of konferenco-v1", () => {
  it("speaks the sub-protocol, and refuses who offers only others", async () => {
    const client = new Client();
    await client.opened;
    expect(client.socket.protocol).toBe(SUBPROTOCOL);
    await expect(new Client(["something-else"]).opened).rejects.toThrow(/400/);
    expect((await rest("GET", "/events")).status).toBe(426);
  });

  it("answers hello with welcome, and closes who says anything else first, or shows a wrong token", async () => {
    const client = new Client();
    expect(await client.hello()).toMatchObject({ op: "welcome", re: 1, resumed: false, pingS: 30 });
    for (const [first, code] of [
      [{ op: "probe" }, CLOSE_CODES.protocolError],
      [{ op: "hello", id: 1, tok: "not.a.token" }, CLOSE_CODES.invalidToken],
      ["this is not JSON", CLOSE_CODES.protocolError],
    ] as const) {
      const other = new Client();
      await other.opened;
      other.send(first);
      expect(await other.closed).toBe(code);
    }
  });

  it("waits five seconds for hello", async () => {
    expect(await new Client().closed).toBe(CLOSE_CODES.helloTimeout);
  }, 15_000);

  it("tells what it does not know, or cannot do, in the band, with slug, number and whether to try again; and goes on", async () => {
    const client = new Client();
    await client.hello();
    await client.ask({ op: "sub", ch: "alerts" });
    for (const [frame, code] of [
      [{ op: "dance" }, "bad_request"],
      [{ op: "sub", ch: "no-such-channel" }, "unknown_channel"],
      [{ op: "sub", ch: "alerts" }, "already_subscribed"],
      [{ op: "sub", ch: "alerts", hz: 1_000 }, "bad_request"],
      [{ op: "auth", tok: "" }, "bad_request"],
      [{ op: "pub", t: "no/such", ch: channel, d: {} }, "bad_request"],
    ] as const) {
      expect(await client.ask(frame)).toMatchObject({ op: "err", code, n: CLIENT_ERRORS[code].number, retry: CLIENT_ERRORS[code].retry });
    }
    expect(await client.ask({ op: "unsub", ch: "alerts", unknownField: true })).toMatchObject({ op: "ok", ch: "alerts" });
  });

  it("answers an empty frame with an empty frame", async () => {
    const client = new Client();
    await client.hello();
    client.send("");
    client.send("");
    await expect.poll(() => client.probesAnswered, { timeout: 5_000, interval: 10 }).toBe(2);
    expect(await client.ask({ op: "sub", ch: "alerts" })).toMatchObject({ op: "ok" });
    const rude = new Client();
    await rude.opened;
    rude.send("");
    expect(await rude.closed).toBe(CLOSE_CODES.protocolError);
  });

  it("answers a probe with a ping, and takes ack and pong without a word", async () => {
    const client = new Client();
    await client.hello();
    client.send({ op: "ack", s: 0 });
    client.send({ op: "pong" });
    client.send({ op: "probe" });
    await client.frame((frame) => frame.op === "ping");
    expect(client.frames.filter((frame) => frame.op === "err")).toEqual([]);
    client.send({ op: "ack", s: 1_000_000 });
    expect(await client.frame((frame) => frame.op === "err")).toMatchObject({ code: "bad_request" });
  });

  it("closes with 1009 for a frame that is too large, and with 4501 for binary ones", async () => {
    const large = new Client();
    await large.hello();
    large.send("x".repeat(MAX_CLIENT_FRAME_BYTES + 1));
    expect(await large.closed).toBe(1009);
    const binary = new Client();
    await binary.hello();
    binary.socket.send(Buffer.from("{}"), { binary: true });
    expect(await binary.closed).toBe(CLOSE_CODES.protocolError);
  });

  it("renews a token on the live connection", async () => {
    const client = new Client();
    await client.hello();
    expect(await client.ask({ op: "auth", tok: token })).toMatchObject({ op: "ok" });
  });

  it("numbers events densely, gives each logged one an id that is the same for everybody, and a cursor that is never the same", async () => {
    const [one, two] = [new Client(), new Client()];
    for (const client of [one, two]) {
      await client.hello();
      expect(await client.ask({ op: "sub", ch: "alerts" })).toMatchObject({ op: "ok", ch: "alerts", snap: expect.any(Array), c: expect.any(String) });
    }
    const alertIds = [await newAlert(), await newAlert()];
    for (const client of [one, two]) {
      for (const alertId of alertIds) await expect.poll(() => hasAlert(client, alertId), { timeout: 5_000 }).toBe(true);
      expect(client.events.map((event) => event.s)).toEqual(client.events.map((_, index) => index + 1));
    }
    const idOf = (client: Client) => client.events.find((event) => event.t === "alert" && event.d.alertId === alertIds[0])?.i;
    expect(idOf(one)).toEqual(expect.any(String));
    expect(idOf(one)).toBe(idOf(two));
    expect(one.cursor).not.toBe(two.cursor);
  });

  it("goes on from a cursor: what was missed, once and in order, then caught; a cursor that is not its own is told", async () => {
    const before = new Client();
    await before.hello();
    await before.ask({ op: "sub", ch: "alerts" });
    const { cursor } = before;
    before.socket.terminate();
    const missed = [await newAlert(), await newAlert()];
    const after = new Client();
    expect(await after.hello(cursor)).toMatchObject({ op: "welcome", resumed: true });
    await after.ask({ op: "sub", ch: "alerts" });
    await after.frame((frame) => frame.op === "caught");
    expect(after.events.flatMap((event) => (event.t === "alert" && missed.includes(event.d.alertId) ? [event.d.alertId] : []))).toEqual(missed);
    const forged = new Client();
    expect(await forged.hello("forged")).toMatchObject({ op: "welcome", resumed: false, why: "cursor_invalid" });
  });

  it("carries messages of applications with an id, knows them by their key, and holds to rates and sizes", async () => {
    const [speaker, listener] = [new Client(), new Client()];
    await speaker.hello();
    await listener.hello();
    expect(await listener.ask({ op: "sub", ch: channel })).toMatchObject({ op: "ok", ch: channel });
    const say = (text: string, more: object = {}) => speaker.ask({ op: "pub", t: "chat/channel_message", ch: channel, d: { text }, ...more });
    const key = randomBytes(8).toString("hex");
    let first = await say("first", { key });
    if (first.op === "err" && first.code === "rate_limited") {
      // A run of a moment ago has used up this login's ten of a minute.
      await new Promise((resolve) => setTimeout(resolve, 61_000));
      first = await say("first", { key });
    }
    expect(first).toMatchObject({ op: "ok", mid: expect.any(String) });
    expect(await say("first", { key })).toMatchObject({ op: "ok", dup: true });
    expect(await say("x".repeat(4_096))).toMatchObject({ op: "err", code: "too_large" });
    for (let n = 2; n <= 10; n++) expect(await say(`n ${n}`)).toMatchObject({ op: "ok" });
    expect(await say("eleven")).toMatchObject({ op: "err", code: "rate_limited", retry: true, after: expect.any(Number) });
    await expect.poll(() => listener.events.filter((event) => event.t === "chat/channel_message").length, { timeout: 5_000 }).toBe(10);
  }, 90_000);

  it("shows an operator the venue, numbers of people and who is here", async () => {
    const client = new Client();
    await client.hello();
    for (const ch of ["venue", "occupancy", "presence"]) expect(await client.ask({ op: "sub", ch })).toMatchObject({ op: "ok", ch, snap: expect.any(Array) });
    // Numbers come each second to operators; what has moved meanwhile came before.
    await client.frame((frame) => (frame.op === "ok" && frame.ch === "occupancy" && frame.snap?.[0]?.t === "occupancy") || (frame.op === "ev" && frame.t === "occupancy"));
    expect(await client.ask({ op: "sub", ch: "me" })).toMatchObject({ op: "err", code: "forbidden" });
  });

  it("tells the same by server-sent events and by polling", async () => {
    const frames: ServerFrame[] = [];
    const stream = await readStream(`${url}/events?channels=alerts`, { Authorization: `Bearer ${token}` }, (frame) => {
      check(frame);
      frames.push(frame);
    });
    await expect.poll(() => frames.some((frame) => frame.op === "ok"), { timeout: 5_000 }).toBe(true);
    const first = await rest("GET", "/api/v1/poll?channels=alerts");
    const alertId = await newAlert();
    const isIt = (frame: ServerFrame) => (frame.op === "ev" && frame.t === "alert" && frame.d.alertId === alertId) || (frame.op === "b" && frame.ev.some((event) => event.t === "alert" && event.d.alertId === alertId));
    await expect.poll(() => frames.some(isIt), { timeout: 5_000 }).toBe(true);
    const second = await rest("GET", `/api/v1/poll?channels=alerts&cursor=${first.body["cursor"] as string}`);
    const polled = second.body["frames"] as ServerFrame[];
    polled.forEach(check);
    expect(polled.some(isIt)).toBe(true);
    stream.close();
  });

  it("describes itself as AsyncAPI, and every frame that it sent is as it says", () => {
    expect(asyncApiProblems(described.document)).toEqual([]);
    expect(misfits).toEqual([]);
    expect([...opsSeen]).toEqual(expect.arrayContaining(["welcome", "ok", "ev", "caught", "ping", "err"]));
    // A validator that takes anything would prove nothing.
    for (const op of opsSeen) expect(described.validators.get(`server.${op}`)?.({ op, s: "one" }), op).toBe(op === "caught" || op === "resync");
  });
});
