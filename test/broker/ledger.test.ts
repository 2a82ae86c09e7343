import { describe, expect, it } from "vitest";
import { Ledger } from "../../broker/src/ledger.ts";

describe("the ledger", () => {
  it("counts every refusal and logs one a minute per subject and code, with the number left out", () => {
    const lines: object[] = [];
    let nowMs = 0;
    const ledger = new Ledger((line) => lines.push(line), () => nowMs);
    for (let i = 0; i < 500; i++) ledger.refuse("LOGIN_UNKNOWN", "10.0.0.9", "wrong password");
    ledger.refuse("TOPIC_FOREIGN_ZONE", "10.0.0.9", "x");
    ledger.refuse("LOGIN_UNKNOWN", "10.0.0.8", "x");
    expect(ledger.refused).toEqual({ LOGIN_UNKNOWN: 501, TOPIC_FOREIGN_ZONE: 1 });
    expect(lines).toHaveLength(3);
    nowMs = 60_000;
    ledger.refuse("LOGIN_UNKNOWN", "10.0.0.9", "wrong password");
    expect(lines[3]).toEqual({ event: "broker.refused", code: "LOGIN_UNKNOWN", subject: "10.0.0.9", detail: "wrong password", suppressed: 499 });
  });

  it("remembers at most 1,000 subjects, however many addresses attack", () => {
    const ledger = new Ledger(() => {}, () => 0);
    for (let i = 0; i < 5_000; i++) ledger.refuse("PACKET_BAD", `10.0.${i >> 8}.${i & 255}`, "x");
    expect(ledger.refused.PACKET_BAD).toBe(5_000);
    expect(ledger.subjectsRemembered()).toBe(1_000);
  });
});
