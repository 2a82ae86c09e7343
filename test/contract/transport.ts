import http from "node:http";
import { WebSocket } from "ws";
import { SUBPROTOCOL, type ClientEvent, type EventStamp, type ServerFrame } from "@konferenco/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ViewerRole } from "@konferenco/bridge";
import { openTestBridge, type TestBridge } from "../bridge/support/harness.ts";

export interface Asked {
  role: ViewerRole;
  personId?: string;
  channels: string[];
  /** The newest cursor of an earlier reader. */
  cursor?: string;
  token?: string;
}

/** What a way to travel must be able to do for the suite. */
export interface TransportHarness {
  /** Polling shows what is latest-wins in snapshots alone. */
  pushes: boolean;
  open(test: TestBridge, asked: Asked & { token: string }, take: (frame: ServerFrame) => void): Promise<Reader>;
}

export interface Reader {
  say(frame: object): Promise<void>;
  close(): void;
  /** Resolves when the server has ended it. */
  ended: Promise<void>;
}

/** One client's view of a transport: frames as they come, whatever carried them. */
class Seen {
  readonly frames: ServerFrame[] = [];
  readonly events: (ClientEvent & EventStamp)[] = [];
  readonly snapshots: (ClientEvent & EventStamp)[] = [];
  cursor: string | undefined;
  holes = 0;
  #nextS = 1;
  #wake = () => {};
  reader: Reader | null = null;

