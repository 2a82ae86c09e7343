import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bssidOf, ConfigError, parseWifiScan } from "@konferenco/protocol";
import { fingerprintOf, parseWifiSurvey, surveyOfRows } from "../../../fusion/src/core/wifi-survey.ts";

const A = "aa:00:00:00:00:01";
const B = "aa:00:00:00:00:02";
const C = "aa:00:00:00:00:03";
const row = (xM: number, bssid: string, rssiDbm: number, count = 1) => ({ xM, yM: 0, floor: 0, bssid, rssiDbm, count });

describe("a Wi-Fi survey", () => {
  it("written scan after scan is read as those scans", () => {
    const survey = surveyOfRows([row(0, A, -50), row(0, B, -60), row(0, A, -52), row(0, B, -62), row(3, A, -70)]);
    expect(survey.bssids).toEqual([A, B]);
    expect(survey.points).toHaveLength(2);
    expect(survey.scans.map(({ point, accessPoint, rssiDbm }) => [point, accessPoint, rssiDbm])).toEqual([[0, [0, 1], [-50, -60]], [0, [0, 1], [-52, -62]], [1, [0], [-70]]]);
  });

  it("written access point after access point gives the same scans", () => {
    const byScan = [row(0, A, -50), row(0, B, -60), row(0, C, -70), row(0, A, -51), row(0, B, -61), row(0, C, -71), row(0, A, -52), row(0, B, -62), row(0, C, -72)];
    const byAccessPoint = [...byScan].sort((a, b) => (a.bssid < b.bssid ? -1 : a.bssid > b.bssid ? 1 : 0));
    expect(surveyOfRows(byAccessPoint)).toEqual(surveyOfRows(byScan));
  });

  it("written as a histogram has as many scans as its loudest voice has readings, and the rarer ones spread among them", () => {
    const survey = surveyOfRows([row(0, A, -50, 1), row(0, A, -52, 3), row(0, B, -70, 2)]);
    expect(survey.scans.map(({ accessPoint, rssiDbm, count }) => [accessPoint, rssiDbm, count])).toEqual([
      [[0], [-50], [1]],
      [[0, 1], [-52, -70], [1, 1]],
      [[0], [-52], [1]],
      [[0, 1], [-52, -70], [1, 1]],
    ]);
  });

  it("of both radios leaves out the gateways, and is none when it names nothing else", () => {
    const text = `xM,yM,floor,gatewayId,rssiDbm,count\n1,2,0,gw-1,-50,1\n1,2,0,${A},-60,1\n`;
    expect(parseWifiSurvey(text, "survey.csv", new Set(["gw-1"]))?.bssids).toEqual([A]);
    expect(parseWifiSurvey("xM,yM,floor,gatewayId,rssiDbm,count\n1,2,0,gw-1,-50,1\n", "survey.csv", new Set(["gw-1"]))).toBeNull();
  });

  it("with levels that no radio hears is read without them", () => {
    expect(surveyOfRows([row(0, A, 127), row(0, A, 0), row(0, A, 20), row(0, B, -60)]).bssids).toEqual([B]);
  });

  it.each([
    ["a column is missing", "xM,yM,floor,rssiDbm\n1,2,0,-50\n", /lacks the column bssid/],
    ["a word stands for a number", `xM,yM,floor,bssid,rssiDbm\n1,north,0,${A},-50\n`, /line 2: yM is "north"/],
  ])("says where %s", (_, text, why) => {
    expect(() => parseWifiSurvey(text, "survey.csv")).toThrow(ConfigError);
    expect(() => parseWifiSurvey(text, "survey.csv")).toThrow(why);
  });

  it("does not depend on how its addresses are spelled", () => {
    expect(surveyOfRows([row(0, "AA-00-00-00-00-01", -50)]).bssids).toEqual([A]);
    expect(fingerprintOf({ bssid: [A, "ff:ff:ff:ff:ff:ff", A], rssiDbm: [-50, -40, -45] }, new Map([[A, 0]]))).toEqual({ accessPoint: [0], rssiDbm: [-45] });
  });
});

describe("an access point's name", () => {
  it("is an address that the wire takes, the same for the same name", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), (name) => {
        const bssid = bssidOf(name);
        expect(bssidOf(name)).toBe(bssid);
        expect(bssidOf(bssid.toUpperCase())).toBe(bssid);
        const parsed = parseWifiScan(new TextEncoder().encode(JSON.stringify({ v: 1, tagId: "phone", heardAtMs: 0, bssid: [bssid], rssiDbm: [-50] })));
        expect(parsed.ok && parsed.value.scan.bssid).toEqual([bssid]);
      }),
    );
  });

  it("of each of UJIIndoorLoc's 520 is its own", () => {
    expect(new Set(Array.from({ length: 520 }, (_, i) => bssidOf(`WAP${String(i + 1).padStart(3, "0")}`))).size).toBe(520);
  });
});
