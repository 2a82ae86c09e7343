import { connect, type ConnectionState, type ConnectOptions, type DeliveredEvent, type KonferencoClient } from "@konferenco/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "../../client/src/surroundings.ts";
import { alertEvent } from "./support/fake-world.ts";
import { openHttpDoor, type HttpDoorServer } from "./support/http-door.ts";

// The ways round a blocked WebSocket, over real HTTP. Waits are made a twentieth, so that a minute is three seconds.

let door: HttpDoorServer;
let client: KonferencoClient | null = null;

beforeEach(async () => {
  door = await openHttpDoor();
});

afterEach(async () => {
  client?.close();
  await door.close();
});

const quick = { ...systemClock, setTimer: (run: () => void, afterMs: number) => setTimeout(run, afterMs / 20) };

function open(options: Partial<ConnectOptions> = {}): { states: ConnectionState[]; events: DeliveredEvent[]; client: KonferencoClient } {
  const states: ConnectionState[] = [];
  const events: DeliveredEvent[] = [];
  const opened = connect({ url: door.url, token: "t-1", WebSocket, channels: [{ ch: "alerts" }], onState: (state) => states.push(state), onEvent: (event) => events.push(event), clock: quick, ...options });
  client = opened;
  return { states, events, client: opened };
}

const by = (way: string): unknown[] => door.heard.flatMap((heard) => (heard.by === way ? [heard.frame["op"]] : []));
const titles = (events: DeliveredEvent[]): string[] => events.flatMap((event) => (event.t === "alert" ? [event.d.title] : []));

describe("where WebSocket is blocked", () => {
  it("events come by a stream, calls and acknowledgements go by requests, the token in a header and never in the address", async () => {
    door.allow.websocket = false;
    const { client, events } = open();
    await vi.waitFor(() => expect(client.stats().wire).toBe("sse"));
    await vi.waitFor(() => expect(by("sse")).toEqual(["hello", "sub"]));
    door.say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("Lunch ist serviert: Käse") });
    await vi.waitFor(() => expect(titles(events)).toEqual(["Lunch ist serviert: Käse"]));
    // That it has arrived, the stream's own transport says.
    expect(by("sse")).not.toContain("ack");
    await client.setPrivacy({ level: "hidden" });
    expect(new Set(door.tokens)).toEqual(new Set(["Bearer t-1"]));
  });

  it("a stream that breaks goes on from its cursor, by a stream", async () => {
    door.allow.websocket = false;
    const { client, events } = open();
    await vi.waitFor(() => expect(by("sse")).toEqual(["hello", "sub"]));
    door.say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") });
    await vi.waitFor(() => expect(titles(events)).toEqual(["a"]));
    door.breakStreams();
    await vi.waitFor(() => expect(door.heard).toContainEqual({ by: "sse", frame: { op: "hello", resume: "cursor-1" } }));
    await vi.waitFor(() => expect(client.state().kind).toBe("live"));
    expect(client.stats()).toMatchObject({ losses: 1, holes: 0, wire: "sse" });
  });

  it("where streams are blocked too it asks again and again, and gets each event once and in order", async () => {
    door.allow.websocket = false;
    door.allow.sse = false;
    const { client, events } = open();
    await vi.waitFor(() => expect(client.stats().wire).toBe("polling"));
    await vi.waitFor(() => expect(door.heard.at(-1)?.frame).toMatchObject({ op: "poll", channels: ["alerts"], cursor: "c0" }));
    door.say({ op: "ev", ...alertEvent("a") });
    door.say({ op: "ev", ...alertEvent("b") });
    await vi.waitFor(() => expect(titles(events)).toEqual(["a", "b"]));
    door.say({ op: "ev", ...alertEvent("c") });
    await vi.waitFor(() => expect(titles(events)).toEqual(["a", "b", "c"]));
    expect(events.map((event) => event.s)).toEqual([1, 2, 3]);
    expect(client.stats()).toMatchObject({ holes: 0, duplicates: 0 });
  });

  it("by polling a change and a message go to the API, and a channel is one more in the question", async () => {
    door.allow.websocket = false;
    door.allow.sse = false;
    const { client } = open();
    await vi.waitFor(() => expect(client.stats().wire).toBe("polling"));
    await client.setPrivacy({ level: "hidden" });
    await client.publish({ t: "chat/channel_message", ch: "app:lobby", body: { text: "hi" }, key: "k1" });
    await client.subscribe({ ch: "occupancy" });
    const said = door.heard.flatMap(({ frame }) => (frame["op"] === "poll" ? [] : [frame]));
    expect(said).toMatchObject([
      { op: "PATCH /api/v1/me/privacy", body: { level: "hidden" } },
      { op: "POST /api/v1/messages", body: { type: "chat/channel_message", to: { type: "channel", id: "app:lobby" }, payload: { text: "hi" }, idempotency_key: "k1" } },
    ]);
    await vi.waitFor(() => expect(door.heard.at(-1)?.frame).toMatchObject({ channels: ["alerts", "occupancy"] }));
  });

  it("asked too often, it waits as long as the server says, and is not lost", async () => {
    door.allow.websocket = false;
    door.allow.sse = false;
    const { client } = open();
    await vi.waitFor(() => expect(client.stats().wire).toBe("polling"));
    door.refuseNext = { status: 429, body: { error: { code: "rate_limited", number: 4290, retry: true, after: 500 } } };
    await vi.waitFor(() => expect(door.refuseNext).toBeNull());
    const before = door.heard.length;
    await vi.waitFor(() => expect(door.heard.length).toBeGreaterThan(before));
    expect(client.stats()).toMatchObject({ losses: 0, wire: "polling" });
  });

  // Real time: on a machine that stands still for 2.5 s the client is right to notice, and the venue gets another try.
  it("it goes up to a WebSocket when that opens, and nobody sees a loss", { retry: 2 }, async () => {
    door.allow.websocket = false;
    const { client, states, events } = open();
    await vi.waitFor(() => expect(client.stats().wire).toBe("sse"));
    await vi.waitFor(() => expect(by("sse")).toEqual(["hello", "sub"]));
    door.say({ op: "ev", s: 1, c: "cursor-1", ...alertEvent("a") });
    await vi.waitFor(() => expect(titles(events)).toEqual(["a"]));
    const before = states.length;
    door.allow.websocket = true;
    await vi.waitFor(() => expect(client.stats().wire).toBe("websocket"), 8_000);
    expect(door.heard).toContainEqual({ by: "websocket", frame: expect.objectContaining({ op: "hello", resume: "cursor-1" }) as unknown });
    expect(states.slice(before).map((state) => state.kind)).toEqual(["live"]);
    expect(client.stats().losses).toBe(0);
  });
});

