import { vi } from "vitest";

/** How long a test waits for what it awaits: machines that build something else at the same time are slow, not wrong. */
const PATIENCE_MS = 20_000;

const waitFor = vi.waitFor;
vi.waitFor = (callback, options = {}) => {
  const chosen = typeof options === "number" ? { timeout: options } : options;
  return waitFor(callback, { ...chosen, timeout: Math.max(chosen.timeout ?? 0, PATIENCE_MS) });
};
