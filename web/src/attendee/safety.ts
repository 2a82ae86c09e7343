import type { Audience, Level, Lookup, Session } from "@konferenco/protocol";
import { effect, signal, type Signal } from "@preact/signals";
import { callApi, inWords } from "../common/api.ts";
import { keep, type Kept } from "../common/kept.ts";
import type { MyState } from "./my-place.ts";

/** Who can see me now, as the server tells it. */
export interface Viewers {
  audiences: { audience: Audience; level: Level }[];
  people: { personId: string; name: string; level: Level; untilMs: number | null }[];
  /** Mutual connections: whom I can show my precise place. */
  connections: { personId: string; name: string }[];
  blocked: string[];
}

export interface Safety {
  viewers: Signal<Viewers | null>;
  lookups: Signal<readonly Lookup[] | null>;
  /** Names of those whom I blocked on this device: the server keeps ids alone, and tells nobody's name for one. */
  blockedNames: Kept<Readonly<Record<string, string>>>;
  fault: Signal<string | null>;
  block: (personId: string, name: string) => void;
  unblock: (personId: string) => void;
  share: (personId: string, minutes: number) => void;
  endShare: (personId: string) => void;
  close: () => void;
}

/** Shares end by themselves, and staff look people up at any time. */
const RELOAD_EVERY_MS = 30_000;

export function openSafety(session: Session, state: Signal<MyState>): Safety {
  const viewers = signal<Viewers | null>(null);
  const lookups = signal<readonly Lookup[] | null>(null);
  const fault = signal<string | null>(null);
  const blockedNames = keep<Readonly<Record<string, string>>>(`konferenco.attendee.blocked.${session.personId}`, {});

  const reload = (): void => {
    const { token } = session;
    Promise.all([callApi<Viewers>("me/viewers", { token }), callApi<{ lookups: Lookup[] }>("me/audit", { token })]).then(
      ([seen, audit]) => {
        viewers.value = seen;
        lookups.value = audit.lookups.toReversed();
      },
      () => {}, // what was known stays; the banner tells of a lost connection
    );
  };
  const change = (method: "PUT" | "DELETE", path: string, body?: object): void => {
    fault.value = null;
    callApi(`me/${path}`, { method, token: session.token, ...(body === undefined ? {} : { body }) }).then(reload, (error: unknown) => {
      fault.value = `Not changed. ${inWords(error)}`;
    });
  };

  // Each change of my settings, on whichever device, may change who sees me.
  const settings = (): unknown => state.value.settings;
  let known: unknown;
  const stopWatching = effect(() => {
    if (settings() === known) return;
    known = settings();
    reload();
  });
  const timer = setInterval(reload, RELOAD_EVERY_MS);

  return {
    viewers,
    lookups,
    blockedNames,
    fault,
    block(personId, name) {
      blockedNames.change({ ...blockedNames.value.value, [personId]: name });
      change("PUT", `blocks/${encodeURIComponent(personId)}`);
    },
    unblock: (personId) => change("DELETE", `blocks/${encodeURIComponent(personId)}`),
    share: (personId, minutes) => change("PUT", `shares/${encodeURIComponent(personId)}`, { minutes }),
    endShare: (personId) => change("DELETE", `shares/${encodeURIComponent(personId)}`),
    close() {
      stopWatching();
      clearInterval(timer);
    },
  };
}
