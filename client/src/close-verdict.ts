import type { FailureCode } from "./options.ts";

/** What a close code asks of the client: come back, come back with a new token, or stop and say why. */
export type CloseVerdict = { kind: "reconnect" } | { kind: "renew"; code: FailureCode; message: string } | { kind: "stop"; code: FailureCode; message: string };

const RENEW: Record<number, [FailureCode, string]> = {
  4401: ["token_expired", "The session has ended. Log in again."],
  4403: ["permissions_changed", "Your rights have changed. Log in again."],
};

const STOP: Record<number, [FailureCode, string]> = {
  // Ours never sends what these complain about: trying again would be told the same.
  1002: ["protocol_error", "The server does not understand this page. Reload it."],
  1009: ["protocol_error", "The server does not understand this page. Reload it."],
  4500: ["unauthorized", "The session is not valid. Log in again."],
  4501: ["protocol_error", "The server does not understand this page. Reload it."],
  4502: ["protocol_error", "The server does not understand this page. Reload it."],
  4503: ["erased", "Your data has been erased as asked for. This page shows nothing any more."],
  4504: ["connection_limit", "Too many pages are open for this login. Close some of them."],
};

/** 44xx: a new token first; 45xx: stop; all else, 40xx and a plain loss (1006) too: reconnect. */
export function verdictOfClose(closeCode: number): CloseVerdict {
  const renew = RENEW[closeCode];
  if (renew !== undefined || (closeCode >= 4400 && closeCode < 4500)) {
    const [code, message] = renew ?? ["token_expired", "The session has ended. Log in again."];
    return { kind: "renew", code, message };
  }
  const stop = STOP[closeCode];
  if (stop !== undefined || (closeCode >= 4500 && closeCode < 4600)) {
    const [code, message] = stop ?? ["protocol_error", `The server has ended the connection (${closeCode}).`];
    return { kind: "stop", code, message };
  }
  return { kind: "reconnect" };
}
