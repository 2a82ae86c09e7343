import type { ClientFrame } from "@konferenco/protocol";

/** How frames travel: by WebSocket, or by HTTP where that is blocked. The connection above does not see the difference. */
export type WireKind = "websocket" | "sse" | "polling";

export interface Wire {
  send(frame: ClientFrame): void;
  /** Leaves without waiting for the other end, which a dead link never hears of. */
  close(code?: number): void;
}

/** What a wire tells. `close` comes once, whatever ended it; nothing comes after it. */
export interface WireListener {
  open(): void;
  frame(data: unknown): void;
  /** Bytes that are no frame: the other end lives. */
  alive(): void;
  close(code: number): void;
}

export type OpenWire = (listener: WireListener) => Wire;
