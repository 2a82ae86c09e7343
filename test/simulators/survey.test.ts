import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { loadSurvey } from "@konferenco/simulators";
import { describe, expect, it, onTestFinished } from "vitest";
import { twoRooms } from "../fusion/venues.ts";

function file(...lines: string[]): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-survey-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  const name = path.join(folder, "survey.csv");
  fs.writeFileSync(name, `${lines.join("\n")}\n`);
  return name;
}

const venue = twoRooms();
const [gateway] = venue.gateways.map(({ gatewayId }) => gatewayId);
const HEADER = "xM,yM,floor,gatewayId,rssiDbm,count";

describe("a survey of gateways", () => {
  it("is read with its columns in any order, and without a count each row is one packet", () => {
    expect(loadSurvey(file("rssiDbm,gatewayId,floor,yM,xM", `-60.5,${gateway},0,2,1`), venue)).toEqual([{ xM: 1, yM: 2, floor: 0, gatewayId: gateway, rssiDbm: -60.5, count: 1 }]);
  });

  it("of access points alone is none; of both, only the gateways' rows count", () => {
    expect(loadSurvey(file("xM,yM,floor,bssid,rssiDbm", "1,1,0,aa:bb:cc:dd:ee:ff,-60"), venue)).toBeNull();
    expect(loadSurvey(file("xM,yM,floor,gatewayId,bssid,rssiDbm", `1,1,0,,aa:bb:cc:dd:ee:ff,-60`, `1,1,0,${gateway},,-70`), venue)).toHaveLength(1);
  });

  it("that does not fit the venue is refused with line and remedy", () => {
    const faults: [row: string, words: RegExp][] = [
      [`1,1,0,stranger,-60,4`, /line 2: gateway "stranger" is not on the venue map: put it there/],
      [`1,1,7,${gateway},-60,4`, /line 2: floor 7 is not on the venue map, which has 0/],
      [`4000,1,0,${gateway},-60,4`, /line 2: \(4000, 1\) is \d+ m beyond what the map draws of floor 0/],
      [`1,1,0,${gateway},-60,0`, /line 2: count is 0/],
      [`1,1,0,${gateway},loud,4`, /line 2: rssiDbm is "loud", not a number/],
      [`1,1,0,${gateway},-60`, /line 2 has 5 cells, its first line 6/],
    ];
    for (const [row, words] of faults) expect(() => loadSurvey(file(HEADER, row), venue)).toThrow(words);
    expect(() => loadSurvey(file("xM,yM,floor,rssiDbm", "1,1,0,-60"), venue)).toThrow(/lacks the column gatewayId/);
  });
});
