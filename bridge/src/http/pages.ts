import fs from "node:fs";
import type http from "node:http";
import sirv from "sirv";
import { ConfigError } from "@konferenco/protocol";

/**
 * Nothing but our own files: no inline script or style, no frame around us, nobody else's server. Pages
 * talk to their own origin only; `'self'` covers its WebSocket.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** On every answer. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
  "X-Frame-Options": "DENY",
};

export type Pages = (request: http.IncomingMessage, response: http.ServerResponse, next: () => void) => void;

/** The built pages. Html is asked for anew each time, so that a new version is seen at once; files named by their hash never. */
export function openPages(webRoot: string | null): Pages | null {
  if (webRoot === null) return null;
  if (!fs.existsSync(webRoot)) throw new ConfigError(`the folder of the pages, ${webRoot}, is not there: run "npm run build -w web", or set webRoot to null`);
  return sirv(webRoot, {
    etag: true,
    setHeaders(response, path) {
      const hashed = /[.-][A-Za-z0-9_-]{8,}\.(?:js|css|svg|png|woff2)$/.test(path);
      response.setHeader("Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-store");
    },
  });
}
