import http from "node:http";
import { CLIENT_ERRORS, ConfigError, StoreUnavailable, type ClientErrorCode } from "@konferenco/protocol";
import type { Claims, TokenAuthority } from "../auth.ts";
import { RegistryRefusal, type Registry } from "../registry/registry.ts";
import type { SseTransport } from "../sse-transport.ts";
import type { ClientAddress } from "./client-address.ts";
import { isAllowedOrigin } from "./origin.ts";
import { SECURITY_HEADERS, type Pages } from "./pages.ts";
import { ClientError, errorBody, matchRoute, parseAs, readBody, type Access, type Answer, type Route } from "./router.ts";

/** JSON bodies: the largest is a person with 2,000 connections. */
const MAX_JSON_BYTES = 256 * 1024;
/** A request line and its headers within this time, a whole request within the other: slow ones cannot pile up. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;

export interface HttpOptions {
  streams: SseTransport;
  routes: readonly Route[];
  authority: TokenAuthority;
  registry: Registry;
  pages: Pages | null;
  allowedOrigins: readonly string[];
  clientAddress: ClientAddress;
  log: (event: object) => void;
  /** Counted by route and status, never by person. */
  observe: (route: string, status: number) => void;
}

export function newHttpServer(options: HttpOptions): http.Server {
  const server = http.createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: 10_000 }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.log({ event: "a request failed", error: String(error) });
      response.destroy();
    });
  });
  server.maxHeadersCount = 64;
  return server;
}

/** Listens, or says in one line which port is taken and which setting moves it. */
export async function listen(server: http.Server, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why: Record<string, string> = {
        EADDRINUSE: `port ${port} on ${host} is in use by another program`,
        EACCES: `port ${port} on ${host} needs rights that this user does not have`,
        EADDRNOTAVAIL: `this machine has no address ${host}`,
      };
      const known = why[error.code ?? ""];
      reject(known === undefined ? error : new ConfigError(`the bridge cannot listen: ${known}. Set another port or host for the bridge (port 0 takes a free one).`, { cause: error }));
    });
    server.listen({ port, host, backlog: 1_024 }, resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

async function answer(options: HttpOptions, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  const url = new URL(request.url ?? "/", "http://bridge");
  const method = request.method ?? "GET";
  if (allowOrigin(options, request, response)) return;
  if (url.pathname === "/events" || url.pathname === "/ws") {
    if (method === "GET" && (request.headers.accept ?? "").includes("text/event-stream")) return openStream(options, request, response, url);
    return refuse(response, 426, errorBody("bad_request", "this is a WebSocket (ws://, sub-protocol konferenco-v1), or a stream (Accept: text/event-stream)"), { Upgrade: "websocket", Connection: "Upgrade" });
  }
  const match = matchRoute(options.routes, method === "HEAD" ? "GET" : method, url.pathname);
  if (match.kind === "found") return answerRoute(options, request, response, url, match.route, match.params);
  if (match.kind === "other-method") return refuse(response, 405, errorBody("bad_request", `${url.pathname} knows ${match.allowed.join(", ")}`), { Allow: match.allowed.join(", ") });
  const isPage = options.pages !== null && (method === "GET" || method === "HEAD") && !url.pathname.startsWith("/api/");
  if (!isPage) return refuse(response, 404, errorBody("not_found", `nothing is at ${url.pathname.slice(0, 200)}`));
  if (url.pathname === "/") return refuse(response, 302, {}, { Location: "/attendee/" });
  if (url.pathname === "/console" || url.pathname === "/attendee") return refuse(response, 302, {}, { Location: `${url.pathname}/` });
  options.pages?.(request, response, () => refuse(response, 404, errorBody("not_found", `nothing is at ${url.pathname.slice(0, 200)}`)));
}

async function openStream(options: HttpOptions, request: http.IncomingMessage, response: http.ServerResponse, url: URL): Promise<void> {
  try {
    if (!isAllowedOrigin(request, options.allowedOrigins)) throw new ClientError("forbidden", "pages of this origin may not connect: see the setting allowedOrigins");
    await options.streams.open(request, response, url);
    options.observe("/events", 200);
  } catch (error) {
    const { code, detail, afterMs } = clientErrorOf(error, options.log);
    options.observe("/events", CLIENT_ERRORS[code].httpStatus);
    refuse(response, CLIENT_ERRORS[code].httpStatus, errorBody(code, detail, afterMs), afterMs === null ? {} : { "Retry-After": String(Math.ceil(afterMs / 1_000)) });
  }
}

/** Pages of other hosts that the settings name may use the API; true: it was only the browser's question. */
function allowOrigin({ allowedOrigins }: HttpOptions, request: http.IncomingMessage, response: http.ServerResponse): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !allowedOrigins.includes(origin)) return false;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
  response.setHeader("Vary", "Origin");
  if (request.method !== "OPTIONS") return false;
  response.writeHead(204, { "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE", "Access-Control-Allow-Headers": "authorization, content-type, last-event-id", "Access-Control-Max-Age": "600" });
  response.end();
  return true;
}

