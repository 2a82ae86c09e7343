import type { Channel, ClientFrame, ServerFrame } from "@konferenco/protocol";
import { errorFrame, HttpWire, type Hello, type HttpDoor, type HttpRefusal } from "./http-wire.ts";
import type { OpenWire } from "./wire.ts";

/** Requirement E2: the last resort asks once a second. */
const POLL_EVERY_MS = 1_000;

/** What `GET /api/v1/poll` answers: the frames of a connection of a moment. */
interface Polled {
  frames: ServerFrame[];
  cursor: string | null;
  more: boolean;
}

/** A request a second that brings what has happened since the last one, and what is so now. */
export function pollingWire(door: HttpDoor): OpenWire {
  return (listener) => new PollingWire(door, listener);
}

/** Makes one connection of many questions: one welcome, dense numbers, answers under the ids of who asked. */
class PollingWire extends HttpWire {
  /** Subscribed channels, and the calls that still wait for their first answer. */
  readonly #channels = new Map<Channel, number | null>();
  #cursor: string | null = null;
  #lastS = 0;
  #hurry: () => void = () => {};

  protected async run(hello: Hello): Promise<void> {
    this.#cursor = hello.resume ?? null;
    // Alerts may be asked by everybody: of the first answer only who we are is used.
    const first = await this.#poll(["alerts"]);
    const welcome = first?.frames.find((frame) => frame.op === "welcome");
    if (welcome === undefined) return;
    this.handOn(welcome);
    while (this.isOpen()) {
      const channels = [...this.#channels.keys()];
      const polled = channels.length === 0 ? null : await this.#poll(channels);
      if (polled !== null) this.#take(polled, channels);
      if (polled?.more !== true) await this.#pause(POLL_EVERY_MS);
    }
  }

  protected sendLater(frame: ClientFrame): void {
    switch (frame.op) {
      case "sub":
        this.#channels.set(frame.ch, frame.id);
        return this.#hurry();
      case "unsub":
        this.#channels.delete(frame.ch);
        return this.#answer(frame.id);
      case "set":
        // How the person is here, the questions say.
        if (frame.privacy === undefined) return this.#answer(frame.id);
        return this.#call(frame.id, "PATCH", "api/v1/me/privacy", frame.privacy);
      case "pub": {
        const { id, t, ch, to, d, key, ttlS } = frame;
        const target = ch === undefined ? { type: "user", id: to } : { type: "channel", id: ch };
        return this.#call(id, "POST", "api/v1/messages", { type: t, to: target, payload: d, idempotency_key: key, ttl: ttlS });
      }
      case "auth":
        return this.#answer(frame.id);
      default:
        return; // each question says that we live, and how far we have read
    }
  }

  /** Null: refused, and dealt with. */
  async #poll(channels: readonly string[]): Promise<Polled | null> {
    const query = new URLSearchParams({ channels: channels.join(","), ...(this.#cursor === null ? {} : { cursor: this.#cursor }) });
    const response = await this.ask({ method: "GET", path: `api/v1/poll?${query}` });
    this.listener.alive();
    if (response.ok) return (await response.json()) as Polled;
    const refusal = await this.refusalOf(response);
    if (refusal?.code === "rate_limited") await this.#pause(refusal.after ?? POLL_EVERY_MS);
    else {
      this.refused(refusal);
      this.end();
    }
    return null;
  }

  #take({ frames, cursor }: Polled, channels: readonly Channel[]): void {
    for (const frame of frames) {
      if (frame.op === "ok" || frame.op === "err") this.#takeAnswer(frame, channels);
      else if (frame.op === "ev") this.handOn({ ...frame, s: ++this.#lastS });
      else if (frame.op === "b") {
        this.handOn({ ...frame, s: this.#lastS + 1 });
        this.#lastS += frame.ev.length;
      } else if (frame.op !== "welcome") this.handOn(frame);
    }
    this.#cursor = cursor;
    if (cursor !== null) this.handOn({ op: "caught", c: cursor });
  }

  /** The channels were asked for under the ids 2, 3, … */
  #takeAnswer(frame: Extract<ServerFrame, { op: "ok" | "err" }>, channels: readonly Channel[]): void {
    const channel = channels[(frame.re ?? 0) - 2];
    if (channel === undefined || !this.#channels.has(channel)) return;
    const asked = this.#channels.get(channel) ?? null;
    if (frame.op === "err") this.#channels.delete(channel);
    else this.#channels.set(channel, null);
    // Ids of calls begin with 1: who has been answered already is not answered again, but shown what is so now.
    if (frame.op === "ok" || asked !== null) this.handOn({ ...frame, re: asked ?? 0 });
  }

  #answer(id: number): void {
    queueMicrotask(() => this.handOn({ op: "ok", re: id }));
  }

  #call(id: number, method: "POST" | "PATCH", path: string, body: object): void {
    const answer = async (): Promise<ServerFrame> => {
      const response = await this.ask({ method, path, body });
      if (response.ok) return { op: "ok", re: id };
      return errorFrame((await this.refusalOf(response)) ?? BUSY, id);
    };
    answer().then(
      (frame) => this.handOn(frame),
      () => this.end(),
    );
  }

  #pause(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.door.clock.setTimer(resolve, forMs);
      this.#hurry = () => {
        this.door.clock.clearTimer(timer);
        resolve();
      };
    });
  }
}

const BUSY: HttpRefusal = { code: "not_available", number: 5030, retry: true };
