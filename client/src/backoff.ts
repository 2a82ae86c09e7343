/** Tries before a person is asked (requirement E9): 1 + 2 + 4 + 8 + 16 + 30 × 5 s, about 2 to 3 minutes. */
export const MAX_TRIES = 10;

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;

/**
 * Wait before try number `attempt` (1, 2, …): 1, 2, 4 … 30 s, each shortened by up to half.
 * The jitter spreads 10,000 clients of a restarted server over half a second to fifteen.
 */
export function backoffMs(attempt: number, random: number): number {
  const fullMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return Math.round(fullMs * (1 - random / 2));
}
