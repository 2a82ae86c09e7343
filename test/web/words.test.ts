import { describe, expect, it } from "vitest";
import { radioWords, walkInWords } from "../../web/src/common/words.ts";
import { twoFloors } from "../fusion/venues.ts";

describe("a walk in words", () => {
  const venue = { ...twoFloors(), floors: [{ floor: 0, name: "Ground floor" }, { floor: 1, name: "First floor" }] };
  const [down, up] = [0, 1].map((floor) => venue.zones.find((zone) => zone.floor === floor)?.zoneId as string) as [string, string];
  venue.zones = venue.zones.map((zone) => (zone.zoneId === down || zone.zoneId === up ? { ...zone, name: "Stairs" } : zone));

  it("names the floor where it goes to another: stairs have one name on all", () => {
    expect(walkInWords({ from: down, to: up }, venue)).toBe("went from Stairs to Stairs, First floor");
    expect(walkInWords({ from: up, to: down }, venue)).toBe("went from Stairs to Stairs, Ground floor");
  });

  it("says no more than that otherwise", () => {
    expect(walkInWords({ from: down, to: down }, venue)).toBe("went from Stairs to Stairs");
    expect(walkInWords({ from: null, to: up }, venue)).toBe("entered Stairs");
    expect(walkInWords({ from: up, to: null }, venue)).toBe("left Stairs");
    expect(walkInWords({ from: down, to: "gone" }, venue)).toBe("went from Stairs to gone");
  });
});

describe("what positions rest on", () => {
  const gateway = { gatewayId: "gw", state: "online", atMs: 0, lastReportAtMs: 0, observationsPerS: 1, clockOffsetMs: 0 } as const;

  it("is said once for all gateways, with how good it is where that is known", () => {
    expect(radioWords([])).toBe("");
    expect(radioWords([gateway, { ...gateway, calibration: { basis: "links", offsetDb: 1, residualDb: 2.4 } }])).toBe("Calibrated by gateways that hear each other, levels within 2.4 dB");
    expect(radioWords([{ ...gateway, calibration: { basis: "traffic", offsetDb: 1, residualDb: null, gainNats: 0.4 } }])).toBe("Calibrated by what tags sent: what was held back became 1.5 times as likely");
    expect(radioWords([{ ...gateway, calibration: { basis: "prior", offsetDb: 0, residualDb: null } }])).toBe("Not calibrated yet: positions rest on typical values");
  });
});
