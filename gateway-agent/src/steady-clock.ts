import { randomUUID } from "node:crypto";
import fs from "node:fs";

/**
 * The gateway's clock: wall time when the process began, advanced by the machine's monotonic clock.
 * A Pi has no battery clock: NTP may step its wall time by hours in the middle of a show. This one never
 * steps, so fusion's offset (one per boot id) stays true.
 */
export interface SteadyClock {
  nowMs: () => number;
  /** What turns monotonic time into `nowMs()`. Another process of the same machine boot has another origin, but the same monotonic time. */
  originMs: number;
  /** Changes when the machine restarts: monotonic times of another boot cannot be compared. */
  machineBootId: string;
}

export function newSteadyClock(): SteadyClock {
  const originMs = Date.now() - monotonicMs();
  return { nowMs: () => Math.round(originMs + monotonicMs()), originMs, machineBootId: readMachineBootId() };
}

/** CLOCK_MONOTONIC (uv_hrtime): shared by all processes of a machine boot. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** Without Linux' boot id nothing can be carried from one process to the next: a random one says so. */
function readMachineBootId(): string {
  try {
    return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return randomUUID();
  }
}
