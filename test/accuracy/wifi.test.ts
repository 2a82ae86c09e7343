import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bssidOf, parseWifiScan } from "@konferenco/protocol";
import { loadRecording, messagesOfRecording, newWifiFloor, type RecordedScan, type TruthPoint } from "@konferenco/simulators";
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
    const messages = [...messagesOfRecording(recording)];
    expect(messages.map(({ isScan }) => isScan)).toEqual([...Array.from({ length: 40 }, () => true), false]);
    for (const { payload, sentAtMs, gatewayId } of messages.slice(0, -1)) {
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

  it("is over when its truth is: the last scan is taken in, and nobody goes out before", async () => {
    const recording = loadRecording(walkedFloor({ upTo: 3 }));
    recording.truth.push({ ...(recording.truth.at(-1) as TruthPoint), atMs: 33_000 });
    const { trace } = await runAccuracy({ recording });
    expect(trace.some(({ atMs }) => atMs === 29_999)).toBe(true);
    expect(trace.at(-1)?.atMs).toBe(33_000);
  });

  it("whose scans are of unrelated places, a phone each or one phone for all, is located scan by scan", async () => {
    const recording = loadRecording(walkedFloor());
    const meanOf = async (deviceOf: (nth: number) => string, everyMs: number) => {
      // Every seventh first, so that a phone would have to run.
      const order = recording.scans.map((_, i) => (i * 7) % recording.scans.length);
      const placed = order.map((i, nth) => ({ tagId: deviceOf(nth), atMs: (nth + 1) * everyMs, i }));
      const scans = placed.map(({ i, ...at }) => ({ ...(recording.scans[i] as RecordedScan), ...at }));
      const truth = placed.map(({ i, ...at }) => ({ ...(recording.truth[i] as TruthPoint), ...at }));
      const { figures } = await runAccuracy({ recording: { ...recording, scans, truth } });
      expect(figures?.fixShare).toBe(1);
      return figures?.errorM?.mean ?? 99;
    };
    const alone = await meanOf((nth) => `phone-${nth}`, 1_000);
    expect(await meanOf(() => "phone", 10_000)).toBeLessThan(alone + 0.3);
    expect(await meanOf(() => "phone", 2_000)).toBeLessThan(alone + 0.3);
  });

  it("knows the floor between two scans where the map draws no zone", async () => {
    const recording = loadRecording(walkedFloor({ upTo: 5 }));
    const { trace } = await runAccuracy({ recording: { ...recording, venue: { ...recording.venue, zones: [], floors: [{ floor: 0, name: "0" }] } } });
    expect(trace.length).toBeGreaterThan(40);
    expect(new Set(trace.map(({ floor, zoneId }) => `${floor}/${zoneId}`))).toEqual(new Set(["0/null"]));
  });

  it("of scans two seconds apart is not read as half as many", () => {
    expect(loadRecording(walkedFloor({ everyMs: 2_000 })).scans.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 40 }, (_, i) => (i + 1) * 2_000));
  });

  it.each(["observations.csv", "wifi.csv on a map that has the access points"])("may be written as %s, with access points that go by names", async (how) => {
    const dir = walkedFloor();
    const asItWas = await runAccuracy({ recording: dir });
    const nameOf = (bssid: string) => `AP${bssid.toLowerCase().replaceAll(":", "")}`;
    const rewrite = (from: string, to: string, header: string, cellsOf: (cells: string[]) => string[]) => {
      const rows = fs.readFileSync(path.join(dir, from), "utf8").trim().split("\n").slice(1);
      fs.rmSync(path.join(dir, from));
      fs.writeFileSync(path.join(dir, to), [header, ...rows.map((row) => cellsOf(row.split(",")).join(","))].join("\n"));
    };
    const venue = JSON.parse(fs.readFileSync(path.join(dir, "venue.json"), "utf8")) as { direction: string; zones: { zoneId: string }[]; gateways: object[] };
    venue.direction = "tags-hear-gateways";
    rewrite("survey.csv", "survey.csv", "xM,yM,floor,gatewayId,rssiDbm,count", (cells) => cells.with(3, nameOf(cells[3] as string)));
    if (how === "observations.csv") {
      rewrite("wifi.csv", "observations.csv", "atMs,gatewayId,tagId,rssiDbm", ([atMs, deviceId, bssid, rssiDbm]) => [atMs as string, nameOf(bssid as string), deviceId as string, rssiDbm as string]);
    } else {
      rewrite("wifi.csv", "wifi.csv", "atMs,deviceId,bssid,rssiDbm", (cells) => cells.with(2, nameOf(cells[2] as string)));
      const gatewayId = nameOf(fs.readFileSync(path.join(dir, "wifi.csv"), "utf8").split("\n")[1]?.split(",")[2]?.slice(2) as string);
      venue.gateways.push({ gatewayId, xM: 1, yM: 1, floor: 0, zoneId: venue.zones[0]?.zoneId });
    }
    fs.writeFileSync(path.join(dir, "venue.json"), JSON.stringify(venue));
    const { survey, figures } = await runAccuracy({ recording: dir });
    expect(survey).toBe(asItWas.survey);
    expect(figures?.errorM?.mean).toBeCloseTo(asItWas.figures?.errorM?.mean as number, 1);
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
