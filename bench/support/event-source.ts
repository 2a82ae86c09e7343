import http from "node:http";

/** What of a frame a recorder needs; the rest of docs/wire-protocol.md is for pages. */
export interface StreamFrame {
  op: string;
  ev?: StreamEvent[];
}

export interface StreamEvent {
  t: string;
  at: number;
  /** Of a logged event: by it, what comes again is known. */
  i?: string;
  d: unknown;
}

/**
 * An EventSource as the standard has it (WHATWG HTML 9.2): reads `id`, `data` and `retry`, and comes back with
 * `Last-Event-ID` whenever the stream ends. Silence, which a browser waits out for minutes, ends it after `silentMs`.
 */
export class EventSourceReader {
  connections = 0;
  readonly #url: string;
  readonly #token: string;
  readonly #silentMs: number;
  readonly #onFrame: (frame: StreamFrame) => void;
  #lastEventId = "";
  #retryMs = 1_000;
  #isClosed = false;
  #request: http.ClientRequest | null = null;

  constructor({ url, token, silentMs, onFrame }: { url: string; token: string; silentMs: number; onFrame: (frame: StreamFrame) => void }) {
    this.#url = url;
    this.#token = token;
    this.#silentMs = silentMs;
    this.#onFrame = onFrame;
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    this.#request?.destroy();
  }

  #open(): void {
    const headers = { accept: "text/event-stream", authorization: `Bearer ${this.#token}`, ...(this.#lastEventId === "" ? {} : { "last-event-id": this.#lastEventId }) };
    const request = http.get(this.#url, { agent: false, headers, timeout: this.#silentMs });
    this.#request = request;
    let pending = "";
    request.once("response", (response) => {
      if (response.statusCode !== 200) return void request.destroy();
      this.connections++;
      response.setEncoding("utf8").on("data", (text: string) => {
        const blocks = (pending + text).split("\n\n");
        pending = blocks.pop() ?? ""; // a block that did not end is none
        for (const block of blocks) this.#take(block);
      });
      response.on("error", () => undefined);
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => undefined);
    request.once("close", () => {
      if (!this.#isClosed) setTimeout(() => this.#isClosed || this.#open(), this.#retryMs);
    });
  }

  #take(block: string): void {
    let [data, id] = ["", ""];
    for (const line of block.split("\n")) {
      if (line.startsWith("data: ")) data = line.slice(6);
      else if (line.startsWith("id: ")) id = line.slice(4);
      else if (line.startsWith("retry: ")) this.#retryMs = Number(line.slice(7));
    }
    if (data !== "") this.#onFrame(JSON.parse(data) as StreamFrame);
    if (id !== "") this.#lastEventId = id;
  }
}
