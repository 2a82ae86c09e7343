import { countRefusal, type RefusalCode, type RefusalCounts } from "@konferenco/protocol";

/** One refusal is logged per subject and code in this time; the others are counted and told with the next. */
const REPEAT_AFTER_MS = 60_000;
/** Subjects remembered for that, about 200 bytes each. Beyond it the oldest is forgotten and may be logged early. */
const MAX_SUBJECTS = 1_000;

/** Counts what happened and writes the log lines, so that an attacker can fill neither memory nor disk. */
export class Ledger {
  received = 0;
  bytes = 0;
  /** The attached handler failed: no acknowledgement was given. */
  handlerFailures = 0;
  readonly refused: RefusalCounts = {};
  readonly #log: (event: object) => void;
  readonly #nowMs: () => number;
  readonly #seen = new Map<string, { loggedAtMs: number; suppressed: number }>();

  constructor(log: (event: object) => void, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  log(event: object): void {
    this.#log(event);
  }

  /** `subject`: whom it is about, a user name or an address. */
  refuse(code: RefusalCode, subject: string, detail: string): void {
    countRefusal(this.refused, code);
    this.logSometimes(subject, { event: "broker.refused", code, subject: subject.slice(0, 129), detail });
  }

  subjectsRemembered(): number {
    return this.#seen.size;
  }

  logSometimes(subject: string, event: { event: string; code?: RefusalCode; detail: string; subject?: string }): void {
    const key = `${event.event} ${event.code ?? ""} ${subject}`;
    const nowMs = this.#nowMs();
    const before = this.#seen.get(key);
    if (before !== undefined && nowMs - before.loggedAtMs < REPEAT_AFTER_MS) {
      before.suppressed += 1;
      return;
    }
    this.#seen.delete(key);
    if (this.#seen.size >= MAX_SUBJECTS) this.#seen.delete(this.#seen.keys().next().value as string);
    this.#seen.set(key, { loggedAtMs: nowMs, suppressed: 0 });
    this.#log(before !== undefined && before.suppressed > 0 ? { ...event, suppressed: before.suppressed } : event);
  }
}
