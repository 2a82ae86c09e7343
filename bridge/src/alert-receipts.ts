import { randomBytes } from "node:crypto";
import type { Alert, ReceiptCounts, Signal, Update } from "@konferenco/protocol";
import type { Connection } from "./connection.ts";
import { seesThings } from "./core/privacy-policy.ts";
import { showAlert, showReceipts } from "./core/privacy.ts";
import type { Hub } from "./hub.ts";
import { eventRefOf } from "./keys.ts";
import type { Signals } from "./signals.ts";

/** Alerts whose receipts are followed: the newest ones. One of 10,000 devices is about 1 MB until they have acknowledged. */
const MAX_ALERTS = 20;
/** An alert that is not acknowledged is sent again after 5, 10, 20, 40 and 80 s (requirement E4: five times). */
const FIRST_RETRY_MS = 5_000;
const MAX_TRIES = 5;
const HOUR_MS = 60 * 60_000;

export interface AlertReceiptsOptions {
  hub: Hub;
  signals: Signals;
  eventRefKey: Uint8Array;
  nowMs: () => number;
}

interface Waiting {
  /** The client has it when it has acknowledged up to here; null: not written yet. */
  untilS: number | null;
  tries: number;
  retryAtMs: number;
}

interface Followed {
  alert: Alert;
  update: Update;
  ref: string;
  waiting: Map<Connection, Waiting>;
  delivered: number;
  /** Closed before they acknowledged. The person gets it on return, by the replay. */
  closed: number;
  told: string;
  /** What each bridge says of its own devices. */
  byBridge: Map<string, ReceiptCounts>;
}

export interface AlertReceipt {
  alert: Alert;
  counts: ReceiptCounts;
}

/** Which devices have an alert: sent again until the client itself says so, for a protocol stack reads while a page hangs. */
export class AlertReceipts {
  readonly #options: AlertReceiptsOptions;
  readonly #bridge = randomBytes(6).toString("base64url");
  readonly #alerts = new Map<string, Followed>();

  constructor(options: AlertReceiptsOptions) {
    this.#options = options;
  }

  heard(update: Update): void {
    const { body, updateId } = update;
    if (body.kind !== "alert") return;
    const { hub, eventRefKey, nowMs } = this.#options;
    const followed = this.#followedOf(body.alert.alertId, { alert: body.alert, update, ref: eventRefOf(eventRefKey, updateId.epoch, updateId.offset) });
    const retryAtMs = nowMs() + FIRST_RETRY_MS;
    for (const connection of hub.byChannel.alerts) followed.waiting.set(connection, { untilS: null, tries: 0, retryAtMs });
  }

  #followedOf(alertId: string, made: Pick<Followed, "alert" | "update" | "ref">): Followed {
    const followed: Followed = { ...made, waiting: new Map(), delivered: 0, closed: 0, told: "", byBridge: this.#alerts.get(alertId)?.byBridge ?? new Map() };
    this.#alerts.set(alertId, followed);
    if (this.#alerts.size > MAX_ALERTS) {
      const [oldest] = this.#alerts.keys();
      if (oldest !== undefined) this.#alerts.delete(oldest);
    }
    return followed;
  }

  /** A second bridge's devices; the sum is what operators see. */
  heardReceipts({ bridge, alertId, counts }: Extract<Signal, { kind: "receipts" }>): void {
    const followed = this.#alerts.get(alertId);
    if (followed === undefined) return;
    followed.byBridge.set(bridge, counts);
    const shown = showReceipts(alertId, sumOf(followed.byBridge.values()), this.#options.nowMs());
    for (const connection of this.#options.hub.byChannel.venue) if (seesThings(connection.viewer)) this.#options.hub.offer(connection, shown);
  }

  /** A few times a second: who has acknowledged, who must be told again. */
  tick(): void {
    const { nowMs } = this.#options;
    const atMs = nowMs();
    let again = false;
    for (const followed of this.#alerts.values()) {
      for (const [connection, waiting] of followed.waiting) again = this.#look(followed, connection, waiting, atMs) || again;
    }
    if (again) this.#options.hub.flushUrgent();
  }

  /** True: it was sent again. */
  #look(followed: Followed, connection: Connection, waiting: Waiting, atMs: number): boolean {
    const { outbox } = connection;
    if (connection.state === "closed" || outbox === null) {
      followed.waiting.delete(connection);
      followed.closed++;
      return false;
    }
    // Alerts pass every queue: when none waits, ours has been written, and stands at or before the last number.
    if (waiting.untilS === null && !outbox.hasAlerts) {
      waiting.untilS = outbox.lastS;
      if (connection.clientAckedS === 0) connection.wire.probe(outbox.lastS);
    }
    // A client that never acknowledges by itself has its protocol stack to do it.
    const ackedS = connection.clientAckedS > 0 ? connection.clientAckedS : outbox.ackedS;
    if (waiting.untilS !== null && ackedS >= waiting.untilS) {
      followed.waiting.delete(connection);
      followed.delivered++;
      return false;
    }
    if (waiting.tries >= MAX_TRIES || atMs < waiting.retryAtMs || atMs - followed.alert.atMs > HOUR_MS) return false;
    waiting.tries++;
    waiting.retryAtMs = atMs + FIRST_RETRY_MS * 2 ** waiting.tries;
    if (outbox.hasAlerts) return false; // it still waits for the network
    this.#options.hub.offer(connection, showAlert(followed.alert, followed));
    return true;
  }

  /** Once a second: what has changed goes to all bridges. */
  tickSecond(): void {
    for (const [alertId, followed] of this.#alerts) {
      const counts = countsOf(followed);
      const text = JSON.stringify(counts);
      if (text === followed.told) continue;
      followed.told = text;
      this.#options.signals.push({ kind: "receipts", bridge: this.#bridge, alertId, counts });
    }
  }

  /** The newest alerts first. */
  list(): AlertReceipt[] {
    return [...this.#alerts.values()]
      .map((followed) => ({ alert: followed.alert, counts: sumOf([...[...followed.byBridge].filter(([bridge]) => bridge !== this.#bridge).map(([, counts]) => counts), countsOf(followed)]) }))
      .reverse();
  }
}

function countsOf({ waiting, delivered, closed }: Followed): ReceiptCounts {
  let failed = closed;
  for (const { tries } of waiting.values()) if (tries >= MAX_TRIES) failed++;
  return { delivered, pending: waiting.size - (failed - closed), failed };
}

function sumOf(all: Iterable<ReceiptCounts>): ReceiptCounts {
  const sum: ReceiptCounts = { delivered: 0, pending: 0, failed: 0 };
  for (const { delivered, pending, failed } of all) {
    sum.delivered += delivered;
    sum.pending += pending;
    sum.failed += failed;
  }
  return sum;
}