  take = (frame: ServerFrame): void => {
    this.frames.push(frame);
    if (frame.op === "welcome") this.#nextS = 1;
    if ("c" in frame && frame.c !== undefined) this.cursor = frame.c;
    if (frame.op === "ok" && frame.snap !== undefined) this.snapshots.push(...frame.snap);
    if (frame.op === "ev" || frame.op === "b") {
      if (frame.s !== this.#nextS) this.holes++;
      const events = frame.op === "b" ? frame.ev : [frame];
      this.#nextS = frame.s + events.length;
      this.events.push(...events);
    }
    this.#wake();
  };

  async until(wanted: () => boolean, withinMs = 6_000): Promise<void> {
    const deadlineMs = Date.now() + withinMs;
    while (!wanted()) {
      if (Date.now() > deadlineMs) throw new Error(`not seen within ${withinMs} ms: ${JSON.stringify(this.frames.slice(-5)).slice(0, 1_200)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100);
      });
    }
  }

  event(wanted: (event: ClientEvent) => boolean): Promise<void> {
    return this.until(() => this.events.some(wanted));
  }
}

export function describeTransport(name: string, harness: TransportHarness): void {
  describe(`the client protocol over ${name}`, () => {
    let test: TestBridge;
    let opened: Seen[] = [];
    beforeEach(async () => {
      test = await openTestBridge();
      await test.addPerson("anna", { tagId: "t-1" });
      await test.addPerson("ben", { tagId: "t-2" });
    });
    afterEach(async () => {
      for (const seen of opened) seen.reader?.close();
      opened = [];
      await test.close();
    });

    const open = async (asked: Asked): Promise<Seen> => {
      const seen = new Seen();
      opened.push(seen);
      const token = asked.token ?? (await test.bridge.issueToken({ role: asked.role, personId: asked.personId ?? null }));
      seen.reader = await harness.open(test, { ...asked, token }, seen.take);
      return seen;
    };
    const subscribed = async (asked: Asked): Promise<Seen> => {
      const seen = await open(asked);
      await seen.until(() => seen.frames.filter((frame) => frame.op === "ok" || frame.op === "err").length >= asked.channels.length);
      return seen;
    };
    const alert = (alertId: string) => test.commit({ alerts: [{ alertId, severity: "info", title: alertId, text: "…", zoneIds: [], atMs: test.nowMs() }] });
    const zones = (seen: Seen) => seen.events.flatMap((event) => (event.t === "zone.enter" || event.t === "zone.exit" ? [`${event.t} ${event.d.zoneId}`] : []));

    it("begins with who one is and with what is so now, then tells what happens, in order and without holes", async () => {
      await test.enter("t-1", "room-a");
      await test.move("t-1");
      const desk = await subscribed({ role: "staff", channels: ["venue", "alerts"] });
      expect(desk.frames[0]).toMatchObject({ op: "welcome", who: { personId: null, role: "staff" }, resumed: false });
      expect(desk.snapshots.map((event) => event.t)).toContain("zone.enter");
      await test.exit("t-1", "room-a");
      await test.enter("t-1", "room-b");
      await alert("lunch");
      await desk.event((event) => event.t === "alert");
      await desk.event((event) => event.t === "zone.enter" && event.d.zoneId === "room-b");
      expect(zones(desk)).toEqual(["zone.exit room-a", "zone.enter room-b"]);
      expect(desk.holes).toBe(0);
      expect(desk.events.every((event) => typeof event.i === "string")).toBe(true);
      expect(JSON.stringify(desk.frames)).not.toMatch(/t-[12]"/);
    });

    it("goes on from a cursor with exactly what was missed, under the ids that every way of travelling gives", async () => {
      const before = await subscribed({ role: "staff", channels: ["venue", "alerts"] });
      await test.enter("t-1", "room-a");
      await before.event((event) => event.t === "zone.enter");
      before.reader?.close();
      await test.exit("t-1", "room-a");
      for (let n = 0; n < 300; n++) await (n % 2 === 0 ? test.enter("t-2", `z-${n}`) : test.exit("t-2", `z-${n - 1}`));
      await alert("missed");
      const after = await open({ role: "staff", channels: ["venue", "alerts"], cursor: before.cursor as string });
      await after.until(() => after.frames.some((frame) => frame.op === "caught"));
      expect(after.frames[0]).toMatchObject({ op: "welcome", resumed: true });
      expect(zones(after)).toEqual(["zone.exit room-a", ...Array.from({ length: 300 }, (_, n) => (n % 2 === 0 ? `zone.enter z-${n}` : `zone.exit z-${n - 1}`))]);
      expect(after.events.filter((event) => event.t === "alert")).toHaveLength(1);
      const socket = await test.client("staff", null, { resume: before.cursor as string });
      await socket.subscribe("venue");
      await socket.until(() => socket.frames.some((frame) => frame.op === "caught"));
      const ids = after.events.flatMap((event) => (event.t.startsWith("zone.") ? [event.i] : []));
      expect(socket.events.flatMap(({ i, event }) => (event.t.startsWith("zone.") ? [i] : []))).toEqual(ids);
    });

    it("shows a person nobody else's whereabouts, and refuses what their role may not see", async () => {
      const anna = await subscribed({ role: "attendee", personId: "anna", channels: ["me", "venue", "nope"] });
      expect(anna.frames.flatMap((frame) => (frame.op === "err" ? [frame.code] : []))).toEqual(["forbidden", "unknown_channel"]);
      await test.enter("t-2", "room-b");
      await test.enter("t-1", "room-a");
      await anna.event((event) => event.t === "zone.enter");
      expect(zones(anna)).toEqual(["zone.enter room-a"]);
      expect(JSON.stringify(anna.frames)).not.toMatch(/ben|room-b/);
    });

    it("takes no cursor of somebody else's", async () => {
      const desk = await subscribed({ role: "staff", channels: ["venue"] });
      const anna = await subscribed({ role: "attendee", personId: "anna", channels: ["me"], cursor: desk.cursor as string });
      expect(anna.frames[0]).toMatchObject({ op: "welcome", resumed: false, why: "cursor_invalid" });
    });

    it("lets people say something, subscribe to more and leave again", async () => {
      const ben = await subscribed({ role: "attendee", personId: "ben", channels: ["app:lobby"] });
      const anna = await subscribed({ role: "attendee", personId: "anna", channels: ["me"] });
      if (harness.pushes) {
        await anna.reader?.say({ op: "sub", id: 91, ch: "app:lobby" });
        await anna.until(() => anna.frames.some((frame) => frame.op === "ok" && frame.re === 91));
        await anna.reader?.say({ op: "unsub", id: 92, ch: "app:lobby" });
        await anna.until(() => anna.frames.some((frame) => frame.op === "ok" && frame.re === 92));
      }
      await anna.reader?.say({ op: "pub", id: 93, t: "chat/channel_message", ch: "app:lobby", d: { text: 'a "c":"forged" text\nof two lines' } });
      await ben.event((event) => event.t === "chat/channel_message" && event.d.body["text"] === 'a "c":"forged" text\nof two lines');
      expect(anna.events.filter((event) => event.t === "chat/channel_message")).toEqual([]);
    });

    it("tells changes of privacy: what may no longer be shown is not", async () => {
      await test.enter("t-1", "room-a");
      const desk = await subscribed({ role: "staff", channels: ["venue"] });
      expect(JSON.stringify(desk.snapshots)).toContain("anna");
      await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "anna" }, body: { level: "hidden" } });
      await test.exit("t-1", "room-a");
      await test.enter("t-2", "room-b");
      await desk.event((event) => event.t === "zone.enter" && event.d.zoneId === "room-b");
      expect(zones(desk)).toEqual(["zone.enter room-b"]);
      if (harness.pushes) expect(desk.frames).toContainEqual({ op: "forget", subj: "anna" });
    });

    it("ends for who is erased", async () => {
      const anna = await subscribed({ role: "attendee", personId: "anna", channels: ["me"] });
      await test.api("DELETE", "/api/v1/people/anna", { as: { role: "operator", personId: null } });
      await anna.reader?.ended;
    });

    it("refuses a token that is not ours", async () => {
      await expect(open({ role: "staff", channels: ["alerts"], token: "not.a.token" }).then((seen) => seen.reader?.ended)).rejects.toThrow(/4500|401/);
    });
  });
}

// --- the three ways --------------------------------------------------------------------------------

export const overWebSocket: TransportHarness = {
  pushes: true,
  open: (test, { token, channels, cursor }, take) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${test.bridge.port}/events`, SUBPROTOCOL);
      const ended = new Promise<void>((resolveEnd, rejectEnd) => socket.once("close", (code) => (code === 4500 ? rejectEnd(new Error(String(code))) : resolveEnd())));
      ended.catch(() => {});
      socket.on("error", reject);
      socket.on("message", (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as ServerFrame;
        take(frame);
        if (frame.op === "ev") socket.send(JSON.stringify({ op: "ack", s: frame.s }));
        if (frame.op === "b") socket.send(JSON.stringify({ op: "ack", s: frame.s + frame.ev.length - 1 }));
      });
      socket.once("open", () => {
        socket.send(JSON.stringify({ op: "hello", id: 1, tok: token, ...(cursor === undefined ? {} : { resume: cursor }) }));
        channels.forEach((ch, index) => socket.send(JSON.stringify({ op: "sub", id: index + 2, ch })));
        resolve({ say: async (frame) => socket.send(JSON.stringify(frame)), close: () => socket.terminate(), ended });
      });
    }),
};

/** As an EventSource reads it: fields by line, an event per blank line, the last id kept. */
export function readStream(url: string, headers: Record<string, string>, take: (frame: ServerFrame, id: string) => void): Promise<{ response: http.IncomingMessage; comments: string[]; ended: Promise<void>; close: () => void }> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers: { Accept: "text/event-stream", ...headers } }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        return reject(new Error(String(response.statusCode)));
      }
      const comments: string[] = [];
      let rest = "";
      let id = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        rest += chunk;
        for (let end = rest.indexOf("\n\n"); end !== -1; end = rest.indexOf("\n\n")) {
          const lines = rest.slice(0, end).split("\n");
          rest = rest.slice(end + 2);
          let data = "";
          for (const line of lines) {
            if (line.startsWith(":")) comments.push(line);
            if (line.startsWith("retry: ")) comments.push(line);
            if (line.startsWith("id: ")) id = line.slice(4);
            if (line.startsWith("data: ")) data += line.slice(6);
          }
          if (data !== "") take(JSON.parse(data) as ServerFrame, id);
        }
      });
      const ended = new Promise<void>((resolveEnd) => response.once("close", () => resolveEnd()));
      response.on("error", () => {});
      resolve({ response, comments, ended, close: () => request.destroy() });
    });
    request.on("error", reject);
  });
}

