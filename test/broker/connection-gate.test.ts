import { describe, expect, it } from "vitest";
import { ConnectionGate, type GatePass } from "../../broker/src/connection-gate.ts";
import { brokerLimitsSchema } from "@konferenco/broker";

const limits = brokerLimitsSchema.parse({ maxConnections: 5, maxConnectionsPerAddress: 3, maxPendingPerAddress: 2 });
const pass = (entered: GatePass | string): GatePass => {
  if (typeof entered === "string") throw new Error(entered);
  return entered;
};

describe("the connection gate", () => {
  it("holds strangers of one address to the pending bound, and lets more in as they log in or leave", () => {
    const gate = new ConnectionGate(limits);
    const first = pass(gate.enter("a"));
    const second = pass(gate.enter("a"));
    expect(gate.enter("a")).toContain("maxPendingPerAddress");
    first.admit();
    first.admit(); // twice does not make room twice
    const third = pass(gate.enter("a"));
    expect(gate.enter("a")).toContain("maxConnectionsPerAddress");
    second.leave();
    second.leave();
    pass(gate.enter("a"));
    expect(gate.enter("a")).toContain("maxConnectionsPerAddress");
    third.leave();
    pass(gate.enter("a"));
  });

  it("counts addresses apart, and all together", () => {
    const gate = new ConnectionGate(limits);
    for (const address of ["a", "a", "b", "b", "c"]) pass(gate.enter(address));
    expect(gate.enter("d")).toContain("maxConnections)");
  });

  it("is as it was after everybody left, admitted or not", () => {
    const gate = new ConnectionGate(limits);
    for (let round = 0; round < 100; round++) {
      const passes = [pass(gate.enter("a")), pass(gate.enter("a"))];
      passes[0]?.admit();
      for (const one of passes) one.leave();
      passes[1]?.admit(); // too late: it left
    }
    pass(gate.enter("a")).admit();
    pass(gate.enter("a")).admit();
    pass(gate.enter("a")).admit();
    expect(gate.enter("a")).toContain("maxConnectionsPerAddress");
  });
});
