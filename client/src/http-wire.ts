import type { ClientErrorCode, ClientFrame, ServerFrame } from "@konferenco/protocol";
import type { Clock } from "./options.ts";
import type { Wire, WireListener } from "./wire.ts";

/** The close code of a link that ended without a word. */
const LOST = 1006;

export type Hello = Extract<ClientFrame, { op: "hello" }>;

/** Where the server is by HTTP. */
export interface HttpDoor {
  fetch: typeof fetch;
  /** `http(s)://host/events`; all else lies beside it. */
  url: string;
  clock: Clock;
}

interface Request {
  method: "GET" | "POST" | "PATCH";
  path: string;
  accept?: string;
  lastEventId?: string | undefined;
  body?: object;
}

/** The server's reason, as the answers of its API carry it. */
export interface HttpRefusal {
  code: ClientErrorCode;
  number: number;
  retry: boolean;
  after?: number;
  detail?: string;
}

/** What the ways by HTTP have in common: the hello begins them, the token goes in a header, a refusal becomes the frame that it would have been. */
export abstract class HttpWire implements Wire {
  protected readonly door: HttpDoor;
  protected readonly listener: WireListener;
  protected hello: Hello | null = null;
  #token = "";
  readonly #stop = new AbortController();

  constructor(door: HttpDoor, listener: WireListener) {
    this.door = door;
    this.listener = listener;
    queueMicrotask(() => this.isOpen() && listener.open());
  }

  /** Until it ends, one way or another. */
  protected abstract run(hello: Hello): Promise<void>;
  protected abstract sendLater(frame: ClientFrame): void;

  send(frame: ClientFrame): void {
    if (frame.op === "auth") this.#token = frame.tok;
    if (frame.op !== "hello") return this.sendLater(frame);
    this.hello = frame;
    this.#token = frame.tok;
    this.run(frame).then(
      () => this.end(),
      () => this.end(),
    );
  }

  close(): void {
    this.#stop.abort();
  }

  protected isOpen(): boolean {
    return !this.#stop.signal.aborted;
  }

  protected end(code = LOST): void {
    if (!this.isOpen()) return;
    this.#stop.abort();
    this.listener.close(code);
  }

  protected handOn(frame: ServerFrame): void {
    if (this.isOpen()) this.listener.frame(JSON.stringify(frame));
  }

  protected ask({ method, path, accept = "application/json", lastEventId, body }: Request): Promise<Response> {
    return this.door.fetch(new URL(path, this.door.url).href, {
      method,
      cache: "no-store",
      headers: {
        accept,
        authorization: `Bearer ${this.#token}`,
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: this.#stop.signal,
    });
  }

  /** Null: not the server's words, but a proxy's page. */
  protected async refusalOf(response: Response): Promise<HttpRefusal | null> {
    return ((await response.json().catch(() => null)) as { error?: HttpRefusal } | null)?.error ?? null;
  }

  /** A first request that was refused. A server that does not offer this way is as good as a blocked one. */
  protected refused(refusal: HttpRefusal | null): void {
    if (refusal === null || refusal.code === "bad_request" || refusal.code === "not_found") return;
    this.handOn(errorFrame(refusal, this.hello?.id));
  }
}

export function errorFrame({ number: n, ...rest }: HttpRefusal, re: number | undefined): ServerFrame {
  return { op: "err", ...(re === undefined ? {} : { re }), n, ...rest };
}
