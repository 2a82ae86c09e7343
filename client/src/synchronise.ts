import type { Alert, MessageEnvelope } from "@konferenco/protocol";
import { refusalOf } from "./http-refusal.ts";
import { RefusedByServer } from "./options.ts";
import { defaultFetch } from "./surroundings.ts";

export interface SynchroniseOptions {
  /** Of the live connection: `wss://host/events`. */
  url: string;
  token: string;
  /** `direct`, `alerts`, `app:…` */
  channels: readonly string[];
  /** The `version` of an earlier page: only what is new since. Absent: all that is kept. */
  since?: string | null;
  fetch?: typeof fetch;
}

/** What applications have said and what was announced, in the envelope of the documents. */
export type SyncOperation = MessageEnvelope | (Omit<Alert, "type"> & { type: "alert"; id: string });

export interface SyncPage {
  /** `full`: what was kept before may be dropped with the first page; `delta`: it holds, and this is added. */
  mode: "full" | "delta";
  operations: SyncOperation[];
  /** Keep it for the next time. */
  version: string;
}

interface Answer {
  mode: SyncPage["mode"];
  operations: SyncOperation[];
  new_version: string;
  cursor: string | null;
  has_more: boolean;
  gap: string | null;
}

/** Page by page what a view of messages and alerts needs (requirement E25). Where the past since then is not all there any more, it begins anew in full. */
export async function* synchronise(options: SynchroniseOptions): AsyncGenerator<SyncPage> {
  let since = options.since ?? null;
  let cursor: string | null = null;
  for (;;) {
    const answer: Answer | null = await askSync<Answer>(options, "sync", since === null ? { cursor } : { since });
    if (answer === null || (since !== null && answer.gap !== null)) {
      since = null;
      cursor = null;
      continue;
    }
    yield { mode: answer.mode, operations: answer.operations, version: answer.new_version };
    if (!answer.has_more) return;
    if (since === null) cursor = answer.cursor;
    else since = answer.new_version;
  }
}

/** Null: the server does not know the place any more. */
export async function askSync<T>({ url, token, channels, fetch: own }: Omit<SynchroniseOptions, "since">, path: string, place: Record<string, string | null>): Promise<T | null> {
  const ask = own ?? defaultFetch();
  if (ask === null) throw new Error("this runtime has no fetch: pass one as an option");
  const known = Object.entries(place).flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
  const query = new URLSearchParams([["channels", channels.join(",")], ...known] as [string, string][]);
  const response = await ask(new URL(`api/v1/${path}?${query}`, url.replace(/^ws/, "http")).href, { headers: { authorization: `Bearer ${token}` }, cache: "no-store" });
  if (response.ok) return (await response.json()) as T;
  const refusal = await refusalOf(response);
  if (refusal.code === "cursor_invalid" && known.length > 0) return null;
  throw new RefusedByServer(refusal);
}
