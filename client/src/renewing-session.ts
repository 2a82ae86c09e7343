import type { ClientErrorCode, Session } from "@konferenco/protocol";
import { refusalOf } from "./http-refusal.ts";
import { RefusedByServer, type Clock } from "./options.ts";
import { defaultFetch, systemClock } from "./surroundings.ts";

/** Renewed when this share of its life is over: before a connection asks for a fresh token (0.8), and with hours left for a bad network. */
const RENEW_AT = 0.75;
/** After a renewal that did not come through. */
const AGAIN_MS = 60_000;
/** 2^31 - 1 ms is the longest that timers take; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface RenewingSessionOptions {
  /** Of the live connection: `wss://host/events`. */
  url: string;
  /** The answer of `POST /api/v1/sessions` or `…/tickets/redeem`. */
  session: Session;
  /** Keep this one instead. */
  onRenewed?: (session: Session) => void;
  fetch?: typeof fetch;
  clock?: Clock;
}

export interface RenewingSession {
  /** For `connect({ token })`: a token that is good now. Rejects with `RefusedByServer` when only a new login helps. */
  token(): Promise<string>;
  close(): void;
}

/** A session that is exchanged for a fresh one before it ends, for as long as the server allows (7 days after the login). */
export function renewingSession({ url, session, onRenewed, fetch: own, clock = systemClock }: RenewingSessionOptions): RenewingSession {
  let current = session;
  let bornAtMs = clock.nowMs();
  let refusal: RefusedByServer | null = null;
  let renewing: Promise<void> | null = null;
  let timer: unknown = null;
  let isClosed = false;

  const dueAtMs = (): number => bornAtMs + (current.expiresAtMs - bornAtMs) * RENEW_AT;
  const plan = (afterMs: number): void => {
    clock.clearTimer(timer);
    if (!isClosed) timer = clock.setTimer(() => (clock.nowMs() < dueAtMs() ? plan(dueAtMs() - clock.nowMs()) : void renew()), Math.min(MAX_TIMER_MS, Math.max(0, afterMs)));
  };
  const ask = async (): Promise<void> => {
    const open = own ?? defaultFetch();
    if (open === null) throw new Error("this runtime has no fetch: pass one as an option");
    const answer = await open(new URL("api/v1/sessions/renew", url.replace(/^ws/, "http")).href, { method: "POST", headers: { authorization: `Bearer ${current.token}` }, cache: "no-store" });
    if (!answer.ok) throw new RefusedByServer(await refusalOf(answer));
    if (isClosed) return;
    current = (await answer.json()) as Session;
    bornAtMs = clock.nowMs();
    onRenewed?.(current);
  };
  const renew = (): Promise<void> =>
    (renewing ??= ask()
      .then(
        () => plan(dueAtMs() - clock.nowMs()),
        (error: unknown) => {
          if (error instanceof RefusedByServer && isFinal(error.code)) refusal = error;
          else plan(AGAIN_MS);
        },
      )
      .finally(() => (renewing = null)));

  plan(dueAtMs() - clock.nowMs());
  return {
    async token() {
      // A machine that slept through its timer renews now.
      if (refusal === null && clock.nowMs() >= dueAtMs()) await renew();
      if (refusal !== null && clock.nowMs() >= current.expiresAtMs) throw refusal;
      return current.token;
    },
    close() {
      isClosed = true;
      clock.clearTimer(timer);
    },
  };
}

function isFinal(code: ClientErrorCode): boolean {
  return code === "unauthorized" || code === "token_expired" || code === "forbidden";
}
