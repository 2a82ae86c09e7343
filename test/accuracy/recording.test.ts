import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, parseBeaconReport, formatBeaconReport } from "@konferenco/protocol";
import { loadRecording, reportsOfRecording, type RecordedObservation } from "@konferenco/simulators";
import { FLAT, HALL, changedRecording, editRows } from "./recordings.ts";

describe("a recording", () => {
  it("is read with its venue, observations and truth", () => {
    const flat = loadRecording(FLAT);
    expect(flat.observations).toHaveLength(4_314);
    expect(flat.truth).toHaveLength(719);
    expect(flat.observations[0]).toEqual({ atMs: 0, gatewayId: "A1", tagId: "tag1", rssiDbm: -72.55489532554688 });
    expect(flat.truth[0]).toEqual({ atMs: 0, tagId: "tag1", xM: 0.601, yM: 5.82, floor: 0, zoneId: "bedroom" });
    expect(flat.venue.gateways).toHaveLength(6);
  });

  it.each<[string, Record<string, ((text: string) => string) | null>, RegExp]>([
    ["with no venue", { "venue.json": null }, /venue\.json/],
    ["with no observations", { "observations.csv": null }, /observations\.csv/],
    ["that lacks a column", { "observations.csv": (text) => text.replace("rssiDbm", "rssi") }, /lacks the column rssiDbm/],
    ["whose cells are separated otherwise", { "observations.csv": (text) => text.replaceAll(",", ";") }, /separated by ";", and must be by commas/],
    ["of gateways that the map does not have", { "observations.csv": (text) => text.replace(/^(\d+),/gm, "$1,pi-") }, /none of its gateways is in venue\.json, "pi-A1" for one; there they are called "A1"/],
    ["with words for numbers", { "observations.csv": editRows((rows) => [...Array.from({ length: 50 }, () => "0,A1,tag1,loud"), ...rows]) }, /line 2: rssiDbm is "loud".*50 of 4364 rows cannot be read/],
    ["with a row cut off", { "truth.csv": editRows((rows) => [...rows, "352333,tag1"]) }, /line 721 has 2 cells/],
  ])("%s is refused with the remedy", (_, change, why) => {
    const dir = changedRecording(FLAT, change);
    expect(() => loadRecording(dir)).toThrow(ConfigError);
    expect(() => loadRecording(dir)).toThrow(why);
  });
});

describe("a recording with a few rows that cannot be read", () => {
  it("is played without them, and says so", () => {
    const { observations, leftOut } = loadRecording(changedRecording(FLAT, { "observations.csv": editRows((rows) => ["0,A1,tag1,loud", ...rows.slice(0, 9), "12,A1", ...rows.slice(9), "400000,A1,tag1,"]) }));
    expect(observations).toEqual(loadRecording(FLAT).observations);
    expect(leftOut).toEqual([expect.stringMatching(/^3 of 4317 rows left out: .*observations\.csv line 2: rssiDbm is "loud", not a number$/)]);
  });

  it("says nothing when there are none", () => {
    expect(loadRecording(FLAT).leftOut).toBeUndefined();
  });
});

describe("a recording that another program wrote", () => {
  const flat = loadRecording(FLAT);
  const inAnyOrder = editRows((rows) => rows.toSorted((a, b) => (a.slice(-9) < b.slice(-9) ? -1 : 1)));
  const byWho = editRows((rows) => rows.toSorted((a, b) => (a.split(",")[1] as string).localeCompare(b.split(",")[1] as string)));
  const twice = editRows((rows) => rows.flatMap((row, i) => (i % 3 === 0 ? [row, row] : [row])));
  const inQuotes = (text: string): string => `\ufeff${text.split("\n").map((line) => line.replace(/[^,]+/g, '"$&"')).join("\r\n  \r\n")}`;

  it.each<[string, Record<string, (text: string) => string>]>([
    ["with rows in any order", { "observations.csv": inAnyOrder, "truth.csv": inAnyOrder }],
    ["by gateway, one after the other", { "observations.csv": byWho }],
    ["with observations that are there twice", { "observations.csv": twice }],
    ["in quotes, with Windows line ends, a byte order mark and blank lines", { "observations.csv": inQuotes, "truth.csv": inQuotes }],
  ])("%s is the same recording", (_, change) => {
    const { observations, truth } = loadRecording(changedRecording(FLAT, change));
    expect(observations).toEqual(flat.observations);
    expect(truth).toEqual(flat.truth);
  });

  it("of a clock of whole seconds keeps equal rows: they are as many packets", () => {
    const dir = changedRecording(FLAT, { "observations.csv": () => "atMs,gatewayId,tagId,rssiDbm\n0,A1,tag1,-70\n1000,A1,tag1,-70\n1000,A1,tag1,-70\n" });
    expect(loadRecording(dir).observations).toHaveLength(3);
  });
});

describe("the reports of a recording", () => {
  it("hold every observation but those of the last, unfinished window", () => {
    for (const dir of [FLAT, HALL]) {
      const { observations, ...recording } = loadRecording(dir);
      const lastWindow = Math.floor((observations.at(-1)?.atMs as number) / 500);
      const sent = [...reportsOfRecording({ ...recording, observations })].reduce((sum, { report }) => sum + report.tagId.length, 0);
      expect(sent).toBe(observations.filter(({ atMs }) => Math.floor(atMs / 500) < lastWindow).length);
    }
  });

  it("are valid on the wire, in order, numbered without holes, and sent after what they tell of", () => {
    const seqs = new Map<string, number>();
    let lastMs = -Infinity;
    for (const { report, sentAtMs, topic } of reportsOfRecording(loadRecording(FLAT), { startAtMs: 1_000_000, eventId: "demo" })) {
      expect(parseBeaconReport(new TextEncoder().encode(formatBeaconReport(report)))).toMatchObject({ ok: true });
      expect(topic).toMatch(/^konferenco\/demo\/beacon\/(living|bedroom|hall|kitchen)$/);
      expect(sentAtMs).toBeGreaterThanOrEqual(lastMs);
      expect(report.seq).toBe((seqs.get(report.gatewayId) ?? -1) + 1);
      expect(Math.max(...report.heardAtMs)).toBeLessThanOrEqual(sentAtMs);
      expect(sentAtMs % 500).toBe(499);
      seqs.set(report.gatewayId, report.seq);
      lastMs = sentAtMs;
    }
  });

  it("of a recording that is cut off anywhere are the first reports of the whole", () => {
    const { venue } = loadRecording(HALL);
    const gateways = venue.gateways.map(({ gatewayId }) => gatewayId);
    const row = fc.record({ stepMs: fc.integer({ min: -200, max: 900 }), gateway: fc.integer({ min: 0, max: gateways.length - 1 }) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 80 }), fc.nat(80), (steps, cutAt) => {
        let atMs = 0;
        const observations: RecordedObservation[] = steps.map(({ stepMs, gateway }) => ({ atMs: (atMs = Math.max(0, atMs + stepMs)), gatewayId: gateways[gateway] as string, tagId: "tag", rssiDbm: -60 }));
        const whole = [...reportsOfRecording({ venue, observations })];
        const cut = [...reportsOfRecording({ venue, observations: observations.slice(0, cutAt) })];
        expect(whole.slice(0, cut.length)).toEqual(cut);
      }),
    );
  });
});
