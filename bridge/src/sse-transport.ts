import type http from "node:http";
import { CLOSE_CODES, MAX_QUEUED_BYTES_PER_CONNECTION } from "@konferenco/protocol";
import type { TokenAuthority } from "./auth.ts";
import type { ClientFrames } from "./client-frames.ts";
import type { BridgeLimits } from "./config.ts";
import { Connection, type Wire, type WireExtras } from "./connection.ts";
import type { Hub } from "./hub.ts";
import type { ClientAddress } from "./http/client-address.ts";
import { ClientError } from "./http/router.ts";
import type { Tickets } from "./tickets.ts";

/** A comment that keeps proxies from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;
/** What an EventSource waits before it comes back: not all at once. */
const RETRY_MS = 2_000;
const RETRY_SPREAD_MS = 2_000;
const MAX_CHANNELS = 32;

export interface SseTransportOptions {
  hub: Hub;
  frames: ClientFrames;
  authority: TokenAuthority;
  tickets: Tickets;
  limits: BridgeLimits;
  /** WebSockets of the process: both share one limit. */
  webSockets: () => number;
  clientAddress: ClientAddress;
  /** Uniform in [0, 1). */
  random: () => number;
  nowMs: () => number;
}

/**
 * The client protocol for those whom a proxy denies WebSockets: the same frames, each as one server-sent
 * event whose id is the sealed cursor, so that `Last-Event-ID` resumes. What the client has to say comes by
 * `POST /api/v1/control` under the session's id.
 */
export class SseTransport {
  readonly #options: SseTransportOptions;
  readonly #bySid = new Map<string, Connection>();
  readonly #wires = new Set<SseWire>();
  #draining = false;
  accepted = 0;

  constructor(options: SseTransportOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#wires.size;
  }

