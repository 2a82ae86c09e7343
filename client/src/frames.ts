import type { ClientFrame, ServerFrame } from "@konferenco/protocol";
import type { SubscribeOptions } from "./options.ts";
import type { QueuedMessage } from "./outbox-store.ts";

// Repeated from the protocol, for importing a value would bring its schema library along; test/client/constants.test.ts holds the two together.
export const MAX_FRAME_BYTES = 64 * 1024;

type Frame<Op extends ClientFrame["op"]> = Extract<ClientFrame, { op: Op }>;

export function subFrame({ ch, hz, every }: SubscribeOptions, id: number): Frame<"sub"> {
  return { op: "sub", id, ch, ...(hz === undefined ? {} : { hz }), ...(every === undefined ? {} : { every }) };
}

export function pubFrame({ key, t, ch, to, body, ttlS }: QueuedMessage, id: number): Frame<"pub"> {
  return { op: "pub", id, key, t, d: body, ...(ch === undefined ? {} : { ch }), ...(to === undefined ? {} : { to }), ...(ttlS === undefined ? {} : { ttlS }) } as Frame<"pub">;
}

/** The server is trusted to keep the protocol; this catches what is not a frame at all, e.g. a proxy's error page. */
export function parseFrame(data: unknown): ServerFrame | null {
  if (typeof data !== "string" || data.length > MAX_FRAME_BYTES) return null;
  try {
    const frame: unknown = JSON.parse(data);
    return typeof frame === "object" && frame !== null && "op" in frame ? (frame as ServerFrame) : null;
  } catch {
    return null;
  }
}
