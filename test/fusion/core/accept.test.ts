import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BeaconReport } from "@konferenco/protocol";
import { acceptReport, clockOffsetMs, newAcceptor, noteClock, type Acceptor } from "../../../fusion/src/core/accept.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";

function report(over: Partial<BeaconReport> = {}): BeaconReport {
  return { gatewayId: "gw-1", bootId: "boot-1", seq: 0, sentAtMs: 1_000, tagId: ["tag-1"], rssiDbm: [-60], heardAtMs: [900], ...over };
}

function accept(acceptor: Acceptor, given: BeaconReport, receivedAtMs = given.sentAtMs, nowMs = receivedAtMs) {
  return acceptReport(acceptor, given, { receivedAtMs, nowMs }, config);
}

describe("accepting reports", () => {
  it("a report that comes twice counts once", () => {
    const acceptor = newAcceptor();
    expect(accept(acceptor, report()).ok).toBe(true);
    expect(accept(acceptor, report())).toMatchObject({ ok: false, code: "REPORT_DUPLICATE" });
  });

  it("a report that was overtaken by a later one is still new, once", () => {
    const acceptor = newAcceptor();
    for (const seq of [0, 3]) expect(accept(acceptor, report({ seq })).ok).toBe(true);
    expect(accept(acceptor, report({ seq: 2 })).ok).toBe(true);
    expect(accept(acceptor, report({ seq: 2 }))).toMatchObject({ code: "REPORT_DUPLICATE" });
    expect(accept(acceptor, report({ seq: 1 })).ok).toBe(true);
  });

  it("rows in any order are the same observations in the order of hearing", () => {
    const rows = [["tag-1", -60, 700], ["tag-2", -70, 900], ["tag-1", -63, 900], ["tag-1", -61, 900], ["tag-3", -80, 950]] as const;
    const taken = (order: readonly (typeof rows)[number][]) => accept(newAcceptor(), report({ tagId: order.map(([tagId]) => tagId), rssiDbm: order.map(([, rssiDbm]) => rssiDbm), heardAtMs: order.map(([, , heardAtMs]) => heardAtMs) }));
    expect(taken(rows)).toMatchObject({ value: { observations: [{ heardAtMs: 700 }, { tagId: "tag-1", rssiDbm: -63 }, { tagId: "tag-1", rssiDbm: -61 }, { tagId: "tag-2" }, { tagId: "tag-3" }] } });
    fc.assert(fc.property(fc.shuffledSubarray([...rows], { minLength: rows.length }), (order) => {
      expect(taken(order)).toEqual(taken(rows));
    }));
  });

  it("each sequence number is accepted exactly once, in whatever order and however often they come", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 300 }), (seqs) => {
        const acceptor = newAcceptor();
        const accepted = seqs.filter((seq) => accept(acceptor, report({ seq })).ok);
        expect([...accepted].sort()).toEqual([...new Set(seqs)].sort());
      }),
    );
  });

  it("a number further back than is remembered is refused, not counted a second time", () => {
    const acceptor = newAcceptor();
    accept(acceptor, report({ seq: 5 }));
    accept(acceptor, report({ seq: 2_000 }));
    expect(accept(acceptor, report({ seq: 5 }))).toMatchObject({ code: "REPORT_DUPLICATE" });
    expect(accept(acceptor, report({ seq: 2_000 - 1_024 }))).toMatchObject({ code: "REPORT_DUPLICATE" });
    expect(accept(acceptor, report({ seq: 2_000 - 1_023 })).ok).toBe(true);
  });

  it("a gateway that restarts begins to count anew, and the spool of its boot before still comes in once", () => {
    const acceptor = newAcceptor();
    accept(acceptor, report({ seq: 7 }));
    expect(accept(acceptor, report({ seq: 7, bootId: "boot-2" })).ok).toBe(true);
    expect(accept(acceptor, report({ seq: 8 })).ok).toBe(true);
    expect(accept(acceptor, report({ seq: 7 }))).toMatchObject({ code: "REPORT_DUPLICATE" });
  });

  it("a gateway that never keeps a boot id costs four of them", () => {
    const acceptor = newAcceptor();
    for (let boot = 0; boot < 100; boot++) accept(acceptor, report({ bootId: `boot-${boot}` }));
    expect(acceptor.gateways.get("gw-1")?.boots.size).toBe(4);
  });

  it("a gateway whose clock is a day ahead is heard on our clock", () => {
    const dayMs = 86_400_000;
    const accepted = accept(newAcceptor(), report({ sentAtMs: dayMs + 1_000, heardAtMs: [dayMs + 900] }), 50_000);
    expect(accepted).toMatchObject({ ok: true, value: { observations: [{ heardAtMs: 49_900 }] } });
  });

  it("the quickest report tells the offset; a slow network does not age what others heard", () => {
    const acceptor = newAcceptor();
    accept(acceptor, report({ seq: 0, sentAtMs: 1_000 }), 1_020);
    const slow = accept(acceptor, report({ seq: 1, sentAtMs: 2_000, heardAtMs: [1_950] }), 5_000);
    expect(slow).toMatchObject({ value: { observations: [{ heardAtMs: 1_970 }] } });
    expect(clockOffsetMs(acceptor, "gw-1")).toBe(20);
  });

  it.each([
    ["back by an hour", -3_600_000],
    ["ahead by an hour", 3_600_000],
    ["back by three seconds", -3_000],
    ["ahead by three seconds", 3_000],
  ])("a gateway whose clock is set %s is heard as before", (_, stepMs) => {
    const acceptor = newAcceptor();
    for (let s = 0; s < 300; s++) {
      const clockMs = s * 1_000 + (s < 60 ? 0 : stepMs);
      const accepted = accept(acceptor, report({ seq: s, sentAtMs: clockMs, heardAtMs: [clockMs - 100] }), s * 1_000 + 20);
      expect(accepted).toMatchObject({ value: { dueMs: s * 1_000 + 20, observations: [{ heardAtMs: s * 1_000 - 80 }] } });
    }
  });

  it("rows heard before the clock was set, in a report sent after, are heard when they were", () => {
    for (const stepMs of [-3_600_000, 3_600_000]) {
      const acceptor = newAcceptor();
      accept(acceptor, report({ seq: 0, sentAtMs: 100_000, heardAtMs: [99_900] }), 100_000);
      const across = report({ seq: 1, sentAtMs: 100_500 + stepMs, tagId: ["a", "b"], rssiDbm: [-60, -60], heardAtMs: [100_200, 100_400 + stepMs] });
      expect(accept(acceptor, across, 100_500)).toMatchObject({ value: { observations: [{ heardAtMs: 100_200 }, { heardAtMs: 100_400 }] } });
    }
  });

  it("a report of before a step of the clock that comes after it is heard when it was", () => {
    for (const stepMs of [-3_600_000, 3_600_000]) {
      const acceptor = newAcceptor();
      const sent = (seq: number, sentAtMs: number) => report({ seq, sentAtMs, heardAtMs: [sentAtMs - 100] });
      accept(acceptor, sent(0, 100_000), 100_000);
      accept(acceptor, sent(3, 101_500 + stepMs), 101_500);
      expect(accept(acceptor, sent(1, 100_500), 104_000)).toMatchObject({ value: { dueMs: 100_500, observations: [{ heardAtMs: 100_400 }] } });
      expect(accept(acceptor, sent(2, 101_000 + stepMs), 104_100)).toMatchObject({ value: { dueMs: 101_000, observations: [{ heardAtMs: 100_900 }] } });
    }
  });

  it("a clock that steps all the time costs four stretches a boot", () => {
    const acceptor = newAcceptor();
    for (let seq = 0; seq < 100; seq++) accept(acceptor, report({ seq, sentAtMs: seq % 2 === 0 ? 0 : 9e7 }), seq * 500);
    expect(acceptor.gateways.get("gw-1")?.boots.get("boot-1")?.stretches).toHaveLength(4);
  });

  it("a gateway that drains its spool after our restart is late, not live, when its status came first", () => {
    const hourMs = 3_600_000;
    const spooled = report({ sentAtMs: 1_000, heardAtMs: [900] });
    const acceptor = newAcceptor();
    noteClock(acceptor, { gatewayId: "gw-1", bootId: "boot-1", sentAtMs: hourMs }, hourMs + 30);
    expect(accept(acceptor, spooled, hourMs + 50)).toMatchObject({ value: { observations: [], refusedRows: { OBSERVATION_LATE: 1 } } });
    expect(accept(acceptor, report({ seq: 1, sentAtMs: hourMs + 100, heardAtMs: [hourMs + 90] }), hourMs + 130)).toMatchObject({ value: { observations: [{ heardAtMs: hourMs + 120 }] } });
  });

  it("what was heard more than ten seconds ago is late, what is yet to be heard is refused; the rest of the report counts", () => {
    const mixed = report({ sentAtMs: 60_000, tagId: ["a", "b", "c", "d"], rssiDbm: [-50, -51, -52, -53], heardAtMs: [49_999, 50_000, 61_001, 60_500] });
    const accepted = accept(newAcceptor(), mixed);
    expect(accepted).toMatchObject({
      ok: true,
      value: {
        refusedRows: { OBSERVATION_LATE: 1, OBSERVATION_FUTURE: 1 },
        observations: [{ tagId: "b", heardAtMs: 50_000 }, { tagId: "d", heardAtMs: 60_000 }],
      },
    });
  });
});
