import type { WebSocketConstructor } from "./options.ts";
import type { OpenWire } from "./wire.ts";

// Repeated from the protocol, for importing a value would bring its schema library along; test/client/constants.test.ts holds the two together.
export const SUBPROTOCOL = "konferenco-v1";

/** On a WebSocket an empty frame asks for one: 6 bytes there and 2 back, 50 times a minute of a quiet page. */
const PROBE = "";

export function webSocketWire(Socket: WebSocketConstructor, url: string): OpenWire {
  return (listener) => {
    const socket = new Socket(url, SUBPROTOCOL);
    socket.addEventListener("open", () => listener.open());
    socket.addEventListener("message", (event) => (event.data === PROBE ? listener.alive() : listener.frame(event.data)));
    socket.addEventListener("close", (event) => listener.close(event.code));
    // A close follows every error and says more; `ws` needs a listener all the same.
    socket.addEventListener("error", () => {});
    return {
      send: (frame) => socket.send(frame.op === "probe" ? PROBE : JSON.stringify(frame)),
      close: (code) => socket.close(code),
    };
  };
}
