import type { BrokerLimits } from "./config.ts";

/** One open socket's place. */
export interface GatePass {
  /** It logged in: no longer pending. */
  admit: () => void;
  /** It closed. */
  leave: () => void;
}

interface Address {
  open: number;
  pending: number;
}

/** Counts open sockets, in all and per address. Knows only addresses with an open socket, so it needs no sweeping. */
export class ConnectionGate {
  readonly #limits: BrokerLimits;
  readonly #addresses = new Map<string, Address>();
  #open = 0;

  constructor(limits: BrokerLimits) {
    this.#limits = limits;
  }

  /** A pass, or the sentence that says which bound was reached. */
  enter(address: string): GatePass | string {
    const { maxConnections, maxConnectionsPerAddress, maxPendingPerAddress } = this.#limits;
    const counts = this.#addresses.get(address) ?? { open: 0, pending: 0 };
    if (this.#open >= maxConnections) return `${maxConnections} connections are open (limits.maxConnections)`;
    if (counts.open >= maxConnectionsPerAddress) return `${maxConnectionsPerAddress} connections from this address (limits.maxConnectionsPerAddress)`;
    if (counts.pending >= maxPendingPerAddress) return `${maxPendingPerAddress} connections from this address without a login (limits.maxPendingPerAddress)`;
    this.#addresses.set(address, counts);
    this.#open += 1;
    counts.open += 1;
    counts.pending += 1;
    let state: "pending" | "admitted" | "left" = "pending";
    return {
      admit: () => {
        if (state !== "pending") return;
        state = "admitted";
        counts.pending -= 1;
      },
      leave: () => {
        if (state === "left") return;
        if (state === "pending") counts.pending -= 1;
        state = "left";
        this.#open -= 1;
        counts.open -= 1;
        if (counts.open === 0) this.#addresses.delete(address);
      },
    };
  }
}
