import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { formatBeaconReport, isId, MAX_REPORT_ROWS, parseBeaconReport, type BeaconReport } from "@konferenco/protocol";

const good: BeaconReport = { gatewayId: "gw-1", bootId: "b1", seq: 7, sentAtMs: 1_000, tagId: ["t1", "t2", "t3"], rssiDbm: [-60, -70.5, -80], heardAtMs: [900, 950, 999] };
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const parse = (change: object) => parseBeaconReport(bytes({ v: 1, ...good, ...change }));

function rowsOf(change: object): { kept: string[]; refused: object } {
  const parsed = parse(change);
  if (!parsed.ok) throw new Error(parsed.detail);
  return { kept: parsed.value.report.tagId, refused: parsed.value.refusedRows };
}

describe("a beacon report", () => {
  it("parses whole", () => expect(parseBeaconReport(bytes(formatBeaconReport(good)))).toEqual({ ok: true, value: { report: good, refusedRows: {} } }));
  it("with no rows parses: the gateway heard nobody", () => expect(parse({ tagId: [], rssiDbm: [], heardAtMs: [] }).ok).toBe(true));
  it("keeps nothing that it does not know", () => {
    const parsed = parse({ extra: 1, constructor: 2 });
    if (!parsed.ok) throw new Error(parsed.detail);
    expect(Object.keys(parsed.value.report).sort()).toEqual(Object.keys(good).sort());
  });

  it.each([
    ["127, Bluetooth's 'not available'", 127, "RSSI_NOT_HEARD"],
    ["0 of a broken driver", 0, "RSSI_NOT_HEARD"],
    ["+20", 20, "RSSI_NOT_HEARD"],
    ["-0.5", -0.5, "RSSI_NOT_HEARD"],
    ["-121", -121, "RSSI_NOT_HEARD"],
    ["-1e308", -1e308, "RSSI_NOT_HEARD"],
    ["a string", "-60", "RSSI_BAD"],
    ["null", null, "RSSI_BAD"],
    ["a list", [-60], "RSSI_BAD"],
    ["an object", {}, "RSSI_BAD"],
    ["true", true, "RSSI_BAD"],
  ])("loses the row whose RSSI is %s, and only it", (_what, rssi, code) => {
    expect(rowsOf({ rssiDbm: [-60, rssi, -80] })).toEqual({ kept: ["t1", "t3"], refused: { [code]: 1 } });
  });

  it.each([["__proto__", "ID_RESERVED"], ["constructor", "ID_RESERVED"], ["hasOwnProperty", "ID_RESERVED"], ["", "ID_BAD"], ["a b", "ID_BAD"], ["x".repeat(65), "ID_BAD"], [7, "ID_BAD"], [null, "ID_BAD"], [{ toString: "t" }, "ID_BAD"]])(
    "loses the row whose tag id is %j, and only it",
    (tag, code) => expect(rowsOf({ tagId: ["t1", tag, "t3"] })).toEqual({ kept: ["t1", "t3"], refused: { [code]: 1 } }),
  );

  it.each([null, "now", [], {}])("loses the row whose time is %j, and only it", (time) => {
    expect(rowsOf({ heardAtMs: [900, time, 999] })).toEqual({ kept: ["t1", "t3"], refused: { TIME_BAD: 1 } });
  });

  it("with NaN and Infinity, as Python writes them, loses those rows only; in a text they are text", () => {
    const text = '{"v":1,"gatewayId":"NaN","bootId":"-Infinity \\" NaN","seq":0,"sentAtMs":5,"tagId":["t1","NaN","t3","t4"],"rssiDbm":[NaN,-60,-Infinity,-70],"heardAtMs":[1,2,3,NaN]}';
    const parsed = parseBeaconReport(bytes(text));
    expect(parsed).toMatchObject({ ok: true, value: { report: { gatewayId: "NaN", bootId: '-Infinity " NaN', tagId: ["NaN"] }, refusedRows: { RSSI_BAD: 2, TIME_BAD: 1 } } });
  });

  it("takes the limits themselves", () => {
    expect(rowsOf({ rssiDbm: [-1, -120, -1] }).kept).toHaveLength(3);
    const rows = MAX_REPORT_ROWS;
    expect(rowsOf({ tagId: Array(rows).fill("t"), rssiDbm: Array(rows).fill(-60), heardAtMs: Array(rows).fill(1) }).kept).toHaveLength(rows);
  });

  it.each([
    ["columns of unequal length", { rssiDbm: [-60] }, "COLUMNS_UNEQUAL"],
    ["a time column that is shorter", { heardAtMs: [1, 2] }, "COLUMNS_UNEQUAL"],
    ["too many rows", { tagId: Array(4_001).fill("t"), rssiDbm: Array(4_001).fill(-60), heardAtMs: Array(4_001).fill(1) }, "ROWS_TOO_MANY"],
    ["no version", { v: undefined }, "VERSION_UNKNOWN"],
    ["version 2", { v: 2 }, "VERSION_UNKNOWN"],
    ["version \"1\"", { v: "1" }, "VERSION_UNKNOWN"],
    ["no gateway", { gatewayId: undefined }, "SHAPE_BAD"],
    ["a gateway named __proto__", { gatewayId: "constructor" }, "ID_RESERVED"],
    ["a gateway with a slash", { gatewayId: "a/b" }, "ID_BAD"],
    ["a negative seq", { seq: -1 }, "SHAPE_BAD"],
    ["a broken seq", { seq: 1.5 }, "SHAPE_BAD"],
    ["a seq beyond 2^53", { seq: 2 ** 60 }, "SHAPE_BAD"],
    ["an empty boot id", { bootId: "" }, "SHAPE_BAD"],
    ["a long boot id", { bootId: "b".repeat(65) }, "SHAPE_BAD"],
    ["a column that is an object with a length", { tagId: { length: 3 } }, "SHAPE_BAD"],
    ["a column that is text", { tagId: "abc" }, "SHAPE_BAD"],
    ["a time sent that is null", { sentAtMs: null }, "SHAPE_BAD"],
  ])("with %s is refused", (_what, change, code) => expect(parse(change)).toMatchObject({ ok: false, code }));

  it.each([["nothing", ""], ["broken JSON", '{"v":1,'], ["a bare NaN in broken JSON", "[NaN"], ["two objects", "{}{}"], ["a BOM and rubbish", "\ufeff{"], ["100,000 brackets", "[".repeat(100_000)]])("made of %s is refused", (_what, text) => {
    expect(parseBeaconReport(bytes(text))).toMatchObject({ ok: false, code: "JSON_BAD" });
  });
  it("that is not UTF-8 is refused", () => expect(parseBeaconReport(Uint8Array.of(0xff, 0xfe, 0x7b))).toMatchObject({ ok: false, code: "JSON_BAD" }));
  it.each(["null", "7", "[]", '"text"', "true", '{"v":1}'])("that is %s is refused", (text) => expect(parseBeaconReport(bytes(text)).ok).toBe(false));

  it("of 256 KB that is made to be slow takes under 0.5 s of CPU", () => {
    const slow = ['"\\', '\\"', '"', "NaN,", "-", "NaN", '"\\\n', "\\", '{"a":', "Infinity ", '"NaN"'].map((piece) => bytes(`NaN${piece.repeat(Math.floor((256 * 1024) / piece.length))}`));
    slow.push(bytes(`{"a":"${"\\\"".repeat(130_000)} NaN`), bytes(`{"a":NaN,"b":"${"\\\\".repeat(130_000)}`));
    for (const input of slow) {
      const before = process.cpuUsage();
      expect(parseBeaconReport(input).ok).toBe(false);
      expect(process.cpuUsage(before).user / 1_000).toBeLessThan(500); // 10-40 ms measured; the quadratic reader took minutes
    }
  });

  it("of 10 MB is refused in bounded time, and pollutes nothing", () => {
    const before = process.cpuUsage();
    expect(parseBeaconReport(Buffer.alloc(10 * 1024 * 1024, "["))).toMatchObject({ code: "JSON_BAD" });
    const many = 500_000;
    expect(parse({ tagId: Array(many).fill("t"), rssiDbm: Array(many).fill(-60), heardAtMs: Array(many).fill(1) })).toMatchObject({ code: "ROWS_TOO_MANY" });
    expect(parseBeaconReport(bytes(`{"v":1,"gatewayId":"${"g".repeat(10_000_000)}"}`)).ok).toBe(false);
    expect(parseBeaconReport(bytes(`{"x":[${"NaN,".repeat(500_000)}0]}`)).ok).toBe(false);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(10_000); // about 2 s measured; the broker passes 256 KB at most
    parseBeaconReport(bytes('{"v":1,"__proto__":{"polluted":1},"gatewayId":"g","bootId":"b","seq":0,"sentAtMs":0,"tagId":["__proto__"],"rssiDbm":[-5],"heardAtMs":[1]}'));
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,20}$/).filter(isId);
  const row = fc.record({ tagId: id, rssiDbm: fc.double({ min: -120, max: -1, noNaN: true }), heardAtMs: fc.double({ noNaN: true, noDefaultInfinity: true }) });
  const report = fc.record({ gatewayId: id, bootId: fc.string({ minLength: 1, maxLength: 64 }), seq: fc.nat(), sentAtMs: fc.double({ noNaN: true, noDefaultInfinity: true }), rows: fc.array(row, { maxLength: 30 }) })
    .map(({ rows, ...rest }): BeaconReport => ({ ...rest, tagId: rows.map((r) => r.tagId), rssiDbm: rows.map((r) => r.rssiDbm), heardAtMs: rows.map((r) => r.heardAtMs) }));

  it("goes to the wire and back unchanged", () => {
    fc.assert(fc.property(report, (one) => {
      expect(parseBeaconReport(bytes(formatBeaconReport(one)))).toEqual({ ok: true, value: { report: JSON.parse(JSON.stringify(one)) as BeaconReport, refusedRows: {} } });
    }));
  });

  it("with any rows keeps those that are good, in order, and counts the others", () => {
    const anyRow = fc.tuple(fc.oneof(id, fc.jsonValue()), fc.oneof(fc.integer({ min: -130, max: 130 }), fc.jsonValue()), fc.oneof(fc.integer(), fc.jsonValue()));
    fc.assert(fc.property(fc.array(anyRow, { maxLength: 50 }), (rows) => {
      const { kept, refused } = rowsOf({ tagId: rows.map((r) => r[0]), rssiDbm: rows.map((r) => r[1]), heardAtMs: rows.map((r) => r[2]) });
      const expected = rows.filter(([tag, rssi, time]) => isId(tag) && typeof rssi === "number" && rssi >= -120 && rssi <= -1 && typeof time === "number").map((r) => r[0]);
      expect(kept).toEqual(expected);
      expect(Object.values(refused).reduce((sum: number, n: number) => sum + n, 0)).toBe(rows.length - kept.length);
    }));
  });
});
