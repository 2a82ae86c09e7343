import { type EventId } from "@konferenco/protocol";
import { openLink, type Link } from "./mqtt-link.ts";
import { messagesOfRecording, spanOf, type PlayableRecording } from "./recording.ts";

export interface ReplayOptions {
  recording: PlayableRecording;
  brokerUrl: string;
  eventId: EventId;
  /** An application's login with the right `publish-reports`, and `publish-sensors` where the recording has Wi-Fi scans; null where the broker lets everybody in. */
  login: { name: string; password: string } | null;
  /** Seconds of the recording in one second. */
  speed?: number;
  /** What the recording's 0 is on the reports' clock; default: so that it begins now, and a fusion on the wall clock takes them. 0 keeps the recording's own times. */
  startAtMs?: number;
  nowMs: () => number;
  connectWithinMs?: number;
  /** Each gateway sends so often. */
  windowMs?: number;
}

export interface ReplayStats {
  reports: number;
  observations: number;
  /** Wi-Fi scans of devices. */
  scans: number;
  /** Where in the recording it is, from what was heard first. */
  replayedMs: number;
  /** How far sending lags behind the clock: a broker that is slower than the speed asked for. */
  behindMs: number;
  /** Times that a report waited for the connection to come back. */
  waits: number;
  ended: boolean;
}

export interface Replay {
  /** Resolves when all is sent or `close` was called. */
  readonly done: Promise<void>;
  stats(): ReplayStats;
  close(): Promise<void>;
}

/** A report that meets an outage is tried again this often, in its place: order is kept, nothing is queued. */
const RETRY_MS = 200;

/**
 * Publishes a recording over one connection, message after message, so that the broker and everybody behind it
 * see one order: the order of sending times, then gateways. Bounded: the next message is made when the last one has left.
 */
export async function openReplay(options: ReplayOptions): Promise<Replay> {
  const { recording, eventId, speed = 1, nowMs, windowMs = 500 } = options;
  const link: Link = await openLink({
    url: options.brokerUrl,
    // More than one replay may run with the same login.
    clientId: `${options.login?.name ?? "replay"}/${Math.floor(nowMs()).toString(36)}-${process.pid}`,
    login: options.login,
    connectWithinMs: options.connectWithinMs ?? 10_000,
  });
  const openedAtMs = nowMs();
  // Multiples of the batch's length keep the batches what they are in virtual time.
  const beginMs = Math.floor(spanOf(recording).beginMs / windowMs) * windowMs;
  const startAtMs = options.startAtMs ?? Math.floor(openedAtMs / windowMs) * windowMs - beginMs;
  const stats: ReplayStats = { reports: 0, observations: 0, scans: 0, replayedMs: 0, behindMs: 0, waits: 0, ended: false };
  const stop = new AbortController();

  async function run(): Promise<void> {
    for (const { topic, payload, observations, isScan, sentAtMs } of messagesOfRecording(recording, { eventId, startAtMs, windowMs })) {
      const replayedMs = sentAtMs - startAtMs - beginMs;
      const dueAtMs = openedAtMs + replayedMs / speed;
      const waitMs = dueAtMs - nowMs();
      stats.behindMs = Math.max(0, -waitMs);
      if (waitMs > 0) await pause(waitMs, stop.signal);
      while (!stop.signal.aborted && !(await link.send(topic, payload))) {
        stats.waits++;
        await pause(RETRY_MS, stop.signal);
      }
      if (stop.signal.aborted) return;
      if (isScan) stats.scans++;
      if (observations > 0) stats.reports++;
      stats.observations += observations;
      stats.replayedMs = replayedMs;
    }
    stats.ended = true;
  }
  const running = run();
  // The goodbye is sent after the last report on the same connection, so a broker that got it has got them all.
  const done = running.then(
    () => link.close(),
    async (error: unknown) => {
      await link.close();
      throw error;
    },
  );
  // Whoever closes without awaiting `done` is told by close().
  done.catch(() => undefined);

  return {
    done,
    stats: () => ({ ...stats }),
    async close() {
      stop.abort();
      await done;
    },
  };
}

/** Ends early when stopped. */
function pause(forMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, forMs);
    signal.addEventListener("abort", finish);
  });
}
