import type { ClientErrorCode } from "@konferenco/protocol";

/** The server's refusal of a request, in words for the person who asked. */
export class ApiError extends Error {
  readonly code: ClientErrorCode | "unreachable";
  readonly httpStatus: number;
  constructor(code: ClientErrorCode | "unreachable", httpStatus: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.httpStatus = httpStatus;
  }
}

const IN_WORDS: Partial<Record<ClientErrorCode, string>> = {
  unauthorized: "The login is not valid.",
  token_expired: "The session has ended. Log in again.",
  forbidden: "This login may not do that.",
  too_large: "That is too large.",
  rate_limited: "Too many requests. Wait a moment and try again.",
  not_available: "The server is busy. Try again in a moment.",
  internal: "The server had a fault. Try again in a moment.",
};

/** A request that does not answer in this time is reported as unreachable. */
const ANSWER_MS = 15_000;

interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  token?: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, with its type. */
  text?: { type: string; content: string | Blob };
}

/** Pages lie one folder below the server's root, wherever a proxy puts that. */
export function serverAddress(path: string): URL {
  return new URL(`../${path}`, location.href.split("#")[0]);
}

export async function callApi<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
  if (options.text !== undefined) headers["content-type"] = options.text.type;
  else if (options.body !== undefined) headers["content-type"] = "application/json";
  const body = options.text?.content ?? (options.body === undefined ? null : JSON.stringify(options.body));
  let response: Response;
  try {
    response = await fetch(serverAddress(`api/v1/${path}`), { method: options.method ?? "GET", headers, body, signal: AbortSignal.timeout(ANSWER_MS) });
  } catch {
    throw new ApiError("unreachable", 0, "The server could not be reached. Check the network.");
  }
  const answer = (await response.json().catch(() => null)) as T | { error?: { code: ClientErrorCode; detail?: string } } | null;
  if (response.ok) return answer as T;
  const error = (answer as { error?: { code: ClientErrorCode; detail?: string } } | null)?.error;
  const code = error?.code ?? "internal";
  throw new ApiError(code, response.status, IN_WORDS[code] ?? error?.detail ?? "The server refused this.");
}

/** What to show of any error. */
export function inWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
