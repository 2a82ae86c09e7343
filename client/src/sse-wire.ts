import type { ClientFrame, ServerFrame } from "@konferenco/protocol";
import { HttpWire, type Hello, type HttpDoor } from "./http-wire.ts";
import { SseReader } from "./sse-messages.ts";
import type { OpenWire } from "./wire.ts";

/** The server takes 20 frames a request. */
const MAX_FRAMES_A_REQUEST = 16;

/** Server-sent events downwards, each a frame; what we have to say goes by requests. */
export function sseWire(door: HttpDoor): OpenWire {
  return (listener) => new SseWire(door, listener);
}

class SseWire extends HttpWire {
  readonly #upwards: ClientFrame[] = [];
  #isPosting = false;
  /** Of the connection that the requests are for; its welcome says it. */
  #sid: string | null = null;
  #byeCode: number | undefined;

  protected async run({ resume }: Hello): Promise<void> {
    // Subscriptions follow as frames, as on a WebSocket.
    const response = await this.ask({ method: "GET", path: "?channels=", accept: "text/event-stream", lastEventId: resume });
    if (!response.ok) return this.refused(await this.refusalOf(response));
    if (response.body === null) return;
    const reader = response.body.getReader();
    const text = new TextDecoder();
    const stream = new SseReader();
    for (;;) {
      const { done, value } = await reader.read();
      const messages = done || !this.isOpen() ? null : stream.read(text.decode(value, { stream: true }));
      if (messages === null) return this.end(this.#byeCode);
      this.listener.alive();
      for (const data of messages) this.#take(data);
    }
  }

  /** What a stream's own transport tells (that bytes have arrived) needs no frame. */
  protected sendLater(frame: ClientFrame): void {
    if (frame.op === "ack" || frame.op === "pong") return;
    this.#upwards.push(frame);
    this.#post();
  }

  #take(data: string): void {
    const isBye = data.startsWith('{"op":"bye"');
    if (this.#sid !== null && !isBye) return this.listener.frame(data);
    const frame = JSON.parse(data) as ServerFrame;
    if (frame.op === "bye") this.#byeCode = frame.n;
    // A stream has no close code: its last word is that, and names no wait where there is none to name.
    if (frame.op !== "bye" || frame.after[1] > 0) this.handOn(frame);
    if (frame.op !== "welcome") return;
    this.#sid = frame.sid;
    this.#post();
  }

  /** One request at a time, so that frames arrive in the order in which they were sent. */
  #post(): void {
    if (this.#isPosting || this.#sid === null || this.#upwards.length === 0) return;
    this.#isPosting = true;
    const frames = this.#upwards.splice(0, MAX_FRAMES_A_REQUEST);
    this.ask({ method: "POST", path: "api/v1/control", body: { sid: this.#sid, frames } }).then(
      (response) => {
        this.#isPosting = false;
        if (response.ok) this.#post();
        else this.end();
      },
      () => this.end(),
    );
  }
}