describe("what the server says by HTTP", () => {
  it("a token that has ended is replaced, as it would be on a WebSocket", async () => {
    door.allow.websocket = false;
    let issued = 0;
    door.refuseNext = { status: 401, body: { error: { code: "token_expired", number: 4011, retry: true, detail: "get a new token" } } };
    const { client } = open({ token: () => Promise.resolve(`t-${++issued}`) });
    await vi.waitFor(() => expect(client.state().kind).toBe("live"));
    expect(client.stats().wire).toBe("sse");
  });

  it("a login that may not is told so in the server's words, and does not knock by another way", async () => {
    door.allow.websocket = false;
    door.refuseNext = { status: 401, body: { error: { code: "unauthorized", number: 4010, retry: false, detail: "this token is for another event" } } };
    const { client } = open();
    await vi.waitFor(() => expect(client.state()).toMatchObject({ kind: "failed", code: "unauthorized", message: "this token is for another event" }));
  });

  it("a server that does not know this way is no refusal: the next way is tried", async () => {
    door.allow.websocket = false;
    door.refuseNext = { status: 426, body: { error: { code: "bad_request", number: 4000, retry: false, detail: "this is a WebSocket" } } };
    const { client } = open();
    await vi.waitFor(() => expect(client.stats().wire).toBe("polling"));
  });
});

it("without a way by HTTP there is the WebSocket alone", async () => {
  door.allow.websocket = false;
  const { states } = open({ fetch: null });
  await vi.waitFor(() => expect(states.at(-1)?.kind).toBe("failed"), 15_000);
  expect(door.heard).toEqual([]);
});
