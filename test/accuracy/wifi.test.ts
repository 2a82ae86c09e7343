import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bssidOf, parseWifiScan } from "@konferenco/protocol";
import { loadRecording, messagesOfRecording, newWifiFloor } from "@konferenco/simulators";
import { runAccuracy } from "../../cli/src/accuracy/run-accuracy.ts";

const dirs: string[] = [];
afterAll(() => dirs.forEach((dir) => fs.rmSync(dir, { recursive: true, force: true })));

/** A floor that is walked with a phone: a scan every ten seconds, the truth where it was made. */
function walkedFloor(options: { everyMs?: number; upTo?: number; survey?: boolean } = {}): string {
  const { everyMs = 10_000, upTo = 40, survey = true } = options;
  const floor = newWifiFloor({ seed: "walked", boxes: 12, roomsPerSide: 5 });
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-wifi-"));
  dirs.push(dir);
  const walk = floor.walk({ seed: 1, phone: { offsetDb: -6, slope: 0.95 }, scans: upTo, everyMs });
  const write = (name: string, lines: string[]) => fs.writeFileSync(path.join(dir, name), `${lines.join("\n")}\n`);
  fs.writeFileSync(path.join(dir, "venue.json"), JSON.stringify(floor.venue));
  if (survey) write("survey.csv", ["xM,yM,floor,bssid,rssiDbm,count", ...floor.survey.map((row) => [row.xM, row.yM, row.floor, row.bssid, row.rssiDbm, 1].join(","))]);
  write("wifi.csv", ["atMs,deviceId,bssid,rssiDbm", ...walk.flatMap((at) => at.scan.map((row, i) => [at.atMs - at.scan.length + i + 1, "phone", row.bssid.toUpperCase(), row.rssiDbm].join(",")))]);
  write("truth.csv", ["atMs,tagId,xM,yM,floor,zoneId", ...walk.map((at) => [at.atMs, "phone", at.xM, at.yM, at.floor, ""].join(","))]);
  return dir;
}

describe("a recording of Wi-Fi scans alone", () => {
  it("is read scan by scan, whatever milliseconds its rows carry", () => {
    const recording = loadRecording(walkedFloor());
    expect(recording.observations).toEqual([]);
    expect(recording.scans.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 40 }, (_, i) => (i + 1) * 10_000));
    for (const { payload, sentAtMs, gatewayId } of messagesOfRecording(recording)) {
      const parsed = parseWifiScan(new TextEncoder().encode(payload));
      expect(parsed).toMatchObject({ ok: true, value: { refusedRows: {}, scan: { tagId: "phone", heardAtMs: sentAtMs } } });
      expect(gatewayId).toBeNull();
    }
  });

  it("is located through the whole service by its survey, at the instants of the scans", async () => {
    const { figures, survey, trace } = await runAccuracy({ recording: walkedFloor() });
    expect(survey).toMatch(/^Wi-Fi: /);
    expect(figures?.fixShare ?? 0).toBeGreaterThan(0.95);
    expect(figures?.errorM?.mean ?? 99).toBeLessThan(1.9);
    expect(trace.length).toBeGreaterThan(300);
  });

  it("places nobody when the survey is to be ignored", async () => {
    const { survey, trace } = await runAccuracy({ recording: walkedFloor(), survey: false });
    expect(survey).toBe("ignored");
    expect(trace).toEqual([]);
  });

  it("that is cut off gives the beginning of the trace, byte for byte", async () => {
    const whole = await runAccuracy({ recording: walkedFloor() });
    const cut = await runAccuracy({ recording: walkedFloor({ upTo: 20 }) });
    expect(cut.trace.length).toBeGreaterThan(150);
    expect(whole.trace.slice(0, cut.trace.length)).toEqual(cut.trace);
  });
});

describe("a recording of Wi-Fi scans over real MQTT", () => {
  it("uses its survey too: the client receives the positions of virtual time", async () => {
    const result = await runAccuracy({ recording: walkedFloor({ everyMs: 1_000, upTo: 20 }), through: "mqtt", speed: 20 });
    expect(result.sameAsVirtualTime).toEqual({ same: true, firstDifference: null });
    expect(result.trace.length).toBeGreaterThan(10);
  });
});

describe("names of access points that are no addresses", () => {
  it("meet all the same in survey and scans", () => {
    expect(bssidOf("WAP001")).toBe(bssidOf(" WAP001 "));
  });
});