async function answerRoute(options: HttpOptions, request: http.IncomingMessage, response: http.ServerResponse, url: URL, found: Route, params: Record<string, string>): Promise<void> {
  try {
    const changes = found.method !== "GET";
    if (changes && !isAllowedOrigin(request, options.allowedOrigins)) throw new ClientError("forbidden", "pages of this origin may not use the API: see the setting allowedOrigins");
    const claims = found.access === "public" ? null : await authorise(options, request, found.access);
    const result = await found.handle({
      params: found.params === undefined ? {} : parseAs(found.params, params, "path"),
      query: found.query === undefined ? {} : parseAs(found.query, Object.fromEntries(url.searchParams), "query"),
      body: found.body === undefined ? undefined : parseAs(found.body, await bodyOf(request, found), "body"),
      claims,
      address: options.clientAddress(request),
      accept: request.headers.accept ?? "",
    });
    options.observe(found.path, result.status);
    write(response, result, request.method === "HEAD");
  } catch (error) {
    const { code, detail, afterMs } = clientErrorOf(error, options.log);
    options.observe(found.path, CLIENT_ERRORS[code].httpStatus);
    const headers: Record<string, string> = afterMs === null ? {} : { "Retry-After": String(Math.ceil(afterMs / 1_000)) };
    // The rest of a body that we do not want is not read.
    if (!request.complete) headers["Connection"] = "close";
    refuse(response, CLIENT_ERRORS[code].httpStatus, errorBody(code, detail, afterMs), headers);
    if (!request.complete) response.once("finish", () => request.destroy());
  }
}

function clientErrorOf(error: unknown, log: (event: object) => void): { code: ClientErrorCode; detail: string; afterMs: number | null } {
  if (error instanceof ClientError) return { code: error.code, detail: error.message, afterMs: error.afterMs };
  if (error instanceof RegistryRefusal) return { code: error.code === "PERSON_UNKNOWN" ? "not_found" : "limit", detail: error.message, afterMs: null };
  if (error instanceof StoreUnavailable) return { code: "not_available", detail: "the store does not answer", afterMs: 1_000 };
  log({ event: "a request failed", error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  return { code: "internal", detail: "this is our fault; the log says more", afterMs: null };
}

async function authorise({ authority, registry }: HttpOptions, request: http.IncomingMessage, access: Exclude<Access, "public">): Promise<Claims> {
  const token = /^Bearer ([\w.~+/-]{1,4096}=*)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token === undefined) throw new ClientError("unauthorized", "send the token in the header: Authorization: Bearer …");
  const verdict = await authority.verify(token);
  if (!verdict.ok) throw verdict.expired ? new ClientError("token_expired", "get a new token") : new ClientError("unauthorized", "the token is not valid for this event");
  const { claims } = verdict;
  // An erased person's token ends with them.
  if (claims.personId !== null && (await registry.person(claims.personId)) === null) throw new ClientError("unauthorized", "this person is not registered here");
  if (access === "person") {
    if (claims.personId === null) throw new ClientError("forbidden", "this login is not a person");
  } else if (!access.includes(claims.role)) throw new ClientError("forbidden", `this is for: ${access.join(", ")}`);
  return claims;
}

async function bodyOf(request: http.IncomingMessage, found: Route): Promise<unknown> {
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  const wanted = found.bodyType ?? "application/json";
  if (type !== wanted) throw new ClientError("bad_request", `the body must be ${wanted} (header Content-Type)`);
  const bytes = await readBody(request, found.maxBodyBytes ?? MAX_JSON_BYTES);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ClientError("bad_request", "the body is not UTF-8");
  }
  if (found.bodyType !== undefined) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ClientError("bad_request", `the body is not JSON: ${(error as Error).message}`);
  }
}

function write(response: http.ServerResponse, { status, body, text, headers = {} }: Answer, headOnly: boolean): void {
  const payload = text?.text ?? JSON.stringify(body ?? {});
  response.writeHead(status, { "Content-Type": text?.type ?? "application/json; charset=utf-8", "Content-Length": Buffer.byteLength(payload), "Cache-Control": "no-store", ...headers });
  response.end(headOnly ? undefined : payload);
}

function refuse(response: http.ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  if (response.headersSent) return void response.destroy();
  write(response, { status, body, headers }, false);
}
