import type http from "node:http";
import { z } from "zod";
import { CLIENT_ERRORS, type ClientErrorCode } from "@konferenco/protocol";
import type { ViewerRole } from "../core/privacy-policy.ts";
import type { Claims } from "../auth.ts";

/** An answer that is not the wished one; becomes the JSON error of its code. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  readonly afterMs: number | null;

  constructor(code: ClientErrorCode, detail: string, afterMs: number | null = null) {
    super(detail);
    this.name = "ClientError";
    this.code = code;
    this.afterMs = afterMs;
  }
}

export const errorSchema = z.object({
  error: z.object({
    code: z.enum(Object.keys(CLIENT_ERRORS) as [ClientErrorCode, ...ClientErrorCode[]]),
    number: z.number(),
    retry: z.boolean().describe("true: the same request may succeed later"),
    after: z.number().optional().describe("milliseconds to wait before"),
    detail: z.string(),
  }),
});

export function errorBody(code: ClientErrorCode, detail: string, afterMs: number | null = null): z.infer<typeof errorSchema> {
  const { number, retry } = CLIENT_ERRORS[code];
  return { error: { code, number, retry, ...(afterMs === null ? {} : { after: afterMs }), detail } };
}

export interface Answer {
  status: number;
  body?: unknown;
  /** Instead of JSON. */
  text?: { type: string; text: string };
  headers?: Record<string, string>;
}

/** Who may ask: nobody in particular, anybody with a token, some roles, or a person for themselves. */
export type Access = "public" | "person" | readonly ViewerRole[];

export const EVERYBODY = ["operator", "staff", "display", "attendee"] as const satisfies readonly ViewerRole[];
export const STAFF = ["operator", "staff"] as const satisfies readonly ViewerRole[];
export const OPERATOR = ["operator"] as const satisfies readonly ViewerRole[];

export interface RouteRequest<Params, Query, Body> {
  params: Params;
  query: Query;
  body: Body;
  /** Null on public routes. */
  claims: Claims | null;
  address: string;
  /** The header Accept; empty: whatever we have. */
  accept: string;
}

export interface RouteShape<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `/api/v1/people/{personId}` */
  path: string;
  summary: string;
  access: Access;
  params?: Params;
  query?: Query;
  /** JSON by this schema; `text` takes the body as it is. */
  body?: Body;
  bodyType?: "text/csv" | "application/geo+json";
  maxBodyBytes?: number;
  status?: number;
  answers?: z.ZodType;
  errors?: readonly ClientErrorCode[];
  handle(request: RouteRequest<z.output<Params>, z.output<Query>, z.output<Body>>): Promise<Answer> | Answer;
}

// The handler's request is checked by the route's own schemas before it is called, so the table may forget them.
export type Route = Omit<RouteShape<z.ZodType, z.ZodType, z.ZodType>, "handle"> & {
  segments: readonly string[];
  handle(request: RouteRequest<unknown, unknown, unknown>): Promise<Answer> | Answer;
};

export function route<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType>(shape: RouteShape<Params, Query, Body>): Route {
  return { ...shape, segments: shape.path.split("/"), handle: (request) => shape.handle(request as RouteRequest<z.output<Params>, z.output<Query>, z.output<Body>>) };
}

export type Match = { kind: "found"; route: Route; params: Record<string, string> } | { kind: "other-method"; allowed: string[] } | { kind: "none" };

export function matchRoute(routes: readonly Route[], method: string, path: string): Match {
  const segments = path.split("/");
  const allowed: string[] = [];
  for (const candidate of routes) {
    const params = matchSegments(candidate.segments, segments);
    if (params === null) continue;
    if (candidate.method === method) return { kind: "found", route: candidate, params };
    allowed.push(candidate.method);
  }
  return allowed.length > 0 ? { kind: "other-method", allowed } : { kind: "none" };
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const params: [string, string][] = [];
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] as string;
    if (part.startsWith("{")) {
      const value = decode(segment);
      if (value === null) return null;
      params.push([part.slice(1, -1), value]);
    } else if (part !== segment) return null;
  }
  return Object.fromEntries(params);
}

function decode(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** The whole body, or `too_large` as soon as it is: nothing beyond the limit is kept. */
export async function readBody(request: http.IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw new ClientError("too_large", `the body may have ${maxBytes} bytes`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ClientError("too_large", `the body may have ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A value by its schema, or `bad_request` naming the first fault. */
export function parseAs<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ClientError("bad_request", `${where}${issue === undefined || issue.path.length === 0 ? "" : `.${issue.path.join(".")}`}: ${issue?.message ?? "does not fit"}`);
}
