import { Connection } from "./connection.ts";
import type { ConnectOptions, KonferencoClient } from "./options.ts";

/** Opens a connection that keeps itself alive until `close()`. Returns at once; `onState` tells how it goes. */
export function connect(options: ConnectOptions): KonferencoClient {
  return new Connection(options);
}
