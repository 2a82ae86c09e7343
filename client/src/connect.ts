import { Connection } from "./connection.ts";
import type { ConnectOptions, KonferencoClient } from "./options.ts";
import { SharedClient } from "./shared-client.ts";

/** Opens a connection that keeps itself alive until `close()`. Returns at once; `onState` tells how it goes. */
export function connect(options: ConnectOptions): KonferencoClient {
  return options.tabs ? new SharedClient(options, options.tabs) : new Connection(options);
}
