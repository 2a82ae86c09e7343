import { refusalOf } from "./http-refusal.ts";
import { RefusedByServer } from "./options.ts";
import { defaultFetch } from "./surroundings.ts";

export interface StreamAddressOptions {
  /** Of the live connection: `wss://host/events`. */
  url: string;
  token: string;
  channels: readonly string[];
  /** Positions a second at most. */
  hz?: number;
  /** The `lastEventId` of an earlier stream of the same person. */
  cursor?: string;
  fetch?: typeof fetch;
}

/**
 * An address for the browser's own `EventSource`, which can set no header: with a ticket for one stream in it, never
 * the token. The same EventSource may reconnect with it for 12 h; another one needs another address.
 */
export async function streamAddress({ url, token, channels, hz, cursor, fetch: own }: StreamAddressOptions): Promise<string> {
  const ask = own ?? defaultFetch();
  if (ask === null) throw new Error("this runtime has no fetch: pass one as an option");
  const address = new URL(url.replace(/^ws/, "http"));
  const response = await ask(new URL("api/v1/tickets", address).href, { method: "POST", headers: { authorization: `Bearer ${token}` }, cache: "no-store" });
  if (!response.ok) throw new RefusedByServer(await refusalOf(response));
  const { ticket } = (await response.json()) as { ticket: string };
  address.search = new URLSearchParams({ ticket, channels: channels.join(","), ...(hz === undefined ? {} : { hz: String(hz) }), ...(cursor === undefined ? {} : { cursor }) }).toString();
  return address.href;
}
