import { Distribution, SECONDS_BOUNDS } from "@konferenco/protocol";

/** What takes how long in the bridge, in seconds. 150 bytes each. */
export interface Timings {
  /** From the radio's verdict to the store: what fusion and the store take. */
  fusion: Distribution;
  /** From the store to the socket. */
  bridge: Distribution;
  /** How much later than asked for a tick comes. */
  loopLag: Distribution;
  /** From the first question of a replay to `caught`. */
  replay: Distribution;
  /** From a change of a person's settings until nothing more is shown than they allow, here. */
  privacyChange: Distribution;
  /** From `ping` to the client's `pong`. */
  ping: Distribution;
}

export function newTimings(): Timings {
  const seconds = () => new Distribution(SECONDS_BOUNDS);
  return { fusion: seconds(), bridge: seconds(), loopLag: seconds(), replay: seconds(), privacyChange: seconds(), ping: seconds() };
}
