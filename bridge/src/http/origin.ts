import type http from "node:http";

/**
 * True for the bridge's own pages, for origins that the settings name, and for clients that send no Origin
 * (programs): tokens travel in frames and headers, never in cookies, so a foreign page has nothing to ride on.
 */
export function isAllowedOrigin(request: http.IncomingMessage, allowedOrigins: readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (allowedOrigins.includes(origin)) return true;
  try {
    return new URL(origin).host === host;
  } catch {
    return false; // "null" of sandboxed pages and files
  }
}
