import { connect, type DeliveredEvent, type KonferencoClient, type WireKind } from "@konferenco/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { openVenueStand, type VenueStand } from "../browser/support/venue-stand.ts";

// Two people and a real bridge: messages, typing and settings, by each way that there is.

let stand: VenueStand;
let clients: KonferencoClient[] = [];

beforeEach(async () => {
  stand = await openVenueStand({ webRoot: null });
  await stand.addPerson({ personId: "ada", name: "Ada Lovelace", tagId: "tag-1" });
  await stand.addPerson({ personId: "ben", name: "Ben Franklin", tagId: "tag-2" });
});

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await stand.close();
});

/** Never opens, as behind a proxy that lets no WebSocket through. */
class BlockedWebSocket extends WebSocket {
  constructor() {
    super("ws://127.0.0.1:1");
  }
}

async function enter(personId: string, wire: WireKind): Promise<{ client: KonferencoClient; events: DeliveredEvent[] }> {
  const events: DeliveredEvent[] = [];
  const onlyPolling: typeof fetch = (input, init) => (new Headers(init?.headers).get("accept") === "text/event-stream" ? Promise.reject(new Error("blocked")) : fetch(input, init));
  const client = connect({
    url: `${stand.bridge().url.replace("http", "ws")}/events`,
    token: await stand.bridge().issueToken({ role: "attendee", personId }),
    WebSocket: wire === "websocket" ? WebSocket : BlockedWebSocket,
    fetch: wire === "polling" ? onlyPolling : fetch,
    channels: [{ ch: "app:lobby" }, { ch: "direct" }],
    onEvent: (event) => events.push(event),
    onState: () => {},
  });
  clients.push(client);
  await vi.waitFor(() => expect(client.stats().wire).toBe(wire), 15_000);
  return { client, events };
}

it.each(["websocket", "sse", "polling"] as const)("by %s a message arrives once under its key, and a change is stored", async (wire) => {
  const ada = await enter("ada", "websocket");
  const ben = await enter("ben", wire);
  await ben.client.publish({ t: "chat/channel_message", ch: "app:lobby", body: { text: "Coffee?" }, key: "k-1" });
  await ben.client.publish({ t: "chat/channel_message", ch: "app:lobby", body: { text: "Coffee?" }, key: "k-1" });
  await vi.waitFor(() => expect(ada.events.filter((event) => event.t === "chat/channel_message")).toHaveLength(1));
  await ada.client.publish({ t: "chat/channel_message", ch: "app:lobby", body: { text: "At three." } });
  const heard = (): unknown[] => ben.events.flatMap((event) => (event.t === "chat/channel_message" && event.from !== "snapshot" ? [event.d.body["text"]] : []));
  await vi.waitFor(() => expect(heard()).toContain("At three."), 5_000);
  expect(new Set(heard()).size).toBe(heard().length);
  await ben.client.setPrivacy({ level: "hidden" });
  expect((await stand.registry.person("ben"))?.settings.level).toBe("hidden");
  await expect(ben.client.publish({ t: "schedule/session_start", ch: "app:lobby", body: {} })).rejects.toMatchObject({ code: "forbidden" });
});

it("who types is seen within a second, and no more when the text is posted", async () => {
  const ada = await enter("ada", "websocket");
  const ben = await enter("ben", "websocket");
  ben.client.typing("app:lobby");
  const typing = (): unknown => ada.events.findLast((event) => event.t === "typing")?.d;
  await vi.waitFor(() => expect(typing()).toMatchObject({ ch: "app:lobby", people: [{ personId: "ben" }] }), 1_000);
  await ben.client.publish({ t: "chat/channel_message", ch: "app:lobby", body: { text: "Coffee?" } });
  await vi.waitFor(() => expect(typing()).toMatchObject({ people: [] }), 1_500);
});
