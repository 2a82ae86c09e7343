import type { Session } from "@konferenco/protocol";
import { signal, type Signal } from "@preact/signals";
import { callApi, inWords } from "./api.ts";

/** Who is logged in on this page, or what the login form says. */
export type Entry = { kind: "checking" } | { kind: "login"; message: string | null } | { kind: "in"; session: Session };

export interface Door {
  entry: Signal<Entry>;
  logIn: (login: string, password: string) => Promise<void>;
  leave: (message: string | null) => void;
}

let storageKey: string | null = null;

/** The session goes on under a fresh token: in place, for who is logged in has not changed and nothing is to be drawn anew. */
export function keepRenewed(session: Session, fresh: Session): void {
  Object.assign(session, fresh);
  if (storageKey !== null && sessionStorage.getItem(storageKey) !== null) sessionStorage.setItem(storageKey, JSON.stringify(session));
}

/**
 * The way into a page: a ticket in the link, a session of this tab, or the login form. The session is kept
 * for the tab only (sessionStorage); console and attendee page keep their own, so one does not log the other out.
 */
export function openDoor(page: "console" | "attendee"): Door {
  const key = `konferenco.${page}.session`;
  storageKey = key;
  const entry = signal<Entry>({ kind: "checking" });

  const enter = (session: Session): void => {
    sessionStorage.setItem(key, JSON.stringify(session));
    entry.value = { kind: "in", session };
  };
  const leave = (message: string | null): void => {
    sessionStorage.removeItem(key);
    entry.value = { kind: "login", message };
  };
  const redeem = async (ticket: string): Promise<void> => {
    entry.value = { kind: "checking" };
    try {
      enter(await callApi<Session>("tickets/redeem", { method: "POST", body: { ticket } }));
    } catch (error) {
      const unusable = "This link was used already or is too old. Ask for a new one, or log in.";
      leave(isRefusal(error) ? unusable : inWords(error));
    }
  };
  const look = (): void => {
    const ticket = takeTicket();
    if (ticket !== null) return void redeem(ticket);
    const kept = readSession(sessionStorage.getItem(key));
    if (kept === null) leave(null);
    else entry.value = { kind: "in", session: kept };
  };

  // A second ticket pasted into the same tab changes only the fragment; the page is not loaded again.
  window.addEventListener("hashchange", () => location.hash.startsWith("#ticket=") && look());
  look();
  return {
    entry,
    leave,
    async logIn(login, password) {
      enter(await callApi<Session>("sessions", { method: "POST", body: { login, password } }));
    },
  };
}

/** Takes the ticket out of the address bar before it is used, so that it is in no history, bookmark or screenshot. */
function takeTicket(): string | null {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (ticket !== null) history.replaceState(null, "", location.pathname + location.search);
  return ticket;
}

function readSession(text: string | null): Session | null {
  if (text === null) return null;
  try {
    const session = JSON.parse(text) as Session;
    return session.expiresAtMs > Date.now() ? session : null;
  } catch {
    return null;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && "httpStatus" in error && typeof error.httpStatus === "number" && error.httpStatus >= 400 && error.httpStatus < 500;
}