export const overSse: TransportHarness = {
  pushes: true,
  async open(test, { token, channels, cursor }, take) {
    let sid = "";
    const stream = await readStream(
      `${test.bridge.url}/events?channels=${encodeURIComponent(channels.join(","))}`,
      { Authorization: `Bearer ${token}`, ...(cursor === undefined ? {} : { "Last-Event-ID": cursor }) },
      (frame, id) => {
        if (frame.op === "welcome") sid = frame.sid;
        // The id of each event is the cursor that stands in it.
        if ("c" in frame && frame.c !== undefined) expect(id).toBe(frame.c);
        take(frame);
      },
    );
    const say = async (frame: object) => {
      const answer = await test.api("POST", "/api/v1/control", { body: { sid, frames: [frame] } });
      expect(answer.status).toBe(202);
    };
    return { say, close: stream.close, ended: stream.ended };
  },
};

export const overPolling: TransportHarness = {
  pushes: false,
  async open(test, { token, channels, cursor: from }, take) {
    let cursor = from;
    const stop = new AbortController();
    let end = () => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const headers = { Authorization: `Bearer ${token}` };
    const ask = async (): Promise<boolean> => {
      const query = new URLSearchParams({ channels: channels.join(","), ...(cursor === undefined ? {} : { cursor }) });
      const response = await fetch(`${test.bridge.url}/api/v1/poll?${query}`, { headers });
      if (response.status === 429) return true;
      if (response.status !== 200) return false;
      const answer = (await response.json()) as { frames: ServerFrame[]; cursor: string | null };
      // Each answer is a connection of its own.
      for (const frame of answer.frames) take(frame);
      cursor = answer.cursor ?? cursor;
      return true;
    };
    const first = await fetch(`${test.bridge.url}/api/v1/poll?channels=alerts`, { headers });
    if (first.status !== 200) throw new Error(String(first.status));
    const again = () =>
      void ask().then(
        (goesOn) => (goesOn && !stop.signal.aborted ? setTimeout(again, 500) : end()),
        () => end(),
      );
    again();
    const say = async (frame: object) => {
      const { op: _op, id: _id, t, ch, to, d, key } = frame as Record<string, unknown>;
      const target = ch === undefined ? { type: "user", id: to } : { type: "channel", id: ch };
      const response = await fetch(`${test.bridge.url}/api/v1/messages`, { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ type: t, to: target, payload: d, ...(key === undefined ? {} : { idempotency_key: key }) }) });
      expect(response.status).toBe(201);
    };
    return { say, close: () => stop.abort(), ended };
  },
};
