/** The port behind which a radio is: noble on a Pi, a script in tests and simulators. */
export interface BleSource {
  /**
   * Begins to listen. Resolves when the radio scans; rejects with `BleUnavailable` when it cannot.
   * `onAdvertisement` is called for every advertisement, synchronously; `onState` at each change after that.
   */
  start(handlers: BleHandlers): Promise<void>;
  stop(): Promise<void>;
  state(): BleState;
  counts(): BleCounts;
}

export interface BleHandlers {
  onAdvertisement: (advertisement: Advertisement) => void;
  onState?: (state: BleState) => void;
}

/** One advertisement as the controller reported it. `data` is only valid during the call. */
export interface Advertisement {
  /** Lower case with colons. */
  address: string;
  /** 127 means "not available" (Core 5.4 Vol 4 Part E 7.7.65.2). */
  rssiDbm: number;
  data: Uint8Array;
}

/**
 * `quiet`: scanning, but nothing heard for a while, so scanning is being restarted.
 * `down`: the adapter is off or gone; the source waits for it to come back.
 */
export type BleState = { kind: "stopped" } | { kind: "starting" } | { kind: "scanning" } | { kind: "quiet" } | { kind: "down"; remedy: string };

export interface BleCounts {
  advertisements: number;
  /** Frames from the controller that could not be parsed, each costing only itself. */
  badFrames: number;
  scanRestarts: number;
}

/** There is no radio to listen with. The message is one line and ends with what to do. */
export class BleUnavailable extends Error {
  readonly code = "BLE_UNAVAILABLE";
  readonly retryable = false;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "BleUnavailable";
  }
}
