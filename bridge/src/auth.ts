import { randomUUID, subtle } from "node:crypto";
import { SignJWT, errors, jwtVerify } from "jose";
import { isId } from "@konferenco/protocol";
import { z } from "zod";
import type { Bearer } from "./config.ts";
import { VIEWER_ROLES, type ViewerRole } from "./core/privacy-policy.ts";

const ISSUER = "konferenco";
/** A working day and the evening: people log in once at the venue. Never above 24 h. */
const TOKEN_LIFETIME_S = 12 * 60 * 60;
/** So long after logging in a session is renewed without the password; a conference is over by then. */
export const RENEWABLE_S = 7 * 24 * 60 * 60;
const CLOCK_SKEW_S = 60;

/**
 * What a token says. Claims: `iss` "konferenco", `aud` the eventId, `sub` the personId or "login:<name>",
 * `role`, `iat`, `exp`, `jti`; `auth_time`: when they logged in (s), which renewing keeps; optional `channels` {sub, pub}: patterns of application channels, and `sys`: the venue's
 * own software, which may send what the registry calls "system only". Nothing that a client sends widens them.
 */
export interface Claims extends Bearer {
  /** `sub`: what cursors and connection limits are bound to. */
  subject: string;
  expiresAtMs: number;
  loggedInAtMs: number;
}

const patterns = z.array(z.string().min(1).max(64)).max(64);
const channelClaimSchema = z.object({ sub: patterns.optional(), pub: patterns.optional() }).strict();

export type TokenVerdict = { ok: true; claims: Claims } | { ok: false; expired: boolean };

export interface TokenAuthority {
  issue(who: Bearer): Promise<{ token: string; expiresAtMs: number }>;
  verify(token: string): Promise<TokenVerdict>;
}

export async function newTokenAuthority(key: Uint8Array, eventId: string, nowMs: () => number): Promise<TokenAuthority> {
  // Imported once: an import per token would cost more than the check itself.
  const hmacKey = await subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  return {
    async issue({ role, personId, loginName, channels, system, loggedInAtMs = nowMs() }) {
      const nowS = Math.floor(nowMs() / 1_000);
      const subject = personId ?? `login:${loginName ?? role}`;
      const token = await new SignJWT({ role, auth_time: Math.floor(loggedInAtMs / 1_000), ...(channels === undefined ? {} : { channels }), ...(system === true ? { sys: true } : {}) })
        .setProtectedHeader({ alg: "HS256", typ: "JWT" })
        .setIssuer(ISSUER)
        .setAudience(eventId)
        .setSubject(subject)
        .setIssuedAt(nowS)
        .setExpirationTime(nowS + TOKEN_LIFETIME_S)
        .setJti(randomUUID())
        .sign(hmacKey);
      return { token, expiresAtMs: (nowS + TOKEN_LIFETIME_S) * 1_000 };
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, hmacKey, {
          algorithms: ["HS256"],
          issuer: ISSUER,
          audience: eventId,
          requiredClaims: ["sub", "exp", "iat", "jti"],
          currentDate: new Date(nowMs()),
        });
        const { sub, role, exp, iat } = payload;
        const lifetimeS = (exp ?? Infinity) - (iat ?? 0);
        if (sub === undefined || exp === undefined || iat === undefined || !isRole(role) || lifetimeS > 24 * 60 * 60) return { ok: false, expired: false };
        if (iat * 1_000 > nowMs() + CLOCK_SKEW_S * 1_000) return { ok: false, expired: false };
        const personId = sub.startsWith("login:") ? null : sub;
        if (personId !== null && !isId(personId)) return { ok: false, expired: false };
        const channels = payload["channels"] === undefined ? null : channelClaimSchema.safeParse(payload["channels"]);
        if (channels?.success === false) return { ok: false, expired: false };
        const authTimeS = typeof payload["auth_time"] === "number" ? payload["auth_time"] : iat;
        const loginName = personId === null ? { loginName: sub.slice("login:".length) } : {};
        return { ok: true, claims: { role, personId, ...loginName, ...(channels === null ? {} : { channels: channels.data }), system: payload["sys"] === true, subject: sub, expiresAtMs: exp * 1_000, loggedInAtMs: authTimeS * 1_000 } };
      } catch (error) {
        return { ok: false, expired: error instanceof errors.JWTExpired };
      }
    },
  };
}

function isRole(value: unknown): value is ViewerRole {
  return typeof value === "string" && (VIEWER_ROLES as readonly string[]).includes(value);
}
