import type { Session } from "@konferenco/protocol";
import { useEffect, useState } from "preact/hooks";
import { ApiError, inWords } from "./api.ts";

type Leave = (message: string | null) => void;

interface OpeningOptions<T> {
  session: Session;
  /** Why this login may not open the page at all; null: it may. */
  refusal: string | null;
  load: () => Promise<T>;
  onLeave: Leave;
}

/** Loads what a page needs before it can open, anew for each session; null until it is there. */
export function useOpening<T>({ session, refusal, load, onLeave }: OpeningOptions<T>): { loaded: T | null; fault: string | null } {
  const [loaded, setLoaded] = useState<T | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    if (refusal !== null) return setFault(refusal);
    load().then(setLoaded, (error: unknown) => {
      if (error instanceof ApiError && error.httpStatus === 401) onLeave("The session has ended. Log in again.");
      else setFault(inWords(error));
    });
  }, [session]);
  return { loaded, fault };
}

/** The page's door: it opens, or says why not. */
export function Opening({ fault, onLeave }: { fault: string | null; onLeave: Leave }) {
  return (
    <main class="door" aria-busy={fault === null}>
      {fault === null ? (
        <p class="muted">Opening…</p>
      ) : (
        <>
          <p class="note bad" role="alert">
            {fault}
          </p>
          <button type="button" class="button" onClick={() => location.reload()}>
            Try again
          </button>
          <button type="button" class="button quiet" onClick={() => onLeave(null)}>
            Log in as somebody else
          </button>
        </>
      )}
    </main>
  );
}