  /** Throws `ClientError` before anything is written. */
  async open(request: http.IncomingMessage, response: http.ServerResponse, url: URL): Promise<void> {
    const { hub, frames, limits, nowMs, random, webSockets, clientAddress } = this.#options;
    if (this.#draining) throw new ClientError("not_available", "this bridge is closing", 1_000);
    if (this.#wires.size + webSockets() >= limits.maxConnections) throw new ClientError("not_available", `at most ${limits.maxConnections} connections`, 5_000);
    const channels = channelsOf(url.searchParams);
    const { cursor: resume, pass: oldPass } = resumeOf(request, url.searchParams);
    const { token, pass } = await this.#tokenOf(request, url.searchParams, oldPass);
    if (response.destroyed) return;
    const wire = new SseWire(response, pass, (sid) => this.#bySid.set(sid, connection));
    const connection: Connection = new Connection(wire, clientAddress(request), nowMs());
    wire.flushed = (s) => {
      connection.heardAtMs = nowMs();
      if (s > 0 && connection.state === "open") hub.acknowledged(connection, s);
    };
    wire.lastS = () => connection.outbox?.lastS ?? 0;
    this.accepted++;
    this.#wires.add(wire);
    response.once("close", () => {
      this.#wires.delete(wire);
      this.#bySid.delete(wire.sid);
      hub.remove(connection, 1006);
    });
    request.socket.setNoDelay(true);
    response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no" });
    response.write(`retry: ${Math.round(RETRY_MS + random() * RETRY_SPREAD_MS)}\n\n`);
    frames.receive(connection, JSON.stringify({ op: "hello", id: 1, tok: token, ...(resume === null ? {} : { resume }) }));
    const hz = Number(url.searchParams.get("hz") ?? Number.NaN);
    channels.forEach((ch, index) => frames.receive(connection, JSON.stringify({ op: "sub", id: index + 2, ch, ...(Number.isFinite(hz) ? { hz } : {}) })));
  }

  /** `pass`: what goes out with the ids of a stream that was opened by a ticket. */
  async #tokenOf(request: http.IncomingMessage, query: URLSearchParams, oldPass: string): Promise<{ token: string; pass: string }> {
    const { authority, tickets } = this.#options;
    const header = /^Bearer ([\w.~+/-]{1,4096}=*)$/i.exec(request.headers.authorization ?? "")?.[1];
    const ticket = query.get("ticket");
    if (header === undefined && ticket === null) throw new ClientError("unauthorized", "send the token in the header Authorization, or a single-use ticket (POST /api/v1/tickets) as ?ticket=");
    if (header === undefined) {
      const again = ticket === null ? null : tickets.reopen(ticket, oldPass);
      const who = again ?? (ticket === null ? null : await tickets.redeem(ticket));
      if (who === null || ticket === null) throw new ClientError("unauthorized", "the ticket is unknown, used or too old: ask for a new one");
      return { token: (await authority.issue(who)).token, pass: again === null ? tickets.passFor(ticket, who) : oldPass };
    }
    // A browser cannot read why a stream ended, but it can read why one was refused.
    const verdict = await authority.verify(header);
    if (!verdict.ok) throw verdict.expired ? new ClientError("token_expired", "get a new token") : new ClientError("unauthorized", "the token is not valid for this event");
    return { token: header, pass: "" };
  }

  /** What a client of a stream says. False: no such session here. */
  control(sid: string, said: readonly object[]): boolean {
    const connection = this.#bySid.get(sid);
    if (connection === undefined || connection.state === "closed") return false;
    for (const frame of said) this.#options.frames.receive(connection, JSON.stringify(frame));
    return true;
  }

  /** Once a second; each stream gets its heartbeat when it is due. */
  tickSecond(): void {
    const atMs = this.#options.nowMs();
    for (const wire of this.#wires) wire.heartbeat(atMs);
  }

  drain(): void {
    const { hub, limits } = this.#options;
    this.#draining = true;
    for (const connection of this.#bySid.values()) {
      connection.sendFrame({ op: "bye", n: CLOSE_CODES.draining, after: [0, limits.drainSpreadMs] });
      hub.close(connection, CLOSE_CODES.draining, "draining");
    }
    for (const wire of this.#wires) wire.close(CLOSE_CODES.draining);
  }
}

function channelsOf(query: URLSearchParams): string[] {
  const channels = (query.get("channels") ?? "alerts").split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (channels.length > MAX_CHANNELS) throw new ClientError("bad_request", `at most ${MAX_CHANNELS} channels in the address; more by POST /api/v1/control`);
  return [...new Set(channels)];
}

/** The header of an EventSource that comes back; for a first request from a cursor the address has it. Behind a dot: the pass of its stream. */
function resumeOf(request: http.IncomingMessage, query: URLSearchParams): { cursor: string | null; pass: string } {
  const header = request.headers["last-event-id"];
  const text = (Array.isArray(header) ? header[0] : header) ?? query.get("cursor") ?? query.get("fromEventId") ?? "";
  const [cursor = "", pass = ""] = text.split(".", 2);
  return { cursor: cursor === "" ? null : cursor.slice(0, 512), pass };
}

class SseWire implements Wire, WireExtras {
  readonly kind = "sse";
  readonly #response: http.ServerResponse;
  readonly #pass: string;
  readonly #named: (sid: string) => void;
  #saidBye = false;
  #heartbeatAtMs = 0;
  sid = "";
  flushed: (s: number) => void = () => {};
  lastS: () => number = () => 0;

  constructor(response: http.ServerResponse, pass: string, named: (sid: string) => void) {
    this.#response = response;
    this.#pass = pass === "" ? "" : `.${pass}`;
    this.#named = named;
  }

  send(frame: string): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    if (this.sid === "") {
      this.sid = /^\{"op":"welcome","re":1,"sid":"([\w-]+)"/.exec(frame)?.[1] ?? "";
      if (this.sid !== "") this.#named(this.sid);
    }
    if (frame.startsWith('{"op":"bye"')) this.#saidBye = true;
    const cursor = cursorOf(frame);
    const s = this.lastS();
    // There is no way back on a stream: what the kernel has taken counts as read.
    this.#response.write(`${cursor === null ? "" : `id: ${cursor}${this.#pass}\n`}data: ${frame}\n\n`, (error) => {
      if (error === null || error === undefined) this.flushed(s);
    });
  }

  sendEvents(head: string, tail: string): void {
    this.send(head + tail);
  }

  close(code: number): void {
    if (this.#response.writableEnded) return;
    if (!this.#saidBye) this.send(JSON.stringify({ op: "bye", n: code, after: [0, 0] }));
    this.#response.end();
    // A reader that does not read would keep the end, and us, waiting.
    if (this.#response.writableLength > MAX_QUEUED_BYTES_PER_CONNECTION / 4) this.#response.destroy();
  }

  bufferedBytes(): number {
    return this.#response.writableLength;
  }

  probe(): void {
    // `flushed` tells without being asked.
  }

  heartbeat(nowMs: number): void {
    if (this.#heartbeatAtMs === 0) this.#heartbeatAtMs = nowMs + HEARTBEAT_MS;
    if (nowMs < this.#heartbeatAtMs || this.#response.writableEnded || this.#response.destroyed) return;
    this.#heartbeatAtMs = nowMs + HEARTBEAT_MS;
    this.#response.write(": hb\n\n", (error) => {
      if (error === null || error === undefined) this.flushed(0);
    });
  }
}

/** Anchored to where our own frames carry it: a message's payload may hold a `c` too. */
export function cursorOf(frame: string): string | null {
  const found = /^\{"op":"(?:ev|b)","s":\d+,"c":"([\w-]+)"/.exec(frame) ?? /^\{"op":"(?:ok|ping|caught)".*"c":"([\w-]+)"\}$/.exec(frame);
  return found?.[1] ?? null;
}
