/**
 * What several pages of one browser need to share a connection: one of them is elected, and all hear each other.
 * `browserTabs` is the real one; a test brings its own.
 */
export interface Tabs {
  /** A name that no other tab has. */
  newName(): string;
  /** Stands for election; `won` is called when this tab is the one. `lost`: another has taken it over. */
  stand(candidate: Candidate): Candidacy;
  /** To all other tabs, in order. */
  post(message: unknown): void;
  listen(onMessage: (message: unknown) => void): void;
  /** No message after this. */
  close(): void;
}

export interface Candidate {
  won: () => void;
  lost: () => void;
}

export interface Candidacy {
  /** Takes it over from a tab that does not answer. */
  seize(): void;
  /** Gives it back, or stands no longer. */
  withdraw(): void;
}

/**
 * Tabs of one browser that know the same `key`: make it of who is logged in, for all of them show the same.
 * Null where the browser cannot do it (no Web Locks on pages without HTTPS): each tab then has its own connection.
 */
export function browserTabs(key: string): Tabs | null {
  if (typeof BroadcastChannel === "undefined" || typeof navigator === "undefined" || (navigator as Partial<Navigator>).locks === undefined) return null;
  const name = `konferenco ${key}`;
  const channel = new BroadcastChannel(name);
  return {
    newName: () => crypto.randomUUID(),
    stand: (candidate) => standForLock(name, candidate),
    // A BroadcastChannel reaches its own origin alone and takes no target.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    post: (message) => channel.postMessage(message),
    listen: (onMessage) => channel.addEventListener("message", ({ data }) => onMessage(data)),
    close: () => channel.close(),
  };
}

/** A lock passes on by itself when its tab closes or crashes, and waits for no timer. */
function standForLock(name: string, { won, lost }: Candidate): Candidacy {
  let queued = new AbortController();
  let release: (() => void) | null = null;
  let isOver = false;
  const request = (options: LockOptions): void => {
    navigator.locks
      .request(name, options, () => {
        if (isOver) return undefined;
        const held = new Promise<void>((resolve) => (release = resolve));
        won();
        return held;
      })
      .catch(() => {
        // Ours was stolen, unless we ended the waiting ourselves.
        if (isOver || release === null) return;
        release = null;
        lost();
        wait();
      });
  };
  const wait = (): void => {
    queued = new AbortController();
    request({ signal: queued.signal });
  };
  wait();
  return {
    seize() {
      if (isOver || release !== null) return;
      queued.abort();
      request({ steal: true });
    },
    withdraw() {
      isOver = true;
      queued.abort();
      release?.();
    },
  };
}
